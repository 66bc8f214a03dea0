/* Symbols by address and by name against nm, readelf and gdb. */
#include "symbols/image.h"
#include "base/str.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"
#include <elf.h>

static const char shapes[] =
	"	.text\n	.globl start, alias, inner_global\n	.weak weak_alias\n"
	"	.type start,@function\n	.type alias,@function\n	.type weak_alias,@function\n"
	"	.type local_twin,@function\n"
	"plain_twin:\nlocal_twin:\nweak_alias:\nstart:\n__alias:\nalias:\n	.fill 16,1,0x90\n"
	"inner_global:\n	.fill 4,1,0x90\ninner:\n	.fill 12,1,0x90\n"
	"	.size start,32\n	.size alias,8\n	.size weak_alias,32\n	.size "
	"local_twin,32\n"
	"	.fill 8,1,0x90\n" /* padding after start */
	"bare:\n	.fill 8,1,0x90\n"
	"	.type outer,@object\nouter:\n	.fill 8,1,0\n"
	"	.type nested,@object\nnested:\n	.fill 8,1,0\n	.size nested,8\n	.fill "
	"8,1,0\n"
	"	.size outer,24\n"
	"	.globl a_label, __twin, twin\n	.type an_object,@object\n"
	"$d:\n	.fill 4,1,0\na_label:\nan_object:\n	.fill 4,1,0\n"
	"__twin:\ntwin:\n	.fill 4,1,0\nend_label:\n"
	"	.data\n	.globl value\n	.type value,@object\nvalue:	.quad 1\n	.size "
	"value,8\n"
	"	.globl absent_size\nabsent_size:\n	.quad 2\n"
	"	.globl constant\n	constant = 0x1234\n"
	"	.section .empty,\"a\"\n	.globl nothing\nnothing:\n"
	"	.section .data..percpu,\"aw\"\n	.globl percpu\npercpu:	.quad 0\n"
	"	.data\n	.quad undefined_one\n";

static const char one[] = "static int dup(int x) { return x + 1; }\n"
			  "int (*volatile p1)(int) = dup;\nint only_one;\n";
static const char two[] = "static int dup(int x) { return x + 2; }\n"
			  "int (*volatile p2)(int) = dup;\nint _start;\n";

static void at(struct xkd_image *img, uint64_t addr, const char *want, const char *next,
	       const char *what)
{
	struct xkd_sym s, n;
	enum xkd_rc rc = xkd_image_sym_at(img, addr, &s, &n);
	bool same = want ? rc == XKD_OK && !strcmp(s.name, want) : rc == XKD_NOTFOUND;

	same &= next ? n.name && !strcmp(n.name, next) : !n.name;
	if (!ok(same, "%s", what))
		printf("# rc %s, %s, next %s; wanted %s, next %s\n", xkd_rc_name(rc),
		       s.name ? s.name : "-", n.name ? n.name : "-", want ? want : "-",
		       next ? next : "-");
}

static void test_shapes(struct xkd_image *img)
{
	const struct xkd_section *text = xkd_image_section_named(img, ".text");
	const struct xkd_section *data = xkd_image_section_named(img, ".data");
	uint64_t t = text->addr;

	at(img, t, "start", "inner_global", "of many at one address a sized global function");
	at(img, t + 9, "start", "inner_global", "an alias that ended is not the answer");
	at(img, t + 16, "inner_global", "inner", "a label inside a sized function names what is behind it");
	at(img, t + 21, "inner", "bare", "and the next label what is behind that");
	at(img, t + 33, "inner", "bare", "padding belongs to the nearest symbol");
	at(img, t + 40, "bare", "outer", "an unsized label is found at its place");
	at(img, t + 47, "bare", "outer", "and behind");
	at(img, t + 49, "outer", "nested", "an object before the one nested in it");
	at(img, t + 57, "nested", "an_object", "of two that cover the inner");
	at(img, t + 66, "outer", "an_object", "the outer again after it");
	at(img, t + 74, "nested", "an_object", "a mapping symbol is no answer");
	at(img, t + 77, "an_object", "twin", "a local object before a global label");
	at(img, t + 81, "twin", "end_label", "the plainer of two names");
	at(img, t + text->size, "end_label", NULL, "a label at the end of a section");
	at(img, t + text->size + 1, NULL, NULL, "nothing behind that");
	at(img, data->addr + 3, "value", "absent_size", "an object");
	at(img, data->addr + 20, "absent_size", NULL, "the last of its section has no next");
	at(img, 0, NULL, NULL, "nothing at 0");
	at(img, UINT64_MAX, NULL, NULL, "nothing at the end");
}

static bool count_up(void *arg, const struct xkd_sym *sym)
{
	++*(unsigned *)arg;
	return *(unsigned *)arg < 1000;
}

static bool stop_at_two(void *arg, const struct xkd_sym *sym)
{
	return ++*(unsigned *)arg < 2;
}

