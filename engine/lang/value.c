/* Typed values: reading, storing, and the steps from one to another (member, element, pointee,
 * cast). Invariants: a value that cannot be known is UNAVAIL with a reason and every use of it
 * fails with that reason; nothing here reads more of the target than the object asked for. */
#include "engine/lang/value.h"
#include "base/str.h"
#include "engine/lang/lang.h"
#include <stdio.h>
#include <string.h>

const struct xkd_type *xkd_lang_strip(const struct xkd_ctx *ctx, struct xkd_module *mod,
				      const struct xkd_type *type)
{
	const struct xkd_type *s = xkd_type_strip(type);

	if (s->is_decl && ctx->t)
		s = xkd_type_strip(xkd_type_complete(ctx->t, mod, s));
	return s;
}

uint64_t xkd_lang_size(const struct xkd_ctx *ctx, struct xkd_module *mod,
		       const struct xkd_type *type)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, mod, type);

	if (s->kind == XKD_T_ARRAY && !s->size && s->nelem) {
		const struct xkd_type *e;

		if (xkd_lang_target(ctx, mod, s, &e, NULL))
			return 0;
		return s->nelem * xkd_type_strip(e)->size;
	}
	return s->is_decl ? 0 : s->size;
}

enum xkd_rc xkd_lang_target(const struct xkd_ctx *ctx, struct xkd_module *mod,
			    const struct xkd_type *type, const struct xkd_type **target,
			    struct xkd_err *err)
{
	const struct xkd_type *s = xkd_type_strip(type), *t = NULL;
	enum xkd_rc rc = xkd_type_target(s, &t, err);

	if (rc)
		return rc;
	if (!t)
		t = xkd_type_builtin(XKD_BI_VOID);
	/* A typedef of a declaration keeps its name; a bare declaration is replaced. */
	if (t->is_decl && ctx->t)
		t = xkd_type_complete(ctx->t, mod, t);
	*target = t;
	return XKD_OK;
}

uint64_t xkd_lang_fit(const struct xkd_type *s, uint64_t num)
{
	unsigned bits = s->size >= 8 || !s->size ? 64 : (unsigned)s->size * 8;

	if (s->kind == XKD_T_BOOL)
		return num & xkd_lang_mask(bits);
	num &= xkd_lang_mask(bits);
	if (bits < 64 && s->is_signed && (num >> (bits - 1) & 1))
		num |= ~xkd_lang_mask(bits);
	return num;
}

void xkd_value_unavail(struct xkd_value *v, const char *fmt, ...)
{
	va_list ap;

	v->kind = XKD_V_UNAVAIL;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

struct xkd_value xkd_value_num(const struct xkd_type *type, uint64_t num)
{
	return (struct xkd_value){ .type = type,
				   .kind = XKD_V_RVALUE,
				   .num = xkd_lang_fit(xkd_type_strip(type), num) };
}

struct xkd_value xkd_value_mem(const struct xkd_type *type, uint64_t addr, struct xkd_module *mod)
{
	return (struct xkd_value){ .type = type, .kind = XKD_V_MEM, .addr = addr, .mod = mod };
}

static enum xkd_rc unavailable(const struct xkd_value *v, struct xkd_err *err)
{
	return xkd_err_set(err, XKD_UNSUPPORTED, "the value is not available: %s",
			   v->why[0] ? v->why : "no reason given");
}

static const char *reg_name(const struct xkd_ctx *ctx, int reg)
{
	const struct xkd_arch *a = ctx->t ? ctx->t->arch : NULL;

	return a && reg >= 0 && reg < a->nregs ? a->reg_names[reg] : "a register";
}

/* The whole register. What no frame carries (descriptor tables, debug registers) is asked of the
 * CPU. */
static enum xkd_rc reg_whole(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t *num,
			     struct xkd_err *err)
{
	const struct xkd_regs *regs = &ctx->regs;
	struct xkd_err ignored;

	if (!xkd_reg_known(regs, v->reg) && !ctx->frame && ctx->cpu >= 0 &&
	    xkd_target_regs(ctx->t, ctx->cpu, XKD_RG_INT | XKD_RG_SYS | XKD_RG_DESC | XKD_RG_DEBUG,
			    &regs, &ignored))
		regs = &ctx->regs;
	if (!xkd_reg_known(regs, v->reg))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s is not known in this frame",
				   reg_name(ctx, v->reg));
	*num = regs->v[v->reg];
	return XKD_OK;
}

