/* What a location expression refers to besides registers and memory: entries of the debug info by
 * their offset (a variable, a base type), addresses by their index, the shape of its unit.
 * Invariant: offsets come from expressions and may be anything; what is no entry of the wanted kind
 * is BADDATA. */
#include "symbols/dwarf_int.h"

enum xkd_rc xkd_dwarf_addrx(struct xkd_dwarf *d, uint64_t cu, uint64_t index, uint64_t *iaddr,
			    struct xkd_err *err)
{
	struct xkd_dw_unit *u = xkd_dw_unit_of(d, cu);

	if (!u || !xkd_dw_unit_root(d, u) || !xkd_dw_addrx(d, u, index, iaddr))
		return xkd_err_set(err, XKD_BADDATA, "dwarf: address index %llu of unit 0x%llx",
				   (unsigned long long)index, (unsigned long long)cu);
	return XKD_OK;
}

enum xkd_rc xkd_dwarf_unit_shape(struct xkd_dwarf *d, uint64_t cu, unsigned *version,
				 unsigned *off_size, struct xkd_err *err)
{
	struct xkd_dw_unit *u = xkd_dw_unit_of(d, cu);

	if (!u)
		return xkd_err_set(err, XKD_BADDATA, "dwarf: no unit at 0x%llx",
				   (unsigned long long)cu);
	*version = u->version;
	*off_size = u->off_size;
	return XKD_OK;
}

enum xkd_rc xkd_dwarf_type_at(struct xkd_dwarf *d, uint64_t die, const struct xkd_type **type,
			      struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	xkd_dw_begin(d);
	*type = xkd_dw_type(d, die);
	if (!*type)
		rc = xkd_err_set(err, XKD_BADDATA, "dwarf: no type at 0x%llx",
				 (unsigned long long)die);
	return xkd_dw_end(d, rc, err);
}

enum xkd_rc xkd_dwarf_var_at(struct xkd_dwarf *d, uint64_t die, uint64_t iaddr, struct xkd_dvar *v,
			     struct xkd_err *err)
{
	struct xkd_dw_unit *u;
	Dwarf_Die at = NULL;
	enum xkd_rc rc = XKD_OK;
	unsigned tag;

	*v = (struct xkd_dvar){ .die = die };
	xkd_dw_begin(d);
	u = xkd_dw_unit_of(d, die);
	if (u && xkd_dw_unit_root(d, u))
		at = xkd_dw_die(d, die);
	tag = at ? xkd_dw_tag(at) : 0;
	if (tag == DW_TAG_variable || tag == DW_TAG_formal_parameter ||
	    tag == DW_TAG_dwarf_procedure)
		xkd_dw_var(d, u, at, iaddr, v);
	else
		rc = xkd_err_set(err, XKD_BADDATA, "dwarf: no variable at 0x%llx",
				 (unsigned long long)die);
	xkd_dw_free(at);
	return xkd_dw_end(d, rc, err);
}
