/* XArrays (4.20), and the radix trees that were before them: which of the two is there, the types
 * of the kernel tell. An IDR begins with its tree. An entry may stand at several indices: then
 * slots after it are siblings that point to it. Invariant: nodes nest no deeper than indices have
 * bits. */
#include "engine/os/linux/walk.h"

#define SLOTS 64
#define DEPTH 24

struct form {
	bool xarray;
	uint64_t root, shift, slots, size;
	unsigned nslots;
};

static enum xkd_rc learn(struct linux_walk *w, struct form *f)
{
	const char *node = "xa_node";
	struct xkd_err ignored;
	uint64_t bytes;
	enum xkd_rc rc;

	f->xarray = !xkd_offsetof(w->t, "xarray", "xa_head", &f->root, NULL, &ignored);
	if (!f->xarray) {
		node = "radix_tree_node";
		rc = xkd_offsetof(w->t, "radix_tree_root", "rnode", &f->root, NULL, w->err);
		if (rc)
			return xkd_err_prepend(w->err, rc,
					       "neither struct xarray nor an older radix tree "
					       "is known");
	}
	rc = xkd_offsetof(w->t, node, "slots", &f->slots, &bytes, w->err);
	if (!rc)
		rc = xkd_offsetof(w->t, node, "shift", &f->shift, NULL, w->err);
	if (!rc && (bytes < 8 || bytes > 8 * SLOTS))
		rc = xkd_err_set(w->err, XKD_BADDATA, "%s has slots of 0x%llx bytes", node,
				 (unsigned long long)bytes);
	f->nslots = (unsigned)(bytes / 8);
	return rc;
}

static bool is_node(const struct form *f, uint64_t e)
{
	return f->xarray ? (e & 3) == 2 && e > 4096 : (e & 3) == 1;
}

/* A slot that only says "as the one before". */
static bool is_sibling(const struct form *f, uint64_t node, uint64_t e)
{
	if (f->xarray)
		return (e & 3) == 2 && e >> 2 < f->nslots;
	return (e & 3) == 1 && (e & ~3ULL) - (node + f->slots) < 8ULL * f->nslots;
}

/* Entries that the code keeps for itself: retry, zero. */
static bool is_internal(const struct form *f, uint64_t e)
{
	return f->xarray && (e & 3) == 2;
}

static enum xkd_rc walk_node(struct linux_walk *w, const struct form *f, uint64_t node,
			     uint64_t base, int depth);

static enum xkd_rc walk_slot(struct linux_walk *w, const struct form *f, uint64_t e, uint64_t first,
			     uint64_t last, int depth)
{
	if (is_node(f, e))
		return walk_node(w, f, e & ~3ULL, first, depth + 1);
	if (e && !is_internal(f, e))
		linux_walk_item(w, e, first, last);
	return XKD_OK;
}

static enum xkd_rc walk_node(struct linux_walk *w, const struct form *f, uint64_t node,
			     uint64_t base, int depth)
{
	uint64_t slot[SLOTS], shift;
	enum xkd_rc rc = linux_walk_enter(w, node, "node");

	if (rc)
		return rc;
	rc = xkd_kread_u(w->t, node + f->shift, 1, &shift, w->err);
	if (!rc)
		rc = xkd_kread(w->t, node + f->slots, slot, 8ULL * f->nslots, w->err);
	if (!rc && (shift > 63 || depth > DEPTH))
		rc = xkd_err_set(w->err, XKD_BADDATA, "damaged: shift %llu at depth %d",
				 (unsigned long long)shift, depth);
	if (rc)
		return xkd_err_prepend(w->err, rc, "node at %s", XKD_ADDR(node));
	for (unsigned k = 0; !rc && k < f->nslots && !w->stop; k++) {
		unsigned i = w->reverse ? f->nslots - 1 - k : k, end = i + 1;

		if (is_sibling(f, node, slot[i]))
			continue;
		while (end < f->nslots && is_sibling(f, node, slot[end]))
			end++;
		rc = walk_slot(w, f, slot[i], base + ((uint64_t)i << shift),
			       base + ((uint64_t)end << shift) - 1, depth);
	}
	return rc;
}

enum xkd_rc linux_walk_xarray(struct linux_walk *w, uint64_t head)
{
	struct form f = { .xarray = true };
	uint64_t e;
	enum xkd_rc rc = learn(w, &f);

	if (rc)
		return rc;
	rc = linux_walk_ptr(w, head + f.root, &e);
	if (rc)
		return xkd_err_prepend(w->err, rc, "the array's root at %s", XKD_ADDR(head));
	return walk_slot(w, &f, e, 0, 0, 0);
}
