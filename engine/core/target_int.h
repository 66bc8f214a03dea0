/* Shared by target.c and hit.c only. */
#ifndef XKD_ENGINE_TARGET_INT_H
#define XKD_ENGINE_TARGET_INT_H
#include "engine/core/target.h"

/* What was known of this stop is known no longer; gen.stop counts. */
void xkd_target_goes(struct xkd_target *t);
#endif
