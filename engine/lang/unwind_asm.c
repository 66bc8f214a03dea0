/* What tables do not tell of assembly: ORC has the stack and rbp alone. A register that a call keeps and
 * that no instruction of a function writes has its caller's value all the while; string and page
 * copies, where a machine is often stopped, are such functions.
 * Invariants: all of the function is read as it is in the target and must decode without a gap; what it
 * calls keeps those registers by the ABI. Where a call led to another function, which went on here by a
 * jump, that one must not write them either. */
#include "engine/lang/unwind_step.h"
#include <string.h>

#define FUNC_MAX 0x1000u
#define INSN_MAX 15
#define ALL 0xffffu

/* Bits of the general registers that the function around addr writes; all where that is not certain. */
static uint32_t written_by(const struct xkd_ctx *ctx, uint64_t addr)
{
	struct xkd_symref sym;
	uint8_t code[FUNC_MAX];
	struct xkd_insn insn;
	uint32_t mask = 0;
	size_t got = 0;

	if (xkd_sym_at(ctx->t, addr, &sym, NULL) || !sym.size || sym.size > sizeof(code) ||
	    addr - sym.addr >= sym.size)
		return ALL;
	if (xkd_ctx_read(ctx, sym.addr, code, (size_t)sym.size, &got, NULL) || got < sym.size)
		return ALL;
	for (size_t at = 0; at < sym.size; at += insn.len) {
		if (ctx->t->arch->disasm(XKD_MODE_64, sym.addr + at, code + at,
					 (size_t)sym.size - at, &insn, NULL))
			return ALL;
		mask |= insn.changes;
	}
	return mask;
}

/* The function that a direct call before ret led to; 0: not known. */
static uint64_t called(const struct xkd_ctx *ctx, uint64_t ret)
{
	uint64_t target;

	return xkd_unwind_after_call(ctx->t, ret, &target) ? target : 0;
}

void xkd_unwind_untouched(const struct xkd_ctx *ctx, const struct xkd_regs *from, uint64_t lookup,
			  uint64_t ret, struct xkd_regs *to)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint64_t target = called(ctx, ret);
	uint32_t written;

	if (!target)
		return;
	written = written_by(ctx, lookup);
	if (written != ALL)
		written |= written_by(ctx, target);
	for (unsigned d = 0; d < 16; d++) {
		int reg = arch->reg_from_dwarf(d);

		if ((arch->dwarf_saved >> d & 1) && reg >= 0 && reg < 16 && reg != arch->sp &&
		    reg != arch->fp && !(written >> reg & 1) && xkd_reg_known(from, reg) &&
		    !xkd_reg_known(to, reg))
			xkd_reg_put(to, reg, from->v[reg]);
	}
}
