/* The type model: accessors that load a type's lazy parts once, made pointers and arrays, member
 * search, comparison. Spelling is in type_spell.c, the built-in types in type_builtin.c.
 *
 * Invariants: every type has a lazy record (xkd_type_new makes both). A part is asked of the
 * provider at most once; a failure is remembered as its code. Whatever walks from type to type
 * counts its steps, since debug info may point in circles or fan out without end. */
#include "symbols/type_int.h"
#include <string.h>

#define STRIP_STEPS 64
#define ANON_DEPTH 16	  /* anonymous members within anonymous members */
#define ANON_STEPS 200000 /* members looked at in one search */
#define SAME_DEPTH 32
#define SAME_STEPS 20000

struct xkd_made {
	const struct xkd_type *ptr;
	struct xkd_made_array {
		const struct xkd_type *type;
		struct xkd_made_array *next;
	} * arrays;
};

struct xkd_type *xkd_type_new(struct xkd_types *p, uint64_t id, enum xkd_tkind kind)
{
	struct {
		struct xkd_type t;
		struct xkd_type_lazy lazy;
	} *both = xkd_arena_alloc(p->arena, sizeof(*both));

	both->t.owner = p;
	both->t.id = id;
	both->t.kind = kind;
	both->t.lazy = &both->lazy;
	return &both->t;
}

void xkd_types_fini(struct xkd_types *p)
{
	xkd_map_fini(&p->made);
}

static const char *kind_word(const struct xkd_type *t)
{
	switch (t->kind) {
	case XKD_T_STRUCT:
		return "struct";
	case XKD_T_UNION:
		return "union";
	case XKD_T_ENUM:
		return "enum";
	default:
		return "type";
	}
}

static enum xkd_rc no_part(const struct xkd_type *t, const char *part, struct xkd_err *err)
{
	if (t->is_decl)
		return xkd_err_set(err, XKD_NOTFOUND, "%s %s is only declared here", kind_word(t),
				   t->name ? t->name : "<anonymous>");
	return xkd_err_set(err, XKD_NOTFOUND, "%s %s has no %s", kind_word(t),
			   t->name ? t->name : "<anonymous>", part);
}

/* True when the part is still to be loaded; else *rc is the answer. */
static bool part_begin(const struct xkd_type *t, unsigned part, enum xkd_rc *rc,
		       struct xkd_err *err)
{
	struct xkd_type_lazy *l = t->lazy;

	if (l->have & (1u << part)) {
		*rc = (enum xkd_rc)l->rc[part];
		if (*rc)
			xkd_err_set(err, *rc, "type %s: damaged debug info (told before)",
				    t->name ? t->name : "<anonymous>");
		return false;
	}
	if (l->busy & (1u << part)) {
		*rc = xkd_err_set(err, XKD_BADDATA, "type %s is defined by itself",
				  t->name ? t->name : "<anonymous>");
		return false;
	}
	l->busy |= 1u << part;
	return true;
}

static enum xkd_rc part_end(const struct xkd_type *t, unsigned part, enum xkd_rc rc)
{
	struct xkd_type_lazy *l = t->lazy;

	l->busy &= ~(1u << part);
	/* Ctrl-C is nothing to remember: the next question may run to its end. */
	if (rc != XKD_CANCELED) {
		l->have |= 1u << part;
		l->rc[part] = (uint8_t)rc;
	}
	return rc;
}

enum xkd_rc xkd_type_target(const struct xkd_type *t, const struct xkd_type **target,
			    struct xkd_err *err)
{
	enum xkd_rc rc;

	*target = NULL;
	switch (t->kind) {
	case XKD_T_PTR:
	case XKD_T_ARRAY:
	case XKD_T_ENUM:
	case XKD_T_FUNC:
	case XKD_T_TYPEDEF:
	case XKD_T_CONST:
	case XKD_T_VOLATILE:
	case XKD_T_RESTRICT:
	case XKD_T_ATOMIC:
		break;
	default:
		return no_part(t, "target type", err);
	}
	if (part_begin(t, XKD_PART_TARGET, &rc, err)) {
		rc = XKD_OK;
		if (t->owner->load_target)
			rc = t->owner->load_target(t->owner, t, &t->lazy->target, err);
		rc = part_end(t, XKD_PART_TARGET, rc);
	}
	if (!rc)
		*target = t->lazy->target;
	return rc;
}

