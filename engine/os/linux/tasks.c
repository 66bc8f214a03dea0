/* Tasks and CPUs: per-CPU offsets, the current task, a task's fields, the registers of one that
 * sleeps. What is where in them says shapes.c. */
#include "engine/os/linux/linux.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>

#define TASKS_MAX 1000000

enum xkd_rc linux_member(struct xkd_target *t, const char *type, const char *path, uint64_t addr,
			 uint64_t *val, struct xkd_err *err)
{
	uint64_t off, size;
	enum xkd_rc rc = xkd_offsetof(t, type, path, &off, &size, err);

	if (rc)
		return rc;
	return xkd_kread_u(t, addr + off, size > 8 ? 8 : (unsigned)size, val, err);
}

static bool take_symbol(void *arg, const struct xkd_symref *sym)
{
	struct xkd_symref *best = arg;

	if (!best->name || (best->bind == STB_LOCAL && sym->bind != STB_LOCAL))
		*best = *sym;
	return true;
}

bool linux_symbol(struct xkd_target *t, const char *name, uint64_t *addr, uint64_t *size)
{
	struct xkd_symref best = { .name = NULL };
	char full[96];

	snprintf(full, sizeof(full), "lk!%s", name);
	xkd_sym_glob(t, full, take_symbol, &best);
	if (!best.name)
		return false;
	*addr = best.addr;
	if (size)
		*size = best.size;
	return true;
}

#define NO_AREA UINT64_MAX

static enum xkd_rc fill_percpu(struct xkd_target *t, struct xkd_err *err)
{
	struct xkd_linux *lx = linux_of(t);
	uint64_t bytes[64], n = t->cpus.n, i, load, size;
	struct linux_fit fit;
	enum xkd_rc rc = linux_shape(t, SHAPE_PERCPU, &fit, err);
	const struct linux_place *sym = &fit.at[AT_VAR];

	if (rc)
		return rc;
	/* One entry more than CPUs here: numbers may have holes after hot-unplug. */
	n = n + 16 < XKD_LINUX_CPUS ? n + 16 : XKD_LINUX_CPUS;
	if (sym->size && n > sym->size / 8)
		n = sym->size / 8;
	xkd_vec_reset(&lx->percpu);
	if (!linux_symbol(t, "__per_cpu_load", &load, &size))
		load = NO_AREA;
	for (i = 0; i < n; i++) {
		if (i % 64 == 0) {
			size_t want = (size_t)(n - i < 64 ? n - i : 64) * 8;

			rc = xkd_kread(t, sym->off + 8 * i, bytes, want, err);
			if (rc)
				return rc;
		}
		/* CPUs that cannot be keep what they were linked with; early on the first has it too */
		*xkd_vec_push(&lx->percpu) = i && bytes[i % 64] == load ? NO_AREA : bytes[i % 64];
	}
	return XKD_OK;
}

enum xkd_rc linux_percpu(struct xkd_target *t, int os_cpu, uint64_t *off, struct xkd_err *err)
{
	struct xkd_linux *lx = linux_of(t);
	enum xkd_rc rc = lx->percpu.n ? XKD_OK : fill_percpu(t, err);

	if (rc)
		return rc;
	if (os_cpu < 0 || (size_t)os_cpu >= lx->percpu.n || lx->percpu.p[os_cpu] == NO_AREA)
		return xkd_err_set(err, XKD_NOTFOUND, "no per-CPU area for CPU %d", os_cpu);
	*off = lx->percpu.p[os_cpu];
	return XKD_OK;
}

static bool reg_named(struct xkd_target *t, const struct xkd_regs *r, const char *name, uint64_t *v)
{
	struct xkd_regname rn;

	if (!t->arch->reg_find(name, &rn) || !xkd_reg_known(r, rn.reg))
		return false;
	*v = r->v[rn.reg];
	return true;
}

/* A CPU is known by its per-CPU base, which is in GS in the kernel and in the swapped-out GS in user
 * space. Where neither tells (early boot, a guest), backends number CPUs as the kernel does. */
int linux_cpu_number(struct xkd_target *t, int cpu)
{
	struct xkd_linux *lx = linux_of(t);
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	uint64_t base[2] = { 0, 0 };

	if (t->cpus.p[cpu].os_cpu >= 0)
		return t->cpus.p[cpu].os_cpu;
	if (xkd_target_kview(t, cpu) == XKD_KVIEW_OTHER)
		return cpu; /* its bases are a guest's */
	if (xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored))
		return -1;
	if (!reg_named(t, regs, "gs_base", &base[0]))
		base[0] = 0;
	if (!reg_named(t, regs, "k_gs_base", &base[1]))
		base[1] = 0;
	if (!lx->percpu.n && fill_percpu(t, &ignored))
		return cpu;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; base[k] && i < lx->percpu.n; i++)
			if (lx->percpu.p[i] == base[k]) {
				t->cpus.p[cpu].os_cpu = (int)i;
				return (int)i;
			}
	return cpu;
}

