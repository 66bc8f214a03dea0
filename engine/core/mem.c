/* Memory of a target through its spaces. Physical pages and pages of the stub's virtual view are
 * cached for the stop. The kernel's space takes the cheapest true way: the stub's own translation
 * when a CPU's tables are proved at this stop to map our kernel, else arithmetic (image, direct map)
 * to physical, else our walk of the kernel's own tables.
 * Physical addresses outside known RAM are only read as exactly as asked: reads of device registers
 * have effects. */
#include "engine/core/cache.h"
#include "engine/core/target.h"
#include "engine/os/os.h"
#include "base/str.h"
#include <string.h>

#define TAG_PHYS 0u
#define TAG_KERNEL 1u
#define TAG_CPU 2u
#define BATCH 32 /* pages a transfer */

struct xkd_space xkd_space_kernel(void)
{
	return (struct xkd_space){ .kind = XKD_SP_KERNEL };
}

struct xkd_space xkd_space_phys(void)
{
	return (struct xkd_space){ .kind = XKD_SP_PHYS };
}

struct xkd_space xkd_space_cpu(int cpu)
{
	return (struct xkd_space){ .kind = XKD_SP_CPU, .cpu = cpu };
}

/* A run of bytes as one backend space has them. */
struct via {
	enum xkd_mspace ms;
	unsigned tag;
	uint64_t cpu_id;
	bool cached;
};

bool xkd_target_in_ram(const struct xkd_target *t, uint64_t pa, size_t len)
{
	for (size_t i = 0; i < t->ram.n; i++)
		if (pa >= t->ram.p[i].start && pa - t->ram.p[i].start < t->ram.p[i].size &&
		    len <= t->ram.p[i].size - (pa - t->ram.p[i].start))
			return true;
	return false;
}

static enum xkd_rc fail_at(struct xkd_target *t, enum xkd_rc rc, enum xkd_mspace ms, uint64_t addr,
			   struct xkd_err *err)
{
	if (rc == XKD_TRANSPORT || rc == XKD_CANCELED || rc == XKD_TIMEOUT) {
		return xkd_target_noted(t, rc);
	}
	return xkd_err_addr(err, rc, addr, "%s memory at %s %s",
			    ms == XKD_MS_PHYS ? "physical" : "virtual", XKD_ADDR(addr),
			    rc == XKD_NOTINDUMP ? "was not recorded" :
						  "cannot be read");
}

/* Exactly these bytes, no cache. */
static enum xkd_rc read_exact(struct xkd_target *t, const struct via *v, uint64_t addr,
			      uint8_t *buf, size_t len, size_t *done, struct xkd_err *err)
{
	struct xkd_iov iov = { .addr = addr, .buf = buf, .len = len };
	enum xkd_rc rc = t->be->ops->readv(t->be, v->ms, v->cpu_id, &iov, 1, err);

	*done = iov.done;
	if (!rc)
		rc = iov.rc;
	return rc ? fail_at(t, rc, v->ms, addr + iov.done, err) : XKD_OK;
}

/* Brings those of n (at most BATCH) pages that are missing into the cache, one vectored transfer. */
static enum xkd_rc fetch_list(struct xkd_target *t, const struct via *v, const uint64_t *page,
			      size_t n, struct xkd_err *err)
{
	struct xkd_iov iov[BATCH];
	struct xkd_cpage *pg[BATCH];
	size_t k = 0;
	enum xkd_rc rc;

	if (xkd_cache_room(t->cache) < n)
		xkd_cache_drop(t->cache);
	for (size_t i = 0; i < n; i++) {
		if (xkd_cache_get(t->cache, v->tag, page[i]))
			continue;
		pg[k] = xkd_cache_add(t->cache, v->tag, page[i]);
		pg[k]->rc = XKD_TRANSPORT; /* until it came */
		iov[k] = (struct xkd_iov){ .addr = page[i] * XKD_PAGE, .buf = pg[k]->data,
					   .len = XKD_PAGE };
		k++;
	}
	if (!k)
		return XKD_OK;
	rc = t->be->ops->readv(t->be, v->ms, v->cpu_id, iov, k, err);
	if (rc) {
		xkd_cache_drop(t->cache);
		return fail_at(t, rc, v->ms, page[0] * XKD_PAGE, err);
	}
	for (size_t i = 0; i < k; i++)
		pg[i]->rc = iov[i].done == XKD_PAGE ? XKD_OK : iov[i].rc ? iov[i].rc : XKD_NOTMAPPED;
	return XKD_OK;
}

