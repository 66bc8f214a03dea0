/* Pseudo-registers whose values come from the context: $ip, $ra, $thread ... ($t0-$t19 are the
 * evaluator's own). A false answer means there is no such name or no value for it now. */
#include "engine/cmd/session.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reg(const struct xkd_ctx *ctx, int r, uint64_t *val)
{
	if (!xkd_reg_known(&ctx->regs, r))
		return false;
	*val = ctx->regs.v[r];
	return true;
}

static bool reg_named(const struct xkd_ctx *ctx, const char *name, uint64_t *val)
{
	struct xkd_regname rn;

	return ctx->t->arch->reg_find(name, &rn) && reg(ctx, rn.reg, val);
}

static bool return_address(const struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t *val)
{
	struct xkd_arena arena;
	struct xkd_frame *f;
	struct xkd_err ignored;
	char why[160];
	size_t n;
	bool found = false;

	(void)s;
	xkd_arena_init(&arena);
	if (!xkd_unwind(ctx, XKD_INLINE_MAX + 1, &arena, &f, &n, why, &ignored))
		for (size_t i = 0; i < n && !found; i++)
			if (f[i].kind != XKD_FR_INLINE) { /* inline frames return nowhere */
				*val = f[i].ret;
				found = f[i].ret != 0;
				break;
			}
	xkd_arena_fini(&arena);
	return found;
}

/* The address that the instruction at pc works on. */
static bool effective(const struct xkd_ctx *ctx, uint64_t *val)
{
	const struct xkd_arch *arch = ctx->t->arch;
	uint8_t bytes[16];
	size_t n = 0;
	struct xkd_insn in;
	struct xkd_err ignored;
	uint64_t pc, off;

	if (!reg(ctx, arch->pc, &pc))
		return false;
	(void)!xkd_ctx_read(ctx, pc, bytes, sizeof(bytes), &n, &ignored);
	if (!n || arch->disasm(arch->mode(&ctx->regs), pc, bytes, n, &in, &ignored))
		return false;
	return in.has_mem && arch->ea(&ctx->regs, &in, &off, val);
}

static bool of_task(const struct xkd_ctx *ctx, const char *name, uint64_t *val)
{
	struct xkd_target *t = ctx->t;
	struct xkd_task task;
	struct xkd_err ignored;
	uint64_t off;

	if (!ctx->task)
		return false;
	if (!strcmp(name, "thread")) {
		*val = ctx->task;
		return true;
	}
	if (!strcmp(name, "proc"))
		return !xkd_offsetof(t, "task_struct", "group_leader", &off, NULL, &ignored) &&
		       !xkd_kread_u(t, ctx->task + off, t->arch->ptr_size, val, &ignored);
	if (!t->os->task || t->os->task(t, ctx->task, &task, &ignored))
		return false;
	*val = (uint64_t)(!strcmp(name, "tid") ? task.pid : task.tgid);
	return true;
}

static bool of_breakpoint(struct xkd_session *s, const char *digits, uint64_t *val)
{
	char *end;
	unsigned long id = strtoul(digits, &end, 10);
	struct xkd_bkpt *bp;

	if (end == digits || *end)
		return false;
	bp = xkd_bkpt_find(&s->bkpts, (unsigned)id);
	if (!bp || !bp->locs.n)
		return false;
	*val = bp->locs.p[0];
	return true;
}

bool xkd_session_pseudo(void *arg, const struct xkd_ctx *ctx, const char *name, uint64_t *val)
{
	struct xkd_session *s = arg;
	const struct xkd_arch *arch = ctx->t->arch;

	if (!strcmp(name, "ip") || !strcmp(name, "eip"))
		return reg(ctx, arch->pc, val);
	if (!strcmp(name, "csp"))
		return reg(ctx, arch->sp, val);
	if (!strcmp(name, "ra"))
		return return_address(s, ctx, val);
	if (!strcmp(name, "retreg") || !strcmp(name, "retreg64"))
		return reg_named(ctx, "rax", val);
	if (!strcmp(name, "ea"))
		return effective(ctx, val);
	if (!strcmp(name, "thread") || !strcmp(name, "proc") || !strcmp(name, "tid") ||
	    !strcmp(name, "tpid"))
		return of_task(ctx, name, val);
	if (!strncmp(name, "bp", 2))
		return of_breakpoint(s, name + 2, val);
	if (!strcmp(name, "frame"))
		*val = ctx->frame;
	else if (!strcmp(name, "ptrsize"))
		*val = arch->ptr_size;
	else if (!strcmp(name, "pagesize"))
		*val = 4096;
	else if (!strcmp(name, "cpu") && ctx->cpu >= 0 && (size_t)ctx->cpu < ctx->t->cpus.n)
		*val = (uint64_t)(ctx->t->cpus.p[ctx->cpu].os_cpu >= 0
					  ? ctx->t->cpus.p[ctx->cpu].os_cpu
					  : ctx->cpu);
	else
		return false;
	return true;
}