static void test_names(struct xkd_image *img)
{
	struct xkd_sym s;
	size_t count = 7;
	unsigned n = 0;

	ok(!xkd_image_sym_named(img, "start", &s, &count) && count == 1 && s.type == STT_FUNC &&
		   s.bind == STB_GLOBAL && s.size == 32,
	   "a name gives type, binding and size");
	ok(!xkd_image_sym_named(img, "constant", &s, NULL) && s.addr == 0x1234 &&
		   s.shndx == SHN_ABS,
	   "an absolute symbol has its raw value");
	ok(!xkd_image_sym_named(img, "percpu", &s, NULL) &&
		   s.addr == xkd_image_section_named(img, ".data..percpu")->addr,
	   "a .ko's per-CPU symbol lies in its section");
	ok(!xkd_image_sym_named(img, "nothing", &s, NULL), "a label in an empty section is known");
	ok(xkd_image_sym_named(img, "undefined_one", &s, &count) == XKD_NOTFOUND && count == 0 &&
		   !s.name,
	   "an undefined one is not");
	ok(xkd_image_sym_named(img, "star", &s, NULL) == XKD_NOTFOUND &&
		   xkd_image_sym_named(img, "", &s, NULL) == XKD_NOTFOUND &&
		   xkd_image_sym_named(img, "$d", &s, NULL) == XKD_NOTFOUND,
	   "nor a prefix, the empty name, a mapping symbol");
	xkd_image_sym_glob(img, "inner*", false, count_up, &n);
	is_u64(n, 2, "a pattern finds two");
	n = 0;
	xkd_image_sym_glob(img, "INNER*", true, count_up, &n);
	is_u64(n, 2, "also without case");
	n = 0;
	xkd_image_sym_glob(img, "*", false, stop_at_two, &n);
	is_u64(n, 2, "a caller can stop it");
}

struct dups {
	struct xkd_image *img;
	const char *file[4];
	uint64_t addr[4];
	unsigned n;
};

static bool keep_dup(void *arg, const struct xkd_sym *sym)
{
	struct dups *d = arg;

	d->file[d->n] = xkd_image_sym_file(d->img, sym);
	d->addr[d->n] = sym->addr;
	return ++d->n < 4;
}

static void test_files(struct xkd_image *img)
{
	struct dups d = { .img = img };
	struct xkd_sym s;
	size_t count;

	xkd_image_sym_all_named(img, "dup", keep_dup, &d);
	if (!ok(d.n == 2, "two local functions of one name"))
		return;
	is_str(d.file[0], "one.c", "the first is of one.c");
	is_str(d.file[1], "two.c", "the second of two.c");
	ok(!xkd_image_sym_named(img, "dup", &s, &count) && count == 2 && s.addr == d.addr[0],
	   "by name the first, and that there are two");
	ok(!xkd_image_sym_named(img, "only_one", &s, NULL) && !xkd_image_sym_file(img, &s),
	   "a global one has no file");
}

/* Every nm line: the name leads to the address and the address to a symbol there. step: of how many
 * lines one is asked. */
static void test_nm(const char *path, struct xkd_image *img, unsigned step, const char *what)
{
	FILE *f = sh_read("nm -n '%s' 2>/dev/null", path);
	unsigned long lines = 0, asked = 0, names = 0, places = 0, count;
	char line[2048], name[1024], kind;
	unsigned long addr;

	while (f && fgets(line, sizeof(line), f)) {
		struct xkd_sym s;
		size_t n;

		if (sscanf(line, "%lx %c %1023s", &addr, &kind, name) != 3 || lines++ % step ||
		    *name == '$')
			continue;
		asked++;
		if (!xkd_image_sym_named(img, name, &s, &n) && (n > 1 || s.addr == addr))
			names++;
		else
			printf("# %s is at %lx, not at %" PRIx64 "\n", name, addr, s.addr);
		/* absolute ones and assembler labels are no places */
		if (kind == 'a' || kind == 'A' || !strncmp(name, ".L", 2)) {
			places++;
			continue;
		}
		count = !xkd_image_sym_at(img, addr, &s, NULL) &&
			(s.addr == addr || (s.addr < addr && addr - s.addr < s.size));
		places += count;
		if (!count)
			printf("# nothing at %lx, where %s is: %s\n", addr, name,
			       s.name ? s.name : "-");
	}
	if (f)
		pclose(f);
	ok(asked && asked == names, "%s: %lu of %lu names of nm lead to their addresses", what,
	   names, asked);
	ok(asked == places, "%s: %lu of %lu addresses lead to a symbol there", what, places, asked);
}

/* gdb's "info symbol" for addresses inside functions: "NAME + OFF in section .text". Of aliases at
 * one address it may pick another. */
