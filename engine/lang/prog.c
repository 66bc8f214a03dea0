/* Compiling an expression's tree to a program for a stack machine of 64-bit cells. Types are known at
 * each step of the making; what an operation does to its type is asked of the evaluator with dummy
 * operands, so that both always agree. Invariant: a program means what the evaluator would say at
 * the same place with the same registers; what cannot be settled beforehand is refused. */
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include "engine/lang/prog.h"
#include "engine/lang/scope.h"
#include "engine/os/os.h"
#include <stdlib.h>
#include <string.h>

#define STACK 64
#define OPS_MAX 4096
#define DUMMY 0x100000 /* an address for asking what a step does to a place */

#define TRY(call)                         \
	do {                              \
		enum xkd_rc rc_ = (call); \
		if (rc_)                  \
			return rc_;       \
	} while (0)

enum cell_op {
	C_CONST, /* push num */
	C_REG,	 /* push bits of register reg from shift on */
	C_ASK,	 /* push what num says of the CPU or its task */
	C_ADD,	 /* top += num */
	C_LOAD,	 /* top = *(size bytes at top), a bit-field of it when bits != 0 */
	C_FIT,	 /* top cut and extended as type says */
	C_INDEX, /* a b -> a + b * num */
	C_BINARY,
	C_NEG,
	C_BITNOT,
	C_NOT,
	C_TRUTH,
	C_JZ, /* pops; jumps when 0 */
	C_JMP,
};

struct cell {
	enum cell_op op;
	uint64_t num;
	int reg;
	uint8_t size, shift, bits;
	size_t to;
	const struct xkd_type *type, *type2; /* of the operands, stripped for LOAD and FIT */
	struct xkd_module *mod, *mod2;
	const struct xkd_node *node;
};

struct xkd_prog {
	struct xkd_arena arena; /* the tree lives here */
	struct xkd_ctx ctx;	/* for types only */
	XKD_VEC(struct cell) ops;
	const struct xkd_type *type;
	struct xkd_module *mod;
	bool place; /* an array or a bit-field */
};

enum where { AT_STACK, AT_MEM, AT_REG };
/* What the code made so far leaves: a number on the stack; a place whose address is on the stack; a
 * register. */
struct got {
	enum where where;
	struct xkd_value v; /* type, module, bit-field, register; numbers mean nothing */
};

struct gen {
	struct xkd_evalctx e;
	struct xkd_prog *p;
	struct xkd_err *err;
	size_t depth, deepest;
};

static enum xkd_rc gen_node(struct gen *g, const struct xkd_node *n, struct got *out);

static enum xkd_rc cannot(struct gen *g, const char *what)
{
	return xkd_err_set(g->err, XKD_UNSUPPORTED, "not compiled: %s", what);
}

static struct cell *emit(struct gen *g, enum cell_op op, int grows)
{
	struct cell *c = xkd_vec_push(&g->p->ops);

	memset(c, 0, sizeof(*c));
	c->op = op;
	g->depth = (size_t)((int)g->depth + grows);
	if (g->depth > g->deepest)
		g->deepest = g->depth;
	return c;
}

static void result(struct got *out, enum where where, const struct xkd_type *type,
		   struct xkd_module *mod)
{
	*out = (struct got){ .where = where, .v = { .type = type, .mod = mod } };
}

static enum xkd_rc constant(struct gen *g, const struct xkd_value *v, struct got *out)
{
	emit(g, C_CONST, 1)->num = v->kind == XKD_V_MEM ? v->addr : v->num;
	result(out, v->kind == XKD_V_MEM ? AT_MEM : AT_STACK, v->type, v->mod);
	return XKD_OK;
}

static struct xkd_value as_mem(const struct got *g)
{
	struct xkd_value v = g->v;

	v.kind = XKD_V_MEM;
	v.addr = DUMMY;
	return v;
}

