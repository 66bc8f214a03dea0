/* DWARF: lines, chains of inlined functions, variables and globals of small programs that gcc (and
 * clang, where it is) make at test time in several versions; with XKD_KERNEL also of a real kernel.
 * Truth: addr2line and the compiler's own line rows as readelf shows them. */
#include "symbols/dwarf.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"
#include "base/vec.h"
#include <elf.h>
#include <glob.h>

/* Line numbers matter below. */
/* clang-format off */
static const char inl_h[] = "static volatile int sink;\n"				  /* 1 */
			    "static inline __attribute__((always_inline)) int leaf(int v)\n" /* 2 */
			    "{\n"							  /* 3 */
			    "	int twice = v * 2;\n"					  /* 4 */
			    "	sink = twice;\n"					  /* 5 */
			    "	return sink * 3;\n"					  /* 6 */
			    "}\n";
static const char main_c[] = "#include \"inl.h\"\n"					  /* 1 */
			     "int counter = 5, table[3][5];\n"				  /* 2 */
			     "static volatile long hidden[4];\n"				  /* 3 */
			     "extern int elsewhere;\n"					  /* 4 */
			     "static inline __attribute__((always_inline)) int middle(int v)\n"
			     "{\n"							  /* 6 */
			     "	int m = leaf(v + 1);\n"					  /* 7 */
			     "	sink = m;\n"						  /* 8 */
			     "	return m + leaf(m);\n"					  /* 9 */
			     "}\n"							  /* 10 */
			     "__attribute__((noinline)) int outer(int p, long q, char unused)\n"
			     "{\n"							  /* 12 */
			     "	const int fixed = 42;\n"				  /* 13 */
			     "	int local = middle(p);\n"				  /* 14 */
			     "	for (int i = 0; i < 3; i++) {\n"			  /* 15 */
			     "		int inner = local * i;\n"			  /* 16 */
			     "		sink = inner + counter;\n"			  /* 17 */
			     "	}\n"							  /* 18 */
			     "\n"							  /* 19 */
			     "	hidden[q & 3] = fixed + elsewhere;\n"			  /* 20 */
			     "	return local + (int)q;\n"				  /* 21 */
			     "}\n"							  /* 22 */
			     "int _start(void)\n"					  /* 23 */
			     "{\n"							  /* 24 */
			     "	return outer(counter, table[1][2], 'x');\n"		  /* 25 */
			     "}\n";
/* Code of a header before any of the file itself: the line program's first file then is the header.
 * part becomes a copy without its first parameter; the filler makes large steps of address. */
static const char first_h[] = "int first(int a)\n"
			      "{\n"
			      "	return a * 3;\n"
			      "}\n";
static const char other_c[] = "#include \"first.h\"\n"
			      "int elsewhere = 1;\n"
			      "static int hidden = 7;\n"
			      "static __attribute__((noinline)) int part(int dead, int b, int c)\n"
			      "{\n"
			      "	__asm__ volatile(\".skip 20, 0x90\");\n"
			      "	__asm__ volatile(\".skip 24, 0x90\");\n"
			      "	__asm__ volatile(\".skip 90, 0x90\");\n"
			      "	return b * c + first(b) * dead;\n"
			      "}\n"
			      "int other(int x)\n"
			      "{\n"
			      "	return part(5, x, hidden) + __atomic_add_fetch(&hidden, 1, 5);\n"
			      "}\n";
/* clang-format on */

static struct xkd_log quiet;

struct file {
	struct xkd_image *img;
	struct xkd_dwarf *d;
};
static bool open_file(struct file *f, const char *path)
{
	struct xkd_err err = XKD_ERR_INIT;

	f->img = NULL;
	if (xkd_image_open(path, &quiet, &f->img, &err) || xkd_image_dwarf(f->img, &f->d, &err)) {
		printf("# %s\n", err.msg);
		if (f->img)
			xkd_image_unref(f->img);
		return false;
	}
	return true;
}

/* --- addresses against addr2line --- */
static const char *strip_dir(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n && !strncmp(path, dir, n) && path[n] == '/' ? path + n + 1 : path;
}

/* "file:line" of addr2line as we would write it: below dir, "?" as 0, no discriminator, "./" and
 * ".." resolved. */
