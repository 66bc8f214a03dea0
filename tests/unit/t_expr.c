/* Expressions of both syntaxes: arithmetic against the compiler's, names and members against this
 * very program (its own debug info and memory), errors by their place. */
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "base/buf.h"
#include "engine/lang/expr.h"
#include <stddef.h>
#include <stdlib.h>

/* What C compilers warn of is what is tested here. */
#pragma GCC diagnostic ignored "-Wparentheses"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wdiv-by-zero"

/* ---- what the expressions are about ---- */
enum t_colour { T_RED = 3, T_GREEN = -7, T_BLUE = 0x7fffffff };
struct t_inner {
	int a;
	union {
		uint32_t whole;
		struct {
			uint16_t low, high;
		};
	};
	unsigned flag : 1, three : 3;
	int neg : 5;
	uint64_t wide : 40;
};
struct t_outer {
	char name[16];
	struct t_inner in[3];
	struct t_outer *next;
	int (*fn)(int);
	void *any;
	enum t_colour colour;
	_Bool yes;
	int8_t small;
	uint8_t tail[];
};
int t_twice(int x);
int t_twice(int x)
{
	return 2 * x;
}
struct t_outer t_one = { .name = "one",
			 .in = { { .a = -5,
				   .whole = 0xcafe1234,
				   .flag = 1,
				   .three = 5,
				   .neg = -3,
				   .wide = 0xabcdef0123 },
				 { .a = 7 },
				 { .a = 9 } },
			 .fn = t_twice,
			 .colour = T_GREEN,
			 .yes = 1,
			 .small = -1 };
struct t_outer t_two = { .name = "two", .next = &t_one, .any = &t_one.in[1] };
struct t_outer *t_ptr = &t_two;
uint64_t t_u64 = 0xfedcba9876543210;
int64_t t_s64 = -6000000000;
uint32_t t_u32 = 0xffffffff;
int t_int = -2;
uint16_t t_u16 = 65535;
signed char t_sc = -128;
int t_matrix[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } };
/* a name that the linker keeps as a section of its own */
__attribute__((section("percpu"))) int t_percpu[4096] = { [0] = 100, [1024] = 101, [2048] = 102 };

static struct xkd_target *target;
static uint64_t tregs[20];

static struct xkd_env env(void)
{
	return (struct xkd_env){ .radix = 16, .t = tregs };
}

static void eval_is(enum xkd_syntax syn, const char *text, uint64_t want)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env e = env();
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t got = 0;

	xkd_arena_init(&arena);
	if (xkd_eval_u64(&ctx, &e, syn, text, NULL, &arena, &got, &err))
		ok(false, "%s\n# error: %s", text, err.msg);
	else
		is_u64(got, want, text);
	xkd_arena_fini(&arena);
}

#define MASM(text, want) eval_is(XKD_MASM, text, want)
#define CXX(text, want) eval_is(XKD_CXX, text, (uint64_t)(int64_t)(want))
/* The same text for xkd and for the compiler. */
#define SAME(expr) eval_is(XKD_CXX, #expr, (uint64_t)(expr))

static void fails(enum xkd_syntax syn, const char *text, enum xkd_rc rc, int pos, const char *words)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env e = env();
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t got = 0;
	enum xkd_rc r;

	xkd_arena_init(&arena);
	r = xkd_eval_u64(&ctx, &e, syn, text, NULL, &arena, &got, &err);
	ok(r == rc && err.pos == pos && strstr(err.msg, words),
	   "'%s' fails at %d: %s\n# %s at %d: %s", text, pos, words, xkd_rc_name(r), err.pos,
	   err.msg);
	xkd_arena_fini(&arena);
}

