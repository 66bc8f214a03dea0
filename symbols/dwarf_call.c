/* Call sites: what the debug info says of a call by the address it returns to (DWARF 5 section 3.4,
 * and the GNU entries before it), and which functions a function leaves by a jump.
 * Invariants: the walk stays below one function's entry; its depth and the number of entries are
 * bounded. Attributes of both dialects come out alike. */
#include "symbols/dwarf_int.h"

#define ENTRIES_MAX (1 << 20) /* below one function */

struct attrs {
	unsigned ret, origin, tail, target, clobbered, value, data, param;
};
static const struct attrs dwarf5 = { DW_AT_call_return_pc,	  DW_AT_call_origin,
				     DW_AT_call_tail_call,	  DW_AT_call_target,
				     DW_AT_call_target_clobbered, DW_AT_call_value,
				     DW_AT_call_data_value,	  DW_AT_call_parameter };
static const struct attrs gnu = { DW_AT_low_pc,
				  DW_AT_abstract_origin,
				  DW_AT_GNU_tail_call,
				  DW_AT_GNU_call_site_target,
				  DW_AT_GNU_call_site_target_clobbered,
				  DW_AT_GNU_call_site_value,
				  DW_AT_GNU_call_site_data_value,
				  DW_AT_abstract_origin };

static const struct attrs *dialect(unsigned tag)
{
	if (tag == DW_TAG_call_site || tag == DW_TAG_call_site_parameter)
		return &dwarf5;
	if (tag == DW_TAG_GNU_call_site || tag == DW_TAG_GNU_call_site_parameter)
		return &gnu;
	return NULL;
}

static bool is_site(unsigned tag)
{
	return tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site;
}

/* fn is called for each call site below die; it returns false to stop. */
struct visit {
	struct xkd_dwarf *d;
	bool (*fn)(struct visit *v, Dwarf_Die site, const struct attrs *at);
	unsigned count;
	/* what the users of visit look for and find */
	uint64_t ret;
	struct xkd_dcall *call;
	bool found;
	struct xkd_dtails *tails;
};

/* False: stopped. */
static bool sites(struct visit *v, Dwarf_Die die, int depth)
{
	Dwarf_Die kid = xkd_dw_child(v->d, die);
	bool go_on = true;

	for (; kid && go_on; kid = xkd_dw_next(v->d, kid)) {
		unsigned tag = xkd_dw_tag(kid);

		if (++v->count > ENTRIES_MAX)
			go_on = false;
		else if (is_site(tag))
			go_on = v->fn(v, kid, dialect(tag));
		else if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
			 depth < XKD_DW_BLOCKS)
			go_on = sites(v, kid, depth + 1);
	}
	xkd_dw_free(kid);
	return go_on;
}

static bool match_return(struct visit *v, Dwarf_Die site, const struct attrs *at)
{
	struct xkd_dcall *c = v->call;
	uint64_t ret;

	if (!xkd_dw_addr(v->d, site, at->ret, &ret) || ret != v->ret)
		return true;
	v->found = true;
	c->die = xkd_dw_off(site);
	c->tail = xkd_dw_flag(v->d, site, at->tail);
	if (!xkd_dw_ref(v->d, site, at->origin, &c->origin))
		c->origin = 0;
	if (!xkd_dw_block(v->d, site, at->target, &c->target, &c->target_len))
		c->target = NULL;
	return false;
}

enum xkd_rc xkd_dwarf_call_at(struct xkd_dwarf *d, uint64_t ret, struct xkd_dcall *call,
			      struct xkd_err *err)
{
	struct visit v = { .d = d, .fn = match_return, .ret = ret, .call = call };
	struct xkd_dw_unit *u;
	Dwarf_Die die = NULL;
	uint64_t off;
	enum xkd_rc rc;

	*call = (struct xkd_dcall){ .ret = ret };
	xkd_dw_begin(d);
	rc = xkd_dw_unit_at(d, ret - 1, &u, err);
	if (rc)
		return xkd_dw_end(d, rc, err);
	off = xkd_dw_func_die(d, u, ret - 1);
	die = off ? xkd_dw_die(d, off) : NULL;
	if (die)
		sites(&v, die, 0);
	call->cu = u->off;
	xkd_dw_free(die);
	if (!v.found)
		rc = xkd_err_addr(err, XKD_NOTFOUND, ret, "no call site is known here");
	return xkd_dw_end(d, rc, err);
}

/* Is this parameter of a call the one in the register, or (reg below 0) the callee's own entry? */
static bool wanted(struct xkd_dwarf *d, Dwarf_Die par, const struct attrs *at, int reg,
		   uint64_t entry)
{
	const uint8_t *p;
	uint64_t off;
	size_t n;
	Dwarf_Die a;
	bool same;

	if (reg >= 0)
		return xkd_dw_block(d, par, DW_AT_location, &p, &n) &&
		       ((n == 1 && p[0] == DW_OP_reg0 + reg && reg < 32) ||
			(n == 2 && p[0] == DW_OP_regx && p[1] == reg && reg < 0x80));
	if (!xkd_dw_ref(d, par, at->param, &off))
		return false;
	if (off == entry)
		return true;
	a = xkd_dw_die(d, off);
	same = a && xkd_dw_origin(d, a) == entry;
	xkd_dw_free(a);
	return same;
}

