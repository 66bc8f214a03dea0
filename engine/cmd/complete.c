/* Completion: names of commands where a command begins; switches, files, registers, symbols and
 * modules elsewhere (types and members: complete_type.c). Loads no
 * module's symbols by itself: only "mod!" asks for that module's. */
#include "engine/cmd/complete.h"
#include "base/str.h"
#include "engine/cmd/line.h"
#include "engine/core/names.h"
#include <ctype.h>
#include <glob.h>
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

void xkd_complete_add(struct xkd_complete *c, const char *s, size_t n)
{
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
		xkd_complete_add(col->c, name, len);
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
		xkd_complete_add(col->c, name, (size_t)n);
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
			xkd_complete_add(col->c, full, strlen(full));
	}
	/* of files without a kernel all are looked into: they were named */
	snprintf(pattern, sizeof(pattern), "%s%.*s*",
		 bang || !xkd_target_kernel(s->t) ? "" : "lk!", (int)col->len, col->pre);
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

/* The switches that a command's usage names: "/x" and "-x" behind a bracket, a blank or a bar. */
static void add_switches(const struct xkd_cmd *cmd, struct collect *col)
{
	for (const char *p = cmd->args; *p; p++)
		if ((*p == '/' || *p == '-') && isalnum((unsigned char)p[1]) &&
		    (p == cmd->args || strchr("[ |", p[-1]))) {
			size_t n = 1;

			while (isalnum((unsigned char)p[n]))
				n++;
			if (n >= col->len && !strncmp(p, col->pre, col->len))
				xkd_complete_add(col->c, p, n);
		}
}

static void add_registers(struct xkd_session *s, struct collect *col)
{
	static const char *const pseudo[] = { "$ip",  "$ra",   "$csp",	   "$retreg", "$ea",
					      "$frame", "$cpu", "$thread", "$proc",   "$tid",
					      "$tpid", "$ptrsize", "$pagesize" };
	const char *p = col->pre + 1;
	char name[32];

	for (size_t i = 0; i < XKD_COUNT(pseudo); i++)
		if (!strncmp(pseudo[i], p, col->len - 1)) {
			snprintf(name, sizeof(name), "@%s", pseudo[i]);
			xkd_complete_add(col->c, name, strlen(name));
		}
	for (int i = 0; s->t && i < s->t->arch->nregs; i++)
		if (!strncmp(s->t->arch->reg_names[i], p, col->len - 1)) {
			snprintf(name, sizeof(name), "@%s", s->t->arch->reg_names[i]);
			xkd_complete_add(col->c, name, strlen(name));
		}
}

static void add_files(struct collect *col)
{
	char path[4096];
	glob_t g;
	size_t n = 0;

	for (size_t i = 0; i < col->len && n + 3 < sizeof(path); i++) {
		if (strchr("*?[\\", col->pre[i]))
			path[n++] = '\\';
		path[n++] = col->pre[i];
	}
	path[n++] = '*';
	path[n] = 0;
	if (!glob(path, GLOB_MARK, NULL, &g)) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			xkd_complete_add(col->c, g.gl_pathv[i], strlen(g.gl_pathv[i]));
		globfree(&g);
	}
	col->c->open = col->c->n == 1 && xkd_has_suffix(col->c->v[0], "/");
}

static bool takes_files(const char *name, size_t len)
{
	static const char *const names[] = { ".logopen", ".logappend", "$$><", "$$<",	 "$$>a<",
					     "$><",	 "$<",	       ".sympath", ".srcpath",
					     ".symbolize", ".srcmap" };

	for (size_t i = 0; i < XKD_COUNT(names); i++)
		if (strlen(names[i]) == len && !strncmp(names[i], name, len))
			return true;
	return false;
}

static struct xkd_name_known known(void *arg, const char *name, size_t len)
{
	const struct xkd_cmd *cmd = xkd_cmd_find(name, len);

	(void)arg;
	return (struct xkd_name_known){ cmd != NULL, cmd && (cmd->effect & XKD_FX_GLUED) };
}

/* Where an argument stands: text is the command up to the cursor, args its part behind the name;
 * returns where the word to be completed begins. */
static size_t complete_arg(struct xkd_session *s, const char *text, size_t name_len,
			   const char *args, struct collect *col)
{
	const struct xkd_cmd *cmd = xkd_cmd_find(text, name_len);
	size_t len = strlen(text), start = len, word;
	bool dt = name_len == 2 && !strncmp(text, "dt", 2);

	while (start > (size_t)(args - text) && !strchr(" \t", text[start - 1]))
		start--;
	word = start;
	*col = (struct collect){ .c = col->c, .pre = text + start, .len = len - start };
	if (col->len && (*col->pre == '/' || *col->pre == '-') && !takes_files(text, name_len)) {
		add_switches(cmd, col);
		return start;
	}
	if (takes_files(text, name_len)) {
		while (start < len && strcspn(text + start, ":;=+") < len - start)
			start += strcspn(text + start, ":;=+") + 1;
		col->pre = text + start;
		col->len = len - start;
		add_files(col);
		return start;
	}
	if (!strncmp(text, ".help", name_len) && name_len == 5) {
		xkd_cmd_each(add_command, col);
		return start;
	}
	/* a symbol, a member or a register may stand inside an expression */
	for (start = len; start > (size_t)(args - text) &&
			  (isalnum((unsigned char)text[start - 1]) ||
			   strchr("_!.@$", text[start - 1]));
	     start--)
		;
	if (start < word)
		start = word;
	col->pre = text + start;
	col->len = len - start;
	if (*col->pre == '@') {
		add_registers(s, col);
		return start;
	}
	if (xkd_complete_member(s, args, text + len, dt, col->c, &start)) {
		start += (size_t)(args - text);
		return start;
	}
	if (dt)
		xkd_complete_type(s, text + word, col->c);
	if (!strncmp(text, "??", 2) || dt)
		xkd_complete_local(s, col->pre, col->c);
	if ((!dt || !col->c->n) && !isdigit((unsigned char)*col->pre))
		add_symbols(s, col);
	return dt && col->c->n && text + start != col->pre ? word : start;
}

void xkd_session_complete(struct xkd_session *s, const char *line, size_t cursor,
			  struct xkd_complete *c)
{
	struct collect col = { .c = c };
	struct xkd_prefix pre;
	struct xkd_err ignored;
	const char *args;
	size_t start, name;
	int glued;
	char *text;

	*c = (struct xkd_complete){ .start = cursor };
	if (cursor > strlen(line))
		return;
	text = xkd_malloc(cursor + 1);
	memcpy(text, line, cursor);
	text[cursor] = 0;
	start = command_start(text);
	start += strspn(text + start, " \t");
	if (!xkd_line_prefix(text + start, &pre, &ignored) && *pre.rest)
		start = (size_t)(pre.rest - text);
	name = xkd_line_name(text + start, known, NULL, &glued, &args);
	if (!text[start + strcspn(text + start, " \t")] &&
	    (!name || (!*args && strcmp(text + start, "??")))) {
		col.pre = text + start;
		col.len = cursor - start;
		xkd_cmd_each(add_command, &col);
	} else if (name) {
		start += complete_arg(s, text + start, name, args, &col);
	} else { /* a word from elsewhere: names are likely */
		while (start < cursor && strpbrk(text + start, " \t"))
			start = (size_t)(strpbrk(text + start, " \t") - text) + 1;
		col.pre = text + start;
		col.len = cursor - start;
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
