/* Targets: the wrappers around a backend. Every "cannot" is said here, once, in words.
 * Invariant: while t->running no register or memory is read; gen.stop counts resumes. */
#include "engine/core/target_int.h"
#include "engine/core/cache.h"
#include "engine/os/os.h"
#include "base/str.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void xkd_target_goes(struct xkd_target *t)
{
	for (size_t i = 0; i < t->cpus.n; i++) {
		t->cpus.p[i].regs_read = false;
		t->cpus.p[i].groups = 0;
		t->cpus.p[i].kview = XKD_KVIEW_UNTRIED;
	}
	xkd_cache_drop(t->cache);
	xkd_arena_fini(&t->stop_arena);
	t->gen.stop++;
}

void xkd_target_dirty(struct xkd_target *t)
{
	t->gen.write++;
	xkd_cache_drop(t->cache);
}

void xkd_target_note(struct xkd_target *t, const char *key, const char *val)
{
	if (!t->lost && t->be->ops->note)
		t->be->ops->note(t->be, key, val);
}

void xkd_target_forget_kernel(struct xkd_target *t)
{
	if (t->os->fini)
		t->os->fini(t);
	t->os = &xkd_os_generic;
	for (size_t i = 0; i < t->mods.n; i++)
		xkd_module_free(t->mods.p[i]);
	xkd_vec_reset(&t->mods);
	xkd_vec_reset(&t->patches);
	t->release[0] = 0;
	for (size_t i = 0; i < t->cpus.n; i++) {
		t->cpus.p[i].kview = XKD_KVIEW_UNTRIED;
		t->cpus.p[i].os_cpu = -1;
	}
	t->gen.boot++;
	xkd_cache_drop(t->cache);
	xkd_arena_fini(&t->boot_arena);
}

static enum xkd_rc read_cpus(struct xkd_target *t, struct xkd_err *err)
{
	struct xkd_be_cpu *cpus = xkd_calloc(XKD_CPUS_MAX, sizeof(*cpus));
	size_t n = 0;
	enum xkd_rc rc = t->be->ops->cpus(t->be, cpus, XKD_CPUS_MAX, &n, err);

	if (!rc && !n && t->caps)
		rc = xkd_err_set(err, XKD_BADDATA, "%s lists no CPU", t->uri);
	if (!rc) {
		xkd_vec_reset(&t->cpus);
		for (size_t i = 0; i < n && i < XKD_CPUS_MAX; i++) {
			struct xkd_cpu *c = xkd_vec_push(&t->cpus);

			c->id = cpus[i].id;
			c->state = cpus[i].state;
			c->os_cpu = -1;
			snprintf(c->label, sizeof(c->label), "%s", cpus[i].label);
		}
	}
	free(cpus);
	return rc;
}

static void read_ram(struct xkd_target *t)
{
	struct xkd_be_range r[64];
	struct xkd_err ignored;
	size_t n = 0;

	if (!t->be->ops->memmap || t->be->ops->memmap(t->be, r, XKD_COUNT(r), &n, &ignored))
		return;
	for (size_t i = 0; i < n && i < XKD_COUNT(r); i++)
		*xkd_vec_push(&t->ram) = r[i];
}

/* Which CPU brought a target found stopped to its stop, where the backend knows. */
static void read_stop_cpu(struct xkd_target *t)
{
	struct xkd_buf id = XKD_BUF_INIT;
	struct xkd_err ignored;
	uint64_t v;
	int cpu;

	if (t->be->ops->hint && !t->be->ops->hint(t->be, "stop-cpu", &id, &ignored) &&
	    xkd_parse_u64(id.s, 10, &v) && (cpu = xkd_target_cpu_by_id(t, v)) >= 0)
		t->stop_cpu = cpu;
	xkd_buf_fini(&id);
}

enum xkd_rc xkd_target_open(const struct xkd_backend_ops *ops, const struct xkd_be_open *o,
			    struct xkd_target **out, struct xkd_err *err)
{
	struct xkd_target *t = xkd_calloc(1, sizeof(*t));
	struct xkd_err ignored;
	enum xkd_rc rc;

	snprintf(t->uri, sizeof(t->uri), "%s:%s", (o->inner ? o->inner : ops)->name, o->uri);
	t->cancel = o->cancel;
	t->log = o->log;
	t->arch = &xkd_arch_x86;
	t->os = &xkd_os_generic;
	rc = ops->open(o, &t->be, err);
	if (rc) {
		free(t);
		return rc;
	}
	t->cache = xkd_cache_new();
	t->find = xkd_find_cache_new();
	t->caps = ops->caps(t->be);
	t->found = ops->found(t->be);
	read_ram(t);
	rc = read_cpus(t, err);
	read_stop_cpu(t);
	if (rc) {
		(void)!xkd_target_close(t, false, &ignored);
		return rc;
	}
	*out = t;
	return XKD_OK;
}

