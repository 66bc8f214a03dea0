/* Values as they were when the function was entered (DW_OP_entry_value, DW_OP_GNU_parameter_ref):
 * what the caller's debug info says it passed at the call, calculated in the caller's frame.
 * Invariants: the call must be proved to have been to this very function, by the instruction before
 * the return address or by the call's own target, or to one from which a single way of jumps (tail
 * calls) leads here; a function that may have been entered again by a jump tells nothing. The caller's
 * registers are those that the unwinder knows: what a call does not keep is not used. A function that
 * left by a jump has no frame any more: what calls keep is its caller's again, and so is the CFA. */
#include "base/str.h"
#include "engine/lang/location_int.h"
#include "engine/lang/location_tail.h"
#include "engine/lang/unwind_step.h"
#include <stdio.h>
#include <string.h>

#define INSN_MAX 15

struct xkd_caller {
	struct xkd_arena *arena;
	bool tried;
	bool stepped; /* regs and cfa are known */
	bool called;  /* the call is proved, env and call are filled */
	char why[128];
	uint64_t cfa;
	struct xkd_ctx ctx;
	struct xkd_locenv env;
	struct xkd_dcall call;
};

struct xkd_caller *xkd_caller_new(struct xkd_arena *arena)
{
	struct xkd_caller *c = XKD_NEW(arena, struct xkd_caller);

	c->arena = arena;
	return c;
}

static void no(struct xkd_caller *c, const char *fmt, ...) XKD_PRINTF(2, 3);
static void no(struct xkd_caller *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
}

/* ---- which function was called ---- */

static bool insn_at(const struct xkd_ctx *ctx, uint64_t addr, struct xkd_insn *insn)
{
	uint8_t b[INSN_MAX];
	size_t n = 0;

	if (xkd_ctx_read(ctx, addr, b, sizeof(b), &n, NULL) && !n)
		return false;
	return !ctx->t->arch->disasm(XKD_MODE_64, addr, b, n, insn, NULL);
}

/* The target of a direct call that ends at ret; false: the call goes through a pointer. A call
 * found by chance in the middle of an instruction is no harm: its target is not the function. */
static bool direct_target(const struct xkd_ctx *ctx, uint64_t ret, uint64_t want, uint64_t *target)
{
	struct xkd_insn insn;
	bool any = false;

	for (unsigned len = 2; len <= INSN_MAX; len++) {
		if (!insn_at(ctx, ret - len, &insn) || insn.len != len || !insn.is_call ||
		    !insn.has_target)
			continue;
		if (!any || insn.target == want)
			*target = insn.target;
		any = true;
	}
	return any;
}

/* Where a place leads that is nothing but a jump (the trampoline of a static call). */
static uint64_t through_jumps(const struct xkd_ctx *ctx, uint64_t addr)
{
	struct xkd_insn insn;

	for (int i = 0; i < 3; i++) {
		if (!insn_at(ctx, addr, &insn) || !insn.is_jump || insn.is_cond || !insn.has_target)
			break;
		addr = insn.target;
	}
	return addr;
}

static bool own_entry(const struct xkd_ctx *ctx, uint64_t *entry)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	size_t n = 0;

	if (xkd_funcs_at(ctx->t, ctx->pc_lookup, f, XKD_COUNT(f), &n, NULL) || !n)
		return false;
	*entry = f[n - 1].entry ? f[n - 1].entry : f[n - 1].low;
	return true;
}

/* Was it this function that was called, and not another one that went on here by a jump? *by_jump: then
 * it was that one; 0 where it is not known. */
static bool proved(struct xkd_caller *c, const struct xkd_ctx *ctx, uint64_t entry,
		   uint64_t *by_jump)
{
	struct xkd_buf name = XKD_BUF_INIT;
	struct xkd_lval at;
	uint64_t target = 0;
	bool direct = direct_target(&c->ctx, c->call.ret, entry, &target);
	char why[128];

	*by_jump = 0;
	if (direct && (target == entry || through_jumps(ctx, target) == entry))
		return true;
	if (c->call.target && c->call.target_len &&
	    xkd_loc_number(&c->env, c->call.target, c->call.target_len, false, &at, why) &&
	    (uint64_t)at.v == entry)
		return true;
	if (direct && !xkd_sym_in_thunk(ctx->t, target)) {
		*by_jump = through_jumps(ctx, target);
		xkd_sym_format(ctx->t, target, &name);
		no(c, "at entry: came by a tail call from %.70s", name.s);
	} else {
		no(c, "at entry: called through a pointer, perhaps by way of a tail call");
	}
	xkd_buf_fini(&name);
	return false;
}

/* ---- the caller ---- */

