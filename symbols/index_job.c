/* The builder's process: a fork of ourselves that reads the debug info, whatever is in there, so
 * that a session with a stopped guest does not die of it. Invariants: the child keeps none of our
 * descriptors but the two it writes to (a debugged target's connection must end with us), hears no
 * terminal, repaints nothing and leaves by _exit; the file appears complete under its name or not
 * at all; all it tells fits one atomic write of a pipe. */
#include "base/str.h"
#include "symbols/dwarf.h"
#include "symbols/index_int.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CPU_SECONDS 600 /* hostile debug info may ask for any amount of work */
#define STALE_SECONDS 3600

enum note_kind { NOTE_PROGRESS, NOTE_WARN, NOTE_DONE };
struct note {
	uint8_t kind, rc;
	bool in_file;
	uint64_t done, total;
	char text[400];
};

/* --- the child --- */

struct child {
	struct xkd_image *img;
	const char *path;
	const struct xkd_ixmeta *meta;
	int pipe, mem;
	const char *test; /* XKD_TEST_INDEX: what a test wants to go wrong */
};

static void tell(const struct child *c, const struct note *n)
{
	ssize_t ignored = write(c->pipe, n, sizeof(*n));

	(void)ignored; /* nobody may be left to listen */
}

static void child_progress(void *arg, const char *what XKD_UNUSED, uint64_t done, uint64_t total)
{
	struct note n = { .kind = NOTE_PROGRESS, .done = done, .total = total };

	tell(arg, &n);
}

static void child_log(void *arg, enum xkd_log_chan chan, const char *line)
{
	struct note n = { .kind = NOTE_WARN };

	if (chan != XKD_LOG_WARN)
		return;
	snprintf(n.text, sizeof(n.text), "%.399s", line);
	tell(arg, &n);
}

/* Only the two descriptors stay, at numbers of their own; the rest is /dev/null or closed. */
static void child_descriptors(struct child *c)
{
	int null = open("/dev/null", O_RDWR), top;
	long max = sysconf(_SC_OPEN_MAX);

	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	c->pipe = fcntl(c->pipe, F_DUPFD, 3);
	c->mem = fcntl(c->mem, F_DUPFD, 3);
	top = c->pipe > c->mem ? c->pipe : c->mem;
	for (int fd = 3; fd <= top; fd++)
		if (fd != c->pipe && fd != c->mem)
			close(fd);
	if (close_range((unsigned)top + 1, ~0U, 0))
		for (long fd = top + 1; fd < max && fd < 65536; fd++)
			close((int)fd);
}

