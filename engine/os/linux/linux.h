/* The Linux personality's own state and the functions its files share. */
#ifndef XKD_OS_LINUX_H
#define XKD_OS_LINUX_H
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/os/linux/shapes.h"
#include "engine/os/os.h"

#define XKD_LINUX_CPUS 8192
#define LINUX_KERNEL_MAP 0xffffffff80000000ULL /* __START_KERNEL_map, x86-64 */
#define LINUX_PTI_USER 0x1000ULL /* PTI_PGTABLE_SWITCH_BIT: the root is the user half */
#define LINUX_KERNEL_MAP_END 0xffffffffc0000000ULL

/* Code that calls return to instead of their callers. */
enum linux_tramp { LINUX_TRAMP_NONE, LINUX_TRAMP_PROBE, LINUX_TRAMP_GRAPH };
#define LINUX_TRAMPS 4

/* A place that the kernel patches as it runs. */
struct linux_site {
	uint64_t addr;
	bool call; /* a static call; else a static key */
};

struct xkd_linux {
	uint64_t text_va, end_va; /* _text and _end in the target */
	bool pa_known;
	uint64_t text_pa;
	bool dm_known;	   /* direct map */
	uint64_t dm_base, dm_size;
	bool paging_known; /* swapper_pg_dir */
	struct xkd_paging paging;
	uint64_t data_va; /* in the image, outside what the user half of split tables maps; 0: none */
	bool complete;	  /* the memory layout was learned at a time when all of it was set up */
	uint64_t jiffies; /* as of the last stop */
	uint64_t witness_va;
	uint8_t witness[16];
	/* trampoline.c, code.c: places that do not move while the kernel lives, and what it made */
	bool tramps_known, codes_known;
	uint32_t tramps_gen;
	struct {
		uint64_t addr, size; /* addr 0: this kernel has none */
	} tramps[LINUX_TRAMPS];
	struct xkd_gen codes_gen;
	XKD_VEC(struct xkd_code) codes;
	/* patched.c: by address; of these modules */
	XKD_VEC(struct linux_site) sites;
	bool sites_known;
	uint32_t sites_gen;
	/* __per_cpu_offset, as far as filled */
	XKD_VEC(uint64_t) percpu;
	struct linux_fit shapes[LINUX_SHAPES]; /* those found so far */
};
static inline struct xkd_linux *linux_of(struct xkd_target *t)
{
	return t->os_state;
}

/* --- probe.c: looking at a machine whose kernel is not known yet --- */
/* A way to read kernel addresses before the kernel is known, through one CPU's tables. */
struct linux_view {
	int cpu;
	struct xkd_space sp;
	struct xkd_paging pg; /* when has_pg */
	bool has_pg;
};
/* The views of a CPU: its tables; the same with the user half of page-table isolation undone. */
size_t linux_views(struct xkd_target *t, int cpu, struct linux_view v[2]);
/* Handler of IDT gate 0 as this CPU has it. */
enum xkd_rc linux_divide_handler(struct xkd_target *t, const struct linux_view *v, uint64_t *handler,
				 struct xkd_err *err);
/* First present executable 2 MiB step of the kernel mapping. */
enum xkd_rc linux_scan_text(struct xkd_target *t, const struct linux_view *v, uint64_t *text,
			    struct xkd_err *err);
/* Build-id of the notes that img's .notes would have at this slide. */
enum xkd_rc linux_notes_id(struct xkd_target *t, const struct linux_view *v, struct xkd_image *img,
			   int64_t slide, struct xkd_buildid *id, struct xkd_err *err);
/* Searches the kernel image's memory from text for its banner and build-id, without any file. */
void linux_identify(struct xkd_target *t, const struct linux_view *v, uint64_t text, char *banner,
		    size_t max, struct xkd_buildid *id);

/* --- kallsyms.c: a kernel without files --- */
/* Makes the kernel's image from its own tables in memory; text: where _text lies. nsyms: names. */
enum xkd_rc linux_kernel_from_memory(struct xkd_target *t, const struct linux_view *v, uint64_t text,
				     struct xkd_image **img, size_t *nsyms, struct xkd_err *err);
/* --- modmade.c: the same for a module; the kernel must be known --- */
enum xkd_rc linux_module_from_memory(struct xkd_target *t, struct xkd_module *m,
				     struct xkd_image **img, struct xkd_err *err);
/* --- vmcoreinfo.c: a kernel that no CPU leads to --- */
struct linux_vmcoreinfo {
	uint64_t pa;	      /* of the page */
	uint64_t slide;	      /* KERNELOFFSET */
	uint64_t phys_base;   /* may be negative */
	struct xkd_paging pg; /* of swapper_pg_dir */
};
/* text ends with a NUL. False: not one, or it says too little. */
bool linux_vmcoreinfo_parse(const char *text, struct linux_vmcoreinfo *vi);
/* Each page of known RAM that begins as VMCOREINFO does, lowest first; fn returns false when it is the
 * one, which ends it (OK). NOTFOUND; TIMEOUT after limit_ms (0: none); UNSUPPORTED: no RAM is known. */
