/* DWARF location expressions: each operation by hand-made bytes, and the locals of a function of
 * this program against what the function itself knows. A wrong value must never come out: what is not
 * known has to say so. */
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "engine/lang/scope.h"
#include <stdlib.h>
#include <ucontext.h>

#pragma GCC diagnostic ignored "-Wshadow" /* that is what is tested */

static struct xkd_target *target;
static struct xkd_ctx ctx;
static const uint8_t fb_cfa[] = { 0x9c };
static uint8_t memory[64] = { 1, 2, 3, 4, 5, 6, 7, 8, 0xf0, 0xff, 0xff, 0xff };

struct row {
	const char *name;
	uint8_t bytes[24];
	size_t n;
	enum xkd_vkind kind;
	uint64_t want;	  /* number, address or register's value */
	const char *text; /* where or why, in part */
};
#define B(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })
#define SV 0x9f

static const struct row rows[] = {
	{ "reg5", B(0x55), XKD_V_REG, 0x1234, "@ rdi" },
	{ "regx 5", B(0x90, 5), XKD_V_REG, 0x1234, "@ rdi" },
	{ "reg3 is unknown", B(0x53), XKD_V_UNAVAIL, 0, "rbx, which is not known" },
	{ "reg17 is a vector", B(0x61), XKD_V_UNAVAIL, 0, "DWARF register 17" },
	{ "breg7 16", B(0x77, 0x10), XKD_V_MEM, 0x8010, "@ [rsp+0x10]" },
	{ "breg7 -8", B(0x77, 0x78), XKD_V_MEM, 0x7ff8, "@ [rsp-0x8]" },
	{ "bregx 7 16", B(0x92, 7, 0x10), XKD_V_MEM, 0x8010, "@ [rsp+0x10]" },
	{ "breg3 is unknown", B(0x73, 0), XKD_V_UNAVAIL, 0, "rbx, which is not known" },
	{ "fbreg -16", B(0x91, 0x70), XKD_V_MEM, 0x8ff0, "@ 00000000`00008ff0" },
	{ "call_frame_cfa", B(0x9c), XKD_V_MEM, 0x9000, "@ " },
	{ "addr", B(0x03, 0x10, 0, 0, 0, 0, 0, 0, 0), XKD_V_MEM, 0x7010, "@ " },
	{ "lit17 stack_value", B(0x41, SV), XKD_V_RVALUE, 17, "" },
	{ "const1u", B(0x08, 0xff, SV), XKD_V_RVALUE, 0xff, "" },
	{ "const1s", B(0x09, 0xff, SV), XKD_V_RVALUE, UINT64_MAX, "" },
	{ "const2u", B(0x0a, 0xff, 0xff, SV), XKD_V_RVALUE, 0xffff, "" },
	{ "const2s", B(0x0b, 0xfe, 0xff, SV), XKD_V_RVALUE, -2ULL, "" },
	{ "const4u", B(0x0c, 1, 2, 3, 0x84, SV), XKD_V_RVALUE, 0x84030201, "" },
	{ "const4s", B(0x0d, 0, 0, 0, 0x80, SV), XKD_V_RVALUE, 0xffffffff80000000, "" },
	{ "const8u", B(0x0e, 1, 2, 3, 4, 5, 6, 7, 8, SV), XKD_V_RVALUE, 0x0807060504030201, "" },
	{ "constu", B(0x10, 0xe5, 0x8e, 0x26, SV), XKD_V_RVALUE, 624485, "" },
	{ "consts", B(0x11, 0x80, 0x7f, SV), XKD_V_RVALUE, -128ULL, "" },
	{ "dup plus", B(0x35, 0x12, 0x22, SV), XKD_V_RVALUE, 10, "" },
	{ "drop", B(0x35, 0x36, 0x13, SV), XKD_V_RVALUE, 5, "" },
	{ "over minus", B(0x35, 0x33, 0x14, 0x1c, SV), XKD_V_RVALUE, -2ULL, "" },
	{ "pick 2", B(0x31, 0x32, 0x33, 0x15, 2, SV), XKD_V_RVALUE, 1, "" },
	{ "swap minus", B(0x35, 0x33, 0x16, 0x1c, SV), XKD_V_RVALUE, -2ULL, "" },
	/* 1 2 3 -> 3 1 2, the top 2 minus... */
	{ "rot", B(0x31, 0x32, 0x33, 0x17, 0x1c, SV), XKD_V_RVALUE, -1ULL, "" },
	{ "abs", B(0x09, 0xfb, 0x19, SV), XKD_V_RVALUE, 5, "" },
	{ "and", B(0x36, 0x33, 0x1a, SV), XKD_V_RVALUE, 2, "" },
	{ "div is signed", B(0x09, 0xf9, 0x32, 0x1b, SV), XKD_V_RVALUE, -3ULL, "" },
	{ "mod", B(0x37, 0x34, 0x1d, SV), XKD_V_RVALUE, 3, "" },
	{ "mul", B(0x37, 0x34, 0x1e, SV), XKD_V_RVALUE, 28, "" },
	{ "neg", B(0x37, 0x1f, SV), XKD_V_RVALUE, -7ULL, "" },
	{ "not", B(0x30, 0x20, SV), XKD_V_RVALUE, UINT64_MAX, "" },
	{ "or", B(0x36, 0x33, 0x21, SV), XKD_V_RVALUE, 7, "" },
	{ "plus_uconst", B(0x36, 0x23, 0x80, 0x01, SV), XKD_V_RVALUE, 134, "" },
	{ "shl", B(0x36, 0x34, 0x24, SV), XKD_V_RVALUE, 0x60, "" },
	{ "shr", B(0x09, 0xff, 0x08, 60, 0x25, SV), XKD_V_RVALUE, 15, "" },
	{ "shra", B(0x09, 0xf0, 0x32, 0x26, SV), XKD_V_RVALUE, -4ULL, "" },
	{ "xor", B(0x36, 0x33, 0x27, SV), XKD_V_RVALUE, 5, "" },
	{ "lt is signed", B(0x09, 0xff, 0x31, 0x2d, SV), XKD_V_RVALUE, 1, "" },
	{ "ge", B(0x31, 0x31, 0x2a, SV), XKD_V_RVALUE, 1, "" },
	{ "ne", B(0x31, 0x31, 0x2e, SV), XKD_V_RVALUE, 0, "" },
	{ "bra taken", B(0x33, 0x31, 0x28, 1, 0, 0x20, SV), XKD_V_RVALUE, 3, "" },
	{ "bra not taken", B(0x33, 0x30, 0x28, 1, 0, 0x1f, SV), XKD_V_RVALUE, -3ULL, "" },
	{ "skip", B(0x33, 0x2f, 1, 0, 0x1f, SV), XKD_V_RVALUE, 3, "" },
	{ "deref", B(0x77, 0, 0x06, SV), XKD_V_RVALUE, 0x0807060504030201, "" },
	{ "deref_size 2", B(0x77, 0, 0x94, 2, SV), XKD_V_RVALUE, 0x0201, "" },
	{ "deref of nothing", B(0x31, 0x06, SV), XKD_V_UNAVAIL, 0, "00000000`00000001" },
	{ "breg plus breg", B(0x77, 0, 0x75, 1, 0x22), XKD_V_MEM, 0x8000 + 0x1235, "@ 00000000`" },
	{ "implicit_value", B(0x9e, 8, 9, 0, 0, 0, 0, 0, 0, 0), XKD_V_BYTES, 9, "" },
	{ "nothing", B(0x96), XKD_V_UNAVAIL, 0, "more than it put" },
	{ "mod is unsigned", B(0x09, 0xff, 0x3a, 0x1d, SV), XKD_V_RVALUE, 5, "" },
	{ "div by -1", B(0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b, SV), XKD_V_RVALUE,
	  1ULL << 63, "" },
	{ "shift by 64", B(0x31, 0x08, 64, 0x24, SV), XKD_V_RVALUE, 0, "" },
	{ "stack_value names its register", B(0x75, 0, SV), XKD_V_RVALUE, 0x1234, "" },
	/* pieces: the object is 8 bytes */
	{ "reg5 piece 4, reg5 piece 4", B(0x55, 0x93, 4, 0x55, 0x93, 4), XKD_V_BYTES,
	  0x0000123400001234, "@ {rdi, rdi}" },
	{ "a piece in memory", B(0x77, 0, 0x93, 8), XKD_V_BYTES, 0x0807060504030201,
	  "@ {[rsp+0x0]}" },
	{ "two in memory and one in a register", B(0x77, 8, 0x93, 1, 0x77, 0, 0x93, 5, 0x55, 0x93, 2),
	  XKD_V_BYTES, 0x12340504030201f0, "@ {[rsp+0x8], [rsp+0x0], rdi}" },
	{ "stack_value and implicit_value as pieces",
	  B(0x41, SV, 0x93, 4, 0x9e, 2, 7, 8, 0x93, 2, 0x30, SV, 0x93, 2), XKD_V_BYTES,
	  0x0000080700000011, "@ {" },
	{ "pieces that leave some out", B(0x55, 0x93, 4), XKD_V_UNAVAIL, 0, "<partly optimized out>" },
	{ "an empty piece", B(0x93, 4, 0x55, 0x93, 4), XKD_V_UNAVAIL, 0, "<partly optimized out>" },
	{ "an empty piece alone", B(0x93, 8), XKD_V_UNAVAIL, 0, "<optimized out>" },
	{ "a piece in an unknown register", B(0x55, 0x93, 4, 0x53, 0x93, 4), XKD_V_UNAVAIL, 0,
	  "in part in rbx, which is not known" },
	{ "a piece at an address that cannot be read", B(0x55, 0x93, 4, 0x31, 0x93, 4), XKD_V_UNAVAIL,
	  0, "in part memory not readable at 00000000`00000001" },
	{ "bit_piece", B(0x55, 0x9d, 4, 0, 0x77, 0, 0x9d, 60, 8), XKD_V_BYTES,
	  0x80706050403024, "@ {rdi, [rsp+0x0]}" },
	{ "bit_piece with an offset", B(0x55, 0x9d, 12, 4, 0x30, SV, 0x9d, 52, 0), XKD_V_BYTES, 0x123,
	  "@ {" },
	{ "the last part has no size", B(0x55, 0x93, 4, 0x55), XKD_V_UNAVAIL, 0, "without a size" },
	{ "a piece larger than anything", B(0x55, 0x93, 0xff, 0xff, 0xff, 0x7f), XKD_V_UNAVAIL, 0,
	  "larger than anything" },
	{ "a piece longer than the object", B(0x55, 0x93, 40), XKD_V_BYTES, 0x1234, "@ {rdi}" },
	{ "implicit_pointer", B(0xa0, 0, 0, 0, 0, 0), XKD_V_UNAVAIL, 0, "no address" },
	{ "entry_value", B(0xa3, 1, 0x55, SV), XKD_V_UNAVAIL, 0, "at entry" },
	{ "GNU_entry_value", B(0xf3, 1, 0x55, SV), XKD_V_UNAVAIL, 0, "at entry" },
	{ "an empty entry_value", B(0xa3, 0, SV), XKD_V_UNAVAIL, 0, "cut short" },
	{ "an entry_value too long", B(0xa3, 9, 0x55, SV), XKD_V_UNAVAIL, 0, "cut short" },
	{ "parameter_ref", B(0xfa, 1, 0, 0, 0, SV), XKD_V_UNAVAIL, 0, "at entry" },
	{ "variable_value", B(0xfd, 1, 0, 0, 0, SV), XKD_V_UNAVAIL, 0, "another variable" },
	{ "call4", B(0x99, 1, 0, 0, 0, SV), XKD_V_UNAVAIL, 0, "more than it put" },
	{ "convert to generic", B(0x35, 0xa8, 0, SV), XKD_V_RVALUE, 5, "" },
	{ "convert without debug info", B(0x35, 0xa8, 1, SV), XKD_V_UNAVAIL, 0, "type" },
	{ "thread-local", B(0x30, 0x9b), XKD_V_UNAVAIL, 0, "thread-local" },
	{ "GNU thread-local", B(0x30, 0xe0), XKD_V_UNAVAIL, 0, "thread-local" },
	{ "xderef", B(0x30, 0x30, 0x18), XKD_V_UNAVAIL, 0, "another address space" },
	{ "addrx without a table", B(0xa1, 0), XKD_V_UNAVAIL, 0, ".debug_addr" },
	{ "GNU_uninit", B(0x55, 0xf0), XKD_V_UNAVAIL, 0, "not initialized" },
	{ "an unknown register in a calculation", B(0x73, 0, 0x31, 0x22, SV), XKD_V_UNAVAIL, 0,
	  "rbx, which is not known" },
	{ "an unknown operation", B(0xe7), XKD_V_UNAVAIL, 0, "0xe7" },
	{ "a short operand", B(0x0e, 1, 2), XKD_V_UNAVAIL, 0, "cut short" },
	{ "a LEB without end", B(0x10, 0x80, 0x80), XKD_V_UNAVAIL, 0, "cut short" },
	{ "implicit_value too long", B(0x9e, 9, 1), XKD_V_UNAVAIL, 0, "cut short" },
	{ "pop of nothing", B(0x22, SV), XKD_V_UNAVAIL, 0, "more than it put" },
	{ "division by zero", B(0x31, 0x30, 0x1b, SV), XKD_V_UNAVAIL, 0, "zero" },
	{ "a jump outside", B(0x2f, 0x70, 0x00, SV), XKD_V_UNAVAIL, 0, "jumps out" },
	{ "a jump before", B(0x2f, 0xf0, 0xff, SV), XKD_V_UNAVAIL, 0, "jumps out" },
	{ "an endless loop", B(0x2f, 0xfd, 0xff, SV), XKD_V_UNAVAIL, 0, "does not end" },
	{ "a growing loop", B(0x31, 0x2f, 0xfc, 0xff, SV), XKD_V_UNAVAIL, 0, "too deep" },
	{ "something behind", B(0x35, SV, 0x35), XKD_V_UNAVAIL, 0, "not followed" },
};

