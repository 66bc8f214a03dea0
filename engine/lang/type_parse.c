/* C type names: first by their text alone (so that a parser needs no target), then looked up.
 * Invariants: text is never read past its NUL; at most XKD_TN_OPS derivations; what the text does
 * not name exactly is an error, never a near match. */
#include "base/str.h"
#include "engine/lang/expr.h"
#include "engine/lang/lang.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static size_t word_len(const char *s)
{
	size_t n = 0;

	if (isdigit((unsigned char)*s))
		return 0;
	while (word_char(s[n]))
		n++;
	return n;
}

static bool word_in(const char *word, size_t len, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == len && !memcmp(*list, word, len))
			return true;
	return false;
}

static const char *const qualifiers[] = { "const",	"volatile", "restrict",
					  "__restrict", "_Atomic",  NULL };
static const char *const basics[] = { "unsigned", "signed",   "long",	 "short",   "int",
				      "char",	  "void",     "_Bool",	 "bool",    "float",
				      "double",	  "__int128", "__int64", "__int32", "__int16",
				      "__int8",	  NULL };
static const char *const tags[] = { "struct", "union", "enum", "class", NULL };

bool xkd_typename_keyword(const char *word, size_t len)
{
	return word_in(word, len, qualifiers) || word_in(word, len, basics) ||
	       word_in(word, len, tags);
}

static enum xkd_tag tag_of(const char *word, size_t len)
{
	if (len == 4)
		return XKD_TAG_ENUM;
	return *word == 'u' ? XKD_TAG_UNION : XKD_TAG_STRUCT;
}

/* "mod!name" or "name" into tn; false when there is none. */
static bool take_name(const char **p, struct xkd_typename *tn)
{
	size_t n = word_len(*p);

	if (!n)
		return false;
	if ((*p)[n] == '!' && word_len(*p + n + 1) && n < sizeof(tn->mod)) {
		memcpy(tn->mod, *p, n);
		tn->mod[n] = 0;
		*p += n + 1;
		n = word_len(*p);
	}
	if (n >= sizeof(tn->name))
		return false;
	memcpy(tn->name, *p, n);
	tn->name[n] = 0;
	*p += n;
	return true;
}

static void add_basic(struct xkd_typename *tn, const char *word, size_t len)
{
	static const char *const ms[][2] = { { "__int8", "char" },
					     { "__int16", "short" },
					     { "__int32", "int" },
					     { "__int64", "long long" } };
	size_t have = strlen(tn->name);

	for (size_t i = 0; i < XKD_COUNT(ms); i++) {
		if (strlen(ms[i][0]) == len && !memcmp(word, ms[i][0], len)) {
			word = ms[i][1];
			len = strlen(word);
			break;
		}
	}
	if (have + len + 2 < sizeof(tn->name))
		snprintf(tn->name + have, sizeof(tn->name) - have, "%s%.*s", have ? " " : "",
			 (int)len, word);
	tn->basic = true;
}

/* The words before the derivations. */
static enum xkd_rc specifiers(const char *text, const char **pp, struct xkd_typename *tn,
			      struct xkd_err *err)
{
	const char *p = *pp, *last = p;
	bool named = false;

	for (;;) {
		size_t n;

		p = xkd_skip_space(p);
		n = word_len(p);
		if (!n || (named && !word_in(p, n, qualifiers)))
			break;
		if (word_in(p, n, qualifiers)) {
			p += n;
		} else if (p[n] != '!' && word_in(p, n, basics)) {
			if (!tn->basic)
				tn->pos = (int)(p - text);
			add_basic(tn, p, n);
			p += n;
		} else if (tn->basic) {
			break;
		} else {
			if (word_in(p, n, tags)) {
				tn->tag = tag_of(p, n);
				p = xkd_skip_space(p + n);
			}
			tn->pos = (int)(p - text);
			if (!take_name(&p, tn))
				return xkd_err_syntax(err, (int)(p - text),
						      "a type's name is missing");
			named = true;
		}
		last = p;
	}
	if (!named && !tn->basic)
		return xkd_err_syntax(err, (int)(p - text), "a type's name is missing");
	*pp = last;
	return XKD_OK;
}

static enum xkd_rc bounds(const char *text, const char **pp, struct xkd_typename *tn,
			  struct xkd_err *err)
{
	int first = tn->nops;
	const char *p = *pp;

	for (;;) {
		const char *q = xkd_skip_space(p);
		char *e;

		if (*q != '[')
			break;
		if (tn->nops == XKD_TN_OPS)
			return xkd_err_syntax(err, (int)(q - text), "too many dimensions");
		tn->ops[tn->nops].array = true;
		q = xkd_skip_space(q + 1);
		if (*q == ']') {
			tn->ops[tn->nops].flexible = true;
			e = (char *)q;
		} else {
			if (!isdigit((unsigned char)*q))
				return xkd_err_syntax(err, (int)(q - text),
						      "an array's bound is a number");
			tn->ops[tn->nops].n = strtoull(q, &e, 0);
			e = (char *)xkd_skip_space(e);
		}
		if (*e != ']')
			return xkd_err_syntax(err, (int)(e - text), "']' is missing");
		tn->nops++;
		p = e + 1;
	}
	/* int [4][2] is four times (two times int): the last bound applies first */
	for (int a = first, b = tn->nops - 1; a < b; a++, b--) {
		uint64_t n = tn->ops[a].n;
		bool f = tn->ops[a].flexible;

		tn->ops[a].n = tn->ops[b].n;
		tn->ops[a].flexible = tn->ops[b].flexible;
		tn->ops[b].n = n;
		tn->ops[b].flexible = f;
	}
	*pp = p;
	return XKD_OK;
}

