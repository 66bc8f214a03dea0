/* Every shape of engine/os/linux/shapes.c against the kernels at hand: in ~/.cache/xkd (XKD_CACHE),
 * kernels/ with their debug info, and shapes/ with what tools/kernels shapes keeps: of those the
 * image is made from memory as for a target without files, so the search for kallsyms, BTF and ORC is
 * tried too. Says which alternative applies; fails where none does, where pahole has another offset
 * or size, and where a table's symbol lies elsewhere than the file's section.
 *
 * With --table: what docs/shapes.md holds. */
#include "engine/os/linux/linux.h"
#include "symbols/kallsyms.h"
#include "symbols/orc.h"
#include "tests/shapes/pahole.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <elf.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_ROWS 2 /* what is no shape: kallsyms, ORC */

struct kernel {
	char release[128];
	char path[512];
	bool from_memory;
	struct xkd_image *file;
	struct xkd_target *t;
	char cell[LINUX_SHAPES + OWN_ROWS][64];
};
static bool table;

static void result(bool good, const struct kernel *k, const char *what, const char *how)
{
	if (!table)
		ok(good, "%s%s: %s: %s", k->release, k->from_memory ? " (memory)" : "", what, how);
	else if (!good)
		fprintf(stderr, "%s: %s: %s\n", k->release, what, how);
}

/* --- opening --- */

/* The layout of kallsyms, and _text as they have it: nothing else in the file tells it. */
static bool kallsyms_layout(struct kernel *k, uint64_t *text, struct xkd_err *err)
{
	const struct xkd_section *s = xkd_image_section_named(k->file, ".rodata");
	struct xkd_kallsyms ks = { .n = 0 };
	struct xkd_arena a;
	const uint8_t *data;
	size_t size;
	bool more;

	xkd_arena_init(&a);
	*text = 0;
	if (s && !xkd_image_section_data(k->file, s, &data, &size, err) &&
	    !xkd_kallsyms_parse(data, size, s->addr, 0, &a, &ks, &more, err))
		snprintf(k->cell[LINUX_SHAPES], sizeof(k->cell[0]), "%s", ks.layout);
	for (size_t i = 0; i < ks.n && !*text; i++)
		if (!strcmp(ks.sym[i].name, "_text"))
			*text = ks.sym[i].addr;
	xkd_arena_fini(&a);
	result(*text >= LINUX_KERNEL_MAP, k, "kallsyms", *text ? k->cell[LINUX_SHAPES] : err->msg);
	return *text >= LINUX_KERNEL_MAP;
}

static bool open_memory(struct kernel *k, struct xkd_err *err)
{
	uint64_t text;
	struct linux_view v = { .sp = xkd_space_cpu(0) };
	struct xkd_module *m;
	struct xkd_image *img;
	size_t names;

	if (xkd_image_open(k->path, NULL, &k->file, err))
		return false;
	if (!kallsyms_layout(k, &text, err))
		return false;
	k->t = mock_open();
	for (size_t i = 0; i < xkd_image_nsections(k->file); i++) {
		const struct xkd_section *s = xkd_image_section(k->file, i);

		/* only read: nothing writes to a target here */
		if ((s->flags & SHF_ALLOC) && s->data && s->size)
			mock_seg(k->t, s->addr, (void *)(uintptr_t)s->data, (size_t)s->size);
	}
	if (linux_kernel_from_memory(k->t, &v, text, &img, &names, err))
		return false;
	m = xkd_calloc(1, sizeof(*m));
	strcpy(m->name, "lk");
	m->is_kernel = true;
	m->img = img;
	m->state = XKD_SYMS_BTF;
	*xkd_vec_push(&m->ranges) = (struct xkd_modrange){ text, LINUX_KERNEL_MAP_END - text };
	*xkd_vec_push(&k->t->mods) = m;
	return true;
}

static bool open_whole(struct kernel *k, struct xkd_err *err)
{
	uint64_t text;
	struct xkd_module *m;

	k->t = mock_open();
	m = mock_kernel(k->t, k->path, 0, LINUX_KERNEL_MAP, LINUX_KERNEL_MAP_END - LINUX_KERNEL_MAP);
	if (!m)
		return false;
	k->file = xkd_image_ref(m->img);
	return kallsyms_layout(k, &text, err);
}

