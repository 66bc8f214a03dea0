/* Registers: names and parts, DWARF and MSR numbers, import and export, kd's display, modes,
 * effective addresses. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include "tests/unit/tap.h"

static const struct xkd_arch *const A = &xkd_arch_x86;

static void name_is(const char *name, int reg, unsigned shift, unsigned bits)
{
	struct xkd_regname rn = { .reg = -1 };
	bool got = A->reg_find(name, &rn);

	ok(got && rn.reg == reg && rn.shift == shift && rn.bits == bits, "%s is bits %u+%u of %s",
	   name, shift, bits, xkd_x86_reg_names[reg]);
}

static void names(void)
{
	static const char *const none[] = { "",	   "xax",  "r16", "r8x",  "rr8",  "axl",
					    "spx", "esil", "e",	  "eaxx", "r8dd", "ss_base" };
	struct xkd_regname rn;

	name_is("rax", X86R_RAX, 0, 64);
	name_is("RSP", X86R_RSP, 0, 64);
	name_is("eax", X86R_RAX, 0, 32);
	name_is("esi", X86R_RSI, 0, 32);
	name_is("ax", X86R_RAX, 0, 16);
	name_is("sp", X86R_RSP, 0, 16);
	name_is("al", X86R_RAX, 0, 8);
	name_is("bh", X86R_RBX, 8, 8);
	name_is("dh", X86R_RDX, 8, 8);
	name_is("sil", X86R_RSI, 0, 8);
	name_is("bpl", X86R_RBP, 0, 8);
	name_is("r8d", X86R_R8, 0, 32);
	name_is("r15w", X86R_R15, 0, 16);
	name_is("r10b", X86R_R10, 0, 8);
	name_is("eip", X86R_RIP, 0, 32);
	name_is("eflags", X86R_EFL, 0, 32);
	name_is("efl", X86R_EFL, 0, 32);
	name_is("cf", X86R_EFL, 0, 1);
	name_is("zf", X86R_EFL, 6, 1);
	name_is("if", X86R_EFL, 9, 1);
	name_is("iopl", X86R_EFL, 12, 2);
	name_is("cpl", X86R_CS, 0, 2);
	name_is("cs", X86R_CS, 0, 16);
	name_is("gs_base", X86R_GS_BASE, 0, 64);
	name_is("k_gs_base", X86R_K_GS_BASE, 0, 64);
	name_is("cr3", X86R_CR3, 0, 64);
	name_is("idtr", X86R_IDT_BASE, 0, 64);
	for (size_t i = 0; i < XKD_COUNT(none); i++)
		ok(!A->reg_find(none[i], &rn), "\"%s\" is no register", none[i]);
	for (int i = 0; i < A->nregs; i++)
		ok(A->reg_names[i] && A->reg_find(A->reg_names[i], &rn) && rn.reg == i &&
			   rn.bits == A->reg_bits(i) && !rn.shift,
		   "%s finds itself", A->reg_names[i] ? A->reg_names[i] : "(null)");
}

static void numbers(void)
{
	/* System V ABI: 0 rax 1 rdx 2 rcx 3 rbx 4 rsi 5 rdi 6 rbp 7 rsp */
	static const char *const abi[17] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi",
					     "rbp", "rsp", "r8",  "r9",	 "r10", "r11",
					     "r12", "r13", "r14", "r15", "rip" };

	for (unsigned i = 0; i < 17; i++) {
		int r = A->reg_from_dwarf(i);

		is_str(r < 0 ? "none" : A->reg_names[r], abi[i], "DWARF number");
	}
	is_u64((unsigned)A->reg_from_dwarf(49), X86R_EFL, "DWARF 49 is the flags");
	is_u64((unsigned)A->reg_from_dwarf(51), X86R_CS, "DWARF 51 is cs");
	ok(A->reg_from_dwarf(17) == -1 && A->reg_from_dwarf(48) == -1 &&
		   A->reg_from_dwarf(~0u) == -1,
	   "other DWARF numbers are none of ours");
	is_u64((unsigned)A->reg_from_msr(0xc0000101), X86R_GS_BASE, "MSR c0000101 is gs_base");
	ok(A->reg_from_msr(0x1b) == -1, "MSR 1b has no twin");
}

