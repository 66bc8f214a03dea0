/* A backend is recorded and its recording replayed: answers alike, pieces of what was read answered
 * as well, writes and stops in their order, all else refused; what is no recording is told so. */
#include "backends/record/recording.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

/* --- the machine: one page at 0x1000, two CPUs, a register that counts resumes --- */
struct fake {
	struct xkd_backend be;
	uint8_t page[4096];
	unsigned resumes;
	bool stopped_event;
};
static struct fake fake;
static const struct xkd_regdesc descs[] = { { "rax", 0, 8, XKD_RG_INT }, { "cr3", 8, 8, XKD_RG_SYS } };
static const struct xkd_reglayout layout = { descs, 2, 16 };

static enum xkd_rc f_open(const struct xkd_be_open *o, struct xkd_backend **be, struct xkd_err *err)
{
	(void)o, (void)err;
	*be = &fake.be;
	return XKD_OK;
}
static enum xkd_rc f_close(struct xkd_backend *be, bool run, struct xkd_err *err)
{
	(void)be, (void)run, (void)err;
	return XKD_OK;
}
static unsigned f_caps(struct xkd_backend *be)
{
	(void)be;
	return XKD_CAP_READ_VIRT | XKD_CAP_RUN;
}
static enum xkd_found f_found(struct xkd_backend *be)
{
	(void)be;
	return XKD_FOUND_RUNNING;
}
static enum xkd_rc f_cpus(struct xkd_backend *be, struct xkd_be_cpu *c, size_t max, size_t *n,
			  struct xkd_err *err)
{
	(void)be, (void)err;
	*n = 2;
	for (size_t i = 0; i < 2 && i < max; i++)
		c[i] = (struct xkd_be_cpu){ .id = i + 1, .label = "a \"CPU\"\n\\x" };
	return XKD_OK;
}
static enum xkd_rc f_move(struct xkd_iov *v, size_t n, bool write)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t off = v[i].addr - 0x1000;

		v[i].done = off >= 4096 ? 0 : 4096 - off < v[i].len ? 4096 - off : v[i].len;
		v[i].rc = v[i].done == v[i].len ? XKD_OK : XKD_NOTMAPPED;
		if (v[i].done)
			memcpy(write ? fake.page + off : v[i].buf, write ? v[i].buf : fake.page + off,
			       v[i].done);
	}
	return XKD_OK;
}
static enum xkd_rc f_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			   struct xkd_iov *v, size_t n, struct xkd_err *err)
{
	(void)be, (void)ms, (void)cpu, (void)err;
	return f_move(v, n, false);
}
static enum xkd_rc f_writev(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			    struct xkd_iov *v, size_t n, struct xkd_err *err)
{
	(void)be, (void)ms, (void)cpu, (void)err;
	return f_move(v, n, true);
}
static const struct xkd_reglayout *f_layout(struct xkd_backend *be)
{
	(void)be;
	return &layout;
}
static enum xkd_rc f_regs(struct xkd_backend *be, uint64_t cpu, unsigned groups,
			  struct xkd_regblob *b, struct xkd_err *err)
{
	(void)be;
	if (cpu > 2)
		return xkd_err_set(err, XKD_NOTFOUND, "no such \"CPU\"");
	memset(b, 0, sizeof(*b));
	xkd_put_le(b->bytes, fake.resumes * 0x100 + cpu, 8);
	xkd_put_le(b->bytes + 8, 0xabc000, 8);
	b->avail[0] = groups & XKD_RG_INT ? 1 : 0;
	b->avail[1] = groups & XKD_RG_SYS ? 1 : 0;
	return XKD_OK;
}
static enum xkd_rc f_resume(struct xkd_backend *be, const struct xkd_resume *r, struct xkd_err *err)
{
	(void)be, (void)r, (void)err;
	fake.resumes++;
	fake.page[0]++;
	fake.stopped_event = true;
	return XKD_OK;
}
static enum xkd_rc f_halt(struct xkd_backend *be, struct xkd_err *err)
{
	(void)be, (void)err;
	return XKD_OK;
}
static int f_fd(struct xkd_backend *be)
{
	(void)be;
	return -1;
}
static enum xkd_rc f_event(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err)
{
	(void)be, (void)err;
	*ev = (struct xkd_event){ .kind = XKD_EV_NONE };
	if (fake.stopped_event)
		*ev = (struct xkd_event){ .kind = XKD_EV_STOPPED, .reason = XKD_STOP_STEP,
					  .has_cpu = true, .cpu_id = 2, .exc = -1 };
	fake.stopped_event = false;
	return XKD_OK;
}
static enum xkd_rc f_bp(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr, unsigned size,
			struct xkd_err *err)
{
	(void)be, (void)kind, (void)size;
	return addr == 0xbad ? xkd_err_set(err, XKD_UNSUPPORTED, "not there") : XKD_OK;
}
static const struct xkd_backend_ops fake_ops = {
	.name = "fake", .syntax = "", .open = f_open, .close = f_close, .caps = f_caps,
	.found = f_found, .cpus = f_cpus, .readv = f_readv, .writev = f_writev,
	.reglayout = f_layout, .regs_get = f_regs, .resume = f_resume, .halt = f_halt, .fd = f_fd,
	.next_event = f_event, .bp_add = f_bp, .bp_del = f_bp,
};

