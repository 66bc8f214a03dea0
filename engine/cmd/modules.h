/* Between the files that list and reload modules. */
#ifndef XKD_ENGINE_CMD_MODULES_H
#define XKD_ENGINE_CMD_MODULES_H
#include "engine/cmd/cmd.h"

enum xkd_rc xkd_cmd_lm(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
/* "(dwarf)", "(deferred)" ...; static */
const char *xkd_symstate_word(enum xkd_symstate st);
#endif
