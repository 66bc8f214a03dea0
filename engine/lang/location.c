/* DWARF location expressions (DWARF 5 sections 2.5 and 2.6) at a frame.
 * Invariants: what is not understood, or stands on a register, memory or CFA that is not known,
 * makes the value UNAVAIL with the reason; the stack, the steps and every read of the expression
 * are bounded; addresses in expressions are the image's and are turned into the target's. */
#include "base/str.h"
#include "engine/lang/unwind_step.h"
#include "engine/lang/lang.h"
#include "engine/lang/scope.h"
#include <stdio.h>
#include <string.h>

#define STACK 64
#define STEPS 1000

/* clang-format off */
enum {
	OP_addr = 0x03, OP_deref = 0x06, OP_const1u = 0x08, OP_const1s, OP_const2u, OP_const2s,
	OP_const4u, OP_const4s, OP_const8u, OP_const8s, OP_constu, OP_consts, OP_dup, OP_drop,
	OP_over, OP_pick, OP_swap, OP_rot, OP_xderef, OP_abs, OP_and, OP_div, OP_minus, OP_mod,
	OP_mul, OP_neg, OP_not, OP_or, OP_plus, OP_plus_uconst, OP_shl, OP_shr, OP_shra, OP_xor,
	OP_bra, OP_eq, OP_ge, OP_gt, OP_le, OP_lt, OP_ne, OP_skip, OP_lit0, OP_lit31 = 0x4f,
	OP_reg0 = 0x50, OP_reg31 = 0x6f, OP_breg0 = 0x70, OP_breg31 = 0x8f, OP_regx = 0x90,
	OP_fbreg, OP_bregx, OP_piece, OP_deref_size, OP_nop = 0x96, OP_call_frame_cfa = 0x9c,
	OP_bit_piece, OP_implicit_value, OP_stack_value, OP_implicit_pointer, OP_addrx,
	OP_constx, OP_entry_value, OP_GNU_entry_value = 0xf3, OP_GNU_implicit_pointer = 0xf2,
};
/* clang-format on */

struct loc {
	const struct xkd_locenv *env;
	const uint8_t *start, *p, *end;
	uint64_t stack[STACK];
	int n;
	struct xkd_value *v; /* why goes here */
	bool failed;
	bool in_fb;    /* the frame base's own expression */
	int ops;       /* done, outside the frame base */
	int where_reg; /* of the last breg, for v->where */
	int64_t where_off;
};

static void fail(struct loc *l, const char *why)
{
	if (!l->failed)
		xkd_value_unavail(l->v, "%s", why);
	l->failed = true;
}

static uint64_t fixed(struct loc *l, unsigned n, bool sign)
{
	uint64_t v;

	if ((size_t)(l->end - l->p) < n) {
		fail(l, "the location expression is cut short");
		l->p = l->end;
		return 0;
	}
	v = xkd_get_le(l->p, n);
	l->p += n;
	if (sign && n < 8 && (v >> (8 * n - 1) & 1))
		v |= ~0ULL << (8 * n);
	return v;
}

static uint64_t leb(struct loc *l, bool sign)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = (uint8_t)fixed(l, 1, false);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80 && !l->failed && shift < 140);
	if (sign && shift < 64 && b & 0x40)
		v |= ~0ULL << shift;
	return v;
}

static void push(struct loc *l, uint64_t v)
{
	if (l->n == STACK)
		fail(l, "the location expression needs too deep a stack");
	else
		l->stack[l->n++] = v;
}

static uint64_t pop(struct loc *l)
{
	if (!l->n) {
		fail(l, "the location expression takes more than it put");
		return 0;
	}
	return l->stack[--l->n];
}

static const char *reg_name(const struct loc *l, int reg)
{
	return l->env->ctx->t->arch->reg_names[reg];
}

/* Our number of a DWARF register that is known in this frame, or -1 after fail(). */
static int known_reg(struct loc *l, uint64_t dwarf_reg)
{
	const struct xkd_ctx *ctx = l->env->ctx;
	int reg = dwarf_reg < 1000 ? ctx->t->arch->reg_from_dwarf((unsigned)dwarf_reg) : -1;
	char why[80];

	if (reg < 0) {
		snprintf(why, sizeof(why), "in DWARF register %llu, which is not followed",
			 (unsigned long long)dwarf_reg);
		fail(l, why);
		return -1;
	}
	if (!xkd_reg_known(&ctx->regs, reg)) {
		snprintf(why, sizeof(why), "in %s, which is not known in this frame",
			 reg_name(l, reg));
		fail(l, why);
		return -1;
	}
	return reg;
}

