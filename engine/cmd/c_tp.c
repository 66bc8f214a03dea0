/* Trace points: tp sets one, !hits shows what they recorded. */
#include "base/str.h"
#include "engine/cmd/bkpt.h"
#include "engine/cmd/hitfile.h"
#include "engine/run/trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LAST 20 /* hits that are listed when nothing else is asked for */

static enum xkd_rc parse(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *b,
			 struct xkd_err *err)
{
	const char *exprs;
	enum xkd_rc rc = xkd_bkpt_switches(s, a, b, err);

	if (!rc && (b->once || b->max_depth || b->change))
		rc = xkd_err_set(err, XKD_SYNTAX, "tp takes /w \"expr\", /p task and /cpu n");
	if (rc)
		return rc;
	b->spec = (char *)xkd_bkpt_spec(s, a);
	if (!b->spec[0])
		return xkd_err_syntax(err, (int)(a->p - a->line),
				      "a place and expressions come here: tp kvm!kvm_io_bus_write "
				      "\"addr, len\"");
	exprs = xkd_arg_string(s, a);
	if (!exprs && !xkd_arg_end(a))
		return xkd_err_syntax(err, (int)(a->p - a->line),
				      "the expressions stand in quotes: \"expr, expr\"");
	rc = xkd_arg_done(a, err);
	return rc ? rc : xkd_trace_new(exprs ? exprs : "", &b->trace, err);
}

static enum xkd_rc tp_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_bkpt proto = { .kind = s->t->caps & XKD_CAP_BP_SW ? XKD_BP_SW : XKD_BP_HW,
				  .size = 1, .only_cpu = -1 };
	struct xkd_run *r = xkd_session_runner(s);
	bool first = !xkd_traces_db(&s->bkpts);
	struct xkd_err ignored;
	struct xkd_bkpt *b;
	enum xkd_rc rc = parse(s, a, &proto, err);

	if (!rc)
		rc = xkd_bkpt_add(r, a->prefix, &proto, &b, err);
	if (rc)
		return rc;
	rc = xkd_trace_check(r, b, err);
	if (!rc)
		rc = xkd_trace_begin(r, b, err);
	if (rc) {
		(void)!xkd_bkpt_del(r, b->id, &ignored);
		return rc;
	}
	xkd_bkpt_say(s, b);
	if (first)
		xkd_out(&s->out, "Hits are recorded in %s\n",
			xkd_tracedb_path(xkd_traces_db(&s->bkpts)));
	return XKD_OK;
}

/* --- !hits --- */

/* A word, or a string in quotes; NULL: none. */
static const char *word(struct xkd_session *s, struct xkd_args *a)
{
	const char *str = xkd_arg_string(s, a);
	char buf[1024];

	return str ? str : xkd_arg_word(a, buf, sizeof(buf)) ? xkd_arena_strdup(&s->cmd_arena, buf) :
							       NULL;
}

static void hit_time(uint64_t ns, char *buf, size_t max)
{
	time_t sec = (time_t)(ns / 1000000000);
	struct tm tm;
	char hms[16];

	strftime(hms, sizeof(hms), "%H:%M:%S", localtime_r(&sec, &tm));
	snprintf(buf, max, "%s.%06u", hms, (unsigned)(ns / 1000 % 1000000));
}

static bool show_hit(void *arg, const struct xkd_hit *h)
{
	struct xkd_out *o = arg;
	char when[40];

	hit_time(h->wall_ns, when, sizeof(when));
	xkd_out_key(o, XKD_ST_DIM, "hit", "%6lld", (long long)h->id);
	xkd_out_key(o, XKD_ST_PLAIN, "time", "  %s", when);
	xkd_out_key(o, XKD_ST_NUM, "point", "  %5u", h->number);
	xkd_out_key(o, XKD_ST_NUM, "cpu", h->cpu < 0 ? "    ?" : "  %3d", h->cpu);
	if (h->task) {
		xkd_out_key(o, XKD_ST_NUM, "pid", "  %7lld  ", (long long)h->pid);
		xkd_out_foreign(o, XKD_ST_STR, h->comm, strlen(h->comm));
	}
	xkd_out_pad(o, 63);
	for (size_t i = 0; i < h->n; i++) {
		xkd_out(o, "%s%s = ", i ? ", " : " ", h->values[i].expr);
		xkd_out_foreign(o, XKD_ST_NUM, h->values[i].text, strlen(h->values[i].text));
	}
	xkd_out_end(o);
	return true;
}

