/* Arguments of commands: a cursor over the command's text. Positions in errors are offsets in
 * a->line, so that the caret stands under what the user typed. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include <ctype.h>
#include <string.h>

bool xkd_arg_end(struct xkd_args *a)
{
	a->p = xkd_skip_space(a->p);
	return !*a->p;
}

bool xkd_arg_word(struct xkd_args *a, char *buf, size_t max)
{
	size_t n;

	if (xkd_arg_end(a))
		return false;
	n = strcspn(a->p, " \t");
	if (n >= max)
		return false;
	memcpy(buf, a->p, n);
	buf[n] = 0;
	a->p += n;
	return true;
}

bool xkd_arg_switch(struct xkd_args *a, char lead, char *buf, size_t max)
{
	const char *p = xkd_skip_space(a->p);
	size_t n = 0;

	if (*p != lead || !(lead == '/' ? isalnum((unsigned char)p[1]) : isalpha((unsigned char)p[1])))
		return false;
	for (p++; isalnum((unsigned char)p[n]); n++)
		;
	if (n >= max)
		return false;
	memcpy(buf, p, n);
	buf[n] = 0;
	a->p = p + n;
	return true;
}

const char *xkd_arg_string(struct xkd_session *s, struct xkd_args *a)
{
	const char *p = xkd_skip_space(a->p);
	char *str;
	size_t n = 0;

	if (*p != '"')
		return NULL;
	str = xkd_arena_alloc(&s->cmd_arena, strlen(p));
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		str[n++] = *p;
	}
	if (!*p)
		return NULL; /* no closing quote: the caller's "a quoted string" message fits */
	a->p = p + 1;
	return str;
}

const char *xkd_arg_rest(struct xkd_session *s, struct xkd_args *a)
{
	const char *p = xkd_skip_space(a->p);
	size_t n = strlen(p);

	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r'))
		n--;
	a->p = p + strlen(p);
	return xkd_arena_strndup(&s->cmd_arena, p, n);
}

/* Operators that are words take what follows them: "poi rsp" is one expression. */
static bool is_word_operator(const char *p, size_t n)
{
	static const char *const ops[] = { "not", "hi", "low", "by", "wo", "dwo", "qwo", "poi" };

	for (size_t i = 0; i < XKD_COUNT(ops); i++)
		if (strlen(ops[i]) == n && !strncmp(ops[i], p, n))
			return true;
	return false;
}

/* Where the expression at p ends: at a blank or comma outside brackets and quotes. */
static const char *expr_end(const char *p)
{
	const char *word = p;
	int depth = 0;

	for (; *p; p++) {
		if (*p == '"' || (*p == '`' && p > word && !isxdigit((unsigned char)p[-1])) ||
		    (*p == '`' && p == word)) {
			/* "..." and `file.c:1`; a backquote between digits is part of a number */
			const char *q = strchr(p + 1, *p);

			if (q)
				p = q;
		} else if (*p == '(' || *p == '[') {
			depth++;
		} else if (*p == ')' || *p == ']') {
			depth--;
		} else if (depth <= 0 && *p == ',') {
			break;
		} else if (depth <= 0 && (*p == ' ' || *p == '\t')) {
			const char *next = xkd_skip_space(p);

			if (!is_word_operator(word, (size_t)(p - word)) || !*next)
				break;
			word = next;
			p = next - 1;
		}
	}
	return p;
}

bool xkd_arg_cxx(struct xkd_args *a, char *buf, size_t max)
{
	const char *p;
	int depth = 0;
	size_t n;

	if (xkd_arg_end(a))
		return false;
	for (p = a->p; *p && (depth > 0 || (*p != ' ' && *p != '\t')); p++)
		depth += (*p == '(' || *p == '[') - (*p == ')' || *p == ']');
	n = (size_t)(p - a->p);
	if (n >= max)
		return false;
	memcpy(buf, a->p, n);
	buf[n] = 0;
	a->p = p;
	return true;
}

