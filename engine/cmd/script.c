/* Runs lines, scripts and command strings: the loop over the commands of a text. Errors are printed
 * where they happen, with the file and line of a script; only what ends the whole run (q, a lost
 * target, Ctrl-C) breaks a text off. Nesting is bounded: a script that includes itself ends with an
 * error, not with the stack. */
#include "engine/cmd/script.h"
#include "base/str.h"
#include "engine/cmd/cmd.h"
#include "engine/cmd/line.h"
#include "engine/cmd/logfile.h"
#include "engine/cmd/resume.h"
#include "engine/cmd/shell.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_MAX (4u << 20)

/* Commands that an empty line repeats: as typed, or by their bare name (which continues). */
static bool repeats(const char *line, char *bare, size_t max)
{
	static const char again[] = " p t pc pt tc tt ph th ";
	static const char on[] = " u d da db dc dd dD df dp dq du dw dps dqs dds ";
	size_t n = strcspn(line, " \t");
	char key[16];

	if (n + 3 > sizeof(key) || strchr(line, ';') || strchr(line, '"'))
		return false;
	snprintf(key, sizeof(key), " %.*s ", (int)n, line);
	if (strstr(again, key)) {
		snprintf(bare, max, "%s", line);
		return true;
	}
	snprintf(bare, max, "%.*s", (int)n, line);
	return strstr(on, key) != NULL;
}

static void echo(struct xkd_session *s, const char *cmd)
{
	struct xkd_buf prompt = XKD_BUF_INIT;

	xkd_session_prompt(s, &prompt);
	xkd_out_st(&s->out, XKD_ST_DIM, "%s", prompt.s);
	xkd_out_st(&s->out, XKD_ST_HEAD, "%s", cmd);
	xkd_out_end(&s->out);
	xkd_buf_fini(&prompt);
}

/* One command of a text. */
static enum xkd_rc run_piece(struct xkd_session *s, const struct xkd_piece *piece)
{
	const char *cmd = xkd_arena_strndup(&s->cmd_arena, piece->p, piece->len);
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc;

	if (s->echo && s->depth == 1)
		echo(s, cmd);
	if (s->t && s->depth == 1)
		xkd_target_note(s->t, "command", cmd);
	rc = xkd_shell_run(s, cmd, &err);

	if (rc && err.msg[0]) { /* a script's commands have told and counted theirs already */
		s->failed++;
		xkd_session_error(s, cmd, &err);
	}
	if (s->t && s->t->lost && !s->lost) {
		s->lost = true;
		xkd_out_st(&s->out, XKD_ST_ERR, "the connection to %s is lost; .reconnect attaches again, q leaves",
			   s->t->uri);
		xkd_out_end(&s->out);
	}
	xkd_out_flush(&s->out);
	if (xkd_logfile_trouble(s->logfile, &err)) {
		s->failed++;
		xkd_log(&s->log, XKD_LOG_WARN, "%s", err.msg);
	}
	return rc;
}

/* A text goes on with a target that was lost only where it says so itself. */
static bool reconnects(const char *cursor)
{
	struct xkd_piece piece;
	unsigned lineno = 0;

	return xkd_line_next(&cursor, &lineno, &piece) && xkd_has_prefix(piece.p, ".reconnect");
}

enum xkd_rc xkd_session_run(struct xkd_session *s, const char *text, const char *name)
{
	const char *script = s->script, *cursor = text;
	unsigned script_line = s->script_line, lineno = 0;
	struct xkd_piece piece;
	enum xkd_rc last = XKD_OK;
	bool was_lost = s->lost, broken = false;

	if (s->depth >= XKD_DEPTH_MAX) {
		struct xkd_err err = XKD_ERR_INIT;

		last = xkd_err_set(&err, XKD_SYNTAX,
				   "scripts and command strings nest over %d deep", XKD_DEPTH_MAX);
		s->failed++;
		xkd_session_error(s, name ? name : text, &err);
		return last;
	}
	s->depth++;
	while (!xkd_session_quit(s) && xkd_line_next(&cursor, &lineno, &piece)) {
		enum xkd_rc rc;

		if (name) {
			s->script = name;
			s->script_line = piece.line + 1;
		}
		rc = run_piece(s, &piece);
		if (rc)
			last = rc;
		broken |= rc == XKD_CANCELED || s->cancel.count;
		if (rc == XKD_CANCELED || s->cancel.count || s->resume_wanted ||
		    (s->lost && !was_lost && !reconnects(cursor)))
			break;
		was_lost = s->lost;
	}
	s->depth--;
	s->script = script;
	s->script_line = script_line;
	if (broken && name && !script)
		xkd_resume_broken_off(s);
	return last;
}