static void masm_numbers(void)
{
	MASM("10", 0x10);
	MASM("0n10", 10);
	MASM("0t17", 017);
	MASM("0y101", 5);
	MASM("0x1f", 0x1f);
	MASM("0FFh", 0xff);
	MASM("ffffffff`c0d2e1f0", 0xffffffffc0d2e1f0);
	MASM("ffffffffffffffff", UINT64_MAX);
	MASM("  1 ", 1);
	fails(XKD_MASM, "10000000000000000", XKD_SYNTAX, 0, "64 bits");
	fails(XKD_MASM, "12zz", XKD_SYNTAX, 2, "no digit");
	fails(XKD_MASM, "0n1f", XKD_SYNTAX, 3, "no digit");
	fails(XKD_MASM, "0x", XKD_SYNTAX, 0, "digits");
}

static void masm_operators(void)
{
	MASM("1+2*3", 7);
	MASM("(1+2)*3", 9);
	MASM("[1+2]*3", 9);
	MASM("10-1-1", 0xe);
	MASM("-1", UINT64_MAX);
	MASM("~0", UINT64_MAX);
	MASM("+5", 5);
	MASM("not 5", 0);
	MASM("not 0", 1);
	MASM("hi 12345678", 0x1234);
	MASM("low 12345678", 0x5678);
	MASM("17 mod 5", 0x17 % 5);
	MASM("17 % 5", 0x17 % 5);
	MASM("100/7", 0x100 / 7);
	MASM("-1 / 2", UINT64_MAX / 2); /* unsigned, as in kd */
	MASM("1<<4", 0x10);
	MASM("1<<0n64", 0);
	MASM("-1>>3f", 1);
	MASM("-10>>>2", (uint64_t)((int64_t)-0x10 >> 2));
	MASM("6&3", 2);
	MASM("6 and 3", 2);
	MASM("6^3", 5);
	MASM("6 xor 3", 5);
	MASM("6|3", 7);
	MASM("6 or 3", 7);
	MASM("1=1", 1);
	MASM("1==2", 0);
	MASM("1!=2", 1);
	MASM("2<1", 0);
	MASM("2>1", 1);
	MASM("2<=2", 1);
	MASM("-1>=2", 1);
	MASM("1+1<<1+1", 8);
	MASM("1|2^3&1", 1 | (2 ^ (3 & 1)));
	MASM("5-3=2", 1);
	MASM("$scmp(\"abc\",\"abd\")", UINT64_MAX);
	MASM("$scmp(\"abc\",\"abc\")", 0);
	MASM("$sicmp(\"ABC\",\"abc\")", 0);
	MASM("$spat(\"kvm_vcpu\",\"KVM_*\")", 1);
	MASM("$spat(\"kvm_vcpu\",\"xen*\")", 0);
	fails(XKD_MASM, "1/0", XKD_SYNTAX, 1, "division by zero");
	fails(XKD_MASM, "1+", XKD_SYNTAX, 2, "too early");
	fails(XKD_MASM, "(1", XKD_SYNTAX, 2, "')' is missing");
	fails(XKD_MASM, "1 2", XKD_SYNTAX, 2, "extra characters");
	fails(XKD_MASM, "*3", XKD_SYNTAX, 0, "a value is wanted");
	fails(XKD_MASM, "$scmp(\"a\",1)", XKD_SYNTAX, 10, "string");
	fails(XKD_MASM, "\"abc", XKD_SYNTAX, 0, "quote");
}

static void masm_memory(void)
{
	static uint8_t page[32] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99 };

	mock_seg(target, 0xffffffff81000000, page, sizeof(page));
	MASM("by ffffffff`81000000", 0x11);
	MASM("wo(ffffffff81000000)", 0x2211);
	MASM("dwo(ffffffff81000000)", 0x44332211);
	MASM("qwo(ffffffff81000000)", 0x8877665544332211);
	MASM("poi(ffffffff81000000+1)", 0x9988776655443322);
	MASM("poi ffffffff81000000 + 1", 0x8877665544332212);
	MASM("$vvalid(ffffffff81000000, 20)", 1);
	MASM("$vvalid(ffffffff81000000, 2000)", 0);
	MASM("$vvalid(10, 1)", 0);
	fails(XKD_MASM, "poi(10)", XKD_NOTMAPPED, -1, "00000000`00000010");
}

