/* DWARF location descriptions (DWARF 5 section 2.6) at a frame: from an expression to a value.
 * Invariants: what is not understood, or stands on a register, memory, caller or CFA that is not
 * known, makes the value UNAVAIL with the reason; "<optimized out>" is said only where the debug
 * info says so. */
#include "base/str.h"
#include "engine/lang/location_int.h"
#include <stdio.h>
#include <string.h>

static const char *reg_name(const struct xkd_loc *l, int reg)
{
	return l->env->ctx->t->arch->reg_names[reg];
}

void xkd_loc_words(const struct xkd_loc *l, const struct xkd_locat *at, char *text, size_t size)
{
	uint64_t off = (uint64_t)(l->where_off < 0 ? -l->where_off : l->where_off);

	if (at->kind == XKD_LOC_REG)
		snprintf(text, size, "%s", reg_name(l, at->reg));
	else if (at->kind == XKD_LOC_MEM && l->ops == 1 && l->where_reg >= 0)
		snprintf(text, size, "[%s%c0x%llx]", reg_name(l, l->where_reg),
			 l->where_off < 0 ? '-' : '+', (unsigned long long)off);
	else if (at->kind == XKD_LOC_MEM)
		snprintf(text, size, "%s", XKD_ADDR(at->addr));
	else if (l->entry[0])
		snprintf(text, size, "%s", l->entry);
	else
		snprintf(text, size, "%s",
			 at->kind == XKD_LOC_VALUE && l->ops > 1 ? "computed" : "constant");
}

static void in_register(struct xkd_loc *l, int reg, uint64_t size, struct xkd_value *v)
{
	if (!size || size > 8) {
		xkd_loc_fail(l, "in one register, but larger than it");
		return;
	}
	v->kind = XKD_V_REG;
	v->reg = reg;
	v->reg_shift = 0;
	v->reg_bits = (uint8_t)(size * 8);
}

static void calculated(struct xkd_loc *l, const struct xkd_lval *val, uint64_t size,
		       struct xkd_value *v)
{
	uint8_t *b;

	if (size <= 8) {
		v->kind = XKD_V_RVALUE;
		v->num = (uint64_t)val->v & xkd_lang_mask(size ? (unsigned)size * 8 : 64);
	} else if (size == 16 && val->size == 16) {
		b = xkd_arena_alloc(&l->env->ctx->t->stop_arena, 16);
		xkd_put_le(b, (uint64_t)val->v, 8);
		xkd_put_le(b + 8, (uint64_t)(val->v >> 64), 8);
		v->kind = XKD_V_BYTES;
		v->bytes = b;
		v->nbytes = 16;
	} else {
		xkd_loc_fail(l, "calculated, but larger than a register");
	}
}

void xkd_loc_pointer(struct xkd_loc *l, const struct xkd_locat *at, struct xkd_value *v)
{
	struct xkd_implicit *to;
	struct xkd_dvar dv;
	uint64_t iaddr;
	const char *name = NULL;

	if (!l->env->dwarf || l->env->is_caller) {
		xkd_loc_fail(l, "a pointer to an object of another frame, which has no address");
		return;
	}
	if (xkd_module_to_image(l->env->mod, l->env->ctx->pc_lookup, &iaddr) &&
	    !xkd_dwarf_var_at(l->env->dwarf, at->die, iaddr, &dv, NULL))
		name = dv.name;
	to = XKD_NEW(&l->env->ctx->t->stop_arena, struct xkd_implicit);
	*to = (struct xkd_implicit){ .env = *l->env, .die = at->die, .off = at->off };
	to->env.ctx = NULL;
	to->env.caller = NULL;
	v->to = to;
	xkd_loc_fail(l, "<optimized out: points to %s, which has no address>",
		     name && *name ? name : "an object");
}

static void simple(struct xkd_loc *l, const struct xkd_locat *at, uint64_t size,
		   struct xkd_value *v)
{
	char words[60];

