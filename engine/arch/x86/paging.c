/* Page-table walks: 32-bit, PAE, 4 and 5 levels, large pages, memory encryption.
 * Tables are foreign bytes: the depth is fixed by the mode, so no cycle can hold a walk, and every
 * address made from an entry is cut to the 52 bits that the architecture has. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include <inttypes.h>
#include <string.h>

#define PTE_P (1ULL << 0)
#define PTE_W (1ULL << 1)
#define PTE_U (1ULL << 2)
#define PTE_A (1ULL << 5)
#define PTE_D (1ULL << 6)
#define PTE_PS (1ULL << 7)
#define PTE_G (1ULL << 8)
#define PTE_NX (1ULL << 63)
#define PA_MASK 0x000ffffffffff000ULL

/* One level: which bits of the address index its table, and whether PS may end the walk there. */
struct level {
	const char *name;
	uint8_t shift, bits;
	bool may_large;
};
static const struct level long_levels[5] = {
	{ "PML5E", 48, 9, false }, { "PXE", 39, 9, false }, { "PPE", 30, 9, true },
	{ "PDE", 21, 9, true },	   { "PTE", 12, 9, false },
};
static const struct level pae_levels[3] = {
	{ "PPE", 30, 2, false },
	{ "PDE", 21, 9, true },
	{ "PTE", 12, 9, false },
};
static const struct level old_levels[2] = { { "PDE", 22, 10, true }, { "PTE", 12, 10, false } };

bool xkd_x86_is_canonical(uint64_t va, int levels)
{
	unsigned unused;

	if (levels < 4)
		return va <= UINT32_MAX;
	unused = levels == 5 ? 7 : 16;
	return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}

static enum xkd_rc need(const struct xkd_regs *r, int reg, struct xkd_err *err)
{
	if (xkd_reg_known(r, reg))
		return XKD_OK;
	return xkd_err_set(err, XKD_UNSUPPORTED,
			   "the page tables cannot be found: register %s is not known",
			   xkd_x86_reg_names[reg]);
}

static enum xkd_rc long_mode(const struct xkd_regs *r, bool *on, struct xkd_err *err)
{
	if (xkd_reg_known(r, X86R_EFER)) {
		*on = r->v[X86R_EFER] & X86_EFER_LMA;
		return XKD_OK;
	}
	*on = true; /* code above 4 GiB runs in no other mode */
	if (xkd_reg_known(r, X86R_RIP) && r->v[X86R_RIP] >> 32)
		return XKD_OK;
	return need(r, X86R_EFER, err);
}

enum xkd_rc xkd_x86_paging(const struct xkd_regs *r, struct xkd_paging *pg, struct xkd_err *err)
{
	enum xkd_rc rc;
	uint64_t cr3;
	bool lm;

	memset(pg, 0, sizeof(*pg));
	rc = need(r, X86R_CR0, err);
	if (rc)
		return rc;
	if (!(r->v[X86R_CR0] & X86_CR0_PG))
		return XKD_OK;
	rc = need(r, X86R_CR3, err);
	if (!rc)
		rc = need(r, X86R_CR4, err);
	if (!rc)
		rc = long_mode(r, &lm, err);
	if (rc)
		return rc;
	pg->on = true;
	cr3 = r->v[X86R_CR3];
	if (lm) {
		pg->levels = r->v[X86R_CR4] & X86_CR4_LA57 ? 5 : 4;
		pg->root = cr3 & PA_MASK; /* the low bits are PCID and cache control */
	} else if (r->v[X86R_CR4] & X86_CR4_PAE) {
		pg->levels = 3;
		pg->root = cr3 & 0xffffffe0;
	} else {
		pg->levels = 2;
		pg->root = cr3 & 0xfffff000;
	}
	return XKD_OK;
}

/* kd's letters. Copy-on-write is no bit of this hardware, so its place is always '-'. */
static void spell_flags(struct xkd_ptlevel *l, bool has_nx)
{
	uint64_t e = l->entry;

	l->flags[0] = '-';
	l->flags[1] = e & PTE_G ? 'G' : '-';
	l->flags[2] = l->large ? 'L' : '-';
	l->flags[3] = e & PTE_D ? 'D' : '-';
	l->flags[4] = e & PTE_A ? 'A' : '-';
	l->flags[5] = e & (1ULL << 4) ? 'N' : '-';
	l->flags[6] = e & (1ULL << 3) ? 'T' : '-';
	l->flags[7] = e & PTE_U ? 'U' : 'K';
	l->flags[8] = e & PTE_W ? 'W' : 'R';
	l->flags[9] = has_nx && (e & PTE_NX) ? '-' : 'E';
	l->flags[10] = e & PTE_P ? 'V' : '-';
	l->flags[11] = 0;
}

