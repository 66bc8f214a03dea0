/* Resuming and stopping. A breakpoint that a CPU stands on is stepped off with the other CPUs held,
 * for one instruction and no longer. Hits that a filter lets through never reach the user. */
#include "engine/run/run.h"
#include "engine/lang/unwind.h"
#include "base/str.h"

#include "engine/os/os.h"
#include "engine/run/place.h"
#include "engine/run/run_int.h"
#include "engine/run/watch.h"
#include <stdio.h>

#define HALT_MS 5000 /* a stub that does not stop within this is said to be stuck */
#define STEP_MS 10000
#define STEP_TRIES 64

static uint64_t pc_of(struct xkd_run *r, int cpu, uint64_t *sp)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;

	*sp = 0;
	if (xkd_target_regs(r->t, cpu, XKD_RG_INT, &regs, &ignored))
		return 0;
	*sp = regs->v[r->t->arch->sp];
	return regs->v[r->t->arch->pc];
}

/* Ctrl-C: ask the target to stop and wait; a second one gives up. */
static enum xkd_rc interrupt(struct xkd_run *r, struct xkd_event *ev, struct xkd_err *err)
{
	enum xkd_rc rc;

	xkd_cancel_hold(r->t->cancel, true);
	rc = xkd_target_halt(r->t, err);
	if (!rc)
		rc = xkd_target_wait(r->t, HALT_MS, ev, err);
	xkd_cancel_hold(r->t->cancel, false);
	xkd_cancel_clear(r->t->cancel);
	if (rc == XKD_TIMEOUT)
		return xkd_err_set(err, rc, "the target did not stop within %d s of the request; it "
				   "still runs", HALT_MS / 1000);
	if (!rc && ev->kind == XKD_EV_STOPPED && ev->reason == XKD_STOP_UNKNOWN)
		ev->reason = XKD_STOP_USER;
	return rc;
}

static enum xkd_rc wait_event(struct xkd_run *r, int ms, struct xkd_event *ev,
			      struct xkd_err *err)
{
	struct xkd_cancel *c = r->t->cancel;
	int held = c ? c->held : 0;
	enum xkd_rc rc;

	if (c) /* here Ctrl-C is heard, elsewhere it would cut an exchange in two */
		c->held = 0;
	rc = xkd_target_wait(r->t, ms, ev, err);
	if (c)
		c->held = held;
	r->asked |= rc == XKD_CANCELED;
	if (rc == XKD_CANCELED || rc == XKD_TIMEOUT)
		rc = interrupt(r, ev, err);
	return rc;
}

/* The next stop; what trace points recorded is written meanwhile. */
static enum xkd_rc next_stop(struct xkd_run *r, struct xkd_event *ev, struct xkd_err *err)
{
	enum xkd_rc rc;
	int ms;

	do {
		ms = xkd_traces_due(r);
		if (!ms) {
			xkd_traces_write(r);
			ms = xkd_traces_due(r);
		}
		rc = xkd_target_wait(r->t, ms, ev, err);
	} while (rc == XKD_TIMEOUT && ms >= 0);
	if (rc == XKD_CANCELED || rc == XKD_TIMEOUT) {
		r->asked |= rc == XKD_CANCELED;
		rc = interrupt(r, ev, err);
	}
	xkd_traces_came(r);
	return rc;
}

enum xkd_rc xkd_run_one(struct xkd_run *r, int cpu, bool as_told, struct xkd_event *ev,
			struct xkd_err *err)
{
	struct xkd_resume how = { .others = XKD_ACT_HOLD, .has_cpu = true,
				.cpu_id = r->t->cpus.p[cpu].id, .cpu_act = XKD_ACT_STEP,
				.mask_irqs = !as_told || !r->step_irqs };
	enum xkd_rc rc;

	if (!(r->t->caps & XKD_CAP_STEP_HOLD) || (as_told && r->step_others))
		how.others = XKD_ACT_CONT;
	rc = xkd_target_resume(r->t, &how, err);
	if (!rc)
		rc = wait_event(r, STEP_MS, ev, err);
	return rc;
}

/* Most breakpoints are on instructions that need no step at all. */
static bool carried(struct xkd_run *r, int cpu, uint64_t pc)
{
	struct xkd_space sp = xkd_space_cpu(cpu);
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	uint8_t bytes[15];
	size_t n = 0;

	if (xkd_target_regs(r->t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored))
		return false;
	(void)!xkd_mem_read(r->t, &sp, pc, bytes, sizeof(bytes), &n, &ignored);
	return n && xkd_run_carry(r, cpu, bytes, n, regs, false);
}

