/* Relocation of a .ko's section for image addresses, x86-64 (psABI 4.4.1). Invariants: nothing
 * outside dst is written; a symbol index, section index or offset that does not exist is counted
 * and skipped; no value is checked for overflow, for image addresses are not where code will run
 * and a truncated 32-bit absolute address is what there is to say. */
#include "symbols/reloc.h"
#include "base/str.h"
#include <elf.h>
#include <string.h>

uint64_t xkd_reloc_symval(const struct xkd_reloc *r, size_t i)
{
	Elf64_Sym s;
	uint32_t shndx;

	memcpy(&s, r->syms + i * sizeof(s), sizeof(s));
	shndx = s.st_shndx;
	if (shndx == SHN_UNDEF || shndx == SHN_COMMON)
		return 0;
	if (shndx == SHN_XINDEX && i < r->nxindex)
		shndx = (uint32_t)xkd_get_le(r->xindex + i * 4, 4);
	else if (shndx >= SHN_LORESERVE)
		return s.st_value; /* SHN_ABS */
	return s.st_value + (shndx < r->nsec ? r->secaddr[shndx] : 0);
}

/* Bytes the type writes; 0: unknown; *pc: relative to its own place. */
static unsigned type_width(unsigned type, bool *pc)
{
	*pc = false;
	switch (type) {
	case R_X86_64_PC64:
		*pc = true;
		return 8;
	case R_X86_64_PC32:
	case R_X86_64_PLT32: /* no PLT in a module: the function itself */
		*pc = true;
		return 4;
	case R_X86_64_PC16:
		*pc = true;
		return 2;
	case R_X86_64_PC8:
		*pc = true;
		return 1;
	case R_X86_64_64:
	case R_X86_64_SIZE64:
	case R_X86_64_DTPOFF64:
		return 8;
	case R_X86_64_32:
	case R_X86_64_32S:
	case R_X86_64_SIZE32:
	case R_X86_64_DTPOFF32:
		return 4;
	case R_X86_64_16:
		return 2;
	case R_X86_64_8:
		return 1;
	default:
		return 0;
	}
}

static uint64_t sym_size(const struct xkd_reloc *r, size_t i)
{
	Elf64_Sym s;

	memcpy(&s, r->syms + i * sizeof(s), sizeof(s));
	return s.st_size;
}

static void apply_one(struct xkd_reloc *r, const Elf64_Rela *e)
{
	unsigned type = (unsigned)ELF64_R_TYPE(e->r_info), width;
	uint64_t sym = ELF64_R_SYM(e->r_info), val;
	bool pc;

	if (type == R_X86_64_NONE)
		return;
	width = type_width(type, &pc);
	if (!width) {
		r->unknown++;
		r->unknown_type = type;
		return;
	}
	/* symbol 0 needs no table: its value is 0 */
	if ((sym && sym >= r->nsyms) || e->r_offset > r->size || width > r->size - e->r_offset) {
		r->bad++;
		return;
	}
	if (type == R_X86_64_SIZE32 || type == R_X86_64_SIZE64)
		val = sym ? sym_size(r, sym) : 0;
	else
		val = sym ? xkd_reloc_symval(r, sym) : 0;
	val += (uint64_t)e->r_addend;
	if (pc)
		val -= r->addr + e->r_offset;
	xkd_put_le(r->dst + e->r_offset, val, width);
	r->done++;
}

void xkd_reloc_apply(struct xkd_reloc *r, const uint8_t *rela, size_t n)
{
	Elf64_Rela e;

	for (size_t i = 0; i < n; i++) {
		memcpy(&e, rela + i * sizeof(e), sizeof(e));
		apply_one(r, &e);
	}
}
