/* The personality of what is not known: bytes, registers and instructions, no names of its own. */
#include "engine/os/os.h"
#include "base/str.h"

static enum xkd_rc generic_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err)
{
	if (!found->len)
		xkd_buf_str(found, "no kernel that is known here: raw memory, registers and code only");
	return XKD_OK;
}

static bool generic_is_kernel_addr(struct xkd_target *t, uint64_t va)
{
	return false;
}

static void generic_describe(struct xkd_target *t, int cpu, struct xkd_out *out)
{
}

const struct xkd_os xkd_os_generic = {
	.name = "generic",
	.attach = generic_attach,
	.is_kernel_addr = generic_is_kernel_addr,
	.describe = generic_describe,
};
