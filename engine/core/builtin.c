/* kvm!name where KVM is no module but built into the kernel: a name of a module that is not loaded
 * means what the kernel has from a source folder, or a file, of that name (arch/x86/kvm, virt/kvm;
 * irqbypass.c). Invariants: a loaded module of the name goes first; code is told by the unit that
 * covers it, data by the unit that defines it. */
#include "engine/core/names.h"
#include "base/str.h"
#include "symbols/dwarf.h"
#include <elf.h>
#include <string.h>

struct xkd_module *xkd_builtin_in(struct xkd_target *t, const char *mod)
{
	struct xkd_module *k = xkd_target_kernel(t);

	return k && *mod && !xkd_is_glob(mod) && !xkd_target_mod_named(t, mod) ? k : NULL;
}

/* A folder of the path, or its file without the ending; - and _ are alike. */
static bool on_path(const char *path, const char *mod)
{
	size_t n = strlen(mod);

	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/"), k = 0;

		while (k < n && k < len && (p[k] == mod[k] || (p[k] == '-' && mod[k] == '_')))
			k++;
		if (k == n && (len == n ? p[len] == '/' : !strncmp(p + n, ".c", 2) && len == n + 2))
			return true;
		p += len;
		p += *p == '/';
	}
	return false;
}

bool xkd_builtin_has(struct xkd_target *t, struct xkd_module *k, const char *mod, const char *name,
		     uint64_t iaddr, bool code)
{
	struct xkd_image *img = xkd_target_mod_image(t, k);
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_dglobal g;
	struct xkd_dunit unit;
	struct xkd_dwarf *d;

	if (!img || xkd_image_dwarf(img, &d, &ignored))
		return false;
	if (!xkd_dwarf_unit(d, iaddr, &unit, &ignored) && unit.name)
		return on_path(unit.name, mod);
	return !code && !xkd_dwarf_global(d, name, iaddr, &g, t->cancel, &ignored) && g.has_addr &&
	       g.addr == iaddr && g.file && on_path(g.file, mod);
}
