/* Finds the kernel, its slide and its files. Ways in order: IDT gate 0's handler, then the first
 * executable mapping, then (where CPUs are in guests, or a person asks again) VMCOREINFO in physical
 * memory; each candidate vmlinux of the symbol path is taken only when the build-id note in the target's
 * memory, at the slide found, is that file's. */
#include "engine/os/linux/linux.h"
#include "symbols/debuglink.h"
#include "symbols/image_made.h"
#include "symbols/server.h"
#include <stdio.h>
#include <string.h>

struct search {
	struct xkd_target *t;
	const struct linux_view *v;
	const struct linux_vmcoreinfo *vi; /* NULL: not by it */
	uint64_t handler; /* 0: none */
	uint64_t text;	  /* 0: none */
	struct xkd_image *img;
	int64_t slide;
	const char *how;
	unsigned tried;
	char last[512]; /* a candidate that did not fit, and its build-id */
};

/* A shape that is one variable or function. */
static bool var_of(struct xkd_image *img, enum linux_shape_id id, uint64_t *addr)
{
	struct linux_fit fit;

	if (!linux_shape_of_image(img, id, &fit))
		return false;
	*addr = fit.at[AT_VAR].off;
	return true;
}

/* A file of another build can be taken only where its own addresses make some sense. */
static bool has_banner(struct search *s, struct xkd_image *img, int64_t slide)
{
	static const char word[] = "Linux version ";
	struct xkd_err ignored;
	char got[sizeof(word)];
	uint64_t a;

	return var_of(img, SHAPE_BANNER, &a) &&
	       !xkd_mem_read(s->t, &s->v->sp, a + (uint64_t)slide, got, sizeof(word) - 1, NULL,
			     &ignored) &&
	       !memcmp(got, word, sizeof(word) - 1);
}

static bool fits(struct search *s, struct xkd_image *img, int64_t slide)
{
	const struct xkd_buildid *want = xkd_image_buildid(img);
	struct xkd_buildid id = { .n = 0 };
	struct xkd_err ignored;

	if (slide & 0x1fffff)
		return false;
	if (s->t->kernel_forced || xkd_image_is_made(img))
		return has_banner(s, img, slide);
	return !linux_notes_id(s->t, s->v, img, slide, &id, &ignored) && want->n &&
	       xkd_buildid_eq(&id, want);
}

static bool try_candidate(void *arg, struct xkd_image *img)
{
	struct search *s = arg;
	uint64_t a;

	s->tried++;
	if (s->vi && fits(s, img, (int64_t)s->vi->slide)) {
		s->slide = (int64_t)s->vi->slide;
		s->how = "VMCOREINFO in memory";
	} else if (s->handler && var_of(img, SHAPE_GATE0, &a) &&
	    fits(s, img, (int64_t)(s->handler - a))) {
		s->slide = (int64_t)(s->handler - a);
		s->how = "IDT";
	} else if (s->text && var_of(img, SHAPE_IMAGE, &a) && fits(s, img, (int64_t)(s->text - a))) {
		s->slide = (int64_t)(s->text - a);
		s->how = "page tables";
	} else {
		char hex[XKD_BUILDID_HEX];

		snprintf(s->last, sizeof(s->last), "%.250s has build-id %s", xkd_image_path(img),
			 xkd_image_buildid(img)->n ?
				 xkd_buildid_hex(xkd_image_buildid(img), hex) : "none");
		return true;
	}
	s->img = xkd_image_ref(img);
	return false;
}

/* The direct map, proved by one page: the image's own first one. */
static void learn_direct_map(struct xkd_target *t, struct xkd_linux *lx, const struct linux_view *v,
			     uint64_t base_var)
{
	struct xkd_err ignored;
	struct xkd_xlat x;
	uint8_t b[8];

	lx->dm_known = false;
	if (xkd_mem_read(t, &v->sp, base_var, b, 8, NULL, &ignored))
		return;
	lx->dm_base = xkd_get_le(b, 8);
	for (size_t i = 0; i < t->ram.n; i++)
		if (t->ram.p[i].start + t->ram.p[i].size > lx->dm_size)
			lx->dm_size = t->ram.p[i].start + t->ram.p[i].size;
	lx->dm_known = lx->pa_known && lx->dm_size &&
		       !xkd_mem_xlat(t, &v->sp, lx->dm_base + lx->text_pa, &x, &ignored) && x.ok &&
		       x.pa == lx->text_pa;
}