/* The same for pages that follow each other. */
static enum xkd_rc fetch_pages(struct xkd_target *t, const struct via *v, uint64_t page, size_t n,
			       struct xkd_err *err)
{
	uint64_t list[BATCH];

	for (size_t i = 0; i < n && i < BATCH; i++)
		list[i] = page + i;
	return fetch_list(t, v, list, n < BATCH ? n : BATCH, err);
}

static enum xkd_rc read_via(struct xkd_target *t, const struct via *v, uint64_t addr, uint8_t *buf,
			    size_t len, size_t *done, struct xkd_err *err)
{
	*done = 0;
	if (!v->cached)
		return read_exact(t, v, addr, buf, len, done, err);
	while (*done < len) {
		uint64_t at = addr + *done, page = at / XKD_PAGE;
		size_t in = at % XKD_PAGE, n = XKD_PAGE - in;
		size_t pages = (in + (len - *done) + XKD_PAGE - 1) / XKD_PAGE;
		struct xkd_cpage *pg = xkd_cache_get(t->cache, v->tag, page);
		enum xkd_rc rc;

		if (!pg) {
			rc = xkd_cancel_check(t->cancel, err);
			if (!rc)
				rc = fetch_pages(t, v, page, pages < BATCH ? pages : BATCH, err);
			if (rc)
				return rc;
			pg = xkd_cache_get(t->cache, v->tag, page);
		}
		if (n > len - *done)
			n = len - *done;
		if (pg->rc) { /* a page may be readable in part */
			size_t got;

			rc = read_exact(t, v, at, buf + *done, n, &got, err);
			*done += got;
			if (rc)
				return rc;
			continue;
		}
		memcpy(buf + *done, pg->data + in, n);
		*done += n;
	}
	return XKD_OK;
}

static enum xkd_rc read_phys(struct xkd_target *t, uint64_t pa, void *buf, size_t len, size_t *done,
			     struct xkd_err *err)
{
	struct via v = { .ms = XKD_MS_PHYS, .tag = TAG_PHYS,
			 .cpu_id = t->cpus.n ? t->cpus.p[0].id : 0 };
	uint64_t first = pa & ~(uint64_t)(XKD_PAGE - 1);

	*done = 0;
	if (!(t->caps & XKD_CAP_READ_PHYS))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot read physical memory", t->uri);
	v.cached = xkd_target_in_ram(t, first, (pa + len - first + XKD_PAGE - 1) & ~(uint64_t)(XKD_PAGE - 1));
	return read_via(t, &v, pa, buf, len, done, err);
}

static enum xkd_rc walker_read(void *arg, uint64_t pa, void *buf, size_t len, struct xkd_err *err)
{
	size_t done;

	return read_phys(arg, pa, buf, len, &done, err);
}

static enum xkd_rc walk(struct xkd_target *t, const struct xkd_paging *pg, uint64_t va,
			struct xkd_xlat *x, struct xkd_err *err)
{
	struct xkd_physread pr = { walker_read, t };

	return t->arch->walk(pg, &pr, va, x, err);
}

static enum xkd_rc cpu_paging(struct xkd_target *t, int cpu, struct xkd_paging *pg,
			      struct xkd_err *err)
{
	const struct xkd_regs *regs;
	enum xkd_rc rc = xkd_target_regs(t, cpu, XKD_RG_INT | XKD_RG_SYS, &regs, err);

	return rc ? rc : t->arch->paging(regs, pg, err);
}

static bool maps(struct xkd_target *t, const struct xkd_paging *pg, uint64_t va, uint64_t pa)
{
	struct xkd_err ignored;
	struct xkd_xlat x;

	return !walk(t, pg, va, &x, &ignored) && x.ok && x.pa == pa;
}

/* The CPU's tables against what is known of physical memory. A guest may run the same build at the
 * same addresses: bytes do not tell it from its host, the physical page does. */
static enum xkd_kview view_by_pages(struct xkd_target *t, const struct xkd_paging *pg, uint64_t va,
				    uint64_t pa)
{
	struct xkd_paging whole = *pg;
	uint64_t dva, dpa;

	if (maps(t, pg, va, pa)) {
		if (!t->os->whole_witness || !t->os->whole_witness(t, &dva) ||
		    !t->os->linear_pa(t, dva, &dpa) || maps(t, pg, dva, dpa))
			return XKD_KVIEW_OK;
		return XKD_KVIEW_HALF;
	}
	if (t->os->whole_paging && t->os->whole_paging(t, &whole) && maps(t, &whole, va, pa))
		return XKD_KVIEW_HALF;
	return XKD_KVIEW_OTHER;
}

