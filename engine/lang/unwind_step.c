/* One step of a stack walk. The tables of the module that holds the address decide; frame pointers
 * serve only where no table covers it. Kernel facts: arch/x86/kernel/unwind_orc.c. */
#include "engine/lang/unwind_step.h"
#include "engine/os/os.h"
#include "base/str.h"
#include "symbols/cfi.h"
#include "symbols/orc.h"

#define PT_REGS_IRET 128u /* offset of the hardware frame in struct pt_regs */
#define MAX_FRAME 0x100000u

struct tables {
	bool has_orc, has_cfi;
	struct xkd_orc_entry orc;
	struct xkd_cfi_row cfi;
};

static void find_tables(const struct xkd_ctx *ctx, uint64_t lookup, struct tables *tb)
{
	struct xkd_module *m = xkd_target_mod_at(ctx->t, lookup);
	struct xkd_image *img = m ? xkd_target_mod_image(ctx->t, m) : NULL;
	struct xkd_err ignored;
	struct xkd_orc *orc;
	struct xkd_cfi *cfi;
	uint64_t iaddr;

	tb->has_orc = tb->has_cfi = false;
	if (!img || !xkd_module_to_image(m, lookup, &iaddr))
		return;
	if (!xkd_image_orc(img, &orc, &ignored) && !xkd_orc_at(orc, iaddr, &tb->orc))
		tb->has_orc = tb->orc.type != XKD_ORC_NONE;
	if (!xkd_image_cfi(img, &cfi, &ignored) && !xkd_cfi_row_at(cfi, iaddr, &tb->cfi, &ignored))
		tb->has_cfi = true;
}

static enum xkd_rc reg_value(const struct xkd_ctx *ctx, const struct xkd_regs *regs, int reg,
			     uint64_t *v, struct xkd_err *err)
{
	if (!xkd_reg_known(regs, reg))
		return xkd_err_set(err, XKD_NOTFOUND, "%s of this frame is not known",
				   reg >= 0 && reg < ctx->t->arch->nregs ?
					   ctx->t->arch->reg_names[reg] : "a register");
	*v = regs->v[reg];
	return XKD_OK;
}

static int arch_reg(const struct xkd_ctx *ctx, const char *name)
{
	struct xkd_regname rn;

	return ctx->t->arch->reg_find(name, &rn) ? rn.reg : -1;
}

static enum xkd_rc stack_word(const struct xkd_ctx *ctx, uint64_t addr, uint64_t *v,
			      struct xkd_err *err)
{
	enum xkd_rc rc = xkd_ctx_read_u(ctx, addr, 8, v, err);

	return rc ? xkd_err_prepend(err, rc, "the stack") : XKD_OK;
}

/* The value of ORC's base register plus offset; *indirect when it points at the saved one. */
static enum xkd_rc orc_sp(const struct xkd_ctx *ctx, const struct xkd_regs *regs,
			  const struct xkd_orc_entry *e, uint64_t *sp, bool *switched,
			  struct xkd_err *err)
{
	static const char *const names[] = { [XKD_ORC_DX] = "rdx", [XKD_ORC_DI] = "rdi",
					     [XKD_ORC_R10] = "r10", [XKD_ORC_R13] = "r13" };
	uint64_t base = 0;
	enum xkd_rc rc;

