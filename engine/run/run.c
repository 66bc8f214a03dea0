/* Resuming and stopping. A breakpoint that a CPU stands on is stepped off with the other CPUs held,
 * for one instruction and no longer. Hits that a filter lets through never reach the user. */
#include "engine/run/run.h"
#include "base/str.h"
#include "engine/cmd/session.h"
#include "engine/os/os.h"
#include "engine/run/place.h"
#include "engine/run/run_int.h"
#include <stdio.h>

#define HALT_MS 5000 /* a stub that does not stop within this is said to be stuck */
#define STEP_MS 10000

static uint64_t pc_of(struct xkd_session *s, int cpu, uint64_t *sp)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;

	*sp = 0;
	if (xkd_target_regs(s->t, cpu, XKD_RG_INT, &regs, &ignored))
		return 0;
	*sp = regs->v[s->t->arch->sp];
	return regs->v[s->t->arch->pc];
}

/* Ctrl-C: ask the target to stop and wait; a second one gives up. */
static enum xkd_rc interrupt(struct xkd_session *s, struct xkd_event *ev, struct xkd_err *err)
{
	enum xkd_rc rc;

	xkd_cancel_hold(s->t->cancel, true);
	rc = xkd_target_halt(s->t, err);
	if (!rc)
		rc = xkd_target_wait(s->t, HALT_MS, ev, err);
	xkd_cancel_hold(s->t->cancel, false);
	xkd_cancel_clear(s->t->cancel);
	if (rc == XKD_TIMEOUT)
		return xkd_err_set(err, rc, "the target did not stop within %d s of the request; it "
				   "still runs", HALT_MS / 1000);
	if (!rc && ev->kind == XKD_EV_STOPPED && ev->reason == XKD_STOP_UNKNOWN)
		ev->reason = XKD_STOP_USER;
	return rc;
}

static enum xkd_rc wait_event(struct xkd_session *s, int ms, struct xkd_event *ev,
			      struct xkd_err *err)
{
	enum xkd_rc rc = xkd_target_wait(s->t, ms, ev, err);

	if (rc == XKD_CANCELED || rc == XKD_TIMEOUT)
		rc = interrupt(s, ev, err);
	return rc;
}

enum xkd_rc xkd_run_one(struct xkd_session *s, int cpu, struct xkd_event *ev, struct xkd_err *err)
{
	struct xkd_resume r = { .others = XKD_ACT_HOLD, .has_cpu = true,
				.cpu_id = s->t->cpus.p[cpu].id, .cpu_act = XKD_ACT_STEP,
				.mask_irqs = true };
	enum xkd_rc rc;

	if (!(s->t->caps & XKD_CAP_STEP_HOLD))
		r.others = XKD_ACT_CONT;
	rc = xkd_target_resume(s->t, &r, err);
	if (!rc)
		rc = wait_event(s, STEP_MS, ev, err);
	return rc;
}

enum xkd_rc xkd_run_step_off(struct xkd_session *s, int cpu, bool *stepped, struct xkd_err *err)
{
	uint64_t sp, pc = pc_of(s, cpu, &sp);
	struct xkd_event ev;
	enum xkd_rc rc;

	*stepped = false;
	if (!xkd_placed_at(s, pc))
		return XKD_OK;
	rc = xkd_unplace_exec(s, pc, err);
	if (!rc)
		rc = xkd_run_one(s, cpu, &ev, err);
	if (rc)
		return rc;
	*stepped = true;
	if (ev.kind != XKD_EV_STOPPED)
		return xkd_err_set(err, XKD_TRANSPORT, "the target is gone: %s", ev.text);
	return xkd_place_sync(s, err);
}

static bool cond_holds(struct xkd_session *s, const struct xkd_bkpt *b, int cpu)
{
	struct xkd_env env = s->env;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_ctx ctx;
	uint64_t v;

	env.no_side_effects = true;
	if (xkd_ctx_cpu(s->t, cpu, &ctx, &err) ||
	    xkd_eval_u64(&ctx, &env, XKD_CXX, b->cond, NULL, &s->cmd_arena, &v, &err)) {
		xkd_out_st(&s->out, XKD_ST_ERR, "breakpoint %u: condition '%s': %s", b->id, b->cond,
			   err.msg);
		xkd_out_end(&s->out);
		return true; /* one that cannot be answered stops, so that it is seen */
	}
	return v != 0;
}

