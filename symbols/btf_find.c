/* BTF: types, variables and functions by name.
 *
 * Invariants: the hash table is made at the first lookup and holds one id for a (class, name): of
 * several the first complete one, else the first declaration. So a name that a hostile table
 * repeats without end costs one slot. Only own records are in it, never the base's. */
#include "symbols/btf_int.h"
#include "base/str.h"
#include <string.h>

static uint32_t hash_of(enum btf_class c, const char *name)
{
	uint64_t h = 0xcbf29ce484222325u ^ (unsigned)c;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds (c, name), or the free one where it belongs. */
static uint32_t *slot_of(struct xkd_btf *b, enum btf_class c, const char *name)
{
	struct btf_rec r;

	for (uint32_t i = hash_of(c, name);; i++) {
		uint32_t *slot = &b->hash[i & (b->nhash - 1)];

		if (!*slot)
			return slot;
		if (!btf_rec(b, *slot, &r, NULL) && btf_class_of(&r) == c && !strcmp(r.name, name))
			return slot;
	}
}

static void make_hash(struct xkd_btf *b)
{
	struct btf_rec r, old;

	b->nhash = 64;
	while (b->nhash < b->n + b->n / 2 && b->nhash < 1u << 31)
		b->nhash *= 2;
	b->hash = xkd_calloc(b->nhash, sizeof(*b->hash));
	for (uint32_t id = b->first; id < b->first + b->n; id++) {
		if (btf_rec(b, id, &r, NULL))
			continue;
		enum btf_class c = btf_class_of(&r);

		if (c == BTF_C_NONE)
			continue;
		uint32_t *slot = slot_of(b, c, r.name);

		if (!*slot ||
		    (!btf_is_decl(&r) && !btf_rec(b, *slot, &old, NULL) && btf_is_decl(&old)))
			*slot = id;
	}
}

enum xkd_rc btf_lookup(struct xkd_btf *b, enum btf_class c, const char *name, uint32_t *id,
		       struct xkd_err *err)
{
	enum xkd_rc rc = btf_load(b, err);

	if (rc)
		return rc;
	if (!b->hash)
		make_hash(b);
	*id = *name ? *slot_of(b, c, name) : 0;
	return *id ? XKD_OK : xkd_err_set(err, XKD_NOTFOUND, "no %s in the btf", name);
}

enum xkd_rc btf_find(struct xkd_types *p, enum xkd_tag tag, const char *name,
		     const struct xkd_type **t, struct xkd_err *err)
{
	static const enum btf_class any[] = { BTF_C_TYPEDEF, BTF_C_BASE, BTF_C_STRUCT, BTF_C_UNION,
					      BTF_C_ENUM };
	static const enum btf_class of_tag[] = {
		[XKD_TAG_STRUCT] = BTF_C_STRUCT, [XKD_TAG_UNION] = BTF_C_UNION,
		[XKD_TAG_ENUM] = BTF_C_ENUM,	 [XKD_TAG_TYPEDEF] = BTF_C_TYPEDEF,
		[XKD_TAG_BASE] = BTF_C_BASE,
	};
	struct xkd_btf *b = (struct xkd_btf *)p;
	const enum btf_class *c = tag == XKD_TAG_ANY ? any : &of_tag[tag];
	size_t n = tag == XKD_TAG_ANY ? XKD_COUNT(any) : 1;
	enum xkd_rc rc = XKD_NOTFOUND;
	const struct xkd_type *decl = NULL;
	uint32_t id;

	*t = NULL;
	for (size_t i = 0; i < n; i++) {
		rc = btf_lookup(b, c[i], name, &id, err);
		if (!rc)
			rc = btf_type(b, id, t, err);
		if (rc == XKD_NOTFOUND)
			continue;
		if (rc || !(*t)->is_decl)
			return rc;
		if (!decl)
			decl = *t;
	}
	*t = decl;
	return decl ? XKD_OK : rc;
}

enum xkd_rc btf_each(struct xkd_types *p, bool (*fn)(void *arg, const struct xkd_type *t),
		     void *arg, struct xkd_err *err)
{
	struct xkd_btf *b = (struct xkd_btf *)p;
	const struct xkd_type *t;
	struct btf_rec r;
	enum xkd_rc rc = btf_load(b, err);

	if (rc)
		return rc;
	for (uint32_t id = b->first; id < b->first + b->n; id++) {
		if (btf_rec(b, id, &r, NULL))
			continue;
		enum btf_class c = btf_class_of(&r);

		if (c == BTF_C_NONE || c == BTF_C_FUNC || c == BTF_C_VAR || btf_is_decl(&r))
			continue;
		rc = btf_type(b, id, &t, err);
		if (rc)
			return rc;
		if (!fn(arg, t))
			break;
	}
	return XKD_OK;
}

/* The type that a variable or function record names. */
static enum xkd_rc named(struct xkd_btf *b, enum btf_class c, const char *name,
			 const struct xkd_type **t, struct xkd_err *err)
{
	struct btf_rec r;
	uint32_t id;
	enum xkd_rc rc = btf_lookup(b, c, name, &id, err);

	*t = NULL;
	if (!rc)
		rc = btf_rec(b, id, &r, err);
	if (!rc)
		rc = btf_type(b, r.size_or_type, t, err);
	if (!rc && c == BTF_C_FUNC && (!*t || (*t)->kind != XKD_T_FUNC))
		rc = xkd_err_set(err, XKD_BADDATA, "btf: %s has no prototype", name);
	return rc;
}

enum xkd_rc xkd_btf_var(struct xkd_btf *b, const char *name, const struct xkd_type **t,
			struct xkd_err *err)
{
	return named(b, BTF_C_VAR, name, t, err);
}

enum xkd_rc xkd_btf_func(struct xkd_btf *b, const char *name, const struct xkd_type **t,
			 struct xkd_err *err)
{
	return named(b, BTF_C_FUNC, name, t, err);
}
