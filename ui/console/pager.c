/* The pager. Rows of a typed command are held for a moment; when they grow longer than the screen they
 * go to $PAGER (less -FRX), else to the terminal. Nothing is held for long: a command that is slow, or
 * lets the target run, shows what it said. */
#include "ui/console/console.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HOLD_MS 250

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	struct xkd_buf file = XKD_BUF_INIT;
	bool found = false;

	while (path && *path && !found) {
		size_t n = strcspn(path, ":");

		xkd_buf_reset(&file);
		xkd_buf_printf(&file, "%.*s/%s", (int)n, path, program);
		found = !access(file.s, X_OK);
		path += n + (path[n] == ':');
	}
	xkd_buf_fini(&file);
	return found;
}

void xkd_pager_init(struct xkd_pager *p, FILE *f, struct xkd_progress_bar *bar,
		    struct xkd_cancel *cancel)
{
	const char *program = getenv("PAGER"), *term = getenv("TERM");

	*p = (struct xkd_pager){ .f = f, .bar = bar, .cancel = cancel, .held = XKD_BUF_INIT };
	if (!isatty(fileno(f)) || !isatty(STDIN_FILENO) || (term && !strcmp(term, "dumb")))
		return;
	if (!program)
		program = in_path("less") ? "less -FRX" : "";
	if (*program && strcmp(program, "cat"))
		p->program = program;
}

void xkd_pager_fini(struct xkd_pager *p)
{
	xkd_buf_fini(&p->held);
}

static void release(struct xkd_pager *p)
{
	if (p->held.len)
		fwrite(p->held.s, 1, p->held.len, p->f);
	xkd_buf_reset(&p->held);
	fflush(p->f);
}

static void feed(struct xkd_pager *p, const char *text, size_t len)
{
	if (p->gone || xkd_child_write(&p->child, text, len, NULL))
		return;
	p->gone = true;
	p->cancel->count = p->cancel->count + 1; /* the rest is not wanted: ends the command */
}

/* less shows colours and leaves the screen as it is, unless $LESS says otherwise. */
static void start(struct xkd_pager *p)
{
	struct xkd_buf cmd = XKD_BUF_INIT;
	struct xkd_err ignored;

	xkd_buf_printf(&cmd, "LESS=\"${LESS-FRX}\"; export LESS; %s", p->program);
	if (xkd_child_start(cmd.s, true, &p->child, &ignored)) {
		p->program = NULL;
		p->on = false;
		release(p);
	} else {
		if (p->bar) { /* the screen is the pager's now */
			p->bar_file = p->bar->f;
			p->bar->f = NULL;
		}
		feed(p, p->held.s, p->held.len);
		xkd_buf_reset(&p->held);
	}
	xkd_buf_fini(&cmd);
}

void xkd_pager_row(struct xkd_pager *p, const char *text, size_t len, size_t width)
{
	struct winsize ws = { .ws_row = 24, .ws_col = 80 };

	if (p->child.pid) {
		feed(p, text, len);
		return;
	}
	if (ioctl(fileno(p->f), TIOCGWINSZ, &ws) || !ws.ws_col || !ws.ws_row)
		ws = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	if (!p->held.len)
		p->since = xkd_now_ms();
	xkd_buf_add(&p->held, text, len);
	p->rows += width > ws.ws_col ? (unsigned)((width - 1) / ws.ws_col) + 1 : 1;
	if (p->rows >= ws.ws_row)
		start(p);
	else
		xkd_pager_breathe(p);
}

void xkd_pager_breathe(void *pager)
{
	struct xkd_pager *p = pager;

	if (p->on && !p->child.pid && p->held.len && xkd_now_ms() - p->since > HOLD_MS)
		release(p);
}

void xkd_pager_switch(void *pager, bool on)
{
	struct xkd_pager *p = pager;

	if (on) {
		p->on = p->program != NULL;
		p->rows = 0;
		p->gone = false;
		return;
	}
	p->on = false;
	if (!p->child.pid) {
		release(p);
		return;
	}
	xkd_child_wait(&p->child, p->cancel);
	if (p->gone) /* leaving the pager is no Ctrl-C */
		p->cancel->count = 0;
	if (p->bar)
		p->bar->f = p->bar_file;
}
