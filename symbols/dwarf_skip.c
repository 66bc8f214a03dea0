/* The skip reader: abbreviations of one unit, and values read through them.
 * Invariants: the cursor only moves forward within the unit (a sibling that does not lie ahead is
 * not believed); a form that is not known makes the unit unreadable from there, never misread. */
#include "symbols/dwarf_skip.h"

#define ATTRS_MAX 4096	      /* of one abbreviation */
#define ABBREVS_MAX (1 << 20) /* of one unit */

/* Bytes of a form, -1: to be read to know, -2: no such form. */
static int form_size(const struct xkd_dw_unit *u, uint64_t form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_flag:
	case DW_FORM_ref1:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
	case DW_FORM_ref_sup4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return u->addr_size;
	case DW_FORM_ref_addr:
		return u->version == 2 ? u->addr_size : u->off_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return u->off_size;
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
	case DW_FORM_block:
	case DW_FORM_exprloc:
	case DW_FORM_string:
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
	case DW_FORM_indirect:
		return -1;
	default:
		return -2;
	}
}

/* The attributes of one abbreviation; false: broken or of unknown forms. */
static bool read_attrs(const struct xkd_dw_unit *u, struct xkd_cur *c, struct xkd_dw_abbrevs *a,
		       struct xkd_dw_abbrev *ab)
{
	int32_t off = 0;

	ab->first = (uint32_t)a->attrs.n;
	ab->sib_off = -1;
	ab->fixed = -1;
	for (;;) {
		uint64_t at = xkd_cur_uleb(c), form = xkd_cur_uleb(c);
		struct xkd_dw_abattr *x;
		int size = form_size(u, form);

		if (c->bad || (!at && !form))
			break;
		if (size == -2 || at > UINT16_MAX || ab->n == ATTRS_MAX)
			return false;
		x = xkd_vec_push(&a->attrs);
		ab->n++;
		x->at = (uint16_t)at;
		x->form = (uint16_t)form;
		x->size = (int16_t)size;
		if (form == DW_FORM_implicit_const)
			x->implicit = xkd_cur_sleb(c);
		if (at == DW_AT_sibling && form == DW_FORM_ref4)
			ab->sib_off = off;
		off = off < 0 || size < 0 ? -1 : off + size;
	}
	ab->fixed = off;
	return !c->bad;
}

static int cmp_abbrev(const void *a, const void *b)
{
	const struct xkd_dw_abbrev *x = a, *y = b;

	return x->code < y->code ? -1 : x->code > y->code;
}

bool xkd_dw_abbrevs(struct xkd_dwarf *d, const struct xkd_dw_unit *u, struct xkd_dw_abbrevs *a)
{
	struct xkd_cur c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_ABBREV), u->abbrev_off);
	uint64_t code;

	/* Forms' sizes depend on these four, too. */
	if (a->good && a->off == u->abbrev_off && a->version == u->version &&
	    a->off_size == u->off_size && a->addr_size == u->addr_size)
		return true;
	a->good = false;
	a->off = u->abbrev_off;
	a->version = u->version;
	a->off_size = u->off_size;
	a->addr_size = u->addr_size;
	xkd_vec_reset(&a->v);
	xkd_vec_reset(&a->attrs);
	a->dense = true;
	while ((code = xkd_cur_uleb(&c)) && a->v.n < ABBREVS_MAX) {
		struct xkd_dw_abbrev *ab = xkd_vec_push(&a->v);
		uint64_t tag = xkd_cur_uleb(&c);

		ab->code = code;
		ab->tag = tag <= UINT16_MAX ? (uint16_t)tag : UINT16_MAX;
		ab->children = xkd_cur_get(&c, 1);
		a->dense &= code == a->v.n;
		if (!read_attrs(u, &c, a, ab))
			return false;
	}
	if (!a->dense)
		xkd_vec_sort(&a->v, cmp_abbrev);
	a->good = !c.bad;
	return a->good;
}

void xkd_dw_abbrevs_fini(struct xkd_dw_abbrevs *a)
{
	xkd_vec_fini(&a->v);
	xkd_vec_fini(&a->attrs);
}

const struct xkd_dw_abbrev *xkd_dw_abbrev_sparse(const struct xkd_dw_abbrevs *a, uint64_t code)
{
	struct xkd_dw_abbrev key = { .code = code };

	return a->v.n ? bsearch(&key, a->v.p, a->v.n, sizeof(key), cmp_abbrev) : NULL;
}

/* A value of no fixed size. */
static bool read_odd(struct xkd_cur *c, struct xkd_dw_val *x)
{
	uint64_t len;

	switch (x->form) {
	case DW_FORM_block1:
		len = xkd_cur_get(c, 1);
		break;
	case DW_FORM_block2:
		len = xkd_cur_get(c, 2);
		break;
	case DW_FORM_block4:
		len = xkd_cur_get(c, 4);
		break;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		len = xkd_cur_uleb(c);
		break;
	case DW_FORM_string:
		x->p = c->p;
		return xkd_cur_cstr(c) != NULL;
	case DW_FORM_sdata:
		x->v = (uint64_t)xkd_cur_sleb(c);
		return !c->bad;
	default:
		x->v = xkd_cur_uleb(c);
		return !c->bad;
	}
	x->p = c->p;
	xkd_cur_skip(c, len);
	x->n = c->bad ? 0 : (size_t)len;
	return !c->bad;
}

