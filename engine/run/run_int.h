/* What the files of engine/run share. */
#ifndef XKD_ENGINE_RUN_INT_H
#define XKD_ENGINE_RUN_INT_H
#include "engine/lang/prog.h"
#include "engine/run/run.h"

/* A temporary place of a plan: stops only for this task at or above this stack depth. */
struct xkd_until {
	const uint64_t *addrs;
	size_t n;
	bool match;
	uint64_t task, min_sp;
};
/* Steps the CPU off a breakpoint that it stands on, the others held. *stepped: it went one on. */
enum xkd_rc xkd_run_step_off(struct xkd_run *r, int cpu, bool *stepped, struct xkd_err *err) XKD_MUST;
/* Runs until a stop that concerns the user or the plan. */
enum xkd_rc xkd_run_until(struct xkd_run *r, const struct xkd_until *u, struct xkd_stop *stop,
			  struct xkd_err *err) XKD_MUST;
/* boot.c: kernels that come and go. At a stop: is the kernel still the one that was known? If not,
 * drops what came from it; where none is known, looks for one. Breakpoints follow. Says what it found.
 * True when a kernel came or went. */
bool xkd_run_notice(struct xkd_run *r);
/* Puts in (and takes out) the places that a kernel still to come passes first. */
enum xkd_rc xkd_run_await(struct xkd_run *r, struct xkd_err *err) XKD_MUST;
void xkd_run_unawait(struct xkd_run *r);
/* Is addr such a place and still no kernel known? Then it is taken out. */
bool xkd_run_false_start(struct xkd_run *r, uint64_t addr);
/* resolve.c. Fills b->locs from b->spec, or sets b->deferred. again: not typed just now, so that no
 * index is started for it. */
enum xkd_rc xkd_bkpt_resolve(struct xkd_run *r, struct xkd_bkpt *b, bool again,
			     struct xkd_err *err) XKD_MUST;
/* bkpt.c. Adds what an index that is there by now knows. */
void xkd_bkpt_late(struct xkd_run *r);
/* event.c. Is the event that the CPU stands at to be stopped for? Says in text what it is; tells those
 * that are only told. */
bool xkd_event_stops(struct xkd_run *r, struct xkd_bkpt *b, int cpu, char *text, size_t max);
/* sight.c: a CPU at a hit, seen with as few exchanges as can be. */
#define XKD_SIGHT_BYTES 128
struct xkd_sight {
	struct xkd_run *r;
	int cpu;
	const struct xkd_regs *regs;
	uint64_t pc;
	struct xkd_hot next; /* what was read now; asked for at once next time */
	struct xkd_iov iov[XKD_HOT_MAX];
	uint8_t bytes[XKD_HOT_MAX][XKD_SIGHT_BYTES];
	size_t n;
	bool has_task;
	uint64_t task;
	int64_t pid, tgid;
	char comm[65];
	struct xkd_bkpt *counted[8]; /* that have passes left */
	size_t ncounted;
};
/* False: the CPU cannot be looked at. */
bool xkd_sight_take(struct xkd_sight *s, struct xkd_run *r, int cpu);
/* The instruction's bytes at pc, at most 15; returns how many. */
size_t xkd_sight_code(struct xkd_sight *s, uint8_t *bytes);
bool xkd_sight_task(struct xkd_sight *s); /* fills task ... comm, once */
/* For programs. */
struct xkd_prog_env xkd_sight_env(struct xkd_sight *s);
void xkd_sight_done(struct xkd_sight *s);
/* trace.c. Values of a trace point's hit are taken while the CPU stands, and kept when it was let go
 * or dropped when it was not. */
void xkd_trace_take(struct xkd_sight *s, struct xkd_bkpt *b, const struct xkd_compiled *c);
void xkd_trace_keep(struct xkd_run *r);
void xkd_trace_drop(struct xkd_run *r);
/* Takes and keeps one by the evaluator alone. */
void xkd_trace_slowly(struct xkd_run *r, struct xkd_bkpt *b, int cpu);
/* Around a run. */
void xkd_traces_begin(struct xkd_run *r);
void xkd_traces_end(struct xkd_run *r);
/* A stop came; it is a trace point's; the target goes again. */
void xkd_traces_came(struct xkd_run *r);
void xkd_traces_here(struct xkd_run *r);
void xkd_traces_went(struct xkd_run *r);
/* Milliseconds until what was recorded is to be written (0: now); -1: nothing is to be. */
int xkd_traces_due(struct xkd_run *r);
void xkd_traces_write(struct xkd_run *r);
/* quick.c. Lets a hit that certainly concerns nobody pass; true: the target runs again. */
bool xkd_run_quick(struct xkd_run *r, const struct xkd_until *u, const struct xkd_event *ev);
/* Carries the instruction in bytes out for a CPU; go: and lets everything run. False: it is to be
 * stepped, and nothing was changed. */
bool xkd_run_carry(struct xkd_run *r, int cpu, const uint8_t *bytes, size_t n,
		   const struct xkd_regs *regs, bool go);
/* Ours at this place (watch: at this data)? *mine: some breakpoint is there; true: one of them stops, and
 * stop says which. Counts the hit. */
bool xkd_run_hit(struct xkd_run *r, uint64_t addr, bool watch, int cpu, bool *mine,
		 struct xkd_stop *stop);
/* What an event means; true: it is to be shown. */
bool xkd_run_judge(struct xkd_run *r, const struct xkd_event *ev, const struct xkd_until *u,
		   struct xkd_stop *stop);
void xkd_run_modules_changed(struct xkd_run *r); /* after a stop */
/* A breakpoint that is gone after its first hit goes, when it has no commands (their runner drops it). */
enum xkd_rc xkd_run_spent(struct xkd_run *r, const struct xkd_stop *stop, struct xkd_err *err) XKD_MUST;
/* step.c. A person's single step. */
enum xkd_rc xkd_run_single(struct xkd_run *r, struct xkd_stop *stop, struct xkd_err *err) XKD_MUST;
/* One instruction, others held and no interrupt taken where the stub can do so; as_told: by r's step_others
 * and step_irqs instead. */
enum xkd_rc xkd_run_one(struct xkd_run *r, int cpu, bool as_told, struct xkd_event *ev,
			struct xkd_err *err) XKD_MUST;
#endif
