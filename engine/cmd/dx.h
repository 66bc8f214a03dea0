/* dx, a row of the expressions' family. */
#ifndef XKD_ENGINE_DX_H
#define XKD_ENGINE_DX_H
#include "engine/cmd/cmd.h"
#include "engine/lang/value.h"
/* Its switches: -r[n]; 1 without. */
enum xkd_rc xkd_dx_depth(struct xkd_args *a, unsigned *depth, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_dx_show(struct xkd_session *s, const struct xkd_ctx *ctx, const char *expr,
			const struct xkd_value *v, unsigned depth, struct xkd_err *err) XKD_MUST;
#endif
