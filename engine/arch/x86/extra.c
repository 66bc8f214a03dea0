/* Instructions that capstone 4 does not know, or takes for others (rdpid is rdseed to it), as a
 * table of encodings, with the little of an operand decoder that they need. It is asked before
 * capstone, so that every version of that library gives the same text. Vector encodings (VEX, EVEX)
 * that capstone fails at get their true length and a bracketed name, so that what follows is still
 * decoded right. 16-bit addressing is left to capstone. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

enum pp { PP_NONE, PP_66, PP_F3, PP_F2, PP_ANY };
enum form {
	F_EXACT, /* ModRM is ext */
	F_REG,	 /* mod 3, reg field ext */
	F_MEM,	 /* memory, reg field ext; 8: any */
	F_RM,	 /* any ModRM */
	F_BARE,	 /* no ModRM */
};
/* Operands: q d w = r/m register of 64 (native), 32, 16 bits; y = 32 or 64 by REX.W;
 * M B Q Y Z = memory without size, byte, qword, dword or qword by REX.W, zmmword;
 * g = ModRM.reg by REX.W, G = native; E = r/m by operand size */
struct row {
	uint8_t map; /* 0: 0F, 1: 0F 38 */
	uint8_t op;
	enum pp pp;
	enum form form;
	uint8_t ext;
	const char *mnem, *ops;
};
static const struct row rows[] = {
	{ 0, 0x00, PP_F2, F_REG, 6, "lkgs", "w" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xc0, "enclv", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xc5, "pconfig", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xc6, "wrmsrns", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xc6, "rdmsrlist", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xc6, "wrmsrlist", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xc7, "pbndkb", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xca, "clac", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xcb, "stac", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xca, "erets", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xca, "eretu", "" },
	{ 0, 0x01, PP_66, F_EXACT, 0xcc, "tdcall", "" },
	{ 0, 0x01, PP_66, F_EXACT, 0xcd, "seamret", "" },
	{ 0, 0x01, PP_66, F_EXACT, 0xce, "seamops", "" },
	{ 0, 0x01, PP_66, F_EXACT, 0xcf, "seamcall", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xd9, "vmgexit", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xd9, "vmgexit", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xe8, "serialize", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xe8, "xsusldtrk", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xe8, "setssbsy", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xe9, "xresldtrk", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xea, "saveprevssp", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xec, "uiret", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xed, "testui", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xee, "rdpkru", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xee, "clui", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xef, "wrpkru", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xef, "stui", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xfa, "monitorx", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xfa, "mcommit", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xfb, "mwaitx", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xfc, "clzero", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xfd, "rdpru", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xfd, "rmpquery", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xfe, "invlpgb", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xfe, "rmpupdate", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xfe, "rmpadjust", "" },
	{ 0, 0x01, PP_NONE, F_EXACT, 0xff, "tlbsync", "" },
	{ 0, 0x01, PP_F2, F_EXACT, 0xff, "pvalidate", "" },
	{ 0, 0x01, PP_F3, F_EXACT, 0xff, "psmash", "" },
	{ 0, 0x01, PP_F3, F_MEM, 5, "rstorssp", "Q" },
	{ 0, 0x09, PP_F3, F_BARE, 0, "wbnoinvd", "" },
	{ 0, 0x1c, PP_NONE, F_MEM, 0, "cldemote", "B" },
	{ 0, 0x1e, PP_F3, F_REG, 1, "rdssp", "y" }, /* rdsspd, rdsspq */
	{ 0, 0x1e, PP_F3, F_EXACT, 0xfa, "endbr64", "" },
	{ 0, 0x1e, PP_F3, F_EXACT, 0xfb, "endbr32", "" },
	{ 0, 0xae, PP_F3, F_REG, 4, "ptwrite", "y" },
	{ 0, 0xae, PP_F3, F_MEM, 4, "ptwrite", "Y" },
	{ 0, 0xae, PP_F3, F_REG, 5, "incssp", "y" }, /* incsspd, incsspq */
	{ 0, 0xae, PP_66, F_REG, 6, "tpause", "d" },
	{ 0, 0xae, PP_F2, F_REG, 6, "umwait", "d" },
	{ 0, 0xae, PP_F3, F_REG, 6, "umonitor", "q" },
	{ 0, 0xae, PP_66, F_MEM, 6, "clwb", "B" },
	{ 0, 0xae, PP_66, F_MEM, 7, "clflushopt", "B" },
	{ 0, 0xae, PP_F3, F_MEM, 6, "clrssbsy", "Q" },
	{ 0, 0xb9, PP_ANY, F_RM, 0, "ud1", "gE" },
	{ 0, 0xc7, PP_F3, F_REG, 6, "senduipi", "q" },
	{ 0, 0xc7, PP_F3, F_REG, 7, "rdpid", "q" },
	{ 0, 0xff, PP_ANY, F_RM, 0, "ud0", "gE" },
	{ 1, 0xf5, PP_66, F_MEM, 8, "wruss", "Yg" }, /* wrussd, wrussq */
	{ 1, 0xf6, PP_NONE, F_MEM, 8, "wrss", "Yg" },
	{ 1, 0xf8, PP_66, F_MEM, 8, "movdir64b", "GZ" },
	{ 1, 0xf8, PP_F2, F_MEM, 8, "enqcmd", "GZ" },
	{ 1, 0xf8, PP_F3, F_MEM, 8, "enqcmds", "GZ" },
	{ 1, 0xf9, PP_NONE, F_MEM, 8, "movdiri", "Yg" },
	{ 1, 0xfc, PP_NONE, F_MEM, 8, "aadd", "Yg" },
};

