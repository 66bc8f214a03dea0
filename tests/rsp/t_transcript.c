/* The backend against scripted stubs, with each stub's quirks and faults: one row a transcript. */
#include "base/arena.h"
#include "base/str.h"
#include "tests/rsp/transcript.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

static void leave(struct peer *p, bool running)
{
	p->err = XKD_ERR_INIT;
	if (!ok(xkd_gdbrsp_ops.close(p->be, running, &p->err) == XKD_OK, "leave"))
		printf("# %s\n", p->err.msg);
}

static bool says(struct peer *p, const char *what)
{
	bool good = strstr(p->err.msg, what) != NULL;

	ok(good, "it says '%s'", what);
	if (!good)
		printf("# but: %s\n", p->err.msg);
	return good;
}

static void check_qemu72(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));
	unsigned caps = xkd_gdbrsp_ops.caps(p->be);
	struct xkd_event ev;
	struct xkd_iov v;
	uint8_t mem[4];

	ok(p->ncpus == 2 && p->cpus[1].id == 2 && !strcmp(p->cpus[1].label, "CPU#1 [halted ]"),
	   "CPUs and their labels");
	ok((caps & XKD_CAP_BP_IN_MEMORY) && !(caps & XKD_CAP_WATCH_R), "what KVM means for caps");
	ok(xkd_gdbrsp_ops.found(p->be) == XKD_FOUND_PRELAUNCH, "found before launch");
	ok(get_regs(p, 1, XKD_RG_INT | XKD_RG_DESC, b) == XKD_OK, "registers of the second CPU");
	is_u64(reg_of(p, b, "rip"), 0xffffffff81000010, "rip");
	is_u64(reg_of(p, b, "cr3"), 0x2610000, "cr3");
	is_u64(reg_of(p, b, "idt_base"), 0xfffffe0000000000, "idt_base");
	is_u64(reg_of(p, b, "dr7"), ~0ull, "dr7 was not told");
	ok(set_reg(p, "rbx", 0x99) == XKD_OK, "a write");
	ok(set_reg(p, "cr3", 0x5000) == XKD_UNSUPPORTED, "a write without effect");
	says(p, "writing cr3: ");
	says(p, "said OK but the register did not change");
	v = get_mem(p, XKD_MS_PHYS, 0x1000, mem, 4);
	ok(v.rc == XKD_OK && v.done == 4 && mem[3] == 4, "physical memory");
	ok(get_mem(p, XKD_MS_IO, 0x70, mem, 1).rc == XKD_UNSUPPORTED, "no ports");
	ok(step(p, 1, XKD_ACT_CONT, false) == XKD_OK, "a step with the others running");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_STEP && ev.has_cpu && ev.cpu_id == 2, "it ends");
	ok(step(p, 1, XKD_ACT_HOLD, true) == XKD_OK, "a step, the others held");
	ok(next_event(p).reason == XKD_STOP_STEP, "it ends");
	leave(p, false);
	free(b);
}

static enum xkd_rc add(struct peer *p, enum xkd_bp_kind kind, uint64_t addr, unsigned size)
{
	return xkd_gdbrsp_ops.bp_add(p->be, kind, addr, size, &p->err);
}

static void check_kvm_step(struct peer *p)
{
	const uint64_t pc = 0xffffffff81000020;
	struct xkd_event ev;

	ok(set_reg(p, "rip", pc) == XKD_OK && step(p, 0, XKD_ACT_HOLD, true) == XKD_OK,
	   "rip is written, then a step");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_STEP && ev.has_cpu && ev.cpu_id == 1, "it ends");
	ok(step(p, 0, XKD_ACT_HOLD, true) == XKD_OK && next_event(p).reason == XKD_STOP_STEP,
	   "another");
	ok(set_reg(p, "rip", pc) == XKD_OK && step(p, 0, XKD_ACT_HOLD, true) == XKD_OK &&
		   next_event(p).reason == XKD_STOP_STEP,
	   "without a breakpoint register");
	ok(set_reg(p, "rip", pc) == XKD_OK && step(p, 0, XKD_ACT_HOLD, true) == XKD_OK &&
		   next_event(p).reason == XKD_STOP_STEP,
	   "one that comes elsewhere");
	ok(set_reg(p, "rip", pc) == XKD_OK && go(p) == XKD_OK &&
		   next_event(p).kind == XKD_EV_STOPPED &&
		   step(p, 0, XKD_ACT_HOLD, true) == XKD_OK &&
		   next_event(p).reason == XKD_STOP_STEP,
	   "rip is written, then on, then a step");
	leave(p, false);
}

