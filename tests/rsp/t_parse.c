/* What stubs say in text: thread ids, target descriptions, HMP's register and memory listings. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

static void check_threads(void)
{
	static const struct {
		const char *s;
		bool good;
		uint64_t id;
		size_t used;
	} cases[] = {
		{ "01", true, 1, 2 },
		{ "p01.01", true, 1, 6 },
		{ "p2.3", true, 2ull << 32 | 3, 4 },
		{ "1f;x", true, 0x1f, 2 },
		{ "-1", true, UINT64_MAX, 2 },
		{ "fffffffffffffffe", true, UINT64_MAX - 1, 16 },
		{ "p1", false, 0, 0 },
		{ "", false, 0, 0 },
		{ "p1.", false, 0, 0 },
		{ "-", false, 0, 0 },
		{ "xyz", false, 0, 0 },
		{ "11111111111111111", false, 0, 0 },
	};

	for (size_t i = 0; i < XKD_COUNT(cases); i++) {
		uint64_t id = 0;
		size_t used = 0;
		bool good = xkd_rsp_thread_parse(cases[i].s, strlen(cases[i].s), &id, &used);

		ok(good == cases[i].good && id * good == cases[i].id && used == cases[i].used,
		   "thread id '%s'", cases[i].s);
	}
}

struct doc {
	const char *name, *text;
};

static enum xkd_rc fetch(void *arg, const char *annex, struct xkd_buf *out, struct xkd_err *err)
{
	for (const struct doc *d = arg; d->name; d++) {
		if (strcmp(d->name, annex))
			continue;
		xkd_buf_str(out, d->text);
		return XKD_OK;
	}
	return xkd_err_set(err, XKD_BADDATA, "no %s", annex);
}

static enum xkd_rc tdesc(struct xkd_tdesc *td, const struct doc *docs, struct xkd_err *err)
{
	*err = XKD_ERR_INIT;
	return xkd_tdesc_read(td, fetch, (void *)(uintptr_t)docs, err);
}

static void check_tdesc(struct xkd_tdesc *td)
{
	static const struct doc good[] = {
		{ "target.xml",
		  "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\" [<!ENTITY x "
		  "\"y\">]>"
		  "<!-- <reg name='no' bitsize='64'/> --><target><architecture> i386:x86-64\n"
		  "</architecture><xi:include href=\"core.xml\"/><feature name=\"more\">"
		  "<reg name='LATE' bitsize='32' regnum='0x30' group='system'/>"
		  "<reg name=\"after\" bitsize=\"16\"></reg><reg name=\"odd name\" bitsize=\"8\"/>"
		  "<reg name='bad' bitsize='7'/><reg name='bad' "
		  "bitsize='99999'/></feature></target>" },
		{ "core.xml",
		  "<feature><reg name=\"rax\" bitsize=\"64\" type=\"int64\"/>\n"
		  "<reg name=\"rbx\" bitsize=\"64\"/><reg name='dup' bitsize='8' regnum='0'/>"
		  "</feature>" },
		{ NULL, NULL },
	};
	static const struct doc loop[] = {
		{ "target.xml", "<target><xi:include href='target.xml'/></target>" }, { NULL, NULL }
	};
	static const struct doc odd[] = {
		{ "target.xml", "<target><xi:include href='a:0,1'/></target>" }, { NULL, NULL }
	};
	static const char *const broken[] = { "<",	    "<reg",	    "<reg name",
					      "<reg name=", "<reg name='x", "<!--",
					      "<![CDATA[",  "<?",	    "<!DOCTYPE [",
					      "< reg>",	    "<reg =''>",    "</" };
	struct doc one[] = { { "target.xml", "" }, { NULL, NULL } };
	struct xkd_err err;

	ok(tdesc(td, good, &err) == XKD_OK, "a description in two documents");
	is_str(td->arch, "i386:x86-64", "its architecture");
	is_u64(td->n, 5, "its registers");
	ok(!strcmp(td->regs[0].name, "rax") && td->regs[0].bits == 64 && !td->regs[0].regnum,
	   "rax is number 0");
	ok(!strcmp(td->regs[2].name, "late") && td->regs[2].regnum == 0x30 &&
		   !strcmp(td->regs[2].group, "system"),
	   "a number of its own, lower case, with its group");
	ok(!strcmp(td->regs[3].name, "after") && td->regs[3].regnum == 0x31,
	   "numbers go on from there");
	is_str(td->regs[4].name, "reg50", "an odd name is not taken over");
	ok(tdesc(td, loop, &err) == XKD_BADDATA, "documents that include themselves: %s", err.msg);
	ok(tdesc(td, odd, &err) == XKD_BADDATA, "an annex that could break a packet: %s", err.msg);
	for (size_t i = 0; i < XKD_COUNT(broken); i++) {
		one[0].text = broken[i];
		ok(tdesc(td, one, &err) == XKD_BADDATA, "not well-formed: %s", broken[i]);
	}
	one[0].text = "";
	ok(tdesc(td, one, &err) == XKD_OK && !td->n, "an empty one has no registers");
	xkd_tdesc_amd64(td);
	ok(td->n == 59 && !strcmp(td->regs[16].name, "rip") && !strcmp(td->regs[56].name, "mxcsr"),
	   "the usual layout");
}

/* As QEMU 7.2 prints them. */
static const char info_registers[] =
	"\r\nCPU#0\r\nRAX=ffffffff81e0f0d0 RBX=0000000000000000 RCX=0000000000000001\r\n"
	"RIP=ffffffff81e0f4eb RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
	"ES =0000 0000000000000000 ffffffff 00c00000\r\n"
	"CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\r\n"
	"LDT=0000 0000000000000000 ffffffff 00c00000\r\n"
	"TR =0040 fffffe0000003000 00004087 00008b00 DPL=0 TSS64-busy\r\n"
	"GDT=     fffffe0000001000 0000007f\r\nIDT=     fffffe0000000000 00000fff\r\n"
	"CR0=80050033 CR2=00007f00 CR3=0000000002610000 CR4=003506f0\r\n"
	"DR0=0000000000000001 DR1=0000000000000002 DR2=0000000000000003 DR3=0000000000000004 \r\n"
	"DR6=00000000ffff0ff0 DR7=0000000000000400\r\nEFER=0000000000001d01\r\n";