/* Before the scheduler runs, tables and maps are still being made (SYSTEM_SCHEDULING is 1). */
static bool booted(struct xkd_target *t, const struct linux_view *v, struct xkd_image *img,
		   int64_t slide)
{
	struct xkd_err ignored;
	uint8_t b[4];
	uint64_t a;

	return !var_of(img, SHAPE_BOOT_STATE, &a) ||
	       (!xkd_mem_read(t, &v->sp, a + (uint64_t)slide, b, 4, NULL, &ignored) &&
		xkd_get_le(b, 4) != 0);
}

/* Where the image lies in physical memory, the direct map, and the kernel's own tables. */
static void learn_memory(struct xkd_target *t, struct xkd_linux *lx, const struct linux_view *v,
			 struct xkd_image *img, int64_t slide)
{
	struct xkd_err ignored;
	struct xkd_xlat x;
	uint64_t a;

	if (!v->has_pg)
		return;
	if (!xkd_mem_xlat(t, &v->sp, lx->text_va, &x, &ignored) && x.ok) {
		lx->text_pa = x.pa;
		lx->pa_known = true;
	}
	if (lx->pa_known && var_of(img, SHAPE_KERNEL_TABLES, &a)) {
		lx->paging = v->pg;
		lx->paging.root = a + (uint64_t)slide - lx->text_va + lx->text_pa;
		lx->paging_known = !xkd_mem_xlat(t, &(struct xkd_space){ .kind = XKD_SP_PT,
									 .pg = lx->paging },
						 lx->text_va, &x, &ignored) &&
				   x.ok && x.pa == lx->text_pa;
	}
	if (var_of(img, SHAPE_DIRECT_MAP, &a))
		learn_direct_map(t, lx, v, a + (uint64_t)slide);
	/* .data is never in the user half; .rodata may be (pti_clone_kernel_text) */
	if (var_of(img, SHAPE_DATA, &a) && a + (uint64_t)slide - lx->text_va < lx->end_va - lx->text_va)
		lx->data_va = a + (uint64_t)slide;
	lx->complete = booted(t, v, img, slide);
}

void linux_learn_more(struct xkd_target *t)
{
	struct xkd_linux *lx = linux_of(t);
	struct xkd_module *k = xkd_target_kernel(t);
	struct linux_view v[2];

	for (size_t i = 0; i < t->cpus.n && i < 64 && !lx->complete && k && k->img; i++)
		if (xkd_target_kview(t, (int)i) == XKD_KVIEW_OK && linux_views(t, (int)i, v)) {
			learn_memory(t, lx, &v[0], k->img, k->slide);
			return;
		}
}

static void read_release(struct xkd_target *t, const struct linux_view *v, struct xkd_image *img,
			 int64_t slide)
{
	struct xkd_err ignored;
	char banner[256] = "";
	size_t done = 0;
	uint64_t a;

	t->release[0] = 0;
	if (!var_of(img, SHAPE_BANNER, &a) ||
	    (xkd_mem_read(t, &v->sp, a + (uint64_t)slide, banner, sizeof(banner) - 1, &done,
			  &ignored) && !done))
		return;
	if (sscanf(banner, "Linux version %127[^ ]", t->release) != 1)
		t->release[0] = 0;
}

