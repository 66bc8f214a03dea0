/* The layouts of dt, ??, dv on objects of this program. Offsets and sizes in the wanted text come
 * from the compiler (offsetof, sizeof) or are fixed by the ABI. */
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "base/out.h"
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/lang/expr.h"
#include "engine/lang/print.h"
#include <stddef.h>
#include <stdlib.h>

enum p_bus { P_MMIO, P_PIO, P_NR };
struct list_head {
	struct list_head *next, *prev;
};
typedef struct {
	int counter;
} atomic_t;
typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;
struct p_dev {
	int (*read)(struct p_dev *d);
	struct p_dev *peer;
};
struct p_range {
	uint64_t addr;
	int len;
	struct p_dev *dev;
};
struct kvm_io_bus { /* the name that the table of counters knows */
	int dev_count;
	int ioeventfd_count;
	struct p_range range[];
};
struct p_all {
	signed char sc;
	unsigned char uc;
	short s;
	unsigned short us;
	int i;
	unsigned u;
	long l;
	unsigned long ul;
	_Bool yes;
	char text[8];
	unsigned char raw[4];
	enum p_bus bus;
	unsigned one : 1, three : 3;
	enum p_bus small : 2;
	union {
		uint32_t word;
		struct {
			uint16_t low, high;
		};
	};
	struct {
		int inside;
	} unnamed;
	struct list_head list;
	atomic_t users;
	refcount_t refs;
	int *ip;
	const char *str;
	void *null;
	int (*fn)(struct p_dev *d);
	int many[3];
	struct p_range ranges[2];
	struct p_all *self;
	double d;
	float f;
	unsigned __int128 big;
};
int p_read(struct p_dev *d);
int p_read(struct p_dev *d)
{
	return d != NULL;
}
struct p_dev p_dev = { p_read, &p_dev };
int p_int = 5;
struct p_all p_all = {
	.sc = -65,
	.uc = 'A',
	.s = -2,
	.us = 0xffff,
	.i = 42,
	.u = 0x80000000,
	.l = -1,
	.ul = 0xffff8e72dd084960,
	.yes = 1,
	.text = "a\"b\x01",
	.raw = { 0xde, 0xad },
	.bus = P_PIO,
	.one = 1,
	.three = 5,
	.small = P_NR,
	.word = 0x12345678,
	.unnamed = { 9 },
	.list = { &p_all.list, &p_all.list },
	.users = { 3 },
	.refs = { { 4 } },
	.ip = &p_int,
	.str = "hello",
	.fn = p_read,
	.many = { 1, 2, 3 },
	.ranges = { { 0x20, 2, &p_dev }, { 0x40, 4, NULL } },
	.self = &p_all,
	.d = 1.5,
	.f = 0.25,
	.big = (unsigned __int128)1 << 64,
};
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-variable-sized-type-not-at-end"
#endif
static struct {
	struct kvm_io_bus bus;
	struct p_range r[3];
} p_bus_store = { { .dev_count = 2 },
		  { { 0x20, 2, &p_dev }, { 0x61, 4, &p_dev }, { 9, 9, NULL } } };
struct kvm_io_bus *p_bus = &p_bus_store.bus;
struct p_open {
	int n;
	char text[];
} p_open_store = { 1 }, *p_open = &p_open_store;
int p_matrix[2][2] = { { 1, 2 }, { 3, 4 } };
enum p_bus p_odd = (enum p_bus)77;

static struct xkd_target *target;
static struct xkd_arena arena;

static struct xkd_value value(const char *expr)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env env = { .radix = 16 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_value v = { 0 };

	if (xkd_eval(&ctx, &env, XKD_CXX, expr, NULL, &arena, &v, &err)) {
		printf("# %s: %s\n", expr, err.msg);
		exit(1);
	}
	return v;
}

enum mode { TYPE, VALUE, FIELDS };

