/* Instructions as rows: address, bytes, text with addresses as symbols, and at the current
 * instruction where its memory operand lies and what is there.
 * What the architecture spells as a number becomes a symbol here only when it is sure to be one: a
 * branch target or a whole memory address always, an immediate or a displacement when a symbol of
 * the kernel's address range covers it. */
#include "engine/cmd/code.h"
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/os/os.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BYTES_COLUMN 18 /* an address and a blank */
#define BYTES_WIDTH 16
#define VALUE_MAX 16 /* wider operands show their address alone */

/* A mode told from the registers holds near the program counter; no code above 4 GiB has another.
 */
static enum xkd_cpumode mode_at(const struct xkd_ctx *ctx, uint64_t addr)
{
	return addr >> 32 ? XKD_MODE_64 : ctx->t->arch->mode(&ctx->regs);
}

enum xkd_rc xkd_code_read(const struct xkd_ctx *ctx, uint64_t addr, struct xkd_insn *in,
			  struct xkd_err *err)
{
	uint8_t bytes[16];
	struct xkd_err ignored;
	size_t n = 0;
	enum xkd_rc rc = xkd_ctx_read(ctx, addr, bytes, sizeof(bytes), &n, err);

	if (rc && (!n || rc == XKD_CANCELED || rc == XKD_TRANSPORT))
		return rc;
	/* BADDATA is an answer: a byte that is no instruction */
	rc = ctx->t->arch->disasm(mode_at(ctx, addr), addr, bytes, n, in, &ignored);
	return rc == XKD_BADDATA ? XKD_OK : rc;
}

static bool covered(struct xkd_target *t, uint64_t addr)
{
	struct xkd_symref sym;

	if (!t->os->is_kernel_addr || !t->os->is_kernel_addr(t, addr) ||
	    xkd_sym_at(t, addr, &sym, NULL))
		return false;
	return addr == sym.addr || addr - sym.addr < sym.size;
}

static void put_symbol(struct xkd_session *s, uint64_t addr)
{
	struct xkd_buf sym = XKD_BUF_INIT;

	xkd_sym_format(s->t, addr, &sym);
	if (strcmp(sym.s, XKD_ADDR(addr))) {
		xkd_out_foreign(&s->out, XKD_ST_SYM, sym.s, sym.len);
		xkd_out(&s->out, " (");
		xkd_out_st(&s->out, XKD_ST_ADDR, "%s", XKD_ADDR(addr));
		xkd_out(&s->out, ")");
	} else {
		xkd_out_st(&s->out, XKD_ST_ADDR, "%s", sym.s);
	}
	xkd_buf_fini(&sym);
}

/* An offset from a segment with a base of its own: in a kernel, a per-CPU variable. */
static bool put_percpu(struct xkd_session *s, uint64_t off)
{
	struct xkd_module *k = xkd_target_kernel(s->t);
	struct xkd_image *img = k ? xkd_target_mod_image(s->t, k) : NULL;
	const struct xkd_section *sec = img ? xkd_image_section_at(img, off) : NULL;
	struct xkd_sym sym;

	if (!sec || !strstr(sec->name, "percpu") || xkd_image_sym_at(img, off, &sym, NULL) ||
	    (off != sym.addr && off - sym.addr >= sym.size))
		return false;
	xkd_out_st(&s->out, XKD_ST_SYM, "%s!", k->name);
	xkd_out_foreign(&s->out, XKD_ST_SYM, sym.name, strlen(sym.name));
	if (off != sym.addr)
		xkd_out_st(&s->out, XKD_ST_SYM, "+0x%" PRIx64, off - sym.addr);
	xkd_out(&s->out, " (");
	xkd_out_st(&s->out, XKD_ST_ADDR, "%s", XKD_ADDR(off));
	xkd_out(&s->out, ")");
	return true;
}

/* Does the memory operand's segment carry a base? Then its offsets are no addresses. */
static bool based_segment(const struct xkd_ctx *ctx, const struct xkd_insn *in)
{
	const struct xkd_arch *arch = ctx->t->arch;
	char name[32];
	struct xkd_regname rn;

	if (in->mem_seg < 0 || in->mem_seg >= arch->nregs)
		return false;
	snprintf(name, sizeof(name), "%s_base", arch->reg_names[in->mem_seg]);
	return arch->reg_find(name, &rn);
}

