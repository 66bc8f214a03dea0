/* The index: what it holds against nm and readelf; builders that crash, meet a full or read-only
 * disk, race each other; files of other formats; with XKD_KERNEL a kernel's kvm.ko against readelf,
 * pahole. */
#include "base/str.h"
#include "base/vec.h"
#include "symbols/dwarf.h"
#include "symbols/index.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char src_a[] =
	"struct pair { int a, b; long c; };\n"
	"typedef struct pair pair_t;\n"
	"enum color { RED, GREEN = 7 };\n"
	"union both { int i; double d; };\n"
	"struct unseen;\n"
	"int counter; static pair_t hidden __attribute__((used)); extern long elsewhere;\n"
	"enum color shade; union both u; struct unseen *nobody;\n"
	"void __attribute__((noinline, cold)) die(int x) { counter -= x; __builtin_trap(); }\n"
	"static inline __attribute__((always_inline)) int twice(int x)\n"
	"{ static int calls; calls++; return x * 2 + counter; }\n"
	"static __attribute__((always_inline)) inline int deep(int x)\n"
	"{ if (x == 3) die(x); return twice(x) + (int)elsewhere; }\n"
	"static __attribute__((noinline)) int stat(int x, int unused) { return deep(x) * deep(x + "
	"1); }\n"
	"int outer(int x) { return stat(x, 1) + twice(x + 5) + hidden.a; }\n"
	"int other(int x) { return stat(x, 2) - outer(x); }\n";
static const char src_b[] = "struct pair { char other; };\n"
			    "static struct pair hidden __attribute__((used)); long elsewhere = 3;\n"
			    "extern int counter; int outer(int);\n"
			    "int main(int n, char **v) { return outer(n) + counter; }\n";

static unsigned warned;
static char last_warning[1024];
static void sink(void *arg XKD_UNUSED, enum xkd_log_chan chan, const char *line)
{
	if (chan != XKD_LOG_WARN)
		return;
	warned++;
	snprintf(last_warning, sizeof(last_warning), "%s", line);
}

struct fix {
	struct xkd_log log;
	struct xkd_image *img;
	struct xkd_index *ix;
	struct xkd_err err;
};
static bool fix_open(struct fix *f, const char *path)
{
	xkd_log_init(&f->log);
	f->log.sink = sink;
	f->err = XKD_ERR_INIT;
	warned = 0;
	if (xkd_image_open(path, &f->log, &f->img, &f->err)) {
		printf("# %s\n", f->err.msg);
		return false;
	}
	f->ix = xkd_image_index(f->img);
	return true;
}
static void fix_close(struct fix *f)
{
	xkd_image_unref(f->img);
}

/* Files in the cache folder; parts counts unfinished ones. */
static unsigned cache_files(const char *cache, unsigned *parts)
{
	char path[512];
	DIR *d;
	struct dirent *e;
	unsigned n = 0;

	*parts = 0;
	snprintf(path, sizeof(path), "%s/xkd/index", cache);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (!strncmp(e->d_name, ".new-", 5))
			++*parts;
		else if (e->d_name[0] != '.')
			n++;
	}
	if (d)
		closedir(d);
	return n;
}

static long shell_number(const char *cmd)
{
	FILE *f = sh_read("%s", cmd);
	long v = -1;

	if (f && fscanf(f, "%li", &v) != 1)
		v = -1;
	if (f)
		pclose(f);
	return v;
}

/* --- what it holds --- */

struct seen {
	unsigned real, inlined, in_outer, at_addr;
	uint64_t addr;
	char name[128];
};
static bool see(void *arg, const struct xkd_ixfunc *fn)
{
	struct seen *s = arg;

	s->real += !fn->inlined;
	s->inlined += fn->inlined;
	s->in_outer += fn->inlined && !strcmp(fn->host, "outer");
	s->at_addr += fn->addr == s->addr;
	snprintf(s->name, sizeof(s->name), "%s", fn->name);
	return true;
}
static struct seen ask(struct fix *f, const char *name, uint64_t addr)
{
	struct seen s = { .addr = addr };