static void prints(enum mode mode, const char *what, const struct xkd_print_opts *o,
		   const char *want)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_buf text = XKD_BUF_INIT;
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_print_opts none = { 0 };
	const struct xkd_type *type;
	struct xkd_module *mod = NULL;
	struct xkd_bufsink sink;
	struct xkd_out out;
	struct xkd_value v;
	char name[128];
	enum xkd_rc rc;

	o = o ? o : &none;
	xkd_out_init(&out);
	xkd_bufsink_init(&sink, &text);
	xkd_out_add_sink(&out, &sink.sink);
	if (mode == TYPE) {
		rc = xkd_parse_type(&ctx, what, NULL, &type, &mod, &err);
		if (!rc)
			rc = xkd_print_type(&ctx, &out, mod, type, o, &err);
	} else {
		v = value(what);
		rc = mode == VALUE ? xkd_print_value(&ctx, &out, &v, o, &err)
				   : xkd_print_struct_at(&ctx, &out, &v, o, &err);
	}
	if (rc)
		xkd_buf_printf(&text, "error: %s\n", err.msg);
	snprintf(name, sizeof(name), "%s of %s",
		 mode == TYPE	 ? "type"
		 : mode == VALUE ? "value"
				 : "fields",
		 what);
	is_str(text.s, want, name);
	xkd_out_fini(&out);
	xkd_buf_fini(&text);
}

/* Text with addresses in it. */
__attribute__((format(printf, 1, 2))) static const char *fmt(const char *f, ...)
{
	struct xkd_buf b = XKD_BUF_INIT;
	const char *s;
	va_list ap;

	va_start(ap, f);
	xkd_buf_vprintf(&b, f, ap);
	va_end(ap);
	s = xkd_arena_strdup(&arena, b.s);
	xkd_buf_fini(&b);
	return s;
}
#define A(p) XKD_ADDR((uint64_t)(uintptr_t)(p))

static void types(void)
{
	prints(TYPE, "struct kvm_io_bus", NULL,
	       "   +0x000 dev_count        : Int4B\n"
	       "   +0x004 ioeventfd_count  : Int4B\n"
	       "   +0x008 range            : [0] p_range\n");
	prints(TYPE, "struct kvm_io_bus", &(struct xkd_print_opts){ .verbose = true },
	       "struct kvm_io_bus, 3 elements, 0x8 bytes\n"
	       "   +0x000 dev_count        : Int4B\n"
	       "   +0x004 ioeventfd_count  : Int4B\n"
	       "   +0x008 range            : [0] struct p_range, 3 elements, 0x18 bytes\n");
	prints(TYPE, "struct p_range", &(struct xkd_print_opts){ .depth = 3 },
	       "   +0x000 addr             : Uint8B\n"
	       "   +0x008 len              : Int4B\n"
	       "   +0x010 dev              : Ptr64 p_dev\n"
	       "      +0x000 read             : Ptr64     int\n"
	       "      +0x008 peer             : Ptr64 p_dev\n");
	prints(TYPE, "struct p_range", &(struct xkd_print_opts){ .no_offsets = true },
	       "   addr             : Uint8B\n"
	       "   len              : Int4B\n"
	       "   dev              : Ptr64 p_dev\n");
	prints(TYPE, "struct p_range", &(struct xkd_print_opts){ .compact = true },
	       "addr : Uint8B  len : Int4B  dev : Ptr64 p_dev\n");
	prints(TYPE, "enum p_bus", NULL, "   P_MMIO = 0n0\n   P_PIO = 0n1\n   P_NR = 0n2\n");
	prints(TYPE, "unsigned long", NULL, "Uint8B\n");
	prints(TYPE, "struct p_range *[4]", NULL, "[4] Ptr64 p_range\n");
	prints(TYPE, "void *", NULL, "Ptr64 Void\n");
	prints(TYPE, "refcount_t", NULL, "   +0x000 refs             : atomic_t\n");
}

