/* Any bytes as the debug sections of a file, and all that is asked of them: units, line tables,
 * ranges, functions at an address and their variables, types with their parts, and the walk that an
 * index is made of. Input: twelve parts (parts.h), the sections in the order of sections[]. */
#include "symbols/dwarf.h"
#include "base/log.h"
#include "symbols/dwarf_int.h"
#include "symbols/index_int.h"
#include "tests/fuzz/parts.h"
#include <stdlib.h>

static const char *const sections[] = {
	".debug_info",	   ".debug_abbrev",   ".debug_str",	".debug_str_offsets",
	".debug_line",	   ".debug_line_str", ".debug_aranges", ".debug_ranges",
	".debug_rnglists", ".debug_loc",      ".debug_loclists", ".debug_addr",
};
const size_t parts_count = XKD_COUNT(sections);

#define ADDRS 16
#define TYPES 24

struct asked {
	struct xkd_dwarf *d;
	uint64_t addr[ADDRS];
	size_t n;
	size_t types; /* asked so far */
};

static void add_addr(struct asked *a, uint64_t addr)
{
	if (a->n < ADDRS)
		a->addr[a->n++] = addr;
}

static bool add_place(void *arg, uint64_t iaddr)
{
	struct asked *a = arg;

	add_addr(a, iaddr);
	return a->n < ADDRS;
}

/* All parts of a type, and a spelling that ends. */
static void ask_type(struct asked *a, const struct xkd_type *t, int depth)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b = XKD_BUF_INIT;
	const struct xkd_enumerator *e;
	const struct xkd_member *m;
	const struct xkd_param *p;
	const struct xkd_type *to;
	struct xkd_member found;
	size_t n;

	if (!t || depth > 3 || ++a->types > 200)
		return;
	xkd_type_spell(t, "x", &b);
	if (b.len > 1 << 20 || strlen(b.s) != b.len)
		abort();
	xkd_buf_fini(&b);
	if (!xkd_type_members(t, &m, &n, &err))
		for (size_t i = 0; i < n && i < 32; i++)
			ask_type(a, m[i].type, depth + 1);
	if (!xkd_type_enums(t, &e, &n, &err))
		for (size_t i = 0; i < n; i++)
			if (strlen(e[i].name) > 0xffff)
				abort();
	if (!xkd_type_params(t, &p, &n, &err))
		for (size_t i = 0; i < n && i < 16; i++)
			ask_type(a, p[i].type, depth + 1);
	if (!xkd_type_target(t, &to, &err))
		ask_type(a, to, depth + 1);
	if (!xkd_type_find_member(t, "dev_count", &found, &err) && !found.type)
		abort();
	ask_type(a, xkd_type_strip(t), 3);
}

static void ask_vars(struct asked *a, const struct xkd_dfunc *f, uint64_t addr)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_arena arena;
	struct xkd_dvar *v;
	uint64_t iaddr;
	size_t n, sum = 0;

	xkd_arena_init(&arena);
	if (xkd_dwarf_vars(a->d, f, addr, &arena, &v, &n, &err))
		n = 0;
	for (size_t i = 0; i < n; i++) {
		ask_type(a, v[i].type, 1);
		for (size_t k = 0; v[i].expr && k < v[i].expr_len; k++)
			sum += v[i].expr[k];
		if (i < 4)
			(void)!xkd_dwarf_addrx(a->d, v[i].cu, i, &iaddr, &err);
	}
	*(volatile size_t *)&sum = sum;
	xkd_arena_fini(&arena);
}

/* Calls that return to an address, what they passed, and what jumps end the function. */
static void ask_calls(struct asked *a, uint64_t addr)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_dtails tails;
	struct xkd_dcall call;
	struct xkd_dvar v;
	const uint8_t *expr;
	uint64_t at[8];
	size_t n, len;

	if (!xkd_dwarf_call_at(a->d, addr, &call, &err)) {
		if (call.ret != addr)
			abort();
		for (int reg = -1; reg < 9; reg += 5)
			(void)!xkd_dwarf_call_value(a->d, &call, reg, call.origin, reg == 4, &expr,
						    &len, &err);
		if (!xkd_dwarf_func_entries(a->d, call.origin, at, XKD_COUNT(at), &n, &err) &&
		    n > XKD_COUNT(at))
			abort();
		if (!xkd_dwarf_var_at(a->d, call.die, addr, &v, &err))
			ask_type(a, v.type, 1);
	}
	if (!xkd_dwarf_tail_calls(a->d, addr, &tails, &err) && tails.n > XKD_COUNT(tails.to))
		abort();
}

/* Where calls return to, by the entries themselves. */
static void find_calls(struct asked *a, Dwarf_Die parent, int depth)
{
	Dwarf_Die kid = xkd_dw_child(a->d, parent);
	uint64_t addr;

	for (int i = 0; kid && i < 40; i++, kid = xkd_dw_next(a->d, kid)) {
		unsigned tag = xkd_dw_tag(kid);

		if ((tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site) &&
		    (xkd_dw_addr(a->d, kid, DW_AT_call_return_pc, &addr) ||
		     xkd_dw_addr(a->d, kid, DW_AT_low_pc, &addr)))
			add_addr(a, addr);
		else if (depth < 4)
			find_calls(a, kid, depth + 1);
	}
	xkd_dw_free(kid);
}

