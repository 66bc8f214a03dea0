/* e*: writes values and strings. All values are evaluated before the first byte is written, so that
 * a slip in the last one changes nothing. */
#include "engine/cmd/memview.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

#define ENTER_MAX 4096u

struct bytes {
	uint8_t b[ENTER_MAX];
	size_t n;
};

static enum xkd_rc put(struct bytes *out, uint64_t v, unsigned unit, int pos, struct xkd_err *err)
{
	if (out->n + unit > ENTER_MAX)
		return xkd_err_syntax(err, pos, "more than 0x%x bytes at once", ENTER_MAX);
	xkd_put_le(out->b + out->n, v, unit);
	out->n += unit;
	return XKD_OK;
}

/* The characters of text as units of 1 or 2 bytes (UTF-8 becomes UTF-16). */
static enum xkd_rc put_text(struct bytes *out, const char *text, unsigned unit, bool zero, int pos,
			    struct xkd_err *err)
{
	const unsigned char *p = (const unsigned char *)text;
	enum xkd_rc rc = XKD_OK;

	while (*p && !rc) {
		uint64_t c = *p++;

		if (unit == 2 && (c & 0xe0) == 0xc0 && (*p & 0xc0) == 0x80) {
			c = (c & 0x1f) << 6 | (*p++ & 0x3f);
		} else if (unit == 2 && (c & 0xf0) == 0xe0 && (p[0] & 0xc0) == 0x80 &&
			   (p[1] & 0xc0) == 0x80) {
			c = (c & 0xf) << 12 | (uint64_t)(p[0] & 0x3f) << 6 | (p[1] & 0x3f);
			p += 2;
		}
		rc = put(out, c, unit, pos, err);
	}
	return rc || !zero ? rc : put(out, 0, unit, pos, err);
}

static enum xkd_rc put_float(struct xkd_args *a, struct bytes *out, unsigned unit, int pos,
			     struct xkd_err *err)
{
	char word[64], *end;
	double d;
	float f;
	uint64_t v = 0;

	if (!xkd_arg_word(a, word, sizeof(word)))
		return xkd_err_syntax(err, pos, "a number is too long");
	d = strtod(word, &end);
	if (*end || end == word)
		return xkd_err_syntax(err, pos, "'%s' is no floating-point number", word);
	f = (float)d;
	memcpy(&v, unit == 8 ? (void *)&d : (void *)&f, unit);
	return put(out, v, unit, pos, err);
}

static bool fits(uint64_t v, unsigned unit)
{
	uint64_t high = unit == 8 ? 0 : v >> (unit * 8 - 1);

	/* unsigned, or negative and sign-extended */
	return unit == 8 || v >> (unit * 8) == 0 || high == UINT64_MAX >> (unit * 8 - 1);
}

static enum xkd_rc put_value(struct xkd_session *s, struct xkd_args *a, unsigned unit,
			     struct bytes *out, int pos, struct xkd_err *err)
{
	uint64_t v;
	enum xkd_rc rc;

	if (*a->p == '\'' && a->p[1] && a->p[2] == '\'') {
		v = (unsigned char)a->p[1];
		a->p += 3;
		return put(out, v, unit, pos, err);
	}
	rc = xkd_arg_expr(s, a, &v, err);
	if (!rc && !fits(v, unit))
		rc = xkd_err_syntax(err, pos, "0x%llx does not fit into %u byte%s",
				    (unsigned long long)v, unit, unit == 1 ? "" : "s");
	return rc ? rc : put(out, v, unit, pos, err);
}

static enum xkd_rc collect(struct xkd_session *s, struct xkd_args *a, struct bytes *out,
			   struct xkd_err *err)
{
	char kind = a->name[strlen(a->name) - 1];
	bool zero = a->name[1] == 'z', text = zero || kind == 'a' || kind == 'u';
	unsigned unit = kind == 'b' || kind == 'a'   ? 1
			: kind == 'w' || kind == 'u' ? 2
			: kind == 'd' || kind == 'f' ? 4
						     : 8;
	enum xkd_rc rc = XKD_OK;

	while (!rc && !xkd_arg_end(a)) {
		int pos = (int)(a->p - a->line);
		const char *str = *a->p == '"' ? xkd_arg_string(s, a) : NULL;

		if (*a->p == '"' && !str)
			rc = xkd_err_syntax(err, pos, "the string has no closing quote");
		else if (str && unit <= 2)
			rc = put_text(out, str, unit, zero, pos, err);
		else if (str || text)
			rc = xkd_err_syntax(err, pos,
					    text ? "a quoted string comes here"
						 : "a number comes here; text goes with ea, eza");
		else if (kind == 'f' || kind == 'D')
			rc = put_float(a, out, unit, pos, err);
		else
			rc = put_value(s, a, unit, out, pos, err);
		if (!rc && *a->p == ',')
			a->p++;
	}
	return rc;
}

enum xkd_rc xkd_cmd_enter(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct bytes *out = XKD_NEW(&s->cmd_arena, struct bytes);
	struct xkd_memview v;
	bool phys = false;
	uint64_t addr;
	char sw[8];
	enum xkd_rc rc;

	if (xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		if (strcmp(sw, "p"))
			return xkd_err_syntax(err, (int)(a->p - a->line) - (int)strlen(sw) - 1,
					      "no switch /%s; there is /p", sw);
		phys = true;
	}
	rc = xkd_arg_expr(s, a, &addr, err);
	if (!rc && xkd_arg_end(a))
		rc = xkd_err_syntax(err, (int)(a->p - a->line), "a value to write comes here");
	if (!rc)
		rc = collect(s, a, out, err);
	if (!rc)
		rc = xkd_memview_open(s, phys, &v, err);
	return rc ? rc : xkd_memview_write(&v, addr, out->b, out->n, err);
}
