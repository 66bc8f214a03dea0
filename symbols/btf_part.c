/* BTF: targets, members, enumerators and parameters of types.
 *
 * Invariant: arrays handed out are in the arena of the BTF that owns the type, and their element
 * types may be the base's. */
#include "symbols/btf_int.h"
#include "base/str.h"
#include <string.h>

static enum xkd_rc rec_of(struct xkd_types *p, const struct xkd_type *t, struct xkd_btf **b,
			  struct btf_rec *r, struct xkd_err *err)
{
	*b = (struct xkd_btf *)p;
	return btf_rec(*b, (uint32_t)t->id, r, err);
}

static enum xkd_rc about(struct xkd_err *err, enum xkd_rc rc, const struct xkd_type *t,
			 const char *part, uint32_t i)
{
	return xkd_err_prepend(err, rc, "%s %u of %s (btf type %u)", part, i,
			       t->name ? t->name : "<anonymous>", (unsigned)t->id);
}

enum xkd_rc btf_load_target(struct xkd_types *p, const struct xkd_type *t,
			    const struct xkd_type **target, struct xkd_err *err)
{
	struct xkd_btf *b;
	struct btf_rec r;
	enum xkd_rc rc = rec_of(p, t, &b, &r, err);

	if (rc)
		return rc;
	if (t->kind == XKD_T_ENUM) { /* BTF does not tell the underlying type, only its size */
		*target = NULL;
		return XKD_OK;
	}
	return btf_type(b, t->kind == XKD_T_ARRAY ? (uint32_t)xkd_get_le(r.p, 4) : r.size_or_type,
			target, err);
}

/* Before kind_flag bit-fields were told by an integer type with fewer bits than its size. */
static void old_bitfield(struct xkd_btf *b, uint32_t type, struct xkd_member *m)
{
	struct btf_rec r;
	uint32_t id = btf_skip(b, type, false);

	if (!id || btf_rec(b, id, &r, NULL) || r.kind != BTF_INT)
		return;
	if (r.p[0] != 8 * (uint64_t)r.size_or_type || r.p[2]) {
		m->bit_off += r.p[2];
		m->bit_size = r.p[0];
	}
}

enum xkd_rc btf_load_members(struct xkd_types *p, const struct xkd_type *t, struct xkd_member **mp,
			     size_t *n, struct xkd_err *err)
{
	struct xkd_btf *b;
	struct btf_rec r;
	enum xkd_rc rc = rec_of(p, t, &b, &r, err);

	if (rc)
		return rc;

	struct xkd_member *m = XKD_NEWN(&b->arena, struct xkd_member, r.vlen);

	for (uint32_t i = 0; i < r.vlen; i++) {
		const uint8_t *e = r.p + 12 * i;
		uint32_t type = (uint32_t)xkd_get_le(e + 4, 4),
			 off = (uint32_t)xkd_get_le(e + 8, 4);

		m[i].name = btf_str(b, (uint32_t)xkd_get_le(e, 4));
		if (!m[i].name)
			return about(err, xkd_err_set(err, XKD_BADDATA, "name outside the strings"),
				     t, "member", i);
		rc = btf_type(b, type, &m[i].type, err);
		if (!rc && !m[i].type)
			rc = xkd_err_set(err, XKD_BADDATA, "is of type void");
		if (rc)
			return about(err, rc, t, "member", i);
		m[i].bit_off = r.kflag ? off & 0xffffff : off;
		if (r.kflag)
			m[i].bit_size = off >> 24;
		else
			old_bitfield(b, type, &m[i]);
	}
	*mp = m;
	*n = r.vlen;
	return XKD_OK;
}

enum xkd_rc btf_load_enums(struct xkd_types *p, const struct xkd_type *t,
			   struct xkd_enumerator **ep, size_t *n, struct xkd_err *err)
{
	struct xkd_btf *b;
	struct btf_rec r;
	enum xkd_rc rc = rec_of(p, t, &b, &r, err);

	if (rc)
		return rc;

	struct xkd_enumerator *e = XKD_NEWN(&b->arena, struct xkd_enumerator, r.vlen);
	unsigned len = r.kind == BTF_ENUM64 ? 12 : 8;

	for (uint32_t i = 0; i < r.vlen; i++) {
		const uint8_t *q = r.p + (size_t)len * i;

		e[i].name = btf_str(b, (uint32_t)xkd_get_le(q, 4));
		if (!e[i].name)
			return about(err, xkd_err_set(err, XKD_BADDATA, "name outside the strings"),
				     t, "enumerator", i);
		e[i].val = xkd_get_le(q + 4, len - 4);
		if (len == 8 && r.kflag)
			e[i].val = (uint64_t)(int64_t)(int32_t)e[i].val;
	}
	*ep = e;
	*n = r.vlen;
	return XKD_OK;
}

enum xkd_rc btf_load_params(struct xkd_types *p, const struct xkd_type *t, struct xkd_param **pp,
			    size_t *n, struct xkd_err *err)
{
	struct xkd_btf *b;
	struct btf_rec r;
	enum xkd_rc rc = rec_of(p, t, &b, &r, err);

	if (rc)
		return rc;

	uint32_t count = r.vlen - t->variadic;
	struct xkd_param *pa = XKD_NEWN(&b->arena, struct xkd_param, count);

	for (uint32_t i = 0; i < count; i++) {
		const char *name = btf_str(b, (uint32_t)xkd_get_le(r.p + 8 * i, 4));

		rc = name ? btf_type(b, (uint32_t)xkd_get_le(r.p + 8 * i + 4, 4), &pa[i].type, err)
			  : xkd_err_set(err, XKD_BADDATA, "name outside the strings");
		if (rc)
			return about(err, rc, t, "parameter", i);
		pa[i].name = *name ? name : NULL;
	}
	*pp = pa;
	*n = count;
	return XKD_OK;
}
