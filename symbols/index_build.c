/* The rows of an index: one walk over all entries of .debug_info by the skip reader, down into
 * functions for the inlined copies and statics there, and the file tables of the line programs.
 * Runs in a process of its own (index_job.c), which may die of what it reads.
 * Invariants: the cursor only moves forward and every entry costs constant memory, so that time and
 * memory are bounded by the file's size; entries nested deeper than DEPTH_MAX are passed over; a
 * unit that cannot be read is told in the log and left where it breaks. Of a variable all
 * definitions and one declaration are kept, of a type of one name, tag and size the first complete
 * one, a declaration only where nothing complete follows. */
#include "symbols/dwarf_skip.h"
#include "symbols/index_int.h"

#define DEPTH_MAX 1024
#define VARIANTS_MAX 64 /* types of one name */

enum ctx { CTX_TOP, CTX_FUNC, CTX_SKIP };
struct level {
	uint8_t ctx;
	uint32_t host; /* FUNC: row of the real function, NIL in an abstract one */
};
/* The name of a subprogram entry, for origins. */
struct origin {
	uint64_t off;
	uint32_t name;
	bool external;
};
/* A row whose name is that of another entry. */
enum wait_kind { WAIT_FUNC, WAIT_INL, WAIT_VAR };
struct waiting {
	uint64_t origin;
	uint32_t row;
	uint8_t kind;
};
struct walk {
	struct xkd_dwarf *d;
	struct xkd_dw_unit *u;
	uint32_t unit;
	struct xkd_ixrows *r;
	struct xkd_ixnames names;
	struct xkd_dw_abbrevs abbrevs;
	const uint8_t *base; /* of .debug_info */
	struct xkd_cur c;
	struct level stack[DEPTH_MAX];
	unsigned depth;
	XKD_VEC(struct origin) origins;	 /* of this unit, by offset */
	XKD_VEC(struct waiting) waiting; /* of this unit */
	XKD_VEC(struct waiting) foreign; /* whose origin lies in another unit */
	XKD_VEC(struct xkd_ixpart) parts;
	struct xkd_map files; /* path -> row + 1 */
};
/* What is read of an entry. */
struct entry {
	uint64_t off, sibling;
	struct xkd_dw_val name, low, high, ranges, entry_pc, loc;
	uint64_t origin, spec, type, size;
	bool declaration, external, has_size;
};

static enum xkd_tag tag_class(unsigned tag)
{
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_interface_type:
		return XKD_TAG_STRUCT;
	case DW_TAG_union_type:
		return XKD_TAG_UNION;
	case DW_TAG_enumeration_type:
		return XKD_TAG_ENUM;
	case DW_TAG_typedef:
		return XKD_TAG_TYPEDEF;
	case DW_TAG_base_type:
		return XKD_TAG_BASE;
	default:
		return XKD_TAG_ANY;
	}
}

static void take(struct xkd_dwarf *d, const struct xkd_dw_unit *u, unsigned at, const struct xkd_dw_val *x,
		 struct entry *e)
{
	switch (at) {
	case DW_AT_sibling:
		e->sibling = xkd_dw_val_ref(d, u, x);
		break;
	case DW_AT_name:
		e->name = *x;
		break;
	case DW_AT_low_pc:
		e->low = *x;
		break;
	case DW_AT_high_pc:
		e->high = *x;
		break;
	case DW_AT_ranges:
		e->ranges = *x;
		break;
	case DW_AT_entry_pc:
		e->entry_pc = *x;
		break;
	case DW_AT_location:
		e->loc = *x;
		break;
	case DW_AT_abstract_origin:
		e->origin = xkd_dw_val_ref(d, u, x);
		break;
	case DW_AT_specification:
		e->spec = xkd_dw_val_ref(d, u, x);
		break;
	case DW_AT_type:
		e->type = xkd_dw_val_ref(d, u, x);
		break;
	case DW_AT_byte_size:
		if (!x->p) {
			e->size = x->v;
			e->has_size = true;
		}
		break;
	case DW_AT_declaration:
		e->declaration = x->v;
		break;
	case DW_AT_external:
		e->external = x->v;
		break;
	}
}