static void check_plain(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));
	uint8_t mem[256];
	struct xkd_iov v;

	is_u64(p->ncpus, 1, "one CPU");
	ok(!(xkd_gdbrsp_ops.caps(p->be) & (XKD_CAP_RAW | XKD_CAP_READ_PHYS | XKD_CAP_RESET)),
	   "no more than there is");
	ok(xkd_gdbrsp_ops.found(p->be) == XKD_FOUND_UNKNOWN, "found in an unknown state");
	ok(get_regs(p, 0, XKD_RG_INT | XKD_RG_DESC, b) == XKD_OK, "registers");
	ok(reg_of(p, b, "rip") == 17 && reg_of(p, b, "es") == 0x104, "up to es");
	is_u64(reg_of(p, b, "fs"), ~0ull, "fs is not in 156 bytes");
	is_u64(reg_of(p, b, "idt_base"), ~1ull, "idt_base does not exist");
	v = get_mem(p, XKD_MS_VIRT, 0x1000, mem, 256);
	ok(v.rc == XKD_OK && mem[0x6f] == 0xab && mem[0x70] == 0xcd && mem[0xff] == 0xef,
	   "memory in small pieces");
	ok(get_mem(p, XKD_MS_PHYS, 0x1000, mem, 1).rc == XKD_UNSUPPORTED, "no physical memory");
	ok(step(p, 0, XKD_ACT_HOLD, true) == XKD_OK && next_event(p).reason == XKD_STOP_STEP,
	   "a bare step");
	ok(go(p) == XKD_OK && next_event(p).kind == XKD_EV_STOPPED, "a bare continue");
	ok(add(p, XKD_BP_SW, 0x1000, 1) == XKD_UNSUPPORTED, "no breakpoints");
	leave(p, true);
	free(b);
}

static void check_kgdb(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));
	struct xkd_buf val = XKD_BUF_INIT;
	static uint8_t mem[512];
	struct xkd_event ev;
	struct xkd_iov v;

	ok(p->ncpus == 2 && !strcmp(p->cpus[1].label, "shadowCPU1"), "CPUs are no tasks");
	ok(!xkd_gdbrsp_ops.hint(p->be, "stop-cpu", &val, &p->err) && !strcmp(val.s, "4294967293"),
	   "the CPU that stopped");
	ok(xkd_gdbrsp_ops.caps(p->be) & XKD_CAP_STEP_HOLD, "a step holds the others");
	v = get_mem(p, XKD_MS_VIRT, 0xffffffff81000000, mem, 512);
	ok(v.rc == XKD_OK && mem[0x1ef] == 0x90 && mem[0x1f0] == 0x91, "memory in big pieces");
	ok(add(p, XKD_BP_SW, 0xffffffff81001000, 1) == XKD_OK && go(p) == XKD_OK, "a breakpoint");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_BP && ev.has_cpu && ev.cpu_id == 0xfffffffd,
	   "hit by a CPU, not by a task");
	ok(get_regs(p, 1, XKD_RG_INT, b) == XKD_OK, "registers");
	is_u64(reg_of(p, b, "rip"), 0xffffffff81001000, "rip is put back to it");
	ok(xkd_gdbrsp_ops.bp_del(p->be, XKD_BP_SW, 0xffffffff81001000, 1, &p->err) == XKD_OK &&
		   step(p, 1, XKD_ACT_HOLD, false) == XKD_OK,
	   "a step");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_STEP && ev.cpu_id == 0xfffffffd, "of that CPU");
	ok(go(p) == XKD_OK && next_event(p).cpu_id == 0xfffffffe, "on, to another CPU's stop");
	leave(p, true);
	xkd_buf_fini(&val);
	free(b);
}

