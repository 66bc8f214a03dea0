/* dt: types and typed memory. The word after dt is, in this order: a pattern of type names; a C
 * expression (it has -> [ or a dot); a variable of the frame when no address follows and -t is not
 * given; a type; a global variable. The words after it are members as long as the type has members
 * that begin so, then an address. dv is in c_locals.c. */
#include "engine/cmd/cmd.h"
#include "engine/cmd/locals.h"
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/lang/print.h"
#include "engine/lang/scope.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DEPTH 5
#define LIST_MAX (1u << 20)

struct dt {
	struct xkd_session *s;
	struct xkd_ctx ctx;
	struct xkd_print_opts o;
	bool only_type; /* -t */
	bool qualified; /* mod!type was typed */
	const char *list; /* -l field */
	bool has_addr;
	uint64_t addr;
	const struct xkd_type *type;
	struct xkd_module *mod;
};

/* ---- switches ---- */

static enum xkd_rc count(struct xkd_args *a, const char *digits, uint64_t dflt, uint64_t *n,
			 struct xkd_err *err)
{
	*n = dflt;
	if (*digits && !xkd_parse_u64(digits, 10, n))
		return xkd_err_syntax(err, (int)(a->p - a->line), "a number is wanted, not '%s'", digits);
	return XKD_OK;
}

static enum xkd_rc one_switch(struct dt *d, struct xkd_args *a, const char *sw, struct xkd_err *err)
{
	char word[128];
	uint64_t n;
	enum xkd_rc rc = XKD_OK;

	switch (*sw) {
	case 'r':
		rc = count(a, sw + 1, DEFAULT_DEPTH, &n, err);
		d->o.depth = n > 16 ? 16 : (int)n;
		return rc;
	case 'a':
		rc = count(a, sw + 1, UINT64_MAX, &d->o.array_max, err);
		return rc;
	case 'l':
		if (sw[1] || !xkd_arg_word(a, word, sizeof(word)))
			return xkd_err_syntax(err, (int)(a->p - a->line), "-l wants a field");
		d->list = xkd_arena_strdup(&d->s->cmd_arena, word);
		return XKD_OK;
	default:
		break;
	}
	for (; *sw; sw++) {
		switch (*sw) {
		case 'v':
			d->o.verbose = true;
			break;
		case 'b':
			d->o.block = true;
			break;
		case 'o':
			d->o.no_offsets = true;
			break;
		case 'c':
			d->o.compact = true;
			break;
		case 't':
			d->only_type = true;
			break;
		case 'p':
			d->ctx.space = xkd_space_phys();
			break;
		default:
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "no switch -%c: -r -v -b -o -t -p -a -l -c", *sw);
		}
	}
	return rc;
}

static enum xkd_rc switches(struct dt *d, struct xkd_args *a, struct xkd_err *err)
{
	char sw[32];
	enum xkd_rc rc = XKD_OK;

	while (!rc && xkd_arg_switch(a, '-', sw, sizeof(sw)))
		rc = one_switch(d, a, sw, err);
	return rc;
}

/* ---- dt PATTERN ---- */

struct pattern {
	struct dt *d;
	const char *glob;
	struct xkd_module *mod;
	struct xkd_map seen;
	uint64_t shown;
};

static bool show_name(void *arg, const struct xkd_type *t)
{
	struct pattern *p = arg;
	struct xkd_out *out = &p->d->s->out;
	struct xkd_buf b = XKD_BUF_INIT;

	if (xkd_canceled(p->d->ctx.t->cancel))
		return false;
	if (!t->name || !xkd_glob(p->glob, t->name, true) || xkd_map_get_str(&p->seen, t->name))
		return true;
	xkd_map_put_str(&p->seen, t->name, p);
	xkd_buf_escaped(&b, t->name, strlen(t->name));
	xkd_out(out, "          ");
	xkd_out_key(out, XKD_ST_TYPE, "type", "%s!%s", p->mod->name, b.s);
	xkd_out_end(out);
	xkd_buf_fini(&b);
	p->shown++;
	return true;
}

static enum xkd_rc list_types(struct dt *d, const char *word, struct xkd_err *err)
{
	const char *bang = strchr(word, '!');
	struct pattern p = { .d = d, .glob = bang ? bang + 1 : word };
	struct xkd_target *t = d->ctx.t;
	const char *modpat = bang ? xkd_arena_strndup(&d->s->cmd_arena, word, (size_t)(bang - word)) : "*";
	enum xkd_rc rc = XKD_OK;

