/* Breakpoint editing: added, cleared, enabled, and kept up with modules and boots. What a spec means
 * is found in resolve.c. */
#include "engine/run/run.h"
#include "base/str.h"

#include "engine/run/journal.h"
#include "engine/run/place.h"
#include "engine/run/run_int.h"
#include "engine/run/trace.h"
#include "engine/run/watch.h"
#include <string.h>

struct xkd_bkpt *xkd_bkpt_find(struct xkd_bkpts *all, unsigned id)
{
	for (size_t i = 0; i < all->list.n; i++)
		if (all->list.p[i]->id == id)
			return all->list.p[i];
	return NULL;
}

static void free_bkpt(struct xkd_bkpt *b)
{
	xkd_bkpt_drop_prog(b);
	xkd_watch_free(b->watch);
	xkd_vec_fini(&b->compiled);
	xkd_trace_free(b->trace);
	free(b->spec);
	free(b->filter);
	free(b->cmds);
	free(b->cond);
	xkd_vec_fini(&b->locs);
	free(b);
}

void xkd_bkpts_fini(struct xkd_bkpts *all)
{
	for (size_t i = 0; i < all->list.n; i++)
		free_bkpt(all->list.p[i]);
	xkd_vec_fini(&all->list);
	xkd_vec_fini(&all->placed);
	xkd_vec_fini(&all->early);
	xkd_vec_fini(&all->hot);
	xkd_traces_free(all->traces);
	all->traces = NULL;
	xkd_journal_close(all, false);
}

void xkd_bkpts_lost(struct xkd_bkpts *all)
{
	xkd_journal_close(all, false);
	xkd_vec_reset(&all->placed);
	xkd_vec_reset(&all->early);
	xkd_vec_reset(&all->hot);
	all->load_at = 0;
	all->nproved = 0;
	for (size_t i = 0; i < all->list.n; i++)
		xkd_bkpt_drop_prog(all->list.p[i]);
}

static unsigned free_id(struct xkd_run *r)
{
	unsigned id = 0;

	while (xkd_bkpt_find(r->bkpts, id))
		id++;
	return id;
}

static int by_id(const void *a, const void *b)
{
	unsigned x = (*(struct xkd_bkpt *const *)a)->id, y = (*(struct xkd_bkpt *const *)b)->id;

	return x < y ? -1 : x > y;
}

static void say_patched(struct xkd_run *r, const struct xkd_bkpt *b)
{
	const char *who = NULL, *one;
	size_t n = 0;

	for (size_t i = 0; b->kind == XKD_BP_SW && i < b->locs.n; i++) {
		one = xkd_placed_patcher(r, b->locs.p[i]);
		n += one != NULL;
		who = one ? one : who;
	}
	if (!n)
		return;
	xkd_out_st(r->out, XKD_ST_DIM, "Breakpoint %u: the kernel patches %s as it runs (%s): a hardware breakpoint "
		   "is used", b->id, n > 1 ? "places of it" : "its place", who);
	xkd_out_end(r->out);
}

enum xkd_rc xkd_bkpt_add(struct xkd_run *r, int id, const struct xkd_bkpt *proto,
			 struct xkd_bkpt **out, struct xkd_err *err)
{
	struct xkd_bkpt *b = xkd_calloc(1, sizeof(*b));
	enum xkd_rc rc;

	*b = *proto;
	memset(&b->locs, 0, sizeof(b->locs));
	memset(&b->compiled, 0, sizeof(b->compiled));
	b->spec = xkd_strdup(proto->spec);
	b->cmds = proto->cmds ? xkd_strdup(proto->cmds) : NULL;
	b->cond = proto->cond ? xkd_strdup(proto->cond) : NULL;
	b->enabled = true;
	b->left = b->passes;
	rc = xkd_bkpt_resolve(r, b, false, err);
	if (!rc) {
		if (id >= 0 && xkd_bkpt_find(r->bkpts, (unsigned)id))
			rc = xkd_bkpt_del(r, (unsigned)id, err);
		if (rc == XKD_TRANSPORT)
			rc = XKD_OK; /* the new one is in the list when the target is back */
		b->id = id >= 0 ? (unsigned)id : free_id(r);
	}
	if (rc) {
		free_bkpt(b);
		return rc;
	}
	*xkd_vec_push(&r->bkpts->list) = b;
	xkd_vec_sort(&r->bkpts->list, by_id);
	/* In now, so that a place that cannot be set is told now. */
	rc = xkd_place_sync(r, err);
	if (rc == XKD_TRANSPORT)
		return rc; /* .reconnect puts it in */
	if (rc) {
		struct xkd_err ignored;

		(void)!xkd_bkpt_del(r, b->id, &ignored);
		return rc;
	}
	say_patched(r, b);
	*out = b;
	return XKD_OK;
}

