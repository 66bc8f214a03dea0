/* The backend against a real QEMU that runs a few instructions of ours in real mode: registers,
 * memory, steps, breakpoints, the monitor, and what leaving leaves behind. */
#include "base/log.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include "xkd/backend.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE 0x7c00u
static const uint8_t code[] = {
	0x90,		  /* 7c00: nop */
	0xb8, 0x34, 0x12, /* 7c01: mov $0x1234,%ax */
	0xa3, 0x00, 0x05, /* 7c04: mov %ax,0x500 */
	0x90,		  /* 7c07: nop */
	0xeb, 0xfd,	  /* 7c08: jmp 7c07 */
};

struct rig {
	char dir[64], gdb[96], mon[96];
	pid_t pid;
	struct xkd_log log;
	struct xkd_backend *be;
	const struct xkd_reglayout *layout;
	struct xkd_be_cpu cpus[8];
	size_t ncpus;
	struct xkd_err err;
};

/* A command to the other monitor, which knows the truth; its text. */
static void hmp(struct rig *rig, const char *cmd, char *out, size_t size)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", rig->mon);
	out[0] = '\0';
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		bool sent = false;

		while (n < size - 1 && poll(&p, 1, 2000) == 1) {
			ssize_t r = read(fd, out + n, size - 1 - n);

			if (r <= 0)
				break;
			n += (size_t)r;
			out[n] = '\0';
			if (!xkd_has_suffix(out, "(qemu) "))
				continue;
			if (sent)
				break;
			sent = true;
			n = 0;
			if (dprintf(fd, "%s\n", cmd) < 0)
				break;
		}
	}
	close(fd);
}

static bool start_qemu(struct rig *rig, const char *stopped)
{
	char gdb[128], mon[128], out[4096];

	snprintf(rig->dir, sizeof(rig->dir), "/tmp/xkd-t_qemu-XXXXXX");
	if (!mkdtemp(rig->dir))
		return false;
	snprintf(rig->gdb, sizeof(rig->gdb), "%s/gdb", rig->dir);
	snprintf(rig->mon, sizeof(rig->mon), "%s/mon", rig->dir);
	snprintf(gdb, sizeof(gdb), "unix:%s,server=on,wait=off", rig->gdb);
	snprintf(mon, sizeof(mon), "unix:%s,server=on,wait=off", rig->mon);
	rig->pid = fork();
	if (!rig->pid) {
		execlp("qemu-system-x86_64", "qemu-system-x86_64", "-accel", "tcg", "-display",
		       "none", "-nodefaults", "-machine", "pc", "-m", "64", "-smp", "2", "-gdb",
		       gdb, "-monitor", mon, stopped, NULL);
		_exit(127);
	}
	for (int i = 0; i < 400; i++) {
		int status;

		/* The monitor answers when all sockets listen. */
		hmp(rig, "info status", out, sizeof(out));
		if (strstr(out, "VM status"))
			return true;
		if (waitpid(rig->pid, &status, WNOHANG) == rig->pid) {
			rig->pid = WIFEXITED(status) && WEXITSTATUS(status) == 127 ? 0 : -1;
			return false;
		}
		usleep(50000);
	}
	return false;
}

static void stop_qemu(struct rig *rig)
{
	if (rig->pid > 0) {
		kill(rig->pid, SIGKILL);
		waitpid(rig->pid, NULL, 0);
	}
	unlink(rig->gdb);
	unlink(rig->mon);
	rmdir(rig->dir);
}

static bool is_running(struct rig *rig)
{
	char out[4096];

	hmp(rig, "info status", out, sizeof(out));
	return strstr(out, "VM status: running") != NULL;
}

static bool attach(struct rig *rig)
{
	struct xkd_be_open o = { .uri = rig->gdb, .log = &rig->log };

	rig->err = XKD_ERR_INIT;
	if (xkd_gdbrsp_ops.open(&o, &rig->be, &rig->err) != XKD_OK ||
	    xkd_gdbrsp_ops.cpus(rig->be, rig->cpus, 8, &rig->ncpus, &rig->err) != XKD_OK) {
		printf("# %s\n", rig->err.msg);
		return false;
	}
	rig->layout = xkd_gdbrsp_ops.reglayout(rig->be);
	return true;
}

static size_t reg_index(struct rig *rig, const char *name)
{
	size_t i = 0;

	while (i < rig->layout->n && strcmp(rig->layout->regs[i].name, name))
		i++;
	return i;
}

