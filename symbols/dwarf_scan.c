/* The scan of the top-level entries of all units: names of types and of variables, for questions by
 * name. Made at the first such question, in memory; a canceled scan goes on where it stopped.
 * Invariants: of types of one tag and name the first complete one is kept, a declaration only until
 * then; of variables every definition and one declaration a name. seen[] (by offset in .debug_str,
 * where a linker has made equal names one) answers for the millions of repeats without a look at
 * the name. A unit that cannot be read is told in the log and left where it breaks. */
#include "symbols/dwarf_skip.h"

struct stype {
	struct stype *next; /* same name, another tag */
	const char *name;
	uint64_t off;
	enum xkd_tag tag;
	bool decl;
};
struct svar {
	struct svar *next; /* same name */
	const char *name;
	uint64_t off, addr;
	bool has_addr, external, decl;
};
struct xkd_dw_scan {
	struct xkd_arena arena;
	struct xkd_map types, vars;    /* name -> first stype, svar */
	XKD_VEC(struct stype *) order; /* types as met */
	uint16_t *seen;
	size_t next_unit;
	struct xkd_dw_abbrevs abbrevs;
};
#define SEEN_DECL 8 /* shift from a tag's bit to the bit of its declaration */
#define SEEN_VAR_DECL 1

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

static bool is_scope(unsigned tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module;
}

static bool wanted(unsigned tag)
{
	return tag_class(tag) != XKD_TAG_ANY || tag == DW_TAG_variable || is_scope(tag) ||
	       tag == DW_TAG_compile_unit || tag == DW_TAG_partial_unit;
}

/* Was this name met with these bits already? Notes it. */
static bool seen(struct xkd_dw_scan *s, const struct xkd_dw_brief *b, unsigned bits)
{
	if (b->strp == ~0ULL || !s->seen)
		return false;
	if (s->seen[b->strp] & bits)
		return true;
	s->seen[b->strp] |= (uint16_t)bits;
	return false;
}

/* The name is foreign: it must end within its section. */
static bool sound_name(struct xkd_dwarf *d, const struct xkd_dw_brief *b)
{
	if (!b->name || !*b->name)
		return false;
	return b->strp == ~0ULL || xkd_dw_section_str(d, XKD_DW_STR, b->strp);
}

static void add_type(struct xkd_dwarf *d, const struct xkd_dw_brief *b)
{
	struct xkd_dw_scan *s = d->scan;
	enum xkd_tag tag = tag_class(b->tag);
	struct stype *first, *t;

	if (!b->name || !*b->name)
		return;
	/* A complete one makes later declarations uninteresting, too. */
	if (seen(s, b, b->declaration ? 1u << (tag + SEEN_DECL) : 1u << tag) || !sound_name(d, b))
		return;
	first = xkd_map_get_str(&s->types, b->name);
	for (t = first; t && t->tag != tag; t = t->next)
		;
	if (t && (!t->decl || b->declaration))
		return;
	if (!t) {
		t = XKD_NEW(&s->arena, struct stype);
		t->name = b->name;
		t->tag = tag;
		t->next = first;
		xkd_map_put_str(&s->types, first ? first->name : t->name, t);
		*xkd_vec_push(&s->order) = t;
	}
	t->decl = b->declaration;
	t->off = b->off;
}

/* DW_OP_addr or addrx, alone or with a constant added. */
static bool static_address(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_brief *b,
			   uint64_t *addr)
{
	struct xkd_dw_cur c = { .p = b->loc, .end = b->loc + b->loc_len };
	uint64_t op;

	if (!b->loc)
		return false;
	op = xkd_dw_get(&c, 1);
	if (op == DW_OP_addr)
		*addr = xkd_dw_get(&c, u->addr_size);
	else if (op != DW_OP_addrx || !xkd_dw_unit_root(d, u) ||
		 !xkd_dw_addrx(d, u, xkd_dw_uleb(&c), addr))
		return false;
	if (!c.bad && c.p < c.end && *c.p == DW_OP_plus_uconst) {
		c.p++;
		*addr += xkd_dw_uleb(&c);
	}
	return !c.bad && c.p == c.end;
}

