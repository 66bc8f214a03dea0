/* DWARF by name: what of the index (index.h) answers to a name, and its entry.
 * Invariants: an offset that the index gives is followed as any foreign one and believed only if
 * the entry there has the name that was asked for. */
#include "symbols/dwarf_int.h"
#include "symbols/index.h"

/* A name's best type. */
struct best_type {
	enum xkd_tag tag;
	bool any;
	struct xkd_ixtype t;
};
static bool see_type(void *arg, const struct xkd_ixtype *t)
{
	/* A bare name in C is a typedef or a basic type before it is a tag. */
	static const uint8_t rank[] = { [XKD_TAG_BASE] = 5,
					[XKD_TAG_TYPEDEF] = 4,
					[XKD_TAG_STRUCT] = 3,
					[XKD_TAG_UNION] = 2,
					[XKD_TAG_ENUM] = 1 };
	struct best_type *b = arg;

	if (b->tag != XKD_TAG_ANY && t->tag != b->tag)
		return true;
	if (!b->any || (b->t.decl && !t->decl) ||
	    (b->t.decl == t->decl && rank[t->tag] > rank[b->t.tag]))
		b->t = *t;
	b->any = true;
	return true;
}

enum xkd_rc xkd_dw_named_type(struct xkd_dwarf *d, enum xkd_tag tag, const char *name,
			      uint64_t *off, struct xkd_err *err)
{
	struct xkd_index *ix = xkd_image_index(d->img);
	struct best_type b = { .tag = tag };
	enum xkd_rc rc = xkd_index_wait(ix, d->cancel, err);

	if (!rc)
		rc = xkd_index_types(ix, name, see_type, &b, d->cancel, err);
	if (!rc && !b.any)
		rc = xkd_err_set(err, XKD_NOTFOUND, "no type %s in the DWARF of %s", name,
				 xkd_image_path(d->img));
	*off = b.t.die;
	return rc;
}

/* Every name and tag once: of those with several sizes the first in the file. */
struct each {
	struct xkd_map seen[XKD_TAG_BASE + 1]; /* by the text interned in the reader */
	XKD_VEC(uint64_t) offs;
	struct xkd_dwarf *d;
};
static bool each_type(void *arg, const struct xkd_ixtype *t)
{
	struct each *e = arg;
	const char *name;

	if (t->decl || xkd_map_get_str(&e->seen[t->tag], t->name))
		return true;
	name = xkd_dw_intern(e->d, t->name);
	xkd_map_put_str(&e->seen[t->tag], name, (void *)name);
	*xkd_vec_push(&e->offs) = t->die;
	return true;
}

enum xkd_rc xkd_dw_named_each(struct xkd_dwarf *d, bool (*fn)(void *arg, uint64_t off), void *arg,
			      struct xkd_err *err)
{
	struct xkd_index *ix = xkd_image_index(d->img);
	enum xkd_rc rc = xkd_index_wait(ix, d->cancel, err);
	struct each e = { .d = d };

	if (rc)
		return rc;
	for (size_t i = 0; i < XKD_COUNT(e.seen); i++)
		xkd_map_init_str(&e.seen[i]);
	/* fn may ask the index itself: it is called when this question is over. */
	rc = xkd_index_types(ix, NULL, each_type, &e, d->cancel, err);
	for (size_t i = 0; !rc && i < e.offs.n; i++)
		if (!fn(arg, e.offs.p[i]))
			break;
	for (size_t i = 0; i < XKD_COUNT(e.seen); i++)
		xkd_map_fini(&e.seen[i]);
	xkd_vec_fini(&e.offs);
	return rc;
}

struct best_var {
	uint64_t near;
	uint64_t unit; /* offset of the unit that holds near, ~0: none */
	bool any;
	int rank;
	struct xkd_ixvar v;
};

/* Better for a question near an address: what lies there, then that unit's own, then the definition
 * that others see. A static of some function is nothing that a bare name means. */
static int var_rank(const struct best_var *b, const struct xkd_ixvar *v)
{
	if (b->near && v->has_addr && v->addr == b->near)
		return 16;
	if (v->decl || v->local)
		return v->local ? -1 : 0;
	return 1 + v->has_addr + 2 * v->external + 4 * (v->unit == b->unit);
}

static bool see_var(void *arg, const struct xkd_ixvar *v)
{
	struct best_var *b = arg;
	int rank = var_rank(b, v);

	if (b->any && rank <= b->rank)
		return true;
	b->any = true;
	b->rank = rank;
	b->v = *v;
	return true;
}

/* The compiler numbers equal names ("__already_done.5"): the address says which is meant. */
static enum xkd_rc numbered(struct xkd_index *ix, const char *name, struct best_var *b,
			    struct xkd_cancel *cancel, struct xkd_err *err)
{
	const char *dot = strrchr(name, '.');
	enum xkd_rc rc;
	char *base;

	if (!dot || dot == name || !dot[1] || strspn(dot + 1, "0123456789") != strlen(dot + 1))
		return XKD_OK;
	base = xkd_strdup(name);
	base[dot - name] = 0;
	rc = xkd_index_vars(ix, base, false, false, see_var, b, cancel, err);
	free(base);
	b->any &= b->rank == 16;
	return rc;
}

static enum xkd_rc fill(struct xkd_dwarf *d, const char *name, const struct xkd_ixvar *v,
			struct xkd_dglobal *g, struct xkd_err *err)
{
	struct xkd_dw_unit *unit = xkd_dw_unit_of(d, v->die);
	Dwarf_Die die = xkd_dw_die(d, v->die), has;
	const char *found = die ? xkd_dw_name(d, die) : NULL;

	if (!found || strncmp(found, name, strlen(found))) {
		xkd_dw_free(die);
		return xkd_err_set(err, XKD_BADDATA, "the index of %s does not fit it",
				   xkd_image_path(d->img));
	}
	g->name = found;
	g->has_addr = v->has_addr;
	g->addr = v->addr;
	has = xkd_dw_origin_with(d, die, DW_AT_type);
	if (has)
		g->type = xkd_dw_type_of(d, has);
	xkd_dw_free(has);
	xkd_dw_free(die);
	g->file = unit ? xkd_dw_unit_path(d, unit) : NULL;
	return xkd_dw_end(d, XKD_OK, err);
}

enum xkd_rc xkd_dwarf_global(struct xkd_dwarf *d, const char *name, uint64_t near,
			     struct xkd_dglobal *g, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_index *ix = xkd_image_index(d->img);
	struct best_var b = { .near = near, .unit = ~0ULL };
	struct xkd_dw_unit *unit = NULL;
	enum xkd_rc rc;

	memset(g, 0, sizeof(*g));
	if (!cancel)
		cancel = d->cancel;
	xkd_dw_begin(d);
	rc = xkd_index_wait(ix, cancel, err);
	if (rc)
		return rc;
	if (near && !xkd_dw_unit_at(d, near, &unit, NULL) && unit)
		b.unit = unit->off;
	xkd_dw_begin(d); /* near is a hint only */
	rc = xkd_index_vars(ix, name, false, false, see_var, &b, cancel, err);
	if (!rc && !b.any)
		rc = numbered(ix, name, &b, cancel, err);
	if (rc)
		return rc;
	if (!b.any)
		return xkd_err_set(err, XKD_NOTFOUND, "no variable %s in the DWARF of %s", name,
				   xkd_image_path(d->img));
	return fill(d, name, &b.v, g, err);
}
