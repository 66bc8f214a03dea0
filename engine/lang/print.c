/* Types in kd's words, single values, and the entry points of printing; the rows of structs are in
 * print_struct.c. Foreign names go through xkd_buf_escaped before they reach an output. */
#include "engine/lang/print.h"
#include "base/cancel.h"
#include "base/str.h"
#include "engine/lang/print_int.h"
#include "engine/lang/print_struct.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <string.h>

void xkd_out_text(struct xkd_out *out, enum xkd_style st, const char *key, const char *text)
{
	struct xkd_buf safe = XKD_BUF_INIT;

	xkd_buf_escaped(&safe, text, strlen(text));
	if (safe.len)
		xkd_out_key(out, st, key, "%s", safe.s);
	xkd_buf_fini(&safe);
}

void xkd_text_elements(const struct xkd_ctx *ctx, struct xkd_module *mod,
		       const struct xkd_type *type, struct xkd_buf *out)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, mod, type);
	const struct xkd_enumerator *e;
	const struct xkd_member *m;
	size_t n = 0;

	if (s->kind == XKD_T_ENUM) {
		if (xkd_type_enums(s, &e, &n, NULL))
			n = 0;
		xkd_buf_printf(out, "enum %s, %zu total enums", s->name ? s->name : "<unnamed-tag>",
			       n);
		return;
	}
	if (s->is_decl || xkd_type_members(s, &m, &n, NULL))
		n = 0;
	xkd_buf_printf(out, "%s %s, %zu elements, 0x%llx bytes",
		       s->kind == XKD_T_UNION ? "union" : "struct",
		       s->name ? s->name : "<unnamed-tag>", n, (unsigned long long)s->size);
}

static void int_words(const struct xkd_type *s, struct xkd_buf *out)
{
	if (s->size == 1)
		xkd_buf_str(out, s->is_signed ? "Char" : "UChar");
	else
		xkd_buf_printf(out, "%s%lluB", s->is_signed ? "Int" : "Uint",
			       (unsigned long long)s->size);
}

/* A struct's own name; without one that of the typedef. */
static void tag_words(const struct xkd_type *type, const struct xkd_type *s, struct xkd_buf *out)
{
	const struct xkd_type *t = xkd_type_unqual(type);

	if (s->name)
		xkd_buf_str(out, s->name);
	else
		xkd_buf_str(out, t->kind == XKD_T_TYPEDEF && t->name ? t->name : "<unnamed-tag>");
}

static void ptr_words(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *s,
		      bool verbose, int depth, struct xkd_buf *out);

static void words(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *type,
		  bool verbose, int depth, struct xkd_buf *out)
{
	const struct xkd_type *s = verbose ? xkd_lang_strip(ctx, mod, type) : xkd_type_strip(type),
			      *t;

	if (depth > 16) {
		xkd_buf_str(out, "...");
		return;
	}
	switch (s->kind) {
	case XKD_T_INT:
		int_words(s, out);
		break;
	case XKD_T_BOOL:
		xkd_buf_str(out, "Bool");
		break;
	case XKD_T_FLOAT:
		xkd_buf_str(out, s->size == 4 ? "Float" : s->size == 8 ? "Double" : "Float16B");
		break;
	case XKD_T_PTR:
		ptr_words(ctx, mod, s, verbose, depth, out);
		break;
	case XKD_T_ARRAY:
		xkd_buf_printf(out, "[%llu] ", (unsigned long long)s->nelem);
		if (xkd_type_target(s, &t, NULL) || !t)
			xkd_buf_str(out, "?");
		else
			words(ctx, mod, t, verbose, depth + 1, out);
		break;
	case XKD_T_STRUCT:
	case XKD_T_UNION:
	case XKD_T_ENUM:
		if (verbose && s->name && !s->is_decl)
			xkd_text_elements(ctx, mod, s, out);
		else
			tag_words(type, s, out);
		break;
	case XKD_T_FUNC:
		xkd_text_spell(s, out);
		break;
	case XKD_T_VOID:
		xkd_buf_str(out, "Void");
		break;
	default:
		xkd_buf_str(out, s->name ? s->name : "?");
		break;
	}
}

