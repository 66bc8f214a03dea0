/* MASM spelling of numbers and operands, appended to an instruction's text. The text has a fixed
 * size; appends beyond it are dropped, so nothing here can fail. */
#include "engine/arch/x86/x86.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t xkd_masm_num(char *buf, uint64_t v)
{
	char hex[17];

	if (v < 10)
		return (size_t)snprintf(buf, XKD_MASM_LEN, "%u", (unsigned)v);
	snprintf(hex, sizeof(hex), "%" PRIX64, v);
	return (size_t)snprintf(buf, XKD_MASM_LEN, "%s%sh", hex[0] > '9' ? "0" : "", hex);
}

void xkd_masm_ch(struct xkd_insn *in, char c)
{
	size_t n = strlen(in->ops);

	if (n + 1 < sizeof(in->ops)) {
		in->ops[n] = c;
		in->ops[n + 1] = 0;
	}
}

void xkd_masm_str(struct xkd_insn *in, const char *s)
{
	while (*s)
		xkd_masm_ch(in, *s++);
}

void xkd_masm_value(struct xkd_insn *in, uint64_t v)
{
	char num[XKD_MASM_LEN];

	xkd_masm_num(num, v);
	xkd_masm_str(in, num);
}

void xkd_masm_addr(struct xkd_insn *in, enum xkd_insn_addr kind, uint64_t text, uint64_t val)
{
	size_t at = strlen(in->ops);

	/* A displacement's sign goes with it. */
	if (kind == XKD_IA_DISP)
		xkd_masm_ch(in, (int64_t)text < 0 ? '-' : '+');
	xkd_masm_value(in, kind == XKD_IA_DISP && (int64_t)text < 0 ? 0 - text : text);
	/* A branch or a memory address says more than an immediate beside it. */
	if (in->addr_kind != XKD_IA_NONE && kind >= in->addr_kind)
		return;
	in->addr_kind = kind;
	in->addr_off = (uint16_t)at;
	in->addr_len = (uint16_t)(strlen(in->ops) - at);
	in->addr_val = val;
}
