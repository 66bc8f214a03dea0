/* Sources of bytes. Invariant: a range that leaves [0, size) is refused before anything is touched,
 * whatever off and len are. */
#include "symbols/src.h"
#include <inttypes.h>
#include <string.h>

enum xkd_rc xkd_src_read(struct xkd_src *src, uint64_t off, void *buf, size_t len,
			 struct xkd_err *err)
{
	if (off > src->size || len > src->size - off)
		return xkd_err_set(err, XKD_BADDATA,
				   "range 0x%" PRIx64 "+0x%zx leaves the 0x%" PRIx64
				   " bytes there are",
				   off, len, src->size);
	if (!len)
		return XKD_OK;
	if (src->map) {
		memcpy(buf, src->map + off, len);
		return XKD_OK;
	}
	if (!src->read)
		return xkd_err_set(err, XKD_UNSUPPORTED, "source of bytes cannot be read");
	return src->read(src, off, buf, len, err);
}
