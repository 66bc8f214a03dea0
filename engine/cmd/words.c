/* Words from elsewhere. Free words run what they mean, with one dim hint a session each; words that
 * collide with a command of ours never guess, they answer with the hint. */
#include "engine/cmd/words.h"
#include "base/str.h"
#include "engine/cmd/line.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words of more than one part, and ones whose arguments need turning. The single words that mean a
 * row stand in that row's foreign column. */
static const struct {
	const char *word, *runs;
} two_words[] = {
	{ "info registers", "r" },
	{ "info reg", "r" },
	{ "info threads", "!cpus" },
	{ "info breakpoints", "bl" },
	{ "info break", "bl" },
	{ "info locals", "dv" },
	{ "info args", "dv" },
	{ "info symbol", "ln" },
	{ "info line", "ln" },
	{ "info functions", "x /f" },
	{ "info variables", "x /d" },
	{ "info sharedlibrary", "lm" },
	{ "info frame", ".frame" },
	{ "bt -a", "~*k" },
	{ "ptype struct", "dt" },
	{ "ptype", "dt" },
	{ "struct", "dt" },
	{ "thread", "~" },
	{ "add-symbol-file", ".reload" },
};

/* Words that only get an answer. */
static const struct {
	const char *word, *say;
} pointers[] = {
	{ ".kill", "xkd ends no target; q leaves and lets it go on" },
	{ ".reboot", ".monitor system_reset resets a machine under QEMU" },
	{ ".shell", "xkd starts no shell; use another terminal" },
	{ ".lastevent", "the last stop is shown again by r." },
	{ "watch", "a watch is ba w SIZE ADDR: ba w4 &jiffies" },
	{ "rwatch", "a watch for reads is ba r SIZE ADDR" },
	{ "awatch", "a watch for reads and writes is ba r SIZE ADDR" },
	{ "n", "step over a line or call with p; numbers: 0n is decimal, 0x hex" },
	{ "next", "step over with p" },
	{ "c", "go on with g" },
	{ "f", "choose a frame with .frame N" },
	{ "br", "set a breakpoint with bp ADDR" },
	{ "d", "show memory with db, dd, dq ADDR; clear a breakpoint with bc N" },
	{ "set", "write memory with ed, eq ADDR VALUE, registers with r REG=VALUE" },
	{ "print", "print an expression with ?? EXPR, an address or number with ? EXPR" },
	{ "target", "give the target with -k when xkd is started" },
	{ "file", "give the symbols' places with .sympath" },
	{ "quit", "leave with q" },
	{ "exit", "leave with q" },
	{ "help", "ask with .help or .help COMMAND" },
};

static void hint_once(struct xkd_session *s, const char *word, size_t n, const char *becomes)
{
	char key[64];

	if (n + 3 > sizeof(key))
		return;
	snprintf(key, sizeof(key), "|%.*s|", (int)n, word);
	if (strstr(s->hinted.s, key))
		return;
	xkd_buf_str(&s->hinted, key);
	xkd_out_st(&s->out, XKD_ST_DIM, "%.*s -> %s", (int)n, word, becomes);
	xkd_out_end(&s->out);
}

/* Is `word` one of the blank-separated words of list? */
static bool in_list(const char *list, const char *word, size_t n)
{
	while (list && *list) {
		size_t k = strcspn(list, " ");

		if (k == n && !strncmp(list, word, n))
			return true;
		list += k + (list[k] == ' ');
	}
	return false;
}

struct row_search {
	const char *word;
	size_t n;
	const struct xkd_cmd *cmd;
};
static bool row_has_word(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len)
{
	struct row_search *rs = arg;

	if (!in_list(cmd->foreign, rs->word, rs->n))
		return true;
	rs->cmd = cmd;
	return false;
}

/* gdb's "x/8gx ADDR": one of ours, or NULL when the format has no counterpart. */
static const char *translate_x(struct xkd_session *s, const char *text)
{
	unsigned long count;
	char *p, size = 0, fmt = 0;
	const char *cmd, *addr;

	if (!xkd_has_prefix(text, "x/") ||
	    (text[2] && strchr("tvdfsna", text[2]) && text[3] == ' '))
		return NULL; /* ours: x /t mod!pattern */
	count = strtoul(text + 2, &p, 10);
	for (; isalpha((unsigned char)*p); p++)
		*(strchr("bhwg", *p) ? &size : &fmt) = *p;
	addr = xkd_skip_space(p);
	if (!*addr || (*p != ' ' && *p != '\t'))
		return NULL;
	cmd = fmt == 's'    ? "da"
	      : fmt == 'i'  ? "u"
	      : fmt == 'a'  ? "dps"
	      : size == 'b' ? "db"
	      : size == 'h' ? "dw"
	      : size == 'g' ? "dq"
			    : "dd";
	if (fmt == 's')
		return xkd_arena_printf(&s->cmd_arena, "da %s", addr);
	return xkd_arena_printf(&s->cmd_arena, "%s %s L0n%lu", cmd, addr, count ? count : 1);
}

