/* Disassembly: literal expectations of the MASM flavour, then lengths and branch targets against
 * what objdump says of a file assembled here and, with XKD_KERNEL, of a kernel's text. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#define BASE 0xffffffff81000000ULL

static size_t unhex(const char *s, uint8_t *b, size_t max)
{
	size_t n = 0;

	for (; s[0] && s[1] && n < max; s += 2)
		b[n++] = (uint8_t)(xkd_hex_digit(s[0]) << 4 | xkd_hex_digit(s[1]));
	return n;
}

static enum xkd_rc decode(enum xkd_cpumode mode, const char *hex, struct xkd_insn *in)
{
	uint8_t b[32];
	size_t n = unhex(hex, b, sizeof(b));
	struct xkd_err err = XKD_ERR_INIT;

	return xkd_arch_x86.disasm(mode, BASE, b, n, in, &err);
}

struct text {
	const char *hex, *want; /* "mnemonic operands" */
};
static const struct text texts64[] = {
	{ "488b45d0", "mov rax,qword ptr [rbp-30h]" },
	{ "f30fc775d0", "vmxon qword ptr [rbp-30h]" },
	{ "4883ec28", "sub rsp,28h" },
	{ "4883c408", "add rsp,8" },
	{ "b90a000000", "mov ecx,0Ah" },
	{ "83f8ff", "cmp eax,0FFFFFFFFh" },
	{ "6683f8ff", "cmp ax,0FFFFh" },
	{ "3cff", "cmp al,0FFh" },
	{ "83e0f0", "and eax,0FFFFFFF0h" },
	{ "48c7c085ffffff", "mov rax,0FFFFFFFFFFFFFF85h" },
	{ "48c744242085ffffff", "mov qword ptr [rsp+20h],0FFFFFFFFFFFFFF85h" },
	{ "48b8efcdab8967452301", "mov rax,123456789ABCDEFh" },
	{ "48b80000000000000080", "mov rax,8000000000000000h" },
	{ "6a85", "push 0FFFFFFFFFFFFFF85h" },
	{ "65488b0425c06b0100", "mov rax,qword ptr gs:[16BC0h]" },
	{ "65488b0578563412", "mov rax,qword ptr gs:[0FFFFFFFF93345680h]" },
	{ "64c6042500000000ff", "mov byte ptr fs:[0],0FFh" },
	{ "488b05f9ffffff", "mov rax,qword ptr [0FFFFFFFF81000000h]" },
	{ "c605000000007f", "mov byte ptr [0FFFFFFFF81000007h],7Fh" },
	{ "488d05f9ffffff", "lea rax,[0FFFFFFFF81000000h]" },
	{ "488b04c540d27182", "mov rax,qword ptr [rax*8-7D8E2DC0h]" },
	{ "488b849088000000", "mov rax,qword ptr [rax+rdx*4+88h]" },
	{ "488d04c500000000", "lea rax,[rax*8]" },
	{ "678b0425ffffff80", "mov eax,dword ptr [80FFFFFFh]" },
	{ "67488b0408", "mov rax,qword ptr [eax+ecx]" },
	{ "48c7c780123482", "mov rdi,0FFFFFFFF82341280h" },
	{ "e800000000", "call 0FFFFFFFF81000005h" },
	{ "eb10", "jmp 0FFFFFFFF81000012h" },
	{ "0f85fafeffff", "jne 0FFFFFFFF80FFFF00h" },
	{ "e3fe", "jrcxz 0FFFFFFFF81000000h" },
	{ "e2fe", "loop 0FFFFFFFF81000000h" },
	{ "ff2500000000", "jmp qword ptr [0FFFFFFFF81000006h]" },
	{ "ffd0", "call rax" },
	{ "3effe0", "notrack jmp rax" },
	{ "48ff2d00000000", "jmp tbyte ptr [0FFFFFFFF81000007h]" },
	{ "ff28", "jmp fword ptr [rax]" },
	{ "66ff18", "call dword ptr [rax]" },
	{ "c3", "ret" },
	{ "c21000", "ret 10h" },
	{ "48cb", "retfq" },
	{ "48cf", "iretq" },
	{ "0f05", "syscall" },
	{ "480f07", "sysretq" },
	{ "0f07", "sysretd" },
	{ "480f35", "sysexitq" },
	{ "48ff18", "call tbyte ptr [rax]" },
	{ "cc", "int 3" },
	{ "cd80", "int 80h" },
	{ "f4", "hlt" },
	{ "fa", "cli" },
	{ "0f0b", "ud2" },
	{ "90", "nop" },
	{ "f390", "pause" },
	{ "0f1f440000", "nop dword ptr [rax+rax]" },
	{ "662e0f1f840000000000", "nop word ptr cs:[rax+rax]" },
	{ "f348ab", "rep stos qword ptr [rdi]" },
	{ "f3a4", "rep movs byte ptr [rdi],byte ptr [rsi]" },
	{ "48a5", "movs qword ptr [rdi],qword ptr [rsi]" },
	{ "48ad", "lods qword ptr [rsi]" },
	{ "f2ae", "repne scas byte ptr [rdi]" },
	{ "f3a6", "repe cmps byte ptr [rsi],byte ptr [rdi]" },
	{ "6c", "ins byte ptr [rdi],dx" },
	{ "6f", "outs dx,dword ptr [rsi]" },
	{ "ec", "in al,dx" },
	{ "e670", "out 70h,al" },
	{ "f00fb108", "lock cmpxchg dword ptr [rax],ecx" },
	{ "f0480fc708", "lock cmpxchg16b xmmword ptr [rax]" },
	{ "f0ff8040020000", "lock inc dword ptr [rax+240h]" },
	{ "f20f10442408", "movsd xmm0,qword ptr [rsp+8]" },
	{ "d8c3", "fadd st(3)" },
	{ "0f20d8", "mov rax,cr3" },
	{ "0f22d8", "mov cr3,rax" },
	{ "8ed8", "mov ds,eax" },
	{ "9c", "pushfq" },
	{ "c8100000", "enter 10h,0" },
	{ "f30f1efa", "endbr64" },
	{ "f30f1efb", "endbr32" },
	{ "0f01ca", "clac" },
	{ "0f01cb", "stac" },
	{ "0f01d8", "vmrun rax" },
	{ "0f01d9", "vmmcall" },
	{ "f30f01d9", "vmgexit" },
	{ "0f01da", "vmload rax" },
	{ "0f01db", "vmsave rax" },
	{ "0f01dc", "stgi" },
	{ "0f01dd", "clgi" },
	{ "0f01df", "invlpga rax,ecx" },
	{ "0f01c2", "vmlaunch" },
	{ "0f01c3", "vmresume" },
	{ "0f79c2", "vmwrite rax,rdx" },
	{ "660f38824810", "invpcid rcx,xmmword ptr [rax+10h]" },
	{ "0f01f8", "swapgs" },
	{ "480fc72f", "xsaves64 [rdi]" },
	{ "f30fc7f8", "rdpid rax" },
	{ "0fc7f8", "rdseed eax" },
	{ "0f01ee", "rdpkru" },
	{ "0f01ef", "wrpkru" },
	{ "0f01e8", "serialize" },
	{ "0f01c6", "wrmsrns" },
	{ "f30f09", "wbnoinvd" },
	{ "660faef1", "tpause ecx" },
	{ "f30faee8", "incsspd eax" },
	{ "f3480f1ec8", "rdsspq rax" },
	{ "f30f01e8", "setssbsy" },
	{ "f30f0128", "rstorssp qword ptr [rax]" },
	{ "f30fae30", "clrssbsy qword ptr [rax]" },
	{ "480f38f64808", "wrssq qword ptr [rax+8],rcx" },
	{ "660f38f804c8", "movdir64b rax,zmmword ptr [rax+rcx*8]" },
	{ "0f38f90d00010000", "movdiri dword ptr [0FFFFFFFF81000108h],ecx" },
	{ "660fae742410", "clwb byte ptr [rsp+10h]" },
	{ "f20f00f0", "lkgs ax" },
	{ "f20f01ca", "erets" },
	{ "0fb9cc", "ud1 ecx,esp" },
	{ "480fb94810", "ud1 rcx,qword ptr [rax+10h]" },
	{ "c5f877", "vzeroupper" },
	{ "c4e27849c0", "(vex) 0F38.49" },
	{ "06", "???" },
	{ "6548", "???" },
	{ "0f", "???" },
	{ "", "???" },
};
static const struct text texts32[] = {
	{ "8b4510", "mov eax,dword ptr [ebp+10h]" },
	{ "a100000080", "mov eax,dword ptr [80000000h]" },
	{ "64a118000000", "mov eax,dword ptr fs:[18h]" },
	{ "68ffffffff", "push 0FFFFFFFFh" },
	{ "40", "inc eax" },
	{ "ea785634121000", "jmp 10h:12345678h" },
	{ "f30fc7f8", "rdpid eax" },
};
static const struct text texts16[] = {
	{ "8b4704", "mov ax,word ptr [bx+4]" }, { "a10080", "mov ax,word ptr [8000h]" },
	{ "b8cdab", "mov ax,0ABCDh" },		{ "0f20c0", "mov eax,cr0" },
	{ "662e0f011e1000", "lidt cs:[10h]" },	{ "f3ab", "rep stos word ptr es:[di]" },
};