enum xkd_rc xkd_type_members(const struct xkd_type *t, const struct xkd_member **m, size_t *n,
			     struct xkd_err *err)
{
	enum xkd_rc rc;

	*m = NULL;
	*n = 0;
	if ((t->kind != XKD_T_STRUCT && t->kind != XKD_T_UNION) || t->is_decl)
		return no_part(t, "members", err);
	if (part_begin(t, XKD_PART_MEMBERS, &rc, err)) {
		rc = XKD_OK;
		if (t->owner->load_members)
			rc = t->owner->load_members(t->owner, t, &t->lazy->members,
						    &t->lazy->nmembers, err);
		rc = part_end(t, XKD_PART_MEMBERS, rc);
	}
	if (!rc) {
		*m = t->lazy->members;
		*n = t->lazy->nmembers;
	}
	return rc;
}

enum xkd_rc xkd_type_enums(const struct xkd_type *t, const struct xkd_enumerator **e, size_t *n,
			   struct xkd_err *err)
{
	enum xkd_rc rc;

	*e = NULL;
	*n = 0;
	if (t->kind != XKD_T_ENUM || t->is_decl)
		return no_part(t, "enumerators", err);
	if (part_begin(t, XKD_PART_ENUMS, &rc, err)) {
		rc = XKD_OK;
		if (t->owner->load_enums)
			rc = t->owner->load_enums(t->owner, t, &t->lazy->enums, &t->lazy->nenums,
						  err);
		rc = part_end(t, XKD_PART_ENUMS, rc);
	}
	if (!rc) {
		*e = t->lazy->enums;
		*n = t->lazy->nenums;
	}
	return rc;
}

enum xkd_rc xkd_type_params(const struct xkd_type *t, const struct xkd_param **p, size_t *n,
			    struct xkd_err *err)
{
	enum xkd_rc rc;

	*p = NULL;
	*n = 0;
	if (t->kind != XKD_T_FUNC)
		return no_part(t, "parameters", err);
	if (part_begin(t, XKD_PART_PARAMS, &rc, err)) {
		rc = XKD_OK;
		if (t->owner->load_params)
			rc = t->owner->load_params(t->owner, t, &t->lazy->params, &t->lazy->nparams,
						   err);
		rc = part_end(t, XKD_PART_PARAMS, rc);
	}
	if (!rc) {
		*p = t->lazy->params;
		*n = t->lazy->nparams;
	}
	return rc;
}

bool xkd_type_is_qualifier(const struct xkd_type *t)
{
	return t->kind == XKD_T_CONST || t->kind == XKD_T_VOLATILE || t->kind == XKD_T_RESTRICT ||
	       t->kind == XKD_T_ATOMIC;
}

static const struct xkd_type *peel(const struct xkd_type *t, bool quals, bool typedefs)
{
	for (int i = 0; t && i < STRIP_STEPS; i++) {
		if (!(quals && xkd_type_is_qualifier(t)) && !(typedefs && t->kind == XKD_T_TYPEDEF))
			return t;
		if (xkd_type_target(t, &t, NULL))
			break;
	}
	return xkd_type_builtin(XKD_BI_VOID);
}

const struct xkd_type *xkd_type_strip(const struct xkd_type *t)
{
	return peel(t, true, true);
}

const struct xkd_type *xkd_type_unqual(const struct xkd_type *t)
{
	return peel(t, true, false);
}

bool xkd_type_is_aggregate(const struct xkd_type *t)
{
	t = xkd_type_strip(t);
	return t->kind == XKD_T_STRUCT || t->kind == XKD_T_UNION;
}

bool xkd_type_is_scalar(const struct xkd_type *t)
{
	switch (xkd_type_strip(t)->kind) {
	case XKD_T_INT:
	case XKD_T_BOOL:
	case XKD_T_FLOAT:
	case XKD_T_PTR:
	case XKD_T_ENUM:
		return true;
	default:
		return false;
	}
}

