/* Units: the table of unit headers (read in one hop from header to header), the attributes of a
 * unit's root entry that others need, and the way from an address to a unit.
 * Invariants: units are sorted by offset and do not overlap; aranges is sorted by low address with
 * a running maximum of the high ones, so that a search may stop going back. .debug_aranges is
 * believed; units it does not mention are added by their own ranges, once, when it has no answer.
 */
#include "symbols/dwarf_int.h"

bool xkd_dw_unit_header(struct xkd_cur *c, const uint8_t *base, struct xkd_dw_unit *u)
{
	uint64_t len;

	memset(u, 0, sizeof(*u));
	u->off = (uint64_t)(c->p - base);
	u->off_size = 4;
	len = xkd_cur_get(c, 4);
	if (len == 0xffffffff) {
		u->off_size = 8;
		len = xkd_cur_get(c, 8);
	}
	if (!xkd_cur_need(c, len))
		return false;
	u->end = (uint64_t)(c->p - base) + len;
	u->version = (uint8_t)xkd_cur_get(c, 2);
	u->type = DW_UT_compile;
	if (u->version >= 5) {
		u->type = (uint8_t)xkd_cur_get(c, 1);
		u->addr_size = (uint8_t)xkd_cur_get(c, 1);
		u->abbrev_off = xkd_cur_get(c, u->off_size);
		if (u->type == DW_UT_type || u->type == DW_UT_split_type) {
			u->sig = xkd_cur_get(c, 8);
			u->type_die = u->off + xkd_cur_get(c, u->off_size);
		} else if (u->type == DW_UT_skeleton || u->type == DW_UT_split_compile)
			xkd_cur_skip(c, 8);
	} else {
		u->abbrev_off = xkd_cur_get(c, u->off_size);
		u->addr_size = (uint8_t)xkd_cur_get(c, 1);
	}
	u->die_off = (uint64_t)(c->p - base);
	if (c->bad || u->die_off > u->end)
		return false;
	c->p = base + u->end;
	return true;
}

enum xkd_rc xkd_dw_units(struct xkd_dwarf *d, struct xkd_err *err)
{
	struct xkd_dw_bytes b = xkd_dw_section(d, XKD_DW_INFO);
	struct xkd_cur c = xkd_dw_cur(b, 0);
	struct xkd_dw_unit u;

	if (!d->units_known) {
		d->units_known = true;
		while (!c.bad && c.p < c.end && d->units.n < UINT32_MAX) {
			if (!xkd_dw_unit_header(&c, b.p, &u))
				break;
			xkd_dw_more_unit(d, &u);
			if (u.version >= 2 && u.version <= 5 && u.addr_size == 8)
				*xkd_vec_push(&d->units) = u;
		}
		if (c.p < c.end)
			xkd_log(xkd_image_log(d->img), XKD_LOG_WARN,
				"%s: .debug_info is broken after unit %zu", xkd_image_path(d->img),
				d->units.n);
	}
	if (d->units.n)
		return XKD_OK;
	return xkd_err_set(err, XKD_BADDATA, "%s: no readable unit in .debug_info",
			   xkd_image_path(d->img));
}

struct xkd_dw_unit *xkd_dw_unit_of(struct xkd_dwarf *d, uint64_t off)
{
	struct xkd_err err = XKD_ERR_INIT;
	size_t lo = 0, hi;

