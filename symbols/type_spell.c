/* C spelling of types: declarators are built inside out, as C reads them.
 *
 * Invariants: the walk towards the base type, the nesting of parameter lists and the length of the
 * text are all bounded; what is cut off is spelled "...". */
#include "symbols/type_int.h"
#include <string.h>

#define SPELL_STEPS 64
#define SPELL_DEPTH 6
#define SPELL_MAX 4096

static void spell(const struct xkd_type *t, const char *decl, struct xkd_buf *out, int depth);

static void put_params(const struct xkd_type *t, struct xkd_buf *out, int depth)
{
	const struct xkd_param *p;
	size_t n;

	xkd_buf_ch(out, '(');
	if (depth >= SPELL_DEPTH || xkd_type_params(t, &p, &n, NULL)) {
		xkd_buf_str(out, "...)");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (out->len > SPELL_MAX) {
			xkd_buf_str(out, "...)");
			return;
		}
		spell(p[i].type, NULL, out, depth + 1);
		if (i + 1 < n || t->variadic)
			xkd_buf_str(out, ", ");
	}
	xkd_buf_str(out, t->variadic ? "...)" : n ? ")" : "void)");
}

static const char *qual_word(const struct xkd_type *t)
{
	switch (t->kind) {
	case XKD_T_CONST:
		return "const";
	case XKD_T_VOLATILE:
		return "volatile";
	case XKD_T_RESTRICT:
		return "restrict";
	default:
		return "_Atomic";
	}
}

/* before + old text, or old text + after. */
static void around(struct xkd_buf *d, const char *before, const char *after)
{
	struct xkd_buf old = *d;

	xkd_buf_init(d);
	xkd_buf_str(d, before);
	xkd_buf_add(d, old.s, old.len);
	xkd_buf_str(d, after);
	xkd_buf_fini(&old);
}

static void put_ptr(struct xkd_buf *d, struct xkd_buf *quals, bool paren)
{
	struct xkd_buf head;

	xkd_buf_init(&head);
	xkd_buf_str(&head, paren ? "(*" : "*");
	if (quals->len) {
		xkd_buf_ch(&head, ' ');
		xkd_buf_add(&head, quals->s, quals->len);
		if (d->len && d->s[0] != '[' && !(d->s[0] == '(' && d->s[1] != '*'))
			xkd_buf_ch(&head, ' ');
	}
	around(d, head.s, paren ? ")" : "");
	xkd_buf_fini(&head);
	xkd_buf_reset(quals);
}

static void put_base(const struct xkd_type *t, const char *quals, struct xkd_buf *out)
{
	const char *tag = "", *name = t ? t->name : "void";

	if (*quals)
		xkd_buf_printf(out, "%s ", quals);
	if (t && t->kind == XKD_T_STRUCT)
		tag = "struct ";
	else if (t && t->kind == XKD_T_UNION)
		tag = "union ";
	else if (t && t->kind == XKD_T_ENUM)
		tag = "enum ";
	if (t && t->kind == XKD_T_VOID)
		name = "void";
	xkd_buf_str(out, tag);
	if (name && *name)
		xkd_buf_printf(out, "%.*s", SPELL_MAX, name);
	else
		xkd_buf_str(out, *tag ? "{...}" : "<unnamed>");
}

static bool binds_tighter(const struct xkd_type *t)
{
	/* Qualifiers between a pointer and its array say nothing about binding. */
	for (int i = 0; t && i < SPELL_STEPS && xkd_type_is_qualifier(t); i++)
		if (xkd_type_target(t, &t, NULL))
			return false;
	return t && (t->kind == XKD_T_ARRAY || t->kind == XKD_T_FUNC);
}

static void put_dim(const struct xkd_type *t, struct xkd_buf *d)
{
	xkd_buf_ch(d, '[');
	if (!t->flexible)
		xkd_buf_printf(d, "%llu", (unsigned long long)t->nelem);
	xkd_buf_ch(d, ']');
}

/* One step from t towards its base; false when t is the base. */
static bool step(const struct xkd_type **tp, struct xkd_buf *d, struct xkd_buf *quals, int depth)
{
	const struct xkd_type *t = *tp, *to;

	switch (t->kind) {
	case XKD_T_PTR:
	case XKD_T_ARRAY:
	case XKD_T_FUNC:
	case XKD_T_CONST:
	case XKD_T_VOLATILE:
	case XKD_T_RESTRICT:
	case XKD_T_ATOMIC:
		break;
	default:
		return false;
	}
	bool bad = xkd_type_target(t, &to, NULL) != XKD_OK;

	if (t->kind == XKD_T_PTR) {
		put_ptr(d, quals, !bad && binds_tighter(to));
	} else if (t->kind == XKD_T_ARRAY) {
		put_dim(t, d); /* qualifiers of an array are its elements' */
	} else if (t->kind == XKD_T_FUNC) {
		put_params(t, d, depth);
		xkd_buf_reset(quals);
	} else {
		if (quals->len)
			xkd_buf_ch(quals, ' ');
		xkd_buf_str(quals, qual_word(t));
	}
	if (!bad) /* else the damaged one stands for its base */
		*tp = to;
	return !bad;
}

static void spell(const struct xkd_type *t, const char *decl, struct xkd_buf *out, int depth)
{
	struct xkd_buf d, quals;
	int i;

	xkd_buf_init(&d);
	xkd_buf_init(&quals);
	if (decl)
		xkd_buf_str(&d, decl);
	for (i = 0; t && i < SPELL_STEPS && d.len <= SPELL_MAX; i++)
		if (!step(&t, &d, &quals, depth))
			break;
	if (t && (i == SPELL_STEPS || d.len > SPELL_MAX))
		xkd_buf_str(out, "...");
	else
		put_base(t, quals.s, out);
	if (d.len) {
		xkd_buf_ch(out, ' ');
		xkd_buf_add(out, d.s, d.len);
	}
	xkd_buf_fini(&d);
	xkd_buf_fini(&quals);
}

void xkd_type_spell(const struct xkd_type *t, const char *decl, struct xkd_buf *out)
{
	spell(t, decl, out, 0);
}