enum xkd_rc xkd_dwarf_call_value(struct xkd_dwarf *d, const struct xkd_dcall *call, int reg,
				 uint64_t entry, bool pointee, const uint8_t **expr, size_t *len,
				 struct xkd_err *err)
{
	Dwarf_Die site, par, e = NULL;
	unsigned count = 0;

	*expr = NULL;
	*len = 0;
	xkd_dw_begin(d);
	if (reg < 0 && (e = xkd_dw_die(d, entry)))
		entry = xkd_dw_origin(d, e);
	xkd_dw_free(e);
	site = xkd_dw_die(d, call->die);
	par = site ? xkd_dw_child(d, site) : NULL;
	for (; par && ++count < ENTRIES_MAX; par = xkd_dw_next(d, par)) {
		const struct attrs *at = dialect(xkd_dw_tag(par));

		if (at && !is_site(xkd_dw_tag(par)) && wanted(d, par, at, reg, entry)) {
			if (!xkd_dw_block(d, par, pointee ? at->data : at->value, expr, len))
				*expr = NULL;
			break;
		}
	}
	xkd_dw_free(par);
	xkd_dw_free(site);
	return xkd_dw_end(
		d,
		*expr ? XKD_OK
		      : xkd_err_set(err, XKD_NOTFOUND, "the call does not tell this parameter"),
		err);
}

/* The entry of a callee: where its code begins, and how it is called where that is elsewhere. */
static void name_target(struct xkd_dwarf *d, uint64_t off, struct xkd_dtail *t)
{
	Dwarf_Die die = xkd_dw_die(d, off), has;

	*t = (struct xkd_dtail){ .die = off };
	if (!die)
		return;
	t->origin = xkd_dw_origin(d, die);
	t->name = xkd_dw_name(d, die);
	has = xkd_dw_origin_with(d, die, DW_AT_external);
	t->external = has && xkd_dw_flag(d, has, DW_AT_external);
	xkd_dw_free(has);
	xkd_dw_free(die);
}

static bool note_tail(struct visit *v, Dwarf_Die site, const struct attrs *at)
{
	struct xkd_dtails *t = v->tails;
	uint64_t origin;

	if (!xkd_dw_flag(v->d, site, at->tail))
		return true;
	if (!xkd_dw_ref(v->d, site, at->origin, &origin)) {
		t->unknown = true;
		return false;
	}
	if (t->n == XKD_COUNT(t->to)) {
		t->more = true;
		return false;
	}
	name_target(v->d, origin, &t->to[t->n]);
	t->to[t->n++].site = xkd_dw_off(site);
	return true;
}

enum xkd_rc xkd_dwarf_tail_calls(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dtails *tails,
				 struct xkd_err *err)
{
	struct visit v = { .d = d, .fn = note_tail, .tails = tails };
	struct xkd_dw_unit *u;
	Dwarf_Die die;
	enum xkd_rc rc;

	memset(tails, 0, sizeof(*tails));
	xkd_dw_begin(d);
	rc = xkd_dw_func_at(d, iaddr, &u, &die, err);
	if (rc)
		return xkd_dw_end(d, rc, err);
	tails->cu = u->off;
	name_target(d, xkd_dw_off(die), &tails->self);
	tails->complete = xkd_dw_flag(d, die, DW_AT_call_all_calls) ||
			  xkd_dw_flag(d, die, DW_AT_call_all_source_calls) ||
			  xkd_dw_flag(d, die, DW_AT_call_all_tail_calls) ||
			  xkd_dw_flag(d, die, DW_AT_GNU_all_call_sites) ||
			  xkd_dw_flag(d, die, DW_AT_GNU_all_source_call_sites) ||
			  xkd_dw_flag(d, die, DW_AT_GNU_all_tail_call_sites);
	sites(&v, die, 0);
	xkd_dw_free(die);
	return xkd_dw_end(d, rc, err);
}

enum xkd_rc xkd_dwarf_func_entries(struct xkd_dwarf *d, uint64_t die, uint64_t *iaddr, size_t max,
				   size_t *n, struct xkd_err *err)
{
	struct xkd_dw_unit *u;
	uint64_t origin;
	Dwarf_Die at;

	*n = 0;
	xkd_dw_begin(d);
	u = xkd_dw_unit_of(d, die);
	at = u && xkd_dw_unit_root(d, u) ? xkd_dw_die(d, die) : NULL;
	if (!at)
		return xkd_dw_end(d,
				  xkd_err_set(err, XKD_BADDATA, "dwarf: no function at 0x%llx",
					      (unsigned long long)die),
				  err);
	origin = xkd_dw_origin(d, at);
	xkd_dw_free(at);
	for (size_t i = 0; xkd_dw_funcs(d, u) && i < u->nfuncs && *n < max; i++) {
		at = xkd_dw_die(d, u->funcs[i].die);
		if (at && xkd_dw_origin(d, at) == origin)
			iaddr[(*n)++] = u->funcs[i].low;
		xkd_dw_free(at);
	}
	return xkd_dw_end(d, XKD_OK, err);
}
