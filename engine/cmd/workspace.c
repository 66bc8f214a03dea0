/* .workspace: a text file a kernel, ${XDG_STATE_HOME}/xkd/workspace/BUILD-ID, of the commands that make
 * what was there: breakpoints that have names (an address means nothing in another boot) and the symbol
 * path. A person's session keeps it by itself at its end and is offered it at the next attach; a script's
 * does neither. Each kind of thing is a row of the table below, with what it says. */
#include "engine/cmd/workspace.h"
#include "base/state.h"
#include "base/str.h"
#include "engine/cmd/script.h"
#include "engine/run/trace.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL: no kernel is known by its build-id. */
static char *path_of(const struct xkd_session *s)
{
	const struct xkd_module *k = s->t ? xkd_target_kernel(s->t) : NULL;
	char name[XKD_BUILDID_HEX + 16] = "workspace/";

	if (!k || !k->id.n || !s->t->cpus.n)
		return NULL;
	xkd_buildid_hex(&k->id, name + strlen(name));
	return xkd_state_path(name);
}

/* --- what is kept --- */

/* A string as a command's argument: xkd_arg_string takes \" and \\ back. */
static void put_quoted(struct xkd_buf *b, const char *s)
{
	xkd_buf_ch(b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			xkd_buf_ch(b, '\\');
		xkd_buf_ch(b, *s);
	}
	xkd_buf_ch(b, '"');
}

/* What a line cannot hold, or what means another thing in another boot. */
static bool kept(const struct xkd_bkpt *b)
{
	return !b->event && (b->named || b->pattern || strpbrk(b->spec, "!_")) && !b->only_task &&
	       !strpbrk(b->spec, "\n@") &&
	       !(b->cmds && strchr(b->cmds, '\n')) && !(b->cond && strchr(b->cond, '\n'));
}

static void put_bkpt(struct xkd_buf *out, const struct xkd_bkpt *b)
{
	static const char *const kinds[] = { [XKD_BP_SW] = "", [XKD_BP_HW] = "e", [XKD_BP_WRITE] = "w",
					     [XKD_BP_READ] = "r", [XKD_BP_ACCESS] = "r" };

	xkd_buf_printf(out, "%s%u", b->trace ? "tp" : b->kind != XKD_BP_SW ? "ba" : b->pattern ? "bm" : "bp",
		       b->id);
	if (b->once)
		xkd_buf_str(out, " /1");
	if (b->only_cpu >= 0)
		xkd_buf_printf(out, " /cpu 0n%d", b->only_cpu);
	if (b->max_depth)
		xkd_buf_printf(out, " /c 0n%u", b->max_depth);
	if (b->change)
		xkd_buf_str(out, " /change");
	if (b->cond) {
		xkd_buf_str(out, " /w ");
		put_quoted(out, b->cond);
	}
	if (b->kind != XKD_BP_SW && !b->trace)
		xkd_buf_printf(out, " %s%u", kinds[b->kind], b->size);
	xkd_buf_printf(out, " %s", b->spec);
	if (b->passes)
		xkd_buf_printf(out, " 0n%u", b->passes);
	if (b->cmds) {
		xkd_buf_ch(out, ' ');
		put_quoted(out, b->cmds);
	}
	if (b->trace && xkd_trace_count(b->trace)) {
		xkd_buf_ch(out, ' ');
		put_quoted(out, xkd_trace_text(b->trace));
	}
	xkd_buf_ch(out, '\n');
	if (!b->enabled)
		xkd_buf_printf(out, "bd %u\n", b->id);
}

static size_t put_points(const struct xkd_session *s, bool traces, struct xkd_buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->bkpts.list.n; i++) {
		const struct xkd_bkpt *b = s->bkpts.list.p[i];

		if (kept(b) && (b->trace != NULL) == traces) {
			put_bkpt(out, b);
			n++;
		}
	}
	return n;
}

static size_t put_bkpts(const struct xkd_session *s, struct xkd_buf *out)
{
	return put_points(s, false, out);
}

static size_t put_traces(const struct xkd_session *s, struct xkd_buf *out)
{
	return put_points(s, true, out);
}

static size_t put_sympath(const struct xkd_session *s, struct xkd_buf *out)
{
	for (size_t i = 0; i < s->t->sympath.n; i++)
		if (!strchr(s->t->sympath.dirs[i], '\n'))
			xkd_buf_printf(out, ".sympath+ %s\n", s->t->sympath.dirs[i]);
	return s->t->sympath.n;
}

/* Whatever else is to be kept gets a row here. put appends lines that are commands and
 * returns how many things they are; begins: how such a line begins, up to a digit or blank. */
static const struct {
	const char *one, *many;
	const char *begins;
	size_t (*put)(const struct xkd_session *s, struct xkd_buf *out);
} kinds[] = {
	{ "symbol folder", "symbol folders", " .sympath+ ", put_sympath },
	{ "trace point", "trace points", " tp ", put_traces },
	{ "breakpoint", "breakpoints", " bp bm ba ", put_bkpts },
};

