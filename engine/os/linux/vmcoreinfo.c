/* VMCOREINFO in physical memory: the page that a Linux kernel writes for those who will read its dump
 * says where it lies and where its page tables are, so that a kernel is found though no CPU is in it
 * (all run guests, say) or no CPU can be asked. Invariants: only known RAM is read; what a page says
 * is believed only when the tables it names map the kernel, the caller checks which: old pages,
 * pages of a guest's memory look just the same. */
#include "engine/os/linux/linux.h"
#include <string.h>

#define PAGE 4096u
#define BATCH 64u
#define QUIET_MS 500

/* Value of "KEY=" at a line's start, or NULL. */
static const char *value(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; *p; p += *p != 0) {
		if (!strncmp(p, key, n) && p[n] == '=')
			return p + n + 1;
		p += strcspn(p, "\n");
	}
	return NULL;
}

/* A number of the line; false when there is none. */
static bool number(const char *text, const char *key, int base, uint64_t *v)
{
	const char *p = value(text, key);
	char word[32];
	size_t n = p ? strcspn(p, "\n") : 0;
	bool minus = n && *p == '-';

	if (!n || n - minus >= sizeof(word))
		return false;
	memcpy(word, p + minus, n - minus);
	word[n - minus] = 0;
	if (!xkd_parse_u64(base == 16 && xkd_has_prefix(word, "0x") ? word + 2 : word, base, v))
		return false;
	if (minus)
		*v = -*v;
	return true;
}

bool linux_vmcoreinfo_parse(const char *text, struct linux_vmcoreinfo *vi)
{
	uint64_t pgd, l5 = 0;

	memset(vi, 0, sizeof(*vi));
	if (!xkd_has_prefix(text, "OSRELEASE=") || !number(text, "NUMBER(phys_base)", 10, &vi->phys_base) ||
	    !number(text, "SYMBOL(swapper_pg_dir)", 16, &pgd) || pgd < LINUX_KERNEL_MAP || pgd % PAGE)
		return false;
	if (!number(text, "KERNELOFFSET", 16, &vi->slide))
		vi->slide = 0; /* a kernel that does not move */
	(void)number(text, "NUMBER(pgtable_l5_enabled)", 10, &l5);
	(void)number(text, "NUMBER(sme_mask)", 10, &vi->pg.enc_mask);
	vi->pg.on = true;
	vi->pg.levels = l5 ? 5 : 4;
	vi->pg.root = pgd - LINUX_KERNEL_MAP + vi->phys_base;
	return vi->slide < LINUX_KERNEL_MAP_END - LINUX_KERNEL_MAP;
}

/* What a page that begins so says. */
static bool judge(struct xkd_target *t, uint64_t pa, struct linux_vmcoreinfo *vi)
{
	struct xkd_space sp = xkd_space_phys();
	struct xkd_err ignored;
	char page[PAGE + 1];

	if (xkd_mem_read(t, &sp, pa, page, PAGE, NULL, &ignored))
		return false;
	page[PAGE] = 0;
	if (!linux_vmcoreinfo_parse(page, vi))
		return false;
	vi->pa = pa;
	return true;
}

struct scan {
	struct xkd_target *t;
	bool (*fn)(void *arg, const struct linux_vmcoreinfo *vi);
	void *arg;
	uint64_t done, total, start, limit_ms;
	bool found, told, late;
};

/* The starts of n pages from pa on, one vectored read. */
static enum xkd_rc scan_some(struct scan *s, uint64_t pa, size_t n, struct xkd_err *err)
{
	static const char word[16] = "OSRELEASE=";
	struct xkd_target *t = s->t;
	uint64_t cpu = t->cpus.n ? t->cpus.p[0].id : 0;
	struct xkd_iov iov[BATCH];
	uint8_t got[BATCH][10];
	struct linux_vmcoreinfo vi;
	enum xkd_rc rc = xkd_cancel_check(t->cancel, err);

	for (size_t i = 0; i < n; i++)
		iov[i] = (struct xkd_iov){ .addr = pa + i * PAGE, .buf = got[i], .len = sizeof(got[i]) };
	if (!rc)
		rc = t->be->ops->readv(t->be, XKD_MS_PHYS, cpu, iov, n, err);
	for (size_t i = 0; !rc && !s->found && i < n; i++)
		if (iov[i].done == sizeof(got[i]) && !memcmp(got[i], word, sizeof(got[i])) &&
		    judge(t, pa + i * PAGE, &vi))
			s->found = !s->fn(s->arg, &vi);
	return rc;
}

static enum xkd_rc scan_range(struct scan *s, const struct xkd_be_range *r, struct xkd_err *err)
{
	uint64_t pa = (r->start + PAGE - 1) & ~(uint64_t)(PAGE - 1), end = r->start + r->size;
	enum xkd_rc rc = XKD_OK;

	while (!rc && !s->found && !s->late && pa < end && end - pa >= PAGE) {
		uint64_t left = (end - pa) / PAGE, now = xkd_now_ms();
		size_t n = left < BATCH ? (size_t)left : BATCH;

		rc = scan_some(s, pa, n, err);
		pa += n * PAGE;
		s->done += n * PAGE;
		s->late = s->limit_ms && now - s->start > s->limit_ms;
		if (now - s->start > QUIET_MS) {
			s->told = true;
			xkd_progress(s->t->log, "looking for VMCOREINFO in memory", s->done, s->total);
		}
	}
	return rc;
}

enum xkd_rc linux_vmcoreinfo_each(struct xkd_target *t, uint64_t limit_ms,
				  bool (*fn)(void *arg, const struct linux_vmcoreinfo *vi),
				  void *arg, struct xkd_err *err)
{
	struct scan s = { .t = t, .fn = fn, .arg = arg, .start = xkd_now_ms(), .limit_ms = limit_ms };
	enum xkd_rc rc = XKD_OK;

	if (!(t->caps & XKD_CAP_READ_PHYS) || !t->ram.n)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "%s cannot be searched: where its physical memory lies is not known",
				   t->uri);
	for (size_t i = 0; i < t->ram.n; i++)
		s.total += t->ram.p[i].size;
	for (size_t i = 0; !rc && !s.found && i < t->ram.n; i++)
		rc = scan_range(&s, &t->ram.p[i], err);
	if (s.told)
		xkd_progress(t->log, NULL, 0, 0);
	if (rc || s.found)
		return rc;
	return s.late ? xkd_err_set(err, XKD_TIMEOUT, "0x%llx of 0x%llx bytes were searched for "
						      "VMCOREINFO; .reload searches all of it",
				    (unsigned long long)s.done, (unsigned long long)s.total) :
			xkd_err_set(err, XKD_NOTFOUND, "no VMCOREINFO in 0x%llx bytes of memory",
				    (unsigned long long)s.total);
}
