/* C++ semantics over the tree, and the entry points. Every step gives a typed value; lvalues stay
 * places until a number is wanted. Invariants: nothing is written unless the text assigns and the
 * environment allows it; the untaken side of ?: && || is not evaluated; an operand that cannot be
 * known fails the expression with its reason. */
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include "engine/os/os.h"
#include <string.h>

#define TRY(call)                         \
	do {                              \
		enum xkd_rc rc_ = (call); \
		if (rc_)                  \
			return rc_;       \
	} while (0)

enum xkd_rc xkd_eval_at(struct xkd_err *err, enum xkd_rc rc, int pos)
{
	if (rc == XKD_SYNTAX && err && err->pos < 0)
		err->pos = pos;
	return rc;
}

enum xkd_rc xkd_eval_number(struct xkd_evalctx *e, const struct xkd_value *v, uint64_t *num,
			    struct xkd_err *err)
{
	if (v->kind == XKD_V_MEM && xkd_type_is_aggregate(v->type)) {
		*num = v->addr;
		return XKD_OK;
	}
	return xkd_value_u64(e->ctx, v, num, err);
}

static enum xkd_rc truth(struct xkd_evalctx *e, const struct xkd_node *n, bool *yes,
			 struct xkd_err *err)
{
	struct xkd_value v;
	uint64_t num;

	TRY(xkd_eval_cxx(e, n, &v, err));
	TRY(xkd_eval_at(err, xkd_value_u64(e->ctx, &v, &num, err), n->pos));
	*yes = num != 0;
	return XKD_OK;
}

static void number(const struct xkd_node *n, struct xkd_value *v)
{
	enum xkd_builtin b = XKD_BI_INT;

	if (n->is_long || n->num > UINT32_MAX ||
	    (n->decimal && !n->is_unsigned && n->num > INT32_MAX))
		b = n->is_unsigned || n->num > INT64_MAX ? XKD_BI_ULONG : XKD_BI_LONG;
	else if (n->is_unsigned || n->num > INT32_MAX)
		b = XKD_BI_UINT;
	*v = xkd_value_num(xkd_type_builtin(b), n->num);
}

static enum xkd_rc store(struct xkd_evalctx *e, const struct xkd_node *place,
			 const struct xkd_value *to, const struct xkd_value *val,
			 struct xkd_value *v, struct xkd_err *err)
{
	struct xkd_value cut;
	uint64_t t;

	if (!e->env || e->env->no_side_effects)
		return xkd_err_set(err, XKD_UNSUPPORTED, "nothing may be set here");
	TRY(xkd_value_cast(e->ctx, val, to->type, &cut, err));
	*v = cut;
	if (place->op == XKD_OP_AT && place->text[0] == '$') {
		if (!xkd_parse_u64(place->text + 2, 10, &t) || t > 19 || place->text[1] != 't')
			return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot be set", place->text);
		e->env->t[t] = cut.num;
		return XKD_OK;
	}
	return xkd_value_assign(e->ctx, to, cut.num, err);
}

static enum xkd_rc assign(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			  struct xkd_err *err)
{
	struct xkd_value to, val, sum;

	TRY(xkd_eval_cxx(e, n->a, &to, err));
	TRY(xkd_eval_cxx(e, n->b, &val, err));
	if (n->op2)
		TRY(xkd_eval_binary(e, n, &to, &val, &sum, err));
	return xkd_eval_at(err, store(e, n->a, &to, n->op2 ? &sum : &val, v, err), n->pos);
}

static enum xkd_rc step(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			struct xkd_err *err)
{
	struct xkd_value to, old, sum, one = xkd_value_num(xkd_type_builtin(XKD_BI_INT), 1);

	TRY(xkd_eval_cxx(e, n->a, &to, err));
	TRY(xkd_eval_at(err, xkd_value_cast(e->ctx, &to, to.type, &old, err), n->pos));
	TRY(xkd_eval_binary(e, n, &to, &one, &sum, err));
	TRY(xkd_eval_at(err, store(e, n->a, &to, &sum, v, err), n->pos));
	if (n->op == XKD_OP_POSTINC || n->op == XKD_OP_POSTDEC)
		*v = old;
	return XKD_OK;
}

static enum xkd_rc unary(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			 struct xkd_err *err)
{
	struct xkd_value a, p;
	bool yes;