struct dec {
	enum xkd_cpumode mode;
	const uint8_t *b;
	size_t n, at; /* at: next byte */
	bool opsize, addrsize, f2, f3;
	int seg; /* -1: none */
	uint8_t rex;
	/* ModRM */
	uint8_t mod, reg, rm;
	unsigned abits;
	int base, index, scale; /* encoded numbers, -1 none */
	int64_t disp;
	bool rip;
};

/* Legacy prefixes and REX; false when the bytes end first. */
static bool prefixes(struct dec *d)
{
	for (; d->at < d->n && d->at < 14; d->at++) {
		switch (d->b[d->at]) {
		case 0x66:
			d->opsize = true;
			break;
		case 0x67:
			d->addrsize = true;
			break;
		case 0xf2:
			d->f2 = true;
			d->f3 = false;
			break;
		case 0xf3:
			d->f3 = true;
			d->f2 = false;
			break;
		case 0xf0:
			break;
		case 0x26:
			d->seg = X86R_ES;
			break;
		case 0x2e:
			d->seg = X86R_CS;
			break;
		case 0x36:
			d->seg = X86R_SS;
			break;
		case 0x3e:
			d->seg = X86R_DS;
			break;
		case 0x64:
			d->seg = X86R_FS;
			break;
		case 0x65:
			d->seg = X86R_GS;
			break;
		default:
			if (d->mode == XKD_MODE_64 && (d->b[d->at] & 0xf0) == 0x40)
				d->rex = d->b[d->at++];
			return d->at < d->n;
		}
	}
	return false;
}

static bool take(struct dec *d, unsigned bytes, int64_t *v)
{
	uint64_t u;

	if (d->n - d->at < bytes)
		return false;
	u = xkd_get_le(d->b + d->at, bytes);
	*v = bytes == 1 ? (int8_t)u : (int32_t)u;
	d->at += bytes;
	return true;
}

/* ModRM, SIB and displacement; false for 16-bit addressing or missing bytes. */
static bool modrm(struct dec *d)
{
	uint8_t m, sib;
	unsigned dsize;

	if (d->at >= d->n)
		return false;
	m = d->b[d->at++];
	d->mod = m >> 6;
	d->reg = (m >> 3 & 7) | (d->rex & 4) << 1;
	d->rm = m & 7;
	d->base = d->index = -1;
	d->scale = 1;
	d->disp = 0;
	if (d->mod == 3) {
		d->rm |= (d->rex & 1) << 3;
		return true;
	}
	d->abits = d->mode == XKD_MODE_64		     ? d->addrsize ? 32 : 64
		   : (d->mode == XKD_MODE_32) != d->addrsize ? 32
							     : 16;
	if (d->abits == 16)
		return false;
	dsize = d->mod == 1 ? 1 : d->mod == 2 ? 4 : 0;
	if (d->rm == 4) {
		if (d->at >= d->n)
			return false;
		sib = d->b[d->at++];
		d->scale = 1 << (sib >> 6);
		d->index = (sib >> 3 & 7) | (d->rex & 2) << 2;
		if (d->index == 4)
			d->index = -1;
		d->base = (sib & 7) | (d->rex & 1) << 3;
		if ((sib & 7) == 5 && d->mod == 0) {
			d->base = -1;
			dsize = 4;
		}
	} else if (d->rm == 5 && d->mod == 0) {
		d->rip = d->mode == XKD_MODE_64;
		dsize = 4;
	} else {
		d->base = d->rm | (d->rex & 1) << 3;
	}
	return !dsize || take(d, dsize, &d->disp);
}

