/* Recording at trace points. Invariants: values are read while the CPU stands, at that stop; text is
 * made and written while it runs. A hit is in the queue until a transaction holds it; where none can be
 * written the queue is bounded, and what it has no room for is counted. */
#include "engine/run/trace.h"
#include "base/str.h"
#include "engine/lang/lang.h"
#include "engine/lang/print.h"
#include "engine/os/os.h"
#include "engine/run/run_int.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EXPRS_MAX 32
#define FLUSH_HITS 2000
#define FLUSH_MS 250
#define QUEUE_MAX 100000

struct xkd_trace {
	char *text;
	size_t n;
	char *exprs[EXPRS_MAX];
	int64_t point, next; /* in the database; in the one that is being changed to */
};

/* A value whose text is made later: of these types the number alone is shown. */
struct later {
	const struct xkd_type *type;
	struct xkd_module *mod;
};
struct pending {
	struct xkd_bkpt *b;
	struct xkd_hit hit;
	struct later *later; /* as many as hit.n; type NULL: the text is there */
	bool lost;	     /* there is no room for it */
};
struct xkd_traces {
	struct xkd_tracedb *db;
	struct xkd_arena arena; /* of the queue and of what pends */
	XKD_VEC(struct pending) pending; /* of the stop at hand */
	XKD_VEC(struct xkd_hit) queue;
	uint64_t oldest_ms;   /* of the queue's first, as xkd_now_ms */
	uint64_t failed_ms;   /* the last try to write, 0: none failed */
	bool told;	      /* that it cannot be written */
	bool here;	      /* the stop at hand is a trace point's */
	uint64_t came_ns, began_ns;
	struct xkd_tracestats all, last;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- expressions --- */

static enum xkd_rc add_expr(struct xkd_trace *t, const char *s, size_t n, struct xkd_err *err)
{
	char *copy;

	while (n && strchr(" \t", s[n - 1]))
		n--;
	for (; n && strchr(" \t", *s); n--)
		s++;
	if (!n)
		return xkd_err_set(err, XKD_SYNTAX, "an expression is missing in \"%s\"", t->text);
	if (t->n == EXPRS_MAX)
		return xkd_err_set(err, XKD_SYNTAX, "a trace point has at most %d expressions",
				   EXPRS_MAX);
	copy = xkd_malloc(n + 1);
	memcpy(copy, s, n);
	copy[n] = 0;
	t->exprs[t->n++] = copy;
	return XKD_OK;
}

enum xkd_rc xkd_trace_new(const char *text, struct xkd_trace **trace, struct xkd_err *err)
{
	struct xkd_trace *t = xkd_calloc(1, sizeof(*t));
	const char *start = text, *p;
	enum xkd_rc rc = XKD_OK;
	int depth = 0;
	char quote = 0;

	t->text = xkd_strdup(text);
	for (p = text; *p && !rc; p++) {
		if (quote) {
			if (*p == '\\' && p[1])
				p++;
			else if (*p == quote)
				quote = 0;
		} else if (*p == '\'' || *p == '`') {
			quote = *p;
		} else if (*p == ',' && depth <= 0) {
			rc = add_expr(t, start, (size_t)(p - start), err);
			start = p + 1;
		} else {
			depth += *p == '(' || *p == '[';
			depth -= *p == ')' || *p == ']';
		}
	}
	if (!rc && (t->n || *xkd_skip_space(text)))
		rc = add_expr(t, start, (size_t)(p - start), err);
	if (rc) {
		xkd_trace_free(t);
		return rc;
	}
	*trace = t;
	return XKD_OK;
}

void xkd_trace_free(struct xkd_trace *t)
{
	for (size_t i = 0; t && i < t->n; i++)
		free(t->exprs[i]);
	if (t)
		free(t->text);
	free(t);
}

size_t xkd_trace_count(const struct xkd_trace *t)
{
	return t ? t->n : 0;
}

const char *xkd_trace_expr(const struct xkd_trace *t, size_t i)
{
	return t->exprs[i];
}

const char *xkd_trace_text(const struct xkd_trace *t)
{
	return t->text;
}

enum xkd_rc xkd_trace_check(struct xkd_run *r, const struct xkd_bkpt *b, struct xkd_err *err)
{
	struct xkd_ctx ctx;
	enum xkd_rc rc = XKD_OK;

