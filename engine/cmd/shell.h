/* Commands and the shell: "command | program", .shell, and the pager as its silent form. */
#ifndef XKD_ENGINE_CMD_SHELL_H
#define XKD_ENGINE_CMD_SHELL_H
#include "engine/cmd/cmd.h"

/* Where "| program" begins in a command: the '|', or NULL. A '|' in quotes, brackets or braces is the
 * command's own, and so is one that may be an operator: see .help .shell. */
const char *xkd_shell_pipe(const char *cmd);
/* One command as typed, perhaps with a pipe behind it, its output paged when that is wanted. */
enum xkd_rc xkd_shell_run(struct xkd_session *s, const char *cmd, struct xkd_err *err) XKD_MUST;
/* Rows are to be seen as they come from here on: the target is about to run, or time passes. */
void xkd_shell_live(struct xkd_session *s);
#endif
