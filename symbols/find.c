/* Finds the file of a kernel or module. Invariants: a file is taken only when it is of the right
 * kind and its build-id is the wanted one (or none is known, or the caller forces it); each path is
 * opened once a search; names and releases come from a target and never leave the folder they are
 * joined to. */
#include "symbols/find.h"
#include "symbols/debuglink.h"
#include "symbols/find_list.h"
#include "symbols/server.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include <dirent.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_KERNELS 256

struct finder {
	const struct xkd_want *want;
	struct xkd_find_cache *cache;
	struct xkd_log *log;
	struct xkd_buf *tried;
	struct xkd_arena arena;
	struct xkd_map seen; /* paths */
	bool kernel;
	const char *release;		  /* NULL: not known */
	char key[XKD_FIND_KEY];		  /* "vmlinux" or the module's name */
	char idpath[XKD_BUILDID_HEX + 1]; /* "ab/cdef..."; "" when not known */
	struct xkd_image *best;		  /* right build-id, no DWARF */
	struct xkd_image *wrong;	  /* another build-id, when forced */
	struct xkd_err fail; /* the first trouble with a file that looked like the one */
	size_t looked;
};

static void note(struct finder *f, const char *path, const char *what)
{
	/* errors of opening name the file themselves */
	bool named = xkd_has_prefix(what, path);

	xkd_log(f->log, XKD_LOG_FIND, "%s%s%s", named ? "" : path, named ? "" : ": ", what);
	if (f->tried)
		xkd_buf_printf(f->tried, "%s%s%s\n", named ? "" : path, named ? "" : ": ", what);
}

/* Value of "key=" in .modinfo, or NULL; it ends with a NUL inside the section. */
static const char *modinfo(struct xkd_image *img, const char *key)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".modinfo");
	size_t size, off = 0, nkey = strlen(key);
	const uint8_t *d;

	if (!s || xkd_image_section_data(img, s, &d, &size, NULL))
		return NULL;
	while (off < size) {
		const char *e = (const char *)d + off;
		size_t n = strnlen(e, size - off);

		if (n == size - off)
			return NULL;
		if (n > nkey && !memcmp(e, key, nkey) && e[nkey] == '=')
			return e + nkey + 1;
		off += n + 1;
	}
	return NULL;
}

/* Without a build-id: what else says that a file belongs to another kernel. NULL: nothing. */
static const char *foreign(const struct finder *f, struct xkd_image *img, bool loud)
{
	const char *p = xkd_image_path(img), *v, *dir;
	char key[XKD_FIND_KEY];
	size_t n;

	if (!f->kernel && (v = modinfo(img, "name"))) {
		if (!xkd_find_norm(v, key) || strcmp(key, f->key))
			return "is another module";
	} else if (!f->kernel && !loud) {
		return "does not say which module it is";
	}
	if (!f->release)
		return NULL;
	n = strlen(f->release);
	v = f->kernel ? NULL : modinfo(img, "vermagic");
	if (v)
		return strncmp(v, f->release, n) || (v[n] && v[n] != ' ')
			       ? "is for another kernel release"
			       : NULL;
	dir = strstr(p, "/lib/modules/");
	if (dir && (strncmp(dir + 13, f->release, n) || dir[13 + n] != '/'))
		return "lies in another release's folder";
	return NULL;
}

static void keep_fail(struct finder *f, const struct xkd_err *why)
{
	if (!f->fail.code)
		f->fail = *why;
}

static void take_wrong(struct finder *f, struct xkd_image *img, bool loud)
{
	char have[XKD_BUILDID_HEX], need[XKD_BUILDID_HEX];
	struct xkd_err why = XKD_ERR_INIT;

	xkd_buildid_hex(xkd_image_buildid(img), have);
	snprintf(why.msg, sizeof(why.msg), "%s%s: not the one wanted",
		 *have ? "build-id " : "no build-id", have);
	note(f, xkd_image_path(img), why.msg);
	if (loud) {
		/* the file last: a long path must not cost an id */
		xkd_err_set(&why, XKD_MISMATCH, "%s needs build-id %s, not %s as in %s",
			    f->want->name, xkd_buildid_hex(&f->want->id, need),
			    *have ? have : "none", xkd_image_path(img));
		keep_fail(f, &why);
	}
	if (loud && f->want->force &&
	    (!f->wrong || (!xkd_image_has_dwarf(f->wrong) && xkd_image_has_dwarf(img)))) {
		xkd_image_unref(f->wrong);
		f->wrong = xkd_image_ref(img);
	}
}