static struct xkd_err err;
static uint8_t buf[8192];

static size_t get(struct xkd_backend *be, uint64_t cpu, uint64_t addr, size_t n, enum xkd_rc *rc)
{
	struct xkd_iov v = { .addr = addr, .buf = buf, .len = n };

	memset(buf, 0xee, sizeof(buf));
	if (be->ops->readv(be, XKD_MS_VIRT, cpu, &v, 1, &err))
		return 9999;
	*rc = v.rc;
	return v.done;
}
static enum xkd_rc put(struct xkd_backend *be, uint64_t cpu, uint64_t addr, const char *bytes)
{
	struct xkd_iov v = { .addr = addr, .buf = (uint8_t *)bytes, .len = strlen(bytes) };
	enum xkd_rc rc = be->ops->writev(be, XKD_MS_VIRT, cpu, &v, 1, &err);

	return rc ? rc : v.rc;
}
static uint64_t rax(struct xkd_backend *be, uint64_t cpu, unsigned groups, enum xkd_rc *rc)
{
	static struct xkd_regblob b;

	*rc = be->ops->regs_get(be, cpu, groups, &b, &err);
	return *rc || !b.avail[0] ? 0 : xkd_get_le(b.bytes, 8);
}
static const struct xkd_resume step2 = { .others = XKD_ACT_HOLD, .has_cpu = true, .cpu_id = 2,
					 .cpu_act = XKD_ACT_STEP };

static void record(const char *path)
{
	struct xkd_be_open o = { .uri = "it", .inner = &fake_ops, .record = path };
	struct xkd_be_cpu cpus[4];
	struct xkd_backend *be;
	struct xkd_event ev;
	enum xkd_rc rc;
	size_t n;

	fake.be.ops = &fake_ops;
	for (size_t i = 0; i < 4096; i++)
		fake.page[i] = (uint8_t)(i < 2048 ? i * 7 : 0);
	if (!ok(xkd_record_ops.open(&o, &be, &err) == XKD_OK, "a recorder opens: %s", err.msg))
		exit(1);
	ok(!be->ops->raw && !be->ops->memmap && be->ops->writev, "it has the slots of the other");
	ok(be->ops->cpus(be, cpus, 4, &n, &err) == XKD_OK && n == 2, "CPUs pass through");
	ok(get(be, 1, 0x1000, 4096, &rc) == 4096 && buf[9] == 63, "memory passes through");
	ok(get(be, 1, 0x1f00, 512, &rc) == 256 && rc == XKD_NOTMAPPED, "a part of it, too");
	ok(put(be, 2, 0x1040, "x") == XKD_OK && get(be, 2, 0x1040, 1, &rc) == 1, "an unread place");
	ok(get(be, 1, 0x1800, 64, &rc) == 64, "what stays as it is");
	ok(put(be, 1, 0x1010, "hello") == XKD_OK, "a write");
	ok(get(be, 1, 0x1000, 64, &rc) == 64 && buf[16] == 'h', "read back");
	ok(rax(be, 1, XKD_RG_INT, &rc) == 1, "registers");
	(void)rax(be, 7, XKD_RG_INT, &rc);
	ok(be->ops->bp_add(be, XKD_BP_SW, 0x1000, 1, &err) == XKD_OK, "a breakpoint");
	ok(be->ops->bp_add(be, XKD_BP_SW, 0xbad, 1, &err) == XKD_UNSUPPORTED, "one refused");
	ok(be->ops->resume(be, &step2, &err) == XKD_OK, "a step");
	ok(be->ops->next_event(be, &ev, &err) == XKD_OK && ev.cpu_id == 2, "its end");
	ok(get(be, 1, 0x1000, 4096, &rc) == 4096 && buf[0] == 1, "memory after it");
	ok(get(be, 1, 0x1800, 64, &rc) == 64, "and what stayed");
	(void)rax(be, 2, XKD_RG_INT | XKD_RG_SYS, &rc);
	ok(be->ops->close(be, true, &err) == XKD_OK, "closed");
}

