/* Registers of x86-64: names, parts of registers, DWARF and MSR numbers, and the way from and to a
 * backend's layout. Every register has one canonical name; other spellings (kd's, GDB's, the i386
 * ones that a stub uses in 32-bit mode) are aliases of a bit range of it. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
const char *const xkd_x86_reg_names[X86R_N] = {
	[X86R_RAX] = "rax", [X86R_RBX] = "rbx", [X86R_RCX] = "rcx", [X86R_RDX] = "rdx",
	[X86R_RSI] = "rsi", [X86R_RDI] = "rdi", [X86R_RBP] = "rbp", [X86R_RSP] = "rsp",
	[X86R_R8] = "r8", [X86R_R9] = "r9", [X86R_R10] = "r10", [X86R_R11] = "r11",
	[X86R_R12] = "r12", [X86R_R13] = "r13", [X86R_R14] = "r14", [X86R_R15] = "r15",
	[X86R_RIP] = "rip", [X86R_EFL] = "efl",
	[X86R_CS] = "cs", [X86R_SS] = "ss", [X86R_DS] = "ds", [X86R_ES] = "es",
	[X86R_FS] = "fs", [X86R_GS] = "gs",
	[X86R_FS_BASE] = "fs_base", [X86R_GS_BASE] = "gs_base", [X86R_K_GS_BASE] = "k_gs_base",
	[X86R_CR0] = "cr0", [X86R_CR2] = "cr2", [X86R_CR3] = "cr3", [X86R_CR4] = "cr4",
	[X86R_CR8] = "cr8", [X86R_EFER] = "efer",
	[X86R_IDT_BASE] = "idt_base", [X86R_IDT_LIMIT] = "idt_limit",
	[X86R_GDT_BASE] = "gdt_base", [X86R_GDT_LIMIT] = "gdt_limit",
	[X86R_TR] = "tr", [X86R_TR_BASE] = "tr_base", [X86R_LDT] = "ldt",
	[X86R_CS_ATTR] = "cs_attr", [X86R_CS_BASE] = "cs_base",
	[X86R_DR0] = "dr0", [X86R_DR1] = "dr1", [X86R_DR2] = "dr2", [X86R_DR3] = "dr3",
	[X86R_DR6] = "dr6", [X86R_DR7] = "dr7",
};
/* clang-format on */

/* clang-format off */
static const struct alias {
	const char *name;
	uint8_t reg, shift, bits;
} aliases[] = {
	{ "eflags", X86R_EFL, 0, 32 },	   { "rflags", X86R_EFL, 0, 32 },
	{ "eip", X86R_RIP, 0, 32 },	   { "ip", X86R_RIP, 0, 16 },
	{ "pc", X86R_RIP, 0, 64 },	   { "fsbase", X86R_FS_BASE, 0, 64 },
	{ "gsbase", X86R_GS_BASE, 0, 64 }, { "kernel_gs_base", X86R_K_GS_BASE, 0, 64 },
	{ "kgsbase", X86R_K_GS_BASE, 0, 64 },
	{ "idtr", X86R_IDT_BASE, 0, 64 },  { "idtl", X86R_IDT_LIMIT, 0, 16 },
	{ "gdtr", X86R_GDT_BASE, 0, 64 },  { "gdtl", X86R_GDT_LIMIT, 0, 16 },
	{ "ldtr", X86R_LDT, 0, 16 },	   { "tpr", X86R_CR8, 0, 64 },
	{ "cf", X86R_EFL, 0, 1 },	   { "pf", X86R_EFL, 2, 1 },
	{ "af", X86R_EFL, 4, 1 },	   { "zf", X86R_EFL, 6, 1 },
	{ "sf", X86R_EFL, 7, 1 },	   { "tf", X86R_EFL, 8, 1 },
	{ "if", X86R_EFL, 9, 1 },	   { "df", X86R_EFL, 10, 1 },
	{ "of", X86R_EFL, 11, 1 },	   { "iopl", X86R_EFL, 12, 2 },
	{ "nt", X86R_EFL, 14, 1 },	   { "rf", X86R_EFL, 16, 1 },
	{ "vm", X86R_EFL, 17, 1 },	   { "ac", X86R_EFL, 18, 1 },
	{ "vif", X86R_EFL, 19, 1 },	   { "vip", X86R_EFL, 20, 1 },
	{ "id", X86R_EFL, 21, 1 },	   { "cpl", X86R_CS, 0, 2 },
};
/* clang-format on */

unsigned xkd_x86_reg_bits(int reg)
{
	switch (reg) {
	case X86R_EFL:
	case X86R_CS_ATTR:
		return 32;
	case X86R_CS ... X86R_GS:
	case X86R_TR:
	case X86R_LDT:
	case X86R_IDT_LIMIT:
	case X86R_GDT_LIMIT:
		return 16;
	default:
		return 64;
	}
}

static bool found(struct xkd_regname *rn, int reg, unsigned shift, unsigned bits)
{
	*rn = (struct xkd_regname){ .reg = reg, .shift = (uint8_t)shift, .bits = (uint8_t)bits };
	return true;
}

