/* The `r` display in kd's layout: general registers three a row, flags, selectors. A register whose
 * value is not known shows question marks of its width. */
#include "engine/arch/x86/x86.h"
#include <inttypes.h>

static void put_reg(struct xkd_out *out, const struct xkd_regs *r, int reg, const char *lead)
{
	unsigned digits = xkd_x86_reg_bits(reg) / 4;

	xkd_out(out, "%s%s=", lead, xkd_x86_reg_names[reg]);
	if (xkd_reg_known(r, reg))
		xkd_out_key(out, XKD_ST_NUM, xkd_x86_reg_names[reg], "%0*" PRIx64, (int)digits,
			    r->v[reg]);
	else
		xkd_out_key(out, XKD_ST_DIM, xkd_x86_reg_names[reg], "%.*s", (int)digits,
			    "????????????????");
}

static void put_flags(struct xkd_out *out, const struct xkd_regs *r)
{
	/* bit, set, clear; in kd's order */
	static const struct {
		uint8_t bit;
		char set[4], clear[4];
	} f[] = {
		{ 20, "vip", "   " }, { 19, "vif", "   " }, { 11, "ov", "nv" }, { 10, "dn", "up" },
		{ 9, "ei", "di" },    { 7, "ng", "pl" },    { 6, "zr", "nz" },	{ 4, "ac", "na" },
		{ 2, "pe", "po" },    { 0, "cy", "nc" },
	};
	uint64_t v = r->v[X86R_EFL];

	if (!xkd_reg_known(r, X86R_EFL)) {
		xkd_out(out, "iopl=?         ?? ?? ?? ?? ?? ?? ?? ??");
		xkd_out_end(out);
		return;
	}
	xkd_out(out, "iopl=%u", (unsigned)(v >> 12 & 3));
	for (size_t i = 0; i < XKD_COUNT(f); i++)
		xkd_out(out, " %s", v >> f[i].bit & 1 ? f[i].set : f[i].clear);
	xkd_out_end(out);
}

void xkd_x86_regs_print(const struct xkd_regs *r, struct xkd_out *out)
{
	static const uint8_t rows[6][3] = {
		{ X86R_RAX, X86R_RBX, X86R_RCX }, { X86R_RDX, X86R_RSI, X86R_RDI },
		{ X86R_RIP, X86R_RSP, X86R_RBP }, { X86R_R8, X86R_R9, X86R_R10 },
		{ X86R_R11, X86R_R12, X86R_R13 }, { X86R_R14, X86R_R15, X86R_N },
	};

	for (size_t i = 0; i < XKD_COUNT(rows); i++) {
		for (int j = 0; j < 3 && rows[i][j] != X86R_N; j++) {
			bool narrow = rows[i][j] == X86R_R8 || rows[i][j] == X86R_R9;

			put_reg(out, r, rows[i][j], j ? narrow ? "  " : " " : narrow ? " " : "");
		}
		xkd_out_end(out);
	}
	put_flags(out, r);
	put_reg(out, r, X86R_CS, "");
	for (int i = X86R_SS; i <= X86R_GS; i++)
		put_reg(out, r, i, "  ");
	put_reg(out, r, X86R_EFL, "             ");
	xkd_out_end(out);
}
