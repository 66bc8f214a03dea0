/* Whole files that are compressed (kvm.ko.xz, vmlinux.zst): unpacked into memory of their own, which
 * then stands for the mapped file. xz and zstd only where their libraries were there at build time.
 * Invariant: the output never grows beyond what the input could sensibly hold (UNPACK_MAX, and
 * UNPACK_RATIO times its size). */
#include "symbols/unpack.h"
#include "config.h"
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#ifdef HAVE_LIBLZMA
#include <lzma.h>
#endif
#ifdef HAVE_LIBZSTD
#include <zstd.h>
#endif

#define UNPACK_MAX (2ULL << 30)
#define UNPACK_RATIO 2000ULL
#define UNPACK_SLACK (1ULL << 20)

/* A mapping that grows; dst[0..len) is filled. */
struct grow {
	const char *path;
	uint8_t *dst;
	size_t len, cap;
	uint64_t max;
};

static enum xkd_rc make_room(struct grow *g, struct xkd_err *err)
{
	size_t cap = g->cap ? g->cap * 2 : 1u << 20;
	void *p;

	if (g->len < g->cap)
		return XKD_OK;
	if (g->cap >= g->max)
		return xkd_err_set(err, XKD_BADDATA,
				   "%s: unpacks to more than 0x%" PRIx64 " bytes: not believed",
				   g->path, g->max);
	if (cap > g->max)
		cap = (size_t)((g->max + 4095) & ~4095ULL);
	p = g->dst ? mremap(g->dst, g->cap, cap, MREMAP_MAYMOVE)
		   : mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return xkd_err_set(err, XKD_NOMEM, "%s: no memory to unpack it", g->path);
	g->dst = p;
	g->cap = cap;
	return XKD_OK;
}

static enum xkd_rc broken(const struct grow *g, const char *kind, const char *why,
			  struct xkd_err *err)
{
	return xkd_err_set(err, XKD_BADDATA, "%s: its %s data is broken after 0x%zx bytes%s%s",
			   g->path, kind, g->len, why ? ": " : "", why ? why : "");
}

static enum xkd_rc unpack_gz(struct grow *g, const uint8_t *src, size_t n, struct xkd_err *err)
{
	z_stream z = { 0 };
	enum xkd_rc rc = XKD_OK;
	int zrc = Z_OK;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return xkd_err_set(err, XKD_NOMEM, "%s: no memory to unpack it", g->path);
	while (!rc && zrc == Z_OK) {
		uInt give = n > 1u << 30 ? 1u << 30 : (uInt)n;
		uInt room;

		rc = make_room(g, err);
		if (rc)
			break;
		room = g->cap - g->len > 1u << 30 ? 1u << 30 : (uInt)(g->cap - g->len);
		z.next_in = (Bytef *)(uintptr_t)src;
		z.avail_in = give;
		z.next_out = g->dst + g->len;
		z.avail_out = room;
		zrc = inflate(&z, Z_NO_FLUSH);
		src += give - z.avail_in;
		n -= give - z.avail_in;
		g->len += room - z.avail_out;
	}
	if (!rc && zrc != Z_STREAM_END)
		rc = broken(g, "gzip", z.msg, err);
	inflateEnd(&z);
	return rc;
}

#ifdef HAVE_LIBLZMA
static enum xkd_rc unpack_xz(struct grow *g, const uint8_t *src, size_t n, struct xkd_err *err)
{
	lzma_stream z = LZMA_STREAM_INIT;
	enum xkd_rc rc = XKD_OK;
	lzma_ret zrc = LZMA_OK;

	if (lzma_stream_decoder(&z, 256u << 20, LZMA_CONCATENATED) != LZMA_OK)
		return xkd_err_set(err, XKD_NOMEM, "%s: no memory to unpack it", g->path);
	z.next_in = src;
	z.avail_in = n;
	while (!rc && zrc == LZMA_OK) {
		rc = make_room(g, err);
		if (rc)
			break;
		z.next_out = g->dst + g->len;
		z.avail_out = g->cap - g->len;
		zrc = lzma_code(&z, LZMA_FINISH);
		g->len = g->cap - z.avail_out;
	}
	if (!rc && zrc != LZMA_STREAM_END)
		rc = broken(g, "xz", zrc == LZMA_MEMLIMIT_ERROR ? "it wants too much memory" : NULL,
			    err);
	lzma_end(&z);
	return rc;
}
#endif

