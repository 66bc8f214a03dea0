/* Carrying out one instruction by its effect on registers, so that a CPU that stands on a breakpoint
 * can go on without the breakpoint being taken out. Only plain 64-bit kernel and user code of the
 * forms that functions begin with and loops are made of: nop, endbr64, push, pop, mov, movzx, movsx,
 * lea, add, sub, and, or, xor, cmp, test, jumps, call, ret. Invariants: what is not certain in every
 * bit that software may rely on is refused, and nothing has been changed then; memory is touched only
 * where it can be no device's (the stack, data beside the code, per-CPU data), for a debugger's access
 * to a device is not the program's.
 * Encodings and flags: Intel SDM volume 2; AF after a logical operation is undefined there and is
 * cleared here, as processors do. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include <string.h>

#define FL_CF (1ULL << 0)
#define FL_PF (1ULL << 2)
#define FL_AF (1ULL << 4)
#define FL_ZF (1ULL << 6)
#define FL_SF (1ULL << 7)
#define FL_TF (1ULL << 8)
#define FL_OF (1ULL << 11)
#define FL_RF (1ULL << 16)
#define FL_ARITH (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

static const uint8_t gpr[16] = { X86R_RAX, X86R_RCX, X86R_RDX, X86R_RBX, X86R_RSP, X86R_RBP,
				 X86R_RSI, X86R_RDI, X86R_R8,  X86R_R9,  X86R_R10, X86R_R11,
				 X86R_R12, X86R_R13, X86R_R14, X86R_R15 };

struct at {
	const struct xkd_regs *regs;
	const uint8_t *p;
	size_t n, i;
	bool w, r, x, b, rep, opsize; /* prefixes */
	bool jumped;
	int seg;		      /* X86R_FS_BASE, X86R_GS_BASE or -1 */
	/* ModRM */
	unsigned reg, rm;
	bool is_mem;
	int mem_base, mem_index, mem_scale; /* registers, -1: none */
	int64_t disp;
	bool rip_rel;
	const struct xkd_carry_mem *mem;
	struct xkd_carry *out;
};

static bool get(struct at *a, unsigned bytes, int64_t *v)
{
	uint64_t u;

	if (a->n - a->i < bytes)
		return false;
	u = xkd_get_le(a->p + a->i, bytes);
	a->i += bytes;
	*v = bytes == 8 ? (int64_t)u : (int64_t)(u << (64 - 8 * bytes)) >> (64 - 8 * bytes);
	return true;
}

static void prefixes(struct at *a)
{
	a->seg = -1;
	for (; a->i < a->n; a->i++) {
		uint8_t c = a->p[a->i];

		if (c == 0x66)
			a->opsize = true;
		else if (c == 0xf3)
			a->rep = true;
		else if (c == 0x64 || c == 0x65)
			a->seg = c == 0x64 ? X86R_FS_BASE : X86R_GS_BASE;
		else if (c != 0x2e && c != 0x3e && c != 0x36 && c != 0x26)
			break;
	}
	if (a->i < a->n && (a->p[a->i] & 0xf0) == 0x40) {
		uint8_t rex = a->p[a->i++];

		a->w = rex & 8;
		a->r = rex & 4;
		a->x = rex & 2;
		a->b = rex & 1;
	}
}

static bool sib(struct at *a, unsigned mod)
{
	uint8_t s;
	unsigned index;

	if (a->i >= a->n)
		return false;
	s = a->p[a->i++];
	index = (s >> 3 & 7) | (unsigned)a->x << 3;
	if (index != 4) {
		a->mem_index = gpr[index];
		a->mem_scale = 1 << (s >> 6);
	}
	if ((s & 7) == 5 && mod == 0)
		return get(a, 4, &a->disp);
	a->mem_base = gpr[(s & 7) | (unsigned)a->b << 3];
	return true;
}

static bool modrm(struct at *a)
{
	uint8_t m;
	unsigned mod;

	if (a->i >= a->n)
		return false;
	m = a->p[a->i++];
	mod = m >> 6;
	a->reg = (m >> 3 & 7) | (unsigned)a->r << 3;
	a->rm = (m & 7) | (unsigned)a->b << 3;
	a->is_mem = mod != 3;
	a->mem_base = a->mem_index = -1;
	a->disp = 0;
	if (!a->is_mem)
		return true;
	if ((m & 7) == 4) {
		if (!sib(a, mod))
			return false;
	} else if ((m & 7) == 5 && mod == 0) {
		a->rip_rel = true;
		return get(a, 4, &a->disp);
	} else {
		a->mem_base = gpr[a->rm];
	}
	if (mod) {
		int64_t d;

		if (!get(a, mod == 1 ? 1 : 4, &d))
			return false;
		a->disp = d;
	}
	return true;
}

