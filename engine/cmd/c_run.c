/* Running: g gc gh gn, and what every CPU does. A breakpoint's command string runs here,
 * in a loop: a resuming command in it comes back to this loop instead of nesting. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/code.h"
#include "engine/cmd/hitfile.h"
#include "engine/cmd/resume.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWICE_MS 1000

/* What .onbreak says, after a person's Ctrl-C. True: one of the commands resumed. */
static bool on_break(struct xkd_session *s)
{
	uint64_t now = xkd_now_ms();
	bool again, twice = s->onbreak_ms && now - s->onbreak_ms < TWICE_MS;

	if (!s->onbreak || s->in_onbreak || !s->t || s->t->lost)
		return false;
	s->onbreak_ms = now;
	s->in_onbreak = s->in_bp_cmds = true;
	s->resume_wanted = false;
	xkd_session_run(s, xkd_arena_strdup(&s->cmd_arena, s->onbreak), NULL);
	again = s->resume_wanted && s->t && !s->t->lost && !xkd_session_quit(s);
	s->in_onbreak = s->in_bp_cmds = s->resume_wanted = false;
	if (again && twice) { /* the way to the prompt when the commands always resume */
		xkd_out_st(&s->out, XKD_ST_DIM, "Ctrl-C twice within a second: it stays stopped");
		xkd_out_end(&s->out);
	}
	return again && !twice;
}

/* After a stop: its banner or its breakpoint's commands. *again: one of these resumed. */
static void after_stop(struct xkd_session *s, const struct xkd_stop *stop, bool *again)
{
	struct xkd_bkpt *b = stop->kind == XKD_STOPPED_BP ? xkd_bkpt_find(&s->bkpts, stop->bp_id) : NULL;
	struct xkd_err ignored;
	char *cmds;
	bool once;

	*again = false;
	if (!b || !b->cmds) {
		xkd_session_show_stop(s, stop);
		*again = stop->asked && on_break(s);
		return;
	}
	cmds = xkd_strdup(b->cmds); /* the string may delete its own breakpoint */
	once = b->once;
	if (once)
		(void)!xkd_bkpt_del(xkd_session_runner(s), b->id, &ignored);
	s->in_bp_cmds = true;
	s->resume_wanted = false;
	xkd_session_run(s, cmds, NULL);
	*again = s->resume_wanted && s->t && !s->t->lost && !xkd_session_quit(s);
	s->in_bp_cmds = s->resume_wanted = false;
	free(cmds);
	if (!*again && s->t && !s->t->lost && !s->t->running)
		xkd_session_show_stop(s, stop);
}

static enum xkd_rc go_loop(struct xkd_session *s, const uint64_t *addrs, size_t n,
			   struct xkd_err *err)
{
	bool again = true;

	if (s->in_bp_cmds && !n) {
		s->resume_wanted = true;
		return XKD_OK;
	}
	xkd_out_flush(&s->out);
	while (again) {
		struct xkd_stop stop = { .kind = XKD_STOPPED_OTHER };
		struct xkd_run *r = xkd_session_runner(s);
		enum xkd_rc rc = n ? xkd_run_to(r, addrs, n, &stop, err) : xkd_run_go(r, &stop, err);

		xkd_session_stopped(s, s->t->stop_cpu);
		xkd_tp_say_run(s);
		if (rc)
			return rc;
		after_stop(s, &stop, &again);
	}
	return XKD_OK;
}

enum xkd_rc xkd_resume_start(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	uint64_t from;
	enum xkd_rc rc;

	a->p = xkd_skip_space(a->p);
	if (*a->p != '=')
		return XKD_OK;
	a->p++;
	rc = xkd_arg_expr(s, a, &from, err);
	if (!rc)
		rc = xkd_target_reg_set(s->t, s->cpu, s->t->arch->pc, from, err);
	if (!rc)
		xkd_session_stopped(s, s->cpu);
	return rc;
}

