/* Variables of a frame, by the debug info: names in scope and where their values are. */
#ifndef XKD_ENGINE_SCOPE_H
#define XKD_ENGINE_SCOPE_H
#include "engine/core/names.h"
#include "engine/lang/value.h"

struct xkd_local {
	const char *name; /* image lifetime; never NULL */
	bool is_param;
	uint64_t low, high; /* block it lives in, target addresses; 0, 0: the whole function */
	const char *why_none; /* <optimized out>: the debug info's way to say so; else NULL */
	struct xkd_value v; /* UNAVAIL with a reason where it cannot be known */
};
/* Parameters in order, then locals from the outermost block inwards, of the function (or inlined
 * function, by ctx->inline_depth) at ctx->pc_lookup. NOTFOUND: no debug info covers it. */
enum xkd_rc xkd_scope_vars(const struct xkd_ctx *ctx, struct xkd_arena *arena,
			   struct xkd_local **vars, size_t *n, struct xkd_err *err) XKD_MUST;
/* One by name, the innermost. NOTFOUND is ordinary; a variable without a value is found, UNAVAIL. */
enum xkd_rc xkd_scope_local(const struct xkd_ctx *ctx, const char *name, struct xkd_value *v,
			    struct xkd_err *err) XKD_MUST;

struct xkd_caller; /* location_entry.c: the caller of a frame, found once */

/* What a DWARF location expression is evaluated in. */
struct xkd_locenv {
	const struct xkd_ctx *ctx;
	struct xkd_module *mod;
	struct xkd_dwarf *dwarf; /* for addrx and all that refers to entries; NULL: none */
	uint64_t cu;
	const uint8_t *fb; /* frame base expression; NULL: none */
	size_t fb_len;
	struct xkd_caller *caller; /* shared by what is asked of one frame; NULL: found anew */
	unsigned depth;	 /* of evaluations in one another */
	bool is_caller;	 /* the frame is another one than the user asked about */
};
/* Fills v's kind, place and words; v->type must be set. What is not understood, or depends on what is
 * not known, is UNAVAIL: a wrong value is never given. Bytes put together have stop lifetime. */
void xkd_location_eval(const struct xkd_locenv *env, const uint8_t *expr, size_t len,
		       struct xkd_value *v);
/* A variable's whole value, constants too. env->cu is the variable's. */
void xkd_location_var(const struct xkd_locenv *env, const struct xkd_dvar *dv, struct xkd_value *v);
struct xkd_caller *xkd_caller_new(struct xkd_arena *arena);
#endif