static void check_kgdb_leave(struct peer *p)
{
	ok(add(p, XKD_BP_SW, 0xffffffff81001000, 1) == XKD_OK && go(p) == XKD_OK &&
		   next_event(p).reason == XKD_STOP_BP,
	   "a breakpoint");
	leave(p, true);
}

static void check_bochs(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));
	uint8_t mem[4];
	struct xkd_iov v;

	ok(p->ncpus == 1, "one CPU");
	v = get_mem(p, XKD_MS_VIRT, 0x9000, mem, 4);
	ok(v.rc == XKD_OK && mem[3] == 4, "memory");
	ok(get_mem(p, XKD_MS_VIRT, 0xa000, mem, 4).rc == XKD_OK && mem[0] == 0x11, "more");
	v = get_mem(p, XKD_MS_VIRT, 0xafff, mem, 2);
	ok(v.rc == XKD_OK && mem[0] == 0x55 && mem[1] == 0x66, "across pages");
	v = get_mem(p, XKD_MS_VIRT, 0xdead0000, mem, 4);
	ok(v.rc == XKD_NOTMAPPED && !v.done, "none is none, not what was read before");
	ok(put_mem(p, XKD_MS_VIRT, 0x9000, "\xcc", 1).rc == XKD_OK, "a byte 0xcc is written");
	ok(add(p, XKD_BP_SW, 0x7c50, 1) == XKD_OK && go(p) == XKD_OK &&
		   next_event(p).reason == XKD_STOP_BP,
	   "a breakpoint");
	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_OK, "registers");
	is_u64(reg_of(p, b, "rip"), 0x7c50, "rip, though it tells one more");
	leave(p, true);
	free(b);
}

static void check_noack(struct peer *p)
{
	uint8_t a[8], b[8], c[8];
	struct xkd_iov v[] = { { .addr = 0, .buf = a, .len = 8 },
			       { .addr = 0x10, .buf = b, .len = 8 },
			       { .addr = 0x20, .buf = c, .len = 8 } };

	ok(step(p, 0, XKD_ACT_HOLD, true) == XKD_OK, "a step");
	ok(next_event(p).reason == XKD_STOP_BP, "ends at a breakpoint");
	ok(xkd_gdbrsp_ops.readv(p->be, XKD_MS_VIRT, p->cpus[0].id, v, 3, &p->err) == XKD_OK,
	   "three elements");
	ok(v[0].rc == XKD_OK && v[0].done == 8 && a[7] == 7, "the first is there");
	ok(v[1].rc == XKD_NOTMAPPED && !v[1].done, "the second is not");
	ok(v[2].rc == XKD_OK && c[7] == 0x27, "the third is");
	leave(p, true);
}

static void check_registers(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));

	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_OK, "a long answer");
	ok(reg_of(p, b, "rax") == ~0ull && reg_of(p, b, "rbx") == 0x1122, "xx is unavailable");
	is_u64(reg_of(p, b, "rcx"), 0xabcdef, "upper-case digits");
	is_u64(reg_of(p, b, "mxcsr"), 0, "to its end");
	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_OK, "a short answer");
	ok(reg_of(p, b, "rbx") == 8 && reg_of(p, b, "rcx") == ~0ull, "half a register is none");
	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_UNSUPPORTED, "an error");
	says(p, "gives no registers (E01)");
	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_UNSUPPORTED, "an empty answer");
	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_OK && reg_of(p, b, "rax") == 5 &&
		   reg_of(p, b, "rbx") == ~0ull,
	   "garbage in it");
	ok(xkd_gdbrsp_ops.regs_get(p->be, 77, XKD_RG_INT, b, &p->err) == XKD_NOTFOUND,
	   "no such CPU");
	ok(xkd_gdbrsp_ops.reg_set(p->be, 1, 100000, b->bytes, &p->err) == XKD_NOTFOUND,
	   "no such register");
	leave(p, false);
	free(b);
}

static void check_runs(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));

	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_OK, "run-lengths");
	ok(!reg_of(p, b, "rax") && reg_of(p, b, "rbx") == 0x11 && reg_of(p, b, "rcx") == 0x22,
	   "are decoded");
	leave(p, false);
	free(b);
}

