/* C++ syntax: C's expression grammar without declarations, plus container_of, offsetof, per_cpu and
 * @registers. A parenthesis holds a type when its first word can only be one (struct, unsigned
 * ...), when stars follow the word, or when the word is no variable and an operand follows. Calls
 * are refused: a debugger does not run the target's code. */
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

static enum xkd_rc unary(struct xkd_parser *p, struct xkd_node **n);

/* The word at s, if there is one: its length. */
static size_t word_at(const char *s)
{
	size_t n = 0;

	if (!isalpha((unsigned char)*s) && *s != '_')
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '_' || (s[n] == '!' && s[n + 1] != '='))
		n++;
	return n;
}

/* Does the text behind '(' at pos read as a type name that ends before ')'? */
static bool type_inside(struct xkd_parser *p, int pos, bool alone)
{
	const char *s = xkd_skip_space(p->text + pos), *q;
	size_t n = word_at(s);
	char name[256];

	if (!n || n >= sizeof(name))
		return false;
	memcpy(name, s, n);
	name[n] = 0;
	if (xkd_typename_keyword(s, n))
		return true;
	q = xkd_skip_space(s + n);
	if (*q == '*') { /* "(name *)" is nothing else; "(a * b)" goes on with an operand */
		while (*q == '*' || *q == ' ' || !strncmp(q, "const", 5) ||
		       !strncmp(q, "volatile", 8))
			q += *q == 'c' ? 5 : *q == 'v' ? 8 : 1;
		return *q == ')';
	}
	if (*q != ')' && !(alone && *q == '['))
		return false;
	if (p->is_var && p->is_var(p->arg, name))
		return false;
	if (alone)
		return !p->is_type || p->is_type(p->arg, name);
	q = xkd_skip_space(q + 1);
	if (isalnum((unsigned char)*q) || *q == '_' || *q == '@' || *q == '$' || *q == '~' ||
	    *q == '\'' || *q == '!')
		return q[0] != '!' || q[1] != '=';
	return *q && strchr("(-+*&", *q) && p->is_type && p->is_type(p->arg, name);
}

static enum xkd_rc type_name(struct xkd_parser *p, int pos, struct xkd_node *n)
{
	int end;

	n->tn = XKD_NEW(p->arena, struct xkd_typename);
	TRY(xkd_typename_parse(p->text, pos, &end, n->tn, p->err));
	p->at = end;
	return xkd_lex_next(p);
}

/* a.b[2].c from the object itself */
static enum xkd_rc member_path(struct xkd_parser *p, struct xkd_node **n)
{
	*n = xkd_node_new(p, XKD_OP_SELF, p->tok.start);
	for (bool first = true;; first = false) {
		struct xkd_node *m;

		if (!first && is_op(p, XKD_OP_LBRACK)) {
			m = xkd_node_new(p, XKD_OP_INDEX, p->tok.start);
			TRY(xkd_lex_next(p));
			TRY(xkd_parse_cxx(p, &m->b));
			TRY(xkd_parse_expect(p, XKD_OP_RBRACK, "']'"));
		} else {
			if (!first && !is_op(p, XKD_OP_MEMBER))
				return XKD_OK;
			if (!first)
				TRY(xkd_lex_next(p));
			if (p->tok.kind != XKD_TK_NAME)
				return xkd_err_syntax(p->err, p->tok.start,
						      "a member's name is wanted here");
			m = xkd_node_new(p, XKD_OP_MEMBER, p->tok.start);
			m->text = p->tok.text;
			TRY(xkd_lex_next(p));
		}
		m->a = *n;
		TRY(xkd_node_join(p, m));
		*n = m;
	}
}

/* sizeof x, sizeof(type) */
static enum xkd_rc size_of(struct xkd_parser *p, struct xkd_node **n)
{
	*n = xkd_node_new(p, XKD_OP_SIZEOF, p->tok.start);
	TRY(xkd_lex_next(p));
	if (is_op(p, XKD_OP_LPAREN) && type_inside(p, p->tok.end, true)) {
		(*n)->op = XKD_OP_SIZEOF_TYPE;
		TRY(type_name(p, p->tok.end, *n));
		return xkd_parse_expect(p, XKD_OP_RPAREN, "')'");
	}
	TRY(unary(p, &(*n)->a));
	return xkd_node_join(p, *n);
}

/* container_of(p, type, member), offsetof(type, member), per_cpu(var, n), per_cpu_ptr(p, n),
 * this_cpu(var), this_cpu_ptr(p) */
static enum xkd_rc intrinsic(struct xkd_parser *p, enum xkd_op op, struct xkd_node **n)
{
	bool this_cpu = xkd_has_prefix(p->tok.text, "this_cpu");

