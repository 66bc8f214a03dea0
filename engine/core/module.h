/* Modules: where images lie in a target. The kernel itself is the module "lk". */
#ifndef XKD_ENGINE_MODULE_H
#define XKD_ENGINE_MODULE_H
#include "base/vec.h"
#include "symbols/image.h"

struct xkd_target;

enum xkd_symstate {
	XKD_SYMS_DEFERRED, /* nobody asked yet */
	XKD_SYMS_DWARF,
	XKD_SYMS_BTF,	   /* .symtab and BTF */
	XKD_SYMS_SYMTAB,   /* names only, from a file */
	XKD_SYMS_KALLSYMS, /* names only, from memory */
	XKD_SYMS_NONE,
};
struct xkd_modrange {
	uint64_t start, size;
};
/* One loaded section of a .ko. */
struct xkd_modsec {
	char name[64];
	uint64_t addr;	/* in the target */
	uint64_t iaddr; /* in the image; 0 and size 0 when the image has no such section */
	uint64_t size;
};
struct xkd_module {
	char name[64];
	bool is_kernel;
	uint64_t struct_addr; /* of struct module */
	XKD_VEC(struct xkd_modrange) ranges; /* [0] holds the text; ascending */
	XKD_VEC(struct xkd_modsec) secs;     /* .ko only, by addr */
	int64_t slide;	      /* kernel: target = image + slide (wraps) */
	struct xkd_buildid id; /* as found in the target's memory */
	bool init_live;	      /* its init sections are still there */

	enum xkd_symstate state;
	struct xkd_image *img; /* counted; NULL: none (yet) */
	bool forced;	       /* taken although the build-id differs */
	char why[256];	       /* why there are no symbols, and what to do */
};
/* Does addr lie in one of the ranges? */
bool xkd_module_has(const struct xkd_module *m, uint64_t addr);
uint64_t xkd_module_start(const struct xkd_module *m);
uint64_t xkd_module_end(const struct xkd_module *m); /* of ranges[0] */
/* Target address to image address and back; false when it has no counterpart. */
bool xkd_module_to_image(const struct xkd_module *m, uint64_t addr, uint64_t *iaddr);
bool xkd_module_to_target(const struct xkd_module *m, uint64_t iaddr, uint64_t *addr);
void xkd_module_free(struct xkd_module *m);
#endif
