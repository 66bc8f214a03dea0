/* Instructions carried out against the processor: the same bytes and registers are single-stepped in
 * a child. What xkd_x86_carry accepts must have the processor's result in every register, flag and
 * byte of memory; and it must accept what functions begin with. */
#include "engine/arch/x86/x86.h"
#include "tests/unit/tap.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define AREA 4096
static uint8_t *area; /* shared with the child: [0, AREA) data and stack, then code */
static pid_t child;

static uint64_t seed = 0x9e3779b97f4a7c15;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool read_area(void *arg, uint64_t addr, void *buf, size_t len)
{
	uint64_t off = addr - (uint64_t)(uintptr_t)area;

	(void)arg;
	if (off >= AREA || len > AREA - off)
		return false;
	memcpy(buf, area + off, len);
	return true;
}

static void from_user(const struct user_regs_struct *u, struct xkd_regs *r)
{
	memset(r, 0, sizeof(*r));
	xkd_reg_put(r, X86R_CR4, 0);
	xkd_reg_put(r, X86R_RAX, u->rax);
	xkd_reg_put(r, X86R_RBX, u->rbx);
	xkd_reg_put(r, X86R_RCX, u->rcx);
	xkd_reg_put(r, X86R_RDX, u->rdx);
	xkd_reg_put(r, X86R_RSI, u->rsi);
	xkd_reg_put(r, X86R_RDI, u->rdi);
	xkd_reg_put(r, X86R_RBP, u->rbp);
	xkd_reg_put(r, X86R_RSP, u->rsp);
	xkd_reg_put(r, X86R_R8, u->r8);
	xkd_reg_put(r, X86R_R9, u->r9);
	xkd_reg_put(r, X86R_R10, u->r10);
	xkd_reg_put(r, X86R_R11, u->r11);
	xkd_reg_put(r, X86R_R12, u->r12);
	xkd_reg_put(r, X86R_R13, u->r13);
	xkd_reg_put(r, X86R_R14, u->r14);
	xkd_reg_put(r, X86R_R15, u->r15);
	xkd_reg_put(r, X86R_RIP, u->rip);
	xkd_reg_put(r, X86R_EFL, u->eflags);
	xkd_reg_put(r, X86R_CS, u->cs);
	xkd_reg_put(r, X86R_FS_BASE, u->fs_base);
	xkd_reg_put(r, X86R_GS_BASE, u->gs_base);
}

/* Values that lie in the area, small ones, edges, and any. */
static unsigned long long value(void)
{
	switch (rnd() % 6) {
	case 0:
		return rnd() % 64;
	case 1:
		return (unsigned long long)-1 - rnd() % 2;
	case 2:
		return 1ULL << (rnd() % 64);
	case 3:
		return rnd();
	default:
		return (uintptr_t)area + 256 + rnd() % (AREA - 512);
	}
}

static void shuffle(struct user_regs_struct *u)
{
	unsigned long long *r[] = { &u->rax, &u->rbx, &u->rcx, &u->rdx, &u->rsi, &u->rdi, &u->rbp,
				    &u->r8,  &u->r9,  &u->r10, &u->r11, &u->r12, &u->r13, &u->r14,
				    &u->r15 };

	for (size_t i = 0; i < sizeof(r) / sizeof(*r); i++)
		*r[i] = value();
	u->rsp = (uintptr_t)area + 512 + rnd() % (AREA - 1024) / 8 * 8;
	u->gs_base = (uintptr_t)area + 128;
	u->eflags = (rnd() & 0x8d5) | 0x202;
	u->orig_rax = (unsigned long long)-1;
}

