/* Enumeration constants by name over the modules: the module at hand, the kernel, the others.
 * BTF knows those of enumerations without a name too; DWARF alone answers for named ones. */
#include "base/cancel.h"
#include "engine/lang/lang.h"
#include <string.h>

struct search {
	const char *name;
	const struct xkd_type *type;
	uint64_t val;
};

static bool one_type(void *arg, const struct xkd_type *t)
{
	struct search *s = arg;
	const struct xkd_enumerator *e;
	size_t n;

	if (t->kind != XKD_T_ENUM || xkd_type_enums(t, &e, &n, NULL))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (!e[i].name || strcmp(e[i].name, s->name))
			continue;
		s->type = t;
		s->val = e[i].val;
		return false;
	}
	return true;
}

static bool in_module(struct xkd_target *t, struct xkd_module *m, struct search *s)
{
	struct xkd_types *btf;
	struct xkd_dwarf *dwarf;

	xkd_mod_providers(t, m, &btf, &dwarf);
	if (btf)
		return !xkd_btf_enumerator(xkd_btf_of(btf), s->name, &s->type, &s->val, NULL);
	if (!dwarf)
		return false;
	btf = xkd_dwarf_types(dwarf);
	return !btf->each(btf, one_type, s, NULL) && s->type;
}

enum xkd_rc xkd_enum_const(const struct xkd_ctx *ctx, struct xkd_module *mod, const char *name,
			   struct xkd_value *v, struct xkd_err *err)
{
	struct xkd_target *t = ctx->t;
	struct search s = { .name = name };

	for (size_t i = 0; i <= t->mods.n; i++) {
		struct xkd_module *m = i ? t->mods.p[i - 1] : mod;
		enum xkd_rc rc = xkd_cancel_check(t->cancel, err);

		if (rc)
			return rc;
		if (!m || (i && m == mod) || !in_module(t, m, &s))
			continue;
		*v = xkd_value_num(s.type, s.val);
		v->mod = m;
		return XKD_OK;
	}
	return xkd_err_set(err, XKD_NOTFOUND, "no enumeration constant %s", name);
}
