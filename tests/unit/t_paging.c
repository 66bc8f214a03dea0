/* Page-table walks over tables written as text: "PA ENTRY" a line. */
#include "engine/arch/x86/x86.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

struct mem {
	const char *text;
	uint64_t fail_at; /* reads here fail; 0 none */
	unsigned reads;
	size_t width; /* of the last read */
};

static enum xkd_rc mem_read(void *arg, uint64_t pa, void *buf, size_t len, struct xkd_err *err)
{
	struct mem *m = arg;

	m->reads++;
	m->width = len;
	if (m->fail_at && pa == m->fail_at)
		return xkd_err_addr(err, XKD_NOTINDUMP, pa, "the dump left this page out");
	memset(buf, 0, len);
	for (const char *p = m->text; *p;) {
		char *end;
		uint64_t at = strtoull(p, &end, 16), v = strtoull(end, &end, 16);

		if (at == pa)
			xkd_put_le(buf, v, (unsigned)len);
		p = *end ? end + 1 : end;
	}
	return XKD_OK;
}

struct res {
	enum xkd_rc rc;
	struct xkd_xlat x;
	struct xkd_err err;
	struct mem m;
};

static struct res walk(int levels, uint64_t root, uint64_t enc, const char *text, uint64_t va,
		       uint64_t fail_at)
{
	struct res r = { .m = { .text = text, .fail_at = fail_at }, .err = XKD_ERR_INIT };
	struct xkd_paging pg = { .on = true, .levels = levels, .root = root, .enc_mask = enc };
	struct xkd_physread pr = { mem_read, &r.m };

	r.rc = xkd_arch_x86.walk(&pg, &pr, va, &r.x, &r.err);
	return r;
}

/* ffffffff81234567: PXE 511, PPE 510, PDE 9, PTE 52 (0x34) */
#define VA 0xffffffff81234567ULL
#define UPPER "1ff8 2067\n2ff0 3067\n"

static void four_levels(void)
{
	struct res r = walk(4, 0x1000, 0, UPPER "3048 4067\n41a0 8000000012345163\n", VA, 0);

	is_u64(r.rc, XKD_OK, "4 levels: walks");
	ok(r.x.ok && r.x.nlevels == 4 && r.m.reads == 4 && r.m.width == 8,
	   "4 levels: four reads of 8");
	is_u64(r.x.pa, 0x12345567, "4 levels: address");
	is_u64(r.x.page_size, 4096, "4 levels: page size");
	ok(r.x.nx && r.x.writable && !r.x.user,
	   "4 levels: rights are those of all levels together");
	is_str(r.x.level[0].name, "PXE", "4 levels: first is PXE");
	is_str(r.x.level[3].name, "PTE", "4 levels: last is PTE");
	is_str(r.x.level[3].flags, "-G-DA--KW-V", "4 levels: letters of a no-execute page");
	is_str(r.x.level[0].flags, "---DA--UWEV", "4 levels: letters of a table");
	is_u64(r.x.level[3].entry_pa, 0x41a0, "4 levels: where the last entry is");
	is_u64(r.x.level[3].pfn, 0x12345, "4 levels: frame number");

	r = walk(4, 0x1000, 0, UPPER "3048 4065\n41a0 12345067\n", VA, 0);
	ok(r.x.ok && !r.x.writable && r.x.user && !r.x.nx,
	   "one read-only level makes it read-only");
	r = walk(4, 0x1000, 0, UPPER "3048 8000000000004067\n41a0 12345067\n", VA, 0);
	ok(r.x.nx, "no-execute of an upper level counts");
}

static void five_levels(void)
{
	const char *t = "10ff8 2067\n"
			"2ff8 3067\n"
			"3ff0 4067\n"
			"4048 5067\n"
			"51a0 12345067\n";
	struct res r = walk(5, 0x10000, 0, t, VA, 0);

	is_u64(r.rc, XKD_OK, "5 levels: walks");
	ok(r.x.nlevels == 5 && r.x.pa == 0x12345567, "5 levels: five entries, the address");
	is_str(r.x.level[0].name, "PML5E", "5 levels: first is PML5E");
	/* ff11000000000000: PML5E 0x111 */
	r = walk(5, 0x10000, 0,
		 "10888 2067\n"
		 "2000 3067\n"
		 "3000 80000001c0000083\n",
		 0xff11000000000123ULL, 0);
	ok(r.x.ok && r.x.pa == 0x1c0000123 && r.x.page_size == 1 << 30, "5 levels: a 1 GiB page");
	r = walk(4, 0x1000, 0, t, 0xff11000000000123ULL, 0);
	ok(r.rc == XKD_NOTMAPPED && r.m.reads == 0 && strstr(r.err.msg, "4-level"),
	   "an address of 5 levels is none of 4");
}

