/* s: searches memory. Reads in pieces that overlap by a pattern's length less one; holes match
 * nothing; a hit is told once, where it begins. */
#include "engine/cmd/memview.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

#define PIECE 65536u
#define PATTERN_MAX 256u

struct search {
	char kind; /* b w d q a u */
	unsigned unit;
	bool addrs_only;
	uint8_t pat[PATTERN_MAX];
	size_t n;
	uint64_t hits, unread;
};

static unsigned unit_of(char kind)
{
	return kind == 'w' || kind == 'u' ? 2 : kind == 'd' ? 4 : kind == 'q' ? 8 : 1;
}

/* "-b", "-[1]d": the kind of the pattern. */
static enum xkd_rc parse_kind(struct xkd_args *a, struct search *q, struct xkd_err *err)
{
	const char *p = xkd_skip_space(a->p);

	q->kind = 'b';
	if (*p == '-') {
		p++;
		if (*p == '[') {
			if (p[1] != '1' || p[2] != ']')
				return xkd_err_syntax(err, (int)(p - a->line),
						      "the only flag is [1]: addresses alone");
			q->addrs_only = true;
			p += 3;
		}
		if (!*p || !strchr("bwdqau", *p) || (p[1] != ' ' && p[1] != '\t'))
			return xkd_err_syntax(err, (int)(p - a->line),
					      "the kind is one of -b -w -d -q -a -u");
		q->kind = *p++;
	}
	q->unit = unit_of(q->kind);
	a->p = p;
	return XKD_OK;
}

static enum xkd_rc add(struct search *q, uint64_t v, unsigned unit, int pos, struct xkd_err *err)
{
	if (q->n + unit > PATTERN_MAX)
		return xkd_err_syntax(err, pos, "the pattern is over 0x%x bytes", PATTERN_MAX);
	xkd_put_le(q->pat + q->n, v, unit);
	q->n += unit;
	return XKD_OK;
}

static enum xkd_rc parse_pattern(struct xkd_session *s, struct xkd_args *a, struct search *q,
				 struct xkd_err *err)
{
	bool text = q->kind == 'a' || q->kind == 'u';
	enum xkd_rc rc = XKD_OK;

	while (!rc && !xkd_arg_end(a)) {
		int pos = (int)(a->p - a->line);
		const char *str = NULL;
		uint64_t v;

		if (*a->p == '"' && !(str = xkd_arg_string(s, a)))
			return xkd_err_syntax(err, pos, "the string has no closing quote");
		if (!str && text)
			str = xkd_arg_rest(s, a);
		if (str && q->unit > 2)
			return xkd_err_syntax(err, pos,
					      "a number comes here; text goes with -a, -u");
		for (; str && *str && !rc; str++)
			rc = add(q, (unsigned char)*str, q->unit, pos, err);
		if (str)
			continue;
		if (*a->p == '\'' && a->p[1] && a->p[2] == '\'') {
			rc = add(q, (unsigned char)a->p[1], q->unit, pos, err);
			a->p += 3;
			continue;
		}
		rc = xkd_arg_expr(s, a, &v, err);
		if (!rc && q->unit < 8 && v >> (8 * q->unit))
			rc = xkd_err_syntax(err, pos, "0x%llx does not fit into %u byte%s",
					    (unsigned long long)v, q->unit,
					    q->unit == 1 ? "" : "s");
		if (!rc)
			rc = add(q, v, q->unit, pos, err);
	}
	if (!rc && !q->n)
		rc = xkd_err_syntax(err, (int)(a->p - a->line),
				    "the pattern to look for comes here");
	return rc;
}