	if (l->failed)
		return;
	switch (at->kind) {
	case XKD_LOC_MEM:
		v->kind = XKD_V_MEM;
		v->addr = at->addr;
		break;
	case XKD_LOC_REG:
		in_register(l, at->reg, size, v);
		break;
	case XKD_LOC_VALUE:
		calculated(l, &at->val, size, v);
		break;
	case XKD_LOC_BYTES:
		v->kind = XKD_V_BYTES;
		v->bytes = at->bytes;
		v->nbytes = at->nbytes;
		break;
	case XKD_LOC_POINTER:
		xkd_loc_pointer(l, at, v);
		break;
	default:
		xkd_loc_fail(l, "<optimized out>");
		break;
	}
	if (l->failed)
		return;
	xkd_loc_words(l, at, words, sizeof(words));
	snprintf(v->where, sizeof(v->where), "@ %s", words);
}

void xkd_location_eval(const struct xkd_locenv *env, const uint8_t *expr, size_t len,
		       struct xkd_value *v)
{
	struct xkd_locat at;
	struct xkd_loc l;

	v->to = NULL;
	v->parts = NULL;
	if (!len) {
		xkd_value_unavail(v, "<optimized out>");
		return;
	}
	if (env->depth > XKD_LOC_DEPTH) {
		xkd_value_unavail(v, "its debug info goes in a circle");
		return;
	}
	xkd_loc_begin(&l, env, expr, len);
	xkd_loc_run(&l, &at);
	if (!l.broken && l.p < l.end)
		xkd_loc_pieces(&l, &at, v);
	else
		simple(&l, &at, xkd_lang_size(env->ctx, env->mod, v->type), v);
	if (l.failed)
		xkd_value_unavail(v, "%s", l.why);
}

void xkd_location_var(const struct xkd_locenv *env, const struct xkd_dvar *dv, struct xkd_value *v)
{
	struct xkd_locenv own = *env;

	*v = (struct xkd_value){ .mod = env->mod,
				 .type = dv->type ? dv->type : xkd_type_builtin(XKD_BI_VOID) };
	own.cu = dv->cu;
	if (!dv->type) {
		xkd_value_unavail(v, "its type cannot be read");
	} else if (dv->has_const && dv->const_len) {
		v->kind = XKD_V_BYTES;
		v->bytes = dv->const_bytes;
		v->nbytes = dv->const_len;
		snprintf(v->where, sizeof(v->where), "@ constant");
	} else if (dv->has_const) {
		v->kind = XKD_V_RVALUE;
		v->num = dv->const_value;
		snprintf(v->where, sizeof(v->where), "@ constant");
		if (xkd_lang_size(env->ctx, env->mod, dv->type) > 8)
			xkd_value_unavail(v, "a constant larger than a register");
	} else if (dv->addr_size != 8 && dv->addr_size != 0) {
		xkd_value_unavail(v, "its debug info is of another address size");
	} else {
		xkd_location_eval(&own, dv->expr, dv->expr ? dv->expr_len : 0, v);
	}
}

enum xkd_rc xkd_location_pointee(const struct xkd_ctx *ctx, const struct xkd_implicit *to,
				 const struct xkd_type *type, struct xkd_value *v,
				 struct xkd_err *err)
{
	struct xkd_locenv env = to->env;
	struct xkd_member part = { .type = type };
	struct xkd_dvar dv;
	struct xkd_value whole;
	uint64_t iaddr;
	enum xkd_rc rc;

	env.ctx = ctx;
	env.caller = xkd_caller_new(&ctx->t->stop_arena);
	env.depth++;
	if (!xkd_module_to_image(env.mod, ctx->pc_lookup, &iaddr))
		return xkd_err_set(err, XKD_NOTFOUND, "the pointer is not one of this frame");
	rc = xkd_dwarf_var_at(env.dwarf, to->die, iaddr, &dv, err);
	if (rc)
		return rc;
	if (!dv.type)
		dv.type = type;
	xkd_location_var(&env, &dv, &whole);
	if (to->off < 0 || to->off > INT32_MAX)
		return xkd_err_set(err, XKD_UNSUPPORTED, "it points outside the object");
	if (!to->off && xkd_lang_size(ctx, env.mod, dv.type) == xkd_lang_size(ctx, env.mod, type)) {
		*v = whole;
		return XKD_OK;
	}
	part.bit_off = (uint64_t)to->off * 8;
	return xkd_value_member_of(ctx, &whole, &part, v, err);
}
