/* Stepping: p t and their kinds (to an address, a call, a return, a branch), by instruction or by
 * source line, and gu. A kind is a question asked of the place after each single step; p runs a
 * called function through, t goes into it. In line mode a step ends where a statement begins. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/resume.h"
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 1000000
#define NOTICE 64 /* steps between looks at whether a person is to see that it goes on */

enum until { UNTIL_COUNT, UNTIL_ADDR, UNTIL_CALL, UNTIL_RET, UNTIL_BRANCH };

struct walk {
	struct xkd_session *s;
	bool over, lines;
	enum until until;
	uint64_t addr;
	struct xkd_stop stop;
	uint64_t done; /* instructions */
};

/* The instruction that comes next; false when it cannot be read. */
static bool next_insn(struct xkd_session *s, struct xkd_insn *in, uint64_t *pc)
{
	const struct xkd_arch *arch = s->t->arch;
	const struct xkd_ctx *ctx;
	struct xkd_err ignored;
	uint8_t bytes[16];
	size_t n = 0;

	if (xkd_session_ctx(s, &ctx, &ignored) || !xkd_ctx_code(ctx, pc))
		return false;
	(void)!xkd_ctx_read(ctx, *pc, bytes, sizeof(bytes), &n, &ignored);
	return n && !arch->disasm(arch->mode(&ctx->regs), *pc, bytes, n, in, &ignored);
}

static bool reached(const struct walk *w)
{
	struct xkd_insn in;
	uint64_t pc;

	if (!next_insn(w->s, &in, &pc))
		return true; /* nothing more can be told: the person decides */
	if (w->until > UNTIL_ADDR && xkd_sym_in_thunk(w->s->t, pc))
		return false; /* the call or jump that led here goes on */
	switch (w->until) {
	case UNTIL_ADDR:
		return pc == w->addr;
	case UNTIL_CALL:
		return in.is_call;
	case UNTIL_RET:
		return in.is_ret || in.is_iret;
	case UNTIL_BRANCH:
		return in.is_call || in.is_jump || in.is_ret || in.is_iret || in.is_syscall;
	default:
		return true;
	}
}

/* One instruction. *more: nothing came in between. */
static enum xkd_rc one(struct walk *w, bool *more, struct xkd_err *err)
{
	struct xkd_session *s = w->s;
	enum xkd_rc rc = xkd_cancel_check(&s->cancel, err);

	if (!rc)
		rc = xkd_run_step(xkd_session_runner(s), w->over, &w->stop, err);
	xkd_session_stopped(s, s->t->stop_cpu);
	*more = !rc && w->stop.kind == XKD_STOPPED_STEP;
	if (!(++w->done % NOTICE))
		xkd_progress(&s->log, "stepping", w->done, 0);
	return rc;
}

/* Until the source line changes at the start of a statement. Code without lines is one step. */
static enum xkd_rc one_line(struct walk *w, bool *more, struct xkd_err *err)
{
	struct xkd_session *s = w->s;
	struct xkd_line from, now;
	struct xkd_err ignored;
	struct xkd_insn in;
	uint64_t pc;
	bool known = next_insn(s, &in, &pc) && !xkd_line_at(s->t, pc, &from, &ignored) && from.file;
	enum xkd_rc rc;

	do {
		rc = one(w, more, err);
		if (rc || !*more || !known || !next_insn(s, &in, &pc))
			return rc;
		if (w->done >= STEPS_MAX)
			return xkd_err_set(err, XKD_TIMEOUT, "the line did not end within 0n%d steps",
					   STEPS_MAX);
		if (xkd_line_at(s->t, pc, &now, &ignored) || !now.file || !now.line)
			continue; /* code of nobody's line: thunks, padding */
	} while (now.start != pc || (now.line == from.line && !strcmp(now.file, from.file)));
	return rc;
}

static enum xkd_rc one_kind(struct walk *w, bool *more, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (w->until == UNTIL_COUNT)
		return w->lines ? one_line(w, more, err) : one(w, more, err);
	do {
		rc = one(w, more, err);
		if (!rc && w->done >= STEPS_MAX)
			rc = xkd_err_set(err, XKD_TIMEOUT, "not reached within 0n%d steps", STEPS_MAX);
	} while (!rc && *more && !reached(w));
	return rc;
}

static enum xkd_rc no_number(const struct xkd_args *a, struct xkd_err *err)
{
	return xkd_err_set(err, XKD_SYNTAX, "%s steps; print a value with ?? %s", a->name, a->p);
}

/* [=start] [count | address] ["command"] */
static enum xkd_rc parse(struct xkd_session *s, struct xkd_args *a, struct walk *w, uint64_t *count,
			 const char **cmds, struct xkd_err *err)
{
	bool plain = w->until == UNTIL_COUNT && !a->name[1];
	enum xkd_rc rc = xkd_resume_start(s, a, err);

	*count = 1;
	if (rc)
		return rc;
	a->p = xkd_skip_space(a->p);
	if (w->until == UNTIL_ADDR) {
		if (xkd_arg_end(a))
			return xkd_err_set(err, XKD_SYNTAX, "%s wants the address to step to", a->name);
		rc = xkd_arg_expr(s, a, &w->addr, err);
	} else if (*a->p && *a->p != '"') {
		if (plain && !strchr("0123456789abcdefABCDEF", *a->p))
			return no_number(a, err);
		rc = xkd_arg_expr(s, a, count, err);
	}
	*cmds = rc ? NULL : xkd_arg_string(s, a);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc && (!*count || *count > STEPS_MAX))
		rc = xkd_err_set(err, XKD_SYNTAX, "a count from 1 to 0n%d is wanted", STEPS_MAX);
	return rc;
}

