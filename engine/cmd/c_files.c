/* Where symbols come from: .sympath and .reload. A change of the path tries the modules anew that
 * had no symbols; loaded ones stay. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/modules.h"
#include "engine/os/os.h"
#include "symbols/image_made.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show_path(struct xkd_session *s)
{
	struct xkd_buf b = XKD_BUF_INIT;

	xkd_sympath_show(&s->sympath, &b);
	xkd_out(&s->out, "Symbol search path is: ");
	if (b.len)
		xkd_out_foreign(&s->out, XKD_ST_SRC, b.s, b.len);
	else
		xkd_out_st(&s->out, XKD_ST_DIM, "<empty: the system's places only>");
	xkd_out_end(&s->out);
	xkd_buf_fini(&b);
}

/* Failed modules may be asked for again. */
static void retry_failed(struct xkd_target *t)
{
	xkd_find_cache_free(t->find);
	t->find = xkd_find_cache_new();
	for (size_t i = 0; i < t->mods.n; i++)
		if (!t->mods.p[i]->img && t->mods.p[i]->state == XKD_SYMS_NONE) {
			t->mods.p[i]->state = XKD_SYMS_DEFERRED;
			t->mods.p[i]->why[0] = 0;
		}
}

static enum xkd_rc cmd_sympath(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_buf b = XKD_BUF_INIT;
	bool append = *(a->p = xkd_skip_space(a->p)) == '+';
	const char *list;

	a->p += append;
	list = xkd_arg_rest(s, a);
	if (*list || append) {
		(append ? xkd_sympath_add : xkd_sympath_set)(&s->sympath, list);
		if (s->t) {
			xkd_sympath_show(&s->sympath, &b);
			xkd_sympath_set(&s->t->sympath, b.s);
			xkd_buf_fini(&b);
			retry_failed(s->t);
		}
	}
	show_path(s);
	if (*list && s->t && !xkd_target_kernel(s->t)) {
		xkd_out_st(&s->out, XKD_ST_DIM, ".reload looks for the kernel's symbols there");
		xkd_out_end(&s->out);
	}
	(void)err;
	return XKD_OK;
}

struct reload {
	bool force, ignore, unload, has_addr;
	char name[64];
	uint64_t addr;
};

static enum xkd_rc parse(struct xkd_session *s, struct xkd_args *a, struct reload *r,
			 struct xkd_err *err)
{
	char sw[8], word[128], *eq;
	int pos;
	enum xkd_rc rc;

	while (pos = (int)(xkd_skip_space(a->p) - a->line), xkd_arg_switch(a, '/', sw, sizeof(sw)))
		for (const char *c = sw; *c; c++) {
			if (!strchr("fiu", *c))
				return xkd_err_syntax(err, pos, "no switch /%c; there are /f /i /u",
						      *c);
			r->force |= *c == 'f';
			r->ignore |= *c == 'i';
			r->unload |= *c == 'u';
		}
	pos = (int)(xkd_skip_space(a->p) - a->line);
	if (!xkd_arg_word(a, word, sizeof(word)))
		return xkd_arg_done(a, err);
	eq = strchr(word, '=');
	if (eq) {
		struct xkd_args sub = *a;

		*eq = 0;
		sub.p = a->line + pos + (eq - word) + 1;
		rc = xkd_arg_expr(s, &sub, &r->addr, err);
		if (rc)
			return rc;
		r->has_addr = true;
		a->p = sub.p;
	}
	if (xkd_has_suffix(word, ".ko"))
		word[strlen(word) - 3] = 0;
	if (!*word || strlen(word) >= sizeof(r->name))
		return xkd_err_syntax(err, pos, "a module's name comes here");
	strcpy(r->name, word);
	return xkd_arg_done(a, err);
}

static void changed(struct xkd_session *s)
{
	s->t->gen.modules++;
	s->ctx_valid = false;
	xkd_bkpt_refresh(xkd_session_runner(s));
}

/* Looks for the kernel from the beginning. */
static enum xkd_rc find_again(struct xkd_session *s, struct xkd_err *err)
{
	struct xkd_buf found = XKD_BUF_INIT;
	struct xkd_target *t = s->t;
	enum xkd_rc rc;

	xkd_target_forget_kernel(t);
	t->search_all = true;
	rc = xkd_os_attach(t, &found, err);
	t->search_all = false;
	if (found.len) {
		xkd_out(&s->out, "%s", found.s);
		if (s->out.text.len)
			xkd_out_end(&s->out);
	}
	xkd_buf_fini(&found);
	return rc;
}