/* Up to 8 bits-carrying bytes gathered from at most 9 bytes that begin at bit off. */
static uint64_t gather(const uint8_t *p, size_t n, unsigned off, unsigned bits)
{
	uint64_t v = xkd_get_le(p, n < 8 ? (unsigned)n : 8) >> off;

	if (off && n > 8)
		v |= (uint64_t)p[8] << (64 - off);
	return v & xkd_lang_mask(bits);
}

enum xkd_rc xkd_value_raw(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t *num,
			  unsigned *bits, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);
	unsigned width = v->bit_size ? v->bit_size : s->size <= 8 ? (unsigned)s->size * 8 : 0;
	uint8_t buf[9] = { 0 };
	size_t n;
	enum xkd_rc rc;

	if (v->kind == XKD_V_UNAVAIL)
		return unavailable(v, err);
	if (!width || width > 64) {
		if (v->kind == XKD_V_RVALUE && !s->size)
			width = 64;
		else
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "a value of 0x%llx bytes is not a number",
					   (unsigned long long)s->size);
	}
	*bits = width;
	switch (v->kind) {
	case XKD_V_RVALUE:
		*num = v->num & xkd_lang_mask(width);
		return XKD_OK;
	case XKD_V_REG:
		rc = reg_whole(ctx, v, num, err);
		*num = rc ? 0
			  : *num >> (v->reg_shift & 63) & xkd_lang_mask(v->reg_bits) &
				       xkd_lang_mask(width);
		return rc;
	case XKD_V_MEM:
	case XKD_V_BYTES:
		if (v->bit_off > 7 && v->bit_size)
			return xkd_err_set(err, XKD_BADDATA, "a bit-field that begins at bit %u",
					   v->bit_off);
		n = (v->bit_size ? v->bit_off + width + 7 : width) / 8;
		if (v->kind == XKD_V_BYTES) {
			const struct xkd_hole *h = xkd_value_hole(v, v->bit_off, width);

			if (n > v->nbytes)
				return xkd_err_set(err, XKD_BADDATA,
						   "the value has only 0x%zx bytes", v->nbytes);
			if (h)
				return xkd_err_set(err, XKD_UNSUPPORTED,
						   "the value is not available: %s", h->why);
			memcpy(buf, v->bytes, n);
		} else {
			if (!ctx->t)
				return xkd_err_set(err, XKD_UNSUPPORTED, "there is no target");
			rc = xkd_ctx_read(ctx, v->addr, buf, n, NULL, err);
			if (rc)
				return rc;
		}
		*num = gather(buf, n, v->bit_size ? v->bit_off : 0, width);
		return XKD_OK;
	default:
		return xkd_err_set(err, XKD_BADDATA, "there is no value");
	}
}

enum xkd_rc xkd_value_u64(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t *num,
			  struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);
	unsigned bits;
	enum xkd_rc rc;

	switch (s->kind) {
	case XKD_T_FUNC:
	case XKD_T_ARRAY:
		if (v->kind != XKD_V_MEM)
			break;
		*num = v->addr;
		return XKD_OK;
	case XKD_T_INT:
	case XKD_T_BOOL:
	case XKD_T_PTR:
	case XKD_T_ENUM:
		rc = xkd_value_raw(ctx, v, num, &bits, err);
		if (!rc && bits < 64 && s->is_signed && (*num >> (bits - 1) & 1))
			*num |= ~xkd_lang_mask(bits);
		return rc;
	case XKD_T_VOID:
		if (v->kind == XKD_V_UNAVAIL)
			return unavailable(v, err);
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "it has no type here; cast it: *(int *)&name");
	case XKD_T_FLOAT:
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "floating point values are shown, not calculated with");
	default:
		break;
	}
	if (v->kind == XKD_V_UNAVAIL)
		return unavailable(v, err);
	return xkd_err_set(err, XKD_UNSUPPORTED, "%s%s is not a number",
			   s->kind == XKD_T_UNION    ? "union "
			   : s->kind == XKD_T_STRUCT ? "struct "
						     : "",
			   s->name ? s->name : "a value without a name");
}

