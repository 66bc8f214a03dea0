/* What is in the target. Invariant: placed lists exactly what the backend accepted and was not told
 * to take out; patches mirrors the software breakpoints that are in memory, so that reads show the
 * target's own bytes. */
#include "engine/run/place.h"
#include "base/str.h"
#include "engine/run/journal.h"
#include "engine/os/os.h"


static bool is_exec(enum xkd_bp_kind kind)
{
	return kind == XKD_BP_SW || kind == XKD_BP_HW;
}

static size_t find(struct xkd_run *r, uint64_t addr, enum xkd_bp_kind kind, unsigned size)
{
	for (size_t i = 0; i < r->bkpts->placed.n; i++) {
		const struct xkd_placed *p = &r->bkpts->placed.p[i];

		if (p->addr == addr && p->kind == kind && p->size == size)
			return i;
	}
	return SIZE_MAX;
}

const char *xkd_placed_patcher(struct xkd_run *r, uint64_t addr)
{
	size_t i = find(r, addr, XKD_BP_SW, 1);

	return i == SIZE_MAX ? NULL : r->bkpts->placed.p[i].patcher;
}

bool xkd_placed_at(struct xkd_run *r, uint64_t addr)
{
	for (size_t i = 0; i < r->bkpts->placed.n; i++)
		if (r->bkpts->placed.p[i].addr == addr && is_exec(r->bkpts->placed.p[i].kind))
			return true;
	return false;
}

static const char *kind_name(enum xkd_bp_kind kind)
{
	static const char *const names[] = { "software breakpoint", "hardware breakpoint",
					     "write watch", "read watch", "access watch" };

	return names[kind];
}

static bool can(struct xkd_run *r, enum xkd_bp_kind kind)
{
	static const unsigned cap[] = { XKD_CAP_BP_SW, XKD_CAP_BP_HW, XKD_CAP_WATCH_W,
					XKD_CAP_WATCH_R, XKD_CAP_WATCH_A };

	return r->t->caps & cap[kind] && r->t->be->ops->bp_add;
}

static unsigned in_hardware(const struct xkd_run *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->bkpts->placed.n; i++)
		n += r->bkpts->placed.p[i].kind != XKD_BP_SW || r->bkpts->placed.p[i].patcher;
	return n;
}

/* A byte of ours in memory must not be where the kernel patches: it would be met there. Half of the
 * hardware ones are kept for who asks for them, as far as the kernel survives it. */
static const char *patcher(struct xkd_run *r, uint64_t addr, enum xkd_bp_kind kind)
{
	const struct xkd_target *t = r->t;
	bool gently = false;
	const char *who = kind == XKD_BP_SW && t->caps & XKD_CAP_BP_IN_MEMORY && t->caps & XKD_CAP_BP_HW &&
				  t->os->patched ? t->os->patched(r->t, addr, &gently) : NULL;

	return gently && in_hardware(r) >= t->arch->hw_slots / 2 ? NULL : who;
}

enum xkd_rc xkd_place(struct xkd_run *r, uint64_t addr, enum xkd_bp_kind kind, unsigned size,
		      struct xkd_err *err)
{
	struct xkd_target *t = r->t;
	struct xkd_placed *p;
	struct xkd_err ignored;
	struct xkd_space sp = xkd_space_kernel();
	const char *who;
	uint8_t orig;
	bool has_orig;
	enum xkd_rc rc;

	if (find(r, addr, kind, size) != SIZE_MAX)
		return XKD_OK;
	if (!can(r, kind))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s has no %s", t->uri, kind_name(kind));
	/* Where they lie beside memory, an int3 that is read there is the kernel's own: it patches its code. */
	who = patcher(r, addr, kind);
	has_orig = kind == XKD_BP_SW && !who && t->caps & XKD_CAP_BP_IN_MEMORY && !xkd_mem_read(t, &sp, addr, &orig, 1, NULL, &ignored);
	if (kind > XKD_BP_HW && addr & (size - 1))
		return xkd_err_addr(err, XKD_SYNTAX, addr, "%s is not aligned to %u bytes: a %s cannot be there",
				    XKD_ADDR(addr), size, kind_name(kind));
	xkd_journal_note(r, true, addr, who ? XKD_BP_HW : kind, size);
	xkd_cancel_hold(t->cancel, true); /* Ctrl-C must not cut the exchange in two */
	rc = xkd_target_noted(t, t->be->ops->bp_add(t->be, who ? XKD_BP_HW : kind, addr, size, err));
	xkd_cancel_hold(t->cancel, false);
	if (rc && rc != XKD_TRANSPORT && rc != XKD_TIMEOUT && rc != XKD_CANCELED)
		xkd_journal_note(r, false, addr, who ? XKD_BP_HW : kind, size);
	if (rc && who)
		(void)xkd_err_prepend(err, rc, "the kernel patches this place as it runs (%s), so that a software "
				      "breakpoint cannot be here", who);
	if (rc && (who || kind != XKD_BP_SW) && rc != XKD_TRANSPORT && in_hardware(r) >= t->arch->hw_slots)
		return xkd_err_prepend(err, rc, "all %u breakpoints that the processor has are taken (bc frees "
				       "one): %s at %s", t->arch->hw_slots, kind_name(kind), XKD_ADDR(addr));
	if (rc)
		return xkd_err_prepend(err, rc, "%s at %s", kind_name(kind), XKD_ADDR(addr));
	p = xkd_vec_push(&r->bkpts->placed);
	*p = (struct xkd_placed){ addr, kind, size, who };
	if (has_orig)
		*xkd_vec_push(&t->patches) = (struct xkd_patch){ addr, orig };
	return XKD_OK;
}

