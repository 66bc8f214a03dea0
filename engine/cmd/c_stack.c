/* Stacks: the k family and .frame. Rows are those of kd: Child-SP, RetAddr, Call Site. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/lang/print.h"
#include <stdlib.h>
#include <string.h>

#define FRAMES_DEFAULT 256
#define FRAMES_MAX 4096

/* What the letters behind k ask for. */
struct kview {
	bool numbers, sizes, args, params, params_lines, kinds, bare, no_lines;
};

static struct kview kview_of(const struct xkd_session *s, const char *letters)
{
	struct kview v = { .no_lines = s->no_lines };

	for (; *letters; letters++) {
		v.numbers |= *letters == 'n';
		v.sizes |= *letters == 'f';
		v.args |= *letters == 'b';
		v.params |= *letters == 'p';
		v.params_lines |= *letters == 'P';
		v.kinds |= *letters == 'v';
		v.bare |= *letters == 'c';
		v.no_lines |= *letters == 'L';
	}
	return v;
}

static void head(struct xkd_out *o, const struct kview *v)
{
	if (v->bare)
		return;
	xkd_out_st(o, XKD_ST_HEAD, "%s%s%s%sCall Site", v->numbers ? " # " : "",
		   v->sizes ? "  Memory  " : "", "Child-SP          RetAddr               ",
		   v->args ? ": Args to Child                                                       : " : "");
	xkd_out_end(o);
}

/* The first four argument registers, as this frame has them. */
static void args_cells(struct xkd_session *s, const struct xkd_frame *f)
{
	xkd_out(&s->out, ": ");
	for (size_t i = 0; i < XKD_COUNT(s->t->arch->arg_regs); i++) {
		int reg = s->t->arch->arg_regs[i];

		if (xkd_reg_known(&f->regs, reg))
			xkd_out_st(&s->out, XKD_ST_NUM, "%s ", XKD_ADDR(f->regs.v[reg]));
		else
			xkd_out_st(&s->out, XKD_ST_DIM, "????????`???????? ");
	}
	xkd_out(&s->out, ": ");
}

static void params(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_frame *f,
		   bool lines)
{
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_ctx fc;

	xkd_frame_ctx(ctx, f, &fc);
	xkd_print_params(&fc, &b, lines);
	xkd_out(&s->out, "%s", b.s);
	xkd_buf_fini(&b);
}

static void call_site(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_frame *f,
		      const struct kview *v)
{
	struct xkd_out *o = &s->out;
	struct xkd_buf sym = XKD_BUF_INIT;

	if (f->kind == XKD_FR_USER) {
		xkd_out_key(o, XKD_ST_ADDR, "site", "%s", XKD_ADDR(f->pc));
		return;
	}
	if (f->func && f->mod)
		xkd_buf_printf(&sym, "%s!%s", f->mod->name, f->func);
	else
		xkd_sym_format_ret(s->t, f->pc, &sym);
	xkd_out_key(o, XKD_ST_SYM, "site", "%s", sym.s);
	if (v->params || v->params_lines)
		params(s, ctx, f, v->params_lines);
	if (f->func && f->mod && f->kind == XKD_FR_NORMAL && f->pc != f->func_addr)
		xkd_out_key(o, XKD_ST_SYM, "offset", "+0x%llx",
			    (unsigned long long)(f->pc - f->func_addr));
	xkd_buf_fini(&sym);
}

static void site_tail(struct xkd_session *s, const struct xkd_frame *f, const struct kview *v)
{
	struct xkd_out *o = &s->out;

	if (f->line.file && f->line.line && !v->no_lines) {
		xkd_out_st(o, XKD_ST_SRC, " [");
		xkd_out_foreign(o, XKD_ST_SRC, f->line.file, strlen(f->line.file));
		xkd_out_key(o, XKD_ST_SRC, "line", " @ %u]", f->line.line);
	}
	if (f->note[0])
		xkd_out_key(o, XKD_ST_DIM, "kind", " [%s]", f->note);
	if (v->kinds && f->how[0])
		xkd_out_key(o, XKD_ST_DIM, "how", " (%s)", f->how);
}

static void frame_row(struct xkd_session *s, const struct xkd_ctx *ctx, const struct xkd_frame *f,
		      const struct xkd_frame *prev, const struct kview *v)
{
	struct xkd_out *o = &s->out;

	if (v->bare) {
		call_site(s, ctx, f, v);
		if (f->note[0])
			xkd_out_st(o, XKD_ST_DIM, " [%s]", f->note);
		xkd_out_end(o);
		return;
	}
	if (v->numbers)
		xkd_out_key(o, XKD_ST_NUM, "frame", "%02x ", f->no);
	if (v->sizes) {
		uint64_t size = prev && f->sp > prev->sp ? f->sp - prev->sp : 0;

		if (size)
			xkd_out_key(o, XKD_ST_NUM, "size", "%8llx  ", (unsigned long long)size);
		else
			xkd_out(o, "%8s  ", "");
	}
	if (f->kind == XKD_FR_INLINE) {
		xkd_out_st(o, XKD_ST_DIM, "(Inline Function) --------`--------     ");
	} else {
		xkd_out_key(o, XKD_ST_ADDR, "sp", "%s ", XKD_ADDR(f->sp));
		if (f->ret)
			xkd_out_key(o, XKD_ST_ADDR, "ret", "%s     ", XKD_ADDR(f->ret));
		else
			xkd_out(o, "%-17s     ", "");
	}
	if (v->args) {
		if (f->kind == XKD_FR_INLINE)
			xkd_out(o, ": %-72s: ", "");
		else
			args_cells(s, f);
	}
	call_site(s, ctx, f, v);
	site_tail(s, f, v);
	xkd_out_end(o);
}

