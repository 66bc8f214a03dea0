/* Writes and reads the words of a recording's lines. Invariants: what put_* writes the getters read
 * back; a getter never reads past the line nor writes past what it was given, whatever stands there. */
#include "backends/record/text.h"
#include "base/str.h"
#include <string.h>

#define RUN_MIN 6 /* a shorter run is no longer as pairs */

void xkd_rec_put_num(struct xkd_buf *b, uint64_t v)
{
	xkd_buf_printf(b, " %llx", (unsigned long long)v);
}

void xkd_rec_put_rc(struct xkd_buf *b, enum xkd_rc rc)
{
	xkd_buf_printf(b, " %s", xkd_rc_name(rc));
}

void xkd_rec_put_str(struct xkd_buf *b, const char *s, size_t n)
{
	xkd_buf_str(b, " \"");
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			xkd_buf_printf(b, "\\x%02x", c);
		else
			xkd_buf_ch(b, (char)c);
	}
	xkd_buf_ch(b, '"');
}

void xkd_rec_put_bytes(struct xkd_buf *b, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	xkd_buf_ch(b, ' ');
	for (size_t i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && p[i + run] == p[i]; run++)
			;
		if (run < RUN_MIN)
			run = 1;
		xkd_buf_ch(b, digits[p[i] >> 4]);
		xkd_buf_ch(b, digits[p[i] & 15]);
		if (run > 1)
			xkd_buf_printf(b, "*%zx.", run);
	}
}

/* To the next word's first character; false at the end. */
static bool next_word(struct xkd_rec_scan *s)
{
	if (s->p < s->end && *s->p == ' ')
		s->p++;
	if (s->p >= s->end || *s->p == ' ')
		s->bad = true;
	return !s->bad;
}

void xkd_rec_word(struct xkd_rec_scan *s, char *buf, size_t max)
{
	size_t n = 0;

	buf[0] = 0;
	if (!next_word(s))
		return;
	for (; s->p < s->end && *s->p != ' '; s->p++) {
		if (n + 1 >= max) {
			s->bad = true;
			break;
		}
		buf[n++] = *s->p;
	}
	buf[s->bad ? 0 : n] = 0;
}

uint64_t xkd_rec_num(struct xkd_rec_scan *s)
{
	uint64_t v = 0;
	unsigned n = 0;

	if (!next_word(s))
		return 0;
	for (; s->p < s->end && *s->p != ' '; s->p++, n++) {
		int d = xkd_hex_digit((unsigned char)*s->p);

		if (d < 0 || n == 16) {
			s->bad = true;
			return 0;
		}
		v = v << 4 | (unsigned)d;
	}
	return v;
}

unsigned xkd_rec_enum(struct xkd_rec_scan *s, unsigned limit)
{
	uint64_t v = xkd_rec_num(s);

	if (v >= limit)
		s->bad = true;
	return s->bad ? 0 : (unsigned)v;
}

enum xkd_rc xkd_rec_rc(struct xkd_rec_scan *s)
{
	char word[24];

	xkd_rec_word(s, word, sizeof(word));
	for (int rc = XKD_OK; !s->bad && rc <= XKD_IO; rc++)
		if (!strcmp(word, xkd_rc_name((enum xkd_rc)rc)))
			return (enum xkd_rc)rc;
	s->bad = true;
	return XKD_BADDATA;
}

void xkd_rec_str(struct xkd_rec_scan *s, struct xkd_buf *out)
{
	size_t n = 0;

	if (!next_word(s))
		return;
	if (*s->p++ != '"') {
		s->bad = true;
		return;
	}
	for (; s->p < s->end && *s->p != '"'; s->p++, n++) {
		int hi, lo;

		if (n == XKD_REC_STRING)
			break;
		if (*s->p != '\\') {
			xkd_buf_ch(out, *s->p);
			continue;
		}
		hi = s->end - s->p >= 4 && s->p[1] == 'x' ? xkd_hex_digit((uint8_t)s->p[2]) : -1;
		lo = hi >= 0 ? xkd_hex_digit((uint8_t)s->p[3]) : -1;
		if (lo < 0)
			break;
		xkd_buf_ch(out, (char)(hi << 4 | lo));
		s->p += 3;
	}
	if (s->p >= s->end || *s->p != '"')
		s->bad = true;
	else
		s->p++;
}

/* "*N." behind a byte; 1 where there is none, 0 when it makes no sense. */
static size_t run_length(struct xkd_rec_scan *s)
{
	size_t run = 0;

	if (s->p >= s->end || *s->p != '*')
		return 1;
	for (s->p++; s->p < s->end && *s->p != '.'; s->p++) {
		int d = xkd_hex_digit((unsigned char)*s->p);

		if (d < 0 || run > XKD_REC_BYTES)
			return 0;
		run = run << 4 | (size_t)d;
	}
	if (s->p >= s->end)
		return 0;
	s->p++;
	return run;
}

void xkd_rec_bytes(struct xkd_rec_scan *s, uint8_t *dst, size_t n)
{
	size_t i = 0;

	memset(dst, 0, n);
	if (s->p < s->end && *s->p == ' ')
		s->p++;
	while (!s->bad && i < n) {
		int hi = s->p < s->end ? xkd_hex_digit((uint8_t)s->p[0]) : -1;
		int lo = s->end - s->p >= 2 ? xkd_hex_digit((uint8_t)s->p[1]) : -1;
		size_t run;

		if (hi < 0 || lo < 0) {
			s->bad = true;
			return;
		}
		s->p += 2;
		run = run_length(s);
		if (!run || run > n - i) {
			s->bad = true;
			return;
		}
		memset(dst + i, hi << 4 | lo, run);
		i += run;
	}
}

bool xkd_rec_done(struct xkd_rec_scan *s)
{
	if (s->p < s->end && *s->p == ' ' && s->p + 1 == s->end)
		s->p++; /* an empty run of bytes */
	if (s->p != s->end)
		s->bad = true;
	return !s->bad;
}
