/* Output: collects a row of cells, hands it to every sink when it ends. */
#include "base/out.h"
#include "base/arena.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

void xkd_out_init(struct xkd_out *o)
{
	*o = (struct xkd_out){ .text = XKD_BUF_INIT };
}

void xkd_out_fini(struct xkd_out *o)
{
	xkd_buf_fini(&o->text);
	free(o->cells);
	xkd_out_init(o);
}

bool xkd_out_add_sink(struct xkd_out *o, struct xkd_sink *s)
{
	if (o->nsinks == XKD_OUT_SINKS)
		return false;
	o->sinks[o->nsinks++] = s;
	return true;
}

void xkd_out_del_sink(struct xkd_out *o, struct xkd_sink *s)
{
	for (int i = 0; i < o->nsinks; i++)
		if (o->sinks[i] == s) {
			memmove(&o->sinks[i], &o->sinks[i + 1],
				(size_t)(o->nsinks - i - 1) * sizeof(o->sinks[0]));
			o->nsinks--;
			return;
		}
}

void xkd_out_end(struct xkd_out *o)
{
	struct xkd_row row = { o->text.s, o->text.len, o->cells, o->ncells };

	for (int i = 0; i < o->nsinks; i++)
		o->sinks[i]->row(o->sinks[i], &row);
	xkd_buf_reset(&o->text);
	o->ncells = 0;
}

void xkd_out_flush(struct xkd_out *o)
{
	if (o->text.len)
		xkd_out_end(o);
	for (int i = 0; i < o->nsinks; i++)
		if (o->sinks[i]->flush)
			o->sinks[i]->flush(o->sinks[i]);
}

static void cell(struct xkd_out *o, enum xkd_style st, const char *key, const char *s, size_t n)
{
	if (!n)
		return;
	if (o->ncells == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 16;
		o->cells = xkd_realloc(o->cells, o->cap * sizeof(*o->cells));
	}
	o->cells[o->ncells++] = (struct xkd_cell){ st, key, o->text.len, n };
	xkd_buf_add(&o->text, s, n);
}

static void add(struct xkd_out *o, enum xkd_style st, const char *key, const char *s, size_t n)
{
	const char *nl;

	while ((nl = memchr(s, '\n', n))) {
		cell(o, st, key, s, (size_t)(nl - s));
		xkd_out_end(o);
		n -= (size_t)(nl + 1 - s);
		s = nl + 1;
	}
	cell(o, st, key, s, n);
}

static void vadd(struct xkd_out *o, enum xkd_style st, const char *key, const char *fmt, va_list ap)
{
	struct xkd_buf b = XKD_BUF_INIT;

	xkd_buf_vprintf(&b, fmt, ap);
	add(o, st, key, b.s, b.len);
	xkd_buf_fini(&b);
}

void xkd_out(struct xkd_out *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(o, XKD_ST_PLAIN, NULL, fmt, ap);
	va_end(ap);
}

void xkd_out_st(struct xkd_out *o, enum xkd_style st, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(o, st, NULL, fmt, ap);
	va_end(ap);
}

void xkd_out_key(struct xkd_out *o, enum xkd_style st, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(o, st, key, fmt, ap);
	va_end(ap);
}

void xkd_out_foreign(struct xkd_out *o, enum xkd_style st, const char *s, size_t n)
{
	struct xkd_buf b = XKD_BUF_INIT;

	xkd_buf_escaped(&b, s, n);
	cell(o, st, NULL, b.s, b.len);
	xkd_buf_fini(&b);
}

/* Columns count characters: UTF-8 continuation bytes have no width. */
void xkd_out_pad(struct xkd_out *o, size_t column)
{
	size_t have = 0;

	for (size_t i = 0; i < o->text.len; i++)
		have += ((unsigned char)o->text.s[i] & 0xc0) != 0x80;
	if (have < column) {
		char blanks[64];
		size_t n = column - have;

		memset(blanks, ' ', sizeof(blanks));
		while (n) {
			size_t k = n < sizeof(blanks) ? n : sizeof(blanks);

			cell(o, XKD_ST_PLAIN, NULL, blanks, k);
			n -= k;
		}
	}
}

static void bufsink_row(struct xkd_sink *s, const struct xkd_row *row)
{
	struct xkd_bufsink *b = (struct xkd_bufsink *)s;

	xkd_buf_add(b->buf, row->text, row->len);
	xkd_buf_ch(b->buf, '\n');
}

void xkd_bufsink_init(struct xkd_bufsink *s, struct xkd_buf *buf)
{
	*s = (struct xkd_bufsink){ .sink = { .row = bufsink_row }, .buf = buf };
}
