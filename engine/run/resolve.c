/* From what a user typed to places: a name and its inlined copies, a pattern, a source line, an
 * address. One on a module that is not loaded waits for it; on a loaded module that lacks the symbol
 * it fails at once. Inlined copies come from the index, which is not waited for when the name has
 * places of its own. */
#include "base/str.h"
#include "engine/lang/expr.h"
#include "engine/run/run_int.h"
#include <ctype.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#define PLACES_MAX 1000

struct collect {
	struct xkd_target *t;
	struct xkd_bkpt *b;
	size_t skipped;
};

static bool add_place(struct collect *c, uint64_t addr)
{
	for (size_t i = 0; i < c->b->locs.n; i++)
		if (c->b->locs.p[i] == addr)
			return true;
	if (c->b->locs.n == PLACES_MAX) {
		c->skipped++;
		return true;
	}
	*xkd_vec_push(&c->b->locs) = addr;
	return true;
}

static bool add_symbol(void *arg, const struct xkd_symref *sym)
{
	return sym->type != STT_FUNC || add_place(arg, sym->addr);
}

/* "f.cold" is jumped to from the middle of f: no way into it. */
static bool slow_part(struct xkd_target *t, uint64_t addr)
{
	struct xkd_symref sym;
	const char *cold = !xkd_sym_at(t, addr, &sym, NULL) && sym.addr == addr ? strstr(sym.name, ".cold") : NULL;

	return cold && (!cold[5] || cold[5] == '.');
}

/* A copy within the function itself (its own slow part) is no other way into it. */
static bool add_inline(void *arg, const struct xkd_inlref *r)
{
	struct collect *c = arg;

	return (r->inlined ? r->host && !strcmp(r->host, r->name) : slow_part(c->t, r->addr)) ||
	       add_place(c, r->addr);
}

static bool add_line(void *arg, uint64_t addr)
{
	return add_place(arg, addr);
}

static enum xkd_rc too_many(const struct collect *c, struct xkd_err *err)
{
	return xkd_err_set(err, XKD_UNSUPPORTED, "'%s' means %zu places, more than %d", c->b->spec,
			   c->b->locs.n + c->skipped, PLACES_MAX);
}

/* The module that a spec names; false: it names none. */
static bool module_of(const char *spec, char mod[128])
{
	const char *bang = strchr(spec, '!');

	if (!bang || bang == spec || bang - spec >= 128)
		return false;
	memcpy(mod, spec, (size_t)(bang - spec));
	mod[bang - spec] = 0;
	return true;
}

/* Is it a function of a loaded module whose section is not in memory (init's, which is given back once it
 * has run)? The next load has it. */
static bool section_gone(struct xkd_run *r, const char *spec)
{
	struct xkd_module *m;
	struct xkd_sym sym;
	char mod[128];
	size_t count;

	if (!module_of(spec, mod))
		return false;
	m = xkd_target_mod_named(r->t, mod);
	return m && xkd_target_mod_image(r->t, m) &&
	       !xkd_image_sym_named(m->img, strchr(spec, '!') + 1, &sym, &count);
}