static void breg(struct loc *l, uint64_t dwarf_reg)
{
	int64_t off = (int64_t)leb(l, true);
	int reg = known_reg(l, dwarf_reg);

	if (reg < 0)
		return;
	if (!l->in_fb) {
		l->where_reg = reg;
		l->where_off = off;
	}
	push(l, l->env->ctx->regs.v[reg] + (uint64_t)off);
}

static void cfa(struct loc *l)
{
	const struct xkd_ctx *ctx = l->env->ctx;
	struct xkd_err ignored;
	struct xkd_step step;

	if (ctx->cfa) /* a frame of a walk has it already */
		push(l, ctx->cfa);
	else if (!xkd_unwind_step(ctx, &ctx->regs, ctx->pc_lookup, &step, &ignored) &&
		 step.kind == XKD_STEP_CALL)
		push(l, step.cfa);
	else
		fail(l, "the frame's CFA is not known");
}

static void deref(struct loc *l, unsigned size)
{
	uint64_t at = pop(l), v;
	struct xkd_err err = XKD_ERR_INIT;

	if (l->failed)
		return;
	if (!size || size > 8) {
		fail(l, "the location expression reads an odd size");
		return;
	}
	if (xkd_ctx_read_u(l->env->ctx, at, size, &v, &err))
		fail(l, err.msg);
	else
		push(l, v);
}

static bool run(struct loc *l, const uint8_t *expr, size_t len);

static void fbreg(struct loc *l)
{
	int64_t off = (int64_t)leb(l, true);
	const uint8_t *p = l->p, *start = l->start, *end = l->end;
	uint64_t base;

	if (l->failed)
		return;
	if (l->in_fb || !l->env->fb) {
		fail(l, "the function's frame base is not known");
		return;
	}
	l->in_fb = true;
	run(l, l->env->fb, l->env->fb_len);
	l->in_fb = false;
	l->start = start;
	l->p = p;
	l->end = end;
	base = pop(l);
	push(l, base + (uint64_t)off);
}

/* DW_OP_regN in a frame base stands for the register's value. */
static void fb_reg(struct loc *l, uint64_t dwarf_reg)
{
	int reg = known_reg(l, dwarf_reg);

	if (reg >= 0)
		push(l, l->env->ctx->regs.v[reg]);
}

static void jump(struct loc *l, bool take)
{
	int64_t off = (int64_t)fixed(l, 2, true);

	if (!take || l->failed)
		return;
	if (off < l->start - l->p || off > l->end - l->p)
		fail(l, "the location expression jumps out of itself");
	else
		l->p += off;
}

static void pick(struct loc *l, unsigned i)
{
	if ((int)i >= l->n)
		fail(l, "the location expression takes more than it put");
	else
		push(l, l->stack[l->n - 1 - (int)i]);
}

static uint64_t compare(uint8_t op, int64_t a, int64_t b)
{
	switch (op) {
	case OP_eq:
		return a == b;
	case OP_ne:
		return a != b;
	case OP_ge:
		return a >= b;
	case OP_gt:
		return a > b;
	case OP_le:
		return a <= b;
	default:
		return a < b;
	}
}

/* The divisor is not zero. */
static uint64_t arithmetic(uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case OP_and:
		return a & b;
	case OP_or:
		return a | b;
	case OP_xor:
		return a ^ b;
	case OP_plus:
		return a + b;
	case OP_minus:
		return a - b;
	case OP_mul:
		return a * b;
	case OP_div:
		return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
	case OP_mod:
		return a % b;
	case OP_shl:
		return b > 63 ? 0 : a << b;
	case OP_shr:
		return b > 63 ? 0 : a >> b;
	default:
		return (uint64_t)((int64_t)a >> (b > 63 ? 63 : b));
	}
}