static void literals(enum xkd_cpumode mode, const struct text *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct xkd_insn in;
		char got[256];
		enum xkd_rc rc = decode(mode, t[i].hex, &in);
		bool bad = !strcmp(t[i].want, "???");

		snprintf(got, sizeof(got), "%s%s%s", in.mnem, in.ops[0] ? " " : "", in.ops);
		is_str(got, t[i].want, t[i].hex);
		if (bad ? rc != XKD_BADDATA || in.len != 1
			: rc != XKD_OK || in.len * 2u != strlen(t[i].hex))
			ok(false, "%s: code %d, length %d", t[i].hex, rc, in.len);
	}
}

/* What run control and the effective address rely on. */
static void details(void)
{
	struct xkd_insn in;

	ok(!decode(XKD_MODE_64, "e800000000", &in) && in.is_call && !in.is_jump && in.has_target &&
		   in.target == BASE + 5,
	   "call: target");
	ok(in.addr_kind == XKD_IA_BRANCH && in.addr_val == BASE + 5 && in.addr_off == 0 &&
		   in.addr_len == strlen(in.ops),
	   "call: the whole operand spells the target");
	ok(!decode(XKD_MODE_64, "7410", &in) && in.is_jump && in.is_cond &&
		   in.target == BASE + 0x12,
	   "je: conditional");
	ok(!decode(XKD_MODE_64, "eb10", &in) && in.is_jump && !in.is_cond, "jmp: not conditional");
	ok(!decode(XKD_MODE_64, "e2fe", &in) && in.is_jump && in.is_cond && in.has_target, "loop");
	ok(!decode(XKD_MODE_64, "ffe0", &in) && in.is_jump && !in.has_target && !in.has_mem,
	   "jmp rax: no target, no memory");
	ok(!decode(XKD_MODE_64, "ff10", &in) && in.is_call && in.has_mem && in.mem_size == 8,
	   "call through memory");
	ok(!decode(XKD_MODE_64, "c3", &in) && in.is_ret && !in.is_iret, "ret");
	ok(!decode(XKD_MODE_64, "f3c3", &in) && in.is_ret, "rep ret");
	ok(!decode(XKD_MODE_64, "48cf", &in) && in.is_iret && !in.is_ret, "iretq");
	ok(!decode(XKD_MODE_64, "480f07", &in) && in.is_iret, "sysretq");
	ok(!decode(XKD_MODE_64, "cf", &in) && in.is_iret, "iretd");
	ok(!decode(XKD_MODE_64, "48ff28", &in) && in.is_jump && !in.is_cond && !in.has_target,
	   "a far jump");
	ok(!decode(XKD_MODE_64, "f20f01ca", &in) && in.is_iret, "erets");
	ok(!decode(XKD_MODE_64, "0f05", &in) && in.is_syscall, "syscall");
	ok(!decode(XKD_MODE_64, "c7f800010000", &in) && !in.has_target,
	   "xbegin is no plain branch");

	ok(!decode(XKD_MODE_64, "488b849088000000", &in) && in.has_mem && in.mem_base == X86R_RAX &&
		   in.mem_index == X86R_RDX && in.mem_scale == 4 && in.mem_disp == 0x88 &&
		   in.mem_seg == X86R_DS && in.mem_size == 8 && in.mem_addr_bits == 64,
	   "memory operand: all parts");
	ok(!decode(XKD_MODE_64, "8b45fc", &in) && in.mem_seg == X86R_SS && in.mem_disp == -4 &&
		   in.mem_size == 4,
	   "memory operand: rbp is in ss");
	ok(!decode(XKD_MODE_64, "65488b0425c06b0100", &in) && in.mem_seg == X86R_GS &&
		   in.mem_base == -1 && in.mem_disp == 0x16bc0 && in.addr_kind == XKD_IA_MEM,
	   "memory operand: gs");
	ok(!decode(XKD_MODE_64, "2e8b00", &in) && in.mem_seg == X86R_DS,
	   "memory operand: cs means nothing in 64-bit code");
	ok(!decode(XKD_MODE_64, "488b05f9ffffff", &in) && in.has_rip_mem && in.rip_mem == BASE &&
		   in.mem_base == -1 && (uint64_t)in.mem_disp == BASE &&
		   !strncmp(in.ops + in.addr_off, "0FFFFFFFF81000000h]", in.addr_len + 1u),
	   "memory operand: rip-relative");
	ok(!decode(XKD_MODE_64, "488d4508", &in) && !in.has_mem, "lea accesses nothing");
	ok(!decode(XKD_MODE_64, "0f1f440000", &in) && !in.has_mem, "nor does a nop");
	ok(!decode(XKD_MODE_64, "480fc72f", &in) && in.has_mem && !in.mem_size, "xsaves: no size");
	ok(!decode(XKD_MODE_64, "48c7c780123482", &in) && in.addr_kind == XKD_IA_IMM &&
		   in.addr_val == 0xffffffff82341280,
	   "an immediate that may be an address");
	ok(!decode(XKD_MODE_64, "488b04c540d27182", &in) && in.addr_kind == XKD_IA_DISP &&
		   in.addr_val == 0xffffffff8271d240 &&
		   !strncmp(in.ops + in.addr_off, "-7D8E2DC0h]", in.addr_len + 1u),
	   "a displacement that may be an address");
	ok(!decode(XKD_MODE_64, "48c70500000000ffffff00", &in) && in.addr_kind == XKD_IA_MEM &&
		   in.addr_val == BASE + 11,
	   "an address says more than an immediate beside it");
	ok(!decode(XKD_MODE_64, "0f38f90d00010000", &in) && in.has_rip_mem &&
		   in.rip_mem == BASE + 0x108 && in.mem_size == 4,
	   "rip-relative in the own table");
	ok(!decode(XKD_MODE_64, "f30fae742408", &in) && in.mem_seg == X86R_SS &&
		   in.mem_base == X86R_RSP && in.mem_disp == 8,
	   "rsp in the own table");
}

