/* The rows of structs and unions in kd's layout: "   +0x008 range            : [0] kvm_io_range",
 * three blanks a level, members of anonymous structs in the level of their owner.
 * Invariants: depth, rows and array elements are bounded whatever the debug info or the memory
 * says; an object (or, without values, a type) that is on the path already is not entered again. */
#include "engine/lang/print_struct.h"
#include "base/cancel.h"
#include "base/str.h"
#include "engine/lang/print_int.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <string.h>

#define LEVELS 32
#define ROWS 20000
#define ELEMENTS 4096
#define ANON_DEPTH 16

struct filter {
	const char *const *fields; /* NULL: everything */
	int n;
};
struct printer {
	const struct xkd_ctx *ctx;
	struct xkd_out *out;
	struct xkd_module *mod;
	const struct xkd_print_opts *o;
	struct xkd_err *err;
	unsigned rows;
	struct {
		uint64_t addr;
		const struct xkd_type *type;
	} path[LEVELS];
	int level;
};

static enum xkd_rc fields(struct printer *p, const struct xkd_type *s, const struct xkd_value *v,
			  int depth, const struct filter *f);

/* ---- which members ---- */

static size_t first_part(const char *field)
{
	return strcspn(field, ".");
}

static bool part_is(const char *field, const char *name)
{
	size_t n = first_part(field);

	return strlen(name) == n && !memcmp(field, name, n);
}

static bool part_matches(const char *field, const char *name, bool exact_exists)
{
	char part[128];
	size_t n = first_part(field);

	if (part_is(field, name))
		return true;
	if (exact_exists || n >= sizeof(part))
		return false;
	memcpy(part, field, n);
	part[n] = 0;
	return xkd_is_glob(part) ? xkd_glob(part, name, true) : !strncmp(name, part, n);
}

/* Does any member, also of anonymous ones, have exactly (or like) this name? */
static bool any_member(const struct xkd_type *s, const char *field, bool exact, int depth)
{
	const struct xkd_member *m;
	size_t n;

	if (depth > ANON_DEPTH || xkd_type_members(s, &m, &n, NULL))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!m[i].name || !*m[i].name) {
			const struct xkd_type *in = m[i].type ? xkd_type_strip(m[i].type) : NULL;

			if (in && xkd_type_is_aggregate(in) &&
			    any_member(in, field, exact, depth + 1))
				return true;
		} else if (exact ? part_is(field, m[i].name)
				 : part_matches(field, m[i].name, false)) {
			return true;
		}
	}
	return false;
}

bool xkd_print_has_field(const struct xkd_ctx *ctx, struct xkd_module *mod,
			 const struct xkd_type *type, const char *field)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, mod, type), *t;

	if (s->kind == XKD_T_PTR && !xkd_lang_target(ctx, mod, s, &t, NULL))
		s = xkd_lang_strip(ctx, mod, t);
	return xkd_type_is_aggregate(s) && any_member(s, field, false, 0);
}

/* What of a member is wanted: nothing, itself, or parts of it (into sub). */
static bool wanted(const struct xkd_type *owner, const char *name, const struct filter *f,
		   struct filter *sub, const char **store, bool *deeper)
{
	bool yes = false;

	*sub = (struct filter){ .fields = store };
	*deeper = false;
	if (!f->fields)
		return true;
	for (int i = 0; i < f->n; i++) {
		const char *rest = f->fields[i] + first_part(f->fields[i]);

		if (!part_matches(f->fields[i], name, any_member(owner, f->fields[i], true, 0)))
			continue;
		yes = true;
		if (*rest == '.') {
			*deeper = true;
			if (rest[1])
				store[sub->n++] = rest + 1;
			else
				sub->fields = NULL;
		}
	}
	return yes;
}

/* ---- one row ---- */

static enum xkd_rc begin_row(struct printer *p)
{
	if (++p->rows > ROWS)
		return xkd_err_set(p->err, XKD_UNSUPPORTED, "more than %d rows; ask for less",
				   ROWS);
	return xkd_cancel_check(p->ctx->t->cancel, p->err);
}

static void end_row(struct printer *p)
{
	if (!p->o->compact)
		xkd_out_end(p->out);
}

