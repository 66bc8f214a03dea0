/* The x86-64 row of the architecture table. */
#include "engine/arch/x86/x86.h"

const struct xkd_arch xkd_arch_x86 = {
	.name = "x86-64",
	.reg_names = xkd_x86_reg_names,
	.nregs = X86R_N,
	.pc = X86R_RIP,
	.sp = X86R_RSP,
	.fp = X86R_RBP,
	.flags = X86R_EFL,
	.ptroot = X86R_CR3,
	.ptr_size = 8,
	.dwarf_saved = 1 << 3 | 1 << 6 | 0xf << 12, /* rbx rbp r12-r15: System V psABI, 3.2.1 */
	.arg_regs = { X86R_RDI, X86R_RSI, X86R_RDX, X86R_RCX },
	.gdb_arch = "i386:x86-64",
	.reg_find = xkd_x86_reg_find,
	.reg_from_dwarf = xkd_x86_reg_from_dwarf,
	.reg_from_msr = xkd_x86_reg_from_msr,
	.reg_bits = xkd_x86_reg_bits,
	.regs_import = xkd_x86_regs_import,
	.reg_export = xkd_x86_reg_export,
	.mode = xkd_x86_mode,
	.is_user = xkd_x86_is_user,
	.irqs_on = xkd_x86_irqs_on,
	.may_be_guest = xkd_x86_may_be_guest,
	.code_linear = xkd_x86_code_linear,
	.is_canonical = xkd_x86_is_canonical,
	.paging = xkd_x86_paging,
	.walk = xkd_x86_walk,
	.disasm = xkd_x86_disasm,
	.ea = xkd_x86_ea,
	.regs_print = xkd_x86_regs_print,
};