/* A bit-field that an int holds is one in C. */
static struct xkd_value as_num(const struct got *g, uint64_t num)
{
	bool small = g->v.bit_size && g->v.bit_size < 32;
	struct xkd_value v = xkd_value_num(small ? xkd_type_builtin(XKD_BI_INT) : g->v.type, num);

	v.mod = g->v.mod;
	return v;
}

/* Makes a number of what is there: loads, reads the register; arrays become pointers. */
static enum xkd_rc number(struct gen *g, struct got *p)
{
	const struct xkd_type *s = xkd_lang_strip(g->e.ctx, p->v.mod, p->v.type);
	struct xkd_value v, ptr;
	struct cell *c;
	unsigned bits;

	if (p->where == AT_STACK)
		return XKD_OK;
	if (p->where == AT_MEM && (s->kind == XKD_T_ARRAY || s->kind == XKD_T_FUNC)) {
		v = as_mem(p);
		TRY(xkd_eval_promote(&g->e, &v, &ptr, g->err));
		result(p, AT_STACK, ptr.type, ptr.mod);
		return XKD_OK;
	}
	if (xkd_type_is_aggregate(p->v.type) || !s->size || s->size > 8 ||
	    s->kind == XKD_T_FLOAT)
		return cannot(g, "a value that is no number");
	if (p->where == AT_REG) {
		c = emit(g, C_REG, 1);
		c->reg = p->v.reg;
		c->shift = p->v.reg_shift;
		c->bits = p->v.reg_bits && p->v.reg_bits < 64 ? p->v.reg_bits : 64;
		emit(g, C_FIT, 0)->type = s;
	} else {
		c = emit(g, C_LOAD, 0);
		c->size = (uint8_t)s->size;
		c->shift = (uint8_t)p->v.bit_off;
		c->bits = (uint8_t)p->v.bit_size;
		c->type = s;
		if (p->v.bit_size && (p->v.bit_off + p->v.bit_size > 8 * s->size))
			return cannot(g, "a bit-field across its unit");
	}
	bits = p->v.bit_size;
	result(p, AT_STACK, p->v.type, p->v.mod);
	p->v.bit_size = bits;
	return XKD_OK;
}

static enum xkd_rc gen_number(struct gen *g, const struct xkd_node *n, struct got *out)
{
	TRY(gen_node(g, n, out));
	return number(g, out);
}

/* The place that a pointer on the stack leads to. */
static enum xkd_rc follow(struct gen *g, struct got *p)
{
	struct xkd_value ptr = as_num(p, DUMMY), at;

	TRY(xkd_value_deref(g->e.ctx, &ptr, &at, g->err));
	if (at.kind != XKD_V_MEM || at.addr != DUMMY)
		return cannot(g, "this pointer");
	result(p, AT_MEM, at.type, at.mod);
	return XKD_OK;
}

static bool is_ptr(struct gen *g, const struct got *p)
{
	return xkd_lang_strip(g->e.ctx, p->v.mod, p->v.type)->kind == XKD_T_PTR;
}

static enum xkd_rc gen_member(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct xkd_value v, m;

	TRY(gen_node(g, n->a, out));
	if (is_ptr(g, out)) {
		TRY(number(g, out));
		TRY(follow(g, out));
	}
	if (out->where != AT_MEM)
		return cannot(g, "a member of something that is not in memory");
	v = as_mem(out);
	TRY(xkd_eval_at(g->err, xkd_value_member(g->e.ctx, &v, n->text, &m, g->err), n->pos));
	if (m.kind != XKD_V_MEM)
		return cannot(g, "this member");
	if (m.addr != DUMMY)
		emit(g, C_ADD, 0)->num = m.addr - DUMMY;
	result(out, AT_MEM, m.type, m.mod);
	out->v.bit_off = m.bit_off;
	out->v.bit_size = m.bit_size;
	return XKD_OK;
}

