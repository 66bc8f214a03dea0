/* Names and source lines for the places that lines of a log speak of. "sym+off/size [mod]" needs no
 * addresses: the files say where sym lies. Bare addresses need the kernel's offset: the caller's, the
 * live target's, the text's own ("Kernel Offset:", or a line that has both address and name), else 0.
 * Invariants: what cannot be named for certain passes as it is; a symbol of another size is another
 * build's and names nothing. */
#include "engine/cmd/symbolize.h"
#include "base/str.h"
#include "engine/cmd/symtext.h"
#include "engine/core/names.h"
#include "symbols/debuglink.h"
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_MAX (1u << 20)
#define CANDIDATES 4
/* Functions are padded up to the next one, which is where the log's size ends. */
#define PAD_MAX 4096u

enum slide_from { SLIDE_UNKNOWN, SLIDE_TEXT, SLIDE_TARGET, SLIDE_GIVEN };

struct held {
	char *text;
	size_t len;
	bool newline;
};
struct xkd_symbolizer {
	struct xkd_session *s;
	const struct xkd_symbolize *y;
	struct xkd_find_cache *find;
	struct xkd_image *kernel; /* counted */
	bool kernel_tried;
	char release[128];
	uint64_t slide;
	enum slide_from from;
	struct xkd_map mods; /* name -> struct xkd_image, or &none_marker */
	struct xkd_arena arena;
	XKD_VEC(struct held) held;
	size_t held_bytes;
	uint64_t named, unfit;
	bool guessed, no_kernel; /* told already */
};

/* Stands for a module of which no file was found. */
static char none_marker;

struct xkd_symbolizer *xkd_symbolizer_new(struct xkd_session *s, const struct xkd_symbolize *y)
{
	struct xkd_symbolizer *z = xkd_calloc(1, sizeof(*z));
	struct xkd_module *k = s->t ? xkd_target_kernel(s->t) : NULL;
	struct xkd_image *img = k ? xkd_target_mod_image(s->t, k) : NULL;

	z->s = s;
	z->y = y;
	z->find = xkd_find_cache_new();
	xkd_map_init_str(&z->mods);
	xkd_arena_init(&z->arena);
	if (img) {
		z->kernel = xkd_image_ref(img);
		z->kernel_tried = true;
		snprintf(z->release, sizeof(z->release), "%s", s->t->release);
	}
	if (k && s->t->cpus.n) {
		z->slide = (uint64_t)k->slide;
		z->from = SLIDE_TARGET;
	}
	if (y->has_slide) {
		z->slide = y->slide;
		z->from = SLIDE_GIVEN;
	}
	return z;
}

void xkd_symbolizer_free(struct xkd_symbolizer *z)
{
	size_t it = 0;
	void *img;

	if (z->unfit)
		xkd_log(&z->s->log, XKD_LOG_WARN,
			"%llu of %llu names stand in no symbol table with that size: are these "
			"the files of that kernel?",
			(unsigned long long)z->unfit, (unsigned long long)(z->unfit + z->named));
	while (xkd_map_next(&z->mods, &it, NULL, NULL, &img))
		if (img != &none_marker)
			xkd_image_unref(img);
	for (size_t i = 0; i < z->held.n; i++)
		free(z->held.p[i].text);
	xkd_vec_fini(&z->held);
	xkd_map_fini(&z->mods);
	xkd_arena_fini(&z->arena);
	xkd_image_unref(z->kernel);
	xkd_find_cache_free(z->find);
	free(z);
}

/* --- the files --- */

struct only {
	struct xkd_image *img;
	unsigned n;
};
static bool see_kernel(void *arg, struct xkd_image *img)
{
	struct only *o = arg;

	if (!o->n++)
		o->img = xkd_image_ref(img);
	return o->n < 2;
}

static struct xkd_image *kernel(struct xkd_symbolizer *z)
{
	struct xkd_want want = { .name = "vmlinux", .release = z->release,
				 .cancel = &z->s->cancel };
	struct xkd_err why = XKD_ERR_INIT;
	struct only only = { 0 };

