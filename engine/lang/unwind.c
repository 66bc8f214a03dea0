/* Stack walks: steps from frame to frame, inline frames put between, names and lines given to each.
 * Invariant: within one stack the stack pointer only grows; a walk visits no (pc, sp) twice. */
#include "engine/lang/unwind.h"
#include "engine/lang/scope.h"
#include "engine/lang/unwind_step.h"
#include "engine/os/os.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

struct walk {
	const struct xkd_ctx *ctx;
	struct xkd_arena *arena;
	struct xkd_unwind_memo *memo; /* plain: names only; NULL: all that debug info tells */
	struct xkd_frame *f;
	size_t n, max;
	struct xkd_stack stack; /* that the last frame lies on; high 0: none that is known */
};
/* What is at an address. */
struct place {
	struct xkd_module *mod;
	const char *space, *func;
	uint64_t func_addr;
	bool after_call; /* a call ends here */
};

void xkd_unwind_memo_init(struct xkd_unwind_memo *m)
{
	xkd_map_init_u64(&m->map);
	xkd_arena_init(&m->arena);
}

void xkd_unwind_memo_fini(struct xkd_unwind_memo *m)
{
	xkd_map_fini(&m->map);
	xkd_arena_fini(&m->arena);
}

static struct place place_at(struct walk *w, uint64_t lookup, struct xkd_arena *arena)
{
	struct xkd_target *t = w->ctx->t;
	struct place p = { .mod = xkd_target_mod_at(t, lookup) };
	struct xkd_symref sym;
	struct xkd_code code;

	if (!xkd_sym_at(t, lookup, &sym, NULL)) {
		p.func = sym.name;
		p.func_addr = sym.addr;
	} else if (!p.mod && t->os->code_at && t->os->code_at(t, lookup, &code)) {
		p.space = code.space;
		p.func = xkd_arena_strdup(arena, code.name);
		p.func_addr = code.start;
	}
	p.after_call = xkd_unwind_after_call(t, lookup + 1, NULL);
	return p;
}

static struct place place_of(struct walk *w, uint64_t lookup)
{
	struct place *kept;

	if (!w->memo)
		return place_at(w, lookup, w->arena);
	kept = xkd_map_get(&w->memo->map, lookup);
	if (!kept) {
		kept = XKD_NEW(&w->memo->arena, struct place);
		*kept = place_at(w, lookup, &w->memo->arena);
		xkd_map_put(&w->memo->map, lookup, kept);
	}
	return *kept;
}

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
	struct xkd_err ignored;
	uint64_t lookup = exact ? pc : pc - 1;
	struct place p = place_of(w, lookup);
	struct xkd_line line = { 0 };
	size_t n = 0;

	*first = w->n;
	if (w->memo || xkd_line_at(t, lookup, &line, &ignored))
		line = (struct xkd_line){ 0 };
	if (w->memo || xkd_funcs_at(t, lookup, fn, XKD_COUNT(fn), &n, &ignored))
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
		f->mod = p.mod;
		f->space = p.space;
		f->inline_depth = (unsigned)i;
		f->line = line;
		f->func = p.func;
		f->func_addr = p.func_addr;
		if (f->kind == XKD_FR_INLINE && fn[i].name)
			f->func = fn[i].name;
		if (f->kind == XKD_FR_INLINE) /* the frame outside shows where it calls this one */
			line = (struct xkd_line){ .file = fn[i].call_file, .line = fn[i].call_line };
	}
	/* a return address that no call left: pushed by hand, or not one at all */
	if (!exact && !p.after_call && p.func_addr != pc)
		snprintf(w->f[w->n - 1].note, sizeof(w->f[0].note), "not after a call");
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

/* Adds to what is said of a frame. */
static void XKD_PRINTF(2, 3) note(struct xkd_frame *f, const char *fmt, ...)
{
	size_t n = strlen(f->note);
	va_list ap;

	if (n + 3 >= sizeof(f->note))
		return;
	if (n)
		strcpy(f->note + n, "; ");
	n = strlen(f->note);
	va_start(ap, fmt);
	vsnprintf(f->note + n, sizeof(f->note) - n, fmt, ap);
	va_end(ap);
}

/* Which device's interrupt it is, the functions that serve it know: frames inside this one. */
static void note_irq(struct walk *w, const char *kind, char *text, size_t max)
{
	const struct xkd_os *os = w->ctx->t->os;
	struct xkd_err ignored;
	char name[64];

	for (size_t i = w->n - 1; i-- && os->irq_var && !w->memo;) {
		struct xkd_value v;
		struct xkd_ctx fc;
		uint64_t var;

		if (w->f[i].exact_pc && i && w->f[i].sp != w->f[0].sp)
			return; /* what another one interrupted */
		xkd_frame_ctx(w->ctx, &w->f[i], &fc);
		if (xkd_scope_local(&fc, os->irq_var, &v, &ignored) ||
		    xkd_value_u64(&fc, &v, &var, &ignored) ||
		    !os->irq_name(w->ctx->t, var, name, sizeof(name)))
			continue;
		snprintf(text, max, "%s %s", kind, name);
		return;
	}
}

