/* ORC: the four layouts by hand, order, versions; the kernel's table against an independent
 * decoding of its raw words and against the compiler's own call frame information. */
#include "symbols/orc.h"
#include "base/str.h"
#include "tests/unit/elfsec.h"
#include "tests/unit/tap.h"

#define ADDR 0xffffffff82c00000ull
#define TEXT 0xffffffff81000000ull

struct table {
	uint8_t ips[4 * 64], entries[6 * 64];
	size_t n;
};

static void add(struct table *t, uint64_t ip, int16_t sp_off, int16_t bp_off, unsigned flags)
{
	size_t i = t->n++;

	xkd_put_le(t->ips + 4 * i, ip - (ADDR + 4 * i), 4);
	xkd_put_le(t->entries + 6 * i, (uint16_t)sp_off, 2);
	xkd_put_le(t->entries + 6 * i + 2, (uint16_t)bp_off, 2);
	xkd_put_le(t->entries + 6 * i + 4, flags, 2);
}

static struct xkd_orc *open_table(const struct table *t, bool sorted, enum xkd_orc_version v,
				  const uint8_t *header)
{
	struct xkd_orc *o = NULL;
	struct xkd_err err = XKD_ERR_INIT;

	if (xkd_orc_open(t->ips, t->entries, t->n, ADDR, sorted, header, v, &o, &err))
		printf("# %s\n", err.msg);
	return o;
}

static void is_entry(const struct xkd_orc *o, uint64_t at, enum xkd_orc_type type,
		     enum xkd_orc_reg sp, int sp_off, enum xkd_orc_reg bp, bool signal,
		     const char *name)
{
	struct xkd_orc_entry e = { 0 };
	enum xkd_rc rc = xkd_orc_at(o, at, &e);

	if (!ok(!rc && e.type == type && e.sp_reg == sp && e.sp_off == sp_off && e.bp_reg == bp &&
			e.signal == signal,
		"v%d %s", xkd_orc_version(o), name))
		printf("# rc %d type %d sp %d%+d bp %d%+d signal %d\n", rc, e.type, e.sp_reg,
		       e.sp_off, e.bp_reg, e.bp_off, e.signal);
}

enum { CALL_OLD = 0, REGS_OLD = 1 << 8, PART_OLD = 2 << 8 };
enum { UNDEF_NEW = 0, END_NEW = 1 << 8, CALL_NEW = 2 << 8, REGS_NEW = 3 << 8, PART_NEW = 4 << 8 };

static void test_v1(void)
{
	struct table t = { .n = 0 };

	add(&t, TEXT, 8, 0, 5);			/* sp+8 */
	add(&t, TEXT + 1, 16, -16, 5 | 1 << 4); /* bp at prev sp - 16 */
	add(&t, TEXT + 4, 0, 0, 0 | 1 << 10);	/* end */
	add(&t, TEXT + 8, 0, 0, 0);		/* undefined */
	add(&t, TEXT + 12, 0, 0, 5 | REGS_OLD);
	add(&t, TEXT + 16, -8, 0, 8 | PART_OLD);
	add(&t, TEXT + 20, 0, 0, 9);
	add(&t, TEXT + 24, 0, 0, 12);
	struct xkd_orc *o = open_table(&t, true, XKD_ORC_V1, NULL);

	is_entry(o, TEXT, XKD_ORC_CALL, XKD_ORC_SP, 8, XKD_ORC_UNDEF, false, "sp+8");
	is_entry(o, TEXT + 3, XKD_ORC_CALL, XKD_ORC_SP, 16, XKD_ORC_PREV_SP, false, "holds on");
	is_entry(o, TEXT + 4, XKD_ORC_END, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false, "end of stack");
	is_entry(o, TEXT + 8, XKD_ORC_NONE, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false, "undefined");
	is_entry(o, TEXT + 12, XKD_ORC_REGS, XKD_ORC_SP, 0, XKD_ORC_UNDEF, true, "regs");
	is_entry(o, TEXT + 16, XKD_ORC_REGS_PARTIAL, XKD_ORC_BP_INDIRECT, -8, XKD_ORC_UNDEF, true,
		 "partial regs");
	is_entry(o, TEXT + 20, XKD_ORC_CALL, XKD_ORC_SP_INDIRECT, 0, XKD_ORC_UNDEF, false,
		 "sp indirect");
	is_entry(o, TEXT + 24, XKD_ORC_NONE, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false,
		 "a register that is none");

	struct xkd_orc_entry e;

	ok(xkd_orc_at(o, TEXT - 1, &e) == XKD_NOTFOUND, "below the first");
	ok(!xkd_orc_at(o, TEXT + 1, &e) && e.ip == TEXT + 1 && e.bp_off == -16, "bp_off, ip");
	ok(!xkd_orc_at(o, UINT64_MAX, &e) && e.ip == TEXT + 24, "the last holds to the end");
	xkd_orc_close(o);
}