static enum xkd_rc list(struct xkd_session *s, const struct xkd_tracequery *q, struct xkd_err *err)
{
	xkd_out_st(&s->out, XKD_ST_HEAD, "   Hit  Time             Point  CPU      Pid  Command          Values");
	xkd_out_end(&s->out);
	return xkd_tracedb_each(xkd_traces_db(&s->bkpts), q, show_hit, &s->out, &s->cancel, err);
}

struct grouped {
	struct xkd_session *s;
	const char *what;
};

static bool show_group(void *arg, const char *text, uint64_t num, uint64_t count)
{
	struct grouped *g = arg;
	struct xkd_out *o = &g->s->out;
	struct xkd_buf sym = XKD_BUF_INIT;

	xkd_out_key(o, XKD_ST_NUM, "count", "%8llu  ", (unsigned long long)count);
	if (!strcmp(g->what, "task")) {
		xkd_out_key(o, XKD_ST_ADDR, "task", "%s", XKD_ADDR(num));
	} else if (!strcmp(g->what, "pc") && g->s->t) {
		xkd_sym_format(g->s->t, num, &sym);
		xkd_out_key(o, XKD_ST_SYM, "symbol", "%s", sym.s);
	} else {
		xkd_out_foreign(o, XKD_ST_PLAIN, text, strlen(text));
	}
	xkd_buf_fini(&sym);
	xkd_out_end(o);
	return true;
}

static enum xkd_rc groups(struct xkd_session *s, const struct xkd_tracequery *q, const char *what,
			  struct xkd_err *err)
{
	struct grouped g = { s, what };

	xkd_out_st(&s->out, XKD_ST_HEAD, "   Count  %s", what);
	xkd_out_end(&s->out);
	return xkd_tracedb_groups(xkd_traces_db(&s->bkpts), q, what, show_group, &g, &s->cancel, err);
}

/* Hits a second and what they cost, in words. */
static void say_cost(struct xkd_out *o, const struct xkd_tracestats *st)
{
	double run = (double)st->run_ns / 1e9;

	xkd_out(o, "%llu %s in %.1f s of running", (unsigned long long)st->hits,
		st->hits == 1 ? "hit" : "hits", run);
	if (st->run_ns)
		xkd_out(o, ", %.0f a second; the target stood for them %.0f%% of the time",
			(double)st->hits / run, 100.0 * (double)st->stood_ns / (double)st->run_ns);
	xkd_out_end(o);
	if (st->lost)
		xkd_out_st(o, XKD_ST_ERR, "%llu hits are lost: the database could not be written\n",
			   (unsigned long long)st->lost);
}

static enum xkd_rc counts(struct xkd_session *s, const struct xkd_tracequery *q, struct xkd_err *err)
{
	struct xkd_tracestats st;
	enum xkd_rc rc = groups(s, q, "point", err);

	xkd_traces_stats(&s->bkpts, false, &st);
	say_cost(&s->out, &st);
	xkd_out(&s->out, "in %s\n", xkd_tracedb_path(xkd_traces_db(&s->bkpts)));
	return rc;
}

void xkd_tp_say_run(struct xkd_session *s)
{
	struct xkd_tracestats st;

	xkd_traces_stats(&s->bkpts, true, &st);
	if (!st.hits)
		return;
	xkd_out(&s->out, "Trace points: ");
	say_cost(&s->out, &st);
	if (st.unwritten)
		xkd_out_st(&s->out, XKD_ST_ERR, "%llu hits are not written yet; !hits says why\n",
			   (unsigned long long)st.unwritten);
}

struct asked {
	char what; /* l c g v j f */
	const char *arg;
	struct xkd_tracequery q;
	unsigned points[64];
};

static enum xkd_rc hits_args(struct xkd_session *s, struct xkd_args *a, struct asked *h,
			     struct xkd_err *err)
{
	static const char *const names[] = { "c", "g", "csv", "json", "f" };
	char sw[16];
	uint64_t v;
	enum xkd_rc rc = XKD_OK;

