/* Types out of DWARF 3, 4 and 5. Truth: this very program, which holds the same declarations: where
 * the compiler that made it put a member is seen by setting the member and looking at the bytes. */
#include "symbols/dwarf.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define BOTH(...)   \
	__VA_ARGS__ \
	static const char decls[] = #__VA_ARGS__;

/* clang-format off */
BOTH(struct bits {
	unsigned a : 3;
	unsigned b : 7;
	int c : 5;
	unsigned long long d : 40;
	signed char e;
	unsigned char f : 2;
} bits;
struct __attribute__((packed)) tight {
	char head;
	int far : 30;
	long l;
} tight;
struct anon {
	int kind;
	union {
		long whole;
		struct {
			short x, y;
		};
	};
	struct anon *next;
	char tail[];
} anon;
enum small { MINUS = -2, ZERO = 0, SEVEN = 7 };
enum small small;
enum big { HUGE_ONE = 0xffffffffu, SMALL_ONE = 200 };
enum big big;
typedef int (*handler)(const char *name, ...);
handler handlers[4];
int grid[3][5][7];
const char *const names[2];
volatile struct bits *vp;
_Atomic int atomic;
char *restrict rp;
union either {
	float f;
	double d;
	_Bool b;
} either;
struct forward *fwd;
unsigned char uc;
void *vptr;
)
/* clang-format on */

static struct xkd_log quiet;

/* First set bit and number of set bits of the object. */
static void bits_of(const void *p, size_t n, uint64_t *first, uint32_t *count)
{
	const uint8_t *b = p;

	*count = 0;
	*first = 0;
	for (size_t i = 0; i < n * 8; i++)
		if (b[i / 8] >> (i % 8) & 1 && !(*count)++)
			*first = i;
}

static void is_member(const struct xkd_type *t, const char *name, const void *obj, size_t n,
		      bool bitfield, const char *what)
{
	struct xkd_member m = { .name = NULL };
	struct xkd_err err = XKD_ERR_INIT;
	uint64_t first;
	uint32_t count, size;

	bits_of(obj, n, &first, &count);
	if (!ok(!xkd_type_find_member(t, name, &m, &err), "%s: member %s", what, name))
		return;
	size = m.bit_size ? m.bit_size : (uint32_t)m.type->size * 8;
	ok(m.bit_off == first && size == count && (m.bit_size != 0) == bitfield,
	   "%s: %s lies where the compiler puts it (%u bits at %u)", what, name, count,
	   (unsigned)first);
}
#define MEMBER(t, obj, name, bitfield)                                  \
	do {                                                            \
		memset(&obj, 0, sizeof(obj));                           \
		obj.name = -1;                                          \
		is_member(t, #name, &obj, sizeof(obj), bitfield, what); \
	} while (0)

static const struct xkd_type *find(struct xkd_dwarf *d, enum xkd_tag tag, const char *name)
{
	struct xkd_types *p = xkd_dwarf_types(d);
	const struct xkd_type *t = NULL, *again = NULL;
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc = p->find(p, tag, name, &t, &err);

	if (rc && rc != XKD_NOTFOUND)
		printf("# %s: %s\n", name, err.msg);
	if (!rc && (p->find(p, tag, name, &again, &err) || again != t))
		ok(false, "%s: the same type twice", name);
	return t;
}

static void is_global(struct xkd_dwarf *d, const char *name, const char *want, uint64_t size,
		      const char *what)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_dglobal g;
	struct xkd_buf b;
	enum xkd_rc rc = xkd_dwarf_global(d, name, 0, &g, NULL, &err);

	xkd_buf_init(&b);
	if (!rc && g.type)
		xkd_type_spell(g.type, name, &b);
	ok(!rc && !strcmp(b.s, want) && g.type && g.type->size == size, "%s: %s of %u bytes", what,
	   want, (unsigned)size);
	if (strcmp(b.s, want) || (g.type && g.type->size != size))
		printf("# got %s, %u bytes\n", rc ? err.msg : b.s,
		       g.type ? (unsigned)g.type->size : 0);
	xkd_buf_fini(&b);
}

static void check_structs(struct xkd_dwarf *d, const char *what)
{
	const struct xkd_type *t = find(d, XKD_TAG_STRUCT, "bits");
	const struct xkd_member *m;
	struct xkd_err err = XKD_ERR_INIT;
	size_t n = 0;

	if (!ok(t && t->size == sizeof(struct bits), "%s: struct bits", what))
		return;
	MEMBER(t, bits, a, true);
	MEMBER(t, bits, b, true);
	MEMBER(t, bits, c, true);
	MEMBER(t, bits, d, true);
	MEMBER(t, bits, e, false);
	MEMBER(t, bits, f, true);
	t = find(d, XKD_TAG_STRUCT, "tight");
	if (!ok(t && t->size == sizeof(struct tight), "%s: struct tight", what))
		return;
	MEMBER(t, tight, far, true);
	MEMBER(t, tight, l, false);
	t = find(d, XKD_TAG_STRUCT, "anon");
	if (!ok(t && t->size == sizeof(struct anon), "%s: struct anon", what))
		return;
	MEMBER(t, anon, kind, false);
	MEMBER(t, anon, whole, false);
	MEMBER(t, anon, y, false);
	ok(!xkd_type_members(t, &m, &n, &err) && n == 4 && !m[1].name &&
		   m[1].type->kind == XKD_T_UNION && !m[1].type->name,
	   "%s: an anonymous union is a member without name", what);
	ok(n == 4 && m[3].type->kind == XKD_T_ARRAY && m[3].type->flexible && !m[3].type->size &&
		   m[3].bit_off == offsetof(struct anon, tail) * 8,
	   "%s: a flexible array", what);
	t = find(d, XKD_TAG_UNION, "either");
	ok(t && t->size == sizeof(union either) && !xkd_type_members(t, &m, &n, &err) && n == 3 &&
		   m[0].type->kind == XKD_T_FLOAT && m[1].type->size == 8 &&
		   m[2].type->kind == XKD_T_BOOL && !m[1].bit_off && !m[2].bit_off,
	   "%s: a union", what);
	t = find(d, XKD_TAG_STRUCT, "forward");
	ok(t && t->is_decl && !t->size && xkd_type_members(t, &m, &n, &err) == XKD_NOTFOUND,
	   "%s: a declaration", what);
}