static bool has_symtab(const struct xkd_image *img)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".symtab");

	return s && s->data;
}

/* Judges an open image. True ends the search: it is in f->best. */
static bool judge(struct finder *f, struct xkd_image *img, bool loud)
{
	const char *why = NULL;

	if (xkd_image_is_ko(img) == f->kernel)
		why = f->kernel ? "is a module" : "is no module";
	else if (!f->want->id.n)
		why = foreign(f, img, loud);
	if (why) {
		note(f, xkd_image_path(img), why);
		return false;
	}
	if (f->want->id.n && !xkd_buildid_eq(&f->want->id, xkd_image_buildid(img))) {
		take_wrong(f, img, loud);
		return false;
	}
	if (xkd_image_has_dwarf(img)) {
		note(f, xkd_image_path(img), "taken");
		xkd_image_unref(f->best);
		f->best = xkd_image_ref(img);
		return true;
	}
	note(f, xkd_image_path(img), "right, but without DWARF");
	if (!f->best || (!has_symtab(f->best) && has_symtab(img))) {
		xkd_image_unref(f->best);
		f->best = xkd_image_ref(img);
	}
	return false;
}

/* loud: it is named as the wanted one would be, so that what is wrong with it is worth telling. */
static bool consider(struct finder *f, const char *path, bool loud)
{
	struct xkd_err why = XKD_ERR_INIT;
	struct xkd_image *img;
	enum xkd_rc rc;
	bool done;

	if (xkd_map_get_str(&f->seen, path))
		return false;
	path = xkd_arena_strdup(&f->arena, path);
	xkd_map_put_str(&f->seen, path, f);
	f->looked++;
	rc = xkd_image_open(path, f->log, &img, &why);
	if (rc) {
		note(f, path, rc == XKD_NOTFOUND ? "not there" : why.msg);
		if (loud && rc != XKD_NOTFOUND)
			keep_fail(f, &why);
		return false;
	}
	done = judge(f, img, loud);
	xkd_image_unref(img);
	return done;
}

/* dir/PLACE with %R the release and %B the build-id's path; NULL when one is not known. */
static char *place(struct finder *f, const char *dir, const char *pattern)
{
	struct xkd_buf b;
	char *path;

	xkd_buf_init(&b);
	xkd_buf_printf(&b, "%s/", strcmp(dir, "/") ? dir : "");
	for (; *pattern; pattern++) {
		const char *v = NULL;

		if (*pattern != '%') {
			xkd_buf_ch(&b, *pattern);
			continue;
		}
		pattern++;
		v = *pattern == 'R' ? f->release : *f->idpath ? f->idpath : NULL;
		if (!v) {
			xkd_buf_fini(&b);
			return NULL;
		}
		xkd_buf_str(&b, v);
	}
	path = xkd_arena_strdup(&f->arena, b.s);
	xkd_buf_fini(&b);
	return path;
}

/* Debug files first; distributions differ in where they put them. */
static const char *const kernel_places[] = {
	"vmlinux-%R",
	"vmlinux",
	"vmlinux-%R.debug",
	"vmlinux.debug",
	".build-id/%B.debug",
	"usr/lib/debug/.build-id/%B.debug",
	"usr/lib/debug/boot/vmlinux-%R",
	"usr/lib/debug/boot/vmlinux-%R.debug",
	"usr/lib/debug/lib/modules/%R/vmlinux",
	"usr/lib/debug/lib/modules/%R/vmlinux.debug",
	"usr/lib/debug/usr/lib/modules/%R/vmlinux",
	"usr/lib/debug/usr/lib/modules/%R/vmlinux.debug",
	"lib/modules/%R/build/vmlinux",
	"lib/modules/%R/vmlinux",
	"usr/lib/modules/%R/vmlinux",
	"boot/vmlinux-%R",
};
static const char *const module_files[] = { ".build-id/%B.debug",
					    "usr/lib/debug/.build-id/%B.debug" };
static const char *const module_folders[] = { "usr/lib/debug/lib/modules/%R",
					      "usr/lib/debug/usr/lib/modules/%R", "lib/modules/%R",
					      "usr/lib/modules/%R" };

static bool in_listing(struct finder *f, const char *dir, bool loud)
{
	const struct xkd_listed *e = xkd_find_listed(f->cache, dir, f->key, f->log);

	for (; e; e = e->next)
		if (consider(f, e->path, loud))
			return true;
	return false;
}