static void ptr_words(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *s,
		      bool verbose, int depth, struct xkd_buf *out)
{
	const struct xkd_type *t = NULL, *ret = NULL;

	if (xkd_type_target(s, &t, NULL))
		t = NULL;
	t = t ? t : xkd_type_builtin(XKD_BI_VOID);
	xkd_buf_printf(out, "Ptr%llu ", (unsigned long long)s->size * 8);
	if (xkd_type_strip(t)->kind == XKD_T_FUNC) { /* kd: the return type after a gap */
		if (xkd_type_target(xkd_type_strip(t), &ret, NULL))
			ret = NULL;
		xkd_buf_str(out, "    ");
		xkd_text_spell(ret ? ret : xkd_type_builtin(XKD_BI_VOID), out);
		return;
	}
	if (verbose)
		xkd_buf_str(out, "to ");
	words(ctx, mod, t, verbose, depth + 1, out);
}

void xkd_text_type(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *type,
		   bool verbose, struct xkd_buf *out)
{
	words(ctx, mod, type, verbose, 0, out);
}

/* dt of an enumeration: its names. */
static enum xkd_rc print_enum(const struct xkd_ctx *ctx, struct xkd_out *out,
			      const struct xkd_type *s, struct xkd_err *err)
{
	const struct xkd_enumerator *e;
	size_t n;
	enum xkd_rc rc = xkd_type_enums(s, &e, &n, err);

	for (size_t i = 0; !rc && i < n; i++) {
		rc = xkd_cancel_check(ctx->t->cancel, err);
		xkd_out(out, "   ");
		xkd_out_text(out, XKD_ST_SYM, "name", e[i].name ? e[i].name : "?");
		xkd_out(out, " = ");
		xkd_out_key(out, XKD_ST_NUM, "value", "0n%lld", (long long)e[i].val);
		xkd_out_end(out);
	}
	return rc;
}

enum xkd_rc xkd_print_type(const struct xkd_ctx *ctx, struct xkd_out *out, struct xkd_module *mod,
			   const struct xkd_type *type, const struct xkd_print_opts *o,
			   struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, mod, type);
	struct xkd_buf b = XKD_BUF_INIT;

	if (xkd_type_is_aggregate(s))
		return xkd_print_struct(ctx, out, mod, s, NULL, o, err);
	if (s->kind == XKD_T_ENUM && !s->is_decl)
		return print_enum(ctx, out, s, err);
	if (s->kind == XKD_T_FUNC)
		xkd_text_spell(type, &b);
	else
		xkd_text_type(ctx, mod, type, o->verbose, &b);
	xkd_out_text(out, XKD_ST_TYPE, "type", b.s);
	xkd_out_end(out);
	xkd_buf_fini(&b);
	return XKD_OK;
}

/* An array's elements, one a row, after its own row. */
static enum xkd_rc print_elements(const struct xkd_ctx *ctx, struct xkd_out *out,
				  const struct xkd_value *v, const struct xkd_type *s, uint64_t max,
				  struct xkd_err *err)
{
	struct xkd_value e;
	enum xkd_rc rc = XKD_OK;

	for (uint64_t i = 0; !rc && i < s->nelem && i < max; i++) {
		struct xkd_buf b = XKD_BUF_INIT;

		rc = xkd_cancel_check(ctx->t->cancel, err);
		if (!rc)
			rc = xkd_value_index(ctx, v, (int64_t)i, &e, err);
		if (rc)
			break;
		xkd_value_brief(ctx, &e, false, &b);
		xkd_out(out, " [%02llx] ", (unsigned long long)i);
		xkd_out_text(out, XKD_ST_NUM, "value", b.s);
		xkd_out_end(out);
		xkd_buf_fini(&b);
	}
	return rc;
}