static void log_typed(struct xkd_session *s, const char *line)
{
	struct xkd_buf prompt = XKD_BUF_INIT;

	if (!s->logfile)
		return;
	xkd_session_prompt(s, &prompt);
	xkd_logfile_typed(s->logfile, prompt.s, line);
	xkd_buf_fini(&prompt);
}

enum xkd_rc xkd_session_line(struct xkd_session *s, const char *line)
{
	char again[sizeof(s->last_line)];
	enum xkd_rc rc;

	if (s->depth) /* a command that runs a line: same arena, same cancel state */
		return xkd_session_run(s, line, NULL);
	line = xkd_skip_space(line);
	if (!*line) {
		if (s->batch || !s->last_line[0])
			return XKD_OK;
		memcpy(again, s->last_line, sizeof(again));
		line = again;
	}
	xkd_cancel_clear(&s->cancel);
	log_typed(s, line);
	rc = xkd_session_run(s, line, NULL);
	if (line != again && (strlen(line) >= sizeof(s->last_line) ||
			      !repeats(line, s->last_line, sizeof(s->last_line))))
		s->last_line[0] = 0;
	xkd_arena_fini(&s->cmd_arena);
	xkd_out_flush(&s->out);
	return rc;
}

enum xkd_rc xkd_script_read(struct xkd_session *s, const char *path, char **text,
			    struct xkd_err *err)
{
	FILE *f = fopen(path, "re");
	struct xkd_buf b = XKD_BUF_INIT;
	char chunk[8192];
	size_t n;
	enum xkd_rc rc = XKD_OK;

	if (!f)
		return xkd_err_set(err, XKD_IO, "cannot read script %s: %s", path, strerror(errno));
	errno = 0;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) && b.len <= SCRIPT_MAX)
		xkd_buf_add(&b, chunk, n);
	if (ferror(f))
		rc = xkd_err_set(err, XKD_IO, "cannot read script %s: %s", path, strerror(errno));
	else if (b.len > SCRIPT_MAX)
		rc = xkd_err_set(err, XKD_BADDATA, "script %s is over 4 MiB", path);
	else if (memchr(b.s, 0, b.len))
		rc = xkd_err_set(err, XKD_BADDATA, "script %s is no text file", path);
	else
		*text = xkd_arena_strndup(&s->cmd_arena, b.s, b.len);
	fclose(f);
	xkd_buf_fini(&b);
	return rc;
}

/* The Nth word of args (from 1); quoted words keep their blanks. */
static bool nth_word(const char *args, unsigned long n, const char **word, size_t *len)
{
	for (const char *p = xkd_skip_space(args); *p; p = xkd_skip_space(p)) {
		const char *start = p;

		if (*p == '"') {
			start = ++p;
			*len = strcspn(p, "\"");
			p += *len + (p[*len] == '"');
		} else {
			*len = strcspn(p, " \t");
			p += *len;
		}
		if (!--n) {
			*word = start;
			return true;
		}
	}
	return false;
}

char *xkd_script_subst(struct xkd_session *s, const char *text, const char *args)
{
	struct xkd_buf b = XKD_BUF_INIT;
	const char *p, *word;
	char *out, *end;
	size_t len;

	while ((p = strstr(text, "${$arg"))) {
		unsigned long n = isdigit((unsigned char)p[6]) ? strtoul(p + 6, &end, 10) : 0;

		if (!n || *end != '}') { /* not ours: keep it */
			xkd_buf_add(&b, text, (size_t)(p + 6 - text));
			text = p + 6;
			continue;
		}
		xkd_buf_add(&b, text, (size_t)(p - text));
		if (nth_word(args, n, &word, &len))
			xkd_buf_add(&b, word, len);
		text = end + 1;
	}
	xkd_buf_str(&b, text);
	out = xkd_arena_strdup(&s->cmd_arena, b.s);
	xkd_buf_fini(&b);
	return out;
}

enum xkd_rc xkd_session_script(struct xkd_session *s, const char *path, struct xkd_err *err)
{
	char *text;
	bool outer = !s->depth;
	enum xkd_rc rc;

	if (outer)
		xkd_cancel_clear(&s->cancel);
	rc = xkd_script_read(s, path, &text, err);
	if (rc)
		return rc;
	xkd_err_clear(err);
	rc = xkd_session_run(s, text, xkd_arena_strdup(&s->cmd_arena, path));
	if (outer) {
		xkd_arena_fini(&s->cmd_arena);
		xkd_out_flush(&s->out);
	}
	return rc;
}
