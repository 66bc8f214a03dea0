/* Contexts: derived by value, checked against the target's generations before use. */
#include "engine/core/ctx.h"
#include "engine/core/names.h"
#include "engine/os/os.h"

void xkd_ctx_bare(struct xkd_target *t, struct xkd_ctx *ctx)
{
	*ctx = (struct xkd_ctx){ .t = t, .gen = t->gen, .cpu = -1, .space = xkd_space_kernel() };
}

enum xkd_rc xkd_ctx_cpu(struct xkd_target *t, int cpu, struct xkd_ctx *ctx, struct xkd_err *err)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	enum xkd_rc rc;

	if (!t->cpus.n) { /* files have names and bytes, and no registers */
		xkd_ctx_bare(t, ctx);
		return XKD_OK;
	}
	rc = xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, err);
	if (rc)
		return rc;
	/* code segments with a base or a width of their own: the descriptor tells */
	if (t->arch->mode(regs) != XKD_MODE_64 || (!t->mods.n && !t->arch->is_user(regs)))
		(void)!xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS | XKD_RG_DESC, &regs,
				       &ignored);
	xkd_ctx_bare(t, ctx);
	ctx->cpu = cpu;
	ctx->regs = *regs;
	ctx->foreign = xkd_target_kview(t, cpu) == XKD_KVIEW_OTHER;
	ctx->space = xkd_space_cpu(cpu);
	ctx->pc_lookup = regs->v[t->arch->pc];
	if (t->os->current && t->os->current(t, cpu, &ctx->task, &ignored))
		ctx->task = 0;
	return XKD_OK;
}

/* User memory by the task's own tables. They are the kernel's with another root; of a thread of the
 * kernel, and where the root's place is not known, only the kernel's part can be read. */
static void task_space(struct xkd_target *t, const struct xkd_task *task, struct xkd_space *sp)
{
	struct xkd_paging pg;

	if (!task->pgd || !t->os->kernel_paging || !t->os->linear_pa ||
	    !t->os->kernel_paging(t, &pg) || !t->os->linear_pa(t, task->pgd, &pg.root))
		return;
	sp->kind = XKD_SP_PT;
	sp->pg = pg;
}

enum xkd_rc xkd_ctx_sleeper(struct xkd_target *t, uint64_t addr, struct xkd_ctx *ctx,
			    struct xkd_err *err)
{
	struct xkd_symref sym;
	uint64_t pc;
	enum xkd_rc rc;

	if (!t->os->task_regs)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with tasks is known here");
	xkd_ctx_bare(t, ctx);
	rc = t->os->task_regs(t, addr, &ctx->regs, err);
	if (rc)
		return rc;
	ctx->task = addr;
	if (xkd_reg_known(&ctx->regs, t->arch->pc)) {
		pc = ctx->regs.v[t->arch->pc];
		/* behind a call; of a task that has never run, where it is to begin */
		ctx->pc_lookup = !xkd_sym_at(t, pc, &sym, NULL) && sym.addr == pc ? pc : pc - 1;
	}
	return XKD_OK;
}

enum xkd_rc xkd_ctx_task(struct xkd_target *t, uint64_t addr, struct xkd_ctx *ctx,
			 struct xkd_err *err)
{
	struct xkd_task task;
	enum xkd_rc rc;

	if (!t->os->task)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with tasks is known here");
	rc = t->os->task(t, addr, &task, err);
	if (!rc)
		rc = xkd_ctx_sleeper(t, addr, ctx, err);
	if (!rc)
		task_space(t, &task, &ctx->space);
	return rc;
}

bool xkd_ctx_code(const struct xkd_ctx *ctx, uint64_t *addr)
{
	const struct xkd_arch *arch = ctx->t->arch;

	return !ctx->foreign && xkd_reg_known(&ctx->regs, arch->pc) &&
	       arch->code_linear(&ctx->regs, ctx->regs.v[arch->pc], addr);
}

enum xkd_rc xkd_ctx_check(const struct xkd_ctx *ctx, struct xkd_err *err)
{
	if (ctx->gen.boot != ctx->t->gen.boot || ctx->gen.stop != ctx->t->gen.stop)
		return xkd_err_set(err, XKD_STALE, "this context is of an earlier stop");
	return XKD_OK;
}

static struct xkd_space space_for(const struct xkd_ctx *ctx, uint64_t addr)
{
	const struct xkd_os *os = ctx->t->os;

	if (ctx->space.kind != XKD_SP_PHYS && os->is_kernel_addr && os->is_kernel_addr(ctx->t, addr))
		return xkd_space_kernel();
	return ctx->space;
}

enum xkd_rc xkd_ctx_read(const struct xkd_ctx *ctx, uint64_t addr, void *buf, size_t len,
			 size_t *done, struct xkd_err *err)
{
	struct xkd_space sp = space_for(ctx, addr);
	enum xkd_rc rc = xkd_ctx_check(ctx, err);

	if (done)
		*done = 0;
	return rc ? rc : xkd_mem_read(ctx->t, &sp, addr, buf, len, done, err);
}

enum xkd_rc xkd_ctx_write(const struct xkd_ctx *ctx, uint64_t addr, const void *buf, size_t len,
			  size_t *done, struct xkd_err *err)
{
	struct xkd_space sp = space_for(ctx, addr);
	enum xkd_rc rc = xkd_ctx_check(ctx, err);

	if (done)
		*done = 0;
	return rc ? rc : xkd_mem_write(ctx->t, &sp, addr, buf, len, done, err);
}

enum xkd_rc xkd_ctx_read_u(const struct xkd_ctx *ctx, uint64_t addr, unsigned size, uint64_t *val,
			   struct xkd_err *err)
{
	uint8_t b[8] = { 0 };
	enum xkd_rc rc;

	if (size > 8)
		return xkd_err_set(err, XKD_BADDATA, "an integer of %u bytes", size);
	rc = xkd_ctx_read(ctx, addr, b, size, NULL, err);
	*val = 0;
	if (!rc)
		for (unsigned i = 0; i < size; i++)
			*val |= (uint64_t)b[i] << (8 * i);
	return rc;
}
