/* What commands that let the target run share (c_run.c). */
#ifndef XKD_ENGINE_RESUME_H
#define XKD_ENGINE_RESUME_H
#include "engine/cmd/session.h"

/* After a stop: shows it or runs its breakpoint's commands, and goes on when one of these resumes. */
enum xkd_rc xkd_resume_stopped(struct xkd_session *s, const struct xkd_stop *stop,
			       struct xkd_err *err) XKD_MUST;
/* A script was interrupted: what .onbreak says runs. */
void xkd_resume_broken_off(struct xkd_session *s);
#endif