enum xkd_rc xkd_value_bytes(const struct xkd_ctx *ctx, const struct xkd_value *v, uint8_t *buf,
			    size_t max, size_t *n, struct xkd_err *err)
{
	uint64_t size = xkd_lang_size(ctx, v->mod, v->type), num;
	const struct xkd_hole *hole;
	unsigned bits;
	enum xkd_rc rc;

	*n = size < max ? (size_t)size : max;
	switch (v->kind) {
	case XKD_V_UNAVAIL:
		*n = 0;
		return unavailable(v, err);
	case XKD_V_MEM:
		if (v->bit_size)
			break;
		return xkd_ctx_read(ctx, v->addr, buf, *n, n, err);
	case XKD_V_BYTES:
		if (v->bit_size)
			break;
		if (*n > v->nbytes)
			*n = v->nbytes;
		hole = xkd_value_hole(v, 0, *n * 8);
		if (hole) {
			*n = 0;
			return xkd_err_set(err, XKD_UNSUPPORTED, "the value is not available: %s",
					   hole->why);
		}
		memcpy(buf, v->bytes, *n);
		return XKD_OK;
	default:
		break;
	}
	rc = xkd_value_raw(ctx, v, &num, &bits, err);
	if (rc) {
		*n = 0;
		return rc;
	}
	memset(buf, 0, *n);
	xkd_put_le(buf, num, *n < 8 ? (unsigned)*n : 8);
	return XKD_OK;
}

static enum xkd_rc assign_mem(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t num,
			      unsigned size, struct xkd_err *err)
{
	uint8_t buf[9] = { 0 };
	unsigned n = size, i;
	enum xkd_rc rc;

	if (v->bit_size) {
		if (v->bit_off > 7 || v->bit_size > 64)
			return xkd_err_set(err, XKD_BADDATA, "a bit-field of no sane shape");
		n = (v->bit_off + v->bit_size + 7) / 8;
		rc = xkd_ctx_read(ctx, v->addr, buf, n, NULL, err);
		if (rc)
			return rc;
		for (i = 0; i < v->bit_size; i++) {
			unsigned at = v->bit_off + i;

			buf[at / 8] &= (uint8_t) ~(1u << at % 8);
			buf[at / 8] |= (uint8_t)((num >> i & 1) << at % 8);
		}
	} else {
		xkd_put_le(buf, num, n);
	}
	return xkd_ctx_write(ctx, v->addr, buf, n, NULL, err);
}

enum xkd_rc xkd_value_assign(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t num,
			     struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);
	uint64_t mask, cur = 0;
	enum xkd_rc rc;

	if (v->kind == XKD_V_UNAVAIL)
		return unavailable(v, err);
	if (!xkd_type_is_scalar(s) || !s->size || s->size > 8)
		return xkd_err_set(err, XKD_UNSUPPORTED, "only numbers and pointers can be set");
	if (s->kind == XKD_T_BOOL)
		num = !!num;
	switch (v->kind) {
	case XKD_V_MEM:
		return assign_mem(ctx, v, num, (unsigned)s->size, err);
	case XKD_V_REG:
		if (ctx->frame != 0 || ctx->cpu < 0)
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "%s can be set in frame 0 of a CPU only",
					   reg_name(ctx, v->reg));
		mask = xkd_lang_mask(v->reg_bits) << (v->reg_shift & 63);
		rc = mask == ~0ULL ? XKD_OK : reg_whole(ctx, v, &cur, err);
		if (rc)
			return rc;
		return xkd_target_reg_set(ctx->t, ctx->cpu, v->reg,
					  (cur & ~mask) | (num << (v->reg_shift & 63) & mask), err);
	default:
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "not something that can be set: it is a result, not a place");
	}
}

enum xkd_rc xkd_value_member_of(const struct xkd_ctx *ctx, const struct xkd_value *v,
				const struct xkd_member *m, struct xkd_value *out,
				struct xkd_err *err)
{
	uint64_t byte = m->bit_off / 8, size;
	const struct xkd_type *type = m->type ? m->type : xkd_type_builtin(XKD_BI_VOID);