static void registers(void)
{
	mock_reg(target, "rax", 0x1122334455667788);
	mock_reg(target, "rip", 0xffffffff81234567);
	mock_reg(target, "rsp", 0xffffc90000001000);
	MASM("@rax", 0x1122334455667788);
	MASM("rax", 0x1122334455667788);
	MASM("@eax", 0x55667788);
	MASM("@ax", 0x7788);
	MASM("@ah", 0x77);
	MASM("@al+1", 0x89);
	MASM(".", 0xffffffff81234567);
	MASM("@$ip", 0xffffffff81234567);
	MASM("$ip", 0xffffffff81234567);
	MASM("@$csp", 0xffffc90000001000);
	MASM("@$ptrsize", 8);
	MASM("@@c++(@rax == 0x1122334455667788 ? 7 : 8)", 7);
	MASM("@@(010)+10", 0x18); /* octal inside, hex outside */
	CXX("@@masm(10)+10", 26);
	CXX("@eax", 0x55667788);
	CXX("sizeof(@ax)", 2);
	CXX("sizeof(int (*)[4])", sizeof(int (*)[4]));
	CXX("sizeof(*(char (*)[4][2])@rsp)", sizeof(char[4][2]));
	CXX("(char *)((int (*)[4])0x100 + 1)", 0x110);
	tregs[3] = 77;
	MASM("@$t3", 77);
	CXX("@$t3 += 3, @$t3", 80);
	is_u64(tregs[3], 80, "$t3 holds it");
	CXX("@rbx = 0x55", 0x55);
	is_u64(mock_reg_now(target, "rbx"), 0x55, "the register is set");
	CXX("@bl = 0x99", 0x99);
	is_u64(mock_reg_now(target, "rbx"), 0x99, "a part of a register is set");
	CXX("@bh = 0x12", 0x12);
	is_u64(mock_reg_now(target, "rbx"), 0x1299, "its second byte, too");
	fails(XKD_MASM, "@nosuch", XKD_NOTFOUND, -1, "no register nosuch");
	fails(XKD_MASM, "@$t20", XKD_NOTFOUND, -1, "$t19");
}

static void cxx_arithmetic(void)
{
	SAME(1 + 2 * 3 - 4 / 2 % 3);
	SAME(-7 / 2);
	SAME(-7 % 3);
	SAME(7u / 2);
	SAME(0xffffffff + 1);
	SAME(0xffffffffu + 1);
	SAME(0x7fffffff);
	SAME(4294967295);
	SAME(1 << 30);
	SAME(-1 >> 1);
	SAME(-1u >> 1);
	SAME(-1 < 1u);
	SAME(-1 < 1);
	SAME(-1L < 1u);
	SAME(~0);
	SAME(~0u);
	SAME(!5 + !0);
	SAME(5 & 3 | 4 ^ 1);
	SAME(1 == 1 != 0);
	SAME(1 ? 2 : 3);
	SAME(0 ? 2 : 0 ? 3 : 4);
	SAME(0 && 1 / 0);
	SAME(1 || 1 / 0);
	SAME((char)200);
	SAME((unsigned char)-1);
	SAME((short)0x18000);
	SAME((unsigned long)-1);
	SAME((_Bool)256);
	SAME('a' + '\n' + '\\');
	SAME(017 + 0x1F);
	SAME(sizeof(int) + sizeof(unsigned long[4]) + sizeof 'a' * 0);
	SAME((-5) * 3);
	SAME(-(5) - -3);
	CXX("0x1234`56789abc", 0x123456789abc);
	CXX("ffffffff`81000000", 0xffffffff81000000); /* as it is printed */
	CXX("(00000000`00000010+1)*2", 0x22);
	CXX("12345678`00000000", 0x1234567800000000);
	fails(XKD_CXX, "ffffffff`8100", XKD_SYNTAX, 8, "quote");
	fails(XKD_CXX, "fffffff`81000000", XKD_SYNTAX, 7, "quote");
	CXX("(1, 2)", 2);
	fails(XKD_CXX, "1/0", XKD_SYNTAX, 1, "division by zero");
	fails(XKD_CXX, "1 << 32", XKD_SYNTAX, 2, "shift");
	fails(XKD_CXX, "1 +* 2", XKD_UNSUPPORTED, -1, "not a pointer");
	fails(XKD_CXX, "(int", XKD_SYNTAX, 4, "')' is missing");
	fails(XKD_CXX, "1 ? 2", XKD_SYNTAX, 5, "':' is missing");
	fails(XKD_CXX, "a.1", XKD_SYNTAX, 2, "member's name");
	fails(XKD_CXX, "3 = 4", XKD_UNSUPPORTED, -1, "not something that can be set");
}