static void test_gdb(const char *path, struct xkd_image *img)
{
	static const char cmds[] =
		"nm -n '%s' | awk '$2 ~ /[tTwW]/' | awk 'NR %% 150 == 0 "
		"{ printf \"info symbol 0x%%s+%%d\\n\", $1, NR %% 7 * 3 }' > q.gdb";
	unsigned asked = 0, same = 0;
	char q[256], a[1024], name[1024];
	FILE *qf, *af;

	if (!sh(cmds, path) || !sh("gdb -q -nx -readnever -batch -ex 'set demangle-style none' "
				   "-ex 'file %s' -x q.gdb > a.txt 2>/dev/null",
				   path)) {
		skip("addresses as gdb names them", "no gdb");
		return;
	}
	qf = fopen(in_scratch("q.gdb"), "r");
	af = fopen(in_scratch("a.txt"), "r");
	while (qf && af && fgets(q, sizeof(q), qf) && fgets(a, sizeof(a), af)) {
		unsigned long addr, add, off = 0;
		struct xkd_sym s, g;

		if (sscanf(q, "info symbol 0x%lx+%lu", &addr, &add) != 2 ||
		    sscanf(a, "%1023s + %lu", name, &off) < 1)
			continue;
		asked++;
		/* of padding gdb says nothing, xkd the function before it */
		if (!strncmp(a, "No symbol", 9) && !xkd_image_sym_at(img, addr + add, &s, NULL) &&
		    addr + add - s.addr >= s.size) {
			same++;
			continue;
		}
		if (xkd_image_sym_at(img, addr + add, &s, NULL) ||
		    xkd_image_sym_named(img, name, &g, NULL))
			printf("# %lx+%lu: nothing, gdb: %s", addr, add, a);
		else if (addr + add - s.addr == off ||
			 /* where a label is nearer, the kernel's own traces say it: gdb does not */
			 (s.type == STT_NOTYPE && s.addr > g.addr && s.addr <= addr + add))
			same++;
		else
			printf("# %lx+%lu: %s, gdb: %s", addr, add, s.name ? s.name : "-", a);
	}
	if (qf)
		fclose(qf);
	if (af)
		fclose(af);
	ok(asked > 100 && same == asked, "%u of %u addresses as gdb names them", same, asked);
}

static struct xkd_image *opened(const char *path)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img;

	if (xkd_image_open(path, NULL, &img, &err)) {
		ok(false, "%s", err.msg);
		exit(done_testing());
	}
	return img;
}

static bool find_file(const char *k, const char *pattern, char *path, size_t n)
{
	FILE *f =
		sh_read("find '%s/usr/lib/debug' '%s' -type f -name '%s' | head -1", k, k, pattern);
	bool got = f && fgets(path, (int)n, f);

	if (f)
		pclose(f);
	path[got ? strcspn(path, "\n") : 0] = 0;
	return got;
}

static void test_kernel(const char *k)
{
	char path[1024];
	struct xkd_image *img;
	uint64_t t0, t1, t2;
	struct xkd_sym s;

	if (find_file(k, "vmlinux-*", path, sizeof(path))) {
		img = opened(path);
		t0 = xkd_now_ms();
		ok(!xkd_image_sym_named(img, "start_kernel", &s, NULL),
		   "the kernel has start_kernel");
		t1 = xkd_now_ms();
		ok(!xkd_image_sym_at(img, s.addr + 5, &s, NULL) && !strcmp(s.name, "start_kernel"),
		   "and there it is");
		t2 = xkd_now_ms();
		printf("# names ready in %" PRIu64 " ms, addresses in %" PRIu64 " ms\n", t1 - t0,
		       t2 - t1);
		test_nm(path, img, 1, "vmlinux");
		test_gdb(path, img);
		xkd_image_unref(img);
	} else {
		skip("a real kernel", "XKD_KERNEL has no vmlinux");
	}
}

int main(void)
{
	const char *k = getenv("XKD_KERNEL");
	struct xkd_image *img;

	scratch_make();
	put_file("shapes.s", shapes, sizeof(shapes) - 1);
	put_file("one.c", one, sizeof(one) - 1);
	put_file("two.c", two, sizeof(two) - 1);
	if (!sh("gcc -c shapes.s && gcc -O1 -fno-pic -c one.c && gcc -O1 -fno-pic -c two.c && "
		"ld -o linked one.o two.o && cp linked stripped && strip stripped")) {
		have_tools() ? (void)ok(false, "inputs are made")
			     : skip("everything", "no gcc or ld");
		return done_testing();
	}
	img = opened(in_scratch("shapes.o"));
	test_shapes(img);
	test_names(img);
	xkd_image_unref(img);
	img = opened(in_scratch("linked"));
	test_files(img);
	test_nm(in_scratch("linked"), img, 1, "a linked file");
	xkd_image_unref(img);
	img = opened(in_scratch("stripped"));
	at(img, xkd_image_section_named(img, ".text")->addr, NULL, NULL,
	   "a stripped file has none");
	xkd_image_unref(img);
	if (k && *k)
		test_kernel(k);
	else
		skip("every symbol of a real kernel", "no kernel given");
	return done_testing();
}
