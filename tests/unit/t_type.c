/* The type model, on a provider made by hand: accessors, spelling, members, sameness, built-ins.
 * What a spelling means is decided by the C compiler: each one is also declared here. */
#include "symbols/type.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

struct fake {
	struct xkd_types types;
	struct xkd_arena arena;
	int loads;
};

struct lot { /* what load_* hand out, found by id */
	const struct xkd_type *target;
	struct xkd_member m[4];
	struct xkd_param p[3];
	struct xkd_enumerator e[2];
	size_t n;
	enum xkd_rc rc;
};
static struct lot lots[64];

static enum xkd_rc load_target(struct xkd_types *p, const struct xkd_type *t,
			       const struct xkd_type **target, struct xkd_err *err)
{
	((struct fake *)p)->loads++;
	*target = lots[t->id].target;
	if (lots[t->id].rc == XKD_STALE) /* a provider that asks for what it is just making */
		return xkd_type_target(t, target, err);
	return lots[t->id].rc ? xkd_err_set(err, lots[t->id].rc, "bad type %d", (int)t->id)
			      : XKD_OK;
}

static enum xkd_rc load_members(struct xkd_types *p, const struct xkd_type *t,
				struct xkd_member **m, size_t *n, struct xkd_err *err)
{
	((struct fake *)p)->loads++;
	*m = lots[t->id].m;
	*n = lots[t->id].n;
	return lots[t->id].rc ? xkd_err_set(err, lots[t->id].rc, "bad type %d", (int)t->id)
			      : XKD_OK;
}

static enum xkd_rc load_params(struct xkd_types *p, const struct xkd_type *t, struct xkd_param **pa,
			       size_t *n, struct xkd_err *err)
{
	(void)p;
	(void)err;
	*pa = lots[t->id].p;
	*n = lots[t->id].n;
	return XKD_OK;
}

static enum xkd_rc load_enums(struct xkd_types *p, const struct xkd_type *t,
			      struct xkd_enumerator **e, size_t *n, struct xkd_err *err)
{
	(void)p;
	(void)err;
	*e = lots[t->id].e;
	*n = lots[t->id].n;
	return XKD_OK;
}

static struct fake *fake_new(void)
{
	struct fake *f = xkd_calloc(1, sizeof(*f));

	xkd_arena_init(&f->arena);
	xkd_map_init_u64(&f->types.made);
	f->types.arena = &f->arena;
	f->types.load_target = load_target;
	f->types.load_members = load_members;
	f->types.load_params = load_params;
	f->types.load_enums = load_enums;
	memset(lots, 0, sizeof(lots));
	return f;
}

static void fake_free(struct fake *f)
{
	xkd_types_fini(&f->types);
	xkd_arena_fini(&f->arena);
	free(f);
}

static struct xkd_type *mk(struct fake *f, unsigned id, enum xkd_tkind kind, const char *name,
			   const struct xkd_type *target)
{
	struct xkd_type *t = xkd_type_new(&f->types, id, kind);

	t->name = name;
	lots[id].target = target;
	return t;
}

static void spells(const struct xkd_type *t, const char *decl, const char *want)
{
	struct xkd_buf b;

	xkd_buf_init(&b);
	xkd_type_spell(t, decl, &b);
	is_str(b.s, want, want);
	xkd_buf_fini(&b);
}

struct kvm_vcpu;
/* The declarations the spellings must be: this file does not compile if C disagrees. */
typedef unsigned long gpa_t;
extern struct kvm_vcpu *d_ptr;
extern struct kvm_vcpu *d_arr[3];
extern struct kvm_vcpu *(*d_parr)[3];
extern int (*d_fn)(struct kvm_vcpu *, gpa_t);
extern int (*d_fns[4])(struct kvm_vcpu *, gpa_t);
extern const char *const d_cc;
extern int d_two[2][3];

