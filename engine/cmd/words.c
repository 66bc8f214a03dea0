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
	{ "thread apply all bt", "~*k" },
	{ "thread apply all", "~*" },
	{ "add-symbol-file", ".reload" },
	{ "info all-registers", "r" },
	{ "info target", "vertarget" },
	{ "info files", "lm" },
	{ "info types", "dt" },
	{ "info source", "ls ." },
	{ "info scope", "dv" },
	{ "show version", "vertarget" },
	{ "disassemble", "uf" },
	{ "disas", "uf" },
	{ "tbreak", "bp /1" },
	{ "hbreak", "ba e1" },
	{ "disable", "bd" },
	{ "enable", "be" },
	{ "until", "g" },
	{ "advance", "g" },
	{ "jump", "g =" },
	{ "set variable", "??" },
	{ "set var", "??" },
	{ "call", "??" },
	{ "print", "??" },
	{ "eval", ".formats" },
	{ "pte", "!pte" },
	{ "runq", "!cpus" },
	{ "mach", "vertarget" },
	{ "task", "!process" },
	{ "lx-dmesg", "!dmesg" },
	{ "lx-ps", "ps" },
	{ "lx-lsmod", "lm" },
	{ "lx-symbols", ".reload" },
	{ "lx-version", "vertarget" },
	{ "!running -ti", "~*k" },
	{ "!running", "!cpus" },
	{ "!ready", "ps" },
	{ "version", "vertarget" },
	{ ".bugcheck", "!dmesg" },
};

