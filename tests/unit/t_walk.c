/* The kernel's containers, made by hand and walked: this program is the kernel, its compiler laid
 * the structures out. Then the same damaged: loops, poison, pointers to nowhere. With OLD_TREE the
 * radix tree that was before XArrays. */
#include "engine/os/linux/linux.h"
#include "tests/unit/containers.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include <stddef.h>
#include <string.h>

#define SLOTS 64
#ifndef OLD_TREE
struct xarray {
	unsigned xa_lock, xa_flags;
	void *xa_head;
};
struct xa_node {
	unsigned char shift, offset, count, nr_values;
	struct xa_node *parent;
	struct xarray *array;
	void *private_list[2];
	void *slots[SLOTS];
};
#define NODE 2
#define TREE struct xarray
#define HEAD xa_head
#else
struct radix_tree_root {
	unsigned gfp_mask;
	void *rnode;
};
struct radix_tree_node {
	unsigned char shift, offset, count, exceptional;
	struct radix_tree_node *parent;
	struct radix_tree_root *root;
	void *private_list[2];
	void *slots[SLOTS];
};
#define xa_node radix_tree_node
#define NODE 1
#define TREE struct radix_tree_root
#define HEAD rnode
#endif
enum maple_type { maple_dense, maple_leaf_64, maple_range_64, maple_arange_64 };
struct maple_range_64 {
	void *parent;
	unsigned long pivot[15];
	union {
		void *slot[16];
		struct {
			void *pad[15];
			unsigned char end, gap;
		};
	};
};
struct maple_arange_64 {
	void *parent;
	unsigned long pivot[9];
	void *slot[10];
	unsigned long gap[10];
};
struct maple_node {
	union {
		struct {
			void *parent;
			void *slot[31];
		};
		struct maple_range_64 mr64;
		struct maple_arange_64 ma64;
	};
} __attribute__((aligned(256)));
struct maple_tree {
	unsigned ma_lock, ma_flags;
	void *ma_root;
};

#define N 8
static struct list_head ring, entry[N];
static struct hlist_head chain;
static struct hlist_node links[N];
static struct rb_root root;
static struct rb_node rb[200];
static TREE array;
static struct xa_node top, leaf;
static struct maple_tree mt;
static struct maple_node mroot, mleaf[2], mdense;
static enum maple_type used = maple_dense; /* so that the debug info has the enumeration */

static struct xkd_target *target;
static struct xkd_buf seen;
static uint64_t base, unit;

static bool note(void *arg, const struct xkd_walk_item *it)
{
	unsigned *left = arg;

	if (unit)
		xkd_buf_printf(&seen, "%llu ", (unsigned long long)((it->addr - base) / unit));
	else
		xkd_buf_printf(&seen, "%llx-%llx:%llx ", (unsigned long long)it->first,
			       (unsigned long long)it->last, (unsigned long long)it->addr);
	return !left || --*left;
}

static void walks(enum xkd_walk_kind kind, const void *head, bool reverse, const char *want,
		  const char *error, const char *name)
{
	struct xkd_err err = XKD_ERR_INIT;
	enum xkd_rc rc;

	xkd_target_dirty(target);
	xkd_buf_reset(&seen);
	rc = linux_walk_all(target, kind, (uintptr_t)head, reverse, note, NULL, &err);
	is_str(seen.s, want, name);
	if (!error)
		ok(!rc, "... to its end");
	else
		ok(rc && strstr(err.msg, error), "... and says what is wrong");
	if (error ? !rc || !strstr(err.msg, error) : rc)
		printf("# %s\n", err.msg);
}

static void make_ring(void)
{
	struct list_head *p = &ring;

	for (int i = 0; i < N; i++, p = p->next) {
		p->next = &entry[i];
		entry[i].prev = p;
	}
	p->next = &ring;
	ring.prev = p;
}