static void test_spell(struct fake *f)
{
	const struct xkd_type *i32 = xkd_type_builtin(XKD_BI_INT);
	struct xkd_type *st = mk(f, 1, XKD_T_STRUCT, "kvm_vcpu", NULL);
	struct xkd_type *gpa = mk(f, 2, XKD_T_TYPEDEF, "gpa_t", xkd_type_builtin(XKD_BI_ULONG));
	const struct xkd_type *pst = xkd_type_ptr_to(st);
	struct xkd_type *fn = mk(f, 3, XKD_T_FUNC, NULL, i32);
	struct xkd_type *cchar = mk(f, 4, XKD_T_CONST, NULL, xkd_type_builtin(XKD_BI_CHAR));
	struct xkd_type *ccp = mk(f, 5, XKD_T_CONST, NULL, xkd_type_ptr_to(cchar));
	struct xkd_type *vol = mk(f, 6, XKD_T_VOLATILE, NULL, i32);
	struct xkd_type *cv = mk(f, 7, XKD_T_CONST, NULL, vol);
	struct xkd_type *nofn = mk(f, 8, XKD_T_FUNC, NULL, NULL);
	struct xkd_type *var = mk(f, 9, XKD_T_FUNC, NULL, pst);
	struct xkd_type *anon = mk(f, 10, XKD_T_UNION, NULL, NULL);
	struct xkd_type *carr = mk(f, 11, XKD_T_CONST, NULL, xkd_type_array_of(i32, 2));

	lots[3].p[0].type = pst;
	lots[3].p[1].type = gpa;
	lots[3].n = 2;
	lots[9].p[0].type = xkd_type_ptr_to(cchar);
	lots[9].n = 1;
	var->variadic = true;
	spells(pst, NULL, "struct kvm_vcpu *");
	spells(pst, "p", "struct kvm_vcpu *p");
	spells(xkd_type_ptr_to(pst), NULL, "struct kvm_vcpu **");
	spells(xkd_type_array_of(pst, 3), "a", "struct kvm_vcpu *a[3]");
	spells(xkd_type_ptr_to(xkd_type_array_of(pst, 3)), "pa", "struct kvm_vcpu *(*pa)[3]");
	spells(xkd_type_array_of(st, 0), "range", "struct kvm_vcpu range[]");
	spells(xkd_type_array_of(xkd_type_array_of(i32, 3), 2), "x", "int x[2][3]");
	spells(xkd_type_array_of(i32, 3), NULL, "int [3]");
	spells(fn, "f", "int f(struct kvm_vcpu *, gpa_t)");
	spells(xkd_type_ptr_to(fn), NULL, "int (*)(struct kvm_vcpu *, gpa_t)");
	spells(xkd_type_array_of(xkd_type_ptr_to(fn), 4), "ops",
	       "int (*ops[4])(struct kvm_vcpu *, gpa_t)");
	spells(ccp, NULL, "const char * const");
	spells(ccp, "s", "const char * const s");
	spells(xkd_type_ptr_to(ccp), "s", "const char * const *s");
	spells(cv, NULL, "const volatile int");
	spells(xkd_type_ptr_to(nofn), "cb", "void (*cb)(void)");
	spells(var, "f", "struct kvm_vcpu *f(const char *, ...)");
	spells(anon, "u", "union {...} u");
	spells(carr, "a", "const int a[2]");
	spells(NULL, NULL, "void");
}

static void test_lazy(struct fake *f)
{
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *to;
	const struct xkd_member *m;
	size_t n;
	struct xkd_type *td = mk(f, 20, XKD_T_TYPEDEF, "a", xkd_type_builtin(XKD_BI_INT));
	struct xkd_type *bad = mk(f, 21, XKD_T_TYPEDEF, "b", NULL);
	struct xkd_type *c1 = mk(f, 22, XKD_T_TYPEDEF, "c1", NULL);
	struct xkd_type *c2 = mk(f, 23, XKD_T_TYPEDEF, "c2", c1);
	struct xkd_type *self = mk(f, 24, XKD_T_TYPEDEF, "self", NULL);
	struct xkd_type *decl = mk(f, 25, XKD_T_STRUCT, "opaque", NULL);
	struct xkd_type *ptrs = mk(f, 26, XKD_T_PTR, NULL, NULL);

	lots[21].rc = XKD_BADDATA;
	lots[22].target = c2;
	lots[24].rc = XKD_STALE;
	lots[26].target = ptrs;
	decl->is_decl = true;
	f->loads = 0;
	ok(!xkd_type_target(td, &to, &err) && !xkd_type_target(td, &to, &err) && f->loads == 1,
	   "a part is loaded once");
	ok(to == xkd_type_builtin(XKD_BI_INT), "the target");
	f->loads = 0;
	ok(xkd_type_target(bad, &to, &err) == XKD_BADDATA &&
		   xkd_type_target(bad, &to, &err) == XKD_BADDATA && f->loads == 1,
	   "a failure is remembered");
	ok(xkd_type_strip(bad)->kind == XKD_T_VOID, "strip of a damaged typedef is void");
	ok(xkd_type_strip(c1)->kind == XKD_T_VOID, "strip of a cycle is void");
	ok(xkd_type_target(self, &to, &err) == XKD_BADDATA && strstr(err.msg, "by itself"),
	   "a provider asking for what it makes is told");
	ok(xkd_type_members(decl, &m, &n, &err) == XKD_NOTFOUND &&
		   strstr(err.msg, "struct opaque is only declared here"),
	   "a declaration has no members: %s", err.msg);
	ok(xkd_type_members(td, &m, &n, &err) == XKD_NOTFOUND && n == 0,
	   "a typedef has no members");
	ok(xkd_type_target(xkd_type_builtin(XKD_BI_INT), &to, &err) == XKD_NOTFOUND,
	   "an int has no target");

	struct xkd_buf b;

	xkd_buf_init(&b);
	xkd_type_spell(ptrs, "p", &b);
	ok(b.len < 200 && !strncmp(b.s, "... **", 6), "a pointer to itself is spelled and cut off");
	xkd_buf_fini(&b);
	ok(!xkd_type_is_aggregate(td) && xkd_type_is_scalar(td) && xkd_type_is_aggregate(decl),
	   "scalar and aggregate through typedefs");
}

