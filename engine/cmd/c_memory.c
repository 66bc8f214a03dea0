/* The commands that show memory: d and its formats. The rows of e* (c_enter.c) and s (c_search.c)
 * stand here too: one family. Elements that cannot be read show as ?? and are no error unless
 * nothing at all could be read. */
#include "engine/cmd/memview.h"
#include "base/str.h"
#include "engine/core/names.h"
#include <stdio.h>
#include <string.h>

enum layout { L_HEX, L_FLOAT, L_TEXT, L_SYM };
struct format {
	const char *name;
	enum layout layout;
	char kind;     /* for xkd_memrow */
	unsigned unit; /* bytes an element has and a count counts */
	unsigned per_row;
	unsigned count; /* elements shown when no range is given */
};
static const struct format formats[] = {
	{ "db", L_HEX, 'b', 1, 16, 128 }, { "dw", L_HEX, 'w', 2, 8, 64 },
	{ "dd", L_HEX, 'd', 4, 4, 32 },	  { "dc", L_HEX, 'c', 4, 4, 32 },
	{ "dq", L_HEX, 'q', 8, 2, 16 },	  { "dp", L_HEX, 'q', 8, 2, 16 },
	{ "df", L_FLOAT, 0, 4, 4, 16 },	  { "dD", L_FLOAT, 0, 8, 3, 15 },
	{ "da", L_TEXT, 0, 1, 64, 384 },  { "du", L_TEXT, 0, 2, 64, 384 },
	{ "dps", L_SYM, 0, 8, 1, 16 },	  { "dqs", L_SYM, 0, 8, 1, 16 },
	{ "dds", L_SYM, 0, 4, 1, 16 },
};
#define COLUMNS_MAX 64
#define ROW_MAX (COLUMNS_MAX * 8)

static const struct format *format_named(const struct xkd_session *s, const char *name)
{
	const char *last = s->last_d[0] ? s->last_d : "b";

	for (size_t i = 0; i < XKD_COUNT(formats); i++)
		if (!strcmp(name, "d") ? !strcmp(formats[i].name + 1, last)
				       : !strcmp(formats[i].name, name))
			return &formats[i];
	return &formats[0];
}

