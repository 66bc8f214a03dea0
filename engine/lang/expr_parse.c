/* The two grammars on one tree: MASM by levels of binding, C++ as in C without declarations.
 * Invariants: no look at a target (what only a target knows is asked through is_var); recursion and
 * the tree's depth are bounded by XKD_EXPR_DEPTH; every SYNTAX error names the offending byte. */
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include <ctype.h>
#include <string.h>

#define TRY(call)                         \
	do {                              \
		enum xkd_rc rc_ = (call); \
		if (rc_)                  \
			return rc_;       \
	} while (0)

static bool is_op(const struct xkd_parser *p, enum xkd_op op)
{
	return p->tok.kind == XKD_TK_OP && p->tok.op == op;
}

struct xkd_node *xkd_node_new(struct xkd_parser *p, enum xkd_op op, int pos)
{
	struct xkd_node *n = XKD_NEW(p->arena, struct xkd_node);

	n->op = op;
	n->pos = pos;
	n->masm = p->syntax == XKD_MASM;
	return n;
}

enum xkd_rc xkd_node_join(struct xkd_parser *p, struct xkd_node *n)
{
	struct xkd_node *const kids[] = { n->a, n->b, n->c };

	for (size_t i = 0; i < XKD_COUNT(kids); i++)
		if (kids[i] && kids[i]->depth >= n->depth)
			n->depth = kids[i]->depth + 1;
	if (n->depth > XKD_EXPR_DEPTH)
		return xkd_err_syntax(p->err, n->pos, "the expression is too deep");
	return XKD_OK;
}

enum xkd_rc xkd_parse_enter(struct xkd_parser *p)
{
	if (++p->depth > XKD_EXPR_DEPTH)
		return xkd_err_syntax(p->err, p->tok.start, "the expression is too deep");
	return XKD_OK;
}

void xkd_parse_leave(struct xkd_parser *p)
{
	p->depth--;
}

enum xkd_rc xkd_parse_fail(struct xkd_parser *p)
{
	int n = p->tok.end - p->tok.start;

	if (p->tok.kind == XKD_TK_END)
		return xkd_err_syntax(p->err, p->tok.start, "the expression ends too early");
	if (p->tok.kind == XKD_TK_OTHER)
		n = 1;
	return xkd_err_syntax(p->err, p->tok.start, "a value is wanted here, not '%.*s'",
			      n > 40 ? 40 : n, p->text + p->tok.start);
}

enum xkd_rc xkd_parse_expect(struct xkd_parser *p, enum xkd_op op, const char *what)
{
	if (!is_op(p, op))
		return xkd_err_syntax(p->err, p->tok.start, "%s is missing", what);
	return xkd_lex_next(p);
}

/* The current token as a leaf; the cursor moves on. */
static enum xkd_rc leaf(struct xkd_parser *p, enum xkd_op op, struct xkd_node **n)
{
	*n = xkd_node_new(p, op, p->tok.start);
	(*n)->text = p->tok.text;
	(*n)->num = p->tok.num;
	(*n)->is_unsigned = p->tok.is_unsigned;
	(*n)->is_long = p->tok.is_long;
	(*n)->decimal = p->tok.decimal;
	return xkd_lex_next(p);
}

/* @@c++( ... ): the inside is read by the other rules, what follows by our own again. */
enum xkd_rc xkd_parse_switch(struct xkd_parser *p, struct xkd_node **n)
{
	enum xkd_syntax mine = p->syntax, other;

	other = p->tok.num == 2	  ? (mine == XKD_MASM ? XKD_CXX : XKD_MASM)
		: p->tok.num == 1 ? XKD_CXX
				  : XKD_MASM;
	*n = xkd_node_new(p, XKD_OP_OTHER, p->tok.start);
	TRY(xkd_lex_next(p));
	if (!is_op(p, XKD_OP_LPAREN))
		return xkd_err_syntax(p->err, p->tok.start, "'(' is missing");
	p->syntax = other;
	TRY(xkd_lex_next(p));
	TRY(xkd_parse_any(p, &(*n)->a));
	if (!is_op(p, XKD_OP_RPAREN))
		return xkd_err_syntax(p->err, p->tok.start, "')' is missing");
	p->syntax = mine;
	TRY(xkd_lex_next(p));
	return xkd_node_join(p, *n);
}

enum xkd_rc xkd_parse_any(struct xkd_parser *p, struct xkd_node **n)
{
	return p->syntax == XKD_MASM ? xkd_parse_masm(p, 0, n) : xkd_parse_cxx(p, n);
}

/* ---- MASM ---- */

static int masm_level(enum xkd_op op)
{
	switch (op) {
	case XKD_OP_OR:
		return 1;
	case XKD_OP_XOR:
		return 2;
	case XKD_OP_AND:
		return 3;
	case XKD_OP_EQ:
	case XKD_OP_NE:
	case XKD_OP_LT:
	case XKD_OP_GT:
	case XKD_OP_LE:
	case XKD_OP_GE:
		return 4;
	case XKD_OP_SHL:
	case XKD_OP_SHR:
	case XKD_OP_SAR:
		return 5;
	case XKD_OP_ADD:
	case XKD_OP_SUB:
		return 6;
	case XKD_OP_MUL:
	case XKD_OP_DIV:
	case XKD_OP_MOD:
		return 7;
	default:
		return 0;
	}
}

