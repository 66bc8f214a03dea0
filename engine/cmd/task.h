/* Tasks as arguments of commands. */
#ifndef XKD_ENGINE_CMD_TASK_H
#define XKD_ENGINE_CMD_TASK_H
#include "engine/cmd/cmd.h"
#include "engine/os/os.h"

/* "1", "0n812", "0xffff8e7325740000", "@$thread", "sshd" at the cursor. Plain digits are a decimal
 * pid; a name must belong to one task. */
enum xkd_rc xkd_task_named(struct xkd_session *s, struct xkd_args *a, struct xkd_task *task,
			   struct xkd_err *err) XKD_MUST;
#endif
