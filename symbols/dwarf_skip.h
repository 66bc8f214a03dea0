/* A skip reader over .debug_info for who walks all of it: driven by the abbreviations, it reads of
 * an entry what is wanted and jumps over the rest. libdwarf is not involved. */
#ifndef XKD_SYMBOLS_DWARF_SKIP_H
#define XKD_SYMBOLS_DWARF_SKIP_H
#include "symbols/dwarf_int.h"

struct xkd_dw_abattr {
	uint16_t at, form;
	int16_t size; /* bytes of the value, -1: varies */
	int64_t implicit;
};
struct xkd_dw_abbrev {
	uint64_t code;
	uint16_t tag;
	bool children;
	uint32_t first, n; /* its attributes in attrs */
	int32_t sib_off; /* of a 4-byte sibling reference from the values' start, -1: none there */
	int32_t fixed;	 /* bytes of all its values, -1: varies */
};
struct xkd_dw_abbrevs {
	XKD_VEC(struct xkd_dw_abbrev) v; /* by code */
	XKD_VEC(struct xkd_dw_abattr) attrs;
	bool dense; /* code i + 1 at index i */
	bool good;  /* v and attrs are those of: */
	uint64_t off;
	uint8_t version, off_size, addr_size;
};
/* A value: a number, or for blocks and in-line strings the bytes. */
struct xkd_dw_val {
	uint16_t form; /* 0: none */
	uint64_t v;
	const uint8_t *p;
	size_t n;
};

/* Reads the unit's abbreviations, keeping the memory of a (zeroed at first). */
bool xkd_dw_abbrevs(struct xkd_dwarf *d, const struct xkd_dw_unit *u, struct xkd_dw_abbrevs *a);
void xkd_dw_abbrevs_fini(struct xkd_dw_abbrevs *a);
const struct xkd_dw_abbrev *xkd_dw_abbrev_sparse(const struct xkd_dw_abbrevs *a, uint64_t code);
/* NULL: no such code. */
static inline const struct xkd_dw_abbrev *xkd_dw_abbrev(const struct xkd_dw_abbrevs *a,
							uint64_t code)
{
	if (!a->dense)
		return xkd_dw_abbrev_sparse(a, code);
	return code - 1 < a->v.n ? &a->v.p[code - 1] : NULL;
}
/* One value; false: unreadable. */
bool xkd_dw_val(const struct xkd_dw_unit *u, struct xkd_cur *c, const struct xkd_dw_abattr *at,
		struct xkd_dw_val *x);
bool xkd_dw_skip_values(const struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
			const struct xkd_dw_abbrev *ab, struct xkd_cur *c);
/* What a value means; NULL, 0, false: nothing of the kind. The unit's root must be known for strx
 * and addrx. strp: offset in .debug_str, ~0: it lies elsewhere. */
const char *xkd_dw_val_str(struct xkd_dwarf *d, const struct xkd_dw_unit *u,
			   const struct xkd_dw_val *x, uint64_t *strp);
uint64_t xkd_dw_val_ref(struct xkd_dwarf *d, const struct xkd_dw_unit *u,
			const struct xkd_dw_val *x);
bool xkd_dw_val_addr(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_val *x,
		     uint64_t *addr);
/* Reads the root entry at c, what xkd_dw_unit_root tells of it included. */
bool xkd_dw_skip_root(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
		      struct xkd_cur *c, bool *children);
#endif