static enum xkd_rc walk(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	static const char kinds[] = " actrh";
	struct walk w = { .s = s, .over = a->name[0] == 'p', .lines = s->step_lines };
	const char *cmds = NULL, *kind = a->name[1] ? strchr(kinds, a->name[1]) : NULL;
	char *each;
	uint64_t count;
	bool more = true;
	enum xkd_rc rc;

	w.until = !kind			  ? UNTIL_COUNT
		  : a->name[1] == 'a'	  ? UNTIL_ADDR
		  : a->name[1] == 'c'	  ? UNTIL_CALL
		  : a->name[1] == 't'	  ? UNTIL_RET
		  : a->name[1] == 'h'	  ? UNTIL_BRANCH
					  : UNTIL_COUNT;
	rc = parse(s, a, &w, &count, &cmds, err);
	if (rc)
		return rc;
	each = cmds ? xkd_strdup(cmds) : NULL;
	for (uint64_t i = 0; !rc && more && i < count; i++) {
		rc = one_kind(&w, &more, err);
		if (rc || !each)
			continue;
		if (i + 1 < count && more)
			xkd_session_show_stop(s, &w.stop);
		xkd_session_run(s, each, NULL);
		more = more && !xkd_session_quit(s) && s->t && !s->t->lost && !s->t->running;
	}
	free(each);
	xkd_progress(&s->log, NULL, 0, 0);
	if (w.done && rc && s->t && !s->t->lost && !s->t->running) {
		struct xkd_stop here = { .kind = XKD_STOPPED_STEP, .cpu = s->cpu };

		xkd_session_show_stop(s, &here); /* where it has come to */
	}
	return rc ? rc : xkd_resume_stopped(s, &w.stop, err);
}

static enum xkd_rc gu_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_stop stop = { .kind = XKD_STOPPED_STEP };
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (!rc)
		rc = xkd_run_finish(xkd_session_runner(s), &stop, err);
	xkd_session_stopped(s, s->t->stop_cpu);
	return rc ? rc : xkd_resume_stopped(s, &stop, err);
}

static enum xkd_rc mode_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc)
		return rc;
	s->step_lines = a->name[1] == '+';
	xkd_out(&s->out, "p and t step %s", s->step_lines ? "source lines" : "instructions");
	xkd_out_end(&s->out);
	return XKD_OK;
}

/* .step [hold | run] [noirq | irq] */
static enum xkd_rc policy_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	bool others = s->step_others, irqs = s->step_irqs, holds, masks;
	char word[16];

	while (!xkd_arg_end(a)) {
		bool got = xkd_arg_word(a, word, sizeof(word));

		if (got && (!strcmp(word, "hold") || !strcmp(word, "run")))
			others = word[0] == 'r';
		else if (got && (!strcmp(word, "irq") || !strcmp(word, "noirq")))
			irqs = word[0] == 'i';
		else
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "there are hold and run (the other CPUs), noirq and irq (interrupts)");
	}
	holds = s->t && s->t->caps & XKD_CAP_STEP_HOLD;
	masks = s->t && s->t->caps & XKD_CAP_STEP_MASK;
	if (s->t && !others && s->step_others && !holds)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot hold the other CPUs in a step", s->t->uri);
	s->step_others = others;
	s->step_irqs = irqs;
	xkd_out(&s->out, "A step is one instruction of one CPU; meanwhile the others %s; ",
		others || (s->t && !holds) ? "run" : "hold");
	xkd_out(&s->out, "%s", irqs		 ? "interrupts are taken, and it may end in their code" :
			       !s->t || masks ? "no interrupt is taken" :
					      "an interrupt that comes is run through");
	xkd_out_end(&s->out);
	return XKD_OK;
}

#define RUNS (XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_RESUME)
static const struct xkd_cmd rows[] = {
	{ "gu", "", RUNS,
	  "runs until the chosen frame's function has returned (this task, this stack)", gu_cmd, NULL,
	  "finish" },
	{ "p", "[=start] [count] [\"commands\"]", RUNS, "steps one instruction (a line after l+t), over calls",
	  walk, "The commands run after each step: p 5 \"r rip\". A breakpoint that a step comes to is hit.\n.step says what other CPUs and interrupts do meanwhile.",
	  "ni nexti" },
	{ "t", "[=start] [count] [\"commands\"]", RUNS, "steps one instruction (a line after l+t), into calls",
	  walk, NULL, "si stepi" },
	{ "pa ta", "[=start] addr [\"commands\"]", RUNS,
	  "steps until an address is reached, over (pa) or into (ta) calls", walk, NULL, NULL },
	{ "pc tc", "[=start] [count] [\"commands\"]", RUNS, "steps to the next call", walk, NULL, NULL },
	{ "pt tt", "[=start] [count] [\"commands\"]", RUNS, "steps to the next return", walk, NULL, NULL },
	{ "ph th", "[=start] [count] [\"commands\"]", RUNS,
	  "steps to the next branch: jump, call, return or system call", walk, NULL, NULL },
	{ ".step", "[hold | run] [noirq | irq]", XKD_FX_NONE,
	  "what happens during a step: the other CPUs hold or run, interrupts wait or not; alone it shows it",
	  policy_cmd,
	  "A step that runs a call through (p) lets all CPUs run, and so does one off a system call.\n"
	  "A breakpoint that a CPU stands on is always stepped off with the others held and no interrupt.",
	  NULL },
	{ "l+t l-t", "", XKD_FX_NONE, "p and t step source lines (l+t) or instructions (l-t)", mode_cmd,
	  "A line step ends where a statement of another line begins; code without lines counts as none.", NULL },
};
const struct xkd_cmd_family xkd_family_step = { "Stepping", rows, XKD_COUNT(rows) };
