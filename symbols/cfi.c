/* Call frame information: records of .debug_frame and .eh_frame, and the table of FDEs by address.
 * What the instructions mean is in cfi_row.c.
 *
 * Invariants: one pass over the section makes the table; an FDE that cannot be read (an unknown
 * augmentation, an encoding that needs a base we have not) is left out, a record whose length
 * leaves the section ends the reading with an error. Ranges are never empty and never wrap. */
#include "symbols/cfi_int.h"
#include "base/str.h"
#include "base/vec.h"
#include <stdlib.h>
#include <string.h>

#define AUG_MAX 16

enum {
	PE_ABSPTR = 0,
	PE_ULEB = 1,
	PE_U2 = 2,
	PE_U4 = 3,
	PE_U8 = 4,
	PE_SLEB = 9,
	PE_S2 = 10,
	PE_S4 = 11,
	PE_S8 = 12,
	PE_PCREL = 0x10,
	PE_OMIT = 0xff
};

static int64_t sext(uint64_t v, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)(v << shift) >> shift;
}

uint64_t cfi_encoded(const struct xkd_cfi *c, struct xkd_cur *cur, uint8_t enc)
{
	uint64_t at = c->addr + (uint64_t)(cur->p - c->data), v = 0;

	switch (enc & 0x0f) {
	case PE_ABSPTR:
	case PE_U8:
	case PE_S8:
		v = xkd_cur_get(cur, 8);
		break;
	case PE_ULEB:
		v = xkd_cur_uleb(cur);
		break;
	case PE_U2:
		v = xkd_cur_get(cur, 2);
		break;
	case PE_U4:
		v = xkd_cur_get(cur, 4);
		break;
	case PE_SLEB:
		v = (uint64_t)xkd_cur_sleb(cur);
		break;
	case PE_S2:
		v = (uint64_t)sext(xkd_cur_get(cur, 2), 2);
		break;
	case PE_S4:
		v = (uint64_t)sext(xkd_cur_get(cur, 4), 4);
		break;
	default:
		cur->bad = true;
	}
	if ((enc & 0xf0) == PE_PCREL)
		v += at;
	else if (enc & 0xf0) /* relative to text, data, function; aligned; indirect */
		cur->bad = true;
	return v;
}

enum xkd_rc cfi_rec_at(const struct xkd_cfi *c, uint64_t off, struct cfi_rec *r,
		       struct xkd_err *err)
{
	struct xkd_cur cur = { c->data + off, c->data + c->size, false };
	uint64_t len = xkd_cur_get(&cur, 4), cie_id;
	unsigned id_len = 4;

	r->off = off;
	if (len == 0xffffffff) {
		len = xkd_cur_get(&cur, 8);
		if (!c->eh) /* .eh_frame keeps a short id even then */
			id_len = 8;
	} else if (!len && !cur.bad) {
		r->next = (uint64_t)(cur.p - c->data);
		return XKD_NOTFOUND;
	}
	r->id_off = (uint64_t)(cur.p - c->data);
	const uint8_t *body = xkd_cur_bytes(&cur, len);

	if (!body)
		return xkd_err_set(err, XKD_BADDATA,
				   "call frame record at 0x%llx, length 0x%llx, leaves its section",
				   (unsigned long long)off, (unsigned long long)len);
	r->next = (uint64_t)(cur.p - c->data);
	r->body = (struct xkd_cur){ body, body + len, false };
	r->id = xkd_cur_get(&r->body, id_len);
	if (r->body.bad)
		return xkd_err_set(err, XKD_BADDATA, "call frame record at 0x%llx is too short",
				   (unsigned long long)off);
	cie_id = c->eh ? 0 : id_len == 8 ? UINT64_MAX : UINT32_MAX;
	r->is_cie = r->id == cie_id;
	return XKD_OK;
}

/* Augmentation "z...": what its letters announce, within data of a told length. */
static bool read_augmentation(const struct xkd_cfi *c, const char *aug, struct xkd_cur *body,
			      struct cfi_cie *cie)
{
	struct xkd_cur data;
	uint64_t len;

	if (!*aug)
		return true;
	if (*aug != 'z') { /* "S" alone changes nothing that follows */
		for (; *aug == 'S'; aug++)
			cie->signal = true;
		return !*aug;
	}
	cie->aug_len = true;
	len = xkd_cur_uleb(body);
	data.p = xkd_cur_bytes(body, len);
	if (!data.p)
		return false;
	data.end = data.p + len;
	data.bad = false;
	while (*++aug) {
		uint8_t enc;

		switch (*aug) {
		case 'R':
			cie->enc = (uint8_t)xkd_cur_get(&data, 1);
			break;
		case 'L':
			xkd_cur_get(&data, 1);
			break;
		case 'P':
			enc = (uint8_t)xkd_cur_get(&data, 1);
			if (enc != PE_OMIT) /* the value is not wanted, only its length */
				cfi_encoded(c, &data, enc & 0x0f);
			break;
		case 'S':
			cie->signal = true;
			break;
		default: /* what it has in the data, and what comes after, cannot be known */
			return false;
		}
	}
	return !data.bad;
}

static enum xkd_rc parse_cie(const struct xkd_cfi *c, struct cfi_rec *r, struct cfi_cie *cie,
			     struct xkd_err *err)
{
	struct xkd_cur *b = &r->body;
	unsigned version = (unsigned)xkd_cur_get(b, 1), addr_size = 8, seg_size = 0;
	const char *aug = (const char *)b->p;
	size_t max = (size_t)(b->end - b->p), n = strnlen(aug, max < AUG_MAX ? max : AUG_MAX);