	if (v->kind == XKD_V_UNAVAIL) {
		*out = *v;
		out->type = type;
		out->to = NULL;
		return XKD_OK;
	}
	size = xkd_lang_size(ctx, v->mod, type);
	*out = (struct xkd_value){ .type = type, .mod = v->mod, .kind = v->kind };
	if (m->bit_size) {
		out->bit_off = (unsigned)(m->bit_off % 8);
		out->bit_size = m->bit_size;
	}
	switch (v->kind) {
	case XKD_V_MEM:
		out->addr = v->addr + byte;
		out->percpu = v->percpu;
		return XKD_OK;
	case XKD_V_BYTES:
		if (byte > v->nbytes)
			return xkd_err_set(err, XKD_BADDATA, "the member lies outside the value");
		out->bytes = v->bytes + byte;
		out->nbytes = v->nbytes - byte;
		out->parts = v->parts;
		xkd_value_part(ctx, out);
		return XKD_OK;
	case XKD_V_RVALUE:
		if (byte >= 8)
			break;
		out->num = v->num >> (m->bit_size ? m->bit_off : byte * 8);
		out->num &= xkd_lang_mask(m->bit_size ? m->bit_size : (unsigned)(size * 8));
		out->bit_off = 0;
		return XKD_OK;
	case XKD_V_REG:
		if (byte >= 8 || v->reg_shift + m->bit_off >= 64)
			break;
		out->reg = v->reg;
		out->reg_shift = (uint8_t)(v->reg_shift + (m->bit_size ? m->bit_off : byte * 8));
		out->reg_bits = (uint8_t)(m->bit_size ? m->bit_size : size > 8 ? 64 : size * 8);
		out->bit_off = 0;
		return XKD_OK;
	default:
		break;
	}
	return xkd_err_set(err, XKD_BADDATA, "the member lies outside the value");
}

enum xkd_rc xkd_value_member(const struct xkd_ctx *ctx, const struct xkd_value *v, const char *name,
			     struct xkd_value *out, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);
	struct xkd_value at;
	struct xkd_member m;
	enum xkd_rc rc;

	if (s->kind == XKD_T_PTR) {
		rc = xkd_value_deref(ctx, v, &at, err);
		if (rc)
			return rc;
		v = &at;
		s = xkd_lang_strip(ctx, v->mod, v->type);
	}
	if (s->kind != XKD_T_STRUCT && s->kind != XKD_T_UNION)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no struct or union: it has no member %s",
				   name);
	if (s->is_decl)
		return xkd_err_set(err, XKD_NOTFOUND,
				   "struct %s is only declared: no loaded symbols define it",
				   s->name ? s->name : "");
	rc = xkd_type_find_member(s, name, &m, err);
	if (rc == XKD_NOTFOUND)
		return xkd_err_set(err, rc, "%s %s has no member %s",
				   s->kind == XKD_T_UNION ? "union" : "struct",
				   s->name ? s->name : "without a name", name);
	if (rc)
		return rc;
	return xkd_value_member_of(ctx, v, &m, out, err);
}

/* An element whose place is base + i * size. */
static enum xkd_rc element(const struct xkd_ctx *ctx, const struct xkd_value *v,
			   const struct xkd_type *e, int64_t i, struct xkd_value *out,
			   struct xkd_err *err)
{
	uint64_t size = xkd_lang_size(ctx, v->mod, e), off = (uint64_t)i * size;

	if (!size)
		return xkd_err_set(err, XKD_UNSUPPORTED, "the size of an element is not known");
	if (v->kind == XKD_V_UNAVAIL) {
		*out = *v;
		out->type = e;
		out->to = NULL;
		return XKD_OK;
	}
	*out = (struct xkd_value){ .type = e, .mod = v->mod, .kind = v->kind };
	switch (v->kind) {
	case XKD_V_MEM:
		out->addr = v->addr + off;
		out->percpu = v->percpu;
		return XKD_OK;
	case XKD_V_BYTES:
		if (i < 0 || (uint64_t)i >= v->nbytes / size)
			break;
		out->bytes = v->bytes + off;
		out->nbytes = size;
		out->parts = v->parts;
		xkd_value_part(ctx, out);
		return XKD_OK;
	case XKD_V_RVALUE:
		if (i < 0 || i >= 8 || off >= 8)
			break;
		out->num = v->num >> (off * 8) & xkd_lang_mask((unsigned)(size * 8));
		return XKD_OK;
	case XKD_V_REG:
		if (i < 0 || i >= 8 || off * 8 + v->reg_shift >= 64 || size > 8)
			break;
		out->reg = v->reg;
		out->reg_shift = (uint8_t)(v->reg_shift + off * 8);
		out->reg_bits = (uint8_t)(size * 8);
		return XKD_OK;
	default:
		break;
	}
	return xkd_err_set(err, XKD_BADDATA, "element %lld lies outside the value", (long long)i);
}