	if (xkd_dw_units(d, &err))
		return NULL;
	for (hi = d->units.n; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (d->units.p[mid].end <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < d->units.n && d->units.p[lo].off <= off ? &d->units.p[lo] : NULL;
}

void xkd_dw_unit_bases(struct xkd_dw_unit *u)
{
	u->str_offsets_base = u->off_size == 8 ? 16 : 8;
	u->addr_base = u->str_offsets_base;
	u->rnglists_base = u->off_size == 8 ? 20 : 12;
	u->loclists_base = u->rnglists_base;
}

bool xkd_dw_unit_root(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	Dwarf_Die die;

	if (u->root_known)
		return true;
	die = xkd_dw_die(d, u->die_off);
	if (!die)
		return false;
	u->root_known = true;
	xkd_dw_unit_bases(u);
	xkd_dw_secoff(d, die, DW_AT_str_offsets_base, &u->str_offsets_base);
	xkd_dw_secoff(d, die, DW_AT_addr_base, &u->addr_base);
	xkd_dw_secoff(d, die, DW_AT_rnglists_base, &u->rnglists_base);
	xkd_dw_secoff(d, die, DW_AT_loclists_base, &u->loclists_base);
	u->name = xkd_dw_str(d, die, DW_AT_name);
	u->comp_dir = xkd_dw_str(d, die, DW_AT_comp_dir);
	u->has_low = xkd_dw_addr(d, die, DW_AT_low_pc, &u->low_pc);
	u->has_stmt_list = xkd_dw_secoff(d, die, DW_AT_stmt_list, &u->stmt_list);
	u->stmt_list += u->in_more ? u->more->base[XKD_DW_LINE] : 0;
	xkd_dw_free(die);
	return true;
}

static void add_arange(struct xkd_dwarf *d, uint64_t low, uint64_t high, uint32_t unit)
{
	struct xkd_dw_arange *r;

	if (low >= high)
		return;
	r = xkd_vec_push(&d->aranges);
	r->low = low;
	r->high = high;
	r->unit = unit;
}

static int cmp_arange(const void *a, const void *b)
{
	const struct xkd_dw_arange *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static void sort_aranges(struct xkd_dwarf *d)
{
	uint64_t max = 0;

	xkd_vec_sort(&d->aranges, cmp_arange);
	for (size_t i = 0; i < d->aranges.n; i++) {
		if (d->aranges.p[i].high > max)
			max = d->aranges.p[i].high;
		d->aranges.p[i].max_high = max;
	}
}

/* One set of .debug_aranges; the cursor is set behind it. False at the end. */
static bool read_set(struct xkd_dwarf *d, struct xkd_cur *c)
{
	const uint8_t *start = c->p;
	unsigned off_size = 4, asize, seg;
	struct xkd_cur set;
	struct xkd_dw_unit *u;
	uint64_t info, len = xkd_cur_get(c, 4);

	if (len == 0xffffffff) {
		off_size = 8;
		len = xkd_cur_get(c, 8);
	}
	if (!xkd_cur_need(c, len))
		return false;
	set = (struct xkd_cur){ .p = c->p, .end = c->p + len };
	c->p += len;
	if (xkd_cur_get(&set, 2) != 2)
		return true;
	info = xkd_cur_get(&set, off_size);
	asize = (unsigned)xkd_cur_get(&set, 1);
	seg = (unsigned)xkd_cur_get(&set, 1);
	u = xkd_dw_unit_of(d, info);
	if (set.bad || asize != 8 || seg || !u || u->off != info)
		return true;
	xkd_cur_skip(&set, (uint64_t)(-(set.p - start)) & (2 * asize - 1));
	u->in_aranges = true;
	while (!set.bad && set.p < set.end) {
		uint64_t low = xkd_cur_get(&set, 8), size = xkd_cur_get(&set, 8);

		if (set.bad || (!low && !size))
			break;
		if (low + size >= low)
			add_arange(d, low, low + size, (uint32_t)(u - d->units.p));
	}
	return true;
}

static void read_aranges(struct xkd_dwarf *d)
{
	struct xkd_cur c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_ARANGES), 0);

	while (!c.bad && c.p < c.end && read_set(d, &c))
		;
	sort_aranges(d);
	d->aranges_known = true;
}

struct add_arg {
	struct xkd_dwarf *d;
	uint32_t unit;
};
static bool add_unit_range(void *arg, uint64_t low, uint64_t high)
{
	struct add_arg *a = arg;

	add_arange(a->d, low, high, a->unit);
	return true;
}

/* Units that .debug_aranges does not mention, by their root entries. One that cannot be read says
 * so in the log and is left out: it must not hide the others. */
static enum xkd_rc complete_aranges(struct xkd_dwarf *d, struct xkd_err *err)
{
	for (size_t i = 0; i < d->units.n; i++) {
		struct xkd_dw_unit *u = &d->units.p[i];
		struct add_arg a = { d, (uint32_t)i };
		Dwarf_Die die;

		if (u->in_aranges)
			continue;
		if (xkd_cancel_check(d->cancel, err)) {
			sort_aranges(d);
			return XKD_CANCELED;
		}
		u->in_aranges = true;
		if (!xkd_dw_unit_root(d, u) || !(die = xkd_dw_die(d, u->die_off))) {
			xkd_log(xkd_image_log(d->img), XKD_LOG_WARN, "%s", d->bad.msg);
			xkd_dw_begin(d);
			continue;
		}
		xkd_dw_ranges(d, u, die, add_unit_range, &a);
		xkd_dw_free(die);
	}
	sort_aranges(d);
	d->aranges_full = true;
	return XKD_OK;
}

static struct xkd_dw_unit *search_aranges(struct xkd_dwarf *d, uint64_t iaddr)
{
	size_t lo = 0, hi = d->aranges.n;

	while (lo < hi) { /* first one that begins above */
		size_t mid = lo + (hi - lo) / 2;

		if (d->aranges.p[mid].low <= iaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo-- && d->aranges.p[lo].max_high > iaddr)
		if (d->aranges.p[lo].high > iaddr)
			return &d->units.p[d->aranges.p[lo].unit];
	return NULL;
}

enum xkd_rc xkd_dw_unit_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dw_unit **u,
			   struct xkd_err *err)
{
	enum xkd_rc rc = xkd_dw_units(d, err);

	*u = NULL;
	if (rc)
		return rc;
	if (!d->aranges_known)
		read_aranges(d);
	*u = search_aranges(d, iaddr);
	if (!*u && !d->aranges_full) {
		rc = complete_aranges(d, err);
		if (rc)
			return rc;
		*u = search_aranges(d, iaddr);
	}
	if (!*u)
		return xkd_err_addr(err, XKD_NOTFOUND, iaddr, "no unit of %s covers this address",
				    xkd_image_path(d->img));
	return xkd_dw_unit_root(d, *u) ? XKD_OK : XKD_BADDATA;
}

enum xkd_rc xkd_dwarf_unit(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dunit *unit,
			   struct xkd_err *err)
{
	struct xkd_dw_unit *u;
	enum xkd_rc rc;

	*unit = (struct xkd_dunit){ .name = NULL };
	xkd_dw_begin(d);
	rc = xkd_dw_unit_at(d, iaddr, &u, err);
	if (!rc) {
		unit->name = xkd_dw_unit_path(d, u);
		unit->dir = u->comp_dir;
	}
	return xkd_dw_end(d, rc, err);
}
