/* dx: what an expression gives, with what is inside it and behind its pointers, level by level.
 * Invariants: depth and rows are bounded, whatever memory points to; a part that cannot be read says so
 * in its row and ends nothing. */
#include "engine/cmd/dx.h"
#include "base/str.h"
#include "engine/lang/lang.h"
#include "engine/lang/print.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16
#define ROWS_MAX 20000
#define ELEMENTS_MAX 100

struct dx {
	struct xkd_session *s;
	const struct xkd_ctx *ctx;
	unsigned depth; /* asked for */
	unsigned rows;
	struct xkd_err *err;
};

static void text(struct dx *d, enum xkd_style st, const char *key, const struct xkd_buf *b)
{
	struct xkd_buf safe = XKD_BUF_INIT;

	xkd_buf_escaped(&safe, b->s, b->len);
	xkd_out_key(&d->s->out, st, key, "%s", safe.s);
	xkd_buf_fini(&safe);
}

/* "NAME : VALUE [Type: T]"; an object with parts has no value of its own. */
static void row(struct dx *d, unsigned level, const char *place, const char *name,
		const struct xkd_value *v)
{
	const struct xkd_type *s = xkd_lang_strip(d->ctx, v->mod, v->type);
	struct xkd_buf b = XKD_BUF_INIT;

	d->rows++;
	xkd_out(&d->s->out, "%*s%s", (int)(4 * level), "", place);
	xkd_buf_printf(&b, level ? "%-16s" : "%s", name);
	text(d, XKD_ST_SYM, "name", &b);
	if (xkd_type_is_scalar(s) || s->kind == XKD_T_FLOAT || v->kind == XKD_V_UNAVAIL) {
		xkd_buf_reset(&b);
		xkd_value_brief(d->ctx, v, true, &b);
		xkd_out(&d->s->out, " : ");
		text(d, XKD_ST_NUM, "value", &b);
	}
	xkd_buf_reset(&b);
	xkd_type_spell(v->type, NULL, &b);
	xkd_out(&d->s->out, " [Type: ");
	text(d, XKD_ST_TYPE, "type", &b);
	xkd_out(&d->s->out, "]");
	xkd_out_end(&d->s->out);
	xkd_buf_fini(&b);
}

static enum xkd_rc inside(struct dx *d, unsigned level, const struct xkd_value *v);

/* An array that says not how many it has, by its counter where that is known. */
static void bound(struct dx *d, const struct xkd_value *v, const struct xkd_member *m,
		  struct xkd_value *part)
{
	const struct xkd_type *s = xkd_lang_strip(d->ctx, part->mod, part->type), *e;
	const struct xkd_type *of = xkd_lang_strip(d->ctx, v->mod, v->type);
	const struct xkd_counted *c = d->ctx->t ? d->ctx->t->os->counted : NULL;
	struct xkd_value count;
	uint64_t n;

	if (s->kind != XKD_T_ARRAY || !s->flexible || !of->name)
		return;
	for (; c && c->type; c++)
		if (!strcmp(c->type, of->name) && !strcmp(c->array, m->name) &&
		    !xkd_value_member(d->ctx, v, c->counter, &count, NULL) &&
		    !xkd_value_u64(d->ctx, &count, &n, NULL) && n < ROWS_MAX &&
		    !xkd_lang_target(d->ctx, part->mod, s, &e, NULL)) {
			part->type = xkd_type_array_of(e, n + c->plus);
			return;
		}
}

static enum xkd_rc members(struct dx *d, unsigned level, const struct xkd_value *v,
			   const struct xkd_type *s, uint64_t base)
{
	const struct xkd_member *m;
	enum xkd_rc rc;
	size_t n;

	rc = xkd_type_members(s, &m, &n, d->err);
	for (size_t i = 0; !rc && i < n && d->rows < ROWS_MAX; i++) {
		uint64_t off = base + m[i].bit_off / 8;
		struct xkd_value part;
		char place[48];

		rc = xkd_cancel_check(&d->s->cancel, d->err);
		if (rc || xkd_value_member_of(d->ctx, v, &m[i], &part, NULL))
			continue;
		if (!m[i].name || !*m[i].name) { /* its members are the object's own */
			const struct xkd_type *in = xkd_lang_strip(d->ctx, part.mod, part.type);

			if (xkd_type_is_aggregate(in) && level < DEPTH_MAX)
				rc = members(d, level, &part, in, off);
			continue;
		}
		if (m[i].bit_size)
			snprintf(place, sizeof(place), "[+0x%03llx (%2u:%2u)] ",
				 (unsigned long long)off,
				 (unsigned)(m[i].bit_off % 8) + m[i].bit_size - 1,
				 (unsigned)(m[i].bit_off % 8));
		else
			snprintf(place, sizeof(place), "[+0x%03llx] ", (unsigned long long)off);
		bound(d, v, &m[i], &part);
		row(d, level, place, m[i].name, &part);
		rc = inside(d, level, &part);
	}
	return rc;
}