/* --- members --- */

struct search {
	const char *name;
	unsigned steps;
	struct xkd_err *err;
};

static enum xkd_rc find_in(struct search *s, const struct xkd_type *t, uint64_t base, int depth,
			   struct xkd_member *out)
{
	const struct xkd_member *m;
	size_t n;
	enum xkd_rc rc = xkd_type_members(t, &m, &n, s->err);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (++s->steps > ANON_STEPS)
			return xkd_err_set(s->err, XKD_BADDATA,
					   "anonymous members without end in %s",
					   t->name ? t->name : "<anonymous>");
		if (m[i].name && m[i].name[0]) {
			if (strcmp(m[i].name, s->name))
				continue;
			*out = m[i];
			out->bit_off += base;
			return XKD_OK;
		}
		const struct xkd_type *in = m[i].type ? xkd_type_strip(m[i].type) : NULL;

		/* Padding bit-fields are nameless too, and hold nothing. */
		if (!in || (in->kind != XKD_T_STRUCT && in->kind != XKD_T_UNION) || in->is_decl ||
		    depth >= ANON_DEPTH)
			continue;
		rc = find_in(s, in, base + m[i].bit_off, depth + 1, out);
		if (rc != XKD_NOTFOUND)
			return rc;
	}
	return XKD_NOTFOUND;
}

enum xkd_rc xkd_type_find_member(const struct xkd_type *t, const char *name, struct xkd_member *m,
				 struct xkd_err *err)
{
	struct search s = { .name = name, .err = err };
	enum xkd_rc rc;

	t = xkd_type_strip(t);
	if ((t->kind != XKD_T_STRUCT && t->kind != XKD_T_UNION) || t->is_decl)
		return no_part(t, "members", err);
	rc = find_in(&s, t, 0, 0, m);
	if (rc == XKD_NOTFOUND)
		return xkd_err_set(err, rc, "%s %s has no member %s", kind_word(t),
				   t->name ? t->name : "<anonymous>", name);
	return rc;
}

/* --- made types --- */

static struct xkd_made *made_of(const struct xkd_type *t)
{
	struct xkd_map *map = &t->owner->made;
	struct xkd_made *made = xkd_map_get(map, (uintptr_t)t);

	if (!made) {
		made = XKD_NEW(t->owner->arena, struct xkd_made);
		xkd_map_put(map, (uintptr_t)t, made);
	}
	return made;
}

static struct xkd_type *make(const struct xkd_type *target, enum xkd_tkind kind)
{
	struct xkd_type *t = xkd_type_new(target->owner, UINT64_MAX, kind);

	t->lazy->target = target;
	t->lazy->have = 1u << XKD_PART_TARGET;
	return t;
}

const struct xkd_type *xkd_type_ptr_to(const struct xkd_type *t)
{
	if (!t)
		t = xkd_type_builtin(XKD_BI_VOID);

	struct xkd_made *made = made_of(t);

	if (!made->ptr) {
		struct xkd_type *p = make(t, XKD_T_PTR);

		p->size = 8;
		made->ptr = p;
	}
	return made->ptr;
}

const struct xkd_type *xkd_type_array_of(const struct xkd_type *t, uint64_t n)
{
	if (!t)
		t = xkd_type_builtin(XKD_BI_VOID);

	struct xkd_made *made = made_of(t);

	for (struct xkd_made_array *a = made->arrays; a; a = a->next)
		if (a->type->nelem == n)
			return a->type;

	struct xkd_type *arr = make(t, XKD_T_ARRAY);
	struct xkd_made_array *a = XKD_NEW(t->owner->arena, struct xkd_made_array);

	arr->nelem = n;
	arr->flexible = !n;
	if (__builtin_mul_overflow(t->size, n, &arr->size))
		arr->size = UINT64_MAX;
	a->type = arr;
	a->next = made->arrays;
	made->arrays = a;
	return arr;
}

/* --- comparison --- */

static bool same(const struct xkd_type *a, const struct xkd_type *b, int depth, unsigned *steps);