/* Does this breakpoint's hit concern the user? Counts it. */
static bool stops_for(struct xkd_session *s, struct xkd_bkpt *b, int cpu)
{
	struct xkd_err ignored;
	uint64_t task = 0;

	if (b->only_cpu >= 0 && s->t->os->cpu_number &&
	    s->t->os->cpu_number(s->t, cpu) != b->only_cpu)
		return false;
	if (b->only_task && (!s->t->os->current || s->t->os->current(s->t, cpu, &task, &ignored) ||
			     task != b->only_task))
		return false;
	if (b->cond && !cond_holds(s, b, cpu))
		return false;
	b->hits++;
	if (b->left > 1) {
		b->left--;
		return false;
	}
	return true;
}

static bool at_loc(const struct xkd_bkpt *b, uint64_t addr, bool watch)
{
	for (size_t i = 0; i < b->locs.n; i++) {
		if (!watch && b->kind <= XKD_BP_HW && b->locs.p[i] == addr)
			return true;
		if (watch && b->kind > XKD_BP_HW && addr - b->locs.p[i] < b->size)
			return true;
	}
	return false;
}

/* Ours at this place? *mine: some breakpoint is there; true: one of them stops. */
static bool bkpt_stop(struct xkd_session *s, uint64_t addr, bool watch, int cpu, bool *mine,
		      struct xkd_stop *stop)
{
	bool yes = false;

	*mine = false;
	for (size_t i = 0; i < s->bkpts.list.n; i++) {
		struct xkd_bkpt *b = s->bkpts.list.p[i];

		if (!b->enabled || !at_loc(b, addr, watch))
			continue;
		*mine = true;
		if (!stops_for(s, b, cpu) || yes)
			continue;
		yes = true;
		stop->kind = XKD_STOPPED_BP;
		stop->bp_id = b->id;
		snprintf(stop->text, sizeof(stop->text), "Breakpoint %u hit", b->id);
	}
	return yes;
}

static bool until_hit(struct xkd_session *s, const struct xkd_until *u, uint64_t pc, uint64_t sp,
		      int cpu, bool *mine)
{
	struct xkd_err ignored;
	uint64_t task = 0;

	for (size_t i = 0; u && i < u->n; i++) {
		if (u->addrs[i] != pc)
			continue;
		*mine = true;
		if (!u->match)
			return true;
		if (sp < u->min_sp)
			return false;
		return !u->task || (s->t->os->current &&
				    !s->t->os->current(s->t, cpu, &task, &ignored) &&
				    task == u->task);
	}
	return false;
}

static void other_stop(const struct xkd_event *ev, struct xkd_stop *stop)
{
	stop->kind = XKD_STOPPED_OTHER;
	switch (ev->reason) {
	case XKD_STOP_USER:
		stop->kind = XKD_STOPPED_USER;
		snprintf(stop->text, sizeof(stop->text), "Break instruction: the target was halted");
		break;
	case XKD_STOP_SHUTDOWN:
		snprintf(stop->text, sizeof(stop->text), "The target shut down");
		break;
	case XKD_STOP_EXC:
		snprintf(stop->text, sizeof(stop->text), "Stopped by exception or signal %d", ev->exc);
		break;
	case XKD_STOP_STEP:
		stop->kind = XKD_STOPPED_STEP;
		break;
	case XKD_STOP_BP:
	case XKD_STOP_WATCH:
		snprintf(stop->text, sizeof(stop->text), "Stopped at a breakpoint that is not xkd's");
		break;
	default:
		snprintf(stop->text, sizeof(stop->text), "The target stopped");
		break;
	}
}

/* What an event means; true: it is to be shown. */
static bool judge(struct xkd_session *s, const struct xkd_event *ev, const struct xkd_until *u,
		  struct xkd_stop *stop)
{
	bool mine = false, theirs = false;
	uint64_t pc, sp;

