/* Images against readelf, objcopy and, for relocation, ld: a .o linked by a script that puts each
 * section where the image has it must come out as the image relocates it. */
#include "config.h"
#include "symbols/image.h"
#include "base/str.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"
#include <elf.h>

static const char source[] =
	"struct node { struct node *next; const char *name; int (*fn)(int); };\n"
	"extern int outside(int);\nextern struct node far_node;\n"
	"static int twice(int x) { return 2 * x; }\n"
	"int calls(int x) { return outside(x) + 1; }\n"
	"__attribute__((section(\".init.text\"))) int starts(void) { return calls(twice(3)); }\n"
	"struct node one = { &one, \"one\", twice }, two = { &one, \"two\", calls };\n"
	"struct node *const list[] = { &one, &two, &far_node };\n"
	"int zeroes[5000];\nint *into = &zeroes[77];\n"
	"int element(long i) { return zeroes[i]; }\n" /* 32S */
	"__attribute__((section(\".page\"))) char whole_page[4096] = { 1 };\n"
	"__attribute__((section(\".data..percpu\"))) int counter = 7;\nint *per = &counter;\n"
	"asm(\".section .rel32,\\\"a\\\"\\n.long calls - .\\n.long zeroes + 8 - .\\n"
	".quad list - .\\n.previous\\n\");\n";

static struct xkd_image *open_ok(const char *path)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img;

	if (!ok(xkd_image_open(path, NULL, &img, &err) == XKD_OK, "%s opens",
		strrchr(path, '/') + 1)) {
		printf("# %s\n", err.msg);
		exit(done_testing());
	}
	return img;
}

static bool same_section(struct xkd_image *img, const char *name, const uint8_t *want, size_t n)
{
	const struct xkd_section *s = xkd_image_section_named(img, name);
	struct xkd_err err = XKD_ERR_INIT;
	const uint8_t *d;
	size_t size;

	if (!s || xkd_image_section_data(img, s, &d, &size, &err)) {
		printf("# %s: %s\n", name, s ? err.msg : "no such section");
		return false;
	}
	if (size != n) {
		printf("# %s: 0x%zx bytes, not 0x%zx\n", name, size, n);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (d[i] != want[i]) {
			printf("# %s differs at 0x%zx: %02x, not %02x\n", name, i, d[i], want[i]);
			return false;
		}
	}
	return true;
}

/* Every section of readelf -SW: name, address, offset, size. */
static void test_sections(struct xkd_image *img, const char *path)
{
	FILE *f = sh_read("readelf -SW '%s'", path);
	char line[512], name[128], type[32];
	unsigned long addr, off, size;
	unsigned idx, n = 0, good = 0;

	while (f && fgets(line, sizeof(line), f)) {
		const char *p = strchr(line, '[');
		const struct xkd_section *s;

		if (!p ||
		    sscanf(p, "[%u] %127s %31s %lx %lx %lx", &idx, name, type, &addr, &off,
			   &size) != 6 ||
		    !idx)
			continue;
		n++;
		s = xkd_image_section(img, idx);
		if (s && !strcmp(s->name, name) && s->off == off && s->size == size &&
		    (xkd_image_is_ko(img) || s->addr == addr) && s->index == idx &&
		    (s->data == NULL) == !strcmp(type, "NOBITS"))
			good++;
		else
			printf("# %s differs\n", name);
	}
	if (f)
		pclose(f);
	ok(n && n == good && xkd_image_nsections(img) == n + 1,
	   "%u of %u sections as readelf has them", good, n);
	ok(!xkd_image_section(img, n + 1), "no section beyond the last");
}

static void test_buildid_file(struct xkd_image *img, const char *path)
{
	FILE *f = sh_read("readelf -nW '%s' | sed -n 's/.*Build ID: //p'", path);
	char want[200] = "", hex[XKD_BUILDID_HEX];

	if (f && fgets(want, sizeof(want), f))
		want[strcspn(want, "\n")] = 0;
	if (f)
		pclose(f);
	is_str(xkd_buildid_hex(xkd_image_buildid(img), hex), want, "build-id as readelf has it");
}

