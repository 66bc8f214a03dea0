/* Growable byte strings. cap 0 means s is the shared empty string and not ours to free. */
#include "base/buf.h"
#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void xkd_buf_init(struct xkd_buf *b)
{
	*b = XKD_BUF_INIT;
}

void xkd_buf_fini(struct xkd_buf *b)
{
	if (b->cap)
		free(b->s);
	xkd_buf_init(b);
}

void xkd_buf_reset(struct xkd_buf *b)
{
	b->len = 0;
	if (b->cap)
		b->s[0] = 0;
}

void xkd_buf_reserve(struct xkd_buf *b, size_t extra)
{
	size_t need = b->len + extra + 1, cap = b->cap ? b->cap : 64;

	if (need <= b->cap)
		return;
	while (cap < need)
		cap *= 2;
	b->s = xkd_realloc(b->cap ? b->s : NULL, cap);
	b->cap = cap;
	b->s[b->len] = 0;
}

void xkd_buf_add(struct xkd_buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	xkd_buf_reserve(b, n);
	memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = 0;
}

void xkd_buf_str(struct xkd_buf *b, const char *s)
{
	xkd_buf_add(b, s, strlen(s));
}

void xkd_buf_ch(struct xkd_buf *b, char c)
{
	xkd_buf_add(b, &c, 1);
}

void xkd_buf_vprintf(struct xkd_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n <= 0)
		return;
	xkd_buf_reserve(b, (size_t)n);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void xkd_buf_printf(struct xkd_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	xkd_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void xkd_buf_pad(struct xkd_buf *b, size_t column)
{
	while (b->len < column)
		xkd_buf_ch(b, ' ');
}

void xkd_buf_cut(struct xkd_buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	if (!n)
		return;
	memmove(b->s, b->s + n, b->len - n + 1);
	b->len -= n;
}

char *xkd_buf_steal(struct xkd_buf *b)
{
	char *s = b->cap ? b->s : xkd_strdup("");

	xkd_buf_init(b);
	return s;
}