static void normal_place(char *dst, size_t size, char *s, const char *dir)
{
	char *disc = strstr(s, " (disc"), *colon, *dots;

	if (disc)
		*disc = 0;
	while ((dots = strstr(s, "/./")))
		memmove(dots, dots + 2, strlen(dots + 2) + 1);
	while ((dots = strstr(s, "/../")) && dots > s) {
		char *prev = dots - 1;

		while (prev > s && *prev != '/')
			prev--;
		memmove(prev, dots + 3, strlen(dots + 3) + 1);
	}
	colon = strrchr(s, ':');
	if (colon)
		*colon++ = 0;
	snprintf(dst, size, "%.400s:%.12s", strip_dir(s, dir),
		 colon && *colon != '?' ? colon : "0");
}

/* What xkd says of an address: function and place lines, in addr2line's order. */
static size_t ask(struct file *f, uint64_t addr, char out[][512], size_t max)
{
	struct xkd_dfunc fn[XKD_INLINE_MAX];
	struct xkd_line line;
	struct xkd_err err = XKD_ERR_INIT;
	size_t n = 0, k = 0;

	if (xkd_dwarf_line_at(f->d, addr, &line, &err))
		memset(&line, 0, sizeof(line));
	if (xkd_dwarf_funcs_at(f->d, addr, fn, XKD_INLINE_MAX, &n, &err))
		n = 0;
	for (size_t i = 0; (i < n || !i) && k + 2 <= max; i++) {
		snprintf(out[k++], 512, "%s", n ? fn[i].name : "??");
		if (!i)
			snprintf(out[k++], 512, "%s:%u", line.file ? line.file : "??", line.line);
		else
			snprintf(out[k++], 512, "%s:%u", fn[i - 1].call_file, fn[i - 1].call_line);
	}
	return k;
}

/* BFD up to 2.40 takes rows before the first "set file" of a version 5 line program for file 0; the
 * standard says 1. Then it names the unit's own file, with the line that is right. */
static bool is_file0_slip(struct file *f, uint64_t addr, const char *theirs, const char *ours)
{
	const char *a = strrchr(theirs, ':'), *b = strrchr(ours, ':');
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_dunit u;

	return a && b && !strcmp(a, b) && !xkd_dwarf_unit(f->d, addr, &u, &err) && u.name &&
	       strlen(u.name) == (size_t)(a - theirs) && !strncmp(u.name, theirs, strlen(u.name));
}

struct tally {
	unsigned asked, differ, nofunc, slips;
};
static void compare(struct file *f, uint64_t addr, char theirs[][512], size_t n, struct tally *t)
{
	static char ours[2 * XKD_INLINE_MAX][512];
	size_t k = ask(f, addr, ours, 2 * XKD_INLINE_MAX);

	t->asked++;
	if (n == k && strcmp(ours[1], theirs[1]) && is_file0_slip(f, addr, theirs[1], ours[1])) {
		t->slips++;
		snprintf(theirs[1], 512, "%s", ours[1]);
	}
	/* Outside of every function's DWARF range addr2line falls back on .symtab. */
	if (!strcmp(ours[0], "??") && n == 2 &&
	    (!strcmp(ours[1], theirs[1]) || !strcmp(ours[1], "??:0"))) {
		t->nofunc++;
		return;
	}
	for (size_t i = 0; n == k && i < n; i++)
		if (strcmp(ours[i], theirs[i]))
			k = 0;
	if (n == k)
		return;
	if (t->differ++ < 5)
		for (size_t i = 0; i < n; i++)
			printf("# 0x%" PRIx64 " addr2line %s, xkd %s\n", addr, theirs[i], ours[i]);
}

/* Asks addr2line for the addresses in the file "addrs" (as it wants them: base less). */
static struct tally compare_all(struct file *f, const char *path, const char *section,
				uint64_t base, const char *dir)
{
	static char theirs[2 * XKD_INLINE_MAX][512];
	static char line[4096];
	struct tally t = { 0 };
	uint64_t addr = 0;
	size_t n = 0;
	FILE *p = sh_read("addr2line -a -f -i %s %s -e '%s' < addrs", *section ? "-j" : "", section,
			  path);

	while (p && fgets(line, sizeof(line), p)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "0x", 2)) {
			if (n)
				compare(f, addr, theirs, n, &t);
			addr = strtoull(line, NULL, 16) + base;
			n = 0;
		} else if (n < 2 * XKD_INLINE_MAX) {
			if (n & 1)
				normal_place(theirs[n], 512, line, dir);
			else
				snprintf(theirs[n], 512, "%.511s", line);
			n++;
		}
	}
	if (n)
		compare(f, addr, theirs, n, &t);
	if (p)
		pclose(p);
	return t;
}