	if (xkd_index_funcs(f->ix, name, xkd_is_glob(name), false, see, &s, NULL, &f->err))
		printf("# %s: %s\n", name, f->err.msg);
	return s;
}

/* Every function symbol of nm's stands at its address, under its own and its base name. */
static void check_nm(struct fix *f)
{
	FILE *p = sh_read("nm --defined-only prog | awk '$2 ~ /[tT]/ { print $1, $3 }' | "
			  "grep -E ' (die|stat|outer|other|main)(\\.|$)'");
	unsigned long addr;
	char name[128];
	unsigned n = 0, suffixed = 0, bad = 0;

	while (p && fscanf(p, "%lx %127s", &addr, name) == 2) {
		char *dot;

		n++;
		if (ask(f, name, addr).at_addr != 1)
			bad++, printf("# %s at %lx is missing\n", name, addr);
		dot = strchr(name, '.');
		if (!dot)
			continue;
		suffixed++;
		*dot = 0;
		if (ask(f, name, addr).at_addr != 1)
			bad++, printf("# %s at %lx is not found by its base name\n", name, addr);
	}
	if (p)
		pclose(p);
	ok(n >= 5 && !bad, "all %u functions are where nm has them", n);
	ok(suffixed >= 1, "%u of them with a compiler's suffix", suffixed);
}

#define READELF_INL                                                            \
	"readelf -W --debug-dump=info %s 2>/dev/null | "                       \
	"awk '/DW_TAG_/ { if (t && a) n++; t = /inlined_subroutine/; a = 0 } " \
	"/DW_AT_(low_pc|ranges)/ { a = 1 } END { if (t && a) n++; print n + 0 }'"

static void check_inlined(struct fix *f)
{
	struct xkd_ixinfo info;
	char cmd[512];
	FILE *p;
	unsigned long addr;
	unsigned n = 0, bad = 0;

	snprintf(cmd, sizeof(cmd), READELF_INL, "prog");
	ok(!xkd_index_info(f->ix, &info, &f->err) && info.path && info.bytes, "its facts are told");
	is_u64(info.inlined, (uint64_t)shell_number(cmd), "as many inlined copies as readelf has");
	p = sh_read("readelf -W --debug-dump=info prog | awk '/DW_TAG_/ { t = /inlined_subr/ } "
		    "t && /DW_AT_entry_pc/ { print $NF }'");
	while (p && fscanf(p, "%lx", &addr) == 1) {
		n++;
		bad += ask(f, "twice", addr).at_addr + ask(f, "deep", addr).at_addr +
			       ask(f, "outer", addr).at_addr <
		       1;
	}
	if (p)
		pclose(p);
	ok(n && !bad, "%u entry addresses of inlined copies as readelf has them", n);
	ok(ask(f, "twice", 0).in_outer == 1, "a copy names the function around it");
	ok(!ask(f, "nothing", 0).real, "no function, no answer");
	ok(ask(f, "ou*", 0).real == 1, "a pattern");
}

struct var {
	unsigned n, decl, local;
	uint64_t addrs[8];
	uint64_t types;
};
static bool see_var(void *arg, const struct xkd_ixvar *v)
{
	struct var *s = arg;

	if (s->n < 8)
		s->addrs[s->n] = v->has_addr ? v->addr : 0;
	s->n++;
	s->decl += v->decl;
	s->local += v->local;
	s->types += v->type != 0;
	return true;
}
static struct var ask_var(struct fix *f, const char *name)
{
	struct var v = { 0 };

	if (xkd_index_vars(f->ix, name, false, false, see_var, &v, NULL, &f->err))
		printf("# %s\n", f->err.msg);
	return v;
}

