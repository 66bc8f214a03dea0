/* The skip reader: abbreviations of one unit, and entries read through them.
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
static bool read_attrs(const struct xkd_dw_unit *u, struct xkd_dw_cur *c, struct xkd_dw_abbrevs *a,
		       struct xkd_dw_abbrev *ab)
{
	int32_t off = 0;

	ab->first = (uint32_t)a->attrs.n;
	ab->sib_off = -1;
	for (;;) {
		uint64_t at = xkd_dw_uleb(c), form = xkd_dw_uleb(c);
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
			x->implicit = xkd_dw_sleb(c);
		if (at == DW_AT_sibling && form == DW_FORM_ref4)
			ab->sib_off = off;
		off = off < 0 || size < 0 ? -1 : off + size;
	}
	return !c->bad;
}

static int cmp_abbrev(const void *a, const void *b)
{
	const struct xkd_dw_abbrev *x = a, *y = b;

	return x->code < y->code ? -1 : x->code > y->code;
}

bool xkd_dw_abbrevs(struct xkd_dwarf *d, const struct xkd_dw_unit *u, bool (*wanted)(unsigned tag),
		    struct xkd_dw_abbrevs *a)
{
	struct xkd_dw_cur c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_ABBREV), u->abbrev_off);
	uint64_t code;

	xkd_vec_reset(&a->v);
	xkd_vec_reset(&a->attrs);
	a->dense = true;
	while ((code = xkd_dw_uleb(&c)) && a->v.n < ABBREVS_MAX) {
		struct xkd_dw_abbrev *ab = xkd_vec_push(&a->v);
		uint64_t tag = xkd_dw_uleb(&c);

		ab->code = code;
		ab->tag = tag <= UINT16_MAX ? (uint16_t)tag : UINT16_MAX;
		ab->children = xkd_dw_get(&c, 1);
		ab->wanted = wanted(ab->tag);
		a->dense &= code == a->v.n;
		if (!read_attrs(u, &c, a, ab))
			return false;
	}
	if (!a->dense)
		xkd_vec_sort(&a->v, cmp_abbrev);
	return !c.bad;
}

void xkd_dw_abbrevs_fini(struct xkd_dw_abbrevs *a)
{
	xkd_vec_fini(&a->v);
	xkd_vec_fini(&a->attrs);
}

static const struct xkd_dw_abbrev *find_abbrev(const struct xkd_dw_abbrevs *a, uint64_t code)
{
	struct xkd_dw_abbrev key = { .code = code };

	if (a->dense)
		return code - 1 < a->v.n ? &a->v.p[code - 1] : NULL;
	return a->v.n ? bsearch(&key, a->v.p, a->v.n, sizeof(key), cmp_abbrev) : NULL;
}

/* Skips a value; for a block p and n are its bytes, else n is 0 and v the number, if it is one. */
struct value {
	uint64_t v;
	const uint8_t *p;
	size_t n;
};
static void read_value(const struct xkd_dw_unit *u, struct xkd_dw_cur *c, uint64_t form,
		       struct value *x)
{
	int size = form_size(u, form);
	uint64_t len;

	x->p = c->p;
	x->n = 0;
	x->v = 0;
	if (size >= 0) {
		if (size <= 8)
			x->v = xkd_dw_get(c, (unsigned)size);
		else
			xkd_dw_skip(c, (uint64_t)size);
		return;
	}
	switch (form) {
	case DW_FORM_block1:
		len = xkd_dw_get(c, 1);
		break;
	case DW_FORM_block2:
		len = xkd_dw_get(c, 2);
		break;
	case DW_FORM_block4:
		len = xkd_dw_get(c, 4);
		break;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		len = xkd_dw_uleb(c);
		break;
	case DW_FORM_string:
		xkd_dw_cstr(c);
		return;
	case DW_FORM_sdata:
		x->v = (uint64_t)xkd_dw_sleb(c);
		return;
	default:
		x->v = xkd_dw_uleb(c);
		return;
	}
	x->p = c->p;
	xkd_dw_skip(c, len);
	x->n = c->bad ? 0 : (size_t)len;
}

