/* String helpers: address spelling, kd wildcards, near names, escapes, LEB128-free number parsing. */
#ifndef XKD_BASE_STR_H
#define XKD_BASE_STR_H
#include "base/buf.h"

/* "ffffffff`c0d2e1f0" into a buffer of at least XKD_ADDR_LEN bytes; returns buf. */
#define XKD_ADDR_LEN 20
const char *xkd_fmt_addr(char *buf, uint64_t addr);
/* For printf arguments: a compound-literal buffer that lives to the end of the block. */
#define XKD_ADDR(a) xkd_fmt_addr((char[XKD_ADDR_LEN]){ 0 }, (a))

/* kd wildcards: * any run, ? one char, [a-z] set, # zero or more of the char before.
 * Case-insensitive when fold. Linear in memory, bounded in time. */
bool xkd_glob(const char *pattern, const char *name, bool fold);
bool xkd_is_glob(const char *s);
/* Damerau-Levenshtein distance, capped at max + 1. */
unsigned xkd_distance(const char *a, const char *b, unsigned max);

/* Text of foreign origin made safe for a terminal: control and non-UTF-8 bytes become \xNN. */
void xkd_buf_escaped(struct xkd_buf *b, const char *s, size_t n);

/* Whole string is a number in base (0: C rules); false on junk or overflow. */
bool xkd_parse_u64(const char *s, int base, uint64_t *out);
const char *xkd_skip_space(const char *s);
bool xkd_has_prefix(const char *s, const char *prefix);
bool xkd_has_suffix(const char *s, const char *suffix);
int xkd_hex_digit(int c); /* 0-15 or -1 */
void xkd_hex_encode(char *dst, const uint8_t *src, size_t n); /* 2n chars and NUL */
uint64_t xkd_now_ms(void);				      /* monotonic */

static inline uint64_t xkd_get_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n && i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}
static inline void xkd_put_le(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n && i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}
#endif