static void check_vars(struct fix *f)
{
	struct var v = ask_var(f, "counter");

	ok(v.n == 1 && !v.decl && v.types == 1, "one definition and no declaration of a global");
	is_u64(v.addrs[0],
	       (uint64_t)shell_number("echo 0x$(nm prog | awk '$3 == \"counter\" "
				      "{ print $1 }')"),
	       "its address is nm's");
	v = ask_var(f, "hidden");
	ok(v.n == 2 && v.addrs[0] && v.addrs[1] != v.addrs[0], "both statics of one name");
	v = ask_var(f, "calls");
	ok(v.n >= 1 && v.local == v.n && v.addrs[0], "a static inside a function");
	is_u64(v.addrs[0],
	       (uint64_t)shell_number("echo 0x$(nm prog | awk '$3 ~ /^calls/ "
				      "{ print $1 }')"),
	       "its address is nm's");
}

struct types {
	unsigned n;
	uint64_t sizes;
	bool decl;
	enum xkd_tag tag;
};
static bool see_type(void *arg, const struct xkd_ixtype *t)
{
	struct types *s = arg;

	s->n++;
	s->sizes += t->size;
	s->decl |= t->decl;
	s->tag = t->tag;
	return true;
}
static struct types ask_type(struct fix *f, const char *name)
{
	struct types t = { 0 };

	if (xkd_index_types(f->ix, name, see_type, &t, NULL, &f->err))
		printf("# %s\n", f->err.msg);
	return t;
}
static bool see_file(void *arg, const struct xkd_ixfile *f)
{
	*(unsigned *)arg += (unsigned)f->n;
	return true;
}

static void check_types(struct fix *f)
{
	struct types t = ask_type(f, "pair");
	unsigned units = 0, none = 0;

	ok(t.n == 2 && t.sizes == 16 + 1, "two structs of one name and different size");
	t = ask_type(f, "pair_t");
	ok(t.n == 1 && t.tag == XKD_TAG_TYPEDEF, "a typedef");
	t = ask_type(f, "color");
	ok(t.n == 1 && t.tag == XKD_TAG_ENUM && t.sizes == 4, "an enum");
	t = ask_type(f, "both");
	ok(t.n == 1 && t.tag == XKD_TAG_UNION && t.sizes == 8, "a union");
	t = ask_type(f, "unseen");
	ok(t.n == 1 && t.decl, "a struct that is only declared");
	ok(!xkd_index_files(f->ix, "a.c", see_file, &units, NULL, &f->err) && units == 1,
	   "a source file and its unit");
	ok(!xkd_index_files(f->ix, "x/a.c", see_file, &none, NULL, &f->err) && !none,
	   "no file in another folder");
}

static void check_global(struct fix *f)
{
	struct xkd_dwarf *d;
	struct xkd_dglobal g;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t b =
		(uint64_t)shell_number("echo 0x$(nm prog | awk '$3 == \"main\" { print $1 }')");

	ok(!xkd_image_dwarf(f->img, &d, &err) &&
		   !xkd_dwarf_global(d, "hidden", b, &g, NULL, &err) && g.type &&
		   xkd_type_strip(g.type)->size == 1,
	   "a static's type, of the unit asked from");
}

static void test_contents(const char *flags)
{
	struct fix f;

	if (!sh("gcc %s -g -O2 -Wl,--build-id -o prog a.c b.c 2>gcc.log", flags)) {
		skip("contents", "this compiler cannot make the input");
		return;
	}
	printf("# %s\n", flags);
	if (!ok(fix_open(&f, in_scratch("prog")), "opened"))
		return;
	ok(xkd_index_state(f.ix, NULL) == XKD_IX_NONE, "nothing is there at first");
	if (ok(!xkd_index_wait(f.ix, NULL, &f.err), "made")) {
		check_nm(&f);
		check_inlined(&f);
		check_vars(&f);
		check_types(&f);
		check_global(&f);
	}
	fix_close(&f);
	ok(fix_open(&f, in_scratch("prog")) && xkd_index_state(f.ix, NULL) == XKD_IX_READY,
	   "another session finds it");
	ok(!xkd_index_drop(f.ix, &f.err) && xkd_index_state(f.ix, NULL) == XKD_IX_NONE, "dropped");
	fix_close(&f);
}

