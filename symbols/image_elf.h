/* The only door to libelf: headers and section headers of a mapped ELF file. */
#ifndef XKD_SYMBOLS_IMAGE_ELF_H
#define XKD_SYMBOLS_IMAGE_ELF_H
#include "base/arena.h"

struct xkd_elf_sec {
	const char *name; /* in the mapping; "" when the file gives none */
	uint64_t addr, off, size, align, flags;
	uint32_t type, link, info;
};
struct xkd_elf {
	uint16_t type; /* ET_REL, ET_EXEC or ET_DYN */
	uint64_t entry;
	struct xkd_elf_sec *sec; /* arena */
	size_t nsec;
};
/* Every section's bytes lie inside the mapping (NOBITS ones have none). BADDATA otherwise, and for
 * what is not ELF64 little-endian x86-64; path is for the message. */
enum xkd_rc xkd_elf_read(const uint8_t *map, size_t size, const char *path, struct xkd_arena *arena,
			 struct xkd_elf *elf, struct xkd_err *err) XKD_MUST;
/* Length of a string table up to and with its last NUL: any offset below it starts a string. */
size_t xkd_elf_strtab_len(const uint8_t *tab, size_t size);
#endif