static bool step_out(struct xkd_caller *c, const struct xkd_ctx *ctx)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_step step;

	if (xkd_unwind_step(ctx, &ctx->regs, ctx->pc_lookup, &step, &err)) {
		no(c, "at entry: the caller is not known");
		return false;
	}
	if (step.kind != XKD_STEP_CALL || !xkd_reg_known(&step.regs, ctx->t->arch->pc)) {
		no(c, "at entry: no call led here");
		return false;
	}
	c->ctx = *ctx;
	c->ctx.regs = step.regs;
	c->ctx.frame++;
	c->ctx.inline_depth = 0;
	c->ctx.pc_lookup = step.regs.v[ctx->t->arch->pc] - 1;
	c->ctx.cfa = 0;
	c->ctx.caller = NULL;
	c->cfa = step.cfa;
	return true;
}

static bool find_call(struct xkd_caller *c, const struct xkd_locenv *env)
{
	struct xkd_locenv *e = &c->env;
	struct xkd_types *btf;
	uint64_t ret;

	*e = (struct xkd_locenv){ .ctx = &c->ctx, .depth = env->depth + 1, .is_caller = true };
	e->mod = xkd_scope_module(&c->ctx);
	if (e->mod)
		xkd_mod_providers(c->ctx.t, e->mod, &btf, &e->dwarf);
	if (!e->mod || !e->dwarf || !xkd_module_to_image(e->mod, c->ctx.pc_lookup, &ret)) {
		no(c, "at entry: there is no debug info for the caller");
		return false;
	}
	if (xkd_dwarf_call_at(e->dwarf, ret + 1, &c->call, NULL)) {
		no(c, "at entry: the debug info does not describe the call");
		return false;
	}
	e->cu = c->call.cu;
	c->call.ret = c->ctx.pc_lookup + 1; /* from here on where it is in the target */
	if (xkd_dwarf_frame_base(e->dwarf, ret, &e->fb, &e->fb_len, NULL))
		e->fb = NULL;
	return true;
}

/* The functions between the one that was called and this one become callers, the last of them c. */
static bool take_way(struct xkd_caller *c, const struct xkd_tail_way *way)
{
	for (size_t i = 0; i < way->n; i++) {
		struct xkd_caller *outer = XKD_NEW(c->arena, struct xkd_caller);

		if (c->env.depth + 1 >= XKD_LOC_DEPTH) {
			no(c, "at entry: came by too many tail calls");
			return false;
		}
		*outer = *c;
		outer->env.ctx = &outer->ctx;
		outer->called = true;
		c->ctx.cfa = c->cfa;
		c->call = (struct xkd_dcall){ .die = way->step[i].site, .cu = way->step[i].cu };
		c->env = (struct xkd_locenv){ .ctx = &c->ctx,
					      .depth = outer->env.depth + 1,
					      .is_caller = true,
					      .mod = way->step[i].mod,
					      .dwarf = way->step[i].dwarf,
					      .cu = way->step[i].cu,
					      .caller = outer };
		if (xkd_dwarf_frame_base(c->env.dwarf, way->step[i].iaddr, &c->env.fb,
					 &c->env.fb_len, NULL))
			c->env.fb = NULL;
	}
	return true;
}

/* The call is proved to be this function's, or to lead here by one way of jumps. */
static bool led_here(struct xkd_caller *c, const struct xkd_locenv *env, uint64_t entry,
		     uint64_t iaddr)
{
	struct xkd_tail_way way;
	uint64_t by_jump;

	if (proved(c, env->ctx, entry, &by_jump))
		return true;
	return by_jump && xkd_tail_way(env->ctx, by_jump, env->mod, iaddr, &way) &&
	       take_way(c, &way);
}

static void find(struct xkd_caller *c, const struct xkd_locenv *env)
{
	const struct xkd_ctx *ctx = env->ctx;
	uint64_t entry, iaddr;

	c->tried = true;
	c->stepped = step_out(c, ctx);
	if (!c->stepped || !find_call(c, env))
		return;
	if (!own_entry(ctx, &entry) || !xkd_module_to_image(env->mod, entry, &iaddr)) {
		no(c, "at entry: where the function begins is not known");
		return;
	}
	if (!led_here(c, env, entry, iaddr))
		return;
	if (xkd_tail_reenters(ctx, env->mod, iaddr))
		no(c, "at entry: the function may have come here again by a tail call");
	else
		c->called = true;
}

/* The caller of the frame, looked for once; NULL after a failure. */
static struct xkd_caller *caller(struct xkd_loc *l)
{
	struct xkd_caller *c = l->env->caller;

	if (!c || l->env->depth >= XKD_LOC_DEPTH) {
		xkd_loc_fail(l, "at entry: the caller is not known");
		return NULL;
	}
	if (!c->tried)
		find(c, l->env);
	if (c->stepped && !c->env.caller)
		c->env.caller = xkd_caller_new(c->arena);
	return c;
}

