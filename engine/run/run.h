/* Run control: resume, step, stops. One engine for g, p, t, gu; plans sit on it. */
#ifndef XKD_ENGINE_RUN_H
#define XKD_ENGINE_RUN_H
#include "base/out.h"
#include "engine/lang/expr.h"
#include "engine/run/bkpt.h"

/* What run control works on; its owner fills it for each call. */
struct xkd_run {
	struct xkd_target *t;
	struct xkd_bkpts *bkpts;
	const struct xkd_env *env; /* of conditions and places */
	struct xkd_arena *arena;   /* command lifetime */
	struct xkd_out *out;	   /* notes */
	int cpu;		   /* index: the CPU that steps */
	const struct xkd_ctx *ctx; /* its frame 0; NULL: none */
	unsigned frame;		   /* the chosen one, for gu */
	/* .step: during a single step of one CPU the others run; it may be one into an interrupt */
	bool step_others, step_irqs;
	bool asked; /* set by the run: a person asked for the stop */
	bool passed; /* set by the run: it let a hit pass */
};
enum xkd_stop_kind {
	XKD_STOPPED_BP,	  /* bp is set */
	XKD_STOPPED_STEP, /* a plan finished */
	XKD_STOPPED_USER, /* Ctrl-C or a pause from elsewhere */
	XKD_STOPPED_OTHER,
	XKD_STOPPED_EXIT, /* the target is gone */
};
struct xkd_stop {
	enum xkd_stop_kind kind;
	unsigned bp_id; /* kind BP; the first of several at the place */
	int cpu;
	char text[128]; /* "Breakpoint 0 hit", ... */
	bool asked;	/* kind USER: by Ctrl-C here */
	char more[400]; /* of a watch: "foo: 0n1 -> 0n2", not escaped; "" none */
};
/* Inserts enabled breakpoints, steps off the current one, runs until something that a user is to
 * see. Hits with a false condition, a wrong task or passes left go on by themselves. */
enum xkd_rc xkd_run_go(struct xkd_run *r, struct xkd_stop *stop, struct xkd_err *err) XKD_MUST;
/* One instruction of the current CPU. over: calls are run through. Kind BP: a breakpoint is where it came
 * to (and not yet executed), a watch was hit by it, or another CPU that ran meanwhile hit one. */
enum xkd_rc xkd_run_step(struct xkd_run *r, bool over, struct xkd_stop *stop,
			 struct xkd_err *err) XKD_MUST;
/* Until the current frame returned (same task, CFA above). */
enum xkd_rc xkd_run_finish(struct xkd_run *r, struct xkd_stop *stop,
			   struct xkd_err *err) XKD_MUST;
/* g ADDR: a temporary breakpoint, any task. */
enum xkd_rc xkd_run_to(struct xkd_run *r, const uint64_t *addrs, size_t n,
		       struct xkd_stop *stop, struct xkd_err *err) XKD_MUST;
/* Takes every inserted breakpoint out (leaving; before memory is shown the bytes are hidden). */
enum xkd_rc xkd_run_remove_all(struct xkd_run *r, struct xkd_err *err);

/* Breakpoint editing; all locations resolved or deferred. id -1: the lowest free one. proto->watch and
 * proto->trace are taken over, whatever comes of it. */
enum xkd_rc xkd_bkpt_add(struct xkd_run *r, int id, const struct xkd_bkpt *proto,
			 struct xkd_bkpt **bp, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_bkpt_del(struct xkd_run *r, unsigned id, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_bkpt_enable(struct xkd_run *r, unsigned id, bool on, struct xkd_err *err) XKD_MUST;
/* Gives a breakpoint another id that is free. */
enum xkd_rc xkd_bkpt_renumber(struct xkd_run *r, unsigned id, unsigned to, struct xkd_err *err) XKD_MUST;
void xkd_bkpts_fini(struct xkd_bkpts *all); /* forgets all, without touching the target */
struct xkd_bkpt *xkd_bkpt_find(struct xkd_bkpts *all, unsigned id);
/* Events (event.c). filter, cmds: NULL none. */
struct xkd_bkpt *xkd_event_find(struct xkd_bkpts *all, const char *code); /* NULL: ignored */
const struct xkd_os_event *xkd_event_named(struct xkd_target *t, const char *code);
enum xkd_rc xkd_event_set(struct xkd_run *r, const char *code, const char *filter, bool notify,
			  const char *cmds, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_event_clear(struct xkd_run *r, const char *code, struct xkd_err *err) XKD_MUST;
void xkd_bkpt_drop_prog(struct xkd_bkpt *b); /* its compiled expressions */
/* Another boot: what a bare kernel address or a task's meant is gone, and the breakpoint disabled. */
void xkd_run_unbind(struct xkd_run *r);
/* The target is gone, and with it what was in it: nothing is in now. */
void xkd_bkpts_lost(struct xkd_bkpts *all);
/* After module changes: resolves deferred ones, re-places moved ones. */
void xkd_bkpt_refresh(struct xkd_run *r);
#endif
