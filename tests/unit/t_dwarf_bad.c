/* Hostile DWARF: a sound file with bytes of its debug sections changed at random (the same random
 * every time) must give answers or errors, in bounded time, and nothing else. Meant for the
 * sanitizer build. XKD_DWARF_ROUNDS asks for more rounds than the usual ones, XKD_DWARF_SEED for
 * others. */
#include "symbols/dwarf.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"
#include "base/str.h"

static const char source[] =
	"struct s { int a : 3, b : 9; struct s *next; union { long l; char c[8]; }; } gs[2][3];\n"
	"enum e { A = -1, B } ge; typedef int (*fn)(struct s *, ...); fn table[4];\n"
	"static volatile int sink;\n"
	"static inline int leaf(int v) { int t = v * 2; sink = t; return sink; }\n"
	"static inline int middle(int v) { int m = leaf(v); sink = m; return leaf(m + 1) + m; }\n"
	"__attribute__((noinline)) int outer(int p, long q)\n"
	"{\n"
	"	int local = middle(p);\n"
	"	for (int i = 0; i < 4; i++) { int in = local + i; sink = in; }\n"
	"	gs[1][2].b = q; ge = B;\n"
	"	return local + (int)q;\n"
	"}\n"
	"int _start(void) { return outer(sink, 3); }\n";

static struct xkd_log quiet;
static uint64_t rnd;

static uint64_t next(void)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return rnd;
}

static bool use_place(void *arg, uint64_t iaddr)
{
	*(uint64_t *)arg += iaddr;
	return true;
}

static bool use_type(void *arg, const struct xkd_type *t)
{
	const struct xkd_member *m;
	const struct xkd_enumerator *e;
	const struct xkd_param *p;
	const struct xkd_type *target;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b;
	size_t n;

	xkd_buf_init(&b);
	if (!xkd_type_members(t, &m, &n, &err))
		for (size_t i = 0; i < n && i < 64; i++)
			xkd_type_spell(m[i].type, m[i].name, &b);
	if (!xkd_type_enums(t, &e, &n, &err))
		for (size_t i = 0; i < n; i++)
			*(uint64_t *)arg += strlen(e[i].name);
	if (!xkd_type_target(t, &target, &err) && target)
		xkd_type_spell(target, "x", &b);
	if (!xkd_type_params(t, &p, &n, &err))
		*(uint64_t *)arg += n;
	xkd_type_spell(t, "x", &b);
	*(uint64_t *)arg += b.len;
	xkd_buf_fini(&b);
	return true;
}

static void use_address(struct xkd_dwarf *d, uint64_t addr, uint64_t *sum)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_line line;
	struct xkd_dvar *v;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_arena arena;
	const struct xkd_type *t;
	const uint8_t *expr;
	struct xkd_dunit u;
	size_t n, nv, len;

	xkd_arena_init(&arena);
	if (!xkd_dwarf_line_at(d, addr, &line, &err))
		*sum += line.line + (line.file ? strlen(line.file) : 0);
	if (!xkd_dwarf_funcs_at(d, addr, f, XKD_INLINE_MAX, &n, &err))
		for (size_t i = 0; i < n; i++) {
			*sum += f[i].name ? strlen(f[i].name) : 0;
			if (xkd_dwarf_vars(d, &f[i], addr, &arena, &v, &nv, &err))
				continue;
			for (size_t k = 0; k < nv; k++) {
				*sum += v[k].name ? strlen(v[k].name) : 0;
				for (size_t q = 0; q < v[k].expr_len; q++)
					*sum += v[k].expr[q];
				if (v[k].type)
					use_type(sum, v[k].type);
			}
		}
	if (!xkd_dwarf_func_type(d, addr, &t, &err) && t)
		use_type(sum, t);
	if (!xkd_dwarf_frame_base(d, addr, &expr, &len, &err) && len)
		*sum += expr[len - 1];
	if (!xkd_dwarf_unit(d, addr, &u, &err) && u.name)
		*sum += strlen(u.name);
	xkd_arena_fini(&arena);
}

