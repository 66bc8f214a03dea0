/* Stack walks: steps from frame to frame, inline frames put between, names and lines given to each.
 * Invariant: within one stack the stack pointer only grows; a walk visits no (pc, sp) twice. */
#include "engine/lang/unwind.h"
#include "engine/lang/unwind_step.h"
#include "engine/os/os.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

struct walk {
	const struct xkd_ctx *ctx;
	struct xkd_arena *arena;
	struct xkd_frame *f;
	size_t n, max;
};

static struct xkd_frame *push(struct walk *w)
{
	struct xkd_frame *f;

	if (w->n == w->max)
		return NULL;
	f = &w->f[w->n];
	*f = (struct xkd_frame){ .no = (unsigned)w->n, .how = "" };
	w->n++;
	return f;
}

/* Frames of one activation: innermost inlined function first, the real one last. false: full. */
static bool push_activation(struct walk *w, const struct xkd_regs *regs, uint64_t pc, bool exact,
			    size_t *first)
{
	struct xkd_target *t = w->ctx->t;
	struct xkd_dfunc fn[XKD_INLINE_MAX];
	struct xkd_symref sym;
	struct xkd_err ignored;
	uint64_t lookup = exact ? pc : pc - 1;
	struct xkd_line line = { 0 };
	bool has_sym = !xkd_sym_at(t, lookup, &sym, NULL);
	size_t n = 0;

	*first = w->n;
	if (xkd_line_at(t, lookup, &line, &ignored))
		line = (struct xkd_line){ 0 };
	if (xkd_funcs_at(t, lookup, fn, XKD_COUNT(fn), &n, &ignored))
		n = 0;
	for (size_t i = 0; i < (n ? n : 1); i++) {
		struct xkd_frame *f = push(w);

		if (!f)
			return false;
		f->kind = i + 1 < n ? XKD_FR_INLINE : XKD_FR_NORMAL;
		f->pc = pc;
		f->lookup = lookup;
		f->exact_pc = exact;
		f->regs = *regs;
		f->sp = xkd_reg_known(regs, t->arch->sp) ? regs->v[t->arch->sp] : 0;
		f->mod = xkd_target_mod_at(t, lookup);
		f->inline_depth = (unsigned)i;
		f->line = line;
		f->func = has_sym ? sym.name : NULL;
		f->func_addr = has_sym ? sym.addr : 0;
		if (f->kind == XKD_FR_INLINE && fn[i].name)
			f->func = fn[i].name;
		if (f->kind == XKD_FR_INLINE) /* the frame outside shows where it calls this one */
			line = (struct xkd_line){ .file = fn[i].call_file, .line = fn[i].call_line };
	}
	return true;
}

static void push_user(struct walk *w, const struct xkd_regs *regs)
{
	const struct xkd_arch *arch = w->ctx->t->arch;
	struct xkd_frame *f = push(w);

	if (!f)
		return;
	f->kind = XKD_FR_USER;
	f->pc = f->lookup = xkd_reg_known(regs, arch->pc) ? regs->v[arch->pc] : 0;
	f->sp = xkd_reg_known(regs, arch->sp) ? regs->v[arch->sp] : 0;
	f->exact_pc = true;
	f->regs = *regs;
	snprintf(f->note, sizeof(f->note), "user");
}

/* The same place twice is a loop. */
static bool seen(const struct walk *w, uint64_t pc, uint64_t sp)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->f[i].pc == pc && w->f[i].sp == sp)
			return true;
	return false;
}

static bool is_user(const struct xkd_ctx *ctx, const struct xkd_regs *regs)
{
	return ctx->t->arch->is_user(regs) &&
	       (!ctx->t->os->is_kernel_addr ||
		!ctx->t->os->is_kernel_addr(ctx->t, regs->v[ctx->t->arch->pc]));
}

static void note_entry(struct walk *w, struct xkd_frame *f)
{
	struct xkd_target *t = w->ctx->t;

	if (f->func && t->os->entry_kind && f->kind == XKD_FR_NORMAL) {
		char kind[32];

		t->os->entry_kind(t, f->func, kind);
		snprintf(f->note, sizeof(f->note), "%s", kind);
	}
}