/* The spelled address as a symbol; false: the spelling stays. */
static bool put_address(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_insn *in)
{
	switch (in->addr_kind) {
	case XKD_IA_BRANCH:
		put_symbol(s, in->addr_val);
		return true;
	case XKD_IA_MEM:
		if (based_segment(ctx, in))
			return put_percpu(s, in->addr_val);
		put_symbol(s, in->addr_val);
		return true;
	case XKD_IA_DISP:
		if (!covered(s->t, in->addr_val))
			return false;
		xkd_out(&s->out, "+");
		put_symbol(s, in->addr_val);
		return true;
	case XKD_IA_IMM:
		if (!covered(s->t, in->addr_val))
			return false;
		xkd_out(&s->out, "offset ");
		put_symbol(s, in->addr_val);
		return true;
	case XKD_IA_NONE:
		break;
	}
	return false;
}

static void put_ops(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_insn *in)
{
	size_t n = strlen(in->ops), end = (size_t)in->addr_off + in->addr_len;

	if (in->addr_kind == XKD_IA_NONE || end > n) {
		xkd_out(&s->out, "%s", in->ops);
		return;
	}
	xkd_out(&s->out, "%.*s", (int)in->addr_off, in->ops);
	if (!put_address(s, ctx, in))
		xkd_out_st(&s->out, XKD_ST_NUM, "%.*s", (int)in->addr_len, in->ops + in->addr_off);
	xkd_out(&s->out, "%s", in->ops + end);
}

/* Most significant byte first, as a number reads. */
static void put_value(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_insn *in,
		      uint64_t addr)
{
	uint8_t b[VALUE_MAX];
	struct xkd_err ignored;
	size_t n = 0;

	xkd_out(&s->out, "=");
	if (xkd_ctx_read(ctx, addr, b, in->mem_size, &n, &ignored)) {
		for (unsigned i = 0; i < in->mem_size; i++)
			xkd_out(&s->out, "??");
		return;
	}
	if ((in->is_call || in->is_jump) && in->mem_size == 8) {
		xkd_out(&s->out, "{");
		put_symbol(s, xkd_get_le(b, 8));
		xkd_out(&s->out, "}");
		return;
	}
	for (unsigned i = in->mem_size; i-- > 0;)
		xkd_out_st(&s->out, XKD_ST_NUM, "%02x", b[i]);
}

static void put_ea(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_insn *in)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint64_t off, addr;

	if (!in->has_mem || !arch->ea(&ctx->regs, in, &off, &addr))
		return;
	xkd_out(&s->out, " ");
	if (in->mem_seg >= 0 && in->mem_seg < arch->nregs)
		xkd_out(&s->out, "%s:", arch->reg_names[in->mem_seg]);
	xkd_out_key(&s->out, XKD_ST_ADDR, "ea", "%s", XKD_ADDR(off));
	if (in->mem_size && in->mem_size <= VALUE_MAX)
		put_value(s, ctx, in, addr);
}

void xkd_code_row(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_insn *in,
		  bool with_ea)
{
	char hex[2 * sizeof(in->bytes) + 1];
	bool bare = !in->ops[0];

	xkd_hex_encode(hex, in->bytes, in->len);
	xkd_out_key(&s->out, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(in->addr));
	xkd_out(&s->out, " ");
	xkd_out_key(&s->out, XKD_ST_NUM, "bytes", "%-*s", BYTES_WIDTH - 1, hex);
	xkd_out(&s->out, " ");
	xkd_out_key(&s->out, XKD_ST_INSN, "mnemonic", bare ? "%s" : "%-7s ", in->mnem);
	put_ops(s, ctx, in);
	if (with_ea)
		put_ea(s, ctx, in);
	xkd_out_end(&s->out);
}

void xkd_code_row_unreadable(struct xkd_session *s, uint64_t addr)
{
	xkd_out_key(&s->out, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
	xkd_out(&s->out, " %-*s", BYTES_WIDTH - 1, "??");
	xkd_out_st(&s->out, XKD_ST_INSN, " ???");
	xkd_out_end(&s->out);
}

void xkd_show_insn(struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t addr, bool with_ea)
{
	struct xkd_err ignored;
	struct xkd_insn in;

	if (xkd_code_read(ctx, addr, &in, &ignored))
		xkd_code_row_unreadable(s, addr);
	else
		xkd_code_row(s, ctx, &in, with_ea);
}
