/* Disassembly: the one file that includes capstone (4 or 5). Its Intel text is rewritten in MASM's
 * flavour, its operand details become the fields of struct xkd_insn.
 * A capstone handle for each mode is kept by the thread that asked first and closed when the
 * process ends: opening one costs as much as some hundred instructions. A handle holds tables and
 * settings, no state of any target or session. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include <capstone/capstone.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct decoder {
	csh h;
	cs_insn *insn;
	bool open;
};
static _Thread_local struct decoder decoders[3];

static void __attribute__((destructor)) close_decoders(void)
{
	for (size_t i = 0; i < XKD_COUNT(decoders); i++)
		if (decoders[i].open) {
			cs_free(decoders[i].insn, 1);
			cs_close(&decoders[i].h);
			decoders[i].open = false;
		}
}

static struct decoder *decoder_for(enum xkd_cpumode mode)
{
	static const cs_mode modes[] = {
		[XKD_MODE_16] = CS_MODE_16, [XKD_MODE_32] = CS_MODE_32, [XKD_MODE_64] = CS_MODE_64
	};
	struct decoder *d = &decoders[mode];

	if (d->open)
		return d;
	if (cs_open(CS_ARCH_X86, modes[mode], &d->h) != CS_ERR_OK)
		return NULL;
	cs_option(d->h, CS_OPT_DETAIL, CS_OPT_ON);
	d->insn = cs_malloc(d->h);
	if (!d->insn) {
		cs_close(&d->h);
		return NULL;
	}
	d->open = true;
	return d;
}

/* capstone's register as ours; -1 when it is none of ours. */
static int reg_of(struct decoder *d, unsigned reg)
{
	const char *name = reg ? cs_reg_name(d->h, reg) : NULL;
	struct xkd_regname rn;

	if (!name || !xkd_x86_reg_find(name, &rn))
		return -1;
	return rn.reg;
}

/* The general registers that an instruction writes; all when capstone does not say. */
static uint32_t changes(struct decoder *d, const cs_insn *ci)
{
	cs_regs read, written;
	uint8_t nread = 0, nwritten = 0;
	uint32_t mask = 0;

	if (ci->id == X86_INS_VMRUN || ci->id == X86_INS_VMLAUNCH || ci->id == X86_INS_VMRESUME)
		return 0xffff & ~(UINT32_C(1) << X86R_RSP); /* the guest's, when it comes back */
	if (cs_regs_access(d->h, ci, read, &nread, written, &nwritten) != CS_ERR_OK)
		return 0xffff;
	for (uint8_t i = 0; i < nwritten; i++) {
		int reg = reg_of(d, written[i]);

		if (reg >= 0 && reg < 16)
			mask |= UINT32_C(1) << reg;
	}
	return mask;
}

static const cs_x86_op *find_op(const cs_x86 *x, x86_op_type type)
{
	for (int i = 0; i < x->op_count; i++)
		if (x->operands[i].type == type)
			return &x->operands[i];
	return NULL;
}

static bool touches_memory(const cs_insn *ci)
{
	return ci->id != X86_INS_LEA && ci->id != X86_INS_NOP;
}

static bool is_rip(const cs_x86_op *m)
{
	return m->mem.base == X86_REG_RIP || m->mem.base == X86_REG_EIP;
}

static void fill_mem(struct decoder *d, const cs_insn *ci, enum xkd_cpumode mode,
		     struct xkd_insn *in)
{
	const cs_x86 *x = &ci->detail->x86;
	const cs_x86_op *m = find_op(x, X86_OP_MEM);
	unsigned bits = x->addr_size * 8;

