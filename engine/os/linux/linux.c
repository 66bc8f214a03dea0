/* The Linux personality: its vtable, and the arithmetic of its address space. */
#include "engine/os/linux/linux.h"
#include <stdlib.h>
#include <string.h>

static void linux_fini(struct xkd_target *t)
{
	struct xkd_linux *lx = linux_of(t);

	if (lx) {
		xkd_vec_fini(&lx->percpu);
		xkd_vec_fini(&lx->codes);
		xkd_vec_fini(&lx->sites);
	}
	free(lx);
	t->os_state = NULL;
}

static bool linux_linear_pa(struct xkd_target *t, uint64_t va, uint64_t *pa)
{
	const struct xkd_linux *lx = linux_of(t);

	if (lx->pa_known && va >= lx->text_va && va < lx->end_va) {
		*pa = va - lx->text_va + lx->text_pa;
		return true;
	}
	if (lx->dm_known && va >= lx->dm_base && va - lx->dm_base < lx->dm_size) {
		*pa = va - lx->dm_base;
		return true;
	}
	return false;
}

static bool linux_kernel_paging(struct xkd_target *t, struct xkd_paging *pg)
{
	const struct xkd_linux *lx = linux_of(t);

	*pg = lx->paging;
	return lx->paging_known;
}

static bool linux_is_kernel_addr(struct xkd_target *t, uint64_t va)
{
	return va >> 63;
}

static bool linux_witness(struct xkd_target *t, uint64_t *va, uint8_t bytes[16])
{
	const struct xkd_linux *lx = linux_of(t);

	*va = lx->witness_va;
	memcpy(bytes, lx->witness, 16);
	return lx->witness_va != 0;
}

static bool linux_whole_witness(struct xkd_target *t, uint64_t *va)
{
	*va = linux_of(t)->data_va;
	return *va != 0;
}

/* The user half lies in the page behind the kernel half (arch/x86/include/asm/pgtable.h). */
static bool linux_whole_paging(struct xkd_target *t, struct xkd_paging *pg)
{
	if (!pg->on || pg->levels < 4 || !(pg->root & LINUX_PTI_USER))
		return false;
	pg->root &= ~LINUX_PTI_USER;
	return true;
}

const struct xkd_os xkd_os_linux = {
	.name = "linux",
	.attach = linux_attach,
	.fini = linux_fini,
	.modules = linux_modules,
	.load_place = linux_load_place,
	.events = linux_events,
	.event_about = linux_event_about,
	.mod_image = linux_module_from_memory,
	.linear_pa = linux_linear_pa,
	.kernel_paging = linux_kernel_paging,
	.is_kernel_addr = linux_is_kernel_addr,
	.witness = linux_witness,
	.whole_witness = linux_whole_witness,
	.whole_paging = linux_whole_paging,
	.still_there = linux_still_there,
	.boot_id = linux_boot_id,
	.early = linux_early,
	.cpu_state = linux_cpu_state,
	.percpu = linux_percpu,
	.cpu_number = linux_cpu_number,
	.current = linux_current,
	.current_at = linux_current_at,
	.task_parts = linux_task_parts,
	.task = linux_task,
	.tasks = linux_tasks,
	.task_regs = linux_task_regs,
	.trap_regs = linux_trap_regs,
	.entry_kind = linux_entry_kind,
	.irq_var = "desc",
	.irq_name = linux_irq_name,
	.entry_user = linux_entry_user,
	.swapped_ret = linux_swapped_ret,
	.patched = linux_patched,
	.code_at = linux_code_at,
	.code_regs = linux_code_regs,
	.stack_at = linux_stack_at,
	.dmesg = linux_dmesg,
	.walk = linux_walk_all,
	.counted = linux_counted,
	.describe = linux_describe,
};