static const char head[] = "* xkd workspace: what was set up for this kernel; .workspace restores it\n";

static enum xkd_rc save(struct xkd_session *s, size_t *things, struct xkd_err *err)
{
	char *path = path_of(s);
	struct xkd_buf text = XKD_BUF_INIT, part = XKD_BUF_INIT;
	enum xkd_rc rc = XKD_OK;
	FILE *f;

	*things = 0;
	if (!path)
		return xkd_err_set(err, XKD_UNSUPPORTED, "a workspace belongs to a kernel, and none is known here");
	xkd_buf_str(&text, head);
	for (size_t i = 0; i < XKD_COUNT(kinds); i++)
		*things += kinds[i].put(s, &text);
	xkd_buf_printf(&part, "%s.new", path);
	f = fopen(part.s, "we");
	if (f)
		fchmod(fileno(f), 0600);
	if (!f || fwrite(text.s, 1, text.len, f) != text.len || fflush(f) || rename(part.s, path))
		rc = xkd_err_set(err, XKD_IO, "cannot write %s: %s", path, strerror(errno));
	if (f)
		fclose(f);
	xkd_buf_fini(&part);
	xkd_buf_fini(&text);
	free(path);
	return rc;
}

/* --- what was kept --- */

static enum xkd_rc load(struct xkd_session *s, char **text, time_t *when, struct xkd_err *err)
{
	char *path = path_of(s);
	struct stat st;
	enum xkd_rc rc = XKD_OK;

	if (!path)
		return xkd_err_set(err, XKD_UNSUPPORTED, "a workspace belongs to a kernel, and none is known here");
	if (stat(path, &st))
		rc = xkd_err_set(err, XKD_NOTFOUND, "nothing is kept of this kernel; .workspace save keeps what there is");
	else
		rc = xkd_script_read(s, path, text, err);
	*when = rc ? 0 : st.st_mtime;
	free(path);
	return rc;
}

/* The word a line begins with: "bp3 ..." is " bp ". Index into kinds, or their number. */
static size_t kind_of(const char *line, size_t len)
{
	char word[24];
	size_t n = 0, i = 0;

	while (n < len && n < sizeof(word) - 3 && !strchr(" \t0123456789", line[n]))
		n++;
	snprintf(word, sizeof(word), " %.*s ", (int)n, line);
	while (i < XKD_COUNT(kinds) && !strstr(kinds[i].begins, word))
		i++;
	return n ? i : XKD_COUNT(kinds);
}

static size_t line_len(const char *p)
{
	return strcspn(p, "\n");
}

/* "3 breakpoints, 1 symbol folder" */
static void count(const char *text, struct xkd_buf *out)
{
	size_t n[XKD_COUNT(kinds) + 1] = { 0 };

	for (const char *p = text; *p; p += line_len(p) + (p[line_len(p)] == '\n'))
		n[kind_of(p, line_len(p))]++;
	for (size_t i = XKD_COUNT(kinds); i-- > 0;)
		if (n[i])
			xkd_buf_printf(out, "%s%zu %s", out->len ? ", " : "", n[i],
				       n[i] == 1 ? kinds[i].one : kinds[i].many);
}

static void said_when(time_t when, char *buf, size_t max)
{
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(buf, max, "%Y-%m-%d %H:%M", &tm))
		buf[0] = 0;
}

void xkd_workspace_offer(struct xkd_session *s)
{
	struct xkd_buf what = XKD_BUF_INIT;
	struct xkd_err ignored;
	char *text, date[32];
	time_t when;

	if (s->batch || s->bkpts.list.n || load(s, &text, &when, &ignored))
		return;
	count(text, &what);
	if (strstr(what.s, "point")) { /* folders alone are no news */
		said_when(when, date, sizeof(date));
		xkd_out_st(&s->out, XKD_ST_DIM, "%s of an earlier session (%s): .workspace restores them",
			   what.s, date);
		xkd_out_end(&s->out);
	}
	xkd_buf_fini(&what);
}

static enum xkd_rc drop(struct xkd_session *s, struct xkd_err *err)
{
	char *path = path_of(s);
	enum xkd_rc rc = XKD_OK;

	if (!path || (unlink(path) && errno == ENOENT))
		rc = xkd_err_set(err, XKD_NOTFOUND, "nothing is kept of this kernel");
	free(path);
	s->bkpts.ever = false; /* nor is it at the end */
	return rc;
}

void xkd_workspace_keep(struct xkd_session *s)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf any = XKD_BUF_INIT;
	size_t n;

	if (s->batch || !s->t || !s->bkpts.ever)
		return;
	if (!put_bkpts(s, &any) && !put_traces(s, &any)) {
		(void)!drop(s, &err);
	} else if (save(s, &n, &err) && err.code == XKD_IO) {
		xkd_out_st(&s->out, XKD_ST_DIM, "note: %s", err.msg);
		xkd_out_end(&s->out);
	}
	xkd_buf_fini(&any);
}

