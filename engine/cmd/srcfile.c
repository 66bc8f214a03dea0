/* Finds and reads source files. Invariants: names come from debug info: of relative ones no part is
 * "..", so that they do not leave the folder they are joined to; only regular files of sane size are
 * read. */
#include "engine/cmd/srcfile.h"
#include "base/str.h"
#include "base/vec.h"
#include "base/worker.h"
#include "symbols/server.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE_MAX (64u << 20)

static void find_lines(struct xkd_source *src)
{
	size_t n = 1;

	for (size_t i = 0; i < src->size; i++)
		n += src->text[i] == '\n';
	src->start = xkd_calloc(n + 1, sizeof(*src->start));
	n = 0;
	if (src->size)
		src->start[n++] = 0;
	for (size_t i = 0; i + 1 < src->size; i++)
		if (src->text[i] == '\n')
			src->start[n++] = i + 1;
	src->start[n] = src->size;
	src->nlines = (unsigned)n;
}

static bool open_path(const char *path, struct xkd_source *src)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool good;

	if (fd < 0)
		return false;
	good = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size <= SOURCE_MAX;
	if (good) {
		src->size = (size_t)st.st_size;
		src->text = xkd_malloc(src->size + 1);
		good = xkd_fd_read(fd, src->text, src->size);
		if (!good)
			free(src->text);
	}
	close(fd);
	if (!good)
		return false;
	src->text[src->size] = 0;
	src->path = strdup(path);
	find_lines(src);
	return true;
}

static bool joined(const char *dir, const char *name, struct xkd_source *src)
{
	struct xkd_buf b = XKD_BUF_INIT;
	bool found;

	xkd_buf_printf(&b, "%s%s%s", dir, *dir && *name ? "/" : "", name);
	found = open_path(b.s, src);
	xkd_buf_fini(&b);
	return found;
}

/* The name behind the last "..": above it nothing is known. */
static const char *below_dots(const char *name)
{
	const char *from = name;

	for (const char *p = name; *p; p += strcspn(p, "/"), p += *p == '/')
		if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
			from = p + 2;
	while (*from == '/')
		from++;
	return from;
}

/* What the map makes of a whole name; the longest FROM wins. */
static bool mapped(const struct xkd_session *s, const char *name, struct xkd_source *src)
{
	const struct xkd_srcmap *best = NULL;
	size_t n = 0;

	for (size_t i = 0; i < s->srcmap.n; i++) {
		const struct xkd_srcmap *m = &s->srcmap.p[i];
		size_t k = strlen(m->from);

		if (k >= n && !strncmp(name, m->from, k) && (!name[k] || name[k] == '/')) {
			best = m;
			n = k;
		}
	}
	return best && joined(best->to, below_dots(name + n), src);
}

static bool on_path(const struct xkd_session *s, const char *name, struct xkd_source *src)
{
	for (size_t i = 0; i < s->srcpath.n; i++)
		for (const char *p = below_dots(name); *p;) {
			if (joined(s->srcpath.dirs[i], p, src))
				return true;
			p += strcspn(p, "/");
			while (*p == '/')
				p++;
		}
	return false;
}

/* Where it was compiled, or the map's idea of that. A name may begin at the tree around the folder
 * that the compiler ran in, so the folders above count too. */
static bool compiled(const struct xkd_session *s, const char *name, const char *comp_dir,
		     struct xkd_source *src)
{
	struct xkd_buf dir = XKD_BUF_INIT, whole = XKD_BUF_INIT;
	bool found = false;

	xkd_buf_str(&dir, *name != '/' && comp_dir && *comp_dir == '/' ? comp_dir : "");
	for (;;) {
		char *slash;

		xkd_buf_reset(&whole);
		xkd_buf_printf(&whole, "%s%s%s", dir.s, dir.len ? "/" : "", name);
		found = mapped(s, whole.s, src) || (*whole.s == '/' && open_path(whole.s, src));
		slash = found ? NULL : strrchr(dir.s, '/');
		if (!slash || !dir.len)
			break;
		dir.len = (size_t)(slash - dir.s);
		*slash = 0;
		if (!dir.len)
			break; /* the root is nobody's tree */
	}
	xkd_buf_fini(&dir);
	xkd_buf_fini(&whole);
	return found;
}

/* A server of the symbol path may have it, by the build-id of the code; why: what else it said. */
static bool served(const struct xkd_session *s, const char *name, const char *comp_dir,
		   struct xkd_source *src, struct xkd_err *why)
{
	const char *base = strrchr(name, '/');
	struct xkd_buf whole = XKD_BUF_INIT;
	struct xkd_server_want want = { .kind = XKD_SERVER_SOURCE, .id = &s->src_id,
					.name = base ? base + 1 : name, .cancel = s->t->cancel };
	bool found = false;
	char *path;

	if (*name != '/' && comp_dir)
		xkd_buf_printf(&whole, "%s/", comp_dir);
	xkd_buf_str(&whole, name);
	want.source = whole.s;
	if (!xkd_server_fetch(&s->t->sympath, xkd_find_servers(s->t->find), &want, s->t->log, &path,
			      why)) {
		found = open_path(path, src);
		if (found) { /* its name in the cache says nothing */
			free(src->path);
			src->path = xkd_buf_steal(&whole);
		}
		free(path);
	}
	xkd_buf_fini(&whole);
	return found;
}

enum xkd_rc xkd_source_open(const struct xkd_session *s, const char *name, const char *comp_dir,
			    struct xkd_source *src, struct xkd_err *err)
{
	struct xkd_err why = XKD_ERR_INIT;

	*src = (struct xkd_source){ .nlines = 0 };
	if (mapped(s, name, src) || on_path(s, name, src) || compiled(s, name, comp_dir, src) ||
	    (s->t && s->src_id.n && served(s, name, comp_dir, src, &why)))
		return XKD_OK;
	if (why.code == XKD_CANCELED) {
		*err = why;
		return XKD_CANCELED;
	}
	return xkd_err_set(err, XKD_NOTFOUND,
			   "%.300s is not there; name the folder of the sources with .srcpath",
			   name);
}

void xkd_source_close(struct xkd_source *src)
{
	free(src->path);
	free(src->text);
	free(src->start);
	*src = (struct xkd_source){ .nlines = 0 };
}

const char *xkd_source_line(const struct xkd_source *src, unsigned no, size_t *len)
{
	const char *p;

	if (!no || no > src->nlines)
		return NULL;
	p = src->text + src->start[no - 1];
	*len = src->start[no] - src->start[no - 1];
	while (*len && (p[*len - 1] == '\n' || p[*len - 1] == '\r'))
		--*len;
	return p;
}