static void one(const struct row *r, const struct xkd_locenv *env)
{
	struct xkd_value v = { .type = xkd_type_builtin(XKD_BI_ULONG) };
	uint8_t *copy = malloc(r->n); /* no slack behind it */
	uint64_t got = 0;
	struct xkd_err err = XKD_ERR_INIT;

	memcpy(copy, r->bytes, r->n);
	xkd_location_eval(env, copy, r->n, &v);
	if (v.kind == XKD_V_MEM)
		got = v.addr;
	else if (v.kind != XKD_V_UNAVAIL && xkd_value_u64(&ctx, &v, &got, &err))
		got = 0xbad;
	ok(v.kind == r->kind && got == r->want &&
		   strstr(v.kind == XKD_V_UNAVAIL ? v.why : v.where, r->text),
	   "%s", r->name);
	if (tap_failed && (v.kind != r->kind || got != r->want))
		printf("# kind %d, 0x%" PRIx64 ", %s%s\n", v.kind, got, v.why, v.where);
	free(copy);
}

static void operations(void)
{
	struct xkd_module mod = { .is_kernel = true, .slide = 0x7000 };
	struct xkd_locenv env = { .ctx = &ctx, .mod = &mod, .fb = fb_cfa, .fb_len = 1 };
	struct xkd_value v = { .type = xkd_type_builtin(XKD_BI_ULONG) };
	static const uint8_t fbreg[] = { 0x91, 0 }, cfa[] = { 0x9c }, reg[] = { 0x56 };

	mock_reg(target, "rdi", 0x1234);
	mock_reg(target, "rsp", 0x8000);
	mock_seg(target, 0x8000, memory, sizeof(memory));
	ctx = mock_ctx(target);
	ctx.regs.known &= ~(1ULL << target->arch->reg_from_dwarf(3));
	ctx.cfa = 0x9000;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one(&rows[i], &env);

	env.fb = reg; /* a frame base in a register is its value */
	xkd_location_eval(&env, fbreg, sizeof(fbreg), &v);
	ok(v.kind == XKD_V_MEM && v.addr == 0, "frame base DW_OP_reg6");
	env.fb = fbreg; /* which would run for ever */
	env.fb_len = 2;
	xkd_location_eval(&env, fbreg, sizeof(fbreg), &v);
	ok(v.kind == XKD_V_UNAVAIL, "a frame base that needs itself: %s", v.why);
	ctx.cfa = 0;
	env.fb = fb_cfa;
	env.fb_len = 1;
	xkd_location_eval(&env, cfa, sizeof(cfa), &v);
	ok(v.kind == XKD_V_UNAVAIL && strstr(v.why, "CFA"), "no CFA: %s", v.why);
	xkd_location_eval(&env, fbreg, sizeof(fbreg), &v);
	ok(v.kind == XKD_V_UNAVAIL, "no frame base without it");
	xkd_location_eval(&env, cfa, 0, &v);
	ok(v.kind == XKD_V_UNAVAIL && !strcmp(v.why, "<optimized out>"), "no location at all");
	v.type = xkd_type_array_of(xkd_type_builtin(XKD_BI_ULONG), 2);
	xkd_location_eval(&env, (const uint8_t[]){ 0x55 }, 1, &v);
	ok(v.kind == XKD_V_UNAVAIL, "16 bytes are not in one register: %s", v.why);
	v.type = xkd_type_builtin(XKD_BI_UCHAR);
	xkd_location_eval(&env, (const uint8_t[]){ 0x55 }, 1, &v);
	ok(v.kind == XKD_V_REG && v.reg_bits == 8, "a byte in a register is its low byte");
}

