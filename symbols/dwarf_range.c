/* Range lists and location lists, DWARF 4 (.debug_ranges, .debug_loc) and 5 (.debug_rnglists,
 * .debug_loclists): read in place from the mapped sections, so that expressions stay bytes.
 * Invariants: every step moves forward in its section, XKD_DW_LIST_MAX entries at most; a list that
 * runs out of its section ends there and is told as BADDATA through d->bad. */
#include "symbols/dwarf_int.h"

/* One list being walked: v4 and v5 entries come out alike. */
struct list {
	struct xkd_dwarf *d;
	struct xkd_dw_unit *u;
	struct xkd_cur c;
	uint64_t base;
	bool v5, loc;
};
struct entry {
	uint64_t low, high;
	bool always; /* the default location */
	const uint8_t *expr;
	size_t len;
};
enum step { STEP_END, STEP_RANGE, STEP_NONE };

bool xkd_dw_addrx(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t index, uint64_t *addr)
{
	struct xkd_cur c;

	if (index > UINT32_MAX)
		return false;
	c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_ADDR), u->addr_base + index * 8);
	*addr = xkd_cur_get(&c, 8);
	return !c.bad;
}

static uint64_t list_addrx(struct list *l)
{
	uint64_t addr = 0, index = xkd_cur_uleb(&l->c);

	if (!l->c.bad && !xkd_dw_addrx(l->d, l->u, index, &addr))
		l->c.bad = true;
	return addr;
}

static void list_expr(struct list *l, struct entry *e)
{
	uint64_t n;

	if (!l->loc)
		return;
	n = l->v5 ? xkd_cur_uleb(&l->c) : xkd_cur_get(&l->c, 2);
	e->expr = l->c.p;
	e->len = (size_t)n;
	xkd_cur_skip(&l->c, n);
}

static enum step step_v4(struct list *l, struct entry *e)
{
	e->low = xkd_cur_get(&l->c, 8);
	e->high = xkd_cur_get(&l->c, 8);
	if (!e->low && !e->high)
		return STEP_END;
	if (e->low == ~0ULL) {
		l->base = e->high;
		return STEP_NONE;
	}
	e->low += l->base;
	e->high += l->base;
	list_expr(l, e);
	return STEP_RANGE;
}

/* The codes of range lists and location lists, as one set of our own. */
enum code {
	C_END,
	C_BASEX,
	C_STARTX_ENDX,
	C_STARTX_LENGTH,
	C_OFFSETS,
	C_DEFAULT,
	C_BASE,
	C_START_END,
	C_START_LENGTH,
	C_VIEWS,
	C_BAD
};
static enum code list_code(struct list *l)
{
	static const uint8_t rng[] = { C_END,	  C_BASEX, C_STARTX_ENDX, C_STARTX_LENGTH,
				       C_OFFSETS, C_BASE,  C_START_END,	  C_START_LENGTH };
	static const uint8_t loc[] = { C_END,	       C_BASEX,	  C_STARTX_ENDX, C_STARTX_LENGTH,
				       C_OFFSETS,      C_DEFAULT, C_BASE,	 C_START_END,
				       C_START_LENGTH, C_VIEWS };
	uint64_t k = xkd_cur_get(&l->c, 1);

	if (l->loc)
		return k < XKD_COUNT(loc) ? loc[k] : C_BAD;
	return k < XKD_COUNT(rng) ? rng[k] : C_BAD;
}

static enum step step_v5(struct list *l, struct entry *e)
{
	enum code code = list_code(l);

	switch (code) {
	case C_END:
		return STEP_END;
	case C_BAD:
		l->c.bad = true;
		return STEP_END;
	case C_BASEX:
		l->base = list_addrx(l);
		return STEP_NONE;
	case C_BASE:
		l->base = xkd_cur_get(&l->c, 8);
		return STEP_NONE;
	case C_VIEWS:
		xkd_cur_uleb(&l->c);
		xkd_cur_uleb(&l->c);
		return STEP_NONE;
	case C_DEFAULT:
		e->always = true;
		break;
	case C_OFFSETS:
		e->low = l->base + xkd_cur_uleb(&l->c);
		e->high = l->base + xkd_cur_uleb(&l->c);
		break;
	case C_STARTX_ENDX:
		e->low = list_addrx(l);
		e->high = list_addrx(l);
		break;
	case C_STARTX_LENGTH:
		e->low = list_addrx(l);
		e->high = e->low + xkd_cur_uleb(&l->c);
		break;
	case C_START_END:
		e->low = xkd_cur_get(&l->c, 8);
		e->high = xkd_cur_get(&l->c, 8);
		break;
	case C_START_LENGTH:
		e->low = xkd_cur_get(&l->c, 8);
		e->high = e->low + xkd_cur_uleb(&l->c);
		break;
	}
	list_expr(l, e);
	return STEP_RANGE;
}

