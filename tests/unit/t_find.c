/* Finding files: tiny kernels and modules laid out as distributions do. The layouts are those of
 * their packages; which file must win is written down here. */
#include "symbols/find.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define REL "6.1.0-1-amd64"
#define KID "aa11111111111111111111111111111111111111"
#define OTHER "cc33333333333333333333333333333333333333"

static char tried_text[65536];

static struct xkd_buildid id_of(const char *hex)
{
	struct xkd_buildid id = { 0 };
	unsigned x;

	for (; hex && *hex && sscanf(hex, "%2x", &x) == 1; hex += 2)
		id.b[id.n++] = (uint8_t)x;
	return id;
}

/* Searches; the answer's path below the scratch folder, or the error's name. */
static const char *found(const char *path, const char *name, const char *rel, const char *id,
			 bool force, struct xkd_err *err)
{
	static char answer[1200];
	struct xkd_want want = { .name = name, .release = rel, .id = id_of(id), .force = force };
	struct xkd_find_cache *cache = xkd_find_cache_new();
	struct xkd_sympath sp = { 0 };
	struct xkd_image *img;
	struct xkd_buf tried;
	size_t n = strlen(scratch);
	enum xkd_rc rc;

	*err = XKD_ERR_INIT;
	xkd_buf_init(&tried);
	xkd_sympath_set(&sp, path);
	rc = xkd_find_image(&sp, cache, &want, NULL, &img, &tried, err);
	snprintf(tried_text, sizeof(tried_text), "%s", tried.s);
	if (rc) {
		snprintf(answer, sizeof(answer), "%s", xkd_rc_name(rc));
		if (img)
			snprintf(answer, sizeof(answer), "an image with an error");
	} else {
		const char *p = xkd_image_path(img);

		snprintf(answer, sizeof(answer), "%s", !strncmp(p, scratch, n) ? p + n + 1 : p);
		xkd_image_unref(img);
	}
	xkd_buf_fini(&tried);
	xkd_sympath_fini(&sp);
	xkd_find_cache_free(cache);
	return answer;
}

static void finds(const char *dir, const char *name, const char *rel, const char *id,
		  const char *want, const char *what)
{
	struct xkd_err err;
	const char *got = found(in_scratch("%s", dir), name, rel, id, false, &err);

	if (!is_str(got, want, what))
		printf("# %s\n# tried:\n# %s\n", err.msg, tried_text);
}

/* tiny ELF files: k.elf (DWARF), k.stripped, other.elf; m.ko, m.stripped, m-other.ko, m-noid.ko */
static bool make_inputs(void)
{
	static const char kernel[] = "int linux_banner = 1; int _start(void) { return 0; }\n";
	static const char module[] =
		"int init_module(void) { return 0; }\n"
		"__asm__(\".section .modinfo,\\\"a\\\"\\n.asciz \\\"license=GPL\\\"\\n"
		".asciz \\\"name=kvm_amd\\\"\\n.asciz \\\"vermagic=" REL
		" SMP mod_unload \\\"\\n.text\");\n"
		"#ifdef ID\n__asm__(\".section .note.gnu.build-id,\\\"a\\\",@note\\n"
		".long 4, 20, 3\\n.ascii \\\"GNU\\\\0\\\"\\n.rept 20\\n.byte \" ID "
		"\"\\n.endr\\n.text\");\n"
		"#endif\n";

	put_file("k.c", kernel, sizeof(kernel) - 1);
	put_file("m.c", module, sizeof(module) - 1);
	return sh(
		"gcc -g -O1 -fno-pic -c k.c && "
		"ld --build-id=0x" KID " -o k.elf k.o && ld --build-id=0x" OTHER
		" -o other.elf k.o && ld --build-id=none -o k.noid k.o && "
		"cp k.elf k.stripped && strip -g k.stripped && cp k.elf k.bare && strip k.bare && "
		"gcc -g -O1 -fno-pic '-DID=\"0xbb\"' -c m.c -o mm.o && "
		"gcc -g -fno-pic -c m.c -o m-noid.ko && "
		"gcc -g -fno-pic '-DID=\"0xcc\"' -c m.c -o m-other.ko && "
		"mv mm.o m.ko && cp m.ko m.stripped && strip -g m.stripped && "
		"sed s/" REL "/6.1.0-2-amd64/ m.c > m5.c && gcc -g -fno-pic -c m5.c -o m-612.ko && "
		"sed s/kvm_amd/kvm_intel/ m.c > mi.c && gcc -g -fno-pic -c mi.c -o m-intel.ko");
}