/* ---- base types: those of this program's own debug info ---- */

struct expr {
	uint8_t b[64];
	size_t n;
};

static void put(struct expr *e, uint64_t v, unsigned n)
{
	for (; n; n--, v >>= 8)
		e->b[e->n++] = (uint8_t)v;
}

/* An operation and a type, by its offset in the unit. */
static void put_type(struct expr *e, uint8_t op, uint64_t off)
{
	e->b[e->n++] = op;
	for (; off > 0x7f; off >>= 7)
		e->b[e->n++] = (uint8_t)(off | 0x80);
	e->b[e->n++] = (uint8_t)off;
}

static void typed_is(const struct xkd_locenv *env, const struct expr *e, uint64_t want,
		     const char *why, const char *name)
{
	struct xkd_value v = { .type = xkd_type_builtin(XKD_BI_ULONG) };

	xkd_location_eval(env, e->b, e->n, &v);
	if (why)
		ok(v.kind == XKD_V_UNAVAIL && strstr(v.why, why), "%s: %s", name, v.why);
	else
		ok(v.kind == XKD_V_RVALUE && v.num == want, "%s%s", name, v.why);
}

/* type: of an int variable at place, whose value is -7. */
static void typed(const struct xkd_ctx *c, const struct xkd_type *type, uint64_t place)
{
	struct xkd_module *mod = xkd_target_kernel(target);
	struct xkd_locenv env = { .ctx = c, .mod = mod };
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_arena arena;
	struct xkd_types *btf;
	struct xkd_dvar *dv;
	struct expr e;
	uint64_t iaddr, t;
	size_t n = 0;

	xkd_arena_init(&arena);
	xkd_mod_providers(target, mod, &btf, &env.dwarf);
	if (!xkd_module_to_image(mod, c->pc_lookup, &iaddr) ||
	    xkd_dwarf_funcs_at(env.dwarf, iaddr, f, XKD_INLINE_MAX, &n, NULL) ||
	    xkd_dwarf_vars(env.dwarf, &f[n - 1], iaddr, &arena, &dv, &n, NULL) || !n) {
		ok(false, "the unit of this function");
		return;
	}
	env.cu = dv[0].cu;
	t = type->id - env.cu;
	xkd_arena_fini(&arena);

	e = (struct expr){ { 0x09, 0xf9 }, 2 }; /* -7 / 2 as ints */
	put_type(&e, 0xa8, t);
	put(&e, 0x32, 1);
	put_type(&e, 0xa8, t);
	put(&e, 0x1b, 1);
	put_type(&e, 0xa8, 0);
	put(&e, SV, 1);
	typed_is(&env, &e, -3ULL, NULL, "convert, division of ints");

	e = (struct expr){ { 0x0c, 0xf9, 0xff, 0xff, 0x7f }, 5 }; /* an int wraps where a long would not */
	put_type(&e, 0xf7, t);
	put(&e, 0x23, 1);
	put(&e, 0x7f, 1);
	put_type(&e, 0xf7, 0);
	put(&e, SV, 1);
	typed_is(&env, &e, (uint64_t)(int64_t)(int)(0x7ffffff9u + 0x7f), NULL, "an int's plus_uconst wraps");

	e = (struct expr){ { 0x0e }, 1 };
	put(&e, place, 8);
	put(&e, 0xa6, 1);
	put_type(&e, 4, t);
	put_type(&e, 0xa8, 0);
	put(&e, SV, 1);
	typed_is(&env, &e, -7ULL, NULL, "deref_type is signed as the type is");

	e = (struct expr){ { 0xa5 }, 1 };
	put_type(&e, 7, t); /* rsp */
	put_type(&e, 0xa8, 0);
	put(&e, SV, 1);
	typed_is(&env, &e, (uint64_t)(int64_t)(int)c->regs.v[target->arch->sp], NULL,
		 "regval_type takes as much as the type has");

	e = (struct expr){ { 0 }, 0 };
	put_type(&e, 0xa4, t);
	put(&e, 4, 1);
	put(&e, 0xfffffffe, 4);
	put_type(&e, 0xa9, t);
	put_type(&e, 0xa8, 0);
	put(&e, SV, 1);
	typed_is(&env, &e, -2ULL, NULL, "const_type, reinterpret");

	e = (struct expr){ { 0x31, 0x31 }, 2 };
	put_type(&e, 0xa8, t);
	put(&e, 0x22, 1);
	put(&e, SV, 1);
	typed_is(&env, &e, 0, "two different types", "an int and a generic value are not added");

	e = (struct expr){ { 0x31 }, 1 };
	put_type(&e, 0xa9, t);
	put(&e, SV, 1);
	typed_is(&env, &e, 0, "another size", "reinterpret to another size");
}

