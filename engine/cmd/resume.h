/* What commands that let the target run share (c_run.c). */
#ifndef XKD_ENGINE_RESUME_H
#define XKD_ENGINE_RESUME_H
#include "engine/cmd/session.h"

struct xkd_args;

/* After a stop: shows it or runs its breakpoint's commands, and goes on when one of these resumes. */
enum xkd_rc xkd_resume_stopped(struct xkd_session *s, const struct xkd_stop *stop,
			       struct xkd_err *err) XKD_MUST;
/* "=address" where it stands next in a: the current CPU goes on from there. */
enum xkd_rc xkd_resume_start(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err) XKD_MUST;
/* A script was interrupted: what .onbreak says runs. */
void xkd_resume_broken_off(struct xkd_session *s);
#endif
