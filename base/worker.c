/* Workers. Invariants: the child keeps none of our descriptors but the one it tells through (a
 * debugged target's connection must end with us), hears no terminal, leaves by _exit and dumps no
 * core.
 *
 * Between us and the one that works stands a process that waits for it and ends as it did: when a
 * worker is left to go on by itself that one is ended and reaped at once, and whoever adopts the
 * worker reaps it, so that a long session collects no zombies. */
#include "base/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Only the pipe stays, at a number of its own; the rest is /dev/null or closed. */
static int child_descriptors(int fd)
{
	int null = open("/dev/null", O_RDWR);
	long max = sysconf(_SC_OPEN_MAX);

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	fd = fcntl(fd, F_DUPFD, 3);
	for (int i = 3; i < fd; i++)
		close(i);
	if (close_range((unsigned)fd + 1, ~0U, 0))
		for (long i = fd + 1; i < max && i < 65536; i++)
			close((int)i);
	return fd;
}

static void child_signals(const char *name, unsigned cpu_seconds)
{
	static const int off[] = { SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGXFSZ, SIGTSTP, SIGWINCH };
	static const int plain[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGXCPU };
	struct rlimit none = { 0, 0 }, cpu = { cpu_seconds, cpu_seconds };
	sigset_t all;

	for (size_t i = 0; i < XKD_COUNT(off); i++)
		signal(off[i], SIG_IGN);
	for (size_t i = 0; i < XKD_COUNT(plain); i++)
		signal(plain[i], SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_CPU, &cpu);
	prctl(PR_SET_NAME, name);
}

/* The one between: its status is how the worker ended, a signal's number or 0. */
static void watch(pid_t pid)
{
	int st = 0;

	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	_exit(WIFSIGNALED(st) ? WTERMSIG(st) : 0);
}

static void child(int fd, const char *name, unsigned cpu_seconds, void (*work)(void *arg, int fd),
		  void *arg)
{
	pid_t pid;

	setpgid(0, 0);
	fd = child_descriptors(fd);
	child_signals(name, cpu_seconds);
	pid = fork();
	if (pid > 0) {
		close(fd); /* its end is told by the last one that holds it */
		watch(pid);
	}
	if (!pid)
		work(arg, fd);
	_exit(0);
}

enum xkd_rc xkd_worker_start(struct xkd_worker *w, const char *name, unsigned cpu_seconds,
			     void (*work)(void *arg, int fd), void *arg, struct xkd_err *err)
{
	int p[2], e;

	*w = XKD_WORKER_NONE;
	if (pipe2(p, O_CLOEXEC))
		return xkd_err_set(err, XKD_IO, "cannot make a pipe: %s", strerror(errno));
	w->pid = fork();
	e = errno;
	if (!w->pid)
		child(p[1], name, cpu_seconds, work, arg);
	close(p[1]);
	if (w->pid < 0) {
		close(p[0]);
		w->pid = 0;
		return xkd_err_set(err, XKD_IO, "cannot start a process: %s", strerror(e));
	}
	setpgid(w->pid, w->pid); /* whoever of us comes first */
	w->fd = p[0];
	fcntl(w->fd, F_SETFL, O_NONBLOCK);
	return XKD_OK;
}

/* The pipe is at its end: the child is gone, or as good as. */
static void ended(struct xkd_worker *w)
{
	int st = 0;

	while (w->pid && waitpid(w->pid, &st, 0) < 0 && errno == EINTR)
		;
	w->signal = !w->pid ? 0 : WIFSIGNALED(st) ? WTERMSIG(st) : WEXITSTATUS(st);
	w->pid = 0;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

ssize_t xkd_worker_read(struct xkd_worker *w, void *p, size_t n, int ms)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	ssize_t got;

	if (w->fd < 0)
		return -1;
	if (poll(&pfd, 1, ms) <= 0)
		return 0;
	got = read(w->fd, p, n);
	if (got > 0)
		return got;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	ended(w);
	return -1;
}

void xkd_worker_leave(struct xkd_worker *w, bool end)
{
	if (w->pid) {
		kill(end ? -w->pid : w->pid, SIGKILL);
		while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (w->fd >= 0)
		close(w->fd);
	*w = XKD_WORKER_NONE;
}

bool xkd_fd_read(int fd, void *p, size_t n)
{
	uint8_t *at = p;

	while (n) {
		ssize_t got = read(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

bool xkd_fd_write(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		at += put;
		n -= (size_t)put;
	}
	return true;
}
