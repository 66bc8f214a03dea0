/* The kernel's containers, walked: lists here, trees in walk_rb.c, walk_xa.c, walk_maple.c.
 * Invariants: every node is entered once, and at most NODES of them: a damaged container ends the
 * walk with an error that names the place, never with a loop; Ctrl-C is asked for at each node. */
#include "engine/os/linux/walk.h"
#include "base/cancel.h"
#include <string.h>

#define NODES 4000000
#define POISON_LOW 0xdead000000000000ULL /* CONFIG_ILLEGAL_POINTER_VALUE, x86-64 */
#define POISON_LEN 0x1000ULL

enum xkd_rc linux_walk_enter(struct linux_walk *w, uint64_t addr, const char *what)
{
	enum xkd_rc rc = xkd_cancel_check(w->t->cancel, w->err);

	if (rc)
		return rc;
	if (addr - POISON_LOW < POISON_LEN)
		return xkd_err_addr(w->err, XKD_BADDATA, addr,
				    "the %s after %llu others is poison (%s): it was removed", what,
				    (unsigned long long)w->count, XKD_ADDR(addr));
	if (xkd_map_get(&w->met, addr))
		return xkd_err_addr(w->err, XKD_BADDATA, addr,
				    "damaged: after %llu it comes back to the %s at %s",
				    (unsigned long long)w->count, what, XKD_ADDR(addr));
	if (w->count >= NODES)
		return xkd_err_set(w->err, XKD_BADDATA, "it does not end after %d", NODES);
	xkd_map_put(&w->met, addr, w);
	w->count++;
	return XKD_OK;
}

enum xkd_rc linux_walk_ptr(struct linux_walk *w, uint64_t addr, uint64_t *val)
{
	return xkd_kread_u(w->t, addr, 8, val, w->err);
}

void linux_walk_item(struct linux_walk *w, uint64_t addr, uint64_t first, uint64_t last)
{
	struct xkd_walk_item item = { .addr = addr, .first = first, .last = last };

	if (!w->fn(w->arg, &item))
		w->stop = true;
}

uint64_t linux_walk_member(struct linux_walk *w, const char *type, const char *path, uint64_t dflt)
{
	struct xkd_err ignored;
	uint64_t off;

	return xkd_offsetof(w->t, type, path, &off, NULL, &ignored) ? dflt : off;
}

static enum xkd_rc at_entry(struct linux_walk *w, enum xkd_rc rc, uint64_t addr)
{
	return xkd_err_prepend(w->err, rc, "entry %llu at %s", (unsigned long long)w->count,
			       XKD_ADDR(addr));
}

/* Tells the entry at *p and goes to the one that its link, off bytes in, names. */
static enum xkd_rc pass_entry(struct linux_walk *w, uint64_t *p, uint64_t off)
{
	enum xkd_rc rc = linux_walk_enter(w, *p, "entry");
	uint64_t next = 0;

	if (rc)
		return rc;
	rc = linux_walk_ptr(w, *p + off, &next);
	if (rc)
		return at_entry(w, rc, *p);
	linux_walk_item(w, *p, w->count - 1, w->count - 1);
	*p = next;
	return XKD_OK;
}

/* struct list_head: a ring through the head, which is no entry. */
static enum xkd_rc walk_list(struct linux_walk *w, uint64_t head)
{
	uint64_t off = w->reverse ? linux_walk_member(w, "list_head", "prev", 8)
				  : linux_walk_member(w, "list_head", "next", 0);
	uint64_t p;
	enum xkd_rc rc = linux_walk_ptr(w, head + off, &p);

	if (rc)
		return xkd_err_prepend(w->err, rc, "the list's head at %s", XKD_ADDR(head));
	while (p != head && !w->stop) {
		if (!p)
			return xkd_err_set(w->err, XKD_BADDATA,
					   w->count ? "damaged: after %llu entries comes NULL"
						    : "NULL: the list was never initialized",
					   (unsigned long long)w->count);
		rc = pass_entry(w, &p, off);
		if (rc)
			return rc;
	}
	return XKD_OK;
}

/* struct hlist_head and its kin (nulls, bl, llist): a chain that ends with NULL or with an odd
 * small number; bit 0 of a bl head's pointer is a lock. */
static enum xkd_rc walk_hlist(struct linux_walk *w, uint64_t head)
{
	uint64_t off = linux_walk_member(w, "hlist_node", "next", 0), p;
	enum xkd_rc rc = linux_walk_ptr(w, head, &p);

	if (rc)
		return xkd_err_prepend(w->err, rc, "the list's head at %s", XKD_ADDR(head));
	if (p & 1 && p >> 63)
		p &= ~1ULL;
	while (p && !(p & 1) && !w->stop) {
		rc = pass_entry(w, &p, off);
		if (rc)
			return rc;
	}
	return XKD_OK;
}

enum xkd_rc linux_walk_all(struct xkd_target *t, enum xkd_walk_kind kind, uint64_t head,
			   bool reverse, bool (*fn)(void *arg, const struct xkd_walk_item *item),
			   void *arg, struct xkd_err *err)
{
	static enum xkd_rc (*const walks[])(struct linux_walk * w, uint64_t head) = {
		[XKD_WALK_LIST] = walk_list,	       [XKD_WALK_HLIST] = walk_hlist,
		[XKD_WALK_RBTREE] = linux_walk_rbtree, [XKD_WALK_XARRAY] = linux_walk_xarray,
		[XKD_WALK_MAPLE] = linux_walk_maple,
	};
	struct linux_walk w = { .t = t, .reverse = reverse, .fn = fn, .arg = arg, .err = err };
	enum xkd_rc rc;

	xkd_map_init_u64(&w.met);
	rc = walks[kind](&w, head);
	xkd_map_fini(&w.met);
	return rc;
}