#define MBB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_kernel_layouts(void)
{
	static const char *const at[] = {
		"vmlinux-" REL,
		"vmlinux",
		"vmlinux.debug",
		".build-id/"
		"aa/11111111111111111111111111111111111111.debug",
		"usr/lib/debug/boot/vmlinux-" REL,
		"usr/lib/debug/lib/modules/" REL "/vmlinux",
		"usr/lib/debug/usr/lib/modules/" REL "/vmlinux.debug",
		"usr/lib/debug/.build-id/aa/11111111111111111111111111111111111111.debug",
		"lib/modules/" REL "/build/vmlinux",
		"boot/vmlinux-" REL,
		"some/where/vmlinux-custom",
	};

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		char want[300], what[300];

		sh("rm -rf L && mkdir -p \"$(dirname 'L/%s')\" && cp k.elf 'L/%s'", at[i], at[i]);
		snprintf(want, sizeof(want), "L/%s", at[i]);
		snprintf(what, sizeof(what), "a kernel at %s", at[i]);
		finds("L", "vmlinux", REL, KID, want, what);
	}
	finds("L", "vmlinux", REL, NULL, "NOTFOUND", "an odd place is no answer without build-id");
	sh("rm -rf L && mkdir -p L/boot && cp k.elf L/boot/vmlinux-" REL);
	finds("L", "vmlinux", REL, NULL, "L/boot/vmlinux-" REL, "a known place is");
	finds("L/", "vmlinux", "../../etc", KID, "L/boot/vmlinux-" REL,
	      "a release that would leave the folder is not used");
	sh("mkdir L/boot/vmlinux-x");
	finds("L/", "vmlinux", "x/../vmlinux-" REL, NULL, "NOTFOUND", "not even by a detour");
	finds("L/boot/vmlinux-" REL, "vmlinux", REL, KID, "L/boot/vmlinux-" REL,
	      "a file by itself");
	finds("k.elf", "vmlinux", REL, KID, "k.elf", "a file of another name by itself");
	finds("k.noid", "vmlinux", NULL, NULL, "k.noid", "a file without build-id, none wanted");
	finds("k.noid", "vmlinux", NULL, KID, "MISMATCH", "a file without build-id, one wanted");
}

static void test_preference(void)
{
	struct xkd_err err;

	sh("rm -rf L && mkdir -p L/boot L/usr/lib/debug/boot && cp k.stripped L/vmlinux && "
	   "cp k.elf L/usr/lib/debug/boot/vmlinux-" REL);
	finds("L", "vmlinux", REL, KID, "L/usr/lib/debug/boot/vmlinux-" REL,
	      "DWARF wins over a stripped file before it");
	sh("cp k.stripped L/usr/lib/debug/boot/vmlinux-" REL "; cp k.bare L/vmlinux");
	finds("L", "vmlinux", REL, KID, "L/usr/lib/debug/boot/vmlinux-" REL,
	      "symbols win over none");
	sh("rm -rf L/usr");
	finds("L", "vmlinux", REL, KID, "L/vmlinux", "a bare one is better than nothing");
	sh("cp other.elf L/vmlinux; cp k.elf L/vmlinux-" REL);
	finds("L", "vmlinux", NULL, KID, "L/vmlinux-" REL,
	      "a wrong one before it does not hide the right one");
	sh("rm -rf L && mkdir -p A B && cp other.elf A/vmlinux && cp k.elf B/vmlinux");
	is_str(found(in_scratch("A:%s/B", scratch), "vmlinux", REL, KID, false, &err), "B/vmlinux",
	       "the second folder of a path");
}