static enum xkd_rc adopt(struct search *s, struct xkd_err *err)
{
	struct xkd_target *t = s->t;
	const struct xkd_section *notes = xkd_image_section_named(s->img, ".notes");
	struct xkd_linux *lx = xkd_calloc(1, sizeof(*lx));
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));
	struct linux_fit place;
	struct xkd_err ignored;
	struct xkd_image *debug;
	struct xkd_modrange *r;
	uint64_t text;
	enum xkd_rc rc;

	t->os_state = lx;
	t->gen.boot++;
	if (!linux_shape_of_image(s->img, SHAPE_IMAGE, &place)) /* an empty range */
		place.at[AT_END] = place.at[AT_START];
	text = place.at[AT_START].off;
	lx->text_va = text + (uint64_t)s->slide;
	lx->end_va = place.at[AT_END].off + (uint64_t)s->slide;
	learn_memory(t, lx, s->v, s->img, s->slide);
	/* The last bytes of the notes: the build-id and what follows; never written. */
	lx->witness_va = (notes ? notes->addr : text) + (uint64_t)s->slide;
	if (notes && notes->size >= 16)
		lx->witness_va += (notes->size - 16) & ~15ULL;
	rc = xkd_mem_read(t, &s->v->sp, lx->witness_va, lx->witness, 16, NULL, err);
	read_release(t, s->v, s->img, s->slide);

	(void)!xkd_find_debug(&t->sympath, t->find, s->img, t->log, t->cancel, &ignored);
	debug = xkd_image_debug(s->img);
	strcpy(m->name, "lk");
	m->is_kernel = true;
	m->slide = s->slide;
	m->img = s->img;
	m->id = *xkd_image_buildid(s->img);
	m->forced = t->kernel_forced;
	m->state = xkd_image_has_dwarf(debug ? debug : s->img) ? XKD_SYMS_DWARF :
		   xkd_image_section_named(s->img, ".BTF") ? XKD_SYMS_BTF :
		   xkd_image_is_made(s->img)		   ? XKD_SYMS_KALLSYMS :
							     XKD_SYMS_SYMTAB;
	r = xkd_vec_push(&m->ranges);
	r->start = lx->text_va;
	r->size = lx->end_va - lx->text_va;
	*xkd_vec_push(&t->mods) = m;
	return rc;
}

/* No file fits: say what kernel it is and what to do. */
static enum xkd_rc explain(struct search *s, struct xkd_buf *found, struct xkd_err *err)
{
	char hex[XKD_BUILDID_HEX], banner[256];
	struct xkd_want want = { .name = "vmlinux", .release = NULL };
	struct xkd_image *img = NULL;
	char release[128] = "";
	enum xkd_rc rc;

	linux_identify(s->t, s->v, s->text, banner, sizeof(banner), &want.id);
	if (!banner[0])
		return XKD_NOTFOUND;
	sscanf(banner, "Linux version %127[^ ]", release);
	xkd_buildid_hex(&want.id, hex);
	want.release = release;
	rc = xkd_find_image(&s->t->sympath, s->t->find, &want, s->t->log, &img, NULL, err);
	xkd_image_unref(img);
	if (rc == XKD_OK) /* it fits by name but not at any slide found: ours to say */
		xkd_err_set(err, XKD_MISMATCH, "%.300s, which does not match the memory at %s",
			    s->last, XKD_ADDR(s->text));
	xkd_buf_printf(found, "Linux %s, build-id %s: %s", release, want.id.n ? hex : "unknown",
		       rc == XKD_NOTFOUND ? "no vmlinux for it was found; give its folder with -y or "
					    ".sympath (on Debian: package linux-image-" : err->msg);
	if (rc == XKD_NOTFOUND)
		xkd_buf_printf(found, "%s-dbg), then .reload", release);
	return XKD_NOTFOUND;
}

static enum xkd_rc from_memory(struct search *s, size_t *nsyms, struct xkd_err *err)
{
	enum xkd_rc rc = linux_kernel_from_memory(s->t, s->v, s->text, &s->img, nsyms, err);

	s->slide = 0;
	s->how = "kallsyms in memory";
	if (rc)
		xkd_log(s->t->log, XKD_LOG_SYM, "%s", err->msg);
	return rc;
}

