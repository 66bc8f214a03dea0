/* What the instructions of a function say of its frame, for code that tables tell little of: ORC has
 * the stack and rbp alone, and around vmrun not even that, where it counts on a frame pointer while the
 * registers are a guest's. From the first instruction on it is followed how far the stack pointer has
 * moved, and for each register that a call keeps whether it still has the caller's value, lies pushed,
 * or is lost.
 * Invariants: all of the function is read as it is in the target and must decode without a gap. Where
 * ways meet, what they do not agree on is lost; code that only a jump backwards leads to is not
 * judged; what a jump backwards may have run through before is lost. What the function calls keeps the
 * registers by the ABI. */
#include "base/str.h"
#include "engine/lang/unwind_step.h"
#include <string.h>

#define FUNC_MAX 0x1000u
#define JUMPS_MAX 64
#define NREGS 16

enum held { HELD_OWN, HELD_PUSHED, HELD_LOST };
struct state {
	bool live;     /* this is reached */
	bool depth_ok; /* depth is known */
	int64_t depth; /* what was pushed, in bytes */
	struct {
		enum held held;
		int64_t at; /* PUSHED: depth after the push */
	} r[NREGS];
};
struct code {
	const struct xkd_arch *arch;
	uint64_t start;
	size_t size;
	uint8_t bytes[FUNC_MAX];
	struct {
		uint64_t target;
		struct state state;
	} jumps[JUMPS_MAX];
	size_t njumps;
};

/* The function around addr as it is in the target. */
static bool load(const struct xkd_ctx *ctx, uint64_t addr, struct code *c)
{
	struct xkd_symref sym;
	size_t got = 0;

	if (xkd_sym_at(ctx->t, addr, &sym, NULL) || !sym.size || sym.size > sizeof(c->bytes) ||
	    addr - sym.addr >= sym.size)
		return false;
	c->arch = ctx->t->arch;
	c->start = sym.addr;
	c->size = (size_t)sym.size;
	c->njumps = 0;
	return !xkd_ctx_read(ctx, sym.addr, c->bytes, c->size, &got, NULL) && got == c->size;
}

static void merge(struct state *a, const struct state *b)
{
	if (!b->live)
		return;
	if (!a->live) {
		*a = *b;
		return;
	}
	a->depth_ok = a->depth_ok && b->depth_ok && a->depth == b->depth;
	for (int i = 0; i < NREGS; i++)
		if (a->r[i].held != b->r[i].held || a->r[i].at != b->r[i].at)
			a->r[i].held = HELD_LOST;
}

/* False: no more room. */
static bool note_jump(struct code *c, uint64_t target, const struct state *now)
{
	for (size_t i = 0; i < c->njumps; i++)
		if (c->jumps[i].target == target) {
			merge(&c->jumps[i].state, now);
			return true;
		}
	if (c->njumps == JUMPS_MAX)
		return false;
	c->jumps[c->njumps].target = target;
	c->jumps[c->njumps++].state = *now;
	return true;
}

static void arrive(struct code *c, uint64_t addr, struct state *now)
{
	for (size_t i = 0; i < c->njumps; i++)
		if (c->jumps[i].target == addr)
			merge(now, &c->jumps[i].state);
}

static void lose(struct state *s, uint32_t mask)
{
	for (int i = 0; i < NREGS; i++)
		if (mask >> i & 1 && s->r[i].held == HELD_OWN)
			s->r[i].held = HELD_LOST;
}

/* What one instruction does to the frame. */
static void apply(struct state *s, const struct xkd_insn *in)
{
	int pop = in->popped;
	bool back = pop >= 0 && pop < NREGS && s->depth_ok && s->r[pop].held == HELD_PUSHED &&
		    s->r[pop].at == s->depth;

	if (in->pushed >= 0 && in->pushed < NREGS && s->depth_ok &&
	    s->r[in->pushed].held == HELD_OWN) {
		s->r[in->pushed].held = HELD_PUSHED;
		s->r[in->pushed].at = s->depth - in->sp_add;
	}
	if (!in->is_call)
		lose(s, in->changes);
	if (back)
		s->r[pop].held = HELD_OWN;
	s->depth_ok = s->depth_ok && in->sp_known;
	s->depth -= in->sp_add;
	/* what lies below the stack pointer is no one's */
	for (int i = 0; i < NREGS; i++)
		if (s->r[i].held == HELD_PUSHED && (!s->depth_ok || s->r[i].at > s->depth))
			s->r[i].held = HELD_LOST;
}

static bool ends_way(const struct xkd_insn *in)
{
	return in->is_ret || in->is_iret || (in->is_jump && !in->is_cond) ||
	       !strncmp(in->mnem, "ud", 2) || !strcmp(in->mnem, "int");
}