enum xkd_rc linux_vmcoreinfo_each(struct xkd_target *t, uint64_t limit_ms,
				  bool (*fn)(void *arg, const struct linux_vmcoreinfo *vi),
				  void *arg, struct xkd_err *err) XKD_MUST;
/* --- attach.c --- */
enum xkd_rc linux_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err);
/* Of CPUs that do not see the known kernel: do the own page tables of one, in the machine's memory, lead
 * by its IDT to a kernel? A guest's do not, unless its host maps it by shadow tables. */
bool linux_another_runs(struct xkd_target *t);
/* Learns the memory layout again when the first look came too early. */
void linux_learn_more(struct xkd_target *t);
/* --- boot.c: early boot and reboots --- */
bool linux_still_there(struct xkd_target *t);
bool linux_boot_id(struct xkd_target *t, uint8_t id[16]);
void linux_early(struct xkd_target *t, bool (*fn)(void *arg, uint64_t addr), void *arg);
/* --- cpus.c --- */
enum xkd_rc linux_cpu_state(struct xkd_target *t, int cpu, struct xkd_cpu_state_os *st,
			    struct xkd_err *err);
/* --- modules.c --- */
enum xkd_rc linux_modules(struct xkd_target *t, struct xkd_err *err);
bool linux_load_place(struct xkd_target *t, uint64_t *addr);
/* --- tasks.c --- */
enum xkd_rc linux_percpu(struct xkd_target *t, int os_cpu, uint64_t *off, struct xkd_err *err);
int linux_cpu_number(struct xkd_target *t, int cpu);
enum xkd_rc linux_current_at(struct xkd_target *t, int cpu, uint64_t *addr, struct xkd_err *err);
bool linux_task_parts(struct xkd_target *t, struct xkd_task_parts *p);
enum xkd_rc linux_current(struct xkd_target *t, int cpu, uint64_t *task, struct xkd_err *err);
enum xkd_rc linux_task(struct xkd_target *t, uint64_t addr, struct xkd_task *task,
		       struct xkd_err *err);
enum xkd_rc linux_tasks(struct xkd_target *t, bool (*fn)(void *arg, const struct xkd_task *task),
			void *arg, struct xkd_err *err);
enum xkd_rc linux_task_regs(struct xkd_target *t, uint64_t task, struct xkd_regs *regs,
			    struct xkd_err *err);
void linux_describe(struct xkd_target *t, int cpu, struct xkd_out *out);
/* events.c */
const struct xkd_os_event *linux_events(void);
void linux_event_about(struct xkd_target *t, int cpu, const char *code, char *buf, size_t max);
/* Reads the integer member type.path of the object at addr. */
enum xkd_rc linux_member(struct xkd_target *t, const char *type, const char *path, uint64_t addr,
			 uint64_t *val, struct xkd_err *err);
/* The address of a symbol of the kernel itself, by its exact name; false quietly. size: may be NULL. */
bool linux_symbol(struct xkd_target *t, const char *name, uint64_t *addr, uint64_t *size);
/* --- trampoline.c --- */
enum xkd_rc linux_swapped_ret(struct xkd_target *t, uint64_t task, uint64_t pc, bool returning,
			      uint64_t *slot, uint64_t *ret, const char **what, struct xkd_err *err);
/* How far the code from start to pc, which has no branches, has moved the stack pointer down. */
bool linux_depth(struct xkd_target *t, uint64_t start, uint64_t pc, uint64_t *depth);
/* --- patched.c --- */
const char *linux_patched(struct xkd_target *t, uint64_t addr, bool *gently);
/* --- code.c --- */
enum xkd_rc linux_code_regs(struct xkd_target *t, const struct xkd_code *code, uint64_t pc,
			    uint64_t sp, struct xkd_regs *regs, struct xkd_err *err);
bool linux_code_at(struct xkd_target *t, uint64_t addr, struct xkd_code *code);
/* --- stacks.c --- */
bool linux_stack_at(struct xkd_target *t, int cpu, uint64_t task, uint64_t sp, struct xkd_stack *st);
/* --- dmesg.c --- */
enum xkd_rc linux_dmesg(struct xkd_target *t, bool (*fn)(void *arg, const struct xkd_logline *line),
			void *arg, struct xkd_err *err);
/* --- counted.c --- */
extern const struct xkd_counted linux_counted[];
/* --- walk*.c: containers; as xkd_os.walk --- */
enum xkd_rc linux_walk_all(struct xkd_target *t, enum xkd_walk_kind kind, uint64_t head, bool reverse,
			   bool (*fn)(void *arg, const struct xkd_walk_item *item), void *arg,
			   struct xkd_err *err);
/* --- entry.c --- */
enum xkd_rc linux_trap_regs(struct xkd_target *t, uint64_t addr, bool partial,
			    struct xkd_regs *regs, struct xkd_err *err);
void linux_entry_kind(struct xkd_target *t, const char *symbol, uint64_t start, uint64_t saved,
		      char *kind, size_t max);
bool linux_irq_name(struct xkd_target *t, uint64_t desc, char *name, size_t max);
bool linux_entry_user(struct xkd_target *t, int cpu, uint64_t task, const char *symbol,
		      const struct xkd_regs *now, struct xkd_regs *user);
#endif