	if (z->kernel_tried)
		return z->kernel;
	z->kernel_tried = true;
	if (z->release[0]) {
		if (xkd_find_image(&z->s->sympath, z->find, &want, &z->s->log, &z->kernel, NULL,
				   &why))
			z->kernel = NULL;
	} else {
		xkd_find_kernels(&z->s->sympath, z->find, &z->s->log, see_kernel, &only);
		xkd_err_set(&why, XKD_NOTFOUND, "the text does not say which kernel it is of");
		if (only.n == 1)
			z->kernel = only.img;
		else
			xkd_image_unref(only.img);
	}
	if (z->kernel)
		(void)!xkd_find_debug(&z->s->sympath, z->find, z->kernel, &z->s->log,
				      &z->s->cancel, &why);
	else if (!z->no_kernel)
		xkd_log(&z->s->log, XKD_LOG_WARN, "%s; give the kernel with -z", why.msg);
	z->no_kernel |= !z->kernel;
	return z->kernel;
}

static struct xkd_image *find_module(struct xkd_symbolizer *z, const char *name,
				     const struct xkd_buildid *id)
{
	struct xkd_want want = { .name = name,
				 .release = z->release[0] ? z->release : NULL,
				 .id = *id,
				 .cancel = &z->s->cancel };
	struct xkd_module *m = z->s->t ? xkd_target_mod_named(z->s->t, name) : NULL;
	struct xkd_image *img = m && !m->is_kernel ? xkd_target_mod_image(z->s->t, m) : NULL;
	struct xkd_err why = XKD_ERR_INIT;

	if (img)
		return xkd_image_ref(img);
	if (xkd_find_image(&z->s->sympath, z->find, &want, &z->s->log, &img, NULL, &why)) {
		xkd_log(&z->s->log, XKD_LOG_WARN, "%s", why.msg);
		return NULL;
	}
	(void)!xkd_find_debug(&z->s->sympath, z->find, img, &z->s->log, &z->s->cancel, &why);
	return img;
}

static struct xkd_image *image_of(struct xkd_symbolizer *z, const char *line,
				  const struct xkd_textsite *y)
{
	struct xkd_image *img;
	char *name;

	if (!y->mod_len)
		return kernel(z);
	name = xkd_arena_strndup(&z->arena, line + y->mod, y->mod_len);
	img = xkd_map_get_str(&z->mods, name);
	if (!img) {
		img = find_module(z, name, &y->id);
		xkd_map_put_str(&z->mods, name, img ? (void *)img : &none_marker);
	}
	return (void *)img == &none_marker ? NULL : img;
}

/* --- one place --- */

struct fits {
	const struct xkd_textsite *y;
	uint64_t at[CANDIDATES];
	size_t n, named;
};
static bool see_symbol(void *arg, const struct xkd_sym *sym)
{
	struct fits *f = arg;

	f->named++;
	if (sym->size && (f->y->size < sym->size || f->y->size - sym->size >= PAD_MAX))
		return true;
	for (size_t i = 0; i < f->n; i++)
		if (f->at[i] == sym->addr)
			return true;
	if (f->n < CANDIDATES)
		f->at[f->n++] = sym->addr;
	return true;
}

static void put_line(struct xkd_buf *out, const char *file, unsigned line)
{
	if (!file)
		return;
	xkd_buf_str(out, " [");
	xkd_buf_escaped(out, file, strlen(file));
	if (line)
		xkd_buf_printf(out, " @ %u", line);
	xkd_buf_ch(out, ']');
}

/* The inlined functions at a place as lines of their own, innermost first, and the line in the real
 * function, which is returned in out. */
static void place(struct xkd_symbolizer *z, struct xkd_image *img, uint64_t iaddr,
		  const char *line, size_t indent, struct xkd_buf *out, struct xkd_buf *inlines)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_line row = { 0 };
	struct xkd_err ignored;
	struct xkd_dwarf *d;
	const char *file;
	unsigned no;
	size_t n = 0;

	if (xkd_image_dwarf(img, &d, &ignored))
		return;
	xkd_dwarf_set_cancel(d, &z->s->cancel);
	if (xkd_dwarf_line_at(d, iaddr, &row, &ignored))
		row = (struct xkd_line){ 0 };
	if (xkd_dwarf_funcs_at(d, iaddr, f, XKD_INLINE_MAX, &n, &ignored))
		n = 0;
	file = row.file;
	no = row.line;
	for (size_t i = 0; i + 1 < n && f[i].inlined; i++) {
		if (inlines) {
			xkd_buf_add(inlines, line, indent);
			if (f[i].name)
				xkd_buf_escaped(inlines, f[i].name, strlen(f[i].name));
			xkd_buf_str(inlines, f[i].name ? " (inline)" : "? (inline)");
			put_line(inlines, file, no);
			xkd_buf_ch(inlines, '\n');
		}
		file = f[i].call_file;
		no = f[i].call_line;
	}
	put_line(out, file, no);
}

