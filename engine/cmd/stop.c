/* What a user sees when the target stopped: the reason, the task, the place and its instruction. */
#include "engine/cmd/session.h"
#include "base/str.h"
#include "engine/cmd/code.h"
#include "engine/os/os.h"
#include <string.h>

/* A CPU that runs a guest: the host's task, one sentence, and the guest's place as a number. */
void xkd_show_foreign(struct xkd_session *s, const struct xkd_ctx *ctx)
{
	const struct xkd_arch *arch = s->t->arch;
	struct xkd_out *o = &s->out;
	struct xkd_regname cs;
	int no = s->t->os->cpu_number ? s->t->os->cpu_number(s->t, ctx->cpu) : ctx->cpu;

	if (s->t->os->describe) {
		s->t->os->describe(s->t, ctx->cpu, o);
		if (o->text.len)
			xkd_out_end(o);
	}
	xkd_out_key(o, XKD_ST_HEAD, "foreign", "CPU %d runs %s", no,
		    arch->may_be_guest(&ctx->regs) ? "a guest (or another address space)" :
						     "outside this kernel (firmware, or not started)");
	xkd_out(o, ": at ");
	if (arch->reg_find("cs", &cs) && xkd_reg_known(&ctx->regs, cs.reg))
		xkd_out(o, "%llx:", (unsigned long long)ctx->regs.v[cs.reg]);
	xkd_out_key(o, XKD_ST_ADDR, "pc", "%s", XKD_ADDR(ctx->regs.v[arch->pc]));
	xkd_out(o, "; its registers are not this kernel's, kernel memory reads right");
	xkd_out_end(o);
}

static void show_place(struct xkd_session *s, const struct xkd_ctx *ctx)
{
	struct xkd_out *o = &s->out;
	struct xkd_buf sym = XKD_BUF_INIT;
	struct xkd_line line;
	struct xkd_err ignored;
	uint64_t pc;

	if (!xkd_ctx_code(ctx, &pc))
		pc = ctx->regs.v[s->t->arch->pc];

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
	xkd_show_insn(s, ctx, pc, true);
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
	if (stop->more[0]) {
		xkd_out(o, "  ");
		xkd_out_foreign(o, XKD_ST_PLAIN, stop->more, strlen(stop->more));
		xkd_out_end(o);
	}
	if (stop->kind == XKD_STOPPED_EXIT || !s->t || s->t->lost || s->cancel.quit)
		return; /* nothing can be read any more, or nobody waits for it */
	if (xkd_session_ctx(s, &ctx, &err)) {
		xkd_session_error(s, "", &err);
		return;
	}
	if (ctx->foreign) {
		xkd_show_foreign(s, ctx);
		return;
	}
	/* A step's user knows the task; all else may be anywhere. */
	if (stop->kind != XKD_STOPPED_STEP && s->t->os->describe) {
		s->t->os->describe(s->t, s->cpu, o);
		if (o->text.len)
			xkd_out_end(o);
	}
	if (xkd_reg_known(&ctx->regs, s->t->arch->pc)) {
		show_place(s, ctx);
	} else {
		xkd_out_st(o, XKD_ST_DIM, "the program counter is not known");
		xkd_out_end(o);
	}
	if (!s->next_d && !xkd_ctx_code(ctx, &s->next_d))
		s->next_d = 0;
}