/* Any bytes: an answer, a length within what was given, text that ends. */
static void hostile(void)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	bool good = true;

	for (int i = 0; i < 200000 && good; i++) {
		uint8_t b[16];
		struct xkd_insn in;
		struct xkd_err err = XKD_ERR_INIT;
		size_t n = seed % 17;
		enum xkd_rc rc;

		for (size_t k = 0; k < sizeof(b); k++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			b[k] = (uint8_t)(seed >> 56);
		}
		if (i % 4 == 0)
			b[0] = "\x0f\x62\xc4\xf3"[i / 4 % 4];
		rc = xkd_arch_x86.disasm((enum xkd_cpumode)(i % 3), seed, b, n, &in, &err);
		good = (rc == XKD_OK ? in.len && in.len <= n && in.len <= 15
				     : rc == XKD_BADDATA && in.len == 1) &&
		       memchr(in.ops, 0, sizeof(in.ops)) && memchr(in.mnem, 0, sizeof(in.mnem)) &&
		       (size_t)in.addr_off + in.addr_len <= strlen(in.ops);
		if (!good)
			printf("# round %d: code %d length %d of %zu\n", i, rc, in.len, n);
	}
	ok(good, "200,000 random byte strings");
}

/* ---- against objdump ---- */

struct tally {
	unsigned n, bad_len, bad_target, targets;
};

