/* Walks folders of the symbol path, once each, for kernels and modules. Invariants: at most
 * XKD_FIND_ENTRIES directory entries and XKD_FIND_DEPTH levels a walk, nearest levels first;
 * symlinked folders are not entered, so there are no cycles. */
#include "symbols/find_list.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "symbols/server.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct found {
	const char *path;
	const char *key;
	unsigned depth;
};
struct listing {
	struct xkd_map by_key; /* -> struct xkd_listed, arena */
};
struct xkd_find_cache {
	struct xkd_arena arena;
	struct xkd_map dirs; /* -> struct listing, arena */
	struct xkd_servers *servers;
	bool told;	     /* trouble with kernels of the path was told once */
};
struct walk {
	struct xkd_arena *arena;
	XKD_VEC(struct found) found;
	XKD_VEC(struct pending {
		char *path;
		unsigned depth;
	})
	dirs; /* a queue: [at, n) */
	size_t at, entries;
};

struct xkd_find_cache *xkd_find_cache_new(void)
{
	struct xkd_find_cache *c = xkd_calloc(1, sizeof(*c));

	xkd_arena_init(&c->arena);
	xkd_map_init_str(&c->dirs);
	c->servers = xkd_servers_new();
	return c;
}

struct xkd_servers *xkd_find_servers(struct xkd_find_cache *c)
{
	return c->servers;
}

void xkd_find_cache_free(struct xkd_find_cache *c)
{
	size_t it = 0;
	void *l;

	if (!c)
		return;
	while (xkd_map_next(&c->dirs, &it, NULL, NULL, &l))
		xkd_map_fini(&((struct listing *)l)->by_key);
	xkd_map_fini(&c->dirs);
	xkd_servers_free(c->servers);
	xkd_arena_fini(&c->arena);
	free(c);
}

bool xkd_find_norm(const char *name, char key[XKD_FIND_KEY])
{
	size_t n = strlen(name);

	if (!n || n >= XKD_FIND_KEY)
		return false;
	for (size_t i = 0; i <= n; i++)
		key[i] = name[i] == '-' ? '_' : name[i];
	return true;
}

static bool is_kernel_name(const char *file)
{
	if (!strcmp(file, "vmlinux") || !strcmp(file, "vmlinux.debug"))
		return true;
	return xkd_has_prefix(file, "vmlinux-") && !xkd_has_suffix(file, ".xz") &&
	       !xkd_has_suffix(file, ".gz") && !xkd_has_suffix(file, ".zst");
}

bool xkd_find_key(const char *file, char key[XKD_FIND_KEY])
{
	static const char *const ends[] = { ".ko",     ".ko.debug", ".ko.xz",
					    ".ko.zst", ".ko.gz",    ".ko.dbg" };
	size_t n = strlen(file);
	char name[XKD_FIND_KEY];

	if (is_kernel_name(file))
		return xkd_find_norm("vmlinux", key);
	for (size_t i = 0; i < XKD_COUNT(ends); i++) {
		size_t e = strlen(ends[i]);

		if (n > e && n - e < sizeof(name) && xkd_has_suffix(file, ends[i])) {
			memcpy(name, file, n - e);
			name[n - e] = 0;
			return xkd_find_norm(name, key);
		}
	}
	return false;
}

static bool is_folder(const char *path, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_DIR;
	return !lstat(path, &st) && S_ISDIR(st.st_mode);
}

static void see_entry(struct walk *w, const struct pending *in, const struct dirent *d)
{
	char key[XKD_FIND_KEY];
	char *path;

	path = xkd_arena_printf(w->arena, "%s/%s", strcmp(in->path, "/") ? in->path : "",
				d->d_name);
	if (is_folder(path, d)) {
		if (in->depth + 1 < XKD_FIND_DEPTH && d->d_name[0] != '.')
			*xkd_vec_push(&w->dirs) = (struct pending){ path, in->depth + 1 };
	} else if (xkd_find_key(d->d_name, key)) {
		*xkd_vec_push(&w->found) = (struct found){ .path = path,
							   .key = xkd_arena_strdup(w->arena, key),
							   .depth = in->depth };
	}
}

/* Whether an entry needs its full path at all: most files of a source tree do not. */
static bool of_interest(const struct dirent *d)
{
	char key[XKD_FIND_KEY];

	if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
		return false;
	return d->d_type == DT_DIR || d->d_type == DT_UNKNOWN || xkd_find_key(d->d_name, key);
}

static void walk_one(struct walk *w, const struct pending *in)
{
	DIR *dir = opendir(in->path);
	struct dirent *d;

	if (!dir)
		return;
	while (w->entries < XKD_FIND_ENTRIES && (d = readdir(dir))) {
		w->entries++;
		if (of_interest(d))
			see_entry(w, in, d);
	}
	closedir(dir);
}

/* Backwards, for each is put before what its key has. */
static int cmp_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return strcmp(y->path, x->path);
}

static struct listing *walk_folder(struct xkd_find_cache *c, const char *dir, struct xkd_log *log)
{
	struct listing *l = XKD_NEW(&c->arena, struct listing);
	struct walk w = { .arena = &c->arena };

	xkd_map_init_str(&l->by_key);
	*xkd_vec_push(&w.dirs) = (struct pending){ xkd_arena_strdup(w.arena, dir), 0 };
	while (w.at < w.dirs.n) {
		struct pending in = w.dirs.p[w.at++];

		if (w.entries >= XKD_FIND_ENTRIES) {
			xkd_log(log, XKD_LOG_WARN,
				"%s holds more than %d files: those deep below it are not looked "
				"at",
				dir, XKD_FIND_ENTRIES);
			break;
		}
		walk_one(&w, &in);
	}
	xkd_vec_sort(&w.found, cmp_found);
	for (size_t i = 0; i < w.found.n; i++) {
		struct xkd_listed *e = XKD_NEW(w.arena, struct xkd_listed);

		e->path = w.found.p[i].path;
		e->next = xkd_map_get_str(&l->by_key, w.found.p[i].key);
		xkd_map_put_str(&l->by_key, w.found.p[i].key, e);
	}
	xkd_log(log, XKD_LOG_FIND, "%s: %zu kernels and modules among %zu entries", dir, w.found.n,
		w.entries);
	xkd_vec_fini(&w.found);
	xkd_vec_fini(&w.dirs);
	return l;
}

const struct xkd_listed *xkd_find_listed(struct xkd_find_cache *c, const char *dir, const char *key,
					 struct xkd_log *log)
{
	struct listing *l = xkd_map_get_str(&c->dirs, dir);

	if (!l) {
		l = walk_folder(c, dir, log);
		xkd_map_put_str(&c->dirs, xkd_arena_strdup(&c->arena, dir), l);
	}
	return xkd_map_get_str(&l->by_key, key);
}

bool xkd_find_tell_once(struct xkd_find_cache *c)
{
	bool first = c && !c->told;

	if (c)
		c->told = true;
	return first;
}
