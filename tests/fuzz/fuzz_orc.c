/* Any bytes as ORC tables. Input: flags (version, sorted, header present), 20 bytes of header, then
 * 4 + 6 bytes an entry. */
#include "base/str.h"
#include "symbols/orc.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_orc_entry e = { 0 };
	struct xkd_orc *o;
	size_t n;

	if (size < 21)
		return 0;
	n = (size - 21) / 10;
	if (xkd_orc_open(data + 21, data + 21 + 4 * n, n, 0xffffffff82c00000, data[0] & 8,
			 data[0] & 16 ? data + 1 : NULL, (enum xkd_orc_version)(data[0] & 7), &o,
			 &err))
		return 0;
	for (size_t i = 0; i < n && i < 256; i++) {
		uint64_t at = 0xffffffff82c00000 + 4 * i +
			      (uint64_t)(int64_t)(int32_t)xkd_get_le(data + 21 + 4 * i, 4);

		/* where an entry begins, one that begins there holds, if the table is in order */
		if (xkd_orc_at(o, at, &e) == XKD_OK && e.ip != at)
			abort();
		if (e.type > XKD_ORC_NONE || e.sp_reg > XKD_ORC_AX || e.bp_reg > XKD_ORC_AX)
			abort();
	}
	for (int v = XKD_ORC_V1; v <= XKD_ORC_V4; v++) {
		xkd_orc_set_version(o, (enum xkd_orc_version)v);
		if (xkd_orc_at(o, UINT64_MAX, &e) != (n ? XKD_OK : XKD_NOTFOUND))
			abort();
	}
	xkd_orc_close(o);
	return 0;
}