static void drop_image(struct xkd_module *m)
{
	xkd_image_unref(m->img);
	m->img = NULL;
	m->state = XKD_SYMS_DEFERRED;
	m->why[0] = 0;
}

/* Modules whose symbols come from memory are looked for in files once more. */
static void drop_made(struct xkd_target *t)
{
	for (size_t i = 0; i < t->mods.n; i++) {
		struct xkd_module *m = t->mods.p[i];

		if (!m->is_kernel && m->img && xkd_image_is_made(m->img))
			drop_image(m);
	}
}

/* Is there a file now for a kernel that was known from its memory alone? */
static bool kernel_file_came(struct xkd_target *t)
{
	const struct xkd_module *k = xkd_target_kernel(t);
	struct xkd_want want = { .name = "vmlinux" };
	struct xkd_image *img = NULL;
	enum xkd_rc rc;

	if (!k->img || !xkd_image_is_made(k->img))
		return false;
	want.release = t->release[0] ? t->release : NULL;
	want.id = k->id;
	want.cancel = t->cancel;
	rc = xkd_find_image(&t->sympath, t->find, &want, t->log, &img, NULL, NULL);
	xkd_image_unref(img);
	return rc == XKD_OK;
}

static enum xkd_rc load(struct xkd_session *s, struct xkd_module *m, struct xkd_err *err)
{
	if (!xkd_target_mod_image(s->t, m))
		return xkd_err_set(err, XKD_NOTFOUND, "%s: %s", m->name,
				   m->why[0] ? m->why : "no symbols were found");
	xkd_out(&s->out, "%s %s ", m->name, xkd_symstate_word(m->state));
	xkd_out_foreign(&s->out, XKD_ST_SRC, xkd_image_path(m->img),
			strlen(xkd_image_path(m->img)));
	xkd_out_end(&s->out);
	if (m->why[0] && !m->forced) {
		xkd_out_st(&s->out, XKD_ST_DIM, "    refused: %s (.reload /i %s takes it)", m->why,
			   m->name);
		xkd_out_end(&s->out);
	}
	return XKD_OK;
}

static enum xkd_rc load_all(struct xkd_session *s, struct xkd_err *err)
{
	size_t missing = 0;

	for (size_t i = 0; i < s->t->mods.n; i++) {
		struct xkd_err sub = XKD_ERR_INIT;
		enum xkd_rc rc = xkd_cancel_check(&s->cancel, err);

		if (rc)
			return rc;
		if (load(s, s->t->mods.p[i], &sub)) {
			xkd_out_st(&s->out, XKD_ST_DIM, "%s", sub.msg);
			xkd_out_end(&s->out);
			missing++;
		}
	}
	if (!missing)
		return XKD_OK;
	return xkd_err_set(err, XKD_NOTFOUND, "%zu of %zu modules have no symbols", missing,
			   s->t->mods.n);
}

static bool is_kernel_name(const char *name)
{
	return !strcmp(name, "vmlinux") || !strcmp(name, "lk");
}

/* A module that the target's own list does not have: placed by hand. A kernel by where its _text
 * lies, a .ko by its .text. */
static enum xkd_rc place(struct xkd_session *s, const struct reload *r, struct xkd_err *err)
{
	struct xkd_target *t = s->t;
	bool kernel = is_kernel_name(r->name);
	struct xkd_want want = { .name = kernel ? "vmlinux" : r->name,
				 .release = t->release[0] ? t->release : NULL,
				 .force = true };
	const struct xkd_section *text;
	struct xkd_sym begin, end;
	struct xkd_image *img;
	struct xkd_module *m;
	struct xkd_modrange *range;
	struct xkd_modsec *sec;
	size_t n;
	enum xkd_rc rc;

