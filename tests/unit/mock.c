/* The fake backend of unit tests, see mock.h. */
#include "tests/unit/mock.h"
#include "base/str.h"
#include "engine/os/linux/linux.h"
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mock {
	struct xkd_backend be;
	struct mock_seg seg[MOCK_SEGS];
	size_t nseg;
	int self; /* /proc/self/mem; -1: not ours */
	uint64_t regs[32];
};
unsigned mock_reads;

static const char *const names[] = { "rax", "rbx", "rcx", "rdx",    "rsi", "rdi",     "rbp",
				     "rsp", "r8",  "r9",  "r10",    "r11", "r12",     "r13",
				     "r14", "r15", "rip", "eflags", "cs",  "fs_base", "gs_base" };

static enum xkd_rc m_open(const struct xkd_be_open *o, struct xkd_backend **be, struct xkd_err *err)
{
	extern const struct xkd_backend_ops mock_ops;
	struct mock *m = xkd_calloc(1, sizeof(*m));

	(void)o;
	(void)err;
	m->be.ops = &mock_ops;
	m->self = -1;
	*be = &m->be;
	return XKD_OK;
}

static enum xkd_rc m_close(struct xkd_backend *be, bool run, struct xkd_err *err)
{
	struct mock *m = (struct mock *)be;

	(void)run;
	(void)err;
	if (m->self >= 0)
		close(m->self);
	free(m);
	return XKD_OK;
}

static unsigned m_caps(struct xkd_backend *be)
{
	(void)be;
	return XKD_CAP_READ_VIRT | XKD_CAP_READ_PHYS | XKD_CAP_WRITE_MEM | XKD_CAP_WRITE_PHYS |
	       XKD_CAP_WRITE_REGS;
}

static enum xkd_found m_found(struct xkd_backend *be)
{
	(void)be;
	return XKD_FOUND_HALTED;
}

static enum xkd_rc m_cpus(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			  struct xkd_err *err)
{
	(void)be;
	(void)err;
	*n = 1;
	if (max)
		cpus[0] = (struct xkd_be_cpu){ .id = 1, .state = XKD_CPU_HALTED };
	return XKD_OK;
}