static void ask_address(struct asked *a, uint64_t addr)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *t;
	struct xkd_line line;
	const uint8_t *expr;
	struct xkd_dunit u;
	size_t n, len;

	if (!xkd_dwarf_line_at(a->d, addr, &line, &err) &&
	    (addr < line.start || addr >= line.end || !line.file))
		abort();
	if (!xkd_dwarf_funcs_at(a->d, addr, f, XKD_INLINE_MAX, &n, &err)) {
		if (!n || n > XKD_INLINE_MAX || f[n - 1].inlined)
			abort();
		for (size_t i = 0; i < n && i < 4; i++)
			ask_vars(a, &f[i], addr);
	} else if (!err.msg[0]) {
		abort();
	}
	if (!xkd_dwarf_func_type(a->d, addr, &t, &err))
		ask_type(a, t, 0);
	if (!xkd_dwarf_frame_base(a->d, addr, &expr, &len, &err) && !expr)
		abort();
	ask_calls(a, addr);
	(void)!xkd_dwarf_unit(a->d, addr, &u, &err);
}

/* Where there is something to ask about: the edges of functions, and rows of line tables. */
static void find_addresses(struct asked *a, struct xkd_dw_unit *u)
{
	Dwarf_Die die;

	xkd_dw_begin(a->d);
	if (xkd_dw_funcs(a->d, u))
		for (size_t i = 0; i < u->nfuncs && i < 2; i++) {
			add_addr(a, u->funcs[i].low);
			add_addr(a, u->funcs[i].low + (u->funcs[i].high - u->funcs[i].low) / 2);
			add_addr(a, u->funcs[i].high - 1);
		}
	xkd_dw_begin(a->d);
	die = xkd_dw_die(a->d, u->die_off);
	if (die)
		find_calls(a, die, 0);
	xkd_dw_free(die);
	xkd_dw_begin(a->d);
	if (xkd_dw_rows(a->d, u))
		for (size_t i = 0; i < u->nrows; i += 1 + u->nrows / 4) {
			if (i && u->rows[i].addr < u->rows[i - 1].addr)
				abort();
			add_addr(a, u->rows[i].addr);
		}
}

static void ask_file(struct asked *a, struct xkd_dw_unit *u)
{
	struct xkd_err err = XKD_ERR_INIT;
	for (size_t i = 0; i < u->nrows; i += 1 + u->nrows / 3) {
		unsigned line = u->rows[i].line, used;
		const char *path;

		xkd_dw_begin(a->d);
		path = xkd_dw_path(a->d, u, u->rows[i].file);
		if (!path || !*path || !line)
			continue;
		if (!xkd_dwarf_line_addrs(a->d, path, line, &used, add_place, a, NULL, &err) &&
		    used < line)
			abort();
	}
}

static void ask_units(struct asked *a)
{
	struct xkd_err err = XKD_ERR_INIT;
	size_t tried = 0;

	if (xkd_dw_units(a->d, &err))
		return;
	for (size_t i = 0; i < a->d->units.n && i < 3; i++) {
		struct xkd_dw_unit *u = &a->d->units.p[i];

		find_addresses(a, u);
		ask_file(a, u);
		/* references of others may lead to the middle of an entry */
		for (uint64_t off = u->die_off; off < u->end && tried < TYPES;
		     off += 1 + (u->end - u->die_off) / TYPES, tried++) {
			xkd_dw_begin(a->d);
			ask_type(a, xkd_dw_type(a->d, off), 0);
		}
	}
	add_addr(a, PARTS_TEXT);
	for (size_t i = 0; i < a->n; i++)
		ask_address(a, a->addr[i]);
}

static bool row_of(uint32_t row, size_t n)
{
	return row == XKD_IX_NIL || row < n;
}

static void ask_rows(struct xkd_image *img, struct xkd_log *log)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_ixrows r;

	if (!xkd_ixrows_build(img, &r, log, &err)) {
		for (size_t i = 0; i < r.names.n; i++)
			if (strlen(r.names.p[i].text) > 0x1ffff)
				abort();
		for (size_t i = 0; i < r.funcs.n; i++)
			if (!row_of(r.funcs.p[i].name, r.names.n) ||
			    !row_of(r.funcs.p[i].unit, r.units.n))
				abort();
		for (size_t i = 0; i < r.inls.n; i++)
			if (!row_of(r.inls.p[i].name, r.names.n) ||
			    !row_of(r.inls.p[i].host, r.funcs.n))
				abort();
		for (size_t i = 0; i < r.vars.n; i++)
			if (r.vars.p[i].name >= r.names.n)
				abort();
		for (size_t i = 0; i < r.types.n; i++)
			if (r.types.p[i].name >= r.names.n)
				abort();
	} else if (!err.msg[0]) {
		abort();
	}
	xkd_ixrows_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct asked a = { .n = 0 };
	struct xkd_image *img;
	struct parts ps;
	struct xkd_log log;

	parts_split(data, size, &ps);
	xkd_log_init(&log);
	img = parts_image(sections, &ps, 0, parts_count, &log);
	if (!xkd_image_dwarf(img, &a.d, &err)) {
		ask_units(&a);
		ask_rows(img, &log);
	} else if (!err.msg[0]) {
		abort();
	}
	xkd_image_unref(img);
	return 0;
}
