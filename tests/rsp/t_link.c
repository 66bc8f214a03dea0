/* Ways to name a stub, TCP both ways, a serial line, a command, and what is said when nobody is there. */
#include "backends/gdbrsp/link.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct xkd_cancel cancel = { .wake_fd = -1 };

static enum xkd_rc try(const char *where, struct xkd_link *l, struct xkd_err *err)
{
	*err = XKD_ERR_INIT;
	return xkd_link_open(l, where, 300, &cancel, err);
}

static void refused(const char *where, enum xkd_rc want, const char *says)
{
	struct xkd_link l;
	struct xkd_err err;
	enum xkd_rc rc = try(where, &l, &err);

	if (!ok(rc == want && strstr(err.msg, says), "'%s': %s", where, err.msg))
		printf("# %s, want '%s'\n", xkd_rc_name(rc), says);
	xkd_link_close(&l);
}

/* A listener on the loopback of a family; its port, 0: there is none. */
static unsigned listener(int family, int *fd)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr *sa = family == AF_INET6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	socklen_t len = family == AF_INET6 ? sizeof(in6) : sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || bind(*fd, sa, len) || listen(*fd, 1) || getsockname(*fd, sa, &len))
		return 0;
	return ntohs(family == AF_INET6 ? in6.sin6_port : in.sin_port);
}

static void talk(const char *where, int fd)
{
	struct xkd_link l;
	struct xkd_err err;
	char buf[8] = "";
	size_t got = 9;
	int peer;

	if (!ok(try(where, &l, &err) == XKD_OK, "'%s' connects", where)) {
		printf("# %s\n", err.msg);
		return;
	}
	peer = accept(fd, NULL, NULL);
	ok(xkd_link_recv(&l, buf, sizeof(buf), 50, &got, &err) == XKD_TIMEOUT && !got,
	   "nothing within the time");
	ok(xkd_link_send(&l, "ping", 4, 300, &err) == XKD_OK && read(peer, buf, 8) == 4,
	   "bytes out");
	ok(write(peer, "pong!", 5) == 5 &&
		   xkd_link_recv(&l, buf, sizeof(buf), 300, &got, &err) == XKD_OK && got == 5,
	   "bytes in");
	cancel.count = 1;
	ok(xkd_link_recv(&l, buf, sizeof(buf), 3000, &got, &err) == XKD_CANCELED,
	   "a cancel ends a wait");
	cancel.count = 0;
	close(peer);
	ok(xkd_link_recv(&l, buf, sizeof(buf), 300, &got, &err) == XKD_OK && !got,
	   "the other end closes");
	xkd_link_close(&l);
}

/* A byte left in the wake-up pipe by somebody else must not end a wait, nor make it spin. */
static void check_stale_wake(void)
{
	struct xkd_link l = { .fd = -1, .cancel = &cancel };
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t start = xkd_now_ms();
	int sock[2], wake[2];
	size_t got;
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sock) || pipe(wake) ||
	    write(wake[1], "x", 1) != 1)
		return;
	l.fd = sock[0];
	cancel.wake_fd = wake[0];
	ok(xkd_link_recv(&l, &c, 1, 200, &got, &err) == XKD_TIMEOUT && xkd_now_ms() - start >= 190,
	   "a stale wake-up is passed over");
	cancel.wake_fd = -1;
	close(wake[0]);
	close(wake[1]);
	close(sock[1]);
	xkd_link_close(&l);
}

static void check_tcp(int family, const char *host)
{
	char where[64];
	int fd;
	unsigned port = listener(family, &fd);

	snprintf(where, sizeof(where), "%s:%u", host, port);
	if (!port) {
		skip(where, "no such address family here");
		return;
	}
	talk(where, fd);
	close(fd);
	refused(where, XKD_TRANSPORT, "nobody listens on ");
}

