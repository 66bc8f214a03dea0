/* The interactive console: libedit for editing and history, Tab for names. Input is read by our own
 * function, so that signals are heard while the prompt waits: Ctrl-C clears the line, SIGTERM ends
 * the session. */
#include "ui/console/console.h"
#include "base/arena.h"
#include "base/state.h"
#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_LINES 2000

struct console {
	struct xkd_session *s;
	EditLine *el;
	History *hist;
	struct xkd_buf prompt;
	char *hist_path; /* NULL: nowhere to keep it */
};

static struct console *of(EditLine *el)
{
	void *c = NULL;

	el_get(el, EL_CLIENTDATA, &c);
	return c;
}

static char *prompt_of(EditLine *el)
{
	return of(el)->prompt.s;
}

/* One character; 0 at the end of input and when a signal is to be looked at. */
static int read_char(EditLine *el, wchar_t *wc)
{
	struct console *c = of(el);
	struct xkd_cancel *cancel = xkd_session_cancel(c->s);
	mbstate_t st = { 0 };

	for (;;) {
		struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
				       { .fd = cancel->wake_fd, .events = POLLIN } };
		char byte;
		ssize_t n;

		if (cancel->count || cancel->quit)
			return 0;
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 0;
		if (p[1].revents)
			xkd_signals_drain(cancel);
		if (xkd_signals_continued()) { /* back from the shell, which set the terminal its
						  way */
			el_set(el, EL_PREP_TERM, 1);
			el_set(el, EL_REFRESH);
		}
		if (!p[0].revents || cancel->count || cancel->quit)
			continue;
		n = read(STDIN_FILENO, &byte, 1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return 0;
		switch (mbrtowc(wc, &byte, 1, &st)) {
		case (size_t)-2: /* more bytes of this character come */
			continue;
		case (size_t)-1:
			memset(&st, 0, sizeof(st));
			continue;
		default:
			return 1;
		}
	}
}

static void list_candidates(const struct xkd_complete *cand)
{
	struct winsize ws = { .ws_col = 80 };
	size_t width = 0, columns;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || !ws.ws_col)
		ws.ws_col = 80;
	for (size_t i = 0; i < cand->n; i++)
		width = strlen(cand->v[i]) > width ? strlen(cand->v[i]) : width;
	width += 2;
	columns = ws.ws_col / width ? ws.ws_col / width : 1;
	putchar('\n');
	for (size_t i = 0; i < cand->n; i++)
		printf("%-*s%s", (int)width, cand->v[i],
		       (i + 1) % columns == 0 || i + 1 == cand->n ? "\n" : "");
	if (cand->more)
		puts("... and more");
	fflush(stdout);
}

/* How many bytes all candidates begin with. */
static size_t common_prefix(const struct xkd_complete *cand)
{
	size_t n = strlen(cand->v[0]);

	for (size_t i = 1; i < cand->n; i++)
		for (size_t k = 0; k < n; k++)
			if (cand->v[i][k] != cand->v[0][k])
				n = k;
	return n;
}

static unsigned char complete(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);
	struct console *c = of(el);
	struct xkd_complete cand;
	size_t len = (size_t)(li->lastchar - li->buffer),
	       cursor = (size_t)(li->cursor - li->buffer);
	size_t typed, common;
	unsigned char result = CC_ERROR;
	char *line = xkd_malloc(len + 1);

	(void)ch;
	memcpy(line, li->buffer, len);
	line[len] = 0;
	xkd_session_complete(c->s, line, cursor, &cand);
	free(line);
	typed = cursor - cand.start;
	if (cand.n) {
		common = common_prefix(&cand);
		if (common > typed) {
			char *insert = xkd_malloc(common - typed + 2);

			memcpy(insert, cand.v[0] + typed, common - typed);
			insert[common - typed] = 0;
			if (cand.n == 1 && !cand.open && cand.v[0][common - 1] != '!')
				strcat(insert, " ");
			el_insertstr(el, insert);
			free(insert);
			result = CC_REFRESH;
		} else if (cand.n > 1) {
			list_candidates(&cand);
			result = CC_REDISPLAY;
		} else {
			if (!cand.open)
				el_insertstr(el, " ");
			result = CC_REFRESH;
		}
	}
	xkd_complete_fini(&cand);
	return result;
}

static enum xkd_rc console_init(struct console *c, struct xkd_session *s, struct xkd_err *err)
{
	HistEvent ev;

	*c = (struct console){ .s = s, .prompt = XKD_BUF_INIT };
	c->el = el_init("xkd", stdin, stdout, stderr);
	c->hist = history_init();
	if (!c->el || !c->hist)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the terminal cannot be set up for editing");
	history(c->hist, &ev, H_SETSIZE, HISTORY_LINES);
	history(c->hist, &ev, H_SETUNIQUE, 1);
	c->hist_path = xkd_state_path("history");
	if (c->hist_path)
		history(c->hist, &ev, H_LOAD, c->hist_path);
	el_set(c->el, EL_CLIENTDATA, c);
	el_set(c->el, EL_PROMPT, prompt_of);
	el_set(c->el, EL_EDITOR, "emacs");
	el_set(c->el, EL_SIGNAL, 0);
	el_set(c->el, EL_HIST, history, c->hist);
	el_set(c->el, EL_GETCFN, read_char);
	el_set(c->el, EL_ADDFN, "xkd-complete", "Completes a command or a symbol", complete);
	el_set(c->el, EL_BIND, "^I", "xkd-complete", NULL);
	el_set(c->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_source(c->el, NULL);
	return XKD_OK;
}

static void console_fini(struct console *c)
{
	HistEvent ev;

	if (c->hist && c->hist_path) {
		mode_t old = umask(077);

		history(c->hist, &ev, H_SAVE, c->hist_path);
		umask(old);
	}
	if (c->hist)
		history_end(c->hist);
	if (c->el)
		el_end(c->el);
	free(c->hist_path);
	xkd_buf_fini(&c->prompt);
}

/* One line typed and run; false when the session is over. */
static bool one_line(struct console *c)
{
	struct xkd_cancel *cancel = xkd_session_cancel(c->s);
	const char *got;
	char *line;
	HistEvent ev;
	int n = 0;

	xkd_buf_reset(&c->prompt);
	xkd_session_prompt(c->s, &c->prompt);
	el_resize(c->el);
	got = el_gets(c->el, &n);
	if (cancel->quit) {
		putchar('\n');
		return false;
	}
	if (cancel->count) { /* Ctrl-C at the prompt: the line is given up */
		xkd_cancel_clear(cancel);
		el_reset(c->el);
		puts("^C");
		return true;
	}
	if (!got || n <= 0) {
		putchar('\n');
		return false;
	}
	line = xkd_strdup(got);
	line[strcspn(line, "\n")] = 0;
	if (line[strspn(line, " \t")])
		history(c->hist, &ev, H_ENTER, line);
	(void)xkd_session_line(c->s, line); /* told there */
	free(line);
	xkd_signals_drain(cancel);
	xkd_cancel_clear(cancel); /* a Ctrl-C for that command is no Ctrl-C for the next prompt */
	return !xkd_session_quit(c->s);
}

enum xkd_rc xkd_console_run(struct xkd_session *s, struct xkd_err *err)
{
	struct console c;
	enum xkd_rc rc = console_init(&c, s, err);

	while (!rc && one_line(&c))
		;
	console_fini(&c);
	return rc;
}