static bool read_entry(struct walk *w, const struct xkd_dw_abbrev *ab, struct entry *e)
{
	for (uint32_t i = 0; i < ab->n; i++) {
		const struct xkd_dw_abattr *at = &w->abbrevs.attrs.p[ab->first + i];
		struct xkd_dw_val x;

		if (!xkd_dw_val(w->u, &w->c, at, &x))
			return false;
		take(w->d, w->u, at->at, &x, e);
	}
	return true;
}

/* The row of an entry's name; NIL: it has none. */
static uint32_t name_row(struct walk *w, const struct xkd_dw_val *x)
{
	struct xkd_ixnames *n = &w->names;
	const char *text;
	uint64_t strp;

	if (x->form == DW_FORM_strp && x->v < n->nstrp && n->by_strp[x->v])
		return n->by_strp[x->v] - 1;
	text = x->form ? xkd_dw_val_str(w->d, w->u, x, &strp) : NULL;
	if (!text || !*text)
		return XKD_IX_NIL;
	if (strp < n->nstrp) {
		if (!n->by_strp[strp])
			n->by_strp[strp] = xkd_ixnames_add(n, text) + 1;
		return n->by_strp[strp] - 1;
	}
	return xkd_ixnames_add(n, text);
}

/* --- addresses --- */

struct extent {
	struct walk *w;
	uint64_t low, size; /* of the first range; of all */
	uint64_t least;	    /* the lowest start */
	uint32_t func;	    /* later ranges become its parts; NIL: not wanted */
	bool any;
};
static bool see_range(void *arg, uint64_t low, uint64_t high)
{
	struct extent *x = arg;

	if (!x->any) {
		x->low = x->least = low;
		x->any = true;
	} else if (x->func != XKD_IX_NIL) {
		*xkd_vec_push(&x->w->parts) = (struct xkd_ixpart){ low, high, x->func };
		return true;
	}
	if (low < x->least)
		x->least = low;
	x->size += high - low;
	return true;
}

/* Where an entry's code lies; false: it has none. */
static bool extent_of(struct walk *w, const struct entry *e, struct extent *x)
{
	uint64_t low, high;

	if (e->ranges.form) {
		xkd_dw_ranges_at(w->d, w->u, e->ranges.form, e->ranges.v, see_range, x);
		/* an inlined copy of which no code is left still has its place */
		return x->any || e->entry_pc.form == DW_FORM_addr;
	}
	if (!e->low.form || !xkd_dw_val_addr(w->d, w->u, &e->low, &low))
		return false;
	if (!e->high.form)
		high = low;
	else if (!xkd_dw_val_addr(w->d, w->u, &e->high, &high))
		high = low + e->high.v;
	x->any = true;
	x->low = x->least = low;
	x->size = high > low ? high - low : 0;
	return true;
}

/* Where an entry is entered: entry_pc, or its first range. */
static uint64_t entry_of(struct walk *w, const struct entry *e, uint64_t low, uint64_t least)
{
	uint64_t addr;

	if (!e->entry_pc.form)
		return low;
	if (xkd_dw_val_addr(w->d, w->u, &e->entry_pc, &addr))
		return addr;
	/* A constant counts from the entry's base address. */
	if (e->low.form && xkd_dw_val_addr(w->d, w->u, &e->low, &addr))
		return addr + e->entry_pc.v;
	return least + e->entry_pc.v;
}

/* DW_OP_addr or addrx, alone or with a constant added. */
static bool static_address(struct walk *w, const struct xkd_dw_val *loc, uint64_t *addr)
{
	struct xkd_cur c = { .p = loc->p };
	uint64_t op;

	if (!loc->n)
		return false;
	c.end = loc->p + loc->n;
	op = xkd_cur_get(&c, 1);
	if (op == DW_OP_addr)
		*addr = xkd_cur_get(&c, w->u->addr_size);
	else if (op != DW_OP_addrx || !xkd_dw_addrx(w->d, w->u, xkd_cur_uleb(&c), addr))
		return false;
	if (!c.bad && c.p < c.end && *c.p == DW_OP_plus_uconst) {
		c.p++;
		*addr += xkd_cur_uleb(&c);
	}
	return !c.bad && c.p == c.end;
}

/* --- rows --- */

static void wait_for(struct walk *w, uint64_t origin, enum wait_kind kind, size_t row)
{
	*xkd_vec_push(&w->waiting) = (struct waiting){ origin, (uint32_t)row, (uint8_t)kind };
}