	if (!b->trace || !b->locs.n || !r->ctx || r->ctx->foreign)
		return XKD_OK;
	ctx = *r->ctx;
	ctx.frame = ctx.inline_depth = 0;
	ctx.caller = NULL;
	ctx.cfa = 0;
	ctx.pc_lookup = b->locs.p[0];
	xkd_reg_put(&ctx.regs, r->t->arch->pc, b->locs.p[0]);
	for (size_t i = 0; i < b->trace->n && !rc; i++) {
		struct xkd_prog *p = NULL;

		rc = xkd_prog_new(&ctx, r->env, b->trace->exprs[i], &p, err);
		if (!rc)
			xkd_prog_free(p);
		else if (rc != XKD_SYNTAX && rc != XKD_NOTFOUND && rc != XKD_CANCELED)
			rc = XKD_OK; /* the evaluator may know what to do with it at a hit */
		else
			rc = xkd_err_prepend(err, rc, "'%s'", b->trace->exprs[i]);
	}
	return rc;
}

/* --- the database --- */

static struct xkd_traces *traces_of(struct xkd_bkpts *all)
{
	if (!all->traces) {
		all->traces = xkd_calloc(1, sizeof(*all->traces));
		xkd_arena_init(&all->traces->arena);
	}
	return all->traces;
}

/* ${XDG_STATE_HOME:-~/.local/state}/xkd/traces/DATE-TIME-PID.db, its folders made. */
static enum xkd_rc default_path(struct xkd_buf *b, struct xkd_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	time_t now = time(NULL);
	struct tm tm;
	char when[40];

	if (state && *state == '/')
		xkd_buf_str(b, state);
	else if (home && *home)
		xkd_buf_printf(b, "%s/.local/state", home);
	else
		return xkd_err_set(err, XKD_IO, "neither XDG_STATE_HOME nor HOME is set: say where hits "
						"are recorded by !hits /f FILE");
	xkd_buf_str(b, "/xkd/traces/");
	for (char *p = b->s + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			if (mkdir(b->s, 0700) && errno != EEXIST)
				return xkd_err_set(err, XKD_IO, "the folder %s cannot be made: %s; "
						   "!hits /f FILE records elsewhere", b->s,
						   strerror(errno));
			*p = '/';
		}
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
	xkd_buf_printf(b, "%s-%ld.db", when, (long)getpid());
	return XKD_OK;
}

static enum xkd_rc note_point(struct xkd_tracedb *db, struct xkd_bkpt *b, struct xkd_err *err)
{
	return xkd_tracedb_point(db, b->id, b->spec, b->cond, b->trace->exprs, b->trace->n,
				 &b->trace->point, err);
}

/* Hits that the old file could not take go to the new one. */
static void carry_over(struct xkd_traces *tr, int64_t from, int64_t to)
{
	for (size_t i = 0; i < tr->queue.n; i++)
		if (tr->queue.p[i].point == from)
			tr->queue.p[i].point = -to;
}

static void settle(struct xkd_traces *tr)
{
	size_t n = 0;

	for (size_t i = 0; i < tr->queue.n; i++) {
		if (tr->queue.p[i].point >= 0) { /* of a point that is gone */
			tr->all.lost++;
			continue;
		}
		tr->queue.p[n] = tr->queue.p[i];
		tr->queue.p[n].point = -tr->queue.p[n].point;
		n++;
	}
	tr->queue.n = n;
}

enum xkd_rc xkd_traces_file(struct xkd_run *r, const char *path, struct xkd_err *err)
{
	struct xkd_traces *tr = traces_of(r->bkpts);
	struct xkd_bkpts *all = r->bkpts;
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_tracedb *db;
	enum xkd_rc rc;