static void every_byte(struct file *f, const char *path, const char *what)
{
	const struct xkd_section *text = xkd_image_section_named(f->img, ".text");
	bool ko = xkd_image_is_ko(f->img);
	FILE *out = fopen(in_scratch("addrs"), "w");
	struct tally t;

	for (uint64_t i = 0; text && out && i < text->size; i++)
		fprintf(out, "%" PRIx64 "\n", (ko ? 0 : text->addr) + i);
	fclose(out);
	t = compare_all(f, path, ko ? ".text" : "", ko ? text->addr : 0, scratch);
	ok(t.asked > 50 && !t.differ && t.nofunc < t.asked / 4,
	   "%s: addr2line -f -i agrees at every byte (%u, %u between functions)", what, t.asked,
	   t.nofunc);
}

/* --- the sample program --- */
static uint64_t sym_addr(struct file *f, const char *name)
{
	struct xkd_sym sym = { .addr = 0 };
	size_t count;

	return xkd_image_sym_named(f->img, name, &sym, &count) ? 0 : sym.addr;
}

struct places {
	uint64_t addr[32];
	size_t n;
};
static bool add_place(void *arg, uint64_t iaddr)
{
	struct places *p = arg;

	if (p->n < 32)
		p->addr[p->n++] = iaddr;
	return true;
}

static void check_lines(struct file *f, const char *what)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_line line;
	struct places p = { .n = 0 };
	unsigned used = 0;
	enum xkd_rc rc;

	rc = xkd_dwarf_line_addrs(f->d, "inl.h", 5, &used, add_place, &p, NULL, &err);
	ok(!rc && used == 5 && p.n == 2, "%s: inl.h:5 is at both inlined copies", what);
	for (size_t i = 0; i < p.n; i++) {
		rc = xkd_dwarf_line_at(f->d, p.addr[i], &line, &err);
		ok(!rc && !strcmp(line.file, "src/inl.h"), "%s: and lies in src/inl.h", what);
	}
	p.n = 0;
	rc = xkd_dwarf_line_addrs(f->d, "./src/../src/main.c", 19, &used, add_place, &p, NULL,
				  &err);
	ok(!rc && used == 20 && p.n == 1, "%s: a line without code moves on", what);
	rc = xkd_dwarf_line_addrs(f->d, "ain.c", 20, &used, add_place, &p, NULL, &err);
	ok(rc == XKD_NOTFOUND, "%s: a file matches by whole components", what);
	rc = xkd_dwarf_line_addrs(f->d, "main.c", 400, &used, add_place, &p, NULL, &err);
	ok(rc == XKD_NOTFOUND, "%s: no code behind the last line", what);
	rc = xkd_dwarf_line_at(f->d, sym_addr(f, "first"), &line, &err);
	ok(!rc && !strcmp(line.file, "src/first.h") && (line.line == 2 || line.line == 3),
	   "%s: a header's code at the start of a unit", what);
	rc = xkd_dwarf_line_at(f->d, 1, &line, &err);
	ok(rc == XKD_NOTFOUND, "%s: an address of nothing", what);
}

/* Rows that readelf shows for a line of a file, as addresses. */
static bool readelf_has(const char *path, const char *file, unsigned line, uint64_t addr)
{
	FILE *p = sh_read("readelf --debug-dump=decodedline '%s'", path);
	char text[512], name[256];
	unsigned no;
	uint64_t at;
	bool has = false;

	while (p && fgets(text, sizeof(text), p))
		if (sscanf(text, "%255s %u 0x%" SCNx64, name, &no, &at) == 3 && no == line &&
		    at == addr && !strcmp(strrchr(name, '/') ? strrchr(name, '/') + 1 : name, file))
			has = true;
	if (p)
		pclose(p);
	return has;
}

static const struct xkd_dvar *var(const struct xkd_dvar *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].name && !strcmp(v[i].name, name))
			return &v[i];
	return NULL;
}