static void first_stop(struct xkd_backend *be)
{
	struct xkd_be_cpu cpus[4];
	enum xkd_rc rc;
	size_t n;

	ok(be->ops->caps(be) == (XKD_CAP_READ_VIRT | XKD_CAP_RUN) &&
		   be->ops->found(be) == XKD_FOUND_RUNNING,
	   "caps and state are the recorded ones");
	ok(be->ops->cpus(be, cpus, 4, &n, &err) == XKD_OK && n == 2 && cpus[1].id == 2, "CPUs");
	is_str(cpus[0].label, "a \"CPU\"\n\\x", "a label with quotes");
	ok(get(be, 1, 0x1123, 40, &rc) == 40 && buf[0] == (uint8_t)(0x123 * 7),
	   "a piece of what was read");
	ok(get(be, 1, 0x1f80, 256, &rc) == 128 && rc == XKD_NOTMAPPED, "what failed fails alike");
	ok(get(be, 2, 0x1000, 16, &rc) == 0 && rc == XKD_NOTINDUMP, "another CPU was not asked");
	ok(get(be, 1, 0x5000, 16, &rc) == 0 && rc == XKD_NOTINDUMP, "nor another place");
	ok(get(be, 1, 0x1000, 32, &rc) == 32 && buf[16] == 112, "before a write: as it was");
	ok(get(be, 2, 0x1040, 1, &rc) == 0 && rc == XKD_NOTINDUMP,
	   "read after a write alone: not known before it");
	ok(put(be, 2, 0x1040, "x") == XKD_OK && get(be, 2, 0x1040, 1, &rc) == 1 && buf[0] == 'x',
	   "but after it");
	ok(put(be, 1, 0x1010, "jello") == XKD_UNSUPPORTED, "another write: %s", err.msg);
	ok(put(be, 1, 0x1010, "hello") == XKD_OK, "the write");
	ok(get(be, 1, 0x1000, 80, &rc) == 80 && buf[16] == 'h' && buf[70] == (uint8_t)(70 * 7),
	   "after it: what was written, the rest as before");
	ok(rax(be, 1, XKD_RG_INT, &rc) == 1, "registers");
	ok(!rax(be, 1, XKD_RG_SYS, &rc) && rc == XKD_UNSUPPORTED, "a group not read: %s", err.msg);
	(void)rax(be, 7, XKD_RG_INT, &rc);
	ok(rc == XKD_NOTFOUND && !strcmp(err.msg, "no such \"CPU\""), "a failure is replayed");
	ok(be->ops->bp_add(be, XKD_BP_SW, 0xbad, 1, &err) == XKD_UNSUPPORTED &&
		   !strcmp(err.msg, "not there"),
	   "a refused breakpoint is refused in the same words");
	ok(be->ops->bp_add(be, XKD_BP_HW, 0x1000, 1, &err) == XKD_UNSUPPORTED, "one not set: %s",
	   err.msg);
	ok(be->ops->bp_add(be, XKD_BP_SW, 0x1000, 1, &err) == XKD_OK, "one set, out of order");
}

