/* !stacks: all tasks by what they wait in. Stacks that pass the same places are one group: thousands of
 * tasks sleep in few ways. The stacks are walked plainly (names only), their memory is read ahead for
 * many tasks at once. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <string.h>

#define DEPTH 96     /* frames of one stack */
#define AHEAD 32     /* tasks whose memory is asked for at once */
#define TASKS_MAX 1000000
#define PIDS_SHOWN 12
#define PAGE 4096u

struct one {
	uint64_t addr, sp;
	int64_t pid;
	int cpu; /* index of the CPU that runs it; -1: none */
	char comm[16];
	char letter;
	uint32_t next; /* of the same group; 0: none, else index + 1 */
};
/* Frames as they are shown; groups differ in them. */
struct line {
	uint64_t pc;
	const char *site; /* "lk!schedule+0x5a [note]" */
	const char *why;  /* the walk's end, when not the stack's; NULL */
};
struct group {
	uint64_t hash;
	struct line *line;
	size_t nlines;
	uint32_t first, last; /* index + 1 */
	unsigned n, letters[128];
	bool shown;
};
struct stacks {
	struct xkd_session *s;
	const char *pattern; /* NULL: all */
	const char *states;  /* NULL: all */
	bool all_pids;
	XKD_VEC(struct one) tasks;
	XKD_VEC(struct group) groups;
	struct xkd_map by_hash; /* index + 1 */
	struct xkd_unwind_memo memo;
	struct xkd_map sites; /* pc -> text without notes */
	unsigned failed;
};

static bool take_task(void *arg, const struct xkd_task *t)
{
	struct stacks *st = arg;
	struct one *o;

	if (st->tasks.n >= TASKS_MAX)
		return false;
	xkd_progress(&st->s->log, "reading tasks", st->tasks.n, 0);
	o = xkd_vec_push(&st->tasks);
	*o = (struct one){ .addr = t->addr, .sp = t->sp, .pid = t->pid, .cpu = -1,
			   .letter = t->letter };
	memcpy(o->comm, t->comm, sizeof(o->comm) - 1);
	return true;
}