static void layout_of_all(void)
{
	const struct {
		const char *name, *type;
		size_t off;
	} f[] = {
#define F(n, t) { #n, t, offsetof(struct p_all, n) }
		F(sc, "Char"),
		F(uc, "UChar"),
		F(s, "Int2B"),
		F(us, "Uint2B"),
		F(i, "Int4B"),
		F(u, "Uint4B"),
		F(l, "Int8B"),
		F(ul, "Uint8B"),
		F(yes, "Bool"),
		F(text, "[8] Char"),
		F(raw, "[4] UChar"),
		F(bus, "p_bus"),
		{ "one", "Pos 0, 1 Bit", offsetof(struct p_all, bus) + 4 },
		{ "three", "Pos 1, 3 Bits", offsetof(struct p_all, bus) + 4 },
		{ "small", "Pos 4, 2 Bits", offsetof(struct p_all, bus) + 4 },
		F(word, "Uint4B"),
		F(low, "Uint2B"),
		F(high, "Uint2B"),
		F(unnamed, "<unnamed-tag>"),
		F(list, "list_head"),
		F(users, "atomic_t"),
		F(refs, "refcount_struct"),
		F(ip, "Ptr64 Int4B"),
		F(str, "Ptr64 Char"),
		F(null, "Ptr64 Void"),
		F(fn, "Ptr64     int"),
		F(many, "[3] Int4B"),
		F(ranges, "[2] p_range"),
		F(self, "Ptr64 p_all"),
		F(d, "Double"),
		F(f, "Float"),
		F(big, "Uint16B"),
	};
	struct xkd_buf want = XKD_BUF_INIT;

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++)
		xkd_buf_printf(&want, "   +0x%03zx %-16s : %s\n", f[i].off, f[i].name, f[i].type);
	prints(TYPE, "struct p_all", NULL, want.s);
	xkd_buf_fini(&want);
}

static void member_is(const char *member, const char *want)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_value v = value(member);

	xkd_value_brief(&ctx, &v, false, &b);
	is_str(b.s, want, member);
	xkd_buf_fini(&b);
}

static void dv_is(const char *expr, const char *want)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_value v = value(expr);

	xkd_value_brief(&ctx, &v, true, &b);
	is_str(b.s, want, expr);
	xkd_buf_fini(&b);
}

static void values(void)
{
	member_is("p_all.sc", "0n-65 ''");
	member_is("p_all.uc", "0x41 'A'");
	member_is("p_all.s", "0n-2");
	member_is("p_all.us", "0xffff");
	member_is("p_all.i", "0n42");
	member_is("p_all.u", "0x80000000");
	member_is("p_all.l", "0n-1");
	member_is("p_all.ul", "0xffff8e72`dd084960");
	member_is("p_all.yes", "true");
	member_is("p_all.text", "[8]  \"a\\\"b\x01\""); /* escaped where it is put out */
	member_is("p_all.raw", "[4] 0xde ''");
	member_is("p_all.bus", "0n1 ( P_PIO )");
	member_is("p_odd", "0n77 (no matching name)");
	member_is("p_all.one", "0y1");
	member_is("p_all.three", "0y101 (0x5)");
	member_is("p_all.small", "0n2 ( P_NR )");
	member_is("p_all.unnamed", "<unnamed-tag>");
	member_is("p_all.list", fmt("list_head [ 0x%s - 0x%s ] (empty)", A(&p_all.list), A(&p_all.list)));
	member_is("p_all.users", "atomic_t 0n3");
	member_is("p_all.refs", "refcount_t 0n4");
	member_is("p_all.ip", fmt("0x%s Int4B lk!p_int", A(&p_int)));
	member_is("p_all.str", fmt("0x%s \"hello\"", A(p_all.str)));
	member_is("p_all.null", "(null)");
	member_is("p_all.fn", fmt("0x%s     int  lk!p_read", A(p_read)));
	member_is("p_all.many", "[3] 0n1");
	member_is("p_all.ranges", "[2] p_range");
	member_is("p_all.d", "1.5");
	member_is("p_all.f", "0.25");
	member_is("p_all.big", "0x00000000000000010000000000000000");
	member_is("*(int *)8", "??");
	dv_is("*(int *)8", "<memory not readable at 00000000`00000008>");
	member_is("(char *)8", "0x00000000`00000008 Char");
	member_is("p_read", fmt("0x%s lk!p_read", A(p_read)));
	dv_is("p_all.bus", "P_PIO (0n1)");
	dv_is("p_all.null", "0x00000000`00000000");
	dv_is("p_all.self", fmt("0x%s lk!p_all", A(&p_all)));
	dv_is("p_all.ranges[0]", "struct p_range");
	dv_is("p_all.many", "int [3]");
}

