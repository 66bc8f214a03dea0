/* .foreach: commands run once for each word of what other commands say, of a text or of a file.
 * Invariants: the words are all taken before the first run, since a run may change what they came from;
 * they are words of rows as they are printed, without colours. Where a command that gives the words fails,
 * what was said is shown and nothing is run: an error's words are none of its results. Ctrl-C, q and whatever lets the target go on end the loop. */
#include "engine/cmd/cmd.h"
#include "engine/cmd/script.h"
#include "base/str.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX (1u << 20)
#define BLANK " \t\r\n"

struct foreach {
	struct xkd_session *s;
	enum { FROM_COMMANDS, FROM_TEXT, FROM_FILE } from;
	uint64_t skip_first, skip; /* words left out before the first, and after each */
	char *var, *source, *body;
};

/* What a block or a quoted text that begins at *p holds; *p moves behind it. */
static enum xkd_rc enclosed(struct foreach *f, const char **p, char open, char close, char **out,
			    struct xkd_err *err)
{
	const char *start = *p + 1, *q = start;
	int depth = 1;

	for (; *q && depth; q++) {
		if (open != '"' && *q == '"') { /* a brace in a text is no brace */
			const char *end = strchr(q + 1, '"');

			q = end ? end : q;
		} else if (*q == close) {
			depth--;
		} else if (*q == open) {
			depth++;
		}
	}
	if (depth)
		return xkd_err_set(err, XKD_SYNTAX, "a %c is missing", close);
	*out = xkd_arena_strndup(&f->s->cmd_arena, start, (size_t)(q - 1 - start));
	*p = xkd_skip_space(q);
	return XKD_OK;
}

static enum xkd_rc switches(struct foreach *f, const char **p, struct xkd_err *err)
{
	while (**p == '/') {
		uint64_t *n = NULL;
		char *end;

		if (xkd_has_prefix(*p, "/pS"))
			n = &f->skip_first;
		else if (xkd_has_prefix(*p, "/ps"))
			n = &f->skip;
		else if ((*p)[1] == 's' || (*p)[1] == 'f')
			f->from = (*p)[1] == 's' ? FROM_TEXT : FROM_FILE;
		else
			return xkd_err_set(err, XKD_SYNTAX, "switches are /pS n, /ps n, /s, /f");
		*p = xkd_skip_space(*p + (n ? 3 : 2));
		if (!n)
			continue;
		*n = strtoull(*p, &end, 0);
		if (end == *p)
			return xkd_err_set(err, XKD_SYNTAX, "a count of words to leave out is missing");
		*p = xkd_skip_space(end);
	}
	return XKD_OK;
}

static enum xkd_rc parse(struct foreach *f, const char *p, struct xkd_err *err)
{
	const char *name;
	enum xkd_rc rc = switches(f, &p, err);

	if (rc)
		return rc;
	if (*p != '(')
		return xkd_err_set(err, XKD_SYNTAX, "(variable {commands}) is missing");
	name = p = xkd_skip_space(p + 1);
	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	if (p == name)
		return xkd_err_set(err, XKD_SYNTAX, "the variable's name is missing");
	f->var = xkd_arena_strndup(&f->s->cmd_arena, name, (size_t)(p - name));
	p = xkd_skip_space(p);
	if (*p != (f->from == FROM_COMMANDS ? '{' : '"'))
		return xkd_err_set(err, XKD_SYNTAX, f->from == FROM_COMMANDS ?
				   "{commands} are missing behind the variable" :
				   "a \"text\" is missing behind the variable");
	rc = enclosed(f, &p, *p, *p == '{' ? '}' : '"', &f->source, err);
	if (rc)
		return rc;
	if (*p != ')')
		return xkd_err_set(err, XKD_SYNTAX, "a ) is missing");
	p = xkd_skip_space(p + 1);
	if (*p != '{')
		return xkd_err_set(err, XKD_SYNTAX, "{commands to run} are missing");
	rc = enclosed(f, &p, '{', '}', &f->body, err);
	if (!rc && *p)
		rc = xkd_err_set(err, XKD_SYNTAX, "more text follows the last }: %.40s", p);
	return rc;
}

/* ---- the words ---- */

