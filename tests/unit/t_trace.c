/* Trace points without a target that runs: how expressions are split, that a compiled one says what the
 * evaluator says, and what the database takes, tells and refuses. */
#include "engine/lang/prog.h"
#include "engine/run/trace.h"
#include "engine/run/tracedb.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "base/str.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct t_in {
	int a;
	unsigned b : 3, c : 7;
	short list[4];
};
struct t_out {
	struct t_in in[2];
	struct t_out *next;
	const char *name;
	signed char small;
};
struct t_out t_last = { .in = { { .a = -4, .b = 5, .c = 99, .list = { 1, -2, 3, -4 } } }, .name = "last" };
struct t_out t_first = { .in = { { .a = 8 }, { .a = 1 << 30, .list = { 9, 8, 7, 6 } } },
			 .next = &t_last,
			 .name = "first",
			 .small = -7 };

static void split(const char *text, const char *want)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_trace *t;

	if (xkd_trace_new(text, &t, &err)) {
		ok(!want, "'%s' is refused: %s", text, err.msg);
		return;
	}
	for (size_t i = 0; i < xkd_trace_count(t); i++)
		xkd_buf_printf(&b, "[%s]", xkd_trace_expr(t, i));
	is_str(b.s, want, text);
	xkd_buf_fini(&b);
	xkd_trace_free(t);
}

static bool read_here(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct xkd_err ignored;

	return !xkd_ctx_read(arg, addr, buf, len, NULL, &ignored);
}

static bool ask(void *arg, enum xkd_prog_what what, uint64_t *v)
{
	(void)arg;
	*v = what == XKD_PROG_PID ? 42 : what == XKD_PROG_CPU ? 3 : 0;
	return what == XKD_PROG_PID || what == XKD_PROG_CPU;
}