static bool reg(const struct at *a, int r, uint64_t *v)
{
	*v = a->regs->v[r];
	return xkd_reg_known(a->regs, r);
}

static uint64_t cut(uint64_t v, unsigned size)
{
	return size == 8 ? v : v & ((1ULL << (8 * size)) - 1);
}

/* The operand's address: linear, and without the segment for lea. after: immediate bytes to come. */
static bool address(const struct at *a, size_t after, uint64_t *linear, uint64_t *offset)
{
	uint64_t v, o = (uint64_t)a->disp, base = 0;

	if (a->rip_rel) {
		if (!reg(a, X86R_RIP, &v))
			return false;
		o += v + a->i + after;
	}
	if (a->mem_base >= 0) {
		if (!reg(a, a->mem_base, &v))
			return false;
		o += v;
	}
	if (a->mem_index >= 0) {
		if (!reg(a, a->mem_index, &v))
			return false;
		o += v * (uint64_t)a->mem_scale;
	}
	if (a->seg >= 0 && !reg(a, a->seg, &base))
		return false;
	*offset = o;
	*linear = o + base;
	return true;
}

static bool plain_memory(const struct at *a)
{
	if (a->rip_rel)
		return a->seg < 0;
	return a->mem_base == X86R_RSP ? a->seg < 0 && a->mem_index < 0 :
					 a->seg == X86R_GS_BASE && a->mem_base < 0 && a->mem_index < 0;
}

static bool load(const struct at *a, uint64_t linear, unsigned size, uint64_t *v)
{
	uint8_t bytes[8];

	if (!a->mem || !a->mem->read || !a->mem->read(a->mem->arg, linear, bytes, size))
		return false;
	*v = xkd_get_le(bytes, size);
	a->out->loads = true;
	return true;
}

static void put_reg(struct at *a, int r, uint64_t v)
{
	a->out->set[a->out->nset].reg = r;
	a->out->set[a->out->nset++].val = v;
}

/* A 32-bit result clears the upper half; 8- and 16-bit ones keep the rest. */
static bool put_gpr(struct at *a, unsigned enc, unsigned size, uint64_t v)
{
	uint64_t old;

	if (size < 4) {
		if (!reg(a, gpr[enc], &old))
			return false;
		v = (old & ~cut(~0ULL, size)) | cut(v, size);
	}
	put_reg(a, gpr[enc], cut(v, size < 4 ? 8 : size));
	return true;
}

static void put_mem(struct at *a, uint64_t linear, unsigned size, uint64_t v)
{
	a->out->store_size = size;
	a->out->store_addr = linear;
	a->out->store_val = cut(v, size);
}

/* r/m as a source. Byte registers without REX 4-7 are ah..bh: refused. */
static bool rm_value(struct at *a, unsigned size, size_t after, uint64_t *v)
{
	uint64_t linear, off;

	if (a->is_mem)
		return plain_memory(a) && address(a, after, &linear, &off) && load(a, linear, size, v);
	if (size == 1 && a->rm >= 4)
		return false;
	if (!reg(a, gpr[a->rm], v))
		return false;
	*v = cut(*v, size);
	return true;
}

static bool rm_put(struct at *a, unsigned size, size_t after, uint64_t v)
{
	uint64_t linear, off;

	if (!a->is_mem)
		return put_gpr(a, a->rm, size, v);
	if (!plain_memory(a) || !address(a, after, &linear, &off))
		return false;
	put_mem(a, linear, size, v);
	return true;
}

static uint64_t flags_szp(uint64_t v, unsigned size)
{
	uint64_t f = 0;

	if (!v)
		f |= FL_ZF;
	if (v >> (8 * size - 1) & 1)
		f |= FL_SF;
	if (!(__builtin_popcount((unsigned)v & 0xff) & 1))
		f |= FL_PF;
	return f;
}

enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP, ALU_TEST };