static void add_type(struct walk *w, enum xkd_tag tag, const struct entry *e)
{
	struct xkd_ixrows *r = w->r;
	uint32_t name = name_row(w, &e->name), last = XKD_IX_NIL, *first;
	struct xkd_ixrow_type *t;
	unsigned n = 0;

	if (name == XKD_IX_NIL)
		return;
	first = &r->names.p[name].type;
	for (uint32_t i = *first; i != XKD_IX_NIL; last = i, i = t->next) {
		t = &r->types.p[i];
		if (++n == VARIANTS_MAX)
			return;
		if (t->tag != tag)
			continue;
		if (e->declaration)
			return;
		if (t->decl) { /* what stands complete takes its place */
			t->decl = false;
			t->size = e->size;
			t->die = e->off;
			t->unit = w->unit;
			return;
		}
		if (tag == XKD_TAG_TYPEDEF || t->size == e->size)
			return;
	}
	if (r->types.n == XKD_IX_NIL - 1)
		return;
	if (last == XKD_IX_NIL)
		*first = (uint32_t)r->types.n;
	else
		r->types.p[last].next = (uint32_t)r->types.n;
	t = xkd_vec_push(&r->types);
	*t = (struct xkd_ixrow_type){ .size = e->size,
				      .die = e->off,
				      .name = name,
				      .unit = w->unit,
				      .next = XKD_IX_NIL,
				      .tag = (uint8_t)tag,
				      .decl = e->declaration };
}

/* A definition may stand apart from its declaration (specification) or, a static in an inlined
 * function, from its abstract entry: these have its name and type. */
static void add_var(struct walk *w, const struct entry *e, bool local)
{
	struct xkd_ixrows *r = w->r;
	uint32_t name = name_row(w, &e->name);
	uint64_t other = e->spec ? e->spec : e->origin, addr = 0;
	bool has_addr = static_address(w, &e->loc, &addr);
	struct xkd_ixrow_var *v;

	if (local && !has_addr)
		return;
	if (name == XKD_IX_NIL && !other)
		return;
	if (name != XKD_IX_NIL && !local && !other) {
		uint8_t bit = e->declaration ? 1 : 2;

		if (e->declaration && r->names.p[name].seen_var)
			return;
		r->names.p[name].seen_var |= bit;
	}
	v = xkd_vec_push(&r->vars);
	*v = (struct xkd_ixrow_var){ .addr = has_addr ? addr : 0,
				     .die = e->off,
				     .type = e->type,
				     .name = name,
				     .unit = w->unit,
				     .has_addr = has_addr,
				     .external = e->external,
				     .decl = e->declaration,
				     .local = local };
	if (other)
		wait_for(w, other, WAIT_VAR, r->vars.n - 1);
	if (name != XKD_IX_NIL && !local)
		*xkd_vec_push(&w->origins) = (struct origin){ e->off, name, e->external };
}

/* A subprogram; the level that its children are read at. */
static struct level add_func(struct walk *w, const struct entry *e)
{
	struct xkd_ixrows *r = w->r;
	uint32_t name = name_row(w, &e->name);
	struct extent x = { .w = w, .func = (uint32_t)r->funcs.n };
	struct xkd_ixrow_func *f;

	if (name != XKD_IX_NIL)
		*xkd_vec_push(&w->origins) = (struct origin){ e->off, name, e->external };
	if (e->declaration)
		return (struct level){ CTX_SKIP, XKD_IX_NIL };
	if (!extent_of(w, e, &x))
		return (struct level){ CTX_FUNC, XKD_IX_NIL };
	f = xkd_vec_push(&r->funcs);
	*f = (struct xkd_ixrow_func){ .addr = entry_of(w, e, x.low, x.least),
				      .size = x.size,
				      .die = e->off,
				      .name = name,
				      .unit = w->unit,
				      .external = e->external };
	if (name == XKD_IX_NIL)
		wait_for(w, e->origin ? e->origin : e->spec, WAIT_FUNC, r->funcs.n - 1);
	return (struct level){ CTX_FUNC, (uint32_t)r->funcs.n - 1 };
}

static void add_inl(struct walk *w, const struct entry *e, uint32_t host)
{
	struct xkd_ixrows *r = w->r;
	struct extent x = { .w = w, .func = XKD_IX_NIL };

	if (!extent_of(w, e, &x))
		return;
	*xkd_vec_push(&r->inls) = (struct xkd_ixrow_inl){ .addr = entry_of(w, e, x.low, x.least),
							  .size = x.size,
							  .die = e->off,
							  .name = XKD_IX_NIL,
							  .host = host };
	wait_for(w, e->origin, WAIT_INL, r->inls.n - 1);
}

