/* C arithmetic on scalars: integer promotions, the usual conversions, pointer arithmetic,
 * comparisons. Invariant: results are cut to the type that C gives them; what C leaves undefined
 * (shifts too wide, division by zero, signed overflow) is either an error or two's complement. */
#include "engine/lang/expr_int.h"

static const struct xkd_type *bi(enum xkd_builtin b)
{
	return xkd_type_builtin(b);
}

enum xkd_rc xkd_eval_promote(struct xkd_evalctx *e, const struct xkd_value *v,
			     struct xkd_value *out, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(e->ctx, v->mod, v->type), *t;
	struct xkd_value place;
	uint64_t num;
	enum xkd_rc rc;

	if (s->kind == XKD_T_ARRAY || s->kind == XKD_T_FUNC) {
		place = *v;
		if (s->kind == XKD_T_ARRAY) {
			rc = xkd_lang_target(e->ctx, v->mod, s, &t, err);
			if (rc)
				return rc;
			place.type = t;
		}
		return xkd_value_addrof(e->ctx, &place, out, err);
	}
	rc = xkd_value_u64(e->ctx, v, &num, err);
	if (rc)
		return rc;
	t = v->type;
	if (s->kind != XKD_T_PTR) {
		if (s->size > 8)
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "128-bit numbers are not calculated with");
		if (s->size < 4 || s->kind == XKD_T_BOOL || (v->bit_size && v->bit_size < 32))
			t = bi(XKD_BI_INT);
		else if (s->size == 4)
			t = bi(s->is_signed ? XKD_BI_INT : XKD_BI_UINT);
		else
			t = bi(s->is_signed ? XKD_BI_LONG : XKD_BI_ULONG);
	}
	*out = xkd_value_num(t, num);
	out->mod = v->mod;
	return XKD_OK;
}

static bool is_ptr(const struct xkd_value *v)
{
	return xkd_type_strip(v->type)->kind == XKD_T_PTR;
}

/* Bytes that one step of this pointer is; 1 for void and functions. */
static enum xkd_rc stride(struct xkd_evalctx *e, const struct xkd_value *p, uint64_t *size,
			  struct xkd_err *err)
{
	const struct xkd_type *t, *s;
	enum xkd_rc rc = xkd_lang_target(e->ctx, p->mod, p->type, &t, err);

	if (rc)
		return rc;
	s = xkd_type_strip(t);
	*size = s->kind == XKD_T_VOID || s->kind == XKD_T_FUNC ? 1
							       : xkd_lang_size(e->ctx, p->mod, t);
	if (!*size)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the size of what the pointer points to is not known");
	return XKD_OK;
}

static bool compare(enum xkd_op op, uint64_t a, uint64_t b, bool sign)
{
	int64_t x = (int64_t)a, y = (int64_t)b;

	switch (op) {
	case XKD_OP_EQ:
		return a == b;
	case XKD_OP_NE:
		return a != b;
	case XKD_OP_LT:
		return sign ? x < y : a < b;
	case XKD_OP_GT:
		return sign ? x > y : a > b;
	case XKD_OP_LE:
		return sign ? x <= y : a <= b;
	default:
		return sign ? x >= y : a >= b;
	}
}

static bool is_compare(enum xkd_op op)
{
	return op >= XKD_OP_LT && op <= XKD_OP_NE;
}

static enum xkd_rc pointers(struct xkd_evalctx *e, const struct xkd_node *n,
			    const struct xkd_value *a, const struct xkd_value *b, enum xkd_op op,
			    struct xkd_value *v, struct xkd_err *err)
{
	const struct xkd_value *p = is_ptr(a) ? a : b, *i = is_ptr(a) ? b : a;
	uint64_t size;
	enum xkd_rc rc;

	if (is_compare(op)) {
		*v = xkd_value_num(bi(XKD_BI_INT), compare(op, a->num, b->num, false));
		return XKD_OK;
	}
	if (op != XKD_OP_ADD && (op != XKD_OP_SUB || !is_ptr(a)))
		return xkd_err_syntax(err, n->pos,
				      "this is not done with pointers; cast to unsigned long");
	if (op == XKD_OP_ADD && is_ptr(a) && is_ptr(b))
		return xkd_err_syntax(err, n->pos, "two pointers are not added");
	rc = stride(e, p, &size, err);
	if (rc)
		return xkd_eval_at(err, rc, n->pos);
	if (is_ptr(a) && is_ptr(b)) {
		*v = xkd_value_num(bi(XKD_BI_LONG),
				   (uint64_t)((int64_t)(a->num - b->num) / (int64_t)size));
		return XKD_OK;
	}
	*v = *p;
	v->num = op == XKD_OP_ADD ? p->num + i->num * size : p->num - i->num * size;
	return XKD_OK;
}

