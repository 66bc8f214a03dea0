/* Children. Ctrl-C goes to the whole foreground group: the child decides for itself what it means,
 * we only take note. */
#include "base/child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_child(const char *command, int in)
{
	static const int reset[] = { SIGPIPE, SIGTERM, SIGHUP, SIGCONT };

	for (size_t i = 0; i < XKD_COUNT(reset); i++)
		signal(reset[i], SIG_DFL);
	if (in >= 0 && dup2(in, STDIN_FILENO) < 0)
		_exit(126);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

enum xkd_rc xkd_child_start(const char *command, bool fed, struct xkd_child *c, struct xkd_err *err)
{
	int fd[2] = { -1, -1 };

	*c = (struct xkd_child){ .fd = -1 };
	if (fed && pipe2(fd, O_CLOEXEC))
		return xkd_err_set(err, XKD_IO, "cannot make a pipe: %s", strerror(errno));
	fflush(stdout);
	c->pid = fork();
	if (!c->pid)
		run_child(command, fd[0]);
	if (fed)
		close(fd[0]);
	if (c->pid < 0) {
		if (fed)
			close(fd[1]);
		c->pid = 0;
		return xkd_err_set(err, XKD_IO, "cannot start a process: %s", strerror(errno));
	}
	c->fd = fd[1];
	return XKD_OK;
}

bool xkd_child_write(struct xkd_child *c, const void *p, size_t n, struct xkd_cancel *cancel)
{
	const char *q = p;

	while (n) {
		ssize_t k = write(c->fd, q, n);

		if (k < 0 && errno == EINTR && !xkd_canceled(cancel))
			continue;
		if (k < 0)
			return false;
		q += k;
		n -= (size_t)k;
	}
	return true;
}

int xkd_child_wait(struct xkd_child *c, struct xkd_cancel *cancel)
{
	int status = 0;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	while (c->pid && waitpid(c->pid, &status, 0) < 0) {
		if (errno != EINTR)
			break;
		if (cancel && cancel->quit)
			kill(c->pid, SIGTERM);
	}
	c->pid = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