/* Does the spec name a module that is not loaded? */
static bool module_missing(struct xkd_run *r, const char *spec)
{
	char mod[128];

	if (!module_of(spec, mod))
		return false;
	return mod[strspn(mod, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == 0 &&
	       !xkd_target_mod_named(r->t, mod);
}

/* Before a kernel is there every name waits for it; numbers and registers do not. */
static bool awaits_name(struct xkd_run *r, const char *spec)
{
	uint64_t v;

	return !xkd_target_kernel(r->t) && r->t->awaits_kernel &&
	       (isalpha((unsigned char)*spec) || *spec == '_' || *spec == '*' || *spec == '`') &&
	       !xkd_parse_u64(spec, 16, &v);
}

/* "`kvm!x86.c:123`" or the same without backquotes, which shells eat; NULL: no source line. */
static const char *source_line(struct xkd_run *r, const char *spec)
{
	size_t n = strlen(spec), digits = 0;
	const char *colon;

	if (n > 2 && spec[0] == '`' && spec[n - 1] == '`')
		return xkd_arena_strndup(r->arena, spec + 1, n - 2);
	colon = strrchr(spec, ':');
	if (!colon || colon == spec)
		return NULL;
	while (isdigit((unsigned char)colon[1 + digits]))
		digits++;
	for (const char *p = spec; p < colon; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_-+./!,", *p))
			return NULL;
	return digits && !colon[1 + digits] && memchr(spec, '.', (size_t)(colon - spec)) ? spec : NULL;
}

static enum xkd_rc by_line(struct xkd_run *r, struct xkd_bkpt *b, const char *line,
			   struct xkd_err *err)
{
	struct collect c = { r->t, b, 0 };
	enum xkd_rc rc;

	b->named = true;
	rc = xkd_source_places(r->t, line, add_line, &c, err);
	return !rc && c.skipped ? too_many(&c, err) : rc;
}

static enum xkd_rc by_pattern(struct xkd_run *r, struct xkd_bkpt *b, struct xkd_err *err)
{
	struct collect c = { r->t, b, 0 };

	xkd_sym_glob(r->t, b->spec, add_symbol, &c);
	if (c.skipped)
		return too_many(&c, err);
	if (b->locs.n)
		return XKD_OK;
	return xkd_err_set(err, XKD_NOTFOUND, "no function matches '%s'", b->spec);
}

static bool is_name(const char *spec)
{
	const char *bang = strchr(spec, '!'), *name = bang ? bang + 1 : spec;

	return (isalpha((unsigned char)*name) || *name == '_') && !name[strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$")];
}

/* The copies of a function inside others. mod: where to look; NULL: as the spec says. */
static enum xkd_rc inlines(struct xkd_run *r, struct xkd_bkpt *b, const struct xkd_module *mod,
			   enum xkd_ixneed need, struct xkd_err *err)
{
	struct collect c = { r->t, b, 0 };
	const char *bang = strchr(b->spec, '!'), *name = bang ? bang + 1 : b->spec;
	char full[512];
	unsigned missing = 0;
	enum xkd_rc rc;

	snprintf(full, sizeof(full), "%s%s%s", mod ? mod->name : "", mod ? "!" : "",
		 mod ? name : b->spec);
	rc = xkd_inline_glob(r->t, full, need, add_inline, &c, &missing, err);
	b->awaits_index = !rc && missing && need != XKD_IX_WAIT;
	return !rc && c.skipped ? too_many(&c, err) : rc;
}

/* A plain name: every place of that name, as a person expects of static functions. */
static enum xkd_rc by_name(struct xkd_run *r, struct xkd_bkpt *b, bool again, struct xkd_err *err)
{
	struct collect c = { r->t, b, 0 };
	struct xkd_symref sym;
	struct xkd_err ignored = XKD_ERR_INIT;
	enum xkd_rc rc = xkd_sym_named(r->t, b->spec, &sym, err), rc2;

	if (rc != XKD_OK && rc != XKD_AMBIGUOUS) {
		if (rc != XKD_NOTFOUND || !is_name(b->spec) || b->kind > XKD_BP_HW)
			return rc;
		rc2 = inlines(r, b, NULL, XKD_IX_WAIT, &ignored);
		if (rc2 == XKD_CANCELED && err)
			*err = ignored;
		if (rc2 == XKD_CANCELED)
			return rc2;
		b->named = b->locs.n != 0;
		return b->locs.n ? XKD_OK : rc;
	}
	b->named = true;
	xkd_sym_glob(r->t, b->spec, add_symbol, &c);
	if (!b->locs.n || b->kind > XKD_BP_HW) {
		xkd_vec_reset(&b->locs);
		*xkd_vec_push(&b->locs) = sym.addr;
	} else if (b->kind == XKD_BP_SW) { /* the four hardware ones are not spent on copies */
		(void)!inlines(r, b, sym.mod, again ? XKD_IX_IF_READY : XKD_IX_START, &ignored);
	}
	return XKD_OK;
}

enum xkd_rc xkd_bkpt_resolve(struct xkd_run *r, struct xkd_bkpt *b, bool again,
			     struct xkd_err *err)
{
	struct xkd_ctx bare;
	const char *line;
	uint64_t addr;
	enum xkd_rc rc;

	xkd_vec_reset(&b->locs);
	b->deferred = b->awaits_index = b->code_gone = false;
	if (b->fixed) {
		*xkd_vec_push(&b->locs) = b->fixed_addr;
		return XKD_OK;
	}
	if (awaits_name(r, b->spec) || module_missing(r, b->spec)) {
		b->named = b->deferred = true;
		return XKD_OK;
	}
	if (b->pattern)
		return by_pattern(r, b, err);
	line = source_line(r, b->spec);
	if (line)
		return by_line(r, b, line, err);
	rc = by_name(r, b, again, err);
	if (rc != XKD_NOTFOUND && rc != XKD_SYNTAX)
		return rc;
	if (rc == XKD_NOTFOUND && is_name(b->spec) && section_gone(r, b->spec)) {
		b->named = b->deferred = b->code_gone = true;
		return XKD_OK;
	}
	if (rc == XKD_NOTFOUND && is_name(b->spec) && strchr(b->spec, '!'))
		return rc; /* an expression could mean nothing else */
	xkd_ctx_bare(r->t, &bare);
	rc = xkd_eval_u64(r->ctx ? r->ctx : &bare, r->env, XKD_MASM, b->spec, NULL, r->arena, &addr, err);
	if (rc)
		return rc;
	*xkd_vec_push(&b->locs) = addr;
	return XKD_OK;
}