bool xkd_dw_val(const struct xkd_dw_unit *u, struct xkd_cur *c, const struct xkd_dw_abattr *at,
		struct xkd_dw_val *x)
{
	int size = at->size;

	x->form = at->form;
	x->p = NULL;
	x->n = 0;
	x->v = 0;
	if (x->form == DW_FORM_indirect) {
		uint64_t form = xkd_cur_uleb(c);

		size = form_size(u, form);
		if (c->bad || size == -2 || form == DW_FORM_indirect ||
		    form == DW_FORM_implicit_const)
			return false;
		x->form = (uint16_t)form;
	}
	if (size < 0)
		return read_odd(c, x);
	if (!xkd_cur_need(c, (uint64_t)size))
		return false;
	if (size <= 8)
		x->v = xkd_get_le(c->p, (unsigned)size);
	c->p += size;
	if (!size)
		x->v = x->form == DW_FORM_implicit_const ? (uint64_t)at->implicit : 1;
	if (u->more)
		x->form = xkd_dw_more_value(u, x->form, &x->v);
	return true;
}

bool xkd_dw_skip_values(const struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
			const struct xkd_dw_abbrev *ab, struct xkd_cur *c)
{
	struct xkd_dw_val x;

	if (ab->fixed >= 0) {
		xkd_cur_skip(c, (uint64_t)ab->fixed);
		return !c->bad;
	}
	for (uint32_t i = 0; i < ab->n; i++)
		if (!xkd_dw_val(u, c, &a->attrs.p[ab->first + i], &x))
			return false;
	return true;
}

const char *xkd_dw_val_str(struct xkd_dwarf *d, const struct xkd_dw_unit *u,
			   const struct xkd_dw_val *x, uint64_t *strp)
{
	struct xkd_cur c;
	uint64_t v = x->v;

	*strp = ~0ULL;
	switch (x->form) {
	case DW_FORM_string:
		return (const char *)x->p;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		if (v > UINT32_MAX)
			return NULL;
		c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_STR_OFFSETS),
			       u->str_offsets_base + v * u->off_size);
		v = xkd_cur_get(&c, u->off_size);
		if (c.bad)
			return NULL;
		/* fallthrough */
	case DW_FORM_strp:
		*strp = v;
		return xkd_dw_section_str(d, XKD_DW_STR, v);
	case DW_FORM_line_strp:
		return xkd_dw_section_str(d, XKD_DW_LINE_STR, v);
	default:
		return NULL;
	}
}

uint64_t xkd_dw_val_ref(struct xkd_dwarf *d, const struct xkd_dw_unit *u,
			const struct xkd_dw_val *x)
{
	uint64_t off;

	switch (x->form) {
	case DW_FORM_ref_addr:
		return x->v;
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		return x->v < u->end - u->off ? u->off + x->v : 0;
	case DW_FORM_ref_sig8:
		return xkd_dw_signed_type(d, x->v, &off) ? off : 0;
	default:
		return 0;
	}
}

bool xkd_dw_val_addr(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_val *x,
		     uint64_t *addr)
{
	switch (x->form) {
	case DW_FORM_addr:
		*addr = x->v;
		return true;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case DW_FORM_GNU_addr_index:
		return xkd_dw_addrx(d, u, x->v, addr);
	default:
		return false;
	}
}

/* The root's values as they stand: strings and addresses need the bases, which may come later. */
struct root {
	struct xkd_dw_val name, dir, low;
};

static void root_value(struct xkd_dw_unit *u, unsigned at, const struct xkd_dw_val *x,
		       struct root *r)
{
	switch (at) {
	case DW_AT_name:
		r->name = *x;
		break;
	case DW_AT_comp_dir:
		r->dir = *x;
		break;
	case DW_AT_low_pc:
		r->low = *x;
		break;
	case DW_AT_stmt_list:
		u->has_stmt_list = true;
		u->stmt_list = x->v + (u->in_more ? u->more->base[XKD_DW_LINE] : 0);
		break;
	case DW_AT_str_offsets_base:
		u->str_offsets_base = x->v;
		break;
	case DW_AT_addr_base:
		u->addr_base = x->v;
		break;
	case DW_AT_rnglists_base:
		u->rnglists_base = x->v;
		break;
	case DW_AT_loclists_base:
		u->loclists_base = x->v;
		break;
	}
}

bool xkd_dw_skip_root(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
		      struct xkd_cur *c, bool *children)
{
	const struct xkd_dw_abbrev *ab = xkd_dw_abbrev(a, xkd_cur_uleb(c));
	struct root r = { .name.form = 0 };
	struct xkd_dw_val x;
	uint64_t strp;

	if (c->bad || !ab)
		return false;
	*children = ab->children;
	if (u->root_known)
		return xkd_dw_skip_values(u, a, ab, c);
	xkd_dw_unit_bases(u);
	for (uint32_t i = 0; i < ab->n; i++) {
		const struct xkd_dw_abattr *at = &a->attrs.p[ab->first + i];

		if (!xkd_dw_val(u, c, at, &x))
			return false;
		root_value(u, at->at, &x, &r);
	}
	u->name = xkd_dw_val_str(d, u, &r.name, &strp);
	u->comp_dir = xkd_dw_val_str(d, u, &r.dir, &strp);
	u->has_low = xkd_dw_val_addr(d, u, &r.low, &u->low_pc);
	u->root_known = true;
	return true;
}
