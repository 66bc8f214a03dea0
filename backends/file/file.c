/* The backend without a machine: "file:PATH[=ADDR][,PATH[=ADDR]...]". It has neither CPUs nor memory;
 * it hands the list on ("files"), and the personality of files makes modules of it. Reads go to the
 * modules' own bytes (engine/core/mem.c).
 * Invariant: every path of the list was a readable regular file at open; nothing is kept open. */
#include "xkd/backend.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_backend {
	struct xkd_backend be;
	char *list;
};

/* The length of a path in the list: without its "=ADDR", which a file's own name may look like. */
static size_t path_len(const char *item, size_t n)
{
	const char *eq = memrchr(item, '=', n);

	return eq && eq > item ? (size_t)(eq - item) : n;
}

static enum xkd_rc check_path(const char *item, size_t n, struct xkd_err *err)
{
	struct stat st;
	char path[4096];
	int fd;

	if (n >= sizeof(path))
		return xkd_err_set(err, XKD_SYNTAX, "a path is longer than %zu bytes",
				   sizeof(path) - 1);
	memcpy(path, item, n);
	path[n] = 0;
	if (stat(path, &st) && path_len(item, n) < n) {
		n = path_len(item, n);
		path[n] = 0;
	}
	/* O_NONBLOCK: a FIFO must not hang us */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return xkd_err_set(err, errno == ENOENT ? XKD_NOTFOUND : XKD_IO, "%.400s: %s", path,
				   strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return xkd_err_set(err, XKD_BADDATA, "%.400s is no regular file", path);
	}
	close(fd);
	return XKD_OK;
}

static enum xkd_rc file_open(const struct xkd_be_open *o, struct xkd_backend **be,
			     struct xkd_err *err)
{
	struct file_backend *f;
	const char *p = o->uri;

	for (;;) {
		size_t n = strcspn(p, ",");
		enum xkd_rc rc = XKD_OK;

		if (n)
			rc = check_path(p, n, err);
		else if (p != o->uri || p[n])
			rc = xkd_err_set(err, XKD_SYNTAX, "a file's name is missing in '%.200s'",
					 o->uri);
		if (rc)
			return rc;
		if (!p[n])
			break;
		p += n + 1;
	}
	f = calloc(1, sizeof(*f));
	if (f)
		f->list = strdup(o->uri);
	if (!f || !f->list) {
		free(f);
		return xkd_err_set(err, XKD_NOMEM, "no memory");
	}
	f->be.ops = &xkd_file_ops;
	*be = &f->be;
	return XKD_OK;
}

static enum xkd_rc file_close(struct xkd_backend *be, bool leave_running, struct xkd_err *err)
{
	struct file_backend *f = (struct file_backend *)be;

	free(f->list);
	free(f);
	return XKD_OK;
}

static unsigned file_caps(struct xkd_backend *be)
{
	return 0;
}

static enum xkd_found file_found(struct xkd_backend *be)
{
	return XKD_FOUND_UNKNOWN;
}

static enum xkd_rc file_cpus(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			     struct xkd_err *err)
{
	*n = 0;
	return XKD_OK;
}

static enum xkd_rc file_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			      struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	for (size_t i = 0; i < n; i++) {
		iov[i].done = 0;
		iov[i].rc = XKD_NOTMAPPED;
	}
	return XKD_OK;
}

static const struct xkd_reglayout *file_reglayout(struct xkd_backend *be)
{
	static const struct xkd_reglayout none;

	return &none;
}

static enum xkd_rc file_regs_get(struct xkd_backend *be, uint64_t cpu_id, unsigned groups,
				 struct xkd_regblob *blob, struct xkd_err *err)
{
	return xkd_err_set(err, XKD_UNSUPPORTED, "files have no registers");
}

static enum xkd_rc file_halt(struct xkd_backend *be, struct xkd_err *err)
{
	return XKD_OK;
}

static int file_fd(struct xkd_backend *be)
{
	return -1;
}

static enum xkd_rc file_next_event(struct xkd_backend *be, struct xkd_event *ev,
				   struct xkd_err *err)
{
	ev->kind = XKD_EV_NONE;
	return XKD_OK;
}

static enum xkd_rc file_hint(struct xkd_backend *be, const char *key, struct xkd_buf *val,
			     struct xkd_err *err)
{
	if (strcmp(key, "files"))
		return xkd_err_set(err, XKD_NOTFOUND, "files say nothing of %s", key);
	xkd_buf_str(val, ((struct file_backend *)be)->list);
	return XKD_OK;
}

const struct xkd_backend_ops xkd_file_ops = {
	.name = "file",
	.syntax = "file:PATH[=ADDR][,PATH[=ADDR]...] (as -z PATH): no machine, files alone",
	.open = file_open,
	.close = file_close,
	.caps = file_caps,
	.found = file_found,
	.cpus = file_cpus,
	.readv = file_readv,
	.reglayout = file_reglayout,
	.regs_get = file_regs_get,
	.halt = file_halt,
	.fd = file_fd,
	.next_event = file_next_event,
	.hint = file_hint,
};