static void head(struct printer *p, uint64_t off, const char *name)
{
	size_t len = strlen(name);

	if (p->o->compact)
		xkd_out(p->out, "%s", p->rows > 1 ? "  " : "");
	else
		xkd_out(p->out, "%*s", 3 * p->level, "");
	if (!p->o->no_offsets && !p->o->compact) {
		xkd_out_key(p->out, XKD_ST_NUM, "offset", "+0x%03llx", (unsigned long long)off);
		xkd_out(p->out, " ");
	}
	xkd_out_text(p->out, XKD_ST_SYM, "name", name);
	if (p->o->compact)
		xkd_out(p->out, " : ");
	else
		xkd_out(p->out, "%*s : ", len < 16 ? (int)(16 - len) : 0, "");
}

/* The offset of the unit that a bit-field lies in, and its first bit in there. */
static uint64_t bit_unit(const struct xkd_type *s, uint64_t bit_off, uint32_t bits, unsigned *pos)
{
	uint64_t unit = s->size && s->size <= 8 ? s->size * 8 : 8;

	*pos = (unsigned)(bit_off % unit);
	if (*pos + bits > unit) { /* packed over units */
		*pos = (unsigned)(bit_off % 8);
		return bit_off / 8;
	}
	return bit_off / unit * (unit / 8);
}

static void member_text(struct printer *p, const struct xkd_member *m, const struct xkd_value *mv,
			unsigned pos, struct xkd_buf *b)
{
	const struct xkd_type *s = xkd_lang_strip(p->ctx, p->mod, m->type);

	if (mv && p->o->compact && s->kind == XKD_T_ARRAY && xkd_text_chars(p->ctx, mv, b))
		xkd_buf_cut(b, 2); /* the gap behind "[16]" */
	else if (mv && p->o->verbose && xkd_type_is_aggregate(s) && s->name)
		xkd_text_elements(p->ctx, p->mod, s, b);
	else if (mv)
		xkd_value_brief(p->ctx, mv, false, b);
	else if (m->bit_size)
		xkd_buf_printf(b, "Pos %u, %u Bit%s", pos, m->bit_size, m->bit_size > 1 ? "s" : "");
	else
		xkd_text_type(p->ctx, p->mod, m->type, p->o->verbose, b);
}

/* ---- what hangs below a row ---- */

static bool on_path(const struct printer *p, const struct xkd_type *s, const struct xkd_value *v)
{
	for (int i = 0; i < p->level && i < LEVELS; i++)
		if (p->path[i].type == s && (!v || p->path[i].addr == v->addr))
			return true;
	return false;
}

static enum xkd_rc below(struct printer *p, const struct xkd_type *type, const struct xkd_value *v,
			 int depth, const struct filter *f)
{
	const struct xkd_type *s = xkd_lang_strip(p->ctx, p->mod, type);
	bool place = v && v->kind == XKD_V_MEM;
	enum xkd_rc rc;

	if (!xkd_type_is_aggregate(s) || s->is_decl || p->level >= LEVELS - 1)
		return XKD_OK;
	/* members that were named end by themselves */
	if (!f->fields && (place || !v) && on_path(p, s, v))
		return XKD_OK;
	p->path[p->level].type = s;
	p->path[p->level].addr = place ? v->addr : 0;
	p->level++;
	rc = fields(p, s, v, depth, f);
	p->level--;
	return rc;
}

static enum xkd_rc elements(struct printer *p, const struct xkd_value *v, uint64_t n, int depth,
			    const struct filter *f)
{
	enum xkd_rc rc = XKD_OK;

	for (uint64_t i = 0; !rc && i < n && i < ELEMENTS; i++) {
		struct xkd_buf b = XKD_BUF_INIT;
		struct xkd_value e;

		rc = begin_row(p);
		if (!rc)
			rc = xkd_value_index(p->ctx, v, (int64_t)i, &e, p->err);
		if (rc)
			return rc;
		xkd_value_brief(p->ctx, &e, false, &b);
		if (p->o->compact)
			xkd_out(p->out, "  ");
		else
			xkd_out(p->out, "%*s", 3 * p->level + 1, "");
		xkd_out(p->out, "[%02llx] ", (unsigned long long)i);
		xkd_out_text(p->out, XKD_ST_NUM, "value", b.s);
		end_row(p);
		xkd_buf_fini(&b);
		if ((depth > 0 || p->o->block || f->fields) &&
		    !xkd_known_whole(p->ctx, p->mod, e.type))
			rc = below(p, e.type, &e, depth - 1, f);
	}
	return rc;
}