static void note_entry(struct walk *w, struct xkd_frame *f, uint64_t saved)
{
	struct xkd_target *t = w->ctx->t;
	char kind[sizeof(f->note)] = "";

	if (f->space)
		snprintf(kind, sizeof(kind), "probe");
	else if (f->func && t->os->entry_kind)
		t->os->entry_kind(t, f->func, f->func_addr, saved, kind, sizeof(kind));
	if (!strcmp(kind, "interrupt"))
		note_irq(w, "interrupt", kind, sizeof(kind));
	if (kind[0])
		note(f, "%s", kind);
}

/* Completes the frames first..n-1 (one activation) with what the step found. */
static void complete(struct walk *w, size_t first, const struct xkd_step *step)
{
	struct xkd_target *t = w->ctx->t;
	struct xkd_frame *last = &w->f[w->n - 1];
	uint64_t ret = xkd_reg_known(&step->regs, t->arch->pc) ? step->regs.v[t->arch->pc] : 0;

	for (size_t i = first; i < w->n; i++) {
		w->f[i].cfa = step->cfa;
		w->f[i].how = step->how;
		w->f[i].ret = ret;
	}
	if (step->through)
		note(last, "returns through %s", step->through);
	if (step->kind == XKD_STEP_TRAP)
		note_entry(w, last, step->saved);
}

/* Tables may lead to another stack by a saved frame pointer: that must be one that the CPU or task has. */
static bool changes_stack(struct walk *w, const struct xkd_step *step)
{
	const struct xkd_os *os = w->ctx->t->os;
	struct xkd_stack st;

	return !step->loose && w->stack.high && os->stack_at &&
	       os->stack_at(w->ctx->t, w->ctx->cpu, w->ctx->task, step->cfa, &st) &&
	       st.low != w->stack.low;
}

/* Can what the step found be? An address that is no code, or a stack that goes the wrong way, says that
 * the step was wrong, whatever the tables told. */
static enum xkd_rc judge(struct walk *w, const struct xkd_step *step, uint64_t sp, struct xkd_err *err)
{
	const struct xkd_arch *arch = w->ctx->t->arch;
	uint64_t ret = step->regs.v[arch->pc];
	bool leaves;

	if (step->kind != XKD_STEP_CALL)
		return XKD_OK;
	leaves = step->switched ||
		 ((step->cfa <= sp || (w->stack.high && step->cfa > w->stack.high)) &&
		  changes_stack(w, step));
	/* where a trampoline begins, the address that it stands in for has been taken off */
	if (!leaves && (step->cfa < sp || (step->cfa == sp && !step->through)))
		return xkd_err_set(err, XKD_BADDATA, "its caller's stack pointer %s would be below %s",
				   XKD_ADDR(step->cfa), XKD_ADDR(sp));
	if (!leaves && w->stack.high && step->cfa > w->stack.high)
		return xkd_err_set(err, XKD_BADDATA, "its caller would be above the %s stack, at %s",
				   w->stack.name, XKD_ADDR(step->cfa));
	if (!ret && !step->loose) /* pushed where there is no caller */
		return XKD_OK;
	if (!xkd_unwind_is_code(w->ctx->t, ret) && !xkd_unwind_is_code(w->ctx->t, ret - 1))
		return xkd_err_set(err, XKD_BADDATA, "the return address at %s is %s, which is no code",
				   XKD_ADDR(step->cfa - 8), XKD_ADDR(ret));
	if (step->loose && !xkd_unwind_after_call(w->ctx->t, ret, NULL))
		return xkd_err_set(err, XKD_BADDATA, "the return address %s is not after a call",
				   XKD_ADDR(ret));
	return XKD_OK;
}

/* One step, by the tables, else by the code itself (a virtual machine's registers are live where a
 * table counts on rbp), else by a guess. */
static enum xkd_rc step_on(struct walk *w, const struct xkd_regs *regs, uint64_t lookup,
			   struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_arch *arch = w->ctx->t->arch;
	uint64_t sp = xkd_reg_known(regs, arch->sp) ? regs->v[arch->sp] : 0;
	const struct xkd_os *os = w->ctx->t->os;
	struct xkd_err ignored;
	enum xkd_rc rc;

	if (w->stack.high ? sp < w->stack.low || sp > w->stack.high : os->stack_at != NULL)
		if (!os->stack_at || !os->stack_at(w->ctx->t, w->ctx->cpu, w->ctx->task, sp, &w->stack))
			w->stack.high = 0;
	rc = xkd_unwind_step(w->ctx, regs, lookup, step, err);
	if (!rc)
		rc = judge(w, step, sp, err);
	if (!rc || rc == XKD_CANCELED || rc == XKD_TRANSPORT)
		return rc;
	if (!xkd_unwind_code(w->ctx, regs, lookup, step, &ignored) && !judge(w, step, sp, &ignored))
		return XKD_OK;
	return xkd_unwind_guess(w->ctx, regs, lookup, step, &ignored) ? rc : XKD_OK;
}

