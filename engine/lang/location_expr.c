/* The machine of DWARF expressions (DWARF 5 section 2.5): a stack, registers and memory of a frame.
 * Invariants: the stack, the steps and every read of the expression are bounded; addresses in
 * expressions are the image's and are turned into the target's. A value that stands on something
 * not known fails the expression but not its decoding, for there may be pieces behind it; what
 * makes no sense breaks it off. */
#include "base/str.h"
#include "engine/lang/location_int.h"
#include "engine/lang/unwind_step.h"
#include <stdio.h>
#include <string.h>

#define STEPS 1000

static void set_why(struct xkd_loc *l, const char *fmt, va_list ap)
{
	if (!l->failed)
		vsnprintf(l->why, sizeof(l->why), fmt, ap);
	l->failed = true;
}

void xkd_loc_fail(struct xkd_loc *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_why(l, fmt, ap);
	va_end(ap);
}

void xkd_loc_broken(struct xkd_loc *l, const char *fmt, ...)
{
	va_list ap;

	if (!l->broken)
		l->failed = false; /* what is wrong with it says more than what it could not know */
	va_start(ap, fmt);
	set_why(l, fmt, ap);
	va_end(ap);
	l->broken = true;
}

void xkd_loc_begin(struct xkd_loc *l, const struct xkd_locenv *env, const uint8_t *expr, size_t len)
{
	memset(l, 0, sizeof(*l));
	l->env = env;
	l->start = l->p = expr;
	l->end = expr + len;
	l->where_reg = -1;
}

uint64_t xkd_loc_fixed(struct xkd_loc *l, unsigned n, bool sign)
{
	uint64_t v;

	if ((size_t)(l->end - l->p) < n) {
		xkd_loc_broken(l, "the location expression is cut short");
		l->p = l->end;
		return 0;
	}
	v = xkd_get_le(l->p, n);
	l->p += n;
	if (sign && n < 8 && (v >> (8 * n - 1) & 1))
		v |= ~0ULL << (8 * n);
	return v;
}

uint64_t xkd_loc_leb(struct xkd_loc *l, bool sign)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = (uint8_t)xkd_loc_fixed(l, 1, false);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80 && !l->broken && shift < 140);
	if (sign && shift < 64 && b & 0x40)
		v |= ~0ULL << shift;
	return v;
}

void xkd_loc_push(struct xkd_loc *l, struct xkd_lval v)
{
	if (l->n == XKD_LOC_STACK)
		xkd_loc_broken(l, "the location expression needs too deep a stack");
	else
		l->stack[l->n++] = v;
}

struct xkd_lval xkd_loc_pop(struct xkd_loc *l)
{
	if (!l->n) {
		xkd_loc_broken(l, "the location expression takes more than it put");
		return xkd_loc_generic(0);
	}
	return l->stack[--l->n];
}

static void push(struct xkd_loc *l, uint64_t v)
{
	xkd_loc_push(l, xkd_loc_generic(v));
}

static uint64_t pop(struct xkd_loc *l)
{
	return (uint64_t)xkd_loc_pop(l).v;
}

int xkd_loc_known_reg(struct xkd_loc *l, uint64_t dwarf_reg)
{
	const struct xkd_ctx *ctx = l->env->ctx;
	int reg = dwarf_reg < 1000 ? ctx->t->arch->reg_from_dwarf((unsigned)dwarf_reg) : -1;

	if (reg < 0)
		xkd_loc_fail(l, "in DWARF register %llu, which is not followed",
			     (unsigned long long)dwarf_reg);
	else if (!xkd_reg_known(&ctx->regs, reg))
		xkd_loc_fail(l, "in %s, which is not known in this frame",
			     ctx->t->arch->reg_names[reg]);
	else
		return reg;
	return -1;
}

/* A register's value for a calculation; 0 after a failure. */
static uint64_t reg_value(struct xkd_loc *l, uint64_t dwarf_reg)
{
	uint64_t v = 0;
	int reg;

	if (l->at_entry)
		return xkd_loc_entry_reg(l, dwarf_reg, &v) ? v : 0;
	reg = xkd_loc_known_reg(l, dwarf_reg);
	return reg >= 0 ? l->env->ctx->regs.v[reg] : 0;
}

