/* Plans: what p, t and gu want. A temporary place counts only for the task that the plan is about,
 * at or above its stack depth: others run through it. */
#include "base/str.h"
#include "engine/lang/unwind.h"
#include "engine/os/os.h"
#include "engine/run/place.h"
#include "engine/run/run_int.h"
#include <string.h>

enum xkd_rc xkd_run_step(struct xkd_run *r, bool over, struct xkd_stop *stop,
			 struct xkd_err *err)
{
	const struct xkd_arch *arch = r->t->arch;
	const struct xkd_ctx *ctx = r->ctx; /* of the stopped CPU, whatever frame is looked at */
	struct xkd_until u = { .n = 1, .match = true };
	struct xkd_insn insn;
	struct xkd_err ignored;
	uint8_t bytes[16];
	uint64_t pc, next;
	size_t n = 0;

	if (!over || !ctx || ctx->foreign)
		return xkd_run_single(r, stop, err);
	pc = ctx->regs.v[arch->pc];
	(void)!xkd_ctx_read(ctx, pc, bytes, sizeof(bytes), &n, &ignored);
	if (!n || arch->disasm(arch->mode(&ctx->regs), pc, bytes, n, &insn, &ignored) ||
	    !(insn.is_call || insn.is_syscall))
		return xkd_run_single(r, stop, err);
	next = pc + insn.len;
	u.addrs = &next;
	u.task = ctx->task;
	u.min_sp = ctx->regs.v[arch->sp];
	return xkd_run_until(r, &u, stop, err);
}

enum xkd_rc xkd_run_finish(struct xkd_run *r, struct xkd_stop *stop, struct xkd_err *err)
{
	struct xkd_until u = { .n = 1, .match = true };
	struct xkd_frame *f;
	uint64_t ret;
	char why[160];
	size_t n, i;
	enum xkd_rc rc;

	if (!r->ctx)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no frame is known");
	rc = xkd_unwind(r->ctx, 64, r->arena, &f, &n, why, err);
	if (rc)
		return rc;
	/* the real function that the chosen frame belongs to, then the frame outside it */
	for (i = r->frame; i < n && f[i].kind == XKD_FR_INLINE; i++)
		;
	if (i + 1 >= n)
		return xkd_err_set(err, XKD_NOTFOUND, "this frame has no caller that is known%s%s",
				   why[0] ? ": " : "", why);
	if (f[i + 1].kind == XKD_FR_USER)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "this frame returns to user space; breakpoints there are not set");
	ret = f[i + 1].pc;
	u.addrs = &ret;
	u.task = r->ctx->task;
	u.min_sp = f[i + 1].sp;
	return xkd_run_until(r, &u, stop, err);
}