static uint64_t reg(struct rig *rig, size_t cpu, const char *name)
{
	static struct xkd_regblob blob;
	size_t i = reg_index(rig, name);
	unsigned groups = XKD_RG_INT | XKD_RG_SYS | XKD_RG_DESC | XKD_RG_DEBUG;

	if (i == rig->layout->n ||
	    xkd_gdbrsp_ops.regs_get(rig->be, rig->cpus[cpu].id, groups, &blob, &rig->err) !=
		    XKD_OK ||
	    !blob.avail[i]) {
		printf("# %s: %s\n", name, rig->err.msg);
		return UINT64_MAX;
	}
	return xkd_get_le(blob.bytes + rig->layout->regs[i].off, rig->layout->regs[i].bytes);
}

static bool set_reg(struct rig *rig, size_t cpu, const char *name, uint64_t v)
{
	uint8_t val[8];
	size_t i = reg_index(rig, name);

	xkd_put_le(val, v, 8);
	rig->err = XKD_ERR_INIT;
	if (xkd_gdbrsp_ops.reg_set(rig->be, rig->cpus[cpu].id, i, val, &rig->err) == XKD_OK)
		return true;
	printf("# %s\n", rig->err.msg);
	return false;
}

static struct xkd_iov read1(struct rig *rig, enum xkd_mspace ms, uint64_t addr, void *buf, size_t n)
{
	struct xkd_iov v = { .addr = addr, .buf = buf, .len = n };

	if (xkd_gdbrsp_ops.readv(rig->be, ms, rig->cpus[0].id, &v, 1, &rig->err) != XKD_OK)
		printf("# %s\n", rig->err.msg);
	return v;
}

static struct xkd_iov write1(struct rig *rig, enum xkd_mspace ms, uint64_t addr, void *buf,
			     size_t n)
{
	struct xkd_iov v = { .addr = addr, .buf = buf, .len = n };

	if (xkd_gdbrsp_ops.writev(rig->be, ms, rig->cpus[0].id, &v, 1, &rig->err) != XKD_OK)
		printf("# %s\n", rig->err.msg);
	return v;
}

static struct xkd_event wait_stop(struct rig *rig)
{
	struct pollfd p = { .fd = xkd_gdbrsp_ops.fd(rig->be), .events = POLLIN };
	struct xkd_event ev;

	for (int i = 0; i < 100; i++) {
		if (xkd_gdbrsp_ops.next_event(rig->be, &ev, &rig->err) != XKD_OK ||
		    ev.kind != XKD_EV_NONE)
			break;
		poll(&p, 1, 50);
	}
	return ev;
}

static struct xkd_event resume(struct rig *rig, struct xkd_resume r)
{
	if (xkd_gdbrsp_ops.resume(rig->be, &r, &rig->err) != XKD_OK) {
		printf("# %s\n", rig->err.msg);
		return (struct xkd_event){ .kind = XKD_EV_NONE };
	}
	return wait_stop(rig);
}

static void check_attach(struct rig *rig)
{
	unsigned caps = xkd_gdbrsp_ops.caps(rig->be);
	unsigned want = XKD_CAP_READ_PHYS | XKD_CAP_STEP_HOLD | XKD_CAP_RAW | XKD_CAP_WATCH_R;
	struct xkd_buf b;

	is_u64(rig->ncpus, 2, "two CPUs");
	ok((caps & want) == want, "caps of a QEMU");
	ok(!(caps & XKD_CAP_BP_IN_MEMORY), "TCG keeps breakpoints beside memory");
	ok(xkd_gdbrsp_ops.found(rig->be) == XKD_FOUND_PRELAUNCH, "found before launch");
	xkd_buf_init(&b);
	ok(xkd_gdbrsp_ops.raw(rig->be, "info version", &b, &rig->err) == XKD_OK && b.len > 2,
	   "the monitor answers");
	xkd_buf_fini(&b);
	ok(strstr(rig->cpus[0].label, "CPU#0") || rig->cpus[0].label[0], "CPUs have labels");
}

static void check_registers(struct rig *rig)
{
	char out[8192];
	uint64_t v = 0;
	char *p;

	is_u64(reg(rig, 0, "rip"), 0xfff0, "rip at reset");
	is_u64(reg(rig, 0, "cs"), 0xf000, "cs at reset");
	is_u64(reg(rig, 0, "cr0"), 0x60000010, "cr0 at reset");
	is_u64(reg(rig, 0, "idt_limit"), 0xffff, "idt_limit by the monitor");
	is_u64(reg(rig, 1, "dr6"), 0xffff0ff0, "dr6 of the other CPU by the monitor");
	hmp(rig, "info registers", out, sizeof(out));
	p = strstr(out, "RDX=");
	if (!p)
		p = strstr(out, "EDX=");
	if (p)
		v = strtoull(p + 4, NULL, 16);
	is_u64(reg(rig, 0, "rdx"), v, "rdx is what the other monitor says");
	ok(set_reg(rig, 0, "rbx", 0x1122), "write rbx");
	is_u64(reg(rig, 0, "rbx"), 0x1122, "rbx reads back");
	ok(!set_reg(rig, 0, "idt_base", 0), "what only the monitor shows cannot be written");
	ok(set_reg(rig, 0, "cs", 0) && set_reg(rig, 0, "rip", CODE), "write cs, rip");
}

