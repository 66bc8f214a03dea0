/* Structs that known.c says in a few words, and numbers with a meaning, on objects of this program.
 */
#include "tests/unit/containers.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include "base/str.h"
#include "engine/lang/expr.h"
#include "engine/lang/print.h"
#include <stddef.h>
#include <stdlib.h>

struct rb_root_cached {
	struct rb_root rb_root;
	struct rb_node *rb_leftmost;
};
struct cpumask {
	unsigned long bits[4];
};
typedef struct cpumask cpumask_t;
typedef struct {
	unsigned long bits[2];
} nodemask_t;
typedef struct {
	uint8_t b[16];
} uuid_t, guid_t;
struct in_addr {
	uint32_t s_addr;
};
struct in6_addr {
	uint8_t b[16];
};
struct sockaddr_in {
	uint16_t sin_family, sin_port;
	struct in_addr sin_addr;
	uint8_t pad[8];
};
struct sockaddr_in6 {
	uint16_t sin6_family, sin6_port;
	uint32_t flow;
	struct in6_addr sin6_addr;
	uint32_t scope;
};
struct timespec64 {
	long tv_sec, tv_nsec;
};
typedef long ktime_t;
typedef unsigned __kernel_dev_t;
typedef unsigned short umode_t;
typedef struct {
	unsigned val;
} kuid_t;
typedef struct {
	long counter;
} atomic_long_t;
typedef struct raw_spinlock {
	unsigned raw_lock;
} raw_spinlock_t;
struct mutex {
	atomic_long_t owner;
};
struct timer_list {
	struct hlist_node entry;
	unsigned long expires;
	void (*function)(struct timer_list *);
};
struct qstr {
	unsigned hash, len;
	const char *name;
};
struct task_struct {
	int pid;
	char comm[16];
};
struct kmem_cache {
	const char *name;
};
enum k_flags { K_NONE, K_READ = 1, K_WRITE = 2, K_EXEC = 4, K_HUGE = 0x40, K_RW = 3 };
enum k_states { K_A, K_B, K_C, K_D, K_E };
typedef struct {
	int unknown;
} cpumask_like;

struct list_head k_ring, k_one, k_empty = { &k_empty, &k_empty }, k_bad, k_zero;
struct list_head k_many[40];
struct hlist_node k_node;
struct hlist_head k_hlist = { &k_node }, k_hempty;
struct rb_node k_rb;
struct rb_root k_root;
struct rb_root_cached k_cached = { { &k_rb }, &k_rb };
cpumask_t k_cpus = { { 0xb, 0, 0, 1ul << 63 } }, k_nocpus;
nodemask_t k_nodes = { { ~0ul, ~0ul } };
struct cpumask *k_cpusp = &k_cpus, *k_cpusbad = (void *)0x10;
uuid_t k_uuid = { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } };
guid_t k_guid = { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } };
struct in_addr k_in = { 0x0100007f };
struct sockaddr_in k_sin = { 2, 0x5000, { 0x0f02000a }, { 0 } };
struct sockaddr_in6 k_sin6 = { 10, 0x1600, 0, { { [15] = 1 } }, 0 };
struct sockaddr_in k_nosin = { 77, 0, { 0 }, { 0 } };
struct timespec64 k_ts = { 7246, 5 }, k_date = { 1700000000, 0 }, k_tsbad = { 1, -3 },
		  k_before = { -2, 750000000 };
ktime_t k_time = 1500000000, k_never = 0x7fffffffffffffff, k_small = 3;
__kernel_dev_t k_dev = 8 << 20 | 1;
umode_t k_mode = 040755;
kuid_t k_uid = { 1000 }, k_nouid = { -1u };
raw_spinlock_t k_locked = { 1 }, k_unlocked;
struct mutex k_mutex = { { 0x1003 } }, k_free;
void k_tick(struct timer_list *t);
void k_tick(struct timer_list *t)
{
	t->expires++;
}
struct timer_list k_timer = { .function = k_tick }, k_idle,
		  k_odd = { .function = (void (*)(struct timer_list *))0x11 };
struct qstr k_name = { 0, 2, "a\"b" };
struct task_struct k_task = { 7, "init" }, *k_taskp = &k_task, *k_taskbad = (void *)0x10;
struct kmem_cache k_cache = { "dentry" }, *k_cachep = &k_cache;
enum k_flags k_f1 = (enum k_flags)(K_READ | K_HUGE), k_f2 = (enum k_flags)(K_WRITE | 0x100),
	     k_f3 = K_RW, k_f4 = (enum k_flags)0x100;
enum k_states k_state = (enum k_states)6;
char k_text[4] = { 'a', '\n', 'b', 0 };
unsigned char k_bytes[4] = { 'a', 'b' };
signed char k_signed[4] = { 'a', 'b' };
cpumask_like k_like = { 3 };

static struct xkd_target *target;
static struct xkd_arena arena;

static void brief(const char *expr, bool dv, const char *want)
{
	struct xkd_ctx ctx = mock_ctx(target);
	struct xkd_env env = { .radix = 16 };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_value v = { 0 };

	if (xkd_eval(&ctx, &env, XKD_CXX, expr, NULL, &arena, &v, &err))
		xkd_buf_str(&b, err.msg);
	else
		xkd_value_brief(&ctx, &v, dv, &b);
	is_str(b.s, want, expr);
	xkd_buf_fini(&b);
}