#define COUNT_MAX (1 << 20)

/* How many elements a flexible array has, by the counter beside it; *by names it. False: no counter is
 * known, or what it says is no count. */
static bool flexible_count(const struct xkd_ctx *ctx, const struct xkd_value *parent,
			   const char *array, uint64_t *n, const char **by)
{
	const struct xkd_type *s = parent ? xkd_lang_strip(ctx, parent->mod, parent->type) : NULL;
	const struct xkd_counted *c = s && s->name && ctx->t ? ctx->t->os->counted : NULL;

	for (; c && c->type; c++) {
		struct xkd_value v = *parent, m;
		const char *p = c->counter;
		char part[64];

		if (strcmp(s->name, c->type) || strcmp(array, c->array))
			continue;
		for (size_t len; *p; p += len + (p[len] == '.')) {
			len = strcspn(p, ".");
			snprintf(part, sizeof(part), "%.*s", (int)len, p);
			if (xkd_value_member(ctx, &v, part, &m, NULL))
				return false;
			v = m;
		}
		if (xkd_value_u64(ctx, &v, n, NULL))
			return false;
		*by = c->counter;
		if (*n >= COUNT_MAX)
			return false;
		*n += c->plus;
		return true;
	}
	return false;
}

/* Behind "[0] T" of a flexible array whose elements cannot be shown by themselves: why. */
static void flexible_text(struct printer *p, const char *name, const struct xkd_value *parent,
			  int depth, struct xkd_buf *b)
{
	const char *by = NULL;
	uint64_t n;

	if (flexible_count(p->ctx, parent, name, &n, &by))
		return;
	if (by)
		xkd_buf_printf(b, " (%s is no count)", by);
	else if (depth > 0 && !p->o->array_max)
		xkd_buf_str(b, " (no counter is known: -aN shows N)");
}

static enum xkd_rc array_below(struct printer *p, const struct xkd_type *s, const char *name,
			       const struct xkd_value *v, const struct xkd_value *parent, int depth,
			       const struct filter *f)
{
	const struct xkd_type *e;
	struct xkd_value first;
	const char *by;
	uint64_t n = s->nelem, counted;

	if (xkd_lang_target(p->ctx, p->mod, s, &e, NULL))
		return XKD_OK;
	if (v && !s->nelem) { /* flexible: a counter beside it, or what was asked for */
		n = p->o->array_max;
		if (flexible_count(p->ctx, parent, name, &counted, &by) &&
		    (counted < n || !p->o->array_max))
			n = counted;
		if (p->o->array_max || depth > 0 || f->fields)
			return elements(p, v, n, depth, f);
		return XKD_OK;
	}
	if (v && p->o->array_max)
		return elements(p, v, n < p->o->array_max ? n : p->o->array_max, depth, f);
	if (depth <= 0 && !p->o->block && !f->fields)
		return XKD_OK;
	/* the first one stands for all, as in kd */
	if (!v)
		return below(p, e, NULL, depth - 1, f);
	if (!n || xkd_value_index(p->ctx, v, 0, &first, NULL))
		return XKD_OK;
	return below(p, e, &first, depth - 1, f);
}

static enum xkd_rc pointer_below(struct printer *p, const struct xkd_type *s,
				 const struct xkd_value *v, int depth, const struct filter *f)
{
	const struct xkd_type *t;
	struct xkd_value at;
	uint64_t num;

	if (p->o->block || xkd_lang_target(p->ctx, p->mod, s, &t, NULL))
		return XKD_OK;
	if (!v)
		return below(p, t, NULL, depth - 1, f);
	if (xkd_value_u64(p->ctx, v, &num, NULL) || !num || xkd_value_deref(p->ctx, v, &at, NULL) ||
	    (!f->fields && !p->o->verbose && xkd_known_whole(p->ctx, p->mod, at.type)))
		return XKD_OK;
	return below(p, at.type, &at, depth - 1, f);
}

/* ---- members ---- */

