/* Structs of the kernel that say more in a few words than by their members: how long a list is,
 * which CPUs a mask has, what a timer calls, when a time is. The table at the end names them; what
 * is looked at is found by the members that the debug info has, and a struct that lacks them prints
 * as any other. Invariant: reads are bounded (COUNT nodes of a container, MASK bytes of a mask). */
#include "base/str.h"
#include "engine/lang/print_int.h"
#include "engine/os/os.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COUNT 32
#define MASK 1024
#define MASK_TEXT 160
#define PATH_MAX_PARTS 4

struct known {
	const struct xkd_ctx *ctx;
	const struct xkd_value *v;
	const char *name; /* as the table has it */
	const char *arg;
	struct xkd_buf *out;
};

/* v.a.b; false where the type has no such member. */
static bool member(const struct known *k, const char *path, struct xkd_value *m)
{
	struct xkd_value at = *k->v;
	char part[64];

	for (int i = 0; i < PATH_MAX_PARTS && *path; i++) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(part))
			return false;
		memcpy(part, path, n);
		part[n] = 0;
		path += n + (path[n] == '.');
		if (xkd_value_member(k->ctx, &at, part, m, NULL))
			return false;
		at = *m;
	}
	return !*path;
}

static bool number(const struct known *k, const char *path, uint64_t *num)
{
	struct xkd_value m;

	return member(k, path, &m) && !xkd_value_u64(k->ctx, &m, num, NULL);
}

/* ---- containers ---- */

static bool count_one(void *arg, const struct xkd_walk_item *it)
{
	unsigned *n = arg;

	(void)it;
	return ++*n <= COUNT;
}

/* " (empty)", " (3 entries)", " (over 32 entries)"; nothing where it cannot be walked. */
static void count(const struct known *k, enum xkd_walk_kind kind, uint64_t addr)
{
	struct xkd_target *t = k->ctx->t;
	unsigned n = 0;

	if (!t || !t->os->walk || k->v->kind != XKD_V_MEM || k->ctx->space.kind == XKD_SP_PHYS ||
	    (t->os->is_kernel_addr && !t->os->is_kernel_addr(t, addr)))
		return;
	if (t->os->walk(t, kind, addr, false, count_one, &n, NULL))
		return;
	if (!n)
		xkd_buf_str(k->out, " (empty)");
	else if (n > COUNT)
		xkd_buf_printf(k->out, " (over %d entries)", COUNT);
	else
		xkd_buf_printf(k->out, " (%u entr%s)", n, n == 1 ? "y" : "ies");
}

/* "list_head [ 0x... - 0x... ] (2 entries)", in kd's words for its _LIST_ENTRY. */
static bool list(const struct known *k)
{
	struct xkd_value next, prev;
	uint64_t a, b;

	if (!member(k, "next", &next) || !member(k, "prev", &prev))
		return false;
	if (xkd_value_u64(k->ctx, &next, &a, NULL) || xkd_value_u64(k->ctx, &prev, &b, NULL)) {
		xkd_buf_str(k->out, "list_head [ ?? - ?? ]");
		return true;
	}
	xkd_buf_printf(k->out, "list_head [ 0x%s - 0x%s ]", XKD_ADDR(a), XKD_ADDR(b));
	if (a && a == k->v->addr && k->v->kind == XKD_V_MEM)
		xkd_buf_str(k->out, " (empty)");
	else if (a)
		count(k, XKD_WALK_LIST, k->v->addr);
	return true;
}

/* What begins with, or has at arg, one pointer to the first. */
static bool container(const struct known *k, enum xkd_walk_kind kind)
{
	uint64_t p;

	if (!number(k, k->arg, &p))
		return false;
	xkd_buf_printf(k->out, "%s", k->name);
	if (p)
		xkd_buf_printf(k->out, " 0x%s", XKD_ADDR(p));
	else
		xkd_buf_str(k->out, " (empty)");
	if (p)
		count(k, kind, k->v->addr);
	return true;
}

static bool hlist(const struct known *k)
{
	return container(k, XKD_WALK_HLIST);
}

static bool rbtree(const struct known *k)
{
	return container(k, XKD_WALK_RBTREE);
}

static bool xarray(const struct known *k)
{
	return container(k, XKD_WALK_XARRAY);
}

static bool maple(const struct known *k)
{
	return container(k, XKD_WALK_MAPLE);
}

/* The list_head at arg has one entry for each that waits. */
static bool waiters(const struct known *k)
{
	struct xkd_value head;

	if (!member(k, k->arg, &head) || head.kind != XKD_V_MEM)
		return false;
	xkd_buf_str(k->out, k->name);
	count(k, XKD_WALK_LIST, head.addr);
	return true;
}

