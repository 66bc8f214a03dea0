/* A kernel and its modules without any file: names from kallsyms, types from BTF, unwinding from
 * ORC, all from the target's memory, put into made images (symbols/image_made.h) at target
 * addresses.
 *
 * The kernel's tables lie in its read-only data, so what is executable is passed over. Invariants:
 * everything is read once and bounded before it is asked for; what cannot be read is left out, and
 * only the names are needed for success. */
#include "engine/os/linux/linux.h"
#include "symbols/image_made.h"
#include "symbols/kallsyms.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX (160u << 20) /* bytes behind _text that are searched */
#define CHUNK (1u << 20)
#define PIECE (64u << 10)
#define PAGE 4096u
#define STEP 0x200000ULL
#define AFTER_TOKENS (12u << 20) /* offsets of SYMS_MAX names, at most, lie behind them */
#define BTF_MAX (64u << 20)
#define ORC_MAX (64u << 20)
#define NOTES_MAX (64u << 10)
#define MADE_SECS 24
#define MADE_FROM "from memory"

/* What could not be read stays zero; pages of an image come and go (freed gaps). */
static enum xkd_rc read_holes(struct xkd_target *t, const struct xkd_space *sp, uint64_t addr,
			      uint8_t *buf, size_t len, struct xkd_err *err)
{
	for (size_t off = 0; off < len;) {
		size_t n = len - off < PIECE ? len - off : PIECE, done = 0;
		enum xkd_rc rc = xkd_mem_read(t, sp, addr + off, buf + off, n, &done, err);

		if (rc == XKD_TRANSPORT || rc == XKD_CANCELED)
			return rc;
		off += done;
		if (rc)
			off += PAGE - (size_t)((addr + off) % PAGE);
	}
	return XKD_OK;
}

/* Behind the executable part; text itself where permissions cannot be seen or are not set yet. */
static uint64_t data_start(struct xkd_target *t, const struct linux_view *v, uint64_t text)
{
	struct xkd_err ignored;
	uint64_t va = text;

	while (v->has_pg && va - text < IMAGE_MAX) {
		struct xkd_xlat x;

		if (xkd_mem_xlat(t, &v->sp, va, &x, &ignored) || !x.ok) {
			va += PAGE;
			if (va % STEP == 0) /* a freed gap is shorter than that */
				break;
			continue;
		}
		if (x.nx)
			return va;
		va += x.page_size - va % x.page_size;
	}
	return text;
}

static enum xkd_rc find_names(struct xkd_target *t, const struct linux_view *v, uint64_t text,
			      uint64_t start, struct xkd_arena *a, struct xkd_kallsyms *k,
			      struct xkd_err *err)
{
	size_t max = IMAGE_MAX - (size_t)(start - text), n = 0, seen = 0, table, index, stop = max;
	uint8_t *mem = calloc(1, max); /* touched only as far as it is filled */
	enum xkd_rc rc = XKD_NOTFOUND;
	bool more = true;

	if (!mem)
		return xkd_err_set(err, XKD_NOMEM, "no memory to search the kernel's image in");
	while (rc && n < stop) {
		size_t len = stop - n < CHUNK ? stop - n : CHUNK;

		xkd_progress(t->log, "looking for kallsyms in the kernel's memory", n, 0);
		rc = read_holes(t, &v->sp, start + n, mem + n, len, err);
		if (rc)
			break;
		n += len;
		rc = XKD_NOTFOUND;
		if (!xkd_kallsyms_tokens(mem, n, seen, &table, &index)) {
			seen = n > 2 * CHUNK ? n - CHUNK : 0;
			continue;
		}
		rc = xkd_kallsyms_parse(mem, n, start, text, a, k, &more, err);
		if (rc && !more) /* something else that looks like tokens */
			seen = index + 2;
		else if (rc && stop - n > AFTER_TOKENS)
			stop = n + AFTER_TOKENS;
		if (rc)
			xkd_arena_fini(a);
	}
	xkd_progress(t->log, NULL, 0, 0);
	free(mem);
	if (rc == XKD_NOTFOUND)
		return xkd_err_set(err, rc, "no kallsyms tables in the kernel's memory behind %s",
				   XKD_ADDR(start));
	return rc;
}

/* --- symbols --- */

static void made_type(char type, bool in_text, struct xkd_made_sym *s)
{
	bool weak = strchr("wWvV", type) && type, upper = type >= 'A' && type <= 'Z';

	s->bind = weak ? STB_WEAK : upper || type == 'u' ? STB_GLOBAL : STB_LOCAL;
	s->type = type == 't' || type == 'T' || ((type == 'w' || type == 'W') && in_text) ? STT_FUNC
		  : type == 'a' || type == 'A' ? STT_NOTYPE
					       : STT_OBJECT;
}

static uint64_t named(const struct xkd_kallsyms *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->sym[i].name, name))
			return k->sym[i].addr;
	return 0;
}

static enum xkd_rc kallsym(void *arg, const char *name, struct linux_place *p, struct xkd_err *err)
{
	p->size = 0;
	p->off = named(arg, name);
	return p->off ? XKD_OK : xkd_err_set(err, XKD_NOTFOUND, "no symbol '%s'", name);
}

/* Where it does not apply all addresses are 0, as those of parts that it has not. */
static void shape_of(struct xkd_kallsyms *k, enum linux_shape_id id, struct linux_fit *fit)
{
	struct linux_names from = { .sym = kallsym, .arg = k };
	struct xkd_err ignored;

	if (linux_shape_in(&from, id, fit, &ignored))
		*fit = (struct linux_fit){ .alt = NULL };
}

/* --- sections: what has bytes, and ranges that fill the image in between --- */

