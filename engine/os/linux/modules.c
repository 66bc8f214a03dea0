/* The module list. The layouts are those of shapes.c. Each struct module is read whole, once; lists are bounded and cycle-checked. */
#include "engine/os/linux/linux.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULES_MAX 4096
#define SECTIONS_MAX 512
#define MODULE_MAX 65536 /* bytes of a struct module */
#define RANGES_MAX 16
#define MEM_INIT_FIRST 4 /* MOD_TEXT DATA RODATA RO_AFTER_INIT, then MOD_INIT_* */
#define MODULE_STATE_LIVE 0 /* include/linux/module.h: enum module_state */
#define MODULE_STATE_UNFORMED 3

/* This kernel's shapes of a module. */
struct layout {
	struct linux_fit mod, ranges, sects; /* sects: does not apply where it names none */
	uint64_t size, mem_n;
};

static enum xkd_rc read_layout(struct xkd_target *t, struct layout *l, struct xkd_err *err)
{
	struct xkd_err ignored;
	enum xkd_rc rc = linux_shape(t, SHAPE_MODULES, &l->mod, err);

	if (!rc)
		rc = linux_shape(t, SHAPE_RANGES, &l->ranges, err);
	if (rc)
		return rc;
	if (linux_shape(t, SHAPE_SECTIONS, &l->sects, &ignored))
		l->sects.alt = NULL;
	l->size = l->mod.at[MOD_ALL].size;
	l->mem_n = l->ranges.at[RANGE_ENTRY].size ?
			   l->ranges.at[RANGE_MEM].size / l->ranges.at[RANGE_ENTRY].size : 0;
	if (l->size > MODULE_MAX || l->mem_n > RANGES_MAX)
		return xkd_err_set(err, XKD_BADDATA, "struct module has %llu bytes and %llu ranges",
				   (unsigned long long)l->size, (unsigned long long)l->mem_n);
	return XKD_OK;
}

/* A part of the module read; off: further inside. */
static uint64_t field(const struct layout *l, const uint8_t *mod, const struct linux_place *p,
		      uint64_t off)
{
	unsigned size = p->size < 8 ? (unsigned)p->size : 8;

	off += p->off;
	return !p->there || off > l->size || size > l->size - off ? 0 : xkd_get_le(mod + off, size);
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
	bool live = field(l, b, &l->mod.at[MOD_STATE], 0) == MODULE_STATE_LIVE;
	const struct linux_place *at = l->ranges.at;

	m->init_live = !live;
	for (uint64_t i = 0; i < l->mem_n && (i < MEM_INIT_FIRST || !live); i++) {
		uint64_t off = at[RANGE_MEM].off + i * at[RANGE_ENTRY].size;

		add_range(m, field(l, b, &at[RANGE_BASE], off), field(l, b, &at[RANGE_SIZE], off));
	}
	if (at[RANGE_MEM].there)
		return;
	add_range(m, field(l, b, &at[RANGE_BASE], 0), field(l, b, &at[RANGE_SIZE], 0));
	if (!live)
		add_range(m, field(l, b, &at[RANGE_INIT_BASE], 0),
			  field(l, b, &at[RANGE_INIT_SIZE], 0));
}

static void add_section(struct xkd_target *t, struct xkd_module *m, uint64_t attr,
			const struct linux_fit *s)
{
	struct xkd_err ignored;
	struct xkd_modsec *sec;
	uint64_t name, addr;
	char buf[64];

	if (linux_part(t, s, SECT_NAME, attr, &name, &ignored) ||
	    linux_part(t, s, SECT_ADDR, attr, &addr, &ignored) ||
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
			  const struct linux_fit *s)
{
	struct xkd_err ignored;
	uint64_t n = SECTIONS_MAX, list, p;

	if (!attrs || !s->alt)
		return;
	if (s->at[SECT_COUNT].there) {
		if (linux_part(t, s, SECT_COUNT, attrs, &n, &ignored) || n > SECTIONS_MAX)
			return;
		for (uint64_t i = 0; i < n; i++)
			add_section(t, m, attrs + s->at[SECT_LIST].off + i * s->at[SECT_ENTRY].size, s);
		return;
	}
	if (linux_part(t, s, SECT_LIST, attrs, &list, &ignored)) /* a NULL-terminated array */
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

static struct xkd_module *read_module(struct xkd_target *t, const struct layout *l, uint64_t addr,
				      struct xkd_err *err)
{
	const struct linux_place *name = &l->mod.at[MOD_NAME];
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));
	uint8_t *b = xkd_calloc(1, l->size + 8);
	size_t n = name->size < sizeof(m->name) ? (size_t)name->size : sizeof(m->name) - 1;

	if (xkd_kread(t, addr, b, l->size, err)) {
		free(b);
		xkd_module_free(m);
		return NULL;
	}
	m->struct_addr = addr;
	for (size_t i = 0; i < n && name->off + i < l->size && b[name->off + i]; i++) {
		char c = (char)b[name->off + i];

		m->name[i] = c > ' ' && c < 0x7f ? c : '?';
	}
	read_ranges(l, b, m);
	read_sections(t, m, field(l, b, &l->mod.at[MOD_SECT_ATTRS], 0), &l->sects);
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
	struct layout l;
	uint64_t head = 0, list = 0, p = 0;
	size_t kept = 0, before = t->mods.n ? t->mods.n - 1 : 0;
	enum xkd_rc rc = read_layout(t, &l, err);

	if (!rc) {
		head = l.mod.at[MOD_HEAD].off;
		list = l.mod.at[MOD_LIST].off;
		rc = xkd_kread_u(t, head, 8, &p, err);
	}
	if (rc)
		return xkd_err_prepend(err, rc, "the module list");
	for (size_t i = 0; p != head && i < MODULES_MAX && !rc; i++) {
		struct xkd_module *m;
		uint64_t state;

		/* one that is still being put together has nothing to show */
		if (!linux_part(t, &l.mod, MOD_STATE, p - list, &state, err) &&
		    state == MODULE_STATE_UNFORMED) {
			rc = xkd_kread_u(t, p, 8, &p, err);
			continue;
		}
		m = read_module(t, &l, p - list, err);
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
	struct linux_fit fit;
	struct xkd_err ignored;

	if (linux_shape(t, SHAPE_LOAD_PLACE, &fit, &ignored))
		return false;
	*addr = fit.at[AT_VAR].off;
	return true;
}
