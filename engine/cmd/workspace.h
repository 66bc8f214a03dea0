/* The workspace: what a person set up for a kernel, kept over sessions. */
#ifndef XKD_ENGINE_WORKSPACE_H
#define XKD_ENGINE_WORKSPACE_H
#include "engine/cmd/cmd.h"

/* At attach, for a person: one line when there is one of this kernel. */
void xkd_workspace_offer(struct xkd_session *s);
/* Before the target is let go: keeps what a person's session set up; no-op when it set up nothing. */
void xkd_workspace_keep(struct xkd_session *s);
enum xkd_rc xkd_cmd_workspace(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err) XKD_MUST;
#endif
