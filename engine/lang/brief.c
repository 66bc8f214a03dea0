/* One value in a few words, in the styles of dt and of dv, kp. Never fails: what cannot be read is
 * "??", what is not available says why in angle brackets. Invariant: at most a bounded piece of the
 * target is read for a value (one scalar, or BRIEF_STR bytes of a string). */
#include "base/str.h"
#include "engine/lang/print_int.h"
#include <stdio.h>
#include <string.h>

#define BRIEF_STR 128

void xkd_text_hex(struct xkd_buf *out, uint64_t v)
{
	if (!v)
		xkd_buf_str(out, "0");
	else if (v >> 32)
		xkd_buf_printf(out, "0x%llx`%08llx", (unsigned long long)(v >> 32),
			       (unsigned long long)(v & 0xffffffff));
	else
		xkd_buf_printf(out, "0x%llx", (unsigned long long)v);
}

void xkd_text_spell(const struct xkd_type *type, struct xkd_buf *out)
{
	size_t len = out->len;

	xkd_type_spell(type, NULL, out);
	if (out->len == len)
		xkd_buf_str(out, "?");
}

/* Quoted, up to the first NUL; "..." when it goes on. */
static void quoted(struct xkd_buf *out, const char *s, size_t n, bool more)
{
	size_t len = strnlen(s, n);

	xkd_buf_ch(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"' || s[i] == '\\')
			xkd_buf_ch(out, '\\');
		if (s[i] == '\n')
			xkd_buf_str(out, "\\n");
		else
			xkd_buf_ch(out, s[i]);
	}
	xkd_buf_str(out, len == n && more ? "..." : "");
	xkd_buf_ch(out, '"');
}

static void integer(const struct xkd_type *s, uint64_t num, struct xkd_buf *out)
{
	if (s->is_signed)
		xkd_buf_printf(out, "0n%lld", (long long)num);
	else
		xkd_text_hex(out, num);
	if (s->is_char && s->size == 1) {
		char c = (char)num;

		xkd_buf_printf(out, c >= 0x20 && c < 0x7f ? " '%c'" : " ''", c);
	}
}

/* Does the enumeration name bits? Three of them at least, nothing but bits and sums of them, and gaps
 * between the values. */
static bool names_bits(const struct xkd_enumerator *e, size_t n)
{
	uint64_t bits = 0, max = 0;
	size_t single = 0, sums = 0;

	for (size_t i = 0; i < n; i++)
		if (e[i].val && !(e[i].val & (e[i].val - 1)) && !(bits & e[i].val)) {
			bits |= e[i].val;
			single++;
		}
	for (size_t i = 0; i < n; i++) {
		if (e[i].val & ~bits)
			return false;
		sums += (e[i].val & (e[i].val - 1)) != 0;
		max = e[i].val > max ? e[i].val : max;
	}
	return single > 2 && sums <= single / 2 && max >= n;
}