/* ---- masks ---- */

/* The kernel keeps only as many bits true as there are ids: nr_cpu_ids, nr_node_ids. */
static size_t ids_in_use(const struct known *k, size_t max)
{
	struct xkd_target *t = k->ctx->t;
	struct xkd_symref sym;
	uint64_t ids;

	if (t && !xkd_sym_named(t, k->arg, &sym, NULL) &&
	    !xkd_kread_u(t, sym.addr, 4, &ids, NULL) && ids && ids < max)
		return (size_t)ids;
	return max;
}

static bool mask(const struct known *k)
{
	struct xkd_value bits;
	uint8_t b[MASK];
	size_t n, max, start = k->out->len;
	bool any = false;

	if (!member(k, "bits", &bits) || xkd_value_bytes(k->ctx, &bits, b, sizeof(b), &n, NULL) ||
	    !n)
		return false;
	max = ids_in_use(k, 8 * n);
	xkd_buf_str(k->out, k->name);
	for (size_t i = 0; i < max;) {
		size_t from = i;

		if (!(b[i / 8] >> i % 8 & 1)) {
			i++;
			continue;
		}
		while (i < max && b[i / 8] >> i % 8 & 1)
			i++;
		if (k->out->len - start > MASK_TEXT) {
			xkd_buf_str(k->out, ",...");
			return true;
		}
		xkd_buf_printf(k->out, i - from > 1 ? "%c%zu-%zu" : "%c%zu", any ? ',' : ' ', from,
			       i - 1);
		any = true;
	}
	if (!any)
		xkd_buf_str(k->out, " (empty)");
	return true;
}

/* ---- identifiers, addresses ---- */

/* A uuid is in the order it is written; the first three groups of a guid are little-endian. */
static bool uuid(const struct known *k)
{
	static const uint8_t le[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	bool swap = *k->arg == 'g';
	uint8_t b[16];
	size_t n;

	if (xkd_value_bytes(k->ctx, k->v, b, sizeof(b), &n, NULL) || n != sizeof(b))
		return false;
	xkd_buf_printf(k->out, "%s ", k->name);
	for (size_t i = 0; i < sizeof(b); i++)
		xkd_buf_printf(k->out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			       b[swap ? le[i] : i]);
	return true;
}

static bool inet(const struct known *k, int family, const uint8_t *addr, const uint8_t *port)
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(family, addr, text, sizeof(text)))
		return false;
	xkd_buf_printf(k->out, port && family == AF_INET6 ? "%s [%s]" : "%s %s", k->name, text);
	if (port)
		xkd_buf_printf(k->out, ":%u", port[0] << 8 | port[1]);
	return true;
}

static bool ip(const struct known *k)
{
	uint8_t b[16];
	size_t n;

	if (xkd_value_bytes(k->ctx, k->v, b, sizeof(b), &n, NULL))
		return false;
	return n == 4 ? inet(k, AF_INET, b, NULL) : n == 16 && inet(k, AF_INET6, b, NULL);
}

static bool sockaddr(const struct known *k)
{
	uint8_t b[28];
	size_t n;

	if (xkd_value_bytes(k->ctx, k->v, b, sizeof(b), &n, NULL) || n < 16)
		return false;
	switch (xkd_get_le(b, 2)) {
	case AF_INET:
		return inet(k, AF_INET, b + 4, b + 2);
	case AF_INET6:
		return n >= 24 && inet(k, AF_INET6, b + 8, b + 2);
	default:
		return false;
	}
}

/* ---- times ---- */

static void seconds(struct xkd_buf *out, int64_t sec, uint64_t nsec)
{
	xkd_buf_printf(out, "%lld.%09llu", (long long)sec, (unsigned long long)nsec);
}