static bool mem_is(struct peer *p, uint64_t addr, const char *hex)
{
	uint8_t mem[16];
	char got[33];
	size_t n = strlen(hex) / 2;
	struct xkd_iov v = get_mem(p, XKD_MS_VIRT, addr, mem, n);

	xkd_hex_encode(got, mem, n);
	return v.rc == XKD_OK && v.done == n && !strcmp(got, hex);
}

static void check_damage(struct peer *p)
{
	uint8_t mem[2];

	ok(mem_is(p, 0x1000, "abcd"), "a damaged answer is asked for again");
	ok(mem_is(p, 0x2000, "1234"), "a request refused as damaged goes out again");
	ok(get_mem(p, XKD_MS_VIRT, 0, mem, 0).rc == XKD_OK, "nothing is always there");
	leave(p, false);
}

static void check_damage4(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));

	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_TRANSPORT, "not for ever");
	says(p, "the answer to 'g' from ");
	says(p, " comes with a wrong checksum");
	leave(p, false);
	free(b);
}

static void check_noise(struct peer *p)
{
	struct xkd_event ev;

	ok(mem_is(p, 0x1000, "abcd"), "the answer among noise");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_OUTPUT && !strcmp(ev.text, "early words\r\n"), "output is kept");
	leave(p, false);
}

static void check_queue(struct peer *p)
{
	static uint8_t mem[0x1000];
	struct xkd_iov v = get_mem(p, XKD_MS_VIRT, 0x1400, mem, sizeof(mem));

	ok(v.rc == XKD_OK && v.done == sizeof(mem), "a page's worth in three requests");
	ok(mem[0] == 0x11 && mem[0x800] == 0x22 && mem[0xbff] == 0x22 && mem[0xc00] == 0x33,
	   "each byte in its place");
	ok(mem_is(p, 0x5000, "0102030405060708"), "one after it");
	ok(mem_is(p, 0x6ff8, "11121314151617182122232425262728"), "one refused at first");
	leave(p, false);
}

static void check_middle(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));
	uint8_t mem[2];

	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_TRANSPORT, "the connection is lost");
	says(p, "waiting for the answer to 'g': ");
	says(p, "closed the connection in mid-packet, after '00112233'");
	ok(get_mem(p, XKD_MS_VIRT, 0, mem, 2).rc == XKD_TRANSPORT, "and stays so");
	says(p, "closed the connection");
	ok(next_event(p).kind == XKD_EV_LOST, "it is an event too");
	ok(xkd_gdbrsp_ops.close(p->be, true, &p->err) == XKD_TRANSPORT, "leaving says so");
	free(b);
}

static void check_gone(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));

	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_TRANSPORT, "the connection is lost");
	says(p, "closed the connection");
	ok(!strstr(p->err.msg, "mid-packet"), "between packets");
	ok(xkd_gdbrsp_ops.close(p->be, false, &p->err) == XKD_TRANSPORT, "leaving says so");
	free(b);
}

static void check_ssh(struct peer *p)
{
	says(p, "does not speak the GDB remote protocol");
	says(p, "SSH-2.0-OpenSSH_9.2p1 Debian-2");
}

static void check_hang(struct peer *p)
{
	says(p, "no answer to 'qSupported' from /tmp/xkd-t_transcript-");
	says(p, "within 0.2 s");
	says(p, "another debugger");
}

static void check_late(struct peer *p)
{
	uint8_t mem[2];

	ok(get_mem(p, XKD_MS_VIRT, 0x1000, mem, 2).rc == XKD_TIMEOUT, "no answer in time");
	says(p, "reading memory: no answer to 'm1000,2' from ");
	ok(mem_is(p, 0x2000, "bbbb"), "the late answer is not taken for the next one's");
	ok(get_mem(p, XKD_MS_VIRT, 0x3000, mem, 2).rc == XKD_TIMEOUT, "no answer at all");
	ok(mem_is(p, 0x4000, "dddd"), "the next one has its own");
	leave(p, false);
}

