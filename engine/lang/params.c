/* Parameters of a frame's function for kp and kP, and the table of counters of flexible arrays. */
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
		xkd_buf_ch(&text, '(');
		for (size_t i = 0; i < n; i++) {
			if (!vars[i].is_param)
				continue;
			if (shown++)
				xkd_buf_str(&text, multi_line ? "," : ", ");
			if (multi_line)
				xkd_buf_str(&text, "\n\t\t\t");
			xkd_text_spell(vars[i].v.type, &text);
			xkd_buf_printf(&text, " %s = ", vars[i].name);
			xkd_value_brief(ctx, &vars[i].v, true, &text);
		}
		xkd_buf_ch(&text, ')');
	}
	/* names and strings are foreign; our own newlines and tabs are not */
	for (char *p = text.s, *e; *p; p = e) {
		e = p + strcspn(p, "\n\t");
		xkd_buf_escaped(out, p, (size_t)(e - p));
		while (*e == '\n' || *e == '\t')
			xkd_buf_ch(out, *e++);
	}
	xkd_buf_fini(&text);
	xkd_arena_fini(&arena);
}

static const struct {
	const char *type, *array, *counter;
} counters[] = {
	{ "kvm_io_bus", "range", "dev_count" },
	{ "kvm_irq_routing_table", "map", "nr_rt_entries" },
	{ "group_info", "gid", "ngroups" },
	{ "kvm_memslots", "memslots", "used_slots" },
};

bool xkd_flexible_count(const struct xkd_ctx *ctx, const struct xkd_value *parent,
			const char *member, uint64_t *n)
{
	const struct xkd_type *s = parent ? xkd_lang_strip(ctx, parent->mod, parent->type) : NULL;
	struct xkd_value v;

	for (size_t i = 0; s && s->name && i < XKD_COUNT(counters); i++)
		if (!strcmp(s->name, counters[i].type) && !strcmp(member, counters[i].array) &&
		    !xkd_value_member(ctx, parent, counters[i].counter, &v, NULL) &&
		    !xkd_value_u64(ctx, &v, n, NULL))
			return (int64_t)*n >= 0 && *n < 1 << 20;
	return false;
}
