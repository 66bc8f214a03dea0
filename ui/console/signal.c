/* Signals. A handler's only state is the cancel record of the one session and the writing end of
 * its pipe: the single exception to "no globals", for handlers take no argument. Handlers do
 * nothing but set flags and write one byte. */
#include "ui/console/console.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct {
	struct xkd_cancel *cancel;
	int wake; /* writing end */
	volatile sig_atomic_t continued;
} sig = { .wake = -1 };

static void on_signal(int signo)
{
	int saved = errno;

	if (signo == SIGINT)
		sig.cancel->count = sig.cancel->count + 1;
	else if (signo == SIGCONT)
		sig.continued = 1;
	else
		sig.cancel->quit = signo;
	/* a full pipe wakes just as well */
	if (write(sig.wake, "", 1) < 0)
		errno = saved;
	errno = saved;
}

enum xkd_rc xkd_signals_init(struct xkd_cancel *cancel, struct xkd_err *err)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGCONT };
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigaction old;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return xkd_err_set(err, XKD_IO, "cannot make a pipe: %s", strerror(errno));
	sig.cancel = cancel;
	sig.wake = fd[1];
	cancel->wake_fd = fd[0];
	sigemptyset(&sa.sa_mask); /* no SA_RESTART: waits are to end */
	for (size_t i = 0; i < XKD_COUNT(caught); i++) {
		/* nohup and "&" of a shell set these to be ignored: they stay so */
		if (caught[i] != SIGCONT && !sigaction(caught[i], NULL, &old) &&
		    old.sa_handler == SIG_IGN)
			continue;
		if (sigaction(caught[i], &sa, NULL))
			return xkd_err_set(err, XKD_IO, "cannot catch signals: %s",
					   strerror(errno));
	}
	signal(SIGPIPE, SIG_IGN);
	return XKD_OK;
}

void xkd_signals_drain(const struct xkd_cancel *cancel)
{
	char junk[64];

	while (read(cancel->wake_fd, junk, sizeof(junk)) > 0)
		;
}

bool xkd_signals_continued(void)
{
	bool was = sig.continued;

	sig.continued = 0;
	return was;
}