static bool spells(const struct xkd_type *t, const char *decl, const char *want)
{
	struct xkd_buf b;
	bool same;

	xkd_buf_init(&b);
	if (t)
		xkd_type_spell(t, decl, &b);
	same = !strcmp(b.s, want);
	if (!same)
		printf("# got %s, want %s\n", b.s, want);
	xkd_buf_fini(&b);
	return same;
}

static void check_vars(struct file *f, const char *what)
{
	struct xkd_arena arena;
	struct xkd_dfunc fn[8];
	struct xkd_dvar *v;
	const struct xkd_dvar *one;
	struct xkd_err err = XKD_ERR_INIT;
	struct places p = { .n = 0 };
	unsigned used;
	size_t n = 0, nv = 0;
	enum xkd_rc rc;

	xkd_arena_init(&arena);
	rc = xkd_dwarf_line_addrs(f->d, "main.c", 17, &used, add_place, &p, NULL, &err);
	if (!ok(!rc && p.n, "%s: line 17 has code", what))
		return;
	rc = xkd_dwarf_funcs_at(f->d, p.addr[0], fn, 8, &n, &err);
	ok(!rc && n == 1 && !strcmp(fn[0].name, "outer") && fn[0].entry == sym_addr(f, "outer") &&
		   fn[0].decl_line == 11,
	   "%s: it is in outer", what);
	rc = xkd_dwarf_vars(f->d, &fn[0], p.addr[0], &arena, &v, &nv, &err);
	ok(!rc && nv >= 6 && !strcmp(v[0].name, "p") && !strcmp(v[1].name, "q") &&
		   !strcmp(v[2].name, "unused") && v[2].is_param && !v[3].is_param,
	   "%s: parameters first, in order", what);
	one = var(v, nv, "inner");
	ok(one && !one->is_param && one->scope_low <= p.addr[0] && p.addr[0] < one->scope_high &&
		   spells(one->type, "inner", "int inner"),
	   "%s: inner lives in its block", what);
	one = var(v, nv, "i");
	ok(one && (one->expr || one->has_const || one->why_none), "%s: i has a place or a reason",
	   what);
	one = var(v, nv, "fixed");
	ok(one && (one->has_const ? one->const_value == 42 : one->expr && one->expr_len),
	   "%s: fixed is a constant", what);
	one = var(v, nv, "q");
	ok(one && one->expr && one->expr_len && one->type && one->type->size == 8 &&
		   one->type->is_signed,
	   "%s: q is there", what);
	xkd_arena_fini(&arena);
}

/* A copy that lost its first parameter still has three, in the order of the source. */
static void check_clone(struct file *f, const char *what)
{
	struct xkd_arena arena;
	struct xkd_dfunc fn[8];
	struct xkd_dvar *v;
	struct xkd_err err = XKD_ERR_INIT;
	struct places p = { .n = 0 };
	unsigned used;
	size_t n = 0, nv = 0;

	xkd_arena_init(&arena);
	ok(!xkd_dwarf_line_addrs(f->d, "other.c", 7, &used, add_place, &p, NULL, &err) &&
		   p.n == 1 && !xkd_dwarf_funcs_at(f->d, p.addr[0], fn, 8, &n, &err) && n == 1 &&
		   !xkd_dwarf_vars(f->d, &fn[0], p.addr[0], &arena, &v, &nv, &err) && nv == 3 &&
		   !strcmp(fn[0].name, "part") && !strcmp(v[0].name, "dead") &&
		   !strcmp(v[1].name, "b") && !strcmp(v[2].name, "c"),
	   "%s: parameters of a copy with one less", what);
	xkd_arena_fini(&arena);
}

