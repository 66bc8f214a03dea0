/* Tail calls: a function that ends with a jump to another one, whose frame takes the place of its own.
 * What the debug info says of them tells by which ways a function can have been come to. */
#ifndef XKD_ENGINE_LOCATION_TAIL_H
#define XKD_ENGINE_LOCATION_TAIL_H
#include "engine/lang/lang.h"

#define XKD_TAIL_STEPS 6

struct xkd_tail_way {
	size_t n;
	struct {
		struct xkd_module *mod;
		struct xkd_dwarf *dwarf;
		uint64_t iaddr;	   /* the entry of the function that jumped, in its image */
		uint64_t site, cu; /* the jump's entry in .debug_info, and its unit */
	} step[XKD_TAIL_STEPS];	   /* first the function that was called */
};

/* The way from the function that begins at target (an address in the target) to the one at iaddr of mod, by
 * tail calls alone. False: there is none, more than one, or the debug info does not tell them all. */
bool xkd_tail_way(const struct xkd_ctx *ctx, uint64_t target, struct xkd_module *mod,
		  uint64_t iaddr, struct xkd_tail_way *way);

/* May the function come to its own entry again by tail calls? True also where it is not known. */
bool xkd_tail_reenters(const struct xkd_ctx *ctx, struct xkd_module *mod, uint64_t iaddr);
#endif
