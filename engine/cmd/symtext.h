/* What a line of a kernel log says of places in code: a pure reader of text. */
#ifndef XKD_ENGINE_CMD_SYMTEXT_H
#define XKD_ENGINE_CMD_SYMTEXT_H
#include "symbols/image.h"

struct xkd_textsite {
	size_t start, end; /* bytes of the line; end is behind "[mod]" */
	size_t name, name_len; /* len 0: a bare address */
	uint64_t off, size;
	size_t mod, mod_len; /* len 0: the kernel's own */
	struct xkd_buildid id; /* of the module, where the text has it */
	bool has_addr;
	uint64_t addr;
	bool exact; /* the address of an instruction; else one that a call returns to */
};
#define XKD_TEXTSITES 16
/* At most XKD_TEXTSITES, in order. */
size_t xkd_text_sites(const char *line, size_t len, struct xkd_textsite *sites);

/* What a line tells of the whole log. */
struct xkd_textfacts {
	bool has_slide;
	uint64_t slide;	   /* "Kernel Offset: 0x1c000000 from ..."; "disabled" is 0 */
	char release[128]; /* "Linux version REL (", "Not tainted REL #1"; "": not here */
	bool boots;	   /* the release is that of a kernel that begins here */
};
void xkd_text_facts(const char *line, size_t len, struct xkd_textfacts *f);
/* Where the text behind timestamps and "kernel:" begins. */
size_t xkd_text_indent(const char *line, size_t len);
#endif