static void check_late_queue(struct peer *p)
{
	uint8_t mem[16];
	struct xkd_iov v = get_mem(p, XKD_MS_VIRT, 0x1ff8, mem, 16);

	ok(v.rc == XKD_TIMEOUT && v.done == 8 && mem[7] == 8, "what came in time is there");
	says(p, "no answer to 'm2000,8' from ");
	ok(mem_is(p, 0x5ff8, "21222324252627283132333435363738"), "the next ones have their own");
	leave(p, false);
}

static void check_flood(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));

	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_TRANSPORT, "an endless packet ends it");
	says(p, "sent a packet of over 1048576 bytes");
	ok(xkd_gdbrsp_ops.close(p->be, false, &p->err) == XKD_TRANSPORT, "for good");
	free(b);
}

static void check_faults(struct peer *p)
{
	static uint8_t mem[0x8000];
	struct xkd_iov v = get_mem(p, XKD_MS_VIRT, 0x10800, mem, sizeof(mem));

	ok(v.rc == XKD_NOTMAPPED && v.done == 0x6800, "up to the first page that is missing");
	ok(mem[0x37ff] == 0x11 && mem[0x3800] == 0x22 && mem[0x67ff] == 0x33, "with its bytes");
	v = get_mem(p, XKD_MS_VIRT, 0x20000, mem, 8);
	ok(v.rc == XKD_NOTMAPPED && !v.done, "nothing");
	ok(mem_is(p, 0x30000, "0102030405060708"), "an answer in two parts");
	v = get_mem(p, XKD_MS_VIRT, 0x40000, mem, 2);
	ok(v.rc == XKD_BADDATA && !v.done, "too many bytes");
	ok(get_mem(p, XKD_MS_VIRT, 0x40000, mem, 2).rc == XKD_BADDATA, "no hex");
	ok(get_mem(p, XKD_MS_VIRT, 0x40000, mem, 2).rc == XKD_UNSUPPORTED, "an empty answer");
	v = get_mem(p, XKD_MS_VIRT, UINT64_MAX - 1, mem, 8);
	ok(v.rc == XKD_NOTMAPPED && v.done == 2, "not beyond the last address");
	v = get_mem(p, XKD_MS_VIRT, -0x2000ull, mem, 0x3000);
	ok(v.rc == XKD_NOTMAPPED && v.done == 0x2000, "nor by whole pages");
	leave(p, false);
}

static void check_writes(struct peer *p)
{
	char a[0x17], b[2] = "BB";
	struct xkd_iov v[] = { { .addr = 0xff0, .buf = (uint8_t *)a, .len = sizeof(a) },
			       { .addr = 0x9000, .buf = (uint8_t *)b, .len = 2 } };

	memset(a, 'A', sizeof(a));
	ok(xkd_gdbrsp_ops.writev(p->be, XKD_MS_VIRT, p->cpus[0].id, v, 2, &p->err) == XKD_OK,
	   "two elements");
	ok(v[0].rc == XKD_NOTMAPPED && v[0].done == 0x10, "the first up to the page's end");
	ok(v[1].rc == XKD_OK && v[1].done == 2, "the second whole");
	leave(p, false);
}

static void check_binary(struct peer *p)
{
	ok(mem_is(p, 0x1000, "23247d2a51"), "binary bytes");
	ok(!mem_is(p, 0x2000, "00000000"), "an error");
	ok(mem_is(p, 0x3000, "01020304"), "in two parts");
	ok(put_mem(p, XKD_MS_VIRT, 0x5000, "#$}*Q", 5).rc == XKD_OK, "a binary write");
	ok(mem_is(p, 0x6000, "abcd"), "back to hex where x was an empty promise");
	leave(p, false);
}

static void check_nop(struct peer *p)
{
	ok(set_reg(p, "rbx", 0x77) == XKD_OK, "by G");
	ok(set_reg(p, "rbx", 0x78) == XKD_UNSUPPORTED, "refused");
	says(p, "writing rbx: ");
	leave(p, false);
}