static void lists(void)
{
	struct list_head empty = { &empty, &empty }, zero = { 0 };
	unsigned left = 3;
	struct xkd_err err = XKD_ERR_INIT;

	base = (uintptr_t)entry;
	unit = sizeof(entry[0]);
	make_ring();
	walks(XKD_WALK_LIST, &ring, false, "0 1 2 3 4 5 6 7 ", NULL, "a list");
	walks(XKD_WALK_LIST, &ring, true, "7 6 5 4 3 2 1 0 ", NULL, "backwards");
	walks(XKD_WALK_LIST, &empty, false, "", NULL, "an empty list");
	walks(XKD_WALK_LIST, &zero, false, "", "never initialized", "zeroes");
	entry[5].next = &entry[2];
	walks(XKD_WALK_LIST, &ring, false, "0 1 2 3 4 5 ", "comes back to the entry", "a loop");
	entry[5].next = (void *)0xdead000000000100;
	walks(XKD_WALK_LIST, &ring, false, "0 1 2 3 4 5 ", "poison", "a removed entry");
	entry[5].next = NULL;
	walks(XKD_WALK_LIST, &ring, false, "0 1 2 3 4 5 ", "NULL", "an end that is none");
	entry[5].next = (void *)0x10;
	walks(XKD_WALK_LIST, &ring, false, "0 1 2 3 4 5 ", "entry 7 at 00000000`00000010",
	      "a pointer to nowhere");
	walks(XKD_WALK_LIST, (void *)0x10, false, "", "head at 00000000`00000010", "no head");
	make_ring();
	xkd_target_dirty(target);
	xkd_buf_reset(&seen);
	ok(!linux_walk_all(target, XKD_WALK_LIST, (uintptr_t)&ring, false, note, &left, &err),
	   "who has seen enough");
	is_str(seen.s, "0 1 2 ", "... is asked no more");
}

static void chains(void)
{
	base = (uintptr_t)links;
	unit = sizeof(links[0]);
	chain.first = &links[0];
	for (int i = 0; i < 3; i++)
		links[i].next = &links[i + 1];
	links[3].next = NULL;
	walks(XKD_WALK_HLIST, &chain, false, "0 1 2 3 ", NULL, "an hlist");
	links[3].next = (void *)(uintptr_t)(2 * 77 + 1);
	walks(XKD_WALK_HLIST, &chain, false, "0 1 2 3 ", NULL, "one that ends with a number");
	links[3].next = &links[1];
	walks(XKD_WALK_HLIST, &chain, false, "0 1 2 3 ", "comes back", "a loop");
	links[3].next = (void *)0x10;
	walks(XKD_WALK_HLIST, &chain, false, "0 1 2 3 ", "entry 5", "a pointer to nowhere");
	chain.first = NULL;
	walks(XKD_WALK_HLIST, &chain, false, "", NULL, "an empty hlist");
}

static void rbtrees(void)
{
	base = (uintptr_t)rb;
	unit = sizeof(rb[0]);
	memset(rb, 0, sizeof(rb));
	root.rb_node = &rb[3];
	rb[3].rb_left = &rb[1];
	rb[3].rb_right = &rb[5];
	rb[1].rb_left = &rb[0];
	rb[1].rb_right = &rb[2];
	rb[5].rb_left = &rb[4];
	rb[5].rb_right = &rb[6];
	walks(XKD_WALK_RBTREE, &root, false, "0 1 2 3 4 5 6 ", NULL, "a red-black tree");
	walks(XKD_WALK_RBTREE, &root, true, "6 5 4 3 2 1 0 ", NULL, "backwards");
	rb[5].rb_left = &rb[1];
	walks(XKD_WALK_RBTREE, &root, false, "0 1 2 3 ", "comes back to the node", "a loop");
	rb[5].rb_left = (void *)0x10;
	walks(XKD_WALK_RBTREE, &root, false, "0 1 2 3 ", "00000000`00000010",
	      "a pointer to nowhere");
	for (int i = 0; i < 199; i++)
		rb[i].rb_left = &rb[i + 1];
	walks(XKD_WALK_RBTREE, &root, false, "", "a path of over", "no balanced tree");
	root.rb_node = NULL;
	walks(XKD_WALK_RBTREE, &root, false, "", NULL, "an empty tree");
}

static void *node(void *n)
{
	return (char *)n + NODE;
}

static void arrays(void)
{
	unit = 0;
	walks(XKD_WALK_XARRAY, &array, false, "", NULL, "an empty array");
	array.HEAD = (void *)0x1000;
	walks(XKD_WALK_XARRAY, &array, false, "0-0:1000 ", NULL, "one entry without a node");
	array.HEAD = node(&top);
	top.shift = 6;
	top.slots[0] = node(&leaf);
	top.slots[2] = (void *)0x4000; /* as wide as a node */
	leaf.slots[1] = (void *)0x2000;
	leaf.slots[63] = (void *)0x3000;
#ifndef OLD_TREE
	leaf.slots[7] = (void *)0x15;			   /* a number */
	leaf.slots[8] = (void *)(uintptr_t)(256 << 2 | 2); /* "look again" */
	top.slots[3] = (void *)(uintptr_t)(2 << 2 | 2);	   /* as slot 2 */
	walks(XKD_WALK_XARRAY, &array, false, "1-1:2000 7-7:15 3f-3f:3000 80-ff:4000 ", NULL,
	      "an array");
	walks(XKD_WALK_XARRAY, &array, true, "80-ff:4000 3f-3f:3000 7-7:15 1-1:2000 ", NULL,
	      "backwards");
#else
	top.slots[3] = (char *)&top.slots[2] + NODE;
	walks(XKD_WALK_XARRAY, &array, false, "1-1:2000 3f-3f:3000 80-ff:4000 ", NULL,
	      "a radix tree");
#endif
	leaf.slots[5] = node(&top);
	walks(XKD_WALK_XARRAY, &array, false, "1-1:2000 ", "comes back to the node", "a loop");
	leaf.slots[5] = node((void *)0x10000);
	walks(XKD_WALK_XARRAY, &array, false, "1-1:2000 ", "node at 00000000`00010000",
	      "a pointer to nowhere");
	leaf.shift = 200;
	walks(XKD_WALK_XARRAY, &array, false, "", "shift 200", "a shift that is none");
}

