/* The kernel's own table of names as it lies in its image: every layout from 4.18 to 7.x. */
#ifndef XKD_SYMBOLS_KALLSYMS_H
#define XKD_SYMBOLS_KALLSYMS_H
#include "base/arena.h"

struct xkd_kallsym {
	const char *name; /* the arena given */
	uint64_t addr;
	char type; /* nm's letter */
};
struct xkd_kallsyms {
	struct xkd_kallsym *sym;
	size_t n;
	const char *layout; /* in words, for a log; static storage */
};
/* Searches size bytes of kernel memory from address base (what could not be read is zero) for the
 * tables, and decodes them. text: where _text or _stext must be; 0: not known, then the banner must
 * agree. NOTFOUND: no tables there (*more tells whether some began that the bytes end too early for);
 * BADDATA: tables that agree with nothing known. The names live in a. */
enum xkd_rc xkd_kallsyms_parse(const uint8_t *mem, size_t size, uint64_t base, uint64_t text,
			       struct xkd_arena *a, struct xkd_kallsyms *k, bool *more,
			       struct xkd_err *err) XKD_MUST;
/* Offset of the next token table whose index begins at or behind from; false: none. */
bool xkd_kallsyms_tokens(const uint8_t *mem, size_t size, size_t from, size_t *table, size_t *index);
#endif
