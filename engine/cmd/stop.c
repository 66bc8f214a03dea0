/* What a user sees when the target stopped: the reason, the task, the place and its instruction. */
#include "engine/cmd/session.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <string.h>

/* "ffffffff`c0c8f81e f30fc775d0      vmxon   qword ptr [rbp-30h]" */
static void show_insn(struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t pc)
{
	const struct xkd_arch *arch = s->t->arch;
	struct xkd_out *o = &s->out;
	struct xkd_err ignored;
	struct xkd_insn in;
	uint8_t bytes[16];
	size_t n = 0;

	xkd_out_key(o, XKD_ST_ADDR, "pc", "%s", XKD_ADDR(pc));
	(void)!xkd_ctx_read(ctx, pc, bytes, sizeof(bytes), &n, &ignored);
	if (!n) {
		xkd_out(o, " ??              ???");
		xkd_out_end(o);
		return;
	}
	if (arch->disasm(arch->mode(&ctx->regs), pc, bytes, n, &in, &ignored)) {
		in.len = 1;
		strcpy(in.mnem, "???");
		in.ops[0] = 0;
		in.has_target = in.has_rip_mem = false;
	}
	xkd_out(o, " ");
	for (unsigned i = 0; i < in.len; i++)
		xkd_out(o, "%02x", bytes[i]);
	xkd_out_pad(o, XKD_ADDR_LEN - 2 + 16);
	xkd_out_st(o, XKD_ST_INSN, "%-7s ", in.mnem);
	if (in.has_target || in.has_rip_mem) {
		struct xkd_buf sym = XKD_BUF_INIT;
		uint64_t to = in.has_target ? in.target : in.rip_mem;

		xkd_sym_format(s->t, to, &sym);
		if (in.has_target) {
			xkd_out_st(o, XKD_ST_SYM, "%s", sym.s);
			if (strchr(sym.s, '!'))
				xkd_out(o, " (%s)", XKD_ADDR(to));
		} else {
			xkd_out(o, "%s", in.ops);
			xkd_out_st(o, XKD_ST_SYM, "  ; %s", sym.s);
		}
		xkd_buf_fini(&sym);
	} else {
		xkd_out(o, "%s", in.ops);
	}
	xkd_out_end(o);
}

static void show_place(struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t pc)
{
	struct xkd_out *o = &s->out;
	struct xkd_buf sym = XKD_BUF_INIT;
	struct xkd_line line;
	struct xkd_err ignored;

	xkd_sym_format(s->t, pc, &sym);
	if (strchr(sym.s, '!')) {
		xkd_out_key(o, XKD_ST_SYM, "symbol", "%s:", sym.s);
		if (!s->no_lines && !xkd_line_at(s->t, pc, &line, &ignored) && line.file) {
			xkd_out_st(o, XKD_ST_SRC, " [");
			xkd_out_foreign(o, XKD_ST_SRC, line.file, strlen(line.file));
			xkd_out_st(o, XKD_ST_SRC, " @ %u]", line.line);
		}
		xkd_out_end(o);
	}
	xkd_buf_fini(&sym);
	show_insn(s, ctx, pc);
}

void xkd_session_show_stop(struct xkd_session *s, const struct xkd_stop *stop)
{
	struct xkd_out *o = &s->out;
	const struct xkd_ctx *ctx;
	struct xkd_err err = XKD_ERR_INIT;

	if (stop->text[0]) {
		xkd_out_key(o, XKD_ST_HEAD, "stop", "%s", stop->text);
		xkd_out_end(o);
	}
	if (stop->kind == XKD_STOPPED_EXIT || !s->t || s->t->lost)
		return;
	if (xkd_session_ctx(s, &ctx, &err)) {
		xkd_session_error(s, "", &err);
		return;
	}
	/* A step's user knows the task; all else may be anywhere. */
	if (stop->kind != XKD_STOPPED_STEP && s->t->os->describe) {
		s->t->os->describe(s->t, s->cpu, o);
		if (o->text.len)
			xkd_out_end(o);
	}
	if (xkd_reg_known(&ctx->regs, s->t->arch->pc)) {
		show_place(s, ctx, ctx->regs.v[s->t->arch->pc]);
	} else {
		xkd_out_st(o, XKD_ST_DIM, "the program counter is not known");
		xkd_out_end(o);
	}
	if (!s->next_d)
		s->next_d = xkd_reg_known(&ctx->regs, s->t->arch->pc) ?
				    ctx->regs.v[s->t->arch->pc] : 0;
}
