/* Hits that nobody is to see: looked at and let go with as few exchanges as the transport allows.
 * Invariant: a CPU either has the whole effect of the instruction carried out for it, or none. */
#include "engine/core/target_int.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

bool xkd_target_peek(struct xkd_target *t, int cpu, uint64_t addr, void *buf, size_t len)
{
	struct xkd_iov iov = { .addr = addr, .buf = buf, .len = len };
	struct xkd_err ignored = XKD_ERR_INIT;

	if (xkd_target_stopped(t, &ignored) || cpu < 0 || (size_t)cpu >= t->cpus.n ||
	    !t->be->ops->readv ||
	    xkd_target_noted(t, t->be->ops->readv(t->be, XKD_MS_VIRT, t->cpus.p[cpu].id, &iov, 1,
						  &ignored)) ||
	    iov.done != len)
		return false;
	xkd_mem_hide_patches(t, addr, buf, len);
	return true;
}

static enum xkd_rc look_slowly(struct xkd_target *t, int cpu, struct xkd_iov *iov, size_t n,
			       const struct xkd_regs **regs, struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_cpu(cpu);
	struct xkd_err ignored;
	enum xkd_rc rc = xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, regs, err);

	for (size_t i = 0; i < n && !rc; i++) {
		iov[i].done = 0;
		if (xkd_mem_read(t, &sp, iov[i].addr, iov[i].buf, iov[i].len, &iov[i].done,
				 &ignored) &&
		    t->lost)
			rc = xkd_target_stopped(t, err);
	}
	return rc;
}

enum xkd_rc xkd_target_look(struct xkd_target *t, int cpu, struct xkd_iov *iov, size_t n,
			    const struct xkd_regs **regs, struct xkd_err *err)
{
	struct xkd_cpu *c;
	struct xkd_regblob *blob;
	enum xkd_rc rc = xkd_target_stopped(t, err);

	if (rc)
		return rc;
	if (!t->be->ops->look || cpu < 0 || (size_t)cpu >= t->cpus.n)
		return look_slowly(t, cpu, iov, n, regs, err);
	c = &t->cpus.p[cpu];
	blob = xkd_calloc(1, sizeof(*blob));
	rc = xkd_target_noted(t, t->be->ops->look(t->be, c->id, blob, iov, n, err));
	if (!rc) {
		memset(&c->regs, 0, sizeof(c->regs));
		t->arch->regs_import(t->be->ops->reglayout(t->be), blob, &c->regs);
		c->groups = XKD_RG_INT | XKD_RG_SYS;
		c->regs_read = true;
		*regs = &c->regs;
		for (size_t i = 0; i < n; i++)
			xkd_mem_hide_patches(t, iov[i].addr, iov[i].buf, iov[i].done);
	}
	free(blob);
	return rc;
}

/* Each by itself; old: for putting back. */
static enum xkd_rc set_all(struct xkd_target *t, int cpu, const struct xkd_carry *c,
			   struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	for (size_t i = 0; i < c->nset && !rc; i++)
		rc = xkd_target_reg_set(t, cpu, c->set[i].reg, c->set[i].val, err);
	return rc;
}

static void put_back(struct xkd_target *t, int cpu, const struct xkd_carry *c,
		     const struct xkd_regs *old)
{
	struct xkd_carry back = *c;
	struct xkd_err ignored;

	for (size_t i = 0; i < back.nset; i++)
		back.set[i].val = old->v[back.set[i].reg];
	(void)!set_all(t, cpu, &back, &ignored);
}

static enum xkd_rc store(struct xkd_target *t, int cpu, uint64_t addr, unsigned size, uint64_t val,
			 struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_cpu(cpu);
	uint8_t bytes[8];

	xkd_put_le(bytes, val, size);
	return xkd_mem_write(t, &sp, addr, bytes, size, NULL, err);
}

static enum xkd_rc let_go(struct xkd_target *t, int cpu, const struct xkd_carry *c,
			  struct xkd_err *err)
{
	const struct xkd_resume all = { .others = XKD_ACT_CONT };
	const struct xkd_reglayout *l = t->be->ops->reglayout(t->be);
	uint64_t id = t->cpus.p[cpu].id, val[XKD_COUNT(c->set)];
	size_t index[XKD_COUNT(c->set)];
	enum xkd_rc rc;

	for (size_t i = 0; i < c->nset; i++) {
		int at = t->arch->reg_export(l, c->set[i].reg);

		if (at < 0)
			return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot write register %s",
					   t->uri, t->arch->reg_names[c->set[i].reg]);
		index[i] = (size_t)at;
		val[i] = c->set[i].val;
	}
	if (!t->be->ops->pass) {
		rc = set_all(t, cpu, c, err);
		return rc ? rc : xkd_target_resume(t, &all, err);
	}
	rc = xkd_target_noted(t, t->be->ops->pass(t->be, id, index, val, c->nset, err));
	if (!rc) {
		xkd_target_goes(t);
		t->running = true;
	}
	return rc;
}

enum xkd_rc xkd_target_carry(struct xkd_target *t, int cpu, const struct xkd_carry *c, bool go,
			     struct xkd_err *err)
{
	const struct xkd_regs *now;
	struct xkd_regs old;
	uint64_t word = 0;
	enum xkd_rc rc = xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &now, err);

	if (rc)
		return rc;
	if (!(t->caps & XKD_CAP_WRITE_REGS) || (c->store_size && !(t->caps & XKD_CAP_WRITE_MEM)))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot be written to", t->uri);
	old = *now;
	if (c->store_size) {
		struct xkd_space sp = xkd_space_cpu(cpu);
		uint8_t bytes[8] = { 0 };

		rc = xkd_mem_read(t, &sp, c->store_addr, bytes, c->store_size, NULL, err);
		if (!rc)
			rc = store(t, cpu, c->store_addr, c->store_size, c->store_val, err);
		if (rc)
			return rc;
		word = xkd_get_le(bytes, c->store_size);
	}
	rc = go ? let_go(t, cpu, c, err) : set_all(t, cpu, c, err);
	if (rc && !t->lost && !t->running) {
		struct xkd_err ignored;

		put_back(t, cpu, c, &old);
		if (c->store_size)
			(void)!store(t, cpu, c->store_addr, c->store_size, word, &ignored);
	}
	return rc;
}
