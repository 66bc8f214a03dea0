/* Kinds of stub and what they do that they do not say. The first row that fits holds; the last one
 * fits all and assumes least. Rows rest on what the stubs' sources and wires show. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <string.h>

/* A number of 16 digits without the QC that belongs before it. */
static bool is_bochs(const char *qc, const char *threads)
{
	return strlen(qc) == 16 && strspn(qc, "0123456789abcdef") == 16;
}

/* The list begins with the CPUs, from -2 on, in 32 bits. */
static bool is_kgdb(const char *qc, const char *threads)
{
	return xkd_has_prefix(qc, "QC") && xkd_has_prefix(threads, "mffff") &&
	       strcspn(threads, ",") == 9;
}

static const struct {
	struct xkd_rsp_profile profile;
	/* Words its qSupported answer holds; NULL: any. "": an empty answer. */
	const char *has, *has_too;
	/* Of a stub with an empty one: does it answer qC and qfThreadInfo so? NULL: any. */
	bool (*is)(const char *qc, const char *threads);
} rows[] = {
	{ { .name = "qemu", .qemu = true, .holds = true, .stray_pauses = true, .pipelines = true },
	  NULL,
	  NULL,
	  NULL },
	/* GDB's own server, under user-mode debuggers and some simulators. */
	{ { .name = "gdbserver", .holds = true }, "QPassSignals+", "vContSupported+", NULL },
	{ { .name = "openocd" }, "qXfer:memory-map:read+", "qXfer:threads:read+", NULL },
	/* Firecracker, cloud-hypervisor, crosvm: a vCont without a default action is refused. */
	{ { .name = "gdbstub-rs", .needs_other_c = true }, "vContSupported+", "QStartNoAckMode+", NULL },
	/* It polls for a byte while it runs, and takes 254 of a packet. */
	{ { .name = "bochs", .stray_pauses = true, .rip_over = true, .careful = true },
	  "", NULL, is_bochs },
	/* A step holds the other CPUs. Its buffer has 1024 bytes. */
	{ { .name = "kgdb", .holds = true, .shadow_cpus = true, .int3_behind = true,
	    .packet_size = 1000 },
	  "", NULL, is_kgdb },
	/* Xen's gdbsx and others without features to tell them apart by. */
	{ { .name = "plain", .int3_behind = true }, "", NULL, NULL },
	{ { .name = "unknown" }, NULL, NULL, NULL },
};

const struct xkd_rsp_profile *xkd_rsp_profile_find(bool qemu, const char *supported, const char *qc,
						   const char *threads)
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
		if (rows[i].is && !rows[i].is(qc, threads))
			continue;
		return &rows[i].profile;
	}
	return &rows[XKD_COUNT(rows) - 1].profile;
}