/* An address that a call returns to stands for the call before it. */
static uint64_t looked_up(const struct xkd_textsite *y, uint64_t iaddr, uint64_t off)
{
	return y->exact || !off ? iaddr : iaddr - 1;
}

static void name_symbol(struct xkd_symbolizer *z, const char *line, size_t indent,
			const struct xkd_textsite *y, struct xkd_buf *out, struct xkd_buf *inlines)
{
	struct xkd_image *img = image_of(z, line, y);
	struct fits f = { .y = y };
	struct xkd_buf first = XKD_BUF_INIT, other = XKD_BUF_INIT;
	char name[512];

	if (!img || y->name_len >= sizeof(name) || y->off > y->size)
		return;
	memcpy(name, line + y->name, y->name_len);
	name[y->name_len] = 0;
	xkd_image_sym_all_named(img, name, see_symbol, &f);
	if (!f.n) {
		z->unfit++;
		return;
	}
	z->named++;
	for (size_t i = 0; i < f.n; i++) {
		xkd_buf_reset(&other);
		place(z, img, looked_up(y, f.at[i] + y->off, y->off), line, indent, &other,
		      f.n == 1 ? inlines : NULL);
		if (i && strcmp(first.s, other.s))
			xkd_buf_str(out, " or");
		if (!i || strcmp(first.s, other.s))
			xkd_buf_str(out, other.s);
		if (!i)
			xkd_buf_str(&first, other.s);
	}
	xkd_buf_fini(&first);
	xkd_buf_fini(&other);
}

/* A line with both tells how far the kernel was moved. */
static void learn_slide(struct xkd_symbolizer *z, const char *line, const struct xkd_textsite *y)
{
	struct fits f = { .y = y };
	struct xkd_image *img;
	char name[512];

	if (!y->has_addr || !y->name_len || y->mod_len || y->name_len >= sizeof(name) ||
	    z->from != SLIDE_UNKNOWN || !(img = kernel(z)))
		return;
	memcpy(name, line + y->name, y->name_len);
	name[y->name_len] = 0;
	xkd_image_sym_all_named(img, name, see_symbol, &f);
	if (f.n != 1 || f.named != 1)
		return;
	z->slide = y->addr - (f.at[0] + y->off);
	z->from = SLIDE_TEXT;
}

static void put_name(struct xkd_buf *out, const struct xkd_sym *sym, uint64_t iaddr,
		     const char *mod)
{
	xkd_buf_ch(out, ' ');
	xkd_buf_escaped(out, sym->name, strlen(sym->name));
	xkd_buf_printf(out, "+0x%llx/0x%llx", (unsigned long long)(iaddr - sym->addr), (unsigned long long)sym->size);
	if (mod)
		xkd_buf_printf(out, " [%s]", mod);
}

/* A bare address: in code only, for numbers that look like addresses of data are many. */
static void name_address(struct xkd_symbolizer *z, const char *line, size_t indent,
			 const struct xkd_textsite *y, struct xkd_buf *out,
			 struct xkd_buf *inlines)
{
	struct xkd_module *m = z->s->t ? xkd_target_mod_at(z->s->t, y->addr) : NULL;
	struct xkd_image *img = NULL;
	const struct xkd_section *sec;
	uint64_t iaddr = y->addr - z->slide;
	struct xkd_sym sym;

	if (m && !m->is_kernel && (img = xkd_target_mod_image(z->s->t, m)) &&
	    !xkd_module_to_image(m, y->addr, &iaddr))
		return;
	if (!img) {
		m = NULL;
		img = kernel(z);
	}
	sec = img ? xkd_image_section_at(img, iaddr) : NULL;
	if (!sec || !(sec->flags & SHF_EXECINSTR))
		return;
	if (!m && z->from == SLIDE_UNKNOWN && !z->guessed) {
		z->guessed = true;
		xkd_log(&z->s->log, XKD_LOG_WARN,
			"the text does not tell the kernel's offset (KASLR): 0 is taken; give "
			"another with --slide");
	}
	if (xkd_image_sym_at(img, looked_up(y, iaddr, 1), &sym, NULL) ||
	    (sym.size && iaddr - sym.addr > sym.size))
		return;
	z->named++;
	put_name(out, &sym, iaddr, m ? m->name : NULL);
	place(z, img, looked_up(y, iaddr, iaddr - sym.addr), line, indent, out, inlines);
}