	if (n->op == XKD_OP_NOT) {
		TRY(truth(e, n->a, &yes, err));
		*v = xkd_value_num(xkd_type_builtin(XKD_BI_INT), !yes);
		return XKD_OK;
	}
	TRY(xkd_eval_cxx(e, n->a, &a, err));
	if (n->op == XKD_OP_DEREF)
		return xkd_eval_at(err, xkd_value_deref(e->ctx, &a, v, err), n->pos);
	if (n->op == XKD_OP_ADDR)
		return xkd_eval_at(err, xkd_value_addrof(e->ctx, &a, v, err), n->pos);
	TRY(xkd_eval_at(err, xkd_eval_promote(e, &a, &p, err), n->pos));
	if (xkd_type_strip(p.type)->kind == XKD_T_PTR && n->op != XKD_OP_POS)
		return xkd_err_syntax(err, n->pos, "this is not done with pointers");
	*v = xkd_value_num(p.type, n->op == XKD_OP_NEG	    ? 0 - p.num
				   : n->op == XKD_OP_BITNOT ? ~p.num
							    : p.num);
	v->mod = p.mod;
	return XKD_OK;
}

static enum xkd_rc logical(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			   struct xkd_err *err)
{
	bool yes;

	TRY(truth(e, n->a, &yes, err));
	if (n->op == XKD_OP_COND)
		return xkd_eval_cxx(e, yes ? n->b : n->c, v, err);
	if (yes == (n->op == XKD_OP_LAND))
		TRY(truth(e, n->b, &yes, err));
	*v = xkd_value_num(xkd_type_builtin(XKD_BI_INT), yes);
	return XKD_OK;
}

static enum xkd_rc index_of(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			    struct xkd_err *err)
{
	struct xkd_value a, i;
	const struct xkd_type *s;
	uint64_t num;

	TRY(xkd_eval_cxx(e, n->a, &a, err));
	TRY(xkd_eval_cxx(e, n->b, &i, err));
	s = xkd_type_strip(a.type);
	if (s->kind != XKD_T_ARRAY && s->kind != XKD_T_PTR) { /* 2[p] is p[2] */
		struct xkd_value swap = a;

		a = i;
		i = swap;
	}
	TRY(xkd_eval_at(err, xkd_value_u64(e->ctx, &i, &num, err), n->pos));
	return xkd_eval_at(err, xkd_value_index(e->ctx, &a, (int64_t)num, v, err), n->pos);
}

static enum xkd_rc member(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			  struct xkd_err *err)
{
	struct xkd_value a;

	TRY(xkd_eval_cxx(e, n->a, &a, err));
	/* a pointer before '.' is followed as one before '->' is: it can mean nothing else */
	return xkd_eval_at(err, xkd_value_member(e->ctx, &a, n->text, v, err), n->pos);
}

static enum xkd_rc typename(struct xkd_evalctx *e, const struct xkd_node *n,
			    const struct xkd_type **type, struct xkd_module **mod,
			    struct xkd_err *err) {
	return xkd_eval_at(err, xkd_typename_resolve(e->ctx, n->tn, type, mod, err), n->tn->pos);
}

static enum xkd_rc size_of(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			   struct xkd_err *err)
{
	const struct xkd_type *type;
	struct xkd_module *mod;
	struct xkd_value a;
	uint64_t size;

	if (n->op == XKD_OP_SIZEOF_TYPE) {
		TRY(typename(e, n, &type, &mod, err));
	} else {
		TRY(xkd_eval_cxx(e, n->a, &a, err));
		if (a.bit_size)
			return xkd_err_syntax(err, n->pos, "a bit-field has no size in bytes");
		type = a.type;
		mod = a.mod;
	}
	size = xkd_lang_size(e->ctx, mod, type);
	if (!size && xkd_lang_strip(e->ctx, mod, type)->is_decl)
		return xkd_err_set(err, XKD_NOTFOUND,
				   "the size is not known: the type is only declared");
	*v = xkd_value_num(xkd_type_builtin(XKD_BI_ULONG), size);
	return XKD_OK;
}

/* The offset of a member path, by walking it from address 0: nothing is read. */
static enum xkd_rc offset(struct xkd_evalctx *e, const struct xkd_node *n,
			  const struct xkd_type *type, struct xkd_module *mod, uint64_t *off,
			  struct xkd_err *err)
{
	struct xkd_value zero = xkd_value_mem(type, 0, mod), v;
	const struct xkd_value *outer = e->self;
	enum xkd_rc rc;