static enum xkd_rc gen_index(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct xkd_value v, e;
	struct got i;
	uint64_t base;

	TRY(gen_node(g, n->a, out));
	if (is_ptr(g, out)) {
		TRY(number(g, out));
		v = as_num(out, DUMMY);
	} else if (out->where == AT_MEM) {
		v = as_mem(out);
	} else {
		return cannot(g, "an element of something that is not in memory");
	}
	TRY(xkd_eval_at(g->err, xkd_value_index(g->e.ctx, &v, 0, &e, g->err), n->pos));
	base = e.addr;
	TRY(xkd_eval_at(g->err, xkd_value_index(g->e.ctx, &v, 1, &e, g->err), n->pos));
	if (e.kind != XKD_V_MEM || base != DUMMY)
		return cannot(g, "this element");
	TRY(gen_number(g, n->b, &i));
	emit(g, C_INDEX, -1)->num = e.addr - base;
	result(out, AT_MEM, e.type, e.mod);
	return XKD_OK;
}

static enum xkd_rc gen_truth(struct gen *g, const struct xkd_node *n)
{
	struct got v;

	TRY(gen_number(g, n, &v));
	emit(g, C_TRUTH, 0);
	return XKD_OK;
}

/* Both sides give 0 or 1, or, for ?:, what they are; the depth is the same at the end of each. */
static enum xkd_rc gen_logical(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct got a, b;
	size_t jz, jmp;

	TRY(gen_truth(g, n->a));
	jz = g->p->ops.n;
	emit(g, C_JZ, -1);
	if (n->op == XKD_OP_COND) {
		TRY(gen_number(g, n->b, &a));
	} else if (n->op == XKD_OP_LAND) {
		TRY(gen_truth(g, n->b));
	} else {
		emit(g, C_CONST, 1)->num = 1;
	}
	jmp = g->p->ops.n;
	emit(g, C_JMP, 0);
	g->p->ops.p[jz].to = g->p->ops.n;
	g->depth--;
	if (n->op == XKD_OP_COND) {
		TRY(gen_number(g, n->c, &b));
		if (xkd_type_strip(a.v.type) != xkd_type_strip(b.v.type))
			return cannot(g, "?: of two types");
		*out = a;
	} else {
		if (n->op == XKD_OP_LAND)
			emit(g, C_CONST, 1)->num = 0;
		else
			TRY(gen_truth(g, n->b));
		result(out, AT_STACK, xkd_type_builtin(XKD_BI_INT), NULL);
	}
	g->p->ops.p[jmp].to = g->p->ops.n;
	return XKD_OK;
}

static enum xkd_rc gen_unary(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct xkd_value v, r;

	if (n->op == XKD_OP_NOT) {
		TRY(gen_truth(g, n->a));
		emit(g, C_NOT, 0);
		result(out, AT_STACK, xkd_type_builtin(XKD_BI_INT), NULL);
		return XKD_OK;
	}
	if (n->op == XKD_OP_ADDR) {
		TRY(gen_node(g, n->a, out));
		if (out->where != AT_MEM)
			return cannot(g, "the address of something that is not in memory");
		v = as_mem(out);
		TRY(xkd_eval_at(g->err, xkd_value_addrof(g->e.ctx, &v, &r, g->err), n->pos));
		result(out, AT_STACK, r.type, r.mod);
		return XKD_OK;
	}
	TRY(gen_number(g, n->a, out));
	if (n->op == XKD_OP_DEREF)
		return follow(g, out);
	v = as_num(out, 1);
	TRY(xkd_eval_at(g->err, xkd_eval_promote(&g->e, &v, &r, g->err), n->pos));
	if (xkd_type_strip(r.type)->kind == XKD_T_PTR && n->op != XKD_OP_POS)
		return cannot(g, "this is not done with pointers");
	result(out, AT_STACK, r.type, r.mod);
	if (n->op != XKD_OP_POS)
		emit(g, n->op == XKD_OP_NEG ? C_NEG : C_BITNOT, 0);
	emit(g, C_FIT, 0)->type = xkd_type_strip(r.type);
	return XKD_OK;
}

