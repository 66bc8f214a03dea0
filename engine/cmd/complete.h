/* The parts of completion. */
#ifndef XKD_ENGINE_CMD_COMPLETE_H
#define XKD_ENGINE_CMD_COMPLETE_H
#include "engine/cmd/cmd.h"

/* A candidate, once. */
void xkd_complete_add(struct xkd_complete *c, const char *s, size_t n);
/* Type names that begin like word ("struct kvm_v", "kvm!kvm_io"). */
void xkd_complete_type(struct xkd_session *s, const char *word, struct xkd_complete *c);
/* The current frame's variables. */
void xkd_complete_local(struct xkd_session *s, const char *word, struct xkd_complete *c);
/* Members, when what stands before end is EXPR-> or EXPR. with a beginning of a name, or (dt) a type
 * and a path of members. *start: where the member's name begins, from args. False: no such place. */
bool xkd_complete_member(struct xkd_session *s, const char *args, const char *end, bool dt,
			 struct xkd_complete *c, size_t *start);
#endif