static void check_inlined_vars(struct file *f, const char *what)
{
	struct xkd_arena arena;
	struct xkd_dfunc fn[8];
	struct xkd_dvar *v;
	struct xkd_err err = XKD_ERR_INIT;
	struct places p = { .n = 0 };
	const uint8_t *expr;
	unsigned used;
	size_t n = 0, nv = 0, len;
	enum xkd_rc rc;

	xkd_arena_init(&arena);
	rc = xkd_dwarf_line_addrs(f->d, "inl.h", 6, &used, add_place, &p, NULL, &err);
	ok(!rc && p.n == 2, "%s: inl.h:6 twice", what);
	rc = xkd_dwarf_funcs_at(f->d, p.addr[0], fn, 8, &n, &err);
	ok(!rc && n == 3 && fn[0].inlined && !strcmp(fn[0].name, "leaf") && fn[0].call_line == 7 &&
		   !strcmp(fn[1].name, "middle") && fn[1].call_line == 14 && !fn[2].inlined,
	   "%s: leaf in middle in outer", what);
	rc = xkd_dwarf_vars(f->d, &fn[0], p.addr[0], &arena, &v, &nv, &err);
	ok(!rc && nv == 2 && !strcmp(v[0].name, "v") && v[0].is_param &&
		   !strcmp(v[1].name, "twice"),
	   "%s: names of an inlined function through its original", what);
	rc = xkd_dwarf_frame_base(f->d, p.addr[0], &expr, &len, &err);
	ok(!rc && len, "%s: a frame base", what);
	xkd_arena_fini(&arena);
}

static void check_globals(struct file *f, const char *what)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_dglobal g;
	const struct xkd_type *t;
	struct xkd_dunit u;
	enum xkd_rc rc;

	rc = xkd_dwarf_global(f->d, "counter", 0, &g, NULL, &err);
	ok(!rc && g.has_addr && g.addr == sym_addr(f, "counter") &&
		   spells(g.type, "counter", "int counter") && !strcmp(g.file, "src/main.c"),
	   "%s: a global", what);
	rc = xkd_dwarf_global(f->d, "table", 0, &g, NULL, &err);
	ok(!rc && g.addr == sym_addr(f, "table") && spells(g.type, "table", "int table[3][5]"),
	   "%s: an array of two dimensions", what);
	rc = xkd_dwarf_global(f->d, "elsewhere", sym_addr(f, "outer"), &g, NULL, &err);
	ok(!rc && g.has_addr && !strcmp(g.file, "src/other.c"),
	   "%s: the definition wins over a near declaration", what);
	rc = xkd_dwarf_global(f->d, "hidden", sym_addr(f, "other"), &g, NULL, &err);
	ok(!rc && spells(g.type, "hidden", "int hidden") && !strcmp(g.file, "src/other.c"),
	   "%s: of two statics the near one", what);
	rc = xkd_dwarf_global(f->d, "hidden", sym_addr(f, "outer"), &g, NULL, &err);
	ok(!rc && g.type && xkd_type_strip(g.type)->kind == XKD_T_ARRAY && g.type->size == 32,
	   "%s: and the other", what);
	rc = xkd_dwarf_global(f->d, "nothing", 0, &g, NULL, &err);
	ok(rc == XKD_NOTFOUND, "%s: no such variable", what);
	rc = xkd_dwarf_func_type(f->d, sym_addr(f, "outer"), &t, &err);
	ok(!rc && t && t->kind == XKD_T_FUNC &&
		   spells(t, "outer",
			  strncmp(what, "clang", 5) ? "int outer(int, long int, char)"
						    : "int outer(int, long, char)"),
	   "%s: a function's type", what);
	rc = xkd_dwarf_unit(f->d, sym_addr(f, "other"), &u, &err);
	ok(!rc && u.name && !strcmp(u.name, "src/other.c"), "%s: a unit's name", what);
}

static void check_build(const char *cc, const char *flags, const char *what)
{
	struct places p = { .n = 0 };
	struct xkd_err err = XKD_ERR_INIT;
	struct file f;
	unsigned used;

	if (!sh("command -v %s >/dev/null", cc)) {
		skip(what, "no such compiler");
		return;
	}
	ok(sh("%s %s -O2 -ffreestanding -fno-stack-protector -fno-pie -nostdlib -static "
	      "src/main.c src/other.c -o prog && %s %s -O2 -ffreestanding -c src/main.c -o prog.o",
	      cc, flags, cc, flags),
	   "%s: built", what);
	if (!ok(open_file(&f, in_scratch("prog")), "%s: opened", what))
		return;
	every_byte(&f, in_scratch("prog"), what);
	check_lines(&f, what);
	if (ok(!xkd_dwarf_line_addrs(f.d, "src/main.c", 20, &used, add_place, &p, NULL, &err) &&
		       p.n == 1,
	       "%s: one place for line 20", what))
		ok(readelf_has(in_scratch("prog"), "main.c", 20, p.addr[0]),
		   "%s: where readelf has a row", what);
	check_vars(&f, what);
	check_clone(&f, what);
	check_inlined_vars(&f, what);
	check_globals(&f, what);
	xkd_image_unref(f.img);
	if (!ok(open_file(&f, in_scratch("prog.o")), "%s: a relocatable file", what))
		return;
	every_byte(&f, in_scratch("prog.o"), what);
	xkd_image_unref(f.img);
}