static const uint8_t enc_reg[16] = { X86R_RAX, X86R_RCX, X86R_RDX, X86R_RBX, X86R_RSP, X86R_RBP,
				     X86R_RSI, X86R_RDI, X86R_R8,  X86R_R9,  X86R_R10, X86R_R11,
				     X86R_R12, X86R_R13, X86R_R14, X86R_R15 };

static void put_gpr(struct xkd_insn *in, unsigned enc, unsigned bits)
{
	const char *name = xkd_x86_reg_names[enc_reg[enc & 15]];

	if (enc >= 8) {
		xkd_masm_str(in, name);
		xkd_masm_str(in, bits == 64 ? "" : bits == 32 ? "d" : "w");
	} else {
		xkd_masm_str(in, bits == 64 ? "r" : bits == 32 ? "e" : "");
		xkd_masm_str(in, name + 1);
	}
}

static void put_mem(struct dec *d, struct xkd_insn *in, const char *ptr, unsigned size)
{
	uint64_t end = in->addr + d->at; /* no row has an immediate */
	uint64_t disp = (uint64_t)d->disp;

	if (d->rip)
		disp += end;
	if (d->abits == 32 && d->base < 0 && d->index < 0)
		disp = (uint32_t)disp;
	in->has_mem = true;
	in->has_rip_mem = d->rip;
	in->rip_mem = d->rip ? disp : 0;
	in->mem_base = d->base < 0 ? -1 : enc_reg[d->base & 15];
	in->mem_index = d->index < 0 ? -1 : enc_reg[d->index & 15];
	in->mem_scale = d->scale;
	in->mem_disp = (int64_t)disp;
	in->mem_addr_bits = (uint8_t)d->abits;
	in->mem_size = size;
	in->mem_seg = d->base == 4 || d->base == 5 ? X86R_SS : X86R_DS;
	xkd_masm_str(in, ptr);
	if (d->seg >= 0 && (d->mode != XKD_MODE_64 || d->seg >= X86R_FS)) {
		in->mem_seg = d->seg;
		xkd_masm_str(in, xkd_x86_reg_names[d->seg]);
		xkd_masm_ch(in, ':');
	}
	xkd_masm_ch(in, '[');
	if (d->base >= 0)
		put_gpr(in, (unsigned)d->base, d->abits);
	if (d->index >= 0) {
		if (d->base >= 0)
			xkd_masm_ch(in, '+');
		put_gpr(in, (unsigned)d->index, d->abits);
		if (d->scale > 1) {
			xkd_masm_ch(in, '*');
			xkd_masm_value(in, (unsigned)d->scale);
		}
	}
	if (d->base < 0 && d->index < 0)
		xkd_masm_addr(in, XKD_IA_MEM, disp, disp);
	else if (d->disp)
		xkd_masm_addr(in, XKD_IA_DISP, disp, disp);
	xkd_masm_ch(in, ']');
}

static void put_operand(struct dec *d, struct xkd_insn *in, char kind)
{
	unsigned word = d->rex & 8 ? 64 : 32, native = d->mode == XKD_MODE_64 ? 64 : 32;
	unsigned osize = d->rex & 8 ? 64 : (d->mode == XKD_MODE_16) != d->opsize ? 16 : 32;

	switch (kind) {
	case 'q':
		put_gpr(in, d->rm, native);
		break;
	case 'd':
		put_gpr(in, d->rm, 32);
		break;
	case 'w':
		put_gpr(in, d->rm, 16);
		break;
	case 'y':
		put_gpr(in, d->rm, word);
		break;
	case 'g':
		put_gpr(in, d->reg, in->mnem[0] == 'u' ? osize : word);
		break;
	case 'G':
		put_gpr(in, d->reg, d->abits);
		break;
	case 'M':
		put_mem(d, in, "", 0);
		break;
	case 'B':
		put_mem(d, in, "byte ptr ", 1);
		break;
	case 'Q':
		put_mem(d, in, "qword ptr ", 8);
		break;
	case 'Y':
		put_mem(d, in, word == 64 ? "qword ptr " : "dword ptr ", word / 8);
		break;
	case 'Z':
		put_mem(d, in, "zmmword ptr ", 64);
		break;
	case 'E':
		if (d->mod == 3)
			put_gpr(in, d->rm, osize);
		else
			put_mem(d, in,
				osize == 64   ? "qword ptr "
				: osize == 32 ? "dword ptr "
					      : "word ptr ",
				osize / 8);
		break;
	default:
		break;
	}
}

