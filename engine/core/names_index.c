/* What only the debug info knows by name: inlined copies of functions, over all modules of a
 * target. A module's index answers; whether one that is not there yet is waited for is the caller's
 * choice. */
#include "base/str.h"
#include "engine/core/names.h"
#include "symbols/index.h"
#include <stdio.h>
#include <string.h>

bool xkd_mod_indexed(struct xkd_target *t, struct xkd_module *m)
{
	struct xkd_image *img = xkd_target_mod_image(t, m);

	return img && xkd_index_state(xkd_image_index(img), NULL) == XKD_IX_READY;
}

struct walk {
	struct xkd_target *t;
	struct xkd_module *m;
	const char *builtin; /* only what is of this source folder; NULL: all */
	bool (*fn)(void *arg, const struct xkd_inlref *r);
	void *arg;
	bool stop;
};

static bool see_func(void *arg, const struct xkd_ixfunc *f)
{
	struct walk *w = arg;
	struct xkd_inlref r = { .mod = w->m,
				.name = f->name,
				.size = f->size,
				.inlined = f->inlined,
				.host = f->host };

	if (w->builtin && !xkd_builtin_has(w->t, w->m, w->builtin, f->name, f->addr, true))
		return true;
	/* code of sections that are not there (.init.text of a loaded module) is nowhere */
	if (!xkd_module_to_target(w->m, f->addr, &r.addr))
		return true;
	if (!f->inlined || !xkd_module_to_target(w->m, f->host_addr, &r.host_addr))
		r.host_addr = 0;
	w->stop = !w->fn(w->arg, &r);
	return !w->stop;
}

/* The module's index as far as need goes; NOTFOUND: not there. */
static enum xkd_rc get_index(struct xkd_target *t, struct xkd_image *img, enum xkd_ixneed need,
			     struct xkd_index **ix, struct xkd_err *err)
{
	struct xkd_err why = XKD_ERR_INIT;
	enum xkd_rc rc = XKD_OK;

	*ix = xkd_image_index(img);
	if (need == XKD_IX_WAIT)
		rc = xkd_index_wait(*ix, t->cancel, &why);
	else if (need == XKD_IX_START)
		rc = xkd_index_start(*ix, &why);
	if (rc == XKD_CANCELED) {
		if (err)
			*err = why;
		return rc;
	}
	return xkd_index_state(*ix, NULL) == XKD_IX_READY ? XKD_OK : XKD_NOTFOUND;
}

enum xkd_rc xkd_inline_glob(struct xkd_target *t, const char *pattern, enum xkd_ixneed need,
			    bool (*fn)(void *arg, const struct xkd_inlref *r), void *arg,
			    unsigned *missing, struct xkd_err *err)
{
	const char *bang = strchr(pattern, '!'), *name = bang ? bang + 1 : pattern;
	bool wild = xkd_is_glob(name);
	struct xkd_module *in;
	char mod[128] = "";

	*missing = 0;
	if (bang)
		snprintf(mod, sizeof(mod), "%.*s", (int)(bang - pattern), pattern);
	if (!strcmp(mod, "vmlinux"))
		strcpy(mod, "lk");
	in = xkd_builtin_in(t, mod);
	for (size_t i = 0; i < t->mods.n; i++) {
		struct walk w = { t, t->mods.p[i], in ? mod : NULL, fn, arg, false };
		struct xkd_image *img;
		struct xkd_index *ix;
		enum xkd_rc rc;

		if (in != w.m && mod[0] && !xkd_glob(mod, w.m->name, true) &&
		    xkd_target_mod_named(t, mod) != w.m)
			continue;
		img = xkd_target_mod_image(t, w.m);
		if (!img || !xkd_image_has_dwarf(img))
			continue;
		rc = get_index(t, img, need, &ix, err);
		if (rc == XKD_NOTFOUND) {
			++*missing;
			continue;
		}
		if (!rc)
			rc = xkd_index_funcs(ix, name, wild, wild, see_func, &w, t->cancel, err);
		if (rc)
			return rc;
		if (w.stop)
			break;
	}
	return XKD_OK;
}
