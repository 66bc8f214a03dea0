/* Variables in scope at a context's place: the debug info's names and, through location.c, where
 * their values are. Invariant: a variable that is in scope is always found; one whose value cannot
 * be known is UNAVAIL with the reason, never a guess. */
#include "engine/lang/scope.h"
#include "base/str.h"
#include "engine/lang/lang.h"
#include "engine/lang/unwind.h"
#include <stdio.h>
#include <string.h>

struct place {
	struct xkd_module *mod;
	struct xkd_dwarf *dwarf;
	uint64_t iaddr;
	struct xkd_dfunc f; /* the function of ctx->inline_depth */
};

static enum xkd_rc find_place(const struct xkd_ctx *ctx, struct place *p, struct xkd_err *err)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_types *btf;
	size_t n = 0;
	enum xkd_rc rc;

	p->mod = xkd_scope_module(ctx);
	if (!p->mod)
		return xkd_err_set(err, XKD_NOTFOUND, "no debug info covers the current place");
	xkd_mod_providers(ctx->t, p->mod, &btf, &p->dwarf);
	if (!p->dwarf || !xkd_module_to_image(p->mod, ctx->pc_lookup, &p->iaddr))
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no debug info for %s", p->mod->name,
				   XKD_ADDR(ctx->pc_lookup));
	rc = xkd_dwarf_funcs_at(p->dwarf, p->iaddr, f, XKD_INLINE_MAX, &n, err);
	if (rc)
		return rc;
	if (ctx->inline_depth >= n)
		return xkd_err_set(err, XKD_NOTFOUND, "no function is known at %s",
				   XKD_ADDR(ctx->pc_lookup));
	p->f = f[ctx->inline_depth];
	return XKD_OK;
}

/* The context of a CPU as it stopped has no CFA yet: one step of the unwinder gives it. */
static void with_cfa(const struct xkd_ctx *ctx, struct xkd_ctx *out)
{
	struct xkd_arena arena;
	struct xkd_frame *f;
	char why[160];
	size_t n;

	*out = *ctx;
	if (ctx->cfa || ctx->frame)
		return;
	xkd_arena_init(&arena);
	if (!xkd_unwind(ctx, 1, &arena, &f, &n, why, NULL) && n && f[0].lookup == ctx->pc_lookup)
		out->cfa = f[0].cfa;
	xkd_arena_fini(&arena);
}

static void make_env(const struct xkd_ctx *ctx, const struct place *p, struct xkd_arena *arena,
		     struct xkd_locenv *env)
{
	*env = (struct xkd_locenv){ .ctx = ctx, .mod = p->mod, .dwarf = p->dwarf };
	if (xkd_dwarf_frame_base(p->dwarf, p->iaddr, &env->fb, &env->fb_len, NULL))
		env->fb = NULL;
	env->caller = xkd_caller_new(arena);
}

enum xkd_rc xkd_scope_vars(const struct xkd_ctx *ctx, struct xkd_arena *arena,
			   struct xkd_local **vars, size_t *n, struct xkd_err *err)
{
	struct xkd_locenv env;
	struct xkd_ctx full;
	struct xkd_dvar *dv;
	struct place p;
	size_t nd, k = 0;
	enum xkd_rc rc = find_place(ctx, &p, err);

	if (!rc)
		rc = xkd_dwarf_vars(p.dwarf, &p.f, p.iaddr, arena, &dv, &nd, err);
	if (rc)
		return rc;
	with_cfa(ctx, &full);
	make_env(&full, &p, arena, &env);
	*vars = XKD_NEWN(arena, struct xkd_local, nd + 1);
	for (size_t i = 0; i < nd; i++) {
		struct xkd_local *l = &(*vars)[k];
		uint64_t slide = ctx->pc_lookup - p.iaddr;

		if (!dv[i].name || !*dv[i].name)
			continue;
		l->name = dv[i].name;
		l->is_param = dv[i].is_param;
		if (dv[i].scope_high) {
			l->low = dv[i].scope_low + slide;
			l->high = dv[i].scope_high + slide;
		}
		l->why_none = dv[i].expr_len || dv[i].has_const ? NULL : dv[i].why_none;
		xkd_location_var(&env, &dv[i], &l->v);
		k++;
	}
	*n = k;
	return XKD_OK;
}

enum xkd_rc xkd_scope_local(const struct xkd_ctx *ctx, const char *name, struct xkd_value *v,
			    struct xkd_err *err)
{
	struct xkd_locenv env;
	struct xkd_arena arena;
	struct xkd_ctx full;
	struct xkd_dvar *dv;
	struct place p;
	size_t n;
	enum xkd_rc rc;

	if (!ctx->t || !ctx->pc_lookup)
		return xkd_err_set(err, XKD_NOTFOUND, "there is no current function");
	rc = find_place(ctx, &p, err);
	if (rc)
		return rc == XKD_CANCELED ? rc : XKD_NOTFOUND;
	xkd_arena_init(&arena);
	rc = xkd_dwarf_vars(p.dwarf, &p.f, p.iaddr, &arena, &dv, &n, err);
	/* inner blocks come last and hide outer ones */
	for (size_t i = rc ? 0 : n; i-- > 0;) {
		if (!dv[i].name || strcmp(dv[i].name, name))
			continue;
		with_cfa(ctx, &full);
		make_env(&full, &p, &arena, &env);
		xkd_location_var(&env, &dv[i], v);
		xkd_arena_fini(&arena);
		return XKD_OK;
	}
	xkd_arena_fini(&arena);
	if (rc && rc != XKD_NOTFOUND && rc != XKD_BADDATA)
		return rc;
	return xkd_err_set(err, XKD_NOTFOUND, "no variable %s in %s", name,
			   p.f.name ? p.f.name : "the current function");
}
