/* A personality: what the engine knows of an operating system. linux/ and generic/. */
#ifndef XKD_ENGINE_OS_H
#define XKD_ENGINE_OS_H
#include "engine/core/ctx.h"

struct xkd_task {
	uint64_t addr; /* task_struct */
	int64_t pid, tgid;
	char comm[64]; /* escaped by printers */
	uint64_t mm, pgd; /* pgd: virtual address; 0: kernel thread */
	uint64_t stack;	  /* base of the kernel stack */
	uint64_t sp;	  /* as it was last put to sleep with; 0: not known */
	uint64_t state;
	uint64_t flags;
	int cpu;	  /* kernel's number; -1 unknown */
	char letter;	  /* the state as ps shows it: R S D I T t Z X P; '?' unknown */
};
/* Where in a task_struct what tells a task from others is: offsets and sizes in bytes. */
struct xkd_task_parts {
	uint64_t pid, tgid; /* of 4 bytes each */
	uint64_t comm;
	unsigned comm_size; /* 0: none known */
};
/* One line of the kernel's log. */
struct xkd_logline {
	uint64_t seq, ns; /* since boot */
	unsigned level;	  /* 0 emergency .. 7 debug */
	const char *text; /* not terminated, not escaped; may hold newlines */
	size_t len;
};

/* Something that a person may want to stop at: the kernel passes one of the places then. */
struct xkd_os_event {
	const char *code, *what; /* code NULL: the end of the table */
	const char *places[4];	 /* functions; the first that exists counts */
};

/* How long a flexible array is: TYPE.ARRAY has COUNTER (a path) + plus elements. */
struct xkd_counted {
	const char *type, *array, *counter; /* type NULL: the end of the table */
	unsigned plus;
};

/* Containers of the kernel. */
enum xkd_walk_kind {
	XKD_WALK_LIST,	 /* struct list_head */
	XKD_WALK_HLIST,	 /* hlist_head, hlist_nulls_head, hlist_bl_head, llist_head */
	XKD_WALK_RBTREE, /* rb_root, rb_root_cached */
	XKD_WALK_XARRAY, /* xarray, radix_tree_root, idr */
	XKD_WALK_MAPLE,	 /* maple_tree */
};
struct xkd_walk_item {
	uint64_t addr;	      /* the node inside its object; xarray, maple: the entry as it is stored */
	uint64_t first, last; /* the indices it stands at; elsewhere its number from 0 */
};

/* Code that the running kernel made, which is in no file. */
enum xkd_code_kind {
	XKD_CODE_FRAMED, /* keeps frame pointers (BPF) */
	XKD_CODE_COPY,	 /* a copy of other code, whose tables hold for it */
	XKD_CODE_REGS,	 /* has saved all registers when it calls: see code_regs */
	XKD_CODE_OTHER,
};
struct xkd_code {
	uint64_t start, size;
	enum xkd_code_kind kind;
	uint64_t like;	   /* COPY: of what start is a copy; REGS: what it runs instead of */
	const char *space; /* "bpf", "ftrace", "kprobe": shown as a module's name; static */
	char name[128];	   /* "" when it has none; foreign */
};
struct xkd_stack {
	uint64_t low, high; /* high: the first address above */
	const char *name;   /* task, irq, NMI, #DF ...; static */
};

/* What a CPU is doing. */
struct xkd_cpu_state_os {
	const char *word; /* task, idle, irq, softirq, nmi, user, guest, outside; static */
	bool outside;	  /* not started by this kernel: it has no task */
	bool has_preempt;
	uint32_t preempt; /* the kernel's count as it is in memory */
};