/* One line of objdump -d -w: "  addr:\thex bytes \ttext". False: not such a line. */
static bool objdump_line(char *line, uint64_t *addr, uint8_t *b, size_t *n, char **text)
{
	char *tab = strchr(line, '\t'), *p;

	if (!tab || tab[-1] != ':')
		return false;
	*addr = strtoull(line, NULL, 16);
	*n = 0;
	for (p = tab + 1; xkd_hex_digit(p[0]) >= 0 && xkd_hex_digit(p[1]) >= 0 && *n < 16;
	     p += 2 + (p[2] == ' '))
		b[(*n)++] = (uint8_t)(xkd_hex_digit(p[0]) << 4 | xkd_hex_digit(p[1]));
	*text = strchr(p, '\t');
	if (!*text)
		return false;
	(*text)++;
	(*text)[strcspn(*text, "\n")] = 0;
	return *n > 0;
}

/* "jne    ffffffff81000123 <foo+0x3>": the number after the mnemonic, when it is bare. */
static bool objdump_target(const char *text, uint64_t *target)
{
	const char *p = strchr(text, '<');
	char *end;

	if (!p || strchr(text, '[') || strchr(text, '#') || p == text)
		return false;
	while (p > text && p[-1] == ' ')
		p--;
	while (p > text && xkd_hex_digit((unsigned char)p[-1]) >= 0)
		p--;
	if (p == text || p[-1] != ' ')
		return false;
	*target = strtoull(p, &end, 16);
	return end != p;
}