/* --- one shape --- */

static bool has(const struct kernel *k, const char *symbol)
{
	struct xkd_symref sym;
	struct xkd_err ignored;
	char name[160] = "lk!";

	strncat(name, symbol, sizeof(name) - 4);
	return !xkd_sym_named(k->t, name, &sym, &ignored);
}

/* A feature that a kernel may be without is whole or is not there at all: none of its symbols is. What
 * has no symbols of its own belongs to modules. */
static bool absent(const struct kernel *k, enum linux_shape_id id)
{
	const struct linux_shape *s = &linux_shapes[id];
	bool symbols = false;

	for (unsigned i = 0; i < LINUX_SHAPE_ALTS && s->alt[i].name; i++)
		for (unsigned part = 0; part < LINUX_SHAPE_PARTS; part++) {
			const char *p = s->alt[i].part[part];

			if (!p || *p != '&')
				continue;
			symbols = true;
			if (has(k, p + 1))
				return false;
		}
	return s->optional && (symbols || !has(k, "modules"));
}

/* Splits "?struct.path@8"; false for symbols and what is not there. */
static bool split(const struct linux_fit *fit, unsigned part, char type[160], const char **path)
{
	const char *p = fit->alt->part[part];

	if (!fit->at[part].there || *p == '&')
		return false;
	snprintf(type, 160, "%s", p + (*p == '?'));
	type[strcspn(type, "@")] = 0;
	*path = strchr(type, '.') ? strchr(type, '.') + 1 : "";
	type[strcspn(type, ".")] = 0;
	return true;
}

static void against_pahole(const struct kernel *k, const struct linux_fit fits[LINUX_SHAPES],
			   struct pahole *truth)
{
	unsigned asked = 0, agreed = 0;
	char type[160], say[64];
	const char *path;
	bool more = true;

	for (unsigned round = 0; more && round < 6; round++) {
		more = false;
		asked = agreed = 0;
		for (unsigned id = 0; id < LINUX_SHAPES; id++)
			for (unsigned i = 0; fits[id].alt && i < LINUX_SHAPE_PARTS; i++) {
				const struct linux_place *p = &fits[id].at[i];
				uint64_t off = 0, size = 0;
				bool wait = false, got;

				if (!split(&fits[id], i, type, &path))
					continue;
				asked++;
				got = pahole_member(truth, type, path, &off, &size, &wait);
				more |= wait;
				if (got && off == p->off && size == p->size)
					agreed++;
				else if (!wait)
					fprintf(stderr,
						"# %s: %s.%s: pahole %s %llu+%llu, here %llu+%llu\n",
						k->release, type, path, got ? "has" : "has it not",
						(unsigned long long)off, (unsigned long long)size,
						(unsigned long long)p->off,
						(unsigned long long)p->size);
			}
		if (more && !pahole_ask(truth))
			break;
	}
	snprintf(say, sizeof(say), "%u of %u", agreed, asked);
	result(asked > 50 && agreed == asked, k, "offsets and sizes that pahole agrees with", say);
}

/* The linker's symbols around tables, against the section headers of the file. */
static void against_sections(const struct kernel *k, const struct linux_fit fits[LINUX_SHAPES])
{
	static const struct {
		enum linux_shape_id id;
		unsigned part;
		const char *section;
	} rows[] = { { SHAPE_NOTES, AT_START, ".notes" },
		     { SHAPE_ORC, AT_START, ".orc_unwind_ip" },
		     { SHAPE_ORC, AT_ENTRIES, ".orc_unwind" },
		     { SHAPE_ORC, AT_HEADER, ".orc_header" },
		     { SHAPE_BTF, AT_START, ".BTF" } };
	char say[160];

	for (size_t i = 0; i < XKD_COUNT(rows); i++) {
		const struct linux_place *p = &fits[rows[i].id].at[rows[i].part];
		const struct xkd_section *s = xkd_image_section_named(k->file, rows[i].section);

		if (!s && !p->there)
			continue;
		snprintf(say, sizeof(say), "%llx, section at %llx", (unsigned long long)p->off,
			 s ? (unsigned long long)s->addr : 0ULL);
		result(s && p->there && p->off == s->addr &&
			       p[1].off - p->off == s->size,
		       k, rows[i].section, say);
	}
}