static void check_info_registers(void)
{
	static const struct {
		const char *name;
		uint64_t v;
	} want[] = {
		{ "idt_base", 0xfffffe0000000000 },
		{ "idt_limit", 0xfff },
		{ "gdt_base", 0xfffffe0000001000 },
		{ "gdt_limit", 0x7f },
		{ "tr", 0x40 },
		{ "tr_base", 0xfffffe0000003000 },
		{ "ldt", 0 },
		{ "dr3", 4 },
		{ "dr6", 0xffff0ff0 },
		{ "dr7", 0x400 },
	};
	struct xkd_regdesc descs[XKD_COUNT(want)];
	struct xkd_reglayout layout = { descs, XKD_COUNT(want), 0 };
	struct xkd_regblob *blob = xkd_calloc(1, sizeof(*blob));

	for (size_t i = 0; i < XKD_COUNT(want); i++) {
		descs[i] = (struct xkd_regdesc){ .off = (uint16_t)(8 * i), .bytes = 8 };
		snprintf(descs[i].name, sizeof(descs[i].name), "%s", want[i].name);
	}
	xkd_rsp_parse_info_registers(&layout, info_registers, blob);
	for (size_t i = 0; i < XKD_COUNT(want); i++)
		ok(blob->avail[i] && xkd_get_le(blob->bytes + 8 * i, 8) == want[i].v, "%s",
		   want[i].name);
	memset(blob, 0, sizeof(*blob));
	xkd_rsp_parse_info_registers(&layout, "IDT= GDT=zz XIDT=12 34", blob);
	for (size_t i = 0; i < XKD_COUNT(want); i++)
		if (blob->avail[i])
			ok(false, "%s out of nothing", want[i].name);
	ok(true, "nothing out of nothing");
	free(blob);
}