	xkd_map_init_str(&p.seen);
	for (size_t i = 0; !rc && i < t->mods.n; i++) {
		struct xkd_types *btf;
		struct xkd_dwarf *dwarf;

		p.mod = t->mods.p[i];
		if (!xkd_glob(modpat, p.mod->name, true) && xkd_target_mod_named(t, modpat) != p.mod)
			continue;
		xkd_mod_providers(t, p.mod, &btf, &dwarf);
		/* a module's own BTF lacks what the kernel's has too; its DWARF is soon read */
		if (dwarf && (!btf || !p.mod->is_kernel))
			btf = xkd_dwarf_types(dwarf);
		xkd_map_clear(&p.seen);
		if (btf)
			rc = btf->each(btf, show_name, &p, err);
		if (!rc)
			rc = xkd_cancel_check(t->cancel, err);
	}
	xkd_map_fini(&p.seen);
	if (!rc && !p.shown)
		rc = xkd_err_set(err, XKD_NOTFOUND, "no type matches %s", word);
	return rc;
}

/* ---- members and the address ---- */

/* Does a member of the type begin like this word (or match it)? */
static bool is_field(struct dt *d, const struct xkd_type *type, const char *word)
{
	if (!isalpha((unsigned char)*word) && *word != '_' && *word != '*')
		return false;
	return !strpbrk(word, "!(") && xkd_print_has_field(&d->ctx, d->mod, type, word);
}

/* A local's name as an address is what a pointer points to or where an object is. */
static bool local_address(struct dt *d, const char *word, uint64_t *addr)
{
	struct xkd_value v;

	if (xkd_scope_local(&d->ctx, word, &v, NULL))
		return false;
	if (xkd_type_strip(v.type)->kind != XKD_T_PTR && v.kind == XKD_V_MEM) {
		*addr = v.addr;
		return true;
	}
	return !xkd_value_u64(&d->ctx, &v, addr, NULL);
}

static enum xkd_rc address(struct dt *d, struct xkd_args *a, struct xkd_err *err)
{
	const char *start = a->p;
	char word[512];
	enum xkd_rc rc;

	d->has_addr = true;
	if (!xkd_arg_cxx(a, word, sizeof(word)))
		return xkd_err_syntax(err, (int)(a->p - a->line), "the address is too long");
	if (local_address(d, word, &d->addr))
		return XKD_OK;
	if (strstr(word, "->") && strncmp(word, "@@", 2)) {
		rc = xkd_eval_u64(&d->ctx, &d->s->env, XKD_CXX, word, NULL, &d->s->cmd_arena, &d->addr,
				  err);
		if (rc == XKD_SYNTAX && err && err->pos >= 0)
			err->pos += (int)(start - a->line);
		return rc;
	}
	a->p = start;
	return xkd_arg_expr(d->s, a, &d->addr, err);
}

/* What follows the name: members, switches, an address. */
static enum xkd_rc tail(struct dt *d, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = switches(d, a, err);
	char word[256];

	while (!rc && !xkd_arg_end(a)) {
		const char *at = a->p;

		if (xkd_arg_word(a, word, sizeof(word)) && is_field(d, d->type, word)) {
			if (d->o.nfields == (int)XKD_COUNT(d->o.fields))
				return xkd_err_syntax(err, (int)(at - a->line), "too many members");
			d->o.fields[d->o.nfields++] = xkd_arena_strdup(&d->s->cmd_arena, word);
		} else {
			a->p = at;
			if (d->has_addr)
				return xkd_arg_done(a, err);
			rc = address(d, a, err);
		}
		if (!rc)
			rc = switches(d, a, err);
	}
	return rc;
}

/* ---- showing ---- */

static void title(struct dt *d)
{
	struct xkd_out *out = &d->s->out;
	const struct xkd_type *s = xkd_type_strip(d->type);
	struct xkd_buf b = XKD_BUF_INIT;

	if (d->qualified || d->o.verbose || !s->name || !xkd_type_is_aggregate(s))
		return;
	if (d->mod || xkd_target_kernel(d->s->t))
		xkd_buf_printf(&b, "%s!", d->mod ? d->mod->name : "lk");
	xkd_buf_escaped(&b, s->name, strlen(s->name));
	xkd_out_st(out, XKD_ST_TYPE, "%s", b.s);
	xkd_out_end(out);
	xkd_buf_fini(&b);
}

