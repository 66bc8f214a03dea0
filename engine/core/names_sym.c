/* Symbols over all modules of a target: addresses to names and back. Modules' images are opened at
 * the first question that needs them. */
#include "engine/core/names.h"
#include "base/str.h"
#include "engine/os/os.h"
#include "symbols/debuglink.h"
#include "symbols/image_made.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>

#define NEAR_LIMIT 0x10000u /* beyond this an unsized symbol names nothing */

/* Where a .ko's sections lie, by their names. */
static void bind_sections(struct xkd_module *m)
{
	for (size_t i = 0; i < m->secs.n; i++) {
		const struct xkd_section *s = xkd_image_section_named(m->img, m->secs.p[i].name);

		if (!s)
			continue;
		m->secs.p[i].iaddr = s->addr;
		m->secs.p[i].size = s->size;
	}
}

static enum xkd_symstate state_of(struct xkd_image *img)
{
	struct xkd_image *debug = xkd_image_debug(img);

	if (xkd_image_has_dwarf(img) || (debug && xkd_image_has_dwarf(debug)))
		return XKD_SYMS_DWARF;
	if (xkd_image_section_named(img, ".BTF"))
		return XKD_SYMS_BTF;
	return xkd_image_is_made(img) ? XKD_SYMS_KALLSYMS : XKD_SYMS_SYMTAB;
}

struct xkd_image *xkd_target_mod_image(struct xkd_target *t, struct xkd_module *m)
{
	struct xkd_want want = { .name = m->is_kernel ? "vmlinux" : m->name,
				 .release = t->release[0] ? t->release : NULL,
				 .id = m->id, .force = m->forced, .cancel = t->cancel };
	struct xkd_err err = XKD_ERR_INIT, ignored;

	if (m->img || m->state != XKD_SYMS_DEFERRED)
		return m->img;
	if (xkd_find_image(&t->sympath, t->find, &want, t->log, &m->img, NULL, &err) &&
	    (!t->os->mod_image || t->os->mod_image(t, m, &m->img, &ignored))) {
		m->img = NULL;
		m->state = XKD_SYMS_NONE;
		snprintf(m->why, sizeof(m->why), "%.250s", err.msg);
		return NULL;
	}
	if (xkd_image_is_made(m->img) && err.code != XKD_NOTFOUND) /* a file was there and refused */
		snprintf(m->why, sizeof(m->why), "%.250s", err.msg);
	(void)!xkd_find_debug(&t->sympath, t->find, m->img, t->log, t->cancel, &ignored);
	m->state = state_of(m->img);
	bind_sections(m);
	return m->img;
}

/* The kernel slides as a whole; per-CPU offsets and absolute values elsewhere do not. Sections may lie
 * behind _end, where the module ends: early boot uses them as scratch. */
static bool slides(const struct xkd_module *m, const struct xkd_sym *s)
{
	uint64_t at = s->addr + (uint64_t)m->slide;

	if (s->shndx != SHN_ABS && s->addr >= xkd_module_start(m) - (uint64_t)m->slide)
		return true;
	return at >= xkd_module_start(m) && at <= xkd_module_end(m);
}

static bool to_ref(struct xkd_module *m, const struct xkd_sym *s, struct xkd_symref *r)
{
	*r = (struct xkd_symref){ .mod = m, .name = s->name, .addr = s->addr, .size = s->size,
				  .type = s->type, .bind = s->bind };
	if (m->is_kernel) {
		if (slides(m, s))
			r->addr += (uint64_t)m->slide;
		return true;
	}
	return s->shndx == SHN_ABS || xkd_module_to_target(m, s->addr, &r->addr);
}

enum xkd_rc xkd_sym_at(struct xkd_target *t, uint64_t addr, struct xkd_symref *sym,
		       struct xkd_symref *next)
{
	struct xkd_module *m = xkd_target_mod_at(t, addr);
	struct xkd_image *img = m ? xkd_target_mod_image(t, m) : NULL;
	struct xkd_sym s, n = { 0 };
	uint64_t iaddr;

	if (next)
		*next = (struct xkd_symref){ 0 };
	if (!img || !xkd_module_to_image(m, addr, &iaddr))
		return XKD_NOTFOUND;
	if (xkd_image_sym_at(img, iaddr, &s, &n) || !to_ref(m, &s, sym))
		return XKD_NOTFOUND;
	if (next && n.name && !to_ref(m, &n, next))
		*next = (struct xkd_symref){ 0 };
	return XKD_OK;
}

bool xkd_sym_in_thunk(struct xkd_target *t, uint64_t addr)
{
	struct xkd_symref sym;

	return !xkd_sym_at(t, addr, &sym, NULL) && strstr(sym.name, "indirect_thunk");
}

