/* A bounded little-endian reader of foreign bytes; a step past the end sets bad and reads zeros from
 * then on, so that callers ask once, at the end. */
#ifndef XKD_BASE_CUR_H
#define XKD_BASE_CUR_H
#include "base/str.h"
#include <string.h>

struct xkd_cur {
	const uint8_t *p, *end;
	bool bad;
};
#define XKD_LEB_MAX 18 /* bytes of a number, padding included: more is a trick to cost time */

static inline bool xkd_cur_need(struct xkd_cur *c, uint64_t n)
{
	if (c->bad || (uint64_t)(c->end - c->p) < n) {
		c->bad = true;
		return false;
	}
	return true;
}
/* Up to 8 bytes. */
static inline uint64_t xkd_cur_get(struct xkd_cur *c, unsigned n)
{
	uint64_t v;

	if (!xkd_cur_need(c, n))
		return 0;
	v = xkd_get_le(c->p, n);
	c->p += n;
	return v;
}
/* In place; NULL when they are not all there. */
static inline const uint8_t *xkd_cur_bytes(struct xkd_cur *c, uint64_t n)
{
	const uint8_t *p = c->p;

	if (!xkd_cur_need(c, n))
		return NULL;
	c->p += n;
	return p;
}
static inline void xkd_cur_skip(struct xkd_cur *c, uint64_t n)
{
	if (xkd_cur_need(c, n))
		c->p += n;
}
/* A LEB128 number's groups of seven bits; what does not fit is dropped. *shift: the
 * bits read; *last: the byte that ended it, 0 if none does. */
static inline uint64_t xkd_cur_leb(struct xkd_cur *c, unsigned *shift, uint8_t *last)
{
	uint64_t v = 0;

	*last = 0;
	for (*shift = 0; *shift < 7 * XKD_LEB_MAX && xkd_cur_need(c, 1);) {
		uint8_t b = *c->p++;

		if (*shift < 64)
			v |= (uint64_t)(b & 0x7f) << *shift;
		*shift += 7;
		*last = b;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	*last = 0;
	return 0;
}
static inline uint64_t xkd_cur_uleb(struct xkd_cur *c)
{
	unsigned shift;
	uint8_t last;

	return xkd_cur_leb(c, &shift, &last);
}
static inline int64_t xkd_cur_sleb(struct xkd_cur *c)
{
	unsigned shift;
	uint8_t last;
	uint64_t v = xkd_cur_leb(c, &shift, &last);

	if (shift < 64 && (last & 0x40))
		v |= ~0ULL << shift;
	return (int64_t)v;
}
/* A NUL-terminated string in place; NULL when it does not end. */
static inline const char *xkd_cur_cstr(struct xkd_cur *c)
{
	const uint8_t *s = c->p, *nul;

	if (c->bad || s == c->end)
		nul = NULL;
	else
		nul = memchr(s, 0, (size_t)(c->end - s));
	if (!nul) {
		c->bad = true;
		return NULL;
	}
	c->p = nul + 1;
	return (const char *)s;
}
#endif
