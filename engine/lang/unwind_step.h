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
	bool loose;	      /* no table: what was found must show that it can be a return address */
	const char *how;
	const char *through;  /* who replaced the return address; NULL: nobody */
	uint64_t saved;	      /* TRAP: the struct pt_regs; 0: only the part that the processor pushed */
};
/* lookup: the address to look tables up by: the frame's pc, or one less where that is a return address.
 * NOTFOUND: no table covers it, and no frame pointer leads on; other errors: memory, a return address
 * that is lost. err says which. */
enum xkd_rc xkd_unwind_step(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			    struct xkd_step *step, struct xkd_err *err) XKD_MUST;
/* --- unwind_fp.c: code that keeps frame pointers. start: of the function, 0 not known --- */
enum xkd_rc xkd_unwind_fp(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t pc,
			  bool exact, uint64_t start, struct xkd_step *step,
			  struct xkd_err *err) XKD_MUST;
/* --- unwind_asm.c: what a function's own instructions say of its frame --- */
/* Puts into to the caller's values of registers that a call keeps, as far as the code of the function at
 * lookup proves them: untouched so far, or pushed; only where that code agrees that the CFA is cfa.
 * ret: the return address; the function must be the one that was called there, or one that it leads to
 * without touching them. */
void xkd_unwind_kept(const struct xkd_ctx *ctx, const struct xkd_regs *from, uint64_t lookup,
		     uint64_t ret, uint64_t cfa, struct xkd_regs *to);
/* One step by the code alone: what it has pushed since its first instruction tells where its return
 * address lies, and a direct call of this very function must stand before it. NOTFOUND otherwise. */
enum xkd_rc xkd_unwind_code(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			    struct xkd_step *step, struct xkd_err *err) XKD_MUST;
/* --- unwind_guess.c --- */
/* Is addr in code, of a module or made by the kernel? */
bool xkd_unwind_is_code(struct xkd_target *t, uint64_t addr);
/* May ret be where a call goes on? target (may be NULL): where that call leads, 0: it cannot be told. */
bool xkd_unwind_after_call(struct xkd_target *t, uint64_t ret, uint64_t *target);
/* The nearest word of the stack that can be the return address of a call that got to lookup; of any
 * call when that is 0. */
enum xkd_rc xkd_unwind_guess(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			     struct xkd_step *step, struct xkd_err *err) XKD_MUST;
#endif