static void float_row(struct xkd_session *s, const struct format *f, uint64_t addr,
		      const uint8_t *buf, const uint8_t *ok, size_t n)
{
	struct xkd_out *o = &s->out;

	xkd_out_key(o, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
	xkd_out(o, " ");
	for (size_t i = 0; i + f->unit <= n; i += f->unit) {
		float fl;
		double d;

		memcpy(&fl, buf + i, sizeof(fl));
		if (f->unit == 8)
			memcpy(&d, buf + i, sizeof(d));
		else
			d = (double)fl;
		if (memchr(ok + i, 0, f->unit))
			xkd_out_st(o, XKD_ST_DIM, " %*s", f->unit == 8 ? 22 : 16, "????????");
		else
			xkd_out_key(o, XKD_ST_NUM, "value", " %*.*g", f->unit == 8 ? 22 : 16,
				    f->unit == 8 ? 13 : 8, d);
	}
	xkd_out_end(o);
}

static void symbol_row(struct xkd_session *s, const struct format *f, uint64_t addr,
		       const uint8_t *buf, const uint8_t *ok)
{
	struct xkd_out *o = &s->out;
	uint64_t v = xkd_get_le(buf, f->unit);

	xkd_out_key(o, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
	if (memchr(ok, 0, f->unit)) {
		xkd_out_st(o, XKD_ST_DIM, "  %s", f->unit == 8 ? "????????`????????" : "????????");
		xkd_out_end(o);
		return;
	}
	if (f->unit == 8)
		xkd_out_key(o, XKD_ST_NUM, "value", "  %s", XKD_ADDR(v));
	else
		xkd_out_key(o, XKD_ST_NUM, "value", "  %08llx", (unsigned long long)v);
	if (f->unit == 4 && v >> 31) /* kernels keep addresses of their image as signed 32 bits */
		v |= 0xffffffff00000000ULL;
	if (xkd_target_mod_at(s->t, v)) {
		struct xkd_buf sym = XKD_BUF_INIT;

		xkd_sym_format(s->t, v, &sym);
		xkd_out(o, " ");
		xkd_out_key(o, XKD_ST_SYM, "symbol", "%s", sym.s);
		xkd_buf_fini(&sym);
	}
	xkd_out_end(o);
}

/* A row of a string; true when it ended here. */
static bool text_row(struct xkd_session *s, const struct format *f, uint64_t addr,
		     const uint8_t *buf, const uint8_t *ok, size_t n)
{
	struct xkd_out *o = &s->out;
	struct xkd_buf b = XKD_BUF_INIT;
	bool end = false, hole = false;

	for (size_t i = 0; i + f->unit <= n && !end && !hole; i += f->unit) {
		uint64_t c = xkd_get_le(buf + i, f->unit);

		hole = memchr(ok + i, 0, f->unit) != NULL;
		end = !hole && !c;
		if (end || hole)
			break;
		if (f->unit == 1)
			xkd_buf_ch(&b, (char)c);
		else if (c < 0x80)
			xkd_buf_ch(&b, (char)c);
		else if (c < 0x800)
			xkd_buf_printf(&b, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
		else
			xkd_buf_printf(&b, "%c%c%c", (int)(0xe0 | c >> 12),
				       (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
	}
	xkd_out_key(o, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
	xkd_out_st(o, XKD_ST_STR, "  \"");
	xkd_out_foreign(o, XKD_ST_STR, b.s, b.len);
	xkd_out_st(o, XKD_ST_STR, "\"");
	if (hole)
		xkd_out_st(o, XKD_ST_DIM, " ????");
	xkd_out_end(o);
	xkd_buf_fini(&b);
	return end || hole;
}

/* Shows one row; true when the display ends with it. */
static bool show_row(struct xkd_session *s, const struct format *f, unsigned columns, uint64_t addr,
		     const uint8_t *buf, const uint8_t *ok, size_t n)
{
	switch (f->layout) {
	case L_HEX:
		xkd_memrow(s, f->kind, addr, buf, ok, n, columns);
		return false;
	case L_FLOAT:
		float_row(s, f, addr, buf, ok, n);
		return false;
	case L_SYM:
		for (size_t i = 0; i + f->unit <= n; i += f->unit)
			symbol_row(s, f, addr + i, buf + i, ok + i);
		return false;
	case L_TEXT:
		return text_row(s, f, addr, buf, ok, n);
	}
	return true;
}

static enum xkd_rc dump(struct xkd_session *s, struct xkd_memview *v, const struct format *f,
			unsigned columns, uint64_t addr, uint64_t len, struct xkd_err *err)
{
	uint8_t buf[ROW_MAX], ok[ROW_MAX];
	uint64_t row = (uint64_t)columns * f->unit, at = 0;
	bool some = false, end = false;

	len = (len + f->unit - 1) / f->unit * f->unit;
	while (at < len && !end) {
		size_t n = len - at < row ? (size_t)(len - at) : (size_t)row;
		enum xkd_rc rc = xkd_cancel_check(&s->cancel, err);

		if (!rc)
			rc = xkd_memview_read(v, addr + at, buf, ok, n, err);
		if (rc)
			return rc;
		some |= memchr(ok, 1, n) != NULL;
		end = show_row(s, f, columns, addr + at, buf, ok, n);
		at += n;
		if (addr + at < addr)
			break;
	}
	s->next_d = addr + at;
	if (!some && v->why.code) {
		*err = v->why;
		return v->why.code;
	}
	return XKD_OK;
}

static enum xkd_rc switches(struct xkd_session *s, struct xkd_args *a, bool *phys,
			    unsigned *columns, struct xkd_err *err)
{
	char sw[16];
	int pos;

	while (pos = (int)(xkd_skip_space(a->p) - a->line),
	       xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		uint64_t n;

		if (!strcmp(sw, "p")) {
			*phys = true;
		} else if (sw[0] == 'c') {
			if (!sw[1]) {
				enum xkd_rc rc = xkd_arg_expr(s, a, &n, err);

				if (rc)
					return rc;
			} else if (!xkd_parse_u64(sw + 1, 16, &n)) {
				return xkd_err_syntax(err, pos, "/c takes a number of columns");
			}
			if (!n || n > COLUMNS_MAX)
				return xkd_err_syntax(err, pos, "/c takes 1 to 0x%x columns",
						      COLUMNS_MAX);
			*columns = (unsigned)n;
		} else {
			return xkd_err_syntax(err, pos,
					      "no switch /%s; there are /c COLUMNS and /p", sw);
		}
	}
	return XKD_OK;
}

static enum xkd_rc cmd_display(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct format *f = format_named(s, a->name);
	unsigned columns = f->per_row;
	struct xkd_memview v;
	uint64_t addr = s->next_d, len = 0;
	bool phys = false, has_len = false;
	enum xkd_rc rc = switches(s, a, &phys, &columns, err);

	if (!rc && !xkd_arg_end(a))
		rc = xkd_arg_range(s, a, f->unit, &addr, &len, &has_len, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc)
		rc = xkd_memview_open(s, phys, &v, err);
	if (rc)
		return rc;
	if (!has_len)
		len = (uint64_t)f->count * f->unit;
	snprintf(s->last_d, sizeof(s->last_d), "%s", f->name + 1);
	return dump(s, &v, f, columns, addr, len, err);
}

static const char more_d[] =
	"  db  bytes and ASCII        dw dd dq  2, 4, 8 bytes        dp  pointers\n"
	"  dc  4 bytes and ASCII      df dD  floating, 4 and 8 bytes\n"
	"  da  ASCII string           du  UTF-16 string\n"
	"  dps dqs dds  pointers with the symbols they point to\n"
	"  d   as the last one; without an address each goes on where the last one ended\n"
	"  /c N   N elements a row    /p  the address is physical\n"
	"RANGE is ADDR, ADDR L COUNT (L? for over 256 MiB) or ADDR END.\n"
	"What cannot be read shows as ??.";
static const char more_e[] =
	"  eb ew ed eq  values of 1, 2, 4, 8 bytes; ep pointers; ef eD floating\n"
	"  ea \"text\"  characters; eza  with a final zero; eu ezu  the same in UTF-16\n"
	"  eb takes \"text\" and 'c' among its values.   /p  the address is physical";
static const char more_s[] =
	"  -b bytes (default), -w -d -q  2, 4, 8 bytes, found at multiples of their size from the\n"
	"  start of RANGE; -a \"text\"; -u \"text\" in UTF-16; -[1]b  addresses alone\n"
	"RANGE is ADDR L COUNT (of units), ADDR L?COUNT for over 256 MiB, or ADDR END.";

static const struct xkd_cmd rows[] = {
	{ "d db dc dd dD df dp dq du dw da dps dqs dds", "[/c N] [/p] [range]",
	  XKD_FX_TARGET | XKD_FX_STOPPED, "show memory", cmd_display, more_d, NULL },
	{ "eb ew ed eq ep ef eD ea eza eu ezu", "[/p] addr value...",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE, "write memory", xkd_cmd_enter, more_e,
	  NULL },
	{ "s", "[-b|-w|-d|-q|-a|-u] range pattern", XKD_FX_TARGET | XKD_FX_STOPPED, "search memory",
	  xkd_cmd_search, more_s, "find" },
};
const struct xkd_cmd_family xkd_family_memory = { "Memory", rows, XKD_COUNT(rows) };
