/* Functions at an address: the unit's real functions as sorted ranges, and the chain of inlined
 * ones inside, found by walking down only the blocks that hold the address. Invariants: funcs of a
 * unit are sorted by low address with a running maximum of the high ones; the walk goes down at
 * most XKD_DW_BLOCKS blocks and gives at most XKD_INLINE_MAX functions. */
#include "symbols/dwarf_int.h"

struct collect {
	XKD_VEC(struct xkd_dw_func) funcs;
	uint64_t die;
};

static bool add_func(void *arg, uint64_t low, uint64_t high)
{
	struct collect *c = arg;
	struct xkd_dw_func *f = xkd_vec_push(&c->funcs);

	f->low = low;
	f->high = high;
	f->die = c->die;
	return true;
}

static int cmp_func(const void *a, const void *b)
{
	const struct xkd_dw_func *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->die < y->die ? -1 : x->die > y->die;
}

/* The subprograms among the children of an entry; namespaces are gone into. */
static void collect_funcs(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die parent,
			  struct collect *c, int depth)
{
	Dwarf_Die kid = xkd_dw_child(d, parent);

	for (; kid; kid = xkd_dw_next(d, kid)) {
		unsigned tag = xkd_dw_tag(kid);

		if (tag == DW_TAG_subprogram) {
			c->die = xkd_dw_off(kid);
			xkd_dw_ranges(d, u, kid, add_func, c);
		} else if ((tag == DW_TAG_namespace || tag == DW_TAG_module) &&
			   depth < XKD_DW_DEPTH) {
			collect_funcs(d, u, kid, c, depth + 1);
		}
	}
}

bool xkd_dw_funcs(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	struct collect c = { .die = 0 };
	uint64_t max = 0;
	Dwarf_Die root;

	if (u->funcs_known)
		return true;
	root = xkd_dw_die(d, u->die_off);
	if (!root)
		return false;
	collect_funcs(d, u, root, &c, 0);
	xkd_dw_free(root);
	xkd_vec_sort(&c.funcs, cmp_func);
	for (size_t i = 0; i < c.funcs.n; i++) {
		if (c.funcs.p[i].high > max)
			max = c.funcs.p[i].high;
		c.funcs.p[i].max_high = max;
	}
	u->funcs = c.funcs.p;
	u->nfuncs = c.funcs.n;
	u->funcs_known = true;
	return true;
}

uint64_t xkd_dw_func_die(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t iaddr)
{
	size_t lo = 0, hi;

	if (!xkd_dw_funcs(d, u))
		return 0;
	for (hi = u->nfuncs; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (u->funcs[mid].low <= iaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo-- && u->funcs[lo].max_high > iaddr)
		if (u->funcs[lo].high > iaddr)
			return u->funcs[lo].die;
	return 0;
}

enum xkd_rc xkd_dw_func_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dw_unit **u, Dwarf_Die *die,
			   struct xkd_err *err)
{
	enum xkd_rc rc = xkd_dw_unit_at(d, iaddr, u, err);
	uint64_t off = rc ? 0 : xkd_dw_func_die(d, *u, iaddr);

	*die = off ? xkd_dw_die(d, off) : NULL;
	if (!rc && !*die)
		rc = xkd_err_addr(err, XKD_NOTFOUND, iaddr, "no function covers this address");
	return rc;
}

/* Does one of an entry's ranges hold an address, and which are its first and lowest. */
struct extent {
	uint64_t iaddr;
	bool any, holds;
	uint64_t first_low, first_high, low, high;
};
static bool see_range(void *arg, uint64_t low, uint64_t high)
{
	struct extent *x = arg;

	if (!x->any) {
		x->first_low = low;
		x->first_high = high;
	}
	if (!x->any || low < x->low) {
		x->low = low;
		x->high = high;
	}
	x->any = true;
	x->holds |= low <= x->iaddr && x->iaddr < high;
	return true;
}

bool xkd_dw_extent(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, uint64_t iaddr,
		   struct xkd_dw_range *lowest)
{
	struct extent x = { .iaddr = iaddr };

	xkd_dw_ranges(d, u, die, see_range, &x);
	*lowest = (struct xkd_dw_range){ x.low, x.high };
	return x.holds;
}

static const char *file_of(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	struct xkd_dw_unit *u = xkd_dw_unit_of(d, xkd_dw_off(die));
	uint64_t file;

	return u && xkd_dw_u64(d, die, at, &file) ? xkd_dw_path(d, u, file) : NULL;
}

static unsigned line_of(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	uint64_t line;

	return xkd_dw_u64(d, die, at, &line) && line <= UINT32_MAX ? (unsigned)line : 0;
}

static void fill_decl(struct xkd_dwarf *d, Dwarf_Die die, struct xkd_dfunc *f)
{
	Dwarf_Die decl = xkd_dw_origin_with(d, die, DW_AT_decl_file);

	if (decl)
		f->decl_file = file_of(d, decl, DW_AT_decl_file);
	xkd_dw_free(decl);
	decl = xkd_dw_origin_with(d, die, DW_AT_decl_line);
	if (decl)
		f->decl_line = line_of(d, decl, DW_AT_decl_line);
	xkd_dw_free(decl);
}

