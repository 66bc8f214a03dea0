/* Kernels and modules that come and go under a session. While a breakpoint waits for a module, the
 * place where modules come in is watched. Before a kernel is there, the places where each one of the
 * symbol path would start are watched at every slide (only where breakpoints do not alter memory: the
 * decompressor would write over them, or be damaged); at the first of them the kernel is found and
 * the breakpoints that wait for it are put in. After a reboot the old boot's breakpoints are taken
 * out and those with names go to their new places. */
#include "engine/run/run_int.h"
#include "base/str.h"
#include "engine/os/os.h"
#include "engine/run/journal.h"

#define EARLY_MAX 8192

static void unplace_all(struct xkd_run *r)
{
	struct xkd_target *t = r->t;
	struct xkd_err ignored;

	/* A refusal means that the place is gone with its kernel. */
	for (size_t i = 0; i < r->bkpts->placed.n; i++) {
		struct xkd_placed *p = &r->bkpts->placed.p[i];

		(void)!t->be->ops->bp_del(t->be, p->kind, p->addr, p->size, &ignored);
	}
	xkd_vec_reset(&r->bkpts->placed);
	xkd_journal_close(r->bkpts, true);
}

/* What a bare kernel address meant in the old boot, it does not mean in this one. */
void xkd_run_unbind(struct xkd_run *r)
{
	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];

		b->only_task = 0;
		if (b->named || b->pattern || b->deferred || !b->locs.n || !(b->locs.p[0] >> 63))
			continue;
		b->enabled = false;
		xkd_out(r->out, "Breakpoint %u (%s) is an address of the old boot: disabled", b->id,
			b->spec);
		xkd_out_end(r->out);
	}
}

static bool find_kernel(struct xkd_run *r, bool again)
{
	struct xkd_buf found = XKD_BUF_INIT;
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc = xkd_os_attach(r->t, &found, &err);
	bool have = xkd_target_kernel(r->t) != NULL;

	if (found.len && (have || again)) {
		xkd_out(r->out, "%s%s", again ? "Another boot: " : "The kernel is there: ", found.s);
		if (r->out->text.len)
			xkd_out_end(r->out);
	}
	if (rc && have) {
		xkd_out_st(r->out, XKD_ST_DIM, "note: %s", err.msg);
		xkd_out_end(r->out);
	}
	xkd_buf_fini(&found);
	return have;
}

bool xkd_run_notice(struct xkd_run *r)
{
	struct xkd_target *t = r->t;
	bool gone;

	if (t->lost || t->running)
		return false;
	/* A user who gives up meanwhile must not look like a kernel that cannot be read. */
	xkd_cancel_hold(t->cancel, true);
	gone = xkd_target_kernel(t) && t->os->still_there && !t->os->still_there(t);
	xkd_cancel_hold(t->cancel, false);
	if (!gone && (xkd_target_kernel(t) || !t->awaits_kernel))
		return false;
	if (gone) {
		unplace_all(r);
		xkd_run_unbind(r);
		xkd_target_forget_kernel(t);
	}
	r->ctx = NULL; /* of what was there before */
	r->bkpts->load_at = 0;
	if (!find_kernel(r, gone) && !gone)
		return false;
	xkd_bkpt_refresh(r);
	return true;
}

static bool early_one(void *arg, uint64_t addr)
{
	struct xkd_bkpts *all = arg;

	*xkd_vec_push(&all->early) = addr;
	return all->early.n < EARLY_MAX;
}

enum xkd_rc xkd_run_await(struct xkd_run *r, struct xkd_err *err)
{
	struct xkd_target *t = r->t;
	struct xkd_bkpts *all = r->bkpts;
	bool wanted = false;

	for (size_t i = 0; i < all->list.n; i++)
		wanted |= all->list.p[i]->enabled && all->list.p[i]->deferred;
	all->load_at = 0;
	if (wanted && t->caps & XKD_CAP_BP_SW && t->os->load_place &&
	    !t->os->load_place(t, &all->load_at))
		all->load_at = 0;
	if (!wanted || all->early.n || xkd_target_kernel(t) || !t->awaits_kernel ||
	    !(t->caps & XKD_CAP_BP_SW) || t->caps & XKD_CAP_BP_IN_MEMORY)
		return XKD_OK;
	xkd_os_early(t, early_one, all);
	for (size_t i = 0; i < all->early.n; i++) {
		enum xkd_rc rc = xkd_cancel_check(t->cancel, err);

		if (!rc)
			rc = xkd_target_noted(t, t->be->ops->bp_add(t->be, XKD_BP_SW,
									 all->early.p[i], 1, err));
		if (rc) {
			all->early.n = i;
			xkd_run_unawait(r);
			return xkd_err_prepend(err, rc, "watching for the kernel's start");
		}
	}
	return XKD_OK;
}

void xkd_run_unawait(struct xkd_run *r)
{
	struct xkd_target *t = r->t;
	struct xkd_err ignored;

	for (size_t i = 0; i < r->bkpts->early.n && !t->lost && !t->running; i++)
		(void)!t->be->ops->bp_del(t->be, XKD_BP_SW, r->bkpts->early.p[i], 1, &ignored);
	xkd_vec_reset(&r->bkpts->early);
}

bool xkd_run_false_start(struct xkd_run *r, uint64_t addr)
{
	struct xkd_err ignored;

	for (size_t i = 0; i < r->bkpts->early.n; i++)
		if (r->bkpts->early.p[i] == addr) {
			(void)!r->t->be->ops->bp_del(r->t->be, XKD_BP_SW, addr, 1, &ignored);
			xkd_vec_remove(&r->bkpts->early, i);
			return true;
		}
	return false;
}
