/* Commands about the session that have files of their own. */
#ifndef XKD_ENGINE_HELP_H
#define XKD_ENGINE_HELP_H
#include "engine/cmd/cmd.h"

void xkd_help_all(struct xkd_session *s);
/* One command, or all whose help mentions the word. */
enum xkd_rc xkd_help_about(struct xkd_session *s, const char *what, struct xkd_err *err) XKD_MUST;

enum xkd_rc xkd_cmd_vertarget(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
enum xkd_rc xkd_cmd_time(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
#endif