static bool timespec(const struct known *k)
{
	uint64_t sec, nsec;
	struct tm tm;
	time_t t;

	if (!number(k, "tv_sec", &sec) || !number(k, "tv_nsec", &nsec) || nsec >= 1000000000)
		return false;
	xkd_buf_printf(k->out, "%s ", k->name);
	if ((int64_t)sec < 0 && nsec) { /* -1.25 is kept as -2 and .75 */
		xkd_buf_printf(k->out, "-%llu.%09llu", -(unsigned long long)sec - 1,
			       1000000000 - (unsigned long long)nsec);
		return true;
	}
	seconds(k->out, (int64_t)sec, nsec);
	t = (time_t)sec;
	/* what is no time since boot is a date */
	if (sec > 500000000 && sec < 1ULL << 34 && gmtime_r(&t, &tm))
		xkd_buf_printf(k->out, " (%04d-%02d-%02d %02d:%02d:%02d UTC)", tm.tm_year + 1900,
			       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return true;
}

void xkd_text_typedef(const struct xkd_type *type, uint64_t num, struct xkd_buf *out)
{
	const struct xkd_type *t = xkd_type_unqual(type);

	for (int i = 0; t && t->kind == XKD_T_TYPEDEF && i < 8; i++) {
		const char *name = t->name ? t->name : ""; /* foreign ones may have none */

		if (!strcmp(name, "ktime_t") && (int64_t)num >= 1000) {
			if (num == INT64_MAX) {
				xkd_buf_str(out, " (never)");
				return;
			}
			xkd_buf_str(out, " (");
			seconds(out, (int64_t)(num / 1000000000), num % 1000000000);
			xkd_buf_str(out, " s)");
			return;
		}
		if (!strcmp(name, "__kernel_dev_t") && num) {
			xkd_buf_printf(out, " (%llu:%llu)", (unsigned long long)(num >> 20),
				       (unsigned long long)(num & 0xfffff));
			return;
		}
		if (!strcmp(name, "umode_t") && num) {
			xkd_buf_printf(out, " (0%llo)", (unsigned long long)num);
			return;
		}
		if (xkd_type_target(t, &t, NULL))
			return;
		t = t ? xkd_type_unqual(t) : NULL;
	}
}

/* ---- locks, functions, single members ---- */

/* The lock word comes first in each of its kinds. */
static bool spinlock(const struct known *k)
{
	uint8_t b[4];
	size_t n;

	if (xkd_value_bytes(k->ctx, k->v, b, sizeof(b), &n, NULL) || n != sizeof(b))
		return false;
	xkd_buf_printf(k->out, "%s (%s)", k->name, xkd_get_le(b, 4) ? "locked" : "unlocked");
	return true;
}

/* The owner's task_struct, with flags in its lowest bits. */
static bool mutex(const struct known *k)
{
	uint64_t owner;

	if (!number(k, "owner.counter", &owner))
		return false;
	if (owner & ~7ULL)
		xkd_buf_printf(k->out, "mutex (owner 0x%s)", XKD_ADDR(owner & ~7ULL));
	else
		xkd_buf_str(k->out, "mutex (unlocked)");
	return true;
}

static bool function(const struct known *k)
{
	struct xkd_symref sym;
	uint64_t fn;

	if (!number(k, k->arg, &fn))
		return false;
	xkd_buf_str(k->out, k->name);
	if (!fn)
		return true;
	if (!xkd_sym_at(k->ctx->t, fn, &sym, NULL) && sym.addr == fn)
		xkd_buf_printf(k->out, " %s!%s", sym.mod->name, sym.name);
	else
		xkd_buf_printf(k->out, " 0x%s", XKD_ADDR(fn));
	return true;
}

static bool one_member(const struct known *k)
{
	struct xkd_value m;

	if (!member(k, k->arg, &m))
		return false;
	xkd_buf_printf(k->out, "%s %s ", k->name, k->arg);
	xkd_value_brief(k->ctx, &m, false, k->out);
	return true;
}

/* ---- the table ---- */

static const struct row {
	const char *name;
	bool (*fn)(const struct known *k);
	const char *arg;
	bool whole; /* the words say all: nobody wants its members besides */
} rows[] = {
	{ "list_head", list, NULL, true },
	{ "hlist_head", hlist, "first", true },
	{ "hlist_nulls_head", hlist, "first", true },
	{ "hlist_bl_head", hlist, "first", true },
	{ "llist_head", hlist, "first", true },
	{ "rb_root", rbtree, "rb_node", true },
	{ "rb_root_cached", rbtree, "rb_root.rb_node", true },
	{ "xarray", xarray, "xa_head", false },
	{ "radix_tree_root", xarray, "rnode", false },
	{ "idr", xarray, "idr_rt.xa_head", false },
	{ "ida", xarray, "xa.xa_head", false },
	{ "maple_tree", maple, "ma_root", false },
	{ "wait_queue_head", waiters, "head", false },
	{ "swait_queue_head", waiters, "task_list", false },
	{ "cpumask", mask, "lk!nr_cpu_ids", true },
	{ "nodemask_t", mask, "lk!nr_node_ids", true },
	{ "uuid_t", uuid, "uuid", true },
	{ "guid_t", uuid, "guid", true },
	{ "in_addr", ip, NULL, true },
	{ "in6_addr", ip, NULL, true },
	{ "sockaddr", sockaddr, NULL, false },
	{ "sockaddr_in", sockaddr, NULL, true },
	{ "sockaddr_in6", sockaddr, NULL, true },
	{ "sockaddr_storage", sockaddr, NULL, false },
	{ "__kernel_sockaddr_storage", sockaddr, NULL, false },
	{ "timespec64", timespec, NULL, true },
	{ "timespec", timespec, NULL, true },
	{ "spinlock", spinlock, NULL, true },
	{ "raw_spinlock", spinlock, NULL, true },
	{ "qspinlock", spinlock, NULL, true },
	{ "mutex", mutex, NULL, false },
	{ "work_struct", function, "func", false },
	{ "delayed_work", function, "work.func", false },
	{ "rcu_work", function, "work.func", false },
	{ "kthread_work", function, "func", false },
	{ "timer_list", function, "function", false },
	{ "hrtimer", function, "function", false },
	{ "callback_head", function, "func", false },
	{ "irq_work", function, "func", false },
	{ "notifier_block", function, "notifier_call", false },
	{ "softirq_action", function, "action", false },
	{ "wait_queue_entry", function, "func", false },
	{ "cpu_stop_work", function, "fn", false },
	{ "__call_single_data", function, "func", false },
	{ "qstr", one_member, "name", false },
	{ "kobject", one_member, "name", false },
	{ "completion", one_member, "done", false },
	{ "lockref", one_member, "count", false },
	{ "seqcount", one_member, "sequence", false },
};

static const struct row *row_named(const char *name)
{
	for (size_t i = 0; name && i < XKD_COUNT(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

/* By the struct's own name or that of a typedef before it. */
static const struct row *row_of(const struct xkd_type *type)
{
	const struct xkd_type *t = xkd_type_unqual(type);
	const struct row *row = NULL;

	for (int i = 0; t && !row && i < 8; i++) {
		row = row_named(t->name);
		if (t->kind != XKD_T_TYPEDEF || xkd_type_target(t, &t, NULL))
			break;
		t = t ? xkd_type_unqual(t) : NULL;
	}
	return row;
}

bool xkd_known_whole(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *type)
{
	const struct row *row = row_of(type);

	return (row && row->whole) || xkd_counter_name(ctx, mod, type);
}

bool xkd_text_known(const struct xkd_ctx *ctx, const struct xkd_value *v, struct xkd_buf *out)
{
	const struct row *row = row_of(v->type);
	struct known k = { .ctx = ctx, .v = v, .out = out };

	if (!row)
		return false;
	k.name = row->name;
	k.arg = row->arg;
	return row->fn(&k);
}

/* ---- what an object is called ---- */

static const struct {
	const char *type, *member;
} titles[] = {
	{ "task_struct", "comm" },
	{ "module", "name" },
	{ "net_device", "name" },
	{ "super_block", "s_id" },
	{ "kmem_cache", "name" },
	{ "file_system_type", "name" },
	{ "workqueue_struct", "name" },
	{ "gendisk", "disk_name" },
	{ "device_driver", "name" },
	{ "bus_type", "name" },
	{ "irqaction", "name" },
	{ "irq_chip", "name" },
	{ "clocksource", "name" },
	{ "dentry", "d_name.name" },
	{ "proto", "name" },
	{ "kobject", "name" },
	{ "resource", "name" },
	{ "zone", "name" },
	{ "worker", "desc" },
	{ "cftype", "name" },
	{ "xattr_handler", "name" },
	{ "tty_driver", "name" },
	{ "ctl_table", "procname" },
	{ "nls_table", "charset" },
	{ "trace_event_class", "system" },
	{ "crypto_alg", "cra_name" },
};

void xkd_text_title(const struct xkd_ctx *ctx, const struct xkd_value *obj, struct xkd_buf *out)
{
	const struct xkd_type *s = xkd_type_strip(obj->type);
	struct known k = { .ctx = ctx, .v = obj, .out = out };
	struct xkd_value m;
	uint64_t p;

	for (size_t i = 0; s->name && i < XKD_COUNT(titles); i++) {
		if (strcmp(titles[i].type, s->name) || !member(&k, titles[i].member, &m))
			continue;
		if (xkd_type_strip(m.type)->kind == XKD_T_PTR) {
			if (!xkd_value_u64(ctx, &m, &p, NULL) && p)
				xkd_text_string(ctx, p, out);
		} else {
			struct xkd_buf b = XKD_BUF_INIT;

			if (xkd_text_chars(ctx, &m, &b) && !strchr(b.s, '?'))
				xkd_buf_str(out, b.s + 1);
			xkd_buf_fini(&b);
		}
		return;
	}
}