/* --- lines --- */

static void put_lines(struct xkd_symbolizer *z, const struct xkd_buf *b)
{
	const char *p = b->s, *e;

	for (; (e = strchr(p, '\n')); p = e + 1)
		z->y->put(z->y->arg, p, (size_t)(e - p), true);
}

static void show(struct xkd_symbolizer *z, const char *line, size_t len, bool newline,
		 const struct xkd_textsite *y, size_t n)
{
	struct xkd_buf out = XKD_BUF_INIT, inlines = XKD_BUF_INIT;
	size_t indent = xkd_text_indent(line, len), at = 0;

	for (size_t i = 0; i < n; i++) {
		xkd_buf_add(&out, line + at, y[i].end - at);
		at = y[i].end;
		if (y[i].name_len)
			name_symbol(z, line, indent, &y[i], &out, &inlines);
		else
			name_address(z, line, indent, &y[i], &out, &inlines);
	}
	xkd_buf_add(&out, line + at, len - at);
	put_lines(z, &inlines);
	z->y->put(z->y->arg, out.s, out.len, newline);
	xkd_buf_fini(&out);
	xkd_buf_fini(&inlines);
}

void xkd_symbolizer_flush(struct xkd_symbolizer *z)
{
	for (size_t i = 0; i < z->held.n; i++) {
		struct xkd_textsite y[XKD_TEXTSITES];
		struct held *h = &z->held.p[i];

		show(z, h->text, h->len, h->newline, y, xkd_text_sites(h->text, h->len, y));
		free(h->text);
	}
	z->held.n = 0;
	z->held_bytes = 0;
}

bool xkd_symbolizer_holds(const struct xkd_symbolizer *z)
{
	return z->held.n > 0;
}

/* Another boot in the same log: what was learnt of the last one does not hold any more. */
static void new_boot(struct xkd_symbolizer *z, const struct xkd_textfacts *f)
{
	xkd_symbolizer_flush(z);
	if (z->from == SLIDE_TEXT) {
		z->from = SLIDE_UNKNOWN;
		z->slide = 0;
	}
	if (!z->s->t || !xkd_target_kernel(z->s->t)) {
		if (strcmp(z->release, f->release)) {
			xkd_image_unref(z->kernel);
			z->kernel = NULL;
			z->kernel_tried = false;
		}
	}
}

static void take_facts(struct xkd_symbolizer *z, const char *line, size_t len)
{
	bool own = z->s->t && xkd_target_kernel(z->s->t);
	struct xkd_textfacts f;

	xkd_text_facts(line, len, &f);
	if (f.boots)
		new_boot(z, &f);
	if (f.has_slide && z->from < SLIDE_GIVEN) {
		z->slide = f.slide;
		z->from = SLIDE_TEXT;
	}
	if (!f.release[0])
		return;
	if (own && z->release[0] && strcmp(f.release, z->release) && !z->no_kernel) {
		z->no_kernel = true;
		xkd_log(&z->s->log, XKD_LOG_WARN, "the text is of %s, the kernel given is %s",
			f.release, z->release);
	}
	if (!own && !z->release[0] && !z->kernel)
		z->kernel_tried = false; /* now it can be searched for */
	if (!own)
		snprintf(z->release, sizeof(z->release), "%s", f.release);
}

void xkd_symbolizer_line(struct xkd_symbolizer *z, const char *line, size_t len, bool newline)
{
	struct xkd_textsite y[XKD_TEXTSITES];
	size_t n = xkd_text_sites(line, len, y);
	bool wait = z->held.n > 0;

	take_facts(z, line, len);
	for (size_t i = 0; i < n; i++) {
		learn_slide(z, line, &y[i]);
		wait |= y[i].has_addr && !y[i].name_len;
	}
	if (z->from != SLIDE_UNKNOWN || z->held_bytes > HOLD_MAX) {
		xkd_symbolizer_flush(z);
		wait = false;
	}
	if (!wait) {
		show(z, line, len, newline, y, n);
		return;
	}
	*xkd_vec_push(&z->held) = (struct held){ xkd_malloc(len + 1), len, newline };
	memcpy(z->held.p[z->held.n - 1].text, line, len);
	z->held_bytes += len + sizeof(struct held);
}