enum xkd_rc xkd_arg_expr(struct xkd_session *s, struct xkd_args *a, uint64_t *val,
			 struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	const char *start, *end;
	struct xkd_err sub = XKD_ERR_INIT;
	enum xkd_rc rc;

	if (xkd_arg_end(a))
		return xkd_err_syntax(err, (int)(a->p - a->line), "an expression is missing here");
	start = a->p;
	end = expr_end(start);
	rc = xkd_session_ctx(s, &ctx, err);
	if (rc)
		return rc;
	rc = xkd_eval_u64(ctx, &s->env, XKD_MASM,
			  xkd_arena_strndup(&s->cmd_arena, start, (size_t)(end - start)), NULL,
			  &s->cmd_arena, val, &sub);
	if (rc) {
		if (sub.code == XKD_SYNTAX && sub.pos >= 0)
			sub.pos += (int)(start - a->line);
		if (err)
			*err = sub;
		return rc;
	}
	a->p = end;
	return XKD_OK;
}

/* "L n", "Ln", "L?n" at the cursor: moves behind the letter and the question mark. A word that is a
 * symbol beginning with L is told apart by what follows: a digit, a blank, '?' or '('. */
static bool range_letter(struct xkd_args *a, bool *no_cap)
{
	const char *p = xkd_skip_space(a->p);

	*no_cap = false;
	if (*p != 'L' && *p != 'l')
		return false;
	if (p[1] == '?') {
		*no_cap = true;
		p++;
	} else if (p[1] && !isxdigit((unsigned char)p[1]) && p[1] != ' ' && p[1] != '(' &&
		   p[1] != '@' && p[1] != '-') {
		return false;
	} else {
		const char *q = p + 1;

		while (isalnum((unsigned char)*q) || *q == '`')
			q++;
		if (*q == '_' || *q == '!')
			return false;
	}
	a->p = p + 1;
	return true;
}

#define XKD_RANGE_CAP 0x10000000ULL /* 256 MiB, unless L? says it is meant */

static enum xkd_rc range_count(struct xkd_session *s, struct xkd_args *a, unsigned unit,
			       bool no_cap, uint64_t *start, uint64_t *len, struct xkd_err *err)
{
	int pos = (int)(a->p - a->line);
	bool back = *a->p == '-';
	uint64_t n;
	enum xkd_rc rc;

	if (xkd_arg_end(a))
		return xkd_err_syntax(err, pos, "a count comes behind L");
	a->p += back;
	rc = xkd_arg_expr(s, a, &n, err);
	if (rc)
		return rc;
	if (n > UINT64_MAX / unit || (!no_cap && n * unit > XKD_RANGE_CAP))
		return xkd_err_syntax(err, pos, "the range is over 256 MiB; L?n lifts this limit");
	*len = n * unit;
	if (back)
		*start -= *len;
	return XKD_OK;
}

enum xkd_rc xkd_arg_range(struct xkd_session *s, struct xkd_args *a, unsigned unit, uint64_t *start,
			  uint64_t *len, bool *has_len, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_expr(s, a, start, err);
	uint64_t end;
	bool no_cap;
	int pos;

	*has_len = false;
	*len = 0;
	if (rc || xkd_arg_end(a))
		return rc;
	if (range_letter(a, &no_cap)) {
		*has_len = true;
		rc = range_count(s, a, unit, no_cap, start, len, err);
	} else {
		pos = (int)(a->p - a->line);
		rc = xkd_arg_expr(s, a, &end, err);
		if (!rc && end < *start)
			return xkd_err_syntax(err, pos, "the range ends before it begins");
		if (!rc && end - *start >= XKD_RANGE_CAP)
			return xkd_err_syntax(err, pos,
					      "the range is over 256 MiB; L?n lifts this limit");
		*len = end - *start + 1;
		*has_len = true;
	}
	if (!rc && *len && *start + (*len - 1) < *start)
		rc = xkd_err_set(err, XKD_SYNTAX, "the range passes the end of the address space");
	return rc;
}

enum xkd_rc xkd_arg_done(struct xkd_args *a, struct xkd_err *err)
{
	if (xkd_arg_end(a))
		return XKD_OK;
	return xkd_err_syntax(err, (int)(a->p - a->line), "extra characters");
}
