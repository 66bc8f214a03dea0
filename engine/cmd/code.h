/* One instruction as a row: what u, uf, r and stops share. */
#ifndef XKD_ENGINE_CODE_H
#define XKD_ENGINE_CODE_H
#include "engine/cmd/session.h"

/* "ffffffff`c0c8f81e f30fc775d0      vmxon   qword ptr [rbp-30h]", ended. with_ea: and what its
 * memory operand is now, by ctx's registers: " ss:ffffb232`80140ef0=0000000000000001", ???? when
 * unreadable. Never fails: code that cannot be read shows as `??`. */
void xkd_show_insn(struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t addr, bool with_ea);

/* The instruction at addr. A byte that begins none is one of length 1 with the name "???"; an error
 * only when not even one byte can be read. */
enum xkd_rc xkd_code_read(const struct xkd_ctx *ctx, uint64_t addr, struct xkd_insn *in,
			  struct xkd_err *err) XKD_MUST;
/* The row of an instruction that was read, ended. */
void xkd_code_row(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_insn *in,
		  bool with_ea);
/* The row of an address whose bytes cannot be read, ended. */
void xkd_code_row_unreadable(struct xkd_session *s, uint64_t addr);
/* The lines about a CPU whose registers are not our kernel's (ctx->foreign); in stop.c. */
void xkd_show_foreign(struct xkd_session *s, const struct xkd_ctx *ctx);
#endif