	*n = xkd_node_new(p, op, p->tok.start);
	(*n)->num = op == XKD_OP_PER_CPU && strstr(p->tok.text, "_ptr");
	TRY(xkd_lex_next(p));
	if (!is_op(p, XKD_OP_LPAREN))
		return xkd_err_syntax(p->err, p->tok.start, "'(' is missing");
	if (op != XKD_OP_OFFSETOF) {
		TRY(xkd_lex_next(p));
		TRY(xkd_parse_cxx_assign(p, &(*n)->a));
		if (!this_cpu && !is_op(p, XKD_OP_COMMA))
			return xkd_err_syntax(p->err, p->tok.start, "',' is missing");
	}
	if (op == XKD_OP_PER_CPU && this_cpu) {
		/* the context's CPU */
	} else if (op == XKD_OP_PER_CPU) {
		TRY(xkd_lex_next(p));
		TRY(xkd_parse_cxx_assign(p, &(*n)->b));
	} else {
		TRY(type_name(p, p->tok.end, *n));
		TRY(xkd_parse_expect(p, XKD_OP_COMMA, "','"));
		TRY(member_path(p, &(*n)->b));
	}
	TRY(xkd_parse_expect(p, XKD_OP_RPAREN, "')'"));
	return xkd_node_join(p, *n);
}

static enum xkd_rc name(struct xkd_parser *p, struct xkd_node **n)
{
	static const struct {
		const char *word;
		enum xkd_op op;
	} words[] = {
		{ "container_of", XKD_OP_CONTAINER_OF },   { "offsetof", XKD_OP_OFFSETOF },
		{ "__builtin_offsetof", XKD_OP_OFFSETOF }, { "per_cpu", XKD_OP_PER_CPU },
		{ "per_cpu_ptr", XKD_OP_PER_CPU },	   { "this_cpu", XKD_OP_PER_CPU },
		{ "this_cpu_ptr", XKD_OP_PER_CPU },
	};

	if (!strcmp(p->tok.text, "sizeof"))
		return size_of(p, n);
	for (size_t i = 0; i < XKD_COUNT(words); i++)
		if (!strcmp(p->tok.text, words[i].word) &&
		    *xkd_skip_space(p->text + p->tok.end) == '(')
			return intrinsic(p, words[i].op, n);
	*n = xkd_node_new(p, XKD_OP_NAME, p->tok.start);
	(*n)->text = p->tok.text;
	return xkd_lex_next(p);
}

static enum xkd_rc primary(struct xkd_parser *p, struct xkd_node **n)
{
	switch (p->tok.kind) {
	case XKD_TK_NUM:
	case XKD_TK_AT:
	case XKD_TK_SRC:
		*n = xkd_node_new(p,
				  p->tok.kind == XKD_TK_NUM  ? XKD_OP_NUM
				  : p->tok.kind == XKD_TK_AT ? XKD_OP_AT
							     : XKD_OP_SRC,
				  p->tok.start);
		(*n)->text = p->tok.text;
		(*n)->num = p->tok.num;
		(*n)->is_unsigned = p->tok.is_unsigned;
		(*n)->is_long = p->tok.is_long;
		(*n)->decimal = p->tok.decimal;
		return xkd_lex_next(p);
	case XKD_TK_NAME:
		return name(p, n);
	case XKD_TK_SWITCH:
		return xkd_parse_switch(p, n);
	default:
		break;
	}
	if (!is_op(p, XKD_OP_LPAREN))
		return xkd_parse_fail(p);
	TRY(xkd_lex_next(p));
	TRY(xkd_parse_cxx(p, n));
	return xkd_parse_expect(p, XKD_OP_RPAREN, "')'");
}

static enum xkd_rc postfix(struct xkd_parser *p, struct xkd_node **n)
{
	TRY(primary(p, n));
	while (p->tok.kind == XKD_TK_OP) {
		struct xkd_node *q = xkd_node_new(p, p->tok.op, p->tok.start);

		q->a = *n;
		switch (p->tok.op) {
		case XKD_OP_MEMBER:
		case XKD_OP_ARROW:
			TRY(xkd_lex_next(p));
			if (p->tok.kind != XKD_TK_NAME)
				return xkd_err_syntax(p->err, p->tok.start,
						      "a member's name is wanted here");
			q->text = p->tok.text;
			q->pos = p->tok.start;
			TRY(xkd_lex_next(p));
			break;
		case XKD_OP_LBRACK:
			q->op = XKD_OP_INDEX;
			TRY(xkd_lex_next(p));
			TRY(xkd_parse_cxx(p, &q->b));
			TRY(xkd_parse_expect(p, XKD_OP_RBRACK, "']'"));
			break;
		case XKD_OP_PREINC:
		case XKD_OP_PREDEC:
			q->op = p->tok.op == XKD_OP_PREINC ? XKD_OP_POSTINC : XKD_OP_POSTDEC;
			TRY(xkd_lex_next(p));
			break;
		case XKD_OP_LPAREN:
			return xkd_err_syntax(p->err, p->tok.start,
					      "functions of the target are not called");
		default:
			return XKD_OK;
		}
		TRY(xkd_node_join(p, q));
		*n = q;
	}
	return XKD_OK;
}