static void check_memory(struct rig *rig)
{
	static uint8_t big[70000], back[70000];
	struct xkd_iov v, many[100];
	struct xkd_be_range ram[64];
	size_t n = 0, good = 0;
	char out[4096];

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 251);
	v = write1(rig, XKD_MS_PHYS, 0x100123, big, sizeof(big));
	ok(v.rc == XKD_OK && v.done == sizeof(big), "70000 bytes written by physical address");
	v = read1(rig, XKD_MS_VIRT, 0x100123, back, sizeof(back));
	ok(v.rc == XKD_OK && !memcmp(big, back, sizeof(big)), "and read back by virtual address");
	hmp(rig, "xp/4xb 0x100123", out, sizeof(out));
	ok(strstr(out, "0x00 0x07 0x0e 0x15"), "the other monitor sees them");
	memset(back, 0, sizeof(back));
	v = read1(rig, XKD_MS_PHYS, 0x100123, back, sizeof(back));
	ok(v.rc == XKD_OK && !memcmp(big, back, sizeof(big)), "and by physical address");
	for (size_t i = 0; i < 100; i++)
		many[i] =
			(struct xkd_iov){ .addr = 0x100123 + i * 8, .buf = back + i * 8, .len = 8 };
	memset(back, 0, sizeof(back));
	ok(xkd_gdbrsp_ops.readv(rig->be, XKD_MS_VIRT, rig->cpus[1].id, many, 100, &rig->err) ==
		   XKD_OK,
	   "100 elements in one call");
	for (size_t i = 0; i < 100; i++)
		good += many[i].rc == XKD_OK && many[i].done == 8;
	ok(good == 100 && !memcmp(big, back, 800), "each with its own bytes");
	v = write1(rig, XKD_MS_VIRT, CODE, (void *)(uintptr_t)code, sizeof(code));
	ok(v.rc == XKD_OK, "code written");
	ok(xkd_gdbrsp_ops.memmap(rig->be, ram, 64, &n, &rig->err) == XKD_OK, "a memory map");
	ok(n && ram[0].start == 0 && ram[0].size >= 0x9f000, "it begins with low memory");
	good = 0;
	for (size_t i = 0; i < n; i++)
		good |= ram[i].start <= 0x100000 && ram[i].start + ram[i].size == 0x4000000;
	ok(good, "and goes to 64 MiB");
}

static void check_running(struct rig *rig)
{
	uint64_t cpu = rig->cpus[0].id;
	struct xkd_resume step = { .others = XKD_ACT_HOLD,
				   .has_cpu = true,
				   .cpu_id = cpu,
				   .cpu_act = XKD_ACT_STEP,
				   .mask_irqs = true };
	struct xkd_resume cont = { .others = XKD_ACT_CONT };
	struct xkd_event ev = resume(rig, step);
	struct xkd_iov v;
	uint8_t b[2] = { 0 };

	ok(ev.kind == XKD_EV_STOPPED && ev.reason == XKD_STOP_STEP && ev.cpu_id == cpu, "a step");
	is_u64(reg(rig, 0, "rip"), CODE + 1, "one instruction on");
	step.mask_irqs = false;
	step.others = XKD_ACT_CONT;
	ev = resume(rig, step);
	/* With interrupts open the first step may be spent on polling the interrupt controller. */
	if (reg(rig, 0, "rip") == CODE + 1)
		ev = resume(rig, step);
	ok(ev.reason == XKD_STOP_STEP, "a step with the others running");
	is_u64(reg(rig, 0, "rip"), CODE + 4, "one more on");
	is_u64(reg(rig, 0, "rax") & 0xffff, 0x1234, "ax is loaded");
	ok(xkd_gdbrsp_ops.bp_add(rig->be, XKD_BP_WRITE, 0x500, 2, &rig->err) == XKD_OK,
	   "watch 0x500");
	ev = resume(rig, cont);
	ok(ev.reason == XKD_STOP_WATCH && ev.watch_addr == 0x500, "the watchpoint hits");
	v = read1(rig, XKD_MS_VIRT, 0x500, b, 2);
	ok(v.rc == XKD_OK && b[0] == 0x34 && b[1] == 0x12, "after the write");
	ok(xkd_gdbrsp_ops.bp_del(rig->be, XKD_BP_WRITE, 0x500, 2, &rig->err) == XKD_OK, "unwatch");
	ok(xkd_gdbrsp_ops.bp_del(rig->be, XKD_BP_WRITE, 0x500, 2, &rig->err) == XKD_NOTFOUND,
	   "only once");
	ok(xkd_gdbrsp_ops.bp_add(rig->be, XKD_BP_SW, CODE + 8, 1, &rig->err) == XKD_OK,
	   "breakpoint");
	ev = resume(rig, cont);
	ok(ev.reason == XKD_STOP_BP && ev.has_cpu && ev.cpu_id == cpu, "the breakpoint hits");
	is_u64(reg(rig, 0, "rip"), CODE + 8, "with rip at it");
	ok(xkd_gdbrsp_ops.bp_del(rig->be, XKD_BP_SW, CODE + 8, 1, &rig->err) == XKD_OK, "removed");
	ok(xkd_gdbrsp_ops.resume(rig->be, &cont, &rig->err) == XKD_OK, "run");
	usleep(50000);
	ok(xkd_gdbrsp_ops.next_event(rig->be, &ev, &rig->err) == XKD_OK && ev.kind == XKD_EV_NONE,
	   "nothing happens");
	ok(is_running(rig), "the other monitor says it runs");
	v = read1(rig, XKD_MS_VIRT, 0x500, b, 2);
	ok(v.rc == XKD_RUNNING, "memory is out of reach while it runs");
	ok(xkd_gdbrsp_ops.halt(rig->be, &rig->err) == XKD_OK, "halt");
	ev = wait_stop(rig);
	ok(ev.kind == XKD_EV_STOPPED && ev.reason == XKD_STOP_USER, "it stops for us");
}

