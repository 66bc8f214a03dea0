/* Where what outlives a session is kept: ${XDG_STATE_HOME:-~/.local/state}/xkd. */
#ifndef XKD_BASE_STATE_H
#define XKD_BASE_STATE_H
#include "base/buf.h"

/* The path of name ("history", "journal/0123") there, malloc'ed, its folders made (mode 0700; one
 * that cannot be made shows when the file is opened). NULL: there is no home. */
char *xkd_state_path(const char *name);
#endif
