/* ORC unwind tables v1 to v4 (arch/x86/include/asm/orc_types.h of the kernels named below). */
#ifndef XKD_SYMBOLS_ORC_H
#define XKD_SYMBOLS_ORC_H
#include "symbols/image.h"

enum xkd_orc_version {
	XKD_ORC_V1 = 1, /* 4.14 */
	XKD_ORC_V2,	/* 6.3 */
	XKD_ORC_V3,	/* 6.4 */
	XKD_ORC_V4,	/* 7.1 */
};
/* Registers by meaning, whatever number the version gives them. */
enum xkd_orc_reg {
	XKD_ORC_UNDEF, XKD_ORC_PREV_SP, XKD_ORC_DX, XKD_ORC_DI, XKD_ORC_BP, XKD_ORC_SP, XKD_ORC_R10,
	XKD_ORC_R13, XKD_ORC_BP_INDIRECT, XKD_ORC_SP_INDIRECT, XKD_ORC_AX, /* AX: from v4 on */
};
enum xkd_orc_type { XKD_ORC_CALL, XKD_ORC_REGS, XKD_ORC_REGS_PARTIAL, XKD_ORC_END, XKD_ORC_NONE };
struct xkd_orc_entry {
	uint64_t ip; /* image address where the entry begins to hold */
	int16_t sp_off, bp_off;
	enum xkd_orc_reg sp_reg, bp_reg;
	enum xkd_orc_type type; /* NONE: undefined, no unwinding from here */
	bool signal;		/* the return address is not after a call */
};
/* ips: .orc_unwind_ip (s32 each, relative to its own place ip_addr + 4*i); entries: .orc_unwind (6
 * bytes each). sorted: false for a .ko's file tables (sorted here). header: the 20 bytes of
 * .orc_header or NULL. version 0: told from the header and, failing that, from the entries' own
 * values (v2/v3 type fields against v1's end bit). Data must outlive the result. */
enum xkd_rc xkd_orc_open(const uint8_t *ips, const uint8_t *entries, size_t n, uint64_t ip_addr,
			 bool sorted, const uint8_t *header, enum xkd_orc_version version,
			 struct xkd_orc **o, struct xkd_err *err) XKD_MUST;
void xkd_orc_close(struct xkd_orc *o);
enum xkd_orc_version xkd_orc_version(const struct xkd_orc *o);
/* When members of the kernel's own struct orc_entry are known (has signal / end): */
void xkd_orc_set_version(struct xkd_orc *o, enum xkd_orc_version v);
/* The entry that holds at iaddr; NOTFOUND below the first. */
enum xkd_rc xkd_orc_at(const struct xkd_orc *o, uint64_t iaddr, struct xkd_orc_entry *e);
#endif