static enum xkd_rc captured(struct foreach *f, struct xkd_buf *text, struct xkd_err *err)
{
	struct xkd_session *s = f->s;
	struct xkd_sink *saved[XKD_OUT_SINKS];
	struct xkd_bufsink sink;
	int failed = s->failed;
	int n = s->out.nsinks;

	xkd_out_flush(&s->out);
	xkd_bufsink_init(&sink, text);
	memcpy(saved, s->out.sinks, sizeof(saved));
	s->out.nsinks = 0;
	xkd_out_add_sink(&s->out, &sink.sink);
	(void)!xkd_session_run(s, f->source, NULL);
	xkd_out_flush(&s->out);
	memcpy(s->out.sinks, saved, sizeof(saved));
	s->out.nsinks = n;
	if (s->failed == failed)
		return XKD_OK;
	xkd_out(&s->out, "%s", text->len ? text->s : "");
	if (s->out.text.len)
		xkd_out_end(&s->out);
	return xkd_err_set(err, XKD_NOTFOUND, "what gives the words failed: nothing was run");
}

static bool is_var_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* The commands with the word in the variable's places: ${var}, and var between blanks and the like. */
static void filled(const struct foreach *f, const char *word, size_t len, struct xkd_buf *out)
{
	size_t n = strlen(f->var);

	for (const char *p = f->body; *p;) {
		bool begins = p == f->body || !is_var_char(p[-1]);

		if (p[0] == '$' && p[1] == '{' && !strncmp(p + 2, f->var, n) && p[2 + n] == '}') {
			xkd_buf_add(out, word, len);
			p += n + 3;
		} else if (begins && !strncmp(p, f->var, n) && !is_var_char(p[n])) {
			xkd_buf_add(out, word, len);
			p += n;
		} else {
			xkd_buf_ch(out, *p++);
		}
	}
}

static enum xkd_rc each(struct foreach *f, const char *text, struct xkd_err *err)
{
	uint64_t leave = f->skip_first, seen = 0;
	struct xkd_session *s = f->s;
	struct xkd_buf run = XKD_BUF_INIT;
	enum xkd_rc rc = XKD_OK;

	for (const char *p = text + strspn(text, BLANK); *p && !rc; p += strspn(p, BLANK)) {
		size_t len = strcspn(p, BLANK);

		if (leave) {
			leave--;
			p += len;
			continue;
		}
		leave = f->skip;
		if (++seen > WORDS_MAX) {
			rc = xkd_err_set(err, XKD_BADDATA, "over %u words", WORDS_MAX);
			break;
		}
		xkd_buf_reset(&run);
		filled(f, p, len, &run);
		p += len;
		(void)!xkd_session_run(s, run.s, NULL);
		rc = xkd_cancel_check(&s->cancel, err);
		if (s->resume_wanted || s->lost || xkd_session_quit(s))
			break;
	}
	xkd_buf_fini(&run);
	return rc;
}

static enum xkd_rc cmd_foreach(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct foreach f = { .s = s };
	struct xkd_buf text = XKD_BUF_INIT;
	char *file = NULL;
	enum xkd_rc rc = parse(&f, xkd_skip_space(a->p), err);

	if (rc)
		return rc;
	a->p += strlen(a->p);
	if (f.from == FROM_FILE)
		rc = xkd_script_read(s, f.source, &file, err);
	else if (f.from == FROM_COMMANDS)
		rc = captured(&f, &text, err);
	if (!rc)
		rc = xkd_cancel_check(&s->cancel, err);
	if (!rc && !s->resume_wanted)
		rc = each(&f, file ? file : f.from == FROM_TEXT ? f.source : text.len ? text.s : "", err);
	xkd_buf_fini(&text);
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ .name = ".foreach",
	  .args = "[/pS n] [/ps n] (var {commands}) {commands} | /s (var \"text\") {...} | /f (var \"file\") {...}",
	  .effect = XKD_FX_NONE,
	  .fn = cmd_foreach,
	  .help = "run commands for each word that other commands print",
	  .more = "Example: .foreach (at {!list -p lk!modules}) {dt module at name}\n"
		  "The word stands where var or ${var} does. The walkers' -p gives addresses alone.\n"
		  "/pS n leaves the first n words out, /ps n as many after each; /s takes the words of\n"
		  "a text, /f those of a file." },
};
const struct xkd_cmd_family xkd_family_foreach = { .title = "Scripts",
						   .rows = rows,
						   .n = XKD_COUNT(rows) };
