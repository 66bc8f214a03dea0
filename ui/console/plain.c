/* Lines from something that is no terminal: a pipe, a file. Waits so that signals are heard. */
#include "base/buf.h"
#include "ui/console/console.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1u << 20)

/* More input into b: false at its end, with *error when it is no good one. */
static bool more(struct xkd_session *s, int fd, struct xkd_buf *b, int *error)
{
	struct xkd_cancel *cancel = xkd_session_cancel(s);
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = cancel->wake_fd, .events = POLLIN } };
	char chunk[4096];
	ssize_t n;

	for (;;) {
		if (xkd_session_quit(s) || cancel->count)
			return false; /* Ctrl-C between the lines of a script ends it */
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return false;
		if (p[1].revents) {
			xkd_signals_drain(cancel);
			continue;
		}
		if (!p[0].revents)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			*error = errno;
		if (n > 0 && b->len > LINE_MAX_BYTES)
			*error = EMSGSIZE;
		if (n <= 0 || *error)
			return false;
		xkd_buf_add(b, chunk, (size_t)n);
		return true;
	}
}

static void run(struct xkd_session *s, char *line)
{
	size_t n = strlen(line);

	if (n && line[n - 1] == '\r')
		line[n - 1] = 0;
	xkd_signals_drain(xkd_session_cancel(s));
	(void)xkd_session_line(s, line); /* told and counted there */
}

/* Lost, and the line that is there already does not attach again. */
static bool over(const struct xkd_session *s, const struct xkd_buf *b)
{
	return xkd_session_quit(s) ||
	       (xkd_session_lost(s) && strncmp(b->len ? b->s : "", ".reconnect", 10));
}

enum xkd_rc xkd_plain_run(struct xkd_session *s, int fd, struct xkd_err *err)
{
	struct xkd_buf b = XKD_BUF_INIT;
	int error = 0;
	char *nl;

	while (!over(s, &b)) {
		nl = b.len ? memchr(b.s, '\n', b.len) : NULL;
		if (nl) {
			*nl = 0;
			run(s, b.s);
			xkd_buf_cut(&b, (size_t)(nl - b.s) + 1);
		} else if (!more(s, fd, &b, &error)) {
			break;
		}
	}
	/* a last line without its newline */
	if (!error && b.len && !over(s, &b) && !xkd_session_cancel(s)->count)
		run(s, b.s);
	xkd_buf_fini(&b);
	if (error == EMSGSIZE)
		return xkd_err_set(err, XKD_BADDATA, "standard input: a line is over 1 MiB");
	return error ? xkd_err_set(err, XKD_IO, "standard input: %s", strerror(error)) : XKD_OK;
}
