/* The folder of what outlives a session. */
#include "base/state.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *xkd_state_path(const char *name)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct xkd_buf b = XKD_BUF_INIT;

	if (state && *state == '/')
		xkd_buf_printf(&b, "%s/xkd/%s", state, name);
	else if (home && *home == '/')
		xkd_buf_printf(&b, "%s/.local/state/xkd/%s", home, name);
	else
		return NULL;
	for (char *p = b.s + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(b.s, 0700); /* one that exists is fine */
		*p = '/';
	}
	return xkd_buf_steal(&b);
}
