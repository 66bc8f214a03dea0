/* Completion: names of commands where a command begins, symbols and modules elsewhere. Loads no
 * module's symbols by itself: only "mod!" asks for that module's. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/line.h"
#include "engine/core/names.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct collect {
	struct xkd_complete *c;
	const char *pre; /* what a candidate must begin with */
	size_t len;
	bool with_mod; /* candidates are "mod!name" */
	bool kernel_only;
};

static void add(struct collect *col, const char *s, size_t n)
{
	struct xkd_complete *c = col->c;

	for (size_t i = 0; i < c->n; i++)
		if (strlen(c->v[i]) == n && !memcmp(c->v[i], s, n))
			return;
	if (c->n == XKD_COMPLETE_MAX) {
		c->more = true;
		return;
	}
	if (!c->v)
		c->v = xkd_calloc(XKD_COMPLETE_MAX, sizeof(*c->v));
	c->v[c->n] = xkd_malloc(n + 1);
	memcpy(c->v[c->n], s, n);
	c->v[c->n++][n] = 0;
}

static bool add_command(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len)
{
	struct collect *col = arg;

	(void)cmd;
	if (len >= col->len && !memcmp(name, col->pre, col->len))
		add(col, name, len);
	return true;
}

static bool add_symbol(void *arg, const struct xkd_symref *sym)
{
	struct collect *col = arg;
	char name[256];
	int n;

	n = col->with_mod ? snprintf(name, sizeof(name), "%s!%s", sym->mod->name, sym->name)
			  : snprintf(name, sizeof(name), "%s", sym->name);
	if (n > 0 && (size_t)n < sizeof(name) && !strncmp(name, col->pre, col->len))
		add(col, name, (size_t)n);
	return !col->c->more;
}

static void add_symbols(struct xkd_session *s, struct collect *col)
{
	const char *bang = memchr(col->pre, '!', col->len);
	char pattern[256];

	if (!s->t || s->t->running || s->t->lost || col->len < 2 || col->len > 200)
		return;
	for (size_t i = 0; !bang && i < s->t->mods.n; i++) {
		const char *mod = s->t->mods.p[i]->name;
		char full[72];

		snprintf(full, sizeof(full), "%s!", mod);
		if (!strncmp(full, col->pre, col->len))
			add(col, full, strlen(full));
	}
	if (!bang && !xkd_target_kernel(s->t))
		return;
	snprintf(pattern, sizeof(pattern), "%s%.*s*", bang ? "" : "lk!", (int)col->len, col->pre);
	col->with_mod = bang != NULL;
	xkd_sym_glob(s->t, pattern, add_symbol, col);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The start of the command that the cursor is in. */
static size_t command_start(const char *text)
{
	const char *cursor = text;
	unsigned lineno = 0;
	struct xkd_piece piece;
	size_t at = 0;

	while (xkd_line_next(&cursor, &lineno, &piece))
		at = (size_t)(piece.p - text);
	/* behind a ';' a new one begins */
	return *text && at + strcspn(text + at, ";") < strlen(text) ? strlen(text) : at;
}

void xkd_session_complete(struct xkd_session *s, const char *line, size_t cursor,
			  struct xkd_complete *c)
{
	struct collect col = { .c = c };
	size_t start = cursor, cmd;
	char *text;

	*c = (struct xkd_complete){ .start = cursor };
	if (cursor > strlen(line))
		return;
	text = xkd_malloc(cursor + 1);
	memcpy(text, line, cursor);
	text[cursor] = 0;
	cmd = command_start(text);
	while (start > 0 && text[start - 1] != ' ' && text[start - 1] != '\t' &&
	       text[start - 1] != ';')
		start--;
	if (start <= cmd || xkd_has_prefix(text + cmd, ".help ")) {
		col.pre = text + start;
		col.len = cursor - start;
		xkd_cmd_each(add_command, &col);
	} else {
		/* a symbol may stand inside an expression */
		for (start = cursor; start > cmd && (isalnum((unsigned char)text[start - 1]) ||
						     strchr("_!.", text[start - 1]));
		     start--)
			;
		col.pre = text + start;
		col.len = cursor - start;
		if (!isdigit((unsigned char)*col.pre))
			add_symbols(s, &col);
	}
	c->start = start;
	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_name);
	free(text);
}

void xkd_complete_fini(struct xkd_complete *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i]);
	free(c->v);
	*c = (struct xkd_complete){ 0 };
}
