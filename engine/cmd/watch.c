/* What ba is to watch: "w4 addr", "w 4 addr", "w expression". With a size the address is what bp would
 * take; without one a C++ expression tells place and size by its type. */
#include "base/str.h"
#include "engine/cmd/bkpt.h"
#include "engine/core/names.h"
#include "engine/lang/lang.h"
#include "engine/lang/print.h"
#include "engine/run/run.h"
#include <ctype.h>
#include <string.h>

#define WATCH_MAX 8 /* bytes */

static bool fits(uint64_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Is the next word a size? Then a place follows. */
static bool size_next(struct xkd_args *a, uint64_t *size)
{
	const char *p = xkd_skip_space(a->p), *next;
	char word[8];
	size_t n = strspn(p, "0123456789abcdefABCDEFx");

	next = xkd_skip_space(p + n);
	if (!isdigit((unsigned char)*p) || n >= sizeof(word) || (p[n] != ' ' && p[n] != '\t') || !*next ||
	    *next == '"')
		return false;
	memcpy(word, p, n);
	word[n] = 0;
	if (!xkd_parse_u64(word, 16, size) || *size > 0x1000)
		return false;
	a->p = next;
	return true;
}

/* A bit-field is watched by the fewest aligned bytes around it. */
static bool around_bits(const struct xkd_value *v, uint64_t *addr, uint64_t *size)
{
	uint64_t last = v->addr + (v->bit_off + v->bit_size - 1) / 8;

	for (*size = 1; *size <= WATCH_MAX; *size *= 2) {
		*addr = v->addr & ~(*size - 1);
		if (last < *addr + *size)
			return true;
	}
	return false;
}

static enum xkd_rc by_type(struct xkd_session *s, const struct xkd_ctx *ctx, const char *spec,
			   struct xkd_value *v, uint64_t *addr, uint64_t *size, struct xkd_err *err)
{
	const struct xkd_type *t;
	struct xkd_value to;
	struct xkd_buf name = XKD_BUF_INIT;
	enum xkd_rc rc = xkd_eval(ctx, &s->env, XKD_CXX, spec, NULL, &s->cmd_arena, v, err);

	if (rc)
		return xkd_err_prepend(err, rc, "no size is given (ba w4 addr), and by its type");
	t = xkd_type_strip(v->type);
	/* &x, or a pointer that was calculated; a variable that is a pointer is itself what is watched */
	if (v->kind == XKD_V_RVALUE && t->kind == XKD_T_PTR) {
		rc = xkd_value_deref(ctx, v, &to, err);
		if (rc)
			return rc;
		*v = to;
	}
	if (v->kind != XKD_V_MEM)
		return xkd_err_set(err, XKD_SYNTAX, "'%s' is %s, not in memory: name what it points to, or give "
				   "a size: ba w4 addr", spec,
				   v->kind == XKD_V_REG ? "in a register" :
				   v->kind == XKD_V_UNAVAIL ? "not available" : "a number");
	*addr = v->addr;
	*size = xkd_lang_size(ctx, v->mod, v->type);
	if (v->bit_size && around_bits(v, addr, size))
		return XKD_OK;
	if (fits(*size))
		return XKD_OK;
	xkd_type_spell(v->type, NULL, &name);
	rc = *size ? xkd_err_set(err, XKD_SYNTAX, "%s is 0x%llx bytes, and 1, 2, 4 or 8 can be watched: name a "
				 "member, or give a size", name.s, (unsigned long long)*size)
		   : xkd_err_set(err, XKD_SYNTAX, "the type of '%s' has no size that is known: give one, as in "
				 "ba w4 %s", spec, spec);
	xkd_buf_fini(&name);
	return rc;
}

/* The type at an address that has its size given, for the values that a hit shows. */
static void type_there(struct xkd_session *s, const struct xkd_ctx *ctx, const char *spec, uint64_t addr,
		       uint64_t size, struct xkd_value *v)
{
	struct xkd_value at;
	struct xkd_err ignored = XKD_ERR_INIT;

	if (!xkd_eval(ctx, &s->env, XKD_CXX, spec, NULL, &s->cmd_arena, &at, &ignored) &&
	    at.kind == XKD_V_MEM && !at.bit_size && at.addr == addr && xkd_lang_size(ctx, at.mod, at.type) == size)
		*v = at;
}

static enum xkd_rc by_address(struct xkd_session *s, const struct xkd_ctx *ctx, struct xkd_bkpt *proto,
			      struct xkd_value *v, uint64_t *addr, struct xkd_err *err)
{
	struct xkd_value here = { .kind = XKD_V_MEM };
	struct xkd_value typed;
	struct xkd_err first = XKD_ERR_INIT, ignored = XKD_ERR_INIT;
	const char *bang = strchr(proto->spec, '!');
	enum xkd_rc rc = xkd_eval_u64(ctx, &s->env, XKD_MASM, proto->spec, NULL, &s->cmd_arena, addr, &first);

	if (rc && !xkd_eval(ctx, &s->env, XKD_CXX, proto->spec, NULL, &s->cmd_arena, &typed, &ignored) &&
	    (typed.kind == XKD_V_MEM || !xkd_value_u64(ctx, &typed, addr, &ignored))) {
		if (typed.kind == XKD_V_MEM)
			*addr = typed.addr;
		rc = XKD_OK;
	}
	if (rc && bang) /* of a module that is not there yet: run/resolve.c knows */
		return XKD_OK;
	if (rc) {
		if (err)
			*err = first;
		return rc;
	}
	here.addr = *addr;
	if (proto->kind > XKD_BP_HW && xkd_percpu_here(ctx, &here))
		*addr = here.addr;
	type_there(s, ctx, proto->spec, *addr, proto->size, v);
	if (v->kind == XKD_V_NONE && here.percpu)
		v->percpu = here.percpu;
	return XKD_OK;
}

/* A plain symbol is followed to where it lies after a reboot or a reload; all else is what it was. */
static void fix(struct xkd_session *s, struct xkd_bkpt *proto, uint64_t addr)
{
	struct xkd_symref sym;
	struct xkd_err ignored = XKD_ERR_INIT;

	if (!addr || (!xkd_sym_named(s->t, proto->spec, &sym, &ignored) && sym.addr == addr))
		return;
	proto->fixed = true;
	proto->fixed_addr = addr;
}

enum xkd_rc xkd_ba_kind(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *proto,
			struct xkd_err *err)
{
	uint64_t size = 0;
	char word[16];

	if (!xkd_arg_word(a, word, sizeof(word)) || !strchr("erwi", word[0]))
		return xkd_err_syntax(err, (int)(a->p - a->line),
				      "ba wants e, r, w or i, a size and a place: ba w4 addr");
	if (word[0] == 'i')
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot break on port accesses", s->t->uri);
	if (word[1] && !xkd_parse_u64(word + 1, 16, &size))
		return xkd_err_syntax(err, (int)(a->p - a->line), "'%s' is no size", word + 1);
	if ((word[1] || size_next(a, &size)) && !fits(size))
		return xkd_err_set(err, XKD_SYNTAX, "0x%llx is no size that can be watched: 1, 2, 4 and 8 bytes are",
				   (unsigned long long)size);
	proto->kind = word[0] == 'e' ? XKD_BP_HW : word[0] == 'w' ? XKD_BP_WRITE : XKD_BP_ACCESS;
	proto->size = (unsigned)size;
	return XKD_OK;
}

enum xkd_rc xkd_ba_place(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *proto,
			 struct xkd_value *v, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	uint64_t size = proto->size, addr = 0;
	enum xkd_rc rc;

	if (!size) /* it may stand behind switches */
		(void)size_next(a, &size);
	if (size && !fits(size))
		return xkd_err_set(err, XKD_SYNTAX, "0x%llx is no size that can be watched: 1, 2, 4 and 8 bytes are",
				   (unsigned long long)size);
	proto->size = proto->kind == XKD_BP_HW ? 1 : (unsigned)size;
	proto->spec = (char *)xkd_bkpt_spec(s, a);
	if (!proto->spec[0])
		return xkd_err_syntax(err, (int)(a->p - a->line), "a place comes here: ba w4 addr");
	if (proto->kind == XKD_BP_HW)
		return XKD_OK; /* code: found as bp finds it */
	rc = xkd_session_ctx(s, &ctx, err);
	if (!rc && size)
		rc = by_address(s, ctx, proto, v, &addr, err);
	else if (!rc)
		rc = by_type(s, ctx, proto->spec, v, &addr, &size, err);
	if (rc)
		return rc;
	proto->size = (unsigned)size;
	if (addr & (size - 1))
		return xkd_err_addr(err, XKD_SYNTAX, addr, "%s is not aligned to %u bytes, as a watch must be",
				    XKD_ADDR(addr), proto->size);
	fix(s, proto, addr);
	return XKD_OK;
}

void xkd_ba_say(struct xkd_session *s, const struct xkd_bkpt *b, const struct xkd_value *v)
{
	struct xkd_out *o = &s->out;

	if (v->percpu) {
		xkd_out_st(o, XKD_ST_DIM, "Breakpoint %u: a per-CPU variable; CPU %d's is watched", b->id,
			   v->percpu - 1);
		xkd_out_end(o);
	}
	if (b->kind != XKD_BP_ACCESS || !(s->t->caps & XKD_CAP_WATCH_A))
		return;
	xkd_out_st(o, XKD_ST_DIM, "Breakpoint %u stops on reads and on writes: the processor has none for reads "
		   "alone", b->id);
	xkd_out_end(o);
}