	if (!m)
		return;
	in->mem_addr_bits = (uint8_t)bits;
	in->mem_scale = m->mem.scale;
	in->mem_disp = m->mem.disp;
	in->mem_size = m->size;
	in->mem_base = reg_of(d, m->mem.base);
	in->mem_index = reg_of(d, m->mem.index);
	if (is_rip(m)) {
		in->mem_base = -1;
		in->mem_disp += (int64_t)(in->addr + ci->size);
		if (m->mem.base == X86_REG_EIP)
			in->mem_disp = (uint32_t)in->mem_disp;
		in->has_rip_mem = true;
		in->rip_mem = (uint64_t)in->mem_disp;
	} else if (bits < 64 && in->mem_base < 0 && in->mem_index < 0) {
		in->mem_disp &= bits == 16 ? 0xffff : 0xffffffff;
	}
	in->mem_seg = reg_of(d, m->mem.segment);
	/* cs ds es ss overrides have no meaning in 64-bit code */
	if (in->mem_seg < 0 || (mode == XKD_MODE_64 && in->mem_seg < X86R_FS))
		in->mem_seg =
			in->mem_base == X86R_RSP || in->mem_base == X86R_RBP ? X86R_SS : X86R_DS;
	/* a vector of indices, or a base that is not a general register: no address to be had */
	in->has_mem = touches_memory(ci) && (is_rip(m) || !m->mem.base || in->mem_base >= 0) &&
		      (!m->mem.index || in->mem_index >= 0 || m->mem.index == X86_REG_RIZ ||
		       m->mem.index == X86_REG_EIZ);
}

static bool in_group(const cs_insn *ci, unsigned g)
{
	for (int i = 0; i < ci->detail->groups_count; i++)
		if (ci->detail->groups[i] == g)
			return true;
	return false;
}

static bool is_loop(unsigned id)
{
	return id == X86_INS_LOOP || id == X86_INS_LOOPE || id == X86_INS_LOOPNE ||
	       id == X86_INS_JCXZ || id == X86_INS_JECXZ || id == X86_INS_JRCXZ;
}

/* Branches with a selector; by the encoding, for capstone's versions name them differently. */
static bool is_far(const cs_x86 *x)
{
	unsigned ext = x->modrm >> 3 & 7;

	return x->opcode[0] == 0x9a || x->opcode[0] == 0xea ||
	       (x->opcode[0] == 0xff && (ext == 3 || ext == 5));
}

/* What an instruction does to the stack pointer (64-bit code). */
static void fill_stack(struct decoder *d, const cs_insn *ci, struct xkd_insn *in)
{
	const cs_x86 *x = &ci->detail->x86;
	const cs_x86_op *o = x->operands;
	int size = x->op_count ? o[0].size : 8;

	in->pushed = in->popped = -1;
	in->sp_known = true;
	switch (ci->id) {
	case X86_INS_PUSH:
		if (o[0].type == X86_OP_REG)
			in->pushed = (int8_t)reg_of(d, o[0].reg);
		in->sp_add = o[0].type == X86_OP_IMM || size != 2 ? -8 : -2;
		break;
	case X86_INS_POP:
		if (o[0].type == X86_OP_REG)
			in->popped = (int8_t)reg_of(d, o[0].reg);
		in->sp_add = size != 2 ? 8 : 2;
		in->sp_known = in->popped != X86R_RSP;
		break;
	case X86_INS_PUSHFQ:
		in->sp_add = -8;
		break;
	case X86_INS_POPFQ:
		in->sp_add = 8;
		break;
	case X86_INS_CALL:
	case X86_INS_RET:
		break;
	case X86_INS_ADD:
	case X86_INS_SUB:
		if (o[0].type == X86_OP_REG && reg_of(d, o[0].reg) == X86R_RSP) {
			in->sp_known = o[1].type == X86_OP_IMM && o[1].imm == (int32_t)o[1].imm &&
				       o[1].imm != INT32_MIN;
			if (in->sp_known)
				in->sp_add = (int32_t)(ci->id == X86_INS_ADD ? o[1].imm : -o[1].imm);
		}
		break;
	case X86_INS_LEA:
		if (reg_of(d, o[0].reg) == X86R_RSP) {
			in->sp_known = o[1].mem.base == X86_REG_RSP && !o[1].mem.index &&
				       o[1].mem.disp == (int32_t)o[1].mem.disp;
			in->sp_add = in->sp_known ? (int32_t)o[1].mem.disp : 0;
		}
		break;
	default:
		in->sp_known = !(in->changes >> X86R_RSP & 1);
	}
}

