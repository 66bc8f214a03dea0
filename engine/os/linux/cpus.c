/* What each CPU is doing, from the preemption count. Its fields have not moved
 * (include/linux/preempt.h). */
#include "engine/os/linux/linux.h"

#define SOFTIRQ_SERVED 0x00000100u
#define HARDIRQ_MASK 0x000f0000u
#define NMI_MASK 0x00f00000u

static enum xkd_rc preempt_count(struct xkd_target *t, int cpu, uint64_t task, uint64_t *count,
				 struct xkd_err *err)
{
	struct linux_fit fit;
	uint64_t base;
	enum xkd_rc rc = linux_percpu(t, linux_cpu_number(t, cpu), &base, err);

	if (!rc)
		rc = linux_shape(t, SHAPE_PREEMPT, &fit, err);
	if (rc)
		return rc;
	if (!fit.at[AT_VAR].there)
		return linux_part(t, &fit, AT_MEMBER, task, count, err);
	return xkd_kread_u(t, base + fit.at[AT_VAR].off + fit.at[AT_MEMBER].off, 4, count, err);
}

static const char *kernel_word(uint32_t count, int64_t pid, bool known)
{
	if (count & NMI_MASK)
		return "nmi";
	if (count & HARDIRQ_MASK)
		return "irq";
	if (count & SOFTIRQ_SERVED)
		return "softirq";
	return known && !pid ? "idle" : "task";
}

enum xkd_rc linux_cpu_state(struct xkd_target *t, int cpu, struct xkd_cpu_state_os *st,
			    struct xkd_err *err)
{
	struct xkd_err ignored;
	const struct xkd_regs *regs;
	struct linux_fit fit;
	uint64_t task = 0, count = 0, pid = 0;
	bool known = !linux_current(t, cpu, &task, &ignored) &&
		     !linux_shape(t, SHAPE_TASK, &fit, &ignored) &&
		     !linux_part(t, &fit, TASK_PID, task, &pid, &ignored);
	enum xkd_rc rc = xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, err);

	*st = (struct xkd_cpu_state_os){ .word = "?" };
	if (rc)
		return rc;
	st->has_preempt = !preempt_count(t, cpu, task, &count, &ignored);
	st->preempt = (uint32_t)count;
	if (xkd_target_kview(t, cpu) == XKD_KVIEW_OTHER) {
		st->word = t->arch->may_be_guest(regs) ? "guest" : "outside";
		st->outside = !t->arch->may_be_guest(regs);
	} else if (t->arch->is_user(regs)) {
		st->word = "user";
	} else {
		st->word = kernel_word(st->has_preempt ? st->preempt : 0, (int64_t)pid, known);
	}
	return XKD_OK;
}