/* "k = SP [IP] [count]": other registers to begin with. Without an IP, SP is where a return address
 * lies, or the next one above. */
static enum xkd_rc start_at(struct xkd_session *s, struct xkd_args *a, struct xkd_ctx *ctx,
			    uint64_t *max, struct xkd_err *err)
{
	uint64_t sp, ip = 0;
	enum xkd_rc rc;

	a->p = xkd_skip_space(a->p) + 1;
	rc = xkd_arg_expr(s, a, &sp, err);
	if (!rc && !xkd_arg_end(a))
		rc = xkd_arg_expr(s, a, &ip, err);
	if (rc)
		return rc;
	if (ip && ip <= FRAMES_MAX) {
		*max = ip;
		ip = 0;
	}
	ctx->regs = (struct xkd_regs){ .known = 0 };
	ctx->foreign = false; /* what the user gives is ours */
	xkd_reg_put(&ctx->regs, s->t->arch->sp, sp);
	if (!ip)
		return xkd_unwind_first(ctx, err);
	xkd_reg_put(&ctx->regs, s->t->arch->pc, ip);
	ctx->pc_lookup = ip;
	return XKD_OK;
}

static enum xkd_rc k_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct kview v = kview_of(s, a->name + 1);
	const struct xkd_ctx *ctx;
	struct xkd_ctx from;
	struct xkd_frame *f, *real = NULL; /* not inlined: it has stack of its own */
	uint64_t max = FRAMES_DEFAULT;
	char why[160];
	size_t n;
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	from = s->base;
	if (*xkd_skip_space(a->p) == '=')
		rc = start_at(s, a, &from, &max, err);
	if (!rc && !xkd_arg_end(a))
		rc = xkd_arg_expr(s, a, &max, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	if (!max || max > FRAMES_MAX)
		max = FRAMES_MAX;
	rc = xkd_unwind(&from, (size_t)max, &s->cmd_arena, &f, &n, why, err);
	if (rc)
		return rc;
	head(&s->out, &v);
	for (size_t i = 0; i < n; i++) {
		frame_row(s, &from, &f[i], f[i].kind == XKD_FR_INLINE ? NULL : real, &v);
		if (f[i].kind != XKD_FR_INLINE)
			real = &f[i];
	}
	if (why[0] && n < max) {
		xkd_out_st(&s->out, XKD_ST_DIM, "the stack ends here: %s", why);
		xkd_out_end(&s->out);
	}
	return XKD_OK;
}

static enum xkd_rc frame_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct kview v = { .numbers = true };
	const struct xkd_ctx *ctx;
	struct xkd_frame *f;
	uint64_t no = s->frame;
	bool regs = false;
	char sw[8], why[160];
	size_t n;
	enum xkd_rc rc = XKD_OK;

	while (xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		if (strcmp(sw, "r"))
			return xkd_err_set(err, XKD_SYNTAX, ".frame has no switch /%s", sw);
		regs = true;
	}
	if (!xkd_arg_end(a))
		rc = xkd_arg_expr(s, a, &no, err);
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc && no >= FRAMES_MAX)
		rc = xkd_err_set(err, XKD_NOTFOUND, "there is no frame %llx", (unsigned long long)no);
	if (!rc)
		rc = xkd_session_set_frame(s, (unsigned)no, err);
	if (!rc)
		rc = xkd_session_ctx(s, &ctx, err);
	if (!rc)
		rc = xkd_unwind(&s->base, (size_t)no + 2, &s->cmd_arena, &f, &n, why, err);
	if (rc)
		return rc;
	if (no < n)
		frame_row(s, &s->base, &f[no], NULL, &v);
	if (regs)
		s->t->arch->regs_print(&ctx->regs, &s->out);
	return XKD_OK;
}

static const struct xkd_cmd rows[] = {
	{ "k kn kb kp kP kv kf kc kL", "[= SP [IP]] [count]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE | XKD_FX_GLUED | XKD_FX_LETTERS, "the stack of the current CPU", k_cmd,
	  "kn numbers frames (hex, for .frame); kf shows frame sizes; kb the first four argument\n"
	  "registers as the frame has them; kp typed parameters in line, kP one a line; kv how each\n"
	  "frame was found (cfi, orc, regs, fp, trampoline, guess); kL leaves source lines out; kc shows\n"
	  "call sites alone. The letters go together: knf, kPnL. count is hex. Inlined functions have\n"
	  "frames of their own. In brackets: where an interrupt, exception or system call came in, return\n"
	  "addresses that a probe replaced (the real ones are shown), and [guess] for a frame that no\n"
	  "table led to: its call can have led here. k = SP IP: from other registers; without IP from the\n"
	  "return address at SP. ~1k and ~*k: of another CPU, of all. Example: kn 8; k = @rsp",
	  "bt backtrace where" },
	{ ".frame", "[/r] [n]", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "chooses the frame that dv, dt and ?? look at (numbers as kn shows them)", frame_cmd, NULL,
	  "frame" },
};
const struct xkd_cmd_family xkd_family_stack = { "Stacks", rows, XKD_COUNT(rows) };