/* "A|B", "A|0x40": false when the number is not made of the names. */
static bool flags(const struct xkd_type *s, uint64_t num, struct xkd_buf *out)
{
	const struct xkd_enumerator *e;
	size_t n;

	if (!num || xkd_type_enums(s, &e, &n, NULL) || !names_bits(e, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t val = e[i].val;

		if (!e[i].name || !val || val & (val - 1) || !(num & val))
			continue;
		xkd_buf_printf(out, "%s%s", out->len ? "|" : "", e[i].name);
		num &= ~val;
	}
	if (num && out->len)
		xkd_buf_printf(out, "|0x%llx", (unsigned long long)num);
	return out->len != 0;
}

static void enumeration(const struct xkd_type *s, uint64_t num, bool dv, struct xkd_buf *out)
{
	struct xkd_buf b = XKD_BUF_INIT;
	const struct xkd_enumerator *e;
	const char *name = NULL;
	size_t n;

	if (!xkd_type_enums(s, &e, &n, NULL))
		for (size_t i = 0; i < n && !name; i++)
			if (xkd_lang_fit(s, e[i].val) == num)
				name = e[i].name;
	if (!name && flags(s, num, &b))
		name = b.s;
	if (dv && name)
		xkd_buf_printf(out, "%s (0n%lld)", name, (long long)num);
	else if (name)
		xkd_buf_printf(out, "0n%lld ( %s )", (long long)num, name);
	else
		xkd_buf_printf(out, "0n%lld (no matching name)", (long long)num);
	xkd_buf_fini(&b);
}

static void bitfield(const struct xkd_type *s, const struct xkd_value *v, uint64_t raw, bool dv,
		     struct xkd_buf *out)
{
	if (s->kind == XKD_T_ENUM) {
		enumeration(s, raw, dv, out);
		return;
	}
	xkd_buf_str(out, "0y");
	for (unsigned i = v->bit_size; i-- > 0;)
		xkd_buf_ch(out, raw >> i & 1 ? '1' : '0');
	if (v->bit_size > 1) {
		xkd_buf_str(out, " (");
		xkd_text_hex(out, raw);
		xkd_buf_ch(out, ')');
	}
}

/* " kvm!foo" when a symbol is exactly there. */
static void exact_symbol(const struct xkd_ctx *ctx, uint64_t addr, const char *gap,
			 struct xkd_buf *out)
{
	struct xkd_symref sym;

	if (addr && !xkd_sym_at(ctx->t, addr, &sym, NULL) && sym.addr == addr)
		xkd_buf_printf(out, "%s%s!%s", gap, sym.mod->name, sym.name);
}

/* Text is of plain char: u8 and s8 are numbers. Some BTF has char without a sign. */
static bool is_text_char(const struct xkd_type *s)
{
	if (s->kind != XKD_T_INT || s->size != 1)
		return false;
	return s->name ? !strcmp(s->name, "char") : s->is_char && s->is_signed;
}

bool xkd_text_string(const struct xkd_ctx *ctx, uint64_t addr, struct xkd_buf *out)
{
	char s[BRIEF_STR];
	size_t done = 0;
	enum xkd_rc rc = xkd_ctx_read(ctx, addr, s, sizeof(s), &done, NULL);

	if (rc && !memchr(s, 0, done))
		return false;
	xkd_buf_ch(out, ' ');
	quoted(out, s, done, true);
	return true;
}

static void pointer(const struct xkd_ctx *ctx, const struct xkd_value *v, const struct xkd_type *s,
		    uint64_t num, bool dv, struct xkd_buf *out)
{
	const struct xkd_type *t, *ts;

	if (!num && !dv) {
		xkd_buf_str(out, "(null)");
		return;
	}
	xkd_buf_printf(out, "0x%s", XKD_ADDR(num));
	if (xkd_lang_target(ctx, v->mod, s, &t, NULL))
		return;
	ts = xkd_type_strip(t);
	if (is_text_char(ts) && num && xkd_text_string(ctx, num, out))
		return;
	if (ts->kind == XKD_T_FUNC && !dv) {
		const struct xkd_type *ret = NULL;

		xkd_buf_str(out, "     ");
		if (!xkd_type_target(ts, &ret, NULL))
			xkd_text_spell(ret ? ret : xkd_type_builtin(XKD_BI_VOID), out);
		exact_symbol(ctx, num, "  ", out); /* kd's gaps */
		return;
	}
	if (!dv) {
		struct xkd_value at = xkd_value_mem(t, num, v->mod);

		xkd_buf_ch(out, ' ');
		if (ts->kind != XKD_T_STRUCT || !ts->name || strcmp(ts->name, "cpumask") ||
		    !xkd_text_known(ctx, &at, out))
			xkd_text_type(ctx, v->mod, t, false, out);
		xkd_text_title(ctx, &at, out);
	}
	exact_symbol(ctx, num, " ", out);
}

static void wide(const uint8_t *b, size_t n, const struct xkd_type *s, struct xkd_buf *out)
{
	float f;
	double d;

	if (s->kind == XKD_T_FLOAT && n == 4) {
		memcpy(&f, b, 4);
		xkd_buf_printf(out, "%g", (double)f);
	} else if (s->kind == XKD_T_FLOAT && n == 8) {
		memcpy(&d, b, 8);
		xkd_buf_printf(out, "%g", d);
	} else {
		xkd_buf_str(out, "0x");
		for (size_t i = n; i-- > 0;)
			xkd_buf_printf(out, "%02x", b[i]);
	}
}

/* In rows of members kd's mark, and the reason where a value stands alone. */
static void unread(const struct xkd_value *v, bool dv, struct xkd_buf *out)
{
	if (dv && v->kind == XKD_V_MEM)
		xkd_buf_printf(out, "<memory not readable at %s>", XKD_ADDR(v->addr));
	else
		xkd_buf_str(out, "??");
}

static void scalar(const struct xkd_ctx *ctx, const struct xkd_value *v, const struct xkd_type *s,
		   bool dv, struct xkd_buf *out)
{
	uint8_t b[16];
	uint64_t num;
	unsigned bits;
	size_t n;

	if (s->kind == XKD_T_FLOAT || s->size > 8) {
		if (s->size > sizeof(b) || xkd_value_bytes(ctx, v, b, sizeof(b), &n, NULL) ||
		    n != s->size)
			unread(v, dv, out);
		else
			wide(b, n, s, out);
		return;
	}
	if (v->bit_size) {
		if (xkd_value_raw(ctx, v, &num, &bits, NULL))
			unread(v, dv, out);
		else
			bitfield(s, v, num, dv, out);
		return;
	}
	if (xkd_value_u64(ctx, v, &num, NULL)) {
		unread(v, dv, out);
		return;
	}
	if (s->kind == XKD_T_PTR)
		pointer(ctx, v, s, num, dv, out);
	else if (s->kind == XKD_T_ENUM)
		enumeration(s, num, dv, out);
	else if (s->kind == XKD_T_BOOL)
		xkd_buf_printf(out,
			       num > 1 ? "0x%llx (no bool)"
			       : num   ? "true"
				       : "false",
			       (unsigned long long)num);
	else {
		integer(s, num, out);
		xkd_text_typedef(v->type, num, out);
	}
}

bool xkd_text_chars(const struct xkd_ctx *ctx, const struct xkd_value *v, struct xkd_buf *out)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type), *e;
	char str[BRIEF_STR];
	size_t n = 0;

	if (xkd_lang_target(ctx, v->mod, s, &e, NULL))
		return false;
	e = xkd_type_strip(e);
	if (!is_text_char(e) || !s->nelem)
		return false;
	xkd_buf_str(out, "  ");
	if (xkd_value_bytes(ctx, v, (uint8_t *)str, sizeof(str), &n, NULL) && !memchr(str, 0, n))
		xkd_buf_str(out, "??");
	else
		quoted(out, str, n, n < s->nelem);
	return true;
}