static void *enode(struct maple_node *n, enum maple_type type)
{
	return (char *)n + (type << 3) + 4;
}

static void maples(void)
{
	unit = 0;
	walks(XKD_WALK_MAPLE, &mt, false, "", NULL, "an empty maple tree");
	mt.ma_root = (void *)0x1000;
	walks(XKD_WALK_MAPLE, &mt, false, "0-0:1000 ", NULL, "one entry without a node");
	mt.ma_root = (char *)&mroot + (maple_arange_64 << 3) + 2;
	mroot.ma64.pivot[0] = 0xfff;
	mroot.ma64.slot[0] = enode(&mleaf[0], maple_leaf_64);
	mroot.ma64.pivot[1] = ~0ul;
	mroot.ma64.slot[1] = enode(&mleaf[1], maple_leaf_64);
	mleaf[0].mr64.pivot[0] = 0;
	mleaf[0].mr64.slot[0] = (void *)0x1000;
	mleaf[0].mr64.pivot[1] = 0xff;
	mleaf[0].mr64.pivot[2] = 0x1ff;
	mleaf[0].mr64.slot[2] = (void *)0x2000;
	mleaf[0].mr64.slot[3] = (void *)0x3000; /* its pivot is not written */
	for (int i = 0; i < 15; i++) {
		mleaf[1].mr64.pivot[i] = 0x1000 + (unsigned)i;
		mleaf[1].mr64.slot[i] = i % 8 ? NULL : (void *)(uintptr_t)(0x4000 + 0x100 * i);
	}
	mleaf[1].mr64.slot[15] = (void *)0x8000;
	walks(XKD_WALK_MAPLE, &mt, false,
	      "0-0:1000 100-1ff:2000 200-fff:3000 1000-1000:4000 1008-1008:4800 "
	      "100f-ffffffffffffffff:8000 ",
	      NULL, "a maple tree");
	walks(XKD_WALK_MAPLE, &mt, true,
	      "100f-ffffffffffffffff:8000 1008-1008:4800 1000-1000:4000 200-fff:3000 100-1ff:2000 "
	      "0-0:1000 ",
	      NULL, "backwards");
	mroot.ma64.slot[1] = enode(&mdense, maple_dense);
	mdense.slot[0] = (void *)0x9000;
	mdense.slot[30] = (void *)0xa000;
	walks(XKD_WALK_MAPLE, &mt, false,
	      "0-0:1000 100-1ff:2000 200-fff:3000 1000-1000:9000 101e-101e:a000 ", NULL,
	      "a dense node");
	mroot.ma64.slot[1] = enode(&mroot, maple_arange_64);
	walks(XKD_WALK_MAPLE, &mt, false, "0-0:1000 100-1ff:2000 200-fff:3000 ", "comes back",
	      "a loop");
	mroot.ma64.slot[1] = enode(&mleaf[1], (enum maple_type)9);
	walks(XKD_WALK_MAPLE, &mt, false, "0-0:1000 100-1ff:2000 200-fff:3000 ", "type 9",
	      "a type that is none");
	mroot.ma64.slot[1] = (void *)0x10004;
	walks(XKD_WALK_MAPLE, &mt, false, "0-0:1000 100-1ff:2000 200-fff:3000 ",
	      "00000000`00010000", "a pointer to nowhere");
	mleaf[0].mr64.pivot[2] = 0x80;
	walks(XKD_WALK_MAPLE, &mt, false, "", "out of order", "ranges that go back");
	mleaf[0].mr64.pivot[2] = 0x2000;
	walks(XKD_WALK_MAPLE, &mt, false, "", "out of order", "ranges that leave their parent's");
}

int main(void)
{
	target = mock_open();
	xkd_buf_init(&seen);
	if (mock_self(target) && used == maple_dense) {
		lists();
		chains();
		rbtrees();
		arrays();
		maples();
	} else {
		skip("walking", "this program has no debug info");
	}
	xkd_buf_fini(&seen);
	mock_close(target);
	return done_testing();
}