/* The frame before the instruction at pc. */
static bool follow(struct code *c, uint64_t pc, struct state *at_pc)
{
	struct state now = { .live = true, .depth_ok = true };
	uint32_t after = 0; /* written from pc on */
	struct xkd_insn in;
	bool found = false;

	for (size_t at = 0; at < c->size; at += in.len) {
		uint64_t addr = c->start + at;

		arrive(c, addr, &now);
		if (addr == pc) {
			if (!now.live)
				return false;
			*at_pc = now;
			found = true;
		}
		if (c->arch->disasm(XKD_MODE_64, addr, c->bytes + at, c->size - at, &in, NULL) ||
		    !in.len)
			return false;
		if (found)
			after |= in.changes;
		if (now.live)
			apply(&now, &in);
		if (in.is_jump && in.has_target && in.target > addr && now.live &&
		    !note_jump(c, in.target, &now))
			return false;
		if (found && in.is_jump && in.has_target && in.target <= pc)
			lose(at_pc, after);
		if (ends_way(&in))
			now.live = false;
	}
	return found;
}

/* The direct call before ret; 0: none that is known. */
static uint64_t called(const struct xkd_ctx *ctx, uint64_t ret)
{
	uint64_t target;

	return xkd_unwind_after_call(ctx->t, ret, &target) ? target : 0;
}

/* The instruction that a frame stands at; a caller's lookup is within the call before it. */
static bool at_lookup(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
		      struct code *c, struct state *s)
{
	int pc = ctx->t->arch->pc;

	return load(ctx, lookup, c) &&
	       follow(c, xkd_reg_known(regs, pc) ? regs->v[pc] : lookup, s);
}

static void give(const struct xkd_ctx *ctx, const struct xkd_regs *from, const struct state *s,
		 uint64_t cfa, struct xkd_regs *to)
{
	const struct xkd_arch *arch = ctx->t->arch;

	for (unsigned d = 0; d < 16; d++) {
		int reg = arch->reg_from_dwarf(d);
		struct xkd_err ignored;
		uint64_t v;

		if (!(arch->dwarf_saved >> d & 1) || reg < 0 || reg >= NREGS || reg == arch->sp ||
		    xkd_reg_known(to, reg))
			continue;
		if (s->r[reg].held == HELD_OWN && xkd_reg_known(from, reg))
			xkd_reg_put(to, reg, from->v[reg]);
		else if (s->r[reg].held == HELD_PUSHED &&
			 !xkd_ctx_read_u(ctx, cfa - 8 - (uint64_t)s->r[reg].at, 8, &v, &ignored))
			xkd_reg_put(to, reg, v);
	}
}

/* Does the function that was called lead here without touching a register that calls keep? Then what
 * it does to them is none of ours. */
static void other_entry(const struct xkd_ctx *ctx, uint64_t target, struct code *c, struct state *s)
{
	struct xkd_insn in;

	if (target == c->start)
		return;
	if (!load(ctx, target, c)) {
		lose(s, 0xffff);
		return;
	}
	for (size_t at = 0; at < c->size; at += in.len) {
		if (c->arch->disasm(XKD_MODE_64, c->start + at, c->bytes + at, c->size - at, &in,
				    NULL) || !in.len) {
			lose(s, 0xffff);
			return;
		}
		lose(s, in.changes);
	}
}

void xkd_unwind_kept(const struct xkd_ctx *ctx, const struct xkd_regs *from, uint64_t lookup,
		     uint64_t ret, uint64_t cfa, struct xkd_regs *to)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint64_t target = called(ctx, ret);
	struct code c;
	struct state s;

	if (!target || !xkd_reg_known(from, arch->sp) || !at_lookup(ctx, from, lookup, &c, &s))
		return;
	if (!s.depth_ok || from->v[arch->sp] + (uint64_t)s.depth + 8 != cfa)
		for (int i = 0; i < NREGS; i++)
			if (s.r[i].held == HELD_PUSHED)
				s.r[i].held = HELD_LOST;
	other_entry(ctx, target, &c, &s);
	give(ctx, from, &s, cfa, to);
}

enum xkd_rc xkd_unwind_code(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			    struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_arch *arch = ctx->t->arch;
	struct code c;
	struct state s;
	uint64_t ret;

	*step = (struct xkd_step){ .kind = XKD_STEP_CALL, .how = "code" };
	if (!xkd_reg_known(regs, arch->sp) || !at_lookup(ctx, regs, lookup, &c, &s) || !s.depth_ok)
		return xkd_err_addr(err, XKD_NOTFOUND, lookup, "the code at %s does not tell its frame",
				    XKD_ADDR(lookup));
	step->cfa = regs->v[arch->sp] + (uint64_t)s.depth + 8;
	if (xkd_ctx_read_u(ctx, step->cfa - 8, 8, &ret, err) || called(ctx, ret) != c.start)
		return xkd_err_addr(err, XKD_NOTFOUND, step->cfa - 8,
				    "no call of this function's at %s", XKD_ADDR(step->cfa - 8));
	give(ctx, regs, &s, step->cfa, &step->regs);
	xkd_reg_put(&step->regs, arch->pc, ret);
	xkd_reg_put(&step->regs, arch->sp, step->cfa);
	return XKD_OK;
}