static bool in_module_places(struct finder *f, const char *dir)
{
	const char *p;

	for (size_t i = 0; i < XKD_COUNT(module_files); i++)
		if ((p = place(f, dir, module_files[i])) && consider(f, p, true))
			return true;
	/* NAME.ko in the folder itself goes before what lies deeper; the listing has it first */
	for (size_t i = 0; i < XKD_COUNT(module_folders); i++)
		if ((p = place(f, dir, module_folders[i])) && in_listing(f, p, true))
			return true;
	return false;
}

static bool in_kernel_places(struct finder *f, const char *dir)
{
	const char *p;

	for (size_t i = 0; i < XKD_COUNT(kernel_places); i++)
		if ((p = place(f, dir, kernel_places[i])) && consider(f, p, true))
			return true;
	return false;
}

static bool in_folder(struct finder *f, const char *dir)
{
	if (f->kernel) {
		if (in_kernel_places(f, dir))
			return true;
		/* any kernel below the folder may be the one, but only a build-id can tell */
		return f->want->id.n && in_listing(f, dir, false);
	}
	return in_module_places(f, dir) || in_listing(f, dir, true);
}

static bool in_entry(struct finder *f, const char *e)
{
	const char *base = strrchr(e, '/');
	char key[XKD_FIND_KEY];
	struct stat st;

	if (xkd_server_entry(e))
		return false; /* asked when no folder has it */
	if (stat(e, &st)) {
		note(f, e, "not there");
		return false;
	}
	if (S_ISDIR(st.st_mode))
		return in_folder(f, e);
	/* of a file that the user named, everything that is wrong is worth telling, but kernels are
	 * no wrong modules, nor other modules */
	base = base ? base + 1 : e;
	return consider(f, e,
			f->kernel ? !xkd_find_key(base, key) || !strcmp(key, "vmlinux")
				  : xkd_find_key(base, key) && !strcmp(key, f->key));
}

/* A name that can be a part of a path: it came from a target. */
static bool plain(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (!n || n >= XKD_FIND_KEY || s[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] == '/' || (uint8_t)s[i] <= ' ' || (uint8_t)s[i] >= 0x7f)
			return false;
	return true;
}

static enum xkd_rc start(struct finder *f, struct xkd_err *err)
{
	const struct xkd_want *w = f->want;
	char hex[XKD_BUILDID_HEX];

	if (!plain(w->name) || !xkd_find_norm(w->name, f->key))
		return xkd_err_set(err, XKD_BADDATA, "the module's name is no name");
	f->kernel = !strcmp(f->key, "vmlinux");
	f->release = plain(w->release) ? w->release : NULL;
	if (w->id.n >= 2 && w->id.n <= sizeof(w->id.b)) {
		xkd_buildid_hex(&w->id, hex);
		snprintf(f->idpath, sizeof(f->idpath), "%.2s/%s", hex, hex + 2);
	}
	f->fail = XKD_ERR_INIT;
	xkd_arena_init(&f->arena);
	xkd_map_init_str(&f->seen);
	return XKD_OK;
}

static enum xkd_rc nothing(const struct finder *f, struct xkd_err *err)
{
	char hex[XKD_BUILDID_HEX];
	char id[XKD_BUILDID_HEX + 16] = "";

	if (f->fail.code) {
		if (err)
			*err = f->fail;
		return f->fail.code;
	}
	if (f->want->id.n)
		snprintf(id, sizeof(id), ", build-id %s", xkd_buildid_hex(&f->want->id, hex));
	return xkd_err_set(err, XKD_NOTFOUND,
			   "no file for %s%s%s%s in the symbol path or the system's places "
			   "(%zu looked at)",
			   f->want->name, f->release ? " of " : "", f->release ? f->release : "",
			   id, f->looked);
}

static bool search(struct finder *f, const struct xkd_sympath *sp)
{
	for (size_t i = 0; sp && i < sp->n; i++)
		if (in_entry(f, sp->dirs[i]))
			return true;
	return f->kernel ? in_kernel_places(f, "/") : in_module_places(f, "/");
}

/* A file of a server, judged like any. */
static bool consider_served(struct finder *f, const struct xkd_sympath *sp,
			    enum xkd_server_kind kind)
{
	struct xkd_server_want want = { kind, &f->want->id, NULL, f->want->name, f->want->cancel };
	struct xkd_err why = XKD_ERR_INIT;
	char *path;
	bool taken;

