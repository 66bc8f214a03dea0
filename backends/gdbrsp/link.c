/* The byte stream to a stub: connects without blocking, and every wait is a poll() that also watches
 * the cancel descriptor. Invariant: no call here blocks beyond its time limit plus one slice, save
 * the name look-up of a host name. */
#include "backends/gdbrsp/link.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SLICE_MS 100 /* how often a wait asks for cancel and lets the UI breathe */

/* Waits for events on fd until the deadline. OK when there are, TIMEOUT (err untouched) if not. */
static enum xkd_rc wait_fd(struct xkd_link *l, int fd, short events, uint64_t deadline,
			   struct xkd_err *err)
{
	struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = -1, .events = POLLIN } };

	if (l->cancel)
		p[1].fd = l->cancel->wake_fd;
	for (;;) {
		uint64_t now = xkd_now_ms();
		uint64_t left = deadline > now ? deadline - now : 0;
		enum xkd_rc rc;
		int n;

		n = poll(p, 2, left < SLICE_MS ? (int)left : SLICE_MS);
		if (n < 0 && errno != EINTR)
			return xkd_err_set(err, XKD_TRANSPORT, "waiting for %s: %s", l->peer,
					   strerror(errno));
		if (n > 0 && p[0].revents)
			return XKD_OK;
		rc = xkd_cancel_check(l->cancel, err);
		if (rc != XKD_OK)
			return rc;
		/* A stale wake-up: not ours to drain, and it must not make this loop spin. */
		if (n > 0)
			p[1].fd = -1;
		if (!left)
			return XKD_TIMEOUT;
	}
}

static enum xkd_rc connect_error(struct xkd_link *l, int e, struct xkd_err *err)
{
	if (e == ECONNREFUSED)
		return xkd_err_set(err, XKD_TRANSPORT, "nobody listens on %s (%s)", l->peer,
				   strerror(e));
	if (e == ENOENT)
		return xkd_err_set(err, XKD_TRANSPORT, "there is no socket %s", l->peer);
	return xkd_err_set(err, XKD_TRANSPORT, "cannot connect to %s: %s", l->peer, strerror(e));
}

static enum xkd_rc try_address(struct xkd_link *l, const struct sockaddr *sa, socklen_t len,
			       int family, uint64_t deadline, struct xkd_err *err)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t elen = sizeof(int);
	int one = 1, e = 0;
	enum xkd_rc rc;

	if (fd < 0)
		return xkd_err_set(err, XKD_TRANSPORT, "no socket for %s: %s", l->peer,
				   strerror(errno));
	if (connect(fd, sa, len) < 0)
		e = errno;
	if (e == EINPROGRESS) {
		e = 0;
		rc = wait_fd(l, fd, POLLOUT, deadline, err);
		if (rc == XKD_TIMEOUT)
			rc = xkd_err_set(err, XKD_TIMEOUT, "no connection to %s within the time",
					 l->peer);
		if (rc != XKD_OK) {
			close(fd);
			return rc;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &elen) < 0)
			e = errno;
	}
	if (e) {
		close(fd);
		return connect_error(l, e, err);
	}
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l->fd = fd;
	return XKD_OK;
}

static enum xkd_rc open_unix(struct xkd_link *l, const char *path, uint64_t deadline,
			     struct xkd_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (!*path || strlen(path) >= sizeof(un.sun_path))
		return xkd_err_set(err, XKD_SYNTAX,
				   "'%.120s' is no path for a socket (1 to %zu bytes)", path,
				   sizeof(un.sun_path) - 1);
	memcpy(un.sun_path, path, strlen(path));
	snprintf(l->peer, sizeof(l->peer), "%s", path);
	return try_address(l, (struct sockaddr *)&un, sizeof(un), AF_UNIX, deadline, err);
}

/* Splits HOST:PORT, [V6]:PORT, :PORT or PORT. */
static bool split_host(const char *where, char *host, size_t hsize, char *port, size_t psize)
{
	const char *colon = strrchr(where, ':'), *h = where;
	size_t hlen = colon ? (size_t)(colon - where) : 0;
	const char *p = colon ? colon + 1 : where;
	uint64_t num;

	if (hlen >= 2 && h[0] == '[' && h[hlen - 1] == ']') {
		h++;
		hlen -= 2;
	} else if (memchr(h, ':', hlen)) {
		return false; /* a bare IPv6 address: where does the port begin? */
	}
	if (!hlen) {
		h = "127.0.0.1";
		hlen = strlen(h);
	}
	if (hlen >= hsize || strlen(p) >= psize || !xkd_parse_u64(p, 10, &num) || !num ||
	    num > 65535)
		return false;
	memcpy(host, h, hlen);
	host[hlen] = '\0';
	snprintf(port, psize, "%u", (unsigned)num);
	return true;
}