static enum xkd_rc masm_string(struct xkd_parser *p, struct xkd_node **n)
{
	if (p->tok.kind != XKD_TK_STR)
		return xkd_err_syntax(p->err, p->tok.start,
				      "a string in \"quotes\" is wanted here");
	return leaf(p, XKD_OP_STR, n);
}

/* $vvalid(addr, len), $scmp("a", "b") */
static enum xkd_rc masm_call(struct xkd_parser *p, struct xkd_node **n)
{
	bool strings = p->tok.op != XKD_OP_VVALID;

	*n = xkd_node_new(p, p->tok.op, p->tok.start);
	TRY(xkd_lex_next(p));
	TRY(xkd_parse_expect(p, XKD_OP_LPAREN, "'('"));
	TRY(strings ? masm_string(p, &(*n)->a) : xkd_parse_masm(p, 0, &(*n)->a));
	TRY(xkd_parse_expect(p, XKD_OP_COMMA, "','"));
	TRY(strings ? masm_string(p, &(*n)->b) : xkd_parse_masm(p, 0, &(*n)->b));
	TRY(xkd_parse_expect(p, XKD_OP_RPAREN, "')'"));
	return xkd_node_join(p, *n);
}

static enum xkd_rc masm_unary(struct xkd_parser *p, struct xkd_node **n);

static enum xkd_rc masm_op(struct xkd_parser *p, struct xkd_node **n)
{
	enum xkd_op op = p->tok.op, close = XKD_OP_RPAREN;

	switch (op) {
	case XKD_OP_LBRACK:
		close = XKD_OP_RBRACK;
		/* fall through */
	case XKD_OP_LPAREN:
		TRY(xkd_lex_next(p));
		TRY(xkd_parse_masm(p, 0, n));
		return xkd_parse_expect(p, close, close == XKD_OP_RPAREN ? "')'" : "']'");
	case XKD_OP_HERE:
		return leaf(p, XKD_OP_HERE, n);
	case XKD_OP_VVALID:
	case XKD_OP_SCMP:
	case XKD_OP_SICMP:
	case XKD_OP_SPAT:
		return masm_call(p, n);
	case XKD_OP_ADD:
		op = XKD_OP_POS;
		break;
	case XKD_OP_SUB:
		op = XKD_OP_NEG;
		break;
	case XKD_OP_BITNOT:
	case XKD_OP_NOT:
	case XKD_OP_HI:
	case XKD_OP_LOW:
	case XKD_OP_BY:
	case XKD_OP_WO:
	case XKD_OP_DWO:
	case XKD_OP_QWO:
	case XKD_OP_POI:
		break;
	default:
		return xkd_parse_fail(p);
	}
	*n = xkd_node_new(p, op, p->tok.start);
	TRY(xkd_lex_next(p));
	TRY(masm_unary(p, &(*n)->a));
	return xkd_node_join(p, *n);
}

static enum xkd_rc masm_unary(struct xkd_parser *p, struct xkd_node **n)
{
	enum xkd_rc rc = xkd_parse_enter(p);

	if (rc)
		return rc;
	switch (p->tok.kind) {
	case XKD_TK_NUM:
		rc = leaf(p, XKD_OP_NUM, n);
		break;
	case XKD_TK_NAME:
		rc = leaf(p, XKD_OP_NAME, n);
		break;
	case XKD_TK_AT:
		rc = leaf(p, XKD_OP_AT, n);
		break;
	case XKD_TK_SRC:
		rc = leaf(p, XKD_OP_SRC, n);
		break;
	case XKD_TK_SWITCH:
		rc = xkd_parse_switch(p, n);
		break;
	case XKD_TK_OP:
		rc = masm_op(p, n);
		break;
	default:
		rc = xkd_parse_fail(p);
		break;
	}
	xkd_parse_leave(p);
	return rc;
}

enum xkd_rc xkd_parse_masm(struct xkd_parser *p, int level, struct xkd_node **n)
{
	TRY(xkd_parse_enter(p));
	TRY(masm_unary(p, n));
	for (;;) {
		int l = p->tok.kind == XKD_TK_OP ? masm_level(p->tok.op) : 0;
		struct xkd_node *b;

		if (!l || l <= level)
			break;
		b = xkd_node_new(p, p->tok.op, p->tok.start);
		b->a = *n;
		TRY(xkd_lex_next(p));
		TRY(xkd_parse_masm(p, l, &b->b));
		TRY(xkd_node_join(p, b));
		*n = b;
	}
	xkd_parse_leave(p);
	return XKD_OK;
}

enum xkd_rc xkd_expr_parse(struct xkd_parser *p, struct xkd_node **n, const char **end)
{
	size_t len = strlen(p->text);
	enum xkd_rc rc;

	if (len > XKD_EXPR_TEXT)
		return xkd_err_syntax(p->err, XKD_EXPR_TEXT, "the expression is too long");
	p->len = (int)len;
	if (!p->radix)
		p->radix = 16;
	rc = xkd_lex_next(p);
	if (!rc)
		rc = xkd_parse_any(p, n);
	if (rc)
		return rc;
	if (end) {
		*end = p->text + p->last_end;
		return XKD_OK;
	}
	if (p->tok.kind != XKD_TK_END)
		return xkd_err_syntax(p->err, p->tok.start,
				      "extra characters after the expression");
	return XKD_OK;
}