static enum xkd_rc gen_binary(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct got a, b;
	struct xkd_value x, y, r;
	struct cell *c;

	if (n->op < XKD_OP_MUL || n->op > XKD_OP_OR)
		return cannot(g, "this operation");
	TRY(gen_number(g, n->a, &a));
	TRY(gen_number(g, n->b, &b));
	x = as_num(&a, 1);
	y = as_num(&b, 1);
	TRY(xkd_eval_binary(&g->e, n, &x, &y, &r, g->err));
	c = emit(g, C_BINARY, -1);
	c->node = n;
	c->type = x.type;
	c->mod = x.mod;
	c->type2 = y.type;
	c->mod2 = y.mod;
	result(out, AT_STACK, r.type, r.mod);
	return XKD_OK;
}

static enum xkd_rc gen_cast(struct gen *g, const struct xkd_node *n, struct got *out)
{
	const struct xkd_type *type, *s;
	struct xkd_module *mod;

	TRY(xkd_eval_at(g->err, xkd_typename_resolve(g->e.ctx, n->tn, &type, &mod, g->err),
			n->tn->pos));
	TRY(gen_number(g, n->a, out));
	s = xkd_lang_strip(g->e.ctx, mod, type);
	if (s->kind != XKD_T_INT && s->kind != XKD_T_PTR && s->kind != XKD_T_BOOL &&
	    s->kind != XKD_T_ENUM)
		return cannot(g, "a cast to this type");
	if (s->kind == XKD_T_BOOL)
		emit(g, C_TRUTH, 0);
	else
		emit(g, C_FIT, 0)->type = s;
	result(out, AT_STACK, type, mod);
	return XKD_OK;
}

/* Pseudo-registers that are asked for at each hit. */
static enum xkd_rc gen_pseudo(struct gen *g, const char *name, struct got *out)
{
	static const struct {
		const char *name;
		enum xkd_prog_what what;
	} known[] = { { "$cpu", XKD_PROG_CPU },
		      { "$thread", XKD_PROG_TASK },
		      { "$tid", XKD_PROG_PID },
		      { "$tpid", XKD_PROG_TGID } };
	const struct xkd_arch *a = g->e.ctx->t->arch;
	int reg = !strcmp(name, "$ip") ? a->pc : !strcmp(name, "$csp") ? a->sp : -1;

	result(out, AT_STACK, xkd_type_builtin(XKD_BI_ULONG), NULL);
	if (reg >= 0) {
		struct cell *c = emit(g, C_REG, 1);

		c->reg = reg;
		c->bits = 64;
		return XKD_OK;
	}
	for (size_t i = 0; i < XKD_COUNT(known); i++)
		if (!strcmp(name, known[i].name)) {
			emit(g, C_ASK, 1)->num = known[i].what;
			return XKD_OK;
		}
	return cannot(g, "this pseudo-register");
}

/* The copy that the CPU of the hit has, not the one of the CPU at hand now. */
static enum xkd_rc gen_percpu(struct gen *g, const struct xkd_value *v, struct got *out)
{
	const struct xkd_os *os = g->e.ctx->t->os;
	uint64_t off;

	TRY(os->percpu(g->e.ctx->t, v->percpu - 1, &off, g->err));
	emit(g, C_ASK, 1)->num = XKD_PROG_PERCPU;
	emit(g, C_ADD, 0)->num = v->addr - off;
	result(out, AT_MEM, v->type, v->mod);
	return XKD_OK;
}

static enum xkd_rc gen_name(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct xkd_err ignored = XKD_ERR_INIT;
	struct xkd_value v;

	if (n->text[0] == '$')
		return gen_pseudo(g, n->text, out);
	if (!strchr(n->text, '!')) {
		enum xkd_rc rc = xkd_scope_local(g->e.ctx, n->text, &v, &ignored);

		if (!rc && v.kind == XKD_V_REG) {
			*out = (struct got){ .where = AT_REG, .v = v };
			return XKD_OK;
		}
		if (rc != XKD_NOTFOUND)
			return cannot(g, "a variable that is in no register");
	}
	TRY(xkd_eval_at(g->err, xkd_eval_name(&g->e, n->text, &v, g->err), n->pos));
	if (v.kind != XKD_V_MEM && v.kind != XKD_V_RVALUE)
		return cannot(g, "this name");
	if (v.percpu)
		return v.kind == XKD_V_MEM ? gen_percpu(g, &v, out) : cannot(g, "this name");
	return constant(g, &v, out);
}

