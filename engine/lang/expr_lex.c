/* Words of the two expression syntaxes. MASM: a token of hex digits alone is a number, everything
 * else a symbol, which may hold '.', '$' and a module before '!'. C++: C's tokens, plus @reg and
 * addresses as they are printed.
 * Invariants: never looks past the NUL of the text; each call moves on by at least one byte or
 * gives END or OTHER; positions are offsets in the text. */
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include <ctype.h>
#include <string.h>

static bool word_start(char c)
{
	return isalpha((unsigned char)c) || c == '_' || c == '$';
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static enum xkd_rc bad(struct xkd_parser *p, int pos, const char *what)
{
	return xkd_err_syntax(p->err, pos, "%s", what);
}

static void take(struct xkd_parser *p, enum xkd_tok kind, int end)
{
	p->tok.kind = kind;
	p->tok.end = end;
	p->at = end;
}

/* digits (backquotes skipped) from s to e in base */
static enum xkd_rc digits(struct xkd_parser *p, int s, int e, unsigned base)
{
	uint64_t v = 0;
	int used = 0;

	for (int i = s; i < e; i++) {
		int d;

		if (p->text[i] == '`')
			continue;
		d = xkd_hex_digit((unsigned char)p->text[i]);
		if (d < 0 || (unsigned)d >= base)
			return xkd_err_syntax(p->err, i, "'%c' is no digit in base %u", p->text[i],
					      base);
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return bad(p, p->tok.start, "the number has more than 64 bits");
		used++;
	}
	if (!used)
		return bad(p, p->tok.start, "digits are missing");
	p->tok.num = v;
	return XKD_OK;
}

/* "0x" "0n" "0t" "0y": the base, or 0. */
static unsigned prefix(const char *s)
{
	if (s[0] != '0')
		return 0;
	switch (s[1]) {
	case 'x':
	case 'X':
		return 16;
	case 'n':
	case 'N':
		return 10;
	case 't':
	case 'T':
		return 8;
	case 'y':
	case 'Y':
		return 2;
	default:
		return 0;
	}
}

static int number_end(const struct xkd_parser *p, int i)
{
	while (word_char(p->text[i]) || p->text[i] == '`')
		i++;
	return i;
}

/* A MASM word that begins like a number: its end and base when it is one, else -1. */
static int masm_number(struct xkd_parser *p, int i, int *digits_at, int *digits_end, unsigned *base)
{
	const char *t = p->text;
	int e = number_end(p, i), d = i;

	/* what is glued on makes it a symbol: e1000!foo, bad.c */
	if (t[e] == '!' && word_start(t[e + 1]))
		return -1;
	if (t[e] == '.' && word_char(t[e + 1]) && !isdigit((unsigned char)t[i]))
		return -1;
	*base = prefix(t + i);
	if (*base) {
		*digits_at = i + 2;
		*digits_end = e;
		return e;
	}
	*digits_at = i;
	*digits_end = e;
	*base = p->radix;
	if ((t[e - 1] == 'h' || t[e - 1] == 'H') && e - 1 > i && isdigit((unsigned char)t[i])) {
		*base = 16;
		*digits_end = e - 1;
	}
	for (; d < *digits_end; d++) {
		int h = xkd_hex_digit((unsigned char)t[d]);

		if (t[d] != '`' && (h < 0 || (unsigned)h >= *base))
			break;
	}
	if (d == *digits_end)
		return e;
	return isdigit((unsigned char)t[i]) ? e : -1; /* the wrong digit is an error there */
}

/* arch/x86/kvm/x86.c:123 at i without quotes: its end, or -1. */
static int source_end(const char *t, int i)
{
	int e = i, dot = -1;

	while (word_char(t[e]) || t[e] == '.' || t[e] == '/' || t[e] == '-' ||
	       (t[e] == '!' && word_start(t[e + 1]))) {
		if (t[e] == '.')
			dot = e;
		e++;
	}
	if (dot < 0 || t[e] != ':' || !isdigit((unsigned char)t[e + 1]) || e == dot + 1)
		return -1;
	if (!strchr("cChHSsr", t[dot + 1]) || e - dot > 4)
		return -1;
	for (e++; isdigit((unsigned char)t[e]); e++)
		;
	return word_char(t[e]) ? -1 : e;
}

/* End of a symbol at i. MASM lets a dot be inside a name. */
static int name_end(const struct xkd_parser *p, int i)
{
	const char *t = p->text;
	bool bang = false;

	for (;;) {
		if (word_char(t[i]))
			i++;
		else if (t[i] == '!' && !bang && word_start(t[i + 1]))
			bang = true, i++;
		else if (p->syntax == XKD_MASM && t[i] == '.' && word_char(t[i + 1]))
			i++;
		else
			return i;
	}
}

static const struct {
	const char *word;
	enum xkd_op op;
} word_ops[] = {
	{ "not", XKD_OP_NOT },	      { "hi", XKD_OP_HI },	{ "low", XKD_OP_LOW },
	{ "by", XKD_OP_BY },	      { "wo", XKD_OP_WO },	{ "dwo", XKD_OP_DWO },
	{ "qwo", XKD_OP_QWO },	      { "poi", XKD_OP_POI },	{ "mod", XKD_OP_MOD },
	{ "and", XKD_OP_AND },	      { "xor", XKD_OP_XOR },	{ "or", XKD_OP_OR },
	{ "$vvalid", XKD_OP_VVALID }, { "$scmp", XKD_OP_SCMP }, { "$sicmp", XKD_OP_SICMP },
	{ "$spat", XKD_OP_SPAT },
};

bool xkd_lex_word_op(const struct xkd_parser *p, const char *word, enum xkd_op *op)
{
	for (size_t i = 0; p->syntax == XKD_MASM && i < XKD_COUNT(word_ops); i++) {
		if (!strcmp(word, word_ops[i].word)) {
			*op = word_ops[i].op;
			return true;
		}
	}
	return false;
}

static enum xkd_rc lex_word(struct xkd_parser *p, int i)
{
	int e = name_end(p, i);

	p->tok.text = xkd_arena_strndup(p->arena, p->text + i, (size_t)(e - i));
	take(p, XKD_TK_NAME, e);
	if (xkd_lex_word_op(p, p->tok.text, &p->tok.op))
		p->tok.kind = XKD_TK_OP;
	else if (*p->tok.text == '$')
		p->tok.kind = XKD_TK_AT;
	return XKD_OK;
}

static enum xkd_rc lex_masm_word(struct xkd_parser *p, int i)
{
	int ds, de, e = source_end(p->text, i);
	unsigned base;

	if (e >= 0) {
		p->tok.text = xkd_arena_strndup(p->arena, p->text + i, (size_t)(e - i));
		take(p, XKD_TK_SRC, e);
		return XKD_OK;
	}
	if (isxdigit((unsigned char)p->text[i])) {
		e = masm_number(p, i, &ds, &de, &base);
		if (e >= 0) {
			take(p, XKD_TK_NUM, e);
			return digits(p, ds, de, base);
		}
	}
	return lex_word(p, i);
}

static enum xkd_rc lex_c_number(struct xkd_parser *p, int i)
{
	int e = number_end(p, i), d = i, de = e;
	unsigned base = prefix(p->text + i);

	if (base) {
		d += 2;
	} else if (p->text[i] == '0' && e - i > 1 && isdigit((unsigned char)p->text[i + 1])) {
		base = 8;
		d++;
	} else {
		base = 10;
	}
	while (de > d && strchr("uUlL", p->text[de - 1])) {
		de--;
		if (p->text[de] == 'u' || p->text[de] == 'U')
			p->tok.is_unsigned = true;
		else
			p->tok.is_long = true;
	}
	p->tok.decimal = base == 10;
	take(p, XKD_TK_NUM, e);
	return digits(p, d, de, base);
}

/* "text" or `text`; backslashes escape in the first. */
static enum xkd_rc lex_quoted(struct xkd_parser *p, int i, enum xkd_tok kind)
{
	char quote = p->text[i];
	char *s = xkd_arena_alloc(p->arena, (size_t)(p->len - i) + 1);
	int e = i + 1, n = 0;

	for (; p->text[e] && p->text[e] != quote; e++) {
		if (quote == '"' && p->text[e] == '\\' && p->text[e + 1])
			e++;
		s[n++] = p->text[e];
	}
	if (!p->text[e])
		return bad(p, i, "the closing quote is missing");
	p->tok.text = s;
	take(p, kind, e + 1);
	return XKD_OK;
}

static enum xkd_rc lex_char(struct xkd_parser *p, int i)
{
	static const char from[] = "n0trabfve\\'\"", to[] = "\n\0\t\r\a\b\f\v\033\\'\"";
	const char *t = p->text;
	int e = i + 1;

	p->tok.num = (uint64_t)(int64_t)(signed char)t[e];
	if (t[e] == '\\' && t[e + 1]) {
		const char *f = strchr(from, t[++e]);

		if (!f)
			return bad(p, e, "an escape that is not known");
		p->tok.num = (uint64_t)to[f - from];
	}
	if (!t[e] || t[e + 1] != '\'')
		return bad(p, i, "a character constant is one character in quotes");
	p->tok.decimal = true;
	take(p, XKD_TK_NUM, e + 2);
	return XKD_OK;
}

/* After '@': a register, a pseudo-register, a switch of syntax or a quoted symbol. */
static enum xkd_rc lex_at(struct xkd_parser *p, int i)
{
	const char *t = p->text;
	int e;

	if (t[i + 1] == '@') {
		static const struct {
			const char *word;
			int syntax;
		} sw[] = { { "masm", 0 }, { "MASM", 0 }, { "c++", 1 }, { "C++", 1 }, { "", 2 } };

		for (size_t k = 0; k < XKD_COUNT(sw); k++) {
			size_t n = strlen(sw[k].word);

			if (strncmp(t + i + 2, sw[k].word, n) ||
			    *xkd_skip_space(t + i + 2 + n) != '(')
				continue;
			p->tok.num = (uint64_t)sw[k].syntax;
			take(p, XKD_TK_SWITCH, i + 2 + (int)n);
			return XKD_OK;
		}
		return bad(p, i, "after @@ comes c++(...), masm(...) or (...)");
	}
	if (t[i + 1] == '!' && t[i + 2] == '"')
		return lex_quoted(p, i + 2, XKD_TK_NAME);
	for (e = i + 1; word_char(t[e]); e++)
		;
	if (e == i + 1)
		return bad(p, i, "after @ comes a register");
	p->tok.text = xkd_arena_strndup(p->arena, t + i + 1, (size_t)(e - i - 1));
	take(p, XKD_TK_AT, e);
	return XKD_OK;
}

/* Length of an address as it is printed, "ffffffff`81000000"; 0: none begins at s. */
static int printed_address(const char *s)
{
	int n = 0;

	while (n < 17 && (n == 8 ? s[n] == '`' : xkd_hex_digit((unsigned char)s[n]) >= 0))
		n++;
	return n == 17 && !word_char(s[17]) && s[17] != '`' ? n : 0;
}

static enum xkd_rc lex_printed(struct xkd_parser *p, int i, int n)
{
	p->tok.is_unsigned = true;
	take(p, XKD_TK_NUM, i + n);
	return digits(p, i, i + n, 16);
}

struct op_row {
	const char *s;
	enum xkd_op op, op2;
};
/* longest first */
static const struct op_row cxx_ops[] = {
	{ "<<=", XKD_OP_ASSIGN, XKD_OP_SHL },
	{ ">>=", XKD_OP_ASSIGN, XKD_OP_SHR },
	{ "->", XKD_OP_ARROW, 0 },
	{ "++", XKD_OP_PREINC, 0 },
	{ "--", XKD_OP_PREDEC, 0 },
	{ "<<", XKD_OP_SHL, 0 },
	{ ">>", XKD_OP_SHR, 0 },
	{ "<=", XKD_OP_LE, 0 },
	{ ">=", XKD_OP_GE, 0 },
	{ "==", XKD_OP_EQ, 0 },
	{ "!=", XKD_OP_NE, 0 },
	{ "&&", XKD_OP_LAND, 0 },
	{ "||", XKD_OP_LOR, 0 },
	{ "+=", XKD_OP_ASSIGN, XKD_OP_ADD },
	{ "-=", XKD_OP_ASSIGN, XKD_OP_SUB },
	{ "*=", XKD_OP_ASSIGN, XKD_OP_MUL },
	{ "/=", XKD_OP_ASSIGN, XKD_OP_DIV },
	{ "%=", XKD_OP_ASSIGN, XKD_OP_MOD },
	{ "&=", XKD_OP_ASSIGN, XKD_OP_AND },
	{ "|=", XKD_OP_ASSIGN, XKD_OP_OR },
	{ "^=", XKD_OP_ASSIGN, XKD_OP_XOR },
	{ "=", XKD_OP_ASSIGN, 0 },
	{ "(", XKD_OP_LPAREN, 0 },
	{ ")", XKD_OP_RPAREN, 0 },
	{ "[", XKD_OP_LBRACK, 0 },
	{ "]", XKD_OP_RBRACK, 0 },
	{ "?", XKD_OP_QUESTION, 0 },
	{ ":", XKD_OP_COLON, 0 },
	{ ".", XKD_OP_MEMBER, 0 },
	{ ",", XKD_OP_COMMA, 0 },
	{ "+", XKD_OP_ADD, 0 },
	{ "-", XKD_OP_SUB, 0 },
	{ "*", XKD_OP_MUL, 0 },
	{ "/", XKD_OP_DIV, 0 },
	{ "%", XKD_OP_MOD, 0 },
	{ "<", XKD_OP_LT, 0 },
	{ ">", XKD_OP_GT, 0 },
	{ "&", XKD_OP_AND, 0 },
	{ "^", XKD_OP_XOR, 0 },
	{ "|", XKD_OP_OR, 0 },
	{ "!", XKD_OP_NOT, 0 },
	{ "~", XKD_OP_BITNOT, 0 },
	{ NULL, 0, 0 },
};
static const struct op_row masm_ops[] = {
	{ ">>>", XKD_OP_SAR, 0 },  { "<<", XKD_OP_SHL, 0 },
	{ ">>", XKD_OP_SHR, 0 },   { "<=", XKD_OP_LE, 0 },
	{ ">=", XKD_OP_GE, 0 },	   { "==", XKD_OP_EQ, 0 },
	{ "!=", XKD_OP_NE, 0 },	   { "=", XKD_OP_EQ, 0 },
	{ "(", XKD_OP_LPAREN, 0 }, { ")", XKD_OP_RPAREN, 0 },
	{ "[", XKD_OP_LBRACK, 0 }, { "]", XKD_OP_RBRACK, 0 },
	{ ".", XKD_OP_HERE, 0 },   { ",", XKD_OP_COMMA, 0 },
	{ "+", XKD_OP_ADD, 0 },	   { "-", XKD_OP_SUB, 0 },
	{ "*", XKD_OP_MUL, 0 },	   { "/", XKD_OP_DIV, 0 },
	{ "%", XKD_OP_MOD, 0 },	   { "<", XKD_OP_LT, 0 },
	{ ">", XKD_OP_GT, 0 },	   { "&", XKD_OP_AND, 0 },
	{ "^", XKD_OP_XOR, 0 },	   { "|", XKD_OP_OR, 0 },
	{ "~", XKD_OP_BITNOT, 0 }, { NULL, 0, 0 },
};

enum xkd_rc xkd_lex_next(struct xkd_parser *p)
{
	const struct op_row *r = p->syntax == XKD_MASM ? masm_ops : cxx_ops;
	const char *t = p->text;
	int i = p->at;
	char c;

	p->last_end = p->tok.end;
	while (t[i] == ' ' || t[i] == '\t' || t[i] == '\n' || t[i] == '\r')
		i++;
	p->tok = (struct xkd_token){ .start = i, .end = i };
	c = t[i];
	if (!c) {
		take(p, XKD_TK_END, i);
		return XKD_OK;
	}
	if (c == '@')
		return lex_at(p, i);
	if (c == '"')
		return lex_quoted(p, i, XKD_TK_STR);
	if (c == '`')
		return lex_quoted(p, i, XKD_TK_SRC);
	if (p->syntax == XKD_CXX && printed_address(t + i))
		return lex_printed(p, i, printed_address(t + i));
	if (p->syntax == XKD_CXX && isdigit((unsigned char)c))
		return lex_c_number(p, i);
	if (p->syntax == XKD_CXX && c == '\'')
		return lex_char(p, i);
	if (word_start(c) || isdigit((unsigned char)c) ||
	    (p->syntax == XKD_MASM && (c == '/' || c == '.') && source_end(t, i) >= 0 && c != '/'))
		return p->syntax == XKD_MASM ? lex_masm_word(p, i) : lex_word(p, i);
	for (; r->s; r++) {
		if (strncmp(t + i, r->s, strlen(r->s)))
			continue;
		p->tok.op = r->op;
		p->tok.op2 = r->op2;
		take(p, XKD_TK_OP, i + (int)strlen(r->s));
		return XKD_OK;
	}
	p->tok.kind = XKD_TK_OTHER;
	return XKD_OK;
}
