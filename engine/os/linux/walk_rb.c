/* Red-black trees in order. A struct rb_root_cached begins with its rb_root. Invariant: the path
 * from the root is bounded by DEPTH, more than any balanced tree can need. */
#include "engine/os/linux/walk.h"

#define DEPTH 128

struct path {
	uint64_t node[DEPTH];
	unsigned n;
};

/* Pushes p and what hangs on its near side, down to the first in order. */
static enum xkd_rc descend(struct linux_walk *w, struct path *path, uint64_t p, uint64_t near)
{
	enum xkd_rc rc = XKD_OK;

	while (p && !rc) {
		if (path->n == DEPTH)
			return xkd_err_addr(w->err, XKD_BADDATA, p,
					    "damaged: a path of over %d nodes leads to %s", DEPTH,
					    XKD_ADDR(p));
		rc = linux_walk_enter(w, p, "node");
		if (rc)
			return rc;
		path->node[path->n++] = p;
		rc = linux_walk_ptr(w, p + near, &p);
	}
	return rc ? xkd_err_prepend(w->err, rc, "node %llu at %s", (unsigned long long)w->count,
				    XKD_ADDR(path->node[path->n - 1]))
		  : rc;
}

enum xkd_rc linux_walk_rbtree(struct linux_walk *w, uint64_t head)
{
	uint64_t left = linux_walk_member(w, "rb_node", "rb_left", 16);
	uint64_t right = linux_walk_member(w, "rb_node", "rb_right", 8), p, n = 0;
	uint64_t near = w->reverse ? right : left, far = w->reverse ? left : right;
	struct path path = { .n = 0 };
	enum xkd_rc rc =
		linux_walk_ptr(w, head + linux_walk_member(w, "rb_root", "rb_node", 0), &p);

	if (rc)
		return xkd_err_prepend(w->err, rc, "the tree's root at %s", XKD_ADDR(head));
	rc = descend(w, &path, p, near);
	while (!rc && path.n && !w->stop) {
		uint64_t at = path.node[--path.n];

		rc = linux_walk_ptr(w, at + far, &p);
		if (rc)
			return xkd_err_prepend(w->err, rc, "node at %s", XKD_ADDR(at));
		linux_walk_item(w, at, n, n);
		n++;
		if (!w->stop)
			rc = descend(w, &path, p, near);
	}
	return rc;
}