/* The page frame's address in a large entry: bits below the page size hold flags, but for 4 MiB
 * pages, where bits 13 to 20 are address bits 32 to 39 (PSE-36). */
static uint64_t large_frame(int levels, unsigned shift, uint64_t entry)
{
	if (levels == 2)
		return (entry & 0xffc00000) | (entry & 0x1fe000) << 19;
	return entry & PA_MASK & ~((1ULL << shift) - 1);
}

static enum xkd_rc read_level(const struct xkd_paging *pg, const struct xkd_physread *pr,
			      const struct level *lv, uint64_t table, uint64_t va,
			      struct xkd_xlat *x, struct xkd_err *err)
{
	unsigned size = pg->levels == 2 ? 4 : 8;
	uint64_t index = va >> lv->shift & ((1ULL << lv->bits) - 1);
	struct xkd_ptlevel *l = &x->level[x->nlevels];
	uint8_t raw[8] = { 0 };
	enum xkd_rc rc;

	memset(l, 0, sizeof(*l));
	l->name = lv->name;
	l->entry_pa = table + index * size;
	rc = pr->read(pr->arg, l->entry_pa, raw, size, err);
	if (rc)
		return xkd_err_prepend(err, rc, "reading the %s at %s for %s", lv->name,
				       XKD_ADDR(l->entry_pa), XKD_ADDR(va));
	x->nlevels++;
	l->entry = xkd_get_le(raw, size);
	l->present = l->entry & PTE_P;
	l->large = l->present && lv->may_large && (l->entry & PTE_PS);
	l->pfn = (l->large ? large_frame(pg->levels, lv->shift, l->entry & ~pg->enc_mask)
			   : l->entry & ~pg->enc_mask & PA_MASK) >>
		 12;
	spell_flags(l, size == 8 && !(pg->levels == 3 && lv->shift == 30));
	if (!l->present)
		return xkd_err_addr(err, XKD_NOTMAPPED, va,
				    "%s is not mapped: the %s at %s is not present (%s)",
				    XKD_ADDR(va), lv->name, XKD_ADDR(l->entry_pa),
				    XKD_ADDR(l->entry));
	if (pg->levels >= 4 && lv->shift > 30 && (l->entry & PTE_PS))
		return xkd_err_addr(
			err, XKD_BADDATA, va,
			"the %s at %s has a reserved bit set (%s): this is no page table", lv->name,
			XKD_ADDR(l->entry_pa), XKD_ADDR(l->entry));
	return XKD_OK;
}

static enum xkd_rc pick_levels(const struct xkd_paging *pg, uint64_t va, const struct level **lv,
			       struct xkd_err *err)
{
	switch (pg->levels) {
	case 2:
		*lv = old_levels;
		break;
	case 3:
		*lv = pae_levels;
		break;
	case 4:
		*lv = long_levels + 1;
		break;
	case 5:
		*lv = long_levels;
		break;
	default:
		return xkd_err_set(err, XKD_UNSUPPORTED, "no page tables have %d levels",
				   pg->levels);
	}
	if (!xkd_x86_is_canonical(va, pg->levels))
		return xkd_err_addr(err, XKD_NOTMAPPED, va,
				    "%s is not mapped: not an address of %d-level paging",
				    XKD_ADDR(va), pg->levels);
	return XKD_OK;
}

enum xkd_rc xkd_x86_walk(const struct xkd_paging *pg, const struct xkd_physread *pr, uint64_t va,
			 struct xkd_xlat *x, struct xkd_err *err)
{
	const struct level *lv = NULL;
	uint64_t table = pg->root & ~pg->enc_mask;
	enum xkd_rc rc;

	memset(x, 0, sizeof(*x));
	x->writable = x->user = true;
	if (!pg->on) {
		x->ok = true;
		x->pa = va;
		x->page_size = 4096;
		return XKD_OK;
	}
	rc = pick_levels(pg, va, &lv, err);
	if (rc)
		return rc;
	for (int i = 0; i < pg->levels; i++) {
		const struct xkd_ptlevel *l = &x->level[i];
		/* the four PDPTEs of PAE carry no rights */
		bool rights = !(pg->levels == 3 && i == 0);

		rc = read_level(pg, pr, &lv[i], table, va, x, err);
		if (rc)
			return rc;
		if (rights) {
			x->writable &= !!(l->entry & PTE_W);
			x->user &= !!(l->entry & PTE_U);
			x->nx |= pg->levels > 2 && (l->entry & PTE_NX);
		}
		table = l->pfn << 12;
		if (l->large || i == pg->levels - 1) {
			x->page_size = 1ULL << lv[i].shift;
			x->pa = table + (va & (x->page_size - 1));
			x->ok = true;
			break;
		}
	}
	return XKD_OK;
}