/* The line about how the kernel was found. */
static void say_found(const struct search *s, size_t nsyms, struct xkd_buf *found)
{
	const struct xkd_module *k = s->t->mods.p[0];
	char hex[XKD_BUILDID_HEX], count[32];

	xkd_buf_printf(found, "Linux %s, build-id %s, ", s->t->release,
		       k->id.n ? xkd_buildid_hex(&k->id, hex) : "unknown");
	if (!xkd_image_is_made(s->img)) {
		xkd_buf_printf(found, "slide 0x%llx (by %s, %s)", (unsigned long long)s->slide,
			       s->how, s->t->kernel_forced ?
					       "the build-id in memory is another: names may be wrong" :
					       "verified by the build-id in memory");
		return;
	}
	if (nsyms < 1000)
		snprintf(count, sizeof(count), "%zu", nsyms);
	else
		snprintf(count, sizeof(count), "%zu,%03zu", nsyms / 1000, nsyms % 1000);
	xkd_buf_printf(found, "names from kallsyms in memory (%s), ", count);
	if (k->state == XKD_SYMS_BTF)
		xkd_buf_str(found, "types from BTF in memory; for lines and locals give the debug "
				   "files with -y");
	else
		xkd_buf_str(found, "no types: this kernel carries no BTF; for modules, types and "
				   "lines give the debug files with -y");
	if (s->last[0])
		xkd_buf_printf(found, "\n%s: refused (.reload /i lk takes it all the same)", s->last);
}

static bool fatal(enum xkd_rc rc)
{
	return rc == XKD_TRANSPORT || rc == XKD_CANCELED;
}

/* Files of a server, which can be asked only for what is known by its build-id. */
static bool served(struct search *s)
{
	struct xkd_target *t = s->t;
	struct xkd_want want = { .name = "vmlinux", .cancel = t->cancel };
	struct xkd_err why = XKD_ERR_INIT;
	struct xkd_image *img;
	char banner[256];

	if (!xkd_servers_any(&t->sympath))
		return false;
	linux_identify(t, s->v, s->text, banner, sizeof(banner), &want.id);
	if (!want.id.n || xkd_find_image(&t->sympath, t->find, &want, t->log, &img, NULL, &why))
		return false;
	(void)try_candidate(s, img);
	xkd_image_unref(img);
	return s->img;
}

/* How hard a look is: only what is verified at once; then the page tables are scanned; then memory
 * without files of the path, by a server's or its own tables. A CPU inside a guest costs time in the later ones, so each goes over all CPUs. */
enum look { LOOK_IDT, LOOK_SCAN, LOOK_MEMORY, LOOKS };

/* Without its page tables, a CPU's memory is tried page by page, over the wire: some CPUs will do. */
#define BLIND_CPUS 4

/* OK: found (s->img). NOTFOUND with text in found: a kernel that no file is there for. */
static enum xkd_rc look(struct search *s, enum look how, struct xkd_buf *found, size_t *nsyms,
			struct xkd_err *err)
{
	struct xkd_target *t = s->t;
	enum xkd_rc rc;

	s->handler = s->text = 0;
	rc = how == LOOK_IDT ? linux_divide_handler(t, s->v, &s->handler, err) :
			       linux_scan_text(t, s->v, &s->text, err);
	if (rc)
		return fatal(rc) ? rc : XKD_NOTFOUND;
	if (how != LOOK_MEMORY) {
		xkd_find_kernels(&t->sympath, t->find, t->log, try_candidate, s);
		return s->img ? XKD_OK : XKD_NOTFOUND;
	}
	if (served(s))
		return XKD_OK;
	rc = xkd_cancel_check(t->cancel, err);
	if (rc)
		return rc;
	rc = from_memory(s, nsyms, err);
	if (!rc || fatal(rc))
		return rc;
	(void)!explain(s, found, err);
	return XKD_NOTFOUND;
}

/* The last way, without any CPU: the page tables that VMCOREINFO names. */
struct by_note {
	struct search *s;
	struct linux_view *v;
	struct linux_vmcoreinfo vi;
	struct xkd_buf *found;
	size_t *nsyms;
	enum xkd_rc rc;
	struct xkd_err *err;
};
static bool try_note(void *arg, const struct linux_vmcoreinfo *vi)
{
	struct by_note *n = arg;

	n->vi = *vi;
	*n->v = (struct linux_view){ .pg = vi->pg, .has_pg = true };
	n->v->sp = (struct xkd_space){ .kind = XKD_SP_PT, .pg = vi->pg };
	n->s->v = n->v;
	n->s->vi = &n->vi;
	for (int how = LOOK_SCAN; how < LOOKS && !n->found->len; how++) {
		n->rc = look(n->s, how, n->found, n->nsyms, n->err);
		if (n->rc != XKD_NOTFOUND)
			break;
	}
	return n->rc == XKD_NOTFOUND && !n->found->len;
}