enum xkd_rc linux_current_at(struct xkd_target *t, int cpu, uint64_t *addr, struct xkd_err *err)
{
	struct linux_fit fit;
	uint64_t base;
	enum xkd_rc rc = linux_percpu(t, linux_cpu_number(t, cpu), &base, err);

	if (!rc)
		rc = linux_shape(t, SHAPE_CURRENT, &fit, err);
	if (!rc)
		*addr = base + fit.at[AT_VAR].off + fit.at[AT_MEMBER].off;
	return rc;
}

enum xkd_rc linux_current(struct xkd_target *t, int cpu, uint64_t *task, struct xkd_err *err)
{
	uint64_t at;
	enum xkd_rc rc = linux_current_at(t, cpu, &at, err);

	return rc ? rc : xkd_kread_u(t, at, 8, task, err);
}

bool linux_task_parts(struct xkd_target *t, struct xkd_task_parts *p)
{
	struct xkd_err ignored;
	struct linux_fit fit;

	if (linux_shape(t, SHAPE_TASK, &fit, &ignored) || fit.at[TASK_PID].size != 4 ||
	    !fit.at[TASK_TGID].there || fit.at[TASK_TGID].size != 4)
		return false;
	*p = (struct xkd_task_parts){ .pid = fit.at[TASK_PID].off, .tgid = fit.at[TASK_TGID].off };
	if (fit.at[TASK_COMM].there) {
		p->comm = fit.at[TASK_COMM].off;
		p->comm_size = fit.at[TASK_COMM].size < 64 ? (unsigned)fit.at[TASK_COMM].size : 64;
	}
	return true;
}

static bool try_part(struct xkd_target *t, const struct linux_fit *fit, unsigned part, uint64_t task,
		     uint64_t *val)
{
	struct xkd_err ignored;

	return !linux_part(t, fit, part, task, val, &ignored);
}

/* A shape that is one member. */
static bool try_shape(struct xkd_target *t, enum linux_shape_id id, uint64_t obj, uint64_t *val)
{
	struct xkd_err ignored;
	struct linux_fit fit;

	return !linux_shape(t, id, &fit, &ignored) && try_part(t, &fit, AT_MEMBER, obj, val);
}

/* TASK_REPORT_*, fs/proc/array.c: since 4.14. The lowest seven bits, the highest one set counts. */
static char state_letter(uint64_t state, uint64_t exit_state)
{
	uint64_t bits = (state | exit_state) & 0x7f;
	unsigned n = 0;

	if ((state & 0x402) == 0x402) /* uninterruptible, counts for no load */
		return 'I';
	if (state & 0x1000) /* waits for a lock that sleeps on real-time kernels */
		return 'D';
	for (; bits; bits >>= 1)
		n++;
	return "RSDTtXZP"[n];
}

enum xkd_rc linux_task(struct xkd_target *t, uint64_t addr, struct xkd_task *task,
		       struct xkd_err *err)
{
	uint64_t v, exit_state = 0;
	struct linux_fit fit;
	enum xkd_rc rc = linux_shape(t, SHAPE_TASK, &fit, err);

	*task = (struct xkd_task){ .addr = addr, .cpu = -1, .letter = '?' };
	if (!rc)
		rc = linux_part(t, &fit, TASK_PID, addr, &v, err);
	if (rc)
		return xkd_err_prepend(err, rc, "task %s", XKD_ADDR(addr));
	task->pid = (int32_t)v;
	if (try_part(t, &fit, TASK_TGID, addr, &v))
		task->tgid = (int32_t)v;
	if (fit.at[TASK_COMM].there) {
		const struct linux_place *p = &fit.at[TASK_COMM];
		char comm[64] = "";
		size_t size = p->size < sizeof(comm) ? (size_t)p->size : sizeof(comm);

		if (!xkd_kread(t, addr + p->off, comm, size, err))
			memcpy(task->comm, comm, sizeof(comm) - 1);
	}
	if (try_part(t, &fit, TASK_MM, addr, &task->mm) && task->mm)
		try_shape(t, SHAPE_MM, task->mm, &task->pgd);
	try_part(t, &fit, TASK_STACK, addr, &task->stack);
	try_part(t, &fit, TASK_EXIT_STATE, addr, &exit_state);
	if (try_shape(t, SHAPE_STATE, addr, &task->state))
		task->letter = state_letter(task->state, exit_state);
	try_part(t, &fit, TASK_FLAGS, addr, &task->flags);
	if (try_shape(t, SHAPE_CPU, addr, &v))
		task->cpu = (int32_t)v;
	if (!linux_shape(t, SHAPE_SLEEPING, &fit, err))
		try_part(t, &fit, SLEEP_SP, addr, &task->sp);
	return XKD_OK;
}

/* A task_struct lies in several pages, all of which are asked for: in one transfer. */
static void read_whole(struct xkd_target *t, uint64_t addr)
{
	uint64_t at[8];
	size_t n = 0;
	struct linux_fit fit;
	struct xkd_err ignored;

	if (linux_shape(t, SHAPE_SLEEPING, &fit, &ignored))
		return;
	for (uint64_t end = addr + fit.at[SLEEP_SP].off; n < XKD_COUNT(at) && addr <= end; n++) {
		at[n] = addr;
		addr = (addr | 4095) + 1;
	}
	xkd_kread_ahead(t, at, n);
}

