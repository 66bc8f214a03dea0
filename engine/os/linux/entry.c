/* Entry frames: struct pt_regs in memory, and what a frame in entry code stands for. */
#include "engine/os/linux/linux.h"
#include <stdio.h>
#include <string.h>

/* arch/x86/include/asm/ptrace.h, struct pt_regs: the same words since x86-64 began. */
static const char *const pt_regs[] = { "r15", "r14", "r13", "r12", "rbp", "rbx", "r11",
				       "r10", "r9",  "r8",  "rax", "rcx", "rdx", "rsi",
				       "rdi", NULL /* orig_ax */, "rip", "cs", "eflags", "rsp", "ss" };
#define ORIG_AX 15
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

/* What a stub is called for: by the names that arch/x86/entry/entry_64.S and idtentry.h give. */
enum what { SYSCALL, TRAP, IRQ, OTHER };
static const struct {
	const char *name;
	bool prefix; /* else the whole name */
	enum what what;
	const char *kind;
} rows[] = {
	{ "entry_SYSCALL_64", true, SYSCALL, "system call" },
	{ "entry_SYSCALL_compat", true, SYSCALL, "32-bit system call" },
	{ "entry_INT80", true, SYSCALL, "int 80 system call" },
	{ "asm_int80", true, SYSCALL, "int 80 system call" },
	{ "entry_SYSENTER", true, SYSCALL, "sysenter system call" },
	{ "asm_exc_divide_error", false, TRAP, "exception #DE" },
	{ "asm_exc_debug", false, TRAP, "exception #DB" },
	{ "asm_exc_nmi", true, TRAP, "NMI" },
	{ "asm_exc_int3", false, TRAP, "exception #BP" },
	{ "asm_exc_overflow", false, TRAP, "exception #OF" },
	{ "asm_exc_bounds", false, TRAP, "exception #BR" },
	{ "asm_exc_invalid_op", false, TRAP, "exception #UD" },
	{ "asm_exc_device_not_available", false, TRAP, "exception #NM" },
	{ "asm_exc_double_fault", false, TRAP, "exception #DF" },
	{ "asm_exc_invalid_tss", false, TRAP, "exception #TS" },
	{ "asm_exc_segment_not_present", false, TRAP, "exception #NP" },
	{ "asm_exc_stack_segment", false, TRAP, "exception #SS" },
	{ "asm_exc_general_protection", false, TRAP, "exception #GP" },
	{ "asm_exc_page_fault", false, TRAP, "exception #PF" },
	{ "asm_exc_coprocessor_error", false, TRAP, "exception #MF" },
	{ "asm_exc_alignment_check", false, TRAP, "exception #AC" },
	{ "asm_exc_machine_check", false, TRAP, "exception #MC" },
	{ "asm_exc_simd_coprocessor_error", false, TRAP, "exception #XF" },
	{ "asm_exc_virtualization_exception", false, TRAP, "exception #VE" },
	{ "asm_exc_control_protection", false, TRAP, "exception #CP" },
	{ "asm_exc_vmm_communication", false, TRAP, "exception #VC" },
	{ "asm_exc_", true, TRAP, "exception" },
	{ "asm_load_gs_index", false, OTHER, "" },
	{ "asm_sysvec_", true, IRQ, "interrupt" },
	{ "asm_common_interrupt", false, IRQ, "interrupt" },
	{ "irq_entries_start", true, IRQ, "interrupt" },
	{ "end_repeat_nmi", false, TRAP, "NMI" },
	{ "ret_from_fork", true, OTHER, "new task" },
	/* before 5.8 */
	{ "common_interrupt", false, IRQ, "interrupt" },
	{ "ret_from_intr", false, IRQ, "interrupt" },
	{ "apic_timer_interrupt", false, IRQ, "interrupt" },
	{ "reschedule_interrupt", false, IRQ, "interrupt" },
	{ "call_function_interrupt", false, IRQ, "interrupt" },
	{ "call_function_single_interrupt", false, IRQ, "interrupt" },
	{ "irq_work_interrupt", false, IRQ, "interrupt" },
	{ "divide_error", false, TRAP, "exception #DE" },
	{ "debug", false, TRAP, "exception #DB" },
	{ "nmi", false, TRAP, "NMI" },
	{ "int3", false, TRAP, "exception #BP" },
	{ "invalid_op", false, TRAP, "exception #UD" },
	{ "double_fault", false, TRAP, "exception #DF" },
	{ "stack_segment", false, TRAP, "exception #SS" },
	{ "general_protection", false, TRAP, "exception #GP" },
	{ "page_fault", false, TRAP, "exception #PF" },
	{ "async_page_fault", false, TRAP, "exception #PF" },
	{ "machine_check", false, TRAP, "exception #MC" },
};