/* Logical operations leave AF undefined. */
static bool af_undefined(const uint8_t *b, size_t n)
{
	size_t i = 0;
	uint8_t op;

	while (i < n && (b[i] == 0x66 || b[i] == 0x65 || b[i] == 0x64 || b[i] == 0xf3 || b[i] == 0x2e ||
			 b[i] == 0x36 || b[i] == 0x3e || b[i] == 0x26))
		i++;
	if (i < n && (b[i] & 0xf0) == 0x40)
		i++;
	op = b[i];
	if (op == 0x84 || op == 0x85 || op == 0xf6 || op == 0xf7)
		return true;
	if (op < 0x40)
		return op >> 3 == 1 || op >> 3 == 4 || op >> 3 == 6;
	return (op == 0x80 || op == 0x81 || op == 0x83) &&
	       ((b[i + 1] >> 3 & 7) == 1 || (b[i + 1] >> 3 & 7) == 4 || (b[i + 1] >> 3 & 7) == 6);
}

static const char *hex(const uint8_t *b, size_t n)
{
	static char s[64];

	for (size_t i = 0; i < n; i++)
		snprintf(s + 2 * i, 3, "%02x", b[i]);
	return s;
}

/* 1: equal; 0: refused, or the processor faulted; -1: differs (said). */
static int compare(const uint8_t *b, size_t n)
{
	const struct xkd_carry_mem mem = { .read = read_area };
	uint8_t *code = area + AREA, before[AREA];
	struct user_regs_struct u, v;
	struct xkd_regs r, after;
	struct xkd_carry c;
	uint64_t ignore = 0x10000; /* RF is ptrace's */
	int status;

	ptrace(PTRACE_GETREGS, child, 0, &u);
	shuffle(&u);
	u.rip = (uintptr_t)code + 64;
	for (size_t i = 0; i < AREA; i++)
		area[i] = (uint8_t)rnd();
	if (rnd() % 2) { /* something to return to */
		uint64_t to = (uintptr_t)code + 32;

		memcpy(area + (u.rsp - (uintptr_t)area), &to, 8);
	}
	memset(code, 0x90, AREA);
	memcpy(code + 64, b, n);
	from_user(&u, &r);
	if (!xkd_x86_carry(&r, b, n, &mem, &c))
		return 0;
	if (c.store_size && (c.store_addr - (uint64_t)(uintptr_t)area >= AREA - 8))
		return 0;
	memcpy(before, area, AREA);
	ptrace(PTRACE_SETREGS, child, 0, &u);
	ptrace(PTRACE_SINGLESTEP, child, 0, 0);
	waitpid(child, &status, 0);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		return 0;
	ptrace(PTRACE_GETREGS, child, 0, &v);
	from_user(&v, &after);
	for (size_t i = 0; i < c.nset; i++)
		r.v[c.set[i].reg] = c.set[i].val;
	if (c.store_size)
		memcpy(before + (c.store_addr - (uint64_t)(uintptr_t)area), &c.store_val, c.store_size);
	if (af_undefined(b, n))
		ignore |= 0x10;
	r.v[X86R_EFL] &= ~ignore;
	after.v[X86R_EFL] &= ~ignore;
	for (int i = 0; i <= X86R_EFL; i++)
		if (r.v[i] != after.v[i]) {
			printf("# %s: register %s is %" PRIx64 ", the processor says %" PRIx64 "\n",
			       hex(b, n), xkd_x86_reg_names[i], r.v[i], after.v[i]);
			return -1;
		}
	if (memcmp(before, area, AREA)) {
		printf("# %s: memory differs\n", hex(b, n));
		return -1;
	}
	return 1;
}

