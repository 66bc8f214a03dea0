/* Tasks: ps lists them; .task (or .process, .thread) makes one the context that k, dv, dt and user
 * memory are seen in; !process and !thread show one with its stack.
 * A task that a CPU runs is seen as that CPU; any other by the registers it sleeps with. */
#include "engine/cmd/task.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PID_LIMIT 0x1000000 /* above any pid (PID_MAX_LIMIT is 2^22), below any task_struct */

/* ---- which task ---- */

struct search {
	int64_t pid;	  /* < 0: by name or address */
	const char *comm;
	uint64_t addr;
	struct xkd_task found;
	unsigned n;
};

static bool match_task(void *arg, const struct xkd_task *task)
{
	struct search *q = arg;

	if (q->addr	? task->addr != q->addr
	    : q->comm ? strcmp(task->comm, q->comm) != 0
		      : task->pid != q->pid)
		return true;
	if (!q->n++)
		q->found = *task;
	return q->comm != NULL; /* a pid is there once */
}

/* Pids as users read them: plain digits are decimal; 0x and 0n say it. */
static bool as_pid(const char *word, int64_t *pid)
{
	uint64_t n;
	bool plain = word[strspn(word, "0123456789")] == 0 && *word && strlen(word) <= 8;

	if (plain ? !xkd_parse_u64(word, 10, &n)
	    : !strncmp(word, "0n", 2) ? !xkd_parse_u64(word + 2, 10, &n)
	    : !strncmp(word, "0x", 2) ? !xkd_parse_u64(word + 2, 16, &n)
				      : true)
		return false;
	*pid = (int64_t)n;
	return n < PID_LIMIT;
}

static enum xkd_rc search_task(struct xkd_session *s, struct search *q, struct xkd_task *task,
			       struct xkd_err *err)
{
	enum xkd_rc rc = s->t->os->tasks(s->t, match_task, q, err);

	if (rc)
		return rc;
	if (!q->n && q->comm)
		return xkd_err_set(err, XKD_NOTFOUND,
				   "no task is called '%s', and it is no address (ps lists all)",
				   q->comm);
	if (!q->n)
		return xkd_err_set(err, XKD_NOTFOUND, "there is no task with pid %lld (ps lists all)",
				   (long long)q->pid);
	if (q->n > 1)
		return xkd_err_set(err, XKD_AMBIGUOUS, "%u tasks are called '%s' (ps %s lists them)",
				   q->n, q->comm, q->comm);
	*task = q->found;
	return XKD_OK;
}

/* The index of the CPU that runs a task; -1: none does. */
static int running_on(struct xkd_session *s, uint64_t task)
{
	struct xkd_err ignored;
	uint64_t now;

	for (size_t i = 0; s->t->os->current && i < s->t->cpus.n; i++)
		if (s->t->cpus.p[i].state != XKD_CPU_OFFLINE &&
		    !s->t->os->current(s->t, (int)i, &now, &ignored) && now == task)
			return (int)i;
	return -1;
}

enum xkd_rc xkd_task_named(struct xkd_session *s, struct xkd_args *a, struct xkd_task *task,
			   struct xkd_err *err)
{
	struct search q = { .pid = -1 };
	char word[64];
	struct xkd_args w = *a;
	struct xkd_err why = XKD_ERR_INIT;
	uint64_t addr;
	enum xkd_rc rc;

	if (!s->t->os->task || !s->t->os->tasks)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with tasks is known here");
	if (xkd_arg_word(&w, word, sizeof(word))) {
		if (as_pid(word, &q.pid)) {
			a->p = w.p;
			return search_task(s, &q, task, err);
		}
		/* a name first: those of kernel threads are often those of their functions too */
		q.comm = isalpha((unsigned char)word[0]) ? word : NULL;
		rc = q.comm ? search_task(s, &q, task, &why) : XKD_NOTFOUND;
		if (!rc || rc == XKD_AMBIGUOUS || rc == XKD_CANCELED) {
			a->p = w.p;
			if (rc && err)
				*err = why;
			return rc;
		}
	}
	rc = xkd_arg_expr(s, a, &addr, err);
	if (rc == XKD_NOTFOUND && q.comm && err)
		*err = why;
	q.comm = NULL;
	if (!rc && addr < PID_LIMIT) {
		q.pid = (int64_t)addr;
		return search_task(s, &q, task, err);
	}
	if (rc)
		return rc;
	rc = s->t->os->task(s->t, addr, task, err);
	q.addr = addr;
	/* idle tasks are in no list */
	if (!rc && running_on(s, addr) < 0 && strncmp(task->comm, "swapper/", 8) &&
	    !s->t->os->tasks(s->t, match_task, &q, &why) && !q.n) {
		xkd_out_st(&s->out, XKD_ST_DIM, "note: %s is in no list of tasks", XKD_ADDR(addr));
		xkd_out_end(&s->out);
	}
	return rc;
}