enum xkd_kview xkd_target_kview(struct xkd_target *t, int cpu)
{
	struct xkd_cpu *c = &t->cpus.p[cpu];
	struct via v = { .ms = XKD_MS_VIRT, .cpu_id = c->id };
	struct xkd_err ignored;
	struct xkd_paging pg;
	uint8_t want[16], got[16];
	uint64_t va, pa;
	size_t done;

	if (c->kview != XKD_KVIEW_UNTRIED || !t->os->witness || !t->os->witness(t, &va, want))
		return c->kview;
	c->kview = XKD_KVIEW_OTHER;
	if (t->caps & XKD_CAP_READ_PHYS && t->os->linear_pa && t->os->linear_pa(t, va, &pa) &&
	    !cpu_paging(t, cpu, &pg, &ignored)) {
		c->kview = view_by_pages(t, &pg, va, pa);
		if (c->kview != XKD_KVIEW_OK || !(t->caps & XKD_CAP_READ_VIRT))
			return c->kview;
		c->kview = XKD_KVIEW_OTHER;
	}
	if (t->caps & XKD_CAP_READ_VIRT && !read_exact(t, &v, va, got, sizeof(got), &done, &ignored) &&
	    !memcmp(got, want, sizeof(got)))
		c->kview = XKD_KVIEW_OK;
	return c->kview;
}

static bool cpu_sees_kernel(struct xkd_target *t, int cpu)
{
	return t->caps & XKD_CAP_READ_VIRT && xkd_target_kview(t, cpu) == XKD_KVIEW_OK;
}

static enum xkd_rc read_walked(struct xkd_target *t, const struct xkd_paging *pg, uint64_t va,
			       uint8_t *buf, size_t len, size_t *done, struct xkd_err *err)
{
	*done = 0;
	while (*done < len) {
		struct xkd_xlat x;
		size_t n, got;
		enum xkd_rc rc = walk(t, pg, va + *done, &x, err);

		if (rc)
			return rc;
		n = (size_t)(XKD_PAGE - (va + *done) % XKD_PAGE);
		if (n > len - *done)
			n = len - *done;
		rc = read_phys(t, x.pa, buf + *done, n, &got, err);
		*done += got;
		if (rc)
			return rc;
	}
	return XKD_OK;
}

/* Where there is no machine: what the modules' files hold. Byte runs may cross sections. */
static enum xkd_rc read_files(struct xkd_target *t, uint64_t addr, uint8_t *buf, size_t len,
			      size_t *done, struct xkd_err *err)
{
	*done = 0;
	while (*done < len) {
		uint64_t at = addr + *done, iaddr;
		struct xkd_module *m = xkd_target_mod_at(t, at);
		struct xkd_image *img = m ? xkd_target_mod_image(t, m) : NULL;
		size_t got = 0;

		if (img && xkd_module_to_image(m, at, &iaddr))
			got = xkd_image_read(img, iaddr, buf + *done, len - *done);
		if (!got)
			return xkd_err_addr(err, XKD_NOTMAPPED, at,
					    "the files hold no bytes for %s", XKD_ADDR(at));
		*done += got;
	}
	return XKD_OK;
}

/* Any CPU that sees the kernel will do; the one that stopped is the likeliest. */
static bool kernel_via(struct xkd_target *t, struct via *v)
{
	for (size_t i = 0; i < t->cpus.n; i++) {
		int cpu = (int)((t->stop_cpu + i) % t->cpus.n);

		if (i > 3 || !cpu_sees_kernel(t, cpu))
			continue;
		*v = (struct via){ .ms = XKD_MS_VIRT, .tag = TAG_KERNEL, .cached = true,
				   .cpu_id = t->cpus.p[cpu].id };
		return true;
	}
	return false;
}

