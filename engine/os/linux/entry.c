/* Entry frames: struct pt_regs in memory, and what a frame in entry code stands for. */
#include "engine/os/linux/linux.h"
#include <stdio.h>
#include <string.h>

/* arch/x86/include/asm/ptrace.h, struct pt_regs: the same words since x86-64 began. */
static const char *const pt_regs[] = { "r15", "r14", "r13", "r12", "rbp", "rbx", "r11",
				       "r10", "r9",  "r8",  "rax", "rcx", "rdx", "rsi",
				       "rdi", NULL /* orig_ax */, "rip", "cs", "eflags", "rsp", "ss" };
#define IRET_FIRST 16 /* rip: the part that the processor pushes */

enum xkd_rc linux_trap_regs(struct xkd_target *t, uint64_t addr, bool partial,
			    struct xkd_regs *regs, struct xkd_err *err)
{
	uint64_t w[XKD_COUNT(pt_regs)];
	size_t first = partial ? IRET_FIRST : 0;
	struct xkd_regname rn;
	enum xkd_rc rc = xkd_kread(t, addr + first * 8, w + first, sizeof(w) - first * 8, err);

	if (rc)
		return rc;
	*regs = (struct xkd_regs){ .known = 0 };
	for (size_t i = first; i < XKD_COUNT(pt_regs); i++)
		if (pt_regs[i] && t->arch->reg_find(pt_regs[i], &rn))
			xkd_reg_put(regs, rn.reg, w[i] & (strcmp(pt_regs[i], "cs") &&
							  strcmp(pt_regs[i], "ss") ? ~0ULL : 0xffff));
	return XKD_OK;
}

/* arch/x86/entry/entry_64.S and idtentry.h name their stubs by what they are for. */
void linux_entry_kind(struct xkd_target *t, const char *symbol, char kind[32])
{
	static const struct {
		const char *prefix, *kind;
	} rows[] = {
		{ "entry_SYSCALL_64", "system call" },
		{ "entry_SYSCALL_compat", "32-bit system call" },
		{ "entry_INT80", "int 80 system call" },
		{ "entry_SYSENTER", "sysenter system call" },
		{ "asm_exc_page_fault", "exception #PF" },
		{ "asm_exc_general_protection", "exception #GP" },
		{ "asm_exc_invalid_op", "exception #UD" },
		{ "asm_exc_divide_error", "exception #DE" },
		{ "asm_exc_double_fault", "exception #DF" },
		{ "asm_exc_nmi", "NMI" },
		{ "asm_exc_debug", "exception #DB" },
		{ "asm_exc_int3", "exception #BP" },
		{ "asm_exc_machine_check", "exception #MC" },
		{ "asm_exc_", "exception" },
		{ "asm_sysvec_", "interrupt" },
		{ "asm_common_interrupt", "interrupt" },
		{ "common_interrupt", "interrupt" },
		{ "apic_timer_interrupt", "interrupt" },
		{ "irq_entries_start", "interrupt" },
		{ "page_fault", "exception #PF" },
		{ "general_protection", "exception #GP" },
		{ "nmi", "NMI" },
		{ "end_repeat_nmi", "NMI" },
		{ "ret_from_intr", "interrupt" },
		{ "ret_from_fork", "new task" },
	};

	kind[0] = 0;
	for (size_t i = 0; i < XKD_COUNT(rows); i++)
		if (!strncmp(symbol, rows[i].prefix, strlen(rows[i].prefix))) {
			/* whole words for the short old names */
			if ((!strcmp(rows[i].prefix, "nmi") || !strcmp(rows[i].prefix, "page_fault")) &&
			    strcmp(symbol, rows[i].prefix))
				continue;
			snprintf(kind, 32, "%s", rows[i].kind);
			return;
		}
}