/* ld's word on relocation. sections: which to compare, NULL-terminated. */
static void test_relocation(struct xkd_image *img, const char *path, const char *const *sections,
			    const char *what)
{
	struct xkd_buf b;
	unsigned n = 0, good = 0;
	bool made;

	xkd_buf_init(&b);
	xkd_buf_str(&b, "SECTIONS {\n");
	for (size_t i = 1; i < xkd_image_nsections(img); i++) {
		const struct xkd_section *s = xkd_image_section(img, i);

		if (s->flags & SHF_ALLOC)
			xkd_buf_printf(&b, "\"%s\" 0x%" PRIx64 " : { \"%s\"(\"%s\") }\n", s->name,
				       s->addr, "linkme.o", s->name);
	}
	xkd_buf_str(&b, "}\n");
	put_file("link.ld", b.s, b.len);
	xkd_buf_fini(&b);
	/* merging of strings would renumber what points at them; ld complains of what is undefined
	 * or out of reach, and writes it all the same */
	made = sh("objcopy -w --set-section-flags '.debug_*str=readonly,debug' "
		  "--set-section-flags '.rodata.*=alloc,load,readonly,data,contents' "
		  "--set-section-flags '__ksymtab_strings=alloc,load,readonly,data,contents' "
		  "'%s' linkme.o && "
		  "{ ld -o linked -T link.ld --noinhibit-exec --unresolved-symbols=ignore-all -e 0 "
		  "--orphan-handling=place linkme.o 2>ld.err; true; } && test -s linked",
		  path);
	ok(made, "%s: ld links it at the image's addresses", what);
	for (; *sections; sections++) {
		size_t size;
		char *want;

		if (!xkd_image_section_named(img, *sections))
			continue;
		n++;
		sh("objcopy -O binary --set-section-flags '%s=alloc,load,contents' "
		   "--only-section='%s' --change-section-address '%s=0' linked out.bin",
		   *sections, *sections, *sections);
		want = get_file(in_scratch("out.bin"), &size);
		if (want && same_section(img, *sections, (uint8_t *)want, size))
			good++;
		free(want);
		unlink(in_scratch("out.bin"));
	}
	ok(n && n == good, "%s: %u of %u sections relocated as ld does", what, good, n);
}

static void test_layout(struct xkd_image *img)
{
	uint64_t last = XKD_KO_BASE - 1;
	bool fine = true;

	for (size_t i = 1; i < xkd_image_nsections(img); i++) {
		const struct xkd_section *s = xkd_image_section(img, i);

		if (!(s->flags & SHF_ALLOC)) {
			fine &= s->addr == 0;
			continue;
		}
		fine &= s->addr > last && !(s->addr & 4095);
		last = s->addr + s->size;
		if (s->size) {
			fine &= xkd_image_section_at(img, s->addr) == s;
			fine &= xkd_image_section_at(img, s->addr + s->size - 1) == s;
			fine &= xkd_image_section_at(img, s->addr + s->size) == NULL;
		}
	}
	ok(fine, "a .ko's loaded sections have pages of their own, the others none");
	ok(!xkd_image_section_at(img, 0) && !xkd_image_section_at(img, UINT64_MAX),
	   "no section at 0 and at the end of the address space");
}

static void test_read(struct xkd_image *img)
{
	const struct xkd_section *t = xkd_image_section_named(img, ".text");
	const struct xkd_section *z = xkd_image_section_named(img, ".bss");
	uint8_t got[64];
	const uint8_t *d;
	size_t n;

	ok(xkd_image_section_data(img, t, &d, &n, NULL) == XKD_OK && n == t->size &&
		   xkd_image_read(img, t->addr + 1, got, 8) == 8 && !memcmp(got, d + 1, 8),
	   "reading at an image address gives the section's bytes");
	ok(xkd_image_read(img, t->addr + t->size - 3, got, 64) == 3,
	   "a read ends with its section");
	ok(xkd_image_read(img, z->addr, got, 4) == 0, "what the file does not hold is not made up");
	ok(xkd_image_section_data(img, z, &d, &n, NULL) == XKD_NOTFOUND, ".bss has no bytes");
}