	e->self = &zero;
	rc = xkd_eval_cxx(e, n->b, &v, err);
	e->self = outer;
	if (rc)
		return rc;
	if (v.bit_size)
		return xkd_err_syntax(err, n->b->pos, "a bit-field has no offset in bytes");
	*off = v.addr;
	return XKD_OK;
}

static enum xkd_rc container(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			     struct xkd_err *err)
{
	const struct xkd_type *type;
	struct xkd_module *mod;
	struct xkd_value p;
	uint64_t off = 0, addr;

	TRY(typename(e, n, &type, &mod, err));
	TRY(offset(e, n, type, mod, &off, err));
	if (n->op == XKD_OP_OFFSETOF) {
		*v = xkd_value_num(xkd_type_builtin(XKD_BI_ULONG), off);
		return XKD_OK;
	}
	TRY(xkd_eval_cxx(e, n->a, &p, err));
	TRY(xkd_eval_at(err, xkd_value_u64(e->ctx, &p, &addr, err), n->a->pos));
	*v = xkd_value_num(xkd_type_ptr_to(type), addr - off);
	v->mod = mod;
	return XKD_OK;
}

/* The operand of per_cpu and its kin: a variable as its offset, not as some CPU's copy. */
static enum xkd_rc percpu_operand(struct xkd_evalctx *e, const struct xkd_node *n,
				  struct xkd_value *v, struct xkd_err *err)
{
	bool outer = e->percpu_raw;
	enum xkd_rc rc;

	e->percpu_raw = true;
	rc = xkd_eval_cxx(e, n, v, err);
	e->percpu_raw = outer;
	return rc;
}

static enum xkd_rc per_cpu(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			   struct xkd_err *err)
{
	struct xkd_target *t = e->ctx->t;
	struct xkd_value a, cpu;
	uint64_t num, off;
	int mine;

	TRY(percpu_operand(e, n->a, &a, err));
	if (n->b) {
		TRY(xkd_eval_cxx(e, n->b, &cpu, err));
		TRY(xkd_eval_at(err, xkd_value_u64(e->ctx, &cpu, &num, err), n->b->pos));
	} else {
		TRY(xkd_eval_this_cpu(e, &mine, err));
		num = (uint64_t)mine;
	}
	if (!t || !t->os->percpu || num > INT32_MAX)
		return xkd_err_set(err, XKD_UNSUPPORTED, "per-CPU areas are not known here");
	TRY(t->os->percpu(t, (int)num, &off, err));
	if (n->num) {
		TRY(xkd_eval_at(err, xkd_value_cast(e->ctx, &a, a.type, v, err), n->a->pos));
		v->num += off;
		return XKD_OK;
	}
	if (a.kind != XKD_V_MEM || a.bit_size)
		return xkd_err_syntax(err, n->a->pos, "per_cpu wants a variable");
	*v = a;
	v->addr += off;
	return XKD_OK;
}

static enum xkd_rc cast(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			struct xkd_err *err)
{
	const struct xkd_type *type;
	struct xkd_module *mod;
	struct xkd_value a;

	TRY(typename(e, n, &type, &mod, err));
	TRY(xkd_eval_cxx(e, n->a, &a, err));
	TRY(xkd_eval_at(err, xkd_value_cast(e->ctx, &a, type, v, err), n->pos));
	v->mod = mod;
	return XKD_OK;
}

static enum xkd_rc leaf(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			struct xkd_err *err)
{
	uint64_t num;

	switch (n->op) {
	case XKD_OP_NUM:
		number(n, v);
		return XKD_OK;
	case XKD_OP_NAME:
		return xkd_eval_at(err, xkd_eval_name(e, n->text, v, err), n->pos);
	case XKD_OP_AT:
		return xkd_eval_at(err, xkd_eval_at_name(e, n->text, v, err), n->pos);
	case XKD_OP_SELF:
		*v = *e->self;
		return XKD_OK;
	case XKD_OP_SRC:
		TRY(xkd_eval_at(err, xkd_eval_source(e, n->text, &num, err), n->pos));
		break;
	default: /* OTHER: MASM inside */
		TRY(xkd_eval_masm(e, n->a, &num, err));
		break;
	}
	*v = xkd_value_num(xkd_type_builtin(XKD_BI_ULONG), num);
	return XKD_OK;
}

enum xkd_rc xkd_eval_cxx(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			 struct xkd_err *err)
{
	struct xkd_value a, b;

