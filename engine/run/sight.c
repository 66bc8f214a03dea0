/* What a hit is judged by: a CPU's registers, the code under it, its task, some memory. What the last
 * hit on the CPU read is asked for in the same exchange as the registers, so that a place that is hit
 * again and again costs one. Invariants: everything is as it is at this stop, the guess is only about
 * which addresses are wanted; and only RAM is guessed, where reading has no effects. */
#include "base/str.h"
#include "engine/os/os.h"
#include "engine/run/run_int.h"
#include <string.h>

#define INSN_MAX 15

static struct xkd_hot *hot_of(struct xkd_sight *s)
{
	struct xkd_bkpts *all = s->r->bkpts;

	while (all->hot.n <= (size_t)s->cpu)
		(void)*xkd_vec_push(&all->hot);
	return &all->hot.p[s->cpu];
}

bool xkd_sight_take(struct xkd_sight *s, struct xkd_run *r, int cpu)
{
	const struct xkd_hot *hot;
	struct xkd_err ignored;

	s->r = r;
	s->cpu = cpu;
	s->n = 0;
	s->next.n = 0;
	s->has_task = false;
	s->ncounted = 0;
	if (cpu < 0 || (size_t)cpu >= r->t->cpus.n)
		return false;
	hot = hot_of(s);
	for (; s->n < hot->n; s->n++)
		s->iov[s->n] = (struct xkd_iov){ .addr = hot->at[s->n].addr,
						 .buf = s->bytes[s->n],
						 .len = hot->at[s->n].len };
	if (xkd_target_look(r->t, cpu, s->iov, s->n, &s->regs, &ignored))
		return false;
	s->pc = s->regs->v[r->t->arch->pc];
	return true;
}

/* Code that a breakpoint is in, or RAM at an address that does not change its meaning. */
static bool steady(struct xkd_sight *s, uint64_t addr, size_t len)
{
	struct xkd_target *t = s->r->t;
	uint64_t pa;

	return addr == s->pc || (t->os->linear_pa && t->os->linear_pa(t, addr, &pa) &&
				 xkd_target_in_ram(t, pa, len));
}

static void note(struct xkd_sight *s, uint64_t addr, size_t len)
{
	struct xkd_hot *h = &s->next;

	if (h->n == XKD_HOT_MAX || len > XKD_SIGHT_BYTES || !steady(s, addr, len))
		return;
	for (unsigned i = 0; i < h->n; i++)
		if (h->at[i].addr <= addr && addr - h->at[i].addr + len <= h->at[i].len)
			return;
	h->at[h->n].addr = addr;
	h->at[h->n++].len = (unsigned)len;
}

static bool read_mem(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct xkd_sight *s = arg;

	note(s, addr, len);
	for (size_t i = 0; i < s->n; i++) {
		const struct xkd_iov *v = &s->iov[i];

		if (v->addr > addr || addr - v->addr > v->done || len > v->done - (addr - v->addr))
			continue;
		memcpy(buf, v->buf + (addr - v->addr), len);
		return true;
	}
	return xkd_target_peek(s->r->t, s->cpu, addr, buf, len);
}

size_t xkd_sight_code(struct xkd_sight *s, uint8_t *bytes)
{
	struct xkd_space sp = xkd_space_cpu(s->cpu);
	struct xkd_err ignored;
	size_t n = 0;

	if (read_mem(s, s->pc, bytes, INSN_MAX))
		return INSN_MAX;
	/* the end of what is mapped, perhaps */
	(void)!xkd_mem_read(s->r->t, &sp, s->pc, bytes, INSN_MAX, &n, &ignored);
	return n;
}

bool xkd_sight_task(struct xkd_sight *s)
{
	struct xkd_target *t = s->r->t;
	struct xkd_task_parts p;
	struct xkd_err ignored;
	uint8_t task[8], id[4];
	uint64_t at;

	if (s->has_task)
		return true;
	if (!t->os->current_at || !t->os->task_parts || t->os->current_at(t, s->cpu, &at, &ignored) ||
	    !t->os->task_parts(t, &p) || !read_mem(s, at, task, sizeof(task)))
		return false;
	s->task = xkd_get_le(task, 8);
	memset(s->comm, 0, sizeof(s->comm));
	if (p.tgid - p.pid == sizeof(id)) { /* one read for both */
		uint8_t both[8];

		if (!read_mem(s, s->task + p.pid, both, sizeof(both)))
			return false;
		s->pid = (int32_t)xkd_get_le(both, 4);
		s->tgid = (int32_t)xkd_get_le(both + 4, 4);
	} else {
		if (!read_mem(s, s->task + p.pid, id, sizeof(id)))
			return false;
		s->pid = (int32_t)xkd_get_le(id, 4);
		if (!read_mem(s, s->task + p.tgid, id, sizeof(id)))
			return false;
		s->tgid = (int32_t)xkd_get_le(id, 4);
	}
	if (p.comm_size && !read_mem(s, s->task + p.comm, s->comm, p.comm_size))
		memset(s->comm, 0, sizeof(s->comm));
	s->has_task = true;
	return true;
}

static bool ask(void *arg, enum xkd_prog_what what, uint64_t *v)
{
	struct xkd_sight *s = arg;
	struct xkd_target *t = s->r->t;
	struct xkd_err ignored;
	int cpu;

	if (what == XKD_PROG_CPU || what == XKD_PROG_PERCPU) {
		cpu = t->os->cpu_number ? t->os->cpu_number(t, s->cpu) : s->cpu;
		*v = (uint64_t)cpu;
		return cpu >= 0 && (what == XKD_PROG_CPU ||
				    (t->os->percpu && !t->os->percpu(t, cpu, v, &ignored)));
	}
	if (!xkd_sight_task(s))
		return false;
	*v = what == XKD_PROG_TASK ? s->task : (uint64_t)(what == XKD_PROG_PID ? s->pid : s->tgid);
	return true;
}

struct xkd_prog_env xkd_sight_env(struct xkd_sight *s)
{
	return (struct xkd_prog_env){ .regs = s->regs, .read = read_mem, .ask = ask, .arg = s };
}

void xkd_sight_done(struct xkd_sight *s)
{
	*hot_of(s) = s->next;
}