static void compare_line(struct tally *t, uint64_t addr, const uint8_t *b, size_t n,
			 const char *text)
{
	struct xkd_insn in;
	struct xkd_err err = XKD_ERR_INIT;
	uint8_t pad[16] = { 0 };
	uint64_t target;
	enum xkd_rc rc;

	/* what follows in memory must not count: pad as a reader would see more code */
	memcpy(pad, b, n);
	rc = xkd_arch_x86.disasm(XKD_MODE_64, addr, pad, sizeof(pad), &in, &err);
	t->n++;
	if (strstr(text, "(bad)") || !strncmp(text, ".byte", 5) || !strncmp(text, "rex", 3))
		return; /* objdump gave up: nothing to compare */
	if (rc || in.len != n) {
		t->bad_len++;
		printf("# %llx: length %d, objdump %zu: %s | %s %s\n", (unsigned long long)addr,
		       rc ? 0 : in.len, n, text, in.mnem, in.ops);
	} else if (objdump_target(text, &target) && strncmp(text, "xbegin", 6)) {
		t->targets++;
		if (!in.has_target || in.target != target) {
			t->bad_target++;
			printf("# %llx: target %llx: %s | %s %s\n", (unsigned long long)addr,
			       (unsigned long long)in.target, text, in.mnem, in.ops);
		}
	}
}

static struct tally against(const char *cmd, unsigned max)
{
	struct tally t = { 0 };
	char line[512], *text;
	FILE *f = popen(cmd, "r");
	uint8_t b[16];
	uint64_t addr;
	size_t n;

	while (f && t.n < max && fgets(line, sizeof(line), f))
		if (objdump_line(line, &addr, b, &n, &text))
			compare_line(&t, addr, b, n, text);
	if (f) {
		while (fgets(line, sizeof(line), f))
			;
		pclose(f);
	}
	return t;
}