static void take_name(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t form,
		      const struct value *x, struct xkd_dw_brief *b)
{
	struct xkd_dw_cur c;
	uint64_t v = x->v;

	switch (form) {
	case DW_FORM_string:
		b->name = (const char *)x->p;
		return;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		if (v > UINT32_MAX || !xkd_dw_unit_root(d, u))
			return;
		c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_STR_OFFSETS),
			       u->str_offsets_base + v * u->off_size);
		v = xkd_dw_get(&c, u->off_size);
		if (c.bad)
			return;
		/* fallthrough */
	case DW_FORM_strp:
		if (v < d->sec[XKD_DW_STR].n) {
			b->strp = v;
			b->name = (const char *)d->sec[XKD_DW_STR].p + v;
		}
		return;
	case DW_FORM_line_strp:
		b->name = xkd_dw_section_str(d, XKD_DW_LINE_STR, v);
		return;
	}
}

static uint64_t to_offset(const struct xkd_dw_unit *u, uint64_t form, uint64_t v)
{
	if (form == DW_FORM_ref_addr)
		return v;
	return v < u->end - u->off ? u->off + v : 0;
}

static void take(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_abattr *at,
		 uint64_t form, struct value *x, struct xkd_dw_brief *b)
{
	switch (at->at) {
	case DW_AT_sibling:
		b->sibling = to_offset(u, form, x->v);
		break;
	case DW_AT_name:
		take_name(d, u, form, x, b);
		break;
	case DW_AT_declaration:
		b->declaration = form == DW_FORM_flag_present || x->v;
		break;
	case DW_AT_external:
		b->external = form == DW_FORM_flag_present || x->v;
		break;
	case DW_AT_specification:
		b->spec = to_offset(u, form, x->v);
		break;
	case DW_AT_location:
		if (x->n) {
			b->loc = x->p;
			b->loc_len = x->n;
		}
		break;
	}
}

/* The values one by one. */
static bool read_values(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
			const struct xkd_dw_abbrev *ab, struct xkd_dw_cur *c,
			struct xkd_dw_brief *b)
{
	for (uint32_t i = 0; i < ab->n; i++) {
		const struct xkd_dw_abattr *at = &a->attrs.p[ab->first + i];
		uint64_t form = at->form;
		struct value x;

		if (form == DW_FORM_indirect) {
			form = xkd_dw_uleb(c);
			if (form == DW_FORM_indirect || form == DW_FORM_implicit_const ||
			    form_size(u, form) == -2)
				return false;
		}
		read_value(u, c, form, &x);
		if (c->bad)
			return false;
		take(d, u, at, form, &x, b);
	}
	return true;
}

bool xkd_dw_brief(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
		  struct xkd_dw_cur *c, struct xkd_dw_brief *b)
{
	const struct xkd_dw_abbrev *ab;
	const uint8_t *base = d->sec[XKD_DW_INFO].p;
	uint64_t code;

	*b = (struct xkd_dw_brief){ .off = (uint64_t)(c->p - base), .strp = ~0ULL };
	code = xkd_dw_uleb(c);
	if (c->bad || !code)
		return !c->bad;
	ab = find_abbrev(a, code);
	if (!ab)
		return false;
	b->tag = ab->tag;
	b->children = ab->children;
	b->wanted = ab->wanted;
	if (!ab->wanted && ab->sib_off >= 0 && xkd_dw_need(c, (uint64_t)ab->sib_off + 4)) {
		b->sibling = to_offset(u, DW_FORM_ref4, xkd_get_le(c->p + ab->sib_off, 4));
		if (b->sibling > b->off)
			return true;
		b->sibling = 0;
	}
	return read_values(d, u, a, ab, c, b);
}

bool xkd_dw_skip_children(struct xkd_dwarf *d, struct xkd_dw_unit *u,
			  const struct xkd_dw_abbrevs *a, struct xkd_dw_cur *c,
			  const struct xkd_dw_brief *b)
{
	const uint8_t *base = d->sec[XKD_DW_INFO].p;
	struct xkd_dw_brief kid;
	uint64_t depth = 1;

	if (!b->children)
		return true;
	if (b->sibling > (uint64_t)(c->p - base) && b->sibling <= u->end) {
		c->p = base + b->sibling;
		return true;
	}
	while (depth) {
		if (!xkd_dw_brief(d, u, a, c, &kid))
			return false;
		if (!kid.tag)
			depth--;
		else if (kid.sibling > (uint64_t)(c->p - base) && kid.sibling <= u->end)
			c->p = base + kid.sibling;
		else if (kid.children)
			depth++;
	}
	return true;
}
