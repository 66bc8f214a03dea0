/* "command | program": the command's rows go as plain text to a shell's standard input, whose output
 * goes where ours goes. The log file gets what the command said. A program that reads no more (head,
 * less) ends the command early, which is no failure. */
#include "engine/cmd/shell.h"
#include "base/child.h"
#include "base/str.h"
#include "engine/cmd/line.h"
#include "engine/cmd/logfile.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIPE_BUFFER 65536

/* ---- where a pipe begins ---- */

static bool in_words(const char *list, const char *word, size_t n)
{
	for (const char *p = list; *p; p += strcspn(p, " "), p += *p == ' ')
		if (strcspn(p, " ") == n && !strncmp(p, word, n))
			return true;
	return false;
}

/* Is the first word of text a program? */
static bool is_program(const char *text)
{
	size_t n = strcspn(text, " \t|<>;&");
	const char *path = getenv("PATH");
	char file[4096];

	if (!n || n > 255)
		return false;
	if (memchr(text, '/', n)) {
		snprintf(file, sizeof(file), "%.*s", (int)n, text);
		return !access(file, X_OK);
	}
	while (path && *path) {
		size_t k = strcspn(path, ":");

		if (snprintf(file, sizeof(file), "%.*s/%.*s", (int)k, path, (int)n, text) <
			    (int)sizeof(file) &&
		    !access(file, X_OK))
			return true;
		path += k + (path[k] == ':');
	}
	return false;
}

/* Skips a quoted text; a quote that is not closed is a plain character ('a' in db). */
static const char *skip_quoted(const char *p)
{
	const char *end = p + 1;

	while (*end && *end != *p)
		end += *end == '\\' && end[1] && *p == '"' ? 2 : 1;
	return *end ? end : p;
}

const char *xkd_shell_pipe(const char *cmd)
{
	/* texts that belong to the command whole, and those where | may be "or" */
	static const char whole[] =
		".shell as aS al ad .if .elsif .else .while .for .foreach .block .catch j z !! .srcmap";
	static const char expr[] = "? ?? .formats r";
	const char *name = cmd;
	size_t n;
	int depth = 0;

	if (*name == '~') /* ~*k, ~1 r */
		name += 1 + strspn(name + 1, " *.0123456789");
	n = name[0] == '?' ? strspn(name, "?") : strcspn(name, " \t{(\"");
	if (in_words(whole, name, n) || (n && name[0] == '$' && strchr(name, '<')))
		return NULL;
	for (const char *p = cmd; *p; p++) {
		if (*p == '"' || *p == '\'') {
			p = skip_quoted(p);
		} else if (strchr("([{", *p)) {
			depth++;
		} else if (strchr(")]}", *p)) {
			depth--;
		} else if (*p == '|' && p[1] == '|') {
			p++;
		} else if (*p == '|' && depth <= 0 && p > cmd) {
			const char *rest = xkd_skip_space(p + 1);

			if (isalpha((unsigned char)*rest) || strchr("./~_$", *rest ? *rest : ' '))
				return in_words(expr, name, n) && !is_program(rest) ? NULL : p;
		}
	}
	return NULL;
}

/* ---- rows into a pipe ---- */

struct pipe_sink {
	struct xkd_sink sink; /* first */
	struct xkd_child child;
	struct xkd_cancel *cancel;
	struct xkd_buf buf;
	bool gone; /* nobody reads any more */
};

static void pipe_flush(struct xkd_sink *sink)
{
	struct pipe_sink *p = (struct pipe_sink *)sink;

	if (p->gone || !p->buf.len)
		return;
	if (!xkd_child_write(&p->child, p->buf.s, p->buf.len, p->cancel)) {
		p->gone = true;
		p->cancel->count = p->cancel->count + 1; /* ends the command */
	}
	xkd_buf_reset(&p->buf);
}

static void pipe_row(struct xkd_sink *sink, const struct xkd_row *row)
{
	struct pipe_sink *p = (struct pipe_sink *)sink;

	if (p->gone)
		return;
	xkd_buf_add(&p->buf, row->text, row->len);
	xkd_buf_ch(&p->buf, '\n');
	if (p->buf.len >= PIPE_BUFFER)
		pipe_flush(sink);
}

static void told_status(struct xkd_session *s, const char *program, int status)
{
	if (!status || status == 128 + 13) /* SIGPIPE */
		return;
	xkd_out_st(&s->out, XKD_ST_DIM, "(%.*s: exit status %d)",
		   (int)strcspn(program, " \t"), program, status);
	xkd_out_end(&s->out);
}

static enum xkd_rc allowed(const struct xkd_session *s, struct xkd_err *err)
{
	return s->no_shell ? xkd_err_set(err, XKD_UNSUPPORTED, "no shell commands: .noshell was given")
			   : XKD_OK;
}

static enum xkd_rc run_piped(struct xkd_session *s, const char *cmd, const char *program,
			     struct xkd_err *err)
{
	struct pipe_sink p = { .sink = { pipe_row, pipe_flush },
			       .cancel = &s->cancel,
			       .buf = XKD_BUF_INIT };
	struct xkd_sink *saved[XKD_OUT_SINKS], *log = NULL;
	const struct xkd_logfile *logfile = s->logfile;
	int nsaved = s->out.nsinks, status;
	enum xkd_rc rc = allowed(s, err);

