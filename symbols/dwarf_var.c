/* Variables of a function at an address: parameters and locals in scope, each with the bytes of its
 * location expression there.
 * Invariants: only blocks that hold the address are gone into; inlined functions inside belong to
 * their own frame and are not. What an inlined or cloned copy leaves out but its abstract original
 * has is listed too (without a location): it was written in the source, so it must be named.
 * Expression bytes stay in mapped sections. */
#include "symbols/dwarf_int.h"

#define VARS_MAX 65536 /* of one function */

struct found {
	struct xkd_dvar var;
	uint64_t key;	  /* offset of the abstract original: the order of the source */
	bool from_origin; /* this copy of the function has no entry for it (yet) */
};
struct collect {
	struct xkd_dwarf *d;
	struct xkd_dw_unit *u;
	uint64_t iaddr;
	XKD_VEC(struct found) params;
	XKD_VEC(struct found) locals;
	struct xkd_map seen;   /* originals that were met */
	struct xkd_map blocks; /* originals of this copy's blocks, in scope or not */
};

/* A number, or the bytes of an object. */
static void set_const(struct xkd_dwarf *d, Dwarf_Die die, struct xkd_dvar *v)
{
	const char *text;

	if (xkd_dw_u64(d, die, DW_AT_const_value, &v->const_value)) {
		v->has_const = true;
	} else if (xkd_dw_block(d, die, DW_AT_const_value, &v->const_bytes, &v->const_len)) {
		v->has_const = v->const_len != 0;
	} else if ((text = xkd_dw_str(d, die, DW_AT_const_value))) {
		v->const_bytes = (const uint8_t *)text;
		v->const_len = strlen(text) + 1;
		v->has_const = true;
	}
	if (!v->has_const)
		v->why_none = "a constant of a form that is not understood";
}

static void set_location(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, uint64_t iaddr,
			 struct xkd_dvar *v)
{
	Dwarf_Die has = xkd_dw_origin_with(d, die, DW_AT_location);

	if (has) {
		if (xkd_dw_block(d, has, DW_AT_location, &v->expr, &v->expr_len)) {
			if (!v->expr_len)
				v->why_none = "its location is empty";
		} else if (!xkd_dw_loclist(d, u, has, DW_AT_location, iaddr, &v->expr,
					   &v->expr_len)) {
			v->why_none = "its location list does not cover this address";
		} else if (!v->expr_len) {
			v->why_none = "its location list is empty at this address";
		}
		if (!v->expr_len)
			v->expr = NULL;
	} else if ((has = xkd_dw_origin_with(d, die, DW_AT_const_value))) {
		set_const(d, has, v);
	} else {
		v->why_none = "the debug info gives no location";
	}
	xkd_dw_free(has);
}

void xkd_dw_var(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, uint64_t iaddr,
		struct xkd_dvar *v)
{
	Dwarf_Die has;

	v->name = xkd_dw_name(d, die);
	v->is_param = xkd_dw_tag(die) == DW_TAG_formal_parameter;
	v->die = xkd_dw_off(die);
	v->addr_size = u->addr_size;
	v->cu = u->off;
	has = xkd_dw_origin_with(d, die, DW_AT_type);
	if (has)
		v->type = xkd_dw_type_of(d, has);
	xkd_dw_free(has);
	has = xkd_dw_origin_with(d, die, DW_AT_artificial);
	if (has)
		v->artificial = xkd_dw_flag(d, has, DW_AT_artificial);
	xkd_dw_free(has);
	set_location(d, u, die, iaddr, v);
}

static void fill_var(struct collect *c, Dwarf_Die die, const struct xkd_dw_range *scope,
		     struct xkd_dvar *v)
{
	xkd_dw_var(c->d, c->u, die, c->iaddr, v);
	v->scope_low = scope->low;
	v->scope_high = scope->high;
}

/* extern declarations inside a function name a global, not a local. */
static bool is_declaration(struct xkd_dwarf *d, Dwarf_Die die)
{
	return xkd_dw_flag(d, die, DW_AT_declaration) ||
	       (xkd_dw_flag(d, die, DW_AT_external) && !xkd_dw_has(d, die, DW_AT_location) &&
		!xkd_dw_has(d, die, DW_AT_abstract_origin));
}