/* The tables say that the stack ends; user space may still follow. */
static void at_end(struct walk *w, const struct xkd_regs *regs)
{
	struct xkd_frame *f = &w->f[w->n - 1];
	const struct xkd_os *os = w->ctx->t->os;
	struct xkd_regs user;

	if (f->func && os->entry_user &&
	    os->entry_user(w->ctx->t, w->ctx->cpu, w->ctx->task, f->func, regs, &user)) {
		f->how = "regs";
		note_entry(w, f, 0);
		push_user(w, &user);
		return;
	}
	snprintf(f->note, sizeof(f->note), "end"); /* what is there was put there by hand */
}

/* Frames that need no step: true when the walk ends with them. */
static bool last_frame(struct walk *w, const struct xkd_regs *regs, char why[160])
{
	const struct xkd_arch *arch = w->ctx->t->arch;
	uint64_t sp = xkd_reg_known(regs, arch->sp) ? regs->v[arch->sp] : 0;

	if (!xkd_reg_known(regs, arch->pc)) {
		snprintf(why, 160, "the return address is not known");
	} else if (w->ctx->foreign) {
		push_user(w, regs);
		note(&w->f[0], "guest or another address space");
	} else if (is_user(w->ctx, regs)) {
		push_user(w, regs);
	} else if (seen(w, regs->v[arch->pc], sp)) {
		snprintf(why, 160, "the stack loops at %s", XKD_ADDR(regs->v[arch->pc]));
	} else {
		return false;
	}
	return true;
}

static enum xkd_rc walk_on(struct walk *w, char why[160], struct xkd_err *err)
{
	int r = w->ctx->t->arch->pc;
	struct xkd_regs regs = w->ctx->regs;
	bool exact = !w->ctx->pc_lookup || w->ctx->pc_lookup == regs.v[r], guess = false,
	     guesses = false;

	for (;;) {
		struct xkd_step step;
		uint64_t pc;
		size_t first;
		enum xkd_rc rc = xkd_cancel_check(w->ctx->t->cancel, err);

		if (rc)
			return rc;
		if (last_frame(w, &regs, why))
			return XKD_OK;
		pc = regs.v[r];
		if (!push_activation(w, &regs, pc, exact, &first)) {
			snprintf(why, 160, "only the first %zu frames are shown", w->max);
			return XKD_OK;
		}
		if (guess)
			note(&w->f[w->n - 1], "guess");
		rc = step_on(w, &regs, exact ? pc : pc - 1, &step, err);
		if (rc == XKD_CANCELED || rc == XKD_TRANSPORT)
			return rc;
		if (rc) {
			snprintf(why, 160, "%.150s", err->msg);
			return XKD_OK;
		}
		if (step.kind == XKD_STEP_END) {
			at_end(w, &regs);
			return XKD_OK;
		}
		complete(w, first, &step);
		if (step.kind == XKD_STEP_CALL && !step.regs.v[r]) {
			if (guesses)
				snprintf(why, 160, "the return address is 0, after a guess");
			else
				note(&w->f[w->n - 1], "end");
			return XKD_OK;
		}
		guess = !strcmp(step.how, "guess");
		guesses |= guess;
		exact = step.kind == XKD_STEP_TRAP;
		regs = step.regs;
	}
}

static enum xkd_rc unwind(struct walk *w, struct xkd_frame **frames, size_t *n, char why[160],
			  struct xkd_err *err)
{
	struct xkd_err own = XKD_ERR_INIT; /* what went wrong is told in why, whoever asks */
	enum xkd_rc rc = xkd_ctx_check(w->ctx, err);

	why[0] = 0;
	*n = 0;
	if (rc)
		return rc;
	w->f = XKD_NEWN(w->arena, struct xkd_frame, w->max);
	rc = walk_on(w, why, err ? err : &own);
	*frames = w->f;
	*n = w->n;
	return rc;
}

enum xkd_rc xkd_unwind(const struct xkd_ctx *ctx, size_t max, struct xkd_arena *arena,
		       struct xkd_frame **frames, size_t *n, char why[160], struct xkd_err *err)
{
	struct walk w = { .ctx = ctx, .arena = arena, .max = max };

	return unwind(&w, frames, n, why, err);
}

enum xkd_rc xkd_unwind_plain(const struct xkd_ctx *ctx, struct xkd_unwind_memo *memo, size_t max,
			     struct xkd_arena *arena, struct xkd_frame **frames, size_t *n,
			     char why[160], struct xkd_err *err)
{
	struct walk w = { .ctx = ctx, .arena = arena, .max = max, .memo = memo };

	return unwind(&w, frames, n, why, err);
}

enum xkd_rc xkd_unwind_first(struct xkd_ctx *ctx, struct xkd_err *err)
{
	struct xkd_err ignored;
	struct xkd_step step;

	if (xkd_unwind_guess(ctx, &ctx->regs, 0, &step, &ignored))
		return xkd_err_addr(err, XKD_NOTFOUND, ctx->regs.v[ctx->t->arch->sp],
				    "no return address lies at %s or above on that stack",
				    XKD_ADDR(ctx->regs.v[ctx->t->arch->sp]));
	ctx->regs = step.regs;
	ctx->pc_lookup = step.regs.v[ctx->t->arch->pc] - 1;
	return XKD_OK;
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
