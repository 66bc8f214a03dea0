/* .symbolize, and the same for a face: reads a text as a stream and gives its lines on.
 * Invariants: memory does not grow with the text; a line over LINE_LIMIT passes in pieces as it is;
 * every byte that comes in goes out. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/symbolize.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_LIMIT 65536u
#define PIECE 65536u
#define PATIENCE_MS 500 /* a live log says nothing more: what is held back is shown */

struct stream {
	struct xkd_session *s;
	const struct xkd_symbolize *y;
	struct xkd_symbolizer *z;
	struct xkd_buf in;
	bool in_long; /* the rest of a very long line */
};

static void pass(struct stream *st, const char *p, size_t n, bool newline)
{
	xkd_symbolizer_flush(st->z);
	st->y->put(st->y->arg, p, n, newline);
}

/* All lines that are there; at the end of the text also what no newline ends. */
static void take_lines(struct stream *st, bool end)
{
	const char *p = st->in.s, *stop = p + st->in.len, *nl;

	while (p < stop && (nl = memchr(p, '\n', (size_t)(stop - p)))) {
		if (st->in_long)
			pass(st, p, (size_t)(nl - p), true);
		else
			xkd_symbolizer_line(st->z, p, (size_t)(nl - p), true);
		st->in_long = false;
		p = nl + 1;
	}
	if (p < stop && (st->in_long || (size_t)(stop - p) > LINE_LIMIT)) {
		pass(st, p, (size_t)(stop - p), false);
		st->in_long = true;
		p = stop;
	}
	if (end && p < stop) {
		xkd_symbolizer_line(st->z, p, (size_t)(stop - p), false);
		p = stop;
	}
	xkd_buf_cut(&st->in, (size_t)(p - st->in.s));
}

/* Waits for text. NOTFOUND: its end. */
static enum xkd_rc read_some(struct stream *st, struct xkd_err *err)
{
	struct pollfd fds[2] = { { .fd = st->y->fd, .events = POLLIN },
				 { .fd = st->s->cancel.wake_fd, .events = POLLIN } };
	char piece[PIECE];
	enum xkd_rc rc;
	ssize_t n;

	for (;;) {
		bool holds = xkd_symbolizer_holds(st->z);
		int ready = poll(fds, 2, holds ? PATIENCE_MS : 1000);

		rc = xkd_cancel_check(&st->s->cancel, err);
		if (rc)
			return rc;
		if (st->s->cancel.quit)
			return xkd_err_set(err, XKD_CANCELED, "ended by a signal");
		if (!ready && holds)
			xkd_symbolizer_flush(st->z);
		if (ready <= 0 || !fds[0].revents)
			continue;
		n = read(st->y->fd, piece, sizeof(piece));
		if (n > 0) {
			xkd_buf_add(&st->in, piece, (size_t)n);
			return XKD_OK;
		}
		if (!n)
			return XKD_NOTFOUND;
		if (errno != EINTR && errno != EAGAIN)
			return xkd_err_set(err, XKD_IO, "the text cannot be read: %s",
					   strerror(errno));
	}
}

enum xkd_rc xkd_session_symbolize(struct xkd_session *s, const struct xkd_symbolize *y,
				  struct xkd_err *err)
{
	struct stream st = { .s = s, .y = y, .in = XKD_BUF_INIT };
	enum xkd_rc rc;

	st.z = xkd_symbolizer_new(s, y);
	while (!(rc = read_some(&st, err)))
		take_lines(&st, false);
	if (rc == XKD_NOTFOUND) {
		take_lines(&st, true);
		xkd_symbolizer_flush(st.z);
		rc = XKD_OK;
	}
	xkd_symbolizer_free(st.z);
	xkd_buf_fini(&st.in);
	return rc;
}

/* --- the command --- */

static void put_row(void *arg, const char *line, size_t len, bool newline)
{
	struct xkd_session *s = arg;

	for (size_t at = 0; at < len;) {
		const char *tab = memchr(line + at, '\t', len - at);
		size_t n = tab ? (size_t)(tab - line) - at : len - at;

		xkd_out_foreign(&s->out, XKD_ST_PLAIN, line + at, n);
		if (tab)
			xkd_out(&s->out, "        ");
		at += n + (tab != NULL);
	}
	if (newline)
		xkd_out_end(&s->out);
}

static enum xkd_rc cmd_symbolize(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_symbolize y = { .put = put_row, .arg = s };
	const char *path = xkd_skip_space(a->p);
	struct stat st;
	enum xkd_rc rc = XKD_OK;

	/* paths begin with a slash too */
	if (path[0] == '/' && path[1] == 's' && (path[2] == ' ' || path[2] == '\t')) {
		a->p = path + 2;
		rc = xkd_arg_expr(s, a, &y.slide, err);
		y.has_slide = true;
	}
	if (rc)
		return rc;
	path = *xkd_skip_space(a->p) == '"' ? xkd_arg_string(s, a) : xkd_arg_rest(s, a);
	if (!path || !*path)
		return xkd_err_syntax(err, (int)(a->p - a->line), "the name of a text file comes here");
	y.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (y.fd < 0)
		return xkd_err_set(err, XKD_IO, "%.300s: %s", path, strerror(errno));
	if (fstat(y.fd, &st) || !S_ISREG(st.st_mode))
		rc = xkd_err_set(err, XKD_IO, "%.300s is no regular file", path);
	if (!rc)
		rc = xkd_session_symbolize(s, &y, err);
	close(y.fd);
	if (s->out.text.len)
		xkd_out_end(&s->out);
	return rc;
}

static const char more[] =
	"Behind name+off/size [module], [<address>] and addresses of kernel code it puts names,\n"
	"[file @ line], and before them the functions that are inlined there. The kernel's offset is\n"
	"that of the live target, of the text (Kernel Offset: ...) or SLIDE; modules' files are\n"
	"searched on the symbol path. All else of the text is shown as it is.";

static const struct xkd_cmd rows[] = {
	{ ".symbolize", "[/s slide] file", XKD_FX_NONE, "a log or oops with names and source lines",
	  cmd_symbolize, more, NULL },
};
const struct xkd_cmd_family xkd_family_symbolize = { "Logs", rows, XKD_COUNT(rows) };