static bool placed(const struct found *f)
{
	return f->var.expr || f->var.has_const;
}

/* One met before that says nothing of where it is: only the original named it so far, and an inner
 * block has it after all (where a function was inlined in part, its body is a block of its own); or gcc
 * names a parameter twice, once without a place. */
static struct found *without_place(struct collect *c, uint64_t key)
{
	for (size_t i = 0; i < c->locals.n; i++)
		if (c->locals.p[i].key == key)
			return c->locals.p[i].from_origin || !placed(&c->locals.p[i]) ?
				       &c->locals.p[i] : NULL;
	for (size_t i = 0; i < c->params.n; i++)
		if (c->params.p[i].key == key)
			return placed(&c->params.p[i]) ? NULL : &c->params.p[i];
	return NULL;
}

static void add_var(struct collect *c, Dwarf_Die die, const struct xkd_dw_range *scope,
		    bool from_origin)
{
	uint64_t key = xkd_dw_origin(c->d, die);
	struct found *f;

	if (c->params.n + c->locals.n >= VARS_MAX) {
		xkd_dw_bad(c->d, xkd_dw_off(die), "a function of too many variables");
		return;
	}
	if (is_declaration(c->d, die))
		return;
	if (xkd_map_get(&c->seen, key)) {
		f = from_origin ? NULL : without_place(c, key);
		if (!f)
			return;
		f->from_origin = false;
		f->var = (struct xkd_dvar){ 0 };
		fill_var(c, die, scope, &f->var);
		return;
	}
	xkd_map_put(&c->seen, key, c);
	f = xkd_dw_tag(die) == DW_TAG_formal_parameter ? xkd_vec_push(&c->params)
						       : xkd_vec_push(&c->locals);
	f->key = key;
	f->from_origin = from_origin;
	fill_var(c, die, scope, &f->var);
}

/* A block without code of its own holds statics; they belong to the code around it. Not so in an
 * original, whose blocks never have code. */
static bool codeless(struct collect *c, Dwarf_Die die)
{
	return xkd_dw_tag(die) == DW_TAG_lexical_block && !xkd_dw_has(c->d, die, DW_AT_low_pc) &&
	       !xkd_dw_has(c->d, die, DW_AT_ranges);
}

/* The original has it in a block that this copy has not at all: what has an address of its own there
 * (a static), or is a constant, is nevertheless known. */
static bool lost_block(struct collect *c, Dwarf_Die die)
{
	return xkd_dw_tag(die) == DW_TAG_lexical_block &&
	       !xkd_map_get(&c->blocks, xkd_dw_origin(c->d, die));
}

/* kid and its siblings; depth counts blocks of the same scope. */
static void add_kids(struct collect *c, Dwarf_Die kid, const struct xkd_dw_range *scope,
		     bool from_origin, int depth)
{
	for (; kid; kid = xkd_dw_next(c->d, kid)) {
		unsigned tag = xkd_dw_tag(kid);

		if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable) {
			if (!from_origin || !depth || xkd_dw_has(c->d, kid, DW_AT_location) ||
			    xkd_dw_has(c->d, kid, DW_AT_const_value))
				add_var(c, kid, scope, from_origin);
		} else if (depth < XKD_DW_BLOCKS &&
			   (from_origin ? lost_block(c, kid) : codeless(c, kid))) {
			add_kids(c, xkd_dw_child(c->d, kid), scope, from_origin, depth + 1);
		}
	}
}

/* The originals of all blocks below an entry, not those of functions inlined there. */
static void note_blocks(struct collect *c, Dwarf_Die die, int depth)
{
	Dwarf_Die kid = xkd_dw_child(c->d, die);

	for (; kid; kid = xkd_dw_next(c->d, kid)) {
		if (xkd_dw_tag(kid) != DW_TAG_lexical_block || depth >= XKD_DW_BLOCKS)
			continue;
		xkd_map_put(&c->blocks, xkd_dw_origin(c->d, kid), c);
		note_blocks(c, kid, depth + 1);
	}
}