static bool alu(struct at *a, enum alu op, unsigned size, uint64_t x, uint64_t y, uint64_t *v)
{
	uint64_t f = 0, r, fl, top = 1ULL << (8 * size - 1);

	if (!reg(a, X86R_EFL, &fl))
		return false;
	switch (op) {
	case ALU_ADD:
		r = cut(x + y, size);
		f = (r < x ? FL_CF : 0) | ((x ^ r) & (y ^ r) & top ? FL_OF : 0) |
		    ((x ^ y ^ r) & 0x10 ? FL_AF : 0);
		break;
	case ALU_SUB:
	case ALU_CMP:
		r = cut(x - y, size);
		f = (x < y ? FL_CF : 0) | ((x ^ y) & (x ^ r) & top ? FL_OF : 0) |
		    ((x ^ y ^ r) & 0x10 ? FL_AF : 0);
		break;
	case ALU_OR:
		r = x | y;
		break;
	case ALU_AND:
	case ALU_TEST:
		r = x & y;
		break;
	case ALU_XOR:
		r = x ^ y;
		break;
	default:
		return false;
	}
	put_reg(a, X86R_EFL, (fl & ~(FL_ARITH | FL_RF)) | f | flags_szp(r, size));
	*v = r;
	return true;
}

static bool alu_store(struct at *a, enum alu op, unsigned size, bool to_reg, size_t after,
		      uint64_t x, uint64_t y)
{
	uint64_t v;

	if (!alu(a, op, size, x, y, &v))
		return false;
	if (op == ALU_CMP || op == ALU_TEST)
		return true;
	return to_reg ? put_gpr(a, a->reg, size, v) : rm_put(a, size, after, v);
}

static unsigned opsize(const struct at *a)
{
	return a->w ? 8 : a->opsize ? 2 : 4;
}

/* 00-3b: eight operations in six forms. */
static bool op_alu(struct at *a, uint8_t op)
{
	unsigned form = op & 7, size = form & 1 ? opsize(a) : 1;
	uint64_t x, y;
	int64_t imm;

	if (form >= 4) {
		if (form > 5 || !get(a, size == 8 ? 4 : size, &imm) || !reg(a, X86R_RAX, &x))
			return false;
		a->reg = 0;
		return alu_store(a, op >> 3, size, true, 0, cut(x, size), cut((uint64_t)imm, size));
	}
	if (!modrm(a) || (size == 1 && a->reg >= 4) || !rm_value(a, size, 0, &x) ||
	    !reg(a, gpr[a->reg], &y))
		return false;
	y = cut(y, size);
	return form < 2 ? alu_store(a, op >> 3, size, false, 0, x, y) :
			  alu_store(a, op >> 3, size, true, 0, y, x);
}

static bool op_alu_imm(struct at *a, uint8_t op)
{
	unsigned size = op == 0x80 ? 1 : opsize(a), bytes = op == 0x81 ? (size == 8 ? 4 : size) : 1;
	uint64_t x;
	int64_t imm;

	return modrm(a) && rm_value(a, size, bytes, &x) && get(a, bytes, &imm) &&
	       alu_store(a, a->reg & 7, size, false, 0, x, cut((uint64_t)imm, size));
}

static bool op_test(struct at *a, uint8_t op)
{
	unsigned size = op & 1 ? opsize(a) : 1;
	uint64_t x, y;

	return modrm(a) && !(size == 1 && a->reg >= 4) && rm_value(a, size, 0, &x) &&
	       reg(a, gpr[a->reg], &y) &&
	       alu_store(a, ALU_TEST, size, false, 0, x, cut(y, size));
}

/* f6 /0, f7 /0 */
static bool op_test_imm(struct at *a, uint8_t op)
{
	unsigned size = op & 1 ? opsize(a) : 1, bytes = size == 8 ? 4 : size;
	uint64_t x;
	int64_t imm;

	return modrm(a) && (a->reg & 7) == 0 && rm_value(a, size, bytes, &x) &&
	       get(a, bytes, &imm) && alu_store(a, ALU_TEST, size, false, 0, x, cut((uint64_t)imm, size));
}

static bool op_mov(struct at *a, uint8_t op)
{
	unsigned size = op & 1 ? opsize(a) : 1;
	uint64_t v;

	if (!modrm(a) || (size == 1 && a->reg >= 4))
		return false;
	if (op >= 0x8a)
		return rm_value(a, size, 0, &v) && put_gpr(a, a->reg, size, v);
	if (size == 1 && !a->is_mem && a->rm >= 4)
		return false;
	return reg(a, gpr[a->reg], &v) && rm_put(a, size, 0, v);
}