/* -l a.b: the field's pointer leads to the next one; of a list_head it leads to the next one's
 * list_head. Ends at NULL or at the first one again; at another one met before, or after LIST_MAX, with
 * an error. */
static enum xkd_rc next_in_list(struct dt *d, struct xkd_value *v, bool *more, struct xkd_err *err)
{
	struct xkd_value at = *v, f;
	struct xkd_buf one = XKD_BUF_INIT;
	const char *p = d->list;
	uint64_t base = 0, num;
	bool in_list = false;
	enum xkd_rc rc = XKD_OK;

	while (!rc && *p) {
		const struct xkd_type *s = xkd_type_strip(at.type);

		in_list = s->name && !strcmp(s->name, "list_head");
		base = at.addr;
		xkd_buf_reset(&one);
		xkd_buf_add(&one, p, strcspn(p, "."));
		p += one.len;
		p += *p == '.';
		rc = xkd_value_member(&d->ctx, &at, one.s, &f, err);
		at = f;
	}
	xkd_buf_fini(&one);
	if (!rc && xkd_type_strip(at.type)->name && !strcmp(xkd_type_strip(at.type)->name, "list_head")) {
		base = at.addr; /* "-l list" means list.next */
		in_list = true;
		rc = xkd_value_member(&d->ctx, &at, "next", &f, err);
		at = f;
	}
	if (!rc)
		rc = xkd_value_u64(&d->ctx, &at, &num, err);
	if (rc)
		return xkd_err_prepend(err, rc, "following %s", d->list);
	*more = num != 0;
	v->addr = in_list ? num - (base - v->addr) : num;
	return XKD_OK;
}

static enum xkd_rc show_list(struct dt *d, struct xkd_err *err)
{
	struct xkd_value v = xkd_value_mem(d->type, d->addr, d->mod);
	struct xkd_out *out = &d->s->out;
	struct xkd_map met;
	bool more = true;
	unsigned n = 0;
	enum xkd_rc rc = XKD_OK;

	if (!xkd_type_is_aggregate(d->type))
		return xkd_err_set(err, XKD_UNSUPPORTED, "-l walks structs");
	xkd_map_init_u64(&met);
	while (!rc && more && !xkd_map_get(&met, v.addr) && n < LIST_MAX) {
		n++;
		xkd_map_put(&met, v.addr, d);
		xkd_out(out, "%s at ", d->list);
		xkd_out_key(out, XKD_ST_ADDR, "address", "%s", XKD_ADDR(v.addr));
		xkd_out_end(out);
		rc = xkd_print_struct_at(&d->ctx, out, &v, &d->o, err);
		if (!rc)
			rc = next_in_list(d, &v, &more, err);
	}
	if (!rc && more && v.addr != d->addr)
		rc = xkd_err_set(err, XKD_BADDATA, n < LIST_MAX ? "damaged: after %u it comes back to the one at %s"
								: "it does not end after %u, at %s",
				 n, XKD_ADDR(v.addr));
	xkd_out_key(out, XKD_ST_DIM, "count", "%u", n);
	xkd_out_st(out, XKD_ST_DIM, " entr%s", n == 1 ? "y" : "ies");
	xkd_out_end(out);
	xkd_map_fini(&met);
	return rc;
}

static enum xkd_rc show_type(struct dt *d, struct xkd_err *err)
{
	struct xkd_value v;

	if (d->list && !d->has_addr)
		return xkd_err_set(err, XKD_SYNTAX, "-l wants an address to begin at");
	title(d);
	if (!d->has_addr)
		return xkd_print_type(&d->ctx, &d->s->out, d->mod, d->type, &d->o, err);
	if (d->list)
		return show_list(d, err);
	v = xkd_value_mem(d->type, d->addr, d->mod);
	if (d->ctx.space.kind != XKD_SP_PHYS && xkd_percpu_here(&d->ctx, &v))
		xkd_print_percpu(&d->s->out, &v);
	if (xkd_type_is_aggregate(d->type))
		return xkd_print_struct_at(&d->ctx, &d->s->out, &v, &d->o, err);
	return xkd_print_value(&d->ctx, &d->s->out, &v, &d->o, err);
}

