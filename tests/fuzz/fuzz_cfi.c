/* Any bytes as call frame information. Input: one byte, bit 0: .eh_frame; then the section. Rows
 * are asked at the low byte of every aligned word that could be an address, and where rows end. */
#include "base/str.h"
#include "symbols/cfi.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rows(struct xkd_cfi *c, uint64_t at, const uint8_t *data, size_t size)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_cfi_row row;

	for (int i = 0; i < 16; i++) {
		enum xkd_rc rc = xkd_cfi_row_at(c, at, &row, &err);

		if (rc && !err.msg[0])
			abort();
		if (rc)
			return;
		if (at < row.low || at >= row.high || row.high > row.fde_high ||
		    row.low < row.fde_low || row.ra_reg >= XKD_CFI_NREGS ||
		    (row.cfa.kind == XKD_CFI_REG && row.cfa.reg >= XKD_CFI_NREGS))
			abort();
		if (row.cfa.expr_len &&
		    (row.cfa.expr < data || row.cfa.expr + row.cfa.expr_len > data + size))
			abort();
		at = row.high;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint64_t addr = 0x400000;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_cfi *c;

	if (!size)
		return 0;
	bool eh = data[0] & 1;

	data++;
	size--;
	if (xkd_cfi_open(data, size, addr, eh, &c, &err)) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	for (size_t i = 0; xkd_cfi_nfdes(c) && i + 8 <= size && i < 512; i++) {
		rows(c, xkd_get_le(data + i, 8), data, size);
		if (eh)
			rows(c, addr + i + (uint64_t)(int64_t)(int32_t)xkd_get_le(data + i, 4),
			     data, size);
	}
	xkd_cfi_close(c);
	return 0;
}