static void breg(struct xkd_loc *l, uint64_t dwarf_reg)
{
	int64_t off = (int64_t)xkd_loc_leb(l, true);
	uint64_t v = reg_value(l, dwarf_reg);

	if (!l->in_fb && !l->failed && !l->at_entry) {
		l->where_reg = l->env->ctx->t->arch->reg_from_dwarf((unsigned)dwarf_reg);
		l->where_off = off;
	}
	push(l, v + (uint64_t)off);
}

static void cfa(struct xkd_loc *l)
{
	const struct xkd_ctx *ctx = l->env->ctx;
	struct xkd_err ignored;
	struct xkd_step step;
	uint64_t v = 0;

	if (ctx->cfa) /* a frame of a walk has it already */
		v = ctx->cfa;
	else if (!xkd_unwind_step(ctx, &ctx->regs, ctx->pc_lookup, &step, &ignored) &&
		 step.kind == XKD_STEP_CALL)
		v = step.cfa;
	else
		xkd_loc_fail(l, "the frame's CFA is not known");
	push(l, v);
}

xkd_u128 xkd_loc_read(struct xkd_loc *l, uint64_t addr, unsigned size)
{
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t lo = 0, hi = 0;

	if (!size || size > 16) {
		xkd_loc_broken(l, "the location expression reads an odd size");
		return 0;
	}
	if (l->at_entry)
		xkd_loc_fail(l, "in memory as it was at the function's entry");
	if (l->failed)
		return 0;
	if (xkd_ctx_read_u(l->env->ctx, addr, size < 8 ? size : 8, &lo, &err) ||
	    (size > 8 && xkd_ctx_read_u(l->env->ctx, addr + 8, size - 8, &hi, &err)))
		xkd_loc_fail(l, "memory not readable at %s", XKD_ADDR(addr));
	return l->failed ? 0 : (xkd_u128)hi << 64 | lo;
}

/* Another expression on the same stack. */
static void inner(struct xkd_loc *l, const uint8_t *expr, size_t len);

static void fbreg(struct xkd_loc *l)
{
	int64_t off = (int64_t)xkd_loc_leb(l, true);

	if (l->in_fb || !l->env->fb) {
		xkd_loc_fail(l, "the function's frame base is not known");
		push(l, 0);
		return;
	}
	if (l->at_entry) {
		xkd_loc_fail(l, "in the frame as it was at the function's entry");
		push(l, 0);
		return;
	}
	l->in_fb = true;
	inner(l, l->env->fb, l->env->fb_len);
	l->in_fb = false;
	if (!l->broken)
		push(l, pop(l) + (uint64_t)off);
}

static void jump(struct xkd_loc *l, bool take)
{
	int64_t off = (int64_t)xkd_loc_fixed(l, 2, true);

	if (!take || l->broken)
		return;
	if (off < l->start - l->p || off > l->end - l->p)
		xkd_loc_broken(l, "the location expression jumps out of itself");
	else
		l->p += off;
}

static void pick(struct xkd_loc *l, unsigned i)
{
	if ((int)i >= l->n)
		xkd_loc_broken(l, "the location expression takes more than it put");
	else
		xkd_loc_push(l, l->stack[l->n - 1 - (int)i]);
}

static void stack_op(struct xkd_loc *l, uint8_t op)
{
	struct xkd_lval a, b, c;

	switch (op) {
	case OP_dup:
		pick(l, 0);
		break;
	case OP_drop:
		xkd_loc_pop(l);
		break;
	case OP_over:
		pick(l, 1);
		break;
	case OP_pick:
		pick(l, (unsigned)xkd_loc_fixed(l, 1, false));
		break;
	case OP_swap:
		a = xkd_loc_pop(l);
		b = xkd_loc_pop(l);
		xkd_loc_push(l, a);
		xkd_loc_push(l, b);
		break;
	default: /* rot: the top goes under the two below it */
		a = xkd_loc_pop(l);
		b = xkd_loc_pop(l);
		c = xkd_loc_pop(l);
		xkd_loc_push(l, a);
		xkd_loc_push(l, c);
		xkd_loc_push(l, b);
		break;
	}
}

