/* The layouts that the Linux personality relies on, as data: what it needs of a kernel's symbols and
 * structures, and in which ways kernels have it. tests/shapes holds every one of them against the
 * debug information of many kernels. */
#ifndef XKD_OS_LINUX_SHAPES_H
#define XKD_OS_LINUX_SHAPES_H
#include "symbols/image.h"

struct xkd_target;

enum linux_shape_id {
	/* symbols alone: asked of an image before the kernel is attached to */
	SHAPE_GATE0,
	SHAPE_IMAGE,
	SHAPE_KERNEL_TABLES,
	SHAPE_DIRECT_MAP,
	SHAPE_BOOT_STATE,
	SHAPE_BANNER,
	SHAPE_DATA,
	SHAPE_EARLY,
	SHAPE_NOTES,
	SHAPE_ORC,
	SHAPE_BTF,
	/* of the attached kernel */
	SHAPE_JIFFIES,
	SHAPE_BOOT,
	SHAPE_LOAD_PLACE,
	SHAPE_MODULES,
	SHAPE_RANGES,
	SHAPE_SECTIONS,
	SHAPE_MODSYMS,
	SHAPE_MODBTF,
	SHAPE_MODORC,
	SHAPE_JUMPS,
	SHAPE_CALLS,
	SHAPE_PERCPU,
	SHAPE_CURRENT,
	SHAPE_PREEMPT,
	SHAPE_TASK,
	SHAPE_STATE,
	SHAPE_CPU,
	SHAPE_MM,
	SHAPE_TASKS,
	SHAPE_SLEEPING,
	SHAPE_PT_REGS,
	SHAPE_LOG,
	LINUX_SHAPES
};

/* The parts of each shape: positions that mean the same in all its alternatives. */
enum { AT_VAR, AT_MEMBER };				      /* a variable, and a member in it */
enum { BOOT_TASK, BOOT_CANARY };			      /* what a boot draws */
enum { AT_START, AT_END, AT_ENTRIES, AT_ENTRIES_END, AT_HEADER, AT_HEADER_END }; /* tables */
enum { MOD_HEAD, MOD_ALL, MOD_LIST, MOD_NAME, MOD_STATE, MOD_SECT_ATTRS };
enum { RANGE_MEM, RANGE_ENTRY, RANGE_BASE, RANGE_SIZE, RANGE_INIT_BASE, RANGE_INIT_SIZE };
enum { SECT_COUNT, SECT_LIST, SECT_ENTRY, SECT_NAME, SECT_ADDR };
enum { KS_TABLE, KS_SYMTAB, KS_COUNT, KS_STRTAB, KS_TYPES };
enum { MB_HEAD, MB_LIST, MB_MODULE, MB_BTF, MB_DATA, MB_SIZE };
/* tables of places that the kernel patches: of the kernel, one entry, of a module */
enum { PT_START, PT_END, PT_ENTRY, PT_CODE, PT_MOD, PT_MOD_COUNT };
enum { MO_COUNT, MO_IPS, MO_ENTRIES };
enum { TASK_PID, TASK_TGID, TASK_COMM, TASK_MM, TASK_STACK, TASK_EXIT_STATE, TASK_FLAGS };
enum { TASKS_INIT, TASKS_LIST, TASKS_SIGNAL, TASKS_NODE, TASKS_HEAD };
enum { SLEEP_SP, SLEEP_FRAME, SLEEP_BX, SLEEP_BP, SLEEP_R12, SLEEP_R13, SLEEP_R14, SLEEP_R15,
       SLEEP_IP };
enum { RB_VAR, RB_COUNT_BITS, RB_DESCS, RB_INFOS, RB_TAIL, RB_HEAD, RB_SIZE_BITS, RB_DATA, RB_DESC,
       RB_STATE, RB_BEGIN, RB_NEXT, RB_INFO, RB_SEQ,
       /* the records before the ring */
       LOG_BUF, LOG_LEN, LOG_FIRST, LOG_NEXT, LOG_REC, LOG_REC_LEN,
       /* both have */
       LOG_NS, LOG_TEXT_LEN, LOG_FACILITY,
       LINUX_SHAPE_PARTS };

#define LINUX_SHAPE_ALTS 4

/* A part is spelled
 *	&symbol			its address
 *	struct			its size
 *	struct.member.path	offset and size; anonymous members are looked through
 *	...@136			a member that must lie there: what the program has built in
 * and ? before it: not every kernel has it, and what needs it does without. */
struct linux_alt {
	const char *name; /* what tells it from the others; NULL: no more */
	const char *part[LINUX_SHAPE_PARTS];
};
struct linux_shape {
	const char *name;
	bool optional; /* kernels may be built without, and old ones be older */
	struct linux_alt alt[LINUX_SHAPE_ALTS]; /* in the order tried */
};
extern const struct linux_shape linux_shapes[LINUX_SHAPES];

struct linux_place {
	bool there;
	uint64_t off;  /* in the structure; a symbol's address */
	uint64_t size; /* a symbol's may be 0: not told */
};
/* A shape as one kernel has it. */
struct linux_fit {
	const struct linux_alt *alt; /* NULL: none applies */
	struct linux_place at[LINUX_SHAPE_PARTS];
};

/* Where names are looked up: each NOTFOUND when it has none. member may be NULL. */
struct linux_names {
	enum xkd_rc (*sym)(void *arg, const char *name, struct linux_place *p, struct xkd_err *err);
	enum xkd_rc (*member)(void *arg, const char *type, const char *path, struct linux_place *p,
			      struct xkd_err *err);
	void *arg;
};
/* The first alternative all of whose parts are there. NOTFOUND with the part that the nearest one
 * lacks; what else a look-up fails with ends the search. */
enum xkd_rc linux_shape_in(const struct linux_names *from, enum linux_shape_id id,
			   struct linux_fit *fit, struct xkd_err *err) XKD_MUST;
/* By an image's symbols: image addresses. False: none applies. */
bool linux_shape_of_image(struct xkd_image *img, enum linux_shape_id id, struct linux_fit *fit);
/* Of the kernel attached to; looked for once a boot. */
enum xkd_rc linux_shape(struct xkd_target *t, enum linux_shape_id id, struct linux_fit *fit,
			struct xkd_err *err) XKD_MUST;
/* Reads the part of the object at base: a member of it, or base more than a symbol (per-CPU ones). */
enum xkd_rc linux_part(struct xkd_target *t, const struct linux_fit *fit, unsigned part,
		       uint64_t base, uint64_t *val, struct xkd_err *err) XKD_MUST;
#endif