enum xkd_rc xkd_target_close(struct xkd_target *t, bool leave_halted, struct xkd_err *err)
{
	bool run = !leave_halted && t->found != XKD_FOUND_PRELAUNCH && t->found != XKD_FOUND_HALTED;
	enum xkd_rc rc;

	xkd_cancel_hold(t->cancel, true);
	rc = t->be->ops->close(t->be, run, err);
	xkd_cancel_hold(t->cancel, false);
	if (t->os->fini)
		t->os->fini(t);
	for (size_t i = 0; i < t->mods.n; i++)
		xkd_module_free(t->mods.p[i]);
	xkd_vec_fini(&t->mods);
	xkd_vec_fini(&t->cpus);
	xkd_vec_fini(&t->patches);
	xkd_vec_fini(&t->ram);
	xkd_sympath_fini(&t->sympath);
	xkd_find_cache_free(t->find);
	xkd_cache_free(t->cache);
	xkd_arena_fini(&t->stop_arena);
	xkd_arena_fini(&t->boot_arena);
	free(t);
	return rc;
}

enum xkd_rc xkd_target_stopped(const struct xkd_target *t, struct xkd_err *err)
{
	if (t->lost)
		return xkd_err_set(err, XKD_TRANSPORT, "the connection to %s is lost", t->uri);
	if (t->running)
		return xkd_err_set(err, XKD_RUNNING, "the target is running; press Ctrl-C first");
	return XKD_OK;
}

enum xkd_rc xkd_target_noted(struct xkd_target *t, enum xkd_rc rc)
{
	if (rc == XKD_TRANSPORT && !t->lost) {
		t->stranded = !t->running;
		t->lost = true;
	}
	return rc;
}

enum xkd_rc xkd_target_regs(struct xkd_target *t, int cpu, unsigned groups,
			    const struct xkd_regs **regs, struct xkd_err *err)
{
	struct xkd_regblob *blob;
	struct xkd_cpu *c;
	enum xkd_rc rc = xkd_target_stopped(t, err);

	if (rc)
		return rc;
	if (!t->cpus.n)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "there are no registers: these are files, no machine");
	if (cpu < 0 || (size_t)cpu >= t->cpus.n)
		return xkd_err_set(err, XKD_NOTFOUND, "no CPU %d: there are %zu", cpu, t->cpus.n);
	c = &t->cpus.p[cpu];
	if ((c->groups & groups) == groups) {
		*regs = &c->regs;
		return XKD_OK;
	}
	blob = xkd_calloc(1, sizeof(*blob));
	rc = xkd_target_noted(t, t->be->ops->regs_get(t->be, c->id, groups | c->groups, blob, err));
	if (!rc) {
		if (!c->groups)
			memset(&c->regs, 0, sizeof(c->regs));
		t->arch->regs_import(t->be->ops->reglayout(t->be), blob, &c->regs);
		c->groups |= groups;
		c->regs_read = true;
		*regs = &c->regs;
	}
	free(blob);
	return rc ? xkd_err_prepend(err, rc, "reading the registers of CPU %d", cpu) : XKD_OK;
}

enum xkd_rc xkd_target_reg_set(struct xkd_target *t, int cpu, int reg, uint64_t val,
			       struct xkd_err *err)
{
	const struct xkd_reglayout *l = t->be->ops->reglayout(t->be);
	const struct xkd_regs *old;
	uint8_t bytes[16] = { 0 };
	enum xkd_rc rc;
	int i;

	rc = xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &old, err);
	if (rc)
		return rc;
	i = t->arch->reg_export(l, reg);
	if (i < 0 || !(t->caps & XKD_CAP_WRITE_REGS) || !t->be->ops->reg_set)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot write register %s", t->uri,
				   t->arch->reg_names[reg]);
	xkd_put_le(bytes, val, 8);
	rc = xkd_target_noted(t, t->be->ops->reg_set(t->be, t->cpus.p[cpu].id, (size_t)i, bytes, err));
	if (rc)
		return xkd_err_prepend(err, rc, "writing %s of CPU %d", t->arch->reg_names[reg], cpu);
	t->cpus.p[cpu].groups = 0; /* the stub may have adjusted what was written: read again */
	t->cpus.p[cpu].kview = XKD_KVIEW_UNTRIED;
	xkd_target_dirty(t);
	return XKD_OK;
}

