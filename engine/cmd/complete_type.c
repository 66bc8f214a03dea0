/* Completion of types, members and variables. Evaluates what stands before -> or a dot without side
 * effects; whatever goes wrong means no candidates. */
#include "engine/cmd/complete.h"
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/lang/scope.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool usable(const struct xkd_session *s)
{
	return s->t && !s->t->running && !s->t->lost && !s->lost;
}

/* ---- types ---- */

struct types {
	struct xkd_complete *c;
	const char *pre;
	size_t len;
	const char *mod; /* "kvm!" or "" */
};
static bool add_type(void *arg, const struct xkd_type *t)
{
	struct types *ty = arg;
	char name[256];

	if (!t->name || strncmp(t->name, ty->pre, ty->len))
		return true;
	snprintf(name, sizeof(name), "%s%s", ty->mod, t->name);
	xkd_complete_add(ty->c, name, strlen(name));
	return !ty->c->more;
}

static void types_of(struct xkd_session *s, struct xkd_module *m, struct types *ty)
{
	struct xkd_types *types;
	struct xkd_dwarf *dwarf;
	struct xkd_err ignored;

	xkd_mod_providers(s->t, m, &types, &dwarf);
	if (!types && dwarf && !m->is_kernel) /* a module's is soon read */
		types = xkd_dwarf_types(dwarf);
	if (types)
		(void)!types->each(types, add_type, ty, &ignored);
}

void xkd_complete_type(struct xkd_session *s, const char *word, struct xkd_complete *c)
{
	const char *bang = strchr(word, '!');
	char modname[80] = "";
	struct types ty = { .c = c, .pre = bang ? bang + 1 : word, .mod = modname };
	struct xkd_module *m = NULL;

	ty.len = strlen(ty.pre);
	if (!usable(s) || (!bang && ty.len < 2))
		return;
	if (bang && bang - word < 64) {
		snprintf(modname, sizeof(modname), "%.*s", (int)(bang - word), word);
		m = xkd_target_mod_named(s->t, modname);
		strcat(modname, "!");
	} else if (!bang) {
		m = xkd_target_kernel(s->t);
	}
	if (m)
		types_of(s, m, &ty);
	else if (!bang) /* files: all of them were named */
		for (size_t i = 0; i < s->t->mods.n && !c->more; i++)
			types_of(s, s->t->mods.p[i], &ty);
}

/* ---- variables ---- */

void xkd_complete_local(struct xkd_session *s, const char *word, struct xkd_complete *c)
{
	const struct xkd_ctx *ctx;
	struct xkd_local *vars;
	struct xkd_arena arena;
	struct xkd_err ignored;
	size_t n, len = strlen(word);

	if (!usable(s) || xkd_session_ctx(s, &ctx, &ignored))
		return;
	xkd_arena_init(&arena);
	if (!xkd_scope_vars(ctx, &arena, &vars, &n, &ignored))
		for (size_t i = 0; i < n; i++)
			if (!strncmp(vars[i].name, word, len))
				xkd_complete_add(c, vars[i].name, strlen(vars[i].name));
	xkd_arena_fini(&arena);
}

/* ---- members ---- */

/* The struct that a member is looked for in: behind typedefs and pointers, complete. */
static const struct xkd_type *struct_of(struct xkd_session *s, struct xkd_module *mod,
					const struct xkd_type *t)
{
	struct xkd_err ignored;

	for (int i = 0; i < 4; i++) {
		const struct xkd_type *target;

		t = xkd_type_strip(t);
		if ((t->kind != XKD_T_PTR && t->kind != XKD_T_ARRAY) ||
		    xkd_type_target(t, &target, &ignored) || !target)
			break;
		t = target;
	}
	t = xkd_type_strip(xkd_type_complete(s->t, mod, xkd_type_strip(t)));
	return xkd_type_is_aggregate(t) ? t : NULL;
}

static void add_members(const struct xkd_type *t, const char *pre, size_t len,
			struct xkd_complete *c, int depth)
{
	const struct xkd_member *m;
	struct xkd_err ignored;
	size_t n;

	if (depth > 8 || xkd_type_members(t, &m, &n, &ignored))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!m[i].name || !*m[i].name)
			add_members(xkd_type_strip(m[i].type), pre, len, c, depth + 1);
		else if (!strncmp(m[i].name, pre, len))
			xkd_complete_add(c, m[i].name, strlen(m[i].name));
	}
}

