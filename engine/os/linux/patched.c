/* Places in the kernel's code that it patches as it runs: branches of static keys and static calls, by the
 * tables that it keeps of them (include/linux/jump_label.h, static_call_types.h), and the calls of ftrace, by
 * what stands there. Where a breakpoint is a byte in memory it must not be at one of them: the kernel
 * compares before it patches, and stops itself at a byte that it did not write. */
#include "engine/os/linux/linux.h"
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX (1u << 20) /* of a table: damaged beyond */
#define CHUNK 4096	       /* bytes read at once, whole entries of them */

static int by_addr(const void *a, const void *b)
{
	uint64_t x = ((const struct linux_site *)a)->addr, y = ((const struct linux_site *)b)->addr;

	return x < y ? -1 : x > y;
}

/* n entries from addr on. A relative place counts from its own field. */
static void add_table(struct xkd_target *t, const struct linux_fit *fit, bool calls, uint64_t addr, uint64_t n)
{
	uint64_t stride = fit->at[PT_ENTRY].size, off = fit->at[PT_CODE].off;
	bool relative = fit->at[PT_CODE].size == 4;
	uint8_t buf[CHUNK];
	struct xkd_err ignored;

	if (!stride || stride > 64 || off + fit->at[PT_CODE].size > stride || n > ENTRIES_MAX)
		return;
	while (n) {
		uint64_t now = n < CHUNK / stride ? n : CHUNK / stride;

		if (xkd_kread(t, addr, buf, now * stride, &ignored) || xkd_canceled(t->cancel))
			return;
		for (uint64_t i = 0; i < now; i++) {
			uint64_t field = addr + i * stride + off;
			uint64_t v = xkd_get_le(buf + i * stride + off, relative ? 4 : 8);

			*xkd_vec_push(&linux_of(t)->sites) = (struct linux_site){
				relative ? field + (uint64_t)(int64_t)(int32_t)v : v, calls };
		}
		addr += now * stride;
		n -= now;
	}
}

static void add_all(struct xkd_target *t, enum linux_shape_id id)
{
	struct linux_fit fit;
	struct xkd_err ignored;
	uint64_t addr, n;

	if (linux_shape(t, id, &fit, &ignored) || !fit.at[PT_ENTRY].size)
		return;
	add_table(t, &fit, id == SHAPE_CALLS, fit.at[PT_START].off,
		  (fit.at[PT_END].off - fit.at[PT_START].off) / fit.at[PT_ENTRY].size);
	for (size_t i = 1; i < t->mods.n && fit.at[PT_MOD].there && fit.at[PT_MOD_COUNT].there; i++) {
		uint64_t mod = t->mods.p[i]->struct_addr;

		if (mod && !xkd_kread_u(t, mod + fit.at[PT_MOD].off, 8, &addr, &ignored) &&
		    !xkd_kread_u(t, mod + fit.at[PT_MOD_COUNT].off, 4, &n, &ignored))
			add_table(t, &fit, id == SHAPE_CALLS, addr, n);
	}
}

/* Where a function begins (behind endbr64), a nop of five bytes or a call: ftrace's. */
static bool is_ftrace(struct xkd_target *t, uint64_t addr)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t nops[2][5] = { { 0x0f, 0x1f, 0x44, 0, 0 }, { 0x66, 0x66, 0x66, 0x66, 0x90 } };
	struct xkd_symref sym;
	struct xkd_err ignored;
	uint8_t b[9];

	if (!linux_symbol(t, "ftrace_caller", &(uint64_t){ 0 }, NULL) || xkd_sym_at(t, addr, &sym, NULL) ||
	    xkd_kread(t, sym.addr, b, sizeof(b), &ignored))
		return false;
	if (addr == sym.addr + sizeof(endbr) && !memcmp(b, endbr, sizeof(endbr)))
		memmove(b, b + sizeof(endbr), 5);
	else if (addr != sym.addr)
		return false;
	return b[0] == 0xe8 || !memcmp(b, nops[0], 5) || !memcmp(b, nops[1], 5);
}

const char *linux_patched(struct xkd_target *t, uint64_t addr, bool *gently)
{
	struct xkd_linux *lx = linux_of(t);
	const struct linux_site key = { .addr = addr }, *site;

	if (!lx->sites_known || lx->sites_gen != t->gen.modules) {
		xkd_vec_reset(&lx->sites);
		lx->sites_known = true;
		lx->sites_gen = t->gen.modules;
		add_all(t, SHAPE_JUMPS);
		add_all(t, SHAPE_CALLS);
		if (lx->sites.n)
			qsort(lx->sites.p, lx->sites.n, sizeof(lx->sites.p[0]), by_addr);
	}
	*gently = false;
	site = lx->sites.n ? bsearch(&key, lx->sites.p, lx->sites.n, sizeof(lx->sites.p[0]), by_addr) : NULL;
	if (site)
		return site->call ? "a static call" : "a static key";
	*gently = is_ftrace(t, addr);
	return *gently ? "ftrace" : NULL;
}
