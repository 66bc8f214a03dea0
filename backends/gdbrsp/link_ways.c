/* Ways to a stub that are no sockets of ours: a serial line and a command. Invariants: the descriptor
 * is non-blocking, as link.c expects; a command runs in a process group of its own, so that Ctrl-C in
 * our terminal is not its end, and it is waited for when the link is closed. */
#include "backends/gdbrsp/link.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define BAUD_DEFAULT 115200
#define CHILD_MS 1000 /* a command whose input ended may take this long to end */

/* --- serial lines --- */

static bool speed_of(uint64_t baud, speed_t *speed)
{
	static const struct {
		unsigned baud;
		speed_t speed;
	} speeds[] = {
		{ 1200, B1200 },       { 2400, B2400 },	      { 4800, B4800 },
		{ 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },
		{ 57600, B57600 },     { 115200, B115200 },   { 230400, B230400 },
		{ 460800, B460800 },   { 500000, B500000 },   { 921600, B921600 },
		{ 1000000, B1000000 }, { 1500000, B1500000 }, { 2000000, B2000000 },
		{ 3000000, B3000000 }, { 4000000, B4000000 },
	};

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (speeds[i].baud == baud) {
			*speed = speeds[i].speed;
			return true;
		}
	return false;
}

static enum xkd_rc make_raw(struct xkd_link *l, speed_t speed, struct xkd_err *err)
{
	struct termios tio;

	if (tcgetattr(l->fd, &tio)) {
		if (errno == ENOTTY)
			return xkd_err_set(err, XKD_UNSUPPORTED, "%s is no serial line", l->peer);
		return xkd_err_set(err, XKD_TRANSPORT, "%s: %s", l->peer, strerror(errno));
	}
	cfmakeraw(&tio);
	tio.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS);
	tio.c_cflag |= CLOCAL | CREAD;
	tio.c_cc[VMIN] = 1; /* with 0, "nothing there" would look like the end */
	tio.c_cc[VTIME] = 0;
	if (cfsetispeed(&tio, speed) || cfsetospeed(&tio, speed) ||
	    tcsetattr(l->fd, TCSANOW, &tio))
		return xkd_err_set(err, XKD_TRANSPORT, "setting the speed of %s: %s", l->peer,
				   strerror(errno));
	/* what was said before we listened answers nothing of ours */
	tcflush(l->fd, TCIOFLUSH);
	return XKD_OK;
}

enum xkd_rc xkd_link_serial(struct xkd_link *l, const char *where, struct xkd_err *err)
{
	const char *comma = strrchr(where, ',');
	size_t n = comma ? (size_t)(comma - where) : strlen(where);
	uint64_t baud = BAUD_DEFAULT;
	char path[sizeof(l->peer)];
	speed_t speed;
	enum xkd_rc rc;

	if (!n || n >= sizeof(path))
		return xkd_err_set(err, XKD_SYNTAX, "'%.120s' is not /dev/TTY,BAUD", where);
	memcpy(path, where, n);
	path[n] = 0;
	memcpy(l->peer, path, n + 1);
	if ((comma && !xkd_parse_u64(comma + 1, 10, &baud)) || !speed_of(baud, &speed))
		return xkd_err_set(err, XKD_SYNTAX,
				   "'%.40s' is no speed of a serial line; 9600, 115200 and 921600 are",
				   comma ? comma + 1 : "");
	l->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (l->fd < 0)
		return xkd_err_set(err, XKD_TRANSPORT,
				   errno == ENOENT ? "there is no device %s" :
				   errno == EACCES ? "no permission for %s (is your user in its group, "
						     "often dialout?)" :
						     "cannot open %s",
				   path);
	l->no_socket = true;
	rc = make_raw(l, speed, err);
	if (rc)
		xkd_link_close(l);
	return rc;
}

/* --- commands --- */

/* In the child: nothing but what may be done between fork and exec. */
static void become(int fd, const char *command)
{
	sigset_t none;

	setpgid(0, 0);
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(127);
	/* handlers go with exec; what is ignored or blocked does not */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

enum xkd_rc xkd_link_command(struct xkd_link *l, const char *command, struct xkd_err *err)
{
	int sock[2];

	command = xkd_skip_space(command);
	if (!*command)
		return xkd_err_set(err, XKD_SYNTAX, "a command comes behind '|'");
	snprintf(l->peer, sizeof(l->peer), "|%.100s", command);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return xkd_err_set(err, XKD_TRANSPORT, "no sockets for %s: %s", l->peer,
				   strerror(errno));
	l->child = fork();
	if (l->child < 0) {
		l->child = 0;
		close(sock[0]);
		close(sock[1]);
		return xkd_err_set(err, XKD_TRANSPORT, "cannot start %s: %s", l->peer,
				   strerror(errno));
	}
	if (!l->child)
		become(sock[1], command);
	close(sock[1]);
	l->fd = sock[0];
	/* ours alone: the two ends have flags of their own, and the command wants it blocking */
	if (fcntl(l->fd, F_SETFL, O_NONBLOCK) < 0) {
		xkd_link_close(l);
		return xkd_err_set(err, XKD_TRANSPORT, "%s: %s", l->peer, strerror(errno));
	}
	return XKD_OK;
}

void xkd_link_reap(struct xkd_link *l)
{
	static const int pushes[] = { SIGTERM, SIGKILL };
	pid_t child = l->child;

	l->child = 0;
	for (size_t i = 0;; i++) {
		uint64_t start = xkd_now_ms();

		while (xkd_now_ms() - start < CHILD_MS) {
			pid_t got = waitpid(child, NULL, WNOHANG);

			if (got == child || (got < 0 && errno != EINTR))
				return;
			usleep(5000);
		}
		if (i == sizeof(pushes) / sizeof(pushes[0]))
			return; /* nothing helps: init will have it */
		if (kill(-child, pushes[i]))
			kill(child, pushes[i]);
	}
}