	*stop = (struct xkd_stop){ .kind = XKD_STOPPED_EXIT, .cpu = s->t->stop_cpu };
	if (ev->kind != XKD_EV_STOPPED) {
		snprintf(stop->text, sizeof(stop->text), "%s%s%.90s",
			 ev->kind == XKD_EV_EXITED ? "The target is gone" : "The connection is lost",
			 ev->text[0] ? ": " : "", ev->text);
		return true;
	}
	pc = pc_of(s, stop->cpu, &sp);
	if (ev->reason == XKD_STOP_WATCH) {
		if (bkpt_stop(s, ev->watch_addr, true, stop->cpu, &mine, stop))
			return true;
	} else if (ev->reason != XKD_STOP_USER) {
		if (bkpt_stop(s, pc, false, stop->cpu, &mine, stop))
			return true;
		if (until_hit(s, u, pc, sp, stop->cpu, &theirs)) {
			stop->kind = XKD_STOPPED_STEP;
			return true;
		}
	}
	if (mine || theirs)
		return false;
	/* A hit of a breakpoint that is out by now, queued while another CPU's was looked at. */
	other_stop(ev, stop);
	return true;
}

static enum xkd_rc place_until(struct xkd_session *s, const struct xkd_until *u, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	for (size_t i = 0; u && i < u->n && !rc; i++)
		if (!xkd_placed_at(s, u->addrs[i]))
			rc = xkd_place(s, u->addrs[i], XKD_BP_SW, 1, err);
	return rc;
}

static enum xkd_rc run_loop(struct xkd_session *s, const struct xkd_until *u, struct xkd_stop *stop,
			    struct xkd_err *err)
{
	struct xkd_resume all = { .others = XKD_ACT_CONT };
	struct xkd_event ev;
	bool stepped;
	int cpu = s->cpu;

	for (;;) {
		enum xkd_rc rc = xkd_run_step_off(s, cpu, &stepped, err);

		if (!rc)
			rc = xkd_place_sync(s, err);
		if (!rc)
			rc = place_until(s, u, err);
		if (!rc)
			rc = xkd_target_resume(s->t, &all, err);
		if (!rc)
			rc = wait_event(s, -1, &ev, err);
		if (rc)
			return rc;
		if (judge(s, &ev, u, stop))
			return XKD_OK;
		cpu = s->t->stop_cpu;
	}
}

static void show_modules_changed(struct xkd_session *s)
{
	struct xkd_err ignored;
	uint32_t before = s->t->gen.modules;

	if (s->t->os->modules)
		(void)!s->t->os->modules(s->t, &ignored);
	if (s->t->gen.modules != before)
		xkd_bkpt_refresh(s);
}

enum xkd_rc xkd_run_until(struct xkd_session *s, const struct xkd_until *u, struct xkd_stop *stop,
			  struct xkd_err *err)
{
	struct xkd_err sync_err = XKD_ERR_INIT;
	enum xkd_rc rc = run_loop(s, u, stop, err);

	if (s->t->lost) {
		s->ctx_valid = false;
		s->bkpts.placed.n = 0;
		return rc;
	}
	if (s->t->running) /* it would not stop: nothing more can be done to it now */
		return rc;
	if (u) /* the plan's own places go */
		(void)!xkd_place_sync(s, &sync_err);
	xkd_session_stopped(s, s->t->stop_cpu);
	if (rc)
		return rc;
	show_modules_changed(s);
	if (stop->kind == XKD_STOPPED_BP) {
		struct xkd_bkpt *b = xkd_bkpt_find(s, stop->bp_id);

		if (b && b->once && !b->cmds)
			return xkd_bkpt_del(s, b->id, err);
	}
	return XKD_OK;
}

enum xkd_rc xkd_run_go(struct xkd_session *s, struct xkd_stop *stop, struct xkd_err *err)
{
	return xkd_run_until(s, NULL, stop, err);
}

enum xkd_rc xkd_run_to(struct xkd_session *s, const uint64_t *addrs, size_t n,
		       struct xkd_stop *stop, struct xkd_err *err)
{
	struct xkd_until u = { .addrs = addrs, .n = n };

	return xkd_run_until(s, &u, stop, err);
}