static void check_breakpoints(struct peer *p)
{
	ok(add(p, XKD_BP_SW, 0xffffffff81000000, 1) == XKD_OK, "software");
	ok(add(p, XKD_BP_SW, 0xffffffff81000000, 1) == XKD_OK, "again: nothing to do");
	ok(add(p, XKD_BP_HW, 0x1000, 1) == XKD_OK, "hardware");
	ok(add(p, XKD_BP_HW, 0x2000, 1) == XKD_UNSUPPORTED, "one too many");
	says(p, "refuses to set a hardware breakpoint at 00000000`00002000 (E22)");
	ok(add(p, XKD_BP_READ, 0x3000, 8) == XKD_UNSUPPORTED, "unknown");
	says(p, "does not know a read watchpoint");
	ok(!(xkd_gdbrsp_ops.caps(p->be) & XKD_CAP_WATCH_R), "caps know it from now on");
	ok(add(p, XKD_BP_SW, 0x4000, 1) == XKD_NOTMAPPED && p->err.has_addr &&
		   p->err.addr == 0x4000,
	   "nowhere");
	ok(xkd_gdbrsp_ops.bp_del(p->be, XKD_BP_HW, 0x1000, 1, &p->err) == XKD_OK, "removed");
	ok(xkd_gdbrsp_ops.bp_del(p->be, XKD_BP_HW, 0x1000, 1, &p->err) == XKD_NOTFOUND, "once");
	ok(add(p, XKD_BP_WRITE, 0x5000, 4) == XKD_OK, "watch");
	ok(xkd_gdbrsp_ops.close(p->be, true, &p->err) == XKD_NOTMAPPED, "one does not come out");
	says(p, "leaving: ");
	says(p, "refuses to remove a software breakpoint at ffffffff`81000000");
}

static void check_stop_outputs(struct peer *p)
{
	struct xkd_event ev;

	ok(go(p) == XKD_OK, "run with output");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_OUTPUT && !strcmp(ev.text, "hello"), "output");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_OUTPUT && strlen(ev.text) == 255, "long output in parts");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_OUTPUT && strlen(ev.text) == 45, "to its end");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_STOPPED && ev.reason == XKD_STOP_SHUTDOWN, "shutdown");
}

static void check_stops(struct peer *p)
{
	struct xkd_resume only = {
		.others = XKD_ACT_HOLD, .has_cpu = true, .cpu_id = 2, .cpu_act = XKD_ACT_CONT
	};
	struct xkd_resume none = { .others = XKD_ACT_HOLD };
	struct xkd_event ev;

	ok(go(p) == XKD_OK && go(p) == XKD_RUNNING, "run, once");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_WATCH && ev.watch_addr == 0xffff888000001000 && ev.cpu_id == 2,
	   "watch");
	ok(go(p) == XKD_OK, "run");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_WATCH && ev.watch_addr == 0x20 && ev.cpu_id == 1,
	   "awatch, other keys");
	ok(go(p) == XKD_OK && xkd_gdbrsp_ops.halt(p->be, &p->err) == XKD_OK, "run, halt");
	ok(next_event(p).reason == XKD_STOP_USER, "stopped for us");
	ok(xkd_gdbrsp_ops.halt(p->be, &p->err) == XKD_OK, "halt again: nothing to do");
	check_stop_outputs(p);
	ok(go(p) == XKD_OK, "run");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_EXC && ev.exc == 11, "an exception");
	ok(go(p) == XKD_OK, "run");
	ev = next_event(p);
	ok(ev.reason == XKD_STOP_BP && ev.cpu_id == 2, "hwbreak");
	ok(go(p) == XKD_OK, "run, refused and answered with damage at first");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_STOPPED, "a stop that says strange things");
	ok(step(p, 0, XKD_ACT_HOLD, true) == XKD_OK, "a step that is refused");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_STOPPED && strstr(ev.text, "refuses 'vCont;s:01' (E22)") != NULL,
	   "is a stop that says so");
	ok(xkd_gdbrsp_ops.resume(p->be, &none, &p->err) == XKD_UNSUPPORTED, "running nobody");
	ok(xkd_gdbrsp_ops.resume(p->be, &only, &p->err) == XKD_OK, "running one");
	ok(strstr(next_event(p).text, "empty answer") != NULL, "unknown to the stub");
	ok(xkd_gdbrsp_ops.resume(p->be, &only, &p->err) == XKD_OK, "running one");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_EXITED && ev.code == 42, "it ends");
	leave(p, false);
}