static void child_signals(void)
{
	static const int off[] = { SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGXFSZ, SIGTSTP, SIGWINCH };
	static const int plain[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGXCPU };
	struct rlimit none = { 0, 0 }, cpu = { CPU_SECONDS, CPU_SECONDS };
	sigset_t all;

	for (size_t i = 0; i < XKD_COUNT(off); i++)
		signal(off[i], SIG_IGN);
	for (size_t i = 0; i < XKD_COUNT(plain); i++)
		signal(plain[i], SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	setpgid(0, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_CPU, &cpu);
	prctl(PR_SET_NAME, "xkd-index");
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t got = write(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

/* What builders that were killed have left. */
static void sweep(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (xkd_has_prefix(e->d_name, ".new-") &&
		    !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_mtime < time(NULL) - STALE_SECONDS)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

/* The file, complete, under its name; why says why not. */
static bool put_file(const char *path, const uint8_t *bytes, size_t n, char *why, size_t max)
{
	struct xkd_buf tmp = XKD_BUF_INIT;
	int dirlen = (int)(strrchr(path, '/') - path), fd, e = 0;

	xkd_buf_printf(&tmp, "%.*s", dirlen, path);
	sweep(tmp.s);
	xkd_buf_str(&tmp, "/.new-XXXXXX");
	fd = mkstemp(tmp.s);
	if (fd < 0 || !write_all(fd, bytes, n) || fdatasync(fd))
		e = errno;
	if (fd >= 0 && close(fd) && !e)
		e = errno;
	if (!e && rename(tmp.s, path))
		e = errno;
	if (e && fd >= 0)
		unlink(tmp.s);
	if (e)
		snprintf(why, max, "cannot write to %.*s: %s", dirlen, path, strerror(e));
	xkd_buf_fini(&tmp);
	return !e;
}

static void keep(struct child *c, const uint8_t *bytes, size_t n, struct note *done)
{
	if (c->path) {
		done->in_file = put_file(c->path, bytes, n, done->text, sizeof(done->text));
		if (done->in_file)
			return;
	}
	if (!write_all(c->mem, bytes, n)) {
		size_t len = strlen(done->text);

		done->rc = XKD_IO;
		snprintf(done->text + len, sizeof(done->text) - len,
			 "%scannot keep it in memory: %s", len ? "; " : "", strerror(errno));
	}
}

static void child_main(struct child *c)
{
	struct xkd_log log = {
		.on = 1u << XKD_LOG_WARN, .sink = child_log, .arg = c, .progress = child_progress
	};
	struct note done = { .kind = NOTE_DONE };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_log *inherited = xkd_image_log(c->img);
	struct xkd_ixrows rows;
	struct xkd_dwarf *d;
	uint8_t *bytes;
	size_t n;

	child_descriptors(c);
	child_signals();
	if (inherited)
		*inherited = log;
	if (!xkd_image_dwarf(c->img, &d, &err))
		xkd_dwarf_set_cancel(d, NULL); /* its breathe() would repaint */
	if (c->test && !strcmp(c->test, "crash"))
		raise(SIGSEGV);
	if (c->test && !strcmp(c->test, "slow"))
		usleep(2000000);
	done.rc = (uint8_t)xkd_ixrows_build(c->img, &rows, &log, &err);
	if (!done.rc)
		done.rc = (uint8_t)xkd_ixstore_make(&rows, c->meta, &log, &bytes, &n, &err);
	if (done.rc)
		snprintf(done.text, sizeof(done.text), "%.399s", err.msg);
	else
		keep(c, bytes, n, &done);
	tell(c, &done);
	_exit(0);
}

/* --- the parent --- */

enum xkd_rc xkd_ixjob_start(struct xkd_ixjob *j, struct xkd_image *img, const char *path,
			    const struct xkd_ixmeta *meta, struct xkd_err *err)
{
	struct child c = {
		.img = img, .path = path, .meta = meta, .test = getenv("XKD_TEST_INDEX")
	};
	int p[2], e;

	*j = (struct xkd_ixjob){ .pipe = -1, .mem = -1, .log = xkd_image_log(img) };
	if (pipe2(p, O_CLOEXEC))
		return xkd_err_set(err, XKD_IO, "starting the index builder: %m");
	c.pipe = p[1];
	c.mem = memfd_create("xkd-index", MFD_CLOEXEC);
	if (c.mem >= 0)
		j->pid = fork();
	e = errno;
	if (c.mem >= 0 && !j->pid)
		child_main(&c);
	close(p[1]);
	if (c.mem < 0 || j->pid < 0) {
		close(p[0]);
		if (c.mem >= 0)
			close(c.mem);
		j->pid = 0;
		return xkd_err_set(err, XKD_IO, "starting the index builder: %s", strerror(e));
	}
	j->pipe = p[0];
	j->mem = c.mem;
	fcntl(j->pipe, F_SETFL, O_NONBLOCK);
	return XKD_OK;
}

static void heed(struct xkd_ixjob *j, struct note *n)
{
	n->text[sizeof(n->text) - 1] = 0;
	switch (n->kind) {
	case NOTE_PROGRESS:
		j->done = n->done;
		j->total = n->total;
		break;
	case NOTE_WARN:
		xkd_log(j->log, XKD_LOG_WARN, "%s", n->text);
		break;
	case NOTE_DONE:
		j->told = true;
		j->rc = (enum xkd_rc)n->rc;
		j->in_file = n->in_file;
		snprintf(j->msg, sizeof(j->msg), "%s", n->text);
		break;
	}
}

/* The pipe is at its end: the child is gone, or as good as. */
static void ended(struct xkd_ixjob *j)
{
	int st = 0;

	while (waitpid(j->pid, &st, 0) < 0 && errno == EINTR)
		;
	close(j->pipe);
	j->pipe = -1;
	j->pid = 0;
	if (j->told)
		return;
	j->rc = XKD_BADDATA;
	j->signal = WIFSIGNALED(st) ? WTERMSIG(st) : 0;
}

bool xkd_ixjob_poll(struct xkd_ixjob *j, int ms)
{
	struct pollfd pfd = { .fd = j->pipe, .events = POLLIN };
	struct note n;
	ssize_t got;

	if (!j->pid)
		return true;
	if (poll(&pfd, 1, ms) <= 0)
		return false;
	while ((got = read(j->pipe, &n, sizeof(n))) == (ssize_t)sizeof(n))
		heed(j, &n);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	ended(j);
	return true;
}

void xkd_ixjob_leave(struct xkd_ixjob *j, bool end)
{
	if (j->pid && end)
		kill(j->pid, SIGKILL);
	if (j->pid)
		waitpid(j->pid, NULL, end ? 0 : WNOHANG);
	if (j->pipe >= 0)
		close(j->pipe);
	if (j->mem >= 0)
		close(j->mem);
	*j = (struct xkd_ixjob){ .pipe = -1, .mem = -1 };
}
