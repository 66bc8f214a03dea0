/* engine/cmd/args.c: words, switches, strings; expressions and ranges on a target whose memory and
 * registers nobody reads. Also a session's behaviour without a target. */
#include "engine/cmd/cmd.h"
#include "engine/os/os.h"
#include "tests/unit/tap.h"

static struct xkd_args at(const char *line)
{
	return (struct xkd_args){ line, line, "test", -1 };
}

static void t_words(struct xkd_session *s)
{
	struct xkd_args a = at("  one /f two\t-x3 \"a \\\"b\\\\ c\" rest  of it  ");
	char buf[8];

	ok(xkd_arg_word(&a, buf, sizeof(buf)), "word");
	is_str(buf, "one", "word: blanks skipped");
	ok(!xkd_arg_switch(&a, '-', buf, sizeof(buf)), "switch: another lead is none");
	ok(xkd_arg_switch(&a, '/', buf, sizeof(buf)), "switch");
	is_str(buf, "f", "switch: its letter");
	ok(!xkd_arg_switch(&a, '/', buf, sizeof(buf)), "switch: a word is none");
	ok(xkd_arg_word(&a, buf, sizeof(buf)) && !strcmp(buf, "two"), "word: behind a switch");
	ok(xkd_arg_switch(&a, '-', buf, sizeof(buf)) && !strcmp(buf, "x3"),
	   "switch: with a number");
	is_str(xkd_arg_string(s, &a), "a \"b\\ c", "string: escapes");
	ok(!xkd_arg_string(s, &a), "string: a word is none");
	is_str(xkd_arg_rest(s, &a), "rest  of it", "rest: trimmed");
	ok(xkd_arg_end(&a) && xkd_arg_done(&a, NULL) == XKD_OK, "end");
	a = at("/1 -2 (x *)1 z");
	ok(xkd_arg_switch(&a, '/', buf, sizeof(buf)) && !strcmp(buf, "1"), "switch: /1");
	ok(!xkd_arg_switch(&a, '-', buf, sizeof(buf)), "switch: -2 is a number");
	ok(xkd_arg_word(&a, buf, sizeof(buf)) && xkd_arg_cxx(&a, buf, sizeof(buf)) &&
		   !strcmp(buf, "(x *)1"),
	   "a C expression keeps the blanks in its parentheses");
	a = at("toolongforit x");
	ok(!xkd_arg_word(&a, buf, sizeof(buf)) && a.p == a.line,
	   "word: too long is left where it is");
	a = at("\"open");
	ok(!xkd_arg_string(s, &a), "string: without its end is none");
	a = at("  junk");
	struct xkd_err err = XKD_ERR_INIT;
	ok(xkd_arg_done(&a, &err) == XKD_SYNTAX && err.pos == 2,
	   "done: extra characters, and where");
}

static void expr(struct xkd_session *s, const char *text, uint64_t want, const char *rest)
{
	struct xkd_args a = at(text);
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t v = 0;
	enum xkd_rc rc = xkd_arg_expr(s, &a, &v, &err);

	if (!rest) {
		ok(rc == XKD_SYNTAX && err.pos == (int)want, "expr: '%s' fails at %d (%s)", text,
		   (int)want, err.msg);
		if (err.pos != (int)want)
			printf("# pos %d\n", err.pos);
		return;
	}
	ok(!rc && v == want && !strcmp(a.p, rest), "expr: '%s'", text);
	if (rc || v != want || strcmp(a.p, rest))
		printf("# rc %d, %llx, rest '%s', %s\n", rc, (unsigned long long)v, a.p, err.msg);
}

static void t_expr(struct xkd_session *s)
{
	expr(s, "10 20", 0x10, " 20");
	expr(s, "0n10", 10, "");
	expr(s, "(1 + 2) 3", 3, " 3");
	expr(s, "1+(2 * 3)+1 L4", 8, " L4");
	expr(s, "ffffffff`81000000", 0xffffffff81000000, "");
	expr(s, "hi 12345678 L1", 0x1234, " L1");
	expr(s, "low(12345678) 9", 0x5678, " 9");
	expr(s, "1,2", 1, ",2");
	expr(s, "-1", UINT64_MAX, "");
	expr(s, "  ", 2, NULL);
	expr(s, "1+", 2, NULL);
	expr(s, "   (1", 5, NULL);
}

static void range(struct xkd_session *s, const char *text, unsigned unit, uint64_t start,
		  uint64_t len, const char *rest)
{
	struct xkd_args a = at(text);
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t st = 0, n = 0;
	bool has;
	enum xkd_rc rc = xkd_arg_range(s, &a, unit, &st, &n, &has, &err);

	if (!rest) {
		ok(rc == XKD_SYNTAX && err.msg[0], "range: '%s' is refused (%s)", text, err.msg);
		return;
	}
	ok(!rc && st == start && n == len && has == (len != 0) && !strcmp(a.p, rest), "range: '%s'",
	   text);
	if (rc || st != start || n != len || strcmp(a.p, rest))
		printf("# rc %d %llx len %llx rest '%s' %s\n", rc, (unsigned long long)st,
		       (unsigned long long)n, a.p, err.msg);
}

static void t_range(struct xkd_session *s)
{
	range(s, "1000", 4, 0x1000, 0, "");
	range(s, "1000 L4", 4, 0x1000, 16, "");
	range(s, "1000 l 4 55", 8, 0x1000, 32, " 55");
	range(s, "1000 L0n10", 1, 0x1000, 10, "");
	range(s, "1000 L(2*8)", 1, 0x1000, 16, "");
	range(s, "1000 L-10", 1, 0xff0, 16, "");
	range(s, "1000 100f", 1, 0x1000, 16, "");
	range(s, "1000 L?20000000", 1, 0x1000, 0x20000000, "");
	range(s, "1000 L20000000", 1, 0, 0, NULL);
	range(s, "0 20000000", 1, 0, 0, NULL);
	range(s, "1000 fff", 1, 0, 0, NULL);
	range(s, "1000 L", 1, 0, 0, NULL);
	range(s, "1000 L?ffffffffffffffff", 8, 0, 0, NULL);
	range(s, "ffffffff`fffffff0 L20", 1, 0, 0, NULL);
	range(s, "ffffffff`fffffff0 L10", 1, 0xfffffffffffffff0, 16, "");
}

int main(void)
{
	struct xkd_session *s = xkd_session_new();
	struct xkd_target t = { .arch = &xkd_arch_x86, .os = &xkd_os_generic };
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_ctx *ctx;

	ok(xkd_session_ctx(s, &ctx, &err) == XKD_UNSUPPORTED && err.msg[0],
	   "without a target there is no context, and that is said");
	/* A context by hand: what is asked here reads nothing. */
	*xkd_vec_push(&t.cpus) = (struct xkd_cpu){ .os_cpu = -1 };
	s->t = &t;
	xkd_ctx_bare(&t, &s->base);
	s->ctx = s->base;
	s->ctx_valid = true;
	t_words(s);
	t_expr(s);
	t_range(s);
	s->t = NULL;
	xkd_vec_fini(&t.cpus);
	xkd_session_free(s);
	return done_testing();
}