/* --- what goes wrong --- */

static void test_crash(void)
{
	struct fix f;
	char want[400];
	unsigned parts;

	setenv("XKD_TEST_INDEX", "crash", 1);
	if (!fix_open(&f, in_scratch("prog")))
		return;
	snprintf(want, sizeof(want), "the index builder crashed on %s (signal 11)",
		 in_scratch("prog"));
	ok(xkd_index_wait(f.ix, NULL, &f.err) == XKD_BADDATA, "a builder that crashes is survived");
	is_str(f.err.msg, want, "and told");
	setenv("XKD_TEST_INDEX", "", 1);
	f.err = XKD_ERR_INIT;
	ok(xkd_index_wait(f.ix, NULL, &f.err) == XKD_BADDATA, "it is not tried again");
	is_str(f.err.msg, want, "for the same reason");
	ok(warned == 1, "said once");
	ok(!xkd_index_drop(f.ix, &f.err) && !xkd_index_wait(f.ix, NULL, &f.err),
	   "unless it is dropped first");
	cache_files(getenv("XDG_CACHE_HOME"), &parts);
	ok(!parts, "nothing unfinished is left");
	ok(!xkd_index_drop(f.ix, &f.err), "dropped");
	fix_close(&f);
}

/* Bytes of .debug_info and .debug_abbrev spoilt: whatever comes of it, it comes from the child. */
static void test_hostile(void)
{
	char *bytes, *spoilt;
	size_t n;
	unsigned lived = 0, tries = 0;
	long off = shell_number("echo 0x$(readelf -WS prog | sed 's/\\[ */[/' | "
				"awk '$2 == \".debug_info\" { print $5 }')"),
	     size = shell_number("echo 0x$(readelf -WS prog | sed 's/\\[ */[/' | "
				 "awk '$2 == \".debug_info\" { print $6 }')");

	bytes = get_file(in_scratch("prog"), &n);
	if (!ok(bytes && off > 0 && size > 0 && (size_t)(off + size) < n,
		"readelf finds the section"))
		return;
	spoilt = malloc(n);
	srand(1);
	for (int i = 0; i < 40; i++) {
		struct fix f;
		enum xkd_rc rc;

		memcpy(spoilt, bytes, n);
		for (int k = 0; k <= i % 8; k++)
			spoilt[off + rand() % (size + 400)] = (char)rand();
		put_file("bad", spoilt, n);
		if (!fix_open(&f, in_scratch("bad")))
			continue;
		tries++;
		rc = xkd_index_wait(f.ix, NULL, &f.err);
		lived +=
			!rc || (!strstr(f.err.msg, "crashed") && !strstr(f.err.msg, "ended early"));
		if (!rc && xkd_index_drop(f.ix, &f.err))
			lived--;
		fix_close(&f);
	}
	ok(tries && lived == tries, "%u spoilt files: no builder died", tries);
	free(spoilt);
	free(bytes);
}

static void test_cancel(void)
{
	struct xkd_cancel cancel = { .count = 1, .wake_fd = -1 };
	uint64_t start = xkd_now_ms();
	struct fix f;

	setenv("XKD_TEST_INDEX", "slow", 1);
	if (!fix_open(&f, in_scratch("prog")))
		return;
	ok(xkd_index_wait(f.ix, &cancel, &f.err) == XKD_CANCELED, "Ctrl-C ends the waiting");
	ok(xkd_now_ms() - start < 1500, "at once");
	ok(xkd_index_state(f.ix, NULL) == XKD_IX_BUILDING, "but not the making");
	setenv("XKD_TEST_INDEX", "", 1);
	ok(!xkd_index_wait(f.ix, NULL, &f.err), "which is waited for later");
	ok(!xkd_index_drop(f.ix, &f.err), "dropped");
	fix_close(&f);
}