/* The program's word against the evaluator's. */
static void same(struct xkd_target *t, const char *expr)
{
	struct xkd_ctx ctx = mock_ctx(t);
	struct xkd_env env = { .radix = 16 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_prog_env how = { .regs = &ctx.regs, .read = read_here, .arg = &ctx };
	struct xkd_prog *p;
	struct xkd_arena a;
	uint64_t want, got;

	xkd_arena_init(&a);
	if (!ok(!xkd_eval_u64(&ctx, &env, XKD_CXX, expr, NULL, &a, &want, &err) &&
			!xkd_prog_new(&ctx, &env, expr, &p, &err),
		"'%s' is compiled", expr)) {
		printf("# %s\n", err.msg);
		xkd_arena_fini(&a);
		return;
	}
	if (xkd_prog_run(p, &how, &got, &err))
		ok(false, "%s: %s", expr, err.msg);
	else
		is_u64(got, want, expr);
	xkd_prog_free(p);
	xkd_arena_fini(&a);
}

static void asked(struct xkd_target *t)
{
	struct xkd_ctx ctx = mock_ctx(t);
	struct xkd_env env = { .radix = 16 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_prog_env how = { .regs = &ctx.regs, .read = read_here, .ask = ask, .arg = &ctx };
	struct xkd_prog *p;
	uint64_t v;

	ok(!xkd_prog_new(&ctx, &env, "@$tid * 10 + @$cpu", &p, &err) && !xkd_prog_run(p, &how, &v, &err) &&
		   v == 423,
	   "task and CPU are asked for at each run");
	xkd_prog_free(p);
	ok(!xkd_prog_new(&ctx, &env, "@$thread", &p, &err) && xkd_prog_run(p, &how, &v, &err),
	   "and a task that is not known is an error");
	how.ask = NULL;
	ok(xkd_prog_run(p, &how, &v, &err) != XKD_OK, "as it is where nothing is known");
	xkd_prog_free(p);
	ok(xkd_prog_new(&ctx, &env, "@$ra", &p, &err) == XKD_UNSUPPORTED, "$ra is not compiled");
}

/* --- the database --- */

struct seen {
	struct xkd_buf b;
};

static bool see(void *arg, const struct xkd_hit *h)
{
	struct seen *s = arg;

	xkd_buf_printf(&s->b, "%u/%d/%lld/%s", h->number, h->cpu, (long long)h->pid, h->comm);
	for (size_t i = 0; i < h->n; i++)
		xkd_buf_printf(&s->b, " %s=%s:%s:%lld", h->values[i].expr, h->values[i].type,
			       h->values[i].text,
			       h->values[i].has_num ? (long long)h->values[i].num : -999);
	xkd_buf_ch(&s->b, '\n');
	return true;
}

static bool see_group(void *arg, const char *text, uint64_t num, uint64_t count)
{
	struct seen *s = arg;

	(void)num;
	xkd_buf_printf(&s->b, "%s:%llu ", text, (unsigned long long)count);
	return true;
}

static const char *asked_db(struct xkd_tracedb *db, struct seen *s, const struct xkd_tracequery *q,
			    const char *what)
{
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc;

	xkd_buf_reset(&s->b);
	rc = what ? xkd_tracedb_groups(db, q, what, see_group, s, NULL, &err) :
		    xkd_tracedb_each(db, q, see, s, NULL, &err);
	if (rc)
		xkd_buf_printf(&s->b, "%s", err.msg);
	return s->b.s;
}

static enum xkd_rc write_many(struct xkd_tracedb *db, int64_t point, unsigned n, struct xkd_err *err)
{
	struct xkd_tracevalue v[2] = { { .text = "0n-5", .type = "int", .has_num = true,
					 .num = (uint64_t)-5 },
				       { .text = "<no>", .type = "" } };
	struct xkd_hit *h = calloc(n, sizeof(*h));
	enum xkd_rc rc;

	for (unsigned i = 0; i < n; i++) {
		h[i] = (struct xkd_hit){ .point = point, .wall_ns = 1000 + i, .mono_ns = i,
					 .cpu = (int)i % 2, .task = i % 3 ? 0xffff888000000000 : 0,
					 .pid = 7, .comm = "it's \"x\"", .pc = 0xffffffff81000000,
					 .n = 2, .values = v };
	}
	rc = xkd_tracedb_write(db, h, n, err);
	free(h);
	return rc;
}

static void database(const char *dir)
{
	char path[400], *exprs[] = { (char *)"a->b", (char *)"c, 'x'" };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_tracequery all = { .last = 0 }, two = { .last = 2 }, other = { .last = 0 };
	const unsigned five = 5, nine = 9;
	struct seen s = { XKD_BUF_INIT };
	struct xkd_tracedb *db, *again;
	int64_t p5, p9;

	snprintf(path, sizeof(path), "%s/hits.db", dir);
	if (!ok(!xkd_tracedb_open(path, "mock", "6.0", &db, &err) &&
			!xkd_tracedb_point(db, 5, "f", "x > 1", exprs, 2, &p5, &err) &&
			!xkd_tracedb_point(db, 9, "g", NULL, exprs, 0, &p9, &err),
		"a database is made"))
		printf("# %s\n", err.msg);
	ok(!write_many(db, p5, 3, &err), "hits are written");
	is_str(asked_db(db, &s, &two, NULL),
	       "5/1/7/it's \"x\" a->b=int:0n-5:-5 c, 'x'=:<no>:-999\n"
	       "5/0/7/it's \"x\" a->b=int:0n-5:-5 c, 'x'=:<no>:-999\n",
	       "the last two are read back, in order");
	other.points = &nine;
	other.npoints = 1;
	is_str(asked_db(db, &s, &other, NULL), "", "another point has none");
	other.points = &five;
	is_str(asked_db(db, &s, &other, "cpu"), "0:2 1:1 ", "groups by CPU");
	is_str(asked_db(db, &s, &all, "comm"), "it's \"x\":2 :1 ", "by name, one without");
	is_str(asked_db(db, &s, &all, "a->b"), "0n-5:3 ", "by an expression");
	ok(strstr(asked_db(db, &s, &all, "h.cpu; DROP TABLE hit"), "no trace point has") != NULL,
	   "what is no expression is said to be none");
	xkd_tracedb_close(db);
	ok(!xkd_tracedb_open(path, "mock", "6.0", &again, &err), "the file is gone on with");
	is_str(asked_db(again, &s, &all, NULL), "", "hits of another session are not this one's");
	xkd_tracedb_close(again);
	xkd_buf_fini(&s.b);
}

static void trouble(const char *dir)
{
	char path[400];
	const struct rlimit little = { 64 << 10, RLIM_INFINITY }, much = { RLIM_INFINITY, RLIM_INFINITY };
	struct xkd_err err = XKD_ERR_INIT;
	struct seen s = { XKD_BUF_INIT };
	struct xkd_tracequery all = { .last = 0 };
	struct xkd_tracedb *db;
	int64_t point;
	FILE *f;

	snprintf(path, sizeof(path), "%s/nowhere/x.db", dir);
	ok(xkd_tracedb_open(path, "m", "", &db, &err) == XKD_IO && strstr(err.msg, path),
	   "a folder that is not there: %s", err.msg);
	snprintf(path, sizeof(path), "%s/text", dir);
	f = fopen(path, "w");
	for (int i = 0; f && i < 200; i++)
		fputs("no database\n", f);
	if (f)
		fclose(f);
	ok(xkd_tracedb_open(path, "m", "", &db, &err) == XKD_IO, "a text file: %s", err.msg);
	snprintf(path, sizeof(path), "%s/full.db", dir);
	ok(!xkd_tracedb_open(path, "m", "", &db, &err) &&
		   !xkd_tracedb_point(db, 0, "f", NULL, NULL, 0, &point, &err),
	   "another database");
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &little);
	ok(write_many(db, point, 4000, &err) == XKD_IO && strstr(err.msg, path), "no room: %s", err.msg);
	setrlimit(RLIMIT_FSIZE, &much);
	is_str(asked_db(db, &s, &all, "point"), "", "then none of them is there");
	ok(!write_many(db, point, 4000, &err), "with room again they are written");
	is_str(asked_db(db, &s, &all, "point"), "0:4000 ", "all of them");
	xkd_tracedb_close(db);
	xkd_buf_fini(&s.b);
}

int main(void)
{
	static const char *const exprs[] = {
		"t_first.in[1].a",	  "t_first.next->in[0].c",     "-t_last.in[0].b",
		"t_first.small",	  "t_first.next->in[0].list[3]", "t_first.in[1].list[1] << 2",
		"&t_first.next->name",	  "t_first.next->name[1]",     "(long)t_first.small * 3 > -22",
		"t_first.next == &t_last && t_last.in[0].a < 0", "@rdi + 1", "(int)@edi", "!t_last.next ? 5 : 6",
		"sizeof(struct t_out) + t_last.in[0].list[2]", "*(unsigned short *)&t_last.in[0].list[1]",
	};
	struct xkd_target *t = mock_open();
	char dir[] = "/tmp/xkd-trace.XXXXXX", cmd[64];

	split("a, b->c", "[a][b->c]");
	split("f(a, b), c[d, e] , 'x,'", "[f(a, b)][c[d, e]]['x,']");
	split("", "");
	split("  ", "");
	split("',', '\\'', z", "[','][" "'\\''" "][z]");
	split("a,", NULL);
	split(",", NULL);
	split("a,,b", NULL);
	split("1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3", NULL);
	mock_reg(t, "rdi", 0xfffffffffffffff0);
	asked(t);
	if (mock_self(t))
		for (size_t i = 0; i < XKD_COUNT(exprs); i++)
			same(t, exprs[i]);
	else
		skip("expressions compiled", "this program has no debug info");
	mock_close(t);
	if (!ok(mkdtemp(dir) != NULL, "a folder"))
		return done_testing();
	database(dir);
	trouble(dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ok(!system(cmd), "tidied up");
	return done_testing();
}