static void check_leaving(struct rig *rig)
{
	struct xkd_resume cont = { .others = XKD_ACT_CONT };
	struct xkd_event ev;

	ok(xkd_gdbrsp_ops.bp_add(rig->be, XKD_BP_SW, CODE + 8, 1, &rig->err) == XKD_OK,
	   "a breakpoint that would hit at once");
	ok(xkd_gdbrsp_ops.close(rig->be, true, &rig->err) == XKD_OK, "leave it running");
	usleep(50000);
	ok(is_running(rig), "it runs");
	ok(attach(rig) && !is_running(rig), "attached again: it stands");
	ok(xkd_gdbrsp_ops.found(rig->be) == XKD_FOUND_RUNNING, "found running");
	ok(xkd_gdbrsp_ops.bp_add(rig->be, XKD_BP_SW, 0x7000, 1, &rig->err) == XKD_OK &&
		   xkd_gdbrsp_ops.resume(rig->be, &cont, &rig->err) == XKD_OK,
	   "run with a breakpoint in");
	ok(xkd_gdbrsp_ops.close(rig->be, true, &rig->err) == XKD_OK && is_running(rig),
	   "leaving a running target with a breakpoint leaves it running");
	ok(attach(rig) && xkd_gdbrsp_ops.resume(rig->be, &cont, &rig->err) == XKD_OK &&
		   xkd_gdbrsp_ops.close(rig->be, true, &rig->err) == XKD_OK && is_running(rig),
	   "and without one too");
	ok(attach(rig) && xkd_gdbrsp_ops.close(rig->be, false, &rig->err) == XKD_OK,
	   "leave it halted");
	usleep(50000);
	ok(!is_running(rig), "it stands");
	ok(attach(rig), "once more");
	ok(xkd_gdbrsp_ops.reset(rig->be, &rig->err) == XKD_OK, "reset");
	usleep(200000);
	is_u64(reg(rig, 0, "rip"), 0xfff0, "at the reset vector again");
	kill(rig->pid, SIGKILL);
	waitpid(rig->pid, NULL, 0);
	rig->pid = 0;
	ev = wait_stop(rig);
	ok(ev.kind == XKD_EV_LOST && strstr(rig->err.msg, "closed the connection"), "QEMU dies: %s",
	   rig->err.msg);
	ok(xkd_gdbrsp_ops.close(rig->be, true, &rig->err) == XKD_TRANSPORT, "leaving says so");
}

static void to_stderr(void *arg, enum xkd_log_chan chan, const char *line)
{
	fprintf(stderr, "%s\n", line);
}

int main(void)
{
	struct rig rig = { .err = XKD_ERR_INIT };

	xkd_log_init(&rig.log);
	rig.log.sink = to_stderr;
	if (getenv("XKD_TEST_PACKETS"))
		rig.log.on |= 1u << XKD_LOG_PACKET;
	if (!start_qemu(&rig, "-S")) {
		if (rig.pid)
			ok(false, "QEMU starts");
		else
			skip("a real QEMU", "no qemu-system-x86_64 in the path");
		stop_qemu(&rig);
		return done_testing();
	}
	if (ok(attach(&rig), "attach")) {
		check_attach(&rig);
		check_registers(&rig);
		check_memory(&rig);
		check_running(&rig);
		check_leaving(&rig);
	}
	stop_qemu(&rig);
	return done_testing();
}
