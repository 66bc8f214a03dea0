/* Output: commands emit rows of styled, optionally named cells; sinks render them.
 * A cell's text must already be laid out (padding included) for a text sink; a structured sink
 * uses the key and the trimmed text. Foreign strings are escaped by xkd_out_foreign. */
#ifndef XKD_BASE_OUT_H
#define XKD_BASE_OUT_H
#include "base/buf.h"

enum xkd_style {
	XKD_ST_PLAIN,
	XKD_ST_ADDR,
	XKD_ST_SYM,
	XKD_ST_TYPE,
	XKD_ST_NUM,
	XKD_ST_STR,
	XKD_ST_SRC,  /* file and line */
	XKD_ST_INSN, /* mnemonic */
	XKD_ST_DIM,  /* notes, padding words, frame kinds */
	XKD_ST_HEAD, /* a heading row */
	XKD_ST_ERR,
	XKD_ST_N
};
struct xkd_cell {
	enum xkd_style style;
	const char *key; /* NULL: layout only */
	size_t off, len; /* range in the row's text */
};
struct xkd_row {
	const char *text; /* without newline */
	size_t len;
	const struct xkd_cell *cells;
	size_t ncells;
};
/* A sink: the renderer of rows. row: one full line. part: text so far without newline (prompts,
 * .echo -n); may be NULL. */
struct xkd_sink {
	void (*row)(struct xkd_sink *s, const struct xkd_row *row);
	void (*flush)(struct xkd_sink *s);
};
#define XKD_OUT_SINKS 4
struct xkd_out {
	struct xkd_sink *sinks[XKD_OUT_SINKS];
	int nsinks;
	struct xkd_buf text;
	struct xkd_cell *cells;
	size_t ncells, cap;
};
void xkd_out_init(struct xkd_out *o);
void xkd_out_fini(struct xkd_out *o);
bool xkd_out_add_sink(struct xkd_out *o, struct xkd_sink *s);
void xkd_out_del_sink(struct xkd_out *o, struct xkd_sink *s);
/* Appends a cell to the current row; a newline inside ends the row. */
void xkd_out(struct xkd_out *o, const char *fmt, ...) XKD_PRINTF(2, 3); /* PLAIN */
void xkd_out_st(struct xkd_out *o, enum xkd_style st, const char *fmt, ...) XKD_PRINTF(3, 4);
void xkd_out_key(struct xkd_out *o, enum xkd_style st, const char *key, const char *fmt, ...)
	XKD_PRINTF(4, 5);
void xkd_out_foreign(struct xkd_out *o, enum xkd_style st, const char *s, size_t n);
void xkd_out_pad(struct xkd_out *o, size_t column); /* blanks up to column (of characters) */
void xkd_out_end(struct xkd_out *o);		    /* ends the row (also an empty one) */
void xkd_out_flush(struct xkd_out *o);		    /* ends a row that has text; flushes sinks */

/* A sink that appends plain text rows to a buffer (tests, captures, .foreach). */
struct xkd_bufsink {
	struct xkd_sink sink;
	struct xkd_buf *buf;
};
void xkd_bufsink_init(struct xkd_bufsink *s, struct xkd_buf *buf);
#endif