static void test_packed(const char *how, const char *file, struct xkd_image *plain)
{
	static const char *const names[] = { ".debug_info", ".debug_line", ".debug_abbrev",
					     ".debug_str" };
	struct xkd_image *img;
	unsigned good = 0, n = 0;

	if (!sh("objcopy --compress-debug-sections=%s a.o %s", how, file)) {
		skip(how, "objcopy cannot do it");
		return;
	}
	img = open_ok(in_scratch("%s", file));
	for (size_t i = 0; i < XKD_COUNT(names); i++) {
		const uint8_t *d;
		size_t size;

		if (xkd_image_section_data(plain, xkd_image_section_named(plain, names[i]), &d,
					   &size, NULL))
			continue;
		n++;
		good += same_section(img, names[i], d, size);
	}
	ok(n == XKD_COUNT(names) && n == good, "%s: %u of %u sections as before compression", how,
	   good, n);
	ok(xkd_image_has_dwarf(img), "%s: it has debug info", how);
	xkd_image_unref(img);
}

/* A copy of file with n bytes at off replaced. */
static void patched(const char *from, const char *to, size_t off, const void *bytes, size_t n)
{
	size_t size;
	char *p = get_file(in_scratch("%s", from), &size);

	memcpy(p + off, bytes, n);
	put_file(to, p, size);
	free(p);
}

static void refused(const char *file, enum xkd_rc want, const char *has, const char *what)
{
	const char *path = in_scratch("%s", file);
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img = NULL;
	enum xkd_rc rc = xkd_image_open(path, NULL, &img, &err);

	if (!ok(rc == want && !img && strstr(err.msg, has) && strstr(err.msg, file), "%s: %s", what,
		err.msg))
		printf("# %s; wanted %s with \"%s\"\n", xkd_rc_name(rc), xkd_rc_name(want), has);
	xkd_image_unref(img);
}