static void fill_flow(const cs_insn *ci, enum xkd_cpumode mode, struct xkd_insn *in)
{
	const cs_x86_op *imm = find_op(&ci->detail->x86, X86_OP_IMM);
	unsigned id = ci->id;

	in->is_call = in_group(ci, CS_GRP_CALL);
	in->is_jump = in_group(ci, CS_GRP_JUMP) || is_loop(id);
	in->is_cond = in->is_jump && id != X86_INS_JMP && id != X86_INS_LJMP;
	in->is_iret = in_group(ci, CS_GRP_IRET); /* sysret and sysexit too */
	in->is_ret = id == X86_INS_RET || id == X86_INS_RETF || id == X86_INS_RETFQ;
	in->is_syscall = id == X86_INS_SYSCALL || id == X86_INS_SYSENTER;
	if (id == X86_INS_XBEGIN || !imm || !(in->is_call || in->is_jump) ||
	    is_far(&ci->detail->x86))
		return;
	in->has_target = true;
	in->target = (uint64_t)imm->imm;
	if (mode != XKD_MODE_64)
		in->target = (uint32_t)in->target;
}

/* ---- text ---- */

struct rewrite {
	const cs_insn *ci;
	struct xkd_insn *in;
	const cs_x86_op *mem, *imm;
	const char *p;
	enum xkd_cpumode mode;
	bool bracket;
};

static uint64_t cut(uint64_t v, unsigned bytes)
{
	return bytes && bytes < 8 ? v & ((1ULL << 8 * bytes) - 1) : v;
}

/* A number outside brackets: a branch target or an immediate, which capstone may give a sign. */
static void put_immediate(struct rewrite *w, uint64_t v, bool neg)
{
	struct xkd_insn *in = w->in;
	unsigned size = w->imm ? w->imm->size : 0;

	v = neg ? 0 - v : v;
	if (w->imm && neg)
		v = cut(v, size);
	if (in->has_target || w->ci->id == X86_INS_XBEGIN)
		xkd_masm_addr(in, XKD_IA_BRANCH, v, v);
	else if (v > 0xffff && size == (w->mode == XKD_MODE_64 ? 8 : 4))
		xkd_masm_addr(in, XKD_IA_IMM, v, v);
	else
		xkd_masm_value(in, v);
}

static void put_displacement(struct rewrite *w, uint64_t v, bool neg)
{
	struct xkd_insn *in = w->in;
	bool alone = w->mem && !w->mem->mem.base && !w->mem->mem.index;

	if (alone)
		xkd_masm_addr(in, XKD_IA_MEM, (uint64_t)in->mem_disp, (uint64_t)in->mem_disp);
	else if (v)
		xkd_masm_addr(in, XKD_IA_DISP, neg ? 0 - v : v, (uint64_t)in->mem_disp);
}

/* A number at the cursor, its sign already eaten. */
static void put_number(struct rewrite *w, bool neg)
{
	bool hex = w->p[0] == '0' && (w->p[1] == 'x' || w->p[1] == 'X');
	uint64_t v = 0;

	if (hex)
		w->p += 2;
	for (int d; (d = xkd_hex_digit((unsigned char)*w->p)) >= 0 && (hex || d < 10); w->p++)
		v = v * (hex ? 16 : 10) + (unsigned)d;
	if (w->bracket)
		put_displacement(w, v, neg);
	else
		put_immediate(w, v, neg);
}

