/* What names in expressions mean: registers, pseudo-registers, symbols, variables, enumeration
 * constants, source lines. Invariant: several answers are an error that lists them, never a guess;
 * the module at hand is the one scope that may decide between modules. */
#include "base/cancel.h"
#include "base/str.h"
#include "engine/lang/expr_int.h"
#include "engine/lang/scope.h"
#include "engine/os/os.h"
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

struct xkd_module *xkd_scope_module(const struct xkd_ctx *ctx)
{
	return ctx->t && ctx->pc_lookup ? xkd_target_mod_at(ctx->t, ctx->pc_lookup) : NULL;
}

/* Those that need nobody else. */
static bool own_pseudo(const struct xkd_ctx *ctx, const char *name, uint64_t *val)
{
	const struct xkd_arch *a = ctx->t ? ctx->t->arch : NULL;
	int reg = -1;

	if (!a)
		return false;
	if (!strcmp(name, "ip"))
		reg = a->pc;
	else if (!strcmp(name, "csp") || !strcmp(name, "sp"))
		reg = a->sp;
	if (reg >= 0) {
		*val = ctx->regs.v[reg];
		return xkd_reg_known(&ctx->regs, reg);
	}
	if (!strcmp(name, "ptrsize"))
		*val = a->ptr_size;
	else if (!strcmp(name, "pagesize"))
		*val = PAGE;
	else if (!strcmp(name, "frame"))
		*val = ctx->frame;
	else if (!strcmp(name, "thread") && ctx->task)
		*val = ctx->task;
	else
		return false;
	return true;
}

static enum xkd_rc pseudo(struct xkd_evalctx *e, const char *name, struct xkd_value *v,
			  struct xkd_err *err)
{
	const struct xkd_env *env = e->env;
	uint64_t val;

	if (name[1] == 't' && name[2] >= '0' && name[2] <= '9') {
		if (!xkd_parse_u64(name + 2, 10, &val) || val > 19)
			return xkd_err_set(err, XKD_NOTFOUND, "no %s: there are $t0 to $t19", name);
		if (!env || !env->t)
			return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot be used here", name);
		*v = xkd_value_num(xkd_type_builtin(XKD_BI_ULONG), env->t[val]);
		return XKD_OK;
	}
	if (!(env && env->pseudo && env->pseudo(env->arg, e->ctx, name + 1, &val)) &&
	    !own_pseudo(e->ctx, name + 1, &val))
		return xkd_err_set(err, XKD_NOTFOUND,
				   "no pseudo-register %s, or nothing to say for it here", name);
	*v = xkd_value_num(xkd_type_builtin(XKD_BI_ULONG), val);
	return XKD_OK;
}

static bool reg_value(const struct xkd_ctx *ctx, const char *name, struct xkd_value *v)
{
	struct xkd_regname rn;
	enum xkd_builtin b;

	if (!ctx->t || !ctx->t->arch->reg_find(name, &rn))
		return false;
	b = rn.bits <= 8    ? XKD_BI_UCHAR
	    : rn.bits <= 16 ? XKD_BI_USHORT
	    : rn.bits <= 32 ? XKD_BI_UINT
			    : XKD_BI_ULONG;
	*v = (struct xkd_value){ .type = xkd_type_builtin(b),
				 .kind = XKD_V_REG,
				 .reg = rn.reg,
				 .reg_shift = rn.shift,
				 .reg_bits = rn.bits };
	return true;
}

enum xkd_rc xkd_eval_at_name(struct xkd_evalctx *e, const char *name, struct xkd_value *v,
			     struct xkd_err *err)
{
	if (*name == '$')
		return pseudo(e, name, v, err);
	if (!reg_value(e->ctx, name, v))
		return xkd_err_set(err, XKD_NOTFOUND, "no register %s", name);
	return XKD_OK;
}

/* The symbol, the module at hand first. */
static enum xkd_rc symbol(struct xkd_evalctx *e, const char *name, struct xkd_symref *sym,
			  struct xkd_err *err)
{
	char full[512];

	if (!e->ctx->t)
		return xkd_err_set(err, XKD_NOTFOUND, "no %s: there is no target", name);
	if (e->scope && !strchr(name, '!')) {
		struct xkd_err own = XKD_ERR_INIT;
		enum xkd_rc rc;

		snprintf(full, sizeof(full), "%s!%s", e->scope->name, name);
		rc = xkd_sym_named(e->ctx->t, full, sym, &own);
		if (rc == XKD_AMBIGUOUS && err)
			*err = own;
		if (rc != XKD_NOTFOUND)
			return rc;
	}
	return xkd_sym_named(e->ctx->t, name, sym, err);
}

enum xkd_rc xkd_eval_symbol(struct xkd_evalctx *e, const char *name, uint64_t *num,
			    struct xkd_err *err)
{
	struct xkd_symref sym;
	struct xkd_module *m;
	struct xkd_value v;
	enum xkd_rc rc = symbol(e, name, &sym, err);