/* The other end of a terminal device is a pseudo-terminal's. */
static void check_serial(void)
{
	static const char all[] = "\x03\x04\r\n\x11\x13\x1a\x7f\xff$#00";
	int pt = posix_openpt(O_RDWR | O_NOCTTY);
	struct termios tio;
	struct xkd_link l;
	struct xkd_err err;
	char where[64], buf[32];
	size_t got, n = 0;

	if (pt < 0 || grantpt(pt) || unlockpt(pt) || !ptsname(pt)) {
		skip("a serial line", "no pseudo-terminals here");
		return;
	}
	snprintf(where, sizeof(where), "%s,9600", ptsname(pt));
	if (!ok(try(where, &l, &err) == XKD_OK, "a serial line opens")) {
		printf("# %s\n", err.msg);
		return;
	}
	ok(!tcgetattr(l.fd, &tio) && cfgetospeed(&tio) == B9600 && !(tio.c_lflag & (ICANON | ECHO)),
	   "it is raw, at the speed asked for");
	ok(xkd_link_recv(&l, buf, sizeof(buf), 50, &got, &err) == XKD_TIMEOUT && !got,
	   "nothing there is not its end");
	ok(xkd_link_send(&l, all, sizeof(all), 300, &err) == XKD_OK &&
		   read(pt, buf, sizeof(buf)) == sizeof(all) && !memcmp(buf, all, sizeof(all)),
	   "every byte goes out as it is");
	if (write(pt, all, sizeof(all)) == sizeof(all))
		while (n < sizeof(all) &&
		       !xkd_link_recv(&l, buf + n, sizeof(buf) - n, 300, &got, &err) && got)
			n += got;
	ok(n == sizeof(all) && !memcmp(buf, all, sizeof(all)), "and comes in");
	close(pt);
	ok(xkd_link_recv(&l, buf, sizeof(buf), 300, &got, &err) == XKD_OK && !got,
	   "the other end goes away");
	xkd_link_close(&l);
}

static void check_command(void)
{
	struct xkd_link l;
	struct xkd_err err;
	char buf[8];
	size_t got;
	uint64_t start;

	ok(try("|tr a-y b-z", &l, &err) == XKD_OK && l.child > 0, "a command starts");
	ok(getpgid(l.child) != getpgrp() || waitpid(l.child, NULL, WNOHANG) == 0,
	   "Ctrl-C here is not its end");
	shutdown(l.fd, xkd_link_send(&l, "hal", 3, 300, &err) ? SHUT_RDWR : SHUT_WR);
	ok(xkd_link_recv(&l, buf, sizeof(buf), 5000, &got, &err) == XKD_OK && got == 3 &&
		   !memcmp(buf, "ibm", 3),
	   "it is talked to");
	ok(xkd_link_recv(&l, buf, sizeof(buf), 5000, &got, &err) == XKD_OK && !got, "it ends");
	xkd_link_close(&l);
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "it was waited for");
	ok(try("|trap '' TERM; while :; do sleep 9; done <&- >&-", &l, &err) == XKD_OK,
	   "a command that does not end");
	start = xkd_now_ms();
	xkd_link_close(&l);
	ok(xkd_now_ms() - start < 9000 && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD,
	   "is ended");
}

int main(void)
{
	char where[16];
	int fd;

	check_tcp(AF_INET, "127.0.0.1");
	check_tcp(AF_INET, "tcp:127.0.0.1");
	check_tcp(AF_INET6, "[::1]");
	snprintf(where, sizeof(where), "%u", listener(AF_INET, &fd));
	talk(where, fd);
	close(fd);
	check_stale_wake();
	refused("/nonexistent/gdb", XKD_TRANSPORT, "there is no socket /nonexistent/gdb");
	refused("unix:/nonexistent/gdb", XKD_TRANSPORT, "there is no socket /nonexistent/gdb");
	check_serial();
	check_command();
	refused("/dev/null", XKD_UNSUPPORTED, "/dev/null is no serial line");
	refused("/dev/null,9601", XKD_SYNTAX, "'9601' is no speed of a serial line");
	refused("/dev/null,", XKD_SYNTAX, "'' is no speed of a serial line");
	refused("/dev/nonexistent,9600", XKD_TRANSPORT, "there is no device /dev/nonexistent");
	refused("|", XKD_SYNTAX, "a command comes behind '|'");
	refused("| ", XKD_SYNTAX, "a command comes behind '|'");
	refused("", XKD_SYNTAX, "is not HOST:PORT");
	refused("host", XKD_SYNTAX, "is not HOST:PORT");
	refused("host:0", XKD_SYNTAX, "is not HOST:PORT");
	refused("host:65536", XKD_SYNTAX, "is not HOST:PORT");
	refused("host:12x", XKD_SYNTAX, "is not HOST:PORT");
	refused("::1:1234", XKD_SYNTAX, "is not HOST:PORT");
	refused("unix:", XKD_SYNTAX, "no path for a socket");
	return done_testing();
}