	xkd_out_flush(&s->out);
	xkd_shell_live(s);
	if (!rc)
		rc = xkd_child_start(program, true, &p.child, err);
	if (rc)
		return rc;
	memcpy(saved, s->out.sinks, sizeof(saved));
	s->out.nsinks = 0;
	xkd_out_add_sink(&s->out, &p.sink);
	if (s->logfile) {
		log = xkd_logfile_sink(s->logfile);
		xkd_out_add_sink(&s->out, log);
	}
	rc = xkd_cmd_run(s, cmd, err);
	xkd_out_flush(&s->out);
	status = xkd_child_wait(&p.child, &s->cancel);
	memcpy(s->out.sinks, saved, sizeof(saved));
	s->out.nsinks = nsaved;
	if (s->logfile != logfile) { /* the command was one of the log's own */
		if (log)
			xkd_out_del_sink(&s->out, log);
		if (s->logfile)
			xkd_out_add_sink(&s->out, xkd_logfile_sink(s->logfile));
	}
	if (p.gone) {
		s->cancel.count = s->cancel.count > 0 ? s->cancel.count - 1 : 0;
		if (rc == XKD_CANCELED && !s->cancel.count && !s->cancel.quit)
			rc = XKD_OK;
	}
	xkd_buf_fini(&p.buf);
	told_status(s, program, status);
	if (!rc && (status == 126 || status == 127))
		rc = xkd_err_set(err, XKD_NOTFOUND, "the shell could not run '%s'", program);
	return rc;
}

void xkd_shell_live(struct xkd_session *s)
{
	if (!s->paged)
		return;
	s->paged = false;
	xkd_out_flush(&s->out);
	s->page(s->page_arg, false);
}

enum xkd_rc xkd_shell_run(struct xkd_session *s, const char *cmd, struct xkd_err *err)
{
	const char *bar = xkd_shell_pipe(cmd), *program;
	size_t n;
	enum xkd_rc rc;

	if (s->depth == 1 && s->page && !s->no_pager && !s->batch && !s->paged) {
		s->paged = true;
		s->page(s->page_arg, true);
	}
	if (bar) {
		n = (size_t)(bar - cmd);
		while (n && (cmd[n - 1] == ' ' || cmd[n - 1] == '\t'))
			n--;
		program = xkd_skip_space(bar + 1);
		rc = run_piped(s, xkd_arena_strndup(&s->cmd_arena, cmd, n), program, err);
	} else {
		rc = xkd_cmd_run(s, cmd, err);
	}
	if (s->depth == 1)
		xkd_shell_live(s);
	return rc;
}

/* ---- commands ---- */

static enum xkd_rc cmd_shell(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *text;
	struct xkd_child c;
	enum xkd_rc rc = allowed(s, err);

	if (rc)
		return rc;
	if (xkd_has_prefix(xkd_skip_space(a->p), "-ci \"")) { /* kd's form of a pipe */
		a->p = xkd_skip_space(a->p) + 3;
		text = xkd_arg_string(s, a);
		return text ? run_piped(s, text, xkd_arg_rest(s, a), err) :
			      xkd_err_syntax(err, (int)(a->p - a->line),
					     "-ci \"COMMAND\" PROGRAM");
	}
	text = xkd_arg_rest(s, a);
	if (!*text && s->batch)
		return xkd_err_syntax(err, (int)(a->p - a->line), "a shell command comes here");
	xkd_out_flush(&s->out);
	rc = xkd_child_start(*text ? text : "exec \"${SHELL:-sh}\"", false, &c, err);
	if (rc)
		return rc;
	told_status(s, *text ? text : "shell", xkd_child_wait(&c, &s->cancel));
	return XKD_OK;
}

static enum xkd_rc cmd_noshell(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (!rc) {
		s->no_shell = true;
		xkd_out(&s->out, "Shell commands are disabled\n");
	}
	return rc;
}

static enum xkd_rc cmd_pager(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *word = xkd_arg_rest(s, a);

	if (*word && strcmp(word, "on") && strcmp(word, "off"))
		return xkd_err_syntax(err, (int)(a->p - a->line) - (int)strlen(word),
				      ".pager on or .pager off");
	if (*word)
		s->no_pager = !strcmp(word, "off");
	xkd_out(&s->out, "Long output is %s%s\n", s->no_pager ? "not paged" : "paged",
		s->page ? "" : " (no terminal: never)");
	return XKD_OK;
}

static const char more_shell[] =
	"COMMAND | PROGRAM sends the output of any command to a program: k | grep kvm,\n"
	"x kvm!* | less, dt task_struct | wc -l. In ?, ??, .formats and r a '|' is the operator\n"
	"unless a program of that name exists; in brackets it always is. The log file gets what\n"
	"the command said. Scripts and breakpoint commands may do this too, as any shell script\n"
	"may: .noshell before one that is not trusted. .shell alone starts a shell.\n"
	".shell -ci \"COMMAND\" PROGRAM is kd's way of a pipe.\n"
	"Example: .shell ls /usr/lib/debug";

static const struct xkd_cmd rows[] = {
	{ ".shell !!", "[command]", XKD_FX_LIVE, "run a shell command; COMMAND | PROGRAM pipes", cmd_shell,
	  more_shell, "shell" },
	{ ".noshell", "", XKD_FX_NONE, "no .shell and no pipes from here on", cmd_noshell,
	  "For the rest of the session: there is no way back.", NULL },
	{ ".pager", "[on|off]", XKD_FX_NONE, "page output that is longer than the screen", cmd_pager,
	  "By $PAGER, or less -FRX; only on a terminal. Quitting the pager ends the command.\n"
	  "Example: .pager off",
	  NULL },
};
const struct xkd_cmd_family xkd_family_shell = { "Shell and pager", rows, XKD_COUNT(rows) };
