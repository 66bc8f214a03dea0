/* Hits that pass by themselves, fast: a false condition, another CPU or task, passes that are left, a
 * trace point that records. The registers, the bytes at the place and more (sight.c) come in one exchange, the condition is a compiled
 * program, and the instruction under the breakpoint is carried out by its effect on registers, so that the
 * breakpoint stays in. Invariant: nothing is let through here that judge() would show; what is not plain
 * is left to it. And nothing is carried out for a CPU that may be in a guest: its code cannot be read
 * truly through every stub. */
#include "base/str.h"
#include "engine/lang/prog.h"
#include "engine/os/os.h"
#include "engine/run/place.h"
#include "engine/run/run_int.h"
#include "engine/run/trace.h"
#include <string.h>

static void free_compiled(const struct xkd_bkpt *b, struct xkd_compiled *c)
{
	xkd_prog_free(c->cond);
	for (size_t i = 0; c->exprs && i < xkd_trace_count(b->trace); i++)
		xkd_prog_free(c->exprs[i]);
	free(c->exprs);
}

void xkd_bkpt_drop_prog(struct xkd_bkpt *b)
{
	for (size_t i = 0; i < b->compiled.n; i++)
		free_compiled(b, &b->compiled.p[i]);
	xkd_vec_reset(&b->compiled);
}

static struct xkd_prog *compile(struct xkd_run *r, const struct xkd_ctx *ctx, const char *text)
{
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_prog *p = NULL;

	return xkd_prog_new(ctx, r->env, text, &p, &ignored) ? NULL : p;
}

/* Compiled at the first hit of each place, for what names mean there; anew when modules came or went.
 * NULL: the CPU has no context to do it in. */
static const struct xkd_compiled *compiled(struct xkd_run *r, struct xkd_bkpt *b, int cpu, uint64_t pc)
{
	const struct xkd_gen *g = &r->t->gen;
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_compiled *c;
	struct xkd_ctx ctx;
	size_t n = xkd_trace_count(b->trace);

	if (b->prog_boot != g->boot || b->prog_modules != g->modules)
		xkd_bkpt_drop_prog(b);
	b->prog_boot = g->boot;
	b->prog_modules = g->modules;
	for (size_t i = 0; i < b->compiled.n; i++)
		if (b->compiled.p[i].pc == pc)
			return &b->compiled.p[i];
	if (xkd_ctx_cpu(r->t, cpu, &ctx, &ignored) || ctx.foreign)
		return NULL;
	c = xkd_vec_push(&b->compiled);
	c->pc = pc;
	c->cond = b->cond ? compile(r, &ctx, b->cond) : NULL;
	c->exprs = n ? xkd_calloc(n, sizeof(struct xkd_prog *)) : NULL;
	for (size_t i = 0; i < n; i++)
		c->exprs[i] = compile(r, &ctx, xkd_trace_expr(b->trace, i));
	return c;
}

static bool read_cpu(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct xkd_sight *s = arg;
	struct xkd_space sp = xkd_space_cpu(s->cpu);
	struct xkd_err ignored;

	return !xkd_mem_read(s->r->t, &sp, addr, buf, len, NULL, &ignored);
}

/* Does the hit pass, perhaps recorded? False: someone may have to see it. */
static bool passes(struct xkd_sight *s, struct xkd_bkpt *b)
{
	struct xkd_run *r = s->r;
	const struct xkd_prog_env env = xkd_sight_env(s);
	const struct xkd_compiled *c = NULL;
	struct xkd_err ignored = XKD_ERR_INIT;
	uint64_t v;

	if (b->event)
		return false;
	if (b->trace)
		xkd_traces_here(r);
	if (b->only_cpu >= 0 && r->t->os->cpu_number && r->t->os->cpu_number(r->t, s->cpu) != b->only_cpu)
		return true;
	if (b->only_task && !xkd_sight_task(s))
		return false;
	if (b->only_task && s->task != b->only_task)
		return true;
	if (b->cond || b->trace) {
		c = compiled(r, b, s->cpu, s->pc);
		if (!c)
			return false;
	}
	if (b->cond) {
		if (!c->cond || xkd_prog_run(c->cond, &env, &v, &ignored))
			return false;
		if (!v)
			return true;
	}
	if (b->max_depth)
		return false;
	if (b->trace) {
		xkd_trace_take(s, b, c);
		return true;
	}
	if (b->left <= 1 || s->ncounted == XKD_COUNT(s->counted))
		return false;
	s->counted[s->ncounted++] = b;
	return true;
}

