/* Chooses a personality. */
#include "engine/os/os.h"

static const struct xkd_os *const personalities[] = { &xkd_os_files, &xkd_os_program, &xkd_os_linux,
						      &xkd_os_generic };

void xkd_os_early(struct xkd_target *t, bool (*fn)(void *arg, uint64_t addr), void *arg)
{
	for (size_t i = 0; i < XKD_COUNT(personalities); i++)
		if (personalities[i]->early)
			personalities[i]->early(t, fn, arg);
}

enum xkd_rc xkd_os_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err)
{
	t->awaits_kernel = false;
	for (size_t i = 0; i < XKD_COUNT(personalities); i++) {
		enum xkd_rc rc = personalities[i]->attach(t, found, err);

		if (rc == XKD_NOTFOUND)
			continue;
		if (!rc || t->os_state) /* broken off: it answers nothing */
			t->os = personalities[i];
		return rc;
	}
	return XKD_NOTFOUND;
}
