/* Kinds of stub and what they do that they do not say. The first row that fits holds; the last one
 * fits all and assumes least. Rows rest on what the stubs' sources and wires show. */
#include "backends/gdbrsp/rsp.h"
#include <string.h>

static const struct {
	struct xkd_rsp_profile profile;
	/* Words its qSupported answer holds; NULL: any. "": an empty answer. */
	const char *has, *has_too;
} rows[] = {
	{ { .name = "qemu", .qemu = true, .holds = true, .stray_pauses = true, .pipelines = true },
	  NULL,
	  NULL },
	/* GDB's own server, under user-mode debuggers and some simulators. */
	{ { .name = "gdbserver", .holds = true }, "QPassSignals+", "vContSupported+" },
	{ { .name = "openocd" }, "qXfer:memory-map:read+", "qXfer:threads:read+" },
	/* Firecracker, cloud-hypervisor, crosvm: a vCont without a default action is refused. */
	{ { .name = "gdbstub-rs", .needs_other_c = true }, "vContSupported+", "QStartNoAckMode+" },
	/* Bochs, kgdb, Xen's gdbsx: no features to tell them apart by. */
	{ { .name = "plain" }, "", NULL },
	{ { .name = "unknown" }, NULL, NULL },
};

const struct xkd_rsp_profile *xkd_rsp_profile_find(bool qemu, const char *supported)
{
	for (size_t i = 0; i < XKD_COUNT(rows); i++) {
		if (rows[i].profile.qemu != qemu)
			continue;
		if (rows[i].has && !*rows[i].has && *supported)
			continue;
		if (rows[i].has && !strstr(supported, rows[i].has))
			continue;
		if (rows[i].has_too && !strstr(supported, rows[i].has_too))
			continue;
		return &rows[i].profile;
	}
	return &rows[XKD_COUNT(rows) - 1].profile;
}