static void large_pages(void)
{
	struct res r = walk(4, 0x1000, 0, UPPER "3048 800000ff002001e3\n", VA, 0);

	ok(r.x.ok && r.x.nlevels == 3, "2 MiB page: three entries");
	is_u64(r.x.pa, 0xff00234567ULL, "2 MiB page: address");
	is_u64(r.x.page_size, 2 << 20, "2 MiB page: size");
	is_str(r.x.level[2].flags, "-GLDA--KW-V", "2 MiB page: letters");
	is_u64(r.x.level[2].pfn, 0xff00200, "2 MiB page: frame");
	/* bit 12 of a large entry is PAT, not an address bit */
	r = walk(4, 0x1000, 0, UPPER "3048 2010e3\n", VA, 0);
	is_u64(r.x.pa, 0x234567, "2 MiB page: the PAT bit is no address bit");
	r = walk(4, 0x1000, 0, "1ff8 2067\n2ff0 800001e3\n", VA, 0);
	ok(r.x.ok && r.x.nlevels == 2 && r.x.pa == 0x81234567, "1 GiB page: address");
	r = walk(4, 0x1000, 0, "1ff8 20e7\n", VA, 0);
	ok(r.rc == XKD_BADDATA && strstr(r.err.msg, "PXE"), "page-size bit in a PXE is refused");
	r = walk(4, 0x1000, 0, UPPER "3048 4067\n41a0 123451e3\n", VA, 0);
	ok(r.x.ok && r.x.page_size == 4096 && r.x.pa == 0x12345567,
	   "PAT in a PTE is no large page");
}

static void old_modes(void)
{
	/* c0123456: PDE 768, PTE 0x123 */
	struct res r = walk(2, 0x1000, 0, "1c00 2067\n248c abcde163\n", 0xc0123456, 0);

	ok(r.x.ok && r.x.pa == 0xabcde456 && r.x.nlevels == 2 && r.m.width == 4,
	   "2 levels: entries of 4 bytes");
	ok(!r.x.nx, "2 levels: there is no no-execute");
	r = walk(2, 0x1000, 0, "1c00 e3\n", 0xc0123456, 0);
	ok(r.x.ok && r.x.pa == 0x123456 && r.x.page_size == 4 << 20, "2 levels: a 4 MiB page");
	r = walk(2, 0x1000, 0, "1c00 60e3\n", 0xc0123456, 0);
	is_u64(r.x.pa, 0x300123456ULL, "2 levels: 4 MiB pages above 4 GiB");
	r = walk(2, 0x1000, 0, "", 0x1c0123456ULL, 0);
	ok(r.rc == XKD_NOTMAPPED && !r.m.reads, "2 levels: no addresses above 4 GiB");

	/* c0123456: PPE 3, PDE 0, PTE 0x123 */
	r = walk(3, 0x1020, 0, "1038 2001\n2000 3067\n3918 80000001abcde163\n", 0xc0123456, 0);
	ok(r.x.ok && r.x.pa == 0x1abcde456ULL && r.x.nlevels == 3,
	   "PAE: three levels, wide frames");
	ok(r.x.writable && r.x.nx && !r.x.user, "PAE: the top entries carry no rights");
	is_str(r.x.level[0].name, "PPE", "PAE: first is PPE");
	r = walk(3, 0x1020, 0, "1038 2001\n2000 400000e3\n", 0xc0123456, 0);
	ok(r.x.ok && r.x.pa == 0x40123456 && r.x.page_size == 2 << 20, "PAE: a 2 MiB page");
}

static void not_present(void)
{
	static const char *const names[] = { "PML5E", "PXE", "PPE", "PDE", "PTE" };
	static const char *const entries[] = { "10ff8 2067\n", "2ff8 3067\n", "3ff0 4067\n",
					       "4048 5067\n" };
	char text[200] = "";

	for (int i = 0; i < 5; i++) {
		struct res r = walk(5, 0x10000, 0, text, VA, 0);
		char where[40];

		ok(r.rc == XKD_NOTMAPPED && !r.x.ok && r.x.nlevels == i + 1 && r.err.has_addr &&
			   r.err.addr == VA,
		   "not present at %s: stops there", names[i]);
		snprintf(where, sizeof(where), "the %s at %s", names[i],
			 XKD_ADDR(r.x.level[i].entry_pa));
		ok(strstr(r.err.msg, where) != NULL, "not present at %s: the message names it: %s",
		   names[i], r.err.msg);
		if (i < 4)
			strcat(text, entries[i]);
	}
	struct res r = walk(4, 0x1000, 0, UPPER "3048 4067\n41a0 dead00\n", VA, 0);

	ok(r.rc == XKD_NOTMAPPED && r.x.level[3].entry == 0xdead00 && strstr(r.err.msg, "dead00"),
	   "a swap entry is shown");
}

