/* .index: the indexes of debug info by name (symbols/index.h), one a module. They make themselves
 * when something needs them; here they are shown, made beforehand and thrown away. */
#include "base/str.h"
#include "engine/cmd/cmd.h"
#include "symbols/index.h"
#include <stdlib.h>
#include <string.h>

static void size_cell(struct xkd_session *s, uint64_t bytes)
{
	if (bytes >= 10u << 20)
		xkd_out_key(&s->out, XKD_ST_NUM, "size", "%5llu MB ",
			    (unsigned long long)(bytes >> 20));
	else
		xkd_out_key(&s->out, XKD_ST_NUM, "size", "%5llu KB ",
			    (unsigned long long)((bytes + 1023) >> 10));
}

static void ready_cells(struct xkd_session *s, const struct xkd_ixinfo *i)
{
	size_cell(s, i->bytes);
	xkd_out_key(&s->out, XKD_ST_NUM, "ms", "%3llu.%llu s ",
		    (unsigned long long)(i->build_ms / 1000),
		    (unsigned long long)(i->build_ms / 100 % 10));
	xkd_out_key(&s->out, XKD_ST_NUM, "functions", "%7llu ", (unsigned long long)i->funcs);
	xkd_out_key(&s->out, XKD_ST_NUM, "inlined", "%7llu ", (unsigned long long)i->inlined);
	xkd_out_key(&s->out, XKD_ST_NUM, "variables", "%7llu ", (unsigned long long)i->vars);
	xkd_out_key(&s->out, XKD_ST_NUM, "types", "%6llu ", (unsigned long long)i->types);
	xkd_out_key(&s->out, XKD_ST_NUM, "files", "%6llu", (unsigned long long)i->files);
	if (!i->path)
		xkd_out_st(&s->out, XKD_ST_DIM, "  (in memory)");
}

/* One row; false for what has nothing to index. */
static bool show(struct xkd_session *s, struct xkd_module *m)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_ixinfo info;
	struct xkd_index *ix;

	if (!m->img || !xkd_image_has_dwarf(m->img))
		return false;
	ix = xkd_image_index(m->img);
	xkd_out_key(&s->out, XKD_ST_SYM, "module", "%-20s ", m->name);
	switch (xkd_index_state(ix, &err)) {
	case XKD_IX_READY:
		if (!xkd_index_info(ix, &info, &err))
			ready_cells(s, &info);
		break;
	case XKD_IX_BUILDING:
		xkd_out_st(&s->out, XKD_ST_DIM, "being made");
		break;
	case XKD_IX_FAILED:
		xkd_out_st(&s->out, XKD_ST_ERR, "failed: ");
		xkd_out_foreign(&s->out, XKD_ST_ERR, err.msg, strlen(err.msg));
		break;
	default:
		xkd_out_st(&s->out, XKD_ST_DIM, "none yet");
		break;
	}
	xkd_out_end(&s->out);
	return true;
}

static enum xkd_rc show_all(struct xkd_session *s, struct xkd_err *err)
{
	unsigned shown = 0;

	xkd_out_st(&s->out, XKD_ST_HEAD, "%-20s %8s %7s %7s %7s %7s %6s %6s", "module", "size",
		   "made in", "funcs", "inlined", "vars", "types", "files");
	xkd_out_end(&s->out);
	for (size_t i = 0; i < s->t->mods.n; i++) {
		shown += show(s, s->t->mods.p[i]);
		if (xkd_canceled(&s->cancel))
			return xkd_cancel_check(&s->cancel, err);
	}
	if (!shown) {
		xkd_out_st(&s->out, XKD_ST_DIM, "no module's debug info has been opened yet");
		xkd_out_end(&s->out);
	}
	return XKD_OK;
}

static enum xkd_rc build(struct xkd_session *s, struct xkd_module *m, bool must,
			 struct xkd_err *err)
{
	struct xkd_image *img = xkd_target_mod_image(s->t, m);
	struct xkd_index *ix;
	enum xkd_rc rc;

	if (!img || !xkd_image_has_dwarf(img)) {
		if (!must)
			return XKD_OK;
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no debug info to index%s%s", m->name,
				   m->why[0] ? ": " : "", m->why);
	}
	ix = xkd_image_index(img);
	if (xkd_index_state(ix, NULL) == XKD_IX_FAILED) {
		rc = xkd_index_drop(ix, err); /* who asks by hand wants another try */
		if (rc)
			return rc;
	}
	rc = xkd_index_wait(ix, &s->cancel, err);
	if (!rc)
		show(s, m);
	return rc;
}

static enum xkd_rc drop(struct xkd_session *s, struct xkd_module *m, bool must, struct xkd_err *err)
{
	struct xkd_index *ix;
	enum xkd_rc rc;

	if (!m->img && must && !xkd_target_mod_image(s->t, m))
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no symbols: %s", m->name, m->why);
	if (!m->img || !xkd_image_has_dwarf(m->img))
		return must ? xkd_err_set(err, XKD_NOTFOUND, "%s has no debug info", m->name)
			    : XKD_OK;
	ix = xkd_image_index(m->img);
	if (xkd_index_state(ix, NULL) == XKD_IX_NONE)
		return XKD_OK;
	rc = xkd_index_drop(ix, err);
	if (!rc) {
		xkd_out_key(&s->out, XKD_ST_SYM, "module", "%-20s ", m->name);
		xkd_out(&s->out, "dropped");
		xkd_out_end(&s->out);
	}
	return rc;
}

static enum xkd_rc cmd_index(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc (*fn)(struct xkd_session * s, struct xkd_module * m, bool must,
			  struct xkd_err *err);
	struct xkd_module *m = NULL;
	char word[16], mod[64];
	enum xkd_rc rc = XKD_OK;
	int pos;

	xkd_arg_end(a);
	pos = (int)(xkd_skip_space(a->p) - a->line);
	if (xkd_arg_end(a))
		return show_all(s, err);
	if (!xkd_arg_word(a, word, sizeof(word)) || (strcmp(word, "build") && strcmp(word, "drop")))
		return xkd_err_syntax(err, pos, "build or drop comes here");
	fn = *word == 'b' ? build : drop;
	if (xkd_arg_word(a, mod, sizeof(mod))) {
		m = xkd_target_mod_named(s->t, mod);
		if (!m)
			return xkd_err_set(err, XKD_NOTFOUND, "no module '%s' (lm lists them)",
					   mod);
	}
	rc = xkd_arg_done(a, err);
	if (rc || m)
		return rc ? rc : fn(s, m, true, err);
	for (size_t i = 0; i < s->t->mods.n && !rc; i++)
		rc = fn(s, s->t->mods.p[i], false, err);
	return rc;
}

static const char more_index[] =
	"An index holds the names of a module's debug info: functions with the places they are "
	"inlined\n"
	"at, variables with their types, types, source files. It is made once a build-id, at the "
	"first\n"
	"need, by a process of its own, and kept in ~/.cache/xkd/index for all sessions.\n"
	"  .index             what there is, its size, how long it took\n"
	"  .index build MOD   make it now; without MOD those of all modules\n"
	"  .index drop MOD    throw it away; without MOD all of this session";

static const struct xkd_cmd rows[] = {
	{ ".index", "[build|drop [module]]", XKD_FX_TARGET,
	  "the indexes of debug info: show, make, throw away", cmd_index, more_index, NULL },
};
const struct xkd_cmd_family xkd_family_index = { "Index", rows, XKD_COUNT(rows) };
