/* The module list. Every layout is told by members: core_layout or mem[] or module_core, sect_attrs
 * in its three shapes. Each struct module is read whole, once; lists are bounded and cycle-checked. */
#include "engine/os/linux/linux.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULES_MAX 4096
#define SECTIONS_MAX 512
#define MODULE_STATE_LIVE 0 /* include/linux/module.h: enum module_state */
#define MODULE_STATE_UNFORMED 3

/* Offsets that this kernel's struct module has; -1 where a member is absent. */
struct layout {
	int64_t list, name, state, core_base, core_size, init_base, init_size, sect_attrs;
	int64_t mem;
	uint64_t name_len, size, core_size_len, mem_n, mem_stride, mem_base, mem_size;
	uint64_t mem_init_first; /* index of the first MOD_INIT_* */
};

static int64_t off_of(struct xkd_target *t, const char *path, uint64_t *size)
{
	struct xkd_err ignored;
	uint64_t off;

	return xkd_offsetof(t, "module", path, &off, size, &ignored) ? -1 : (int64_t)off;
}

static enum xkd_rc read_layout(struct xkd_target *t, struct layout *l, struct xkd_err *err)
{
	const struct xkd_type *type;
	struct xkd_err ignored;
	uint64_t all = 0;
	enum xkd_rc rc = xkd_type_named(t, xkd_target_kernel(t), XKD_TAG_STRUCT, "module", &type, err);

	if (rc)
		return rc;
	*l = (struct layout){ .size = type->size };
	l->list = off_of(t, "list", NULL);
	l->name = off_of(t, "name", &l->name_len);
	l->state = off_of(t, "state", NULL);
	l->sect_attrs = off_of(t, "sect_attrs", NULL);
	l->core_base = off_of(t, "core_layout.base", NULL);
	l->core_size = off_of(t, "core_layout.size", &l->core_size_len);
	l->init_base = off_of(t, "init_layout.base", NULL);
	l->init_size = off_of(t, "init_layout.size", NULL);
	if (l->core_base < 0) {
		l->core_base = off_of(t, "module_core", NULL);
		l->core_size = off_of(t, "core_size", &l->core_size_len);
	}
	l->mem = off_of(t, "mem", &all);
	if (l->mem >= 0) {
		uint64_t stride;

		rc = xkd_offsetof(t, "module_memory", "", &stride, &l->mem_stride, err);
		if (!rc)
			rc = xkd_offsetof(t, "module_memory", "base", &l->mem_base, NULL, err);
		if (!rc)
			rc = xkd_offsetof(t, "module_memory", "size", &l->mem_size, NULL, err);
		if (rc)
			return rc;
		l->mem_n = l->mem_stride ? all / l->mem_stride : 0;
		l->mem_init_first = 4; /* MOD_TEXT DATA RODATA RO_AFTER_INIT, then MOD_INIT_* (6.4) */
		(void)ignored;
	}
	if (l->list < 0 || l->name < 0 || (l->core_base < 0 && l->mem < 0) || l->size > 65536 ||
	    l->mem_n > 16)
		return xkd_err_set(err, XKD_BADDATA, "struct module has none of the layouts known");
	return XKD_OK;
}

static uint64_t field(const uint8_t *mod, int64_t off, unsigned size)
{
	return off < 0 ? 0 : xkd_get_le(mod + off, size);
}

static void add_range(struct xkd_module *m, uint64_t start, uint64_t size)
{
	struct xkd_modrange *r;

	if (!start || !size || size > 1u << 30)
		return;
	r = xkd_vec_push(&m->ranges);
	r->start = start;
	r->size = size;
}

static void read_ranges(const struct layout *l, const uint8_t *b, struct xkd_module *m)
{
	bool live = l->state < 0 || field(b, l->state, 4) == MODULE_STATE_LIVE;

	m->init_live = !live;
	if (l->mem >= 0) {
		for (uint64_t i = 0; i < l->mem_n; i++) {
			int64_t at = l->mem + (int64_t)(i * l->mem_stride);

			if (i >= l->mem_init_first && live)
				break;
			add_range(m, field(b, at + (int64_t)l->mem_base, 8),
				  field(b, at + (int64_t)l->mem_size, 4));
		}
		return;
	}
	add_range(m, field(b, l->core_base, 8), field(b, l->core_size, (unsigned)l->core_size_len));
	if (!live)
		add_range(m, field(b, l->init_base, 8), field(b, l->init_size, 4));
}