	(void)!xkd_traces_flush(all, &ignored);
	rc = xkd_tracedb_open(path, r->t->uri, r->t->release, &db, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < all->list.n && !rc; i++) {
		struct xkd_trace *t = all->list.p[i]->trace;
		int64_t was = t ? t->point : 0;

		if (!t)
			continue;
		rc = note_point(db, all->list.p[i], err);
		t->next = t->point;
		t->point = was;
	}
	if (rc) {
		xkd_tracedb_close(db);
		return rc;
	}
	for (size_t i = 0; i < all->list.n; i++)
		if (all->list.p[i]->trace) {
			carry_over(tr, all->list.p[i]->trace->point, all->list.p[i]->trace->next);
			all->list.p[i]->trace->point = all->list.p[i]->trace->next;
		}
	settle(tr);
	xkd_tracedb_close(tr->db);
	tr->db = db;
	return XKD_OK;
}

enum xkd_rc xkd_trace_begin(struct xkd_run *r, struct xkd_bkpt *b, struct xkd_err *err)
{
	struct xkd_traces *tr = traces_of(r->bkpts);
	struct xkd_buf path = XKD_BUF_INIT;
	enum xkd_rc rc;

	if (tr->db)
		return note_point(tr->db, b, err);
	rc = default_path(&path, err);
	if (!rc)
		rc = xkd_traces_file(r, path.s, err); /* notes every point */
	xkd_buf_fini(&path);
	return rc;
}

struct xkd_tracedb *xkd_traces_db(const struct xkd_bkpts *all)
{
	return all->traces ? all->traces->db : NULL;
}

enum xkd_rc xkd_traces_flush(struct xkd_bkpts *all, struct xkd_err *err)
{
	struct xkd_traces *tr = all->traces;
	enum xkd_rc rc;

	if (!tr || !tr->queue.n || !tr->db)
		return XKD_OK;
	rc = xkd_tracedb_write(tr->db, tr->queue.p, tr->queue.n, err);
	tr->failed_ms = rc ? xkd_now_ms() : 0;
	if (rc)
		return rc;
	xkd_vec_reset(&tr->queue);
	xkd_vec_reset(&tr->pending);
	xkd_arena_fini(&tr->arena);
	return XKD_OK;
}

void xkd_traces_free(struct xkd_traces *tr)
{
	struct xkd_err ignored = XKD_ERR_INIT;

	if (!tr)
		return;
	if (tr->db && tr->queue.n)
		(void)!xkd_tracedb_write(tr->db, tr->queue.p, tr->queue.n, &ignored);
	xkd_tracedb_close(tr->db);
	xkd_vec_fini(&tr->queue);
	xkd_vec_fini(&tr->pending);
	xkd_arena_fini(&tr->arena);
	free(tr);
}

/* --- a hit --- */

static struct pending *start(struct xkd_run *r, struct xkd_bkpt *b, int cpu, uint64_t pc)
{
	struct xkd_traces *tr = traces_of(r->bkpts);
	struct pending *p = xkd_vec_push(&tr->pending);
	size_t n = b->trace->n;

	p->b = b;
	p->lost = tr->queue.n >= QUEUE_MAX;
	if (p->lost)
		return p;
	p->hit = (struct xkd_hit){ .point = b->trace->point, .wall_ns = clock_ns(CLOCK_REALTIME),
				   .mono_ns = clock_ns(CLOCK_MONOTONIC), .pc = pc, .comm = "", .n = n };
	p->hit.cpu = r->t->os->cpu_number ? r->t->os->cpu_number(r->t, cpu) : cpu;
	p->hit.values = XKD_NEWN(&tr->arena, struct xkd_tracevalue, n ? n : 1);
	p->later = XKD_NEWN(&tr->arena, struct later, n ? n : 1);
	return p;
}

/* Is there more to be read for a text than the number? Strings alone are followed. */
static bool has_text(const struct xkd_ctx *ctx, const struct xkd_prog *prog)
{
	struct xkd_module *mod;
	const struct xkd_type *type = xkd_prog_type(prog, &mod);
	const struct xkd_type *s = xkd_lang_strip(ctx, mod, type), *to = NULL;

	return s->kind == XKD_T_PTR && !xkd_lang_target(ctx, mod, s, &to, NULL) && to &&
	       xkd_type_strip(to)->kind == XKD_T_INT && xkd_type_strip(to)->size == 1;
}

static void print_value(struct xkd_traces *tr, const struct xkd_ctx *ctx, const struct xkd_value *v,
			struct xkd_tracevalue *out)
{
	struct xkd_buf b = XKD_BUF_INIT;