static void orc_version(struct kernel *k)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_orc *told = NULL, *o = NULL;
	const uint8_t *ips, *entries;
	size_t n, m;
	const struct xkd_section *a = xkd_image_section_named(k->file, ".orc_unwind_ip");
	const struct xkd_section *b = xkd_image_section_named(k->file, ".orc_unwind");
	char say[64];

	if (!a || !b || xkd_image_orc(k->file, &told, &err) ||
	    xkd_image_section_data(k->file, a, &ips, &n, &err) ||
	    xkd_image_section_data(k->file, b, &entries, &m, &err) ||
	    xkd_orc_open(ips, entries, n / 4 < m / 6 ? n / 4 : m / 6, a->addr, true, NULL, 0, &o,
			 &err)) {
		result(false, k, "ORC", err.msg);
		return;
	}
	snprintf(k->cell[LINUX_SHAPES + 1], sizeof(k->cell[0]), "v%d", (int)xkd_orc_version(told));
	snprintf(say, sizeof(say), "v%d by header or members, v%d by entries",
		 (int)xkd_orc_version(told), (int)xkd_orc_version(o));
	result(xkd_orc_version(told) == xkd_orc_version(o), k, "ORC entries", say);
	xkd_orc_close(o);
}

static void check(struct kernel *k, bool with_pahole)
{
	static struct linux_fit fits[LINUX_SHAPES];
	struct xkd_err err = XKD_ERR_INIT;

	if (k->from_memory ? !open_memory(k, &err) : !open_whole(k, &err)) {
		result(false, k, "opened", err.msg);
		return;
	}
	for (unsigned id = 0; id < LINUX_SHAPES; id++) {
		bool fails = linux_shape(k->t, id, &fits[id], &err);

		if (fails)
			fits[id].alt = NULL;
		snprintf(k->cell[id], sizeof(k->cell[id]), "%s",
			 fits[id].alt ? fits[id].alt->name : "-");
		result(!fails || absent(k, id), k, linux_shapes[id].name,
		       !fails ? fits[id].alt->name : err.msg);
	}
	against_sections(k, fits);
	orc_version(k);
	if (with_pahole) {
		struct pahole *truth = pahole_open(k->path);

		against_pahole(k, fits, truth);
		pahole_close(truth);
	} else if (!table) {
		skip("offsets and sizes", "no pahole");
	}
}

/* --- all kernels --- */

static int by_release(const void *a, const void *b)
{
	const struct kernel *x = a, *y = b;
	int c = strverscmp(x->release, y->release);

	return c ? c : (int)y->from_memory - (int)x->from_memory;
}

typedef XKD_VEC(struct kernel) kernels;

static void find(kernels *all, const char *cache, const char *sub, bool from_memory)
{
	char pattern[600];
	glob_t g;

	snprintf(pattern, sizeof(pattern), from_memory ? "%s/%s/*" : "%s/%s/*/usr/lib/debug/boot/vmlinux-*",
		 cache, sub);
	if (!glob(pattern, 0, NULL, &g))
		for (size_t i = 0; i < g.gl_pathc; i++) {
			const char *base = strrchr(g.gl_pathv[i], '/') + 1;
			struct stat st;
			struct kernel *k;

			if (stat(g.gl_pathv[i], &st) || !S_ISREG(st.st_mode))
				continue;
			k = xkd_vec_push(all);
			*k = (struct kernel){ .from_memory = from_memory };
			snprintf(k->path, sizeof(k->path), "%.500s", g.gl_pathv[i]);
			snprintf(k->release, sizeof(k->release), "%.120s",
				 strncmp(base, "vmlinux-", 8) ? base : base + 8);
		}
	globfree(&g);
}