static void put_row(struct dec *d, const struct row *r, struct xkd_insn *in)
{
	size_t n = strlen(r->mnem);
	bool sized = !strncmp(r->mnem, "wr", 2) ? !strcmp(r->mnem + n - 2, "ss")
						: !strcmp(r->mnem + n - 3, "ssp");

	if (!strcmp(r->mnem, "rstorssp"))
		sized = false;
	snprintf(in->mnem, sizeof(in->mnem), "%s%s", r->mnem, !sized ? "" : d->rex & 8 ? "q" : "d");
	for (const char *k = r->ops; *k; k++) {
		if (k != r->ops)
			xkd_masm_ch(in, ',');
		put_operand(d, in, *k);
	}
	if (in->mnem[0] == 'u' && in->mnem[1] == 'd')
		in->has_mem = false; /* ud0 and ud1 access nothing */
	in->len = (uint8_t)d->at;
	in->is_iret = !strncmp(in->mnem, "eret", 4) || !strcmp(in->mnem, "uiret");
}

static bool row_fits(struct dec *d, const struct row *r)
{
	enum pp pp = d->f3 ? PP_F3 : d->f2 ? PP_F2 : d->opsize ? PP_66 : PP_NONE;
	struct dec t = *d;
	bool fits;

	if (r->pp != PP_ANY && r->pp != pp)
		return false;
	if (r->form == F_BARE)
		return true;
	if (r->form == F_EXACT) {
		fits = t.at < t.n && t.b[t.at] == r->ext;
		t.at++;
	} else {
		fits = modrm(&t) && (r->form == F_RM || ((r->form == F_REG) == (t.mod == 3) &&
							 (r->ext == 8 || (t.reg & 7) == r->ext)));
	}
	if (fits)
		*d = t;
	return fits;
}

bool xkd_x86_extra(enum xkd_cpumode mode, const uint8_t *bytes, size_t n, struct xkd_insn *in)
{
	struct dec d = { .mode = mode, .b = bytes, .n = n < 15 ? n : 15, .seg = -1 };
	uint8_t map = 0, op;

	if (!prefixes(&d) || d.b[d.at] != 0x0f || d.n - d.at < 2)
		return false;
	op = d.b[d.at + 1];
	d.at += 2;
	if (op == 0x38) {
		if (d.at >= d.n)
			return false;
		map = 1;
		op = d.b[d.at++];
	}
	for (size_t i = 0; i < XKD_COUNT(rows); i++)
		if (rows[i].map == map && rows[i].op == op && row_fits(&d, &rows[i])) {
			put_row(&d, &rows[i], in);
			return true;
		}
	return false;
}

/* Which of the vector instructions carry an immediate byte: all of map 3, a few of map 1. */
static bool vector_imm(unsigned map, uint8_t op)
{
	if (map == 3)
		return true;
	return map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6));
}

bool xkd_x86_vector(enum xkd_cpumode mode, const uint8_t *bytes, size_t n, struct xkd_insn *in)
{
	static const char *const maps[] = { "?",     "0F.",   "0F38.", "0F3A.",
					    "MAP4.", "MAP5.", "MAP6.", "MAP7." };
	struct dec d = { .mode = mode, .b = bytes, .n = n < 15 ? n : 15, .seg = -1 };
	unsigned map, head;
	const char *name;
	char op[4];

	if (!prefixes(&d) || d.n - d.at < 4 || d.rex)
		return false;
	if (mode != XKD_MODE_64 && (d.b[d.at + 1] & 0xc0) != 0xc0)
		return false; /* lds, les, bound */
	switch (d.b[d.at]) {
	case 0xc5:
		head = 2;
		map = 1;
		name = "(vex)";
		break;
	case 0xc4:
		head = 3;
		map = d.b[d.at + 1] & 0x1f;
		name = "(vex)";
		break;
	case 0x62:
		head = 4;
		map = d.b[d.at + 1] & 7;
		name = "(evex)";
		break;
	default:
		return false;
	}
	if (!map || map > 7 || (head != 4 && map > 3) || d.n - d.at <= head)
		return false;
	d.at += head;
	snprintf(op, sizeof(op), "%02X", d.b[d.at++]);
	if (!(map == 1 && head != 4 && !strcmp(op, "77")) && !modrm(&d))
		return false;
	d.at += vector_imm(map, (uint8_t)(xkd_hex_digit(op[0]) << 4 | xkd_hex_digit(op[1])));
	if (d.at > d.n)
		return false;
	in->len = (uint8_t)d.at;
	snprintf(in->mnem, sizeof(in->mnem), "%s", name);
	xkd_masm_str(in, maps[map]);
	xkd_masm_str(in, op);
	return true;
}