/* crash's "rd ADDR [COUNT]". */
static const char *translate_rd(struct xkd_session *s, const char *text)
{
	const char *p = xkd_skip_space(text + 2), *count = p + strcspn(p, " \t");

	if (!*p)
		return NULL;
	return xkd_arena_printf(&s->cmd_arena, "dq %.*s L%s", (int)(count - p), p,
				*xkd_skip_space(count) ? xkd_skip_space(count) : "1");
}

/* A pair of words that text begins with; *used is its length. */
static const char *find_two(const char *text, size_t *used)
{
	for (size_t i = 0; i < XKD_COUNT(two_words); i++) {
		size_t n = strlen(two_words[i].word);

		if (!strncmp(text, two_words[i].word, n) && (!text[n] || text[n] == ' ')) {
			*used = n;
			return two_words[i].runs;
		}
	}
	return NULL;
}

const char *xkd_words_translate(struct xkd_session *s, const char *text, struct xkd_err *err)
{
	size_t n = strcspn(text, " \t");
	struct row_search rs = { .word = text, .n = n };
	const char *out = translate_x(s, text), *runs;
	char name[XKD_NAME_MAX + 1];

	if (!out && xkd_has_prefix(text, "rd "))
		out = translate_rd(s, text);
	if (out) {
		hint_once(s, text, n, out);
		return out;
	}
	for (size_t i = 0; i < XKD_COUNT(pointers); i++)
		if (strlen(pointers[i].word) == n && !strncmp(text, pointers[i].word, n)) {
			xkd_err_set(err, XKD_NOTFOUND, "'%s' is no command: %s", pointers[i].word,
				    pointers[i].say);
			return "";
		}
	runs = find_two(text, &n);
	if (!runs) {
		n = rs.n;
		xkd_cmd_each(row_has_word, &rs);
		if (rs.cmd) {
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(rs.cmd->name, " "),
				 rs.cmd->name);
			runs = name;
		}
	}
	if (runs) {
		hint_once(s, text, n, runs);
		return xkd_arena_printf(&s->cmd_arena, "%s%s", runs, text + n);
	}
	return NULL;
}

enum xkd_rc xkd_words_collide(struct xkd_session *s, const char *text, struct xkd_err *err)
{
	const char *rest;

	if ((text[0] == 'p' || text[0] == 't') && (!text[1] || strchr(" \t/", text[1]))) {
		rest = xkd_skip_space(text + 1);
		if (!*rest || *rest == '"' || isdigit((unsigned char)*rest))
			return XKD_OK;
		if (*rest == '/') /* p/x vcpu */
			rest += strcspn(rest, " \t");
		rest = xkd_skip_space(rest);
		return xkd_err_syntax(err, 1, "%c steps%s; print with ?? %s", text[0],
				      text[0] == 'p' ? " (over calls)" : " (into calls)",
				      *rest ? rest : "EXPR");
	}
	if (!strcmp(text, "s"))
		return xkd_err_syntax(err, 0,
				      "s searches memory (s -b RANGE BYTES); step with t (into "
				      "calls) or p (over them)");
	if (!strcmp(text, "d") && !s->last_d[0])
		return xkd_err_syntax(err, 0,
				      "d shows memory (d ADDR); clear a breakpoint with bc N");
	return XKD_OK;
}

struct near {
	const char *word;
	size_t n;
	unsigned best;
	char list[160];
	unsigned count;
};
static bool near_name(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len)
{
	struct near *nr = arg;
	char a[64], b[64];
	unsigned max = nr->n > 4 ? 2 : 1, d;
	size_t have;

	(void)cmd;
	snprintf(a, sizeof(a), "%.*s", (int)nr->n, nr->word);
	snprintf(b, sizeof(b), "%.*s", (int)len, name);
	d = xkd_distance(a, b, max);
	if (d > max || d > nr->best || (len < 2 && nr->n < 2))
		return true;
	if (d < nr->best) {
		nr->best = d;
		nr->count = 0;
		nr->list[0] = 0;
	}
	have = strlen(nr->list);
	if (nr->count++ < 5)
		snprintf(nr->list + have, sizeof(nr->list) - have, "%s%s", have ? ", " : "", b);
	return true;
}

enum xkd_rc xkd_words_unknown(const char *text, struct xkd_err *err)
{
	struct near nr = { .word = text, .n = xkd_line_word(text), .best = ~0u };

	if (nr.n >= 40)
		nr.n = 40;
	xkd_cmd_each(near_name, &nr);
	if (nr.count)
		return xkd_err_syntax(err, 0, "no such command '%.*s'; near: %s", (int)nr.n, text,
				      nr.list);
	return xkd_err_syntax(err, 0, "no such command '%.*s' (.help lists all)", (int)nr.n, text);
}