static void cxx_names(void)
{
	SAME(t_int);
	SAME(t_u32 + 1);
	SAME(t_u16 + 1);
	SAME(t_int * t_u32);
	SAME(t_int < t_u32);
	SAME(t_s64 < t_u32);
	SAME(t_s64 / 7);
	SAME(t_sc - 1);
	SAME(t_u64 >> 60);
	SAME(t_one.in[0].a);
	SAME(t_one.in[0].low);
	SAME(t_one.in[0].high);
	SAME(t_one.in[0].flag + t_one.in[0].three * 10);
	SAME(t_one.in[0].neg);
	SAME(t_one.in[0].wide);
	SAME(t_ptr->next->in[1].a);
	SAME((*t_ptr).next->in[2].a);
	SAME((uint64_t)t_ptr->next->in);
	SAME((uint64_t)&t_ptr->next->in[1]);
	SAME(t_ptr->any == (void *)&t_one.in[1]);
	SAME((uint64_t)t_one.fn);
	SAME(t_one.fn == t_twice);
	SAME((uint64_t)&t_twice);
	SAME((uint64_t)(t_one.in + 2));
	SAME((uint64_t)(2 + t_one.in));
	SAME(&t_one.in[2] - &t_one.in[0]);
	SAME((uint64_t)((char *)t_ptr + 8));
	SAME((uint64_t)(t_ptr + 1));
	SAME((uint64_t)(t_ptr->any + 3));
	SAME(t_matrix[1][2]);
	SAME(*(*(t_matrix + 1) + 1));
	SAME(*t_matrix[1]);
	SAME(2 [t_matrix[0]]);
	SAME(t_one.colour);
	SAME(t_one.colour == T_GREEN);
	SAME(T_RED + T_GREEN);
	SAME(T_BLUE - T_RED);
	SAME(T_GREEN);
	SAME(t_one.yes);
	SAME(t_one.small);
	SAME(t_one.name[1]);
	SAME(*t_one.name);
	SAME(((struct t_outer *)(unsigned long)&t_one)->in[0].a);
	SAME(sizeof(struct t_outer));
	SAME(sizeof(t_one.in) + sizeof t_ptr + sizeof *t_ptr);
	SAME(sizeof(uint64_t) + sizeof(uint64_t *));
	SAME((uint8_t)t_u64);
	SAME((uint8_t)-1);
	SAME((t_int) + 1);
	SAME((t_int)-1);
	SAME(!t_ptr);
	SAME(-t_int);
	SAME((uint64_t)&t_one.tail);
	CXX("offsetof(struct t_outer, in[1].high)", offsetof(struct t_outer, in[1].high));
	CXX("offsetof(t_outer, colour)", offsetof(struct t_outer, colour));
	CXX("container_of(t_two.any, struct t_outer, in[1])->small", -1);
	CXX("((t_outer *)&t_one)->in[1].a", 7);
	CXX("(t_outer*)&t_one == &t_one", 1);
	CXX("t_two.next.in[1].a", 7);
	CXX("lk!t_int", -2);
	CXX("per_cpu(t_percpu[0], 0) * 1000 + per_cpu(t_percpu[0], 1)", 100101);
	CXX("*per_cpu_ptr(&t_percpu[0], 2)", 102);
	/* the mock's CPU is the kernel's number 2 */
	CXX("t_percpu[0]", 102);
	CXX("*t_percpu", 102);
	CXX("this_cpu(t_percpu[0])", 102);
	CXX("*this_cpu_ptr(&t_percpu[0])", 102);
	CXX("&t_percpu[0] == per_cpu_ptr(&t_percpu[0], 2)", 1);
	MASM("lk!t_int", (uint64_t)&t_int);
	MASM("t_int+4", (uint64_t)&t_int + 4);
	MASM("@!\"t_int\"", (uint64_t)&t_int);
	MASM("poi(t_ptr)", (uint64_t)&t_two);
	MASM("@@c++(t_one.in[0].a)", (uint64_t)(int64_t)-5);
	MASM("@@c++(t_one)", (uint64_t)&t_one);
	fails(XKD_CXX, "offsetof(struct t_outer, in[0].three)", XKD_SYNTAX, 31, "bit-field");
	fails(XKD_CXX, "t_one.nosuch", XKD_NOTFOUND, -1, "struct t_outer has no member nosuch");
	fails(XKD_CXX, "t_one + 1", XKD_UNSUPPORTED, -1, "struct t_outer is not a number");
	fails(XKD_CXX, "t_twice(3)", XKD_SYNTAX, 7, "not called");
	fails(XKD_CXX, "*t_two.any", XKD_UNSUPPORTED, -1, "void pointer");
	fails(XKD_CXX, "&t_one.in[0].flag", XKD_UNSUPPORTED, -1, "bit-field");
	fails(XKD_CXX, "t_ptr * 2", XKD_SYNTAX, 6, "pointers");
	fails(XKD_CXX, "no_such_name_at_all", XKD_NOTFOUND, -1, "no_such_name_at_all");
	fails(XKD_CXX, "(struct t_nosuch *)0", XKD_NOTFOUND, -1, "t_nosuch");
	fails(XKD_CXX, "nomod!x", XKD_NOTFOUND, -1, "nomod");
	fails(XKD_CXX, "*(int *)8", XKD_NOTMAPPED, -1, "00000000`00000008");
}