static enum xkd_rc read_kernel(struct xkd_target *t, uint64_t va, uint8_t *buf, size_t len,
			       size_t *done, struct xkd_err *err)
{
	struct via v = { .ms = XKD_MS_VIRT, .cached = true };
	struct xkd_paging pg;
	uint64_t pa;

	if (kernel_via(t, &v))
		return read_via(t, &v, va, buf, len, done, err);
	if (t->os->linear_pa && t->os->linear_pa(t, va, &pa) && t->caps & XKD_CAP_READ_PHYS)
		return read_phys(t, pa, buf, len, done, err);
	if (t->os->kernel_paging && t->os->kernel_paging(t, &pg) && t->caps & XKD_CAP_READ_PHYS)
		return read_walked(t, &pg, va, buf, len, done, err);
	if (!t->cpus.n || !(t->caps & XKD_CAP_READ_VIRT))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot read virtual memory", t->uri);
	v.tag = TAG_CPU + (unsigned)t->stop_cpu;
	v.cpu_id = t->cpus.p[t->stop_cpu].id;
	return read_via(t, &v, va, buf, len, done, err);
}

/* What our own breakpoints wrote is not the target's. */
void xkd_mem_hide_patches(const struct xkd_target *t, uint64_t addr, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < t->patches.n; i++) {
		uint64_t off = t->patches.p[i].addr - addr;

		if (off < len && buf[off] == 0xcc)
			buf[off] = t->patches.p[i].orig;
	}
}

enum xkd_rc xkd_mem_read(struct xkd_target *t, const struct xkd_space *sp, uint64_t addr, void *buf,
			 size_t len, size_t *done, struct xkd_err *err)
{
	size_t got = 0;
	enum xkd_rc rc = xkd_target_stopped(t, err);

	if (rc || !len)
		goto out;
	if (addr + len < addr) /* nothing wraps around the top */
		len = (size_t)-addr;
	switch (sp->kind) {
	case XKD_SP_PHYS:
		rc = read_phys(t, addr, buf, len, &got, err);
		break;
	case XKD_SP_PT:
		rc = read_walked(t, &sp->pg, addr, buf, len, &got, err);
		break;
	case XKD_SP_KERNEL:
		rc = (t->cpus.n ? read_kernel : read_files)(t, addr, buf, len, &got, err);
		break;
	case XKD_SP_CPU:
		if (sp->cpu < 0 || (size_t)sp->cpu >= t->cpus.n) {
			rc = xkd_err_set(err, XKD_NOTFOUND, "no CPU %d", sp->cpu);
			break;
		}
		rc = read_via(t, &(struct via){ .ms = XKD_MS_VIRT, .cached = true,
						.tag = TAG_CPU + (unsigned)sp->cpu,
						.cpu_id = t->cpus.p[sp->cpu].id },
			      addr, buf, len, &got, err);
		break;
	}
	if (sp->kind != XKD_SP_PHYS)
		xkd_mem_hide_patches(t, addr, buf, got);
out:
	if (done)
		*done = got;
	return rc;
}

/* Writes go page by page so that each page takes its own translation. */
static enum xkd_rc write_page(struct xkd_target *t, const struct xkd_space *sp, uint64_t addr,
			      uint8_t *bytes, size_t n, size_t *done, struct xkd_err *err)
{
	struct xkd_iov iov = { .addr = addr, .buf = bytes, .len = n };
	enum xkd_mspace ms = XKD_MS_PHYS;
	int cpu = sp->kind == XKD_SP_CPU ? sp->cpu : t->stop_cpu;
	enum xkd_rc rc;

	*done = 0;
	if (sp->kind == XKD_SP_CPU || (sp->kind == XKD_SP_KERNEL && cpu_sees_kernel(t, cpu))) {
		ms = XKD_MS_VIRT;
	} else if (sp->kind != XKD_SP_PHYS) {
		struct xkd_xlat x;

		rc = xkd_mem_xlat(t, sp, addr, &x, err);
		if (rc)
			return rc;
		iov.addr = x.pa;
	}
	if (ms == XKD_MS_PHYS && !(t->caps & XKD_CAP_WRITE_PHYS))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot write physical memory", t->uri);
	rc = t->be->ops->writev(t->be, ms, t->cpus.p[cpu].id, &iov, 1, err);
	*done = iov.done;
	if (!rc && iov.rc)
		rc = xkd_err_addr(err, iov.rc, addr + iov.done, "memory at %s cannot be written",
				  XKD_ADDR(addr + iov.done));
	return rc;
}