/* How sect_attrs lies in this kernel. */
struct sect_layout {
	uint64_t nsections, attrs, stride, name, addr;
	bool has_count; /* else a NULL-terminated array of pointers (6.14) */
	bool ok;
};

static void sect_layout(struct xkd_target *t, struct sect_layout *s)
{
	struct xkd_err ignored;
	uint64_t sz;

	*s = (struct sect_layout){ .ok = false };
	if (!xkd_offsetof(t, "module_sect_attrs", "nsections", &s->nsections, NULL, &ignored)) {
		s->has_count = true;
		s->ok = !xkd_offsetof(t, "module_sect_attrs", "attrs", &s->attrs, NULL, &ignored) &&
			!xkd_offsetof(t, "module_sect_attr", "", &sz, &s->stride, &ignored) &&
			!xkd_offsetof(t, "module_sect_attr", "address", &s->addr, NULL, &ignored) &&
			(!xkd_offsetof(t, "module_sect_attr", "battr.attr.name", &s->name, NULL,
				       &ignored) ||
			 !xkd_offsetof(t, "module_sect_attr", "name", &s->name, NULL, &ignored));
		return;
	}
	s->ok = !xkd_offsetof(t, "module_sect_attrs", "grp.bin_attrs", &s->attrs, NULL, &ignored) &&
		!xkd_offsetof(t, "bin_attribute", "private", &s->addr, NULL, &ignored) &&
		!xkd_offsetof(t, "bin_attribute", "attr.name", &s->name, NULL, &ignored);
}

static void add_section(struct xkd_target *t, struct xkd_module *m, uint64_t attr,
			const struct sect_layout *s)
{
	struct xkd_err ignored;
	struct xkd_modsec *sec;
	uint64_t name, addr;
	char buf[64];

	if (xkd_kread_u(t, attr + s->name, 8, &name, &ignored) ||
	    xkd_kread_u(t, attr + s->addr, 8, &addr, &ignored) ||
	    xkd_kread_str(t, name, buf, sizeof(buf), &ignored))
		return;
	/* Sections of freed init memory still stand in the list: what is there is not theirs. */
	if (!xkd_module_has(m, addr))
		return;
	sec = xkd_vec_push(&m->secs);
	memcpy(sec->name, buf, sizeof(sec->name));
	sec->addr = addr;
}

static void read_sections(struct xkd_target *t, struct xkd_module *m, uint64_t attrs,
			  const struct sect_layout *s)
{
	struct xkd_err ignored;
	uint64_t n = SECTIONS_MAX, list, p;

	if (!attrs || !s->ok)
		return;
	if (s->has_count) {
		if (xkd_kread_u(t, attrs + s->nsections, 4, &n, &ignored) || n > SECTIONS_MAX)
			return;
		for (uint64_t i = 0; i < n; i++)
			add_section(t, m, attrs + s->attrs + i * s->stride, s);
		return;
	}
	if (xkd_kread_u(t, attrs + s->attrs, 8, &list, &ignored))
		return;
	for (uint64_t i = 0; i < n && !xkd_kread_u(t, list + 8 * i, 8, &p, &ignored) && p; i++)
		add_section(t, m, p, s);
}

static void read_id(struct xkd_target *t, struct xkd_module *m)
{
	struct xkd_err ignored;
	uint8_t note[36];

	for (size_t i = 0; i < m->secs.n; i++)
		if (!strcmp(m->secs.p[i].name, ".note.gnu.build-id") &&
		    !xkd_kread(t, m->secs.p[i].addr, note, sizeof(note), &ignored) &&
		    xkd_buildid_from_notes(note, sizeof(note), &m->id))
			m->id.n = 0;
}