static enum xkd_rc g_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	uint64_t addrs[16];
	size_t n = 0;
	enum xkd_rc rc = xkd_resume_start(s, a, err);

	if (rc)
		return rc;
	while (!xkd_arg_end(a)) {
		if (n == XKD_COUNT(addrs))
			return xkd_err_set(err, XKD_SYNTAX, "at most %zu stop addresses", n);
		rc = xkd_arg_expr(s, a, &addrs[n++], err);
		if (rc)
			return rc;
	}
	return go_loop(s, addrs, n, err);
}

void xkd_resume_broken_off(struct xkd_session *s)
{
	struct xkd_err err = XKD_ERR_INIT;

	if (!s->onbreak || s->in_onbreak || !s->t || s->t->lost || s->t->running || xkd_session_quit(s))
		return;
	xkd_cancel_clear(&s->cancel);
	if (on_break(s) && go_loop(s, NULL, 0, &err))
		xkd_session_error(s, ".onbreak", &err);
}

enum xkd_rc xkd_resume_stopped(struct xkd_session *s, const struct xkd_stop *stop,
			       struct xkd_err *err)
{
	bool again;

	after_stop(s, stop, &again);
	return again ? go_loop(s, NULL, 0, err) : XKD_OK;
}

static void cpus_head(struct xkd_out *o, bool tasks)
{
	xkd_out_st(o, XKD_ST_HEAD, "  CPU  State    IF   Preempt   %sWhere",
		   tasks ? "Task                  Pid  Command          " : " ");
	xkd_out_end(o);
}

static void cpu_where(struct xkd_session *s, const struct xkd_regs *regs, enum xkd_kview view)
{
	uint64_t pc = regs->v[s->t->arch->pc];
	struct xkd_regname cs;
	struct xkd_buf sym = XKD_BUF_INIT;

	if (s->t->arch->mode(regs) == XKD_MODE_16 && s->t->arch->reg_find("cs", &cs))
		xkd_buf_printf(&sym, "%04llx:%04llx", (unsigned long long)regs->v[cs.reg],
			       (unsigned long long)pc);
	else if (view == XKD_KVIEW_OTHER || s->t->arch->is_user(regs))
		xkd_buf_str(&sym, XKD_ADDR(pc));
	else
		xkd_sym_format(s->t, pc, &sym);
	xkd_out_key(&s->out, XKD_ST_SYM, "symbol", "%s", sym.s);
	xkd_buf_fini(&sym);
}

/* One row a CPU; the current one is marked. */
static void cpu_row(struct xkd_session *s, int cpu)
{
	const struct xkd_os *os = s->t->os;
	struct xkd_out *o = &s->out;
	const struct xkd_regs *regs;
	struct xkd_err err = XKD_ERR_INIT;
	static const char *const modes[] = { "16-bit", "32-bit", "64-bit" };
	struct xkd_cpu_state_os st = { .word = "?" };
	struct xkd_task task;
	uint64_t addr;
	int no = os->cpu_number ? os->cpu_number(s->t, cpu) : cpu;

	xkd_out(o, "%c ", cpu == s->cpu ? '*' : ' ');
	xkd_out_key(o, XKD_ST_NUM, "cpu", "%3d  ", no);
	if (xkd_target_regs(s->t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &err)) {
		xkd_out_st(o, XKD_ST_ERR, "%s", err.msg);
		xkd_out_end(o);
		return;
	}
	if (os->cpu_state)
		(void)!os->cpu_state(s->t, cpu, &st, &err);
	else
		st.word = modes[s->t->arch->mode(regs)];
	xkd_out_key(o, XKD_ST_PLAIN, "state", "%-8s ", st.word);
	xkd_out_key(o, XKD_ST_NUM, "if", "%-4s ", s->t->arch->irqs_on(regs) ? "on" : "off");
	if (st.has_preempt && !st.outside)
		xkd_out_key(o, XKD_ST_NUM, "preempt", "%08x  ", st.preempt);
	else
		xkd_out(o, "%-10s", "-");
	if (!st.outside && os->current && !os->current(s->t, cpu, &addr, &err) &&
	    !os->task(s->t, addr, &task, &err)) {
		xkd_out_key(o, XKD_ST_ADDR, "task", "%s ", XKD_ADDR(addr));
		xkd_out_key(o, XKD_ST_NUM, "pid", "%7lld  ", (long long)task.pid);
		xkd_out_foreign(o, XKD_ST_STR, task.comm, strlen(task.comm));
	}
	xkd_out_pad(o, os->current ? 75 : 32);
	cpu_where(s, regs, xkd_target_kview(s->t, cpu));
	xkd_out_end(o);
}