/* Opens the list at an offset of its section or, by index, of the unit's table. */
static bool list_at(struct list *l, struct xkd_dwarf *d, struct xkd_dw_unit *u, unsigned form,
		    uint64_t off, bool loc)
{
	struct xkd_dw_bytes b;
	uint64_t base;

	*l = (struct list){ .d = d, .u = u, .loc = loc, .v5 = u->version >= 5 };
	l->base = u->has_low ? u->low_pc : 0;
	if (l->v5)
		b = xkd_dw_section(d, loc ? XKD_DW_LOCLISTS : XKD_DW_RNGLISTS);
	else
		b = xkd_dw_section(d, loc ? XKD_DW_LOC : XKD_DW_RANGES);
	if (form == DW_FORM_rnglistx || form == DW_FORM_loclistx) {
		base = loc ? u->loclists_base : u->rnglists_base;
		if (off > UINT32_MAX || base > b.n)
			b.p = NULL;
		l->c = xkd_dw_cur(b, base + off * u->off_size);
		off = base + xkd_cur_get(&l->c, u->off_size);
		if (!l->c.bad)
			l->c = xkd_dw_cur(b, off);
	} else {
		l->c = xkd_dw_cur(b, off);
	}
	return !l->c.bad;
}

/* Opens the list that the attribute names. */
static bool list_open(struct list *l, struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die,
		      unsigned at, bool loc)
{
	unsigned form = xkd_dw_form(d, die, at);
	bool x = form == DW_FORM_rnglistx || form == DW_FORM_loclistx;
	uint64_t off;

	if (!xkd_dw_unit_root(d, u) ||
	    !(x ? xkd_dw_listx(d, die, at, &off) : xkd_dw_secoff(d, die, at, &off)))
		return false;
	if (list_at(l, d, u, form, off, loc))
		return true;
	xkd_dw_bad(d, xkd_dw_off(die), "a list that lies outside its section");
	return false;
}

/* The next entry with a range; false at the end. */
static bool list_next(struct list *l, struct entry *e, unsigned *count)
{
	while ((*count)++ < XKD_DW_LIST_MAX) {
		enum step s;

		*e = (struct entry){ .low = 0 };
		s = l->v5 ? step_v5(l, e) : step_v4(l, e);
		if (l->c.bad)
			break;
		if (s == STEP_END)
			return false;
		if (s == STEP_RANGE)
			return true;
	}
	xkd_dw_bad(l->d, l->u->off, "a range or location list of this unit does not end");
	return false;
}

static bool low_high(struct xkd_dwarf *d, Dwarf_Die die, uint64_t *low, uint64_t *high)
{
	uint64_t v;

	if (!xkd_dw_addr(d, die, DW_AT_low_pc, low))
		return false;
	if (xkd_dw_addr(d, die, DW_AT_high_pc, high))
		return true;
	if (!xkd_dw_u64(d, die, DW_AT_high_pc, &v))
		return false;
	*high = *low + v;
	return true;
}

bool xkd_dw_ranges(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die,
		   bool (*fn)(void *arg, uint64_t low, uint64_t high), void *arg)
{
	struct list l;
	struct entry e;
	unsigned count = 0;
	uint64_t low, high;

	if (xkd_dw_has(d, die, DW_AT_ranges)) {
		if (!list_open(&l, d, u, die, DW_AT_ranges, false))
			return true;
		while (list_next(&l, &e, &count))
			if (e.low < e.high && !fn(arg, e.low, e.high))
				break;
		return true;
	}
	if (!low_high(d, die, &low, &high))
		return false;
	if (low < high)
		fn(arg, low, high);
	return true;
}

bool xkd_dw_ranges_at(struct xkd_dwarf *d, struct xkd_dw_unit *u, unsigned form, uint64_t off,
		      bool (*fn)(void *arg, uint64_t low, uint64_t high), void *arg)
{
	struct list l;
	struct entry e;
	unsigned count = 0;

	if (!list_at(&l, d, u, form, off, false))
		return false;
	while (list_next(&l, &e, &count))
		if (e.low < e.high && !fn(arg, e.low, e.high))
			return true;
	return !l.c.bad;
}

bool xkd_dw_loclist(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, unsigned at,
		    uint64_t iaddr, const uint8_t **expr, size_t *len)
{
	struct list l;
	struct entry e, dflt = { .low = 0 };
	unsigned count = 0;

	*expr = NULL;
	*len = 0;
	if (!list_open(&l, d, u, die, at, true))
		return false;
	while (list_next(&l, &e, &count)) {
		if (e.always)
			dflt = e;
		else if (e.low <= iaddr && iaddr < e.high)
			break;
		e.expr = NULL;
	}
	if (d->bad.code)
		return false;
	if (!e.expr)
		e = dflt;
	*expr = e.expr;
	*len = e.len;
	return e.expr != NULL;
}