/* Only a user who asks again has time for all of a big machine's memory. */
#define NOTE_MS 4000

static enum xkd_rc search_notes(struct search *s, struct linux_view *v, struct xkd_buf *found,
				size_t *nsyms, struct xkd_err *err)
{
	struct by_note n = { .s = s, .v = v, .found = found, .nsyms = nsyms, .rc = XKD_NOTFOUND,
			     .err = err };
	struct xkd_err why = XKD_ERR_INIT;
	enum xkd_rc rc = linux_vmcoreinfo_each(s->t, s->t->search_all ? 0 : NOTE_MS, try_note, &n,
					       &why);

	s->vi = NULL;
	if (rc && rc != XKD_NOTFOUND)
		xkd_log(s->t->log, XKD_LOG_SYM, "%s", why.msg);
	if (!fatal(rc))
		return n.rc;
	if (err)
		*err = why;
	return rc;
}

/* Then no CPU need lead to the kernel that runs. */
static bool in_guest(struct xkd_target *t)
{
	const struct xkd_regs *regs;
	struct xkd_err ignored;

	for (size_t i = 0; i < t->cpus.n && i < 64; i++)
		if (!xkd_target_regs(t, (int)i, XKD_RG_INT | XKD_RG_SYS, &regs, &ignored) &&
		    t->arch->may_be_guest && t->arch->may_be_guest(regs))
			return true;
	return false;
}

static enum xkd_rc search(struct search *s, struct linux_view v[2], struct xkd_buf *found,
			  size_t *nsyms, struct xkd_err *err)
{
	for (int how = LOOK_IDT; how < LOOKS; how++)
		for (size_t cpu = 0; cpu < s->t->cpus.n && cpu < 64; cpu++) {
			size_t n = linux_views(s->t, (int)cpu, v);

			for (size_t i = 0; i < n; i++) {
				enum xkd_rc rc;

				if (how != LOOK_IDT && !v[i].has_pg && cpu >= BLIND_CPUS)
					continue;
				s->v = &v[i];
				rc = look(s, how, found, nsyms, err);
				if (rc != XKD_NOTFOUND || found->len)
					return rc;
			}
		}
	/* What a reboot left in memory looks just like it: only CPUs in guests are no sign of that. */
	return in_guest(s->t) || s->t->search_all ? search_notes(s, v, found, nsyms, err) : XKD_NOTFOUND;
}

bool linux_another_runs(struct xkd_target *t)
{
	struct xkd_module *k = xkd_target_kernel(t);
	struct search s = { .t = t };
	struct linux_view v[2];
	struct xkd_err ignored;

	for (size_t cpu = 0; cpu < t->cpus.n && cpu < 64; cpu++) {
		size_t n = xkd_target_kview(t, (int)cpu) == XKD_KVIEW_OTHER ?
				   linux_views(t, (int)cpu, v) : 0;

		for (size_t i = 0; i < n && v[i].has_pg; i++) {
			s.v = &v[i];
			if (linux_divide_handler(t, s.v, &s.handler, &ignored))
				continue;
			if (k && k->img && try_candidate(&s, k->img))
				xkd_find_kernels(&t->sympath, t->find, t->log, try_candidate, &s);
			if (s.img) {
				xkd_image_unref(s.img);
				return true;
			}
		}
	}
	return false;
}

enum xkd_rc linux_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err)
{
	struct search s = { .t = t };
	struct linux_view v[2];
	size_t nsyms = 0;
	enum xkd_rc rc = search(&s, v, found, &nsyms, err);

	if (rc)
		return rc;
	rc = adopt(&s, err);
	t->os = &xkd_os_linux;
	for (size_t i = 0; i < t->cpus.n; i++) /* asked while no kernel was known */
		t->cpus.p[i].kview = XKD_KVIEW_UNTRIED;
	say_found(&s, nsyms, found);
	if (!rc)
		rc = linux_modules(t, err);
	if (rc && xkd_image_is_made(s.img) && t->mods.p[0]->state == XKD_SYMS_KALLSYMS)
		return XKD_OK; /* said already: without types there are no modules */
	return rc == XKD_NOTFOUND ? XKD_BADDATA : rc;
}