static void address(struct xkd_loc *l, uint64_t iaddr)
{
	uint64_t addr = 0;

	if (!l->broken && !xkd_module_to_target(l->env->mod, iaddr, &addr))
		xkd_loc_fail(l, "its address is in no loaded section");
	push(l, addr);
}

/* An operand that is an index into .debug_addr. */
static uint64_t indexed(struct xkd_loc *l)
{
	uint64_t index = xkd_loc_leb(l, false), v = 0;

	if (!l->broken &&
	    (!l->env->dwarf || xkd_dwarf_addrx(l->env->dwarf, l->env->cu, index, &v, NULL)))
		xkd_loc_fail(l, "its address is not in .debug_addr");
	return v;
}

/* A reference into .debug_info, as wide as the unit says. */
static uint64_t reference(struct xkd_loc *l)
{
	unsigned version = 5, size = 4;

	if (l->env->dwarf && xkd_dwarf_unit_shape(l->env->dwarf, l->env->cu, &version, &size, NULL))
		xkd_loc_broken(l, "its unit of debug info cannot be read");
	return xkd_loc_fixed(l, version == 2 ? 8 : size, false);
}

/* The variable of the same frame at an offset of .debug_info. */
static bool variable(struct xkd_loc *l, uint64_t die, struct xkd_dvar *v)
{
	uint64_t iaddr;

	if (!l->broken && l->env->dwarf && l->env->depth < XKD_LOC_DEPTH &&
	    xkd_module_to_image(l->env->mod, l->env->ctx->pc_lookup, &iaddr) &&
	    !xkd_dwarf_var_at(l->env->dwarf, die, iaddr, v, NULL))
		return true;
	xkd_loc_fail(l, "it stands on another variable, which cannot be read");
	return false;
}

static void variable_value(struct xkd_loc *l)
{
	struct xkd_locenv env = *l->env;
	struct xkd_value v;
	struct xkd_dvar dv;
	uint64_t num = 0;

	env.depth++;
	if (variable(l, reference(l), &dv)) {
		xkd_location_var(&env, &dv, &v);
		if (v.kind == XKD_V_UNAVAIL)
			xkd_loc_fail(l, "%s", v.why);
		else if (xkd_value_u64(env.ctx, &v, &num, NULL))
			xkd_loc_fail(l, "it stands on another variable, which cannot be read");
	}
	push(l, num);
}

static void call(struct xkd_loc *l, uint64_t die)
{
	struct xkd_locenv env = *l->env;
	const struct xkd_locenv *outer = l->env;
	struct xkd_dvar dv;

	if (!variable(l, die, &dv))
		return;
	env.depth++;
	l->env = &env;
	if (dv.expr)
		inner(l, dv.expr, dv.expr_len);
	l->env = outer;
}

/* Why an operation ends the matter; NULL: it is not known at all. */
static const char *refusal(uint8_t op)
{
	switch (op) {
	case OP_form_tls_address:
	case OP_GNU_push_tls_address:
		return "thread-local, which the kernel has nothing of";
	case OP_xderef:
	case OP_xderef_size:
	case OP_xderef_type:
		return "in another address space, which is not followed";
	case OP_push_object_address:
		return "relative to an object that is not known here";
	case OP_GNU_encoded_addr:
		return "at an encoded address, which is not followed";
	default:
		return NULL;
	}
}