static void array(const struct xkd_ctx *ctx, const struct xkd_value *v, const struct xkd_type *s,
		  bool dv, struct xkd_buf *out)
{
	const struct xkd_type *e;
	struct xkd_value first;

	if (dv)
		xkd_text_spell(s, out);
	else
		xkd_buf_printf(out, "[%llu]", (unsigned long long)s->nelem);
	if (xkd_text_chars(ctx, v, out) || dv)
		return;
	xkd_buf_ch(out, ' ');
	if (xkd_lang_target(ctx, v->mod, s, &e, NULL))
		xkd_buf_ch(out, '?');
	else if (!s->nelem || !xkd_type_is_scalar(xkd_type_strip(e)) ||
		 xkd_value_index(ctx, v, 0, &first, NULL))
		xkd_text_type(ctx, v->mod, e, false, out);
	else
		xkd_value_brief(ctx, &first, false, out);
}

const char *xkd_counter_name(const struct xkd_ctx *ctx, struct xkd_module *mod,
			     const struct xkd_type *type)
{
	static const char *const names[] = { "atomic_t",	"atomic64_t", "atomic_long_t",
					     "refcount_t",	"local_t",    "local64_t",
					     "refcount_struct", "kref",	      "kuid_t",
					     "kgid_t",		"kprojid_t",  "swp_entry_t",
					     "pgd_t",		"p4d_t",      "pud_t",
					     "pmd_t",		"pte_t",      "pgprot_t" };
	const struct xkd_type *t = xkd_type_unqual(type);

	for (int steps = 0; t && steps < 8; steps++) {
		for (size_t i = 0; t->name && i < XKD_COUNT(names); i++)
			if (!strcmp(t->name, names[i]) && xkd_lang_strip(ctx, mod, t)->size <= 8)
				return names[i];
		if (t->kind != XKD_T_TYPEDEF || xkd_type_target(t, &t, NULL))
			return NULL;
		t = t ? xkd_type_unqual(t) : NULL;
	}
	return NULL;
}

/* The one number inside nested structs of one member. */
static bool counter(const struct xkd_ctx *ctx, const struct xkd_value *v, struct xkd_buf *out)
{
	const char *name = xkd_counter_name(ctx, v->mod, v->type);
	struct xkd_value in = *v, next;

	for (int depth = 0; name && depth < 6; depth++) {
		const struct xkd_type *s = xkd_lang_strip(ctx, in.mod, in.type);
		const struct xkd_member *m;
		size_t n;

		if (xkd_type_is_scalar(s)) {
			uint64_t id;

			xkd_buf_printf(out, "%s ", name);
			if (*name == 'k' && s->size == 4 && !xkd_value_u64(ctx, &in, &id, NULL))
				xkd_buf_printf(out, "0n%d", (int32_t)id); /* kuid_t; -1: none */
			else
				scalar(ctx, &in, s, false, out);
			return true;
		}
		if (s->kind != XKD_T_STRUCT || xkd_type_members(s, &m, &n, NULL) || n != 1 ||
		    xkd_value_member_of(ctx, &in, m, &next, NULL))
			return false;
		in = next;
	}
	return false;
}

void xkd_value_brief(const struct xkd_ctx *ctx, const struct xkd_value *v, bool style_dv,
		     struct xkd_buf *out)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);

	if (v->kind == XKD_V_UNAVAIL) {
		xkd_buf_printf(out, v->why[0] == '<' ? "%s" : "<%s>",
			       v->why[0] ? v->why : "not available");
		return;
	}
	switch (s->kind) {
	case XKD_T_INT:
	case XKD_T_BOOL:
	case XKD_T_FLOAT:
	case XKD_T_PTR:
	case XKD_T_ENUM:
		scalar(ctx, v, s, style_dv, out);
		break;
	case XKD_T_ARRAY:
		array(ctx, v, s, style_dv, out);
		break;
	case XKD_T_STRUCT:
	case XKD_T_UNION:
		if (xkd_text_known(ctx, v, out) || counter(ctx, v, out))
			break;
		if (style_dv)
			xkd_text_spell(v->type, out);
		else
			xkd_text_type(ctx, v->mod, v->type, false, out);
		break;
	case XKD_T_FUNC:
		xkd_buf_printf(out, "0x%s", XKD_ADDR(v->addr));
		exact_symbol(ctx, v->addr, " ", out);
		break;
	default:
		xkd_buf_str(out, v->kind == XKD_V_MEM ? "<no type>" : "<void>");
		break;
	}
}