static enum xkd_op prefix_op(enum xkd_op op)
{
	switch (op) {
	case XKD_OP_MUL:
		return XKD_OP_DEREF;
	case XKD_OP_AND:
		return XKD_OP_ADDR;
	case XKD_OP_ADD:
		return XKD_OP_POS;
	case XKD_OP_SUB:
		return XKD_OP_NEG;
	case XKD_OP_NOT:
	case XKD_OP_BITNOT:
	case XKD_OP_PREINC:
	case XKD_OP_PREDEC:
		return op;
	default:
		return XKD_OP_NONE;
	}
}

static enum xkd_rc unary_inner(struct xkd_parser *p, struct xkd_node **n)
{
	enum xkd_op op = p->tok.kind == XKD_TK_OP ? prefix_op(p->tok.op) : XKD_OP_NONE;

	if (op) {
		*n = xkd_node_new(p, op, p->tok.start);
		TRY(xkd_lex_next(p));
		TRY(unary(p, &(*n)->a));
		return xkd_node_join(p, *n);
	}
	if (is_op(p, XKD_OP_LAND))
		return xkd_err_syntax(p->err, p->tok.start, "'&&' wants a value on its left");
	if (is_op(p, XKD_OP_LPAREN) && type_inside(p, p->tok.end, false)) {
		*n = xkd_node_new(p, XKD_OP_CAST, p->tok.start);
		TRY(type_name(p, p->tok.end, *n));
		TRY(xkd_parse_expect(p, XKD_OP_RPAREN, "')'"));
		TRY(unary(p, &(*n)->a));
		return xkd_node_join(p, *n);
	}
	return postfix(p, n);
}

static enum xkd_rc unary(struct xkd_parser *p, struct xkd_node **n)
{
	enum xkd_rc rc = xkd_parse_enter(p);

	if (!rc)
		rc = unary_inner(p, n);
	xkd_parse_leave(p);
	return rc;
}

static int cxx_level(enum xkd_op op)
{
	switch (op) {
	case XKD_OP_LOR:
		return 1;
	case XKD_OP_LAND:
		return 2;
	case XKD_OP_OR:
		return 3;
	case XKD_OP_XOR:
		return 4;
	case XKD_OP_AND:
		return 5;
	case XKD_OP_EQ:
	case XKD_OP_NE:
		return 6;
	case XKD_OP_LT:
	case XKD_OP_GT:
	case XKD_OP_LE:
	case XKD_OP_GE:
		return 7;
	case XKD_OP_SHL:
	case XKD_OP_SHR:
		return 8;
	case XKD_OP_ADD:
	case XKD_OP_SUB:
		return 9;
	case XKD_OP_MUL:
	case XKD_OP_DIV:
	case XKD_OP_MOD:
		return 10;
	default:
		return 0;
	}
}

static enum xkd_rc binary(struct xkd_parser *p, int level, struct xkd_node **n)
{
	TRY(unary(p, n));
	for (;;) {
		int l = p->tok.kind == XKD_TK_OP ? cxx_level(p->tok.op) : 0;
		struct xkd_node *b;

		if (!l || l <= level)
			return XKD_OK;
		b = xkd_node_new(p, p->tok.op, p->tok.start);
		b->a = *n;
		TRY(xkd_lex_next(p));
		TRY(binary(p, l, &b->b)); /* at most one recursion for each level of binding */
		TRY(xkd_node_join(p, b));
		*n = b;
	}
}

static enum xkd_rc conditional(struct xkd_parser *p, struct xkd_node **n)
{
	struct xkd_node *c;

	TRY(binary(p, 0, n));
	if (!is_op(p, XKD_OP_QUESTION))
		return XKD_OK;
	c = xkd_node_new(p, XKD_OP_COND, p->tok.start);
	c->a = *n;
	TRY(xkd_lex_next(p));
	TRY(xkd_parse_cxx(p, &c->b));
	TRY(xkd_parse_expect(p, XKD_OP_COLON, "':'"));
	TRY(xkd_parse_enter(p));
	TRY(conditional(p, &c->c));
	xkd_parse_leave(p);
	*n = c;
	return xkd_node_join(p, c);
}

enum xkd_rc xkd_parse_cxx_assign(struct xkd_parser *p, struct xkd_node **n)
{
	struct xkd_node *a;

	TRY(xkd_parse_enter(p));
	TRY(conditional(p, n));
	if (is_op(p, XKD_OP_ASSIGN)) {
		a = xkd_node_new(p, XKD_OP_ASSIGN, p->tok.start);
		a->op2 = p->tok.op2;
		a->a = *n;
		TRY(xkd_lex_next(p));
		TRY(xkd_parse_cxx_assign(p, &a->b));
		TRY(xkd_node_join(p, a));
		*n = a;
	}
	xkd_parse_leave(p);
	return XKD_OK;
}

enum xkd_rc xkd_parse_cxx(struct xkd_parser *p, struct xkd_node **n)
{
	TRY(xkd_parse_cxx_assign(p, n));
	while (is_op(p, XKD_OP_COMMA)) {
		struct xkd_node *c = xkd_node_new(p, XKD_OP_COMMA, p->tok.start);

		c->a = *n;
		TRY(xkd_lex_next(p));
		TRY(xkd_parse_cxx_assign(p, &c->b));
		TRY(xkd_node_join(p, c));
		*n = c;
	}
	return XKD_OK;
}