static void check_lost(struct peer *p)
{
	struct xkd_event ev;

	ok(go(p) == XKD_OK, "run");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_LOST && strstr(ev.text, "in mid-packet, after 'T05thr'"), "lost: %s",
	   ev.text);
	ok(xkd_gdbrsp_ops.close(p->be, true, &p->err) == XKD_TRANSPORT, "leaving says so");
}

static void check_elsewhere(struct peer *p)
{
	struct xkd_event ev;

	ok(mem_is(p, 0x1000, "abcd"), "asked again");
	ev = next_event(p);
	ok(ev.kind == XKD_EV_STOPPED && ev.reason == XKD_STOP_USER &&
		   strstr(ev.text, "another place"),
	   "and told as a stop");
	leave(p, false);
}

static void check_detached(struct peer *p)
{
	ok(p->ncpus == 2, "its CPUs are taken back");
	leave(p, true);
}

static void check_leave_running(struct peer *p)
{
	ok(xkd_gdbrsp_ops.found(p->be) == XKD_FOUND_RUNNING, "found running");
	ok(add(p, XKD_BP_SW, 0x1000, 1) == XKD_OK && go(p) == XKD_OK, "runs with a breakpoint in");
	p->cancel.count = 1;
	leave(p, true);
}

static void check_crossed(struct peer *p)
{
	ok(add(p, XKD_BP_SW, 0x1000, 1) == XKD_OK && go(p) == XKD_OK, "runs with a breakpoint in");
	leave(p, true);
}

static void check_leave_halted(struct peer *p)
{
	ok(step(p, 0, XKD_ACT_HOLD, false) == XKD_OK && next_event(p).reason == XKD_STOP_STEP,
	   "a step");
	leave(p, false);
}

static enum xkd_rc raw(struct peer *p, const char *cmd, const char *want)
{
	struct xkd_buf b;
	enum xkd_rc rc;

	xkd_buf_init(&b);
	rc = xkd_gdbrsp_ops.raw(p->be, cmd, &b, &p->err);
	if (rc == XKD_OK)
		is_str(b.s, want, cmd);
	xkd_buf_fini(&b);
	return rc;
}

static void check_multiprocess(struct peer *p)
{
	struct xkd_iov v;
	uint8_t c;

	is_u64(p->ncpus, 2, "two CPUs");
	v = (struct xkd_iov){ .addr = 0x1000, .buf = &c, .len = 1 };
	ok(xkd_gdbrsp_ops.readv(p->be, XKD_MS_VIRT, 2, &v, 1, &p->err) == XKD_OK && c == 0xff,
	   "memory by the second's eyes");
	ok(step(p, 1, XKD_ACT_HOLD, true) == XKD_OK && next_event(p).cpu_id == 2, "a step of it");
	leave(p, true);
}

static void check_monitor(struct peer *p)
{
	ok(raw(p, "one", "final words") == XKD_OK, "output in the final answer");
	ok(raw(p, "two", "first\r\nsecond\r\n") == XKD_OK, "output before it");
	ok(raw(p, "three", "") == XKD_UNSUPPORTED, "an error");
	says(p, "refuses 'monitor three' (E01)");
	ok(raw(p, "four", "") == XKD_BADDATA, "garbage");
	ok(raw(p, "five", "") == XKD_UNSUPPORTED, "no monitor");
	leave(p, false);
}

static void check_arm(struct peer *p)
{
	says(p, "is a target of architecture 'aarch64'");
}

static void check_bad_xml(struct peer *p)
{
	ok(strstr(p->warned.s, "includes too many documents") != NULL, "it warns: %s", p->warned.s);
	ok(index_of(p, "rip") == 16, "the usual layout");
	leave(p, false);
}

static void check_ended(struct peer *p)
{
	says(p, "has ended");
}

static void check_cancel(struct peer *p)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));

	p->cancel.count = 1;
	ok(get_regs(p, 0, XKD_RG_INT, b) == XKD_CANCELED, "Ctrl-C while waiting");
	p->cancel.count = 0;
	ok(mem_is(p, 0x1000, "abcd"), "the answer that came later is not mistaken");
	leave(p, false);
	free(b);
}