static enum xkd_rc gen_at(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct xkd_value v;

	if (n->text[0] == '$')
		return gen_pseudo(g, n->text, out);
	TRY(xkd_eval_at(g->err, xkd_eval_at_name(&g->e, n->text, &v, g->err), n->pos));
	if (v.kind != XKD_V_REG || !xkd_reg_known(&g->e.ctx->regs, v.reg))
		return cannot(g, "a register that is not read at each stop");
	*out = (struct got){ .where = AT_REG, .v = v };
	return XKD_OK;
}

static enum xkd_rc gen_settled(struct gen *g, const struct xkd_node *n, struct got *out)
{
	struct xkd_value v;

	TRY(xkd_eval_cxx(&g->e, n, &v, g->err));
	return constant(g, &v, out);
}

static enum xkd_rc gen_node(struct gen *g, const struct xkd_node *n, struct got *out)
{
	if (g->p->ops.n > OPS_MAX || g->depth > STACK - 4)
		return cannot(g, "too large");
	if (n->masm)
		return cannot(g, "MASM");
	switch (n->op) {
	case XKD_OP_NUM:
	case XKD_OP_SIZEOF:
	case XKD_OP_SIZEOF_TYPE:
	case XKD_OP_OFFSETOF:
	case XKD_OP_SRC:
		return gen_settled(g, n, out);
	case XKD_OP_NAME:
		return gen_name(g, n, out);
	case XKD_OP_AT:
		return gen_at(g, n, out);
	case XKD_OP_NEG:
	case XKD_OP_POS:
	case XKD_OP_BITNOT:
	case XKD_OP_NOT:
	case XKD_OP_DEREF:
	case XKD_OP_ADDR:
		return gen_unary(g, n, out);
	case XKD_OP_LAND:
	case XKD_OP_LOR:
	case XKD_OP_COND:
		return gen_logical(g, n, out);
	case XKD_OP_INDEX:
		return gen_index(g, n, out);
	case XKD_OP_MEMBER:
	case XKD_OP_ARROW:
		return gen_member(g, n, out);
	case XKD_OP_CAST:
		return gen_cast(g, n, out);
	default:
		return gen_binary(g, n, out);
	}
}

enum xkd_rc xkd_prog_new(const struct xkd_ctx *ctx, const struct xkd_env *env, const char *text,
			 struct xkd_prog **prog, struct xkd_err *err)
{
	struct xkd_prog *p = xkd_calloc(1, sizeof(*p));
	struct xkd_env calm = *env;
	struct gen g = { .p = p, .err = err };
	struct xkd_node *n;
	struct got v;
	enum xkd_rc rc;

	calm.no_side_effects = true;
	xkd_arena_init(&p->arena);
	p->ctx = *ctx;
	p->ctx.caller = NULL; /* of that stop */
	g.e = (struct xkd_evalctx){ .ctx = ctx, .env = &calm, .arena = &p->arena,
				    .scope = xkd_scope_module(ctx) };
	rc = xkd_eval_parse(&g.e, XKD_CXX, text, NULL, &n, err);
	if (!rc)
		rc = gen_node(&g, n, &v);
	if (!rc) {
		p->place = v.where == AT_MEM &&
			   (v.v.bit_size ||
			    xkd_lang_strip(ctx, v.v.mod, v.v.type)->kind == XKD_T_ARRAY);
		rc = number(&g, &v);
	}
	if (!rc && g.deepest > STACK)
		rc = cannot(&g, "too large");
	if (rc) {
		xkd_prog_free(p);
		return rc;
	}
	p->type = v.v.type;
	p->mod = v.v.mod;
	*prog = p;
	return XKD_OK;
}