/* Operations on the top alone, and the program's flow; false: not one of them. */
static bool unary(struct xkd_loc *l, uint8_t op)
{
	uint64_t a;
	unsigned size;

	switch (op) {
	case OP_deref:
		a = pop(l);
		push(l, (uint64_t)xkd_loc_read(l, a, 8));
		return true;
	case OP_deref_size:
		size = (unsigned)xkd_loc_fixed(l, 1, false);
		a = pop(l);
		push(l, (uint64_t)xkd_loc_read(l, a, size > 8 ? 0 : size));
		return true;
	case OP_bra:
		jump(l, pop(l) != 0);
		return true;
	case OP_skip:
		jump(l, true);
		return true;
	case OP_nop:
		return true;
	case OP_GNU_uninit:
		xkd_loc_fail(l, "not initialized yet");
		return true;
	default:
		return false;
	}
}

/* Operations that put something new, from the frame or the debug info; false: not one of them. */
static bool source(struct xkd_loc *l, uint8_t op)
{
	uint64_t v;

	switch (op) {
	case OP_addr:
		address(l, xkd_loc_fixed(l, 8, false));
		return true;
	case OP_addrx:
	case OP_GNU_addr_index:
		address(l, indexed(l));
		return true;
	case OP_constx:
	case OP_GNU_const_index:
		push(l, indexed(l));
		return true;
	case OP_constu:
		push(l, xkd_loc_leb(l, false));
		return true;
	case OP_consts:
		push(l, xkd_loc_leb(l, true));
		return true;
	case OP_bregx:
		v = xkd_loc_leb(l, false);
		breg(l, v);
		return true;
	case OP_fbreg:
		fbreg(l);
		return true;
	case OP_call_frame_cfa:
		cfa(l);
		return true;
	default:
		return false;
	}
}

/* Operations with other expressions or entries of the debug info behind them. */
static bool referring(struct xkd_loc *l, uint8_t op)
{
	const uint8_t *expr;
	uint64_t n;

	switch (op) {
	case OP_entry_value:
	case OP_GNU_entry_value:
		n = xkd_loc_leb(l, false);
		if (!l->broken && n > (uint64_t)(l->end - l->p))
			xkd_loc_broken(l, "the location expression is cut short");
		if (l->broken)
			return true;
		expr = l->p;
		l->p += n;
		xkd_loc_entry_value(l, expr, (size_t)n);
		return true;
	case OP_GNU_parameter_ref:
		n = xkd_loc_fixed(l, 4, false);
		if (!l->broken)
			xkd_loc_parameter(l, l->env->cu + n);
		return true;
	case OP_GNU_variable_value:
		variable_value(l);
		return true;
	case OP_call2:
	case OP_call4:
		n = xkd_loc_fixed(l, op == OP_call2 ? 2 : 4, false);
		call(l, l->env->cu + n);
		return true;
	case OP_call_ref:
		call(l, reference(l));
		return true;
	default:
		return false;
	}
}

static void one(struct xkd_loc *l, uint8_t op)
{
	if (op >= OP_lit0 && op <= OP_lit31)
		push(l, op - OP_lit0);
	else if (op >= OP_breg0 && op <= OP_breg31)
		breg(l, op - OP_breg0);
	else if (op >= OP_const1u && op <= OP_const8s)
		push(l, xkd_loc_fixed(l, 1u << (op - OP_const1u) / 2, (op - OP_const1u) & 1));
	else if (op >= OP_dup && op <= OP_rot)
		stack_op(l, op);
	else if (op >= OP_reg0 && op <= OP_reg31) /* of a frame base or a call's value */
		push(l, reg_value(l, op - OP_reg0));
	else if (op == OP_regx)
		push(l, reg_value(l, xkd_loc_leb(l, false)));
	else if (unary(l, op) || source(l, op) || xkd_loc_arith(l, op) || xkd_loc_typed(l, op) ||
		 referring(l, op))
		return;
	else if (refusal(op))
		xkd_loc_broken(l, "%s", refusal(op));
	else
		xkd_loc_broken(l, "DWARF operation 0x%02x is not followed", op);
}

/* Operations that say where or what the value is, instead of calculating on. */
static bool is_last(const struct xkd_loc *l, uint8_t op)
{
	if (op == OP_piece || op == OP_bit_piece)
		return true;
	if (op == OP_regx || (op >= OP_reg0 && op <= OP_reg31))
		return !l->as_value;
	return op == OP_stack_value || op == OP_implicit_value || op == OP_implicit_pointer ||
	       op == OP_GNU_implicit_pointer;
}

