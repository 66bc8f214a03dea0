/* Breakpoint editing: resolving what a user typed to places. One on a module that is not loaded
 * waits for it; on a loaded module that lacks the symbol it fails at once. */
#include "engine/run/run.h"
#include "base/str.h"

#include "engine/run/place.h"
#include <ctype.h>
#include <elf.h>
#include <string.h>

#define PATTERN_MAX 1000

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
	free(b->spec);
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
}

struct collect {
	struct xkd_bkpt *b;
	size_t skipped;
};

static bool collect_one(void *arg, const struct xkd_symref *sym)
{
	struct collect *c = arg;

	if (sym->type != STT_FUNC)
		return true;
	for (size_t i = 0; i < c->b->locs.n; i++)
		if (c->b->locs.p[i] == sym->addr)
			return true;
	if (c->b->locs.n == PATTERN_MAX) {
		c->skipped++;
		return true;
	}
	*xkd_vec_push(&c->b->locs) = sym->addr;
	return true;
}

/* Does the spec name a module that is not loaded? */
static bool module_missing(struct xkd_run *r, const char *spec)
{
	const char *bang = strchr(spec, '!');
	char mod[128];

	if (!bang || bang == spec || (size_t)(bang - spec) >= sizeof(mod))
		return false;
	memcpy(mod, spec, (size_t)(bang - spec));
	mod[bang - spec] = 0;
	return mod[strspn(mod, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == 0 &&
	       !xkd_target_mod_named(r->t, mod);
}

/* Before a kernel is there every name waits for it; numbers and registers do not. */
static bool awaits_name(struct xkd_run *r, const char *spec)
{
	uint64_t v;

	return !xkd_target_kernel(r->t) && r->t->awaits_kernel &&
	       (isalpha((unsigned char)*spec) || *spec == '_' || *spec == '*') &&
	       !xkd_parse_u64(spec, 16, &v);
}

static enum xkd_rc resolve(struct xkd_run *r, struct xkd_bkpt *b, struct xkd_err *err)
{
	struct xkd_symref sym;
	struct xkd_ctx bare;
	uint64_t addr;
	enum xkd_rc rc;

	xkd_vec_reset(&b->locs);
	b->deferred = false;
	if (awaits_name(r, b->spec)) {
		b->named = b->deferred = true;
		return XKD_OK;
	}
	if (b->pattern) {
		struct collect c = { b, 0 };

		xkd_sym_glob(r->t, b->spec, collect_one, &c);
		if (c.skipped)
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "'%s' matches %zu functions, more than %d", b->spec,
					   b->locs.n + c.skipped, PATTERN_MAX);
		if (b->locs.n)
			return XKD_OK;
		return xkd_err_set(err, XKD_NOTFOUND, "no function matches '%s'", b->spec);
	}
	if (module_missing(r, b->spec)) {
		b->named = b->deferred = true;
		return XKD_OK;
	}
	/* A plain name first: every place of that name, as a person expects of static functions. */
	rc = xkd_sym_named(r->t, b->spec, &sym, err);
	if (rc == XKD_OK || rc == XKD_AMBIGUOUS) {
		struct collect c = { b, 0 };

		b->named = true;
		xkd_sym_glob(r->t, b->spec, collect_one, &c);
		if (!b->locs.n || b->kind > XKD_BP_HW) {
			xkd_vec_reset(&b->locs);
			*xkd_vec_push(&b->locs) = sym.addr;
		}
		return XKD_OK;
	}
	xkd_ctx_bare(r->t, &bare);
	rc = xkd_eval_u64(r->ctx ? r->ctx : &bare, r->env, XKD_MASM, b->spec, NULL, r->arena, &addr, err);
	if (rc)
		return rc;
	*xkd_vec_push(&b->locs) = addr;
	return XKD_OK;
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

enum xkd_rc xkd_bkpt_add(struct xkd_run *r, int id, const struct xkd_bkpt *proto,
			 struct xkd_bkpt **out, struct xkd_err *err)
{
	struct xkd_bkpt *b = xkd_calloc(1, sizeof(*b));
	enum xkd_rc rc;

	*b = *proto;
	memset(&b->locs, 0, sizeof(b->locs));
	b->prog = NULL;
	b->spec = xkd_strdup(proto->spec);
	b->cmds = proto->cmds ? xkd_strdup(proto->cmds) : NULL;
	b->cond = proto->cond ? xkd_strdup(proto->cond) : NULL;
	b->enabled = true;
	b->left = b->passes;
	rc = resolve(r, b, err);
	if (!rc) {
		if (id >= 0 && xkd_bkpt_find(r->bkpts, (unsigned)id))
			rc = xkd_bkpt_del(r, (unsigned)id, err);
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
	if (rc) {
		struct xkd_err ignored;

		(void)!xkd_bkpt_del(r, b->id, &ignored);
		return rc;
	}
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

enum xkd_rc xkd_bkpt_enable(struct xkd_run *r, unsigned id, bool on, struct xkd_err *err)
{
	struct xkd_bkpt *b = xkd_bkpt_find(r->bkpts, id);

	if (!b)
		return xkd_err_set(err, XKD_NOTFOUND, "no breakpoint %u", id);
	b->enabled = on;
	return xkd_place_sync(r, err);
}

void xkd_bkpt_refresh(struct xkd_run *r)
{
	struct xkd_err err = XKD_ERR_INIT;

	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];
		bool waited = b->deferred;

		/* Bare addresses stay; names follow their modules. */
		if (!b->deferred && !b->pattern && !b->named && !strpbrk(b->spec, "!_") && b->locs.n)
			continue;
		if (resolve(r, b, &err)) {
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
