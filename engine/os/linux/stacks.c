/* Which stack an address lies on: a task's own, or one of a CPU's for interrupts and exceptions. */
#include "engine/os/linux/linux.h"
#include <string.h>

#define STACK_SIZE 16384 /* THREAD_SIZE and IRQ_STACK_SIZE where no type tells */

static bool within(uint64_t low, uint64_t size, uint64_t sp, const char *name, struct xkd_stack *st)
{
	if (!low || sp < low || sp - low > size) /* empty, it points above itself */
		return false;
	*st = (struct xkd_stack){ .low = low, .high = low + size, .name = name };
	return true;
}

static uint64_t union_size(struct xkd_target *t, const char *name)
{
	const struct xkd_type *type;
	struct xkd_err ignored;

	if (xkd_type_named(t, xkd_target_kernel(t), XKD_TAG_UNION, name, &type, &ignored) ||
	    type->size < 4096 || type->size > 1u << 20)
		return STACK_SIZE;
	return type->size;
}

/* A pointer per CPU: a variable of its own, or a member of pcpu_hot (6.2 to 6.14). */
static bool percpu_ptr(struct xkd_target *t, uint64_t base, const char *name, uint64_t *v)
{
	struct xkd_err ignored;
	uint64_t addr, off = 0;

	if (!linux_symbol(t, name, &addr, NULL) &&
	    (!linux_symbol(t, "pcpu_hot", &addr, NULL) ||
	     xkd_offsetof(t, "pcpu_hot", name, &off, NULL, &ignored)))
		return false;
	return !xkd_kread_u(t, base + addr + off, 8, v, &ignored) && *v;
}

/* The pointer is 8 below the top of the stack's pages. */
static bool irq_stack(struct xkd_target *t, uint64_t base, uint64_t sp, struct xkd_stack *st)
{
	uint64_t top, size = 0, addr;

	if (!percpu_ptr(t, base, "hardirq_stack_ptr", &top))
		return false;
	if (!linux_symbol(t, "irq_stack_backing_store", &addr, &size) || size < 4096 ||
	    size > 1u << 20)
		size = STACK_SIZE;
	top = (top + 4095) & ~4095ULL;
	return within(top - size, size, sp, "irq", st);
}

static bool exception_stack(struct xkd_target *t, uint64_t base, uint64_t sp, struct xkd_stack *st)
{
	static const struct {
		const char *member, *name;
	} rows[] = { { "DF_stack", "#DF" }, { "NMI_stack", "NMI" }, { "DB_stack", "#DB" },
		     { "MCE_stack", "#MC" }, { "VC_stack", "#VC" }, { "VC2_stack", "#VC2" } };
	struct xkd_err ignored;
	uint64_t at, off, size, estacks;

	if (!percpu_ptr(t, base, "cea_exception_stacks", &at))
		return false;
	for (size_t i = 0; i < XKD_COUNT(rows); i++)
		if (!xkd_offsetof(t, "cea_exception_stacks", rows[i].member, &off, &size, &ignored) &&
		    size && within(at + off, size, sp, rows[i].name, st))
			return true;
	/* the stack that the CPU enters on from user space lies in the same area */
	return !xkd_offsetof(t, "cpu_entry_area", "estacks", &estacks, NULL, &ignored) &&
	       !xkd_offsetof(t, "cpu_entry_area", "entry_stack_page", &off, &size, &ignored) &&
	       within(at - estacks + off, size, sp, "entry", st);
}

bool linux_stack_at(struct xkd_target *t, int cpu, uint64_t task, uint64_t sp, struct xkd_stack *st)
{
	struct xkd_err ignored;
	uint64_t low, base;

	if (task && !linux_member(t, "task_struct", "stack", task, &low, &ignored) &&
	    within(low, union_size(t, "thread_union"), sp, "task", st))
		return true;
	return cpu >= 0 && !linux_percpu(t, linux_cpu_number(t, cpu), &base, &ignored) &&
	       (irq_stack(t, base, sp, st) || exception_stack(t, base, sp, st));
}