/* --- the walk --- */

static void push(struct walk *w, struct level l)
{
	if (w->depth + 1 < DEPTH_MAX)
		w->stack[++w->depth] = l;
	else
		w->c.bad = true;
}

/* Past an entry whose children are of no interest. */
static bool pass(struct walk *w, const struct xkd_dw_abbrev *ab, uint64_t off)
{
	struct entry e = { .off = off };
	const uint8_t *p;

	if (!ab->children)
		return xkd_dw_skip_values(w->u, &w->abbrevs, ab, &w->c);
	if (ab->sib_off >= 0) {
		if (!xkd_cur_need(&w->c, (uint64_t)ab->sib_off + 4))
			return false;
		e.sibling = w->u->off + xkd_get_le(w->c.p + ab->sib_off, 4);
	}
	if (!xkd_dw_skip_values(w->u, &w->abbrevs, ab, &w->c))
		return false;
	p = w->base + e.sibling;
	if (e.sibling && e.sibling <= w->u->end && p > w->c.p)
		w->c.p = p;
	else
		push(w, (struct level){ CTX_SKIP, XKD_IX_NIL });
	return true;
}

static bool at_top(struct walk *w, const struct xkd_dw_abbrev *ab, uint64_t off)
{
	struct entry e = { .off = off };
	enum xkd_tag tag = tag_class(ab->tag);
	struct level next = { CTX_SKIP, XKD_IX_NIL };

	if (tag == XKD_TAG_ANY && ab->tag != DW_TAG_variable && ab->tag != DW_TAG_subprogram) {
		if (ab->tag != DW_TAG_namespace && ab->tag != DW_TAG_module)
			return pass(w, ab, off);
		next.ctx = CTX_TOP;
	}
	if (!read_entry(w, ab, &e))
		return false;
	if (ab->tag == DW_TAG_subprogram)
		next = add_func(w, &e);
	else if (ab->tag == DW_TAG_variable)
		add_var(w, &e, false);
	else if (tag != XKD_TAG_ANY)
		add_type(w, tag, &e);
	if (!ab->children)
		return true;
	if (next.ctx == CTX_SKIP && e.sibling <= w->u->end && w->base + e.sibling > w->c.p)
		w->c.p = w->base + e.sibling;
	else
		push(w, next);
	return true;
}

/* Only a variable whose location is an expression can be a static one. */
static bool may_be_static(const struct walk *w, const struct xkd_dw_abbrev *ab)
{
	for (uint32_t i = 0; i < ab->n; i++)
		if (w->abbrevs.attrs.p[ab->first + i].at == DW_AT_location)
			return w->abbrevs.attrs.p[ab->first + i].size < 0;
	return false;
}

static bool in_func(struct walk *w, const struct xkd_dw_abbrev *ab, uint64_t off, uint32_t host)
{
	struct entry e = { .off = off };
	struct level next = { CTX_FUNC, host };

	switch (ab->tag) {
	case DW_TAG_subprogram: /* nested, or a declaration in a block */
		return at_top(w, ab, off);
	case DW_TAG_variable:
		if (!may_be_static(w, ab))
			return pass(w, ab, off);
		if (!read_entry(w, ab, &e))
			return false;
		add_var(w, &e, true);
		next.ctx = CTX_SKIP;
		break;
	case DW_TAG_inlined_subroutine:
		if (!read_entry(w, ab, &e))
			return false;
		if (host != XKD_IX_NIL)
			add_inl(w, &e, host);
		break;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		if (!xkd_dw_skip_values(w->u, &w->abbrevs, ab, &w->c))
			return false;
		break;
	default:
		return pass(w, ab, off);
	}
	if (ab->children)
		push(w, next);
	return true;
}