static void test_race(void)
{
	unsigned good = 0, parts, files;
	pid_t pid[4];

	for (int i = 0; i < 4; i++) {
		fflush(stdout);
		pid[i] = fork();
		if (!pid[i]) {
			struct fix f;
			bool fine = fix_open(&f, in_scratch("prog")) &&
				    !xkd_index_wait(f.ix, NULL, &f.err) &&
				    ask(&f, "outer", 0).real == 1;

			_exit(!fine);
		}
	}
	for (int i = 0; i < 4; i++) {
		int st;

		good += waitpid(pid[i], &st, 0) == pid[i] && !st;
	}
	ok(good == 4, "four at once");
	files = cache_files(getenv("XDG_CACHE_HOME"), &parts);
	ok(files == 1 && !parts, "leave one file");
}

/* The file that test_race left, spoilt in several ways. */
static void test_old(void)
{
	char *path = NULL;
	struct xkd_ixinfo info;
	struct fix f;
	int fd;

	if (fix_open(&f, in_scratch("prog")) && !xkd_index_info(f.ix, &info, &f.err))
		path = xkd_strdup(info.path);
	fix_close(&f);
	if (!ok(path, "a file to spoil"))
		return;
	fd = open(path, O_RDWR);
	ok(pwrite(fd, "\0\0\0\143", 4, 60) == 4, "another format's number in it");
	close(fd);
	ok(fix_open(&f, in_scratch("prog")) && xkd_index_state(f.ix, NULL) == XKD_IX_NONE,
	   "it counts as absent");
	ok(!xkd_index_wait(f.ix, NULL, &f.err) && ask(&f, "outer", 0).real == 1,
	   "and is made anew");
	fix_close(&f);
	ok(!truncate(path, 5000) && fix_open(&f, in_scratch("prog")) &&
		   (xkd_index_state(f.ix, NULL) != XKD_IX_READY || !ask(&f, "outer", 0).real) &&
		   !xkd_index_wait(f.ix, NULL, &f.err) && ask(&f, "outer", 0).real == 1,
	   "a cut file, too");
	ok(!xkd_index_drop(f.ix, &f.err), "dropped");
	fix_close(&f);
	free(path);
}

/* In memory: works, is said once, leaves nothing. */
static void in_memory(const char *what, const char *why)
{
	struct xkd_ixinfo info;
	struct fix f;

	if (!fix_open(&f, in_scratch("prog")))
		return;
	ok(!xkd_index_wait(f.ix, NULL, &f.err) && ask(&f, "outer", 0).real == 1, "%s: made", what);
	ok(!xkd_index_info(f.ix, &info, &f.err) && !info.path, "%s: in memory", what);
	ok(warned == 1 && strstr(last_warning, "kept in memory for this session") &&
		   strstr(last_warning, why),
	   "%s: said once (%s)", what, last_warning);
	fix_close(&f);
}

static void test_nowhere(void)
{
	char *cache = xkd_strdup(getenv("XDG_CACHE_HOME"));
	char *home = getenv("HOME") ? xkd_strdup(getenv("HOME")) : NULL;

	setenv("XDG_CACHE_HOME", "/proc/self/nowhere", 1);
	in_memory("a folder that cannot be made", "cannot make the folder");
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	in_memory("no HOME", "HOME");
	setenv("XDG_CACHE_HOME", cache, 1);
	if (home)
		setenv("HOME", home, 1);
	free(home);
	free(cache);
}

/* In a mount namespace of its own, so that nothing is left mounted. */
static void test_full(unsigned long flags, const char *data, const char *what, const char *why)
{
	char dir[300];
	unsigned parts;

	snprintf(dir, sizeof(dir), "%s", in_scratch("disk"));
	mkdir(dir, 0700);
	if (mount("none", dir, "tmpfs", flags, data)) {
		skip(what, "no right to mount");
		return;
	}
	setenv("XDG_CACHE_HOME", dir, 1);
	in_memory(what, why);
	ok(!cache_files(dir, &parts) && !parts, "%s: no file is left", what);
	umount2(dir, MNT_DETACH);
	setenv("XDG_CACHE_HOME", in_scratch(".cache"), 1);
}