static bool is_compare(uint8_t op)
{
	return op >= OP_eq && op <= OP_ne;
}

static bool is_arithmetic(uint8_t op)
{
	return (op >= OP_and && op <= OP_mul) || op == OP_or || op == OP_plus ||
	       (op >= OP_shl && op <= OP_xor);
}

static void binary(struct loc *l, uint8_t op)
{
	uint64_t b = pop(l), a = pop(l);

	if (l->failed)
		return;
	if ((op == OP_div || op == OP_mod) && !b)
		fail(l, "the location expression divides by zero");
	else if (is_compare(op))
		push(l, compare(op, (int64_t)a, (int64_t)b));
	else
		push(l, arithmetic(op, a, b));
}

static void stack_op(struct loc *l, uint8_t op)
{
	uint64_t a, b, c;

	switch (op) {
	case OP_dup:
		pick(l, 0);
		break;
	case OP_drop:
		pop(l);
		break;
	case OP_over:
		pick(l, 1);
		break;
	case OP_pick:
		pick(l, (unsigned)fixed(l, 1, false));
		break;
	case OP_swap:
		a = pop(l);
		b = pop(l);
		push(l, a);
		push(l, b);
		break;
	default: /* rot: the top goes under the two below it */
		a = pop(l);
		b = pop(l);
		c = pop(l);
		push(l, a);
		push(l, c);
		push(l, b);
		break;
	}
}

static void address(struct loc *l, bool indexed)
{
	uint64_t iaddr = indexed ? leb(l, false) : fixed(l, 8, false), addr;

	if (indexed && !l->failed &&
	    (!l->env->dwarf || xkd_dwarf_addrx(l->env->dwarf, l->env->cu, iaddr, &iaddr, NULL)))
		fail(l, "its address is not in .debug_addr");
	if (l->failed)
		return;
	if (!xkd_module_to_target(l->env->mod, iaddr, &addr))
		fail(l, "its address is in no loaded section");
	else
		push(l, addr);
}

static const char *refusal(uint8_t op)
{
	switch (op) {
	case OP_piece:
	case OP_bit_piece:
		return "split over several places";
	case OP_implicit_pointer:
	case OP_GNU_implicit_pointer:
		return "optimized out: it points to something without a place";
	case OP_entry_value:
	case OP_GNU_entry_value:
		return "known only at entry: needs the caller";
	case 0xa4:
	case 0xa5:
	case 0xa6:
	case 0xa8:
	case 0xa9:
	case 0xf4:
	case 0xf5:
	case 0xf6:
	case 0xf7:
	case 0xf9:
		return "calculated by typed DWARF operations, which are not followed";
	default:
		return NULL;
	}
}

/* Operations on the top alone; false: not one of them. */
static bool unary(struct loc *l, uint8_t op)
{
	uint64_t a;

	switch (op) {
	case OP_deref:
		deref(l, 8);
		return true;
	case OP_deref_size:
		deref(l, (unsigned)fixed(l, 1, false));
		return true;
	case OP_abs:
		a = pop(l);
		push(l, (int64_t)a < 0 ? 0 - a : a);
		return true;
	case OP_neg:
		push(l, 0 - pop(l));
		return true;
	case OP_not:
		push(l, ~pop(l));
		return true;
	case OP_plus_uconst:
		a = leb(l, false);
		push(l, pop(l) + a);
		return true;
	case OP_bra:
		jump(l, pop(l) != 0);
		return true;
	case OP_skip:
		jump(l, true);
		return true;
	case OP_nop:
		return true;
	default:
		return false;
	}
}