/* --- the command --- */

/* Is the same breakpoint there? Its line is compared from behind the number. */
static bool there(const struct xkd_session *s, const char *line, size_t len)
{
	struct xkd_buf now = XKD_BUF_INIT;
	bool same = false;

	for (size_t i = 0; i < s->bkpts.list.n && !same; i++) {
		size_t a, b;

		xkd_buf_reset(&now);
		if (s->bkpts.list.p[i]->event)
			continue;
		put_bkpt(&now, s->bkpts.list.p[i]);
		a = strcspn(line, " ");
		b = strcspn(now.s, " ");
		same = len - a == line_len(now.s) - b && !memcmp(line + a, now.s + b, len - a) &&
		       !memcmp(line, now.s, 2);
	}
	xkd_buf_fini(&now);
	return same;
}

static bool has_folder(const struct xkd_session *s, const char *dir)
{
	for (size_t i = 0; i < s->t->sympath.n; i++)
		if (!strcmp(s->t->sympath.dirs[i], dir))
			return true;
	return false;
}

/* One breakpoint's line; a number that is taken meanwhile gives way to the lowest free one. off: it was
 * disabled. */
static void restore_bkpt(struct xkd_session *s, char *line, bool off)
{
	size_t digits = strspn(line + 2, "0123456789");
	unsigned id = (unsigned)strtoul(line + 2, NULL, 10);
	struct xkd_err ignored;

	if (!digits || xkd_bkpt_find(&s->bkpts, id)) {
		for (id = 0; xkd_bkpt_find(&s->bkpts, id); id++)
			;
		memmove(line + digits, line, 2);
		line += digits;
	}
	(void)xkd_session_run(s, line, NULL); /* told there */
	if (off && xkd_bkpt_find(&s->bkpts, id))
		(void)!xkd_bkpt_enable(xkd_session_runner(s), id, false, &ignored);
}

static char *next_line(char *p)
{
	size_t len = line_len(p);
	char *next = p + len + (p[len] == '\n');

	p[len] = 0;
	return next;
}

static enum xkd_rc restore(struct xkd_session *s, struct xkd_err *err)
{
	char *text, *next;
	time_t when;
	size_t had = s->bkpts.list.n, alien = 0;
	enum xkd_rc rc = load(s, &text, &when, err);

	if (rc)
		return rc;
	for (char *p = text; *p && !xkd_cancel_check(&s->cancel, NULL); p = next) {
		bool off;

		next = next_line(p);
		if (*p == '*' || !*p)
			continue;
		if (kind_of(p, strlen(p)) && kind_of(p, strlen(p)) < XKD_COUNT(kinds)) { /* no folder */
			off = xkd_has_prefix(next, "bd ");
			if (off)
				next = next_line(next);
			if (!there(s, p, strlen(p)))
				restore_bkpt(s, p, off);
		} else if (kind_of(p, strlen(p)) == XKD_COUNT(kinds)) {
			alien++;
		} else if (!xkd_has_prefix(p, ".sympath+ ") || !has_folder(s, p + 10)) {
			(void)xkd_session_run(s, p, NULL);
		}
	}
	xkd_out(&s->out, "%zu breakpoint%s restored", s->bkpts.list.n - had, s->bkpts.list.n - had == 1 ? "" : "s");
	xkd_out_end(&s->out);
	return alien ? xkd_err_set(err, XKD_BADDATA, "%zu lines of the workspace set nothing up and were passed over",
				   alien) : XKD_OK;
}

static enum xkd_rc show(struct xkd_session *s, struct xkd_err *err)
{
	char *text, date[32];
	time_t when;
	enum xkd_rc rc = load(s, &text, &when, err);

	if (rc)
		return rc;
	said_when(when, date, sizeof(date));
	xkd_out_st(&s->out, XKD_ST_HEAD, "Kept %s", date);
	xkd_out_end(&s->out);
	for (const char *p = text; *p; p += line_len(p) + (p[line_len(p)] == '\n'))
		if (*p != '*' && *p != '\n') {
			xkd_out_foreign(&s->out, XKD_ST_PLAIN, p, line_len(p));
			xkd_out_end(&s->out);
		}
	return XKD_OK;
}

enum xkd_rc xkd_cmd_workspace(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	char word[16] = "restore";
	bool given = xkd_arg_word(a, word, sizeof(word));
	enum xkd_rc rc = xkd_arg_done(a, err);
	size_t n;

	if (rc)
		return rc;
	if (!strcmp(word, "restore") || !given)
		return restore(s, err);
	if (!strcmp(word, "show"))
		return show(s, err);
	if (!strcmp(word, "drop"))
		return drop(s, err);
	if (strcmp(word, "save"))
		return xkd_err_syntax(err, (int)(a->p - a->line), "there are restore, save, show and drop");
	rc = save(s, &n, err);
	if (!rc)
		xkd_out(&s->out, "Kept for this kernel: %zu things (.workspace show)\n", n);
	return rc;
}
