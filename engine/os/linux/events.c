/* What a person may want to stop at in a Linux kernel, where it passes then, and what it is about. */
#include "engine/os/linux/linux.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

/* Each passes one of its places, the first that the kernel has. */
static const struct xkd_os_event events[] = {
	{ "ld", "a module is loaded, before its own code runs", { "do_init_module" } },
	{ "ud", "a module is unloaded", { "free_module" } },
	{ "et", "a task ends", { "do_exit" } },
	{ "oops", "the kernel meets an error of its own", { "oops_enter", "oops_begin", "die" } },
	{ "panic", "the kernel gives up", { "vpanic", "panic" } },
	{ "warn", "a WARN that the kernel prints", { "__warn" } },
	{ NULL, NULL, { NULL } },
};

const struct xkd_os_event *linux_events(void)
{
	return events;
}

static bool module_name(struct xkd_target *t, int cpu, char *buf, size_t max)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;
	uint64_t off;

	return !xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored) &&
	       xkd_reg_known(regs, t->arch->arg_regs[0]) &&
	       !xkd_offsetof(t, "module", "name", &off, NULL, &ignored) &&
	       !xkd_kread_str(t, regs->v[t->arch->arg_regs[0]] + off, buf, max, &ignored);
}

static bool task_name(struct xkd_target *t, int cpu, char *buf, size_t max)
{
	struct xkd_task task;
	struct xkd_err ignored;
	uint64_t addr;

	if (t->os->current(t, cpu, &addr, &ignored) || t->os->task(t, addr, &task, &ignored))
		return false;
	snprintf(buf, max, "%s", task.comm);
	return true;
}

/* A format string as the kernel will print it is not made: its text is shown. */
static bool panic_text(struct xkd_target *t, int cpu, char *buf, size_t max)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;

	return !xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored) &&
	       !xkd_kread_str(t, regs->v[t->arch->arg_regs[0]], buf, max, &ignored);
}

void linux_event_about(struct xkd_target *t, int cpu, const char *code, char *buf, size_t max)
{
	bool known = !strcmp(code, "ld") || !strcmp(code, "ud") ? module_name(t, cpu, buf, max) :
		     !strcmp(code, "panic")			? panic_text(t, cpu, buf, max) :
								  task_name(t, cpu, buf, max);

	if (!known)
		buf[0] = 0;
	for (char *p = buf; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '.';
}