static const struct {
	const char *name;
	enum xkd_rc open;
	unsigned timeout_ms;
	void (*check)(struct peer *p);
} scripts[] = {
	{ "qemu72", XKD_OK, 0, check_qemu72 },
	{ "kvm-step", XKD_OK, 0, check_kvm_step },
	{ "plain", XKD_OK, 0, check_plain },
	{ "kgdb", XKD_OK, 0, check_kgdb },
	{ "kgdb-leave", XKD_OK, 0, check_kgdb_leave },
	{ "bochs", XKD_OK, 0, check_bochs },
	{ "noack", XKD_OK, 0, check_noack },
	{ "registers", XKD_OK, 0, check_registers },
	{ "runs", XKD_OK, 0, check_runs },
	{ "damage", XKD_OK, 0, check_damage },
	{ "damage4", XKD_OK, 0, check_damage4 },
	{ "noise", XKD_OK, 0, check_noise },
	{ "queue", XKD_OK, 0, check_queue },
	{ "middle", XKD_OK, 0, check_middle },
	{ "gone", XKD_OK, 0, check_gone },
	{ "ssh", XKD_TRANSPORT, 0, check_ssh },
	{ "ssh-hangs", XKD_TRANSPORT, 200, check_ssh },
	{ "hang", XKD_TIMEOUT, 200, check_hang },
	{ "late", XKD_OK, 200, check_late },
	{ "late-queue", XKD_OK, 200, check_late_queue },
	{ "cancel", XKD_OK, 0, check_cancel },
	{ "flood", XKD_OK, 0, check_flood },
	{ "faults", XKD_OK, 0, check_faults },
	{ "writes", XKD_OK, 0, check_writes },
	{ "binary", XKD_OK, 0, check_binary },
	{ "nop", XKD_OK, 0, check_nop },
	{ "breakpoints", XKD_OK, 0, check_breakpoints },
	{ "stops", XKD_OK, 0, check_stops },
	{ "lost", XKD_OK, 0, check_lost },
	{ "elsewhere", XKD_OK, 0, check_elsewhere },
	{ "detached", XKD_OK, 0, check_detached },
	{ "leave-running", XKD_OK, 0, check_leave_running },
	{ "crossed", XKD_OK, 0, check_crossed },
	{ "crossed-lost", XKD_OK, 0, check_crossed },
	{ "leave-halted", XKD_OK, 0, check_leave_halted },
	{ "multiprocess", XKD_OK, 0, check_multiprocess },
	{ "monitor", XKD_OK, 0, check_monitor },
	{ "arm", XKD_UNSUPPORTED, 0, check_arm },
	{ "bad-xml", XKD_OK, 0, check_bad_xml },
	{ "ended", XKD_TRANSPORT, 0, check_ended },
};

static void warn(void *arg, enum xkd_log_chan chan, const char *line)
{
	struct peer *p = arg;

	if (chan == XKD_LOG_WARN)
		xkd_buf_str(&p->warned, line);
	else
		printf("# %s\n", line);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < XKD_COUNT(scripts); i++) {
		struct peer p = { .err = XKD_ERR_INIT, .cancel = { .wake_fd = -1 } };
		enum xkd_rc rc;

		if (argc > 1 && strcmp(argv[1], scripts[i].name))
			continue;
		printf("# %s\n", scripts[i].name);
		xkd_buf_init(&p.warned);
		xkd_log_init(&p.log);
		p.log.sink = warn;
		p.log.arg = &p;
		if (getenv("XKD_TEST_PACKETS"))
			p.log.on |= 1u << XKD_LOG_PACKET;
		if (!ok(peer_start(&p, scripts[i].name), "%s: a stub", scripts[i].name))
			break;
		rc = peer_open(&p, scripts[i].timeout_ms ? scripts[i].timeout_ms : 2000);
		if (ok(rc == scripts[i].open, "%s: open gives %s", scripts[i].name,
		       xkd_rc_name(rc)))
			scripts[i].check(&p);
		else
			printf("# %s\n", p.err.msg);
		ok(peer_end(&p), "%s: all went by the script", scripts[i].name);
		xkd_buf_fini(&p.warned);
	}
	return done_testing();
}