static void errors(void)
{
	struct res r = walk(4, 0x1000, 0, UPPER, VA, 0x3048);
	struct xkd_paging pg = { .on = true, .levels = 7 };
	struct xkd_xlat x;
	struct xkd_err err = XKD_ERR_INIT;

	ok(r.rc == XKD_NOTINDUMP && r.x.nlevels == 2, "the reader's error comes through");
	ok(strstr(r.err.msg, "reading the PDE at 00000000`00003048") &&
		   strstr(r.err.msg, "left this page out"),
	   "with the level before it: %s", r.err.msg);
	ok(xkd_arch_x86.walk(&pg, &(struct xkd_physread){ mem_read, &r.m }, VA, &x, &err) ==
		   XKD_UNSUPPORTED,
	   "7 levels are refused");
	r = walk(4, 0x1000, 0, UPPER, 0x0000800000000000ULL, 0);
	ok(r.rc == XKD_NOTMAPPED && !r.m.reads, "a hole address is not walked");
	/* a table that is its own child: the depth is fixed all the same */
	r = walk(4, 0x1000, 0, "1ff8 1067\n1ff0 1067\n", 0xffffffffffffffffULL, 0);
	ok(r.x.ok && r.m.reads == 4 && r.x.pa == 0x1fff, "a table that is its own child ends");
	pg.on = false;
	ok(!xkd_arch_x86.walk(&pg, &(struct xkd_physread){ mem_read, &r.m }, 0x7c00, &x, &err) &&
		   x.ok && x.pa == 0x7c00,
	   "paging off: physical is linear");
}

static void encryption(void)
{
	uint64_t c = 1ULL << 51;
	struct res r = walk(4, 0x1000 | c, c,
			    "1ff8 8000000002067\n2ff0 8000000003067\n3048 8000000004067\n"
			    "41a0 8000012345063\n",
			    VA, 0);

	ok(r.x.ok && r.x.pa == 0x12345567, "the encryption bit is no address bit");
	is_u64(r.x.level[3].entry, 0x8000012345063ULL, "the entry is shown as it is");
	is_u64(r.x.level[3].pfn, 0x12345, "its frame number is without");
	r = walk(4, 0x1000, c, UPPER "3048 80000002000e3\n", VA, 0);
	is_u64(r.x.pa, 0x234567, "large pages as well");
}

static struct xkd_regs regs_of(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	struct xkd_regs r = { .known = 0 };

	xkd_reg_put(&r, X86R_CR0, cr0);
	xkd_reg_put(&r, X86R_CR3, cr3);
	xkd_reg_put(&r, X86R_CR4, cr4);
	xkd_reg_put(&r, X86R_EFER, efer);
	return r;
}

static void modes(void)
{
	struct xkd_paging pg;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_regs r = regs_of(0x80050033, 0x8000000104c06805ULL, 0x350ef0, 0xd01);

	ok(!xkd_arch_x86.paging(&r, &pg, &err) && pg.on && pg.levels == 4, "long mode: 4 levels");
	is_u64(pg.root, 0x104c06000, "PCID and the no-flush bit are not part of the root");
	r = regs_of(0x80050033, 0x1000, 0x351ef0, 0xd01);
	ok(!xkd_arch_x86.paging(&r, &pg, &err) && pg.levels == 5, "LA57: 5 levels");
	r = regs_of(0x80050033, 0x1030, 0x20, 0);
	ok(!xkd_arch_x86.paging(&r, &pg, &err) && pg.levels == 3 && pg.root == 0x1020, "PAE");
	r = regs_of(0x80050033, 0x1018, 0x10, 0);
	ok(!xkd_arch_x86.paging(&r, &pg, &err) && pg.levels == 2 && pg.root == 0x1000, "32 bits");
	r = regs_of(0x11, 0, 0, 0);
	ok(!xkd_arch_x86.paging(&r, &pg, &err) && !pg.on, "paging off");
	r = regs_of(0x80050033, 0x1000, 0x20, 0xd01);
	r.known &= ~(1ULL << X86R_CR3);
	ok(xkd_arch_x86.paging(&r, &pg, &err) == XKD_UNSUPPORTED && strstr(err.msg, "cr3"),
	   "an unknown cr3 is named");
	r = regs_of(0x80050033, 0x1000, 0x20, 0);
	r.known &= ~(1ULL << X86R_EFER);
	ok(xkd_arch_x86.paging(&r, &pg, &err) == XKD_UNSUPPORTED && strstr(err.msg, "efer"),
	   "an unknown efer is named");
	xkd_reg_put(&r, X86R_RIP, 0xffffffff81000000ULL);
	ok(!xkd_arch_x86.paging(&r, &pg, &err) && pg.levels == 4,
	   "but code above 4 GiB tells long mode");
	ok(xkd_arch_x86.is_canonical(0x7fffffffffff, 4) &&
		   !xkd_arch_x86.is_canonical(0x800000000000, 4) &&
		   xkd_arch_x86.is_canonical(0x800000000000, 5) &&
		   xkd_arch_x86.is_canonical(0xff11000000000000, 5) &&
		   !xkd_arch_x86.is_canonical(0xff11000000000000, 4),
	   "canonical addresses of 4 and 5 levels");
}

int main(void)
{
	four_levels();
	five_levels();
	large_pages();
	old_modes();
	not_present();
	errors();
	encryption();
	modes();
	return done_testing();
}