/* All entries below the root, whose values have been read. */
static bool walk_entries(struct walk *w)
{
	w->depth = 0;
	w->stack[0] = (struct level){ CTX_TOP, XKD_IX_NIL };
	while (w->c.p < w->c.end && !w->c.bad) {
		uint64_t off = (uint64_t)(w->c.p - w->base), code = xkd_cur_uleb(&w->c);
		struct level l = w->stack[w->depth];
		const struct xkd_dw_abbrev *ab;
		bool good;

		if (!code) {
			if (!w->depth)
				return !w->c.bad;
			w->depth--;
			continue;
		}
		ab = xkd_dw_abbrev(&w->abbrevs, code);
		if (!ab)
			return false;
		if (l.ctx == CTX_SKIP)
			good = pass(w, ab, off);
		else if (l.ctx == CTX_TOP)
			good = at_top(w, ab, off);
		else
			good = in_func(w, ab, off, l.host);
		if (!good)
			return false;
	}
	return !w->c.bad;
}

/* --- names that other entries have --- */

static const struct origin *find_origin(const struct walk *w, uint64_t off)
{
	size_t lo = 0, hi = w->origins.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->origins.p[mid].off < off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->origins.n && w->origins.p[lo].off == off ? &w->origins.p[lo] : NULL;
}

static void give_name(struct walk *w, const struct waiting *x, uint32_t name, bool external)
{
	struct xkd_ixrows *r = w->r;

	if (x->kind == WAIT_INL) {
		r->inls.p[x->row].name = name;
		return;
	}
	if (x->kind == WAIT_FUNC) {
		r->funcs.p[x->row].name = name;
		r->funcs.p[x->row].external |= external;
		return;
	}
	if (r->vars.p[x->row].name == XKD_IX_NIL)
		r->vars.p[x->row].name = name;
	r->vars.p[x->row].external |= external;
	if (!r->vars.p[x->row].decl && !r->vars.p[x->row].local)
		r->names.p[name].seen_var |= 2;
}

/* The name at an entry of any unit, following its own origins. Sets the walk to that unit. */
static bool look_up(struct walk *w, uint64_t off, struct origin *o)
{
	for (int hops = 0; off && hops < XKD_DW_DEPTH; hops++) {
		struct xkd_dw_unit *u = xkd_dw_unit_of(w->d, off);
		const struct xkd_dw_abbrev *ab;
		struct entry e = { .off = off };
		bool children;

		if (!u || off < u->die_off || !xkd_dw_abbrevs(w->d, u, &w->abbrevs))
			return false;
		w->u = u;
		w->c = xkd_dw_cur(xkd_dw_section(w->d, XKD_DW_INFO), u->die_off);
		w->c.end = w->base + u->end;
		if (!u->root_known && !xkd_dw_skip_root(w->d, u, &w->abbrevs, &w->c, &children))
			return false;
		w->c.p = w->base + off;
		ab = xkd_dw_abbrev(&w->abbrevs, xkd_cur_uleb(&w->c));
		if (w->c.bad || !ab || !read_entry(w, ab, &e))
			return false;
		o->external |= e.external;
		o->name = name_row(w, &e.name);
		if (o->name != XKD_IX_NIL)
			return true;
		off = e.origin ? e.origin : e.spec;
	}
	return false;
}

/* At the end of a unit: what is not found in it waits for the end. */
static void settle_unit(struct walk *w)
{
	for (size_t i = 0; i < w->waiting.n; i++) {
		const struct waiting *x = &w->waiting.p[i];
		const struct origin *o = find_origin(w, x->origin);

		if (o)
			give_name(w, x, o->name, o->external);
		else if (x->origin)
			*xkd_vec_push(&w->foreign) = *x;
	}
	xkd_vec_reset(&w->waiting);
	xkd_vec_reset(&w->origins);
}

static int cmp_waiting(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	return x->origin < y->origin ? -1 : x->origin > y->origin;
}

static void settle_foreign(struct walk *w)
{
	struct origin o = { .off = 0 };

	xkd_vec_sort(&w->foreign, cmp_waiting);
	for (size_t i = 0; i < w->foreign.n; i++) {
		const struct waiting *x = &w->foreign.p[i];

		if (!i || x->origin != o.off) {
			o = (struct origin){ .off = x->origin, .name = XKD_IX_NIL };
			if (!look_up(w, x->origin, &o))
				o.name = XKD_IX_NIL;
		}
		if (o.name != XKD_IX_NIL)
			give_name(w, x, o.name, o.external);
	}
}

/* --- units --- */