/* "[rip + 0x1234]" becomes the address it means. */
static bool put_rip(struct rewrite *w)
{
	const char *end = strchr(w->p, ']');

	if (!end || !w->in->has_rip_mem || (strncmp(w->p, "[rip", 4) && strncmp(w->p, "[eip", 4)))
		return false;
	xkd_masm_ch(w->in, '[');
	xkd_masm_addr(w->in, XKD_IA_MEM, w->in->rip_mem, w->in->rip_mem);
	xkd_masm_ch(w->in, ']');
	w->p = end + 1;
	return true;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static void put_plain(struct rewrite *w)
{
	char c = *w->p++;

	if (c == '[')
		w->bracket = true;
	else if (c == ']')
		w->bracket = false;
	if (c == ' ' && (w->bracket || w->p[-2] == ','))
		return;
	xkd_masm_ch(w->in, c);
}

static void rewrite_ops(struct rewrite *w)
{
	const char *start = w->p;

	while (*w->p) {
		char prev = w->p > start ? w->p[-1] : ' ', c = *w->p;

		if (c == '[' && put_rip(w))
			continue;
		if (w->bracket && (c == '+' || c == '-') && w->p[1] == ' ' && w->p[2] >= '0' &&
		    w->p[2] <= '9') {
			w->p += 2;
			put_number(w, c == '-');
		} else if (c == '-' && w->p[1] >= '0' && w->p[1] <= '9') {
			w->p++;
			put_number(w, true);
		} else if (c >= '0' && c <= '9' && !is_word(prev) && prev != '*' && prev != '{' &&
			   prev != '(') {
			put_number(w, false);
		} else {
			put_plain(w);
		}
	}
}

/* String instructions: MASM names the size by the operand and leaves the accumulator out. */
static bool rewrite_string(struct rewrite *w)
{
	static const struct {
		uint8_t op;
		const char *name;
	} ops[] = { { 0xa4, "movs" }, { 0xa6, "cmps" }, { 0xaa, "stos" }, { 0xac, "lods" },
		    { 0xae, "scas" }, { 0x6c, "ins" },	{ 0x6e, "outs" } };
	const cs_x86 *x = &w->ci->detail->x86;
	const char *s = w->ci->op_str, *comma = strchr(s, ',');
	char one[sizeof(w->ci->op_str)];
	const char *name = NULL;
	char *at;

	if (x->opcode[0] == 0x0f || x->opcode[1])
		return false;
	for (size_t i = 0; i < XKD_COUNT(ops); i++)
		if ((x->opcode[0] & 0xfe) == ops[i].op)
			name = ops[i].name;
	if (!name || !comma)
		return false;
	at = strstr(w->in->mnem, name);
	if (!at)
		return false;
	at[strlen(name)] = 0;
	if (!strcmp(name, "stos"))
		snprintf(one, sizeof(one), "%.*s", (int)(comma - s), s);
	else if (!strcmp(name, "lods") || !strcmp(name, "scas"))
		snprintf(one, sizeof(one), "%s", xkd_skip_space(comma + 1));
	else
		snprintf(one, sizeof(one), "%s", s);
	w->p = one;
	rewrite_ops(w);
	return true;
}

static bool has_prefix_byte(const struct xkd_insn *in, uint8_t b)
{
	static const char all[] = "\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3";

	for (int i = 0; i < in->len && memchr(all, in->bytes[i], sizeof(all) - 1); i++)
		if (in->bytes[i] == b)
			return true;
	return false;
}

/* Names that differ between capstone and MASM, or that capstone leaves unclear. */
static void rename_mnem(const cs_insn *ci, enum xkd_cpumode mode, struct xkd_insn *in)
{
	const cs_x86 *x = &ci->detail->x86;
	bool two = x->opcode[0] == 0x0f, wide = x->rex & 8;

	if (is_far(x))
		strcpy(in->mnem, in->is_call ? "call" : "jmp");
	else if (two && x->opcode[1] == 0x07)
		strcpy(in->mnem, wide ? "sysretq" : "sysretd");
	else if (two && x->opcode[1] == 0x35)
		strcpy(in->mnem, wide ? "sysexitq" : "sysexit");
	switch (ci->id) {
	case X86_INS_MOVABS:
		strcpy(in->mnem, "mov");
		break;
	case X86_INS_INT3:
		strcpy(in->mnem, "int");
		strcpy(in->ops, "3");
		break;
	case X86_INS_JMP:
	case X86_INS_CALL:
		if (mode == XKD_MODE_64 && !in->has_target && has_prefix_byte(in, 0x3e))
			strcpy(in->mnem, ci->id == X86_INS_JMP ? "notrack jmp" : "notrack call");
		break;
	default:
		break;
	}
}

static void fill_text(const cs_insn *ci, enum xkd_cpumode mode, struct xkd_insn *in)
{
	const cs_x86 *x = &ci->detail->x86;
	struct rewrite w = { .ci = ci,
			     .in = in,
			     .mode = mode,
			     .p = ci->op_str,
			     .mem = find_op(x, X86_OP_MEM),
			     .imm = find_op(x, X86_OP_IMM) };

	snprintf(in->mnem, sizeof(in->mnem), "%s", ci->mnemonic);
	if (rewrite_string(&w))
		return;
	if (!strncmp(w.p, "ptr [", 5)) {
		w.p += 4; /* xsaves and its like: no size to tell */
		in->mem_size = 0;
	}
	if (w.mem && is_far(x)) {
		/* selector and offset: capstone says 10 bytes whatever the size, 5 says 8 */
		bool narrow = (mode == XKD_MODE_16) != has_prefix_byte(in, 0x66);

		in->mem_size = x->rex & 8 ? 10 : narrow ? 4 : 6;
		xkd_masm_str(in, in->mem_size == 10  ? "tbyte ptr "
				 : in->mem_size == 6 ? "fword ptr "
						     : "dword ptr ");
	}
	rewrite_ops(&w);
	rename_mnem(ci, mode, in);
}

/* Of those that capstone is not asked of: no operand, no effect on general registers. */
static bool harmless(const char *mnem)
{
	return !strcmp(mnem, "clac") || !strcmp(mnem, "stac") || !strcmp(mnem, "endbr64");
}

enum xkd_rc xkd_x86_disasm(enum xkd_cpumode mode, uint64_t addr, const uint8_t *bytes, size_t n,
			   struct xkd_insn *in, struct xkd_err *err)
{
	struct decoder *d;
	const uint8_t *p = bytes;
	uint64_t at = addr;
	size_t left;

	memset(in, 0, sizeof(*in));
	in->addr = addr;
	in->mem_base = in->mem_index = in->mem_seg = in->pushed = in->popped = -1;
	n = left = n < 15 ? n : 15;
	if (xkd_x86_extra(mode, bytes, n, in)) {
		in->sp_known = harmless(in->mnem);
		in->changes = in->sp_known ? 0 : 0xffff;
		memcpy(in->bytes, bytes, in->len);
		return XKD_OK;
	}
	d = decoder_for(mode);
	if (!d)
		return xkd_err_set(err, XKD_UNSUPPORTED, "the disassembler cannot be started");
	if (n && cs_disasm_iter(d->h, &p, &left, &at, d->insn)) {
		in->len = (uint8_t)d->insn->size;
		memcpy(in->bytes, bytes, in->len);
		fill_flow(d->insn, mode, in);
		fill_mem(d, d->insn, mode, in);
		fill_text(d->insn, mode, in);
		in->changes = changes(d, d->insn);
		fill_stack(d, d->insn, in);
		return XKD_OK;
	}
	in->changes = 0xffff;
	if (xkd_x86_vector(mode, bytes, n, in)) {
		memcpy(in->bytes, bytes, in->len);
		return XKD_OK;
	}
	in->len = 1;
	if (n)
		in->bytes[0] = bytes[0];
	strcpy(in->mnem, "???");
	return xkd_err_addr(err, XKD_BADDATA, addr, "no instruction at %s", XKD_ADDR(addr));
}