/* A variable with members named: those of what it is or points to. */
static enum xkd_rc show_value(struct dt *d, struct xkd_value *v, struct xkd_args *a,
			      struct xkd_err *err)
{
	enum xkd_rc rc;

	d->type = v->type;
	d->mod = v->mod;
	rc = tail(d, a, err);
	if (rc)
		return rc;
	if (d->has_addr)
		return xkd_err_set(err, XKD_SYNTAX, "it has its own address; give a type instead");
	xkd_print_percpu(&d->s->out, v);
	return xkd_print_value(&d->ctx, &d->s->out, v, &d->o, err);
}

/* kd's words: "kvm_io_bus*" */
static void kd_type(const struct xkd_type *type, struct xkd_buf *out)
{
	struct xkd_buf b = XKD_BUF_INIT;
	const char *p, *tag[] = { "struct ", "union ", "enum " };

	xkd_type_spell(type, NULL, &b);
	p = b.s;
	for (size_t i = 0; i < XKD_COUNT(tag); i++)
		if (xkd_has_prefix(p, tag[i]) && p[strlen(tag[i])] != '{')
			p += strlen(tag[i]);
	for (; *p; p++)
		if (*p != ' ' || p[1] != '*')
			xkd_buf_escaped(out, p, 1);
	xkd_buf_fini(&b);
}

/* "Local var @ r14 Type kvm_io_bus*", where a pointer leads, and the members there. */
static enum xkd_rc show_local(struct dt *d, struct xkd_value *v, struct xkd_args *a,
			      struct xkd_err *err)
{
	struct xkd_out *out = &d->s->out;
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_value at = *v;
	uint64_t num;
	enum xkd_rc rc;

	d->type = v->type;
	rc = tail(d, a, err);
	if (rc)
		return rc;
	kd_type(v->type, &b);
	xkd_out(out, "Local var %s Type ", v->where[0] ? v->where : "(no place)");
	xkd_out_key(out, XKD_ST_TYPE, "type", "%s", b.s);
	xkd_out_end(out);
	xkd_buf_fini(&b);
	if (xkd_type_strip(v->type)->kind == XKD_T_PTR && !xkd_value_u64(&d->ctx, v, &num, NULL) &&
	    !xkd_value_deref(&d->ctx, v, &at, NULL) && xkd_type_is_aggregate(at.type)) {
		xkd_out_key(out, XKD_ST_ADDR, "address", "0x%s", XKD_ADDR(num));
		xkd_out_end(out);
	}
	if (at.kind != XKD_V_UNAVAIL && xkd_type_is_aggregate(at.type))
		return xkd_print_struct_at(&d->ctx, out, &at, &d->o, err);
	return xkd_print_value(&d->ctx, out, v, &d->o, err);
}

/* ---- dt ---- */

/* Is anything but switches and members left? (then the name before it is a type) */
static bool looks_addressed(struct dt *d, struct xkd_args a, const struct xkd_type *type)
{
	char word[256];

	while (!xkd_arg_end(&a)) {
		if (!xkd_arg_word(&a, word, sizeof(word)))
			return true;
		if (*word != '-' && !is_field(d, type, word))
			return true;
	}
	return false;
}

/* Before "*pid*", a pattern of members that a C declarator is not: "task_struct *pid* A". */
static const char *before_pattern(struct dt *d, const char *text)
{
	for (const char *p = text; (p = strchr(p, '*')); p++)
		if (p > text && p[-1] == ' ' && (isalnum((unsigned char)p[1]) || p[1] == '_'))
			return xkd_arena_strndup(&d->s->cmd_arena, text, (size_t)(p - text));
	return text;
}