	if (xkd_server_fetch(sp, xkd_find_servers(f->cache), &want, f->log, &path, &why)) {
		note(f, "debuginfod", why.msg);
		if (why.code == XKD_CANCELED)
			f->fail = why;
		return false;
	}
	taken = consider(f, path, true) || (f->best && !strcmp(xkd_image_path(f->best), path));
	free(path);
	return taken;
}

/* Is there code and data in it, or were they left to another file? */
static bool has_bytes(struct xkd_image *img)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".text");

	return s && s->type != SHT_NOBITS;
}

/* When no local file has DWARF. A debug file without code is hung on the one that has it. */
static void from_servers(struct finder *f, const struct xkd_sympath *sp)
{
	struct xkd_image *local = f->best, *debug;
	struct xkd_err ignored = XKD_ERR_INIT;

	if (f->want->local || !f->cache || !f->want->id.n || !xkd_servers_any(sp) ||
	    (local && (xkd_image_has_dwarf(local) || !xkd_image_link_debug(local, sp, &ignored))))
		return;
	f->best = NULL;
	if (!consider_served(f, sp, XKD_SERVER_DEBUG)) {
		f->best = local;
		return;
	}
	if (has_bytes(f->best)) {
		xkd_image_unref(local);
		return;
	}
	debug = f->best;
	f->best = local;
	if ((!local || !has_bytes(local)) && !consider_served(f, sp, XKD_SERVER_EXEC)) {
		xkd_image_unref(f->best);
		f->best = debug;
		return;
	}
	if (f->best != debug && xkd_image_hang_debug(f->best, debug, &ignored)) {
		xkd_log(f->log, XKD_LOG_WARN, "%s", ignored.msg);
		xkd_image_unref(f->best);
		f->best = xkd_image_ref(debug);
	}
	xkd_image_unref(debug);
}

enum xkd_rc xkd_find_debug(const struct xkd_sympath *sp, struct xkd_find_cache *cache,
			   struct xkd_image *img, struct xkd_log *log, struct xkd_cancel *cancel,
			   struct xkd_err *err)
{
	const char *path = xkd_image_path(img), *slash = strrchr(path, '/');
	struct xkd_server_want want = { .kind = XKD_SERVER_DEBUG, .id = xkd_image_buildid(img),
					.name = slash ? slash + 1 : path, .cancel = cancel };
	bool first = !xkd_image_debug_tried(img);
	enum xkd_rc rc = xkd_image_link_debug(img, sp, err);
	struct xkd_image *debug;
	char *file;

	if (rc != XKD_NOTFOUND || !first || !want.id->n || !xkd_servers_any(sp))
		return rc;
	rc = xkd_server_fetch(sp, xkd_find_servers(cache), &want, log, &file, err);
	if (rc)
		return rc;
	rc = xkd_image_open(file, log, &debug, err);
	free(file);
	if (!rc) {
		rc = xkd_image_hang_debug(img, debug, err);
		xkd_image_unref(debug);
	}
	if (rc) /* a server that gives such files is worth a word */
		xkd_log(log, XKD_LOG_WARN, "debuginfod: %s", err->msg);
	return rc;
}

enum xkd_rc xkd_find_image(const struct xkd_sympath *sp, struct xkd_find_cache *cache,
			   const struct xkd_want *want, struct xkd_log *log, struct xkd_image **img,
			   struct xkd_buf *tried, struct xkd_err *err)
{
	struct finder f = { .want = want, .cache = cache, .log = log, .tried = tried };
	enum xkd_rc rc = start(&f, err);

	*img = NULL;
	if (rc)
		return rc;
	if (log && log->on & 1u << XKD_LOG_FIND) {
		char hex[XKD_BUILDID_HEX];

		xkd_log(log, XKD_LOG_FIND, "looking for %s%s%s, build-id %s", want->name,
			f.release ? " of " : "", f.release ? f.release : "",
			want->id.n ? xkd_buildid_hex(&want->id, hex) : "not known");
	}
	if (!search(&f, sp) || !xkd_image_has_dwarf(f.best))
		from_servers(&f, sp);
	if (f.best) {
		*img = xkd_image_ref(f.best);
	} else if (f.wrong) {
		xkd_log(log, XKD_LOG_WARN, "%s (taken all the same)", f.fail.msg);
		*img = xkd_image_ref(f.wrong);
	} else {
		rc = nothing(&f, err);
		xkd_log(log, XKD_LOG_FIND, "%s: none found, %zu looked at", want->name, f.looked);
	}
	xkd_image_unref(f.best);
	xkd_image_unref(f.wrong);
	xkd_map_fini(&f.seen);
	xkd_arena_fini(&f.arena);
	return rc;
}

