/* MASM semantics over the tree: everything is 64 bits unsigned, symbols are addresses.
 * Invariant: memory is read only where the user wrote by, wo, dwo, qwo, poi or $vvalid. */
#include "base/cancel.h"
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include <string.h>
#include <strings.h>

#define PAGE 4096u
#define VVALID_MAX (1ULL << 30)

static enum xkd_rc read_at(struct xkd_evalctx *e, const struct xkd_node *n, uint64_t addr,
			   unsigned size, uint64_t *num, struct xkd_err *err)
{
	if (!e->ctx->t)
		return xkd_err_set(err, XKD_UNSUPPORTED, "there is no target to read from");
	return xkd_eval_at(err, xkd_ctx_read_u(e->ctx, addr, size, num, err), n->pos);
}

/* One byte of each page says whether the page is there. */
static enum xkd_rc vvalid(struct xkd_evalctx *e, uint64_t addr, uint64_t len,
			  const struct xkd_node *n, uint64_t *num, struct xkd_err *err)
{
	uint64_t last = addr + (len ? len - 1 : 0);
	uint8_t b;

	*num = 0;
	if (last < addr || !e->ctx->t)
		return XKD_OK;
	if (len > VVALID_MAX)
		return xkd_err_syntax(err, n->pos, "$vvalid looks at 1 GiB at most");
	for (uint64_t a = addr;;) {
		struct xkd_err why = XKD_ERR_INIT;
		enum xkd_rc rc = xkd_cancel_check(e->ctx->t->cancel, err);

		if (rc)
			return rc;
		rc = xkd_ctx_read(e->ctx, a, &b, 1, NULL, &why);
		if (rc == XKD_TRANSPORT || rc == XKD_RUNNING || rc == XKD_STALE) {
			if (err)
				*err = why;
			return rc;
		}
		if (rc)
			return XKD_OK;
		a = (a & ~(uint64_t)(PAGE - 1)) + PAGE;
		if (!a || a > last)
			break;
	}
	*num = 1;
	return XKD_OK;
}

static enum xkd_rc binary(struct xkd_evalctx *e, const struct xkd_node *n, uint64_t *num,
			  struct xkd_err *err)
{
	uint64_t a, b;
	enum xkd_rc rc = xkd_eval_masm(e, n->a, &a, err);

	if (!rc)
		rc = xkd_eval_masm(e, n->b, &b, err);
	if (rc)
		return rc;
	switch (n->op) {
	case XKD_OP_MUL:
		*num = a * b;
		return XKD_OK;
	case XKD_OP_DIV:
	case XKD_OP_MOD:
		if (!b)
			return xkd_err_syntax(err, n->pos, "division by zero");
		*num = n->op == XKD_OP_DIV ? a / b : a % b;
		return XKD_OK;
	case XKD_OP_ADD:
		*num = a + b;
		return XKD_OK;
	case XKD_OP_SUB:
		*num = a - b;
		return XKD_OK;
	case XKD_OP_SHL:
		*num = b > 63 ? 0 : a << b;
		return XKD_OK;
	case XKD_OP_SHR:
		*num = b > 63 ? 0 : a >> b;
		return XKD_OK;
	case XKD_OP_SAR:
		*num = (uint64_t)((int64_t)a >> (b > 63 ? 63 : b));
		return XKD_OK;
	case XKD_OP_LT:
		*num = a < b;
		return XKD_OK;
	case XKD_OP_GT:
		*num = a > b;
		return XKD_OK;
	case XKD_OP_LE:
		*num = a <= b;
		return XKD_OK;
	case XKD_OP_GE:
		*num = a >= b;
		return XKD_OK;
	case XKD_OP_EQ:
		*num = a == b;
		return XKD_OK;
	case XKD_OP_NE:
		*num = a != b;
		return XKD_OK;
	case XKD_OP_AND:
		*num = a & b;
		return XKD_OK;
	case XKD_OP_XOR:
		*num = a ^ b;
		return XKD_OK;
	case XKD_OP_OR:
		*num = a | b;
		return XKD_OK;
	case XKD_OP_VVALID:
		return vvalid(e, a, b, n, num, err);
	default:
		return xkd_err_syntax(err, n->pos, "not an operation of MASM expressions");
	}
}

static enum xkd_rc unary(struct xkd_evalctx *e, const struct xkd_node *n, uint64_t *num,
			 struct xkd_err *err)
{
	uint64_t a;
	enum xkd_rc rc = xkd_eval_masm(e, n->a, &a, err);

	if (rc)
		return rc;
	switch (n->op) {
	case XKD_OP_NEG:
		*num = 0 - a;
		return XKD_OK;
	case XKD_OP_POS:
		*num = a;
		return XKD_OK;
	case XKD_OP_BITNOT:
		*num = ~a;
		return XKD_OK;
	case XKD_OP_NOT:
		*num = !a;
		return XKD_OK;
	case XKD_OP_HI:
		*num = a >> 16 & 0xffff;
		return XKD_OK;
	case XKD_OP_LOW:
		*num = a & 0xffff;
		return XKD_OK;
	case XKD_OP_BY:
		return read_at(e, n, a, 1, num, err);
	case XKD_OP_WO:
		return read_at(e, n, a, 2, num, err);
	case XKD_OP_DWO:
		return read_at(e, n, a, 4, num, err);
	case XKD_OP_QWO:
		return read_at(e, n, a, 8, num, err);
	case XKD_OP_POI:
		return read_at(e, n, a, e->ctx->t ? e->ctx->t->arch->ptr_size : 8, num, err);
	default:
		return xkd_err_syntax(err, n->pos, "not an operation of MASM expressions");
	}
}

/* kd: -1, 0 or 1 */
static uint64_t sign_of(int order)
{
	return (uint64_t)(int64_t)((order > 0) - (order < 0));
}

enum xkd_rc xkd_eval_masm(struct xkd_evalctx *e, const struct xkd_node *n, uint64_t *num,
			  struct xkd_err *err)
{
	struct xkd_value v;
	enum xkd_rc rc;

	switch (n->op) {
	case XKD_OP_NUM:
		*num = n->num;
		return XKD_OK;
	case XKD_OP_NAME:
		return xkd_eval_at(err, xkd_eval_symbol(e, n->text, num, err), n->pos);
	case XKD_OP_SRC:
		return xkd_eval_at(err, xkd_eval_source(e, n->text, num, err), n->pos);
	case XKD_OP_AT:
	case XKD_OP_HERE:
		rc = xkd_eval_at_name(e, n->op == XKD_OP_AT ? n->text : "$ip", &v, err);
		if (!rc)
			rc = xkd_value_u64(e->ctx, &v, num, err);
		return xkd_eval_at(err, rc, n->pos);
	case XKD_OP_OTHER:
		rc = xkd_eval_cxx(e, n->a, &v, err);
		if (!rc)
			rc = xkd_eval_at(err, xkd_eval_number(e, &v, num, err), n->pos);
		return rc;
	case XKD_OP_SCMP:
		*num = sign_of(strcmp(n->a->text, n->b->text));
		return XKD_OK;
	case XKD_OP_SICMP:
		*num = sign_of(strcasecmp(n->a->text, n->b->text));
		return XKD_OK;
	case XKD_OP_SPAT:
		*num = xkd_glob(n->b->text, n->a->text, true);
		return XKD_OK;
	default:
		return n->b ? binary(e, n, num, err) : unary(e, n, num, err);
	}
}