static void transfer(void)
{
	static const struct xkd_regdesc d[] = {
		{ "rax", 0, 8, XKD_RG_INT },	  { "rip", 8, 8, XKD_RG_INT },
		{ "eflags", 16, 4, XKD_RG_INT },  { "cs", 20, 4, XKD_RG_INT },
		{ "gs_base", 24, 8, XKD_RG_SYS }, { "xmm0", 32, 16, XKD_RG_FP },
		{ "rbx", 48, 8, XKD_RG_INT },	  { "al", 56, 1, XKD_RG_INT },
		{ "esp", 60, 4, XKD_RG_INT },	  { "rcx", XKD_REGBLOB_MAX - 4, 8, XKD_RG_INT },
		{ "fctrl", 64, 4, XKD_RG_FP },
	};
	static const struct xkd_reglayout l = { d, XKD_COUNT(d), 72 };
	static struct xkd_regblob b;
	struct xkd_regs r = { .known = 0 };

	memset(b.bytes, 0xee, 72);
	memset(b.avail, 1, sizeof(b.avail));
	b.avail[6] = 0;
	xkd_put_le(b.bytes, 0x1122334455667788, 8);
	xkd_put_le(b.bytes + 20, 0xffff0010, 4);
	xkd_put_le(b.bytes + 60, 0x9000, 4);
	A->regs_import(&l, &b, &r);
	is_u64(r.v[X86R_RAX], 0x1122334455667788, "import: rax");
	is_u64(r.v[X86R_CS], 0x10, "import: a selector keeps 16 bits");
	is_u64(r.v[X86R_EFL], 0xeeeeeeee, "import: the flags keep 32");
	is_u64(r.v[X86R_RSP], 0x9000, "import: esp of a 32-bit layout is rsp");
	ok(!xkd_reg_known(&r, X86R_RBX), "import: what is unavailable stays unknown");
	ok(!xkd_reg_known(&r, X86R_RCX), "import: an offset outside the blob is refused");
	is_u64(r.known,
	       1ULL << X86R_RAX | 1ULL << X86R_RIP | 1ULL << X86R_EFL | 1ULL << X86R_CS |
		       1ULL << X86R_GS_BASE | 1ULL << X86R_RSP,
	       "import: nothing else");
	ok(A->reg_export(&l, X86R_GS_BASE) == 4 && A->reg_export(&l, X86R_EFL) == 2 &&
		   A->reg_export(&l, X86R_R15) == -1 && A->reg_export(&l, -1) == -1 &&
		   A->reg_export(&l, 99) == -1,
	   "export finds the layout's index");
}

static void display(void)
{
	static const char want[] =
		"rax=0000000000000001 rbx=0000000000000002 rcx=0000000000000003\n"
		"rdx=0000000000000004 rsi=0000000000000005 rdi=0000000000000006\n"
		"rip=ffffffff81000000 rsp=ffffb23280140ef0 rbp=????????????????\n"
		" r8=0000000000000009  r9=000000000000000a r10=000000000000000b\n"
		"r11=000000000000000c r12=000000000000000d r13=000000000000000e\n"
		"r14=000000000000000f r15=0000000000000010\n"
		"iopl=0         nv up ei pl zr na pe nc\n"
		"cs=0010  ss=0018  ds=0000  es=0000  fs=0000  gs=0000             efl=00000246\n";
	struct xkd_regs r = { .known = 0 };
	struct xkd_buf buf = XKD_BUF_INIT;
	struct xkd_bufsink sink;
	struct xkd_out out;

	for (int i = 0; i < 16; i++)
		xkd_reg_put(&r, i, (uint64_t)i + 1);
	for (int i = X86R_CS; i <= X86R_GS; i++)
		xkd_reg_put(&r, i, i == X86R_CS ? 0x10 : i == X86R_SS ? 0x18 : 0);
	xkd_reg_put(&r, X86R_RIP, 0xffffffff81000000);
	xkd_reg_put(&r, X86R_RSP, 0xffffb23280140ef0);
	xkd_reg_put(&r, X86R_EFL, 0x246);
	r.known &= ~(1ULL << X86R_RBP);
	xkd_out_init(&out);
	xkd_bufsink_init(&sink, &buf);
	xkd_out_add_sink(&out, &sink.sink);
	A->regs_print(&r, &out);
	is_str(buf.s, want, "kd's layout");
	xkd_buf_reset(&buf);
	xkd_reg_put(&r, X86R_EFL, 0x1a3c95);
	A->regs_print(&r, &out);
	ok(strstr(buf.s, "\niopl=3 vip vif ov dn di ng nz ac pe cy\n") != NULL, "the other flags");
	xkd_out_fini(&out);
	xkd_buf_fini(&buf);
}

static struct xkd_regs state(uint64_t cr0, uint64_t efer, uint64_t rip, uint64_t cs)
{
	struct xkd_regs r = { .known = 0 };

