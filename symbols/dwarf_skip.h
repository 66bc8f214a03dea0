/* A skip reader over .debug_info for the scan of all units: driven by the abbreviations, it reads
 * of an entry only what the scan wants and jumps over the rest. For dwarf_scan.c and dwarf_skip.c.
 */
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
	bool children, wanted;
	uint32_t first, n; /* its attributes in attrs */
	int32_t sib_off;   /* of a 4-byte sibling reference from the values' start, -1: varies */
};
struct xkd_dw_abbrevs {
	XKD_VEC(struct xkd_dw_abbrev) v; /* by code */
	XKD_VEC(struct xkd_dw_abattr) attrs;
	bool dense; /* code i + 1 at index i */
};
/* What the scan wants to know of an entry. */
struct xkd_dw_brief {
	uint64_t off;
	uint16_t tag;
	bool children, declaration, external, wanted;
	const char *name;
	uint64_t strp;	  /* offset of name in .debug_str; ~0: it lies elsewhere */
	uint64_t sibling; /* 0: not said */
	uint64_t spec;	  /* DW_AT_specification, 0: none */
	const uint8_t *loc;
	size_t loc_len;
};

/* Reads the unit's abbreviations, keeping the memory of a; entries of tags that wanted() does not
 * want are later read for their sibling only. */
bool xkd_dw_abbrevs(struct xkd_dwarf *d, const struct xkd_dw_unit *u, bool (*wanted)(unsigned tag),
		    struct xkd_dw_abbrevs *a);
void xkd_dw_abbrevs_fini(struct xkd_dw_abbrevs *a);
/* The entry at c, which lies within u. Tag 0: the null entry that ends a list of children. c ends
 * behind the entry's values, or anywhere up to its sibling when sibling is given and the tag is not
 * wanted. False: unreadable. */
bool xkd_dw_brief(struct xkd_dwarf *d, struct xkd_dw_unit *u, const struct xkd_dw_abbrevs *a,
		  struct xkd_dw_cur *c, struct xkd_dw_brief *b);
/* Moves c behind the children of the entry just read. */
bool xkd_dw_skip_children(struct xkd_dwarf *d, struct xkd_dw_unit *u,
			  const struct xkd_dw_abbrevs *a, struct xkd_dw_cur *c,
			  const struct xkd_dw_brief *b);
#endif