void xkd_sym_format(struct xkd_target *t, uint64_t addr, struct xkd_buf *out)
{
	struct xkd_symref s;
	struct xkd_module *m;
	struct xkd_code code;

	if (!xkd_sym_at(t, addr, &s, NULL) &&
	    addr - s.addr < (s.size > NEAR_LIMIT ? s.size : NEAR_LIMIT)) {
		xkd_buf_printf(out, "%s!%s", s.mod->name, s.name);
		if (addr != s.addr)
			xkd_buf_printf(out, "+0x%llx", (unsigned long long)(addr - s.addr));
		return;
	}
	m = xkd_target_mod_at(t, addr);
	if (m) {
		xkd_buf_printf(out, "%s+0x%llx", m->name,
			       (unsigned long long)(addr - xkd_module_start(m)));
	} else if (t->os->code_at && t->os->code_at(t, addr, &code)) {
		xkd_buf_printf(out, "%s!", code.space);
		xkd_buf_escaped(out, code.name, strlen(code.name));
		if (addr != code.start)
			xkd_buf_printf(out, "+0x%llx", (unsigned long long)(addr - code.start));
	} else {
		xkd_buf_str(out, XKD_ADDR(addr));
	}
}

/* A call that ends its function has its return address in the next one. */
void xkd_sym_format_ret(struct xkd_target *t, uint64_t addr, struct xkd_buf *out)
{
	struct xkd_symref s;

	if (addr && !xkd_sym_at(t, addr - 1, &s, NULL) &&
	    addr - s.addr < (s.size > NEAR_LIMIT ? s.size : NEAR_LIMIT))
		xkd_buf_printf(out, "%s!%s+0x%llx", s.mod->name, s.name,
			       (unsigned long long)(addr - s.addr));
	else
		xkd_sym_format(t, addr, out);
}

/* "mod!name" in parts; mod is empty when there is none. */
static const char *split_name(const char *name, char *mod, size_t max)
{
	const char *bang = strchr(name, '!');

	mod[0] = 0;
	if (!bang || bang == name)
		return bang ? bang + 1 : name;
	snprintf(mod, max, "%.*s", (int)(bang - name), name);
	return bang + 1;
}

/* Before 6.15 the kernel's section of them begins at 0 and does not slide. */
bool xkd_sym_percpu(struct xkd_target *t, const struct xkd_symref *sym)
{
	struct xkd_image *img = sym->mod ? xkd_target_mod_image(t, sym->mod) : NULL;
	const struct xkd_section *sec = NULL;
	uint64_t iaddr;

	if (img && sym->mod->is_kernel)
		sec = xkd_image_section_at(img, sym->addr);
	if (img && !sec && xkd_module_to_image(sym->mod, sym->addr, &iaddr))
		sec = xkd_image_section_at(img, iaddr);
	return sec && strstr(sec->name, "percpu");
}

bool xkd_sym_percpu_at(struct xkd_target *t, uint64_t addr, struct xkd_symref *sym)
{
	struct xkd_module *k = xkd_target_kernel(t);
	struct xkd_image *img = k ? xkd_target_mod_image(t, k) : NULL;
	uint64_t iaddr = addr;
	struct xkd_sym s;

	*sym = (struct xkd_symref){ .mod = k, .addr = addr };
	if (!img || !xkd_sym_percpu(t, sym))
		return false;
	if (!xkd_image_section_at(img, addr) && !xkd_module_to_image(k, addr, &iaddr))
		return false;
	if (xkd_image_sym_at(img, iaddr, &s, NULL) || iaddr - s.addr >= s.size)
		return false;
	sym->name = s.name;
	sym->addr = addr - (iaddr - s.addr);
	sym->size = s.size;
	return true;
}

struct glob_walk {
	struct xkd_target *t;
	struct xkd_module *m;
	const char *builtin; /* only what is of this source folder; NULL: all */
	bool (*fn)(void *arg, const struct xkd_symref *sym);
	void *arg;
	bool stop;
};

static bool glob_one(void *arg, const struct xkd_sym *sym)
{
	struct glob_walk *w = arg;
	struct xkd_symref r;

	if (w->builtin && !xkd_builtin_has(w->t, w->m, w->builtin, sym->name, sym->addr,
					   sym->type == STT_FUNC))
		return true;
	if (to_ref(w->m, sym, &r) && !w->fn(w->arg, &r))
		w->stop = true;
	return !w->stop;
}

/* Case counts unless the pattern has a wildcard. */
void xkd_sym_glob(struct xkd_target *t, const char *pattern,
		  bool (*fn)(void *arg, const struct xkd_symref *sym), void *arg)
{
	char mod[128];
	const char *name = split_name(pattern, mod, sizeof(mod));
	bool wild = xkd_is_glob(name);
	struct xkd_module *in;

	if (!strcmp(mod, "vmlinux"))
		strcpy(mod, "lk");
	in = xkd_builtin_in(t, mod);
	for (size_t i = 0; i < t->mods.n; i++) {
		struct glob_walk w = { t, t->mods.p[i], in ? mod : NULL, fn, arg, false };
		struct xkd_image *img;

		if (in != w.m && mod[0] && !xkd_glob(mod, w.m->name, true) && xkd_target_mod_named(t, mod) != w.m)
			continue;
		img = xkd_target_mod_image(t, w.m);
		if (!img)
			continue;
		if (wild)
			xkd_image_sym_glob(img, name, true, glob_one, &w);
		else
			xkd_image_sym_all_named(img, name, glob_one, &w);
		if (w.stop)
			return;
	}
}

