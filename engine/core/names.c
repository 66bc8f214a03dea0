/* Lines, functions, types and globals over all modules of a target. Types: BTF before DWARF by name,
 * since BTF answers without an index of all units. */
#include "engine/core/names.h"
#include "base/str.h"
#include <string.h>

/* The module's DWARF and the address as its image has it. */
static enum xkd_rc dwarf_at(struct xkd_target *t, uint64_t addr, struct xkd_dwarf **d,
			    struct xkd_module **mod, uint64_t *iaddr, struct xkd_err *err)
{
	struct xkd_module *m = xkd_target_mod_at(t, addr);
	struct xkd_image *img = m ? xkd_target_mod_image(t, m) : NULL;

	if (!img || !xkd_module_to_image(m, addr, iaddr))
		return xkd_err_addr(err, XKD_NOTFOUND, addr, "no debug info covers %s",
				    XKD_ADDR(addr));
	*mod = m;
	return xkd_image_dwarf(img, d, err);
}

enum xkd_rc xkd_line_at(struct xkd_target *t, uint64_t addr, struct xkd_line *line,
			struct xkd_err *err)
{
	struct xkd_module *m;
	struct xkd_dwarf *d;
	uint64_t iaddr;
	enum xkd_rc rc = dwarf_at(t, addr, &d, &m, &iaddr, err);

	if (!rc)
		rc = xkd_dwarf_line_at(d, iaddr, line, err);
	if (rc)
		return rc;
	line->start += addr - iaddr;
	line->end += addr - iaddr;
	return XKD_OK;
}

enum xkd_rc xkd_funcs_at(struct xkd_target *t, uint64_t addr, struct xkd_dfunc *f, size_t max,
			 size_t *n, struct xkd_err *err)
{
	struct xkd_module *m;
	struct xkd_dwarf *d;
	uint64_t iaddr;
	enum xkd_rc rc = dwarf_at(t, addr, &d, &m, &iaddr, err);

	*n = 0;
	if (!rc)
		rc = xkd_dwarf_funcs_at(d, iaddr, f, max, n, err);
	for (size_t i = 0; !rc && i < *n; i++) {
		uint64_t slide = addr - iaddr;

		f[i].low += slide;
		f[i].high += slide;
		if (f[i].entry)
			f[i].entry += slide;
	}
	return rc;
}

void xkd_mod_providers(struct xkd_target *t, struct xkd_module *m, struct xkd_types **btf,
		       struct xkd_dwarf **dwarf)
{
	struct xkd_module *k = xkd_target_kernel(t);
	struct xkd_image *img = xkd_target_mod_image(t, m);
	struct xkd_btf *base = NULL, *b = NULL;
	struct xkd_err ignored;

	*btf = NULL;
	*dwarf = NULL;
	if (!img)
		return;
	if (k && k != m && xkd_target_mod_image(t, k) && xkd_image_btf(k->img, NULL, &base, &ignored))
		base = NULL;
	if ((m == k || base) && !xkd_image_btf(img, m == k ? NULL : base, &b, &ignored))
		*btf = xkd_btf_types(b);
	if (xkd_image_dwarf(img, dwarf, &ignored))
		*dwarf = NULL;
	if (*dwarf)
		xkd_dwarf_set_cancel(*dwarf, t->cancel);
}

static enum xkd_rc type_in(struct xkd_target *t, struct xkd_module *m, enum xkd_tag tag,
			   const char *name, const struct xkd_type **type, struct xkd_err *err)
{
	const struct xkd_type *decl = NULL;
	struct xkd_types *btf;
	struct xkd_dwarf *dwarf;
	enum xkd_rc rc = XKD_NOTFOUND;

	xkd_mod_providers(t, m, &btf, &dwarf);
	if (btf)
		rc = btf->find(btf, tag, name, type, err);
	if (!rc && (*type)->is_decl) {
		decl = *type;
		rc = XKD_NOTFOUND;
	}
	/* BTF has every type that a linked kernel uses: the index would find no more. */
	if (rc == XKD_NOTFOUND && dwarf && !btf) {
		struct xkd_types *p = xkd_dwarf_types(dwarf);

		rc = p->find(p, tag, name, type, err);
	}
	if (rc == XKD_NOTFOUND && decl) {
		*type = decl;
		return XKD_OK;
	}
	return rc;
}

