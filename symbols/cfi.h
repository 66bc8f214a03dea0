/* Call frame information: .debug_frame and .eh_frame (DWARF 5 section 6.4). Our own reader: the FDE
 * table of a whole kernel is built in one pass, rows are computed on demand. */
#ifndef XKD_SYMBOLS_CFI_H
#define XKD_SYMBOLS_CFI_H
#include "symbols/image.h"

enum xkd_cfi_rule_kind {
	XKD_CFI_UNSPEC, /* not mentioned: by ABI same value for callee-saved, else undefined */
	XKD_CFI_UNDEF,
	XKD_CFI_SAME,
	XKD_CFI_OFFSET,	    /* at CFA + off */
	XKD_CFI_VAL_OFFSET, /* is CFA + off */
	XKD_CFI_REG,	    /* in register reg */
	XKD_CFI_EXPR,	    /* at the address the expression gives */
	XKD_CFI_VAL_EXPR,
};
struct xkd_cfi_rule {
	enum xkd_cfi_rule_kind kind;
	int64_t off;
	unsigned reg;
	const uint8_t *expr;
	size_t expr_len;
};
#define XKD_CFI_NREGS 17 /* x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8-r15 RA */
struct xkd_cfi_row {
	uint64_t low, high;   /* where the row holds */
	uint64_t fde_low, fde_high;
	/* CFA: register + offset when cfa.kind == REG, else VAL_EXPR: what the expression gives */
	struct xkd_cfi_rule cfa;
	struct xkd_cfi_rule reg[XKD_CFI_NREGS];
	unsigned ra_reg;
	bool signal_frame;
};
/* eh: .eh_frame encodings (sec_addr is its image address). Data must outlive the result. */
enum xkd_rc xkd_cfi_open(const uint8_t *data, size_t size, uint64_t sec_addr, bool eh,
			 struct xkd_cfi **c, struct xkd_err *err) XKD_MUST;
void xkd_cfi_close(struct xkd_cfi *c);
enum xkd_rc xkd_cfi_row_at(struct xkd_cfi *c, uint64_t iaddr, struct xkd_cfi_row *row,
			   struct xkd_err *err) XKD_MUST;
size_t xkd_cfi_nfdes(const struct xkd_cfi *c);
#endif