static void test_v2_v3_v4(void)
{
	struct table t = { .n = 0 };
	struct xkd_orc *o;

	add(&t, TEXT, 8, 0, 5 | 1 << 10); /* signal */
	add(&t, TEXT + 4, 0, 0, 1 << 11); /* end */
	add(&t, TEXT + 8, 0, 0, 5 | REGS_OLD);
	o = open_table(&t, true, XKD_ORC_V2, NULL);
	is_entry(o, TEXT, XKD_ORC_CALL, XKD_ORC_SP, 8, XKD_ORC_UNDEF, true, "signal");
	is_entry(o, TEXT + 4, XKD_ORC_END, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false, "end");
	is_entry(o, TEXT + 8, XKD_ORC_REGS, XKD_ORC_SP, 0, XKD_ORC_UNDEF, false, "regs");
	xkd_orc_close(o);

	t.n = 0;
	add(&t, TEXT, 8, 0, 5 | CALL_NEW);
	add(&t, TEXT + 4, 0, 0, END_NEW);
	add(&t, TEXT + 8, 0, 0, UNDEF_NEW);
	add(&t, TEXT + 12, 0, 0, 5 | REGS_NEW | 1 << 11);
	add(&t, TEXT + 16, 0, 0, 5 | PART_NEW);
	add(&t, TEXT + 20, 16, -16, 4 | 1 << 4 | CALL_NEW);
	add(&t, TEXT + 24, 0, 0, 5 | 7 << 8);
	o = open_table(&t, true, XKD_ORC_V3, NULL);
	is_entry(o, TEXT, XKD_ORC_CALL, XKD_ORC_SP, 8, XKD_ORC_UNDEF, false, "call");
	is_entry(o, TEXT + 4, XKD_ORC_END, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false, "end");
	is_entry(o, TEXT + 8, XKD_ORC_NONE, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false, "undefined");
	is_entry(o, TEXT + 12, XKD_ORC_REGS, XKD_ORC_SP, 0, XKD_ORC_UNDEF, true, "regs, signal");
	is_entry(o, TEXT + 16, XKD_ORC_REGS_PARTIAL, XKD_ORC_SP, 0, XKD_ORC_UNDEF, false,
		 "partial");
	is_entry(o, TEXT + 20, XKD_ORC_CALL, XKD_ORC_BP, 16, XKD_ORC_PREV_SP, false, "bp+16");
	is_entry(o, TEXT + 24, XKD_ORC_NONE, XKD_ORC_SP, 0, XKD_ORC_UNDEF, false, "unknown type");
	xkd_orc_close(o);

	/* arch/x86/include/asm/orc_types.h of 7.1, in order of number */
	static const enum xkd_orc_reg v4[] = {
		XKD_ORC_UNDEF,	 XKD_ORC_AX,	      XKD_ORC_DX,	  XKD_ORC_SP,
		XKD_ORC_BP,	 XKD_ORC_DI,	      XKD_ORC_R10,	  XKD_ORC_R13,
		XKD_ORC_PREV_SP, XKD_ORC_SP_INDIRECT, XKD_ORC_BP_INDIRECT
	};

	t.n = 0;
	for (unsigned i = 0; i < 11; i++)
		add(&t, TEXT + 4 * i, 8, 0, i | i << 4 | CALL_NEW);
	o = open_table(&t, true, XKD_ORC_V4, NULL);
	for (unsigned i = 0; i < 11; i++)
		is_entry(o, TEXT + 4 * i, XKD_ORC_CALL, v4[i], 8, v4[i], false, "register number");
	xkd_orc_set_version(o, XKD_ORC_V3);
	is_entry(o, TEXT + 12, XKD_ORC_CALL, XKD_ORC_DI, 8, XKD_ORC_DI, false, "after set_version");
	xkd_orc_close(o);
}