struct xkd_os {
	const char *name;
	/* Is this ours? Finds the kernel, its slide and its modules; says in one line how (found).
	 * NOTFOUND: not this personality; other errors: it is, but ... (the session goes on). */
	enum xkd_rc (*attach)(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err);
	void (*fini)(struct xkd_target *t);
	/* Re-reads the module list; bumps gen.modules when it changed. */
	enum xkd_rc (*modules)(struct xkd_target *t, struct xkd_err *err);
	/* Where a module that was just loaded passes before its own code runs. */
	bool (*load_place)(struct xkd_target *t, uint64_t *addr);
	const struct xkd_os_event *(*events)(void);
	/* What the event is about at whose place the CPU stands: a module's, a task's name; "" unknown. */
	void (*event_about)(struct xkd_target *t, int cpu, const char *code, char *buf, size_t max);
	/* An image of a module's symbols made from memory, for when no file is found. */
	enum xkd_rc (*mod_image)(struct xkd_target *t, struct xkd_module *m, struct xkd_image **img,
				 struct xkd_err *err);
	/* Virtual to physical by arithmetic (kernel image, direct map): false when not known. */
	bool (*linear_pa)(struct xkd_target *t, uint64_t va, uint64_t *pa);
	/* The kernel's own page tables. */
	bool (*kernel_paging)(struct xkd_target *t, struct xkd_paging *pg);
	bool (*is_kernel_addr)(struct xkd_target *t, uint64_t va);
	/* Bytes that prove at a stop that a CPU's tables map our kernel. */
	bool (*witness)(struct xkd_target *t, uint64_t *va, uint8_t bytes[16]);
	/* An address that the kernel's whole tables map by linear_pa and their user half does not. */
	bool (*whole_witness)(struct xkd_target *t, uint64_t *va);
	/* Tables of which the given ones are the user half; false when there are none such. */
	bool (*whole_paging)(struct xkd_target *t, struct xkd_paging *pg);
	/* At a stop: is this kernel still the one that runs? Also completes what an early look could
	 * not tell. False: another boot. */
	bool (*still_there)(struct xkd_target *t);
	/* What tells this boot of this kernel from every other one: made of random values that the boot
	 * drew. False: not drawn yet, or not to be found. */
	bool (*boot_id)(struct xkd_target *t, uint8_t id[16]);
	/* Addresses that a kernel which is not there yet passes first, for each place it may take. */
	void (*early)(struct xkd_target *t, bool (*fn)(void *arg, uint64_t addr), void *arg);
	/* Per-CPU offset of a kernel CPU number. */
	enum xkd_rc (*percpu)(struct xkd_target *t, int os_cpu, uint64_t *off, struct xkd_err *err);
	/* The kernel's CPU number for a CPU index of the backend (by GS base and such); -1. */
	int (*cpu_number)(struct xkd_target *t, int cpu);
	enum xkd_rc (*cpu_state)(struct xkd_target *t, int cpu, struct xkd_cpu_state_os *st,
				 struct xkd_err *err);
	enum xkd_rc (*current)(struct xkd_target *t, int cpu, uint64_t *task, struct xkd_err *err);
	/* Where the CPU keeps the address of its current task; reads nothing once it is known. */
	enum xkd_rc (*current_at)(struct xkd_target *t, int cpu, uint64_t *addr, struct xkd_err *err);
	bool (*task_parts)(struct xkd_target *t, struct xkd_task_parts *p);
	enum xkd_rc (*task)(struct xkd_target *t, uint64_t addr, struct xkd_task *task,
			    struct xkd_err *err);
	/* Every task; fn returns false to stop. */
	enum xkd_rc (*tasks)(struct xkd_target *t, bool (*fn)(void *arg, const struct xkd_task *task),
			     void *arg, struct xkd_err *err);
	/* Registers of a task that is not running (pc, sp, fp, callee-saved). */
	enum xkd_rc (*task_regs)(struct xkd_target *t, uint64_t task, struct xkd_regs *regs,
				 struct xkd_err *err);
	/* A struct pt_regs in memory as registers. partial: only the hardware frame at its end is
	 * there; addr is where the whole would begin. */
	enum xkd_rc (*trap_regs)(struct xkd_target *t, uint64_t addr, bool partial,
				 struct xkd_regs *regs, struct xkd_err *err);
	/* "system call read (0)", "exception #PF", "interrupt apic_timer" for a frame in entry code that
	 * begins at start, from the symbol's name and the struct pt_regs at saved (0: none); "" when not
	 * special. */
	void (*entry_kind)(struct xkd_target *t, const char *symbol, uint64_t start, uint64_t saved,
			   char *kind, size_t max);
	/* The variable that functions which serve a device's interrupt have for it, and what it is: "4
	 * ttyS0". */
	const char *irq_var;
	bool (*irq_name)(struct xkd_target *t, uint64_t var, char *name, size_t max);
	/* Entry code that has not saved the user's registers yet, or has restored them: what is known
	 * of them. False: no such code. */
	bool (*entry_user)(struct xkd_target *t, int cpu, uint64_t task, const char *symbol,
			   const struct xkd_regs *now, struct xkd_regs *user);
	/* Is pc in code that the kernel put in place of a return address? returning: pc was read from
	 * the stack, at *slot; else it is executed and *slot is the stack pointer there. *slot becomes
	 * the place where the real address *ret was; *what: who replaced it. NOTFOUND: no such code;
	 * BADDATA: it is, and the real address is lost. */
	enum xkd_rc (*swapped_ret)(struct xkd_target *t, uint64_t task, uint64_t pc, bool returning,
				   uint64_t *slot, uint64_t *ret, const char **what,
				   struct xkd_err *err);
	/* Who changes the code at addr while the kernel runs ("ftrace", "a static key", "a static call"), so
	 * that a byte of ours there would be met by it; NULL: nobody that is known. Static. gently: it
	 * stops work of its own at a foreign byte, where the others stop the kernel. */
	const char *(*patched)(struct xkd_target *t, uint64_t addr, bool *gently);
	bool (*code_at)(struct xkd_target *t, uint64_t addr, struct xkd_code *code);
	/* The registers of what code of the kind REGS interrupted, which has called and is to go on at pc
	 * with sp. */
	enum xkd_rc (*code_regs)(struct xkd_target *t, const struct xkd_code *code, uint64_t pc,
				 uint64_t sp, struct xkd_regs *regs, struct xkd_err *err);
	/* The stack that holds sp, of a CPU (-1: none) or task (0: none). */
	bool (*stack_at)(struct xkd_target *t, int cpu, uint64_t task, uint64_t sp,
			 struct xkd_stack *st);
	/* The kernel's log, oldest first; fn returns false to stop. */
	enum xkd_rc (*dmesg)(struct xkd_target *t,
			     bool (*fn)(void *arg, const struct xkd_logline *line), void *arg,
			     struct xkd_err *err);
	/* Flexible arrays with a counter beside them; NULL: none known. */
	const struct xkd_counted *counted;
	/* Every entry of the container at head, in order; fn returns false to stop. A damaged container
	 * ends with an error after the entries that were found whole. NULL: knows no containers. */
	enum xkd_rc (*walk)(struct xkd_target *t, enum xkd_walk_kind kind, uint64_t head, bool reverse,
			    bool (*fn)(void *arg, const struct xkd_walk_item *item), void *arg,
			    struct xkd_err *err);
	/* One line about the stop's task and context ("task_struct:... pid: ... comm:..."). */
	void (*describe)(struct xkd_target *t, int cpu, struct xkd_out *out);
};
extern const struct xkd_os xkd_os_linux;
extern const struct xkd_os xkd_os_files;
extern const struct xkd_os xkd_os_program;
extern const struct xkd_os xkd_os_generic;
/* Calls fn with the early addresses of every personality. */
void xkd_os_early(struct xkd_target *t, bool (*fn)(void *arg, uint64_t addr), void *arg);
/* Makes a module of a program's or library's image, which runs slide behind where it was linked. Takes
 * over the reference. (files/files.c) */
void xkd_os_place(struct xkd_target *t, struct xkd_image *img, uint64_t slide);
/* Tries each; generic always fits. found: the line about how. */
enum xkd_rc xkd_os_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err);
#endif