static enum xkd_rc open_tcp(struct xkd_link *l, const char *where, uint64_t deadline,
			    struct xkd_err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	enum xkd_rc rc = XKD_TRANSPORT;
	char host[128], port[8];
	int e;

	if (!split_host(where, host, sizeof(host), port, sizeof(port)))
		return xkd_err_set(err, XKD_SYNTAX,
				   "'%.120s' is not HOST:PORT, [IPV6]:PORT, PORT, /a/socket, "
				   "/dev/TTY,BAUD or |COMMAND",
				   where);
	snprintf(l->peer, sizeof(l->peer), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
	e = getaddrinfo(host, port, &hints, &list);
	if (e)
		return xkd_err_set(err, XKD_TRANSPORT, "no address for host '%s': %s", host,
				   gai_strerror(e));
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		rc = try_address(l, a->ai_addr, a->ai_addrlen, a->ai_family, deadline, err);
		if (rc == XKD_OK || rc == XKD_CANCELED || rc == XKD_TIMEOUT)
			break;
	}
	freeaddrinfo(list);
	return rc;
}

/* A character device is a serial line; behind /dev/ a comma can only be a speed. */
static bool is_device(const char *where)
{
	struct stat st;

	if (xkd_has_prefix(where, "/dev/") && strchr(where, ','))
		return true;
	return where[0] == '/' && !stat(where, &st) && S_ISCHR(st.st_mode);
}

enum xkd_rc xkd_link_open(struct xkd_link *l, const char *where, unsigned timeout_ms,
			  struct xkd_cancel *cancel, struct xkd_err *err)
{
	uint64_t deadline = xkd_now_ms() + timeout_ms;

	*l = (struct xkd_link){ .fd = -1, .cancel = cancel };
	if (where[0] == '|')
		return xkd_link_command(l, where + 1, err);
	if (is_device(where))
		return xkd_link_serial(l, where, err);
	if (where[0] == '/')
		return open_unix(l, where, deadline, err);
	if (xkd_has_prefix(where, "unix:"))
		return open_unix(l, where + 5, deadline, err);
	if (xkd_has_prefix(where, "tcp:"))
		where += 4;
	return open_tcp(l, where, deadline, err);
}

void xkd_link_close(struct xkd_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->child)
		xkd_link_reap(l);
}

enum xkd_rc xkd_link_send(struct xkd_link *l, const void *p, size_t n, unsigned timeout_ms,
			  struct xkd_err *err)
{
	uint64_t deadline = xkd_now_ms() + timeout_ms;
	const char *s = p;

	while (n) {
		ssize_t sent = l->no_socket ? write(l->fd, s, n) :
					      send(l->fd, s, n, MSG_NOSIGNAL);
		enum xkd_rc rc;

		if (sent > 0) {
			s += sent;
			n -= (size_t)sent;
			deadline = xkd_now_ms() + timeout_ms;
			continue;
		}
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			return errno == EPIPE || errno == ECONNRESET
				       ? xkd_err_set(err, XKD_TRANSPORT,
						     "%s closed the connection", l->peer)
				       : xkd_err_set(err, XKD_TRANSPORT, "sending to %s: %s",
						     l->peer, strerror(errno));
		rc = wait_fd(l, l->fd, POLLOUT, deadline, err);
		if (rc == XKD_TIMEOUT)
			return xkd_err_set(err, rc, "%s takes no more bytes", l->peer);
		if (rc != XKD_OK)
			return rc;
	}
	return XKD_OK;
}

enum xkd_rc xkd_link_recv(struct xkd_link *l, void *p, size_t n, unsigned wait_ms, size_t *got,
			  struct xkd_err *err)
{
	uint64_t deadline = 0;

	*got = 0;
	for (;;) {
		ssize_t r = l->no_socket ? read(l->fd, p, n) : recv(l->fd, p, n, 0);
		enum xkd_rc rc;

		if (r >= 0) {
			*got = (size_t)r;
			return XKD_OK;
		}
		if (errno == EINTR)
			continue;
		/* A reset is how some stubs go away, an I/O error how a terminal does. */
		if (errno == ECONNRESET || (l->no_socket && errno == EIO))
			return XKD_OK;
		if (errno != EAGAIN)
			return xkd_err_set(err, XKD_TRANSPORT, "receiving from %s: %s", l->peer,
					   strerror(errno));
		if (!wait_ms)
			return XKD_TIMEOUT;
		if (!deadline)
			deadline = xkd_now_ms() + wait_ms;
		rc = wait_fd(l, l->fd, POLLIN, deadline, err);
		if (rc != XKD_OK)
			return rc;
	}
}