enum xkd_rc xkd_unplace(struct xkd_run *r, uint64_t addr, enum xkd_bp_kind kind, unsigned size,
			struct xkd_err *err)
{
	struct xkd_target *t = r->t;
	size_t i = find(r, addr, kind, size);
	bool hard;
	enum xkd_rc rc;

	if (i == SIZE_MAX)
		return XKD_OK;
	hard = r->bkpts->placed.p[i].patcher != NULL;
	xkd_cancel_hold(t->cancel, true);
	rc = xkd_target_noted(t, t->be->ops->bp_del(t->be, hard ? XKD_BP_HW : kind, addr, size, err));
	xkd_cancel_hold(t->cancel, false);
	if (rc)
		return xkd_err_prepend(err, rc, "taking out the %s at %s", kind_name(kind),
				       XKD_ADDR(addr));
	xkd_journal_note(r, false, addr, hard ? XKD_BP_HW : kind, size);
	xkd_vec_remove(&r->bkpts->placed, i);
	for (i = 0; kind == XKD_BP_SW && i < t->patches.n; i++)
		if (t->patches.p[i].addr == addr) {
			xkd_vec_remove(&t->patches, i);
			break;
		}
	return XKD_OK;
}

enum xkd_rc xkd_unplace_exec(struct xkd_run *r, uint64_t addr, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_unplace(r, addr, XKD_BP_SW, 1, err);

	return rc ? rc : xkd_unplace(r, addr, XKD_BP_HW, 1, err);
}

static bool wanted(struct xkd_run *r, const struct xkd_placed *p)
{
	if (p->kind == XKD_BP_SW && p->addr == r->bkpts->load_at)
		return true;
	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		const struct xkd_bkpt *b = r->bkpts->list.p[i];

		if (!b->enabled || b->kind != p->kind || b->size != p->size)
			continue;
		for (size_t k = 0; k < b->locs.n; k++)
			if (b->locs.p[k] == p->addr)
				return true;
	}
	return false;
}

enum xkd_rc xkd_place_sync(struct xkd_run *r, struct xkd_err *err)
{
	for (size_t i = r->bkpts->placed.n; i-- > 0;) {
		struct xkd_placed p = r->bkpts->placed.p[i];
		enum xkd_rc rc = wanted(r, &p) ? XKD_OK :
						 xkd_unplace(r, p.addr, p.kind, p.size, err);

		if (rc)
			return rc;
	}
	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		const struct xkd_bkpt *b = r->bkpts->list.p[i];

		for (size_t k = 0; b->enabled && k < b->locs.n; k++) {
			enum xkd_rc rc = xkd_place(r, b->locs.p[k], b->kind, b->size, err);

			if (rc)
				return xkd_err_prepend(err, rc, "breakpoint %u", b->id);
		}
	}
	return r->bkpts->load_at ? xkd_place(r, r->bkpts->load_at, XKD_BP_SW, 1, err) : XKD_OK;
}

enum xkd_rc xkd_run_remove_all(struct xkd_run *r, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	for (size_t i = r->bkpts->placed.n; r->t && i-- > 0;) {
		struct xkd_placed p = r->bkpts->placed.p[i];
		enum xkd_rc one = xkd_unplace(r, p.addr, p.kind, p.size, err);

		rc = one ? one : rc;
		if (one == XKD_TIMEOUT || one == XKD_TRANSPORT)
			break; /* each of the others would wait as long */
	}
	return rc;
}
