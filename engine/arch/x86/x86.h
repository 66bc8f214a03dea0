/* x86-64: register numbers and what the files of this folder share. */
#ifndef XKD_ARCH_X86_H
#define XKD_ARCH_X86_H
#include "engine/core/arch.h"

/* clang-format off */
enum xkd_x86_reg {
	X86R_RAX, X86R_RBX, X86R_RCX, X86R_RDX, X86R_RSI, X86R_RDI, X86R_RBP, X86R_RSP,
	X86R_R8, X86R_R9, X86R_R10, X86R_R11, X86R_R12, X86R_R13, X86R_R14, X86R_R15,
	X86R_RIP, X86R_EFL,
	X86R_CS, X86R_SS, X86R_DS, X86R_ES, X86R_FS, X86R_GS,
	X86R_FS_BASE, X86R_GS_BASE, X86R_K_GS_BASE,
	X86R_CR0, X86R_CR2, X86R_CR3, X86R_CR4, X86R_CR8, X86R_EFER,
	X86R_IDT_BASE, X86R_IDT_LIMIT, X86R_GDT_BASE, X86R_GDT_LIMIT,
	X86R_TR, X86R_TR_BASE, X86R_LDT,
	X86R_CS_ATTR, /* second word of CS's descriptor, where a backend knows it */
	X86R_CS_BASE, /* likewise */
	X86R_DR0, X86R_DR1, X86R_DR2, X86R_DR3, X86R_DR6, X86R_DR7,
	X86R_N
};
/* clang-format on */
_Static_assert(X86R_N <= XKD_NREGS, "known is a 64-bit mask");

#define X86_CR0_PE (1ULL << 0)
#define X86_CR0_PG (1ULL << 31)
#define X86_CR4_PAE (1ULL << 5)
#define X86_CR4_LA57 (1ULL << 12)
#define X86_CR4_VMXE (1ULL << 13)
#define X86_CR4_CET (1ULL << 23)
#define X86_EFER_LMA (1ULL << 10)
#define X86_EFER_SVME (1ULL << 12)
#define X86_EFL_IF (1ULL << 9)
#define X86_EFL_VM (1ULL << 17)
#define X86_ATTR_L (1ULL << 21)
#define X86_ATTR_D (1ULL << 22)

/* regs.c */
extern const char *const xkd_x86_reg_names[X86R_N];
bool xkd_x86_reg_find(const char *name, struct xkd_regname *rn);
int xkd_x86_reg_from_dwarf(unsigned dwarf_reg);
int xkd_x86_reg_from_msr(uint32_t msr);
unsigned xkd_x86_reg_bits(int reg);
void xkd_x86_regs_import(const struct xkd_reglayout *l, const struct xkd_regblob *b,
			 struct xkd_regs *regs);
int xkd_x86_reg_export(const struct xkd_reglayout *l, int reg);

/* mode.c */
enum xkd_cpumode xkd_x86_mode(const struct xkd_regs *regs);
bool xkd_x86_is_user(const struct xkd_regs *regs);
bool xkd_x86_irqs_on(const struct xkd_regs *regs);
bool xkd_x86_may_be_guest(const struct xkd_regs *regs);
bool xkd_x86_code_linear(const struct xkd_regs *regs, uint64_t pc, uint64_t *addr);
bool xkd_x86_ea(const struct xkd_regs *regs, const struct xkd_insn *insn, uint64_t *off,
		uint64_t *addr);

/* regs_print.c */
void xkd_x86_regs_print(const struct xkd_regs *regs, struct xkd_out *out);

/* paging.c */
bool xkd_x86_is_canonical(uint64_t va, int levels);
enum xkd_rc xkd_x86_paging(const struct xkd_regs *regs, struct xkd_paging *pg, struct xkd_err *err);
enum xkd_rc xkd_x86_walk(const struct xkd_paging *pg, const struct xkd_physread *pr, uint64_t va,
			 struct xkd_xlat *x, struct xkd_err *err);

/* disasm.c */
enum xkd_rc xkd_x86_disasm(enum xkd_cpumode mode, uint64_t addr, const uint8_t *bytes, size_t n,
			   struct xkd_insn *insn, struct xkd_err *err);

/* carry.c */
bool xkd_x86_carry(const struct xkd_regs *regs, const uint8_t *bytes, size_t n,
		   const struct xkd_carry_mem *mem, struct xkd_carry *out);

/* callsite.c */
bool xkd_x86_call_before(const uint8_t *bytes, size_t n, uint64_t addr, bool direct, uint64_t *target);

bool xkd_x86_trap_frame(const struct xkd_regs *regs, const uint8_t *bytes, size_t n,
			struct xkd_trapframe *f); /* mode.c */
/* extra.c: instructions that capstone 4 does not know or gets wrong. False: not one of them. */
bool xkd_x86_extra(enum xkd_cpumode mode, const uint8_t *bytes, size_t n, struct xkd_insn *insn);
/* The same for VEX and EVEX encodings that capstone failed at: a length and no details. */
bool xkd_x86_vector(enum xkd_cpumode mode, const uint8_t *bytes, size_t n, struct xkd_insn *insn);

/* masm.c: numbers in MASM spelling: 0-9, 0Ah, 10h, 0FFFFh. */
#define XKD_MASM_LEN 24
size_t xkd_masm_num(char *buf, uint64_t v);
/* Bounded appends to insn->ops; what does not fit is dropped. */
void xkd_masm_str(struct xkd_insn *insn, const char *s);
void xkd_masm_ch(struct xkd_insn *insn, char c);
void xkd_masm_value(struct xkd_insn *insn, uint64_t v);
/* As _value, remembering the place as that of an address. */
void xkd_masm_addr(struct xkd_insn *insn, enum xkd_insn_addr kind, uint64_t text, uint64_t val);
#endif
