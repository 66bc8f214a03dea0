/* The words of a recording: how numbers, strings and bytes stand in its lines. Lines are text; words
 * are parted by one blank; numbers are hex; strings stand in quotes, with \xNN for what is no plain
 * ASCII; bytes are hex pairs, a byte that comes N times in a row is "BB*N.". */
#ifndef XKD_RECORD_TEXT_H
#define XKD_RECORD_TEXT_H
#include "base/buf.h"

#define XKD_REC_MAGIC "xkd-recording"
#define XKD_REC_VERSION 1
#define XKD_REC_BYTES 0x10000 /* most bytes one record may hold */
#define XKD_REC_STRING 0x100000

/* Each appends " WORD". */
void xkd_rec_put_num(struct xkd_buf *b, uint64_t v);
void xkd_rec_put_rc(struct xkd_buf *b, enum xkd_rc rc);
void xkd_rec_put_str(struct xkd_buf *b, const char *s, size_t n);
void xkd_rec_put_bytes(struct xkd_buf *b, const uint8_t *p, size_t n);

/* A cursor over one line, [p, end). What does not fit makes it bad, and it stays bad; the getters
 * then give 0, so that a record may be read to its end and judged once. */
struct xkd_rec_scan {
	const char *p, *end;
	bool bad;
};
/* The next word as it stands, of at most max - 1 characters. */
void xkd_rec_word(struct xkd_rec_scan *s, char *buf, size_t max);
uint64_t xkd_rec_num(struct xkd_rec_scan *s);
/* A number that is below limit. */
unsigned xkd_rec_enum(struct xkd_rec_scan *s, unsigned limit);
enum xkd_rc xkd_rec_rc(struct xkd_rec_scan *s);
/* Appends the string's bytes. */
void xkd_rec_str(struct xkd_rec_scan *s, struct xkd_buf *out);
/* Exactly n bytes. */
void xkd_rec_bytes(struct xkd_rec_scan *s, uint8_t *dst, size_t n);
/* Nothing may be left. True: the whole line was good. */
bool xkd_rec_done(struct xkd_rec_scan *s);
#endif