	xkd_reg_put(&r, X86R_CR0, cr0);
	xkd_reg_put(&r, X86R_EFER, efer);
	xkd_reg_put(&r, X86R_RIP, rip);
	xkd_reg_put(&r, X86R_CS, cs);
	return r;
}

static void modes(void)
{
	struct xkd_regs r = { .known = 0 };

	ok(A->mode(&r) == XKD_MODE_64 && !A->is_user(&r) && !A->irqs_on(&r), "nothing known: 64");
	r = state(0x80050033, 0xd01, 0xffffffff81000000, 0x10);
	ok(A->mode(&r) == XKD_MODE_64 && !A->is_user(&r), "a kernel");
	r = state(0x80050033, 0xd01, 0x401000, 0x33);
	ok(A->mode(&r) == XKD_MODE_64 && A->is_user(&r), "a 64-bit process below 4 GiB");
	r = state(0x80050033, 0xd01, 0x8049000, 0x23);
	ok(A->mode(&r) == XKD_MODE_32 && A->is_user(&r), "a 32-bit process");
	xkd_reg_put(&r, X86R_CS_ATTR, 0x00affb00);
	ok(A->mode(&r) == XKD_MODE_64, "CS.L is believed before the selector");
	r = state(0x11, 0, 0x100000, 0x10);
	ok(A->mode(&r) == XKD_MODE_32, "protected mode");
	xkd_reg_put(&r, X86R_CS_ATTR, 0x00009b00);
	ok(A->mode(&r) == XKD_MODE_16, "16-bit code of protected mode");
	r = state(0x10, 0, 0xfff0, 0xf003);
	ok(A->mode(&r) == XKD_MODE_16 && !A->is_user(&r), "real mode has no privilege levels");
	xkd_reg_put(&r, X86R_EFL, 0x202);
	ok(A->irqs_on(&r), "interrupts are on");
	xkd_reg_put(&r, X86R_EFL, 0x2);
	ok(!A->irqs_on(&r), "interrupts are off");
}

static void ea_is(const struct xkd_regs *r, struct xkd_insn in, bool want, uint64_t off,
		  uint64_t addr, const char *name)
{
	uint64_t o = 0, a = 0;
	bool got = A->ea(r, &in, &o, &a);

	ok(got == want && (!got || (o == off && a == addr)), "effective address: %s", name);
}

static void effective(void)
{
	struct xkd_regs r = state(0x80050033, 0xd01, 0xffffffff81000000, 0x10);
	struct xkd_insn in = { .has_mem = true,
			       .mem_base = X86R_RBP,
			       .mem_index = -1,
			       .mem_seg = X86R_SS,
			       .mem_scale = 1,
			       .mem_disp = -0x30,
			       .mem_addr_bits = 64 };

	ea_is(&r, in, false, 0, 0, "an unknown base");
	xkd_reg_put(&r, X86R_RBP, 0xffffb23280140ef0);
	ea_is(&r, in, true, 0xffffb23280140ec0, 0xffffb23280140ec0, "[rbp-30h]");
	in.mem_index = X86R_RCX;
	in.mem_scale = 8;
	xkd_reg_put(&r, X86R_RCX, 2);
	ea_is(&r, in, true, 0xffffb23280140ed0, 0xffffb23280140ed0, "[rbp+rcx*8-30h]");
	in.mem_addr_bits = 32;
	ea_is(&r, in, true, 0x80140ed0, 0x80140ed0, "32-bit addresses are cut");
	in = (struct xkd_insn){ .has_mem = true,
				.mem_base = -1,
				.mem_index = -1,
				.mem_seg = X86R_GS,
				.mem_disp = 0x16bc0,
				.mem_addr_bits = 64 };
	ea_is(&r, in, false, 0, 0, "an unknown segment base");
	xkd_reg_put(&r, X86R_GS_BASE, 0xffff888007c00000);
	ea_is(&r, in, true, 0x16bc0, 0xffff888007c16bc0, "gs:[16BC0h]");
	r = state(0x10, 0, 0x7c00, 0);
	xkd_reg_put(&r, X86R_DS, 0x1234);
	in.mem_seg = X86R_DS;
	in.mem_disp = 0x10;
	in.mem_addr_bits = 16;
	ea_is(&r, in, true, 0x10, 0x12350, "real mode: selector * 16");
	in.has_mem = false;
	ea_is(&r, in, false, 0, 0, "no operand");
}

int main(void)
{
	names();
	numbers();
	transfer();
	display();
	modes();
	effective();
	return done_testing();
}