/* ---- rows ---- */

static void list_head(struct xkd_out *o)
{
	xkd_out_st(o, XKD_ST_HEAD, "     pid    tgid  cpu  st  task_struct        command");
	xkd_out_end(o);
}

static void list_row(struct xkd_session *s, const struct xkd_task *t, const uint64_t *current)
{
	struct xkd_out *o = &s->out;
	bool runs = false;

	for (size_t i = 0; i < s->t->cpus.n; i++)
		runs |= current[i] == t->addr;
	xkd_out(o, "%c", runs ? '>' : ' ');
	xkd_out_key(o, XKD_ST_NUM, "pid", "%7lld ", (long long)t->pid);
	xkd_out_key(o, XKD_ST_NUM, "tgid", "%7lld ", (long long)t->tgid);
	if (t->cpu >= 0)
		xkd_out_key(o, XKD_ST_NUM, "cpu", "%4d  ", t->cpu);
	else
		xkd_out(o, "   ?  ");
	xkd_out_key(o, XKD_ST_PLAIN, "state", "%-2c  ", t->letter);
	xkd_out_key(o, XKD_ST_ADDR, "task", "%s", XKD_ADDR(t->addr));
	/* kernel threads in brackets, as ps shows them */
	xkd_out(o, "  %s", t->mm ? "" : "[");
	xkd_out_foreign(o, XKD_ST_STR, t->comm, strlen(t->comm));
	xkd_out(o, "%s", t->mm ? "" : "]");
	xkd_out_end(o);
}

struct list {
	struct xkd_session *s;
	const char *pattern; /* NULL: all */
	bool leaders;	     /* processes only */
	uint64_t *current;
	size_t shown, seen;
};

static bool list_task(void *arg, const struct xkd_task *t)
{
	struct list *l = arg;
	char pid[24];

	xkd_progress(&l->s->log, "reading tasks", ++l->seen, 0);
	snprintf(pid, sizeof(pid), "%lld", (long long)t->pid);
	if (l->leaders && t->pid != t->tgid)
		return true;
	if (l->pattern && strcmp(pid, l->pattern) && !xkd_glob(l->pattern, t->comm, true))
		return true;
	if (!l->shown++)
		list_head(&l->s->out);
	list_row(l->s, t, l->current);
	return true;
}

static enum xkd_rc list_tasks(struct xkd_session *s, const char *pattern, bool leaders,
			      struct xkd_err *err)
{
	struct list l = { .s = s, .pattern = pattern, .leaders = leaders };
	struct xkd_err ignored;
	enum xkd_rc rc;

	if (!s->t->os->tasks)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with tasks is known here");
	l.current = XKD_NEWN(&s->cmd_arena, uint64_t, s->t->cpus.n + 1);
	for (size_t i = 0; s->t->os->current && i < s->t->cpus.n; i++)
		if (s->t->cpus.p[i].state == XKD_CPU_OFFLINE ||
		    s->t->os->current(s->t, (int)i, &l.current[i], &ignored))
			l.current[i] = 0;
	rc = s->t->os->tasks(s->t, list_task, &l, err);
	xkd_progress(&s->log, NULL, 0, 0);
	if (!rc && !l.shown)
		return xkd_err_set(err, XKD_NOTFOUND, "no task matches '%s'", pattern);
	return rc;
}

/* ---- commands ---- */

static enum xkd_rc cmd_ps(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *pattern;
	char sw[8];
	bool leaders = xkd_arg_switch(a, '-', sw, sizeof(sw));

	if (leaders && strcmp(sw, "p"))
		return xkd_err_syntax(err, (int)(a->p - a->line), "there is -p (processes only)");
	pattern = xkd_arg_rest(s, a);
	return list_tasks(s, *pattern ? pattern : NULL, leaders, err);
}

