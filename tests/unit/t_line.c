/* engine/cmd/line.c: commands, comments, prefixes, names. */
#include "engine/cmd/line.h"
#include "tests/unit/tap.h"

/* The pieces of text as "[a][b]", with "@n" behind those that do not stand on the first line. */
static void pieces(const char *text, const char *want)
{
	char got[512] = "", one[256];
	const char *cursor = text;
	unsigned line = 0;
	struct xkd_piece p;

	while (xkd_line_next(&cursor, &line, &p)) {
		snprintf(one, sizeof(one), "[%.*s]", (int)p.len, p.p);
		strcat(got, one);
		if (p.line) {
			snprintf(one, sizeof(one), "@%u", p.line);
			strcat(got, one);
		}
	}
	is_str(got, want, text[strcspn(text, "\n")] ? "lines" : text);
	ok(!*cursor, "... to the end");
}

static void t_split(void)
{
	pieces("", "");
	pieces("  ;; ; ", "");
	pieces("k", "[k]");
	pieces("  k ; r  ;g", "[k][r][g]");
	pieces("bp foo \"k; g\"; r", "[bp foo \"k; g\"][r]");
	pieces(".echo \"a\\\";b\"; r", "[.echo \"a\\\";b\"][r]");
	pieces(".echo \"open; r", "[.echo \"open; r]");
	pieces("j (1) 'a; b'; r", "[j (1) 'a; b'][r]");
	pieces(".echo don't; r", "[.echo don't][r]");
	pieces(".if (1) { a; b { c; } d }; e", "[.if (1) { a; b { c; } d }][e]");
	pieces(".echo }; r", "[.echo }][r]");
	pieces(".if (1) { a; b", "[.if (1) { a; b]");
	pieces(".printf \"{\"; r", "[.printf \"{\"][r]");
	pieces("* all; of; this", "");
	pieces("r; * rest; of it", "[r]");
	pieces("$$ note; r", "[r]");
	pieces("$$>< a b; r", "[$$>< a b][r]");
	pieces("$$< file", "[$$< file]");
	pieces("$$>a< f x", "[$$>a< f x]");
	pieces("db x * 2; r", "[db x * 2][r]");
	pieces("k\n\n* note; x\nr; g\n", "[k][r]@3[g]@3");
	pieces(".if (1) {\n a\n}\nk", "[.if (1) {\n a\n}][k]@3");
	pieces("k\r\nr\r\n", "[k][r]@1");
	pieces(".echo \"open\nk", "[.echo \"open][k]@1");
}

static void prefix(const char *text, int kind, unsigned cpu, const char *rest)
{
	struct xkd_prefix p;
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc = xkd_line_prefix(text, &p, &err);

	if (kind < 0) {
		ok(rc == XKD_SYNTAX && err.pos >= 0 && err.msg[0], "prefix: '%s' is refused", text);
		return;
	}
	ok(!rc && (int)p.kind == kind && (kind != XKD_PREFIX_CPU || p.cpu == cpu) &&
		   !strcmp(p.rest, rest),
	   "prefix: '%s'", text);
}

static void t_prefix(void)
{
	prefix("k", XKD_PREFIX_NONE, 0, "k");
	prefix("", XKD_PREFIX_NONE, 0, "");
	prefix("~1k", XKD_PREFIX_CPU, 1, "k");
	prefix("~12s", XKD_PREFIX_CPU, 12, "s");
	prefix("~ 3 kn 5", XKD_PREFIX_CPU, 3, "kn 5");
	prefix("~*k", XKD_PREFIX_ALL, 0, "k");
	prefix("~* r rip", XKD_PREFIX_ALL, 0, "r rip");
	prefix("~.k", XKD_PREFIX_NONE, 0, "k");
	prefix("~", XKD_PREFIX_NONE, 0, "");
	prefix("~7", XKD_PREFIX_CPU, 7, "");
	prefix("1k", XKD_PREFIX_CPU, 1, "k");
	prefix("0r", XKD_PREFIX_CPU, 0, "r");
	prefix("12", XKD_PREFIX_NONE, 0, "12");
	prefix("~x", -1, 0, NULL);
	prefix("~99999999999k", -1, 0, NULL);
}

static struct xkd_name_known known(void *arg, const char *name, size_t len)
{
	static const struct {
		const char *name;
		bool glued;
	} names[] = { { "bp", true },	 { "b", false },   { "k", true },     { "kn", true },
		      { "?", false },	 { "??", false },  { "r", false },    { "r.", false },
		      { "dq", false },	 { "d", false },   { "!pte", false }, { ".reload", false },
		      { "$$><", false }, { "$$<", false }, { "x", false },    { "lm", false },
		      { "lmvm", false }, { "j", false } };

	(void)arg;
	for (size_t i = 0; i < XKD_COUNT(names); i++)
		if (strlen(names[i].name) == len && !memcmp(names[i].name, name, len))
			return (struct xkd_name_known){ true, names[i].glued };
	return (struct xkd_name_known){ false, false };
}

static void name(const char *text, const char *want, int glued, const char *rest)
{
	const char *args = NULL;
	int got = -2;
	size_t n = xkd_line_name(text, known, NULL, &got, &args);

	if (!want) {
		ok(n == 0, "name: '%s' is none", text);
		return;
	}
	ok(n == strlen(want) && !memcmp(text, want, n) && got == glued && !strcmp(args, rest),
	   "name: '%s' is %s", text, want);
}

static void t_name(void)
{
	name("bp3 foo", "bp", 3, " foo");
	name("bp foo", "bp", -1, " foo");
	name("bp", "bp", -1, "");
	name("kn", "kn", -1, "");
	name("k5", "k", 5, "");
	name("dq8 x", NULL, 0, NULL);
	name("bp3x", NULL, 0, NULL);
	name("bpx", NULL, 0, NULL);
	name("bp99999999999", NULL, 0, NULL);
	name("?1+1", "?", -1, "1+1");
	name("??vcpu->cpu", "??", -1, "vcpu->cpu");
	name("?? x", "??", -1, " x");
	name("r.", "r.", -1, "");
	name("r", "r", -1, "");
	name("!pte 10", "!pte", -1, " 10");
	name("!pt", NULL, 0, NULL);
	name("!ptex", NULL, 0, NULL);
	name(".reload/f", ".reload", -1, "/f");
	name("$$><a.txt", "$$><", -1, "a.txt");
	name("$$<a.txt", "$$<", -1, "a.txt");
	name("dq/c4 x", "dq", -1, "/c4 x");
	name("x/8gx", "x", -1, "/8gx");
	name("lmvm kvm", "lmvm", -1, " kvm");
	name("lmv", NULL, 0, NULL);
	name("j(1) 'a'", "j", -1, "(1) 'a'");
	name("", NULL, 0, NULL);
	name("kvm_io_bus", NULL, 0, NULL);
	ok(xkd_line_word("foo bar") == 3 && xkd_line_word("!foo x") == 4 && xkd_line_word("%") == 1,
	   "word: what a user would call the name");
}

int main(void)
{
	t_split();
	t_prefix();
	t_name();
	return done_testing();
}