	if (xkd_target_mod_named(t, r->name))
		return xkd_err_set(err, XKD_AMBIGUOUS, "%s is loaded already; .reload /u %s first",
				   r->name, r->name);
	rc = xkd_find_image(&t->sympath, t->find, &want, t->log, &img, NULL, err);
	if (rc)
		return rc;
	text = xkd_image_section_named(img, ".text");
	if (!text || (kernel && (xkd_image_sym_named(img, "_text", &begin, &n) ||
				 xkd_image_sym_named(img, "_end", &end, &n)))) {
		rc = xkd_err_set(err, XKD_BADDATA, "%s has no .text to be placed by",
				 xkd_image_path(img));
		xkd_image_unref(img);
		return rc;
	}
	m = xkd_calloc(1, sizeof(*m));
	strcpy(m->name, kernel ? "lk" : r->name);
	m->is_kernel = kernel;
	m->slide = kernel ? (int64_t)(r->addr - begin.addr) : 0;
	m->img = img;
	m->forced = true;
	m->state = xkd_image_has_dwarf(img) ? XKD_SYMS_DWARF : XKD_SYMS_SYMTAB;
	range = xkd_vec_push(&m->ranges);
	range->start = r->addr;
	range->size = kernel ? end.addr - begin.addr : text->size;
	if (!kernel) {
		sec = xkd_vec_push(&m->secs);
		strcpy(sec->name, ".text");
		sec->addr = r->addr;
		sec->iaddr = text->addr;
		sec->size = text->size;
	}
	(void)xkd_vec_push(&t->mods);
	n = kernel ? 0 : t->mods.n - 1; /* the kernel stands first */
	memmove(&t->mods.p[n + 1], &t->mods.p[n], (t->mods.n - 1 - n) * sizeof(t->mods.p[0]));
	t->mods.p[n] = m;
	return load(s, m, err);
}

static enum xkd_rc one(struct xkd_session *s, const struct reload *r, struct xkd_err *err)
{
	struct xkd_module *m = xkd_target_mod_named(s->t, r->name);

	if (!m)
		return xkd_err_set(err, XKD_NOTFOUND,
				   "no module '%s' is loaded in the target (lm lists "
				   "them; .reload %s=ADDR places one)",
				   r->name, r->name);
	if (m->is_kernel && r->unload)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the kernel's own symbols stay: all else hangs "
				   "on them");
	if (r->unload) {
		drop_image(m);
		m->state = XKD_SYMS_NONE;
		snprintf(m->why, sizeof(m->why), "unloaded by .reload /u; .reload %.60s loads it",
			 m->name);
		return XKD_OK;
	}
	if (!m->is_kernel) {
		drop_image(m);
		m->forced = r->ignore;
	}
	return load(s, m, err);
}

static enum xkd_rc cmd_reload(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct reload r = { 0 };
	enum xkd_rc rc = parse(s, a, &r, err);

	if (rc)
		return rc;
	if ((r.unload || r.ignore) && !r.name[0])
		return xkd_err_syntax(err, (int)(a->p - a->line), "/%c needs a module's name",
				      r.unload ? 'u' : 'i');
	retry_failed(s->t);
	if (r.has_addr) {
		rc = place(s, &r, err);
	} else {
		drop_made(s->t);
		s->t->kernel_forced = r.ignore && is_kernel_name(r.name);
		if (!xkd_target_kernel(s->t) || s->t->kernel_forced || kernel_file_came(s->t))
			rc = find_again(s, err);
		else if (s->t->os->modules && !r.unload)
			rc = s->t->os->modules(s->t, err);
		if (!rc && r.name[0])
			rc = one(s, &r, err);
		else if (!rc && r.force)
			rc = load_all(s, err);
	}
	changed(s);
	return rc;
}

static const char more_sympath[] =
	"Folders or files, joined by ':' or ';'. A debuginfod server is asked by build-id for what "
	"none of\nthem has debug info of (needs libdebuginfod):\n"
	"  srv*URL            a server; its files are kept in libdebuginfod's cache\n"
	"  srv*DIR*URL        the same, kept in DIR\n"
	"  srv*               the servers of $DEBUGINFOD_URLS, which are asked last anyway when that "
	"is set\n"
	"for example: .sympath+ srv*https://debuginfod.example.org";

static const char more_reload[] =
	"  .reload            reads the module list anew; looks for the kernel when it is not "
	"known\n"
	"  .reload /f [MOD]   loads symbols now instead of when they are needed\n"
	"  .reload /i MOD     takes a file whose build-id is another\n"
	"  .reload /u MOD     forgets a module's symbols\n"
	"  .reload MOD=ADDR   places a module by its .text (vmlinux: by its _text)";

static const struct xkd_cmd rows[] = {
	{ ".sympath", "[+] [path[:path...]]", XKD_FX_NONE,
	  "show, set or (with +) extend the symbol path", cmd_sympath,
	  more_sympath,
	  "symbol-file" },
	{ ".reload", "[/f] [/i] [/u] [mod[=addr]]", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "find the kernel and its modules again, load symbols", cmd_reload, more_reload, NULL },
};
const struct xkd_cmd_family xkd_family_files = { "Symbol files", rows, XKD_COUNT(rows) };