void xkd_prog_free(struct xkd_prog *p)
{
	if (!p)
		return;
	xkd_vec_fini(&p->ops);
	xkd_arena_fini(&p->arena);
	free(p);
}

const struct xkd_type *xkd_prog_type(const struct xkd_prog *p, struct xkd_module **mod)
{
	*mod = p->mod;
	return p->type;
}

bool xkd_prog_is_place(const struct xkd_prog *p)
{
	return p->place;
}

static enum xkd_rc run_load(const struct cell *c, const struct xkd_prog_env *env, uint64_t *top,
			    struct xkd_err *err)
{
	uint8_t buf[8];
	uint64_t v;

	if (!env->read(env->arg, *top, buf, c->size))
		return xkd_err_set(err, XKD_NOTMAPPED, "%s cannot be read", XKD_ADDR(*top));
	v = xkd_get_le(buf, c->size);
	if (c->bits) {
		v = v >> c->shift & xkd_lang_mask(c->bits);
		if (c->type->is_signed && v >> (c->bits - 1) & 1)
			v |= ~xkd_lang_mask(c->bits);
		*top = v;
		return XKD_OK;
	}
	*top = xkd_lang_fit(c->type, v);
	return XKD_OK;
}

static enum xkd_rc run_reg(const struct cell *c, const struct xkd_prog_env *env, uint64_t *top,
			   struct xkd_err *err)
{
	if (!xkd_reg_known(env->regs, c->reg))
		return xkd_err_set(err, XKD_UNSUPPORTED, "a register is not known");
	*top = env->regs->v[c->reg] >> c->shift & xkd_lang_mask(c->bits);
	return XKD_OK;
}

static enum xkd_rc run_binary(const struct xkd_prog *p, const struct cell *c, uint64_t *top,
			      uint64_t y, struct xkd_err *err)
{
	struct xkd_evalctx e = { .ctx = &p->ctx };
	struct xkd_value a = xkd_value_num(c->type, *top), b = xkd_value_num(c->type2, y), r;

	a.mod = c->mod;
	b.mod = c->mod2;
	TRY(xkd_eval_binary(&e, c->node, &a, &b, &r, err));
	*top = r.num;
	return XKD_OK;
}

enum xkd_rc xkd_prog_run(const struct xkd_prog *p, const struct xkd_prog_env *env, uint64_t *v,
			 struct xkd_err *err)
{
	uint64_t stack[STACK + 1], *top = stack; /* the lowest cell is never used */

	for (size_t i = 0; i < p->ops.n; i++) {
		const struct cell *c = &p->ops.p[i];

		switch (c->op) {
		case C_CONST:
			*++top = c->num;
			break;
		case C_REG:
			TRY(run_reg(c, env, ++top, err));
			break;
		case C_ASK:
			if (!env->ask || !env->ask(env->arg, (enum xkd_prog_what)c->num, ++top))
				return xkd_err_set(err, XKD_UNSUPPORTED,
						   "the CPU's task or per-CPU area is not known");
			break;
		case C_ADD:
			*top += c->num;
			break;
		case C_LOAD:
			TRY(run_load(c, env, top, err));
			break;
		case C_FIT:
			*top = xkd_lang_fit(c->type, *top);
			break;
		case C_INDEX:
			top--;
			*top += top[1] * c->num;
			break;
		case C_BINARY:
			top--;
			TRY(run_binary(p, c, top, top[1], err));
			break;
		case C_NEG:
			*top = 0 - *top;
			break;
		case C_BITNOT:
			*top = ~*top;
			break;
		case C_NOT:
			*top = !*top;
			break;
		case C_TRUTH:
			*top = *top != 0;
			break;
		case C_JZ:
			if (!*top--)
				i = c->to - 1;
			break;
		case C_JMP:
			i = c->to - 1;
			break;
		}
	}
	*v = *top;
	return XKD_OK;
}
