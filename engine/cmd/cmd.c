/* Finds the row a command's text means and runs it. What a row needs (a target, a stopped one,
 * leave to write) is checked here, so that no command has to. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/line.h"
#include "engine/cmd/shell.h"
#include "engine/cmd/words.h"
#include <string.h>

void xkd_cmd_each(bool (*fn)(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len),
		  void *arg)
{
	for (size_t f = 0; f < xkd_cmd_nfamilies; f++)
		for (size_t r = 0; r < xkd_cmd_families[f]->n; r++) {
			const struct xkd_cmd *cmd = &xkd_cmd_families[f]->rows[r];

			for (const char *p = cmd->name; *p;) {
				size_t n = strcspn(p, " ");

				if (n && !fn(arg, cmd, p, n))
					return;
				p += n + (p[n] == ' ');
			}
		}
}

struct find {
	const char *name;
	size_t len;
	const struct xkd_cmd *cmd;
};
static bool find_fn(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len)
{
	struct find *f = arg;

	if (len != f->len || memcmp(name, f->name, len))
		return true;
	f->cmd = cmd;
	return false;
}

/* "knf" is k with the letters of kn and kf, each once, in any order. */
static bool letters_fn(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len)
{
	struct find *f = arg;

	if (!(cmd->effect & XKD_FX_LETTERS) || name != cmd->name || f->len <= len ||
	    memcmp(name, f->name, len))
		return true;
	for (size_t i = len; i < f->len; i++) {
		char one[8] = "";

		if (len + 2 >= sizeof(one) || memchr(f->name + len, f->name[i], i - len))
			return true;
		memcpy(one, name, len);
		one[len] = f->name[i];
		if (xkd_cmd_find(one, len + 1) != cmd)
			return true;
	}
	f->cmd = cmd;
	return false;
}

const struct xkd_cmd *xkd_cmd_find(const char *name, size_t len)
{
	struct find f = { name, len, NULL };

	xkd_cmd_each(find_fn, &f);
	if (!f.cmd && len > 2)
		xkd_cmd_each(letters_fn, &f);
	return f.cmd;
}

static struct xkd_name_known known(void *arg, const char *name, size_t len)
{
	const struct xkd_cmd *cmd = xkd_cmd_find(name, len);

	(void)arg;
	return (struct xkd_name_known){ cmd != NULL, cmd && (cmd->effect & XKD_FX_GLUED) };
}

static enum xkd_rc check_effect(const struct xkd_session *s, const struct xkd_cmd *cmd,
				const char *name, struct xkd_err *err)
{
	unsigned need =
		cmd->effect & (XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_RESUME |
			       XKD_FX_MACHINE);

	if (need && s->lost)
		return xkd_err_set(err, XKD_TRANSPORT, "%s: the target is lost; .reconnect attaches to it again", name);
	if (need && !s->t)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s: there is no target", name);
	if ((need & (XKD_FX_MACHINE | XKD_FX_WRITE | XKD_FX_RESUME)) && !s->t->cpus.n)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "%s: needs a machine (-k), and here are files alone", name);
	if ((need & ~(unsigned)XKD_FX_TARGET) && s->t->running)
		return xkd_err_set(err, XKD_RUNNING, "%s: the target runs; halt it first", name);
	if (s->read_only && (need & (XKD_FX_WRITE | XKD_FX_RESUME)))
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "%s: refused, the session is read-only (--read-only)", name);
	return XKD_OK;
}

/* Runs the command at text (a part of line). */
static enum xkd_rc run_named(struct xkd_session *s, const char *line, const char *text,
			     struct xkd_err *err)
{
	const char *rest = NULL, *instead;
	int glued = -1;
	size_t n;
	const struct xkd_cmd *cmd;
	struct xkd_args a;
	enum xkd_rc rc = xkd_words_collide(s, text, err);

	if (rc)
		return rc;
	/* x/8gx is gdb's although x is ours too, and "s" with ~ is not here at all */
	n = xkd_line_name(text, known, NULL, &glued, &rest);
	if (!n || xkd_has_prefix(text, "x/") || xkd_has_prefix(text, "bt ")) {
		struct xkd_err sub = XKD_ERR_INIT;

		instead = xkd_words_translate(s, text, &sub);
		if (instead && *instead && strcmp(instead, text)) {
			rc = xkd_cmd_run(s, instead, err);
			if (err)
				err->pos = -1; /* the place is not in what was typed */
			return rc;
		}
		if (instead) {
			if (err)
				*err = sub;
			return sub.code;
		}
	}
	if (!n) {
		rc = xkd_words_unknown(text, err);
		if (err && err->pos >= 0)
			err->pos += (int)(text - line);
		return rc;
	}
	cmd = xkd_cmd_find(text, n);
	a = (struct xkd_args){ line, rest, xkd_arena_strndup(&s->cmd_arena, text, n), glued };
	rc = check_effect(s, cmd, a.name, err);
	if (!rc && s->task && (cmd->effect & XKD_FX_RESUME)) { /* what runs on is the CPU */
		s->task = 0;
		s->ctx_valid = false;
	}
	s->vmkill_asked &= !strcmp(a.name, ".vmkill");
	if (cmd->effect & (XKD_FX_RESUME | XKD_FX_LIVE))
		xkd_shell_live(s);
	return rc ? rc : cmd->fn(s, &a, err);
}