static enum xkd_rc elements(struct dx *d, unsigned level, const struct xkd_value *v,
			    const struct xkd_type *s)
{
	enum xkd_rc rc = XKD_OK;

	for (uint64_t i = 0; !rc && i < s->nelem && d->rows < ROWS_MAX; i++) {
		struct xkd_value e;
		char name[32];

		if (i == ELEMENTS_MAX) {
			xkd_out(&d->s->out, "%*s[...] : %llu more", (int)(4 * level), "",
				(unsigned long long)(s->nelem - i));
			xkd_out_end(&d->s->out);
			break;
		}
		rc = xkd_cancel_check(&d->s->cancel, d->err);
		if (rc || xkd_value_index(d->ctx, v, (int64_t)i, &e, NULL))
			break;
		snprintf(name, sizeof(name), "[%llu]", (unsigned long long)i);
		row(d, level, "", name, &e);
		rc = inside(d, level, &e);
	}
	return rc;
}

/* The parts of a value, or of what it points to, one level further in. */
static enum xkd_rc inside(struct dx *d, unsigned level, const struct xkd_value *v)
{
	const struct xkd_type *s = xkd_lang_strip(d->ctx, v->mod, v->type);
	struct xkd_value at = *v;
	uint64_t num;

	if (level >= d->depth || v->kind == XKD_V_UNAVAIL)
		return XKD_OK;
	if (s->kind == XKD_T_PTR) {
		if ((!xkd_value_u64(d->ctx, v, &num, NULL) && !num) ||
		    xkd_value_deref(d->ctx, v, &at, NULL))
			return XKD_OK;
		s = xkd_lang_strip(d->ctx, at.mod, at.type);
		if (s->kind == XKD_T_FUNC || s->kind == XKD_T_VOID || s->is_decl)
			return XKD_OK;
		if (xkd_type_is_scalar(s)) {
			row(d, level + 1, "", "*", &at);
			return XKD_OK;
		}
	}
	if (s->kind == XKD_T_ARRAY)
		return elements(d, level + 1, &at, s);
	return xkd_type_is_aggregate(s) && !s->is_decl ? members(d, level + 1, &at, s, 0) : XKD_OK;
}

enum xkd_rc xkd_dx_depth(struct xkd_args *a, unsigned *depth, struct xkd_err *err)
{
	uint64_t n = 1;
	char sw[16];

	*depth = 1;
	while (xkd_arg_switch(a, '-', sw, sizeof(sw))) {
		if (sw[0] != 'r' || (sw[1] && !xkd_parse_u64(sw + 1, 10, &n)))
			return xkd_err_syntax(err, (int)(a->p - a->line), "no switch -%s: -r[n]",
					      sw);
		*depth = n < DEPTH_MAX ? (unsigned)n : DEPTH_MAX;
	}
	return XKD_OK;
}

enum xkd_rc xkd_dx_show(struct xkd_session *s, const struct xkd_ctx *ctx, const char *expr,
			const struct xkd_value *v, unsigned depth, struct xkd_err *err)
{
	struct dx d = { .s = s, .ctx = ctx, .depth = depth, .err = err };
	enum xkd_rc rc;

	xkd_print_percpu(&s->out, v);
	row(&d, 0, "", expr, v);
	rc = inside(&d, 0, v);
	if (!rc && d.rows >= ROWS_MAX) {
		xkd_out_st(&s->out, XKD_ST_DIM, "only the first %u rows are shown", d.rows);
		xkd_out_end(&s->out);
	}
	return rc;
}
