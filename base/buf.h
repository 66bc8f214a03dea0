/* A growable byte string, always NUL-terminated one past len. */
#ifndef XKD_BASE_BUF_H
#define XKD_BASE_BUF_H
#include "base/err.h"

struct xkd_buf {
	char *s; /* never NULL after init; "" when empty */
	size_t len, cap;
};
#define XKD_BUF_INIT ((struct xkd_buf){ .s = (char *)"" })
void xkd_buf_init(struct xkd_buf *b);
void xkd_buf_fini(struct xkd_buf *b);
void xkd_buf_reset(struct xkd_buf *b); /* len = 0, keeps the memory */
void xkd_buf_reserve(struct xkd_buf *b, size_t extra);
void xkd_buf_add(struct xkd_buf *b, const void *p, size_t n);
void xkd_buf_str(struct xkd_buf *b, const char *s);
void xkd_buf_ch(struct xkd_buf *b, char c);
void xkd_buf_printf(struct xkd_buf *b, const char *fmt, ...) XKD_PRINTF(2, 3);
void xkd_buf_vprintf(struct xkd_buf *b, const char *fmt, va_list ap);
void xkd_buf_pad(struct xkd_buf *b, size_t column); /* blanks until len reaches column */
void xkd_buf_cut(struct xkd_buf *b, size_t n);	    /* drops the first n bytes */
char *xkd_buf_steal(struct xkd_buf *b);		    /* malloc'ed string; b is as after init */
#endif