/* Threads of one group, by signal->thread_head and thread_node. */
static enum xkd_rc threads(struct xkd_target *t, const struct linux_fit *fit, uint64_t leader,
			   size_t *budget, bool (*fn)(void *arg, const struct xkd_task *task), void *arg, bool *stop,
			   struct xkd_err *err)
{
	uint64_t signal = 0, node_off = fit->at[TASKS_NODE].off, head, p = 0;
	struct xkd_task task;
	enum xkd_rc rc = linux_part(t, fit, TASKS_SIGNAL, leader, &signal, err);

	head = signal + fit->at[TASKS_HEAD].off;
	if (!rc)
		rc = xkd_kread_u(t, head, 8, &p, err);
	while (!rc && p != head && !*stop) {
		if (!(*budget)--)
			return xkd_err_set(err, XKD_BADDATA, "the task list does not end");
		rc = xkd_cancel_check(t->cancel, err);
		if (!rc)
			read_whole(t, p - node_off);
		if (!rc)
			rc = linux_task(t, p - node_off, &task, err);
		if (rc)
			break;
		*stop = !fn(arg, &task);
		rc = xkd_kread_u(t, p, 8, &p, err);
	}
	return rc;
}

enum xkd_rc linux_tasks(struct xkd_target *t, bool (*fn)(void *arg, const struct xkd_task *task),
			void *arg, struct xkd_err *err)
{
	size_t budget = TASKS_MAX;
	struct linux_fit fit;
	uint64_t off, head, p;
	bool stop = false;
	enum xkd_rc rc = linux_shape(t, SHAPE_TASKS, &fit, err);

	off = fit.at[TASKS_LIST].off;
	p = head = fit.at[TASKS_INIT].off + off;
	do {
		if (rc)
			break;
		if (!budget--)
			return xkd_err_set(err, XKD_BADDATA, "the task list does not end");
		read_whole(t, p - off);
		rc = threads(t, &fit, p - off, &budget, fn, arg, &stop, err);
		if (!rc)
			rc = xkd_kread_u(t, p, 8, &p, err);
	} while (!rc && !stop && p != head);
	return rc;
}

/* struct inactive_task_frame (4.9): what __switch_to_asm pushed. */
enum xkd_rc linux_task_regs(struct xkd_target *t, uint64_t task, struct xkd_regs *regs,
			    struct xkd_err *err)
{
	static const struct {
		unsigned part;
		const char *reg;
	} map[] = { { SLEEP_BX, "rbx" },  { SLEEP_BP, "rbp" },	{ SLEEP_R12, "r12" },
		    { SLEEP_R13, "r13" }, { SLEEP_R14, "r14" }, { SLEEP_R15, "r15" },
		    { SLEEP_IP, "rip" } };
	struct xkd_regname rn;
	struct linux_fit fit;
	uint64_t sp, v;
	enum xkd_rc rc = linux_shape(t, SHAPE_SLEEPING, &fit, err);

	if (!rc)
		rc = linux_part(t, &fit, SLEEP_SP, task, &sp, err);
	if (rc)
		return rc;
	*regs = (struct xkd_regs){ .known = 0 };
	for (size_t i = 0; i < XKD_COUNT(map); i++) {
		rc = linux_part(t, &fit, map[i].part, sp, &v, err);
		if (rc)
			return rc;
		if (t->arch->reg_find(map[i].reg, &rn))
			xkd_reg_put(regs, rn.reg, v);
	}
	xkd_reg_put(regs, t->arch->sp, sp + fit.at[SLEEP_FRAME].size);
	return XKD_OK;
}

void linux_describe(struct xkd_target *t, int cpu, struct xkd_out *out)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	struct xkd_task task;
	uint64_t addr, cr3;

	if (linux_current(t, cpu, &addr, &ignored) || linux_task(t, addr, &task, &ignored))
		return;
	xkd_out(out, "task_struct:");
	xkd_out_key(out, XKD_ST_ADDR, "task", "%s", XKD_ADDR(addr));
	xkd_out_key(out, XKD_ST_NUM, "pid", " pid: %lld", (long long)task.pid);
	if (task.tgid != task.pid)
		xkd_out_key(out, XKD_ST_NUM, "tgid", " tgid: %lld", (long long)task.tgid);
	xkd_out(out, " comm: ");
	xkd_out_foreign(out, XKD_ST_STR, task.comm, strlen(task.comm));
	xkd_out_key(out, XKD_ST_NUM, "cpu", " cpu: %d", linux_cpu_number(t, cpu));
	if (xkd_target_kview(t, cpu) != XKD_KVIEW_OTHER &&
	    !xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored) &&
	    reg_named(t, regs, "cr3", &cr3))
		xkd_out_key(out, XKD_ST_DIM, "cr3", " cr3: %llx", (unsigned long long)cr3);
	xkd_out_end(out);
}
