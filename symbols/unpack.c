/* Decompression of sections. Invariant: the size a header claims is believed only as far
 * as the compressed bytes could possibly give it. */
#include "symbols/unpack.h"
#include "base/str.h"
#include <elf.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif
#define ZLIB_RATIO_MAX 1032 /* deflate's own limit */
#define ZSTD_RATIO_MAX 100000 /* beyond what debug info can be; zstd itself knows no limit */

static enum xkd_rc inflate_all(z_stream *z, const uint8_t *src, size_t n, uint8_t *dst,
			       uint64_t want, struct xkd_err *err)
{
	uint64_t in = 0, out = 0;
	uint8_t spare;
	int rc = Z_OK;

	while (rc == Z_OK) {
		uInt give = n - in > UINT_MAX ? UINT_MAX : (uInt)(n - in);
		uInt room = want - out > UINT_MAX ? UINT_MAX : (uInt)(want - out);

		z->next_in = (Bytef *)(uintptr_t)(src + in);
		z->avail_in = give;
		/* one byte more than wanted shows a stream that is too long */
		z->next_out = room ? dst + out : &spare;
		z->avail_out = room ? room : 1;
		rc = inflate(z, Z_NO_FLUSH);
		in += give - z->avail_in;
		if (room)
			out += room - z->avail_out;
		else if (!z->avail_out)
			return xkd_err_set(err, XKD_BADDATA,
					   "compressed data holds more than the 0x%" PRIx64
					   " bytes it claims",
					   want);
	}
	if (rc != Z_STREAM_END)
		return xkd_err_set(err, XKD_BADDATA,
				   "compressed data is broken after 0x%" PRIx64 " of 0x%" PRIx64
				   " bytes (%s)",
				   out, want, z->msg ? z->msg : "it ends early");
	if (out != want)
		return xkd_err_set(err, XKD_BADDATA,
				   "compressed data holds 0x%" PRIx64 " bytes, not 0x%" PRIx64, out,
				   want);
	return XKD_OK;
}

enum xkd_rc xkd_unpack_zlib(const uint8_t *src, size_t n, uint64_t want, uint8_t **dst,
			    struct xkd_err *err)
{
	z_stream z = { 0 };
	enum xkd_rc rc;

	*dst = NULL;
	if (want / ZLIB_RATIO_MAX > n)
		return xkd_err_set(err, XKD_BADDATA,
				   "0x%zx compressed bytes claim to hold 0x%" PRIx64, n, want);
	*dst = malloc(want ? want : 1);
	if (!*dst || inflateInit(&z) != Z_OK) {
		free(*dst);
		*dst = NULL;
		return xkd_err_set(err, XKD_NOMEM, "no memory for 0x%" PRIx64 " bytes", want);
	}
	rc = inflate_all(&z, src, n, *dst, want, err);
	inflateEnd(&z);
	if (rc) {
		free(*dst);
		*dst = NULL;
	}
	return rc;
}

static enum xkd_rc unpack_zstd(const uint8_t *src, size_t n, uint64_t want, uint8_t **dst,
			       size_t *size, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (want / ZSTD_RATIO_MAX > n)
		return xkd_err_set(err, XKD_BADDATA,
				   "0x%zx compressed bytes claim to hold 0x%" PRIx64, n, want);
	*dst = malloc(want ? want : 1);
	if (!*dst)
		return xkd_err_set(err, XKD_NOMEM, "no memory for 0x%" PRIx64 " bytes", want);
	rc = xkd_unpack_zstd(src, n, want, *dst, err);
	if (rc) {
		free(*dst);
		*dst = NULL;
		return rc;
	}
	*size = want;
	return XKD_OK;
}

enum xkd_rc xkd_unpack_chdr(const uint8_t *src, size_t n, uint8_t **dst, size_t *size,
			    struct xkd_err *err)
{
	uint64_t type, want;

	*dst = NULL;
	*size = 0;
	if (n < sizeof(Elf64_Chdr))
		return xkd_err_set(err, XKD_BADDATA, "compressed data has no header");
	type = xkd_get_le(src, 4);
	want = xkd_get_le(src + 8, 8);
	if (type == ELFCOMPRESS_ZSTD)
		return unpack_zstd(src + sizeof(Elf64_Chdr), n - sizeof(Elf64_Chdr), want, dst,
				   size, err);
	if (type != ELFCOMPRESS_ZLIB)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "it is compressed by unknown method %" PRIu64, type);
	*size = want;
	return xkd_unpack_zlib(src + sizeof(Elf64_Chdr), n - sizeof(Elf64_Chdr), want, dst, err);
}