/* Operations that put something new; false: not one of them. */
static bool source(struct loc *l, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case OP_addr:
		address(l, false);
		return true;
	case OP_addrx:
		address(l, true);
		return true;
	case OP_constu:
		push(l, leb(l, false));
		return true;
	case OP_consts:
		push(l, leb(l, true));
		return true;
	case OP_bregx:
		reg = leb(l, false);
		breg(l, reg);
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

static void one(struct loc *l, uint8_t op)
{
	char why[80];

	if (op >= OP_lit0 && op <= OP_lit31) {
		push(l, op - OP_lit0);
	} else if (op >= OP_breg0 && op <= OP_breg31) {
		breg(l, op - OP_breg0);
	} else if (op >= OP_const1u && op <= OP_const8s) {
		push(l, fixed(l, 1u << (op - OP_const1u) / 2, (op - OP_const1u) & 1));
	} else if (op >= OP_dup && op <= OP_rot) {
		stack_op(l, op);
	} else if (l->in_fb && op >= OP_reg0 && op <= OP_reg31) {
		fb_reg(l, op - OP_reg0);
	} else if (unary(l, op) || source(l, op)) {
		return;
	} else if (is_compare(op) || is_arithmetic(op)) {
		binary(l, op);
	} else {
		snprintf(why, sizeof(why), "DWARF operation 0x%02x is not followed", op);
		fail(l, refusal(op) ? refusal(op) : why);
	}
}

/* Runs to the end, or stops before an operation that says where or what the value is. */
static bool run(struct loc *l, const uint8_t *expr, size_t len)
{
	l->start = l->p = expr;
	l->end = expr + len;
	for (int steps = 0; l->p < l->end && !l->failed; steps++) {
		uint8_t op = *l->p;

		if (!l->in_fb && (op == OP_stack_value || op == OP_implicit_value ||
				  op == OP_regx || (op >= OP_reg0 && op <= OP_reg31)))
			break;
		if (steps == STEPS)
			fail(l, "the location expression does not end");
		l->p++;
		one(l, op);
		l->ops += !l->in_fb;
	}
	return !l->failed;
}

static void in_register(struct loc *l, uint64_t dwarf_reg, uint64_t size)
{
	int reg = known_reg(l, dwarf_reg);

	if (reg < 0)
		return;
	if (!size || size > 8) {
		fail(l, "in one register, but larger than it");
		return;
	}
	l->v->kind = XKD_V_REG;
	l->v->reg = reg;
	l->v->reg_shift = 0;
	l->v->reg_bits = (uint8_t)(size * 8);
	snprintf(l->v->where, sizeof(l->v->where), "@ %s", reg_name(l, reg));
}

static void result(struct loc *l, uint64_t size)
{
	uint8_t op = l->p < l->end ? *l->p++ : OP_nop;
	uint64_t n;

	if (op == OP_stack_value) {
		l->v->num = pop(l) & xkd_lang_mask(size >= 8 || !size ? 64 : (unsigned)size * 8);
		l->v->kind = XKD_V_RVALUE;
		if (size > 8)
			fail(l, "calculated, but larger than a register");
	} else if (op == OP_implicit_value) {
		n = leb(l, false);
		if (l->failed || n > (uint64_t)(l->end - l->p)) {
			fail(l, "the location expression is cut short");
			return;
		}
		l->v->kind = XKD_V_BYTES;
		l->v->bytes = l->p;
		l->v->nbytes = (size_t)n;
		l->p += n;
	} else if (op == OP_regx) {
		in_register(l, leb(l, false), size);
	} else if (op >= OP_reg0 && op <= OP_reg31) {
		in_register(l, op - OP_reg0, size);
	} else {
		l->v->kind = XKD_V_MEM;
		l->v->addr = pop(l);
		if (l->ops == 1 && l->where_reg >= 0)
			snprintf(l->v->where, sizeof(l->v->where), "@ [%s%c0x%llx]",
				 reg_name(l, l->where_reg), l->where_off < 0 ? '-' : '+',
				 (unsigned long long)(l->where_off < 0 ? -l->where_off
								       : l->where_off));
		else
			snprintf(l->v->where, sizeof(l->v->where), "@ %s", XKD_ADDR(l->v->addr));
	}
	if (!l->failed && l->p != l->end)
		fail(l, refusal(*l->p) ? refusal(*l->p)
				       : "its location has parts that are not followed");
}

void xkd_location_eval(const struct xkd_locenv *env, const uint8_t *expr, size_t len,
		       struct xkd_value *v)
{
	struct loc l = { .env = env, .v = v, .where_reg = -1 };

	if (!len) {
		xkd_value_unavail(v, "<optimized out>");
		return;
	}
	if (run(&l, expr, len))
		result(&l, xkd_lang_size(env->ctx, env->mod, v->type));
	if (l.failed)
		v->kind = XKD_V_UNAVAIL;
}
