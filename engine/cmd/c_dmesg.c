/* !dmesg: the kernel's log as the program dmesg shows it. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <stdlib.h>
#include <string.h>

struct dmesg {
	struct xkd_session *s;
	const char *pattern; /* NULL: all */
	bool levels;
	uint64_t skip; /* lines not to be shown first */
	uint64_t seen;
	bool show;
};

static bool wanted(const struct dmesg *d, const char *text, size_t n)
{
	char *line;
	bool is;

	if (!d->pattern)
		return true;
	line = xkd_malloc(n + 1);
	memcpy(line, text, n);
	line[n] = 0;
	is = xkd_glob(d->pattern, line, true);
	free(line);
	return is;
}

static void show(const struct dmesg *d, const struct xkd_logline *l, const char *text, size_t n)
{
	static const char *const words[] = { "emerg", "alert", "crit",	"err",
					     "warn",  "notice", "info", "debug" };
	struct xkd_out *o = &d->s->out;

	xkd_out_key(o, XKD_ST_DIM, "time", "[%5llu.%06llu] ",
		    (unsigned long long)(l->ns / 1000000000),
		    (unsigned long long)(l->ns % 1000000000 / 1000));
	if (d->levels)
		xkd_out_key(o, XKD_ST_TYPE, "level", "%-6s ", words[l->level & 7]);
	while (n) { /* tabs are usual here: blanks, where all else that moves the cursor is escaped */
		const char *tab = memchr(text, '\t', n);
		size_t k = tab ? (size_t)(tab - text) : n;

		xkd_out_foreign(o, l->level <= 3 ? XKD_ST_ERR : XKD_ST_PLAIN, text, k);
		if (tab)
			xkd_out_pad(o, (o->text.len | 7) + 1);
		text += k + (tab != NULL);
		n -= k + (tab != NULL);
	}
	xkd_out_end(o);
}

static bool record(void *arg, const struct xkd_logline *l)
{
	struct dmesg *d = arg;
	const char *p = l->text, *end = p + l->len;

	do { /* a record of several lines has the time before each */
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);

		if (wanted(d, p, n) && d->seen++ >= d->skip && d->show)
			show(d, l, p, n);
		p += n + (nl != NULL);
	} while (p < end);
	return true;
}

static enum xkd_rc cmd_dmesg(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct dmesg d = { .s = s };
	uint64_t last = 0;
	const char *pattern;
	char sw[8], word[32];
	enum xkd_rc rc = XKD_OK;

	while (xkd_arg_switch(a, '-', sw, sizeof(sw))) {
		if (!strcmp(sw, "l"))
			d.levels = true;
		else if (strcmp(sw, "n"))
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "there are -n COUNT (the last ones) and -l (levels)");
		else if (!xkd_arg_word(a, word, sizeof(word)) || !xkd_parse_u64(word, 10, &last))
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "a decimal count of lines comes behind -n");
	}
	if (!s->t->os->dmesg)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with a log is known here");
	pattern = xkd_arg_rest(s, a);
	if (*pattern)
		d.pattern = xkd_is_glob(pattern) ? pattern
						 : xkd_arena_printf(&s->cmd_arena, "*%s*", pattern);
	if (last) {
		rc = s->t->os->dmesg(s->t, record, &d, err);
		d.skip = d.seen > last ? d.seen - last : 0;
		d.seen = 0;
	}
	d.show = true;
	if (!rc)
		rc = s->t->os->dmesg(s->t, record, &d, err);
	if (!rc && !d.seen)
		rc = xkd_err_set(err, XKD_NOTFOUND, d.pattern ? "no line of the log matches '%s'" :
								 "the kernel's log is empty%s",
				 d.pattern ? d.pattern : "");
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ "!dmesg", "[-l] [-n count] [pattern]", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "the kernel's log", cmd_dmesg,
	  "Read from the kernel's memory: also of a kernel that hangs or has died. -n: the last\n"
	  "lines only; -l: with their levels; a text or a pattern: the lines that have it.\n"
	  "Example: !dmesg -n 20; !dmesg kvm; !dmesg | less",
	  "log dmesg" },
};
const struct xkd_cmd_family xkd_family_log = { "Kernel log", rows, XKD_COUNT(rows) };
