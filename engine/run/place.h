/* Putting breakpoints into the target and taking them out. */
#ifndef XKD_ENGINE_PLACE_H
#define XKD_ENGINE_PLACE_H
#include "engine/run/run.h"

bool xkd_placed_at(struct xkd_run *r, uint64_t addr);
/* A software breakpoint there that had to be a hardware one: who patches the place; NULL: none such. */
const char *xkd_placed_patcher(struct xkd_run *r, uint64_t addr);
/* One place; no-op when it is in. A refusal is an error in words. */
enum xkd_rc xkd_place(struct xkd_run *r, uint64_t addr, enum xkd_bp_kind kind, unsigned size,
		      struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_unplace(struct xkd_run *r, uint64_t addr, enum xkd_bp_kind kind, unsigned size,
			struct xkd_err *err) XKD_MUST;
/* All execution breakpoints at an address, for stepping off it. */
enum xkd_rc xkd_unplace_exec(struct xkd_run *r, uint64_t addr, struct xkd_err *err) XKD_MUST;
/* Makes what is in the target equal to what is enabled: out first, then in. */
enum xkd_rc xkd_place_sync(struct xkd_run *r, struct xkd_err *err) XKD_MUST;
#endif
