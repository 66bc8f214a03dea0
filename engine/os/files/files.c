/* The personality of files: a session without a machine. Each image of the backend's list becomes a
 * module where it was linked to lie, or at the address that stands behind its name; a .ko lies in the
 * made-up layout of its image (XKD_KO_BASE), the next one behind it.
 * Invariant: modules do not overlap: what would is moved to free room and the banner says so. */
#include "engine/os/os.h"
#include "base/str.h"
#include "symbols/debuglink.h"
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 0x200000ULL /* between modules that are placed by us */

struct span {
	uint64_t start, end;
};

/* Is it a kernel, whose symbols the others hang on? Modules have a symbol table of their own kind. */
static bool is_kernel(struct xkd_image *img)
{
	return !xkd_image_is_ko(img) && xkd_image_section_named(img, "__ksymtab") &&
	       xkd_image_section_named(img, ".init.text");
}

/* What of an image is laid out in a kernel's or program's address space. */
static bool counts(const struct xkd_section *s, bool kernel)
{
	return (s->flags & SHF_ALLOC) && s->size && s->type != SHT_NULL &&
	       !((s->flags & SHF_TLS) && s->type == SHT_NOBITS) &&
	       (!kernel || s->addr >> 63); /* per-CPU templates may lie at 0 */
}

static struct span span_of(struct xkd_image *img, bool kernel)
{
	struct span sp = { UINT64_MAX, 0 };

	for (size_t i = 1; i < xkd_image_nsections(img); i++) {
		const struct xkd_section *s = xkd_image_section(img, i);

		if (!counts(s, kernel))
			continue;
		if (s->addr < sp.start)
			sp.start = s->addr;
		if (s->addr + s->size > sp.end)
			sp.end = s->addr + s->size;
	}
	return sp.end ? sp : (struct span){ 0, 0 };
}

/* The part of its image that an address behind a name places: as .reload MOD=ADDR has it. */
static uint64_t anchor(struct xkd_image *img, bool kernel, uint64_t start)
{
	const struct xkd_section *text = xkd_image_section_named(img, ".text");
	struct xkd_sym sym;
	size_t n;

	if (kernel && !xkd_image_sym_named(img, "_text", &sym, &n))
		return sym.addr;
	return text && xkd_image_is_ko(img) ? text->addr : start;
}

static bool overlaps(struct xkd_target *t, struct span sp)
{
	for (size_t i = 0; i < t->mods.n; i++)
		if (sp.start < xkd_module_end(t->mods.p[i]) &&
		    sp.end > xkd_module_start(t->mods.p[i]))
			return true;
	return false;
}

/* How far an image must move to lie behind all that is there; modules of the upper half stay. */
static uint64_t free_room(struct xkd_target *t, struct span sp)
{
	uint64_t at = XKD_KO_BASE;

	for (size_t i = 0; i < t->mods.n; i++) {
		uint64_t end = xkd_module_end(t->mods.p[i]);

		if (!(end >> 63) && end > at)
			at = end;
	}
	return ((at + GAP - 1) & ~(GAP - 1)) - (sp.start & ~(GAP - 1));
}

/* "kvm_amd" of ".../kvm-amd.ko.xz"; a program keeps its name but for what no expression can spell. */
static void name_module(struct xkd_target *t, struct xkd_module *m, struct xkd_image *img)
{
	static const char *const ends[] = { ".xz", ".zst", ".gz", ".debug", ".dbg", ".ko" };
	const char *path = xkd_image_path(img), *base = strrchr(path, '/');
	size_t n;

	base = base ? base + 1 : path;
	n = strlen(base);
	for (size_t i = 0; i < XKD_COUNT(ends); i++) {
		size_t e = strlen(ends[i]);

		if (n > e && !memcmp(base + n - e, ends[i], e))
			n -= e;
	}
	if (n > sizeof(m->name) - 4)
		n = sizeof(m->name) - 4;
	for (size_t i = 0; i < n; i++) {
		char c = base[i];
		bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z') || c == '_';

		m->name[i] = word ? c : '_';
	}
	for (unsigned k = 2; xkd_target_mod_named(t, m->name) && k < 100; k++)
		snprintf(m->name + n, sizeof(m->name) - n, "_%u", k);
}

static void add_sections(struct xkd_module *m, struct xkd_image *img, uint64_t slide)
{
	for (size_t i = 1; i < xkd_image_nsections(img); i++) {
		const struct xkd_section *s = xkd_image_section(img, i);
		struct xkd_modsec *sec;

		if (!counts(s, false))
			continue;
		sec = xkd_vec_push(&m->secs);
		snprintf(sec->name, sizeof(sec->name), "%s", s->name);
		sec->addr = s->addr + slide;
		sec->iaddr = s->addr;
		sec->size = s->size;
	}
}

static enum xkd_symstate state_of(struct xkd_image *img)
{
	struct xkd_image *debug = xkd_image_debug(img);

	if (xkd_image_has_dwarf(img) || (debug && xkd_image_has_dwarf(debug)))
		return XKD_SYMS_DWARF;
	return xkd_image_section_named(img, ".BTF") ? XKD_SYMS_BTF : XKD_SYMS_SYMTAB;
}

