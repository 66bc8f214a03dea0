/* Arithmetic of DWARF expressions and its base types (DWARF 5 sections 2.5.1.4 and 2.5.1.6).
 * Invariants: a value's bits above its size are 0; the generic type is 64 bits wide and signed
 * where the standard says so (division, comparison, shra, and what it is widened by). Floating
 * point is refused: the kernel keeps no variable so. */
#include "base/str.h"
#include "engine/lang/location_int.h"

static unsigned width(const struct xkd_lval *v)
{
	return v->size ? v->size * 8u : 64;
}

static xkd_u128 mask(unsigned bits)
{
	return bits >= 128 ? ~(xkd_u128)0 : ((xkd_u128)1 << bits) - 1;
}

static xkd_s128 as_signed(const struct xkd_lval *v)
{
	unsigned bits = width(v);

	if (bits < 128 && (v->v >> (bits - 1) & 1))
		return (xkd_s128)(v->v | ~mask(bits));
	return (xkd_s128)v->v;
}

/* The number for division and the like: generic values are signed. */
static bool is_negative(const struct xkd_lval *v)
{
	return (!v->size || v->is_signed) && as_signed(v) < 0;
}

static void push(struct xkd_loc *l, const struct xkd_lval *type, xkd_u128 v)
{
	struct xkd_lval r = *type;

	r.v = v & mask(width(type));
	xkd_loc_push(l, r);
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

static bool compare(uint8_t op, const struct xkd_lval *a, const struct xkd_lval *b)
{
	bool sign = !a->size || a->is_signed;
	bool less = sign ? as_signed(a) < as_signed(b) : a->v < b->v;

	switch (op) {
	case OP_eq:
		return a->v == b->v;
	case OP_ne:
		return a->v != b->v;
	case OP_ge:
		return !less;
	case OP_gt:
		return !less && a->v != b->v;
	case OP_le:
		return less || a->v == b->v;
	default:
		return less;
	}
}

/* The divisor is not 0. Magnitudes are divided, for the one signed quotient that overflows. */
static xkd_u128 divide(const struct xkd_lval *a, const struct xkd_lval *b)
{
	bool na = is_negative(a), nb = is_negative(b);
	xkd_u128 x = na ? 0 - (xkd_u128)as_signed(a) : a->v;
	xkd_u128 y = nb ? 0 - (xkd_u128)as_signed(b) : b->v;

	return na != nb ? 0 - x / y : x / y;
}

/* The generic type's remainder is unsigned: producers spell the signed one out. */
static xkd_u128 modulo(const struct xkd_lval *a, const struct xkd_lval *b)
{
	if (!a->size || !a->is_signed)
		return a->v % b->v;
	return a->v - divide(a, b) * b->v;
}

static xkd_u128 shift(uint8_t op, const struct xkd_lval *a, const struct xkd_lval *b)
{
	unsigned bits = width(a), by = b->v > 127 ? 127 : (unsigned)b->v;

	if (op == OP_shl)
		return by >= bits ? 0 : a->v << by;
	if (op == OP_shr)
		return by >= bits ? 0 : a->v >> by;
	return (xkd_u128)(as_signed(a) >> by);
}

static xkd_u128 result(uint8_t op, const struct xkd_lval *a, const struct xkd_lval *b)
{
	switch (op) {
	case OP_and:
		return a->v & b->v;
	case OP_or:
		return a->v | b->v;
	case OP_xor:
		return a->v ^ b->v;
	case OP_plus:
		return a->v + b->v;
	case OP_minus:
		return a->v - b->v;
	case OP_mul:
		return a->v * b->v;
	case OP_div:
		return divide(a, b);
	case OP_mod:
		return modulo(a, b);
	default:
		return shift(op, a, b);
	}
}

static void binary(struct xkd_loc *l, uint8_t op)
{
	struct xkd_lval b = xkd_loc_pop(l), a = xkd_loc_pop(l);
	bool shifts = op >= OP_shl && op <= OP_shra;

	if (!shifts && (a.size != b.size || (a.size && a.is_signed != b.is_signed))) {
		xkd_loc_broken(l, "its location calculates with two different types");
	} else if ((op == OP_div || op == OP_mod) && !b.v) {
		xkd_loc_fail(l, "the location expression divides by zero");
		xkd_loc_push(l, a);
	} else if (is_compare(op)) {
		xkd_loc_push(l, xkd_loc_generic(compare(op, &a, &b)));
	} else {
		push(l, &a, result(op, &a, &b));
	}
}

bool xkd_loc_arith(struct xkd_loc *l, uint8_t op)
{
	struct xkd_lval a;
	uint64_t add;

	if (is_compare(op) || is_arithmetic(op)) {
		binary(l, op);
		return true;
	}
	switch (op) {
	case OP_abs:
		a = xkd_loc_pop(l);
		push(l, &a, is_negative(&a) ? 0 - a.v : a.v);
		return true;
	case OP_neg:
		a = xkd_loc_pop(l);
		push(l, &a, 0 - a.v);
		return true;
	case OP_not:
		a = xkd_loc_pop(l);
		push(l, &a, ~a.v);
		return true;
	case OP_plus_uconst:
		add = xkd_loc_leb(l, false);
		a = xkd_loc_pop(l);
		push(l, &a, a.v + add);
		return true;
	default:
		return false;
	}
}

/* ---- base types ---- */

/* An operand that names a type of the unit; 0 is the generic one. */
static bool type_operand(struct xkd_loc *l, struct xkd_lval *shape)
{
	uint64_t off = xkd_loc_leb(l, false);
	const struct xkd_type *t = NULL, *s;

	*shape = xkd_loc_generic(0);
	if (!off || l->broken)
		return !l->broken;
	if (!l->env->dwarf || off > UINT32_MAX ||
	    xkd_dwarf_type_at(l->env->dwarf, l->env->cu + off, &t, NULL)) {
		xkd_loc_broken(l, "its location names a type that is not there");
		return false;
	}
	s = xkd_type_strip(t);
	if (!xkd_type_is_scalar(s) || !s->size || s->size > 16 || s->kind == XKD_T_FLOAT) {
		xkd_loc_broken(l,
			       s->kind == XKD_T_FLOAT
				       ? "calculated in floating point, which is not followed"
				       : "its location calculates with a type that is no number");
		return false;
	}
	shape->size = (uint8_t)s->size;
	shape->is_signed = s->is_signed;
	return true;
}

static void const_type(struct xkd_loc *l)
{
	struct xkd_lval t;
	uint64_t n, lo = 0, hi = 0;

	if (!type_operand(l, &t))
		return;
	n = xkd_loc_fixed(l, 1, false);
	if (n > 16 || n != (t.size ? t.size : 8)) {
		xkd_loc_broken(l, "its location has a constant of a wrong size");
		return;
	}
	lo = xkd_loc_fixed(l, n < 8 ? (unsigned)n : 8, false);
	if (n > 8)
		hi = xkd_loc_fixed(l, (unsigned)n - 8, false);
	push(l, &t, (xkd_u128)hi << 64 | lo);
}

static void regval_type(struct xkd_loc *l)
{
	uint64_t dwarf_reg = xkd_loc_leb(l, false), v = 0;
	struct xkd_lval t;
	int reg;

	if (!type_operand(l, &t))
		return;
	if (l->at_entry) {
		if (!xkd_loc_entry_reg(l, dwarf_reg, &v))
			v = 0;
	} else {
		reg = xkd_loc_known_reg(l, dwarf_reg);
		v = reg >= 0 ? l->env->ctx->regs.v[reg] : 0;
	}
	if (t.size > 8)
		xkd_loc_fail(l, "in one register, but larger than it");
	push(l, &t, v);
}

static void deref_type(struct xkd_loc *l)
{
	unsigned n = (unsigned)xkd_loc_fixed(l, 1, false);
	struct xkd_lval t, at;

	if (!type_operand(l, &t))
		return;
	at = xkd_loc_pop(l);
	push(l, &t, xkd_loc_read(l, (uint64_t)at.v, n));
}

/* To another type: the value stays (convert), or the bits do (reinterpret). */
static void convert(struct xkd_loc *l, bool bits)
{
	struct xkd_lval t, a;

	if (!type_operand(l, &t))
		return;
	a = xkd_loc_pop(l);
	if (bits && width(&a) != width(&t))
		xkd_loc_broken(l, "its location takes bits for a type of another size");
	else
		push(l, &t, !bits && is_negative(&a) ? (xkd_u128)as_signed(&a) : a.v);
}

bool xkd_loc_typed(struct xkd_loc *l, uint8_t op)
{
	switch (op) {
	case OP_const_type:
	case OP_GNU_const_type:
		const_type(l);
		return true;
	case OP_regval_type:
	case OP_GNU_regval_type:
		regval_type(l);
		return true;
	case OP_deref_type:
	case OP_GNU_deref_type:
		deref_type(l);
		return true;
	case OP_convert:
	case OP_GNU_convert:
		convert(l, false);
		return true;
	case OP_reinterpret:
	case OP_GNU_reinterpret:
		convert(l, true);
		return true;
	default:
		return false;
	}
}
