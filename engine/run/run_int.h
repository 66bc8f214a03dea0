/* What the files of engine/run share. */
#ifndef XKD_ENGINE_RUN_INT_H
#define XKD_ENGINE_RUN_INT_H
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
/* One instruction, others held. */
enum xkd_rc xkd_run_one(struct xkd_run *r, int cpu, struct xkd_event *ev, struct xkd_err *err) XKD_MUST;
#endif
