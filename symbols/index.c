/* An image's index: where its file is, whether it is there, who makes it, and the questions.
 * Invariants: nothing but xkd_index_wait waits; a builder that failed is not started again until
 * the index is dropped; a file that is not of this very debug info, or broken, counts as absent and
 * is made anew. */
#include "symbols/index.h"
#include "base/str.h"
#include "symbols/dwarf.h"
#include "symbols/image_priv.h"
#include "symbols/index_int.h"
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUIET_MS 500 /* before progress is shown */

struct xkd_index {
	struct xkd_image *img; /* not counted: the image owns us */
	enum xkd_ixstate state;
	struct xkd_ixmeta meta; /* of the image; id "" when it has no build-id */
	char *path;		/* NULL: no file can be kept, and why */
	char why[300];
	struct xkd_ixstore *store;
	void *map; /* of an index in memory */
	size_t size;
	struct xkd_ixjob job;
	struct xkd_err err; /* of FAILED */
};

static uint64_t hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return h;
}

/* A stripped file and its debug twin have one build-id; what they lay out may differ. */
static void key_of(struct xkd_image *img, struct xkd_ixkey *key)
{
	const struct xkd_section *info = xkd_image_section_named(img, ".debug_info");
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_dwarf *d;

	key->info_size = info ? info->size : 0;
	key->layout = 0xcbf29ce484222325ULL;
	for (size_t i = 0; i < xkd_image_nsections(img); i++) {
		const struct xkd_section *s = xkd_image_section(img, i);

		if (!(s->flags & SHF_ALLOC))
			continue;
		key->layout = hash(key->layout, s->name, strlen(s->name) + 1);
		key->layout = hash(key->layout, &s->addr, sizeof(s->addr));
		key->layout = hash(key->layout, &s->size, sizeof(s->size));
	}
	/* an index made while a part of the debug info was missing is not that of all of it */
	if (!xkd_image_dwarf(img, &d, &ignored) && xkd_dwarf_alternate(d))
		key->layout = hash(key->layout, "alt", 3);
}

/* Makes the folders of a path, up to its last slash. */
static bool make_folders(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		int rc;

		*p = 0;
		rc = mkdir(path, 0700);
		*p = '/';
		if (rc && errno != EEXIST)
			return false;
	}
	return true;
}

/* Where the file is to be; NULL, with the reason in ix->why, when it cannot be anywhere. */
static char *find_place(struct xkd_index *ix)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct xkd_buf b = XKD_BUF_INIT;

	if (!ix->meta.id[0]) {
		snprintf(ix->why, sizeof(ix->why), "the file has no build-id");
		return NULL;
	}
	if (cache && *cache == '/') {
		xkd_buf_str(&b, cache);
	} else if (home && *home == '/') {
		xkd_buf_printf(&b, "%s/.cache", home);
	} else {
		snprintf(ix->why, sizeof(ix->why), "neither XDG_CACHE_HOME nor HOME is set");
		return NULL;
	}
	xkd_buf_printf(&b, "/xkd/index/%s.sqlite", ix->meta.id);
	return xkd_buf_steal(&b);
}

struct xkd_index *xkd_image_index(struct xkd_image *img)
{
	struct xkd_index *ix = img->index;

	if (ix)
		return ix;
	img->index = ix = xkd_calloc(1, sizeof(*ix));
	ix->img = img;
	ix->job.worker = XKD_WORKER_NONE;
	if (!xkd_image_has_dwarf(img)) {
		ix->state = XKD_IX_NODWARF;
		return ix;
	}
	ix->state = XKD_IX_NONE;
	if (img->id.n)
		xkd_buildid_hex(&img->id, ix->meta.id);
	key_of(img, &ix->meta.key);
	ix->path = find_place(ix);
	return ix;
}

static void forget(struct xkd_index *ix)
{
	xkd_ixstore_close(ix->store);
	ix->store = NULL;
	if (ix->map)
		munmap(ix->map, ix->size);
	ix->map = NULL;
	if (ix->state != XKD_IX_NODWARF)
		ix->state = XKD_IX_NONE;
}

void xkd_index_free(struct xkd_index *ix)
{
	if (!ix)
		return;
	xkd_ixjob_leave(&ix->job, !ix->path);
	forget(ix);
	free(ix->path);
	free(ix);
}

