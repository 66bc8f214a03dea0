/* r, r., rdmsr, wrmsr: registers of the current context, read and written.
 * A frame's registers are what the unwinder found; only those of the innermost frame are the
 * processor's own, so only they are written. */
#include "engine/cmd/cmd.h"
#include "engine/cmd/code.h"
#include "base/str.h"
#include "engine/core/names.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 32

static uint64_t mask_of(unsigned bits)
{
	return bits >= 64 ? UINT64_MAX : (1ULL << bits) - 1;
}

/* ---- one register ---- */

static void put_reg(struct xkd_session *s, const char *name, const struct xkd_regs *regs,
		    const struct xkd_regname *rn)
{
	int digits = (rn->bits + 3) / 4;

	xkd_out(&s->out, "%s%s=", s->out.text.len ? " " : "", name);
	if (xkd_reg_known(regs, rn->reg))
		xkd_out_key(&s->out, XKD_ST_NUM, name, "%0*" PRIx64, digits,
			    regs->v[rn->reg] >> rn->shift & mask_of(rn->bits));
	else
		xkd_out_key(&s->out, XKD_ST_DIM, name, "%.*s", digits, "????????????????");
}

/* The registers to show: the frame's; one that no frame carries comes from the CPU. */
static enum xkd_rc regs_with(struct xkd_session *s, const struct xkd_ctx *ctx, int reg,
			     const struct xkd_regs **regs, struct xkd_err *err)
{
	*regs = &ctx->regs;
	if (xkd_reg_known(&ctx->regs, reg) || ctx->cpu < 0 || ctx->frame)
		return XKD_OK;
	return xkd_target_regs(s->t, ctx->cpu, XKD_RG_INT | XKD_RG_SYS | XKD_RG_DESC | XKD_RG_DEBUG,
			       regs, err);
}

static enum xkd_rc write_reg(struct xkd_session *s, const struct xkd_ctx *ctx,
			     const struct xkd_regname *rn, const char *name, uint64_t val,
			     struct xkd_err *err)
{
	const struct xkd_regs *regs;
	uint64_t mask = mask_of(rn->bits), old = 0;
	enum xkd_rc rc;

	if (s->read_only)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "r: refused, the session is read-only (--read-only)");
	if (ctx->cpu < 0 || ctx->frame)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "registers of a caller's frame or a sleeping task cannot be "
				   "written; .frame 0 first");
	if (val & ~mask && (val | mask) != UINT64_MAX)
		return xkd_err_set(err, XKD_SYNTAX,
				   "%" PRIx64 " does not fit into the %u bits of %s", val, rn->bits,
				   name);
	rc = regs_with(s, ctx, rn->reg, &regs, err);
	if (rc)
		return rc;
	if (rn->bits < s->t->arch->reg_bits(rn->reg)) {
		if (!xkd_reg_known(regs, rn->reg))
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "%s is part of a register that is not known", name);
		old = regs->v[rn->reg] & ~(mask << rn->shift);
	}
	rc = xkd_target_reg_set(s->t, ctx->cpu, rn->reg, old | (val & mask) << rn->shift, err);
	s->ctx_valid = false;
	if (rn->reg == s->t->arch->pc)
		s->next_u = 0;
	return rc;
}

/* ---- pseudo-registers ---- */

/* 0-19 for t0-t19, else -1 */
static int t_index(const char *name)
{
	uint64_t n;

	if (name[0] != 't' || !isdigit((unsigned char)name[1]) ||
	    !xkd_parse_u64(name + 1, 10, &n) || n >= XKD_COUNT(((struct xkd_session *)0)->tregs))
		return -1;
	return (int)n;
}

/* The pseudo-registers that are registers: writing them writes those. */
static int pseudo_reg(const struct xkd_session *s, const char *name)
{
	return !strcmp(name, "ip") ? s->t->arch->pc : !strcmp(name, "csp") ? s->t->arch->sp : -1;
}

