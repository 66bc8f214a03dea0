/* Parameters of a frame's function for kp and kP. */
#include "base/str.h"
#include "engine/lang/print_int.h"
#include "engine/lang/scope.h"
#include <string.h>

void xkd_print_params(const struct xkd_ctx *ctx, struct xkd_buf *out, bool multi_line)
{
	struct xkd_arena arena;
	struct xkd_local *vars;
	struct xkd_buf text = XKD_BUF_INIT;
	size_t n, shown = 0;

	xkd_arena_init(&arena);
	if (!xkd_scope_vars(ctx, &arena, &vars, &n, NULL)) {
		xkd_buf_ch(out, '(');
		for (size_t i = 0; i < n; i++) {
			if (!vars[i].is_param)
				continue;
			if (shown++)
				xkd_buf_str(out, multi_line ? "," : ", ");
			if (multi_line)
				xkd_buf_str(out, "\n\t\t\t");
			/* names and strings are foreign: a newline in them is none of ours */
			xkd_buf_reset(&text);
			xkd_text_spell(vars[i].v.type, &text);
			xkd_buf_printf(&text, " %s = ", vars[i].name);
			xkd_value_brief(ctx, &vars[i].v, true, &text);
			xkd_buf_escaped(out, text.s, text.len);
		}
		xkd_buf_ch(out, ')');
	}
	xkd_buf_fini(&text);
	xkd_arena_fini(&arena);
}