static bool holds_place(const struct xkd_bkpt *b, uint64_t pc)
{
	for (size_t i = 0; b->enabled && b->kind <= XKD_BP_HW && i < b->locs.n; i++)
		if (b->locs.p[i] == pc)
			return true;
	return false;
}

static bool all_pass(struct xkd_sight *s)
{
	struct xkd_bkpts *all = s->r->bkpts;
	bool any = false;

	for (size_t i = 0; i < all->list.n; i++) {
		struct xkd_bkpt *b = all->list.p[i];

		if (!holds_place(b, s->pc))
			continue;
		if (!passes(s, b))
			return false;
		any = true;
	}
	return any;
}

static bool planned(const struct xkd_run *r, const struct xkd_until *u, uint64_t pc)
{
	for (size_t i = 0; u && i < u->n; i++)
		if (u->addrs[i] == pc)
			return true;
	return r->bkpts->load_at == pc;
}

/* Is the CPU in our kernel? Proof takes some reads, so what was proved is remembered by two registers
 * that together no guest has by chance: where the page tables are, and where this CPU's data is. */
static bool in_kernel(struct xkd_run *r, int cpu, const struct xkd_regs *regs)
{
	const struct xkd_arch *arch = r->t->arch;
	struct xkd_bkpts *all = r->bkpts;
	uint64_t root = regs->v[arch->ptroot], base = regs->v[arch->percpu];
	bool usable = xkd_reg_known(regs, arch->ptroot) && xkd_reg_known(regs, arch->percpu) &&
		      base >> 63;

	if (all->proved_boot != r->t->gen.boot)
		all->nproved = 0;
	all->proved_boot = r->t->gen.boot;
	for (unsigned i = 0; usable && i < all->nproved && i < XKD_COUNT(all->proved); i++)
		if (all->proved[i].root == root && all->proved[i].base == base)
			return true;
	if (xkd_target_kview(r->t, cpu) != XKD_KVIEW_OK)
		return false;
	if (usable) {
		unsigned at = all->nproved++ % XKD_COUNT(all->proved);

		all->proved[at].root = root;
		all->proved[at].base = base;
	}
	return true;
}

/* A watch is not triggered by what a debugger reads or writes. */
static bool watches(const struct xkd_run *r)
{
	for (size_t i = 0; i < r->bkpts->placed.n; i++)
		if (r->bkpts->placed.p[i].kind > XKD_BP_HW)
			return true;
	return false;
}

bool xkd_run_carry(struct xkd_run *r, int cpu, const uint8_t *bytes, size_t n,
		   const struct xkd_regs *regs, bool go)
{
	struct xkd_sight seen = { .r = r, .cpu = cpu };
	const struct xkd_carry_mem mem = { .read = read_cpu, .arg = &seen };
	struct xkd_carry c;
	struct xkd_err ignored = XKD_ERR_INIT;

	return r->t->arch->carry && in_kernel(r, cpu, regs) &&
	       r->t->arch->carry(regs, bytes, n, &mem, &c) &&
	       !((c.store_size || c.loads) && watches(r)) &&
	       !xkd_target_carry(r->t, cpu, &c, go, &ignored);
}

bool xkd_run_quick(struct xkd_run *r, const struct xkd_until *u, const struct xkd_event *ev)
{
	struct xkd_bkpts *all = r->bkpts;
	struct xkd_sight s;
	uint8_t code[15];
	size_t n;
	bool gone;

	if (ev->kind != XKD_EV_STOPPED || ev->reason != XKD_STOP_BP || all->early.n ||
	    !xkd_target_kernel(r->t) || !xkd_sight_take(&s, r, r->t->stop_cpu))
		return false;
	n = xkd_sight_code(&s, code);
	gone = n && !planned(r, u, s.pc) && in_kernel(r, s.cpu, s.regs) && all_pass(&s) &&
	       xkd_run_carry(r, s.cpu, code, n, s.regs, true);
	xkd_sight_done(&s);
	if (!gone) {
		xkd_trace_drop(r);
		return false;
	}
	xkd_traces_went(r);
	for (size_t i = 0; i < s.ncounted; i++) {
		s.counted[i]->hits++;
		s.counted[i]->left--;
	}
	xkd_trace_keep(r);
	return true;
}
