/* dv: the parameters and locals of the current frame's function. A name that an inner block
 * declares again is shown for each block, the inner one last. */
#include "engine/cmd/locals.h"
#include "base/str.h"
#include "engine/lang/print.h"
#include "engine/lang/scope.h"
#include <stdio.h>
#include <string.h>

struct dv {
	bool kind, type, where, how;
};

static enum xkd_rc options(struct xkd_args *a, struct dv *o, struct xkd_err *err)
{
	char sw[16];

	while (xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		for (const char *c = sw; *c; c++) {
			switch (*c) {
			case 'i':
				o->kind = true;
				break;
			case 't':
				o->type = true;
				break;
			case 'V':
				o->how = true;
				/* fall through */
			case 'v':
				o->where = true;
				break;
			default:
				return xkd_err_syntax(err, (int)(a->p - a->line),
						      "no switch /%c: /i /t /v /V", *c);
			}
		}
	}
	return XKD_OK;
}

/* Where: the address of what is in memory, else the place the debug info gives. */
static void place(struct xkd_out *out, const struct dv *o, const struct xkd_value *v)
{
	const char *how = v->kind == XKD_V_UNAVAIL ? "" : v->where;

	if (v->kind == XKD_V_MEM)
		xkd_out_key(out, XKD_ST_ADDR, "where", "%s", XKD_ADDR(v->addr));
	else /* what is nowhere in memory has its place in the second column, if there is one */
		xkd_out_key(out, XKD_ST_ADDR, "where", "%-17s", o->how ? "" : how);
	xkd_out(out, " ");
	if (o->how && v->kind == XKD_V_MEM && !strchr(how, '['))
		how = "@ memory";
	if (o->how)
		xkd_out_key(out, XKD_ST_DIM, "place", "%-18s", how);
	if (o->how)
		xkd_out(out, " ");
}

/* In the debug info's own terms, why a variable is nowhere. */
static void reason(struct xkd_out *out, const struct xkd_local *l)
{
	if (l->v.kind == XKD_V_UNAVAIL && l->why_none)
		xkd_out_key(out, XKD_ST_DIM, "why", " (%s)", l->why_none);
}

static void text_cell(struct xkd_out *out, enum xkd_style st, const char *key, const char *text,
		      size_t len)
{
	struct xkd_buf safe = XKD_BUF_INIT;

	xkd_buf_escaped(&safe, text, len);
	xkd_out_key(out, st, key, "%s", safe.s);
	xkd_buf_fini(&safe);
}

static void show(struct xkd_session *s, const struct xkd_ctx *ctx, const struct dv *o,
		 const struct xkd_local *l)
{
	struct xkd_buf b = XKD_BUF_INIT;
	size_t len = strlen(l->name);

	if (o->kind)
		xkd_out_key(&s->out, XKD_ST_DIM, "kind", "prv %s  ",
			    l->is_param ? "param" : "local");
	if (o->where)
		place(&s->out, o, &l->v);
	if (o->type) {
		xkd_type_spell(l->v.type, NULL, &b);
		text_cell(&s->out, XKD_ST_TYPE, "type", b.s, b.len);
		xkd_out(&s->out, " ");
		xkd_buf_reset(&b);
	} else if (len < 15) {
		xkd_out(&s->out, "%*s", (int)(15 - len), "");
	}
	text_cell(&s->out, XKD_ST_SYM, "name", l->name, len);
	xkd_out(&s->out, " = ");
	xkd_value_brief(ctx, &l->v, true, &b);
	text_cell(&s->out, l->v.kind == XKD_V_UNAVAIL ? XKD_ST_DIM : XKD_ST_NUM, "value", b.s,
		  b.len);
	if (o->how)
		reason(&s->out, l);
	xkd_out_end(&s->out);
	xkd_buf_fini(&b);
}

enum xkd_rc xkd_cmd_locals(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_local *vars;
	struct dv o = { 0 };
	char pattern[128] = "*";
	size_t n, shown = 0;
	enum xkd_rc rc = options(a, &o, err);

	if (!rc && !xkd_arg_end(a) && !xkd_arg_word(a, pattern, sizeof(pattern)))
		rc = xkd_err_syntax(err, (int)(a->p - a->line), "the pattern is too long");
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc)
		rc = xkd_session_ctx(s, &ctx, err);
	if (!rc)
		rc = xkd_scope_vars(ctx, &s->cmd_arena, &vars, &n, err);
	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < n; i++) {
		rc = xkd_cancel_check(&s->cancel, err);
		if (rc || !xkd_glob(pattern, vars[i].name, true))
			continue;
		show(s, ctx, &o, &vars[i]);
		shown++;
	}
	if (!rc && !shown)
		rc = n ? xkd_err_set(err, XKD_NOTFOUND, "no variable matches %s", pattern)
		       : xkd_err_set(err, XKD_NOTFOUND, "the function has no variables here");
	return rc;
}