/* The value that the call passed, by register or by the parameter's own entry. */
static bool passed(struct xkd_loc *l, struct xkd_caller *c, const char *what, int reg,
		   uint64_t entry, bool pointee, struct xkd_lval *val)
{
	const uint8_t *expr;
	char why[128];
	size_t len;

	if (!c->called) {
		xkd_loc_fail(l, "%s%s%s", what, *what ? " " : "", c->why);
		return false;
	}
	if (xkd_dwarf_call_value(c->env.dwarf, &c->call, reg, entry, pointee, &expr, &len, NULL)) {
		xkd_loc_fail(l, "%s at entry, which the caller does not tell", what);
		return false;
	}
	if (xkd_loc_number(&c->env, expr, len, false, val, why))
		return true;
	xkd_loc_fail(l, "%s at entry, in the caller %.90s", what, why);
	return false;
}

static const char *reg_words(const struct xkd_ctx *ctx, uint64_t dwarf_reg)
{
	int reg = dwarf_reg < 1000 ? ctx->t->arch->reg_from_dwarf((unsigned)dwarf_reg) : -1;

	return reg >= 0 ? ctx->t->arch->reg_names[reg] : "a register";
}

bool xkd_loc_entry_reg(struct xkd_loc *l, uint64_t dwarf_reg, uint64_t *val)
{
	const struct xkd_arch *arch = l->env->ctx->t->arch;
	int reg = dwarf_reg < 64 ? arch->reg_from_dwarf((unsigned)dwarf_reg) : -1;
	struct xkd_caller *c = caller(l);
	struct xkd_lval v;

	if (!c)
		return false;
	if (reg < 0 || (!c->stepped && c->why[0])) {
		xkd_loc_fail(l, "%s %s", reg_words(l->env->ctx, dwarf_reg),
			     reg < 0 ? "is not followed" : c->why);
		return false;
	}
	if (reg == arch->sp) { /* the call has put the return address */
		*val = c->cfa - arch->ptr_size;
		return true;
	}
	if (arch->dwarf_saved >> dwarf_reg & 1 && xkd_reg_known(&c->ctx.regs, reg)) {
		*val = c->ctx.regs.v[reg]; /* what a call keeps is as the caller has it */
		return true;
	}
	if (!passed(l, c, arch->reg_names[reg], (int)dwarf_reg, 0, false, &v))
		return false;
	*val = (uint64_t)v.v;
	return true;
}

/* "breg N, 0; deref": what a register pointed to. -1: the expression is another one. */
static int pointee_reg(const uint8_t *p, size_t n)
{
	if ((n == 3 && p[2] == OP_deref) || (n == 4 && p[2] == OP_deref_size))
		if (p[0] >= OP_breg0 && p[0] <= OP_breg31 && p[1] == 0)
			return p[0] - OP_breg0;
	return -1;
}

static void name_it(struct xkd_loc *l, const uint8_t *expr, size_t len)
{
	const struct xkd_ctx *ctx = l->env->ctx;

	if (len == 1 && expr[0] >= OP_reg0 && expr[0] <= OP_reg31)
		snprintf(l->entry, sizeof(l->entry), "entry %s", reg_words(ctx, expr[0] - OP_reg0));
	else
		snprintf(l->entry, sizeof(l->entry), "from entry");
}

void xkd_loc_entry_value(struct xkd_loc *l, const uint8_t *expr, size_t len)
{
	struct xkd_lval val = xkd_loc_generic(0);
	struct xkd_locenv env = *l->env;
	struct xkd_caller *c;
	int reg = pointee_reg(expr, len);
	char why[128];

	if (!len) {
		xkd_loc_broken(l, "the location expression is cut short");
		return;
	}
	name_it(l, expr, len);
	if (reg >= 0) {
		c = caller(l);
		if (c)
			passed(l, c, "what a parameter pointed to", reg, 0, true, &val);
	} else if (env.depth >= XKD_LOC_DEPTH) {
		xkd_loc_fail(l, "its debug info goes in a circle");
	} else {
		env.depth++;
		if (!xkd_loc_number(&env, expr, len, true, &val, why))
			xkd_loc_fail(l, "%s", why);
	}
	if (l->failed)
		val = xkd_loc_generic(0);
	xkd_loc_push(l, val);
}

void xkd_loc_parameter(struct xkd_loc *l, uint64_t die)
{
	struct xkd_lval val = xkd_loc_generic(0);
	struct xkd_caller *c = caller(l);

	if (c)
		passed(l, c, "a parameter", -1, die, false, &val);
	if (l->failed)
		val = xkd_loc_generic(0);
	snprintf(l->entry, sizeof(l->entry), "from entry");
	xkd_loc_push(l, val);
}