static enum xkd_rc do_pseudo(struct xkd_session *s, const struct xkd_ctx *ctx, const char *name,
			     bool assign, uint64_t val, struct xkd_err *err)
{
	int t = t_index(name), reg = pseudo_reg(s, name);

	if (assign && t >= 0) {
		s->tregs[t] = val;
		return XKD_OK;
	}
	if (assign && reg >= 0) {
		struct xkd_regname rn = { .reg = reg, .bits = (uint8_t)s->t->arch->reg_bits(reg) };

		return write_reg(s, ctx, &rn, name, val, err);
	}
	if (assign)
		return xkd_err_set(err, XKD_UNSUPPORTED, "$%s cannot be written", name);
	if (t >= 0)
		val = s->tregs[t];
	else if (!s->env.pseudo || !s->env.pseudo(s->env.arg, ctx, name, &val))
		return xkd_err_set(err, XKD_NOTFOUND,
				   "no pseudo-register $%s, or no value for it now", name);
	xkd_out(&s->out, "%s$%s=", s->out.text.len ? " " : "", name);
	xkd_out_key(&s->out, XKD_ST_NUM, name, "%016" PRIx64, val);
	return XKD_OK;
}

/* ---- r ---- */

static enum xkd_rc show_all(struct xkd_session *s, const struct xkd_ctx *ctx)
{
	struct xkd_buf sym = XKD_BUF_INIT;
	struct xkd_line line;
	struct xkd_err ignored;
	uint64_t pc;

	s->t->arch->regs_print(&ctx->regs, &s->out);
	if (!xkd_reg_known(&ctx->regs, s->t->arch->pc))
		return XKD_OK;
	if (ctx->foreign) {
		xkd_show_foreign(s, ctx);
		return XKD_OK;
	}
	if (!xkd_ctx_code(ctx, &pc))
		return XKD_OK;
	xkd_sym_format(s->t, pc, &sym);
	if (strcmp(sym.s, XKD_ADDR(pc))) {
		xkd_out_foreign(&s->out, XKD_ST_SYM, sym.s, sym.len);
		if (!s->no_lines && !xkd_line_at(s->t, ctx->pc_lookup, &line, &ignored) &&
		    line.file) {
			xkd_out(&s->out, " [");
			xkd_out_foreign(&s->out, XKD_ST_SRC, line.file, strlen(line.file));
			xkd_out_st(&s->out, XKD_ST_SRC, " @ %u", line.line);
			xkd_out(&s->out, "]");
		}
		xkd_out(&s->out, ":");
		xkd_out_end(&s->out);
	}
	xkd_buf_fini(&sym);
	xkd_show_insn(s, ctx, pc, true);
	return XKD_OK;
}

/* r.: the registers that the current instruction names */
static enum xkd_rc show_used(struct xkd_session *s, const struct xkd_ctx *ctx, struct xkd_err *err)
{
	const struct xkd_arch *arch = s->t->arch;
	struct xkd_insn in;
	uint64_t seen = 0, pc;
	enum xkd_rc rc;
	size_t n;

	if (!xkd_reg_known(&ctx->regs, arch->pc))
		return xkd_err_set(err, XKD_UNSUPPORTED, "register %s is not known",
				   arch->reg_names[arch->pc]);
	if (!xkd_ctx_code(ctx, &pc))
		return xkd_err_set(err, XKD_UNSUPPORTED, "where the current instruction lies cannot be told");
	rc = xkd_code_read(ctx, pc, &in, err);
	if (rc)
		return xkd_err_prepend(err, rc, "reading the current instruction");
	for (const char *p = in.ops; *p; p += n ? n : 1) {
		char word[NAME_MAX_LEN];
		struct xkd_regname rn;

		for (n = 0; isalnum((unsigned char)p[n]) || p[n] == '_'; n++)
			;
		if (!n || n >= sizeof(word))
			continue;
		memcpy(word, p, n);
		word[n] = 0;
		if (!arch->reg_find(word, &rn) || (seen >> rn.reg & 1))
			continue;
		seen |= 1ULL << rn.reg;
		rn.shift = 0;
		rn.bits = (uint8_t)arch->reg_bits(rn.reg);
		put_reg(s, arch->reg_names[rn.reg], &ctx->regs, &rn);
	}
	if (s->out.text.len)
		xkd_out_end(&s->out);
	return XKD_OK;
}