/* The row "TYPE VALUE" of ??. */
static void typed_row(const struct xkd_ctx *ctx, struct xkd_out *out, const struct xkd_value *v,
		      const struct xkd_type *s)
{
	struct xkd_buf b = XKD_BUF_INIT;

	if (!xkd_type_is_aggregate(s) || v->kind == XKD_V_UNAVAIL || !xkd_text_known(ctx, v, &b))
		xkd_text_spell(v->type, &b);
	xkd_out_text(out, XKD_ST_TYPE, "type", b.s);
	xkd_buf_reset(&b);
	if (s->kind == XKD_T_ARRAY && v->kind == XKD_V_MEM)
		xkd_buf_printf(&b, "0x%s", XKD_ADDR(v->addr));
	if (s->kind == XKD_T_ARRAY && v->kind != XKD_V_UNAVAIL)
		xkd_text_chars(ctx, v, &b);
	else if (!xkd_type_is_aggregate(s) || v->kind == XKD_V_UNAVAIL)
		xkd_value_brief(ctx, v, true, &b);
	if (b.len) {
		xkd_out(out, " ");
		xkd_out_text(out, XKD_ST_NUM, "value", b.s);
	}
	xkd_out_end(out);
	xkd_buf_fini(&b);
}

enum xkd_rc xkd_print_value(const struct xkd_ctx *ctx, struct xkd_out *out,
			    const struct xkd_value *v, const struct xkd_print_opts *o,
			    struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);
	struct xkd_value at;
	uint64_t num;

	if (s->kind == XKD_T_VOID && v->kind == XKD_V_MEM)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "what is at %s has no type in the debug info; cast it: "
				   "*(int *)&name",
				   XKD_ADDR(v->addr));
	typed_row(ctx, out, v, s);
	if (v->kind == XKD_V_UNAVAIL)
		return XKD_OK;
	if (xkd_type_is_aggregate(s))
		return xkd_print_struct(ctx, out, v->mod, s, v, o, err);
	if (s->kind == XKD_T_ARRAY) {
		struct xkd_buf b = XKD_BUF_INIT;
		bool text = xkd_text_chars(ctx, v, &b);

		xkd_buf_fini(&b);
		if (text && !o->array_max)
			return XKD_OK;
		return print_elements(ctx, out, v, s, o->array_max ? o->array_max : 16, err);
	}
	if (s->kind == XKD_T_PTR && !xkd_value_u64(ctx, v, &num, NULL) && num &&
	    !xkd_value_deref(ctx, v, &at, NULL) &&
	    xkd_type_is_aggregate(xkd_lang_strip(ctx, v->mod, at.type)) &&
	    !xkd_lang_strip(ctx, v->mod, at.type)->is_decl)
		return xkd_print_struct(ctx, out, v->mod, at.type, &at, o, err);
	return XKD_OK;
}

bool xkd_percpu_here(const struct xkd_ctx *ctx, struct xkd_value *v)
{
	struct xkd_target *t = ctx->t;
	struct xkd_symref sym;
	uint64_t off;
	int cpu;

	if (ctx->cpu < 0 || !t->os->percpu || !t->os->cpu_number ||
	    !xkd_sym_percpu_at(t, v->addr, &sym))
		return false;
	cpu = t->os->cpu_number(t, ctx->cpu);
	if (cpu < 0 || t->os->percpu(t, cpu, &off, NULL))
		return false;
	v->addr += off;
	v->percpu = cpu + 1;
	return true;
}

void xkd_print_percpu(struct xkd_out *out, const struct xkd_value *v)
{
	if (!v->percpu || v->kind != XKD_V_MEM)
		return;
	xkd_out_key(out, XKD_ST_DIM, "cpu", "per-CPU, of CPU %d", v->percpu - 1);
	xkd_out(out, " @ ");
	xkd_out_key(out, XKD_ST_ADDR, "address", "%s", XKD_ADDR(v->addr));
	xkd_out_end(out);
}

enum xkd_rc xkd_print_struct_at(const struct xkd_ctx *ctx, struct xkd_out *out,
				const struct xkd_value *v, const struct xkd_print_opts *o,
				struct xkd_err *err)
{
	return xkd_print_struct(ctx, out, v->mod, v->type, v, o, err);
}
