/* Rows as lines of text, with ANSI colours by style on a terminal (not with NO_COLOR set); and the
 * one-line progress that stands below them. Text of foreign origin comes escaped already. */
#include "base/str.h"
#include "ui/console/console.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_AFTER_MS 500
#define BAR_EVERY_MS 100

static const char *const colours[XKD_ST_N] = {
	[XKD_ST_ADDR] = "36", [XKD_ST_SYM] = "32", [XKD_ST_TYPE] = "33",
	[XKD_ST_STR] = "35",  [XKD_ST_SRC] = "34", [XKD_ST_INSN] = "1",
	[XKD_ST_DIM] = "2",   [XKD_ST_HEAD] = "1", [XKD_ST_ERR] = "31",
};

/* Leave the target in order, and remember why. */
static void nobody_reads(struct xkd_textsink *t)
{
	if (!t->error)
		t->error = errno ? errno : EIO;
	if (!t->cancel->quit)
		t->cancel->quit = SIGPIPE;
}

static void put_row(struct xkd_textsink *t, const struct xkd_row *row)
{
	struct xkd_buf b = XKD_BUF_INIT;
	size_t at = 0;

	for (size_t i = 0; t->colour && i < row->ncells; i++) {
		const struct xkd_cell *c = &row->cells[i];
		const char *colour = colours[c->style];

		if (!colour || c->off < at || c->off + c->len > row->len)
			continue;
		xkd_buf_add(&b, row->text + at, c->off - at);
		xkd_buf_printf(&b, "\033[%sm", colour);
		xkd_buf_add(&b, row->text + c->off, c->len);
		xkd_buf_str(&b, "\033[0m");
		at = c->off + c->len;
	}
	xkd_buf_add(&b, row->text + at, row->len - at);
	xkd_buf_ch(&b, '\n');
	if (t->pager && t->pager->on)
		xkd_pager_row(t->pager, b.s, b.len, row->len);
	else
		fwrite(b.s, 1, b.len, t->f);
	xkd_buf_fini(&b);
}

static void text_row(struct xkd_sink *sink, const struct xkd_row *row)
{
	struct xkd_textsink *t = (struct xkd_textsink *)sink;

	if (t->bar)
		xkd_bar_clear(t->bar);
	put_row(t, row);
	if (ferror(t->f))
		nobody_reads(t);
}

static void text_flush(struct xkd_sink *sink)
{
	struct xkd_textsink *t = (struct xkd_textsink *)sink;

	if (fflush(t->f))
		nobody_reads(t);
}

void xkd_textsink_init(struct xkd_textsink *t, FILE *f, struct xkd_progress_bar *bar,
		       struct xkd_cancel *cancel)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	*t = (struct xkd_textsink){ .sink = { .row = text_row, .flush = text_flush },
				    .f = f,
				    .bar = bar,
				    .cancel = cancel };
	t->colour = isatty(fileno(f)) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

void xkd_bar_init(struct xkd_progress_bar *b, FILE *f)
{
	*b = (struct xkd_progress_bar){ .f = isatty(fileno(f)) ? f : NULL };
}

void xkd_bar_clear(struct xkd_progress_bar *b)
{
	if (b->f && b->drawn) {
		fputs("\r\033[K", b->f);
		fflush(b->f);
	}
	b->drawn = 0;
}

void xkd_bar_show(struct xkd_progress_bar *b, const char *what, uint64_t done, uint64_t total)
{
	uint64_t now = xkd_now_ms();

	if (!what) {
		xkd_bar_clear(b);
		b->since = 0;
		return;
	}
	if (!b->since)
		b->since = now;
	if (!b->f || now - b->since < BAR_AFTER_MS || (b->drawn && now - b->drawn < BAR_EVERY_MS))
		return;
	if (total)
		fprintf(b->f, "\r%.60s: %u%%\033[K", what,
			(unsigned)((double)done * 100.0 / (double)total));
	else
		fprintf(b->f, "\r%.60s: %llu\033[K", what, (unsigned long long)done);
	fflush(b->f);
	b->drawn = now;
}
