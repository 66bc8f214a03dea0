/* The rows of a struct or union (dt). v NULL: the layout alone. type is completed here. */
#ifndef XKD_ENGINE_PRINT_STRUCT_H
#define XKD_ENGINE_PRINT_STRUCT_H
#include "engine/lang/print.h"
enum xkd_rc xkd_print_struct(const struct xkd_ctx *ctx, struct xkd_out *out, struct xkd_module *mod,
			     const struct xkd_type *type, const struct xkd_value *v,
			     const struct xkd_print_opts *o, struct xkd_err *err) XKD_MUST;
#endif
