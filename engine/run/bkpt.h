/* Breakpoints: what a user set, and where it is in. */
#ifndef XKD_ENGINE_BKPT_H
#define XKD_ENGINE_BKPT_H
#include "base/vec.h"
#include "engine/core/names.h"

struct xkd_prog;
struct xkd_os_event;
struct xkd_watch; /* watch.h */
struct xkd_trace;
struct xkd_traces;
/* A breakpoint's expressions compiled for one place (quick.c). */
struct xkd_compiled {
	uint64_t pc;
	struct xkd_prog *cond;	 /* NULL: none, or not to be compiled */
	struct xkd_prog **exprs; /* of a trace point; NULL elements: not to be compiled */
};
/* What the last hit on a CPU read: asked for along with the next one's registers (sight.c). */
#define XKD_HOT_MAX 8
struct xkd_hot {
	struct {
		uint64_t addr;
		unsigned len;
	} at[XKD_HOT_MAX];
	unsigned n;
};
struct xkd_bkpt {
	unsigned id;
	bool enabled;
	bool once;     /* /1: gone after its first hit */
	bool deferred; /* bu: the module is not there yet */
	bool named;    /* spec is a symbol: its place follows the kernel to another boot */
	bool pattern;  /* bm: spec is a pattern, every match a location */
	bool fixed;    /* spec meant fixed_addr where it was typed; it is not looked up again */
	bool change;   /* /change: a hit that leaves the value as it was passes */
	bool code_gone;	   /* deferred: its module is loaded, but not that section (freed init) */
	bool awaits_index; /* inlined copies may come once the module is indexed */
	enum xkd_bp_kind kind;
	unsigned size; /* of a watch; 1 otherwise */
	uint64_t fixed_addr;
	struct xkd_watch *watch; /* of a watch: what is seen there; NULL: not one */
	char *spec;    /* as typed: symbol or expression */
	char *cmds;    /* NULL: none */
	char *cond;    /* /w: C++ expression; NULL: none */
	XKD_VEC(uint64_t) locs;
	uint32_t passes, left; /* bp addr N: the hit that stops; how many are still to come */
	uint64_t hits;
	uint64_t only_task; /* /p: 0 any */
	int only_cpu;	    /* the kernel's number; -1 any */
	unsigned max_depth; /* /c: frames of the stack at most; 0 any */
	const struct xkd_os_event *event; /* sx: hidden from bl; NULL: a person's breakpoint */
	bool notify;			  /* of an event: told, not stopped at */
	char *filter;			  /* of an event: a pattern; NULL: any */
	struct xkd_trace *trace;	  /* a trace point: records, never stops; NULL: none */
	XKD_VEC(struct xkd_compiled) compiled; /* for the boot and modules that follow */
	uint32_t prog_boot, prog_modules;
};
/* What is in the target now; several breakpoints may share a place. */
struct xkd_placed {
	uint64_t addr;
	enum xkd_bp_kind kind; /* as asked for */
	unsigned size;
	const char *patcher; /* a software one made a hardware one: who patches the place; NULL: not so */
};
/* Which boot of which kernel. */
struct xkd_boot {
	bool known;
	uint32_t gen; /* the target's gen.boot that it was learned of */
	uint8_t id[16];
};
struct xkd_journal;
struct xkd_bkpts {
	XKD_VEC(struct xkd_bkpt *) list; /* by id */
	XKD_VEC(struct xkd_placed) placed;
	uint64_t load_at; /* where modules come in, watched while a breakpoint waits for one; 0: not */
	/* Roots of page tables and per-CPU bases with which a CPU was proved to be in our kernel in this
	 * boot (quick.c); the oldest gives way. */
	struct {
		uint64_t root, base;
	} proved[32];
	unsigned nproved;
	uint32_t proved_boot;
	XKD_VEC(struct xkd_hot) hot; /* by index of the CPU */
	struct xkd_traces *traces;   /* what trace points recorded; NULL: nothing yet */
	struct xkd_boot boot;
	struct xkd_journal *journal; /* journal.c; NULL: none */
	bool journal_tried;
	bool ever; /* a person's breakpoint was set: there is something to keep (.workspace) */
	XKD_VEC(uint64_t) early; /* in the target while it runs without a kernel (boot.c) */
};
#endif