static int by_addr(const void *a, const void *b)
{
	const struct one *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* What CPUs run is on no list when it is idle. */
static void mark_running(struct stacks *st)
{
	struct xkd_target *t = st->s->t;
	size_t listed = st->tasks.n;
	struct xkd_err ignored;

	xkd_vec_sort(&st->tasks, by_addr);
	for (size_t i = 0; t->os->current && i < t->cpus.n; i++) {
		struct xkd_task task;
		struct one *o;
		uint64_t addr;

		if (t->cpus.p[i].state == XKD_CPU_OFFLINE || t->os->current(t, (int)i, &addr, &ignored))
			continue;
		o = bsearch(&(struct one){ .addr = addr }, st->tasks.p, listed, sizeof(*o), by_addr);
		if (!o && !t->os->task(t, addr, &task, &ignored)) {
			take_task(st, &task);
			o = &st->tasks.p[st->tasks.n - 1];
		}
		if (o)
			o->cpu = (int)i;
	}
	xkd_vec_sort(&st->tasks, by_addr);
}

/* ---- one stack ---- */

static enum xkd_rc context_of(struct stacks *st, const struct one *o, struct xkd_ctx *ctx,
			      struct xkd_err *err)
{
	if (o->cpu >= 0)
		return xkd_ctx_cpu(st->s->t, o->cpu, ctx, err);
	return xkd_ctx_sleeper(st->s->t, o->addr, ctx, err);
}

static const char *site_of(struct stacks *st, const struct xkd_frame *f)
{
	const char *kept = xkd_map_get(&st->sites, f->pc);
	struct xkd_buf b = XKD_BUF_INIT;

	if (!kept) {
		if (f->kind == XKD_FR_USER)
			xkd_buf_str(&b, "user space");
		else if (f->exact_pc)
			xkd_sym_format(st->s->t, f->pc, &b);
		else
			xkd_sym_format_ret(st->s->t, f->pc, &b);
		kept = xkd_arena_strdup(&st->memo.arena, b.s);
		xkd_buf_fini(&b);
		if (f->kind != XKD_FR_USER)
			xkd_map_put(&st->sites, f->pc, (void *)kept);
	}
	if (!f->note[0] || f->kind == XKD_FR_USER)
		return kept;
	return xkd_arena_printf(&st->memo.arena, "%s [%s]", kept, f->note);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
	return h * 0xff51afd7ed558ccdULL;
}

/* User space is one place, wherever a task is in it. */
static uint64_t place(const struct xkd_frame *f)
{
	return f->kind == XKD_FR_USER ? 1 : f->pc;
}

static bool same(const struct group *g, const struct xkd_frame *f, size_t n)
{
	if (g->nlines != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (g->line[i].pc != place(&f[i]))
			return false;
	return true;
}

static struct group *group_for(struct stacks *st, const struct xkd_frame *f, size_t n,
			       const char *why)
{
	uint64_t h = n;
	struct group *g;

	for (size_t i = 0; i < n; i++)
		h = mix(h, place(&f[i]));
	for (;; h++) { /* hashes may meet */
		uintptr_t at = (uintptr_t)xkd_map_get(&st->by_hash, h);

		if (!at)
			break;
		if (same(&st->groups.p[at - 1], f, n))
			return &st->groups.p[at - 1];
	}
	g = xkd_vec_push(&st->groups);
	xkd_map_put(&st->by_hash, h, (void *)(uintptr_t)st->groups.n);
	g->line = XKD_NEWN(&st->memo.arena, struct line, n + 1);
	g->nlines = n;
	for (size_t i = 0; i < n; i++)
		g->line[i] = (struct line){ .pc = place(&f[i]), .site = site_of(st, &f[i]) };
	if (*why && n)
		g->line[n - 1].why = xkd_arena_strdup(&st->memo.arena, why);
	return g;
}

static void join(struct stacks *st, struct group *g, struct one *o)
{
	uint32_t no = (uint32_t)(o - st->tasks.p) + 1;

	if (g->last)
		st->tasks.p[g->last - 1].next = no;
	else
		g->first = no;
	g->last = no;
	g->n++;
	g->letters[o->letter & 127]++;
}

static enum xkd_rc walk_one(struct stacks *st, struct one *o, struct xkd_arena *arena,
			    struct xkd_err *err)
{
	struct xkd_frame *f;
	struct xkd_ctx ctx;
	char why[160];
	size_t n;
	enum xkd_rc rc = context_of(st, o, &ctx, err);

	if (!rc)
		rc = xkd_unwind_plain(&ctx, &st->memo, DEPTH, arena, &f, &n, why, err);
	if (rc == XKD_CANCELED || rc == XKD_TRANSPORT)
		return rc;
	if (rc) {
		st->failed++;
		return XKD_OK;
	}
	join(st, group_for(st, f, n, why), o);
	return XKD_OK;
}

/* The top of each stack, where what is on it lies. */
static void read_ahead(struct stacks *st, size_t from)
{
	uint64_t page[2 * AHEAD];
	size_t n = 0;

	for (size_t i = from; i < st->tasks.n && i < from + AHEAD; i++) {
		const struct one *o = &st->tasks.p[i];

		if (!o->sp || o->cpu >= 0)
			continue;
		page[n++] = o->sp;
		if (o->sp % PAGE > PAGE / 2) /* stacks end with a page */
			page[n++] = o->sp + PAGE;
	}
	xkd_kread_ahead(st->s->t, page, n);
}

static enum xkd_rc walk_all(struct stacks *st, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	for (size_t i = 0; !rc && i < st->tasks.n; i++) {
		struct xkd_arena arena;

		if (i % AHEAD == 0)
			read_ahead(st, i);
		xkd_progress(&st->s->log, "walking stacks", i, st->tasks.n);
		rc = xkd_cancel_check(st->s->t->cancel, err);
		if (rc)
			break;
		if (st->states && !strchr(st->states, st->tasks.p[i].letter))
			continue;
		xkd_arena_init(&arena);
		rc = walk_one(st, &st->tasks.p[i], &arena, err);
		xkd_arena_fini(&arena);
	}
	return rc;
}

/* ---- rows ---- */

static int by_size(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void head_row(struct stacks *st, const struct group *g)
{
	struct xkd_out *o = &st->s->out;
	unsigned shown = 0;

	xkd_out_key(o, XKD_ST_NUM, "count", "%u", g->n);
	xkd_out(o, " task%s", g->n == 1 ? "" : "s");
	for (int c = 0; c < 128; c++)
		if (g->letters[c])
			xkd_out_key(o, XKD_ST_PLAIN, "state", " %c:%u", c, g->letters[c]);
	xkd_out(o, "  pid");
	for (uint32_t i = g->first; i; i = st->tasks.p[i - 1].next) {
		const struct one *t = &st->tasks.p[i - 1];

		if (shown++ == PIDS_SHOWN && !st->all_pids) {
			xkd_out(o, " and %u more", g->n - PIDS_SHOWN);
			break;
		}
		xkd_out_key(o, XKD_ST_NUM, "pid", " %lld", (long long)t->pid);
		xkd_out(o, " ");
		xkd_out_foreign(o, XKD_ST_STR, t->comm, strlen(t->comm));
		if (t->cpu >= 0)
			xkd_out_key(o, XKD_ST_DIM, "cpu", " (on CPU %d)",
				    st->s->t->cpus.p[t->cpu].os_cpu >= 0 ?
					    st->s->t->cpus.p[t->cpu].os_cpu : t->cpu);
		if (t->next && (shown < PIDS_SHOWN || st->all_pids))
			xkd_out(o, ",");
	}
	xkd_out_end(o);
}

static void group_rows(struct stacks *st, const struct group *g)
{
	struct xkd_out *o = &st->s->out;

	head_row(st, g);
	for (size_t i = 0; i < g->nlines; i++) {
		xkd_out(o, "    ");
		xkd_out_key(o, XKD_ST_SYM, "site", "%s", g->line[i].site);
		xkd_out_end(o);
		if (g->line[i].why) {
			xkd_out_st(o, XKD_ST_DIM, "    the stack ends here: %s", g->line[i].why);
			xkd_out_end(o);
		}
	}
}

/* A pattern names a function, with or without its module, or a task. */
static bool wanted(struct stacks *st, const struct group *g)
{
	char pattern[256];

	if (!st->pattern)
		return true;
	snprintf(pattern, sizeof(pattern), strchr(st->pattern, '!') ? "%s[+ ]*" : "*!%s[+ ]*",
		 st->pattern);
	for (size_t i = 0; i < g->nlines; i++) {
		char site[300];

		snprintf(site, sizeof(site), "%s ", g->line[i].site);
		if (xkd_glob(pattern, site, true))
			return true;
	}
	for (uint32_t i = g->first; i; i = st->tasks.p[i - 1].next)
		if (xkd_glob(st->pattern, st->tasks.p[i - 1].comm, true))
			return true;
	return false;
}

static enum xkd_rc show(struct stacks *st, struct xkd_err *err)
{
	struct xkd_out *o = &st->s->out;
	unsigned groups = 0, tasks = 0;

	if (st->groups.n)
		qsort(st->groups.p, st->groups.n, sizeof(st->groups.p[0]), by_size);
	for (size_t i = 0; i < st->groups.n; i++) {
		enum xkd_rc rc = xkd_cancel_check(st->s->t->cancel, err);

		if (rc)
			return rc;
		if (!wanted(st, &st->groups.p[i]))
			continue;
		group_rows(st, &st->groups.p[i]);
		groups++;
		tasks += st->groups.p[i].n;
	}
	if (!groups && st->pattern)
		return xkd_err_set(err, XKD_NOTFOUND, "no task's stack passes '%s', and none is called so",
				   st->pattern);
	xkd_out_st(o, XKD_ST_DIM, "%u task%s in %u stack%s", tasks, tasks == 1 ? "" : "s", groups,
		   groups == 1 ? "" : "s");
	if (st->failed)
		xkd_out_st(o, XKD_ST_DIM, "; of %u the stack cannot be read", st->failed);
	xkd_out_end(o);
	return XKD_OK;
}

static enum xkd_rc stacks_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct stacks st = { .s = s };
	char sw[8];
	char states[32];
	enum xkd_rc rc = XKD_OK;

	if (!s->t->os->tasks || !s->t->os->task_regs)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with tasks is known here");
	while (!rc && xkd_arg_switch(a, '-', sw, sizeof(sw))) {
		if (!strcmp(sw, "v"))
			st.all_pids = true;
		else if (!strcmp(sw, "s") && xkd_arg_word(a, states, sizeof(states)))
			st.states = states;
		else
			rc = xkd_err_syntax(err, (int)(a->p - a->line),
					    "there are -v (all pids) and -s STATES");
	}
	if (rc)
		return rc;
	st.pattern = xkd_arg_rest(s, a);
	if (!*st.pattern)
		st.pattern = NULL;
	xkd_map_init_u64(&st.by_hash);
	xkd_map_init_u64(&st.sites);
	xkd_unwind_memo_init(&st.memo);
	rc = s->t->os->tasks(s->t, take_task, &st, err);
	if (!rc) {
		mark_running(&st);
		rc = walk_all(&st, err);
	}
	xkd_progress(&s->log, NULL, 0, 0);
	if (!rc)
		rc = show(&st, err);
	xkd_unwind_memo_fini(&st.memo);
	xkd_map_fini(&st.sites);
	xkd_map_fini(&st.by_hash);
	xkd_vec_fini(&st.groups);
	xkd_vec_fini(&st.tasks);
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ "!stacks", "[-v] [-s STATES] [pattern]", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "the stacks of all tasks, the same ones together", stacks_cmd,
	  "Tasks whose stacks pass the same places make one group, the largest first: how many, their\n"
	  "states as ps shows them, pids and names (-v: all of them), and the stack. pattern: only\n"
	  "groups with a function (mod!name or name) or a task that matches; -s: only tasks in one of\n"
	  "these states. Example: !stacks -s D; !stacks kvm!*",
	  NULL },
};
const struct xkd_cmd_family xkd_family_stacks = { "Stacks of all tasks", rows, XKD_COUNT(rows) };