static bool op_mov_imm(struct at *a, uint8_t op)
{
	unsigned size = op == 0xc6 ? 1 : opsize(a), bytes = size == 8 ? 4 : size;
	uint64_t linear = 0, off;
	int64_t imm;

	if (!modrm(a) || a->reg & 7)
		return false;
	if (a->is_mem && (!plain_memory(a) || !address(a, bytes, &linear, &off)))
		return false;
	if (!get(a, bytes, &imm))
		return false;
	if (a->is_mem) {
		put_mem(a, linear, size, (uint64_t)imm);
		return true;
	}
	return size > 1 && put_gpr(a, a->rm, size, (uint64_t)imm);
}

static bool op_lea(struct at *a)
{
	uint64_t linear, off;

	a->seg = -1;
	return modrm(a) && a->is_mem && address(a, 0, &linear, &off) &&
	       put_gpr(a, a->reg, opsize(a), off);
}

static bool op_extend(struct at *a, unsigned from, bool sign)
{
	uint64_t v;

	if (!modrm(a) || !rm_value(a, from, 0, &v))
		return false;
	if (sign)
		v = (uint64_t)((int64_t)(v << (64 - 8 * from)) >> (64 - 8 * from));
	return put_gpr(a, a->reg, opsize(a), v);
}

static bool push(struct at *a, uint64_t v)
{
	uint64_t sp;

	if (!reg(a, X86R_RSP, &sp))
		return false;
	put_mem(a, sp - 8, 8, v);
	put_reg(a, X86R_RSP, sp - 8);
	return true;
}

static bool pop(struct at *a, uint64_t *v)
{
	uint64_t sp;

	if (!reg(a, X86R_RSP, &sp) || !load(a, sp, 8, v))
		return false;
	put_reg(a, X86R_RSP, sp + 8);
	return true;
}

static bool taken(const struct at *a, unsigned cc, bool *yes)
{
	uint64_t f;
	bool v;

	if (!reg(a, X86R_EFL, &f))
		return false;
	switch (cc >> 1) {
	case 0:
		v = f & FL_OF;
		break;
	case 1:
		v = f & FL_CF;
		break;
	case 2:
		v = f & FL_ZF;
		break;
	case 3:
		v = f & (FL_CF | FL_ZF);
		break;
	case 4:
		v = f & FL_SF;
		break;
	case 5:
		v = f & FL_PF;
		break;
	case 6:
		v = !(f & FL_SF) != !(f & FL_OF);
		break;
	default:
		v = f & FL_ZF || !(f & FL_SF) != !(f & FL_OF);
		break;
	}
	*yes = v != (cc & 1);
	return true;
}

static bool jump(struct at *a, unsigned bytes, bool yes, uint64_t *next)
{
	int64_t rel;

	if (a->opsize || !get(a, bytes, &rel))
		return false;
	*next = a->regs->v[X86R_RIP] + a->i + (yes ? (uint64_t)rel : 0);
	return a->jumped = true;
}

/* May the processor hold calls, returns and endbr64 against state that no register here shows: a shadow
 * stack, an indirect branch that waits for its endbr64 (SDM volume 1, 17)? Then they are its own to do. */
static bool enforced(const struct at *a)
{
	return !xkd_reg_known(a->regs, X86R_CR4) || a->regs->v[X86R_CR4] & X86_CR4_CET;
}

static bool op_two_byte(struct at *a, uint64_t *next)
{
	uint8_t op;
	bool yes;

	if (a->i >= a->n)
		return false;
	op = a->p[a->i++];
	if (op == 0x1e && a->rep) { /* endbr64: f3 0f 1e fa */
		return a->i < a->n && a->p[a->i++] == 0xfa && !enforced(a);
	} else if (op == 0x1f) {
		return !a->rep && modrm(a);
	} else if (a->rep) {
		return false;
	} else if ((op & 0xf0) == 0x80) {
		return taken(a, op & 15, &yes) && jump(a, 4, yes, next);
	}
	switch (op) {
	case 0xb6:
		return op_extend(a, 1, false);
	case 0xb7:
		return op_extend(a, 2, false);
	case 0xbe:
		return op_extend(a, 1, true);
	case 0xbf:
		return op_extend(a, 2, true);
	default:
		return false;
	}
}

