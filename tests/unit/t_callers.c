/* Values that only the caller's debug info tells, and values in several places, in optimized
 * functions of this very program: each function knows what its variables are, calls look(), and
 * xkd, which walks the real stack from there, must say the same or that it does not know. The
 * traps: a function that was reached by a jump with other arguments than the caller passed, one
 * that came to itself again so, one called through a pointer. */
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "engine/lang/scope.h"
#include "engine/lang/unwind.h"
#include <stdlib.h>
#include <ucontext.h>

#if defined(__clang__)
#define PLAIN __attribute__((noinline, no_sanitize("address", "undefined")))
#define ALONE PLAIN
#else
#define PLAIN __attribute__((noinline, no_sanitize_address, no_sanitize_undefined))
#define ALONE PLAIN __attribute__((noipa))
#endif
#if defined(__OPTIMIZE__) && !defined(__clang__)
#define SURE true /* gcc keeps the values below where it is known that they can be found */
#else
#define SURE false
#endif

static struct xkd_target *target;

/* The context of the frame of a function of ours; false: the walk does not meet it. */
static bool frame_of(const char *func, struct xkd_ctx *out, struct xkd_arena *arena)
{
	static const char *const from[] = {
		"rsp", "rbp", "rbx", "r12", "r13", "r14", "r15", "rip"
	};
	static const int greg[] = { REG_RSP, REG_RBP, REG_RBX, REG_R12,
				    REG_R13, REG_R14, REG_R15, REG_RIP };
	struct xkd_frame *f;
	struct xkd_ctx c;
	char why[160];
	ucontext_t uc;
	size_t n = 0;

	getcontext(&uc);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		mock_reg(target, from[i], (uint64_t)uc.uc_mcontext.gregs[greg[i]]);
	c = mock_ctx(target);
	if (xkd_unwind(&c, 16, arena, &f, &n, why, NULL))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct xkd_dfunc fn[XKD_INLINE_MAX];
		size_t k = 0;

		if (xkd_funcs_at(target, f[i].lookup, fn, XKD_INLINE_MAX, &k, NULL) ||
		    f[i].inline_depth >= k || !fn[f[i].inline_depth].name ||
		    strcmp(fn[f[i].inline_depth].name, func))
			continue;
		xkd_frame_ctx(&c, &f[i], out);
		return true;
	}
	printf("# no frame of %s among %zu: %s\n", func, n, why);
	return false;
}

/* var (or var's member) in the innermost frame of func. sure: it has to be known. */
static __attribute__((noinline)) void look(const char *func, const char *var, const char *member,
					   uint64_t want, bool sure)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_value v = { .why = "" }, m;
	struct xkd_arena arena;
	struct xkd_ctx c;
	uint64_t got = 0;
	enum xkd_rc rc = XKD_NOTFOUND;

	xkd_arena_init(&arena);
	if (frame_of(func, &c, &arena))
		rc = xkd_scope_local(&c, var, &v, &err);
	if (!rc && member)
		rc = xkd_value_member(&c, &v, member, &m, &err);
	if (!rc)
		rc = xkd_value_u64(&c, member ? &m : &v, &got, &err);
	if (rc)
		ok(!sure, "%s: %s%s%s is not known: %s", func, var, member ? "." : "",
		   member ? member : "", err.msg);
	else
		ok(got == want, "%s: %s%s%s is %" PRIx64 " (%s)", func, var, member ? "." : "",
		   member ? member : "", want, v.where);
	if (!rc && got != want)
		printf("# got %" PRIx64 "\n", got);
	xkd_arena_fini(&arena);
}

ALONE static long use(long v)
{
	__asm__ volatile("" : "+r"(v) : : "memory");
	return v;
}

/* Its parameters are dead when it looks: only the caller knows them. */
ALONE static long middle(long x, int y, const char *text, long real_x, bool sure)
{
	use(x + y + *text);
	look("middle", "x", NULL, (uint64_t)real_x, sure);
	look("middle", "y", NULL, 17, sure);
	look("middle", "text", NULL, (uint64_t) "text", sure);
	return use(5);
}

ALONE static long direct(long n)
{
	long kept = use(n * 3);
	long r = middle(kept, 17, "text", kept, SURE);

	return use(r) + use(kept);
}

/* The caller of forward passed another x than middle gets: what forward did with it tells. */
ALONE static long forward(long x, int y, const char *text, long real_x, bool sure)
{
	return middle(x + 1, y, text, real_x + 1, sure);
}

ALONE static long jumped(long n)
{
	long kept = use(n);
	long r = forward(kept, 17, "text", kept, SURE);

	return use(r) + use(kept);
}

/* Two ways, with other arguments: it is not known which one it was. */
ALONE static long either(long x, int y, const char *text, long real_x, bool sure)
{
	if (use(x) & 1)
		return middle(x + 1, y, text, real_x + 1, sure);
	return middle(x + 2, y, text, real_x + 2, sure);
}

ALONE static long jumped_somehow(long n)
{
	long kept = use(n);
	long r = either(kept, 17, "text", kept, false);

	return use(r) + use(kept);
}

static long (*volatile pointer)(long, int, const char *, long, bool) = forward;

ALONE static long indirect(long n)
{
	long kept = use(n);
	long r = pointer(kept, 17, "text", kept, false);

	return use(r) + use(kept);
}

ALONE static long pong(long n, long x, long real_x);
ALONE static long ping(long n, long x, long real_x)
{
	use(x);
	look("ping", "x", NULL, (uint64_t)real_x, false);
	return n ? pong(n - 1, real_x + 1, real_x + 1) : 3; /* x is dead */
}
ALONE static long pong(long n, long x, long real_x)
{
	return ping(n, x + 1, real_x + 1);
}

ALONE static long again(long n)
{
	long kept = use(n);
	long r = ping(2, kept, kept);

	return use(r) + use(kept);
}

/* b is not used, so it is not passed. */
PLAIN static long unused(long a, long b, long real_b)
{
	look("unused", "b", NULL, (uint64_t)real_b, false);
	return use(a) + 1;
}

ALONE static long gives_unused(long n)
{
	long kept = use(n), r;

	r = unused(kept, kept * 2, 8246);
	return use(r) + use(kept);
}

struct pair {
	long first;
	int second, third;
};

ALONE static long pieces(long n)
{
	struct pair p = { n, 7, (int)use(n) };
	struct pair *to = &p;

	use(p.first);
	look("pieces", "p", "first", (uint64_t)n, SURE);
	look("pieces", "p", "second", 7, SURE);
	look("pieces", "p", "third", (uint64_t)n, false);
	look("pieces", "to", "first", (uint64_t)n, SURE);
	look("pieces", "to", "second", 7, SURE);
	return use(to->first) + use(n) + use(p.third);
}

int main(void)
{
	target = mock_open();
	if (mock_self(target)) {
		direct(1000);
		jumped(2000);
		jumped_somehow(2500);
		indirect(3000);
		again(4000);
		gives_unused(4123);
		pieces(5000);
	} else {
		skip("values of callers", "this program has no debug info");
	}
	mock_close(target);
	return done_testing();
}