static void second_stop(struct xkd_backend *be)
{
	struct xkd_resume all = { .others = XKD_ACT_CONT };
	struct xkd_event ev;
	enum xkd_rc rc;

	ok(be->ops->resume(be, &all, &err) == XKD_UNSUPPORTED &&
		   strstr(err.msg, "next it steps CPU 2 with the others held"),
	   "another resume: %s", err.msg);
	ok(be->ops->resume(be, &step2, &err) == XKD_OK, "the step");
	ok(be->ops->next_event(be, &ev, &err) == XKD_OK && ev.kind == XKD_EV_STOPPED &&
		   ev.cpu_id == 2 && ev.exc == -1,
	   "its end");
	ok(be->ops->next_event(be, &ev, &err) == XKD_OK && ev.kind == XKD_EV_NONE, "once");
	ok(get(be, 1, 0x1000, 8, &rc) == 8 && buf[0] == 1, "memory of the second stop");
	ok(get(be, 1, 0x1800, 64, &rc) == 64 && !buf[0], "what stayed the same");
	ok(rax(be, 2, XKD_RG_INT, &rc) == 0x102, "registers of the second stop");
	ok(!rax(be, 1, XKD_RG_INT, &rc) && rc == XKD_UNSUPPORTED, "none of the first");
	ok(be->ops->resume(be, &step2, &err) == XKD_UNSUPPORTED &&
		   strstr(err.msg, "it ends at this stop"),
	   "no further: %s", err.msg);
}

static void bad(const char *text, const char *says)
{
	struct xkd_recording *r;

	err = XKD_ERR_INIT;
	ok(xkd_recording_parse(text, strlen(text), &r, &err) != XKD_OK && strstr(err.msg, says),
	   "refused: %s", err.msg);
	xkd_recording_free(r);
}
#define HEAD "xkd-recording 1 \"0\"\ntarget \"x\" 0 0 10\nreg \"rax\" 0 8 1\n"

int main(void)
{
	struct xkd_be_open o = { 0 };
	char path[] = "/tmp/t_record.XXXXXX";
	struct xkd_recording *r;
	struct xkd_backend *be;
	int fd = mkstemp(path);

	record(path);
	o.uri = path;
	err = XKD_ERR_INIT;
	if (ok(xkd_replay_ops.open(&o, &be, &err) == XKD_OK, "it can be replayed %s", err.msg)) {
		first_stop(be);
		second_stop(be);
		ok(be->ops->close(be, true, &err) == XKD_OK, "closed");
	}
	unlink(path);
	close(fd);
	ok(xkd_replay_ops.open(&o, &be, &err) == XKD_NOTFOUND, "no file: %s", err.msg);
	bad("", "no recording");
	bad("hello\n", "no recording");
	bad("xkd-recording 2 \"9\"\n", "version 2");
	bad("xkd-recording 1 \"0\"\n", "before its target");
	bad("xkd-recording 1 \"0\"\nm 0 1 0 1 00\n", "line 2");
	bad(HEAD "m 0 1 0 2 00\n", "line 4");
	bad(HEAD "m 0 1 0 2 00*3.\n", "line 4");
	bad(HEAD "m 0 1 0 20000 00*20000.\n", "line 4");
	bad(HEAD "m 0 1 ffffffffffffffff 2 0000\n", "line 4");
	bad(HEAD "= 0 1 0 2\n", "no earlier record");
	bad(HEAD "reg \"rbx\" c 8 1\n", "outside the block");
	bad(HEAD "event 0 0 0 0 0 0 0 \"\" OK\n", "line 4");
	bad(HEAD "halt OK now\n", "line 4");
	bad(HEAD "note \"a\" \"\\x4\"\n", "line 4");
	ok(xkd_recording_parse(HEAD "halt OK\nhalt O", sizeof(HEAD) + 13, &r, &err) == XKD_OK &&
		   r->recs.n == 1 && r->cut,
	   "a last line without its end is left out");
	xkd_recording_free(r);
	return done_testing();
}