static void cxx_assignment(void)
{
	CXX("t_int = 41", 41);
	CXX("t_int += 1", 42);
	is_u64((uint64_t)t_int, 42, "memory was written");
	CXX("t_int++", 42);
	CXX("t_int", 43);
	CXX("--t_int", 42);
	CXX("t_u16 += 2", 44 - 42 + 65535 - 65536);
	t_u16 = 65535;
	CXX("++t_u16", 0);
	CXX("t_one.in[0].three = 2", 2);
	ok(t_one.in[0].three == 2 && t_one.in[0].flag == 1 && t_one.in[0].neg == -3,
	   "a bit-field is written alone");
	CXX("t_one.in[0].wide = 0x1122334455", 0x1122334455);
	ok(t_one.in[0].wide == 0x1122334455, "a wide one");
	CXX("t_one.in[0].wide ^= 1, t_one.in[0].wide", 0x1122334454);
	CXX("t_ptr->next->in[2].a <<= 2", 36);
	CXX("t_one.yes = 8", 1);
	CXX("t_ptr++, t_ptr == &t_two + 1", 1);
	t_ptr = &t_two;
	fails(XKD_CXX, "t_one = t_two", XKD_UNSUPPORTED, -1, "only numbers");
	fails(XKD_CXX, "t_matrix[0] = 1", XKD_UNSUPPORTED, -1, "cast");
}

static void no_effects(void)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env e = { .radix = 16, .t = tregs, .no_side_effects = true };
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t got;

	xkd_arena_init(&arena);
	t_int = 5;
	ok(xkd_eval_u64(&ctx, &e, XKD_CXX, "t_int = 6", NULL, &arena, &got, &err) ==
			   XKD_UNSUPPORTED &&
		   t_int == 5,
	   "nothing is set where nothing may be");
	ok(xkd_eval_u64(&ctx, &e, XKD_CXX, "@$t1 = 6", NULL, &arena, &got, &err) == XKD_UNSUPPORTED,
	   "nor a pseudo-register");
	xkd_arena_fini(&arena);
}