#ifdef HAVE_LIBZSTD
static enum xkd_rc unpack_zst(struct grow *g, const uint8_t *src, size_t n, struct xkd_err *err)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { src, n, 0 };
	enum xkd_rc rc = XKD_OK;
	size_t left = 1;

	if (!z)
		return xkd_err_set(err, XKD_NOMEM, "%s: no memory to unpack it", g->path);
	while (!rc && (left || in.pos < in.size)) {
		ZSTD_outBuffer out;
		size_t before = in.pos;

		rc = make_room(g, err);
		if (rc)
			break;
		out = (ZSTD_outBuffer){ g->dst + g->len, g->cap - g->len, 0 };
		left = ZSTD_decompressStream(z, &out, &in);
		g->len += out.pos;
		if (ZSTD_isError(left))
			rc = broken(g, "zstd", ZSTD_getErrorName(left), err);
		else if (!out.pos && in.pos == before)
			rc = broken(g, "zstd", "it ends early", err);
	}
	ZSTD_freeDStream(z);
	return rc;
}

enum xkd_rc xkd_unpack_zstd(const uint8_t *src, size_t n, uint64_t want, uint8_t *dst,
			    struct xkd_err *err)
{
	size_t got = ZSTD_decompress(dst, want, src, n);

	if (ZSTD_isError(got))
		return xkd_err_set(err, XKD_BADDATA, "its zstd data is broken: %s",
				   ZSTD_getErrorName(got));
	if (got != want)
		return xkd_err_set(err, XKD_BADDATA,
				   "compressed data holds 0x%zx bytes, not 0x%" PRIx64, got, want);
	return XKD_OK;
}
#else
enum xkd_rc xkd_unpack_zstd(const uint8_t *src, size_t n, uint64_t want, uint8_t *dst,
			    struct xkd_err *err)
{
	return xkd_err_set(err, XKD_UNSUPPORTED,
			   "it is zstd-compressed and this xkd was built without libzstd (objcopy "
			   "--decompress-debug-sections makes it readable)");
}
#endif

static const struct packing {
	const char *name, *library;
	const char *magic;
	size_t nmagic;
	enum xkd_rc (*unpack)(struct grow *g, const uint8_t *src, size_t n, struct xkd_err *err);
} packings[] = {
	{ "gzip", "zlib", "\x1f\x8b", 2, unpack_gz },
#ifdef HAVE_LIBLZMA
	{ "xz", "liblzma", "\xfd\x37zXZ\0", 6, unpack_xz },
#else
	{ "xz", "liblzma", "\xfd\x37zXZ\0", 6, NULL },
#endif
#ifdef HAVE_LIBZSTD
	{ "zstd", "libzstd", "\x28\xb5\x2f\xfd", 4, unpack_zst },
#else
	{ "zstd", "libzstd", "\x28\xb5\x2f\xfd", 4, NULL },
#endif
};

static const struct packing *packing_of(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < XKD_COUNT(packings); i++)
		if (n > packings[i].nmagic && !memcmp(p, packings[i].magic, packings[i].nmagic))
			return &packings[i];
	return NULL;
}

enum xkd_rc xkd_unpack_file(const uint8_t *src, size_t n, const char *path, void **dst,
			    size_t *size, struct xkd_err *err)
{
	const struct packing *p = packing_of(src, n);
	struct grow g = { .path = path, .max = UNPACK_MAX };
	enum xkd_rc rc;

	*dst = NULL;
	*size = 0;
	if (!p)
		return XKD_OK;
	if (!p->unpack)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "%s is %s-compressed and this xkd was built without %s", path,
				   p->name, p->library);
	if (n < g.max / UNPACK_RATIO)
		g.max = n * UNPACK_RATIO + UNPACK_SLACK;
	rc = p->unpack(&g, src, n, err);
	if (!rc && !g.len)
		rc = xkd_err_set(err, XKD_BADDATA, "%s holds an empty file", path);
	if (rc) {
		if (g.dst)
			munmap(g.dst, g.cap);
		return rc;
	}
	if (g.cap - g.len >= 4096) { /* what is not needed goes back */
		size_t keep = (g.len + 4095) & ~(size_t)4095;

		if (keep < g.cap)
			munmap(g.dst + keep, g.cap - keep);
	}
	*dst = g.dst;
	*size = g.len;
	return XKD_OK;
}