enum xkd_rc xkd_run_step_off(struct xkd_run *r, int cpu, bool *stepped, struct xkd_err *err)
{
	struct xkd_event ev;
	uint64_t sp, pc;
	enum xkd_rc rc;
	bool done;

	*stepped = false;
	xkd_cancel_hold(r->t->cancel, true);
	pc = pc_of(r, cpu, &sp);
	done = xkd_placed_at(r, pc) && carried(r, cpu, pc);
	xkd_cancel_hold(r->t->cancel, false);
	if (!xkd_placed_at(r, pc))
		return XKD_OK;
	if (done) {
		r->t->stop_cpu = cpu;
		*stepped = true;
		return XKD_OK;
	}
	rc = xkd_unplace_exec(r, pc, err);
	/* A stop that another CPU had asked for may come first, and a repeated instruction stays where it
	 * is: a hit is counted once for each time that the CPU came here. */
	for (int i = 0; !rc && i < STEP_TRIES && !r->asked && (!i || pc_of(r, cpu, &sp) == pc); i++) {
		rc = xkd_run_one(r, cpu, false, &ev, err);
		if (!rc && ev.kind != XKD_EV_STOPPED)
			return xkd_err_set(err, XKD_TRANSPORT, "the target is gone: %s", ev.text);
	}
	if (rc)
		return rc;
	*stepped = true;
	return xkd_place_sync(r, err);
}

static bool cond_holds(struct xkd_run *r, const struct xkd_bkpt *b, int cpu)
{
	struct xkd_env env = *r->env;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_ctx ctx;
	uint64_t v;

	env.no_side_effects = true;
	if (xkd_ctx_cpu(r->t, cpu, &ctx, &err) ||
	    xkd_eval_u64(&ctx, &env, XKD_CXX, b->cond, NULL, r->arena, &v, &err)) {
		xkd_out_st(r->out, XKD_ST_ERR, "breakpoint %u: condition '%s': %s", b->id, b->cond,
			   err.msg);
		xkd_out_end(r->out);
		return true; /* one that cannot be answered stops, so that it is seen */
	}
	return v != 0;
}

/* Has the stack max frames at most? One that cannot be walked stops, so that it is seen. */
static bool shallow(struct xkd_run *r, unsigned max, int cpu)
{
	struct xkd_err ignored;
	struct xkd_frame *f;
	struct xkd_ctx ctx;
	char why[160];
	size_t n;

	return xkd_ctx_cpu(r->t, cpu, &ctx, &ignored) ||
	       xkd_unwind(&ctx, max + 1, r->arena, &f, &n, why, &ignored) || n <= max;
}

/* Does this breakpoint's hit concern the user? Counts it. */
static bool stops_for(struct xkd_run *r, struct xkd_bkpt *b, int cpu)
{
	struct xkd_err ignored;
	uint64_t task = 0;

	if (b->trace)
		xkd_traces_here(r);
	if (b->only_cpu >= 0 && r->t->os->cpu_number &&
	    r->t->os->cpu_number(r->t, cpu) != b->only_cpu)
		return false;
	if (b->only_task && (!r->t->os->current || r->t->os->current(r->t, cpu, &task, &ignored) ||
			     task != b->only_task))
		return false;
	if (b->cond && !cond_holds(r, b, cpu))
		return false;
	if (b->max_depth && !shallow(r, b->max_depth, cpu))
		return false;
	if (b->trace) {
		xkd_trace_slowly(r, b, cpu);
		return false;
	}
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

bool xkd_run_hit(struct xkd_run *r, uint64_t addr, bool watch, int cpu, bool *mine,
		 struct xkd_stop *stop)
{
	bool yes = false;

	*mine = false;
	xkd_cancel_hold(r->t->cancel, true);
	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];
		char more[sizeof(stop->more)] = "";
		bool changed = true;

		if (!b->enabled || !at_loc(b, addr, watch))
			continue;
		*mine = true;
		if (b->watch)
			changed = xkd_watch_seen(r, b, cpu, more, sizeof(more));
		if (b->change && !changed)
			continue;
		if (b->event) {
			char text[sizeof(stop->text)];

			if (!xkd_event_stops(r, b, cpu, text, sizeof(text)) || yes)
				continue;
			snprintf(stop->text, sizeof(stop->text), "%s", text);
			stop->kind = XKD_STOPPED_BP;
			stop->bp_id = b->id;
			yes = true;
			continue;
		}
		if (!stops_for(r, b, cpu) || yes)
			continue;
		yes = true;
		stop->kind = XKD_STOPPED_BP;
		stop->bp_id = b->id;
		snprintf(stop->text, sizeof(stop->text), "Breakpoint %u hit", b->id);
		snprintf(stop->more, sizeof(stop->more), "%s", more);
	}
	xkd_cancel_hold(r->t->cancel, false);
	return yes;
}