static const char *short_name(const struct xkd_index *ix)
{
	const char *path = xkd_image_path(ix->img), *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- how it stands --- */

static enum xkd_rc open_file(struct xkd_index *ix, struct xkd_err *err)
{
	struct stat st;
	enum xkd_rc rc;

	if (!ix->path)
		return XKD_NOTFOUND;
	rc = xkd_ixstore_open(ix->path, &ix->meta.key, ix->meta.id, &ix->store, err);
	if (rc)
		return rc;
	ix->size = stat(ix->path, &st) ? 0 : (size_t)st.st_size;
	ix->state = XKD_IX_READY;
	return XKD_OK;
}

static enum xkd_rc open_memory(struct xkd_index *ix, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (!ix->job.bytes)
		return xkd_err_set(err, XKD_BADDATA, "the builder handed nothing over");
	ix->map = ix->job.bytes;
	ix->size = ix->job.size;
	ix->job.bytes = NULL;
	rc = xkd_ixstore_map(ix->map, ix->size, &ix->meta.key, ix->meta.id, &ix->store, err);
	if (!rc)
		ix->state = XKD_IX_READY;
	return rc;
}

static void tell_memory(struct xkd_index *ix, const char *why)
{
	struct xkd_log *log = xkd_image_log(ix->img);

	if (!log || (log->said & XKD_SAID_NO_INDEX_FILE))
		return;
	log->said |= XKD_SAID_NO_INDEX_FILE;
	xkd_log(log, XKD_LOG_WARN, "the index of %s is kept in memory for this session: %s",
		short_name(ix), why);
}

static void failed(struct xkd_index *ix, const char *how)
{
	ix->state = XKD_IX_FAILED;
	ix->err = XKD_ERR_INIT;
	xkd_err_set(&ix->err, ix->job.rc ? ix->job.rc : XKD_IO, "%s", how);
	xkd_log(xkd_image_log(ix->img), XKD_LOG_WARN, "%s", how);
}

/* Why there is no index, now that the builder has ended; how is left empty when there is one. */
static void judge(struct xkd_index *ix, struct xkd_buf *how)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_ixjob *j = &ix->job;

	if (!j->told && j->signal)
		xkd_buf_printf(how, "the index builder crashed on %s (signal %d)",
			       xkd_image_path(ix->img), j->signal);
	else if (!j->told)
		xkd_buf_printf(how, "the index builder ended early on %s", xkd_image_path(ix->img));
	else if (j->rc)
		xkd_buf_printf(how, "no index of %s: %s", short_name(ix), j->msg);
	else if (j->in_file ? open_file(ix, &err) : open_memory(ix, &err))
		xkd_buf_printf(how, "the index just made cannot be opened: %s", err.msg);
	else if (!j->in_file && ix->meta.id[0])
		tell_memory(ix, j->msg[0] ? j->msg : ix->why);
}

static void finish(struct xkd_index *ix)
{
	struct xkd_buf how = XKD_BUF_INIT;

	judge(ix, &how);
	if (how.len) {
		forget(ix);
		failed(ix, how.s);
	}
	xkd_buf_fini(&how);
	xkd_ixjob_leave(&ix->job, true);
}

enum xkd_ixstate xkd_index_state(struct xkd_index *ix, struct xkd_err *err)
{
	struct xkd_err ignored = XKD_ERR_INIT;

	if (ix->state == XKD_IX_BUILDING && xkd_ixjob_poll(&ix->job, 0))
		finish(ix);
	if (ix->state == XKD_IX_NONE && open_file(ix, &ignored))
		ix->state = XKD_IX_NONE; /* absent, or to be replaced */
	if (ix->state == XKD_IX_FAILED && err)
		*err = ix->err;
	return ix->state;
}

enum xkd_rc xkd_index_start(struct xkd_index *ix, struct xkd_err *err)
{
	const char *path = ix->path;
	enum xkd_rc rc;

	switch (xkd_index_state(ix, err)) {
	case XKD_IX_NODWARF:
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no debug info", short_name(ix));
	case XKD_IX_FAILED:
		return ix->err.code;
	case XKD_IX_BUILDING:
	case XKD_IX_READY:
		return XKD_OK;
	case XKD_IX_NONE:
		break;
	}
	if (path && !make_folders(ix->path)) {
		snprintf(ix->why, sizeof(ix->why), "cannot make the folder %.*s: %s",
			 (int)(strrchr(path, '/') - path), path, strerror(errno));
		path = NULL;
	}
	ix->meta.start_ms = xkd_now_ms();
	rc = xkd_ixjob_start(&ix->job, ix->img, path, &ix->meta, err);
	if (!rc)
		ix->state = XKD_IX_BUILDING;
	return rc;
}

