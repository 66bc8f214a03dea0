/* Any bytes as an ELF file: its sections, each one's bytes (unpacked, relocated), its symbols, and
 * the debug info with what addresses lead to; names would start an index, and with it a process
 * (fuzz_dwarf has that walk). Input: the file. */
#include "symbols/dwarf.h"
#include "symbols/image_priv.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asked {
	struct xkd_image *img;
	size_t n;
	uint64_t addr[8];
};

static bool sym(void *arg, const struct xkd_sym *s)
{
	struct asked *a = arg;

	if (!s->name || strlen(s->name) > a->img->size)
		abort();
	if (a->n < XKD_COUNT(a->addr))
		a->addr[a->n] = s->addr;
	return ++a->n < 256;
}

static bool place(void *arg, uint64_t iaddr)
{
	struct asked *a = arg;

	if (a->n < XKD_COUNT(a->addr))
		a->addr[a->n] = iaddr;
	return ++a->n < 64;
}

static void ask_address(struct xkd_dwarf *d, uint64_t addr)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *t;
	struct xkd_arena arena;
	struct xkd_line line;
	struct xkd_dvar *v;
	const uint8_t *expr;
	struct xkd_dunit u;
	size_t n, nv, len;

	xkd_arena_init(&arena);
	if (!xkd_dwarf_line_at(d, addr, &line, &err) && (addr < line.start || addr >= line.end))
		abort();
	if (!xkd_dwarf_funcs_at(d, addr, f, XKD_INLINE_MAX, &n, &err)) {
		if (n > XKD_INLINE_MAX)
			abort();
		for (size_t i = 0; i < n; i++)
			(void)!xkd_dwarf_vars(d, &f[i], addr, &arena, &v, &nv, &err);
	}
	(void)!xkd_dwarf_func_type(d, addr, &t, &err);
	(void)!xkd_dwarf_frame_base(d, addr, &expr, &len, &err);
	(void)!xkd_dwarf_unit(d, addr, &u, &err);
	xkd_arena_fini(&arena);
}

static void ask_dwarf(struct asked *a)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_dwarf *d;
	unsigned used;

	if (xkd_image_dwarf(a->img, &d, &err)) {
		if (!err.msg[0])
			abort();
		return;
	}
	for (size_t i = 0; i < a->n && i < XKD_COUNT(a->addr); i++)
		ask_address(d, a->addr[i]);
	a->n = 0;
	if (!xkd_dwarf_line_addrs(d, "a.c", 5, &used, place, a, NULL, &err))
		for (size_t i = 0; i < a->n && i < XKD_COUNT(a->addr); i++)
			ask_address(d, a->addr[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct asked a = { 0 };
	struct xkd_log log;
	struct xkd_sym s, next;
	void *map;
	size_t n;

	if (!size || size > 1 << 20)
		return 0;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return 0;
	memcpy(map, data, size);
	xkd_log_init(&log);
	if (xkd_image_take("fuzz", map, size, &log, &a.img, &err)) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	for (size_t i = 0; i < xkd_image_nsections(a.img) && i < 64; i++) {
		const struct xkd_section *sec = xkd_image_section(a.img, i);
		const uint8_t *bytes;
		uint8_t some[16];

		if (!xkd_image_section_data(a.img, sec, &bytes, &n, &err) && n &&
		    bytes[0] + bytes[n - 1] > 510)
			abort();
		if (xkd_image_read(a.img, sec->addr, some, sizeof(some)) > sizeof(some))
			abort();
		if (!xkd_image_sym_at(a.img, sec->addr + 4, &s, &next) && s.addr > sec->addr + 4)
			abort();
	}
	xkd_image_sym_glob(a.img, "*", false, sym, &a);
	(void)!xkd_image_sym_named(a.img, "outer", &s, &n);
	ask_dwarf(&a);
	xkd_image_unref(a.img);
	return 0;
}