static void test_members(struct fake *f)
{
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *u32 = xkd_type_builtin(XKD_BI_UINT);
	struct xkd_type *in = mk(f, 30, XKD_T_UNION, NULL, NULL);
	struct xkd_type *s = mk(f, 31, XKD_T_STRUCT, "s", NULL);
	struct xkd_type *td = mk(f, 32, XKD_T_TYPEDEF, "s_t", s);
	struct xkd_type *loop = mk(f, 33, XKD_T_STRUCT, "loop", NULL);
	struct xkd_member m;

	lots[30].m[0] = (struct xkd_member){ "deep", u32, 32, 0 };
	lots[30].m[1] = (struct xkd_member){ "bits", u32, 3, 5 };
	lots[30].n = 2;
	lots[31].m[0] = (struct xkd_member){ "first", u32, 0, 0 };
	lots[31].m[1] = (struct xkd_member){ NULL, u32, 32, 7 };
	lots[31].m[2] = (struct xkd_member){ "", in, 64, 0 };
	lots[31].m[3] = (struct xkd_member){ "last", u32, 128, 0 };
	lots[31].n = 4;
	for (int i = 0; i < 4; i++)
		lots[33].m[i] = (struct xkd_member){ NULL, loop, 1, 0 };
	lots[33].n = 4;
	ok(!xkd_type_find_member(td, "last", &m, &err) && m.bit_off == 128, "through a typedef");
	ok(!xkd_type_find_member(s, "deep", &m, &err) && m.bit_off == 96, "in an anonymous union");
	ok(!xkd_type_find_member(s, "bits", &m, &err) && m.bit_off == 67 && m.bit_size == 5,
	   "a bit-field in there");
	ok(xkd_type_find_member(s, "none", &m, &err) == XKD_NOTFOUND &&
		   strstr(err.msg, "struct s has no member none"),
	   "none such: %s", err.msg);
	ok(xkd_type_find_member(u32, "x", &m, &err) == XKD_NOTFOUND, "not in an int");
	ok(xkd_type_find_member(loop, "x", &m, &err) == XKD_BADDATA,
	   "a struct that holds itself four times ends");
}

static void test_same(struct fake *f, struct fake *g)
{
	const struct xkd_type *ul = xkd_type_builtin(XKD_BI_ULONG);
	struct xkd_type *a = mk(f, 40, XKD_T_INT, "long unsigned int", NULL);
	struct xkd_type *ll = mk(f, 41, XKD_T_INT, "long long unsigned int", NULL);
	struct xkd_type *s1 = mk(f, 42, XKD_T_STRUCT, "s", NULL);
	struct xkd_type *s2 = mk(g, 43, XKD_T_STRUCT, "s", NULL);
	struct xkd_type *u = mk(g, 44, XKD_T_UNION, "s", NULL);
	struct xkd_type *an1 = mk(f, 45, XKD_T_STRUCT, NULL, NULL);
	struct xkd_type *an2 = mk(g, 46, XKD_T_STRUCT, NULL, NULL);
	struct xkd_type *td = mk(g, 47, XKD_T_TYPEDEF, "ulong_t", a);
	struct xkd_type *c = mk(g, 48, XKD_T_CONST, NULL, a);
	struct xkd_type *e1 = mk(f, 49, XKD_T_ENUM, NULL, NULL),
			*e2 = mk(g, 50, XKD_T_ENUM, NULL, NULL);

	a->size = ll->size = 8;
	s1->size = s2->size = u->size = an1->size = an2->size = 8;
	lots[45].m[0] = lots[46].m[0] = (struct xkd_member){ "x", ul, 0, 0 };
	lots[45].n = lots[46].n = 1;
	lots[49].e[0] = lots[50].e[0] = (struct xkd_enumerator){ "A", 1 };
	lots[49].n = lots[50].n = 1;
	ok(xkd_type_same(a, ul), "unsigned long, whatever the order of words");
	ok(!xkd_type_same(ll, ul), "long long is not long");
	ok(xkd_type_same(td, ul), "a typedef is its target");
	ok(!xkd_type_same(c, ul), "const counts");
	ok(xkd_type_same(s1, s2), "struct s of two providers");
	ok(!xkd_type_same(s1, u), "struct s is not union s");
	s2->size = 16;
	ok(!xkd_type_same(s1, s2), "nor a struct s of another size");
	ok(xkd_type_same(an1, an2), "anonymous structs by members");
	lots[46].m[0].bit_off = 8;
	ok(!xkd_type_same(an1, an2), "at the same offsets");
	ok(xkd_type_same(e1, e2), "anonymous enums by enumerators");
	lots[50].e[0].val = 2;
	ok(!xkd_type_same(e1, e2), "of the same values");
	ok(xkd_type_same(xkd_type_ptr_to(a), xkd_type_ptr_to(td)), "pointers to the same");
	ok(!xkd_type_same(xkd_type_array_of(a, 2), xkd_type_array_of(ul, 3)),
	   "array lengths count");
	ok(xkd_type_same(NULL, xkd_type_builtin(XKD_BI_VOID)), "nothing is void");
}