/* ~ lists; ~1s and ~1 change (the prefix has chosen the CPU already: args.prefix). */
static enum xkd_rc cpus_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (!rc)
		cpus_head(&s->out, s->t->os->current != NULL);
	for (size_t i = 0; !rc && i < s->t->cpus.n; i++) {
		rc = xkd_cancel_check(&s->cancel, err);
		if (!rc)
			cpu_row(s, (int)i);
	}
	return rc;
}

/* .onbreak {commands}; .onbreak alone shows, .onbreak - or {} clears */
static enum xkd_rc onbreak_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	bool quoted = *xkd_skip_space(a->p) == '"';
	const char *text = quoted ? xkd_arg_string(s, a) : xkd_arg_rest(s, a);
	size_t n = text ? strlen(text) : 0;
	char *cmds;
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	if (!text)
		return xkd_err_set(err, XKD_SYNTAX, "the quote does not end");
	if (n && !quoted && *text != '{' && strcmp(text, "-"))
		return xkd_err_set(err, XKD_SYNTAX, "commands stand in braces: .onbreak {k 4; !cpus}");
	if (*text == '{' && text[n - 1] != '}')
		return xkd_err_set(err, XKD_SYNTAX, "the brace does not close");
	if (n) {
		cmds = *text == '{' ? xkd_arena_strndup(&s->cmd_arena, text + 1, n - 2) :
				      xkd_arena_strdup(&s->cmd_arena, text);
		free(s->onbreak);
		s->onbreak = *xkd_skip_space(cmds) && strcmp(cmds, "-") ? xkd_strdup(cmds) : NULL;
	}
	if (s->onbreak)
		xkd_out(&s->out, "After Ctrl-C: {%s}", s->onbreak);
	else
		xkd_out(&s->out, "After Ctrl-C no commands run");
	xkd_out_end(&s->out);
	return XKD_OK;
}

static const struct xkd_cmd rows[] = {
	{ "g", "[=addr] [stop addr ...]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_RESUME,
	  "runs the target until a breakpoint, an address given here, or Ctrl-C", g_cmd, NULL,
	  "continue cont" },
	{ "gh gn", "", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_RESUME,
	  "as g: a kernel's exceptions are its own, there is nothing to mark as handled", g_cmd, NULL, NULL },
	{ "gc", "", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_RESUME,
	  "resumes from a breakpoint's command string the way the stop was reached", g_cmd, NULL, NULL },
	{ ".onbreak", "[{commands} | -]", XKD_FX_NONE,
	  "commands that run when a person interrupts g or a script; alone it shows them", onbreak_cmd,
	  "- or {} clears. They run after the stop is shown, up to the first that resumes: .onbreak {r; g}\n"
	  "looks and goes on, and Ctrl-C twice within a second stays.", NULL },
	{ "!cpus", "", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "every CPU: what it does, its task and where it is (~ does the same)", cpus_cmd,
	  "State: task, idle, user, softirq, irq, nmi; guest: inside a virtual machine;\n"
	  "outside: not started by this kernel. IF: interrupts. Preempt: the kernel's count as it is in memory; its lowest byte\n"
	  "counts preempt_disable, the next softirqs, then a digit each for irqs and NMIs; the highest bit\n"
	  "is set while nothing asks for a reschedule.", NULL },
};
const struct xkd_cmd_family xkd_family_run = { "Running", rows, XKD_COUNT(rows) };