#define MANY 8
struct named_walk {
	struct xkd_symref all[MANY];
	size_t n;
};

static bool named_one(void *arg, const struct xkd_symref *sym)
{
	struct named_walk *w = arg;
	size_t at = w->n;

	for (size_t i = 0; i < w->n && i < MANY; i++)
		if (w->all[i].addr == sym->addr)
			return true;
	if (at < MANY) {
		/* within a module a global one leads */
		if (sym->bind != STB_LOCAL)
			while (at && w->all[at - 1].mod == sym->mod &&
			       w->all[at - 1].bind == STB_LOCAL)
				at--;
		memmove(&w->all[at + 1], &w->all[at],
			((w->n < MANY - 1 ? w->n : MANY - 1) - at) * sizeof(w->all[0]));
		w->all[at] = *sym;
	}
	w->n++;
	return true;
}

struct near_walk {
	const char *want;
	char mod[128];
	struct {
		char name[160];
		unsigned d;
	} best[3];
};

static bool near_one(void *arg, const struct xkd_symref *sym)
{
	struct near_walk *w = arg;
	unsigned max = (unsigned)strlen(w->want) / 4 + 1, d, i;
	char full[160];

	if (max > 3)
		max = 3;
	d = xkd_distance(w->want, sym->name, max);
	if (d > max)
		return true;
	snprintf(full, sizeof(full), "%s!%.80s", sym->mod->name, sym->name);
	for (i = 0; i < XKD_COUNT(w->best); i++)
		if (!strcmp(w->best[i].name, full))
			return true;
	for (i = 0; i < XKD_COUNT(w->best); i++) {
		if (w->best[i].name[0] && w->best[i].d <= d)
			continue;
		memmove(&w->best[i + 1], &w->best[i],
			(XKD_COUNT(w->best) - i - 1) * sizeof(w->best[0]));
		memcpy(w->best[i].name, full, sizeof(full));
		w->best[i].d = d;
		break;
	}
	return true;
}

static enum xkd_rc not_found(struct xkd_target *t, const char *name, const char *plain,
			     const char *mod, struct xkd_err *err)
{
	struct near_walk w = { .want = plain };
	struct xkd_module *m = mod[0] ? xkd_target_mod_named(t, mod) : NULL;
	char pattern[160], hint[320] = "";
	size_t len = 0;

	if (mod[0] && !m)
		return xkd_err_set(err, XKD_NOTFOUND, "no module '%s' is loaded (lm lists them)%s", mod,
				   xkd_builtin_in(t, mod) ? ", and nothing built in matches" : "");
	if (m && !xkd_target_mod_image(t, m))
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no symbols: %.300s", m->name, m->why);
	snprintf(pattern, sizeof(pattern), "%s%s*", mod, mod[0] ? "!" : "");
	xkd_sym_glob(t, pattern, near_one, &w);
	for (size_t i = 0; i < XKD_COUNT(w.best) && w.best[i].name[0]; i++)
		len += (size_t)snprintf(hint + len, sizeof(hint) - len, "%s%s", i ? ", " : "",
					w.best[i].name);
	return xkd_err_set(err, XKD_NOTFOUND, "no symbol '%.120s'%s%s%s", name,
			   hint[0] ? "; near it: " : "", hint, "");
}

enum xkd_rc xkd_sym_named(struct xkd_target *t, const char *name, struct xkd_symref *sym,
			  struct xkd_err *err)
{
	char mod[128], list[400] = "";
	const char *plain = split_name(name, mod, sizeof(mod));
	struct named_walk w = { .n = 0 };
	size_t len = 0;

	if (xkd_is_glob(name))
		return xkd_err_set(err, XKD_NOTFOUND, "'%.120s' is a pattern, a name is wanted", name);
	xkd_sym_glob(t, name, named_one, &w);
	if (!w.n)
		return not_found(t, name, plain, mod, err);
	*sym = w.all[0];
	if (w.n == 1 || (sym->bind != STB_LOCAL &&
			 (w.all[1].bind == STB_LOCAL || w.all[1].mod != sym->mod)))
		return XKD_OK;
	for (size_t i = 0; i < w.n && i < MANY; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s %s", i ? ", " : "",
					w.all[i].mod->name, XKD_ADDR(w.all[i].addr));
	return xkd_err_set(err, XKD_AMBIGUOUS, "'%.100s' names %zu places: %s%s", name, w.n, list,
			   w.n > MANY ? ", ..." : "");
}