	*switched = false;
	switch (e->sp_reg) {
	case XKD_ORC_SP:
	case XKD_ORC_SP_INDIRECT:
		rc = reg_value(ctx, regs, ctx->t->arch->sp, &base, err);
		break;
	case XKD_ORC_BP:
	case XKD_ORC_BP_INDIRECT:
		rc = reg_value(ctx, regs, ctx->t->arch->fp, &base, err);
		break;
	case XKD_ORC_DX:
	case XKD_ORC_DI:
	case XKD_ORC_R10:
	case XKD_ORC_R13:
		rc = reg_value(ctx, regs, arch_reg(ctx, names[e->sp_reg]), &base, err);
		break;
	default:
		return xkd_err_set(err, XKD_NOTFOUND, "ORC gives no stack pointer here");
	}
	if (rc)
		return rc;
	if (e->sp_reg == XKD_ORC_SP_INDIRECT) { /* the old stack's pointer lies on top of the new */
		rc = stack_word(ctx, base, &base, err);
		*switched = true;
	} else if (e->sp_reg == XKD_ORC_BP_INDIRECT) {
		rc = stack_word(ctx, base + (uint64_t)(int64_t)e->sp_off, &base, err);
		*switched = true;
		*sp = base;
		return rc;
	}
	*sp = base + (uint64_t)(int64_t)e->sp_off;
	return rc;
}

static void orc_bp(const struct xkd_ctx *ctx, const struct xkd_regs *regs,
		   const struct xkd_orc_entry *e, struct xkd_step *step)
{
	struct xkd_err ignored;
	int bp = ctx->t->arch->fp;
	uint64_t v;

	if (e->bp_reg == XKD_ORC_UNDEF) { /* not touched so far: the caller's */
		if (xkd_reg_known(regs, bp))
			xkd_reg_put(&step->regs, bp, regs->v[bp]);
	} else if (e->bp_reg == XKD_ORC_PREV_SP || (e->bp_reg == XKD_ORC_BP && xkd_reg_known(regs, bp))) {
		v = e->bp_reg == XKD_ORC_PREV_SP ? step->cfa : regs->v[bp];
		if (!stack_word(ctx, v + (uint64_t)(int64_t)e->bp_off, &v, &ignored))
			xkd_reg_put(&step->regs, bp, v);
	}
}

/* Register rules of a CFI row, given the CFA. Callee-saved registers that it does not mention keep
 * their values; the others are gone. */
static void cfi_regs(const struct xkd_ctx *ctx, const struct xkd_regs *regs,
		     const struct xkd_cfi_row *row, struct xkd_step *step)
{
	struct xkd_err ignored;

	for (unsigned d = 0; d < 16; d++) {
		const struct xkd_cfi_rule *r = &row->reg[d];
		int reg = ctx->t->arch->reg_from_dwarf(d);
		bool keep = r->kind == XKD_CFI_SAME ||
			    (r->kind == XKD_CFI_UNSPEC && ctx->t->arch->dwarf_saved >> d & 1);
		uint64_t v;

		if (keep && xkd_reg_known(regs, reg))
			xkd_reg_put(&step->regs, reg, regs->v[reg]);
		else if (r->kind == XKD_CFI_OFFSET &&
			 !stack_word(ctx, step->cfa + (uint64_t)r->off, &v, &ignored))
			xkd_reg_put(&step->regs, reg, v);
		else if (r->kind == XKD_CFI_VAL_OFFSET)
			xkd_reg_put(&step->regs, reg, step->cfa + (uint64_t)r->off);
	}
}

static enum xkd_rc cfi_cfa(const struct xkd_ctx *ctx, const struct xkd_regs *regs,
			   const struct xkd_cfi_row *row, uint64_t *cfa, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (row->cfa.kind != XKD_CFI_REG)
		return xkd_err_set(err, XKD_UNSUPPORTED, "the CFA is an expression");
	rc = reg_value(ctx, regs, ctx->t->arch->reg_from_dwarf(row->cfa.reg), cfa, err);
	*cfa += (uint64_t)row->cfa.off;
	return rc;
}

static enum xkd_rc finish_call(const struct xkd_ctx *ctx, uint64_t ret_at, struct xkd_step *step,
			       struct xkd_err *err)
{
	uint64_t ret;
	enum xkd_rc rc = stack_word(ctx, ret_at, &ret, err);

	if (rc)
		return rc;
	step->kind = XKD_STEP_CALL;
	xkd_reg_put(&step->regs, ctx->t->arch->pc, ret);
	xkd_reg_put(&step->regs, ctx->t->arch->sp, step->cfa);
	return XKD_OK;
}

