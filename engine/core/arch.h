/* What the engine knows of a processor: one vtable, one implementation (arch/x86). Everything that
 * says "x86" is behind it. */
#ifndef XKD_ENGINE_ARCH_H
#define XKD_ENGINE_ARCH_H
#include "base/arena.h"
#include "base/out.h"
#include "xkd/backend.h"

/* Registers by the architecture's own numbers (arch->reg_names[i]); a bit in known for each. */
#define XKD_NREGS 64
struct xkd_regs {
	uint64_t v[XKD_NREGS];
	uint64_t known; /* bit i: v[i] is the target's */
};
static inline bool xkd_reg_known(const struct xkd_regs *r, int i)
{
	return i >= 0 && i < XKD_NREGS && (r->known >> i & 1);
}
static inline void xkd_reg_put(struct xkd_regs *r, int i, uint64_t v)
{
	r->v[i] = v;
	r->known |= 1ULL << i;
}

/* A (sub-)register by name: "rax", "eax", "ah", "r8d", "cf", "cpl", "iopl". */
struct xkd_regname {
	int reg;	/* architecture number */
	uint8_t shift;	/* bits */
	uint8_t bits;	/* width */
};

/* How a translation went: one entry a level that was read, outermost first. */
struct xkd_ptlevel {
	const char *name;  /* "PML5E" "PXE"... in kd's words: PML5E PXE PPE PDE PTE */
	uint64_t entry_pa; /* physical address of the entry */
	uint64_t entry;
	bool present, large;
	uint64_t pfn;	   /* page frame the entry names, encryption bit off */
	char flags[12];	   /* kd's letters: "-G-DA--KWEV" */
};
struct xkd_xlat {
	struct xkd_ptlevel level[5];
	int nlevels;
	bool ok;
	uint64_t pa;	    /* when ok */
	uint64_t page_size; /* 4 KiB, 2 MiB, 1 GiB; 4 MiB in old modes */
	bool writable, user, nx;
};
struct xkd_paging {
	bool on;	   /* off: physical = linear */
	int levels;	   /* 2 (legacy), 3 (PAE), 4, 5 */
	uint64_t root;	   /* physical address of the top table */
	uint64_t enc_mask; /* bits to clear in entries (memory encryption) */
};
/* How the walker reads tables: physical memory, 4 or 8 bytes. */
struct xkd_physread {
	enum xkd_rc (*read)(void *arg, uint64_t pa, void *buf, size_t len, struct xkd_err *err);
	void *arg;
};

/* Disassembly. */
struct xkd_insn {
	uint64_t addr;
	uint8_t bytes[16];
	uint8_t len;
	char mnem[32];
	char ops[160];	   /* MASM flavour: hex with h, "qword ptr [rbp-30h]" */
	bool is_call, is_jump, is_cond, is_ret, is_iret, is_syscall;
	bool has_target;   /* direct branch or call */
	uint64_t target;
	bool has_rip_mem;  /* rip-relative memory operand */
	uint64_t rip_mem;
	/* ops[addr_off] and addr_len bytes on spell the value addr, which may be shown as a symbol */
	enum xkd_insn_addr {
		XKD_IA_NONE,
		XKD_IA_BRANCH, /* direct branch target */
		XKD_IA_MEM,    /* whole memory address: rip-relative or absolute */
		XKD_IA_DISP,   /* displacement beside a register, its sign included */
		XKD_IA_IMM,    /* immediate of pointer size, or one that extends to it */
	} addr_kind;
	uint16_t addr_off, addr_len;
	uint64_t addr_val;
	/* The (first) memory operand that is accessed (not lea's, not a nop's), for the effective
	 * address at the current instruction. mem_seg: selector register, the default one where no
	 * override stands. rip-relative: no base, disp is the address. */
	bool has_mem;
	int mem_base, mem_index, mem_seg; /* arch numbers, -1: none */
	int mem_scale;
	int64_t mem_disp;
	uint8_t mem_addr_bits; /* 16, 32, 64: base, index and the sum are cut to it */
	unsigned mem_size; /* bytes accessed; 0: not known */
	/* The stack pointer: what is added to it, where sp_known; a call and what it calls leave it as it
	 * is. The general register that a push stores or a pop loads; -1: none. */
	bool sp_known;
	int32_t sp_add;
	int8_t pushed, popped;
	uint32_t changes;  /* general registers (bits by arch number, below 16) written in whole or part;
			    * all where it is not known */
};
enum xkd_cpumode { XKD_MODE_16, XKD_MODE_32, XKD_MODE_64 };