/* The name and linkage of a definition that stands apart from its declaration. */
static void from_spec(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_brief *b)
{
	struct xkd_dw_cur c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_INFO), b->spec);
	struct xkd_dw_brief spec;

	if (b->spec < u->die_off || b->spec >= u->end)
		return; /* another unit: nothing that a C compiler writes */
	c.end = d->sec[XKD_DW_INFO].p + u->end;
	if (!xkd_dw_brief(d, u, &d->scan->abbrevs, &c, &spec))
		return;
	if (!b->name) {
		b->name = spec.name;
		b->strp = spec.strp;
	}
	b->external |= spec.external;
}

static void add_var(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_brief *b)
{
	struct xkd_dw_scan *s = d->scan;
	struct svar *first, *v;

	if (b->spec)
		from_spec(d, u, b);
	if (!b->name || (b->declaration && seen(s, b, SEEN_VAR_DECL)) || !sound_name(d, b))
		return;
	first = xkd_map_get_str(&s->vars, b->name);
	if (first && b->declaration)
		return;
	v = XKD_NEW(&s->arena, struct svar);
	v->name = b->name;
	v->off = b->off;
	v->external = b->external;
	v->decl = b->declaration;
	v->has_addr = static_address(d, u, b, &v->addr);
	if (!v->has_addr)
		v->addr = 0;
	v->next = first;
	xkd_map_put_str(&s->vars, first ? first->name : v->name, v);
}

/* The list of entries at c, up to its null entry; scopes are gone into. */
static bool scan_list(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_cur *c, int depth)
{
	const struct xkd_dw_abbrevs *a = &d->scan->abbrevs;
	struct xkd_dw_brief b;

	while (c->p < c->end) {
		if (!xkd_dw_brief(d, u, a, c, &b))
			return false;
		if (!b.tag)
			return true;
		if (b.wanted && tag_class(b.tag) != XKD_TAG_ANY)
			add_type(d, &b);
		else if (b.tag == DW_TAG_variable)
			add_var(d, u, &b);
		if (is_scope(b.tag) && b.children && depth < XKD_DW_DEPTH) {
			if (!scan_list(d, u, c, depth + 1))
				return false;
		} else if (b.sibling > b.off && b.sibling <= u->end && !b.wanted) {
			c->p = d->sec[XKD_DW_INFO].p + b.sibling;
		} else if (!xkd_dw_skip_children(d, u, a, c, &b)) {
			return false;
		}
	}
	return true;
}

static bool scan_unit(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	struct xkd_dw_cur c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_INFO), u->die_off);
	struct xkd_dw_brief root;

	c.end = d->sec[XKD_DW_INFO].p + u->end;
	if (!xkd_dw_abbrevs(d, u, wanted, &d->scan->abbrevs) ||
	    !xkd_dw_brief(d, u, &d->scan->abbrevs, &c, &root))
		return false;
	return !root.children || scan_list(d, u, &c, 0);
}

static enum xkd_rc scan_units(struct xkd_dwarf *d, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_dw_scan *s = d->scan;
	struct xkd_log *log = xkd_image_log(d->img);
	uint64_t start = xkd_now_ms();
	bool told = false;
	enum xkd_rc rc = XKD_OK;

	for (; s->next_unit < d->units.n; s->next_unit++) {
		struct xkd_dw_unit *u = &d->units.p[s->next_unit];

		rc = xkd_cancel_check(cancel, err);
		if (rc)
			break;
		if (!scan_unit(d, u))
			xkd_log(log, XKD_LOG_WARN, "%s: unit at .debug_info 0x%llx is broken",
				xkd_image_path(d->img), (unsigned long long)u->off);
		if (xkd_now_ms() - start > 500) {
			told = true;
			xkd_progress(log, "reading debug info", s->next_unit, d->units.n);
		}
	}
	if (told)
		xkd_progress(log, NULL, 0, 0);
	return rc;
}

static enum xkd_rc scan(struct xkd_dwarf *d, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_dw_scan *s = d->scan;
	enum xkd_rc rc = xkd_dw_units(d, err);

	if (rc)
		return rc;
	if (!s) {
		struct xkd_dw_bytes str = xkd_dw_section(d, XKD_DW_STR);

		d->scan = s = xkd_calloc(1, sizeof(*s));
		xkd_arena_init(&s->arena);
		xkd_map_init_str(&s->types);
		xkd_map_init_str(&s->vars);
		s->seen = str.n ? xkd_calloc(str.n, sizeof(*s->seen)) : NULL;
	}
	if (s->next_unit < d->units.n)
		rc = scan_units(d, cancel, err);
	if (!rc) {
		free(s->seen);
		s->seen = NULL;
		xkd_dw_abbrevs_fini(&s->abbrevs);
	}
	return rc;
}