struct insn {
	const char *what;
	uint8_t n, b[11];
};
static const struct insn must[] = {
	{ "nop", 1, { 0x90 } },
	{ "nop dword [rax+rax]", 5, { 0x0f, 0x1f, 0x44, 0, 0 } },
	{ "nop word cs:[rax+rax]", 10, { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 } },
	{ "endbr64", 4, { 0xf3, 0x0f, 0x1e, 0xfa } },
	{ "push rbp", 1, { 0x55 } },
	{ "push r15", 2, { 0x41, 0x57 } },
	{ "push rsp", 1, { 0x54 } },
	{ "pop rbx", 1, { 0x5b } },
	{ "pop rsp", 1, { 0x5c } },
	{ "mov rbp, rsp", 3, { 0x48, 0x89, 0xe5 } },
	{ "mov eax, [rsp+8]", 4, { 0x8b, 0x44, 0x24, 8 } },
	{ "mov rax, gs:[0x40]", 9, { 0x65, 0x48, 0x8b, 0x04, 0x25, 0x40, 0, 0, 0 } },
	{ "mov [rsp+0x10], rdi", 5, { 0x48, 0x89, 0x7c, 0x24, 0x10 } },
	{ "sub rsp, 0x18", 4, { 0x48, 0x83, 0xec, 0x18 } },
	{ "sub rsp, 0x118", 7, { 0x48, 0x81, 0xec, 0x18, 1, 0, 0 } },
	{ "add rsp, -0x80", 4, { 0x48, 0x83, 0xc4, 0x80 } },
	{ "lea rdi, [rip+0x40]", 7, { 0x48, 0x8d, 0x3d, 0x40, 0, 0, 0 } },
	{ "lea r8, [rax+rcx*4-1]", 5, { 0x4c, 0x8d, 0x44, 0x88, 0xff } },
	{ "xor eax, eax", 2, { 0x31, 0xc0 } },
	{ "test rdi, rdi", 3, { 0x48, 0x85, 0xff } },
	{ "cmp dword [rsp], 5", 4, { 0x83, 0x3c, 0x24, 5 } },
	{ "movzx eax, byte [rsp]", 4, { 0x0f, 0xb6, 0x04, 0x24 } },
	{ "movsxd rsi, esi", 3, { 0x48, 0x63, 0xf6 } },
	{ "mov rax, imm64", 10, { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 0x88 } },
	{ "mov edi, 7", 5, { 0xbf, 7, 0, 0, 0 } },
	{ "jmp +0x10", 2, { 0xeb, 0x10 } },
	{ "jne +0x10", 2, { 0x75, 0x10 } },
	{ "jle +0x100", 6, { 0x0f, 0x8e, 0, 1, 0, 0 } },
	{ "call +0x20", 5, { 0xe8, 0x20, 0, 0, 0 } },
	{ "ret", 1, { 0xc3 } },
};
static const struct insn refused[] = {
	{ "int3", 1, { 0xcc } },
	{ "lock inc", 4, { 0xf0, 0x48, 0xff, 0x00 } },
	{ "adc eax, ebx", 2, { 0x11, 0xd8 } },
	{ "rep movsb", 2, { 0xf3, 0xa4 } },
	{ "syscall", 2, { 0x0f, 0x05 } },
	{ "half an endbr64", 3, { 0xf3, 0x0f, 0x1e } },
	{ "half a mov", 2, { 0x48, 0x89 } },
	{ "only prefixes", 3, { 0x66, 0x66, 0x66 } },
};

static bool start(void)
{
	int status;

	area = mmap(NULL, 4 * AREA, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	if (area == MAP_FAILED)
		return false;
	child = fork();
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0))
			_exit(1);
		raise(SIGSTOP);
		_exit(2);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

/* Random encodings around the opcodes that are carried out. */
static size_t random_insn(uint8_t *b)
{
	static const uint8_t ops[] = { 0x01, 0x03, 0x05, 0x09, 0x0b, 0x21, 0x23, 0x29, 0x2b, 0x2d, 0x31,
				       0x33, 0x39, 0x3b, 0x3d, 0x38, 0x3a, 0x50, 0x58, 0x63, 0x68, 0x6a,
				       0x70, 0x80, 0x81, 0x83, 0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b, 0x8d,
				       0xb8, 0xc3, 0xc6, 0xc7, 0xe8, 0xe9, 0xeb, 0xf6, 0xf7, 0x90, 0x0f };
	static const uint8_t twos[] = { 0x1e, 0x1f, 0x80, 0xb6, 0xb7, 0xbe, 0xbf };
	size_t n = 0;

	if (rnd() % 8 == 0)
		b[n++] = 0x66;
	if (rnd() % 8 == 0)
		b[n++] = 0x65;
	if (rnd() % 12 == 0)
		b[n++] = 0xf3;
	if (rnd() % 3)
		b[n++] = 0x40 | (rnd() & 15);
	b[n] = ops[rnd() % sizeof(ops)];
	if (b[n] == 0x50 || b[n] == 0x58 || b[n] == 0xb8)
		b[n] |= rnd() & 7;
	if (b[n] == 0x70)
		b[n] |= rnd() & 15;
	if (b[n++] == 0x0f) {
		b[n] = twos[rnd() % sizeof(twos)];
		if (b[n] == 0x80)
			b[n] |= rnd() & 15;
		n++;
	}
	b[n++] = (uint8_t)rnd();
	if ((b[n - 1] & 7) == 4 && b[n - 1] < 0xc0)
		b[n++] = (uint8_t)rnd();
	for (int i = 0; i < 8; i++) /* small displacements and immediates, so that they hit the area */
		b[n++] = rnd() % 4 ? (uint8_t)0 : (uint8_t)rnd();
	return n < 15 ? n : 15;
}