static void test_mismatch(void)
{
	struct xkd_err err;

	is_str(found(in_scratch("other.elf"), "vmlinux", REL, KID, false, &err), "MISMATCH",
	       "another build-id is refused");
	ok(strstr(err.msg, KID) && strstr(err.msg, OTHER) && strstr(err.msg, "other.elf"),
	   "naming both and the file: %s", err.msg);
	is_str(found(in_scratch("other.elf"), "vmlinux", REL, KID, true, &err), "other.elf",
	       "taken when forced");
	is_str(found(in_scratch("other.elf:%s/k.elf", scratch), "vmlinux", REL, KID, true, &err),
	       "k.elf", "but the right one all the same where there is one");
	is_str(found(in_scratch("none"), "vmlinux", REL, KID, false, &err), "NOTFOUND",
	       "nothing there");
	ok(strstr(err.msg, "vmlinux") && strstr(err.msg, REL) && strstr(err.msg, KID),
	   "it says what: %s", err.msg);
	sh("head -c 3000 k.elf > cut.elf");
	is_str(found(in_scratch("cut.elf"), "vmlinux", REL, KID, false, &err), "BADDATA",
	       "a truncated file");
	ok(strstr(err.msg, "truncated") && strstr(err.msg, "cut.elf"), "in words: %s", err.msg);
	is_str(found(in_scratch("m.ko"), "vmlinux", REL, KID, false, &err), "NOTFOUND",
	       "a module is no kernel");
	is_str(found(in_scratch("k.elf"), "kvm", REL, MBB, false, &err), "NOTFOUND",
	       "a kernel is no module");
}