	if (!rc) {
		*num = sym.addr;
		return XKD_OK;
	}
	if (rc != XKD_NOTFOUND || strchr(name, '!') || !e->ctx->t)
		return rc;
	if (reg_value(e->ctx, name, &v))
		return xkd_value_u64(e->ctx, &v, num, err);
	m = xkd_target_mod_named(e->ctx->t, name);
	if (m) {
		*num = xkd_module_start(m);
		return XKD_OK;
	}
	if (!xkd_scope_local(e->ctx, name, &v, NULL)) {
		if (v.kind != XKD_V_MEM)
			return xkd_value_u64(e->ctx, &v, num, err);
		*num = v.addr;
		return XKD_OK;
	}
	return rc;
}

static const struct xkd_type *func_type(struct xkd_evalctx *e, const struct xkd_symref *sym)
{
	const struct xkd_type *type = NULL;
	struct xkd_types *btf;
	struct xkd_dwarf *dwarf;
	uint64_t iaddr;

	xkd_mod_providers(e->ctx->t, sym->mod, &btf, &dwarf);
	if (dwarf && xkd_module_to_image(sym->mod, sym->addr, &iaddr) &&
	    !xkd_dwarf_func_type(dwarf, iaddr, &type, NULL) && type)
		return type;
	if (btf && !xkd_btf_func(xkd_btf_of(btf), sym->name, &type, NULL))
		return type;
	return NULL;
}

enum xkd_rc xkd_eval_this_cpu(struct xkd_evalctx *e, int *cpu, struct xkd_err *err)
{
	const struct xkd_ctx *ctx = e->ctx;

	if (!ctx->t || ctx->cpu < 0 || (size_t)ctx->cpu >= ctx->t->cpus.n)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "no CPU runs this; say which one: per_cpu(name, 0)");
	*cpu = ctx->t->os->cpu_number ? ctx->t->os->cpu_number(ctx->t, ctx->cpu) : ctx->cpu;
	if (*cpu < 0)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the kernel's number of this CPU is not known; say which one: "
				   "per_cpu(name, 0)");
	return XKD_OK;
}

/* The context's CPU's own copy of a per-CPU variable. */
static enum xkd_rc this_copy(struct xkd_evalctx *e, const char *name, struct xkd_value *v,
			     struct xkd_err *err)
{
	uint64_t off;
	int cpu;
	enum xkd_rc rc = xkd_eval_this_cpu(e, &cpu, err);

	if (!rc)
		rc = e->ctx->t->os->percpu(e->ctx->t, cpu, &off, err);
	if (rc)
		return xkd_err_prepend(err, rc, "%s is per-CPU", name);
	v->addr += off;
	v->percpu = cpu + 1;
	return XKD_OK;
}

/* A function, or a variable; without a type it is void, which every use but & refuses in words. Fails
 * only when the user gave up waiting for the index. */
static enum xkd_rc symbol_value(struct xkd_evalctx *e, const struct xkd_symref *sym,
				struct xkd_value *v, struct xkd_err *err)
{
	const struct xkd_type *type = NULL;
	struct xkd_err why = XKD_ERR_INIT;
	enum xkd_rc rc = XKD_OK;
	uint64_t addr = sym->addr;

	if (sym->type == STT_FUNC || sym->type == STT_GNU_IFUNC)
		type = func_type(e, sym);
	else
		rc = xkd_global_named(e->ctx->t, sym->mod, sym->name, &addr, &type, &why);
	if (rc == XKD_CANCELED) {
		if (err)
			*err = why;
		return rc;
	}
	if (rc || addr != sym->addr)
		type = NULL;
	*v = xkd_value_mem(type ? type : xkd_type_builtin(XKD_BI_VOID), sym->addr, sym->mod);
	if (e->percpu_raw || sym->type != STT_OBJECT || !e->ctx->t->os->percpu ||
	    !xkd_sym_percpu(e->ctx->t, sym))
		return XKD_OK;
	return this_copy(e, sym->name, v, err);
}

enum xkd_rc xkd_eval_name(struct xkd_evalctx *e, const char *name, struct xkd_value *v,
			  struct xkd_err *err)
{
	struct xkd_err local = XKD_ERR_INIT;
	struct xkd_symref sym;
	enum xkd_rc rc;

	if (*name == '$')
		return pseudo(e, name, v, err);
	if (!strchr(name, '!')) {
		rc = xkd_scope_local(e->ctx, name, v, &local);
		if (rc != XKD_NOTFOUND) {
			if (rc && err)
				*err = local;
			return rc;
		}
	}
	rc = symbol(e, name, &sym, err);
	if (!rc)
		return symbol_value(e, &sym, v, err);
	if (rc == XKD_NOTFOUND && e->ctx->t) {
		const char *bang = strchr(name, '!');
		char mod[64];

		if (!bang)
			return xkd_enum_const(e->ctx, e->scope, name, v, &local) ? rc : XKD_OK;
		snprintf(mod, sizeof(mod), "%.*s", (int)(bang - name), name);
		if (!xkd_enum_const(e->ctx, xkd_target_mod_named(e->ctx->t, mod), bang + 1, v,
				    &local))
			return XKD_OK;
	}
	return rc;
}

bool xkd_eval_is_var(struct xkd_evalctx *e, const char *name)
{
	struct xkd_symref sym;
	struct xkd_value v;

	if (!strchr(name, '!') && !xkd_scope_local(e->ctx, name, &v, NULL))
		return true;
	return symbol(e, name, &sym, NULL) != XKD_NOTFOUND;
}
