/* What a data breakpoint watches: its type and the value last seen, so that a hit can say what came of
 * it. */
#ifndef XKD_ENGINE_WATCH_H
#define XKD_ENGINE_WATCH_H
#include "engine/lang/value.h"
#include "engine/run/run.h"

/* For an object at v->addr (v->bit_size: a bit-field in it); NULL: bytes of no known type. The images
 * that the type belongs to are kept as long as it is. Free with xkd_watch_free. */
struct xkd_watch *xkd_watch_new(struct xkd_target *t, const struct xkd_value *v);
void xkd_watch_free(struct xkd_watch *w); /* NULL is fine */
/* Remembers the values of all watches that are in, before the target goes on. */
void xkd_watch_note(struct xkd_run *r);
/* After a hit on a CPU: has the value changed? Says in text "NAME: OLD -> NEW" (not escaped). What cannot
 * be read counts as changed. */
bool xkd_watch_seen(struct xkd_run *r, struct xkd_bkpt *b, int cpu, char *text, size_t max);
#endif