static void test_order(void)
{
	struct table t = { .n = 0 };
	struct xkd_orc *o;

	add(&t, TEXT + 16, 16, 0, 5);
	add(&t, TEXT + 32, 0, 0, 0); /* the end of a unit ... */
	add(&t, TEXT, 8, 0, 5);
	add(&t, TEXT + 8, 24, 0, 5);
	add(&t, TEXT + 8, 0, 0, 0);		     /* ... and one where the next begins */
	for (int sorted = 0; sorted < 2; sorted++) { /* a false word for it does not harm */
		o = open_table(&t, sorted, XKD_ORC_V1, NULL);
		is_entry(o, TEXT, XKD_ORC_CALL, XKD_ORC_SP, 8, XKD_ORC_UNDEF, false, "first");
		is_entry(o, TEXT + 9, XKD_ORC_CALL, XKD_ORC_SP, 24, XKD_ORC_UNDEF, false,
			 "the real entry of two");
		is_entry(o, TEXT + 16, XKD_ORC_CALL, XKD_ORC_SP, 16, XKD_ORC_UNDEF, false, "third");
		is_entry(o, TEXT + 99, XKD_ORC_NONE, XKD_ORC_UNDEF, 0, XKD_ORC_UNDEF, false,
			 "last");
		xkd_orc_close(o);
	}
	/* in order of address, yet the end of a unit after the real entry: a module's table */
	t.n = 0;
	add(&t, TEXT, 8, 0, 5);
	add(&t, TEXT, 0, 0, 0);
	o = open_table(&t, false, XKD_ORC_V1, NULL);
	is_entry(o, TEXT, XKD_ORC_CALL, XKD_ORC_SP, 8, XKD_ORC_UNDEF, false, "the end sorts first");
	xkd_orc_close(o);
}

static enum xkd_orc_version told(const struct table *t, const uint8_t *header)
{
	struct xkd_orc *o = open_table(t, true, 0, header);
	enum xkd_orc_version v = xkd_orc_version(o);

	xkd_orc_close(o);
	return v;
}

static void test_version(void)
{
	/* sha1 of the definitions as scripts/orc_hash.sh takes it from 6.4's and 7.1's header */
	uint8_t h3[20] = { 0xfe, 0x5d, 0x32, 0xbf, 0x58, 0x1b, 0xd6, 0x3b, 0x2c, 0xa9,
			   0xa5, 0xc6, 0x5b, 0xa5, 0xa6, 0x25, 0xea, 0xb3, 0xfe, 0x24 };
	uint8_t h4[20] = { 0x13, 0x7c, 0x36, 0xad, 0x76, 0x27, 0xc4, 0xdd, 0x55, 0x93,
			   0x21, 0x76, 0xbb, 0x0e, 0xcd, 0xbd, 0x50, 0x41, 0xfc, 0x82 };
	struct table t = { .n = 0 };
	struct xkd_orc *o = NULL;
	struct xkd_err err = XKD_ERR_INIT;

	add(&t, TEXT, 8, 0, 5);
	add(&t, TEXT + 4, 16, -16, 5 | 1 << 4);
	add(&t, TEXT + 8, 0, 0, 1 << 10);
	is_u64(told(&t, NULL), XKD_ORC_V1, "v1 by its end bit");
	is_u64(told(&t, h3), XKD_ORC_V3, "v3 by its header");
	is_u64(told(&t, h4), XKD_ORC_V4, "v4 by its header");
	h3[19] ^= 1;
	is_u64(told(&t, h3), XKD_ORC_V1, "an unknown header says nothing");
	add(&t, TEXT + 12, 8, 0, 5 | 1 << 10);
	is_u64(told(&t, NULL), XKD_ORC_V2, "v2 by its signal bit");
	t.n = 0;
	add(&t, TEXT, 8, 0, 5);
	add(&t, TEXT + 8, 0, 0, 1 << 11);
	is_u64(told(&t, NULL), XKD_ORC_V2, "v2 by its end bit");
	t.n = 0;
	add(&t, TEXT, 8, 0, 5 | CALL_NEW);
	add(&t, TEXT + 4, 8, 0, 5 | REGS_NEW | 1 << 11);
	is_u64(told(&t, NULL), XKD_ORC_V3, "v3 by its types");
	t.n = 0;
	add(&t, TEXT, 8, 0, 3 | CALL_NEW);
	add(&t, TEXT + 4, 8, -16, 3 | 8 << 4 | CALL_NEW);
	is_u64(told(&t, NULL), XKD_ORC_V4, "v4 by its registers");
	t.n = 0;
	is_u64(told(&t, NULL), XKD_ORC_V1, "an empty table");
	ok(xkd_orc_open(t.ips, t.entries, 0, ADDR, true, NULL, 9, &o, &err) == XKD_UNSUPPORTED,
	   "version 9: %s", err.msg);
	ok(xkd_orc_open(t.ips, t.entries, SIZE_MAX, ADDR, true, NULL, 0, &o, &err) == XKD_BADDATA,
	   "too many: %s", err.msg);
}

