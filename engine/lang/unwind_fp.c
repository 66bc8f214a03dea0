/* Frame pointers: kernels built with them, and code that the kernel compiles with them. A frame pointer
 * with its lowest bit set leads to a struct pt_regs (ENCODE_FRAME_POINTER). Before the prologue has set
 * it up and after the epilogue has dropped it, it is still the caller's: the code tells. */
#include "engine/lang/unwind_step.h"
#include "engine/os/os.h"
#include "base/str.h"
#include <string.h>

#define PROLOGUE_MAX 64
#define MAX_FRAME 0x100000u

static enum xkd_rc stack_word(const struct xkd_ctx *ctx, uint64_t addr, uint64_t *v,
			      struct xkd_err *err)
{
	enum xkd_rc rc = xkd_ctx_read_u(ctx, addr, 8, v, err);

	return rc ? xkd_err_prepend(err, rc, "reading the stack") : XKD_OK;
}

/* Where the return address lies above the stack pointer at pc, when the frame is not set up there
 * (*pushed: the caller's frame pointer is between). False: it is, or it cannot be told. */
static bool frameless(const struct xkd_ctx *ctx, uint64_t start, uint64_t pc, bool *pushed)
{
	uint8_t code[PROLOGUE_MAX + 16];
	struct xkd_err ignored;
	struct xkd_insn in;
	size_t n = 0, at = 0;

	*pushed = false;
	if (xkd_kread(ctx->t, pc, code, 1, &ignored))
		return false;
	if (code[0] == 0xc3) /* ret */
		return true;
	if (!start || pc - start >= PROLOGUE_MAX)
		return false;
	n = (size_t)(pc - start) + 16;
	if (xkd_kread(ctx->t, start, code, n, &ignored))
		return false;
	while (at < pc - start) {
		if (ctx->t->arch->disasm(XKD_MODE_64, start + at, code + at, n - at, &in, &ignored))
			return false;
		at += in.len;
		if (!strcmp(in.mnem, "push") && !strcmp(in.ops, "rbp"))
			*pushed = true;
		else if (!strcmp(in.mnem, "mov") && !strcmp(in.ops, "rbp,rsp"))
			return false;
		else if (in.is_jump || in.is_ret)
			return false;
	}
	return at == pc - start;
}

static enum xkd_rc to_caller(const struct xkd_ctx *ctx, uint64_t ret_at, uint64_t fp,
			     struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint64_t ret;
	enum xkd_rc rc = stack_word(ctx, ret_at, &ret, err);

	if (rc)
		return rc;
	step->kind = XKD_STEP_CALL;
	step->how = "fp";
	step->loose = true;
	step->cfa = ret_at + 8;
	xkd_reg_put(&step->regs, arch->pc, ret);
	xkd_reg_put(&step->regs, arch->sp, step->cfa);
	xkd_reg_put(&step->regs, arch->fp, fp);
	return XKD_OK;
}

static enum xkd_rc to_saved(const struct xkd_ctx *ctx, uint64_t at, struct xkd_step *step,
			    struct xkd_err *err)
{
	step->kind = XKD_STEP_TRAP;
	step->how = "fp";
	step->cfa = step->saved = at;
	return ctx->t->os->trap_regs(ctx->t, at, false, &step->regs, err);
}

enum xkd_rc xkd_unwind_fp(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t pc,
			  bool exact, uint64_t start, struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint64_t fp, sp, old;
	bool pushed;
	enum xkd_rc rc;

	if (!xkd_reg_known(regs, arch->fp) || !xkd_reg_known(regs, arch->sp))
		return xkd_err_addr(err, XKD_NOTFOUND, pc,
				    "no unwind table covers %s and the frame pointer is not known",
				    XKD_ADDR(pc));
	fp = regs->v[arch->fp];
	sp = regs->v[arch->sp];
	if (exact && frameless(ctx, start, pc, &pushed))
		return to_caller(ctx, sp + (pushed ? 8 : 0), fp, step, err);
	if (fp & 1 && fp - 1 >= sp && fp - sp < MAX_FRAME && ctx->t->os->trap_regs)
		return to_saved(ctx, fp - 1, step, err);
	if (fp < sp || fp - sp > MAX_FRAME || fp & 7)
		return xkd_err_addr(err, XKD_NOTFOUND, pc,
				    "no unwind table covers %s and rbp is no frame pointer",
				    XKD_ADDR(pc));
	rc = stack_word(ctx, fp, &old, err);
	return rc ? rc : to_caller(ctx, fp + 8, old, step, err);
}
