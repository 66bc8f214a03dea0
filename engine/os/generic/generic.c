/* The personality of what is not known: bytes, registers and instructions, no names of its own. */
#include "engine/os/os.h"
#include "base/str.h"

static const char *doing(struct xkd_target *t, const struct xkd_regs *regs)
{
	static const char *const words[] = {
		[XKD_MODE_16] = "runs 16-bit code (firmware or a boot loader)",
		[XKD_MODE_32] = "runs 32-bit code (firmware or a boot loader)",
		[XKD_MODE_64] = "runs 64-bit code of its own",
	};

	return t->arch->may_be_guest(regs) ? "may be inside a guest" : words[t->arch->mode(regs)];
}

static enum xkd_rc generic_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;

	if (found->len)
		return XKD_OK;
	t->awaits_kernel = true;
	if (xkd_target_regs(t, t->stop_cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored))
		xkd_buf_str(found, "no kernel that is known here");
	else
		xkd_buf_printf(found, "no kernel is there yet that is known: CPU %d %s", t->stop_cpu,
			       doing(t, regs));
	xkd_buf_str(found, "; memory, registers and code are raw");
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
