/* Running texts of commands. What others may call is in session.h; here is what the script commands
 * need. */
#ifndef XKD_ENGINE_SCRIPT_H
#define XKD_ENGINE_SCRIPT_H
#include "engine/cmd/session.h"

/* Reads a script (at most 4 MiB) into the command arena. */
enum xkd_rc xkd_script_read(struct xkd_session *s, const char *path, char **text,
			    struct xkd_err *err) XKD_MUST;
/* ${$argN} replaced by the Nth word of args (from 1), which may be quoted; unknown ones by nothing.
 * Command arena. */
char *xkd_script_subst(struct xkd_session *s, const char *text, const char *args);
#endif
