/* Breakpoints: what a user set, and where it is in. */
#ifndef XKD_ENGINE_BKPT_H
#define XKD_ENGINE_BKPT_H
#include "base/vec.h"
#include "engine/core/names.h"

struct xkd_bkloc {
	uint64_t addr;
	bool inserted;
	enum xkd_bp_kind kind; /* as inserted */
};
struct xkd_bkpt {
	unsigned id;
	bool enabled, temporary, once; /* once: /1 */
	bool deferred;	/* bu: the module is not there yet */
	enum xkd_bp_kind kind; /* SW asked for: HW may be used where SW cannot be */
	unsigned size;	/* of a watch */
	char *spec;	/* as typed: symbol or expression */
	char *cmds;	/* NULL: none */
	char *cond;	/* /w: C++ expression; NULL: none */
	XKD_VEC(struct xkd_bkloc) locs;
	uint32_t passes, left; /* hits still to be let through + 1 */
	uint64_t hits;
	uint64_t only_task; /* /p: 0 any */
	int only_cpu;	    /* kernel's number; -1 any */
	/* temporary ones of a plan: must match task and CFA */
	uint64_t match_task, match_cfa;
};
struct xkd_bkpts {
	XKD_VEC(struct xkd_bkpt *) list; /* by id */
};
#endif