/* gdb reads the compiler's .debug_frame: "rsp+16" must be ORC's sp+16. */
static void test_peer(const struct xkd_orc *o, const char *path)
{
	char cmd[1024], line[256];
	struct xkd_orc_entry e;
	unsigned long long addr;
	int off, rows = 0, bad = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd),
		 "readelf --debug-dump=frames-interp %s 2>/dev/null | awk '/FDE/ { n++ } n %% 400 "
		 "== 7 && "
		 "$2 ~ /^rsp\\+/ { print $1, substr($2, 5) } n > 30000 { exit }'",
		 path);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %d", &addr, &off) != 2 || !addr)
			continue;
		if (xkd_orc_at(o, addr, &e) || e.type == XKD_ORC_NONE || e.sp_reg != XKD_ORC_SP)
			continue; /* discarded text, stack switches */
		rows++;
		if (e.sp_off != off && bad++ < 5)
			printf("# %llx: orc sp%+d, cfi rsp%+d\n", addr, e.sp_off, off);
	}
	if (f)
		pclose(f);
	ok(rows > 200 && bad == 0, "%d rows as readelf's cfi, %d differ", rows, bad);
}

static void test_kernel(void)
{
	struct elfsec ip, en;
	char path[512];
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_orc *o;
	struct xkd_orc_entry e;
	size_t types[5] = { 0 }, bad = 0, n;

	if (!elfsec_get(kernel_file("usr/lib/debug/boot/vmlinux-*", path, sizeof(path)),
			".orc_unwind_ip", &ip) ||
	    !elfsec_get(path, ".orc_unwind", &en)) {
		skip("kernel orc", "no kernel given");
		return;
	}
	n = ip.size / 4;
	uint64_t t0 = xkd_now_ms();

	if (!ok(n == en.size / 6 &&
			!xkd_orc_open(ip.data, en.data, n, ip.addr, true, NULL, 0, &o, &err),
		"the kernel's table opens %s", err.msg))
		return;
	printf("# open took %" PRIu64 " ms for %zu entries\n", xkd_now_ms() - t0, n);
	is_u64(xkd_orc_version(o), XKD_ORC_V1, "6.1 is version 1");
	for (size_t i = 0; i < n; i += 97) {
		uint64_t at = ip.addr + 4 * i +
			      (uint64_t)(int64_t)(int32_t)xkd_get_le(ip.data + 4 * i, 4);

		if (xkd_orc_at(o, at, &e) || e.ip != at)
			bad++;
		else
			types[e.type]++;
	}
	ok(!bad && types[XKD_ORC_CALL] > n / 97 * 8 / 10, "entries found again, most are calls");
	test_peer(o, path);
	xkd_orc_close(o);
}

int main(void)
{
	test_v1();
	test_v2_v3_v4();
	test_order();
	test_version();
	test_kernel();
	return done_testing();
}