static void test_refusals(void)
{
	size_t size;
	char *p = get_file(in_scratch("a.elf"), &size);
	char junk[1024] = "just text";
	Elf64_Ehdr h;

	memcpy(&h, p, sizeof(h));
	put_file("cut", p, size - 1);
	refused("cut", XKD_BADDATA, "truncated", "the last byte missing");
	put_file("cut", p, h.e_shoff / 2);
	refused("cut", XKD_BADDATA, "truncated", "the second half missing");
	put_file("cut", p, 50);
	refused("cut", XKD_BADDATA, "truncated", "half a header");
	put_file("cut", p, 0);
	refused("cut", XKD_BADDATA, "empty", "nothing");
	free(p);
	put_file("text", junk, sizeof(junk));
	refused("text", XKD_BADDATA, "no ELF", "text");
	memcpy(junk + 0x202, "HdrS", 4);
	put_file("vmlinuz", junk, sizeof(junk));
	refused("vmlinuz", XKD_BADDATA, "bzImage", "a boot image");
	patched("a.elf", "arm", offsetof(Elf64_Ehdr, e_machine), "\xb7\0", 2);
	refused("arm", XKD_BADDATA, "aarch64", "another machine");
	patched("a.elf", "class", EI_CLASS, "\1", 1);
	refused("class", XKD_BADDATA, "64-bit", "32-bit");
	patched("a.elf", "core", offsetof(Elf64_Ehdr, e_type), "\4\0", 2);
	refused("core", XKD_BADDATA, "core dump", "a core dump");
	patched("a.elf", "noshdr", offsetof(Elf64_Ehdr, e_shoff), "\0\0\0\0\0\0\0\0", 8);
	refused("noshdr", XKD_BADDATA, "no section headers", "no section headers");
	patched("a.elf", "entsz", offsetof(Elf64_Ehdr, e_shentsize), "\1\0", 2);
	refused("entsz", XKD_BADDATA, "section headers of 1 bytes", "odd section headers");
	patched("a.elf", "faroff", offsetof(Elf64_Ehdr, e_shoff),
		"\xf8\xff\xff\xff\xff\xff\xff\xff", 8);
	refused("faroff", XKD_BADDATA, "truncated", "section headers beyond everything");
	patched("a.elf", "secoff", h.e_shoff + 64 + offsetof(Elf64_Shdr, sh_size),
		"\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	refused("secoff", XKD_BADDATA, "section 1", "a section beyond the end");
	refused("is-not-there", XKD_NOTFOUND, "No such file", "no file");
	sh("mkfifo fifo; mkdir dir");
	refused("fifo", XKD_BADDATA, "regular", "a FIFO");
	refused("dir", XKD_BADDATA, "regular", "a folder");
}

/* Finds the file offset of a section's bytes. */
static uint64_t offset_of(const char *file, const char *section, size_t *size)
{
	struct xkd_image *img = NULL;
	const struct xkd_section *s = NULL;
	uint64_t off = 0;

	if (!xkd_image_open(in_scratch("%s", file), NULL, &img, NULL))
		s = xkd_image_section_named(img, section);
	if (s) {
		off = s->off;
		*size = s->size;
	}
	xkd_image_unref(img);
	return off;
}

static void bad_section(const char *file, const char *section, enum xkd_rc want, const char *has)
{
	struct xkd_err err = XKD_ERR_INIT, again = XKD_ERR_INIT;
	struct xkd_image *img = open_ok(in_scratch("%s", file));
	const struct xkd_section *s = xkd_image_section_named(img, section);
	const uint8_t *d;
	size_t n;

	ok(s && xkd_image_section_data(img, s, &d, &n, &err) == want && strstr(err.msg, has) &&
		   strstr(err.msg, section),
	   "%s: %s", file, err.msg);
	ok(s && xkd_image_section_data(img, s, &d, &n, &again) == want &&
		   !strcmp(err.msg, again.msg),
	   "%s: the same error again", file);
	xkd_image_unref(img);
}

static void test_bad_packed(void)
{
	size_t n = 0;
	uint64_t off = offset_of("z.o", ".debug_info", &n);
#ifdef HAVE_LIBZSTD
	enum xkd_rc zstd = XKD_BADDATA;
#else
	enum xkd_rc zstd = XKD_UNSUPPORTED;
#endif

	patched("z.o", "zstd.o", off, "\2\0\0\0", 4);
	bad_section("zstd.o", ".debug_info", zstd, "zstd");
	patched("z.o", "method.o", off, "\x63\0\0\0", 4);
	bad_section("method.o", ".debug_info", XKD_UNSUPPORTED, "method 99");
	patched("z.o", "huge.o", off + 8, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
	bad_section("huge.o", ".debug_info", XKD_BADDATA, "claim");
	patched("z.o", "short.o", off + 8, "\x10\0\0\0\0\0\0\0", 8);
	bad_section("short.o", ".debug_info", XKD_BADDATA, "more than");
	patched("z.o", "long.o", off + 8, "\xff\xff\0\0\0\0\0\0", 8);
	bad_section("long.o", ".debug_info", XKD_BADDATA, "not 0xffff");
	patched("z.o", "broken.o", off + 28, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	bad_section("broken.o", ".debug_info", XKD_BADDATA, "broken");
}

static void keep_line(void *arg, enum xkd_log_chan chan, const char *line)
{
	if (chan == XKD_LOG_WARN)
		snprintf(arg, 512, "%s", line);
}

/* Relocations that make no sense are skipped, counted and told. */
static void test_bad_relocs(void)
{
	uint64_t off = 0;
	size_t n = 0, size;
	char line[512] = "";
	struct xkd_log log;
	struct xkd_image *img;
	const uint8_t *d;

	off = offset_of("a.o", ".rela.data", &n);
	patched("a.o", "rel.o", off, "\xff\xff\xff\xff\xff\xff\xff\xff", 8); /* place */
	patched("rel.o", "rel2.o", off + 24 + 12, "\xff\xff\xff\x7f", 4);    /* symbol */
	patched("rel2.o", "rel3.o", off + 48 + 8, "\xfe\0\0\0", 4);	     /* type */
	xkd_log_init(&log);
	log.sink = keep_line;
	log.arg = line;
	ok(!xkd_image_open(in_scratch("rel3.o"), &log, &img, NULL) &&
		   !xkd_image_section_data(img, xkd_image_section_named(img, ".data"), &d, &size,
					   NULL),
	   "bad relocations do not cost the section");
	ok(strstr(line, ".data: 2 relocations") && strstr(line, "1 of unknown type (254)"),
	   "they are told: %s", line);
	xkd_image_unref(img);
}

static void everything(struct xkd_image *img)
{
	uint8_t buf[256];
	struct xkd_sym s, next;
	const uint8_t *d;
	size_t n, count;
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < xkd_image_nsections(img); i++) {
		const struct xkd_section *sec = xkd_image_section(img, i);

		if (xkd_image_section_data(img, sec, &d, &n, NULL) == XKD_OK && n)
			sum = (uint8_t)(sum + d[0] + d[n - 1]);
		xkd_image_read(img, sec->addr, buf, sizeof(buf));
		if (!xkd_image_sym_at(img, sec->addr + 5, &s, &next)) {
			xkd_image_sym_file(img, &s);
			if (xkd_image_sym_named(img, s.name, &s, &count))
				sum++;
		}
	}
}

/* Random damage: any answer but a crash. What the sanitizers see counts. */
static void test_damage(const char *file, unsigned rounds)
{
	size_t size, opened = 0;
	char *p = get_file(in_scratch("%s", file), &size), *q = malloc(size);
	uint64_t shoff = xkd_get_le((uint8_t *)p + 40, 8);
	uint32_t seed = 12345;

	for (unsigned r = 0; r < rounds; r++) {
		struct xkd_image *img;

		memcpy(q, p, size);
		for (unsigned k = 0; k <= r % 6; k++) {
			size_t at;

			seed = seed * 1664525 + 1013904223;
			/* mostly the headers, where it hurts */
			at = r % 4 ? shoff + (seed >> 8) % (size - shoff) : (seed >> 8) % size;
			q[at] = (char)(r % 3 ? seed >> 24 : 0xff);
		}
		put_file("damaged", q, size);
		if (xkd_image_open(in_scratch("damaged"), NULL, &img, NULL))
			continue;
		opened++;
		everything(img);
		xkd_image_unref(img);
	}
	ok(opened > 0, "%s: %u times damaged, %zu opened, none did harm", file, rounds, opened);
	free(p);
	free(q);
}

static void test_notes(void)
{
	static const uint8_t two[] = "\4\0\0\0\5\0\0\0\1\0\0\0Xen\0hello\0\0\0"
				     "\4\0\0\0\3\0\0\0\3\0\0\0GNU\0\xab\xcd\xef";
	struct xkd_buildid id, other = { .b = { 0xab, 0xcd, 0xee }, .n = 3 };
	char hex[XKD_BUILDID_HEX];
	bool none = true;

	ok(xkd_buildid_from_notes(two, sizeof(two) - 1, &id) == XKD_OK && id.n == 3,
	   "the build-id is the second of two notes");
	is_str(xkd_buildid_hex(&id, hex), "abcdef", "as hex");
	for (size_t n = 0; n < sizeof(two) - 1; n++)
		none &= xkd_buildid_from_notes(two, n, &id) == XKD_NOTFOUND && !id.n;
	ok(none, "cut short anywhere there is none");
	ok(xkd_buildid_from_notes((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\3\0\0\0GNU",
				  16, &id) == XKD_NOTFOUND,
	   "sizes that wrap are refused");
	if (xkd_buildid_from_notes(two, sizeof(two) - 1, &id))
		ok(false, "found again");
	ok(!xkd_buildid_eq(&id, &other), "another last byte is another build-id");
	other.b[2] = 0xef;
	ok(xkd_buildid_eq(&id, &other), "equal ones are equal");
	other.n = id.n = 0;
	ok(!xkd_buildid_eq(&id, &other), "none is not equal to none");
}

static void test_src(void)
{
	struct xkd_src src = xkd_src_mem("abcdef", 6);
	struct xkd_err err = XKD_ERR_INIT;
	char b[8] = "";

	ok(!xkd_src_read(&src, 2, b, 4, &err) && !memcmp(b, "cdef", 4), "a source gives its bytes");
	ok(xkd_src_read(&src, 3, b, 4, &err) == XKD_BADDATA, "but none beyond its end");
	ok(xkd_src_read(&src, UINT64_MAX, b, 2, &err) == XKD_BADDATA &&
		   xkd_src_read(&src, 4, b, SIZE_MAX, &err) == XKD_BADDATA,
	   "nor by wrapping round");
}

static void test_kernel(const char *k)
{
	static const char *const secs[] = { ".text",
					    ".data",
					    ".rodata",
					    ".debug_info",
					    ".debug_frame",
					    ".debug_aranges",
					    ".debug_line",
					    ".debug_rnglists",
					    ".debug_loclists",
					    ".orc_unwind_ip",
					    "__jump_table",
					    "__ksymtab_gpl",
					    NULL };
	char ko[600];
	struct xkd_image *img;
	FILE *f;

	f = sh_read("find '%s/usr/lib/debug' '%s' -name kvm.ko | head -1", k, k);
	if (!f || !fgets(ko, sizeof(ko), f)) {
		skip("a real module", "XKD_KERNEL has no kvm.ko");
		if (f)
			pclose(f);
		return;
	}
	pclose(f);
	ko[strcspn(ko, "\n")] = 0;
	img = open_ok(ko);
	test_sections(img, ko);
	test_buildid_file(img, ko);
	test_layout(img);
	test_relocation(img, ko, secs, "kvm.ko");
	xkd_image_unref(img);
}

int main(void)
{
	static const char *const secs[] = { ".text",
					    ".init.text",
					    ".data",
					    ".rodata",
					    ".rel32",
					    ".debug_info",
					    ".debug_aranges",
					    ".debug_line",
					    ".debug_frame",
					    ".debug_rnglists",
					    ".data.rel.ro",
					    ".data.rel.ro.local",
					    NULL };
	const char *k = getenv("XKD_KERNEL");
	struct xkd_image *o, *elf;

	test_src();
	test_notes();
	scratch_make();
	put_file("a.c", source, sizeof(source) - 1);
	if (!sh("gcc -g -O1 -mcmodel=kernel -fno-pic -fno-pie -fno-asynchronous-unwind-tables "
		"-fcf-protection=none -c a.c && "
		"ld --build-id -Ttext=0xffffffff81000000 -e starts --noinhibit-exec "
		"--unresolved-symbols=ignore-all -o a.elf a.o 2>ld.err")) {
		have_tools() ? (void)ok(false, "inputs are made")
			     : skip("everything", "no gcc or ld");
		return done_testing();
	}
	o = open_ok(in_scratch("a.o"));
	elf = open_ok(in_scratch("a.elf"));
	ok(xkd_image_is_ko(o) && !xkd_image_is_ko(elf), "one is relocatable, the other is not");
	ok(xkd_image_has_dwarf(o) && xkd_image_has_dwarf(elf), "both have debug info");
	is_str(xkd_image_path(o), in_scratch("a.o"), "it knows its path");
	test_sections(o, in_scratch("a.o"));
	test_sections(elf, in_scratch("a.elf"));
	test_buildid_file(elf, in_scratch("a.elf"));
	ok(xkd_image_buildid(o)->n == 0, "a file without build-id has none");
	test_layout(o);
	test_read(o);
	test_relocation(o, in_scratch("a.o"), secs, "a.o");
	test_packed("zlib-gabi", "z.o", o);
	test_packed("zlib-gnu", "zg.o", o);
	test_refusals();
	test_bad_packed();
	test_bad_relocs();
	test_damage("a.o", 1500);
	test_damage("a.elf", 800);
	test_damage("zg.o", 500);
	xkd_image_unref(xkd_image_ref(o));
	ok(xkd_image_nsections(o) > 5, "it lives as long as someone holds it");
	xkd_image_unref(o);
	xkd_image_unref(elf);
	if (k && *k)
		test_kernel(k);
	else
		skip("a real module relocated as ld does", "no kernel given");
	return done_testing();
}
