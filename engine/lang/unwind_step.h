/* One step of a stack walk: from the registers of a frame to those of its caller. */
#ifndef XKD_ENGINE_UNWIND_STEP_H
#define XKD_ENGINE_UNWIND_STEP_H
#include "engine/lang/unwind.h"

enum xkd_step_kind {
	XKD_STEP_CALL,	/* ordinary caller */
	XKD_STEP_TRAP,	/* the caller was interrupted: its pc is exact */
	XKD_STEP_END,	/* the tables say that the stack ends here */
};
struct xkd_step {
	enum xkd_step_kind kind;
	uint64_t cfa;
	struct xkd_regs regs; /* the caller's */
	bool switched;	      /* the caller is on another stack */
	const char *how;
};
/* lookup: the address to look tables up by. NOTFOUND: no table covers it, and no frame pointer leads
 * on; other errors: memory. err says which. */
enum xkd_rc xkd_unwind_step(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			    struct xkd_step *step, struct xkd_err *err) XKD_MUST;
#endif