struct build {
	struct xkd_target *t;
	struct xkd_space sp;
	struct xkd_arena *a;
	struct xkd_made_sec sec[MADE_SECS];
	size_t n;
};

static struct xkd_made_sec *add_sec(struct build *b, const char *name, uint64_t from, uint64_t to)
{
	struct xkd_made_sec *s = &b->sec[b->n];

	if (!from || to <= from || b->n == MADE_SECS)
		return NULL;
	*s = (struct xkd_made_sec){ .name = name, .addr = from, .size = to - from, .loaded = true };
	b->n++;
	return s;
}

/* The section's bytes; left out altogether when they cannot be had. */
static void add_bytes(struct build *b, const char *name, uint64_t from, uint64_t to, uint64_t max,
		      bool loaded)
{
	struct xkd_err ignored;
	struct xkd_made_sec *s;
	uint8_t *p;

	if (to < from || to - from > max || !(s = add_sec(b, name, from, to)))
		return;
	p = xkd_arena_alloc(b->a, (size_t)s->size);
	if (xkd_mem_read(b->t, &b->sp, from, p, (size_t)s->size, NULL, &ignored)) {
		b->n--;
		return;
	}
	s->data = p;
	s->loaded = loaded;
}

static int sec_cmp(const void *a, const void *b)
{
	const struct xkd_made_sec *x = a, *y = b;

	if (x->loaded != y->loaded)
		return x->loaded ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Hostile symbols can make sections overlap: the later one goes. Then the gaps are filled. */
static void fill_gaps(struct build *b, uint64_t start, uint64_t end)
{
	size_t n, out = 0;

	qsort(b->sec, b->n, sizeof(b->sec[0]), sec_cmp);
	for (size_t i = 0; i < b->n; i++) {
		const struct xkd_made_sec *s = &b->sec[i];

		if (s->loaded && out && s->addr < b->sec[out - 1].addr + b->sec[out - 1].size)
			continue;
		b->sec[out++] = *s;
	}
	b->n = n = out;
	for (size_t i = 0; i < n && b->sec[i].loaded; i++) {
		if (b->sec[i].addr > start && b->sec[i].addr <= end)
			add_sec(b, ".data", start, b->sec[i].addr);
		if (b->sec[i].addr + b->sec[i].size > start)
			start = b->sec[i].addr + b->sec[i].size;
	}
	add_sec(b, ".data", start, end);
}

/* Between two parts of a shape. */
static void add_part(struct build *b, const char *name, const struct linux_fit *fit, unsigned start,
		     uint64_t max, bool loaded)
{
	add_bytes(b, name, fit->at[start].off, fit->at[start + 1].off, max, loaded);
}

static void kernel_sections(struct build *b, struct xkd_kallsyms *k, uint64_t text, uint64_t end)
{
	struct xkd_made_sec *s;
	struct linux_fit fit;

	if ((s = add_sec(b, ".text", text, named(k, "_etext"))))
		s->exec = true;
	if ((s = add_sec(b, ".init.text", named(k, "_sinittext"), named(k, "_einittext"))))
		s->exec = true;
	shape_of(k, SHAPE_NOTES, &fit);
	add_part(b, ".notes", &fit, AT_START, NOTES_MAX, true);
	shape_of(k, SHAPE_ORC, &fit);
	add_part(b, ".orc_unwind_ip", &fit, AT_START, ORC_MAX, true);
	add_part(b, ".orc_unwind", &fit, AT_ENTRIES, ORC_MAX, false);
	add_part(b, ".orc_header", &fit, AT_HEADER, PAGE, false);
	shape_of(k, SHAPE_BTF, &fit);
	add_part(b, ".BTF", &fit, AT_START, BTF_MAX, false);
	fill_gaps(b, text, end);
}

static enum xkd_rc make_kernel(struct build *b, struct xkd_kallsyms *k, uint64_t text,
			       struct xkd_image **img, struct xkd_err *err)
{
	uint64_t etext = named(k, "_etext"), end = named(k, "_end");
	struct xkd_made m = { .origin = MADE_FROM, .nsym = k->n };
	struct xkd_made_sym *sym = xkd_calloc(k->n, sizeof(*sym));
	enum xkd_rc rc;

	if (end <= text || end - text > LINUX_KERNEL_MAP_END - LINUX_KERNEL_MAP)
		end = text + IMAGE_MAX;
	kernel_sections(b, k, text, end);
	for (size_t i = 0; i < k->n; i++) {
		sym[i].name = k->sym[i].name;
		sym[i].addr = k->sym[i].addr;
		made_type(k->sym[i].type, sym[i].addr >= text && sym[i].addr < etext, &sym[i]);
	}
	m.sec = b->sec;
	m.nsec = b->n;
	m.sym = sym;
	rc = xkd_image_make(&m, b->t->log, img, err);
	free(sym);
	return rc;
}

enum xkd_rc linux_kernel_from_memory(struct xkd_target *t, const struct linux_view *v,
				     uint64_t text, struct xkd_image **img, size_t *nsyms,
				     struct xkd_err *err)
{
	struct xkd_arena a;
	struct build b = { .t = t, .sp = v->sp, .a = &a };
	struct xkd_kallsyms k;
	uint64_t start = data_start(t, v, text);
	enum xkd_rc rc;

	*img = NULL;
	xkd_arena_init(&a);
	rc = find_names(t, v, text, start, &a, &k, err);
	if (rc == XKD_NOTFOUND && start != text)
		rc = find_names(t, v, text, text, &a, &k, err);
	if (!rc) {
		*nsyms = k.n;
		xkd_log(t->log, XKD_LOG_SYM, "kallsyms in memory: %zu names, %s", k.n, k.layout);
		rc = make_kernel(&b, &k, text, img, err);
	}
	xkd_arena_fini(&a);
	return rc;
}