/* All questions to one file. */
static uint64_t use_file(const char *path)
{
	static const char *const names[] = { "gs", "ge", "table", "sink", "none" };
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_section *text;
	struct xkd_image *img;
	struct xkd_types *types;
	struct xkd_dglobal g;
	struct xkd_dwarf *d;
	uint64_t sum = 0;
	unsigned used;

	if (xkd_image_open(path, &quiet, &img, &err))
		return 0;
	text = xkd_image_section_named(img, ".text");
	if (text && !xkd_image_dwarf(img, &d, &err)) {
		for (uint64_t i = 0; i < text->size && i < 256; i += 5)
			use_address(d, text->addr + i, &sum);
		if (!xkd_dwarf_line_addrs(d, "s.c", 5, &used, use_place, &sum, NULL, &err))
			sum += used;
		for (size_t i = 0; i < XKD_COUNT(names); i++)
			if (!xkd_dwarf_global(d, names[i], text->addr, &g, NULL, &err) && g.type)
				use_type(&sum, g.type);
		types = xkd_dwarf_types(d);
		if (types->each(types, use_type, &sum, &err))
			sum++;
	}
	xkd_image_unref(img);
	return sum;
}

struct area {
	uint64_t off, size;
};
/* Where the debug sections lie in the file. */
static size_t find_areas(const char *path, struct area *a, size_t max)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img;
	size_t n = 0;

	if (xkd_image_open(path, &quiet, &img, &err))
		return 0;
	for (size_t i = 0; i < xkd_image_nsections(img) && n < max; i++) {
		const struct xkd_section *s = xkd_image_section(img, i);

		if (xkd_has_prefix(s->name, ".debug_") && s->size)
			a[n++] = (struct area){ s->off, s->size };
	}
	xkd_image_unref(img);
	return n;
}

static void change(char *data, const struct area *a)
{
	static const uint8_t nasty[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x55 };
	unsigned n = 1 + next() % 4;

	while (n--) {
		char *p = data + a->off + next() % a->size;

		*p = (char)(next() & 1 ? nasty[next() % sizeof(nasty)] : next());
	}
}

static void check_build(const char *cc, const char *flags, unsigned rounds, const char *what)
{
	struct area areas[32];
	uint64_t start = xkd_now_ms(), worst = 0, sound;
	char *data, *copy;
	size_t n, na;

	if (!sh("command -v %s >/dev/null", cc)) {
		skip(what, "no such compiler");
		return;
	}
	ok(sh("%s %s -O2 -ffreestanding -nostdlib -static -fno-pie s.c -o good", cc, flags),
	   "%s: built", what);
	na = find_areas(in_scratch("good"), areas, XKD_COUNT(areas));
	data = get_file(in_scratch("good"), &n);
	sound = use_file(in_scratch("good"));
	if (!ok(na >= 5 && data && sound > 1000, "%s: the sound file answers", what))
		return;
	copy = malloc(n);
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t t = xkd_now_ms();

		memcpy(copy, data, n);
		change(copy, &areas[next() % na]);
		if (i & 1)
			change(copy, &areas[next() % na]);
		put_file("bad", copy, n);
		if (getenv("XKD_DWARF_ROUNDS")) {
			printf("# round %u\n", i);
			fflush(stdout);
		}
		use_file(in_scratch("bad"));
		t = xkd_now_ms() - t;
		worst = t > worst ? t : worst;
	}
	ok(worst < 5000, "%s: %u changed files in %u ms, the slowest %u", what, rounds,
	   (unsigned)(xkd_now_ms() - start), (unsigned)worst);
	free(copy);
	free(data);
}

static void no_sink(void *arg, enum xkd_log_chan chan, const char *line)
{
	(void)arg, (void)chan, (void)line;
}

int main(void)
{
	const char *more = getenv("XKD_DWARF_ROUNDS"), *seed = getenv("XKD_DWARF_SEED");
	unsigned rounds = more ? (unsigned)atoi(more) : 100;

	rnd = 0x9e3779b97f4a7c15ULL + (seed ? strtoull(seed, NULL, 0) : 0);
	xkd_log_init(&quiet);
	quiet.sink = no_sink;
	scratch_make();
	if (!have_tools()) {
		skip("hostile DWARF", "no compiler and binutils here");
		return done_testing();
	}
	put_file("s.c", source, strlen(source));
	check_build("gcc", "-gdwarf-5", rounds, "DWARF 5");
	check_build("gcc", "-gdwarf-4", rounds, "DWARF 4");
	check_build("clang", "-gdwarf-5", rounds, "clang, DWARF 5");
	return done_testing();
}