static void add_files(struct walk *w)
{
	struct xkd_ixrows *r = w->r;

	if (!xkd_dw_files(w->d, w->u))
		return;
	for (uint64_t i = 0; i <= w->u->files.nfiles; i++) {
		const char *path = xkd_dw_path(w->d, w->u, i);
		uintptr_t at;
		struct xkd_ixrow_file *f;

		if (!path || !*path)
			continue;
		at = (uintptr_t)xkd_map_get_str(&w->files, path);
		if (!at) {
			xkd_vec_push(&r->files)->path = path;
			at = r->files.n;
			xkd_map_put_str(&w->files, path, (void *)at);
		}
		f = &r->files.p[at - 1];
		if (!f->units.n || f->units.p[f->units.n - 1] != w->unit)
			*xkd_vec_push(&f->units) = w->unit;
	}
	xkd_dw_files_drop(w->u);
}

static bool walk_unit(struct walk *w)
{
	struct xkd_ixrow_unit *row = xkd_vec_push(&w->r->units);
	bool children, good = true;

	row->off = w->u->off;
	w->unit = (uint32_t)w->r->units.n - 1;
	w->c = xkd_dw_cur(xkd_dw_section(w->d, XKD_DW_INFO), w->u->die_off);
	w->c.end = w->base + w->u->end;
	if (!xkd_dw_abbrevs(w->d, w->u, &w->abbrevs) ||
	    !xkd_dw_skip_root(w->d, w->u, &w->abbrevs, &w->c, &children))
		return false;
	if (children)
		good = walk_entries(w);
	settle_unit(w);
	row->name = xkd_dw_unit_path(w->d, w->u);
	add_files(w);
	return good;
}

static void walk_units(struct walk *w, struct xkd_image *img, struct xkd_log *log)
{
	uint64_t total = xkd_dw_section(w->d, XKD_DW_INFO).n;

	for (size_t i = 0; i < w->d->units.n; i++) {
		w->u = &w->d->units.p[i];
		xkd_dw_begin(w->d);
		if (!walk_unit(w))
			xkd_log(log, XKD_LOG_WARN, "%s: the unit at .debug_info 0x%llx is broken",
				xkd_image_path(img), (unsigned long long)w->u->off);
		if (!(i & 63))
			xkd_progress(log, "indexing", w->u->end, 2 * total); /* then the store */
	}
}

/* Rows that have found no name, and declarations of variables that are defined somewhere. */
static void drop_useless(struct xkd_ixrows *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->vars.n; i++) {
		const struct xkd_ixrow_var *v = &r->vars.p[i];

		if (v->name == XKD_IX_NIL || (v->decl && (r->names.p[v->name].seen_var & 2)))
			continue;
		r->vars.p[n++] = *v;
	}
	r->vars.n = n;
}

enum xkd_rc xkd_ixrows_build(struct xkd_image *img, struct xkd_ixrows *r, struct xkd_log *log,
			     struct xkd_err *err)
{
	struct walk *w = xkd_calloc(1, sizeof(*w));
	enum xkd_rc rc = xkd_image_dwarf(img, &w->d, err);

	memset(r, 0, sizeof(*r));
	xkd_arena_init(&r->arena);
	if (!rc)
		rc = xkd_dw_units(w->d, err);
	if (!rc) {
		w->r = r;
		w->base = xkd_dw_section(w->d, XKD_DW_INFO).p;
		xkd_ixnames_init(&w->names, r, xkd_dw_section(w->d, XKD_DW_STR).n);
		xkd_map_init_str(&w->files);
		walk_units(w, img, log);
		settle_foreign(w);
		drop_useless(r);
		xkd_ixnames_suffixes(&w->names, img, w->parts.p, w->parts.n);
		xkd_ixnames_fini(&w->names);
		xkd_map_fini(&w->files);
	}
	xkd_dw_abbrevs_fini(&w->abbrevs);
	xkd_vec_fini(&w->origins);
	xkd_vec_fini(&w->waiting);
	xkd_vec_fini(&w->foreign);
	xkd_vec_fini(&w->parts);
	free(w);
	return rc;
}

void xkd_ixrows_fini(struct xkd_ixrows *r)
{
	for (size_t i = 0; i < r->files.n; i++)
		xkd_vec_fini(&r->files.p[i].units);
	xkd_vec_fini(&r->names);
	xkd_vec_fini(&r->funcs);
	xkd_vec_fini(&r->inls);
	xkd_vec_fini(&r->vars);
	xkd_vec_fini(&r->types);
	xkd_vec_fini(&r->files);
	xkd_vec_fini(&r->units);
	xkd_arena_fini(&r->arena);
}