enum xkd_rc xkd_value_index(const struct xkd_ctx *ctx, const struct xkd_value *v, int64_t i,
			    struct xkd_value *out, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type), *e;
	struct xkd_value at;
	uint64_t p;
	enum xkd_rc rc;

	if (s->kind != XKD_T_ARRAY && s->kind != XKD_T_PTR)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no array or pointer: it has no elements");
	rc = xkd_lang_target(ctx, v->mod, s, &e, err);
	if (rc)
		return rc;
	if (s->kind == XKD_T_ARRAY)
		return element(ctx, v, e, i, out, err);
	if (v->kind == XKD_V_UNAVAIL && v->to && !i)
		return xkd_location_pointee(ctx, v->to, e, out, err);
	rc = xkd_value_u64(ctx, v, &p, err);
	if (rc)
		return rc;
	at = xkd_value_mem(e, p, v->mod);
	return element(ctx, &at, e, i, out, err);
}

enum xkd_rc xkd_value_deref(const struct xkd_ctx *ctx, const struct xkd_value *v,
			    struct xkd_value *out, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type), *e;
	uint64_t p;
	enum xkd_rc rc;

	if (s->kind == XKD_T_FUNC) {
		*out = *v;
		return XKD_OK;
	}
	if (s->kind == XKD_T_ARRAY)
		return xkd_value_index(ctx, v, 0, out, err);
	if (s->kind != XKD_T_PTR)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "not a pointer: there is nothing to follow");
	rc = xkd_lang_target(ctx, v->mod, s, &e, err);
	if (rc)
		return rc;
	if (xkd_type_strip(e)->kind == XKD_T_VOID)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "a void pointer says not what is there; cast it first");
	if (v->kind == XKD_V_UNAVAIL && v->to)
		return xkd_location_pointee(ctx, v->to, e, out, err);
	rc = xkd_value_u64(ctx, v, &p, err);
	if (rc)
		return rc;
	*out = xkd_value_mem(e, p, v->mod);
	return XKD_OK;
}

enum xkd_rc xkd_value_cast(const struct xkd_ctx *ctx, const struct xkd_value *v,
			   const struct xkd_type *type, struct xkd_value *out, struct xkd_err *err)
{
	const struct xkd_type *to = xkd_lang_strip(ctx, v->mod, type);
	uint64_t num;
	enum xkd_rc rc;

	if (to->kind == XKD_T_VOID) {
		*out = (struct xkd_value){ .type = type, .kind = XKD_V_RVALUE, .mod = v->mod };
		return XKD_OK;
	}
	if (xkd_type_is_aggregate(to) && xkd_type_same(to, xkd_lang_strip(ctx, v->mod, v->type))) {
		*out = *v;
		out->type = type;
		return XKD_OK;
	}
	if (!xkd_type_is_scalar(to) || !to->size || to->size > 8)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "a cast makes numbers and pointers; for anything else cast "
				   "an address: *(struct x *)&y");
	rc = xkd_value_u64(ctx, v, &num, err);
	if (rc)
		return rc;
	*out = xkd_value_num(type, to->kind == XKD_T_BOOL ? !!num : num);
	out->mod = v->mod;
	return XKD_OK;
}

enum xkd_rc xkd_value_addrof(const struct xkd_ctx *ctx, const struct xkd_value *v,
			     struct xkd_value *out, struct xkd_err *err)
{
	if (v->kind == XKD_V_UNAVAIL)
		return unavailable(v, err);
	if (v->kind == XKD_V_REG)
		return xkd_err_set(err, XKD_UNSUPPORTED, "it is in %s: it has no address",
				   reg_name(ctx, v->reg));
	if (v->kind != XKD_V_MEM)
		return xkd_err_set(err, XKD_UNSUPPORTED, "it is a result: it has no address");
	if (v->bit_size)
		return xkd_err_set(err, XKD_UNSUPPORTED, "a bit-field has no address");
	*out = xkd_value_num(xkd_type_ptr_to(v->type), v->addr);
	out->mod = v->mod;
	return XKD_OK;
}
