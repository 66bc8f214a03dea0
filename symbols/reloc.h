/* Applies the RELA entries of one section to a copy of its bytes. */
#ifndef XKD_SYMBOLS_RELOC_H
#define XKD_SYMBOLS_RELOC_H
#include "base/err.h"

struct xkd_reloc {
	uint8_t *dst; /* the copy */
	size_t size;
	uint64_t addr;	     /* image address of dst[0]; 0 for sections that are not loaded */
	const uint8_t *syms; /* raw Elf64_Sym */
	size_t nsyms;
	const uint8_t *xindex; /* 32-bit section indices of the symbols, or NULL */
	size_t nxindex;
	const uint64_t *secaddr; /* image address by section index; 0: not loaded */
	size_t nsec;
	/* counted: */
	size_t done, bad; /* bad: no such symbol or place */
	size_t unknown;	  /* of a type we do not know */
	unsigned unknown_type;
};
/* rela: raw Elf64_Rela entries. Entries that make no sense are skipped and counted. */
void xkd_reloc_apply(struct xkd_reloc *r, const uint8_t *rela, size_t n);
/* The image address of the symbol at p (raw); 0 for undefined and common ones. */
uint64_t xkd_reloc_symval(const struct xkd_reloc *r, size_t i);
#endif