	memset(cie, 0, sizeof(*cie));
	if (version != 1 && version != 3 && version != 4)
		return xkd_err_set(err, XKD_UNSUPPORTED, "cie at 0x%llx of version %u",
				   (unsigned long long)r->off, version);
	if (n == AUG_MAX || !xkd_cur_bytes(b, n + 1))
		return xkd_err_set(err, XKD_BADDATA, "cie at 0x%llx: augmentation without end",
				   (unsigned long long)r->off);
	if (version == 4) {
		addr_size = (unsigned)xkd_cur_get(b, 1);
		seg_size = (unsigned)xkd_cur_get(b, 1);
	}
	cie->code_align = xkd_cur_uleb(b);
	cie->data_align = xkd_cur_sleb(b);
	uint64_t ra = version == 1 ? xkd_cur_get(b, 1) : xkd_cur_uleb(b);

	if (b->bad || addr_size != 8 || seg_size || ra >= XKD_CFI_NREGS)
		return xkd_err_set(err, b->bad ? XKD_BADDATA : XKD_UNSUPPORTED,
				   "cie at 0x%llx: not one of x86-64", (unsigned long long)r->off);
	cie->ra_reg = (unsigned)ra;
	if (!read_augmentation(c, aug, b, cie))
		return xkd_err_set(err, XKD_UNSUPPORTED, "cie at 0x%llx: augmentation \"%.16s\"",
				   (unsigned long long)r->off, aug);
	cie->insns = b->p;
	cie->insns_len = (size_t)(b->end - b->p);
	return XKD_OK;
}

enum xkd_rc cfi_cie_of(const struct xkd_cfi *c, const struct cfi_rec *fde, struct cfi_cie *cie,
		       struct xkd_err *err)
{
	uint64_t off = c->eh ? fde->id_off - fde->id : fde->id;
	struct cfi_rec r;

	if (off >= c->size)
		return xkd_err_set(err, XKD_BADDATA,
				   "fde at 0x%llx: its cie is outside the section",
				   (unsigned long long)fde->off);
	if (cfi_rec_at(c, off, &r, err) || !r.is_cie)
		return xkd_err_set(err, XKD_BADDATA, "fde at 0x%llx: no cie at 0x%llx",
				   (unsigned long long)fde->off, (unsigned long long)off);
	return parse_cie(c, &r, cie, err);
}

enum xkd_rc cfi_fde_range(const struct xkd_cfi *c, const struct cfi_cie *cie, struct cfi_rec *fde,
			  uint64_t *low, uint64_t *high, struct xkd_err *err)
{
	struct xkd_cur *b = &fde->body;
	uint64_t len;

	*low = cfi_encoded(c, b, cie->enc);
	len = cfi_encoded(c, b, cie->enc & 0x0f);
	if (cie->aug_len)
		xkd_cur_bytes(b, xkd_cur_uleb(b));
	if (b->bad || __builtin_add_overflow(*low, len, high))
		return xkd_err_set(err, XKD_BADDATA, "fde at 0x%llx: bad range or encoding 0x%x",
				   (unsigned long long)fde->off, cie->enc);
	return XKD_OK;
}

static int by_low(const void *a, const void *b)
{
	const struct cfi_fde *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

struct fdes {
	XKD_VEC(struct cfi_fde) v;
};

static enum xkd_rc read_all(const struct xkd_cfi *c, struct fdes *all, struct xkd_err *err)
{
	uint64_t cie_id = 0, cie_at = 0; /* the CIE that cie holds: FDEs share theirs */
	bool has_cie = false;
	struct cfi_cie cie;
	enum xkd_rc cie_rc = XKD_OK;
	struct cfi_rec r;

	for (uint64_t off = 0; off < c->size; off = r.next) {
		uint64_t low, high;
		enum xkd_rc rc = cfi_rec_at(c, off, &r, err);

		if (rc == XKD_NOTFOUND) /* linked .eh_frame has such only at its end, .ko between */
			continue;
		if (rc)
			return rc;
		if (r.is_cie)
			continue;
		cie_id = c->eh ? r.id_off - r.id : r.id;
		if (!has_cie || cie_id != cie_at) {
			has_cie = true;
			cie_at = cie_id;
			cie_rc = cfi_cie_of(c, &r, &cie, NULL);
		}
		if (cie_rc || cfi_fde_range(c, &cie, &r, &low, &high, NULL) || low == high)
			continue;
		*xkd_vec_push(&all->v) = (struct cfi_fde){ low, high, off };
	}
	return XKD_OK;
}

enum xkd_rc xkd_cfi_open(const uint8_t *data, size_t size, uint64_t sec_addr, bool eh,
			 struct xkd_cfi **cp, struct xkd_err *err)
{
	struct xkd_cfi head = { .data = data, .size = size, .addr = sec_addr, .eh = eh };
	struct fdes all = { 0 };
	enum xkd_rc rc = read_all(&head, &all, err);

	*cp = NULL;
	if (rc) {
		xkd_vec_fini(&all.v);
		return rc;
	}
	xkd_vec_sort(&all.v, by_low);

	struct xkd_cfi *c = xkd_malloc(sizeof(*c));

	*c = head;
	c->fdes = all.v.p;
	c->n = all.v.n;
	*cp = c;
	return XKD_OK;
}

void xkd_cfi_close(struct xkd_cfi *c)
{
	if (c)
		free(c->fdes);
	free(c);
}

size_t xkd_cfi_nfdes(const struct xkd_cfi *c)
{
	return c->n;
}
