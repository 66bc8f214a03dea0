/* The kernel's containers as its headers declare them (include/linux/types.h, rbtree_types.h), for tests
 * whose own program is the kernel. */
#ifndef XKD_TESTS_CONTAINERS_H
#define XKD_TESTS_CONTAINERS_H
struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node {
	struct hlist_node *next, **pprev;
};
struct hlist_head {
	struct hlist_node *first;
};
struct rb_node {
	unsigned long __rb_parent_color;
	struct rb_node *rb_right, *rb_left;
};
struct rb_root {
	struct rb_node *rb_node;
};
#endif