/* Where the postfix expression that ends at end begins: names, -> . [] () before it. */
static const char *expr_start(const char *args, const char *end)
{
	const char *p = end;
	int depth = 0;

	while (p > args) {
		char ch = p[-1];

		if (strchr(")]", ch)) {
			depth++;
		} else if (strchr("([", ch)) {
			if (!depth--)
				break;
		} else if (!depth && !isalnum((unsigned char)ch) && !strchr("_!@$.", ch) &&
			   !(ch == '>' && p - 2 >= args && p[-2] == '-') &&
			   !(ch == '-' && *p == '>')) {
			break;
		}
		p--;
	}
	return p;
}

static bool member_of_expr(struct xkd_session *s, const char *expr, const char *end,
			   const char *pre, struct xkd_complete *c)
{
	struct xkd_env env = s->env;
	const struct xkd_ctx *ctx;
	const struct xkd_type *t;
	struct xkd_arena arena;
	struct xkd_value v;
	struct xkd_err ignored;
	bool known;

	if (xkd_session_ctx(s, &ctx, &ignored))
		return false;
	env.no_side_effects = true;
	xkd_arena_init(&arena);
	known = !xkd_eval(ctx, &env, XKD_CXX,
			  xkd_arena_strndup(&arena, expr, (size_t)(end - expr)), NULL, &arena, &v,
			  &ignored);
	if (known) {
		t = struct_of(s, v.mod, v.type);
		if (t)
			add_members(t, pre, strlen(pre), c, 0);
	}
	xkd_arena_fini(&arena);
	return known;
}

/* dt TYPE a.b.c: the type is the first word that is no switch (struct, union, enum aside). */
static bool member_of_type(struct xkd_session *s, const char *args, const char *word,
			   struct xkd_complete *c, const char **start)
{
	static const char *const tags[] = { "struct ", "union " };
	const struct xkd_type *t;
	const struct xkd_ctx *ctx;
	struct xkd_module *mod = NULL;
	struct xkd_err ignored;
	char name[256];
	const char *p = xkd_skip_space(args);
	size_t n;

	for (bool again = true; again;) {
		again = *p == '-';
		p += again ? strcspn(p, " \t") : 0;
		for (size_t i = 0; i < XKD_COUNT(tags); i++)
			if (xkd_has_prefix(p, tags[i])) {
				p += strlen(tags[i]);
				again = true;
			}
		p = xkd_skip_space(p);
	}
	n = strcspn(p, " \t");
	if (p + n >= word || n >= sizeof(name) || !n || xkd_session_ctx(s, &ctx, &ignored))
		return false;
	memcpy(name, p, n);
	name[n] = 0;
	if (xkd_parse_type(ctx, name, NULL, &t, &mod, &ignored))
		return false;
	for (;;) {
		struct xkd_member m;
		size_t k = strcspn(word, ".");

		t = struct_of(s, mod, t);
		if (!t)
			return true;
		if (!word[k])
			break;
		if (k >= sizeof(name))
			return true;
		memcpy(name, word, k);
		name[k] = 0;
		if (xkd_type_find_member(t, name, &m, &ignored))
			return true;
		t = m.type;
		word += k + 1;
	}
	*start = word;
	add_members(t, word, strlen(word), c, 0);
	return true;
}

bool xkd_complete_member(struct xkd_session *s, const char *args, const char *end, bool dt,
			 struct xkd_complete *c, size_t *start)
{
	const char *name = end, *before, *expr, *word = end;

	while (name > args && (isalnum((unsigned char)name[-1]) || name[-1] == '_'))
		name--;
	while (word > args && word[-1] != ' ' && word[-1] != '\t')
		word--;
	if (!usable(s))
		return false;
	if (dt && member_of_type(s, args, word, c, &name)) {
		*start = (size_t)(name - args);
		return true;
	}
	before = name;
	if (name - args >= 2 && name[-1] == '>' && name[-2] == '-')
		before = name - 2;
	else if (name > args && name[-1] == '.')
		before = name - 1;
	expr = expr_start(args, before);
	if (before == name || expr == before || isdigit((unsigned char)*expr))
		return false;
	*start = (size_t)(name - args);
	c->open = true;
	return member_of_expr(s, expr, before, name, c);
}