/* The gate that leads here; -1: none does, or the table cannot be read. */
static int vector_of(struct xkd_target *t, uint64_t start)
{
	uint8_t gates[256][16];
	struct xkd_err ignored;
	uint64_t table;

	if (!start || !linux_symbol(t, "idt_table", &table, NULL) ||
	    xkd_kread(t, table, gates, sizeof(gates), &ignored))
		return -1;
	for (int i = 0; i < 256; i++) {
		const uint8_t *g = gates[i];

		if ((xkd_get_le(g, 2) | xkd_get_le(g + 6, 2) << 16 | xkd_get_le(g + 8, 4) << 32) == start)
			return i;
	}
	return -1;
}

/* "asm_sysvec_apic_timer_interrupt" -> "apic_timer" */
static void irq_words(struct xkd_target *t, const char *symbol, uint64_t start, char *kind, size_t max)
{
	size_t prefix = xkd_has_prefix(symbol, "asm_sysvec_") ? strlen("asm_sysvec_") : 0, n;
	int vector = vector_of(t, start);

	symbol += prefix;
	n = strlen(symbol);
	if (xkd_has_suffix(symbol, "_interrupt"))
		n -= strlen("_interrupt");
	if (vector < 0 && !prefix)
		snprintf(kind, max, "interrupt");
	else if (vector < 0)
		snprintf(kind, max, "interrupt %.*s", (int)n, symbol);
	else
		snprintf(kind, max, "interrupt %.*s, vector %x", (int)n, symbol, (unsigned)vector);
}

/* What the system call table has for the number, without what the kernel puts before the name. */
static void syscall_words(struct xkd_target *t, const char *kind0, uint64_t saved, char *kind,
			  size_t max)
{
	static const char *const prefixes[] = { "__x64_sys_", "__ia32_compat_sys_", "__ia32_sys_",
						"__x64_compat_sys_", "__se_sys_", "__do_sys_",
						"compat_sys_", "sys_" };
	bool native = !strcmp(kind0, "system call");
	struct xkd_symref sym;
	struct xkd_err ignored;
	uint64_t nr, table, size, fn;
	const char *name = "";

	snprintf(kind, max, "%s", kind0);
	if (!saved || xkd_kread_u(t, saved + 8 * ORIG_AX, 8, &nr, &ignored))
		return;
	nr = (uint64_t)(int64_t)(int32_t)nr;
	if (nr < 4096 &&
	    linux_symbol(t, native ? "sys_call_table" : "ia32_sys_call_table", &table, &size) &&
	    nr < size / 8 && !xkd_kread_u(t, table + 8 * nr, 8, &fn, &ignored) &&
	    !xkd_sym_at(t, fn, &sym, NULL) && sym.addr == fn)
		name = sym.name;
	for (size_t i = 0; i < XKD_COUNT(prefixes); i++)
		if (xkd_has_prefix(name, prefixes[i])) {
			name += strlen(prefixes[i]);
			break;
		}
	snprintf(kind, max, "%s %s%s%lld%s", kind0, name, *name ? " (" : "", (long long)nr,
		 *name ? ")" : "");
}

void linux_entry_kind(struct xkd_target *t, const char *symbol, uint64_t start, uint64_t saved,
		      char *kind, size_t max)
{
	kind[0] = 0;
	for (size_t i = 0; i < XKD_COUNT(rows); i++) {
		if (rows[i].prefix ? !xkd_has_prefix(symbol, rows[i].name) :
				     strcmp(symbol, rows[i].name) != 0)
			continue;
		if (rows[i].what == SYSCALL)
			syscall_words(t, rows[i].kind, saved, kind, max);
		else if (rows[i].what == IRQ)
			irq_words(t, symbol, start, kind, max);
		else
			snprintf(kind, max, "%s", rows[i].kind);
		return;
	}
}

