/* Names of a kernel that slid: what lies in its image and behind its end slides along, what lies
 * below it (per-CPU offsets) does not. The kernel is this program, said to begin in the midst. */
#include "engine/core/names.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"

#define SLIDE 0x1000000

/* In a program's order: code, what is written at its start, what is zero at its start. */
void slide_below(void);
void slide_below(void)
{
}
char slide_inside[64] = "begins here";
char slide_behind[64];

static uint64_t named(struct xkd_target *t, const char *name)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_symref sym;

	return xkd_sym_named(t, name, &sym, &err) ? 0 : sym.addr;
}

int main(void)
{
	struct xkd_target *t = mock_open();
	struct xkd_module *m;
	struct xkd_sym low, in, behind;
	size_t count;

	m = mock_kernel(t, "/proc/self/exe", SLIDE, 0, 0);
	if (!m || xkd_image_sym_named(m->img, "slide_below", &low, &count) ||
	    xkd_image_sym_named(m->img, "slide_inside", &in, &count) ||
	    xkd_image_sym_named(m->img, "slide_behind", &behind, &count)) {
		ok(false, "the program's own symbols");
		mock_close(t);
		return done_testing();
	}
	ok(low.addr < in.addr && in.addr + sizeof(slide_inside) <= behind.addr, "their order");
	m->ranges.p[0] = (struct xkd_modrange){ in.addr + SLIDE, sizeof(slide_inside) - 1 };
	is_u64(named(t, "slide_inside"), in.addr + SLIDE, "inside");
	is_u64(named(t, "slide_behind"), behind.addr + SLIDE, "a section behind the end");
	is_u64(named(t, "slide_below"), low.addr, "below");
	is_u64(xkd_module_end(m), in.addr + SLIDE + sizeof(slide_inside) - 1, "the end stays");
	mock_close(t);
	return done_testing();
}