static void rows(void)
{
	const char *dev = A(&p_dev), *fn = A(p_read);

	prints(VALUE, "p_all.i", NULL, "int 0n42\n");
	prints(VALUE, "p_all.text", NULL, fmt("char [8] 0x%s  \"a\\\"b\\x01\"\n", A(p_all.text)));
	prints(VALUE, "p_all.many", NULL,
	       fmt("int [3] 0x%s\n [00] 0n1\n [01] 0n2\n [02] 0n3\n", A(p_all.many)));
	prints(VALUE, "p_all.ranges[0].dev", NULL,
	       fmt("struct p_dev * 0x%s lk!p_dev\n"
		   "   +0x000 read             : 0x%s     int  lk!p_read\n"
		   "   +0x008 peer             : 0x%s p_dev lk!p_dev\n",
		   dev, fn, dev));
	prints(VALUE, "p_dev", NULL,
	       fmt("struct p_dev\n"
		   "   +0x000 read             : 0x%s     int  lk!p_read\n"
		   "   +0x008 peer             : 0x%s p_dev lk!p_dev\n",
		   fn, dev));
	prints(VALUE, "(struct p_dev *)0x10", NULL,
	       "struct p_dev * 0x00000000`00000010\n"
	       "   +0x000 read             : ??\n"
	       "   +0x008 peer             : ??\n");
	/* a pointer to itself is not entered again */
	prints(FIELDS, "p_dev", &(struct xkd_print_opts){ .depth = 9 },
	       fmt("   +0x000 read             : 0x%s     int  lk!p_read\n"
		   "   +0x008 peer             : 0x%s p_dev lk!p_dev\n",
		   fn, dev));
	prints(FIELDS, "p_all.ranges[0]", &(struct xkd_print_opts){ .depth = 1 },
	       fmt("   +0x000 addr             : 0x20\n"
		   "   +0x008 len              : 0n2\n"
		   "   +0x010 dev              : 0x%s p_dev lk!p_dev\n"
		   "      +0x000 read             : 0x%s     int  lk!p_read\n"
		   "      +0x008 peer             : 0x%s p_dev lk!p_dev\n",
		   dev, fn, dev));
}

static void selected(void)
{
	prints(FIELDS, "p_all",
	       &(struct xkd_print_opts){ .nfields = 2, .fields = { "i", "ranges.addr" } },
	       fmt("   +0x%03zx i                : 0n42\n"
		   "   +0x%03zx ranges           : [2] p_range\n"
		   "      +0x000 addr             : 0x20\n",
		   offsetof(struct p_all, i), offsetof(struct p_all, ranges)));
	prints(FIELDS, "p_all", &(struct xkd_print_opts){ .nfields = 1, .fields = { "self.low" } },
	       fmt("   +0x%03zx self             : 0x%s p_all lk!p_all\n"
		   "      +0x%03zx low              : 0x5678\n",
		   offsetof(struct p_all, self), A(&p_all), offsetof(struct p_all, low)));
	prints(FIELDS, "p_all", &(struct xkd_print_opts){ .nfields = 1, .fields = { "unnamed." } },
	       fmt("   +0x%03zx unnamed          : <unnamed-tag>\n"
		   "      +0x000 inside           : 0n9\n",
		   offsetof(struct p_all, unnamed)));
	prints(FIELDS, "p_all", &(struct xkd_print_opts){ .nfields = 1, .fields = { "u" } },
	       fmt("   +0x%03zx u                : 0x80000000\n", offsetof(struct p_all, u)));
	prints(FIELDS, "p_all", &(struct xkd_print_opts){ .nfields = 1, .fields = { "use" } },
	       fmt("   +0x%03zx users            : atomic_t 0n3\n", offsetof(struct p_all, users)));
	prints(FIELDS, "p_all", &(struct xkd_print_opts){ .nfields = 1, .fields = { "h*" } },
	       fmt("   +0x%03zx high             : 0x1234\n", offsetof(struct p_all, high)));
	prints(FIELDS, "p_all", &(struct xkd_print_opts){ .nfields = 1, .fields = { "zzz" } },
	       "error: struct p_all has no member zzz\n");
}