static enum xkd_rc type_or_global(struct dt *d, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_err terr = XKD_ERR_INIT, verr = XKD_ERR_INIT;
	struct xkd_value v;
	const char *end, *start = a->p, *text = before_pattern(d, a->p);
	char word[256];
	enum xkd_rc rc = xkd_parse_type(&d->ctx, text, &end, &d->type, &d->mod, &terr);

	end = a->p + (rc ? 0 : end - text);
	if (!rc) {
		const char *bang = memchr(start, '!', (size_t)(end - start));

		d->qualified = bang != NULL;
		a->p = end;
		rc = tail(d, a, err);
		return rc ? rc : show_type(d, err);
	}
	if (rc == XKD_NOTFOUND && !d->only_type && xkd_arg_word(a, word, sizeof(word))) {
		rc = xkd_eval(&d->ctx, &d->s->env, XKD_CXX, word, NULL, &d->s->cmd_arena, &v, &verr);
		if (!rc)
			return show_value(d, &v, a, err);
		if (rc == XKD_NOTFOUND || rc == XKD_SYNTAX)
			return xkd_err_set(err, XKD_NOTFOUND, "no type and no variable %s", word);
		if (err)
			*err = verr;
		return rc;
	}
	if (rc == XKD_SYNTAX && terr.pos >= 0)
		terr.pos += (int)(start - a->line);
	if (err)
		*err = terr;
	return rc;
}

static enum xkd_rc cmd_dt(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct dt d = { .s = s };
	const struct xkd_ctx *ctx;
	struct xkd_args rest;
	struct xkd_value v;
	char word[512];
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	d.ctx = *ctx;
	rc = switches(&d, a, err);
	if (rc)
		return rc;
	if (xkd_arg_end(a))
		return xkd_err_syntax(err, (int)(a->p - a->line), "a type or a variable is missing here");
	rest = *a;
	if (!xkd_arg_cxx(&rest, word, sizeof(word)))
		return xkd_err_syntax(err, (int)(a->p - a->line), "the name is too long");
	if (strchr(word, '*') || (xkd_is_glob(word) && !strchr(word, '['))) {
		a->p = rest.p;
		rc = switches(&d, a, err);
		if (!rc)
			rc = xkd_arg_done(a, err);
		return rc ? rc : list_types(&d, word, err);
	}
	if (strstr(word, "->") || strpbrk(word, "[.@(")) {
		rc = xkd_eval(&d.ctx, &s->env, XKD_CXX, word, NULL, &s->cmd_arena, &v, err);
		if (rc == XKD_SYNTAX && err && err->pos >= 0)
			err->pos += (int)(a->p - a->line);
		if (rc)
			return rc;
		a->p = rest.p;
		return show_value(&d, &v, a, err);
	}
	if (!d.only_type && !xkd_scope_local(&d.ctx, word, &v, NULL)) {
		d.mod = v.mod;
		if (!looks_addressed(&d, rest, v.type)) {
			a->p = rest.p;
			return show_local(&d, &v, a, err);
		}
	}
	return type_or_global(&d, a, err);
}

static const struct xkd_cmd rows[] = {
	{ .name = "dt",
	  .args = "[-r[n] -v -b -o -t -p -a[n] -c] [-l field] [mod!]type|variable [member ...] [address]",
	  .effect = XKD_FX_TARGET | XKD_FX_STOPPED,
	  .fn = cmd_dt,
	  .help = "show a type, or memory as a type",
	  .more = "dt kvm!kvm_io_bus          the layout\n"
		  "dt kvm_io_bus @rdi         memory at an address as this type\n"
		  "dt vcpu, dt vcpu->kvm      a variable of the frame, or what C gives\n"
		  "dt task_struct comm se. A  some members; a dot goes down\n"
		  "dt kvm!*bus*               names of types\n"
		  "-r[n] nested objects and what pointers lead to, -b nested objects alone,\n"
		  "-v sizes and counts, -o no offsets, -c in one line, -a[n] array elements,\n"
		  "-l field walk a list, -p the address is physical, -t the name is a type.\n"
		  "Switches may follow the name.",
	  .foreign = "struct ptype union whatis" },
	{ .name = "dv",
	  .args = "[/i] [/t] [/v] [/V] [pattern]",
	  .effect = XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  .fn = xkd_cmd_locals,
	  .help = "show the frame's parameters and local variables",
	  .more = "/i says what each is, /t its type, /v where it is, /V that and how the debug info\n"
		  "puts it. What has no value here says why.",
	  .foreign = "locals" },
};
const struct xkd_cmd_family xkd_family_types = { .title = "Types and variables", .rows = rows,
						 .n = XKD_COUNT(rows) };