/* "name", "@name", "$name" at the cursor. */
static bool take_name(struct xkd_args *a, char *buf, bool *pseudo)
{
	size_t n = 0;

	a->p = xkd_skip_space(a->p);
	a->p += *a->p == '@';
	*pseudo = *a->p == '$';
	a->p += *pseudo;
	while (isalnum((unsigned char)a->p[n]) || a->p[n] == '_')
		n++;
	if (!n || n >= NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)tolower((unsigned char)a->p[i]);
	buf[n] = 0;
	a->p += n;
	return true;
}

/* What stands behind '=': up to a comma outside brackets, blanks and all. */
static enum xkd_rc take_value(struct xkd_session *s, struct xkd_args *a, uint64_t *val,
			      struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	const char *start = xkd_skip_space(a->p), *end = start;
	struct xkd_err sub = XKD_ERR_INIT;
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	for (int depth = 0; *end && (*end != ',' || depth > 0); end++)
		depth += (*end == '(' || *end == '[') - (*end == ')' || *end == ']');
	if (end == start)
		return xkd_err_syntax(err, (int)(start - a->line), "a value is missing here");
	rc = xkd_eval_u64(ctx, &s->env, XKD_MASM,
			  xkd_arena_strndup(&s->cmd_arena, start, (size_t)(end - start)), NULL,
			  &s->cmd_arena, val, &sub);
	if (rc && sub.code == XKD_SYNTAX && sub.pos >= 0)
		sub.pos += (int)(start - a->line);
	if (rc && err)
		*err = sub;
	a->p = end;
	return rc;
}

static enum xkd_rc one_reg(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_regs *regs;
	const struct xkd_ctx *ctx;
	char name[NAME_MAX_LEN];
	struct xkd_regname rn;
	uint64_t val = 0;
	bool pseudo, assign;
	int pos = (int)(xkd_skip_space(a->p) - a->line);
	enum xkd_rc rc;

	if (!take_name(a, name, &pseudo))
		return xkd_err_syntax(err, pos, "a register's name is missing here");
	a->p = xkd_skip_space(a->p);
	assign = *a->p == '=';
	if (assign) {
		a->p++;
		rc = take_value(s, a, &val, err);
		if (rc)
			return rc;
	}
	/* after the expression: what it evaluated may have made the context anew */
	rc = xkd_session_ctx(s, &ctx, err);
	if (rc)
		return rc;
	if (pseudo)
		return do_pseudo(s, ctx, name, assign, val, err);
	if (!s->t->arch->reg_find(name, &rn))
		return xkd_err_syntax(err, pos, "no register is called %s", name);
	if (assign)
		return write_reg(s, ctx, &rn, name, val, err);
	rc = regs_with(s, ctx, rn.reg, &regs, err);
	if (!rc)
		put_reg(s, name, regs, &rn);
	return rc;
}

static enum xkd_rc cmd_r(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	if (!strcmp(a->name, "r."))
		return xkd_arg_end(a) ? show_used(s, ctx, err) : xkd_arg_done(a, err);
	if (xkd_arg_end(a))
		return show_all(s, ctx);
	if (*a->p == '.' && !xkd_skip_space(a->p + 1)[0])
		return show_used(s, ctx, err);
	for (;;) {
		rc = one_reg(s, a, err);
		a->p = xkd_skip_space(a->p);
		if (rc || *a->p != ',')
			break;
		a->p++;
	}
	if (s->out.text.len)
		xkd_out_end(&s->out);
	return rc ? rc : xkd_arg_done(a, err);
}

/* ---- model-specific registers ---- */