int xkd_target_cpu_by_id(const struct xkd_target *t, uint64_t id)
{
	for (size_t i = 0; i < t->cpus.n; i++)
		if (t->cpus.p[i].id == id)
			return (int)i;
	return -1;
}

enum xkd_rc xkd_target_resume(struct xkd_target *t, const struct xkd_resume *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_target_stopped(t, err);

	if (rc)
		return rc;
	if (!(t->caps & XKD_CAP_RUN))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot run its target", t->uri);
	if (r->has_cpu && r->cpu_act == XKD_ACT_STEP && !(t->caps & XKD_CAP_STEP))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot single-step", t->uri);
	xkd_target_goes(t);
	rc = xkd_target_noted(t, t->be->ops->resume(t->be, r, err));
	if (!rc)
		t->running = true;
	return rc;
}

enum xkd_rc xkd_target_halt(struct xkd_target *t, struct xkd_err *err)
{
	return t->lost ? xkd_target_stopped(t, err) : xkd_target_noted(t, t->be->ops->halt(t->be, err));
}

/* Takes in one event; true when it is one to return. */
static bool take_event(struct xkd_target *t, struct xkd_event *ev)
{
	int cpu;

	switch (ev->kind) {
	case XKD_EV_STOPPED:
		t->running = false;
		t->last_stop = *ev;
		cpu = ev->has_cpu ? xkd_target_cpu_by_id(t, ev->cpu_id) : -1;
		if (ev->has_cpu && cpu < 0) {
			struct xkd_err ignored;

			if (!read_cpus(t, &ignored))
				cpu = xkd_target_cpu_by_id(t, ev->cpu_id);
		}
		t->stop_cpu = cpu < 0 ? 0 : cpu;
		return true;
	case XKD_EV_EXITED:
	case XKD_EV_LOST:
		t->running = false;
		t->lost = true;
		return true;
	default:
		return false;
	}
}

enum xkd_rc xkd_target_wait(struct xkd_target *t, int timeout_ms, struct xkd_event *ev,
			    struct xkd_err *err)
{
	uint64_t start = xkd_now_ms();

	for (;;) {
		struct pollfd fds[2] = { { .fd = t->be->ops->fd(t->be), .events = POLLIN },
					 { .fd = t->cancel ? t->cancel->wake_fd : -1,
					   .events = POLLIN } };
		uint64_t spent;
		enum xkd_rc rc;
		int wait = fds[0].fd < 0 ? 50 : 1000;

		*ev = (struct xkd_event){ .kind = XKD_EV_NONE };
		rc = xkd_target_noted(t, t->be->ops->next_event(t->be, ev, err));
		if (rc)
			return rc;
		if (take_event(t, ev))
			return XKD_OK;
		if (ev->kind == XKD_EV_OUTPUT)
			xkd_log(t->log, XKD_LOG_WARN, "%s", ev->text);
		if (ev->kind != XKD_EV_NONE)
			continue;
		rc = xkd_cancel_check(t->cancel, err);
		if (rc)
			return rc;
		spent = xkd_now_ms() - start;
		if (timeout_ms >= 0 && spent >= (uint64_t)timeout_ms)
			return xkd_err_set(err, XKD_TIMEOUT, "no stop within %d ms", timeout_ms);
		if (timeout_ms >= 0 && (uint64_t)timeout_ms - spent < (uint64_t)wait)
			wait = (int)((uint64_t)timeout_ms - spent);
		if (poll(fds, 2, wait) > 0 && fds[1].revents) {
			char drain[64];

			while (read(fds[1].fd, drain, sizeof(drain)) == (ssize_t)sizeof(drain))
				;
		}
	}
}

struct xkd_module *xkd_target_kernel(struct xkd_target *t)
{
	return t->mods.n && t->mods.p[0]->is_kernel ? t->mods.p[0] : NULL;
}

struct xkd_module *xkd_target_mod_at(struct xkd_target *t, uint64_t addr)
{
	for (size_t i = 0; i < t->mods.n; i++)
		if (xkd_module_has(t->mods.p[i], addr))
			return t->mods.p[i];
	return NULL;
}

static bool same_mod_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return *a == *b;
}

struct xkd_module *xkd_target_mod_named(struct xkd_target *t, const char *name)
{
	if (!strcmp(name, "vmlinux"))
		name = "lk";
	for (size_t i = 0; i < t->mods.n; i++)
		if (same_mod_name(t->mods.p[i]->name, name))
			return t->mods.p[i];
	return NULL;
}