bool linux_irq_name(struct xkd_target *t, uint64_t desc, char *name, size_t max)
{
	uint64_t irq, action, at;
	struct xkd_err ignored;
	struct xkd_buf b = XKD_BUF_INIT;
	char device[48] = "";

	if (!(desc >> 63) || linux_member(t, "irq_desc", "irq_data.irq", desc, &irq, &ignored))
		return false;
	if (!linux_member(t, "irq_desc", "action", desc, &action, &ignored) && action &&
	    !linux_member(t, "irqaction", "name", action, &at, &ignored) && at)
		(void)!xkd_kread_str(t, at, device, sizeof(device), &ignored);
	xkd_buf_escaped(&b, device, strlen(device));
	snprintf(name, max, "%u%s%s", (unsigned)irq, b.len ? " " : "", b.s);
	xkd_buf_fini(&b);
	return true;
}

/* The registers that a task entered the kernel with lie at the top of its stack, below what some
 * kernels leave free there. */
static bool top_regs(struct xkd_target *t, uint64_t task, struct xkd_regs *regs)
{
	struct xkd_stack st;
	struct xkd_err ignored;
	uint64_t low;

	if (!task || linux_member(t, "task_struct", "stack", task, &low, &ignored) ||
	    !linux_stack_at(t, -1, task, low, &st))
		return false;
	/* 6.12: with FRED, 16 bytes are left above */
	for (uint64_t pad = 0; pad <= 16; pad += 16)
		if (!linux_trap_regs(t, st.high - 8 * XKD_COUNT(pt_regs) - pad, false, regs, &ignored) &&
		    t->arch->is_user(regs) && !(regs->v[t->arch->pc] >> 63))
			return true;
	return false;
}

static int reg_no(struct xkd_target *t, const char *name)
{
	struct xkd_regname rn;

	return t->arch->reg_find(name, &rn) ? rn.reg : -1;
}

/* The stack pointer that entry code has put aside: TSS.sp2 (4.17). */
static bool entry_sp(struct xkd_target *t, int cpu, uint64_t *sp)
{
	uint64_t base, tss, off;
	struct xkd_err ignored;

	return cpu >= 0 && !linux_percpu(t, linux_cpu_number(t, cpu), &base, &ignored) &&
	       linux_symbol(t, "cpu_tss_rw", &tss, NULL) &&
	       !xkd_offsetof(t, "tss_struct", "x86_tss.sp2", &off, NULL, &ignored) &&
	       !xkd_kread_u(t, base + tss + off, 8, sp, &ignored);
}

bool linux_entry_user(struct xkd_target *t, int cpu, uint64_t task, const char *symbol,
		      const struct xkd_regs *now, struct xkd_regs *user)
{
	static const char *const back[] = { "swapgs_restore_regs_and_return_to_usermode",
					    "common_interrupt_return", "native_irq_return_iret",
					    "native_iret", "restore_regs_and_return_to_usermode" };
	int sp = t->arch->sp, pc = t->arch->pc, cs = reg_no(t, "cs"), rcx = reg_no(t, "rcx");
	bool syscall = xkd_has_prefix(symbol, "entry_SYSCALL") || !strcmp(symbol, "syscall_return_via_sysret") ||
		       xkd_has_prefix(symbol, "entry_SYSRET");
	struct xkd_regs top;
	bool has_top = top_regs(t, task, &top);

	for (size_t i = 0; i < XKD_COUNT(back); i++)
		if (!strcmp(symbol, back[i]) && has_top) {
			*user = top;
			return true;
		}
	/* syscall puts rip into rcx, and sysret takes it from there */
	if (!syscall || !xkd_reg_known(now, rcx) || now->v[rcx] >> 63)
		return false;
	if (has_top && top.v[pc] == now->v[rcx]) {
		*user = top;
	} else {
		uint64_t v;

		*user = *now;
		user->known &= ~(1ULL << sp);
		if (entry_sp(t, cpu, &v))
			xkd_reg_put(user, sp, v);
	}
	if (xkd_reg_known(now, sp) && !(now->v[sp] >> 63))
		xkd_reg_put(user, sp, now->v[sp]);
	xkd_reg_put(user, pc, now->v[rcx]);
	xkd_reg_put(user, cs, 0x33); /* __USER_CS */
	return true;
}