/* An instruction's effect: registers to set (the program counter last), then at most one store. */
struct xkd_carry {
	struct {
		int reg;
		uint64_t val;
	} set[4];
	size_t nset;
	unsigned store_size; /* 0: none */
	uint64_t store_addr, store_val;
	uint8_t len; /* of the instruction */
	bool loads;  /* it read memory */
};
struct xkd_carry_mem { /* linear addresses; false: cannot be read */
	bool (*read)(void *arg, uint64_t addr, void *buf, size_t len);
	void *arg;
};

struct xkd_trapframe {
	uint64_t pc, sp; /* of what was interrupted */
};

struct xkd_arch {
	const char *name;
	const char *const *reg_names;
	int nregs;
	int pc, sp, fp, flags;
	int ptroot; /* the page-table root register */
	int percpu; /* the register that leads to per-CPU data */
	unsigned ptr_size;
	unsigned hw_slots; /* places that the processor itself can watch at once */
	uint64_t dwarf_saved; /* bits by DWARF number: what a call keeps, by the ABI */
	int arg_regs[4];      /* the first integer arguments of a call */
	uint8_t bp_insn;      /* the breakpoint instruction, of one byte */
	const char *gdb_arch; /* what target.xml calls it */
	/* false if the name is none of ours */
	bool (*reg_find)(const char *name, struct xkd_regname *rn);
	int (*reg_from_dwarf)(unsigned dwarf_reg); /* -1: none */
	/* The backend's blob into our numbers, and the other way (index into layout, -1: none). */
	void (*regs_import)(const struct xkd_reglayout *l, const struct xkd_regblob *b,
			    struct xkd_regs *regs);
	int (*reg_export)(const struct xkd_reglayout *l, int reg);
	enum xkd_cpumode (*mode)(const struct xkd_regs *regs); /* 64 when it cannot be told */
	bool (*is_user)(const struct xkd_regs *regs);	       /* CPL 3 */
	bool (*irqs_on)(const struct xkd_regs *regs);
	/* Is virtualisation on, so that the CPU may be inside a guest? True when it cannot be told. */
	bool (*may_be_guest)(const struct xkd_regs *regs);
	/* Where the code at pc lies in linear memory: a code segment may have a base. False: not known. */
	bool (*code_linear)(const struct xkd_regs *regs, uint64_t pc, uint64_t *addr);
	bool (*is_canonical)(uint64_t va, int levels);
	/* Paging as the registers say; UNSUPPORTED with the register's name when one is unknown. */
	enum xkd_rc (*paging)(const struct xkd_regs *regs, struct xkd_paging *pg,
			      struct xkd_err *err);
	/* Walks; XKD_OK with x->ok, NOTMAPPED naming the level, or what the reader returned. x is filled
	 * as far as the walk went in every case. */
	enum xkd_rc (*walk)(const struct xkd_paging *pg, const struct xkd_physread *pr, uint64_t va,
			    struct xkd_xlat *x, struct xkd_err *err);
	/* One instruction from bytes; BADDATA when there is none (then len is 1: show `???`). */
	enum xkd_rc (*disasm)(enum xkd_cpumode mode, uint64_t addr, const uint8_t *bytes, size_t n,
			      struct xkd_insn *insn, struct xkd_err *err);
	/* Where insn's memory operand lies: *off within the segment, *addr linear. false when there is
	 * no operand or a register is unknown. */
	bool (*ea)(const struct xkd_regs *regs, const struct xkd_insn *insn, uint64_t *off,
		   uint64_t *addr);
	/* What the instruction in bytes would do to a CPU with these registers. False: not one of those
	 * that can be carried out for it; out is then of no use. */
	bool (*carry)(const struct xkd_regs *regs, const uint8_t *bytes, size_t n,
		      const struct xkd_carry_mem *mem, struct xkd_carry *out);
	/* Do the n bytes before addr end in a call? *target: where a direct one leads, 0: an indirect
	 * one. Both may be possible: direct says which is asked for. */
	bool (*call_before)(const uint8_t *bytes, size_t n, uint64_t addr, bool direct,
			    uint64_t *target);
	/* What the processor pushed on the way into an interrupt, at the stack pointer of regs: n bytes are
	 * there. False: nothing such. NULL: not known. */
	bool (*trap_frame)(const struct xkd_regs *regs, const uint8_t *bytes, size_t n,
			   struct xkd_trapframe *f);
	/* The register that is the same as a model-specific one (efer, fs_base ...); -1: none */
	int (*reg_from_msr)(uint32_t msr);
	/* Bits that a register has (its printed width); 64 at most. */
	unsigned (*reg_bits)(int reg);
	/* "rax=... rbx=... rcx=..." lines, flags, selectors in kd's layout; unknown ones as ??? */
	void (*regs_print)(const struct xkd_regs *regs, struct xkd_out *out);
};
extern const struct xkd_arch xkd_arch_x86;
#endif