static void one_task(struct xkd_session *s, const struct xkd_task *t, int cpu)
{
	struct xkd_out *o = &s->out;

	xkd_out(o, "task_struct:");
	xkd_out_key(o, XKD_ST_ADDR, "task", "%s", XKD_ADDR(t->addr));
	xkd_out_key(o, XKD_ST_NUM, "pid", " pid: %lld", (long long)t->pid);
	if (t->tgid != t->pid)
		xkd_out_key(o, XKD_ST_NUM, "tgid", " tgid: %lld", (long long)t->tgid);
	xkd_out(o, " comm: ");
	xkd_out_foreign(o, XKD_ST_STR, t->comm, strlen(t->comm));
	xkd_out_key(o, XKD_ST_PLAIN, "state", " state: %c", t->letter);
	if (cpu >= 0)
		xkd_out_key(o, XKD_ST_NUM, "cpu", ", runs on CPU %d", t->cpu);
	else if (t->cpu >= 0)
		xkd_out_key(o, XKD_ST_NUM, "cpu", ", last on CPU %d", t->cpu);
	xkd_out_end(o);
}

static void task_memory(struct xkd_session *s, const struct xkd_task *t)
{
	struct xkd_out *o = &s->out;

	if (t->mm) {
		xkd_out(o, "  mm: ");
		xkd_out_key(o, XKD_ST_ADDR, "mm", "%s", XKD_ADDR(t->mm));
		xkd_out(o, " pgd: ");
		xkd_out_key(o, XKD_ST_ADDR, "pgd", "%s", XKD_ADDR(t->pgd));
	} else {
		xkd_out(o, "  kernel thread");
	}
	xkd_out(o, " flags: %08llx stack: ", (unsigned long long)t->flags);
	xkd_out_key(o, XKD_ST_ADDR, "stack", "%s", XKD_ADDR(t->stack));
	xkd_out_end(o);
}

static enum xkd_rc show_current(struct xkd_session *s, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_task t;
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (!rc && !ctx->task)
		rc = xkd_err_set(err, XKD_NOTFOUND, "the task of this CPU is not known");
	if (!rc)
		rc = s->t->os->task(s->t, ctx->task, &t, err);
	if (rc)
		return rc;
	one_task(s, &t, running_on(s, t.addr));
	task_memory(s, &t);
	return XKD_OK;
}

/* Takes WinDbg's /p /r /P /i, which ask for what is done anyway or cannot be done. */
static enum xkd_rc task_switches(struct xkd_args *a, struct xkd_err *err)
{
	char sw[8];

	while (xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		if (!strcmp(sw, "i"))
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "%s /i: the machine is not made to run that task; without "
					   "/i its memory and stack are shown as they are",
					   a->name);
		if (strcmp(sw, "p") && strcmp(sw, "r") && strcmp(sw, "P"))
			return xkd_err_syntax(err, (int)(a->p - a->line), "no switch /%s", sw);
	}
	return XKD_OK;
}

