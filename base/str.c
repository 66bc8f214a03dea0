/* String helpers. */
#include "base/str.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *xkd_fmt_addr(char *buf, uint64_t addr)
{
	snprintf(buf, XKD_ADDR_LEN, "%08x`%08x", (unsigned)(addr >> 32), (unsigned)addr);
	return buf;
}

static int fold_ch(char c, bool fold)
{
	return fold ? tolower((unsigned char)c) : (unsigned char)c;
}

/* One pattern element at p: does it take c? *next is the pattern after it. */
static bool glob_one(const char *p, char c, bool fold, const char **next)
{
	bool in = false;
	int ch = fold_ch(c, fold);

	if (*p == '?') {
		*next = p + 1;
		return true;
	}
	if (*p != '[' || !strchr(p, ']')) {
		*next = p + 1;
		return fold_ch(*p, fold) == ch;
	}
	for (p++; *p && *p != ']'; p++) {
		int lo = fold_ch(*p, fold), hi = lo;

		if (p[1] == '-' && p[2] && p[2] != ']') {
			hi = fold_ch(p[2], fold);
			p += 2;
		}
		in |= ch >= lo && ch <= hi;
	}
	*next = p + 1;
	return in;
}

/* The usual one-star backtracking; '#' (zero or more of the element before) is expanded by a count
 * that only grows, so the time stays O(|pattern| * |name|) but for patterns of several '#'. */
static bool glob_rec(const char *p, const char *s, bool fold, unsigned *budget)
{
	const char *star = NULL, *mark = NULL, *next;

	for (;;) {
		if (!*budget)
			return false;
		(*budget)--;
		if (*p && *p != '*') {
			const char *q = p;

			if (*p == '[' && strchr(p, ']'))
				q = strchr(p, ']');
			if (q[1] == '#') {
				const char *t = s;

				do {
					if (glob_rec(q + 2, t, fold, budget))
						return true;
				} while (*t && glob_one(p, *t++, fold, &next));
				goto back;
			}
		}
		if (*p == '*') {
			star = ++p;
			mark = s;
			continue;
		}
		if (!*s)
			return !*p;
		if (*p && glob_one(p, *s, fold, &next)) {
			p = next;
			s++;
			continue;
		}
back:
		if (!star || !*mark)
			return false;
		p = star;
		s = ++mark;
	}
}

bool xkd_glob(const char *pattern, const char *name, bool fold)
{
	unsigned budget = 100000;

	return glob_rec(pattern, name, fold, &budget);
}

bool xkd_is_glob(const char *s)
{
	return s[strcspn(s, "*?[#")] != 0;
}

unsigned xkd_distance(const char *a, const char *b, unsigned max)
{
	size_t la = strlen(a), lb = strlen(b), i, j;
	unsigned row[3][130];

	if (la > 128 || lb > 128 || (la > lb ? la - lb : lb - la) > max)
		return max + 1;
	for (j = 0; j <= lb; j++)
		row[0][j] = (unsigned)j;
	for (i = 1; i <= la; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];
		unsigned best = cur[0] = (unsigned)i;

		for (j = 1; j <= lb; j++) {
			unsigned d = prev[j - 1] + (a[i - 1] != b[j - 1]);

			if (prev[j] + 1 < d)
				d = prev[j] + 1;
			if (cur[j - 1] + 1 < d)
				d = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    prev2[j - 2] + 1 < d)
				d = prev2[j - 2] + 1;
			cur[j] = d;
			if (d < best)
				best = d;
		}
		if (best > max)
			return max + 1;
	}
	return row[la % 3][lb] > max ? max + 1 : row[la % 3][lb];
}

/* Length of a sound UTF-8 sequence at s (2 to 4), 0 if it is none. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
	size_t len = s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 :
		     s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;

	if (!len || len > n || (s[0] == 0xc2 && s[1] < 0xa0)) /* C1 controls are not text */
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void xkd_buf_escaped(struct xkd_buf *b, const char *s, size_t n)
{
	const unsigned char *u = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		size_t len = u[i] < 0x80 ? 0 : utf8_len(u + i, n - i);

		if (len) {
			xkd_buf_add(b, u + i, len);
			i += len;
			continue;
		}
		if (u[i] >= 0x20 && u[i] < 0x7f)
			xkd_buf_ch(b, (char)u[i]);
		else
			xkd_buf_printf(b, "\\x%02x", u[i]);
		i++;
	}
}

bool xkd_parse_u64(const char *s, int base, uint64_t *out)
{
	unsigned long long v;
	char *end;

	if (!isxdigit((unsigned char)*s))
		return false;
	errno = 0;
	v = strtoull(s, &end, base);
	if (errno || *end || end == s)
		return false;
	*out = v;
	return true;
}

const char *xkd_skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

bool xkd_has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool xkd_has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

int xkd_hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void xkd_hex_encode(char *dst, const uint8_t *src, size_t n)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*dst++ = digit[src[i] >> 4];
		*dst++ = digit[src[i] & 15];
	}
	*dst = 0;
}

uint64_t xkd_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
