/* Maple trees (6.1). A pointer to a node carries the node's type in its low byte; what the types
 * are called and how their nodes look the debug info tells, so that later kernels fit as well. An
 * entry stands for a range of indices: from behind the pivot before it up to its own. Invariants:
 * ranges only ascend and stay inside their parent's, and the tree is no deeper than DEPTH. */
#include "engine/os/linux/walk.h"
#include <string.h>

#define NODE 256 /* nodes are aligned to their size; the low byte of a pointer is free */
#define DEPTH 31

struct shape {
	uint64_t pivot, slot;
	unsigned npivots, nslots;
	bool leaf, known;
};
struct maple {
	struct linux_walk *w;
	struct shape shapes[16]; /* by enum maple_type */
};

static enum xkd_rc array(struct linux_walk *w, const char *type, const char *path, uint64_t *off,
			 unsigned *n)
{
	uint64_t size;
	enum xkd_rc rc = xkd_offsetof(w->t, type, path, off, &size, w->err);

	if (!rc && (*off > NODE || size > NODE - *off))
		return xkd_err_set(w->err, XKD_BADDATA, "%s.%s does not fit a node", type, path);
	*n = rc ? 0 : (unsigned)(size / 8);
	return rc;
}

static enum xkd_rc learn_type(struct maple *m, const char *name, uint64_t val)
{
	static const struct {
		const char *name, *type;
		bool leaf;
	} types[] = {
		{ "maple_dense", "maple_node", true },
		{ "maple_leaf_64", "maple_range_64", true },
		{ "maple_range_64", "maple_range_64", false },
		{ "maple_arange_64", "maple_arange_64", false },
	};

	for (size_t i = 0; i < XKD_COUNT(types) && val < XKD_COUNT(m->shapes); i++) {
		struct shape *s = &m->shapes[val];
		enum xkd_rc rc = XKD_OK;

		if (strcmp(name, types[i].name))
			continue;
		*s = (struct shape){ .leaf = types[i].leaf, .known = true };
		if (i) /* a dense node has slots alone */
			rc = array(m->w, types[i].type, "pivot", &s->pivot, &s->npivots);
		return rc ? rc : array(m->w, types[i].type, "slot", &s->slot, &s->nslots);
	}
	return XKD_OK;
}

static enum xkd_rc learn(struct maple *m)
{
	const struct xkd_enumerator *e;
	const struct xkd_type *type;
	size_t n;
	enum xkd_rc rc =
		xkd_type_named(m->w->t, NULL, XKD_TAG_ENUM, "maple_type", &type, m->w->err);

	if (!rc)
		rc = xkd_type_enums(type, &e, &n, m->w->err);
	for (size_t i = 0; !rc && i < n; i++)
		if (e[i].name)
			rc = learn_type(m, e[i].name, e[i].val);
	return rc;
}

static bool is_node(uint64_t e)
{
	return (e & 3) == 2 && e > 4096;
}

static enum xkd_rc walk_node(struct maple *m, uint64_t enode, uint64_t min, uint64_t max,
			     int depth);

/* Reads the node and takes its slots apart: where each one's range ends; *n: how many. */
static enum xkd_rc slots_of(struct maple *m, uint64_t node, const struct shape *s, uint64_t min,
			    uint64_t max, uint64_t slot[NODE / 8], uint64_t end[NODE / 8],
			    unsigned *n)
{
	uint8_t bytes[NODE];
	enum xkd_rc rc = xkd_kread(m->w->t, node, bytes, sizeof(bytes), m->w->err);

	for (*n = 0; !rc && *n < s->nslots;) {
		unsigned i = *n;
		uint64_t pivot = i < s->npivots ? xkd_get_le(bytes + s->pivot + 8ULL * i, 8) : max;

		if (!s->npivots)
			pivot = min + i;
		else if (i && !pivot) /* the last one's is not always written */
			pivot = max;
		if (pivot > max || pivot < (i ? end[i - 1] + 1 : min))
			return xkd_err_set(m->w->err, XKD_BADDATA,
					   "damaged: slot %u ends at 0x%llx, out of order", i,
					   (unsigned long long)pivot);
		slot[i] = xkd_get_le(bytes + s->slot + 8ULL * i, 8);
		end[i] = pivot;
		++*n;
		if (pivot == max)
			break;
	}
	return rc;
}

static enum xkd_rc walk_slots(struct maple *m, const struct shape *s, uint64_t min,
			      const uint64_t *slot, const uint64_t *end, unsigned n, int depth)
{
	enum xkd_rc rc = XKD_OK;

	for (unsigned k = 0; !rc && k < n && !m->w->stop; k++) {
		unsigned i = m->w->reverse ? n - 1 - k : k;
		uint64_t from = i ? end[i - 1] + 1 : min;

		if (s->leaf) {
			if (slot[i] && (slot[i] & 3) != 2) /* else nothing, or kept for later */
				linux_walk_item(m->w, slot[i], from, end[i]);
		} else if (slot[i]) {
			rc = walk_node(m, slot[i], from, end[i], depth + 1);
		}
	}
	return rc;
}

static enum xkd_rc walk_node(struct maple *m, uint64_t enode, uint64_t min, uint64_t max, int depth)
{
	const struct shape *s = &m->shapes[enode >> 3 & 15];
	uint64_t node = enode & ~(NODE - 1ULL), slot[NODE / 8], end[NODE / 8];
	unsigned n = 0;
	enum xkd_rc rc = linux_walk_enter(m->w, node, "node");

	if (rc)
		return rc;
	if (!s->known || depth > DEPTH)
		rc = xkd_err_set(m->w->err, XKD_BADDATA, "damaged: a node of type %u at depth %d",
				 (unsigned)(enode >> 3 & 15), depth);
	if (!rc)
		rc = slots_of(m, node, s, min, max, slot, end, &n);
	if (rc)
		return xkd_err_prepend(m->w->err, rc, "node at %s", XKD_ADDR(node));
	return walk_slots(m, s, min, slot, end, n, depth);
}

enum xkd_rc linux_walk_maple(struct linux_walk *w, uint64_t head)
{
	struct maple m = { .w = w };
	uint64_t off, root;
	enum xkd_rc rc = xkd_offsetof(w->t, "maple_tree", "ma_root", &off, NULL, w->err);

	if (!rc)
		rc = learn(&m);
	if (rc)
		return xkd_err_prepend(w->err, rc, "this kernel has no maple trees");
	rc = linux_walk_ptr(w, head + off, &root);
	if (rc)
		return xkd_err_prepend(w->err, rc, "the tree at %s", XKD_ADDR(head));
	if (is_node(root))
		return walk_node(&m, root, 0, UINT64_MAX, 0);
	if (root && (root & 3) != 2)
		linux_walk_item(w, root, 0, 0);
	return XKD_OK;
}
