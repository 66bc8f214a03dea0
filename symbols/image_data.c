/* The bytes of an image's sections: decompressed, and in a .ko relocated for image addresses, each
 * section by itself at the first question. Invariant: once given, bytes neither move nor change
 * until the image goes; a failure is remembered and given again. */
#include "symbols/image_priv.h"
#include "symbols/reloc.h"
#include "symbols/unpack.h"
#include "base/str.h"
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum xkd_rc remember(struct xkd_image *img, size_t i, const struct xkd_err *why,
			    struct xkd_err *err)
{
	img->priv[i].failed = xkd_arena_dup(&img->arena, why, sizeof(*why));
	if (err)
		*err = *why;
	return why->code;
}

static enum xkd_rc unpack(struct xkd_image *img, size_t i, struct xkd_err *err)
{
	const struct xkd_section *s = &img->sec[i];
	struct xkd_secpriv *p = &img->priv[i];
	const uint8_t *raw = img->map + s->off;
	size_t size = s->size;
	enum xkd_rc rc;

	if (p->pack == XKD_PACK_CHDR)
		rc = xkd_unpack_chdr(raw, p->raw_size, &p->plain_own, &size, err);
	else
		rc = xkd_unpack_zlib(raw + 12, p->raw_size - 12, s->size, &p->plain_own, err);
	if (rc)
		return xkd_err_prepend(err, rc, "section %.60s of %s", s->name, img->path);
	p->plain = p->plain_own;
	return XKD_OK;
}

enum xkd_rc xkd_image_plain(struct xkd_image *img, size_t i, const uint8_t **data, size_t *size,
			    struct xkd_err *err)
{
	const struct xkd_section *s = &img->sec[i];
	struct xkd_secpriv *p = &img->priv[i];
	struct xkd_err why = XKD_ERR_INIT;

	*data = NULL;
	*size = 0;
	if (p->failed) {
		if (err)
			*err = *p->failed;
		return p->failed->code;
	}
	if (!p->plain) {
		if (s->type == SHT_NOBITS || s->type == SHT_NULL)
			return xkd_err_set(err, XKD_NOTFOUND,
					   "section %.60s of %s has no bytes in the file", s->name,
					   img->path);
		if (p->pack == XKD_PACK_NONE)
			p->plain = s->data;
		else if (unpack(img, i, &why))
			return remember(img, i, &why, err);
	}
	*data = p->plain;
	*size = s->size;
	return XKD_OK;
}

size_t xkd_image_symtab_section(const struct xkd_image *img)
{
	for (size_t i = 1; i < img->nsec; i++)
		if (img->sec[i].type == SHT_SYMTAB)
			return i;
	for (size_t i = 1; i < img->nsec; i++)
		if (img->sec[i].type == SHT_DYNSYM && !img->is_ko)
			return i;
	return 0;
}

size_t xkd_image_xindex_section(const struct xkd_image *img, size_t symtab)
{
	for (size_t i = 1; i < img->nsec; i++)
		if (img->sec[i].type == SHT_SYMTAB_SHNDX && img->priv[i].link == symtab)
			return i;
	return 0;
}

static bool is_rela_of(const struct xkd_image *img, size_t i, size_t target)
{
	return (img->sec[i].type == SHT_RELA || img->sec[i].type == SHT_REL) &&
	       img->priv[i].info == target && !(img->sec[i].flags & SHF_ALLOC);
}

static void apply_section(struct xkd_image *img, size_t ri, struct xkd_reloc *r)
{
	const uint8_t *rela, *d;
	size_t n, size, symtab = img->priv[ri].link, x;

	if (img->sec[ri].type == SHT_REL) {
		xkd_log(img->log, XKD_LOG_WARN,
			"%s: %s has no addends, as x86-64 has them: ignored", img->path,
			img->sec[ri].name);
		return;
	}
	r->syms = r->xindex = NULL;
	r->nsyms = r->nxindex = 0;
	if (symtab && symtab < img->nsec && img->sec[symtab].type == SHT_SYMTAB &&
	    xkd_image_plain(img, symtab, &d, &size, NULL) == XKD_OK) {
		r->syms = d;
		r->nsyms = size / sizeof(Elf64_Sym);
		x = xkd_image_xindex_section(img, symtab);
		if (x && xkd_image_plain(img, x, &d, &size, NULL) == XKD_OK) {
			r->xindex = d;
			r->nxindex = size / 4;
		}
	}
	if (xkd_image_plain(img, ri, &rela, &n, NULL) == XKD_OK)
		xkd_reloc_apply(r, rela, n / sizeof(Elf64_Rela));
}

static enum xkd_rc relocate(struct xkd_image *img, size_t i, const uint8_t *plain, size_t size,
			    struct xkd_err *err)
{
	struct xkd_secpriv *p = &img->priv[i];
	struct xkd_reloc r = { .size = size, .addr = img->sec[i].addr, .nsec = img->nsec };
	uint64_t *secaddr;

	p->ready_own = malloc(size ? size : 1);
	secaddr = malloc(img->nsec * sizeof(*secaddr));
	if (!p->ready_own || !secaddr) {
		free(secaddr);
		return xkd_err_set(err, XKD_NOMEM, "no memory for section %.60s of %s",
				   img->sec[i].name, img->path);
	}
	memcpy(p->ready_own, plain, size);
	for (size_t k = 0; k < img->nsec; k++)
		secaddr[k] = img->sec[k].addr;
	r.dst = p->ready_own;
	r.secaddr = secaddr;
	for (size_t k = 1; k < img->nsec; k++)
		if (is_rela_of(img, k, i))
			apply_section(img, k, &r);
	free(secaddr);
	if (r.bad || r.unknown)
		xkd_log(img->log, XKD_LOG_WARN,
			"%s: %s: %zu relocations skipped as nonsense, %zu of unknown type (%u), "
			"%zu applied",
			img->path, img->sec[i].name, r.bad, r.unknown, r.unknown_type, r.done);
	p->ready = p->ready_own;
	return XKD_OK;
}

static bool has_relocs(const struct xkd_image *img, size_t i)
{
	if (!img->is_ko)
		return false;
	for (size_t k = 1; k < img->nsec; k++)
		if (is_rela_of(img, k, i))
			return true;
	return false;
}

enum xkd_rc xkd_image_section_data(struct xkd_image *img, const struct xkd_section *s,
				   const uint8_t **data, size_t *size, struct xkd_err *err)
{
	struct xkd_secpriv *p = &img->priv[s->index];
	struct xkd_err why = XKD_ERR_INIT;
	const uint8_t *plain;
	enum xkd_rc rc;

	if (!p->ready) {
		rc = xkd_image_plain(img, s->index, &plain, size, err);
		if (rc) {
			*data = NULL;
			return rc;
		}
		if (!has_relocs(img, s->index))
			p->ready = plain;
		else if (relocate(img, s->index, plain, *size, &why))
			return remember(img, s->index, &why, err);
	}
	*data = p->ready;
	*size = s->size;
	return XKD_OK;
}

void xkd_image_data_fini(struct xkd_image *img)
{
	for (size_t i = 0; img->priv && i < img->nsec; i++) {
		free(img->priv[i].plain_own);
		free(img->priv[i].ready_own);
	}
}