	while (!rc && xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		size_t i = 0;

		while (i < XKD_COUNT(names) && strcmp(sw, names[i]))
			i++;
		if (!strcmp(sw, "n")) {
			const char *n = word(s, a);

			if (!n || !xkd_parse_u64(n, 10, &h->q.last))
				rc = xkd_err_set(err, XKD_SYNTAX, "/n wants a number");
		} else if (i == XKD_COUNT(names)) {
			rc = xkd_err_syntax(err, (int)(a->p - a->line),
					    "no switch /%s here; there are /n N /c /g what /csv file "
					    "/json file /f file", sw);
		} else {
			h->what = "cgvjf"[i];
			h->arg = i ? word(s, a) : NULL;
			if (i && !h->arg)
				rc = xkd_err_set(err, XKD_SYNTAX, "/%s wants %s", sw,
						 i == 1 ? "point, cpu, task, pid, comm, pc or an expression" :
							  "a file");
		}
	}
	h->q.points = h->points;
	while (!rc && !xkd_arg_end(a)) {
		const char *id = word(s, a);

		if (!id || !xkd_parse_u64(id, 10, &v) || v > UINT32_MAX)
			rc = xkd_err_set(err, XKD_SYNTAX, "'%s' is no trace point's number", id ? id : "");
		else if (h->q.npoints == XKD_COUNT(h->points))
			rc = xkd_err_set(err, XKD_SYNTAX, "at most %zu trace points",
					 XKD_COUNT(h->points));
		else
			h->points[h->q.npoints++] = (unsigned)v;
	}
	return rc;
}

static enum xkd_rc hits_file(struct xkd_session *s, const char *path, struct xkd_err *err)
{
	enum xkd_rc rc = s->t ? xkd_traces_file(xkd_session_runner(s), path, err) :
				xkd_err_set(err, XKD_UNSUPPORTED, "there is no target to be traced");

	if (!rc)
		xkd_out(&s->out, "Hits are recorded in %s\n", path);
	return rc;
}

static enum xkd_rc hits_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct asked h = { .what = 'l' };
	struct xkd_tracedb *db = xkd_traces_db(&s->bkpts);
	enum xkd_rc rc = hits_args(s, a, &h, err);

	if (rc || h.what == 'f')
		return rc ? rc : hits_file(s, h.arg, err);
	if (!db)
		return xkd_err_set(err, XKD_NOTFOUND, "no trace point was set; tp sets one");
	rc = xkd_traces_flush(&s->bkpts, err);
	if (rc)
		return rc;
	switch (h.what) {
	case 'c':
		return counts(s, &h.q, err);
	case 'g':
		return groups(s, &h.q, h.arg, err);
	case 'v':
	case 'j':
		return xkd_hits_export(s, db, &h.q, h.arg, h.what == 'j', err);
	default:
		if (!h.q.last)
			h.q.last = LAST;
		return list(s, &h.q, err);
	}
}

static const struct xkd_cmd rows[] = {
	{ "tp", "[/w \"C++ expr\"] [/p task] [/cpu n] addr [\"expr, expr ...\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED,
	  "trace point: at each hit time, CPU, task and the values of C++ expressions are recorded", tp_cmd,
	  "The target goes on by itself; g, then Ctrl-C ends. tp3 gives the id; the place, /w, /p and /cpu\n"
	  "are as for bp, and bl, bc, bd, be serve trace points, too. What is recorded is in an SQLite\n"
	  "database (!hits /c tells its path), written four times a second. A read that fails is recorded\n"
	  "with the reason.", "trace tracepoint" },
	{ "!hits", "[/n N] [/c | /g what | /csv file | /json file | /f file] [point ...]", XKD_FX_NONE,
	  "what trace points recorded: the last 20 hits, counts (/c), groups (/g), files (/csv, /json)",
	  hits_cmd,
	  "/n: so many. /c: how many hits each point has, how many a second, for how much of the time the\n"
	  "target stood, and where the database is. /g: how many have the same point, cpu, task, pid, comm,\n"
	  "pc or value of an expression: !hits /g \"len\". /csv, /json: all of them into a file. /f: hits\n"
	  "are recorded in this file from now on; one that xkd made is gone on with. Numbers are of trace\n"
	  "points: only theirs.", "tdump" },
};
const struct xkd_cmd_family xkd_family_points = { "Trace points", rows, XKD_COUNT(rows) };