/* "%s" is the address of p. */
static void brief_at(const char *expr, const char *fmt, const void *p, const void *q)
{
	struct xkd_buf b = XKD_BUF_INIT;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	xkd_buf_printf(&b, fmt, XKD_ADDR((uintptr_t)p), XKD_ADDR((uintptr_t)q));
#pragma GCC diagnostic pop
	brief(expr, false, b.s);
	xkd_buf_fini(&b);
}

static void containers(void)
{
	k_ring = (struct list_head){ &k_one, &k_one };
	k_one = (struct list_head){ &k_ring, &k_ring };
	for (int i = 0; i < 40; i++)
		k_many[i] = (struct list_head){ &k_many[(i + 1) % 40], &k_many[(i + 39) % 40] };
	k_bad = (struct list_head){ (void *)0x10, (void *)0x10 };
	brief_at("k_empty", "list_head [ 0x%s - 0x%s ] (empty)", &k_empty, &k_empty);
	brief_at("k_ring", "list_head [ 0x%s - 0x%s ] (1 entry)", &k_one, &k_one);
	brief_at("k_many[0]", "list_head [ 0x%s - 0x%s ] (over 32 entries)", &k_many[1],
		 &k_many[39]);
	brief("k_bad", false, "list_head [ 0x00000000`00000010 - 0x00000000`00000010 ]");
	brief("k_zero", false, "list_head [ 0x00000000`00000000 - 0x00000000`00000000 ]");
	brief("*(struct list_head *)0x10", false, "list_head [ ?? - ?? ]");
	brief_at("k_hlist", "hlist_head 0x%s (1 entry)", &k_node, NULL);
	brief("k_hempty", false, "hlist_head (empty)");
	brief("k_root", false, "rb_root (empty)");
	brief_at("k_cached", "rb_root_cached 0x%s (1 entry)", &k_rb, NULL);
}

static void masks(void)
{
	brief("k_cpus", false, "cpumask 0-1,3,255");
	brief("k_nocpus", false, "cpumask (empty)");
	brief("k_nodes", false, "nodemask_t 0-127");
	brief_at("k_cpusp", "0x%s cpumask 0-1,3,255 lk!k_cpus", &k_cpus, NULL);
	brief("k_cpusbad", false, "0x00000000`00000010 cpumask");
	brief("k_like", false, "cpumask_like");
}

static void identities(void)
{
	brief("k_uuid", false, "uuid_t 00010203-0405-0607-0809-0a0b0c0d0e0f");
	brief("k_guid", false, "guid_t 03020100-0504-0706-0809-0a0b0c0d0e0f");
	brief("k_in", false, "in_addr 127.0.0.1");
	brief("k_sin", false, "sockaddr_in 10.0.2.15:80");
	brief("k_sin6", false, "sockaddr_in6 [::1]:22");
	brief("k_nosin", false, "sockaddr_in");
	brief("k_uid", false, "kuid_t 0n1000");
	brief("k_nouid", false, "kuid_t 0n-1");
	brief("k_dev", false, "0x800001 (8:1)");
	brief("k_mode", false, "0x41ed (040755)");
	brief_at("k_taskp", "0x%s task_struct \"init\" lk!k_task", &k_task, NULL);
	brief("k_taskbad", false, "0x00000000`00000010 task_struct");
	brief_at("k_cachep", "0x%s kmem_cache \"dentry\" lk!k_cache", &k_cache, NULL);
}

static void times(void)
{
	brief("k_ts", false, "timespec64 7246.000000005");
	brief("k_date", false, "timespec64 1700000000.000000000 (2023-11-14 22:13:20 UTC)");
	brief("k_before", false, "timespec64 -1.250000000");
	brief("k_tsbad", false, "timespec64");
	brief("k_time", false, "0n1500000000 (1.500000000 s)");
	brief("k_never", false, "0n9223372036854775807 (never)");
	brief("k_small", false, "0n3");
}

static void others(void)
{
	brief("k_locked", false, "raw_spinlock (locked)");
	brief("k_unlocked", false, "raw_spinlock (unlocked)");
	brief("k_mutex", false, "mutex (owner 0x00000000`00001000)");
	brief("k_free", false, "mutex (unlocked)");
	brief("k_timer", false, "timer_list lk!k_tick");
	brief("k_idle", false, "timer_list");
	brief("k_odd", false, "timer_list 0x00000000`00000011");
	brief("*(struct timer_list *)0x10", false, "timer_list");
}

static void names(void)
{
	brief("k_f1", false, "0n65 ( K_READ|K_HUGE )");
	brief("k_f1", true, "K_READ|K_HUGE (0n65)");
	brief("k_f2", false, "0n258 ( K_WRITE|0x100 )");
	brief("k_f3", false, "0n3 ( K_RW )");
	brief("k_f4", false, "0n256 (no matching name)");
	brief("k_state", false, "0n6 (no matching name)");
	brief("k_text", false, "[4]  \"a\\nb\"");
	brief("k_bytes", false, "[4] 0x61 'a'");
	brief("k_signed", false, "[4] 0n97 'a'");
}

int main(void)
{
	target = mock_open();
	xkd_arena_init(&arena);
	if (mock_self(target)) {
		containers();
		masks();
		identities();
		times();
		others();
		names();
		brief_at("k_name", "qstr name 0x%s \"a\\\"b\"", k_name.name, NULL);
	} else {
		skip("known structs", "this program has no debug info");
	}
	xkd_arena_fini(&arena);
	mock_close(target);
	return done_testing();
}