void xkd_dw_scan_free(struct xkd_dwarf *d)
{
	struct xkd_dw_scan *s = d->scan;

	if (!s)
		return;
	xkd_dw_abbrevs_fini(&s->abbrevs);
	free(s->seen);
	xkd_vec_fini(&s->order);
	xkd_map_fini(&s->types);
	xkd_map_fini(&s->vars);
	xkd_arena_fini(&s->arena);
	free(s);
	d->scan = NULL;
}

enum xkd_rc xkd_dw_scan_type(struct xkd_dwarf *d, enum xkd_tag tag, const char *name, uint64_t *off,
			     struct xkd_err *err)
{
	/* A bare name in C is a typedef or a basic type before it is a tag. */
	static const uint8_t rank[] = { [XKD_TAG_BASE] = 5,
					[XKD_TAG_TYPEDEF] = 4,
					[XKD_TAG_STRUCT] = 3,
					[XKD_TAG_UNION] = 2,
					[XKD_TAG_ENUM] = 1 };
	enum xkd_rc rc = scan(d, d->cancel, err);
	struct stype *best = NULL;

	if (rc)
		return rc;
	for (struct stype *t = xkd_map_get_str(&d->scan->types, name); t; t = t->next) {
		if (tag != XKD_TAG_ANY && t->tag != tag)
			continue;
		if (!best || (best->decl && !t->decl) ||
		    (best->decl == t->decl && rank[t->tag] > rank[best->tag]))
			best = t;
	}
	if (!best)
		return xkd_err_set(err, XKD_NOTFOUND, "no type %s in the DWARF of %s", name,
				   xkd_image_path(d->img));
	*off = best->off;
	return XKD_OK;
}

enum xkd_rc xkd_dw_scan_each(struct xkd_dwarf *d, bool (*fn)(void *arg, uint64_t off), void *arg,
			     struct xkd_err *err)
{
	enum xkd_rc rc = scan(d, d->cancel, err);

	for (size_t i = 0; !rc && i < d->scan->order.n; i++)
		if (!d->scan->order.p[i]->decl && !fn(arg, d->scan->order.p[i]->off))
			break;
	return rc;
}

/* Better for a question near a unit: that unit's own, then the definition that others see. */
static int var_rank(const struct svar *v, const struct xkd_dw_unit *near)
{
	if (v->decl)
		return 0;
	return 1 + v->has_addr + 2 * v->external +
	       4 * (near && v->off >= near->off && v->off < near->end);
}

enum xkd_rc xkd_dwarf_global(struct xkd_dwarf *d, const char *name, uint64_t near,
			     struct xkd_dglobal *g, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_dw_unit *unit = NULL;
	struct svar *best = NULL;
	Dwarf_Die die, has;
	enum xkd_rc rc;

	memset(g, 0, sizeof(*g));
	xkd_dw_begin(d);
	rc = scan(d, cancel ? cancel : d->cancel, err);
	if (rc)
		return rc;
	if (near && xkd_dw_unit_at(d, near, &unit, NULL))
		xkd_dw_begin(d); /* a hint only */
	for (struct svar *v = xkd_map_get_str(&d->scan->vars, name); v; v = v->next)
		/* The list runs backwards: an equal that comes later stands earlier in the file. */
		if (!best || var_rank(v, unit) >= var_rank(best, unit))
			best = v;
	if (!best)
		return xkd_err_set(err, XKD_NOTFOUND, "no variable %s in the DWARF of %s", name,
				   xkd_image_path(d->img));
	g->name = best->name;
	g->has_addr = best->has_addr;
	g->addr = best->addr;
	die = xkd_dw_die(d, best->off);
	has = die ? xkd_dw_origin_with(d, die, DW_AT_type) : NULL;
	if (has)
		g->type = xkd_dw_type_of(d, has);
	xkd_dw_free(has);
	xkd_dw_free(die);
	unit = xkd_dw_unit_of(d, best->off);
	g->file = unit ? xkd_dw_unit_path(d, unit) : NULL;
	return xkd_dw_end(d, XKD_OK, err);
}
