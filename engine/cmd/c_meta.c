/* The session's own commands: leaving, help, scripts, the log, echo, time. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/help.h"
#include "engine/cmd/logfile.h"
#include "engine/cmd/script.h"
#include <ctype.h>
#include <poll.h>
#include <string.h>

static enum xkd_rc cmd_q(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (!rc)
		s->quit = true;
	return rc;
}

static enum xkd_rc cmd_detach(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	rc = xkd_session_detach(s, err);
	if (!rc)
		xkd_out(&s->out, "Detached%s\n",
			s->leave_halted ? "; the target stays stopped" : "");
	return rc;
}

/* The text behind .echo; quotes around all of it are taken off, as kd does. */
static enum xkd_rc cmd_echo(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *text = xkd_arg_rest(s, a);
	size_t n = strlen(text);

	(void)err;
	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text++;
		n -= 2;
	}
	xkd_out_foreign(&s->out, XKD_ST_PLAIN, text, n);
	xkd_out_end(&s->out);
	return XKD_OK;
}

static enum xkd_rc cmd_cls(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (!rc && s->clear) {
		xkd_out_flush(&s->out);
		s->clear(s->clear_arg);
	}
	return rc;
}

static enum xkd_rc cmd_lines(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	char sw[8] = "t";
	bool given = xkd_arg_switch(a, '-', sw, sizeof(sw));
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	if (given && strcmp(sw, "e") && strcmp(sw, "d") && strcmp(sw, "t"))
		return xkd_err_syntax(err, (int)(a->p - a->line) - 2,
				      "there are -e (on), -d (off), -t "
				      "(the other way)");
	s->no_lines = sw[0] == 'd' || (sw[0] == 't' && !s->no_lines);
	xkd_out(&s->out, "Line number information will %sbe shown\n", s->no_lines ? "not " : "");
	return XKD_OK;
}

static enum xkd_rc cmd_logopen(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	bool append = !strcmp(a->name, ".logappend");
	const char *path;
	enum xkd_rc rc;

	path = *xkd_skip_space(a->p) == '"' ? xkd_arg_string(s, a) : xkd_arg_rest(s, a);
	if (!path || !*path)
		path = "xkd.log";
	rc = xkd_session_logopen(s, path, append, err);
	if (!rc)
		xkd_out(&s->out, "Opened log file '%s'\n", path);
	return rc;
}

static enum xkd_rc cmd_logclose(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (!rc && !s->logfile)
		return xkd_err_set(err, XKD_NOTFOUND, "no log file is open");
	if (!rc) {
		xkd_out(&s->out, "Closing open log file %s\n", xkd_logfile_path(s->logfile));
		xkd_session_logclose(s);
	}
	return rc;
}

static enum xkd_rc cmd_sleep(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	uint64_t ms, start = xkd_now_ms();
	enum xkd_rc rc = xkd_arg_expr(s, a, &ms, err);

	if (!rc)
		rc = xkd_arg_done(a, err);
	while (!rc && xkd_now_ms() - start < ms) {
		uint64_t left = ms - (xkd_now_ms() - start);
		struct pollfd fd = { .fd = s->cancel.wake_fd, .events = POLLIN };

		poll(&fd, 1, left < 50 ? (int)left : 50);
		rc = xkd_cancel_check(&s->cancel, err);
	}
	return rc;
}

static void print_reply(struct xkd_session *s, const struct xkd_buf *reply)
{
	const char *p = reply->s, *end = reply->s + reply->len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);

		xkd_out_foreign(&s->out, XKD_ST_PLAIN, p, n && p[n - 1] == '\r' ? n - 1 : n);
		xkd_out_end(&s->out);
		p += n + 1;
	}
}

static enum xkd_rc cmd_monitor(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *text = xkd_arg_rest(s, a);
	struct xkd_buf reply = XKD_BUF_INIT;
	enum xkd_rc rc;

	if (!*text)
		return xkd_err_syntax(
			err, (int)(a->p - a->line),
			"a monitor command comes here, as in .monitor info registers");
	if (!(s->t->caps & XKD_CAP_RAW) || !s->t->be->ops->raw)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s takes no monitor commands", s->t->uri);
	rc = s->t->be->ops->raw(s->t->be, text, &reply, err);
	print_reply(s, &reply);
	xkd_buf_fini(&reply);
	if (rc == XKD_TRANSPORT)
		s->t->lost = true;
	else
		xkd_target_dirty(s->t); /* whatever it did */
	return rc;
}

/* Ends the machine, when asked twice in a row. */
static enum xkd_rc cmd_vmkill(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_buf reply = XKD_BUF_INIT;
	struct xkd_err sub = XKD_ERR_INIT;
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	if (!(s->t->caps & XKD_CAP_RAW) || !s->t->be->ops->raw)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot be told to end its machine",
				   s->t->uri);
	if (!s->vmkill_asked) {
		s->vmkill_asked = true;
		xkd_out_st(&s->out, XKD_ST_ERR,
			   "this ends the virtual machine at %s at once, with all that runs in it; "
			   ".vmkill again does it",
			   s->t->uri);
		xkd_out_end(&s->out);
		return XKD_OK;
	}
	rc = s->t->be->ops->raw(s->t->be, "quit", &reply, &sub);
	print_reply(s, &reply);
	xkd_buf_fini(&reply);
	if (rc && rc != XKD_TRANSPORT && rc != XKD_TIMEOUT) {
		if (err)
			*err = sub;
		return rc;
	}
	s->t->lost = true; /* it has gone, or goes */
	xkd_out(&s->out, "The virtual machine was told to end\n");
	return XKD_OK;
}