static enum xkd_rc show_hit(struct xkd_session *s, struct xkd_memview *v, const struct search *q,
			    uint64_t addr, struct xkd_err *err)
{
	static const struct {
		char kind;
		char row;
		unsigned columns;
	} shapes[] = { { 'b', 'b', 16 }, { 'a', 'b', 16 }, { 'u', 'w', 8 },
		       { 'w', 'w', 8 },	 { 'd', 'd', 4 },  { 'q', 'q', 2 } };
	uint8_t buf[16], ok[16];
	enum xkd_rc rc;

	if (q->addrs_only) {
		xkd_out_key(&s->out, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
		xkd_out_end(&s->out);
		return XKD_OK;
	}
	rc = xkd_memview_read(v, addr, buf, ok, sizeof(buf), err);
	for (size_t i = 0; !rc && i < XKD_COUNT(shapes); i++)
		if (shapes[i].kind == q->kind)
			xkd_memrow(s, shapes[i].row, addr, buf, ok, sizeof(buf), shapes[i].columns);
	return rc;
}

/* Where in [from, n) the pattern begins in readable bytes, n when nowhere. Units of 2 to 8 bytes
 * are looked at in steps of their size (the piece begins at such a step). */
static size_t find_in(const struct search *q, const uint8_t *buf, const uint8_t *ok, size_t from,
		      size_t n)
{
	size_t step = q->kind == 'w' || q->kind == 'd' || q->kind == 'q' ? q->unit : 1;

	while (from + q->n <= n) {
		if (step == 1) {
			const uint8_t *p = memmem(buf + from, n - from, q->pat, q->n);

			if (!p)
				return n;
			from = (size_t)(p - buf);
		}
		if (!memcmp(buf + from, q->pat, q->n) && !memchr(ok + from, 0, q->n))
			return from;
		from += step;
	}
	return n;
}

static enum xkd_rc search_piece(struct xkd_session *s, struct xkd_memview *v, struct search *q,
				uint64_t addr, uint8_t *buf, uint8_t *ok, size_t fresh, size_t n,
				struct xkd_err *err)
{
	enum xkd_rc rc = xkd_memview_read(v, addr, buf, ok, n, err);

	for (size_t i = 0; !rc && i < fresh; i++)
		q->unread += !ok[i];
	for (size_t at = 0; !rc && (at = find_in(q, buf, ok, at, n)) < fresh; at++) {
		q->hits++;
		rc = show_hit(s, v, q, addr + at, err);
		if (!rc)
			rc = xkd_cancel_check(&s->cancel, err);
		if (q->kind == 'w' || q->kind == 'd' || q->kind == 'q')
			at += q->unit - 1;
	}
	return rc;
}

static enum xkd_rc search(struct xkd_session *s, struct xkd_memview *v, struct search *q,
			  uint64_t start, uint64_t len, struct xkd_err *err)
{
	uint8_t *buf = xkd_malloc(PIECE + PATTERN_MAX), *ok = xkd_malloc(PIECE + PATTERN_MAX);
	enum xkd_rc rc = XKD_OK;

	for (uint64_t at = 0; !rc && at < len && len - at >= q->n; at += PIECE) {
		size_t fresh = len - at < PIECE ? (size_t)(len - at) : PIECE;
		size_t n = len - at < PIECE + q->n - 1 ? (size_t)(len - at) : PIECE + q->n - 1;

		rc = xkd_cancel_check(&s->cancel, err);
		if (!rc)
			rc = search_piece(s, v, q, start + at, buf, ok, fresh, n, err);
		xkd_progress(&s->log, "searching", at, len);
	}
	xkd_progress(&s->log, NULL, 0, 0);
	free(buf);
	free(ok);
	return rc;
}

enum xkd_rc xkd_cmd_search(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct search q = { 0 };
	struct xkd_memview v;
	uint64_t start, len;
	bool has_len;
	enum xkd_rc rc = parse_kind(a, &q, err);

	if (!rc)
		rc = xkd_arg_range(s, a, q.unit, &start, &len, &has_len, err);
	if (!rc && !has_len)
		rc = xkd_err_syntax(err, (int)(a->p - a->line),
				    "the range needs an end: ADDR L COUNT or ADDR END");
	if (!rc)
		rc = parse_pattern(s, a, &q, err);
	if (!rc)
		rc = xkd_memview_open(s, false, &v, err);
	if (!rc)
		rc = search(s, &v, &q, start, len, err);
	if (rc)
		return rc;
	if (!q.hits) {
		xkd_out_st(&s->out, XKD_ST_DIM, "no match in 0x%llx bytes%s",
			   (unsigned long long)len,
			   q.unread == len ? ": none of them can be read"
			   : q.unread	   ? "; some of them cannot be read"
					   : "");
		xkd_out_end(&s->out);
	}
	return XKD_OK;
}