/* The command with another CPU current; afterwards the old context is back, unless the target went
 * on meanwhile. */
static enum xkd_rc run_on_cpu(struct xkd_session *s, const char *line, const char *text, int index,
			      struct xkd_err *err)
{
	uint32_t stop = s->t->gen.stop;
	unsigned attaches = s->attaches;
	int cpu = s->cpu;
	bool valid = s->ctx_valid;
	unsigned frame = s->frame;
	uint64_t task = s->task;
	struct xkd_ctx *old = XKD_NEWN(&s->cmd_arena, struct xkd_ctx, 2);
	enum xkd_rc rc;

	old[0] = s->base;
	old[1] = s->ctx;
	rc = xkd_session_set_cpu(s, index, err);
	if (!rc)
		rc = run_named(s, line, text, err);
	if (s->t && s->attaches == attaches && s->t->gen.stop == stop && !s->t->running) {
		s->cpu = cpu;
		s->task = task;
		s->frame = frame;
		s->base = old[0];
		s->ctx = old[1];
		/* a write by the command makes the kept registers old: read them again */
		s->ctx_valid = valid && s->base.gen.write == s->t->gen.write;
	}
	return rc;
}

static unsigned cpu_number(const struct xkd_session *s, size_t i)
{
	int os = s->t->cpus.p[i].os_cpu;

	return os >= 0 ? (unsigned)os : (unsigned)i;
}

static enum xkd_rc run_on_all(struct xkd_session *s, const char *line, const char *text,
			      struct xkd_err *err)
{
	enum xkd_rc last = XKD_OK;
	uint32_t stop = s->t->gen.stop;
	unsigned attaches = s->attaches;

	for (size_t i = 0; s->t && i < s->t->cpus.n; i++) {
		enum xkd_rc rc = xkd_cancel_check(&s->cancel, err);

		if (rc)
			return rc;
		if (s->t->cpus.p[i].state == XKD_CPU_OFFLINE)
			continue;
		xkd_out_st(&s->out, XKD_ST_HEAD, "CPU %u", cpu_number(s, i));
		xkd_out_end(&s->out);
		rc = run_on_cpu(s, line, text, (int)i, err);
		if (rc == XKD_SYNTAX || rc == XKD_TRANSPORT || rc == XKD_CANCELED)
			return rc;
		if (rc) { /* one CPU that cannot be read does not hide the others */
			xkd_session_error(s, line, err);
			xkd_err_clear(err);
			last = rc;
		}
		if (s->t && (s->attaches != attaches || s->t->gen.stop != stop))
			break; /* it went on: what was true of the other CPUs is not any more */
	}
	if (last)
		xkd_err_set(err, last, "not every CPU could be shown");
	return last;
}

enum xkd_rc xkd_cmd_run(struct xkd_session *s, const char *text, struct xkd_err *err)
{
	struct xkd_prefix pre;
	enum xkd_rc rc = xkd_line_prefix(text, &pre, err);
	int index;

	if (rc)
		return rc;
	if (*text == '~' && !*pre.rest && pre.kind != XKD_PREFIX_CPU)
		return run_named(s, text, "!cpus", err);
	if (pre.kind == XKD_PREFIX_NONE)
		return run_named(s, text, pre.rest, err);
	if (!s->t || s->lost)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "there is no target whose CPU could be chosen");
	if (s->t->running)
		return xkd_err_set(err, XKD_RUNNING, "the target runs; halt it first");
	if (!s->t->cpus.n)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "there is no CPU: these are files, no machine");
	if (pre.kind == XKD_PREFIX_ALL) {
		if (!strcmp(pre.rest, "s"))
			return xkd_err_syntax(err, (int)(pre.rest - text),
					      "only one CPU can be current");
		return run_on_all(s, text, pre.rest, err);
	}
	rc = xkd_session_cpu_index(s, pre.cpu, &index, err);
	if (rc)
		return rc;
	if (*text == '~' && (!*pre.rest || !strcmp(pre.rest, "s")))
		return xkd_session_set_cpu(s, index, err);
	s->on_cpu = true;
	rc = run_on_cpu(s, text, pre.rest, index, err);
	s->on_cpu = false;
	return rc;
}