static void place(struct xkd_target *t, struct xkd_image *img, bool has_addr, uint64_t addr,
		  struct xkd_buf *found)
{
	bool kernel = is_kernel(img) && !xkd_target_kernel(t);
	struct span sp = span_of(img, kernel);
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));
	struct xkd_modrange *r;
	uint64_t slide = 0;
	size_t at;

	if (has_addr)
		slide = addr - anchor(img, kernel, sp.start);
	m->img = img;
	m->is_kernel = kernel;
	m->id = *xkd_image_buildid(img);
	m->state = state_of(img);
	if (kernel)
		strcpy(m->name, "lk");
	else
		name_module(t, m, img);
	if (overlaps(t, (struct span){ sp.start + slide, sp.end + slide })) {
		slide = free_room(t, sp);
		if (has_addr || !xkd_image_is_ko(img))
			xkd_buf_printf(found, "%s%s lies at %s: its own place is taken",
				       found->len ? "\n" : "", m->name, XKD_ADDR(sp.start + slide));
	}
	m->slide = kernel ? (int64_t)slide : 0;
	r = xkd_vec_push(&m->ranges);
	r->start = sp.start + slide;
	r->size = sp.end - sp.start;
	if (!kernel)
		add_sections(m, img, slide);
	(void)xkd_vec_push(&t->mods);
	at = kernel ? 0 : t->mods.n - 1; /* the kernel stands first */
	memmove(&t->mods.p[at + 1], &t->mods.p[at], (t->mods.n - 1 - at) * sizeof(t->mods.p[0]));
	t->mods.p[at] = m;
}

void xkd_os_place(struct xkd_target *t, struct xkd_image *img, uint64_t slide)
{
	struct xkd_buf moved = XKD_BUF_INIT;

	place(t, img, true, anchor(img, false, span_of(img, false).start) + slide, &moved);
	if (moved.len)
		xkd_log(t->log, XKD_LOG_WARN, "%s", moved.s);
	xkd_buf_fini(&moved);
}

/* One item of the list: PATH or PATH=ADDR (a file whose own name has a '=' wins). */
static enum xkd_rc add_file(struct xkd_target *t, const char *item, size_t n,
			    struct xkd_buf *found, struct xkd_err *err)
{
	struct xkd_buf path = XKD_BUF_INIT;
	struct xkd_err sub = XKD_ERR_INIT;
	struct xkd_image *img;
	uint64_t addr = 0;
	bool has_addr = false;
	char *eq;
	enum xkd_rc rc;

	xkd_buf_add(&path, item, n);
	rc = xkd_image_open(path.s, t->log, &img, &sub);
	eq = strrchr(path.s, '=');
	if (rc == XKD_NOTFOUND && eq && eq > path.s) {
		*eq = 0;
		if (!xkd_parse_u64(xkd_has_prefix(eq + 1, "0x") ? eq + 3 : eq + 1, 16, &addr)) {
			rc = xkd_err_set(&sub, XKD_SYNTAX, "%.300s=: '%.40s' is no hex address",
					 path.s, eq + 1);
		} else {
			has_addr = true;
			rc = xkd_image_open(path.s, t->log, &img, &sub);
		}
	}
	if (!rc) {
		(void)!xkd_find_debug(&t->sympath, t->find, img, t->log, t->cancel, &sub);
		place(t, img, has_addr, addr, found);
	} else if (err) {
		*err = sub;
	}
	xkd_buf_fini(&path);
	return rc;
}

/* "6.1.0-56-cloud-amd64" of the kernel's own banner: what .ko files are searched by. */
static void find_release(struct xkd_target *t)
{
	static const char intro[] = "Linux version ";
	struct xkd_module *k = xkd_target_kernel(t);
	struct xkd_sym sym;
	char text[192] = "";
	size_t n;

	if (!k || xkd_image_sym_named(k->img, "linux_banner", &sym, &n) ||
	    xkd_image_read(k->img, sym.addr, text, sizeof(text) - 1) < sizeof(intro) ||
	    !xkd_has_prefix(text, intro))
		return;
	n = strcspn(text + sizeof(intro) - 1, " \n");
	if (n < sizeof(t->release)) {
		memcpy(t->release, text + sizeof(intro) - 1, n);
		t->release[n] = 0;
	}
}

static enum xkd_rc files_attach(struct xkd_target *t, struct xkd_buf *found, struct xkd_err *err)
{
	struct xkd_buf list = XKD_BUF_INIT;
	struct xkd_err ignored;
	enum xkd_rc rc = XKD_OK;

	if (t->cpus.n || !t->be->ops->hint ||
	    t->be->ops->hint(t->be, "files", &list, &ignored)) {
		xkd_buf_fini(&list);
		return XKD_NOTFOUND;
	}
	t->os = &xkd_os_files;
	for (const char *p = list.s; !rc && *p;) {
		size_t n = strcspn(p, ",");

		if (n)
			rc = add_file(t, p, n, found, err);
		p += n + (p[n] == ',');
	}
	xkd_buf_fini(&list);
	find_release(t);
	t->gen.modules++;
	/* NOTFOUND would mean "none of ours" */
	return rc == XKD_NOTFOUND ? XKD_IO : rc;
}

static bool files_is_kernel_addr(struct xkd_target *t, uint64_t va)
{
	return xkd_target_mod_at(t, va) != NULL;
}

const struct xkd_os xkd_os_files = {
	.name = "files",
	.attach = files_attach,
	.is_kernel_addr = files_is_kernel_addr,
};