static size_t transfer(struct mock *m, uint64_t addr, uint8_t *buf, size_t len, bool write)
{
	for (size_t i = 0; i < m->nseg; i++) {
		struct mock_seg *s = &m->seg[i];
		uint64_t off = addr - s->addr;
		size_t n;

		if (off >= s->len || (write && s->read_only))
			continue;
		n = s->len - off < len ? (size_t)(s->len - off) : len;
		memcpy(write ? s->bytes + off : buf, write ? buf : s->bytes + off, n);
		return n;
	}
	if (m->self >= 0) {
		ssize_t n = write ? pwrite(m->self, buf, len, (off_t)addr)
				  : pread(m->self, buf, len, (off_t)addr);

		return n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static enum xkd_rc move(struct xkd_backend *be, struct xkd_iov *iov, size_t n, bool write)
{
	for (size_t i = 0; i < n; i++) {
		iov[i].done =
			transfer((struct mock *)be, iov[i].addr, iov[i].buf, iov[i].len, write);
		iov[i].rc = iov[i].done == iov[i].len ? XKD_OK : XKD_NOTMAPPED;
		mock_reads += !write;
	}
	return XKD_OK;
}

static enum xkd_rc m_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			   struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	(void)ms;
	(void)cpu;
	(void)err;
	return move(be, iov, n, false);
}

static enum xkd_rc m_writev(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			    struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	(void)ms;
	(void)cpu;
	(void)err;
	return move(be, iov, n, true);
}

static const struct xkd_reglayout *m_layout(struct xkd_backend *be)
{
	static struct xkd_regdesc desc[XKD_COUNT(names)];
	static struct xkd_reglayout l = { .regs = desc, .n = XKD_COUNT(names) };

	(void)be;
	for (size_t i = 0; i < XKD_COUNT(names); i++) {
		snprintf(desc[i].name, sizeof(desc[i].name), "%s", names[i]);
		desc[i].off = (uint16_t)(8 * i);
		desc[i].bytes = 8;
		desc[i].group = XKD_RG_INT;
	}
	l.blob = 8 * XKD_COUNT(names);
	return &l;
}

static enum xkd_rc m_regs(struct xkd_backend *be, uint64_t cpu, unsigned groups,
			  struct xkd_regblob *blob, struct xkd_err *err)
{
	struct mock *m = (struct mock *)be;

	(void)cpu;
	(void)groups;
	(void)err;
	for (size_t i = 0; i < XKD_COUNT(names); i++) {
		xkd_put_le(blob->bytes + 8 * i, m->regs[i], 8);
		blob->avail[i] = 1;
	}
	return XKD_OK;
}

static enum xkd_rc m_set(struct xkd_backend *be, uint64_t cpu, size_t i, const uint8_t *val,
			 struct xkd_err *err)
{
	(void)cpu;
	(void)err;
	((struct mock *)be)->regs[i] = xkd_get_le(val, 8);
	return XKD_OK;
}

static int m_fd(struct xkd_backend *be)
{
	(void)be;
	return -1;
}

static enum xkd_rc m_event(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err)
{
	(void)be;
	(void)err;
	ev->kind = XKD_EV_NONE;
	return XKD_OK;
}

extern const struct xkd_backend_ops mock_ops;
const struct xkd_backend_ops mock_ops = {
	.name = "mock",
	.syntax = "mock:",
	.open = m_open,
	.close = m_close,
	.caps = m_caps,
	.found = m_found,
	.cpus = m_cpus,
	.readv = m_readv,
	.writev = m_writev,
	.reglayout = m_layout,
	.regs_get = m_regs,
	.reg_set = m_set,
	.fd = m_fd,
	.next_event = m_event,
};

/* Per-CPU areas are 0x1000 apart, for 4 CPUs. */
static enum xkd_rc m_percpu(struct xkd_target *t, int cpu, uint64_t *off, struct xkd_err *err)
{
	(void)t;
	if (cpu < 0 || cpu > 3)
		return xkd_err_set(err, XKD_NOTFOUND, "no CPU %d", cpu);
	*off = 0x1000u * (unsigned)cpu;
	return XKD_OK;
}

static int m_cpu_number(struct xkd_target *t, int cpu)
{
	(void)t;
	return cpu + 2;
}

static const struct xkd_os mock_os = { .name = "mock",
				       .percpu = m_percpu,
				       .cpu_number = m_cpu_number,
				       .walk = linux_walk_all,
				       .counted = linux_counted };

struct xkd_target *mock_open(void)
{
	struct xkd_be_open o = { .uri = "" };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_target *t;

	if (xkd_target_open(&mock_ops, &o, &t, &err)) {
		fprintf(stderr, "mock: %s\n", err.msg);
		abort();
	}
	t->os = &mock_os;
	return t;
}

void mock_close(struct xkd_target *t)
{
	struct xkd_err err;

	(void)!xkd_target_close(t, true, &err);
}

void mock_seg(struct xkd_target *t, uint64_t addr, void *bytes, size_t len)
{
	struct mock *m = (struct mock *)t->be;

	if (m->nseg < MOCK_SEGS)
		m->seg[m->nseg++] = (struct mock_seg){ .addr = addr, .bytes = bytes, .len = len };
}

static uint64_t *reg(struct xkd_target *t, const char *name)
{
	for (size_t i = 0; i < XKD_COUNT(names); i++)
		if (!strcmp(names[i], name))
			return &((struct mock *)t->be)->regs[i];
	abort();
}

void mock_reg(struct xkd_target *t, const char *name, uint64_t val)
{
	*reg(t, name) = val;
	t->cpus.p[0].groups = 0;
}

uint64_t mock_reg_now(struct xkd_target *t, const char *name)
{
	return *reg(t, name);
}

struct xkd_module *mock_kernel(struct xkd_target *t, const char *path, int64_t slide,
			       uint64_t start, uint64_t size)
{
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));
	struct xkd_err err = XKD_ERR_INIT;

	if (xkd_image_open(path, NULL, &m->img, &err)) {
		fprintf(stderr, "# %s: %s\n", path, err.msg);
		free(m);
		return NULL;
	}
	strcpy(m->name, "lk");
	m->is_kernel = true;
	m->slide = slide;
	m->state = XKD_SYMS_DWARF;
	*xkd_vec_push(&m->ranges) = (struct xkd_modrange){ start, size };
	*xkd_vec_push(&t->mods) = m;
	return m;
}

struct self {
	uint64_t base, end;
	bool found;
};

/* The program itself comes first. */
static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct self *s = arg;

	(void)size;
	s->base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && p->p_vaddr + p->p_memsz > s->end)
			s->end = p->p_vaddr + p->p_memsz;
	}
	s->found = true;
	return 1;
}

bool mock_self(struct xkd_target *t)
{
	struct mock *m = (struct mock *)t->be;
	struct self s = { 0 };
	struct xkd_module *mod;

	dl_iterate_phdr(first_object, &s);
	m->self = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (!s.found || m->self < 0)
		return false;
	mod = mock_kernel(t, "/proc/self/exe", (int64_t)s.base, s.base, s.end);
	return mod && xkd_image_has_dwarf(mod->img);
}

struct xkd_ctx mock_ctx(struct xkd_target *t)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_ctx ctx;

	xkd_target_dirty(t);
	t->cpus.p[0].groups = 0;
	if (xkd_ctx_cpu(t, 0, &ctx, &err)) {
		fprintf(stderr, "mock: %s\n", err.msg);
		abort();
	}
	return ctx;
}
