/* Hits that pass by themselves, fast: a false condition, another CPU. The registers and the bytes at
 * the place come in one exchange, the condition is a compiled program, and the instruction under the
 * breakpoint is carried out by its effect on registers, so that the breakpoint stays in. Invariant:
 * nothing is let through here that judge() would show; what is not plain is left to it. And nothing is
 * carried out for a CPU that may be in a guest: its code cannot be read truly through every stub. */
#include "base/str.h"
#include "engine/lang/prog.h"
#include "engine/os/os.h"
#include "engine/run/place.h"
#include "engine/run/run_int.h"
#include <string.h>

#define INSN_MAX 15

void xkd_bkpt_drop_prog(struct xkd_bkpt *b)
{
	xkd_prog_free(b->prog);
	b->prog = NULL;
	b->prog_tried = false;
}

/* Compiled at the first hit, for what names mean there; anew when modules came or went. */
static const struct xkd_prog *program(struct xkd_run *r, struct xkd_bkpt *b, int cpu, uint64_t pc)
{
	const struct xkd_gen *g = &r->t->gen;
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_ctx ctx;

	if (b->prog_tried && b->prog_pc == pc && b->prog_boot == g->boot &&
	    b->prog_modules == g->modules)
		return b->prog;
	if (xkd_ctx_cpu(r->t, cpu, &ctx, &ignored) || ctx.foreign)
		return NULL;
	xkd_bkpt_drop_prog(b);
	b->prog_tried = true;
	b->prog_pc = pc;
	b->prog_boot = g->boot;
	b->prog_modules = g->modules;
	if (xkd_prog_new(&ctx, r->env, b->cond, &b->prog, &ignored))
		b->prog = NULL;
	return b->prog;
}

struct seen {
	struct xkd_target *t;
	int cpu;
};

static bool read_cpu(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct seen *s = arg;
	struct xkd_space sp = xkd_space_cpu(s->cpu);
	struct xkd_err ignored;

	return !xkd_mem_read(s->t, &sp, addr, buf, len, NULL, &ignored);
}

/* Certainly none of the user's business? */
static bool passes(struct xkd_run *r, struct xkd_bkpt *b, int cpu, uint64_t pc,
		   const struct xkd_regs *regs)
{
	struct seen seen = { r->t, cpu };
	const struct xkd_prog_env env = { .regs = regs, .read = read_cpu, .arg = &seen };
	const struct xkd_prog *prog;
	struct xkd_err ignored = XKD_ERR_INIT;
	uint64_t v;

	if (b->only_cpu >= 0 && r->t->os->cpu_number)
		return r->t->os->cpu_number(r->t, cpu) != b->only_cpu;
	if (!b->cond || b->only_task)
		return false;
	prog = program(r, b, cpu, pc);
	return prog && !xkd_prog_run(prog, &env, &v, &ignored) && !v;
}

static bool holds_place(const struct xkd_bkpt *b, uint64_t pc)
{
	for (size_t i = 0; b->enabled && b->kind <= XKD_BP_HW && i < b->locs.n; i++)
		if (b->locs.p[i] == pc)
			return true;
	return false;
}

static bool all_pass(struct xkd_run *r, int cpu, uint64_t pc, const struct xkd_regs *regs)
{
	bool any = false;

	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];

		if (!holds_place(b, pc))
			continue;
		if (!passes(r, b, cpu, pc, regs))
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
	struct seen seen = { r->t, cpu };
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
	const struct xkd_regs *regs;
	struct xkd_err ignored = XKD_ERR_INIT;
	uint8_t bytes[INSN_MAX];
	uint64_t pc, at = all->hot;
	size_t n;
	int cpu = r->t->stop_cpu;

	if (ev->kind != XKD_EV_STOPPED || ev->reason != XKD_STOP_BP || all->early.n ||
	    !xkd_target_kernel(r->t) || xkd_target_look(r->t, cpu, at, bytes, sizeof(bytes), &n, &regs,
							&ignored))
		return false;
	pc = regs->v[r->t->arch->pc];
	all->hot = pc;
	if (planned(r, u, pc) || !all_pass(r, cpu, pc, regs))
		return false;
	if (pc != at) {
		struct xkd_space sp = xkd_space_cpu(cpu);

		n = 0;
		(void)!xkd_mem_read(r->t, &sp, pc, bytes, sizeof(bytes), &n, &ignored);
	}
	return n && xkd_run_carry(r, cpu, bytes, n, regs, true);
}
