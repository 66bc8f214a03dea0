/* x and ln: names to addresses and back. lm is in c_modules.c. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/cmd/modules.h"
#include "engine/core/names.h"
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A symbol, or what only the debug info knows: host is the function that an inlined copy is in. */
struct found {
	struct xkd_symref ref;
	const char *host;
	uint64_t host_addr;
	bool bare; /* no symbol has this name here: foo of foo.isra.0, or a replaced definition */
};
struct match {
	XKD_VEC(struct found) v;
	struct xkd_session *s;
	bool count_only; /* inlined copies are counted, not taken */
	unsigned left;	 /* not taken */
	size_t nsyms;	 /* of v: those of the symbol tables */
	bool data, funcs;
	bool by_size;
	uint64_t size;
};

static bool is_func(const struct xkd_symref *r)
{
	return r->type == STT_FUNC || r->type == STT_GNU_IFUNC;
}

static bool collect(void *arg, const struct xkd_symref *r)
{
	struct match *m = arg;

	if ((m->funcs && !is_func(r)) || (m->data && is_func(r)) ||
	    (m->by_size && r->size != m->size))
		return true;
	*xkd_vec_push(&m->v) = (struct found){ .ref = *r };
	return !xkd_canceled(&m->s->cancel);
}

static int by_addr(const void *a, const void *b)
{
	const struct xkd_symref *x = &((const struct found *)a)->ref;
	const struct xkd_symref *y = &((const struct found *)b)->ref;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	const struct xkd_symref *x = &((const struct found *)a)->ref;
	const struct xkd_symref *y = &((const struct found *)b)->ref;
	int c = strcmp(x->name, y->name);

	return c ? c : x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* A plain name that exists exactly wins over names that only fold to it. */
static void keep_exact(struct match *m, const char *pattern)
{
	const char *bang = strchr(pattern, '!'), *name = bang ? bang + 1 : pattern;
	bool exact = false;
	size_t n = 0;

	if (xkd_is_glob(name))
		return;
	for (size_t i = 0; i < m->v.n; i++)
		exact |= !strcmp(m->v.p[i].ref.name, name);
	for (size_t i = 0; exact && i < m->v.n; i++)
		if (!strcmp(m->v.p[i].ref.name, name))
			m->v.p[n++] = m->v.p[i];
	if (exact)
		m->v.n = n;
}

static bool has_symbol(const struct match *m, uint64_t addr)
{
	for (size_t i = 0; i < m->nsyms; i++)
		if (m->v.p[i].ref.addr == addr)
			return true;
	return false;
}

static bool collect_inline(void *arg, const struct xkd_inlref *r)
{
	struct match *m = arg;
	struct xkd_arena *arena = &m->s->cmd_arena;
	struct found *f;

	if ((m->by_size && r->size != m->size) || (!r->inlined && has_symbol(m, r->addr)))
		return true;
	if (m->count_only) {
		m->left += r->inlined;
		return !xkd_canceled(&m->s->cancel);
	}
	f = xkd_vec_push(&m->v);
	f->ref = (struct xkd_symref){ .mod = r->mod,
				      .name = xkd_arena_strdup(arena, r->name),
				      .addr = r->addr,
				      .size = r->size,
				      .type = STT_FUNC,
				      .bind = STB_LOCAL };
	f->bare = !r->inlined;
	if (r->inlined)
		f->host = xkd_arena_strdup(arena, r->host ? r->host : "");
	f->host_addr = r->host_addr;
	return !xkd_canceled(&m->s->cancel);
}

/* Adds what only the indexes know. What the symbol tables answered is not held up by the making of
 * an index; a pattern's inlined copies would bury its functions, so they are only counted. */
static enum xkd_rc add_inlined(struct match *m, const char *pattern, bool all, unsigned *missing,
			       struct xkd_err *err)
{
	const char *bang = strchr(pattern, '!');
	bool wild = xkd_is_glob(bang ? bang + 1 : pattern);
	enum xkd_ixneed need = all || !m->v.n ? XKD_IX_WAIT : wild ? XKD_IX_IF_READY : XKD_IX_START;

	*missing = 0;
	m->nsyms = m->v.n;
	m->count_only = wild && m->v.n && !all;
	if (m->data)
		return XKD_OK;
	return xkd_inline_glob(m->s->t, pattern, need, collect_inline, m, missing, err);
}

/* The type of a symbol; NULL when no debug info has it. Of data only the index knows it: wait says
 * whether its making is waited for. */
static const struct xkd_type *type_of(struct xkd_session *s, const struct xkd_symref *r, bool wait)
{
	const struct xkd_type *type = NULL;
	struct xkd_types *btf;
	struct xkd_dwarf *dwarf;
	struct xkd_err ignored;
	uint64_t iaddr;

	if (!is_func(r)) {
		struct xkd_dglobal g;

		if (!wait && !xkd_mod_indexed(s->t, r->mod))
			return NULL;
		xkd_mod_providers(s->t, r->mod, &btf, &dwarf);
		if (!dwarf || !xkd_module_to_image(r->mod, r->addr, &iaddr) ||
		    xkd_dwarf_global(dwarf, r->name, iaddr, &g, &s->cancel, &ignored))
			return NULL;
		return g.type;
	}
	xkd_mod_providers(s->t, r->mod, &btf, &dwarf);
	if (dwarf && xkd_module_to_image(r->mod, r->addr, &iaddr) &&
	    !xkd_dwarf_func_type(dwarf, iaddr, &type, &ignored))
		return type;
	return NULL;
}

static void print_typed(struct xkd_session *s, const struct xkd_symref *r, bool wait)
{
	const struct xkd_type *type = type_of(s, r, wait);
	struct xkd_buf b = XKD_BUF_INIT, decl = XKD_BUF_INIT;

	xkd_buf_printf(&decl, "%s!%s", r->mod->name, r->name);
	if (type) {
		xkd_type_spell(type, decl.s, &b);
		xkd_out_key(&s->out, XKD_ST_TYPE, "type", "%s", b.s);
	} else {
		xkd_out_key(&s->out, XKD_ST_SYM, "symbol", "%s", decl.s);
		xkd_out_st(&s->out, XKD_ST_DIM, " <no type information>");
	}
	xkd_buf_fini(&b);
	xkd_buf_fini(&decl);
}

struct x_opts {
	bool types, verbose, data, funcs, by_name, by_size, inlined;
	uint64_t size;
};

/* What stands at the place of a function that no symbol names so. */
static void print_bare(struct xkd_session *s, const struct xkd_symref *r)
{
	struct xkd_symref at;
	bool has = !xkd_sym_at(s->t, r->addr, &at, NULL) && at.addr == r->addr;

	if (has && !strcmp(at.name, r->name)) /* asked for by its base name */
		return;
	if (has)
		xkd_out_st(&s->out, XKD_ST_DIM, " (no symbol, but %s)", at.name);
	else
		xkd_out_st(&s->out, XKD_ST_DIM, " (no symbol: another definition replaced it)");
}

static void print_row(struct xkd_session *s, const struct found *f, const struct x_opts *o)
{
	const struct xkd_symref *r = &f->ref;

	xkd_out_key(&s->out, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(r->addr));
	xkd_out(&s->out, " ");
	if (o->verbose) {
		xkd_out_key(&s->out, XKD_ST_DIM, "kind", "%-4s %-6s ",
			    f->host		    ? "inl"
			    : is_func(r)	    ? "func"
			    : r->type == STT_OBJECT ? "data"
						    : "-",
			    r->bind == STB_LOCAL  ? "local"
			    : r->bind == STB_WEAK ? "weak"
						  : "global");
		xkd_out_key(&s->out, XKD_ST_NUM, "size", "%6llx ", (unsigned long long)r->size);
	}
	if (o->types && !f->host)
		print_typed(s, r, true);
	else
		xkd_out_key(&s->out, XKD_ST_SYM, "symbol", "%s!%s", r->mod->name, r->name);
	if (f->host) {
		xkd_out_st(&s->out, XKD_ST_DIM, " (inlined in ");
		xkd_out_key(&s->out, XKD_ST_SYM, "host", "%s", f->host);
		xkd_out_st(&s->out, XKD_ST_DIM, ")");
	}
	if (f->bare)
		print_bare(s, r);
	xkd_out_end(&s->out);
}

/* What is not among the rows. */
static void x_note(struct xkd_session *s, const struct match *m, unsigned missing,
		   const char *pattern)
{
	const char *bang = strchr(pattern, '!');

	if (m->left)
		xkd_out_st(&s->out, XKD_ST_DIM, "(and %u inlined cop%s: x /i %s)", m->left,
			   m->left == 1 ? "y" : "ies", pattern);
	else if (missing && !xkd_is_glob(bang ? bang + 1 : pattern) && is_func(&m->v.p[0].ref))
		xkd_out_st(&s->out, XKD_ST_DIM,
			   "(inlined copies are being looked for: x /i %s waits for them)",
			   pattern);
	else
		return;
	xkd_out_end(&s->out);
}

static enum xkd_rc x_switches(struct xkd_session *s, struct xkd_args *a, struct x_opts *o,
			      struct xkd_err *err)
{
	char sw[16];
	int pos;

	while (pos = (int)(xkd_skip_space(a->p) - a->line),
	       xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		enum xkd_rc rc;

		if (!strcmp(sw, "s")) {
			rc = xkd_arg_expr(s, a, &o->size, err);
			if (rc)
				return rc;
			o->by_size = true;
			continue;
		}
		for (const char *c = sw; *c; c++) {
			if (!strchr("tvdfnai", *c))
				return xkd_err_syntax(err, pos,
						      "no switch /%c; there are /t /v /d /f "
						      "/i /n /a and /s SIZE",
						      *c);
			o->types |= *c == 't';
			o->verbose |= *c == 'v';
			o->inlined |= *c == 'i';
			o->data |= *c == 'd';
			o->funcs |= *c == 'f';
			o->by_name = *c == 'n' ? true : *c == 'a' ? false : o->by_name;
		}
	}
	if (o->data && o->funcs)
		o->data = o->funcs = false;
	return XKD_OK;
}

/* Why nothing matched. */
static enum xkd_rc nothing(struct xkd_session *s, const char *pattern, struct xkd_err *err)
{
	const char *bang = strchr(pattern, '!');
	struct xkd_module *m;
	struct xkd_symref r;
	char mod[64];

	if (bang) {
		snprintf(mod, sizeof(mod), "%.*s", (int)(bang - pattern), pattern);
		m = xkd_target_mod_named(s->t, mod);
		if (!m && !xkd_is_glob(mod))
			return xkd_err_set(err, XKD_NOTFOUND, "no module '%s' (lm lists them)%s",
					   mod, xkd_builtin_in(s->t, mod) ?
							", and nothing built in matches" : "");
		if (m && !xkd_target_mod_image(s->t, m))
			return xkd_err_set(err, XKD_NOTFOUND, "%s has no symbols: %s", m->name,
					   m->why);
	}
	if (!xkd_is_glob(pattern)) {
		enum xkd_rc rc = xkd_sym_named(s->t, pattern, &r, err);

		if (rc && rc != XKD_AMBIGUOUS)
			return rc;
	}
	return xkd_err_set(err, XKD_NOTFOUND, "no symbol matches '%.200s'", pattern);
}

static bool same_row(const struct found *a, const struct found *b)
{
	return a->ref.addr == b->ref.addr && a->ref.mod == b->ref.mod && !a->host == !b->host &&
	       !strcmp(a->ref.name, b->ref.name);
}

static enum xkd_rc x_list(struct match *m, const char *pattern, const struct x_opts *o,
			  struct xkd_err *err)
{
	struct xkd_session *s = m->s;
	unsigned missing;
	enum xkd_rc rc;

	xkd_sym_glob(s->t, pattern, collect, m);
	keep_exact(m, pattern);
	rc = add_inlined(m, pattern, o->inlined, &missing, err);
	if (rc)
		return rc;
	xkd_vec_sort(&m->v, o->by_name ? by_name : by_addr);
	rc = xkd_cancel_check(&s->cancel, err);
	for (size_t i = 0; !rc && i < m->v.n; i++) {
		const struct found *f = &m->v.p[i];

		if (i && same_row(f, f - 1))
			continue; /* found in two tables */
		print_row(s, f, o);
		rc = xkd_cancel_check(&s->cancel, err);
	}
	if (!rc && !m->v.n)
		return nothing(s, pattern, err);
	if (!rc)
		x_note(s, m, missing, pattern);
	return rc;
}

static enum xkd_rc cmd_x(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct match m = { .s = s };
	struct x_opts o = { 0 };
	char pattern[256];
	enum xkd_rc rc = x_switches(s, a, &o, err);

	if (rc)
		return rc;
	if (!xkd_arg_word(a, pattern, sizeof(pattern)))
		return xkd_err_syntax(err, (int)(a->p - a->line),
				      "a pattern comes here, as in x kvm!*io_bus*");
	rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	m.data = o.data;
	m.funcs = o.funcs;
	m.by_size = o.by_size;
	m.size = o.size;
	rc = x_list(&m, pattern, &o, err);
	xkd_vec_fini(&m.v);
	return rc;
}

struct alias {
	struct xkd_session *s;
	const struct xkd_symref *first;
	uint64_t iaddr;
	unsigned shown;
};
static bool show_alias(void *arg, const struct xkd_sym *sym)
{
	struct alias *al = arg;
	struct xkd_symref r = *al->first;

	if (sym->addr != al->iaddr || sym->shndx == SHN_ABS || sym->type == STT_SECTION ||
	    sym->type == STT_FILE)
		return !xkd_canceled(&al->s->cancel);
	r.name = sym->name;
	r.type = sym->type;
	xkd_out(&al->s->out, "    ");
	xkd_out_key(&al->s->out, XKD_ST_SYM, "symbol", "%s!%s", r.mod->name, r.name);
	if (type_of(al->s, &r, false)) {
		xkd_out(&al->s->out, " = ");
		print_typed(al->s, &r, false);
	}
	xkd_out_end(&al->s->out);
	return ++al->shown < 32;
}

static void exact_matches(struct xkd_session *s, const struct xkd_symref *r)
{
	struct alias al = { s, r, 0, 0 };

	xkd_out(&s->out, "Exact matches:");
	xkd_out_end(&s->out);
	if (r->mod->img && xkd_module_to_image(r->mod, r->addr, &al.iaddr))
		xkd_image_sym_glob(r->mod->img, "*", false, show_alias, &al);
}

static void near_cell(struct xkd_session *s, const struct xkd_symref *r, uint64_t off)
{
	xkd_out(&s->out, "   ");
	xkd_out_key(&s->out, XKD_ST_SYM, "symbol", "%s!%s", r->mod->name, r->name);
	if (off)
		xkd_out_key(&s->out, XKD_ST_NUM, "offset", "+0x%llx", (unsigned long long)off);
}

static void source_row(struct xkd_session *s, uint64_t addr)
{
	struct xkd_line line;
	struct xkd_err ignored;

	if (s->no_lines || xkd_line_at(s->t, addr, &line, &ignored) || !line.file)
		return;
	xkd_out_st(&s->out, XKD_ST_SRC, "[");
	xkd_out_foreign(&s->out, XKD_ST_SRC, line.file, strlen(line.file));
	xkd_out_st(&s->out, XKD_ST_SRC, " @ %u]", line.line);
	xkd_out_end(&s->out);
}

static enum xkd_rc not_named(struct xkd_session *s, uint64_t addr, struct xkd_err *err)
{
	struct xkd_module *m = xkd_target_mod_at(s->t, addr);

	if (!m)
		return xkd_err_set(err, XKD_NOTFOUND, "%s lies in no module", XKD_ADDR(addr));
	return xkd_err_set(err, XKD_NOTFOUND, "%s is %s+0x%llx; no symbol is there%s%s",
			   XKD_ADDR(addr), m->name,
			   (unsigned long long)(addr - xkd_module_start(m)), m->why[0] ? ": " : "",
			   m->why);
}

static enum xkd_rc cmd_ln(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_symref r, next;
	uint64_t addr;
	enum xkd_rc rc = xkd_arg_expr(s, a, &addr, err);

	if (!rc)
		rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	if (xkd_sym_at(s->t, addr, &r, &next))
		return not_named(s, addr, err);
	source_row(s, addr);
	xkd_out_key(&s->out, XKD_ST_ADDR, "addr", "(%s)", XKD_ADDR(addr));
	near_cell(s, &r, addr - r.addr);
	if (next.name) {
		xkd_out(&s->out, "   |  ");
		xkd_out_key(&s->out, XKD_ST_ADDR, "next_addr", "(%s)", XKD_ADDR(next.addr));
		near_cell(s, &next, 0);
	}
	xkd_out_end(&s->out);
	if (addr == r.addr)
		exact_matches(s, &r);
	return XKD_OK;
}

static const char more_x[] =
	"PATTERN is mod!name or name; in it * is any run, ? one character, [a-z] a set, # repeats "
	"the\n"
	"character before. Patterns ignore case; a plain name that exists as typed wins.\n"
	"A plain name also finds the places where a function is inlined.\n"
	"  /t  with types      /v  kind, binding, size      /f  functions   /d  data\n"
	"  /i  with a pattern: inlined copies, too\n"
	"  /s SIZE  of this size in bytes                   /n  sorted by name, not by address";
static const char more_lm[] =
	"  v  all that is known of each      m PATTERN  those that match\n"
	"  a ADDR  the one that holds ADDR   The letters may be joined: lmvm kvm\n"
	"The words in brackets: dwarf, btf, symtab, kallsyms say where names and types come from;\n"
	"deferred: not needed yet; no symbols: lm v tells why.";

static const struct xkd_cmd rows[] = {
	{ "x", "[/t] [/v] [/d|/f] [/i] [/n] [/s size] pattern", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "find symbols by name", cmd_x, more_x, NULL },
	{ "ln", "addr", XKD_FX_TARGET | XKD_FX_STOPPED, "the symbols nearest to an address", cmd_ln,
	  NULL, "sym" },
	{ "lm lmv lmm lma lmvm lmva", "[v] [m pattern] [a addr]", XKD_FX_TARGET, "list modules",
	  xkd_cmd_lm, more_lm, "mod lsmod" },
};
const struct xkd_cmd_family xkd_family_symbols = { "Symbols", rows, XKD_COUNT(rows) };