/* The variables that are children of one entry, then those of its original it has not. */
static void add_level(struct collect *c, Dwarf_Die die, const struct xkd_dw_range *scope)
{
	uint64_t origin = xkd_dw_origin(c->d, die);
	Dwarf_Die from = NULL;

	add_kids(c, xkd_dw_child(c->d, die), scope, false, 0);
	if (origin != xkd_dw_off(die))
		from = xkd_dw_die(c->d, origin);
	if (from)
		add_kids(c, xkd_dw_child(c->d, from), scope, true, 0);
	xkd_dw_free(from);
}

/* The child block that holds the address; frees die. */
static Dwarf_Die inner_block(struct collect *c, Dwarf_Die die, struct xkd_dw_range *scope)
{
	Dwarf_Die kid = xkd_dw_child(c->d, die);

	xkd_dw_free(die);
	for (; kid; kid = xkd_dw_next(c->d, kid))
		if (xkd_dw_tag(kid) == DW_TAG_lexical_block &&
		    xkd_dw_extent(c->d, c->u, kid, c->iaddr, scope))
			return kid;
	return NULL;
}

static int cmp_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static void give(struct collect *c, struct xkd_arena *arena, struct xkd_dvar **vars, size_t *n)
{
	xkd_vec_sort(&c->params, cmp_found);
	*n = c->params.n + c->locals.n;
	*vars = XKD_NEWN(arena, struct xkd_dvar, *n + 1);
	for (size_t i = 0; i < c->params.n; i++)
		(*vars)[i] = c->params.p[i].var;
	for (size_t i = 0; i < c->locals.n; i++)
		(*vars)[c->params.n + i] = c->locals.p[i].var;
}

enum xkd_rc xkd_dwarf_vars(struct xkd_dwarf *d, const struct xkd_dfunc *f, uint64_t iaddr,
			   struct xkd_arena *arena, struct xkd_dvar **vars, size_t *n,
			   struct xkd_err *err)
{
	struct collect c = { .d = d, .iaddr = iaddr };
	struct xkd_dw_range scope = { 0, 0 };
	enum xkd_rc rc;
	Dwarf_Die die;

	*vars = NULL;
	*n = 0;
	xkd_dw_begin(d);
	c.u = xkd_dw_unit_of(d, f->die);
	die = c.u && xkd_dw_unit_root(d, c.u) ? xkd_dw_die(d, f->die) : NULL;
	if (!die)
		return xkd_dw_end(d,
				  xkd_err_set(err, XKD_BADDATA, "no function at entry 0x%llx",
					      (unsigned long long)f->die),
				  err);
	xkd_map_init_u64(&c.seen);
	xkd_map_init_u64(&c.blocks);
	note_blocks(&c, die, 0);
	for (int depth = 0; die && depth < XKD_DW_BLOCKS; depth++) {
		add_level(&c, die, &scope);
		die = inner_block(&c, die, &scope);
	}
	xkd_dw_free(die);
	rc = xkd_dw_end(d, XKD_OK, err);
	if (!rc)
		give(&c, arena, vars, n);
	xkd_vec_fini(&c.params);
	xkd_vec_fini(&c.locals);
	xkd_map_fini(&c.seen);
	xkd_map_fini(&c.blocks);
	return rc;
}

enum xkd_rc xkd_dwarf_frame_base(struct xkd_dwarf *d, uint64_t iaddr, const uint8_t **expr,
				 size_t *len, struct xkd_err *err)
{
	struct xkd_dw_unit *u;
	Dwarf_Die die;
	enum xkd_rc rc;

	*expr = NULL;
	*len = 0;
	xkd_dw_begin(d);
	rc = xkd_dw_func_at(d, iaddr, &u, &die, err);
	if (rc)
		return xkd_dw_end(d, rc, err);
	if (xkd_dw_has(d, die, DW_AT_frame_base) &&
	    !xkd_dw_block(d, die, DW_AT_frame_base, expr, len))
		xkd_dw_loclist(d, u, die, DW_AT_frame_base, iaddr, expr, len);
	xkd_dw_free(die);
	if (!*expr)
		rc = xkd_err_addr(err, XKD_NOTFOUND, iaddr, "the function has no frame base here");
	return xkd_dw_end(d, rc, err);
}
