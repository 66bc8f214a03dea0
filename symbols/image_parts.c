/* What other files of symbols/ make of an image's sections, made at first use and hung on the
 * image: DWARF, BTF, ORC, CFI. Invariant: each is tried once; its error is remembered and given
 * again. */
#include "symbols/btf.h"
#include "symbols/cfi.h"
#include "symbols/dwarf.h"
#include "symbols/image_priv.h"
#include "symbols/orc.h"
#include "base/str.h"
#include <string.h>

#define ORC_IP_SIZE 4
#define ORC_ENTRY_SIZE 6
#define ORC_HEADER_SIZE 20

static void settle(struct xkd_part *p, enum xkd_rc rc, void *made)
{
	p->tried = true;
	p->rc = rc;
	p->p = rc ? NULL : made;
}

static enum xkd_rc settled(const struct xkd_part *p, struct xkd_err *err)
{
	if (p->rc && err)
		*err = p->err;
	return p->rc;
}

static enum xkd_rc section(struct xkd_image *img, const char *name, const uint8_t **data,
			   size_t *size, uint64_t *addr, struct xkd_err *err)
{
	const struct xkd_section *s = xkd_image_section_named(img, name);

	*data = NULL;
	*size = 0;
	*addr = s ? s->addr : 0;
	if (!s)
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no %s section", img->path, name);
	return xkd_image_section_data(img, s, data, size, err);
}

static void close_dwarf(void *p)
{
	xkd_dwarf_close(p);
}

enum xkd_rc xkd_image_dwarf(struct xkd_image *img, struct xkd_dwarf **d, struct xkd_err *err)
{
	struct xkd_part *p = &img->part[XKD_PART_DWARF];
	struct xkd_dwarf *made = NULL;
	enum xkd_rc rc;

	if (!p->tried) {
		p->err = XKD_ERR_INIT;
		p->close = close_dwarf;
		if (!xkd_image_has_dwarf(img) && img->debug)
			return xkd_image_dwarf(img->debug, d, err);
		if (xkd_image_has_dwarf(img))
			rc = xkd_dwarf_open(img, &made, &p->err);
		else
			rc = xkd_err_set(&p->err, XKD_NOTFOUND, "%s has no debug info", img->path);
		settle(p, rc, made);
	}
	*d = p->p;
	return settled(p, err);
}

static void close_btf(void *p)
{
	xkd_btf_close(p);
}

enum xkd_rc xkd_image_btf(struct xkd_image *img, struct xkd_btf *base, struct xkd_btf **b,
			  struct xkd_err *err)
{
	struct xkd_part *p = &img->part[XKD_PART_BTF];
	struct xkd_btf *made = NULL;
	const uint8_t *data;
	uint64_t addr;
	size_t size;
	enum xkd_rc rc;

	if (!p->tried) {
		p->err = XKD_ERR_INIT;
		p->close = close_btf;
		rc = section(img, ".BTF", &data, &size, &addr, &p->err);
		if (!rc)
			rc = xkd_btf_open(data, size, base, &made, &p->err);
		settle(p, rc, made);
	}
	*b = p->p;
	return settled(p, err);
}

/* Kernels before 5.6 sort their table at boot, so a linked file's may be in any order too. */
static bool orc_sorted(const uint8_t *ips, size_t n, uint64_t addr)
{
	uint64_t last = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = ORC_IP_SIZE * (uint64_t)i;
		uint64_t ip = addr + at + (uint64_t)(int64_t)(int32_t)xkd_get_le(ips + at, 4);

		if (ip < last)
			return false;
		last = ip;
	}
	return true;
}

static enum xkd_rc open_orc(struct xkd_image *img, struct xkd_orc **o, struct xkd_err *err)
{
	const uint8_t *ips, *entries, *header;
	size_t nips, nentries, nheader;
	uint64_t ip_addr = 0, addr;
	enum xkd_rc rc;

	rc = section(img, ".orc_unwind_ip", &ips, &nips, &ip_addr, err);
	if (!rc)
		rc = section(img, ".orc_unwind", &entries, &nentries, &addr, err);
	if (rc)
		return rc;
	if (!nips || nips / ORC_IP_SIZE != nentries / ORC_ENTRY_SIZE)
		return xkd_err_set(err, XKD_BADDATA, "%s: %zu ORC addresses, but %zu ORC entries",
				   img->path, nips / ORC_IP_SIZE, nentries / ORC_ENTRY_SIZE);
	if (section(img, ".orc_header", &header, &nheader, &addr, NULL) ||
	    nheader < ORC_HEADER_SIZE)
		header = NULL;
	nips /= ORC_IP_SIZE;
	return xkd_orc_open(ips, entries, nips, ip_addr, orc_sorted(ips, nips, ip_addr), header, 0,
			    o, err);
}

static void close_orc(void *p)
{
	xkd_orc_close(p);
}

enum xkd_rc xkd_image_orc(struct xkd_image *img, struct xkd_orc **o, struct xkd_err *err)
{
	struct xkd_part *p = &img->part[XKD_PART_ORC];
	struct xkd_orc *made = NULL;
	enum xkd_rc rc;

	if (!p->tried) {
		p->err = XKD_ERR_INIT;
		p->close = close_orc;
		rc = open_orc(img, &made, &p->err);
		settle(p, rc, made);
	}
	*o = p->p;
	return settled(p, err);
}

static enum xkd_rc open_cfi(struct xkd_image *img, struct xkd_cfi **c, struct xkd_err *err)
{
	const uint8_t *data;
	uint64_t addr = 0;
	size_t size;
	enum xkd_rc rc;

	rc = section(img, ".debug_frame", &data, &size, &addr, err);
	if (rc == XKD_OK && size)
		return xkd_cfi_open(data, size, addr, false, c, err);
	if (rc != XKD_OK && rc != XKD_NOTFOUND)
		return rc;
	rc = section(img, ".eh_frame", &data, &size, &addr, err);
	if (rc == XKD_NOTFOUND || (rc == XKD_OK && !size))
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no call frame information",
				   img->path);
	return rc ? rc : xkd_cfi_open(data, size, addr, true, c, err);
}

static void close_cfi(void *p)
{
	xkd_cfi_close(p);
}

enum xkd_rc xkd_image_cfi(struct xkd_image *img, struct xkd_cfi **c, struct xkd_err *err)
{
	struct xkd_part *p = &img->part[XKD_PART_CFI];
	struct xkd_cfi *made = NULL;
	enum xkd_rc rc;

	if (!p->tried) {
		p->err = XKD_ERR_INIT;
		p->close = close_cfi;
		rc = open_cfi(img, &made, &p->err);
		settle(p, rc, made);
	}
	*c = p->p;
	return settled(p, err);
}