static void test_limit(void)
{
	struct rlimit old, small = { 16384, RLIM_INFINITY }; /* less than an index, more than we print */
	unsigned parts;

	if (getrlimit(RLIMIT_FSIZE, &old))
		return;
	fflush(stdout);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	in_memory("a limit on files", "File too large");
	setrlimit(RLIMIT_FSIZE, &old);
	ok(!cache_files(getenv("XDG_CACHE_HOME"), &parts) && !parts, "a limit on files: leaves none");
}

/* --- a kernel's module --- */

static void test_kernel(void)
{
	const char *k = getenv("XKD_KERNEL");
	char pattern[512], cmd[1024];
	struct fix f;
	struct xkd_ixinfo info;
	glob_t g;

	if (!k) {
		skip("a kernel's module", "no kernel given");
		return;
	}
	snprintf(pattern, sizeof(pattern),
		 "%s/usr/lib/debug/lib/modules/*/kernel/arch/x86/kvm/kvm.ko", k);
	if (glob(pattern, 0, NULL, &g) || !fix_open(&f, g.gl_pathv[0])) {
		skip("a kernel's module", "no kvm.ko there");
		return;
	}
	ok(!xkd_index_wait(f.ix, NULL, &f.err) && !xkd_index_info(f.ix, &info, &f.err),
	   "kvm.ko: made");
	snprintf(cmd, sizeof(cmd), READELF_INL, g.gl_pathv[0]);
	is_u64(info.inlined, (uint64_t)shell_number(cmd),
	       "kvm.ko: inlined copies as readelf counts");
	snprintf(cmd, sizeof(cmd),
		 "readelf -W --debug-dump=info %s 2>/dev/null | awk '/DW_TAG_/ { if (t && a) n++; "
		 "t = /TAG_subprogram/; a = 0 } /DW_AT_(low_pc|ranges)/ { a = 1 } "
		 "END { if (t && a) n++; print n }' > n1; nm %s | "
		 "awk '$2 ~ /[tT]/ && $3 ~ /\\.cold$/' | wc -l > n2; echo $(($(cat n1) + $(cat "
		 "n2)))",
		 g.gl_pathv[0], g.gl_pathv[0]);
	is_u64(info.funcs, (uint64_t)shell_number(cmd),
	       "kvm.ko: functions as readelf counts, and their cold parts as nm does");
	snprintf(cmd, sizeof(cmd),
		 "pahole -s %s 2>/dev/null | awk '$1 == \"kvm_vcpu\" { print $2 }'", g.gl_pathv[0]);
	is_u64(ask_type(&f, "kvm_vcpu").sizes, (uint64_t)shell_number(cmd),
	       "kvm.ko: the size of a struct is pahole's");
	printf("# %llu ms, %llu bytes, peak %llu KiB\n", (unsigned long long)info.build_ms,
	       (unsigned long long)info.bytes, (unsigned long long)info.peak_kib);
	fix_close(&f);
	globfree(&g);
}

int main(void)
{
	unsetenv("XKD_TEST_INDEX");
	scratch_make();
	if (!have_tools()) {
		skip("the index", "gcc or binutils are missing");
		return done_testing();
	}
	put_file("a.c", src_a, strlen(src_a));
	put_file("b.c", src_b, strlen(src_b));
	test_contents("-gdwarf-5");
	test_contents("-gdwarf-4");
	test_crash();
	test_hostile();
	test_cancel();
	test_race();
	test_old();
	test_nowhere();
	test_limit();
	if (!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		test_full(0, "size=16k", "a full disk", "No space left on device");
		test_full(MS_RDONLY, "", "a read-only folder", "Read-only file system");
	} else {
		skip("full and read-only disks", "no right to mount");
	}
	test_kernel();
	return done_testing();
}