static struct xkd_module *read_module(struct xkd_target *t, const struct layout *l,
				      const struct sect_layout *s, uint64_t addr,
				      struct xkd_err *err)
{
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));
	uint8_t *b = xkd_calloc(1, l->size + 8);
	size_t n = l->name_len < sizeof(m->name) ? (size_t)l->name_len : sizeof(m->name) - 1;

	if (xkd_kread(t, addr, b, l->size, err)) {
		free(b);
		xkd_module_free(m);
		return NULL;
	}
	m->struct_addr = addr;
	for (size_t i = 0; i < n && b[l->name + (int64_t)i]; i++) {
		char c = (char)b[l->name + (int64_t)i];

		m->name[i] = c > ' ' && c < 0x7f ? c : '?';
	}
	read_ranges(l, b, m);
	read_sections(t, m, field(b, l->sect_attrs, 8), s);
	read_id(t, m);
	free(b);
	if (!m->name[0] || !m->ranges.n) {
		xkd_module_free(m);
		xkd_err_addr(err, XKD_BADDATA, addr, "struct module at %s makes no sense",
			     XKD_ADDR(addr));
		return NULL;
	}
	return m;
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = xkd_module_start(*(struct xkd_module *const *)a);
	uint64_t y = xkd_module_start(*(struct xkd_module *const *)b);

	return x < y ? -1 : x > y;
}

/* A module that is as it was keeps its image and its state. */
static bool keep_old(struct xkd_module **old, size_t n, struct xkd_module *m)
{
	for (size_t i = 0; i < n; i++) {
		struct xkd_module *o = old[i];

		if (!o || o->struct_addr != m->struct_addr || strcmp(o->name, m->name) ||
		    xkd_module_start(o) != xkd_module_start(m) || o->init_live != m->init_live ||
		    o->secs.n != m->secs.n || !xkd_buildid_eq(&o->id, &m->id))
			continue;
		xkd_module_free(m);
		old[i] = NULL;
		return true;
	}
	return false;
}

enum xkd_rc linux_modules(struct xkd_target *t, struct xkd_err *err)
{
	XKD_VEC(struct xkd_module *) fresh = { 0 };
	struct sect_layout s;
	struct xkd_symref head;
	struct layout l;
	uint64_t p = 0;
	size_t kept = 0, before = t->mods.n ? t->mods.n - 1 : 0;
	enum xkd_rc rc = xkd_sym_named(t, "lk!modules", &head, err);

	if (rc == XKD_AMBIGUOUS) /* the data object, not a function of that name: first is global */
		rc = XKD_OK;
	if (!rc)
		rc = read_layout(t, &l, err);
	if (!rc)
		rc = xkd_kread_u(t, head.addr, 8, &p, err);
	if (rc)
		return xkd_err_prepend(err, rc, "the module list");
	sect_layout(t, &s);
	for (size_t i = 0; p != head.addr && i < MODULES_MAX && !rc; i++) {
		struct xkd_module *m;
		uint64_t state;

		/* one that is still being put together has nothing to show */
		if (l.state >= 0 &&
		    !xkd_kread_u(t, p - (uint64_t)l.list + (uint64_t)l.state, 4, &state, err) &&
		    state == MODULE_STATE_UNFORMED) {
			rc = xkd_kread_u(t, p, 8, &p, err);
			continue;
		}
		m = read_module(t, &l, &s, p - (uint64_t)l.list, err);
		if (!m || (rc = xkd_kread_u(t, p, 8, &p, err))) {
			xkd_module_free(m);
			rc = XKD_BADDATA; /* what came so far is kept */
			break;
		}
		for (size_t k = 1; k < t->mods.n; k++) {
			struct xkd_module *o = t->mods.p[k];

			if (o && keep_old(&t->mods.p[k], 1, m)) {
				m = o;
				kept++;
				break;
			}
		}
		*xkd_vec_push(&fresh) = m;
	}
	xkd_vec_sort(&fresh, by_start);
	for (size_t k = 1; k < t->mods.n; k++)
		xkd_module_free(t->mods.p[k]);
	t->mods.n = 1;
	for (size_t i = 0; i < fresh.n; i++)
		*xkd_vec_push(&t->mods) = fresh.p[i];
	if (kept != before || fresh.n != before)
		t->gen.modules++;
	xkd_vec_fini(&fresh);
	return rc ? xkd_err_prepend(err, rc, "the module list breaks off after %zu", t->mods.n - 1) :
		    XKD_OK;
}

/* kernel/module/main.c: relocated, in the list, its sections told, its init function not run yet. */
bool linux_load_place(struct xkd_target *t, uint64_t *addr)
{
	struct xkd_symref sym;
	struct xkd_err ignored;

	if (xkd_sym_named(t, "lk!do_init_module", &sym, &ignored))
		return false;
	*addr = sym.addr;
	return true;
}
