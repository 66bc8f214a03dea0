/* Names of the index: interned once each, and the compiler's suffixes (".part.0", ".cold") that
 * only the symbol table has. Invariants: equal names are one row; by_strp answers for the millions
 * of repeats whose text a linker has put at one place of .debug_str, without a look at it. */
#include "base/str.h"
#include "symbols/index_int.h"
#include <elf.h>
#include <string.h>

void xkd_ixnames_init(struct xkd_ixnames *n, struct xkd_ixrows *rows, size_t nstrp)
{
	*n = (struct xkd_ixnames){ .rows = rows, .nstrp = nstrp };
	xkd_map_init_str(&n->map);
	n->by_strp = nstrp ? xkd_calloc(nstrp, sizeof(*n->by_strp)) : NULL;
}

void xkd_ixnames_fini(struct xkd_ixnames *n)
{
	xkd_map_fini(&n->map);
	free(n->by_strp);
}

uint32_t xkd_ixnames_add(struct xkd_ixnames *n, const char *text)
{
	uintptr_t at = (uintptr_t)xkd_map_get_str(&n->map, text);
	struct xkd_ixrow_name *row;

	if (at)
		return (uint32_t)at - 1;
	row = xkd_vec_push(&n->rows->names);
	row->text = text;
	row->base = row->type = XKD_IX_NIL;
	xkd_map_put_str(&n->map, text, (void *)(uintptr_t)n->rows->names.n);
	return (uint32_t)n->rows->names.n - 1;
}

size_t xkd_ixname_base(const char *name)
{
	static const char *const words[] = { ".part", ".isra",	   ".constprop",  ".cold",
					     ".llvm", ".lto_priv", ".localalias", ".clone" };

	for (const char *dot = strchr(name, '.'); dot && dot > name; dot = strchr(dot + 1, '.'))
		for (size_t i = 0; i < XKD_COUNT(words); i++) {
			size_t len = strlen(words[i]);

			if (!strncmp(dot, words[i], len) && (!dot[len] || dot[len] == '.'))
				return (size_t)(dot - name);
		}
	return strlen(name);
}

struct suffixed {
	uint64_t addr, size;
	const char *name;
	uint32_t func; /* row it names or is a part of, NIL */
	bool own;      /* ... names */
};
struct collect {
	XKD_VEC(struct suffixed) v;
};

static bool collect_one(void *arg, const struct xkd_sym *sym)
{
	struct collect *c = arg;
	struct suffixed *s;

	if (sym->type != STT_FUNC || !sym->name[xkd_ixname_base(sym->name)])
		return true;
	s = xkd_vec_push(&c->v);
	s->addr = sym->addr;
	s->size = sym->size;
	s->name = sym->name;
	s->func = XKD_IX_NIL;
	return true;
}

static int cmp_suffixed(const void *a, const void *b)
{
	const struct suffixed *x = a, *y = b;

	return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1) : strcmp(x->name, y->name);
}

/* The first symbol at an address. */
static struct suffixed *suffixed_at(struct collect *c, uint64_t addr)
{
	size_t lo = 0, hi = c->v.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->v.p[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->v.n && c->v.p[lo].addr == addr ? &c->v.p[lo] : NULL;
}

static uint32_t suffixed_name(struct xkd_ixnames *n, const char *name)
{
	struct xkd_ixrows *r = n->rows;
	uint32_t row = xkd_ixnames_add(n, name), base;

	if (r->names.p[row].base == XKD_IX_NIL) {
		size_t len = xkd_ixname_base(name);

		base = xkd_ixnames_add(n, xkd_arena_strndup(&r->arena, name, len));
		r->names.p[row].base = base;
	}
	return row;
}

/* A symbol that names no function's entry: a part such as f.cold, told as a row of its own. */
static void add_part(struct xkd_ixnames *n, const struct suffixed *s)
{
	struct xkd_ixrows *r = n->rows;
	struct xkd_ixrow_func *f;
	uint32_t name = suffixed_name(n, s->name);

	f = xkd_vec_push(&r->funcs);
	f->addr = s->addr;
	f->size = s->size;
	f->name = name;
	f->unit = s->func == XKD_IX_NIL ? XKD_IX_NIL : r->funcs.p[s->func].unit;
	f->die = s->func == XKD_IX_NIL ? 0 : r->funcs.p[s->func].die;
}

void xkd_ixnames_suffixes(struct xkd_ixnames *n, struct xkd_image *img,
			  const struct xkd_ixpart *parts, size_t nparts)
{
	struct xkd_ixrows *r = n->rows;
	struct collect c = { 0 };
	struct suffixed *s;
	size_t nfuncs = r->funcs.n;

	xkd_image_sym_glob(img, "*", false, collect_one, &c);
	xkd_vec_sort(&c.v, cmp_suffixed);
	for (size_t i = 0; i < nfuncs; i++) {
		struct xkd_ixrow_func *f = &r->funcs.p[i];

		s = suffixed_at(&c, f->addr);
		if (!s)
			continue;
		s->own = true;
		s->func = (uint32_t)i;
		f->name = suffixed_name(n, s->name);
	}
	for (size_t i = 0; i < nparts; i++) {
		s = suffixed_at(&c, parts[i].low);
		if (s && s->func == XKD_IX_NIL)
			s->func = parts[i].func;
	}
	for (size_t i = 0; i < c.v.n; i++)
		if (!c.v.p[i].own)
			add_part(n, &c.v.p[i]);
	xkd_vec_fini(&c.v);
}