/* --- every kernel there is --- */
struct kernels {
	struct xkd_log *log;
	XKD_VEC(struct xkd_image *) img;
	XKD_VEC(struct file_id {
		dev_t dev;
		ino_t ino;
	})
	files;
};

/* asked: the user named this place, so trouble there is told. */
static void add_kernel(struct kernels *k, const char *path, bool asked)
{
	struct xkd_err why = XKD_ERR_INIT;
	struct xkd_image *img;
	struct stat st;

	/* the loader around a compressed kernel has the same name in a build tree */
	if (k->img.n >= MAX_KERNELS || stat(path, &st) || !S_ISREG(st.st_mode) ||
	    xkd_has_suffix(path, "/boot/compressed/vmlinux"))
		return;
	for (size_t i = 0; i < k->files.n; i++)
		if (k->files.p[i].dev == st.st_dev && k->files.p[i].ino == st.st_ino)
			return;
	*xkd_vec_push(&k->files) = (struct file_id){ st.st_dev, st.st_ino };
	if (xkd_image_open(path, k->log, &img, &why)) {
		xkd_log(k->log, asked ? XKD_LOG_WARN : XKD_LOG_FIND, "%s", why.msg);
		return;
	}
	if (xkd_image_is_ko(img)) {
		xkd_image_unref(img);
		return;
	}
	*xkd_vec_push(&k->img) = img;
}

/* root/DIR/REL/NAME for every release that DIR has a folder for. */
static void add_releases(struct kernels *k, const char *root, const char *dir, bool asked)
{
	static const char *const names[] = { "vmlinux", "vmlinux.debug", "build/vmlinux" };
	struct xkd_buf b;
	struct dirent *d;
	size_t n;
	DIR *dp;

	xkd_buf_init(&b);
	xkd_buf_printf(&b, "%s/%s/", strcmp(root, "/") ? root : "", dir);
	n = b.len;
	dp = opendir(b.s);
	while (dp && (d = readdir(dp))) {
		if (d->d_name[0] == '.')
			continue;
		for (size_t i = 0; i < XKD_COUNT(names); i++) {
			xkd_buf_printf(&b, "%s/%s", d->d_name, names[i]);
			add_kernel(k, b.s, asked);
			b.len = n;
			b.s[n] = 0;
		}
	}
	if (dp)
		closedir(dp);
	xkd_buf_fini(&b);
}

static void add_listed(struct kernels *k, struct xkd_find_cache *cache, const char *dir, bool asked)
{
	const struct xkd_listed *e = xkd_find_listed(cache, dir, "vmlinux", k->log);

	for (; e; e = e->next)
		add_kernel(k, e->path, asked);
}

static void add_root(struct kernels *k, const char *root, bool asked)
{
	add_releases(k, root, "usr/lib/debug/lib/modules", asked);
	add_releases(k, root, "usr/lib/debug/usr/lib/modules", asked);
	add_releases(k, root, "lib/modules", asked);
}

void xkd_find_kernels(const struct xkd_sympath *sp, struct xkd_find_cache *cache,
		      struct xkd_log *log, bool (*fn)(void *arg, struct xkd_image *img), void *arg)
{
	struct kernels k = { .log = log };
	bool more = true, tell = xkd_find_tell_once(cache);

	for (size_t i = 0; sp && i < sp->n; i++) {
		struct stat st;

		if (stat(sp->dirs[i], &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			add_listed(&k, cache, sp->dirs[i], tell);
			add_root(&k, sp->dirs[i], tell);
		} else {
			add_kernel(&k, sp->dirs[i], tell);
		}
	}
	add_listed(&k, cache, "/usr/lib/debug/boot", false);
	add_listed(&k, cache, "/boot", false);
	add_root(&k, "/", false);
	/* those with debug info first: of two of one build they are the better answer */
	for (int dwarf = 1; dwarf >= 0; dwarf--)
		for (size_t i = 0; more && i < k.img.n; i++)
			if (xkd_image_has_dwarf(k.img.p[i]) == dwarf)
				more = fn(arg, k.img.p[i]);
	for (size_t i = 0; i < k.img.n; i++)
		xkd_image_unref(k.img.p[i]);
	xkd_vec_fini(&k.img);
	xkd_vec_fini(&k.files);
}