static const char *row_name(unsigned row)
{
	return row < LINUX_SHAPES ? linux_shapes[row].name :
	       row == LINUX_SHAPES ? "kallsyms tables" :
				     "ORC entries";
}

/* Letters for the ways that a row is met, in the order that they first come. */
static void print_table(const kernels *all)
{
	printf("| shape |");
	for (size_t i = 0; i < all->n; i++) {
		char name[128];
		char *end;

		snprintf(name, sizeof(name), "%s", all->p[i].release);
		if ((end = strstr(name, "-amd64")))
			*end = 0;
		printf(" %s |", name);
	}
	printf("\n|---|");
	for (size_t i = 0; i < all->n; i++)
		printf("---|");
	for (unsigned row = 0; row < LINUX_SHAPES + OWN_ROWS; row++) {
		const char *seen[26];
		size_t n = 0;

		printf("\n| %s |", row_name(row));
		for (size_t i = 0; i < all->n; i++) {
			const char *cell = all->p[i].cell[row];
			size_t j = 0;

			while (j < n && strcmp(seen[j], cell))
				j++;
			if (j == n && n < XKD_COUNT(seen) && strcmp(cell, "-"))
				seen[n++] = cell;
			printf(" %c |", !strcmp(cell, "-") ? '-' : (char)('a' + j));
		}
	}
	printf("\n\n| shape | alternatives |\n|---|---|");
	for (unsigned row = 0; row < LINUX_SHAPES + OWN_ROWS; row++) {
		const char *seen[26];
		size_t n = 0;

		printf("\n| %s |", row_name(row));
		for (size_t i = 0; i < all->n; i++) {
			const char *cell = all->p[i].cell[row];
			size_t j = 0;

			while (j < n && strcmp(seen[j], cell))
				j++;
			if (j < n || n == XKD_COUNT(seen) || !strcmp(cell, "-"))
				continue;
			printf("%s **%c** %s", n ? ";" : "", (char)('a' + n), cell);
			seen[n++] = cell;
		}
		printf(" |");
	}
	putchar('\n');
}

/* The same kernel by its debug file and by what its image carries. */
static void same_twice(const kernels *all)
{
	for (size_t i = 1; i < all->n; i++) {
		const struct kernel *a = &all->p[i - 1], *b = &all->p[i];
		bool same = true;

		if (strcmp(a->release, b->release))
			continue;
		for (unsigned row = 0; row < LINUX_SHAPES + OWN_ROWS; row++)
			same &= !strcmp(a->cell[row], b->cell[row]);
		result(same, b, "as told from memory", same ? "the same" : "different");
	}
}

int main(int argc, char **argv)
{
	const char *cache = getenv("XKD_CACHE"), *home = getenv("HOME");
	bool with_pahole = pahole_there();
	kernels all = { 0 };
	char dir[512];

	table = argc > 1 && !strcmp(argv[1], "--table");
	snprintf(dir, sizeof(dir), "%s%s", cache && *cache ? cache : home ? home : "",
		 cache && *cache ? "" : "/.cache/xkd");
	find(&all, dir, "kernels", false);
	find(&all, dir, "shapes", true);
	if (!all.n) {
		printf("1..0 # SKIP no kernels in %s: tools/kernels shapes fetches what this takes\n",
		       dir);
		return 0;
	}
	xkd_vec_sort(&all, by_release);
	for (size_t i = 1; table && i < all.n; i++) /* one column a kernel */
		if (!strcmp(all.p[i].release, all.p[i - 1].release)) {
			memmove(&all.p[i], &all.p[i + 1], (all.n - i - 1) * sizeof(all.p[0]));
			all.n--;
			i--;
		}
	for (size_t i = 0; i < all.n; i++) {
		struct kernel *k = &all.p[i];

		check(k, with_pahole);
		if (k->t)
			mock_close(k->t);
		xkd_image_unref(k->file);
	}
	same_twice(&all);
	if (table)
		print_table(&all);
	xkd_vec_fini(&all);
	return table ? 0 : done_testing();
}
