/* Steps from value to value and type names, without debug info: built-in types over a table of
 * memory, and what must be refused. */
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "engine/lang/expr.h"
#include "engine/lang/print.h"
#include "base/str.h"
#include <stdlib.h>

static struct xkd_target *target;
static struct xkd_ctx ctx;
static uint8_t memory[32];

static const struct xkd_type *bi(enum xkd_builtin b)
{
	return xkd_type_builtin(b);
}

static uint64_t num(const struct xkd_value *v)
{
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t n = 0xbadbadbad;

	if (xkd_value_u64(&ctx, v, &n, &err))
		printf("# %s\n", err.msg);
	return n;
}

static void reading(void)
{
	static const struct {
		enum xkd_builtin b;
		uint64_t want;
	} t[] = {
		{ XKD_BI_CHAR, -128ULL },
		{ XKD_BI_UCHAR, 0x80 },
		{ XKD_BI_SHORT, 0x0180 },
		{ XKD_BI_USHORT, 0x0180 },
		{ XKD_BI_INT, (uint64_t)(int64_t)(int32_t)0xff020180 },
		{ XKD_BI_UINT, 0xff020180 },
		{ XKD_BI_LONG, 0x87654321ff020180 },
		{ XKD_BI_ULONG, 0x87654321ff020180 },
	};
	struct xkd_value v, out;
	struct xkd_err err = XKD_ERR_INIT;

	xkd_put_le(memory, 0x87654321ff020180, 8);
	xkd_put_le(memory + 8, 0xaa, 8);
	ctx = mock_ctx(target);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		v = xkd_value_mem(bi(t[i].b), 0x1000, NULL);
		is_u64(num(&v), t[i].want, "reads and extends");
		v = xkd_value_num(bi(t[i].b), 0x87654321ff020180);
		is_u64(num(&v), t[i].want, "cuts and extends a number");
	}
	v = xkd_value_mem(xkd_type_array_of(bi(XKD_BI_INT), 4), 0x1000, NULL);
	ok(!xkd_value_index(&ctx, &v, 1, &out, &err) && out.addr == 0x1004, "element 1");
	is_u64(num(&out), (uint64_t)(int64_t)(int32_t)0x87654321, "its value");
	ok(!xkd_value_index(&ctx, &v, -1, &out, &err) && out.addr == 0xffc, "element -1 is C's");
	is_u64(num(&v), 0x1000, "an array is its address");
	ok(!xkd_value_addrof(&ctx, &out, &v, &err) && num(&v) == 0xffc, "&v[-1]");
	ok(xkd_value_addrof(&ctx, &v, &out, &err) == XKD_UNSUPPORTED, "&&: %s", err.msg);
	v = xkd_value_mem(bi(XKD_BI_INT), 0x1000 + sizeof(memory) - 2, NULL);
	ok(xkd_value_u64(&ctx, &v, &(uint64_t){ 0 }, &err) == XKD_NOTMAPPED,
	   "half an int is no int: %s", err.msg);
	v = xkd_value_mem(bi(XKD_BI_VOID), 0x1000, NULL);
	ok(xkd_value_u64(&ctx, &v, &(uint64_t){ 0 }, &err) == XKD_UNSUPPORTED &&
		   strstr(err.msg, "cast"),
	   "no type: %s", err.msg);
	v = (struct xkd_value){ .type = bi(XKD_BI_INT), .kind = XKD_V_UNAVAIL, .why = "gone" };
	ok(xkd_value_u64(&ctx, &v, &(uint64_t){ 0 }, &err) == XKD_UNSUPPORTED &&
		   strstr(err.msg, "gone"),
	   "unavailable: %s", err.msg);
	ok(xkd_value_assign(&ctx, &v, 1, &err) == XKD_UNSUPPORTED, "nor set");
}

static void pointers(void)
{
	struct xkd_value p = xkd_value_num(xkd_type_ptr_to(bi(XKD_BI_UCHAR)), 0x1008), v;
	struct xkd_err err = XKD_ERR_INIT;

	ok(!xkd_value_deref(&ctx, &p, &v, &err) && num(&v) == 0xaa, "*p");
	ok(!xkd_value_index(&ctx, &p, -7, &v, &err) && num(&v) == 0x01, "p[-7]");
	ok(!xkd_value_cast(&ctx, &p, bi(XKD_BI_UCHAR), &v, &err) && num(&v) == 8, "(char)p");
	ok(!xkd_value_cast(&ctx, &p, bi(XKD_BI_BOOL), &v, &err) && num(&v) == 1, "(bool)p");
	p.type = xkd_type_ptr_to(bi(XKD_BI_VOID));
	ok(xkd_value_deref(&ctx, &p, &v, &err) == XKD_UNSUPPORTED, "*(void *): %s", err.msg);
	ok(xkd_value_member(&ctx, &p, "x", &v, &err) == XKD_UNSUPPORTED, "->x: %s", err.msg);
	p = xkd_value_num(bi(XKD_BI_INT), 5);
	ok(xkd_value_deref(&ctx, &p, &v, &err) == XKD_UNSUPPORTED, "*5: %s", err.msg);
	ok(xkd_value_cast(&ctx, &p, xkd_type_array_of(bi(XKD_BI_INT), 2), &v, &err) ==
		   XKD_UNSUPPORTED,
	   "(int [2])5: %s", err.msg);
}

