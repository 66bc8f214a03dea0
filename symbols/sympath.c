/* The symbol path: a list of folders, files and servers. Invariants: no entry is empty or stands
 * twice; ':' inside a URL (before "//" or a port number) separates nothing. */
#include "symbols/find.h"
#include "base/buf.h"
#include "base/str.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Whether the ':' at p, in the entry that starts at start, belongs to a URL. */
static bool in_url(const char *start, const char *p)
{
	const char *scheme;

	if (!strncmp(p, "://", 3))
		return true;
	scheme = strstr(start, "://");
	return scheme && scheme < p && isdigit((unsigned char)p[1]);
}

static size_t entry_len(const char *s)
{
	size_t i;

	for (i = 0; s[i]; i++)
		if (s[i] == ';' || (s[i] == ':' && !in_url(s, s + i)))
			break;
	return i;
}

static char *entry_dup(const char *s, size_t n)
{
	const char *home = getenv("HOME");
	struct xkd_buf b;

	xkd_buf_init(&b);
	if (n && s[0] == '~' && (n == 1 || s[1] == '/') && home) {
		xkd_buf_str(&b, home);
		s++;
		n--;
	}
	xkd_buf_add(&b, s, n);
	/* one spelling for a folder: no '/' at the end */
	while (b.len > 1 && b.s[b.len - 1] == '/')
		b.s[--b.len] = 0;
	return xkd_buf_steal(&b);
}

static void add_one(struct xkd_sympath *sp, const char *s, size_t n)
{
	char *e;

	while (n && isspace((unsigned char)*s)) {
		s++;
		n--;
	}
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	if (!n)
		return;
	e = entry_dup(s, n);
	for (size_t i = 0; i < sp->n; i++) {
		if (!strcmp(sp->dirs[i], e)) {
			free(e);
			return;
		}
	}
	sp->dirs = xkd_realloc(sp->dirs, (sp->n + 1) * sizeof(*sp->dirs));
	sp->dirs[sp->n++] = e;
}

void xkd_sympath_add(struct xkd_sympath *sp, const char *list)
{
	while (list && *list) {
		size_t n = entry_len(list);

		add_one(sp, list, n);
		list += n + (list[n] != 0);
	}
}

void xkd_sympath_set(struct xkd_sympath *sp, const char *list)
{
	xkd_sympath_fini(sp);
	xkd_sympath_add(sp, list);
}

void xkd_sympath_fini(struct xkd_sympath *sp)
{
	for (size_t i = 0; i < sp->n; i++)
		free(sp->dirs[i]);
	free(sp->dirs);
	*sp = (struct xkd_sympath){ 0 };
}

void xkd_sympath_show(const struct xkd_sympath *sp, struct xkd_buf *out)
{
	for (size_t i = 0; i < sp->n; i++)
		xkd_buf_printf(out, "%s%s", i ? ":" : "", sp->dirs[i]);
}
