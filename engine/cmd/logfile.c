/* The log of a session. Rows are written as they come and flushed with each command, so that the
 * file is whole when the machine goes down. A full disk is told once (xkd_logfile_trouble); output
 * to the user goes on. */
#include "engine/cmd/logfile.h"
#include "base/arena.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xkd_logfile {
	struct xkd_sink sink; /* first */
	FILE *f;
	char *path;
	int error; /* errno of the first write that failed */
	bool told;
};

static void log_row(struct xkd_sink *s, const struct xkd_row *row)
{
	struct xkd_logfile *l = (struct xkd_logfile *)s;

	fwrite(row->text, 1, row->len, l->f);
	fputc('\n', l->f);
}

static void log_flush(struct xkd_sink *s)
{
	struct xkd_logfile *l = (struct xkd_logfile *)s;

	errno = 0;
	if ((fflush(l->f) || ferror(l->f)) && !l->error)
		l->error = errno ? errno : EIO;
}

bool xkd_logfile_trouble(struct xkd_logfile *l, struct xkd_err *err)
{
	if (!l || !l->error || l->told)
		return false;
	l->told = true;
	(void)!xkd_err_set(err, XKD_IO, "the log %s is not whole: %s", l->path, strerror(l->error));
	return true;
}

enum xkd_rc xkd_logfile_open(const char *path, bool append, struct xkd_logfile **out,
			     struct xkd_err *err)
{
	FILE *f = fopen(path, append ? "ae" : "we");
	struct xkd_logfile *l;

	if (!f)
		return xkd_err_set(err, XKD_IO, "cannot open %s for writing: %s", path,
				   strerror(errno));
	l = xkd_calloc(1, sizeof(*l));
	l->sink = (struct xkd_sink){ .row = log_row, .flush = log_flush };
	l->f = f;
	l->path = xkd_strdup(path);
	*out = l;
	return XKD_OK;
}

void xkd_logfile_close(struct xkd_logfile *l)
{
	if (!l)
		return;
	fclose(l->f);
	free(l->path);
	free(l);
}

struct xkd_sink *xkd_logfile_sink(struct xkd_logfile *l)
{
	return &l->sink;
}

const char *xkd_logfile_path(const struct xkd_logfile *l)
{
	return l->path;
}

void xkd_logfile_typed(struct xkd_logfile *l, const char *prompt, const char *line)
{
	fprintf(l->f, "%s%s\n", prompt, line);
}