static void test_made(struct fake *f)
{
	const struct xkd_type *s = mk(f, 51, XKD_T_STRUCT, "s", NULL);
	const struct xkd_type *ul = xkd_type_builtin(XKD_BI_ULONG);

	ok(xkd_type_ptr_to(s) == xkd_type_ptr_to(s) && xkd_type_ptr_to(s) != xkd_type_ptr_to(ul),
	   "the same pointer type each time");
	ok(xkd_type_array_of(s, 3) == xkd_type_array_of(s, 3) &&
		   xkd_type_array_of(s, 3) != xkd_type_array_of(s, 4),
	   "the same array type each time");
	is_u64(xkd_type_array_of(ul, 5)->size, 40, "array size");
	is_u64(xkd_type_array_of(ul, UINT64_MAX)->size, UINT64_MAX, "an endless array saturates");
	is_u64(xkd_type_ptr_to(NULL)->size, 8, "pointer to void");
}

static void test_builtin(void)
{
	static const struct {
		const char *name;
		int b;
	} names[] = {
		{ "unsigned long", XKD_BI_ULONG },
		{ "long unsigned int", XKD_BI_ULONG },
		{ "long int unsigned", XKD_BI_ULONG },
		{ " unsigned", XKD_BI_UINT },
		{ "long long", XKD_BI_LLONG },
		{ "long unsigned long", XKD_BI_ULLONG },
		{ "short int", XKD_BI_SHORT },
		{ "unsigned char", XKD_BI_UCHAR },
		{ "signed char", XKD_BI_SCHAR },
		{ "char", XKD_BI_CHAR },
		{ "signed", XKD_BI_INT },
		{ "_Bool", XKD_BI_BOOL },
		{ "void", XKD_BI_VOID },
		{ "u64", XKD_BI_ULLONG },
		{ "__u32", XKD_BI_UINT },
		{ "size_t", XKD_BI_ULONG },
		{ "u6", -1 },
		{ "", -1 },
		{ "long long long", -1 },
		{ "unsigned signed int", -1 },
		{ "long char", -1 },
		{ "unsigned bool", -1 },
		{ "struct foo", -1 },
		{ "short short", -1 },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct xkd_type *t = xkd_type_builtin_named(names[i].name);

		ok(t == (names[i].b < 0 ? NULL : xkd_type_builtin((enum xkd_builtin)names[i].b)),
		   "\"%s\" is %s", names[i].name, t ? t->name : "none");
	}
#define SIZE(b, T) is_u64(xkd_type_builtin(b)->size, sizeof(T), "sizeof " #T)
	SIZE(XKD_BI_BOOL, _Bool);
	SIZE(XKD_BI_CHAR, char);
	SIZE(XKD_BI_USHORT, unsigned short);
	SIZE(XKD_BI_UINT, unsigned int);
	SIZE(XKD_BI_LONG, long);
	SIZE(XKD_BI_ULLONG, unsigned long long);
	ok(xkd_type_builtin(XKD_BI_CHAR)->is_signed == ((char)-1 < 0),
	   "char's sign is the compiler's");
}

int main(void)
{
	struct fake *f = fake_new(), *g = fake_new();

	test_spell(f);
	test_lazy(f);
	test_members(f);
	test_same(f, g);
	test_made(f);
	test_builtin();
	fake_free(f);
	fake_free(g);
	return done_testing();
}