static void arrays(void)
{
	prints(FIELDS, "*p_bus", NULL,
	       "   +0x000 dev_count        : 0n2\n"
	       "   +0x004 ioeventfd_count  : 0n0\n"
	       "   +0x008 range            : [0] p_range\n");
	/* as many as the counter beside it says */
	prints(FIELDS, "*p_bus", &(struct xkd_print_opts){ .array_max = UINT64_MAX },
	       "   +0x000 dev_count        : 0n2\n"
	       "   +0x004 ioeventfd_count  : 0n0\n"
	       "   +0x008 range            : [0] p_range\n"
	       "    [00] p_range\n"
	       "    [01] p_range\n");
	prints(FIELDS, "*p_bus", &(struct xkd_print_opts){ .depth = 1 },
	       fmt("   +0x000 dev_count        : 0n2\n"
		   "   +0x004 ioeventfd_count  : 0n0\n"
		   "   +0x008 range            : [0] p_range\n"
		   "    [00] p_range\n"
		   "      +0x000 addr             : 0x20\n"
		   "      +0x008 len              : 0n2\n"
		   "      +0x010 dev              : 0x%s p_dev lk!p_dev\n"
		   "    [01] p_range\n"
		   "      +0x000 addr             : 0x61\n"
		   "      +0x008 len              : 0n4\n"
		   "      +0x010 dev              : 0x%s p_dev lk!p_dev\n",
		   A(&p_dev), A(&p_dev)));
	prints(FIELDS, "*p_bus", &(struct xkd_print_opts){ .nfields = 1, .fields = { "range.len" } },
	       "   +0x008 range            : [0] p_range\n"
	       "    [00] p_range\n"
	       "      +0x008 len              : 0n2\n"
	       "    [01] p_range\n"
	       "      +0x008 len              : 0n4\n");
	p_bus_store.bus.dev_count = -1; /* a foreign counter is not trusted */
	prints(FIELDS, "*p_bus", &(struct xkd_print_opts){ .depth = 1 },
	       "   +0x000 dev_count        : 0n-1\n"
	       "   +0x004 ioeventfd_count  : 0n0\n"
	       "   +0x008 range            : [0] p_range (dev_count is no count)\n");
	prints(FIELDS, "*p_open", &(struct xkd_print_opts){ .depth = 1 },
	       "   +0x000 n                : 0n1\n"
	       "   +0x004 text             : [0] Char (no counter is known: -aN shows N)\n");
	p_bus_store.bus.dev_count = 2;
	prints(FIELDS, "p_all",
	       &(struct xkd_print_opts){ .array_max = 2, .nfields = 1, .fields = { "many" } },
	       fmt("   +0x%03zx many             : [3] 0n1\n    [00] 0n1\n    [01] 0n2\n",
		   offsetof(struct p_all, many)));
	prints(VALUE, "p_matrix", NULL,
	       fmt("int [2][2] 0x%s\n [00] [2] 0n1\n [01] [2] 0n3\n", A(p_matrix)));
}

int main(void)
{
	target = mock_open();
	xkd_arena_init(&arena);
	if (mock_self(target)) {
		types();
		layout_of_all();
		values();
		rows();
		selected();
		arrays();
	} else {
		skip("printing", "this program has no debug info");
	}
	xkd_arena_fini(&arena);
	mock_close(target);
	return done_testing();
}