static bool op_stack(struct at *a, uint8_t op, uint64_t *next)
{
	unsigned r = (op & 7) | (unsigned)a->b << 3;
	uint64_t v;
	int64_t imm;

	if (a->opsize)
		return false;
	if (op == 0x6a || op == 0x68)
		return get(a, op == 0x6a ? 1 : 4, &imm) && push(a, (uint64_t)imm);
	if (op >= 0x50 && op <= 0x57)
		return reg(a, gpr[r], &v) && push(a, v);
	if (op >= 0x58 && op <= 0x5f) {
		if (!pop(a, &v))
			return false;
		if (gpr[r] == X86R_RSP)
			a->out->nset--; /* what was popped wins over the step */
		put_reg(a, gpr[r], v);
		return true;
	}
	if (enforced(a))
		return false;
	if (op == 0xe8)
		return jump(a, 4, true, next) && push(a, a->regs->v[X86R_RIP] + a->i);
	return a->jumped = pop(a, next); /* c3 */
}

static bool op_mov_imm_reg(struct at *a, uint8_t op)
{
	int64_t imm;
	unsigned size = opsize(a);

	return size > 2 && get(a, size, &imm) &&
	       put_gpr(a, (op & 7) | (unsigned)a->b << 3, size, (uint64_t)imm);
}

static bool op_one_byte(struct at *a, uint8_t op, uint64_t *next)
{
	bool yes;

	if (op < 0x40 && (op & 7) < 6)
		return op_alu(a, op);
	if ((op & 0xf0) == 0x50 || op == 0x68 || op == 0x6a || op == 0xe8 || op == 0xc3)
		return op_stack(a, op, next);
	if ((op & 0xf0) == 0x70)
		return taken(a, op & 15, &yes) && jump(a, 1, yes, next);
	if ((op & 0xf8) == 0xb8)
		return op_mov_imm_reg(a, op);
	switch (op) {
	case 0x63:
		return a->w && op_extend(a, 4, true);
	case 0x80:
	case 0x81:
	case 0x83:
		return op_alu_imm(a, op);
	case 0x84:
	case 0x85:
		return op_test(a, op);
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
		return op_mov(a, op);
	case 0x8d:
		return op_lea(a);
	case 0x90:
		return !a->b; /* with REX.B it is xchg */
	case 0xc6:
	case 0xc7:
		return op_mov_imm(a, op);
	case 0xe9:
		return jump(a, 4, true, next);
	case 0xeb:
		return jump(a, 1, true, next);
	case 0xf6:
	case 0xf7:
		return op_test_imm(a, op);
	default:
		return false;
	}
}

/* A stop at a debug register leaves RF set, for the one instruction there: with it the next place that a
 * debug register holds would be passed over (SDM volume 3, 17.3.1.1). */
static void resume_flag_gone(struct at *a)
{
	uint64_t fl = a->regs->v[X86R_EFL];

	for (size_t i = 0; i < a->out->nset; i++)
		if (a->out->set[i].reg == X86R_EFL)
			return;
	if (fl & FL_RF)
		put_reg(a, X86R_EFL, fl & ~FL_RF);
}

bool xkd_x86_carry(const struct xkd_regs *regs, const uint8_t *bytes, size_t n,
		   const struct xkd_carry_mem *mem, struct xkd_carry *out)
{
	struct at a = { .regs = regs, .p = bytes, .n = n < 15 ? n : 15, .mem = mem, .out = out };
	uint64_t next = 0;
	uint8_t op;
	bool two;

	memset(out, 0, sizeof(*out));
	if (xkd_x86_mode(regs) != XKD_MODE_64 || !xkd_reg_known(regs, X86R_RIP) ||
	    !xkd_reg_known(regs, X86R_EFL) || regs->v[X86R_EFL] & FL_TF)
		return false;
	prefixes(&a);
	if (a.i >= a.n)
		return false;
	op = a.p[a.i++];
	two = op == 0x0f;
	if (a.rep && !two && op != 0x90) /* f3 90 is pause */
		return false;
	if (two ? !op_two_byte(&a, &next) : !op_one_byte(&a, op, &next))
		return false;
	put_reg(&a, X86R_RIP, a.jumped ? next : regs->v[X86R_RIP] + a.i);
	resume_flag_gone(&a);
	out->len = (uint8_t)a.i;
	return true;
}