static enum xkd_rc msr_index(struct xkd_session *s, struct xkd_args *a, uint32_t *msr,
			     const struct xkd_ctx **ctx, struct xkd_err *err)
{
	int pos = (int)(xkd_skip_space(a->p) - a->line);
	uint64_t v;
	enum xkd_rc rc = xkd_arg_expr(s, a, &v, err);

	if (rc)
		return rc;
	/* c0000080 typed in an expression may come sign-extended */
	if (v > UINT32_MAX && (v | UINT32_MAX) != UINT64_MAX)
		return xkd_err_syntax(err, pos,
				      "the index of a model-specific register has 32 bits");
	*msr = (uint32_t)v;
	rc = xkd_session_ctx(s, ctx, err);
	if (!rc && (*ctx)->cpu < 0)
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "a sleeping task has no such registers");
	return rc;
}

static enum xkd_rc no_msrs(struct xkd_session *s, uint32_t msr, struct xkd_err *err)
{
	return xkd_err_set(err, XKD_UNSUPPORTED, "%s gives no access to model-specific register %x",
			   s->t->uri, msr);
}

static enum xkd_rc cmd_rdmsr(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	const struct xkd_regs *regs;
	uint64_t val;
	uint32_t msr;
	int reg;
	enum xkd_rc rc = msr_index(s, a, &msr, &ctx, err);

	if (!rc)
		rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	if ((s->t->caps & XKD_CAP_MSR) && s->t->be->ops->msr_get) {
		rc = s->t->be->ops->msr_get(s->t->be, s->t->cpus.p[ctx->cpu].id, msr, &val, err);
		if (rc)
			return xkd_err_prepend(err, rc, "reading model-specific register %x", msr);
	} else {
		reg = s->t->arch->reg_from_msr(msr);
		if (reg < 0)
			return no_msrs(s, msr, err);
		rc = xkd_target_regs(s->t, ctx->cpu, XKD_RG_INT | XKD_RG_SYS, &regs, err);
		if (rc)
			return rc;
		if (!xkd_reg_known(regs, reg))
			return no_msrs(s, msr, err);
		val = regs->v[reg];
	}
	xkd_out(&s->out, "msr[%x] = ", msr);
	xkd_out_key(&s->out, XKD_ST_NUM, "value", "%s", XKD_ADDR(val));
	xkd_out_end(&s->out);
	return XKD_OK;
}

static enum xkd_rc cmd_wrmsr(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	uint64_t val;
	uint32_t msr;
	int reg;
	enum xkd_rc rc = msr_index(s, a, &msr, &ctx, err);

	if (!rc)
		rc = xkd_arg_expr(s, a, &val, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	if ((s->t->caps & XKD_CAP_MSR) && s->t->be->ops->msr_set) {
		rc = s->t->be->ops->msr_set(s->t->be, s->t->cpus.p[ctx->cpu].id, msr, val, err);
		xkd_target_dirty(s->t);
		s->t->cpus.p[ctx->cpu].groups = 0; /* some are registers too: read again */
		s->ctx_valid = false;
		return rc ? xkd_err_prepend(err, rc, "writing model-specific register %x", msr)
			  : XKD_OK;
	}
	reg = s->t->arch->reg_from_msr(msr);
	if (reg < 0)
		return no_msrs(s, msr, err);
	rc = xkd_target_reg_set(s->t, ctx->cpu, reg, val, err);
	s->ctx_valid = false;
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ "r", "[. | reg[=value][,reg[=value]...]]", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "shows or sets registers", cmd_r,
	  "r alone: all of them, the place and its instruction. r.: those that the instruction "
	  "names.\n"
	  "Parts (eax, ah, zf, iopl, cpl), control registers (cr3, efer) and $t0-$t19, $ip, $csp "
	  "go\n"
	  "as well. Setting a part leaves the rest of its register.",
	  "regs" },
	{ "r.", "", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "shows the registers that the current instruction names", cmd_r, NULL, NULL },
	{ "rdmsr", "index", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "reads a model-specific register of the current CPU", cmd_rdmsr, NULL, NULL },
	{ "wrmsr", "index value", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE,
	  "writes a model-specific register of the current CPU", cmd_wrmsr, NULL, NULL },
};
const struct xkd_cmd_family xkd_family_regs = { "Registers", rows, XKD_COUNT(rows) };