static void check_mtree(void)
{
	static const char text[] =
		"FlatView #0\r\n AS \"I/O\", root: io\r\n Root memory region: io\r\n"
		"  0000000000000000-0000000000000007 (prio 0, ram): not ours\r\n\r\n"
		"FlatView #1\r\n AS \"memory\", root: system\r\n AS \"cpu-memory-0\", root: "
		"system\r\n"
		" Root memory region: system\r\n"
		"  0000000000000000-000000000009ffff (prio 0, ram): pc.ram\r\n"
		"  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\r\n"
		"  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\r\n"
		"  00000000000e0000-000000001fffffff (prio 0, ram): pc.ram @00000000000e0000\r\n"
		"  00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi\r\n"
		"  00000000ffc00000-00000000ffffffff (prio 0, romd): flash\r\n"
		"  0000000100000000-000000013fffffff (prio 0, nv-ram): pc.ram\r\n"
		"  0000000200000000-00000002ffffffff (prio 0, ramd): a device's\r\n"
		"  zzzz-1 (prio 0, ram): no range\r\n"
		"  0000000000000009-0000000000000001 (prio 0, ram): backwards\r\n"
		"  0000000000000000-ffffffffffffffff (prio 0, ram): too large to be one\r\n\r\n"
		"FlatView #2\r\n AS \"KVM-SMRAM\", root: mem-container-smram\r\n"
		"  0000000600000000-00000006ffffffff (prio 0, ram): not ours\r\n";
	struct xkd_be_range r[16];

	is_u64(xkd_rsp_parse_mtree(text, r, 16), 3, "three ranges, neighbours joined");
	ok(r[0].start == 0 && r[0].size == 0xa0000, "low memory");
	ok(r[1].start == 0xc0000 && r[1].size == 0x1ff40000, "ROM and RAM behind it");
	ok(r[2].start == 0x100000000 && r[2].size == 0x40000000, "RAM above 4 GiB");
	is_u64(xkd_rsp_parse_mtree("", r, 16), 0, "nothing out of nothing");
	is_u64(xkd_rsp_parse_mtree(text, r, 1), 1, "no more than there is room for");
}

static void check_kinds(void)
{
	ok(xkd_rsp_is_error("E14", 3) && xkd_rsp_is_error("E.why", 5), "errors");
	ok(!xkd_rsp_is_error("E1400000", 8) && !xkd_rsp_is_error("E1", 2),
	   "data that begins with E");
	ok(xkd_rsp_is_stop("S05", 3) && xkd_rsp_is_stop("T05thread:01;", 13), "stops");
	ok(!xkd_rsp_is_stop("S0", 2) && !xkd_rsp_is_stop("Txx", 3), "no stops");
	ok(xkd_rsp_is_output("O414a", 5) && !xkd_rsp_is_output("OK", 2), "output and OK");
	is_str(xkd_rsp_profile_find(true, "PacketSize=1000", "", "")->name, "qemu", "QEMU");
	is_str(xkd_rsp_profile_find(false, "", "", "")->name, "plain", "no features");
	is_str(xkd_rsp_profile_find(false, "PacketSize=1000;vContSupported+;QStartNoAckMode+", "", "")
		       ->name,
	       "gdbstub-rs", "the gdbstub crate");
	is_str(xkd_rsp_profile_find(false, "", "QC01", "mfffffffe,fffffffd,01")->name, "kgdb", "kgdb");
	is_str(xkd_rsp_profile_find(false, "", "0000000000000001", "")->name, "bochs", "Bochs");
	is_str(xkd_rsp_profile_find(false, "", "QC01", "m01,02")->name, "plain", "tasks alone");
	is_str(xkd_rsp_profile_find(false, "PacketSize=fff", "", "")->name, "unknown", "anything else");
}

int main(void)
{
	struct xkd_tdesc *td = xkd_calloc(1, sizeof(*td));

	check_threads();
	check_tdesc(td);
	check_info_registers();
	check_mtree();
	check_kinds();
	free(td);
	return done_testing();
}