static const char source[] =
	".intel_syntax noprefix\n.text\nstart:\n"
	".irp r,rax,rbx,rcx,rdx,rsi,rdi,rbp,rsp,r8,r12,r13,r15\n"
	"push \\r\n mov \\r,[\\r+0x10]\n lea rax,[\\r+rcx*4-0x80]\n mov \\r,0x12345678\n"
	"test \\r,\\r\n xor [\\r+0x1000],rdx\n pop \\r\n.endr\n"
	".irp c,o,no,b,ae,e,ne,be,a,s,ns,p,np,l,ge,le,g\n"
	"j\\c start\n set\\c al\n cmov\\c rax,rbx\n.endr\n"
	".irp m,add,or,adc,sbb,and,sub,xor\n"
	"\\m eax,0x7f\n \\m rax,-1\n \\m byte ptr [rip+0x10],3\n lock \\m dword ptr gs:[0x20],eax\n"
	".endr\n"
	".irp m,rol,ror,rcl,rcr,shl,shr,sar\n \\m eax,1\n \\m rdx,cl\n \\m word ptr "
	"[rax],5\n.endr\n"
	"call start\n jmp start\n call [rip+4]\n jmp [rax*8+0x100]\n 9: loop 9b\n jrcxz 9b\n cmp "
	"eax,-1\n"
	"ret\n ret 8\n retfq\n iretq\n syscall\n sysretq\n int3\n int 0x80\n hlt\n cli\n sti\n"
	"nop\n pause\n ud2\n cpuid\n rdtsc\n rdtscp\n rdmsr\n wrmsr\n rdpmc\n swapgs\n"
	"rep stosq\n rep movsb\n lodsq\n repne scasb\n insb\n outsd\n in al,dx\n out 0x70,al\n"
	"lgdt [rax]\n lidt [rip+8]\n sgdt [rsp]\n ltr ax\n lldt cx\n invlpg [rdi]\n"
	"mov rax,cr0\n mov cr3,rdi\n mov rdx,dr7\n clts\n wbinvd\n invd\n"
	"mfence\n lfence\n sfence\n clflush [rax]\n prefetcht0 [rbx+8]\n"
	"fxsave64 [rdi]\n fxrstor64 [rdi]\n xsave [rdi]\n xrstor [rdi]\n xsaves64 [rdi]\n"
	"xgetbv\n xsetbv\n stac\n clac\n endbr64\n rdrand eax\n rdseed rcx\n rdpid rax\n"
	"vmcall\n vmlaunch\n vmresume\n vmxoff\n vmxon [rbp-0x30]\n vmclear [rax]\n vmptrld [rax]\n"
	"vmread rax,rdx\n vmwrite rcx,[rsi]\n invept rax,[rcx]\n invvpid rdx,[rsi]\n"
	"invpcid rax,[rbx]\n vmrun\n vmload\n vmsave\n vmmcall\n clgi\n stgi\n invlpga\n"
	"rdfsbase rax\n wrgsbase rcx\n monitor\n mwait\n monitorx\n mwaitx\n"
	"rdpkru\n wrpkru\n serialize\n tpause ecx\n umwait eax\n umonitor rax\n wbnoinvd\n"
	"cldemote [rax]\n clwb [rcx+r9*2]\n movdir64b rax,[rcx]\n movdiri [rax],rcx\n"
	"incsspq rax\n rdsspd ecx\n saveprevssp\n rstorssp [rax]\n setssbsy\n clrssbsy [rax]\n"
	"wrssq [rax],rcx\n wrussd [rax],ecx\n ud1 eax,[rbx+4]\n ud0 ecx,edx\n"
	"cmpxchg16b [rsi]\n xadd [rax],ecx\n bswap r9\n popcnt rax,rcx\n lzcnt eax,edx\n"
	"tzcnt rcx,[rax]\n bt [rax],ecx\n bts dword ptr [rax],7\n shld rax,rbx,3\n imul "
	"rax,[rcx],-5\n"
	"movzx eax,byte ptr [rax]\n movsxd rcx,edx\n cdqe\n cqo\n xchg rax,r8\n leave\n enter "
	"16,0\n"
	"movaps xmm0,[rax]\n movdqu [rcx],xmm9\n pshufd xmm1,xmm2,0x1b\n aesenc xmm0,xmm1\n"
	"vpxor ymm0,ymm1,ymm2\n vmovdqu ymm8,[rax+0x20]\n vpshufb ymm1,ymm2,[rcx]\n vzeroupper\n"
	"vpermi2d ymm9,ymm6,ymm7\n vprord xmm3,xmm3,7\n vpternlogd zmm1,zmm2,[rax+0x40],0x96\n"
	"vpaddd zmm0{k1},zmm1,[rip+0x40]\n vpclmulqdq zmm1,zmm2,zmm3,0x11\n"
	"shlx rax,rcx,rdx\n rorx eax,ebx,5\n andn rax,rbx,rcx\n pext rax,rcx,rdx\n"
	"fld dword ptr [rax]\n fstp st(1)\n fninit\n fnclex\n emms\n"
	"vmgexit\n tilerelease\n rmpadjust\n pvalidate\n clzero\n xbegin start\n xend\n";