static void bits(void)
{
	struct xkd_value v = xkd_value_mem(bi(XKD_BI_INT), 0x1010, NULL);
	struct xkd_err err = XKD_ERR_INIT;

	memset(memory + 16, 0xff, 16);
	for (unsigned off = 0; off < 8; off++) {
		for (unsigned size = 1; size <= 64; size += 7) {
			uint64_t got, want = 0x123456789abcdef0 &
					     (size == 64 ? ~0ULL : (1ULL << size) - 1);

			memset(memory + 16, 0xff, 16);
			v = xkd_value_mem(bi(XKD_BI_ULONG), 0x1010, NULL);
			v.bit_off = off;
			v.bit_size = size;
			ctx = mock_ctx(target);
			if (xkd_value_assign(&ctx, &v, want, &err))
				break;
			ctx = mock_ctx(target);
			got = num(&v);
			/* all other bits stay */
			uint64_t low = xkd_get_le(memory + 16, 8),
				 high = xkd_get_le(memory + 24, 8);
			uint64_t holes = off ? low & ((1ULL << off) - 1) : 0;

			if (got != want || holes != (off ? (1ULL << off) - 1 : 0) ||
			    (off + size < 64 && low >> (off + size) != ~0ULL >> (off + size)) ||
			    (off + size <= 64 && high != ~0ULL) ||
			    (off + size > 64 &&
			     high >> (off + size - 64) != ~0ULL >> (off + size - 64))) {
				ok(false, "bit-field of %u at %u: 0x%" PRIx64, size, off, got);
				return;
			}
		}
	}
	ok(true, "bit-fields of all places and sizes, their neighbours untouched");
	v = xkd_value_mem(bi(XKD_BI_INT), 0x1010, NULL);
	v.bit_off = 3;
	v.bit_size = 5;
	memory[16] = 0xf8;
	ctx = mock_ctx(target);
	is_u64(num(&v), -1ULL, "a signed one is extended");
	ok(xkd_value_addrof(&ctx, &v, &v, &err) == XKD_UNSUPPORTED, "it has no address: %s",
	   err.msg);
}

static void in_bytes(void)
{
	static const uint8_t b[] = { 1, 0, 2, 0, 3, 0 };
	struct xkd_value v = { .type = xkd_type_array_of(bi(XKD_BI_USHORT), 3),
			       .kind = XKD_V_BYTES,
			       .bytes = b,
			       .nbytes = sizeof(b) },
			 e;
	struct xkd_err err = XKD_ERR_INIT;
	uint8_t copy[8];
	size_t n;

	ok(!xkd_value_index(&ctx, &v, 2, &e, &err) && num(&e) == 3, "element of bytes");
	ok(xkd_value_index(&ctx, &v, 3, &e, &err) == XKD_BADDATA, "not behind them: %s", err.msg);
	ok(xkd_value_index(&ctx, &v, -1, &e, &err) == XKD_BADDATA, "nor before");
	ok(!xkd_value_bytes(&ctx, &v, copy, sizeof(copy), &n, &err) && n == 6 &&
		   !memcmp(copy, b, 6),
	   "all of them");
	v.nbytes = 3;
	ok(xkd_value_index(&ctx, &v, 1, &e, &err) == XKD_BADDATA, "too few bytes: %s", err.msg);
}

static void type_is(const char *text, const char *want)
{
	const struct xkd_type *t;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b = XKD_BUF_INIT;

	if (xkd_parse_type(&ctx, text, NULL, &t, NULL, &err))
		xkd_buf_printf(&b, "%d: %s", err.pos, err.msg);
	else
		xkd_type_spell(t, NULL, &b);
	is_str(b.s, want, text);
	xkd_buf_fini(&b);
}

static void type_names(void)
{
	const struct xkd_type *t;
	struct xkd_err err = XKD_ERR_INIT;
	const char *end, *text = "unsigned long * foo";

	type_is("int", "int");
	type_is("unsigned long", "unsigned long");
	type_is("long unsigned int", "unsigned long");
	type_is("unsigned __int64", "unsigned long long");
	type_is("const char *", "char *"); /* qualifiers change no value */
	type_is("void * const *", "void **");
	type_is("int [3]", "int [3]");
	type_is("int [3][4]", "int [3][4]");
	type_is("char *[0x10]", "char *[16]");
	type_is("int []", "int []");
	type_is("struct", "6: a type's name is missing");
	type_is("", "0: a type's name is missing");
	type_is("int x", "4: extra characters after the type");
	type_is("int [x]", "5: an array's bound is a number");
	type_is("int [4", "6: ']' is missing");
	type_is("int (*)(void)", "4: types of function pointers are not taken; use void *");
	type_is("struct foo", "-1: no type foo: no module is known");
	type_is("int *****************", "20: too many '*'");
	ok(!xkd_parse_type(&ctx, text, &end, &t, NULL, &err) && end == text + 15,
	   "stops where it ends");
}

int main(void)
{
	target = mock_open();
	mock_seg(target, 0x1000, memory, sizeof(memory));
	reading();
	pointers();
	bits();
	in_bytes();
	type_names();
	mock_close(target);
	return done_testing();
}