/* --- a real kernel --- */
struct funcs {
	XKD_VEC(struct xkd_sym) v;
	const struct xkd_section *text;
};
static bool add_sym(void *arg, const struct xkd_sym *s)
{
	struct funcs *f = arg;

	if (s->type == STT_FUNC && s->size && s->shndx == f->text->index)
		*xkd_vec_push(&f->v) = *s;
	return true;
}

static void check_kernel_file(const char *pattern, const char *what)
{
	uint64_t rnd = 88172645463325252ULL, base;
	struct funcs fs = { .text = NULL };
	struct tally t;
	struct file f;
	glob_t g;
	FILE *out;

	if (glob(pattern, 0, NULL, &g) || !g.gl_pathc || !open_file(&f, g.gl_pathv[0])) {
		ok(false, "%s: %s opens", what, pattern);
		return;
	}
	fs.text = xkd_image_section_named(f.img, ".text");
	base = xkd_image_is_ko(f.img) ? fs.text->addr : 0;
	xkd_image_sym_glob(f.img, "*", false, add_sym, &fs);
	out = fopen(in_scratch("addrs"), "w");
	for (int i = 0; fs.v.n && i < 200; i++) {
		const struct xkd_sym *s;

		rnd ^= rnd << 13, rnd ^= rnd >> 7, rnd ^= rnd << 17;
		s = &fs.v.p[rnd % fs.v.n];
		fprintf(out, "%" PRIx64 "\n", s->addr + (rnd >> 32) % s->size - base);
	}
	fclose(out);
	t = compare_all(&f, g.gl_pathv[0], base ? ".text" : "", base,
			"debian/build/build_amd64_none_cloud-amd64");
	ok(t.asked == 200 && !t.differ && t.nofunc < 40 && t.slips < 20,
	   "%s: addr2line agrees at 200 addresses (%u of no function, %u file-0 slips of its own)",
	   what, t.nofunc, t.slips);
	xkd_vec_fini(&fs.v);
	xkd_image_unref(f.img);
	globfree(&g);
}

static void check_kernel(void)
{
	const char *dir = getenv("XKD_KERNEL");
	char pattern[1024];

	if (!dir || !*dir) {
		skip("vmlinux against addr2line", "no kernel given");
		skip("kvm.ko against addr2line", "no kernel given");
		return;
	}
	snprintf(pattern, sizeof(pattern), "%s/usr/lib/debug/boot/vmlinux-*", dir);
	check_kernel_file(pattern, "vmlinux");
	snprintf(pattern, sizeof(pattern),
		 "%s/usr/lib/debug/lib/modules/*/kernel/arch/x86/kvm/kvm.ko", dir);
	check_kernel_file(pattern, "kvm.ko");
}

int main(void)
{
	xkd_log_init(&quiet);
	scratch_make();
	if (!have_tools() || !sh("command -v addr2line >/dev/null")) {
		skip("DWARF", "no compiler and binutils here");
		return done_testing();
	}
	if (!sh("mkdir src"))
		return 99;
	put_file("src/inl.h", inl_h, strlen(inl_h));
	put_file("src/main.c", main_c, strlen(main_c));
	put_file("src/first.h", first_h, strlen(first_h));
	put_file("src/other.c", other_c, strlen(other_c));
	check_build("gcc", "-gdwarf-5", "gcc 5");
	check_build("gcc", "-gdwarf-4", "gcc 4");
	check_build("gcc", "-gdwarf-3 -gstrict-dwarf", "gcc 3");
	check_build("gcc", "-gdwarf-5 -gz=zlib", "gcc 5 compressed");
	check_build("clang", "-gdwarf-5", "clang 5");
	check_kernel();
	return done_testing();
}