static void check_enums(struct xkd_dwarf *d, const char *what)
{
	const struct xkd_type *t = find(d, XKD_TAG_ENUM, "small");
	const struct xkd_enumerator *e;
	struct xkd_err err = XKD_ERR_INIT;
	size_t n = 0;

	ok(t && t->is_signed && t->size == sizeof(enum small) && !xkd_type_enums(t, &e, &n, &err) &&
		   n == 3 && !strcmp(e[0].name, "MINUS") && (int64_t)e[0].val == MINUS &&
		   e[2].val == SEVEN,
	   "%s: a signed enum", what);
	t = find(d, XKD_TAG_ENUM, "big");
	ok(t && !t->is_signed && !xkd_type_enums(t, &e, &n, &err) && n == 2 &&
		   e[0].val == HUGE_ONE && e[1].val == SMALL_ONE,
	   "%s: an unsigned enum", what);
}

static void check_others(struct xkd_dwarf *d, const char *what)
{
	const struct xkd_type *t, *f = NULL;
	const struct xkd_param *p;
	struct xkd_err err = XKD_ERR_INIT;
	size_t n = 0;

	is_global(d, "grid", "int grid[3][5][7]", sizeof(grid), what);
	is_global(d, "names", "const char * const names[2]", sizeof(names), what);
	is_global(d, "vp", "volatile struct bits *vp", sizeof(vp), what);
	is_global(d, "rp", "char * restrict rp", sizeof(rp), what);
	is_global(d, "handlers", "handler handlers[4]", sizeof(handlers), what);
	is_global(d, "uc", "unsigned char uc", 1, what);
	is_global(d, "vptr", "void *vptr", 8, what);
	is_global(d, "fwd", "struct forward *fwd", 8, what);
	t = find(d, XKD_TAG_TYPEDEF, "handler");
	ok(t && t->size == 8 && !xkd_type_target(xkd_type_strip(t), &f, &err) && f &&
		   f->kind == XKD_T_FUNC && f->variadic && !xkd_type_params(f, &p, &n, &err) &&
		   n == 1 && p[0].type->kind == XKD_T_PTR,
	   "%s: a pointer to a variadic function", what);
	t = find(d, XKD_TAG_ANY, "int");
	ok(t && t->kind == XKD_T_INT && t->is_signed && t->size == 4 && !t->is_char, "%s: int",
	   what);
	t = find(d, XKD_TAG_BASE, "unsigned char");
	ok(t && t->is_char && !t->is_signed && t->size == 1, "%s: unsigned char", what);
	ok(!find(d, XKD_TAG_STRUCT, "handler"), "%s: a typedef is no struct", what);
}

struct count {
	unsigned n, decls, bits;
};
static bool count_one(void *arg, const struct xkd_type *t)
{
	struct count *c = arg;

	c->n++;
	c->decls += t->is_decl;
	c->bits += t->kind == XKD_T_STRUCT && !strcmp(t->name, "bits");
	return true;
}

static void check_build(const char *flags, bool atomics, const char *what)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_image *img = NULL;
	struct xkd_types *p;
	struct xkd_dwarf *d;
	struct count c = { 0 };

	ok(sh("gcc -std=gnu11 %s -c t.c -o t.o && cp t.c u.c && "
	      "gcc -std=gnu11 %s -Dbits=bits2 -c t.c -o u.o && ld -r t.o -z muldefs u.o -o tu.o",
	      flags, flags),
	   "%s: built", what);
	if (!ok(!xkd_image_open(in_scratch("t.o"), &quiet, &img, &err) &&
			!xkd_image_dwarf(img, &d, &err),
		"%s: opened", what)) {
		printf("# %s\n", err.msg);
		return;
	}
	check_structs(d, what);
	check_enums(d, what);
	check_others(d, what);
	if (atomics)
		is_global(d, "atomic", "_Atomic int atomic", 4, what);
	p = xkd_dwarf_types(d);
	ok(!p->each(p, count_one, &c, &err) && c.n > 10 && !c.decls && c.bits == 1,
	   "%s: each complete named type once (%u)", what, c.n);
	xkd_image_unref(img);
}

int main(void)
{
	xkd_log_init(&quiet);
	scratch_make();
	if (!have_tools()) {
		skip("types of DWARF", "no compiler and binutils here");
		return done_testing();
	}
	put_file("t.c", decls, strlen(decls));
	check_build("-gdwarf-5", true, "DWARF 5");
	check_build("-gdwarf-4", false, "DWARF 4");
	check_build("-gdwarf-3 -gstrict-dwarf", false, "DWARF 3, strict");
	check_build("-gdwarf-5 -gz=zlib", true, "DWARF 5, compressed");
	return done_testing();
}
