/* A kernel that comes and goes: the places that one passes first while it boots, and whether the one
 * that is known still runs. Firmware and a kernel that was just started show neither our kernel's
 * tables nor virtualisation switched on; a CPU inside a guest shows the latter. */
#include "engine/os/linux/linux.h"
#include "base/str.h"
#include "engine/core/names.h"
#include <string.h>

#define SLIDE_STEP 0x200000ULL /* CONFIG_PHYSICAL_ALIGN of distribution kernels */
#define CANDIDATES_MAX 8

/* What a module's variables say holds only while its memory is its own. */
static bool intact(struct xkd_target *t, const struct xkd_module *m)
{
	struct xkd_space sp = xkd_space_kernel();
	struct xkd_err ignored;
	char name[sizeof(m->name)] = ""; /* MODULE_NAME_LEN is 8 less */
	uint64_t off;

	return m->is_kernel || (!xkd_offsetof(t, "module", "name", &off, NULL, &ignored) &&
				!xkd_mem_read(t, &sp, m->struct_addr + off, name, sizeof(name) - 8,
					      NULL, &ignored) &&
				!strcmp(name, m->name));
}

/* Without two-dimensional paging a guest's kernel looks as the machine's own would. */
static bool shadow_paging(struct xkd_target *t)
{
	struct xkd_space sp = xkd_space_kernel();
	struct xkd_symref sym;
	struct xkd_err ignored;
	uint8_t on;

	return !xkd_sym_named(t, "kvm!tdp_enabled", &sym, &ignored) &&
	       !xkd_mem_read(t, &sp, sym.addr, &on, 1, NULL, &ignored) && !on &&
	       intact(t, sym.mod);
}

static bool time_went_back(struct xkd_target *t)
{
	struct xkd_linux *lx = linux_of(t);
	struct xkd_err ignored;
	struct linux_fit fit;
	uint64_t now;

	if (linux_shape(t, SHAPE_JIFFIES, &fit, &ignored) ||
	    linux_part(t, &fit, AT_VAR, 0, &now, &ignored))
		return false;
	if (now < lx->jiffies)
		return true;
	lx->jiffies = now;
	return false;
}

bool linux_still_there(struct xkd_target *t)
{
	struct xkd_linux *lx = linux_of(t);
	bool seen = false, guest = false;

	for (size_t i = 0; i < t->cpus.n && i < 64 && !seen; i++) {
		int cpu = (int)((t->stop_cpu + i) % t->cpus.n);
		const struct xkd_regs *regs;
		struct xkd_err ignored;

		seen = xkd_target_kview(t, cpu) != XKD_KVIEW_OTHER;
		if (!seen && xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored))
			return true; /* nothing can be told */
		guest |= !seen && t->arch->may_be_guest(regs);
	}
	if (!seen && !guest)
		return false;
	xkd_vec_reset(&lx->percpu); /* early boot moves the areas */
	if (!lx->complete)
		linux_learn_more(t);
	if (time_went_back(t))
		return false;
	/* Where all CPUs may be in guests: the old boot's memory can lie there whole, and a new kernel run
	 * beside it. */
	return seen || shadow_paging(t) || !linux_another_runs(t);
}

/* FNV-1a: tells values apart, hides nothing. */
static uint64_t mix(uint64_t h, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		h = (h ^ (v >> 8 * i & 0xff)) * 0x100000001b3ULL;
	return h;
}

/* The first task's canary is drawn once, early in start_kernel, and never changes. */
bool linux_boot_id(struct xkd_target *t, uint8_t id[16])
{
	struct xkd_module *k = xkd_target_kernel(t);
	uint64_t v[3] = { 0 }, h[2] = { 0xcbf29ce484222325ULL, 0x84222325cbf29ce4ULL };
	struct xkd_err ignored;
	struct linux_fit fit, map;

	if (!k || linux_shape(t, SHAPE_BOOT, &fit, &ignored) ||
	    linux_part(t, &fit, BOOT_CANARY, fit.at[BOOT_TASK].off, &v[0], &ignored) || !v[0] ||
	    (!linux_shape(t, SHAPE_DIRECT_MAP, &map, &ignored) &&
	     linux_part(t, &map, AT_VAR, 0, &v[1], &ignored)))
		return false;
	v[2] = linux_of(t)->text_va;
	for (size_t i = 0; i < XKD_COUNT(v); i++) {
		h[0] = mix(h[0], v[i]);
		h[1] = mix(h[1], v[i]);
	}
	for (size_t i = 0; i < k->id.n; i++) {
		h[0] = mix(h[0], k->id.b[i]);
		h[1] = mix(h[1], k->id.b[i]);
	}
	xkd_put_le(id, h[0], 8);
	xkd_put_le(id + 8, h[1], 8);
	return true;
}

struct early {
	bool (*fn)(void *arg, uint64_t addr);
	void *arg;
	unsigned images;
};

/* The first C function that runs at the kernel's own addresses, at every slide that fits. */
static bool candidate(void *arg, struct xkd_image *img)
{
	struct early *e = arg;
	struct linux_fit fit;
	uint64_t start, end;

	if (!linux_shape_of_image(img, SHAPE_EARLY, &fit) || fit.at[AT_START].off < LINUX_KERNEL_MAP)
		return true;
	start = fit.at[AT_START].off;
	end = fit.at[AT_END].off;
	for (uint64_t slide = 0; end + slide <= LINUX_KERNEL_MAP_END && end + slide > end - 1;
	     slide += SLIDE_STEP)
		if (!e->fn(e->arg, start + slide))
			return false;
	return ++e->images < CANDIDATES_MAX;
}

void linux_early(struct xkd_target *t, bool (*fn)(void *arg, uint64_t addr), void *arg)
{
	struct early e = { .fn = fn, .arg = arg };

	xkd_find_kernels(&t->sympath, t->find, t->log, candidate, &e);
}
