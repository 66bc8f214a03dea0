/* What file.c:123 means: places in the code of every module that knows the file. Where one address is
 * wanted, several functions are an error that lists them, never a guess. */
#include "base/cancel.h"
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include <stdio.h>
#include <string.h>

/* "kvm!x86.c:123" taken apart. */
struct srcspec {
	struct xkd_module *only; /* NULL: any */
	char file[256];
	unsigned line;
};

static enum xkd_rc parse(struct xkd_target *t, const char *spec, struct srcspec *p, struct xkd_err *err)
{
	const char *colon = strrchr(spec, ':'), *file = spec, *bang = strchr(spec, '!');
	uint64_t line;

	p->only = NULL;
	if (!t)
		return xkd_err_set(err, XKD_NOTFOUND, "no %s: there is no target", spec);
	if (!colon || !xkd_parse_u64(colon + 1, 10, &line) || !line || line > 0xffffffff)
		return xkd_err_set(err, XKD_SYNTAX, "a source place is file.c:line");
	p->line = (unsigned)line;
	if (bang && bang < colon) {
		snprintf(p->file, sizeof(p->file), "%.*s", (int)(bang - spec), spec);
		p->only = xkd_target_mod_named(t, p->file);
		if (!p->only)
			return xkd_err_set(err, XKD_NOTFOUND, "no module %s", p->file);
		file = bang + 1;
	}
	if ((size_t)(colon - file) >= sizeof(p->file))
		return xkd_err_set(err, XKD_SYNTAX, "the file's name is too long");
	snprintf(p->file, sizeof(p->file), "%.*s", (int)(colon - file), file);
	return XKD_OK;
}

struct to_target {
	struct xkd_module *m;
	bool (*fn)(void *arg, uint64_t addr);
	void *arg;
	size_t n;
	bool stop;
};

static bool one_place(void *arg, uint64_t iaddr)
{
	struct to_target *w = arg;
	uint64_t addr;

	if (!xkd_module_to_target(w->m, iaddr, &addr))
		return true;
	w->n++;
	w->stop = !w->fn(w->arg, addr);
	return !w->stop;
}

static enum xkd_rc lines_in(struct xkd_target *t, struct xkd_module *m, const struct srcspec *p,
			    struct to_target *w, struct xkd_err *err)
{
	struct xkd_types *btf;
	struct xkd_dwarf *dwarf;
	unsigned used;
	enum xkd_rc rc = xkd_cancel_check(t->cancel, err);

	if (rc)
		return rc;
	xkd_mod_providers(t, m, &btf, &dwarf);
	if (!dwarf)
		return XKD_OK;
	w->m = m;
	rc = xkd_dwarf_line_addrs(dwarf, p->file, p->line, &used, one_place, w, t->cancel, err);
	return rc == XKD_NOTFOUND ? XKD_OK : rc;
}

enum xkd_rc xkd_source_places(struct xkd_target *t, const char *spec,
			      bool (*fn)(void *arg, uint64_t addr), void *arg, struct xkd_err *err)
{
	struct to_target w = { .fn = fn, .arg = arg };
	struct srcspec p;
	enum xkd_rc rc = parse(t, spec, &p, err);

	for (size_t i = 0; !rc && !w.stop && i < t->mods.n; i++)
		if (!p.only || p.only == t->mods.p[i])
			rc = lines_in(t, t->mods.p[i], &p, &w, err);
	if (!rc && !w.n)
		rc = xkd_err_set(err, XKD_NOTFOUND, "no code is known for %s", spec);
	return rc;
}

struct places {
	uint64_t addr[32];
	size_t n;
};

static bool keep(void *arg, uint64_t addr)
{
	struct places *p = arg;

	for (size_t i = 0; i < p->n; i++)
		if (p->addr[i] == addr)
			return true;
	p->addr[p->n++] = addr;
	return p->n < XKD_COUNT(p->addr);
}

/* One place, or several within one function (then its lowest). */
static enum xkd_rc one_of(struct xkd_evalctx *e, const struct places *p, const char *spec,
			  uint64_t *addr, struct xkd_err *err)
{
	struct xkd_buf list = XKD_BUF_INIT;
	struct xkd_symref first, s;
	bool same = true;
	enum xkd_rc rc = XKD_OK;

	*addr = p->addr[0];
	for (size_t i = 0; i < p->n; i++) {
		if (p->addr[i] < *addr)
			*addr = p->addr[i];
		if (i && (xkd_sym_at(e->ctx->t, p->addr[0], &first, NULL) ||
			  xkd_sym_at(e->ctx->t, p->addr[i], &s, NULL) || s.addr != first.addr))
			same = false;
		if (i < 8) {
			xkd_buf_str(&list, i ? ", " : "");
			xkd_sym_format(e->ctx->t, p->addr[i], &list);
		}
	}
	if (!same)
		rc = xkd_err_set(err, XKD_AMBIGUOUS, "%s has code at %zu places: %s%s", spec, p->n,
				 list.s, p->n > 8 ? ", ..." : "");
	xkd_buf_fini(&list);
	return rc;
}

/* The module at hand first; another one only when that has no such line. */
enum xkd_rc xkd_eval_source(struct xkd_evalctx *e, const char *spec, uint64_t *addr,
			    struct xkd_err *err)
{
	struct xkd_target *t = e->ctx->t;
	struct places p = { .n = 0 };
	struct to_target w = { .fn = keep, .arg = &p };
	struct srcspec s;
	enum xkd_rc rc = parse(t, spec, &s, err);

	if (!rc && !s.only && e->scope)
		rc = lines_in(t, e->scope, &s, &w, err);
	if (!rc && !p.n)
		rc = xkd_source_places(t, spec, keep, &p, err);
	return rc ? rc : one_of(e, &p, spec, addr, err);
}