enum xkd_rc xkd_mem_write(struct xkd_target *t, const struct xkd_space *sp, uint64_t addr,
			  const void *buf, size_t len, size_t *done, struct xkd_err *err)
{
	size_t total = 0;
	enum xkd_rc rc = xkd_target_stopped(t, err);

	if (!rc && (!(t->caps & XKD_CAP_WRITE_MEM) || !t->be->ops->writev))
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot write memory", t->uri);
	if (!rc && sp->kind == XKD_SP_CPU && (sp->cpu < 0 || (size_t)sp->cpu >= t->cpus.n))
		rc = xkd_err_set(err, XKD_NOTFOUND, "no CPU %d", sp->cpu);
	while (!rc && total < len) {
		uint64_t at = addr + total;
		size_t n = XKD_PAGE - at % XKD_PAGE, got;
		uint8_t bytes[XKD_PAGE];

		if (n > len - total)
			n = len - total;
		memcpy(bytes, (const uint8_t *)buf + total, n);
		rc = write_page(t, sp, at, bytes, n, &got, err);
		total += got;
	}
	if (total)
		xkd_target_dirty(t);
	if (done)
		*done = total;
	return rc;
}

enum xkd_rc xkd_mem_xlat(struct xkd_target *t, const struct xkd_space *sp, uint64_t va,
			 struct xkd_xlat *x, struct xkd_err *err)
{
	struct xkd_paging pg;
	enum xkd_rc rc = xkd_target_stopped(t, err);

	*x = (struct xkd_xlat){ 0 };
	if (rc)
		return rc;
	switch (sp->kind) {
	case XKD_SP_PHYS:
		*x = (struct xkd_xlat){ .ok = true, .pa = va, .page_size = XKD_PAGE };
		return XKD_OK;
	case XKD_SP_PT:
		pg = sp->pg;
		break;
	case XKD_SP_KERNEL:
		if (t->os->kernel_paging && t->os->kernel_paging(t, &pg))
			break;
		rc = cpu_paging(t, t->stop_cpu, &pg, err);
		break;
	case XKD_SP_CPU:
		rc = cpu_paging(t, sp->cpu, &pg, err);
		break;
	}
	return rc ? rc : walk(t, &pg, va, x, err);
}

void xkd_kread_ahead(struct xkd_target *t, const uint64_t *addr, size_t n)
{
	struct xkd_err ignored;
	uint64_t page[BATCH], pa;
	size_t k = 0;
	struct via v;
	bool phys;

	if (!t->cpus.n || xkd_target_stopped(t, &ignored))
		return;
	phys = !kernel_via(t, &v);
	if (phys)
		v = (struct via){ .ms = XKD_MS_PHYS, .tag = TAG_PHYS, .cpu_id = t->cpus.p[0].id };
	if (phys && (!t->os->linear_pa || !(t->caps & XKD_CAP_READ_PHYS)))
		return;
	for (size_t i = 0; i < n; i++) {
		pa = addr[i];
		if (phys && (!t->os->linear_pa(t, addr[i], &pa) ||
			     !xkd_target_in_ram(t, pa & ~(uint64_t)(XKD_PAGE - 1), XKD_PAGE)))
			continue;
		page[k++] = pa / XKD_PAGE;
		if (k == BATCH) {
			if (fetch_list(t, &v, page, k, &ignored))
				return;
			k = 0;
		}
	}
	if (k)
		(void)!fetch_list(t, &v, page, k, &ignored);
}

enum xkd_rc xkd_kread(struct xkd_target *t, uint64_t addr, void *buf, size_t len, struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_kernel();

	return xkd_mem_read(t, &sp, addr, buf, len, NULL, err);
}

enum xkd_rc xkd_kread_u(struct xkd_target *t, uint64_t addr, unsigned size, uint64_t *val,
			struct xkd_err *err)
{
	uint8_t b[8];
	enum xkd_rc rc;

	if (size > 8)
		return xkd_err_set(err, XKD_BADDATA, "an integer of %u bytes", size);
	rc = xkd_kread(t, addr, b, size, err);
	if (!rc)
		*val = xkd_get_le(b, size);
	return rc;
}

enum xkd_rc xkd_kread_str(struct xkd_target *t, uint64_t addr, char *buf, size_t max,
			  struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_kernel();
	size_t done = 0;
	enum xkd_rc rc = xkd_mem_read(t, &sp, addr, buf, max - 1, &done, err);

	buf[done] = 0;
	return memchr(buf, 0, done) ? XKD_OK : rc;
}