/* Completes the frames first..n-1 (one activation) with what the step found. */
static void complete(struct walk *w, size_t first, const struct xkd_step *step, uint64_t ret)
{
	for (size_t i = first; i < w->n; i++) {
		w->f[i].cfa = step->cfa;
		w->f[i].how = step->how;
		w->f[i].ret = ret;
	}
	if (step->kind == XKD_STEP_TRAP)
		note_entry(w, &w->f[w->n - 1]);
}

static enum xkd_rc walk_on(struct walk *w, char why[160], struct xkd_err *err)
{
	const struct xkd_arch *arch = w->ctx->t->arch;
	struct xkd_regs regs = w->ctx->regs;
	bool exact = true;

	for (;;) {
		struct xkd_step step;
		uint64_t pc, sp;
		size_t first;
		enum xkd_rc rc = xkd_cancel_check(w->ctx->t->cancel, err);

		if (rc)
			return rc;
		if (!xkd_reg_known(&regs, arch->pc)) {
			snprintf(why, 160, "the return address is not known");
			return XKD_OK;
		}
		pc = regs.v[arch->pc];
		sp = xkd_reg_known(&regs, arch->sp) ? regs.v[arch->sp] : 0;
		if (w->ctx->foreign) {
			push_user(w, &regs);
			snprintf(w->f[0].note, sizeof(w->f[0].note), "guest or another address space");
			return XKD_OK;
		}
		if (is_user(w->ctx, &regs)) {
			push_user(w, &regs);
			return XKD_OK;
		}
		if (seen(w, pc, sp)) {
			snprintf(why, 160, "the stack loops at %s", XKD_ADDR(pc));
			return XKD_OK;
		}
		if (!push_activation(w, &regs, pc, exact, &first)) {
			snprintf(why, 160, "only the first %zu frames are shown", w->max);
			return XKD_OK;
		}
		rc = xkd_unwind_step(w->ctx, &regs, exact ? pc : pc - 1, &step, err);
		if (rc == XKD_CANCELED || rc == XKD_TRANSPORT)
			return rc;
		if (rc) {
			snprintf(why, 160, "%.150s", err->msg);
			return XKD_OK;
		}
		if (step.kind == XKD_STEP_END) {
			snprintf(w->f[w->n - 1].note, sizeof(w->f[0].note), "end");
			return XKD_OK;
		}
		complete(w, first, &step, xkd_reg_known(&step.regs, arch->pc) ?
						  step.regs.v[arch->pc] : 0);
		if (step.kind == XKD_STEP_CALL && !step.switched && step.cfa <= sp) {
			snprintf(why, 160, "the stack pointer goes back at %s", XKD_ADDR(pc));
			return XKD_OK;
		}
		if (step.kind == XKD_STEP_CALL && !step.regs.v[arch->pc]) {
			snprintf(w->f[w->n - 1].note, sizeof(w->f[0].note), "end");
			return XKD_OK;
		}
		exact = step.kind == XKD_STEP_TRAP;
		regs = step.regs;
	}
}

enum xkd_rc xkd_unwind(const struct xkd_ctx *ctx, size_t max, struct xkd_arena *arena,
		       struct xkd_frame **frames, size_t *n, char why[160], struct xkd_err *err)
{
	struct walk w = { .ctx = ctx, .arena = arena, .max = max };
	enum xkd_rc rc = xkd_ctx_check(ctx, err);

	why[0] = 0;
	*n = 0;
	if (rc)
		return rc;
	w.f = XKD_NEWN(arena, struct xkd_frame, max);
	rc = walk_on(&w, why, err);
	*frames = w.f;
	*n = w.n;
	return rc;
}

void xkd_frame_ctx(const struct xkd_ctx *ctx, const struct xkd_frame *f, struct xkd_ctx *out)
{
	*out = *ctx;
	out->regs = f->regs;
	out->frame = f->no;
	out->inline_depth = f->inline_depth;
	out->pc_lookup = f->lookup;
	out->cfa = f->cfa;
}