static void steps(struct xkd_loc *l, bool to_last)
{
	while (l->p < l->end && !l->broken && !(to_last && is_last(l, *l->p))) {
		if (++l->steps > STEPS)
			xkd_loc_broken(l, "the location expression does not end");
		else
			one(l, *l->p++);
		l->ops += !l->in_fb;
	}
}

static void inner(struct xkd_loc *l, const uint8_t *expr, size_t len)
{
	const uint8_t *p = l->p, *start = l->start, *end = l->end;

	l->start = l->p = expr;
	l->end = expr + len;
	steps(l, false);
	l->start = start;
	l->p = p;
	l->end = end;
}

static void implicit_value(struct xkd_loc *l, struct xkd_locat *at)
{
	uint64_t n = xkd_loc_leb(l, false);

	if (!l->broken && n > (uint64_t)(l->end - l->p))
		xkd_loc_broken(l, "the location expression is cut short");
	if (l->broken)
		return;
	at->kind = XKD_LOC_BYTES;
	at->bytes = l->p;
	at->nbytes = (size_t)n;
	l->p += n;
}

static void last(struct xkd_loc *l, struct xkd_locat *at)
{
	uint8_t op = *l->p++;

	switch (op) {
	case OP_stack_value:
		at->kind = XKD_LOC_VALUE;
		at->val = xkd_loc_pop(l);
		break;
	case OP_implicit_value:
		implicit_value(l, at);
		break;
	case OP_implicit_pointer:
	case OP_GNU_implicit_pointer:
		at->kind = XKD_LOC_POINTER;
		at->die = reference(l);
		at->off = (int64_t)xkd_loc_leb(l, true);
		break;
	default:
		at->kind = XKD_LOC_REG;
		at->reg = xkd_loc_known_reg(l, op == OP_regx ? xkd_loc_leb(l, false)
							     : (uint64_t)(op - OP_reg0));
		break;
	}
}

static bool at_piece(const struct xkd_loc *l)
{
	return l->p < l->end && (*l->p == OP_piece || *l->p == OP_bit_piece);
}

void xkd_loc_run(struct xkd_loc *l, struct xkd_locat *at)
{
	const uint8_t *begin = l->p;

	*at = (struct xkd_locat){ .kind = XKD_LOC_NONE, .reg = -1 };
	steps(l, true);
	if (l->broken)
		return;
	if (l->p < l->end && !at_piece(l)) {
		last(l, at);
	} else if (l->p > begin) {
		at->kind = XKD_LOC_MEM;
		at->addr = pop(l);
	}
	if (l->p < l->end && *l->p == OP_GNU_uninit) {
		l->p++;
		xkd_loc_fail(l, "not initialized yet");
	}
	if (!l->broken && l->p < l->end && !at_piece(l))
		xkd_loc_broken(l, "its location has parts that are not followed");
}

bool xkd_loc_number(const struct xkd_locenv *env, const uint8_t *expr, size_t len, bool at_entry,
		    struct xkd_lval *val, char why[128])
{
	struct xkd_locat at;
	struct xkd_loc l;

	xkd_loc_begin(&l, env, expr, len);
	l.as_value = true;
	l.at_entry = at_entry;
	xkd_loc_run(&l, &at);
	if (!l.failed && at.kind == XKD_LOC_MEM)
		*val = xkd_loc_generic(at.addr);
	else if (!l.failed && at.kind == XKD_LOC_VALUE)
		*val = at.val;
	else if (!l.failed && at.kind == XKD_LOC_BYTES && at.nbytes <= 8)
		*val = xkd_loc_generic(xkd_get_le(at.bytes, (unsigned)at.nbytes));
	else if (!l.failed)
		xkd_loc_fail(&l, "the call passes no number");
	if (!l.failed && l.p != l.end)
		xkd_loc_fail(&l, "its location has parts that are not followed");
	if (l.failed)
		snprintf(why, 128, "%s", l.why);
	return !l.failed;
}
