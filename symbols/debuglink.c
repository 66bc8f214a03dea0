/* Finds the separate debug file of an image. Invariants: nothing is taken whose sections lie
 * elsewhere, since one image address must mean the same place in both files; names come from the
 * file and never leave the folder they are joined to. */
#include "symbols/debuglink.h"
#include "symbols/image_priv.h"
#include "base/str.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define LINK_NAME_MAX 255

struct link {
	char name[LINK_NAME_MAX + 1]; /* "": none */
	uint32_t crc;
};

struct xkd_image *xkd_image_debug(const struct xkd_image *img)
{
	return img->debug;
}

/* The section holds a name, padding to four bytes and the CRC-32 of the named file. */
static bool read_link(struct xkd_image *img, struct link *l)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".gnu_debuglink");
	const uint8_t *d;
	size_t n, len, at;

	*l = (struct link){ .crc = 0 };
	if (!s || xkd_image_section_data(img, s, &d, &n, NULL))
		return false;
	len = strnlen((const char *)d, n);
	at = (len + 4) & ~(size_t)3;
	if (!len || len > LINK_NAME_MAX || len >= n || at + 4 > n || memchr(d, '/', len) ||
	    *d == '.') {
		xkd_log(img->log, XKD_LOG_WARN, "%s: its .gnu_debuglink makes no sense",
			img->path);
		return false;
	}
	memcpy(l->name, d, len);
	l->crc = (uint32_t)xkd_get_le(d + at, 4);
	return true;
}

static uint32_t crc_of(const struct xkd_image *img)
{
	uLong crc = crc32(0, NULL, 0);
	size_t at = 0;

	while (at < img->size) {
		size_t n = img->size - at < 1u << 30 ? img->size - at : 1u << 30;

		crc = crc32(crc, img->map + at, (uInt)n);
		at += n;
	}
	return (uint32_t)crc;
}

/* The next section that has a place. */
static const struct xkd_section *next_placed(const struct xkd_image *img, size_t *i)
{
	while (*i < img->nsec) {
		const struct xkd_section *s = &img->sec[(*i)++];

		if ((s->flags & SHF_ALLOC) && s->type != SHT_NULL && s->size)
			return s;
	}
	return NULL;
}

static bool lie_alike(const struct xkd_image *a, const struct xkd_image *b)
{
	size_t i = 1, k = 1;

	for (;;) {
		const struct xkd_section *x = next_placed(a, &i), *y = next_placed(b, &k);

		if (!x || !y)
			return x == y;
		if (x->addr != y->addr || x->size != y->size || strcmp(x->name, y->name))
			return false;
	}
}

/* Why a debug file is not the one of img; NULL: it is. */
static const char *unfit(const struct xkd_image *img, const struct xkd_image *debug,
			 const struct link *l)
{
	if (img->is_ko != debug->is_ko)
		return "is of another kind";
	if (img->id.n && debug->id.n) {
		if (!xkd_buildid_eq(&img->id, &debug->id))
			return "has another build-id";
	} else if (!l->name[0] || crc_of(debug) != l->crc) {
		return "has another checksum than .gnu_debuglink names";
	}
	if (!xkd_image_has_dwarf(debug) && !xkd_image_section_named(debug, ".symtab"))
		return "has no debug info";
	return lie_alike(img, debug) ? NULL : "has sections at other places";
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool try_file(struct xkd_image *img, const struct link *l, const char *path)
{
	struct xkd_err why = XKD_ERR_INIT;
	struct xkd_image *debug;
	const char *bad;
	enum xkd_rc rc;

	if (same_file(path, img->path))
		return false;
	rc = xkd_image_open(path, img->log, &debug, &why);
	if (rc) {
		if (rc != XKD_NOTFOUND)
			xkd_log(img->log, XKD_LOG_WARN, "%s", why.msg);
		return false;
	}
	bad = unfit(img, debug, l);
	if (bad) {
		xkd_log(img->log, XKD_LOG_WARN, "%s is no debug file of %s: it %s", path,
			img->path, bad);
		xkd_image_unref(debug);
		return false;
	}
	xkd_log(img->log, XKD_LOG_FIND, "%s: the debug file of %s", path, img->path);
	img->debug = debug;
	return true;
}

static bool by_id(struct xkd_image *img, const struct link *l, const char *dir)
{
	char hex[XKD_BUILDID_HEX];
	struct xkd_buf b = XKD_BUF_INIT;
	bool found;

	if (img->id.n < 2)
		return false;
	xkd_buildid_hex(&img->id, hex);
	xkd_buf_printf(&b, "%s/.build-id/%.2s/%s.debug", dir, hex, hex + 2);
	found = try_file(img, l, b.s);
	xkd_buf_fini(&b);
	return found;
}

/* before/FOLDER/after/NAME, FOLDER being where the image lies. */
static bool by_name(struct xkd_image *img, const struct link *l, const char *before,
		    const char *folder, const char *after)
{
	struct xkd_buf b = XKD_BUF_INIT;
	bool found;

	xkd_buf_printf(&b, "%s%s%s%s", before, folder, after, l->name);
	found = try_file(img, l, b.s);
	xkd_buf_fini(&b);
	return found;
}

static bool by_link(struct xkd_image *img, const struct link *l, const struct xkd_sympath *sp)
{
	const char *end = strrchr(img->path, '/');
	char *real = realpath(img->path, NULL);
	char *folder = end ? strndup(img->path, (size_t)(end - img->path)) : strdup(".");
	bool found = folder && (by_name(img, l, "", folder, "/") ||
				by_name(img, l, "", folder, "/.debug/"));

	for (size_t i = 0; !found && sp && i < sp->n; i++)
		found = by_name(img, l, sp->dirs[i], "", "/");
	if (!found && real) {
		char *slash = strrchr(real, '/');

		*slash = 0;
		found = by_name(img, l, "/usr/lib/debug", real, "/");
	}
	free(folder);
	free(real);
	return found;
}

enum xkd_rc xkd_image_link_debug(struct xkd_image *img, const struct xkd_sympath *sp,
				 struct xkd_err *err)
{
	struct link l;
	bool found, linked;

	if (img->debug_tried || xkd_image_has_dwarf(img))
		return XKD_OK;
	img->debug_tried = true;
	linked = read_link(img, &l);
	found = by_id(img, &l, "/usr/lib/debug");
	for (size_t i = 0; !found && sp && i < sp->n; i++)
		found = by_id(img, &l, sp->dirs[i]);
	if (!found && linked)
		found = by_link(img, &l, sp);
	if (found)
		return XKD_OK;
	if (linked)
		xkd_log(img->log, XKD_LOG_FIND, "%s: no %s for it is there", img->path, l.name);
	return xkd_err_set(err, XKD_NOTFOUND, "%s has no separate debug file%s%s", img->path,
			   linked ? " " : "", linked ? l.name : "");
}

bool xkd_image_debug_tried(const struct xkd_image *img)
{
	return img->debug_tried || xkd_image_has_dwarf(img);
}

enum xkd_rc xkd_image_hang_debug(struct xkd_image *img, struct xkd_image *debug,
				 struct xkd_err *err)
{
	struct link l;
	const char *bad;

	(void)read_link(img, &l);
	bad = img->debug ? "comes too late" : unfit(img, debug, &l);
	if (bad)
		return xkd_err_set(err, XKD_MISMATCH, "%s is no debug file of %s: it %s",
				   debug->path, img->path, bad);
	img->debug_tried = true;
	img->debug = xkd_image_ref(debug);
	return XKD_OK;
}