static enum xkd_rc cmd_task(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_task t;
	int cpu;
	enum xkd_rc rc = task_switches(a, err);

	if (rc)
		return rc;
	if (xkd_arg_end(a))
		return show_current(s, err);
	if (*a->p == '.' && !a->p[1]) /* back to what the CPU does */
		return xkd_session_set_cpu(s, s->cpu, err);
	rc = xkd_task_named(s, a, &t, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	cpu = running_on(s, t.addr);
	rc = cpu >= 0 ? xkd_session_set_cpu(s, cpu, err) : xkd_session_set_task(s, t.addr, err);
	if (!rc)
		one_task(s, &t, cpu);
	return rc;
}

/* The task's rows and its stack; the context is as before afterwards. */
static enum xkd_rc explain(struct xkd_session *s, const struct xkd_task *t, bool stack,
			   struct xkd_err *err)
{
	int cpu = running_on(s, t->addr), old_cpu = s->cpu;
	uint64_t old_task = s->task;
	unsigned frame = s->frame;
	enum xkd_rc rc;

	one_task(s, t, cpu);
	task_memory(s, t);
	if (!stack)
		return XKD_OK;
	rc = cpu >= 0 ? xkd_session_set_cpu(s, cpu, err) : xkd_session_set_task(s, t->addr, err);
	if (!rc)
		rc = xkd_cmd_run(s, "k", err);
	s->cpu = old_cpu;
	s->task = old_task;
	s->ctx_valid = false;
	if (frame && xkd_session_set_frame(s, frame, NULL))
		s->frame = 0;
	return rc;
}

/* WinDbg's "!process [what] [flags] [name]": 0 is all, -1 or nothing the current one. */
static enum xkd_rc cmd_process(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_task t;
	char word[64] = "-1";
	struct xkd_args w = *a;
	uint64_t flags = strcmp(a->name, "!thread") ? 1 : 7;
	const char *name;
	enum xkd_rc rc;

	if (!xkd_arg_end(&w))
		(void)!xkd_arg_word(&w, word, sizeof(word));
	if (!strcmp(word, "0")) {
		*a = w;
		if (!xkd_arg_end(a))
			rc = xkd_arg_expr(s, a, &flags, err);
		else
			rc = XKD_OK;
		name = rc ? "" : xkd_arg_rest(s, a);
		return rc ? rc : list_tasks(s, *name ? name : NULL, true, err);
	}
	if (!strcmp(word, "-1")) {
		*a = w;
		rc = xkd_session_ctx(s, &ctx, err);
		if (!rc && !ctx->task)
			rc = xkd_err_set(err, XKD_NOTFOUND, "the task of this CPU is not known");
		if (!rc)
			rc = s->t->os->task(s->t, ctx->task, &t, err);
	} else {
		rc = xkd_task_named(s, a, &t, err);
	}
	if (!rc && !xkd_arg_end(a))
		rc = xkd_arg_expr(s, a, &flags, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	return rc ? rc : explain(s, &t, (flags & 6) != 0, err);
}

/* .trap ADDR: the registers that a struct pt_regs holds; alone: back. */
static enum xkd_rc cmd_trap(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_regs regs;
	uint64_t addr;
	enum xkd_rc rc;

	if (xkd_arg_end(a)) {
		s->ctx_valid = false;
		s->frame = 0;
		return xkd_session_ctx(s, &ctx, err);
	}
	rc = xkd_arg_expr(s, a, &addr, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc && !s->t->os->trap_regs)
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "no kernel with trap frames is known here");
	if (!rc)
		rc = xkd_session_ctx(s, &ctx, err);
	if (!rc)
		rc = s->t->os->trap_regs(s->t, addr, false, &regs, err);
	if (rc)
		return rc;
	s->base.regs = regs;
	s->base.pc_lookup = regs.v[s->t->arch->pc];
	s->base.cfa = 0;
	s->base.cpu = -1; /* not the processor's own any more: not to be written */
	s->base.space = s->ctx.space;
	s->ctx = s->base;
	s->frame = 0;
	return xkd_cmd_run(s, "r", err);
}

#define FX (XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE)
static const struct xkd_cmd rows[] = {
	{ "ps", "[-p] [pattern|pid]", FX, "list tasks; -p: processes only", cmd_ps,
	  "st is the state as the program ps shows it (R runs or is ready, S sleeps, D waits and\n"
	  "cannot be interrupted, I idle kernel thread, T stopped, t traced, Z zombie, X dead);\n"
	  "'>' marks the tasks that CPUs run now. Kernel threads are in brackets.\n"
	  "Example: ps qemu*; ps -p | grep sshd",
	  NULL },
	{ ".task .process .thread", "[task_struct|pid|name|.]", FX,
	  "choose the task that k, dv, dt and user memory show", cmd_task,
	  "A plain number is a decimal pid, else it is the address of a task_struct; the name must\n"
	  "be there once. Alone: which one it is now. '.': back to what the CPU does, as do ~Ns and\n"
	  "everything that lets the machine run. A task that does not run is seen by the registers\n"
	  "it was put to sleep with: others are not known. Example: .task 1; k; da @$t0",
	  "set_task" },
	{ "!process", "[0 | -1 | task|pid] [flags] [name]", FX,
	  "processes (0), or one with its memory and, flags 2 or 4, its stack", cmd_process,
	  "!process 0 0 lists all processes, !process 0 0 NAME those whose name matches.\n"
	  "Example: !process 1 7",
	  NULL },
	{ "!thread", "[task_struct|pid|name]", FX, "a task with its stack", cmd_process,
	  "Alone: the current one. Example: !thread 1", NULL },
	{ ".trap", "[addr]", FX, "see the registers of a struct pt_regs; alone: back", cmd_trap,
	  "k, r, dv and u then show the place that was interrupted. Example: .trap @rdi", NULL },
};
const struct xkd_cmd_family xkd_family_task = { "Tasks", rows, XKD_COUNT(rows) };