static bool have(const char *tool)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null 2>&1", tool);
	return system(cmd) == 0;
}

static void assembled(void)
{
	char dir[] = "/tmp/xkd-disasm-XXXXXX", cmd[256];
	struct tally t;
	FILE *f;

	if (!have("as") || !have("objdump") || !mkdtemp(dir)) {
		skip("an assembled file against objdump", "no binutils here");
		return;
	}
	snprintf(cmd, sizeof(cmd), "as -o %s/a.o - 2>%s/log", dir, dir);
	f = popen(cmd, "w");
	if (f)
		fputs(source, f);
	if (!f || pclose(f)) {
		skip("an assembled file against objdump", "this assembler does not know it all");
	} else {
		snprintf(cmd, sizeof(cmd), "objdump -d -w -M intel %s/a.o", dir);
		t = against(cmd, 100000);
		ok(t.n > 300, "objdump shows the instructions: %u", t.n);
		ok(!t.bad_len, "their lengths agree");
		ok(t.targets >= 20 && !t.bad_target, "%u branch targets agree", t.targets);
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd))
		printf("# %s stays\n", dir);
}

static void kernel_file(const char *dir, const char *pattern, const char *window, unsigned want)
{
	char path[1024], cmd[2048];
	glob_t g;
	struct tally t;

	snprintf(path, sizeof(path), "%s/%s", dir, pattern);
	if (glob(path, 0, NULL, &g)) {
		skip(pattern, "no such file in XKD_KERNEL");
		return;
	}
	snprintf(cmd, sizeof(cmd), "objdump -d -w -M intel -j .text %s '%s'", window,
		 g.gl_pathv[0]);
	globfree(&g);
	t = against(cmd, want);
	ok(t.n >= 3000 && !t.bad_len && !t.bad_target,
	   "%s: %u instructions and %u targets as objdump has them", pattern, t.n, t.targets);
}

static void kernel(void)
{
	const char *dir = getenv("XKD_KERNEL");

	if (!dir || !have("objdump")) {
		skip("a kernel's text against objdump", "no kernel given");
		return;
	}
	kernel_file(dir, "usr/lib/debug/lib/modules/*/kernel/arch/x86/kvm/kvm.ko", "", 200000);
	kernel_file(dir, "usr/lib/debug/boot/vmlinux-*",
		    "--start-address=0xffffffff81040000 --stop-address=0xffffffff81060000", 50000);
}

int main(void)
{
	literals(XKD_MODE_64, texts64, XKD_COUNT(texts64));
	literals(XKD_MODE_32, texts32, XKD_COUNT(texts32));
	literals(XKD_MODE_16, texts16, XKD_COUNT(texts16));
	details();
	hostile();
	assembled();
	kernel();
	return done_testing();
}
