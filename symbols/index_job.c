/* The builder's process: a worker that reads the debug info, whatever is in there, so that a session
 * with a stopped guest does not die of it. Invariants: the child repaints nothing; the file appears
 * complete under its name or not at all; each note fits one atomic write of the pipe; where no file
 * can be kept the index itself follows the last note (a limit on files does not bind a pipe). */
#include "base/str.h"
#include "symbols/dwarf.h"
#include "symbols/index_int.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CPU_SECONDS 600 /* hostile debug info may ask for any amount of work */
#define STALE_SECONDS 3600

enum note_kind { NOTE_PROGRESS, NOTE_WARN, NOTE_DONE };
struct note {
	uint8_t kind, rc;
	bool in_file;
	uint64_t done, total; /* DONE: bytes that follow */
	char text[400];
};

/* --- the child --- */

struct child {
	struct xkd_image *img;
	const char *path;
	const struct xkd_ixmeta *meta;
	int pipe;
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
	if (fd < 0 || !xkd_fd_write(fd, bytes, n) || fdatasync(fd))
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

static void child_main(void *arg, int fd)
{
	struct child *c = arg;
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

	c->pipe = fd;
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
	else if (c->path)
		done.in_file = put_file(c->path, bytes, n, done.text, sizeof(done.text));
	if (!done.rc && !done.in_file)
		done.total = n;
	tell(c, &done);
	if (done.total)
		(void)!xkd_fd_write(fd, bytes, n);
}

/* --- the parent --- */

enum xkd_rc xkd_ixjob_start(struct xkd_ixjob *j, struct xkd_image *img, const char *path,
			    const struct xkd_ixmeta *meta, struct xkd_err *err)
{
	struct child c = {
		.img = img, .path = path, .meta = meta, .test = getenv("XKD_TEST_INDEX")
	};

	*j = (struct xkd_ixjob){ .log = xkd_image_log(img) };
	if (xkd_worker_start(&j->worker, "xkd-index", CPU_SECONDS, child_main, &c, err))
		return xkd_err_prepend(err, XKD_IO, "starting the index builder");
	return XKD_OK;
}

/* Where the index goes that comes through the pipe. */
static void make_room(struct xkd_ixjob *j, size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		j->rc = XKD_NOMEM;
		snprintf(j->msg, sizeof(j->msg), "cannot keep it in memory: %s", strerror(errno));
		return;
	}
	j->bytes = p;
	j->size = n;
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
		if (!j->rc && !j->in_file && n->total && n->total <= SIZE_MAX / 2)
			make_room(j, (size_t)n->total);
		break;
	}
}

static void ended(struct xkd_ixjob *j)
{
	if (!j->told) {
		j->rc = XKD_BADDATA;
		j->signal = j->worker.signal;
	} else if (j->have < j->size) {
		j->rc = XKD_IO;
		snprintf(j->msg, sizeof(j->msg), "the builder ended before it had handed it over");
	}
}

bool xkd_ixjob_poll(struct xkd_ixjob *j, int ms)
{
	struct note n;
	ssize_t got;

	if (j->worker.fd < 0)
		return true;
	do {
		if (j->bytes && j->have < j->size) {
			got = xkd_worker_read(&j->worker, j->bytes + j->have, j->size - j->have, ms);
			j->have += got > 0 ? (size_t)got : 0;
		} else {
			got = xkd_worker_read(&j->worker, &n, sizeof(n), ms);
			if (got == (ssize_t)sizeof(n))
				heed(j, &n);
		}
		ms = 0;
	} while (got > 0);
	if (!got)
		return false;
	ended(j);
	return true;
}

void xkd_ixjob_leave(struct xkd_ixjob *j, bool end)
{
	xkd_worker_leave(&j->worker, end);
	if (j->bytes)
		munmap(j->bytes, j->size);
	*j = (struct xkd_ixjob){ .worker = XKD_WORKER_NONE };
}