static enum xkd_rc cmd_chain(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	xkd_out(&s->out, "xkd %s, all of it built in:\n", xkd_version());
	for (size_t f = 0; f < xkd_cmd_nfamilies; f++)
		xkd_out(&s->out, "  %s (%zu)\n", xkd_cmd_families[f]->title,
			xkd_cmd_families[f]->n);
	return XKD_OK;
}

/* $$>< and $>< run the file as one text, $$< and $< too; $$>a< with arguments for ${$argN}. */
static enum xkd_rc cmd_script(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *path, *rest = "";
	char *text;
	enum xkd_rc rc;

	if (*xkd_skip_space(a->p) == '"') {
		path = xkd_arg_string(s, a);
		rest = xkd_arg_rest(s, a);
	} else if (!strcmp(a->name, "$$>a<")) {
		char *word = xkd_arena_alloc(&s->cmd_arena, strlen(a->p) + 1);

		path = xkd_arg_word(a, word, strlen(a->p) + 1) ? word : NULL;
		rest = xkd_arg_rest(s, a);
	} else {
		path = xkd_arg_rest(s, a); /* names may hold blanks */
	}
	if (!path || !*path)
		return xkd_err_syntax(err, (int)(a->p - a->line), "a file name comes here");
	rc = xkd_script_read(s, path, &text, err);
	if (rc)
		return rc;
	if (strstr(text, "${$arg"))
		text = xkd_script_subst(s, text, rest);
	rc = xkd_session_run(s, text, path);
	if (rc) { /* told where it happened */
		xkd_err_clear(err);
		err->code = rc;
	}
	return rc;
}

static enum xkd_rc cmd_help(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *what = xkd_arg_rest(s, a);

	if (*what)
		return xkd_help_about(s, what, err);
	xkd_help_all(s);
	return XKD_OK;
}

static const char more_script[] =
	"The file's commands are run as if typed; braces may span lines, '*' begins a comment "
	"line.\n"
	"$$>a< FILE ARGS...  puts ARGS for ${$arg1}, ${$arg2} ... in the file. Scripts may nest.";
static const char more_q[] = "Breakpoints are taken out and the target is left as it was found: "
			     "running, or stopped with\n"
			     "--leave-halted or when it was stopped before.";

static const struct xkd_cmd rows[] = {
	{ "q qd qq", "", XKD_FX_NONE, "leave; the target goes on", cmd_q, more_q, NULL },
	{ ".detach", "", XKD_FX_TARGET, "leave the target but not xkd", cmd_detach, NULL,
	  "detach" },
	{ ".help", "[command|word]", XKD_FX_NONE, "list commands, explain one", cmd_help, NULL,
	  "apropos man" },
	{ ".echo", "text", XKD_FX_NONE, "show a text", cmd_echo, NULL, "echo" },
	{ "$$>< $$< $$>a< $>< $<", "file", XKD_FX_NONE, "run a script", cmd_script, more_script,
	  "source" },
	{ ".monitor", "command", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE,
	  "a command for the monitor of the machine", cmd_monitor, NULL, "monitor mon" },
	{ ".vmkill", "", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE,
	  "end the virtual machine; asks to be given twice", cmd_vmkill,
	  "As pulling its plug: QEMU is told to quit.", NULL },
	{ ".chain", "", XKD_FX_NONE, "the commands that are built in, by family", cmd_chain, NULL, NULL },
	{ "vertarget", "", XKD_FX_TARGET | XKD_FX_STOPPED, "what the target is", xkd_cmd_vertarget,
	  NULL, "sys version" },
	{ ".time", "", XKD_FX_NONE, "the target's clock and this session's age", xkd_cmd_time, NULL,
	  NULL },
	{ ".sleep", "milliseconds", XKD_FX_LIVE, "wait (0n1000 is a second); Ctrl-C ends it",
	  cmd_sleep, NULL, NULL },
	{ ".lines", "[-e|-d|-t]", XKD_FX_NONE, "source lines on, off, the other way", cmd_lines,
	  NULL, NULL },
	{ ".logopen .logappend", "[file]", XKD_FX_NONE,
	  "write all that is typed and shown to a file", cmd_logopen, NULL, NULL },
	{ ".logclose", "", XKD_FX_NONE, "end the log", cmd_logclose, NULL, NULL },
	{ ".cls", "", XKD_FX_NONE, "clear the screen", cmd_cls, NULL, NULL },
};
const struct xkd_cmd_family xkd_family_meta = { "Session", rows, XKD_COUNT(rows) };