enum xkd_rc xkd_index_wait(struct xkd_index *ix, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_log *log = xkd_image_log(ix->img);
	enum xkd_rc rc = xkd_index_start(ix, err);
	uint64_t start = xkd_now_ms();
	bool told = false;
	char what[120];

	snprintf(what, sizeof(what), "indexing %.100s", short_name(ix));
	while (!rc && ix->state == XKD_IX_BUILDING) {
		if (xkd_ixjob_poll(&ix->job, 50)) {
			finish(ix);
		} else if (xkd_canceled(cancel)) {
			rc = xkd_cancel_check(cancel, err);
			xkd_err_set(err, rc, "interrupted; %s goes on in the background", what);
		} else if (xkd_now_ms() - start > QUIET_MS) {
			told = true;
			xkd_progress(log, what, ix->job.done, ix->job.total);
		}
	}
	if (told)
		xkd_progress(log, NULL, 0, 0);
	if (!rc && ix->state == XKD_IX_FAILED) {
		rc = ix->err.code;
		if (err)
			*err = ix->err;
	}
	return rc;
}

enum xkd_rc xkd_index_drop(struct xkd_index *ix, struct xkd_err *err)
{
	if (ix->state == XKD_IX_NODWARF)
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no debug info", short_name(ix));
	xkd_ixjob_leave(&ix->job, true);
	forget(ix);
	if (ix->path && unlink(ix->path) && errno != ENOENT)
		return xkd_err_set(err, XKD_IO, "%s: %m", ix->path);
	return XKD_OK;
}

enum xkd_rc xkd_index_info(struct xkd_index *ix, struct xkd_ixinfo *info, struct xkd_err *err)
{
	const struct xkd_ixmeta *m;

	memset(info, 0, sizeof(*info));
	if (xkd_index_state(ix, err) != XKD_IX_READY)
		return xkd_err_set(err, XKD_NEEDINDEX, "%s has no index yet", short_name(ix));
	m = xkd_ixstore_meta(ix->store);
	*info = (struct xkd_ixinfo){ .path = ix->map ? NULL : ix->path,
				     .bytes = ix->size,
				     .build_ms = m->build_ms,
				     .peak_kib = m->peak_kib,
				     .funcs = m->funcs,
				     .inlined = m->inlined,
				     .vars = m->vars,
				     .types = m->types,
				     .files = m->files,
				     .units = m->units };
	return XKD_OK;
}

/* --- questions --- */

static enum xkd_rc ready(struct xkd_index *ix, struct xkd_err *err)
{
	switch (xkd_index_state(ix, err)) {
	case XKD_IX_READY:
		return XKD_OK;
	case XKD_IX_FAILED:
		return ix->err.code;
	case XKD_IX_NODWARF:
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no debug info", short_name(ix));
	default:
		return xkd_err_set(err, XKD_NEEDINDEX, "%s has no index yet", short_name(ix));
	}
}

/* A file that turns out to be broken is made anew at the next need. */
static enum xkd_rc asked(struct xkd_index *ix, enum xkd_rc rc)
{
	if (rc == XKD_BADDATA) {
		bool file = !ix->map;

		forget(ix);
		if (file)
			unlink(ix->path);
	}
	return rc;
}

enum xkd_rc xkd_index_funcs(struct xkd_index *ix, const char *name, bool glob, bool fold,
			    bool (*fn)(void *arg, const struct xkd_ixfunc *f), void *arg,
			    struct xkd_cancel *cancel, struct xkd_err *err)
{
	enum xkd_rc rc = ready(ix, err);

	if (rc)
		return rc;
	return asked(ix, xkd_ixstore_funcs(ix->store, name, glob, fold, fn, arg, cancel, err));
}

enum xkd_rc xkd_index_vars(struct xkd_index *ix, const char *name, bool glob, bool fold,
			   bool (*fn)(void *arg, const struct xkd_ixvar *v), void *arg,
			   struct xkd_cancel *cancel, struct xkd_err *err)
{
	enum xkd_rc rc = ready(ix, err);

	if (rc)
		return rc;
	return asked(ix, xkd_ixstore_vars(ix->store, name, glob, fold, fn, arg, cancel, err));
}

enum xkd_rc xkd_index_types(struct xkd_index *ix, const char *name,
			    bool (*fn)(void *arg, const struct xkd_ixtype *t), void *arg,
			    struct xkd_cancel *cancel, struct xkd_err *err)
{
	enum xkd_rc rc = ready(ix, err);

	if (rc)
		return rc;
	return asked(ix, xkd_ixstore_types(ix->store, name, fn, arg, cancel, err));
}

enum xkd_rc xkd_index_files(struct xkd_index *ix, const char *path,
			    bool (*fn)(void *arg, const struct xkd_ixfile *f), void *arg,
			    struct xkd_cancel *cancel, struct xkd_err *err)
{
	enum xkd_rc rc = ready(ix, err);

	if (rc)
		return rc;
	return asked(ix, xkd_ixstore_files(ix->store, path, fn, arg, cancel, err));
}
