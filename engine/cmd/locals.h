/* dv, a row of the types family. */
#ifndef XKD_ENGINE_LOCALS_H
#define XKD_ENGINE_LOCALS_H
#include "engine/cmd/cmd.h"
enum xkd_rc xkd_cmd_locals(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
#endif