enum xkd_rc xkd_bkpt_del(struct xkd_run *r, unsigned id, struct xkd_err *err)
{
	for (size_t i = 0; i < r->bkpts->list.n; i++)
		if (r->bkpts->list.p[i]->id == id) {
			free_bkpt(r->bkpts->list.p[i]);
			xkd_vec_remove(&r->bkpts->list, i);
			return r->t && !r->t->lost ? xkd_place_sync(r, err) : XKD_OK;
		}
	return xkd_err_set(err, XKD_NOTFOUND, "no breakpoint %u", id);
}

enum xkd_rc xkd_bkpt_renumber(struct xkd_run *r, unsigned id, unsigned to, struct xkd_err *err)
{
	struct xkd_bkpt *b = xkd_bkpt_find(r->bkpts, id);

	if (!b || b->event)
		return xkd_err_set(err, XKD_NOTFOUND, "no breakpoint %u", id);
	if (id != to && xkd_bkpt_find(r->bkpts, to))
		return xkd_err_set(err, XKD_SYNTAX, "there is a breakpoint %u already", to);
	b->id = to;
	xkd_vec_sort(&r->bkpts->list, by_id);
	return b->trace && id != to ? xkd_trace_begin(r, b, err) : XKD_OK; /* the record has the id */
}

enum xkd_rc xkd_bkpt_enable(struct xkd_run *r, unsigned id, bool on, struct xkd_err *err)
{
	struct xkd_bkpt *b = xkd_bkpt_find(r->bkpts, id);

	if (!b)
		return xkd_err_set(err, XKD_NOTFOUND, "no breakpoint %u", id);
	b->enabled = on;
	return xkd_place_sync(r, err);
}

/* The inlined copies, once the index is there. */
void xkd_bkpt_late(struct xkd_run *r)
{
	struct xkd_err err = XKD_ERR_INIT;
	bool any = false;

	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];
		size_t had = b->locs.n;

		if (!b->awaits_index || !xkd_target_kernel(r->t))
			continue;
		if (xkd_bkpt_resolve(r, b, true, &err) || b->locs.n <= had)
			continue;
		any = true;
		xkd_out(r->out, "Breakpoint %u: %zu inlined %s of %s added", b->id, b->locs.n - had,
			b->locs.n - had == 1 ? "copy" : "copies", b->spec);
		xkd_out_end(r->out);
	}
	if (any && xkd_place_sync(r, &err)) {
		xkd_out_st(r->out, XKD_ST_ERR, "%s", err.msg);
		xkd_out_end(r->out);
	}
}

void xkd_bkpt_refresh(struct xkd_run *r)
{
	struct xkd_err err = XKD_ERR_INIT;

	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];
		bool waited = b->deferred;

		/* Bare addresses stay; names follow their modules. */
		if (b->fixed || (!b->deferred && !b->pattern && !b->named && !strpbrk(b->spec, "!_") && b->locs.n))
			continue;
		if (xkd_bkpt_resolve(r, b, true, &err)) {
			b->deferred = true;
			continue;
		}
		if (waited && !b->deferred) {
			xkd_out(r->out, "Breakpoint %u is set now: %s", b->id, b->spec);
			xkd_out_end(r->out);
		}
	}
	if (xkd_place_sync(r, &err)) {
		xkd_out_st(r->out, XKD_ST_ERR, "%s", err.msg);
		xkd_out_end(r->out);
	}
}