/* "(**)" before an array's bounds: what is behind it, and how many stars; the end of the stars
 * where no ) follows. */
static const char *inner_stars(const char *p, unsigned *stars)
{
	for (p = xkd_skip_space(p + 1); *p == '*'; p = xkd_skip_space(p + 1))
		++*stars;
	return *p == ')' ? p + 1 : p;
}

enum xkd_rc xkd_typename_parse(const char *text, int pos, int *end, struct xkd_typename *tn,
			       struct xkd_err *err)
{
	const char *p = text + pos, *q;
	unsigned stars = 0;
	enum xkd_rc rc;
	size_t n;

	*tn = (struct xkd_typename){ .tag = XKD_TAG_ANY };
	rc = specifiers(text, &p, tn, err);
	if (rc)
		return rc;
	for (;;) {
		q = xkd_skip_space(p);
		n = word_len(q);
		if (*q == '*') {
			if (tn->nops == XKD_TN_OPS)
				return xkd_err_syntax(err, (int)(q - text), "too many '*'");
			tn->ops[tn->nops++].array = false;
			p = q + 1;
		} else if (n && tn->nops && word_in(q, n, qualifiers)) {
			p = q + n;
		} else {
			break;
		}
	}
	q = xkd_skip_space(p);
	if (*q == '(' && *xkd_skip_space(q + 1) == '*')
		p = inner_stars(q, &stars);
	if (stars && *xkd_skip_space(p) != '[')
		return xkd_err_syntax(err, (int)(q - text),
				      "types of function pointers are not taken; use void *");
	rc = bounds(text, &p, tn, err);
	for (; !rc && stars; stars--) {
		if (tn->nops == XKD_TN_OPS)
			return xkd_err_syntax(err, (int)(q - text), "too many '*'");
		tn->ops[tn->nops++].array = false;
	}
	*end = (int)(p - text);
	return rc;
}

/* Names of C itself need no debug info. */
static const struct xkd_type *basic_type(const char *name)
{
	if (!strcmp(name, "void"))
		return xkd_type_builtin(XKD_BI_VOID);
	if (!strcmp(name, "bool"))
		return xkd_type_builtin(XKD_BI_BOOL);
	return xkd_type_builtin_named(name);
}

static enum xkd_rc named(const struct xkd_ctx *ctx, const struct xkd_typename *tn,
			 struct xkd_module **mod, const struct xkd_type **type, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_NOTFOUND;

	*type = NULL;
	if (tn->basic && (*type = basic_type(tn->name)))
		return XKD_OK;
	if (tn->mod[0] && ctx->t) {
		*mod = xkd_target_mod_named(ctx->t, tn->mod);
		if (!*mod)
			return xkd_err_set(err, XKD_NOTFOUND, "no module %s", tn->mod);
	}
	/* the module's own first, then the kernel's and everybody's */
	if (ctx->t && ctx->t->mods.n)
		rc = xkd_type_named(ctx->t, *mod, tn->tag, tn->name, type, err);
	else
		xkd_err_set(err, rc, "no type %s: no module is known", tn->name);
	if (rc == XKD_NOTFOUND && tn->tag == XKD_TAG_ANY && (*type = basic_type(tn->name)))
		return XKD_OK;
	return rc;
}

enum xkd_rc xkd_typename_resolve(const struct xkd_ctx *ctx, const struct xkd_typename *tn,
				 const struct xkd_type **type, struct xkd_module **mod,
				 struct xkd_err *err)
{
	struct xkd_module *m = xkd_scope_module(ctx);
	const struct xkd_type *t;
	enum xkd_rc rc = named(ctx, tn, &m, &t, err);

	if (rc)
		return rc;
	for (int i = 0; i < tn->nops; i++) {
		if (!tn->ops[i].array) {
			t = xkd_type_ptr_to(t);
			continue;
		}
		if (!tn->ops[i].flexible && tn->ops[i].n > (1ULL << 40))
			return xkd_err_syntax(err, tn->pos, "an array of this many elements");
		t = xkd_type_array_of(t, tn->ops[i].flexible ? 0 : tn->ops[i].n);
	}
	*type = t;
	if (mod)
		*mod = m;
	return XKD_OK;
}

enum xkd_rc xkd_parse_type(const struct xkd_ctx *ctx, const char *text, const char **end,
			   const struct xkd_type **type, struct xkd_module **mod,
			   struct xkd_err *err)
{
	struct xkd_typename tn;
	int stop;
	enum xkd_rc rc = xkd_typename_parse(text, 0, &stop, &tn, err);

	if (rc)
		return rc;
	if (end)
		*end = text + stop;
	else if (*xkd_skip_space(text + stop))
		return xkd_err_syntax(err, (int)(xkd_skip_space(text + stop) - text),
				      "extra characters after the type");
	return xkd_typename_resolve(ctx, &tn, type, mod, err);
}
