/* Addresses that an expression names by their index in .debug_addr (DW_OP_addrx, DW_OP_constx). */
#include "symbols/dwarf_int.h"

enum xkd_rc xkd_dwarf_addrx(struct xkd_dwarf *d, uint64_t cu, uint64_t index, uint64_t *iaddr,
			    struct xkd_err *err)
{
	struct xkd_dw_unit *u = xkd_dw_unit_of(d, cu);

	if (!u || !xkd_dw_addrx(d, u, index, iaddr))
		return xkd_err_set(err, XKD_BADDATA, "dwarf: address index %llu of unit 0x%llx",
				   (unsigned long long)index, (unsigned long long)cu);
	return XKD_OK;
}