static void test_modules(void)
{

	sh("rm -rf L && mkdir -p L/lib/modules/" REL "/kernel/arch L/usr/lib/debug/lib/modules/" REL
	   "/kernel/arch && cp m.stripped L/lib/modules/" REL "/kernel/arch/kvm-amd.ko && "
	   "cp m.ko L/usr/lib/debug/lib/modules/" REL "/kernel/arch/kvm-amd.ko");
	finds("L", "kvm_amd", REL, MBB,
	      "L/usr/lib/debug/lib/modules/" REL "/kernel/arch/kvm-amd.ko",
	      "Debian's modules: '_' finds '-', the debug file wins");
	finds("L/usr/lib/debug", "kvm-amd", REL, MBB,
	      "L/usr/lib/debug/lib/modules/" REL "/kernel/arch/kvm-amd.ko", "from usr/lib/debug");
	finds("L/usr", "kvm_amd", NULL, MBB,
	      "L/usr/lib/debug/lib/modules/" REL "/kernel/arch/kvm-amd.ko",
	      "from above, release unknown");
	finds("L", "kvm", REL, MBB, "NOTFOUND", "part of a name is another name");
	finds("L", "kvm_amd", REL, NULL,
	      "L/usr/lib/debug/lib/modules/" REL "/kernel/arch/kvm-amd.ko",
	      "without build-id by name and vermagic");
	finds("L", "../kvm_amd", REL, NULL, "BADDATA", "a name that is a path");
	finds("L", "", REL, NULL, "BADDATA", "an empty name");
	sh("rm -rf L/usr/lib/debug && mkdir -p L/.build-id/bb && cp m.ko L/.build-id/bb/"
	   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.debug");
	finds("L", "kvm_amd", REL, MBB,
	      "L/.build-id/bb/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.debug",
	      "a module by .build-id");
	sh("rm -rf L && mkdir -p L/x && cp m.ko L/x/kvm_amd.ko.debug && cp m-612.ko "
	   "L/x/kvm-amd.ko");
	finds("L", "kvm_amd", REL, MBB, "L/x/kvm_amd.ko.debug", "Fedora's .ko.debug");
	sh("rm L/x/*.debug");
	finds("L", "kvm_amd", REL, NULL, "NOTFOUND", "vermagic of another release is refused");
	ok(strstr(tried_text, "another kernel release"), "which is told");
	sh("cp m-intel.ko L/x/kvm-amd.ko");
	finds("L", "kvm_amd", REL, NULL, "NOTFOUND", "another module under this name is refused");
	sh("cp m-other.ko L/x/kvm-amd.ko");
	finds("L", "kvm_amd", REL, MBB, "MISMATCH", "a module of another build");
	sh("rm L/x/kvm-amd.ko && gzip -c m.ko > L/x/kvm-amd.ko.gz");
	finds("L", "kvm_amd", REL, MBB, "L/x/kvm-amd.ko.gz", "a compressed module");
	finds("m.ko", "kvm_amd", REL, MBB, "m.ko", "a file of any name by its build-id");
	finds("m-noid.ko", "kvm_amd", REL, NULL, "m-noid.ko", "or by the name inside it");
	finds("m-intel.ko", "kvm_amd", REL, NULL, "NOTFOUND", "not another's");
}

static void test_walk(void)
{
	char deep[200] = "L";

	sh("rm -rf L && mkdir -p L/real L/.git && ln -s ../L L/real/loop && ln -s / L/rootlink && "
	   "cp m.ko L/.git/kvm-amd.ko && ln -s ../../m.ko L/real/kvm-amd.ko");
	finds("L", "kvm_amd", REL, MBB, "L/real/kvm-amd.ko",
	      "links to folders and hidden folders are not entered, links to files are followed");
	sh("rm -rf L && mkdir -p L/1/2/3/4/5/6/7/8/9/10/11/12 && cp m.ko "
	   "L/1/2/3/4/5/6/7/8/9/10/11");
	sh("mv L/1/2/3/4/5/6/7/8/9/10/11/m.ko L/1/2/3/4/5/6/7/8/9/10/11/kvm-amd.ko");
	snprintf(deep, sizeof(deep), "L/1/2/3/4/5/6/7/8/9/10/11/kvm-amd.ko");
	finds("L", "kvm_amd", NULL, MBB, deep, "a module eleven folders down");
	sh("mv L/1/2/3/4/5/6/7/8/9/10/11/kvm-amd.ko L/1/2/3/4/5/6/7/8/9/10/11/12");
	finds("L", "kvm_amd", NULL, MBB, "NOTFOUND", "one level more is too deep");
}

static void test_path(void)
{
	struct xkd_sympath sp = { 0 };
	struct xkd_buf b;

	xkd_buf_init(&b);
	setenv("HOME", "/home/me", 1);
	xkd_sympath_set(&sp, "/a:/b/;~/c:: /a ;srv*/cache*https://host:443/x:/d");
	xkd_sympath_show(&sp, &b);
	is_str(b.s, "/a:/b:/home/me/c:srv*/cache*https://host:443/x:/d",
	       "entries are split at : and ;, not inside URLs, and stand once");
	is_u64(sp.n, 5, "five of them");
	xkd_sympath_add(&sp, "/e");
	xkd_buf_reset(&b);
	xkd_sympath_show(&sp, &b);
	ok(sp.n == 6 && strstr(b.s, ":/e"), "one more appended");
	xkd_sympath_set(&sp, "");
	is_u64(sp.n, 0, "replaced by nothing");
	xkd_sympath_set(&sp, "/");
	is_str(sp.n ? sp.dirs[0] : "", "/", "the root stays itself");
	xkd_sympath_fini(&sp);
	xkd_buf_fini(&b);
}

struct kernels {
	char seen[2048];
	unsigned n, stop;
};

static bool see_kernel(void *arg, struct xkd_image *img)
{
	struct kernels *k = arg;
	const char *p = xkd_image_path(img);

	if (!strncmp(p, scratch, strlen(scratch))) {
		size_t n = strlen(k->seen);

		k->n++;
		snprintf(k->seen + n, sizeof(k->seen) - n, "%s ", p + strlen(scratch) + 1);
	}
	return k->n < k->stop;
}

static void test_kernels(void)
{
	struct xkd_find_cache *cache = xkd_find_cache_new();
	struct kernels k = { .stop = 100 };
	struct xkd_sympath sp = { 0 };

	sh("rm -rf L && mkdir -p L/boot L/lib/modules/" REL " L/arch/boot/compressed && "
	   "cp k.stripped L/boot/vmlinux-1 && cp other.elf L/boot/vmlinux-2 && cp m.ko "
	   "L/boot/vmlinux-3 && "
	   "cp k.elf L/arch/boot/compressed/vmlinux && ln -s boot/vmlinux-2 L/vmlinux && "
	   "echo hello > L/boot/vmlinux-4 && ln -s ../../../../B L/lib/modules/" REL "/build");
	xkd_sympath_set(&sp, in_scratch("L"));
	xkd_find_kernels(&sp, cache, NULL, see_kernel, &k);
	is_str(k.seen, "L/vmlinux L/lib/modules/" REL "/build/vmlinux L/boot/vmlinux-1 ",
	       "every kernel once, those with DWARF first");
	k = (struct kernels){ .stop = 1 };
	xkd_find_kernels(&sp, cache, NULL, see_kernel, &k);
	is_u64(k.n, 1, "a caller can stop it");
	xkd_sympath_fini(&sp);
	xkd_find_cache_free(cache);
}

/* Debian's own packages, unpacked. */
static void test_debian(const char *k)
{
	char rel[128] = "", id[128] = "", want[1200], dir[1100];
	struct xkd_err err;
	FILE *f;

	f = sh_read("basename '%s'/usr/lib/debug/boot/vmlinux-* | cut -d- -f2-", k);
	if (f && fgets(rel, sizeof(rel), f))
		rel[strcspn(rel, "\n")] = 0;
	if (f)
		pclose(f);
	f = sh_read("readelf -n '%s/usr/lib/debug/boot/vmlinux-%s' | sed -n 's/.*Build ID: //p'", k,
		    rel);
	if (f && fgets(id, sizeof(id), f))
		id[strcspn(id, "\n")] = 0;
	if (f)
		pclose(f);
	if (!*id) {
		skip("Debian's layout", "XKD_KERNEL has none");
		return;
	}
	snprintf(want, sizeof(want), "%s/usr/lib/debug/boot/vmlinux-%s", k, rel);
	is_str(found(k, "vmlinux", rel, id, false, &err), want, "a real kernel from the root");
	is_str(found(want, "vmlinux", rel, id, false, &err), want, "as a file");
	snprintf(dir, sizeof(dir), "%s/usr/lib/debug", k);
	/* a link to it lies there too */
	/* as vmlinux-REL or by a link to it */
	ok(strstr(found(dir, "vmlinux", rel, id, false, &err), "/vmlinux"), "from usr/lib/debug");
	snprintf(want, sizeof(want),
		 "%s/usr/lib/debug/lib/modules/%s/kernel/arch/x86/kvm/kvm-amd.ko", k, rel);
	is_str(found(k, "kvm_amd", rel, NULL, false, &err), want, "a real module from the root");
	is_str(found(dir, "kvm_amd", rel, NULL, false, &err), want, "from usr/lib/debug");
	is_str(found(k, "kvm", rel, OTHER, false, &err), "MISMATCH", "a wrong build-id");
}

int main(void)
{
	const char *k = getenv("XKD_KERNEL");

	test_path();
	scratch_make();
	if (!make_inputs()) {
		have_tools() ? (void)ok(false, "inputs are made")
			     : skip("everything", "no gcc or ld");
		return done_testing();
	}
	test_kernel_layouts();
	test_preference();
	test_mismatch();
	test_modules();
	test_walk();
	test_kernels();
	if (k && *k)
		test_debian(k);
	else
		skip("a real kernel and its modules", "no kernel given");
	return done_testing();
}
