/* One step of a stack walk. Trampolines that stand in for a return address come first, since tables
 * know nothing of them; then the tables of the module that holds the address, or of the code that it
 * is a copy of; frame pointers serve only where no table covers it. */
#include "engine/lang/unwind_step.h"
#include "engine/os/os.h"
#include "base/str.h"
#include "symbols/cfi.h"
#include "symbols/orc.h"

#define PT_REGS_IRET 128u /* offset of the hardware frame in struct pt_regs */

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

	return rc ? xkd_err_prepend(err, rc, "reading the stack") : XKD_OK;
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
			  uint64_t lookup, const struct tables *tb, struct xkd_step *step, struct xkd_err *err)
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
		step->saved = partial ? 0 : sp;
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
	rc = finish_call(ctx, sp - 8, step, err);
	if (!rc && !tb->has_cfi)
		xkd_unwind_kept(ctx, regs, lookup, step->regs.v[ctx->t->arch->pc], step->cfa,
				&step->regs);
	return rc;
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

/* Callee-saved registers pass through code that does not touch them. */
static void keep_saved(const struct xkd_ctx *ctx, const struct xkd_regs *regs, struct xkd_step *step)
{
	for (unsigned d = 0; d < 16; d++) {
		int reg = ctx->t->arch->reg_from_dwarf(d);

		if (ctx->t->arch->dwarf_saved >> d & 1 && xkd_reg_known(regs, reg))
			xkd_reg_put(&step->regs, reg, regs->v[reg]);
	}
}

/* Inside a trampoline: the place of the address that it stands in for is what it returns to. */
static enum xkd_rc by_trampoline(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t pc,
				 struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint64_t slot, ret;
	enum xkd_rc rc;

	if (!ctx->t->os->swapped_ret || !xkd_reg_known(regs, arch->sp))
		return XKD_NOTFOUND;
	slot = regs->v[arch->sp];
	rc = ctx->t->os->swapped_ret(ctx->t, ctx->task, pc, false, &slot, &ret, &step->through, err);
	if (rc)
		return rc;
	step->kind = XKD_STEP_CALL;
	step->how = "trampoline";
	step->cfa = slot + 8;
	keep_saved(ctx, regs, step);
	xkd_reg_put(&step->regs, arch->pc, ret);
	xkd_reg_put(&step->regs, arch->sp, step->cfa);
	return XKD_OK;
}

/* A return address that leads into a trampoline is not the caller's: the real one is, which may be a
 * trampoline's again. */
static enum xkd_rc real_return(const struct xkd_ctx *ctx, struct xkd_step *step, struct xkd_err *err)
{
	int pc = ctx->t->arch->pc;

	for (int i = 0; i < 4 && ctx->t->os->swapped_ret; i++) {
		uint64_t slot = step->cfa - 8, ret;
		enum xkd_rc rc = ctx->t->os->swapped_ret(ctx->t, ctx->task, step->regs.v[pc], true,
							 &slot, &ret, &step->through, err);

		if (rc)
			return rc == XKD_NOTFOUND ? XKD_OK : rc;
		step->regs.v[pc] = ret;
	}
	return XKD_OK;
}

static enum xkd_rc by_made_code(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t pc,
				bool exact, const struct xkd_code *code, struct xkd_step *step,
				struct xkd_err *err)
{
	int sp = ctx->t->arch->sp;

	if (code->kind == XKD_CODE_FRAMED)
		return xkd_unwind_fp(ctx, regs, pc, exact, code->start, step, err);
	if (code->kind == XKD_CODE_REGS && !exact && xkd_reg_known(regs, sp)) {
		step->kind = XKD_STEP_TRAP;
		step->how = "regs";
		step->cfa = step->saved = regs->v[sp];
		return ctx->t->os->code_regs(ctx->t, code, pc, regs->v[sp], &step->regs, err);
	}
	return xkd_err_addr(err, XKD_NOTFOUND, pc, "no table covers %s code at %s", code->space,
			    XKD_ADDR(pc));
}

static enum xkd_rc by_tables(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t pc,
			     bool exact, struct xkd_step *step, struct xkd_err *err)
{
	uint64_t lookup = exact ? pc : pc - 1;
	struct xkd_target *t = ctx->t;
	struct xkd_symref sym;
	struct tables tb;
	struct xkd_code code;

	if (!xkd_target_mod_at(t, lookup)) {
		if (!t->os->code_at || !t->os->code_at(t, lookup, &code))
			return xkd_err_addr(err, XKD_NOTFOUND, lookup, "%s is in no module",
					    XKD_ADDR(lookup));
		if (code.kind != XKD_CODE_COPY)
			return by_made_code(ctx, regs, pc, exact, &code, step, err);
		lookup = lookup - code.start + code.like;
	}
	find_tables(ctx, lookup, &tb);
	if (tb.has_orc)
		return by_orc(ctx, regs, lookup, &tb, step, err);
	if (tb.has_cfi)
		return by_cfi(ctx, regs, &tb, step, err);
	return xkd_unwind_fp(ctx, regs, pc, exact, xkd_sym_at(t, lookup, &sym, NULL) ? 0 : sym.addr,
			     step, err);
}

enum xkd_rc xkd_unwind_step(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			    struct xkd_step *step, struct xkd_err *err)
{
	int r = ctx->t->arch->pc;
	uint64_t pc = xkd_reg_known(regs, r) ? regs->v[r] : lookup;
	enum xkd_rc rc;

	*step = (struct xkd_step){ .how = "" };
	rc = by_trampoline(ctx, regs, pc, step, err);
	if (rc != XKD_NOTFOUND)
		return rc;
	rc = by_tables(ctx, regs, pc, pc == lookup, step, err);
	return rc || step->kind != XKD_STEP_CALL ? rc : real_return(ctx, step, err);
}