static enum xkd_rc divide(const struct xkd_node *n, enum xkd_op op, uint64_t a, uint64_t b,
			  bool sign, uint64_t *r, struct xkd_err *err)
{
	if (!b)
		return xkd_err_syntax(err, n->pos, "division by zero");
	if (sign && b == UINT64_MAX) /* the one quotient that overflows */
		*r = op == XKD_OP_DIV ? 0 - a : 0;
	else if (sign)
		*r = op == XKD_OP_DIV ? (uint64_t)((int64_t)a / (int64_t)b)
				      : (uint64_t)((int64_t)a % (int64_t)b);
	else
		*r = op == XKD_OP_DIV ? a / b : a % b;
	return XKD_OK;
}

static enum xkd_rc shift(const struct xkd_node *n, enum xkd_op op, const struct xkd_value *a,
			 uint64_t by, uint64_t *r, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_type_strip(a->type);

	if (by >= s->size * 8)
		return xkd_err_syntax(err, n->pos, "a shift by more than the %u bits there are",
				      (unsigned)s->size * 8);
	if (op == XKD_OP_SHL)
		*r = a->num << by;
	else
		*r = s->is_signed ? (uint64_t)((int64_t)a->num >> by) : a->num >> by;
	return XKD_OK;
}

static const struct xkd_type *common(const struct xkd_value *a, const struct xkd_value *b)
{
	const struct xkd_type *x = xkd_type_strip(a->type), *y = xkd_type_strip(b->type);

	if (x->size != y->size)
		return x->size > y->size ? a->type : b->type;
	return x->is_signed ? b->type : a->type;
}

enum xkd_rc xkd_eval_binary(struct xkd_evalctx *e, const struct xkd_node *n,
			    const struct xkd_value *va, const struct xkd_value *vb,
			    struct xkd_value *v, struct xkd_err *err)
{
	enum xkd_op op = n->op == XKD_OP_ASSIGN				     ? n->op2
			 : n->op == XKD_OP_PREINC || n->op == XKD_OP_POSTINC ? XKD_OP_ADD
			 : n->op == XKD_OP_PREDEC || n->op == XKD_OP_POSTDEC ? XKD_OP_SUB
									     : n->op;
	const struct xkd_type *t;
	struct xkd_value a, b;
	uint64_t x, y, r = 0;
	bool sign;
	enum xkd_rc rc = xkd_eval_promote(e, va, &a, err);

	if (!rc)
		rc = xkd_eval_promote(e, vb, &b, err);
	if (rc)
		return xkd_eval_at(err, rc, n->pos);
	if (is_ptr(&a) || is_ptr(&b))
		return pointers(e, n, &a, &b, op, v, err);
	if (op == XKD_OP_SHL || op == XKD_OP_SHR) {
		rc = shift(n, op, &a, b.num, &r, err);
		*v = xkd_value_num(a.type, r);
		return rc;
	}
	t = common(&a, &b);
	sign = xkd_type_strip(t)->is_signed;
	x = xkd_lang_fit(xkd_type_strip(t), a.num);
	y = xkd_lang_fit(xkd_type_strip(t), b.num);
	if (is_compare(op)) {
		*v = xkd_value_num(bi(XKD_BI_INT), compare(op, x, y, sign));
		return XKD_OK;
	}
	switch (op) {
	case XKD_OP_ADD:
		r = x + y;
		break;
	case XKD_OP_SUB:
		r = x - y;
		break;
	case XKD_OP_MUL:
		r = x * y;
		break;
	case XKD_OP_AND:
		r = x & y;
		break;
	case XKD_OP_XOR:
		r = x ^ y;
		break;
	case XKD_OP_OR:
		r = x | y;
		break;
	default:
		rc = divide(n, op, x, y, sign, &r, err);
		break;
	}
	*v = xkd_value_num(t, r);
	return rc;
}