/* ---- the locals of a function of ours ---- */

struct pair {
	long first;
	int second;
};

static void local_is(const struct xkd_ctx *c, const char *name, uint64_t want)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_value v;
	uint64_t got = 0;

	if (xkd_scope_local(c, name, &v, &err) || xkd_value_u64(c, &v, &got, &err))
		ok(false, "%s\n# %s", name, err.msg);
	else
		is_u64(got, want, name);
}

#if defined(__clang__)
#define UNOPTIMISED __attribute__((noinline, optnone))
#else
#define UNOPTIMISED __attribute__((noinline, optimize("O0")))
#endif

UNOPTIMISED static void victim(int number, const char *text, struct pair *p)
{
	static const char *const from[] = { "rsp", "rbp", "rbx", "r12", "r13", "r14", "r15", "rip" };
	static const int greg[] = { REG_RSP, REG_RBP, REG_RBX, REG_R12, REG_R13, REG_R14, REG_R15,
				    REG_RIP };
	long local = 0x123456789;
	int shadow = 1;
	struct pair both = { 11, -12 };
	struct xkd_ctx c;
	struct xkd_local *vars;
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_value v, m;
	uint64_t num = 0;
	size_t n = 0, params = 0;
	ucontext_t uc;

	{
		int shadow = 2; /* an inner block hides it */

		getcontext(&uc);
		for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
			mock_reg(target, from[i], (uint64_t)uc.uc_mcontext.gregs[greg[i]]);
		c = mock_ctx(target);
		c.cfa = (uint64_t)__builtin_dwarf_cfa();
		local_is(&c, "shadow", 2);
		shadow++;
	}
	local_is(&c, "number", (uint64_t)(int64_t)number);
	local_is(&c, "text", (uint64_t)text);
	local_is(&c, "p", (uint64_t)p);
	local_is(&c, "local", (uint64_t)local);
	if (!xkd_scope_local(&c, "number", &v, &err) && v.kind == XKD_V_MEM)
		typed(&c, v.type, v.addr);
	else
		skip("typed operations", "the parameter is not in memory");
	if (!xkd_scope_local(&c, "both", &v, &err) && v.kind == XKD_V_UNAVAIL)
		skip("a member of a local", v.why); /* sanitizers move it where DWARF is not told */
	else
		ok(!xkd_value_member(&c, &v, "second", &m, &err) &&
			   !xkd_value_u64(&c, &m, &num, &err) && num == -12ULL, "a member of a local");
	ok(xkd_scope_local(&c, "nosuch", &v, &err) == XKD_NOTFOUND, "no such local: %s", err.msg);
	xkd_arena_init(&arena);
	ok(!xkd_scope_vars(&c, &arena, &vars, &n, &err), "all of them %s", err.msg);
	for (size_t i = 0; i < n && vars[i].is_param; i++)
		params++;
	ok(params == 3 && !strcmp(vars[0].name, "number") && !strcmp(vars[1].name, "text") &&
		   !strcmp(vars[2].name, "p"), "parameters first, in order");
	xkd_arena_fini(&arena);
	(void)shadow;
	(void)both;
}

int main(void)
{
	struct pair p = { 1, 2 };

	target = mock_open();
	operations();
	if (mock_self(target))
		victim(-7, "text", &p);
	else
		skip("locals", "this program has no debug info");
	mock_close(target);
	return done_testing();
}