static enum xkd_rc by_orc(const struct xkd_ctx *ctx, const struct xkd_regs *regs,
			  const struct tables *tb, struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_orc_entry *e = &tb->orc;
	uint64_t sp = 0, cfa;
	struct xkd_err ignored;
	enum xkd_rc rc;

	step->how = "orc";
	if (e->type == XKD_ORC_END) {
		step->kind = XKD_STEP_END;
		return XKD_OK;
	}
	rc = orc_sp(ctx, regs, e, &sp, &step->switched, err);
	if (rc)
		return rc;
	step->cfa = sp;
	if (e->type == XKD_ORC_REGS || e->type == XKD_ORC_REGS_PARTIAL) {
		bool partial = e->type == XKD_ORC_REGS_PARTIAL;

		step->kind = XKD_STEP_TRAP;
		step->how = "regs";
		rc = ctx->t->os->trap_regs(ctx->t, partial ? sp - PT_REGS_IRET : sp, partial,
					   &step->regs, err);
		if (!rc && partial) /* the general registers are still what they were */
			for (int i = 0; i < ctx->t->arch->nregs && i < 16; i++)
				if (!xkd_reg_known(&step->regs, i) && xkd_reg_known(regs, i))
					xkd_reg_put(&step->regs, i, regs->v[i]);
		return rc;
	}
	if (tb->has_cfi && !cfi_cfa(ctx, regs, &tb->cfi, &cfa, &ignored) && cfa == sp) {
		step->how = "cfi";
		cfi_regs(ctx, regs, &tb->cfi, step);
	}
	orc_bp(ctx, regs, e, step);
	return finish_call(ctx, sp - 8, step, err);
}

static enum xkd_rc by_cfi(const struct xkd_ctx *ctx, const struct xkd_regs *regs,
			  const struct tables *tb, struct xkd_step *step, struct xkd_err *err)
{
	enum xkd_rc rc = cfi_cfa(ctx, regs, &tb->cfi, &step->cfa, err);

	if (rc)
		return rc;
	step->how = "cfi";
	cfi_regs(ctx, regs, &tb->cfi, step);
	return finish_call(ctx, step->cfa - 8, step, err);
}

static enum xkd_rc by_fp(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			 struct xkd_step *step, struct xkd_err *err)
{
	uint64_t fp, sp, old;
	enum xkd_rc rc;

	if (!xkd_target_mod_at(ctx->t, lookup))
		return xkd_err_addr(err, XKD_NOTFOUND, lookup, "%s is in no module",
				    XKD_ADDR(lookup));
	rc = reg_value(ctx, regs, ctx->t->arch->fp, &fp, err);
	if (!rc)
		rc = reg_value(ctx, regs, ctx->t->arch->sp, &sp, err);
	if (rc || fp < sp || fp - sp > MAX_FRAME || fp & 7)
		return xkd_err_addr(err, XKD_NOTFOUND, lookup,
				    "no unwind table covers %s and rbp is no frame pointer",
				    XKD_ADDR(lookup));
	rc = stack_word(ctx, fp, &old, err);
	if (rc)
		return rc;
	step->how = "fp";
	step->cfa = fp + 16;
	xkd_reg_put(&step->regs, ctx->t->arch->fp, old);
	return finish_call(ctx, fp + 8, step, err);
}

enum xkd_rc xkd_unwind_step(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			    struct xkd_step *step, struct xkd_err *err)
{
	struct tables tb;

	*step = (struct xkd_step){ .how = "" };
	find_tables(ctx, lookup, &tb);
	if (tb.has_orc)
		return by_orc(ctx, regs, &tb, step, err);
	if (tb.has_cfi)
		return by_cfi(ctx, regs, &tb, step, err);
	return by_fp(ctx, regs, lookup, step, err);
}