static bool same_name(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

static bool same_members(const struct xkd_type *a, const struct xkd_type *b, int depth,
			 unsigned *steps)
{
	const struct xkd_member *ma, *mb;
	size_t na, nb;

	if (xkd_type_members(a, &ma, &na, NULL) || xkd_type_members(b, &mb, &nb, NULL) || na != nb)
		return false;
	for (size_t i = 0; i < na; i++)
		if (ma[i].bit_off != mb[i].bit_off || ma[i].bit_size != mb[i].bit_size ||
		    strcmp(ma[i].name ? ma[i].name : "", mb[i].name ? mb[i].name : "") ||
		    !same(ma[i].type, mb[i].type, depth + 1, steps))
			return false;
	return true;
}

static bool same_enums(const struct xkd_type *a, const struct xkd_type *b)
{
	const struct xkd_enumerator *ea, *eb;
	size_t na, nb;

	if (xkd_type_enums(a, &ea, &na, NULL) || xkd_type_enums(b, &eb, &nb, NULL) || na != nb)
		return false;
	for (size_t i = 0; i < na; i++)
		if (ea[i].val != eb[i].val || !same_name(ea[i].name, eb[i].name))
			return false;
	return true;
}

static bool same_params(const struct xkd_type *a, const struct xkd_type *b, int depth,
			unsigned *steps)
{
	const struct xkd_param *pa, *pb;
	size_t na, nb;

	if (a->variadic != b->variadic || xkd_type_params(a, &pa, &na, NULL) ||
	    xkd_type_params(b, &pb, &nb, NULL) || na != nb)
		return false;
	for (size_t i = 0; i < na; i++)
		if (!same(pa[i].type, pb[i].type, depth + 1, steps))
			return false;
	return true;
}

static bool same_target(const struct xkd_type *a, const struct xkd_type *b, int depth,
			unsigned *steps)
{
	const struct xkd_type *ta, *tb;

	return !xkd_type_target(a, &ta, NULL) && !xkd_type_target(b, &tb, NULL) &&
	       same(ta, tb, depth + 1, steps);
}

/* Compilers and BTF differ in word order only: "long unsigned int", "unsigned long". */
static bool same_int(const struct xkd_type *a, const struct xkd_type *b)
{
	const struct xkd_type *ba = a->name ? xkd_type_builtin_named(a->name) : NULL;
	const struct xkd_type *bb = b->name ? xkd_type_builtin_named(b->name) : NULL;

	if (a->size != b->size || a->is_signed != b->is_signed)
		return false;
	return ba && bb ? ba == bb : same_name(a->name, b->name);
}

static bool same(const struct xkd_type *a, const struct xkd_type *b, int depth, unsigned *steps)
{
	a = peel(a, false, true);
	b = peel(b, false, true);
	if (a == b)
		return true;
	if (a->kind != b->kind || depth > SAME_DEPTH || ++*steps > SAME_STEPS)
		return false;
	switch (a->kind) {
	case XKD_T_VOID:
		return true;
	case XKD_T_INT:
		return same_int(a, b);
	case XKD_T_STRUCT:
	case XKD_T_UNION:
		if (!same_name(a->name, b->name))
			return false;
		if (a->is_decl || b->is_decl)
			return true;
		return a->size == b->size && (a->name || same_members(a, b, depth, steps));
	case XKD_T_ENUM:
		if (!same_name(a->name, b->name))
			return false;
		return a->is_decl || b->is_decl || a->name || same_enums(a, b);
	case XKD_T_ARRAY:
		return a->nelem == b->nelem && same_target(a, b, depth, steps);
	case XKD_T_FUNC:
		return same_params(a, b, depth, steps) && same_target(a, b, depth, steps);
	case XKD_T_PTR:
	case XKD_T_CONST:
	case XKD_T_VOLATILE:
	case XKD_T_RESTRICT:
	case XKD_T_ATOMIC:
		return same_target(a, b, depth, steps);
	default:
		return a->size == b->size && same_name(a->name, b->name);
	}
}

bool xkd_type_same(const struct xkd_type *a, const struct xkd_type *b)
{
	unsigned steps = 0;

	return same(a, b, 0, &steps);
}