/* r8d r8w r8b r8l, and eax ax al ah of the eight old ones */
static bool find_part(const char *n, struct xkd_regname *rn)
{
	static const char old8[4] = "abcd";
	static const uint8_t old_reg[4] = { X86R_RAX, X86R_RBX, X86R_RCX, X86R_RDX };
	size_t len = strlen(n);
	char full[8] = "r";

	if (n[0] == 'r' && isdigit((unsigned char)n[1]) && len >= 3 && len <= 4) {
		unsigned bits = n[len - 1] == 'd'			 ? 32
				: n[len - 1] == 'w'			 ? 16
				: n[len - 1] == 'b' || n[len - 1] == 'l' ? 8
									 : 0;

		memcpy(full, n, len - 1);
		for (int i = X86R_R8; bits && i <= X86R_R15; i++)
			if (!strcmp(full, xkd_x86_reg_names[i]))
				return found(rn, i, 0, bits);
		return false;
	}
	if (len == 2 && (n[1] == 'l' || n[1] == 'h'))
		for (int i = 0; i < 4; i++)
			if (n[0] == old8[i])
				return found(rn, old_reg[i], n[1] == 'h' ? 8 : 0, 8);
	if (len == 2)
		memcpy(full + 1, n, 2);
	else if (len == 3 && n[0] == 'e')
		memcpy(full + 1, n + 1, 2);
	else if (len == 3 && n[2] == 'l' && n[0] != 'r')
		memcpy(full + 1, n, 2); /* sil dil bpl spl */
	else
		return false;
	for (int i = X86R_RAX; i <= X86R_RSP; i++)
		if (!strcmp(full, xkd_x86_reg_names[i])) {
			if (len == 3 && n[0] != 'e' && i < X86R_RSI)
				return false; /* "axl" is nothing */
			return found(rn, i, 0, len == 2 ? 16 : n[0] == 'e' ? 32 : 8);
		}
	return false;
}

bool xkd_x86_reg_find(const char *name, struct xkd_regname *rn)
{
	char n[24];
	size_t len = strlen(name);

	if (!len || len >= sizeof(n))
		return false;
	for (size_t i = 0; i <= len; i++)
		n[i] = (char)tolower((unsigned char)name[i]);
	for (int i = 0; i < X86R_N; i++)
		if (!strcmp(n, xkd_x86_reg_names[i]))
			return found(rn, i, 0, xkd_x86_reg_bits(i));
	for (size_t i = 0; i < XKD_COUNT(aliases); i++)
		if (!strcmp(n, aliases[i].name))
			return found(rn, aliases[i].reg, aliases[i].shift, aliases[i].bits);
	return find_part(n, rn);
}

/* System V ABI, AMD64 supplement, figure 3.36 */
int xkd_x86_reg_from_dwarf(unsigned dwarf_reg)
{
	static const int8_t low[17] = { X86R_RAX, X86R_RDX, X86R_RCX, X86R_RBX, X86R_RSI, X86R_RDI,
					X86R_RBP, X86R_RSP, X86R_R8,  X86R_R9,	X86R_R10, X86R_R11,
					X86R_R12, X86R_R13, X86R_R14, X86R_R15, X86R_RIP };
	static const int8_t sys[7] = { X86R_EFL, X86R_ES, X86R_CS, X86R_SS,
				       X86R_DS,	 X86R_FS, X86R_GS };

	if (dwarf_reg < XKD_COUNT(low))
		return low[dwarf_reg];
	if (dwarf_reg >= 49 && dwarf_reg < 49 + XKD_COUNT(sys))
		return sys[dwarf_reg - 49];
	switch (dwarf_reg) {
	case 58:
		return X86R_FS_BASE;
	case 59:
		return X86R_GS_BASE;
	case 62:
		return X86R_TR;
	case 63:
		return X86R_LDT;
	default:
		return -1;
	}
}

int xkd_x86_reg_from_msr(uint32_t msr)
{
	switch (msr) {
	case 0xc0000080:
		return X86R_EFER;
	case 0xc0000100:
		return X86R_FS_BASE;
	case 0xc0000101:
		return X86R_GS_BASE;
	case 0xc0000102:
		return X86R_K_GS_BASE;
	default:
		return -1;
	}
}

/* A layout's register as one of ours: whole ones, and the low half as i386 layouts name it. A flag
 * or a byte register in a layout is none of ours. */
static int layout_reg(const struct xkd_regdesc *d)
{
	struct xkd_regname rn;
	unsigned whole;

	if (!d->bytes || d->bytes > 8 || !memchr(d->name, 0, sizeof(d->name)) ||
	    !xkd_x86_reg_find(d->name, &rn))
		return -1;
	whole = xkd_x86_reg_bits(rn.reg);
	if (rn.shift || rn.bits < (whole < 32 ? whole : 32))
		return -1;
	return rn.reg;
}

void xkd_x86_regs_import(const struct xkd_reglayout *l, const struct xkd_regblob *b,
			 struct xkd_regs *regs)
{
	size_t n = l->n < XKD_REGS_MAX ? l->n : XKD_REGS_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct xkd_regdesc *d = &l->regs[i];
		int reg;

		if (!b->avail[i] || (size_t)d->off + d->bytes > XKD_REGBLOB_MAX)
			continue;
		reg = layout_reg(d);
		if (reg >= 0) {
			unsigned bits = xkd_x86_reg_bits(reg);
			uint64_t v = xkd_get_le(b->bytes + d->off, d->bytes);

			/* stubs send selectors as 32 bits, and tell nothing in the upper half */
			xkd_reg_put(regs, reg, bits < 64 ? v & ((1ULL << bits) - 1) : v);
		}
	}
}

int xkd_x86_reg_export(const struct xkd_reglayout *l, int reg)
{
	if (reg < 0 || reg >= X86R_N)
		return -1;
	for (size_t i = 0; i < l->n && i < XKD_REGS_MAX; i++)
		if (layout_reg(&l->regs[i]) == reg)
			return (int)i;
	return -1;
}