/* Words that only get an answer. */
static const struct {
	const char *word, *say;
} pointers[] = {
	{ ".kill", "it would end nothing here: q leaves and lets the target go on; .vmkill ends the "
		   "virtual machine" },
	{ "kill", "q leaves and lets the target go on; .vmkill ends the virtual machine" },
	{ ".reboot", ".monitor system_reset resets a machine under QEMU" },
	{ ".crash", ".monitor nmi or a write to /proc/sysrq-trigger makes a kernel crash" },
	{ ".restart", ".monitor system_reset resets a machine under QEMU; .reconnect makes a new connection" },
	{ ".lastevent", "the last stop is shown again by r" },
	{ ".cxr", ".trap ADDR shows the registers of a struct pt_regs; .task those of a task" },
	{ ".ecxr", ".trap ADDR shows the registers of a struct pt_regs" },
	{ ".load", "this version loads no extensions; .chain lists what is built in" },
	{ ".unload", "this version loads no extensions; .chain lists what is built in" },
	{ ".effmach", "the target is x86-64; u follows the mode that CS says: 16, 32 or 64 bits" },
	{ ".fnent", "kv says by what each frame was unwound, uf shows a function with its parts" },
	{ "dl", "a list is walked by !list HEAD, or dt -l FIELD TYPE ADDR" },
	{ "wt", "calls are traced step by step with tc and tt; nothing counts them" },
	{ "!error", "the kernel's errors are negative errno numbers: ?? (int)@rax, then man 3 errno" },
	{ "!analyze", "look with k, !dmesg and .frame; nothing is analyzed by itself" },
	{ "thread", "choose a CPU with ~Ns (they count from 0), a task with .task PID" },
	{ "run", "the target runs on with g" },
	{ "start", "the target runs on with g" },
	{ "return", "run to the caller with gu; nothing makes a function return early" },
	{ "display", "show an expression at each hit with bp ADDR \"?? EXPR; g\"" },
	{ "commands", "commands stand behind the address: bp ADDR \"k; g\"" },
	{ "condition", "a condition comes with the breakpoint: bp /w \"EXPR\" ADDR" },
	{ "ignore", "hits to pass over come behind the address: bp ADDR 0n10" },
	{ "wr", "write memory with eb, ew, ed, eq ADDR VALUE" },
	{ "search", "search memory with s -q RANGE VALUE" },
	{ "m", "no command moves memory; eb, ed, eq write it" },
	{ "foreach", "every CPU's stack: ~*k; a task's: .task PID, k" },
	{ "kmem", "look with dt -l at lists, ?? at variables; there is no kmem" },
	{ "watch", "a watch is ba w SIZE ADDR: ba w4 jiffies" },
	{ "rwatch", "a watch for reads is ba r SIZE ADDR" },
	{ "awatch", "a watch for reads and writes is ba r SIZE ADDR" },
	{ "n", "step over a line or call with p; numbers: 0n is decimal, 0x hex" },
	{ "next", "step over with p" },
	{ "c", "go on with g (kd's c, which compares memory, is not here)" },
	{ "f", "choose a frame with .frame N (kd's f, which fills memory, is not here: eb, eq write)" },
	{ "d", "show memory with db, dd, dq ADDR; clear a breakpoint with bc N" },
	{ "set", "write memory with ed, eq ADDR VALUE, registers with r REG=VALUE" },
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

/* gdb's watch EXPR: where the object lies and its size; NULL when it is none that can be watched. */
static const char *translate_watch(struct xkd_session *s, const char *text)
{
	const char *expr = xkd_skip_space(text + strcspn(text, " \t"));
	struct xkd_env env = s->env;
	const struct xkd_ctx *ctx;
	struct xkd_value v;
	struct xkd_err ignored;

	env.no_side_effects = true;
	if (!*expr || !s->t || s->t->running || xkd_session_ctx(s, &ctx, &ignored) ||
	    xkd_eval(ctx, &env, XKD_CXX, expr, NULL, &s->cmd_arena, &v, &ignored) ||
	    v.kind != XKD_V_MEM || (v.type->size != 1 && v.type->size != 2 &&
				    v.type->size != 4 && v.type->size != 8))
		return NULL;
	if (!strpbrk(expr, " \t"))
		return xkd_arena_printf(&s->cmd_arena, "ba %c %s", *text == 'w' ? 'w' : 'r', expr);
	return xkd_arena_printf(&s->cmd_arena, "ba %c%llu 0x%llx", *text == 'w' ? 'w' : 'r',
				(unsigned long long)v.type->size, (unsigned long long)v.addr);
}

/* gdb's up, down and bt N, whose numbers are decimal; print/x EXPR. NULL: none of them. */
static const char *translate_gdb(struct xkd_session *s, const char *text)
{
	size_t n = strcspn(text, " \t");
	const char *rest = xkd_skip_space(text + n);
	unsigned long by = *rest ? strtoul(rest, NULL, 10) : 1;

	if (n == 2 && !strncmp(text, "up", n))
		return xkd_arena_printf(&s->cmd_arena, ".frame %lx", s->frame + by);
	if (n == 4 && !strncmp(text, "down", n))
		return xkd_arena_printf(&s->cmd_arena, ".frame %lx",
					s->frame > by ? s->frame - by : 0);
	if (n == 2 && !strncmp(text, "bt", n) && isdigit((unsigned char)*rest) &&
	    !rest[strspn(rest, "0123456789")])
		return xkd_arena_printf(&s->cmd_arena, "k 0n%s", rest);
	if (xkd_has_prefix(text, "print/") && *rest)
		return xkd_arena_printf(&s->cmd_arena, "?? %s", rest);
	return NULL;
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

/* crash's list (gdb's, of source, has neither switches nor a dot) and tree. Its tree takes the kind by
 * -t, and shows more with -p and -l. NULL: neither. */
static const char *translate_walk(struct xkd_session *s, const char *text)
{
	static const struct {
		const char *word, *runs;
	} trees[] = { { "rb", "!rbtree" }, { "x", "!xarray" }, { "ra", "!xarray" }, { "m", "!maple" } };
	const char *runs = "!rbtree", *p = text + strcspn(text, " \t"), *rest = xkd_skip_space(p);
	struct xkd_buf b = XKD_BUF_INIT;

	if (xkd_has_prefix(text, "list ") && (strstr(p, " -") || strchr(p, '.')) && !strchr(p, ':') &&
	    strncmp(rest, "-", strlen(rest)))
		return xkd_arena_printf(&s->cmd_arena, "!list %s", rest);
	if (!xkd_has_prefix(text, "tree "))
		return NULL;
	while (*rest) {
		size_t n = strcspn(rest, " \t");

		if (n == 2 && !strncmp(rest, "-t", 2)) {
			rest = xkd_skip_space(rest + 2);
			n = strcspn(rest, " \t");
			for (size_t i = 0; i < XKD_COUNT(trees); i++)
				if (xkd_has_prefix(rest, trees[i].word))
					runs = trees[i].runs;
		} else if (strncmp(rest, "-p", n) && strncmp(rest, "-l", n)) {
			xkd_buf_printf(&b, " %.*s", (int)n, rest);
		}
		rest = xkd_skip_space(rest + n);
	}
	text = xkd_arena_printf(&s->cmd_arena, "%s%s", runs, b.s);
	xkd_buf_fini(&b);
	return text;
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
	if (!out && (xkd_has_prefix(text, "watch ") || xkd_has_prefix(text, "rwatch ") ||
		     xkd_has_prefix(text, "awatch ")))
		out = translate_watch(s, text);
	if (!out)
		out = translate_gdb(s, text);
	if (!out)
		out = translate_walk(s, text);
	if (out) {
		hint_once(s, text, n, out);
		return out;
	}
	runs = find_two(text, &n);
	for (size_t i = 0; !runs && i < XKD_COUNT(pointers); i++)
		if (strlen(pointers[i].word) == rs.n &&
		    !strncmp(text, pointers[i].word, rs.n)) {
			xkd_err_set(err, XKD_NOTFOUND, "'%s' is no command: %s", pointers[i].word,
				    pointers[i].say);
			return "";
		}
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
