/* One instruction. What a person sees of it: where the CPU came to, a breakpoint that stands there, a watch
 * that it hit. Invariant: a step that was asked for is made, or something is told instead: where the stub
 * lets an interrupt in, its handler is run through and the instruction stepped then. */
#include "engine/run/run_int.h"
#include "base/str.h"
#include "engine/os/os.h"
#include "engine/run/place.h"
#include "engine/run/watch.h"
#include <string.h>

#define INSN_MAX 15 /* bytes of an instruction */
#define TRIES 64 /* interrupts (or other CPUs' hits) before one instruction */

/* The CPU before the step. */
struct before {
	uint64_t pc, sp;
	bool user;
};

static bool look(struct xkd_run *r, struct before *b)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;

	*b = (struct before){ 0 };
	if (xkd_target_regs(r->t, r->cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored))
		return false;
	b->pc = regs->v[r->t->arch->pc];
	b->sp = regs->v[r->t->arch->sp];
	b->user = r->t->arch->is_user(regs);
	return true;
}

/* Does pc begin the entry code of an interrupt? By the name that the kernel gives it. */
static bool interrupt_entry(struct xkd_run *r, uint64_t pc)
{
	struct xkd_symref sym;
	char kind[96] = "";

	if (!r->t->os->entry_kind || xkd_sym_at(r->t, pc, &sym, NULL))
		return false;
	r->t->os->entry_kind(r->t, sym.name, sym.addr, 0, kind, sizeof(kind));
	return xkd_has_prefix(kind, "interrupt") || xkd_has_prefix(kind, "NMI");
}

/* Was the step spent on the way into an interrupt? *ret, *sp: where that returns to. */
static bool interrupted(struct xkd_run *r, const struct before *b, uint64_t *ret, uint64_t *sp)
{
	struct xkd_trapframe f;
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	struct before now;
	uint64_t w[8];

	if (b->user || !r->t->arch->trap_frame || !look(r, &now) || now.pc == b->pc ||
	    !interrupt_entry(r, now.pc) ||
	    xkd_target_regs(r->t, r->cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored) ||
	    xkd_kread(r->t, now.sp, w, sizeof(w), &ignored) ||
	    !r->t->arch->trap_frame(regs, (const uint8_t *)w, sizeof(w), &f))
		return false;
	*ret = f.pc;
	*sp = f.sp;
	/* one instruction moves the stack pointer by little */
	return f.sp - b->sp + 256 <= 512 || f.pc == b->pc;
}

/* Runs an interrupt's handler through. *again: the instruction is still to be stepped. */
static enum xkd_rc leave_interrupt(struct xkd_run *r, const struct before *b, bool *again,
				   struct xkd_stop *stop, struct xkd_err *err)
{
	struct xkd_until u = { .n = 1, .match = true };
	struct xkd_err ignored;
	uint64_t ret;
	enum xkd_rc rc;

	*again = false;
	if (r->step_irqs || r->t->caps & XKD_CAP_STEP_MASK || !interrupted(r, b, &ret, &u.min_sp))
		return XKD_OK;
	u.addrs = &ret;
	if (!r->t->os->current || r->t->os->current(r->t, r->cpu, &u.task, &ignored))
		u.task = 0;
	rc = xkd_run_until(r, &u, stop, err);
	*again = !rc && stop->kind == XKD_STOPPED_STEP && ret == b->pc;
	if (!rc && stop->kind == XKD_STOPPED_STEP)
		r->cpu = stop->cpu; /* the task may have been moved */
	return rc;
}

/* Breakpoints are hit by a step that comes to them too. */
static void landed(struct xkd_run *r, struct xkd_stop *stop)
{
	struct before now;
	bool mine;

	if (!look(r, &now) || !xkd_placed_at(r, now.pc) ||
	    xkd_target_kview(r->t, r->cpu) == XKD_KVIEW_OTHER)
		return;
	if (now.pc == r->bkpts->load_at)
		xkd_run_modules_changed(r);
	(void)xkd_run_hit(r, now.pc, false, r->cpu, &mine, stop);
}

/* One try. *done: the CPU made its step, or stop is to be shown. */
static enum xkd_rc attempt(struct xkd_run *r, const struct before *b, bool *done, struct xkd_stop *stop,
			   struct xkd_err *err)
{
	struct xkd_event ev;
	struct before now;
	bool mine, stepped;
	enum xkd_rc rc = xkd_run_step_off(r, r->cpu, &stepped, err);

	*done = stepped;
	if (rc || stepped)
		return rc;
	rc = xkd_run_one(r, r->cpu, true, &ev, err);
	if (rc)
		return rc;
	*done = true;
	if (ev.kind != XKD_EV_STOPPED)
		return xkd_err_set(err, XKD_TRANSPORT, "the target is gone: %s", ev.text);
	if (ev.reason == XKD_STOP_WATCH) {
		(void)xkd_run_hit(r, ev.watch_addr, true, r->t->stop_cpu, &mine, stop);
		stop->cpu = r->t->stop_cpu;
		return XKD_OK;
	}
	if (r->t->stop_cpu == r->cpu && ev.reason == XKD_STOP_USER && !r->asked && look(r, &now) &&
	    now.pc - b->pc > INSN_MAX)
		return xkd_err_set(
			err, XKD_TIMEOUT,
			"the step did not end: the CPU ran on and was halted where it is now");
	if (r->t->stop_cpu == r->cpu)
		return XKD_OK;
	/* Another CPU's, which ran meanwhile: shown, or passed by. */
	if (xkd_run_judge(r, &ev, NULL, stop) && stop->kind != XKD_STOPPED_STEP)
		return XKD_OK;
	stop->kind = XKD_STOPPED_STEP;
	rc = xkd_run_step_off(r, r->t->stop_cpu, &stepped, err);
	*done = rc || (look(r, &now) && now.pc != b->pc);
	return rc;
}

enum xkd_rc xkd_run_single(struct xkd_run *r, struct xkd_stop *stop, struct xkd_err *err)
{
	struct before b;
	bool again = true;
	enum xkd_rc rc = XKD_OK;

	*stop = (struct xkd_stop){ .kind = XKD_STOPPED_STEP, .cpu = r->cpu };
	xkd_watch_note(r);
	(void)look(r, &b);
	for (int i = 0; !rc && again && i < TRIES; i++) {
		bool done;

		xkd_cancel_hold(r->t->cancel, true);
		rc = attempt(r, &b, &done, stop, err);
		xkd_cancel_hold(r->t->cancel, false);
		again = !done;
		if (!rc && done && stop->kind == XKD_STOPPED_STEP)
			rc = leave_interrupt(r, &b, &again, stop, err);
	}
	if (rc)
		return rc;
	if (again)
		return xkd_err_set(err, XKD_TIMEOUT, "the instruction was not reached: something came before it "
				   "0n%d times", TRIES);
	if (stop->kind == XKD_STOPPED_STEP && r->t->stop_cpu != r->cpu)
		r->t->stop_cpu = r->cpu;
	xkd_run_notice(r);
	if (stop->kind == XKD_STOPPED_STEP)
		landed(r, stop);
	return xkd_run_spent(r, stop, err);
}