	switch (n->op) {
	case XKD_OP_NUM:
	case XKD_OP_NAME:
	case XKD_OP_AT:
	case XKD_OP_SELF:
	case XKD_OP_SRC:
	case XKD_OP_OTHER:
		return leaf(e, n, v, err);
	case XKD_OP_NEG:
	case XKD_OP_POS:
	case XKD_OP_BITNOT:
	case XKD_OP_NOT:
	case XKD_OP_DEREF:
	case XKD_OP_ADDR:
		return unary(e, n, v, err);
	case XKD_OP_PREINC:
	case XKD_OP_PREDEC:
	case XKD_OP_POSTINC:
	case XKD_OP_POSTDEC:
		return step(e, n, v, err);
	case XKD_OP_ASSIGN:
		return assign(e, n, v, err);
	case XKD_OP_LAND:
	case XKD_OP_LOR:
	case XKD_OP_COND:
		return logical(e, n, v, err);
	case XKD_OP_COMMA:
		TRY(xkd_eval_cxx(e, n->a, &a, err));
		return xkd_eval_cxx(e, n->b, v, err);
	case XKD_OP_INDEX:
		return index_of(e, n, v, err);
	case XKD_OP_MEMBER:
	case XKD_OP_ARROW:
		return member(e, n, v, err);
	case XKD_OP_CAST:
		return cast(e, n, v, err);
	case XKD_OP_SIZEOF:
	case XKD_OP_SIZEOF_TYPE:
		return size_of(e, n, v, err);
	case XKD_OP_OFFSETOF:
	case XKD_OP_CONTAINER_OF:
		return container(e, n, v, err);
	case XKD_OP_PER_CPU:
		return per_cpu(e, n, v, err);
	default:
		TRY(xkd_eval_cxx(e, n->a, &a, err));
		TRY(xkd_eval_cxx(e, n->b, &b, err));
		return xkd_eval_binary(e, n, &a, &b, v, err);
	}
}

enum xkd_rc xkd_eval_node(struct xkd_evalctx *e, const struct xkd_node *n, struct xkd_value *v,
			  struct xkd_err *err)
{
	uint64_t num;

	if (!n->masm)
		return xkd_eval_cxx(e, n, v, err);
	TRY(xkd_eval_masm(e, n, &num, err));
	*v = xkd_value_num(xkd_type_builtin(XKD_BI_ULONG), num);
	return XKD_OK;
}

static bool is_var(void *arg, const char *name)
{
	return xkd_eval_is_var(arg, name);
}

static bool is_type(void *arg, const char *name)
{
	struct xkd_evalctx *e = arg;
	const struct xkd_type *type;

	return !xkd_parse_type(e->ctx, name, NULL, &type, NULL, NULL);
}

enum xkd_rc xkd_eval_parse(struct xkd_evalctx *e, enum xkd_syntax syntax, const char *text,
			   const char **end, struct xkd_node **n, struct xkd_err *err)
{
	struct xkd_parser p = { .text = text,
				.syntax = syntax,
				.radix = e->env ? e->env->radix : 16,
				.arena = e->arena,
				.err = err,
				.is_var = is_var,
				.is_type = is_type,
				.arg = e };

	if (err)
		*err = XKD_ERR_INIT;
	return xkd_expr_parse(&p, n, end);
}

enum xkd_rc xkd_eval(const struct xkd_ctx *ctx, const struct xkd_env *env, enum xkd_syntax syntax,
		     const char *text, const char **end, struct xkd_arena *arena,
		     struct xkd_value *v, struct xkd_err *err)
{
	struct xkd_evalctx e = {
		.ctx = ctx, .env = env, .arena = arena, .scope = xkd_scope_module(ctx)
	};
	struct xkd_node *n;

	TRY(xkd_eval_parse(&e, syntax, text, end, &n, err));
	return xkd_eval_node(&e, n, v, err);
}

enum xkd_rc xkd_eval_u64(const struct xkd_ctx *ctx, const struct xkd_env *env,
			 enum xkd_syntax syntax, const char *text, const char **end,
			 struct xkd_arena *arena, uint64_t *num, struct xkd_err *err)
{
	struct xkd_evalctx e = { .ctx = ctx };
	struct xkd_value v;

	TRY(xkd_eval(ctx, env, syntax, text, end, arena, &v, err));
	return xkd_eval_number(&e, &v, num, err);
}