static enum xkd_rc member(struct printer *p, const struct xkd_type *owner,
			  const struct xkd_member *m, uint64_t base_bits, const struct xkd_value *v,
			  int depth, const struct filter *f)
{
	const struct xkd_type *s = xkd_lang_strip(p->ctx, p->mod, m->type);
	struct xkd_member at = *m;
	struct xkd_value mv;
	struct xkd_buf b = XKD_BUF_INIT;
	const char *store[16];
	struct filter sub;
	bool deeper;
	unsigned pos = 0;
	uint64_t off;
	enum xkd_rc rc;

	if (!wanted(owner, m->name, f, &sub, store, &deeper))
		return XKD_OK;
	at.bit_off += base_bits;
	off = at.bit_size ? bit_unit(s, at.bit_off, at.bit_size, &pos) : at.bit_off / 8;
	rc = begin_row(p);
	if (!rc && v)
		rc = xkd_value_member_of(p->ctx, v, &at, &mv, p->err);
	if (rc)
		return rc;
	head(p, off, m->name);
	member_text(p, m, v ? &mv : NULL, pos, &b);
	if (v && s->kind == XKD_T_ARRAY && !s->nelem)
		flexible_text(p, m->name, v, depth, &b);
	xkd_out_text(p->out, XKD_ST_NUM, "value", b.s);
	end_row(p);
	xkd_buf_fini(&b);
	if (!deeper)
		sub.fields = NULL;
	if (!deeper && depth <= 0 && !p->o->block && s->kind != XKD_T_ARRAY)
		return XKD_OK;
	if (v && !deeper && !p->o->verbose && xkd_known_whole(p->ctx, p->mod, m->type))
		return XKD_OK;
	if (xkd_type_is_aggregate(s))
		return below(p, s, v ? &mv : NULL, depth - 1, &sub);
	if (s->kind == XKD_T_ARRAY)
		return array_below(p, s, m->name, v ? &mv : NULL, v, depth, &sub);
	if (s->kind == XKD_T_PTR)
		return pointer_below(p, s, v ? &mv : NULL, depth, &sub);
	return XKD_OK;
}

static enum xkd_rc flat(struct printer *p, const struct xkd_type *owner, const struct xkd_type *s,
			uint64_t base_bits, const struct xkd_value *v, int depth,
			const struct filter *f, int anon)
{
	const struct xkd_member *m;
	size_t n;
	enum xkd_rc rc = xkd_type_members(s, &m, &n, p->err);

	for (size_t i = 0; !rc && i < n; i++) {
		const struct xkd_type *in;

		if (!m[i].type)
			continue;
		in = xkd_lang_strip(p->ctx, p->mod, m[i].type);
		if (m[i].name && *m[i].name)
			rc = member(p, owner, &m[i], base_bits, v, depth, f);
		else if (xkd_type_is_aggregate(in) && anon < ANON_DEPTH)
			rc = flat(p, owner, in, base_bits + m[i].bit_off, v, depth, f, anon + 1);
	}
	return rc;
}

static enum xkd_rc fields(struct printer *p, const struct xkd_type *s, const struct xkd_value *v,
			  int depth, const struct filter *f)
{
	for (int i = 0; f->fields && i < f->n; i++)
		if (!any_member(s, f->fields[i], false, 0))
			return xkd_err_set(p->err, XKD_NOTFOUND, "%s %s has no member %.*s",
					   s->kind == XKD_T_UNION ? "union" : "struct",
					   s->name ? s->name : "<unnamed-tag>",
					   (int)first_part(f->fields[i]), f->fields[i]);
	return flat(p, s, s, 0, v, depth, f, 0);
}

enum xkd_rc xkd_print_struct(const struct xkd_ctx *ctx, struct xkd_out *out, struct xkd_module *mod,
			     const struct xkd_type *type, const struct xkd_value *v,
			     const struct xkd_print_opts *o, struct xkd_err *err)
{
	struct printer p = { .ctx = ctx, .out = out, .mod = mod, .o = o, .err = err };
	struct filter f = { .fields = o->nfields ? o->fields : NULL, .n = o->nfields };
	const struct xkd_type *s = xkd_lang_strip(ctx, mod, type);
	enum xkd_rc rc;

	if (s->is_decl)
		return xkd_err_set(err, XKD_NOTFOUND,
				   "struct %s is only declared: no loaded symbols define it",
				   s->name ? s->name : "");
	if (o->verbose) {
		struct xkd_buf b = XKD_BUF_INIT;

		xkd_text_elements(ctx, mod, s, &b);
		xkd_out_text(out, XKD_ST_TYPE, "type", b.s);
		xkd_out_end(out);
		xkd_buf_fini(&b);
	}
	rc = below(&p, s, v, o->depth, &f);
	if (o->compact)
		xkd_out_end(out);
	return rc;
}