enum xkd_rc xkd_type_named(struct xkd_target *t, struct xkd_module *mod, enum xkd_tag tag,
			   const char *name, const struct xkd_type **type, struct xkd_err *err)
{
	const struct xkd_type *decl = NULL;

	for (size_t i = 0; i <= t->mods.n; i++) {
		struct xkd_module *m = i ? t->mods.p[i - 1] : mod;
		enum xkd_rc rc;

		if (!m || (i && m == mod))
			continue;
		rc = type_in(t, m, tag, name, type, err);
		if (!rc && !(*type)->is_decl)
			return XKD_OK;
		if (!rc && !decl)
			decl = *type;
		if (rc == XKD_CANCELED || rc == XKD_TRANSPORT)
			return rc;
	}
	if (decl) {
		*type = decl;
		return XKD_OK;
	}
	return xkd_err_set(err, XKD_NOTFOUND, "no type '%.120s'%s%s%s", name, mod ? " in " : "",
			   mod ? mod->name : "", t->mods.n ? "" : ": no module has symbols");
}

const struct xkd_type *xkd_type_complete(struct xkd_target *t, struct xkd_module *from,
					 const struct xkd_type *type)
{
	const struct xkd_type *s = xkd_type_strip(type), *full;
	enum xkd_tag tag = s->kind == XKD_T_UNION ? XKD_TAG_UNION :
			   s->kind == XKD_T_ENUM  ? XKD_TAG_ENUM :
						    XKD_TAG_STRUCT;
	struct xkd_err ignored;

	if (!s->is_decl || !s->name || xkd_type_named(t, from, tag, s->name, &full, &ignored))
		return type;
	return full;
}

/* The type of a variable whose address is known; NULL when no debug info has it. Fails only when the
 * user gave up. */
static enum xkd_rc var_type(struct xkd_target *t, struct xkd_module *m, const char *name,
			    uint64_t iaddr, const struct xkd_type **type, struct xkd_err *err)
{
	struct xkd_btf *b = NULL;
	struct xkd_types *btf;
	struct xkd_dwarf *dwarf;
	struct xkd_dglobal g;
	struct xkd_err why = XKD_ERR_INIT;
	enum xkd_rc rc;

	*type = NULL;
	if (m->is_kernel && !xkd_image_btf(m->img, NULL, &b, &why) &&
	    !xkd_btf_var(b, name, type, &why))
		return XKD_OK;
	xkd_mod_providers(t, m, &btf, &dwarf);
	if (!dwarf)
		return XKD_OK;
	rc = xkd_dwarf_global(dwarf, name, iaddr, &g, t->cancel, &why);
	if (!rc)
		*type = g.type;
	if (rc == XKD_CANCELED && err)
		*err = why;
	return rc == XKD_CANCELED ? rc : XKD_OK;
}

enum xkd_rc xkd_global_named(struct xkd_target *t, struct xkd_module *mod, const char *name,
			     uint64_t *addr, const struct xkd_type **type, struct xkd_err *err)
{
	struct xkd_buf full = XKD_BUF_INIT;
	struct xkd_symref sym;
	uint64_t iaddr = 0;
	enum xkd_rc rc;

	if (mod && !strchr(name, '!'))
		xkd_buf_printf(&full, "%s!%s", mod->name, name);
	rc = xkd_sym_named(t, full.len ? full.s : name, &sym, err);
	if (rc && full.len) /* the module's scope, then everybody's */
		rc = xkd_sym_named(t, name, &sym, err);
	xkd_buf_fini(&full);
	if (rc)
		return rc;
	*addr = sym.addr;
	*type = NULL;
	if (type && xkd_target_mod_image(t, sym.mod)) {
		if (!xkd_module_to_image(sym.mod, sym.addr, &iaddr))
			iaddr = 0;
		return var_type(t, sym.mod, sym.name, iaddr, type, err);
	}
	return XKD_OK;
}

enum xkd_rc xkd_offsetof(struct xkd_target *t, const char *type, const char *path, uint64_t *off,
			 uint64_t *size, struct xkd_err *err)
{
	const struct xkd_type *ty;
	enum xkd_rc rc = xkd_type_named(t, xkd_target_kernel(t), XKD_TAG_STRUCT, type, &ty, err);
	uint64_t bits = 0, bytes = 0;

	if (!rc)
		bytes = ty->size;
	while (!rc && *path) {
		char name[96];
		size_t len = strcspn(path, ".");
		struct xkd_member m;

		if (len >= sizeof(name))
			return xkd_err_set(err, XKD_NOTFOUND, "no member '%s'", path);
		memcpy(name, path, len);
		name[len] = 0;
		path += len + (path[len] == '.');
		rc = xkd_type_find_member(xkd_type_strip(ty), name, &m, err);
		if (rc)
			break;
		bits += m.bit_off;
		ty = xkd_type_complete(t, NULL, m.type);
		bytes = xkd_type_strip(ty)->size;
	}
	if (rc)
		return xkd_err_prepend(err, rc, "struct %s", type);
	*off = bits / 8;
	if (size)
		*size = bytes;
	return XKD_OK;
}