static void ends(void)
{
	static const struct {
		enum xkd_syntax syn;
		const char *text;
		size_t used;
		uint64_t val;
	} t[] = {
		{ XKD_MASM, "1 + 2 L10", 5, 3 },     { XKD_MASM, "10;g", 2, 0x10 },
		{ XKD_MASM, "(5) 'a' ; 'b'", 3, 5 }, { XKD_MASM, "5 \"x\"", 1, 5 },
		{ XKD_CXX, "1 + 2 foo", 5, 3 },	     { XKD_CXX, "3; 4", 1, 3 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct xkd_ctx ctx = mock_ctx(target);
		struct xkd_env e = env();
		struct xkd_arena arena;
		struct xkd_err err = XKD_ERR_INIT;
		const char *end = NULL;
		uint64_t got = 0;
		enum xkd_rc rc;

		xkd_arena_init(&arena);
		rc = xkd_eval_u64(&ctx, &e, t[i].syn, t[i].text, &end, &arena, &got, &err);
		ok(!rc && got == t[i].val && end == t[i].text + t[i].used,
		   "'%s' ends after %zu: %s", t[i].text, t[i].used, err.msg);
		xkd_arena_fini(&arena);
	}
}

/* Depth must be refused, not overflow the stack. */
static void deep(char open, char close, enum xkd_syntax syn)
{
	static char text[60001];
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env e = env();
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t got;

	memset(text, open, 60000);
	text[30000] = '1';
	if (close)
		memset(text + 30001, close, 29999);
	else
		text[30001] = 0;
	xkd_arena_init(&arena);
	ok(xkd_eval_u64(&ctx, &e, syn, text, NULL, &arena, &got, &err) == XKD_SYNTAX &&
		   strstr(err.msg, "too deep"),
	   "30000 times '%c': %s", open, err.msg);
	xkd_arena_fini(&arena);
}

static void radix(void)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env e = { .radix = 10 };
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t got = 0;

	xkd_arena_init(&arena);
	ok(!xkd_eval_u64(&ctx, &e, XKD_MASM, "10+0x10", NULL, &arena, &got, &err) && got == 26,
	   "radix 10");
	xkd_arena_fini(&arena);
}

static void no_target(void)
{
	struct xkd_ctx ctx = { .cpu = -1 };
	struct xkd_env e = env();
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t got = 0;

	xkd_arena_init(&arena);
	ok(!xkd_eval_u64(&ctx, &e, XKD_MASM, "1+2", NULL, &arena, &got, &err) && got == 3,
	   "sums need no target");
	ok(xkd_eval_u64(&ctx, &e, XKD_MASM, "poi(5)", NULL, &arena, &got, &err) == XKD_UNSUPPORTED,
	   "memory does: %s", err.msg);
	ok(xkd_eval_u64(&ctx, &e, XKD_MASM, "foo", NULL, &arena, &got, &err) == XKD_NOTFOUND,
	   "symbols do: %s", err.msg);
	ok(xkd_eval_u64(&ctx, &e, XKD_CXX, "*(int *)5", NULL, &arena, &got, &err) != XKD_OK,
	   "pointers do: %s", err.msg);
	ok(xkd_eval_u64(&ctx, &e, XKD_MASM, "@rax", NULL, &arena, &got, &err) == XKD_NOTFOUND,
	   "registers do: %s", err.msg);
	xkd_arena_fini(&arena);
}

int main(void)
{
	no_target();
	target = mock_open();
	masm_numbers();
	masm_operators();
	masm_memory();
	registers();
	cxx_arithmetic();
	ends();
	radix();
	deep('(', ')', XKD_MASM);
	deep('(', ')', XKD_CXX);
	deep('-', 0, XKD_MASM);
	deep('-', 0, XKD_CXX);
	deep('!', 0, XKD_CXX);
	if (mock_self(target)) {
		cxx_names();
		cxx_assignment();
		no_effects();
	} else {
		skip("names", "this program has no debug info");
	}
	mock_close(target);
	return done_testing();
}
