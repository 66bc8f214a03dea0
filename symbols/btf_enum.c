/* BTF: enumeration constants by name, those of enumerations without a name too. One pass over the
 * records; nothing is kept, since a kernel's pass costs about as much as keeping it would. */
#include "symbols/btf_int.h"
#include "base/str.h"
#include <string.h>

struct xkd_btf *xkd_btf_of(struct xkd_types *p)
{
	return (struct xkd_btf *)p; /* types is the first member */
}

enum xkd_rc xkd_btf_enumerator(struct xkd_btf *b, const char *name, const struct xkd_type **t,
			       uint64_t *val, struct xkd_err *err)
{
	enum xkd_rc rc = btf_load(b, err);
	struct btf_rec r;

	if (rc)
		return rc;
	for (uint32_t id = b->first; id < b->first + b->n; id++) {
		uint32_t step;

		if (btf_rec(b, id, &r, NULL) || (r.kind != BTF_ENUM && r.kind != BTF_ENUM64))
			continue;
		step = r.kind == BTF_ENUM64 ? 12 : 8;
		for (uint32_t i = 0; i < r.vlen; i++) {
			const uint8_t *p = r.p + (size_t)i * step;
			const char *s = btf_str(b, (uint32_t)xkd_get_le(p, 4));

			if (!s || strcmp(s, name))
				continue;
			*val = xkd_get_le(p + 4, step - 4);
			if (step == 8 && r.kflag)
				*val = (uint64_t)(int64_t)(int32_t)*val;
			return btf_type(b, id, t, err);
		}
	}
	return xkd_err_set(err, XKD_NOTFOUND, "no enumeration constant %s in the btf", name);
}
