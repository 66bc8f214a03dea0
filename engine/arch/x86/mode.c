/* What the registers say of the processor's state: code width, privilege, interrupts, and where a
 * memory operand lies. Nothing here reads memory, so the width of code below 4 GiB in long mode is
 * told from cs_attr where a backend has it and else from the selector. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"

/* __USER32_CS of Linux: the one selector for 32-bit code that can be met in long mode there. */
#define USER32_CS 0x23

static enum xkd_cpumode by_attr(uint64_t attr)
{
	return attr & X86_ATTR_D ? XKD_MODE_32 : XKD_MODE_16;
}

enum xkd_cpumode xkd_x86_mode(const struct xkd_regs *r)
{
	bool attr = xkd_reg_known(r, X86R_CS_ATTR);

	if (xkd_reg_known(r, X86R_RIP) && r->v[X86R_RIP] >> 32)
		return XKD_MODE_64;
	if (xkd_reg_known(r, X86R_CR0) && !(r->v[X86R_CR0] & X86_CR0_PE))
		return XKD_MODE_16;
	if (!xkd_reg_known(r, X86R_EFER))
		return XKD_MODE_64;
	if (r->v[X86R_EFER] & X86_EFER_LMA) {
		if (attr)
			return r->v[X86R_CS_ATTR] & X86_ATTR_L ? XKD_MODE_64
							       : by_attr(r->v[X86R_CS_ATTR]);
		return xkd_reg_known(r, X86R_CS) && r->v[X86R_CS] == USER32_CS ? XKD_MODE_32
									       : XKD_MODE_64;
	}
	if (xkd_reg_known(r, X86R_EFL) && (r->v[X86R_EFL] & X86_EFL_VM))
		return XKD_MODE_16;
	return attr ? by_attr(r->v[X86R_CS_ATTR]) : XKD_MODE_32;
}

bool xkd_x86_is_user(const struct xkd_regs *r)
{
	if (!xkd_reg_known(r, X86R_CS))
		return false;
	if (xkd_reg_known(r, X86R_CR0) && !(r->v[X86R_CR0] & X86_CR0_PE))
		return false; /* real mode: the low bits are part of a segment number */
	return (r->v[X86R_CS] & 3) == 3;
}

bool xkd_x86_irqs_on(const struct xkd_regs *r)
{
	return xkd_reg_known(r, X86R_EFL) && (r->v[X86R_EFL] & X86_EFL_IF);
}

/* A guest runs with EFER.SVME set (AMD APM volume 2, 15.5.1: VMRUN wants it in the guest's state) or
 * with CR4.VMXE set (SDM volume 3, 23.8: a fixed bit in VMX operation); firmware and a kernel that
 * was just started have neither. */
bool xkd_x86_may_be_guest(const struct xkd_regs *r)
{
	if (!xkd_reg_known(r, X86R_EFER) || !xkd_reg_known(r, X86R_CR4))
		return true;
	return (r->v[X86R_EFER] & X86_EFER_SVME) || (r->v[X86R_CR4] & X86_CR4_VMXE);
}

bool xkd_x86_code_linear(const struct xkd_regs *r, uint64_t pc, uint64_t *addr)
{
	bool real = xkd_reg_known(r, X86R_CR0) && !(r->v[X86R_CR0] & X86_CR0_PE);

	*addr = pc;
	if (xkd_x86_mode(r) == XKD_MODE_64)
		return true;
	if (xkd_reg_known(r, X86R_CS_BASE)) {
		*addr = (uint32_t)(r->v[X86R_CS_BASE] + pc);
		return true;
	}
	if (!real)
		return !xkd_reg_known(r, X86R_CR0); /* flat as far as anybody can tell */
	if (!xkd_reg_known(r, X86R_CS))
		return false;
	*addr = pc + (r->v[X86R_CS] << 4);
	return true;
}

/* Bases: 0 in 64-bit and flat protected mode but for fs and gs; selector * 16 in real mode. */
static bool seg_base(const struct xkd_regs *r, int seg, uint64_t *base)
{
	int reg = seg == X86R_FS ? X86R_FS_BASE : seg == X86R_GS ? X86R_GS_BASE : -1;
	bool real = (xkd_reg_known(r, X86R_CR0) && !(r->v[X86R_CR0] & X86_CR0_PE)) ||
		    (xkd_reg_known(r, X86R_EFL) && (r->v[X86R_EFL] & X86_EFL_VM));

	*base = 0;
	if (reg < 0 && !real)
		return true;
	if (reg < 0 || (real && !xkd_reg_known(r, reg))) {
		if (!xkd_reg_known(r, seg))
			return false;
		*base = r->v[seg] << 4;
		return true;
	}
	*base = r->v[reg];
	return xkd_reg_known(r, reg);
}

bool xkd_x86_ea(const struct xkd_regs *r, const struct xkd_insn *in, uint64_t *off, uint64_t *addr)
{
	uint64_t o = (uint64_t)in->mem_disp, base;

	if (!in->has_mem || (in->mem_base >= 0 && !xkd_reg_known(r, in->mem_base)) ||
	    (in->mem_index >= 0 && !xkd_reg_known(r, in->mem_index)) ||
	    !seg_base(r, in->mem_seg, &base))
		return false;
	if (in->mem_base >= 0)
		o += r->v[in->mem_base];
	if (in->mem_index >= 0)
		o += r->v[in->mem_index] * (uint64_t)in->mem_scale;
	if (in->mem_addr_bits == 16 || in->mem_addr_bits == 32)
		o &= (1ULL << in->mem_addr_bits) - 1;
	*off = o;
	*addr = o + base;
	return true;
}

/* Intel SDM vol. 3, 6.14.2: ss, rsp, rflags, cs, rip, pushed below rsp aligned to 16 bytes where no other
 * stack was taken. An interrupt has no error code. */
bool xkd_x86_trap_frame(const struct xkd_regs *regs, const uint8_t *bytes, size_t n,
			struct xkd_trapframe *f)
{
	uint64_t cs, flags;

	if (n < 40 || xkd_x86_mode(regs) != XKD_MODE_64)
		return false;
	f->pc = xkd_get_le(bytes, 8);
	cs = xkd_get_le(bytes + 8, 8);
	flags = xkd_get_le(bytes + 16, 8);
	f->sp = xkd_get_le(bytes + 24, 8);
	return cs == regs->v[X86R_CS] && (flags & 2) && !(flags >> 22) && xkd_x86_is_canonical(f->pc, 5) &&
	       (f->sp & ~15ULL) - 40 == regs->v[X86R_RSP];
}