static bool until_hit(struct xkd_run *r, const struct xkd_until *u, uint64_t pc, uint64_t sp,
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
		return !u->task || (r->t->os->current &&
				    !r->t->os->current(r->t, cpu, &task, &ignored) &&
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
		snprintf(stop->text, sizeof(stop->text), "Interrupted: the target is halted");
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

void xkd_run_modules_changed(struct xkd_run *r)
{
	struct xkd_err ignored;
	uint32_t before = r->t->gen.modules;

	if (xkd_run_notice(r))
		return;
	if (r->t->os->modules)
		(void)!r->t->os->modules(r->t, &ignored);
	if (r->t->gen.modules != before)
		xkd_bkpt_refresh(r);
}

/* A breakpoint's address reached in a guest or another address space, or at a place where a kernel
 * could have started and did not: none of the user's business. A kernel that came or went meanwhile
 * is taken note of; what is set at pc then counts. */
static bool elsewhere(struct xkd_run *r, uint64_t pc, int cpu)
{
	if (!xkd_target_kernel(r->t)) {
		bool early = r->bkpts->early.n != 0;

		if (!early)
			return false;
		if (!xkd_run_notice(r) || !xkd_target_kernel(r->t))
			return xkd_run_false_start(r, pc);
		xkd_run_unawait(r);
	} else if (xkd_target_kview(r->t, cpu) == XKD_KVIEW_OTHER && !xkd_run_notice(r)) {
		return xkd_placed_at(r, pc);
	} else {
		return false;
	}
	return !xkd_placed_at(r, pc);
}

/* Two CPUs that hit at once are two stops; a stub may tell the second after both went on, and of a CPU
 * that is elsewhere by then. There is no breakpoint instruction there that could have stopped it. */
static bool belated(struct xkd_run *r, const struct xkd_event *ev, uint64_t pc, int cpu)
{
	struct xkd_space sp = xkd_space_cpu(cpu);
	struct xkd_err ignored;
	uint8_t code[2];

	return r->passed && ev->reason == XKD_STOP_BP && cpu >= 0 && pc &&
	       !xkd_mem_read(r->t, &sp, pc - 1, code, sizeof(code), NULL, &ignored) &&
	       code[0] != r->t->arch->bp_insn && code[1] != r->t->arch->bp_insn;
}

bool xkd_run_judge(struct xkd_run *r, const struct xkd_event *ev, const struct xkd_until *u,
		   struct xkd_stop *stop)
{
	bool mine = false, theirs = false;
	uint64_t pc, sp;

	*stop = (struct xkd_stop){ .kind = XKD_STOPPED_EXIT, .cpu = r->t->stop_cpu };
	if (ev->kind != XKD_EV_STOPPED) {
		snprintf(stop->text, sizeof(stop->text), "%s%s%.90s",
			 ev->kind == XKD_EV_EXITED ? "The target is gone" : "The connection is lost",
			 ev->text[0] ? ": " : "", ev->text);
		return true;
	}
	xkd_cancel_hold(r->t->cancel, true);
	pc = pc_of(r, stop->cpu, &sp);
	xkd_cancel_hold(r->t->cancel, false);
	if (ev->reason == XKD_STOP_BP && elsewhere(r, pc, stop->cpu))
		return false;
	if (ev->reason == XKD_STOP_BP && r->bkpts->load_at && pc == r->bkpts->load_at) {
		xkd_run_modules_changed(r);
		theirs = true;
	}
	if (ev->reason == XKD_STOP_WATCH) {
		if (xkd_run_hit(r, ev->watch_addr, true, stop->cpu, &mine, stop))
			return true;
	} else if (ev->reason != XKD_STOP_USER) {
		if (xkd_run_hit(r, pc, false, stop->cpu, &mine, stop))
			return true;
		if (until_hit(r, u, pc, sp, stop->cpu, &theirs)) {
			stop->kind = XKD_STOPPED_STEP;
			return true;
		}
	}
	if (mine || theirs || belated(r, ev, pc, stop->cpu))
		return false;
	/* A hit of a breakpoint that is out by now, queued while another CPU's was looked at. */
	other_stop(ev, stop);
	stop->asked = stop->kind == XKD_STOPPED_USER && r->asked;
	return true;
}

static enum xkd_rc place_until(struct xkd_run *r, const struct xkd_until *u, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	for (size_t i = 0; u && i < u->n && !rc; i++)
		if (!xkd_placed_at(r, u->addrs[i]))
			rc = xkd_place(r, u->addrs[i], XKD_BP_SW, 1, err);
	return rc;
}

/* A Ctrl-C while a hit is looked at cuts nothing short: the hit counts, and then the target stays. So it
 * is with one that a hit crossed on its way. */
static bool quick(struct xkd_run *r, const struct xkd_until *u, const struct xkd_event *ev)
{
	bool gone;

	xkd_cancel_hold(r->t->cancel, true);
	gone = xkd_run_quick(r, u, ev);
	xkd_cancel_hold(r->t->cancel, false);
	return gone;
}

static bool given_up(struct xkd_run *r, bool shown, struct xkd_stop *stop)
{
	const struct xkd_event user = { .kind = XKD_EV_STOPPED, .reason = XKD_STOP_USER };

	if (r->t->lost || r->t->running || !(r->asked || xkd_canceled(r->t->cancel)))
		return false;
	xkd_cancel_clear(r->t->cancel);
	r->asked = true;
	if (!shown || stop->kind == XKD_STOPPED_OTHER) {
		other_stop(&user, stop);
		stop->asked = true;
	}
	return true;
}

static enum xkd_rc run_loop(struct xkd_run *r, const struct xkd_until *u, struct xkd_stop *stop,
			    struct xkd_err *err)
{
	struct xkd_resume all = { .others = XKD_ACT_CONT };
	struct xkd_event ev;
	bool stepped, shown;
	int cpu = r->cpu;

	for (;;) {
		enum xkd_rc rc = xkd_run_step_off(r, cpu, &stepped, err);

		if (!rc && r->asked) { /* Ctrl-C during that step */
			const struct xkd_event ctrl_c = { .kind = XKD_EV_STOPPED, .reason = XKD_STOP_USER };

			(void)xkd_run_judge(r, &ctrl_c, u, stop);
			return XKD_OK;
		}
		if (!rc)
			rc = xkd_run_await(r, err);
		if (!rc)
			rc = xkd_place_sync(r, err);
		if (!rc)
			rc = place_until(r, u, err);
		if (!rc)
			rc = xkd_target_resume(r->t, &all, err);
		xkd_traces_went(r);
		if (!rc)
			rc = next_stop(r, &ev, err);
		while (!rc && !r->asked && quick(r, u, &ev)) {
			r->passed = true;
			rc = next_stop(r, &ev, err);
		}
		if (rc)
			return rc;
		shown = xkd_run_judge(r, &ev, u, stop);
		if (given_up(r, shown, stop) || shown)
			return XKD_OK;
		r->passed |= ev.reason == XKD_STOP_BP;
		cpu = r->t->stop_cpu;
	}
}

enum xkd_rc xkd_run_spent(struct xkd_run *r, const struct xkd_stop *stop, struct xkd_err *err)
{
	struct xkd_bkpt *b = stop->kind == XKD_STOPPED_BP ? xkd_bkpt_find(r->bkpts, stop->bp_id) : NULL;

	return b && b->once && !b->cmds ? xkd_bkpt_del(r, b->id, err) : XKD_OK;
}

enum xkd_rc xkd_run_until(struct xkd_run *r, const struct xkd_until *u, struct xkd_stop *stop,
			  struct xkd_err *err)
{
	struct xkd_err sync_err = XKD_ERR_INIT;
	enum xkd_rc rc;

	xkd_bkpt_late(r);
	xkd_watch_note(r);
	xkd_traces_begin(r);
	rc = run_loop(r, u, stop, err);
	xkd_traces_end(r);

	if (r->t->lost) {
		r->bkpts->placed.n = 0;
		return rc;
	}
	if (r->t->running) /* it would not stop: nothing more can be done to it now */
		return rc;
	xkd_run_unawait(r);
	if (u) /* the plan's own places go */
		(void)!xkd_place_sync(r, &sync_err);
	if (rc)
		return rc;
	xkd_run_modules_changed(r);
	return xkd_run_spent(r, stop, err);
}

enum xkd_rc xkd_run_go(struct xkd_run *r, struct xkd_stop *stop, struct xkd_err *err)
{
	return xkd_run_until(r, NULL, stop, err);
}

enum xkd_rc xkd_run_to(struct xkd_run *r, const uint64_t *addrs, size_t n,
		       struct xkd_stop *stop, struct xkd_err *err)
{
	struct xkd_until u = { .addrs = addrs, .n = n };

	return xkd_run_until(r, &u, stop, err);
}