void xkd_dw_decl(struct xkd_dwarf *d, uint64_t off, const char **file, unsigned *line)
{
	Dwarf_Die die = xkd_dw_die(d, off);
	struct xkd_dfunc f = { .decl_line = 0 };

	if (die)
		fill_decl(d, die, &f);
	xkd_dw_free(die);
	*file = f.decl_file;
	*line = f.decl_line;
}

static void fill_func(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die,
		      struct xkd_dfunc *f)
{
	struct extent x = { .iaddr = 0 };
	uint64_t v;

	memset(f, 0, sizeof(*f));
	f->die = xkd_dw_off(die);
	f->inlined = xkd_dw_tag(die) == DW_TAG_inlined_subroutine;
	f->name = xkd_dw_name(d, die);
	fill_decl(d, die, f);
	xkd_dw_ranges(d, u, die, see_range, &x);
	if (f->inlined) {
		f->low = x.low;
		f->high = x.high;
		f->call_file = file_of(d, die, DW_AT_call_file);
		f->call_line = line_of(d, die, DW_AT_call_line);
		return;
	}
	f->low = x.first_low;
	f->high = x.first_high;
	f->entry = f->low;
	if (xkd_dw_addr(d, die, DW_AT_entry_pc, &v))
		f->entry = v;
	else if (xkd_dw_u64(d, die, DW_AT_entry_pc, &v))
		f->entry = f->low + v;
}

/* The child block or inlined function that holds the address; frees die. */
static Dwarf_Die step_down(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die,
			   uint64_t iaddr)
{
	Dwarf_Die kid = xkd_dw_child(d, die);
	struct xkd_dw_range low;

	xkd_dw_free(die);
	for (; kid; kid = xkd_dw_next(d, kid)) {
		unsigned tag = xkd_dw_tag(kid);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
		    tag != DW_TAG_try_block && tag != DW_TAG_catch_block)
			continue;
		if (xkd_dw_extent(d, u, kid, iaddr, &low))
			return kid;
	}
	return NULL;
}

enum xkd_rc xkd_dw_chain(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t iaddr, uint64_t *dies,
			 size_t max, size_t *n, struct xkd_err *err)
{
	uint64_t off = xkd_dw_func_die(d, u, iaddr);
	Dwarf_Die die;

	*n = 0;
	if (!off)
		return xkd_err_addr(err, XKD_NOTFOUND, iaddr, "no function covers this address");
	die = xkd_dw_die(d, off);
	for (int depth = 0; die && depth < XKD_DW_BLOCKS; depth++) {
		if (xkd_dw_tag(die) == DW_TAG_subprogram ||
		    xkd_dw_tag(die) == DW_TAG_inlined_subroutine) {
			if (*n == max)
				break;
			dies[(*n)++] = xkd_dw_off(die);
		}
		die = step_down(d, u, die, iaddr);
	}
	xkd_dw_free(die);
	return *n ? XKD_OK : XKD_BADDATA;
}

enum xkd_rc xkd_dwarf_funcs_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dfunc *f, size_t max,
			       size_t *n, struct xkd_err *err)
{
	uint64_t dies[XKD_INLINE_MAX];
	struct xkd_dw_unit *u;
	enum xkd_rc rc;

	*n = 0;
	xkd_dw_begin(d);
	rc = xkd_dw_unit_at(d, iaddr, &u, err);
	if (!rc)
		rc = xkd_dw_chain(d, u, iaddr, dies, max < XKD_INLINE_MAX ? max : XKD_INLINE_MAX, n,
				  err);
	for (size_t i = 0; !rc && i < *n; i++) {
		Dwarf_Die die = xkd_dw_die(d, dies[*n - 1 - i]);

		if (die)
			fill_func(d, u, die, &f[i]);
		xkd_dw_free(die);
	}
	rc = xkd_dw_end(d, rc, err);
	if (rc)
		*n = 0;
	return rc;
}

enum xkd_rc xkd_dwarf_func_type(struct xkd_dwarf *d, uint64_t iaddr, const struct xkd_type **t,
				struct xkd_err *err)
{
	struct xkd_dw_unit *u;
	enum xkd_rc rc;
	uint64_t off;

	*t = NULL;
	xkd_dw_begin(d);
	rc = xkd_dw_unit_at(d, iaddr, &u, err);
	if (!rc) {
		Dwarf_Die die;

		off = xkd_dw_func_die(d, u, iaddr);
		die = off ? xkd_dw_die(d, off) : NULL;
		if (die)
			*t = xkd_dw_type(d, xkd_dw_origin(d, die));
		else
			rc = xkd_err_addr(err, XKD_NOTFOUND, iaddr,
					  "no function covers this address");
		xkd_dw_free(die);
	}
	return xkd_dw_end(d, rc, err);
}