	xkd_value_brief(ctx, v, true, &b);
	out->text = xkd_arena_strdup(&tr->arena, b.s);
	xkd_buf_reset(&b);
	xkd_type_spell(v->type, NULL, &b);
	out->type = xkd_arena_strdup(&tr->arena, b.s);
	xkd_buf_fini(&b);
}

static void failed(struct xkd_traces *tr, const struct xkd_err *err, struct xkd_tracevalue *out)
{
	out->text = xkd_arena_printf(&tr->arena, "<%s>", err->msg);
	out->type = "";
}

/* By the evaluator, as ?? does. */
static void evaluate(struct xkd_run *r, const struct xkd_ctx *ctx, const char *expr,
		     struct xkd_tracevalue *out)
{
	struct xkd_traces *tr = traces_of(r->bkpts);
	struct xkd_env env = *r->env;
	struct xkd_err err = XKD_ERR_INIT, ignored = XKD_ERR_INIT;
	struct xkd_value v;

	env.no_side_effects = true;
	if (xkd_eval(ctx, &env, XKD_CXX, expr, NULL, &tr->arena, &v, &err)) {
		failed(tr, &err, out);
		return;
	}
	print_value(tr, ctx, &v, out);
	out->has_num = !xkd_type_is_aggregate(v.type) && !xkd_value_u64(ctx, &v, &out->num, &ignored);
}

void xkd_trace_take(struct xkd_sight *s, struct xkd_bkpt *b, const struct xkd_compiled *c)
{
	const struct xkd_prog_env env = xkd_sight_env(s);
	struct xkd_traces *tr = traces_of(s->r->bkpts);
	struct pending *p = start(s->r, b, s->cpu, s->pc);
	struct xkd_ctx ctx;

	if (p->lost)
		return;
	if (xkd_sight_task(s)) {
		p->hit.task = s->task;
		p->hit.pid = s->pid;
		p->hit.comm = xkd_arena_strdup(&tr->arena, s->comm);
	}
	for (size_t i = 0; i < p->hit.n; i++) {
		struct xkd_tracevalue *out = &p->hit.values[i];
		struct xkd_prog *prog = c->exprs[i];
		struct xkd_err err = XKD_ERR_INIT;

		xkd_ctx_bare(s->r->t, &ctx);
		if (prog && !xkd_prog_is_place(prog) && !has_text(&ctx, prog)) {
			p->later[i].type = xkd_prog_type(prog, &p->later[i].mod);
			out->has_num = !xkd_prog_run(prog, &env, &out->num, &err);
			if (out->has_num)
				continue;
			p->later[i].type = NULL;
			failed(tr, &err, out);
		} else if (xkd_ctx_cpu(s->r->t, s->cpu, &ctx, &err)) {
			failed(tr, &err, out);
		} else {
			evaluate(s->r, &ctx, b->trace->exprs[i], out);
		}
	}
}

void xkd_trace_drop(struct xkd_run *r)
{
	if (r->bkpts->traces)
		xkd_vec_reset(&r->bkpts->traces->pending);
}

/* Says once that the database cannot be written, and once that it can again. */
void xkd_traces_write(struct xkd_run *r)
{
	struct xkd_traces *tr = r->bkpts->traces;
	struct xkd_err err = XKD_ERR_INIT;

	if (!tr)
		return;
	if (xkd_traces_flush(r->bkpts, &err)) {
		if (!tr->told) {
			xkd_out_st(r->out, XKD_ST_ERR, "%s; hits are kept in memory, up to %d", err.msg,
				   QUEUE_MAX);
			xkd_out_end(r->out);
			xkd_out_flush(r->out);
		}
		tr->told = true;
	} else if (tr->told) {
		xkd_out(r->out, "The trace database is written again");
		xkd_out_end(r->out);
		tr->told = false;
	}
}

void xkd_trace_keep(struct xkd_run *r)
{
	struct xkd_traces *tr = r->bkpts->traces;
	struct xkd_ctx bare;

	if (!tr || !tr->pending.n)
		return;
	xkd_ctx_bare(r->t, &bare);
	for (size_t i = 0; i < tr->pending.n; i++) {
		struct pending *p = &tr->pending.p[i];

		p->b->hits++;
		tr->all.hits++;
		tr->last.hits++;
		if (p->lost) {
			tr->all.lost++;
			tr->last.lost++;
			continue;
		}
		for (size_t k = 0; k < p->hit.n; k++) {
			struct xkd_value v;

			if (!p->later[k].type)
				continue;
			v = xkd_value_num(p->later[k].type, p->hit.values[k].num);
			v.mod = p->later[k].mod;
			print_value(tr, &bare, &v, &p->hit.values[k]);
		}
		if (!tr->queue.n)
			tr->oldest_ms = xkd_now_ms();
		*xkd_vec_push(&tr->queue) = p->hit;
	}
	xkd_vec_reset(&tr->pending);
}

void xkd_trace_slowly(struct xkd_run *r, struct xkd_bkpt *b, int cpu)
{
	struct xkd_traces *tr = traces_of(r->bkpts);
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_os *os = r->t->os;
	struct xkd_task task;
	struct pending *p;
	struct xkd_ctx ctx;
	enum xkd_rc rc = xkd_ctx_cpu(r->t, cpu, &ctx, &err);

	p = start(r, b, cpu, rc ? 0 : ctx.regs.v[r->t->arch->pc]);
	if (!p->lost && !rc && ctx.task && os->task && !os->task(r->t, ctx.task, &task, &err)) {
		p->hit.task = ctx.task;
		p->hit.pid = task.pid;
		p->hit.comm = xkd_arena_strdup(&tr->arena, task.comm);
	}
	for (size_t i = 0; i < p->hit.n; i++)
		if (rc)
			failed(tr, &err, &p->hit.values[i]);
		else
			evaluate(r, &ctx, b->trace->exprs[i], &p->hit.values[i]);
	xkd_trace_keep(r);
}

/* --- time --- */

int xkd_traces_due(struct xkd_run *r)
{
	const struct xkd_traces *tr = r->bkpts->traces;
	uint64_t since, age;

	if (!tr || !tr->queue.n)
		return -1;
	since = tr->failed_ms > tr->oldest_ms ? tr->failed_ms : tr->oldest_ms;
	if (!tr->failed_ms && tr->queue.n >= FLUSH_HITS)
		return 0;
	age = xkd_now_ms() - since;
	return age >= FLUSH_MS ? 0 : (int)(FLUSH_MS - age);
}

static bool any_points(const struct xkd_bkpts *all)
{
	for (size_t i = 0; i < all->list.n; i++)
		if (all->list.p[i]->trace && all->list.p[i]->enabled)
			return true;
	return false;
}

void xkd_traces_begin(struct xkd_run *r)
{
	struct xkd_traces *tr = r->bkpts->traces;

	if (!tr)
		return;
	tr->last = (struct xkd_tracestats){ .hits = 0 };
	tr->began_ns = any_points(r->bkpts) ? clock_ns(CLOCK_MONOTONIC) : 0;
	tr->came_ns = 0;
	tr->here = false;
}

void xkd_traces_end(struct xkd_run *r)
{
	struct xkd_traces *tr = r->bkpts->traces;

	if (!tr)
		return;
	if (tr->began_ns) {
		tr->last.run_ns = clock_ns(CLOCK_MONOTONIC) - tr->began_ns;
		tr->all.run_ns += tr->last.run_ns;
	}
	tr->began_ns = 0;
	xkd_traces_write(r);
}

void xkd_traces_came(struct xkd_run *r)
{
	struct xkd_traces *tr = r->bkpts->traces;

	if (!tr || !tr->began_ns)
		return;
	tr->came_ns = clock_ns(CLOCK_MONOTONIC);
	tr->here = false;
}

void xkd_traces_here(struct xkd_run *r)
{
	if (r->bkpts->traces)
		r->bkpts->traces->here = true;
}

void xkd_traces_went(struct xkd_run *r)
{
	struct xkd_traces *tr = r->bkpts->traces;
	uint64_t ns;

	if (!tr || !tr->came_ns || !tr->here)
		return;
	ns = clock_ns(CLOCK_MONOTONIC) - tr->came_ns;
	tr->last.stood_ns += ns;
	tr->all.stood_ns += ns;
	tr->came_ns = 0;
}

void xkd_traces_stats(const struct xkd_bkpts *all, bool last, struct xkd_tracestats *st)
{
	const struct xkd_traces *tr = all->traces;

	*st = tr ? last ? tr->last : tr->all : (struct xkd_tracestats){ .hits = 0 };
	if (tr)
		st->unwritten = tr->queue.n;
}