int main(void)
{
	long same = 0, differ = 0, n = 20000;
	struct xkd_regs r = { 0 };
	struct xkd_carry c;

	xkd_reg_put(&r, X86R_RIP, 0xffffffff81000000);
	xkd_reg_put(&r, X86R_EFL, 2);
	for (int i = 0; i < 16; i++)
		xkd_reg_put(&r, i, 0x1000);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		ok(!xkd_x86_carry(&r, refused[i].b, refused[i].n, NULL, &c), "refused: %s",
		   refused[i].what);
	ok(!xkd_x86_carry(&r, (const uint8_t *)"\x5b", 1, NULL, &c), "refused: a load without memory");
	r.v[X86R_EFL] |= 0x100;
	ok(!xkd_x86_carry(&r, (const uint8_t *)"\x90", 1, NULL, &c), "refused: under the trap flag");
	r.v[X86R_EFL] = 2;
	for (int how = 0; how < 3; how++) {
		static const char *const hows[] = { "CR4 not known", "CET", "no CET" };

		if (how)
			xkd_reg_put(&r, X86R_CR4, how == 1 ? X86_CR4_CET : 0);
		ok(xkd_x86_carry(&r, (const uint8_t *)"\xf3\x0f\x1e\xfa", 4, NULL, &c) == (how == 2) &&
			   xkd_x86_carry(&r, (const uint8_t *)"\xe8\0\0\0\0", 5, NULL, &c) == (how == 2) &&
			   xkd_x86_carry(&r, (const uint8_t *)"\x90", 1, NULL, &c),
		   "%s: endbr64 and calls are the processor's own: %s", hows[how], how == 2 ? "no" : "yes");
	}
	r.v[X86R_EFL] = 0x10002;
	for (int how = 0; how < 2; how++) {
		uint64_t fl = 0x10000;

		if (xkd_x86_carry(&r, (const uint8_t *)(how ? "\x31\xc0" : "\x90"), how ? 2 : 1, NULL, &c))
			for (size_t i = 0; i < c.nset; i++)
				if (c.set[i].reg == X86R_EFL)
					fl = c.set[i].val;
		ok(!(fl & 0x10000), "RF is gone behind %s", how ? "xor" : "nop");
	}
	r.v[X86R_EFL] = 2;
	r.known &= ~(1ULL << X86R_RSP);
	ok(!xkd_x86_carry(&r, (const uint8_t *)"\x55", 1, NULL, &c), "refused: an unknown register");
	if (!start()) {
		ok(true, "against the processor # SKIP this process may not trace a child");
		return done_testing();
	}
	for (size_t i = 0; i < sizeof(must) / sizeof(*must); i++) {
		int good = 0, bad = 0;

		for (int k = 0; k < 50; k++) {
			int rc = compare(must[i].b, must[i].n);

			good += rc > 0;
			bad += rc < 0;
		}
		ok(good && !bad, "as the processor: %s", must[i].what);
	}
	for (long i = 0; i < n && differ < 10; i++) {
		uint8_t b[24];
		int rc = compare(b, random_insn(b));

		same += rc > 0;
		differ += rc < 0;
	}
	ok(same > n / 20 && !differ, "as the processor: random encodings");
	printf("# %ld of %ld random encodings carried out\n", same, n);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return done_testing();
}
