/* Breakpoints by Z and z, with a table of what is in: leaving takes all of it out again. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>

static const struct {
	char z;
	const char *what;
} kinds[] = {
	[XKD_BP_SW] = { '0', "a software breakpoint" },
	[XKD_BP_HW] = { '1', "a hardware breakpoint" },
	[XKD_BP_WRITE] = { '2', "a write watchpoint" },
	[XKD_BP_READ] = { '3', "a read watchpoint" },
	[XKD_BP_ACCESS] = { '4', "an access watchpoint" },
};

static size_t find(const struct xkd_rsp *r, enum xkd_bp_kind kind, uint64_t addr, unsigned size)
{
	size_t i = 0;

	while (i < r->bps.n &&
	       (r->bps.p[i].kind != kind || r->bps.p[i].addr != addr || r->bps.p[i].size != size))
		i++;
	return i;
}

static enum xkd_rc request(struct xkd_rsp *r, char letter, const struct xkd_rsp_bp *bp,
			   struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_askf(r, err, "%c%c,%" PRIx64 ",%x", letter, kinds[bp->kind].z,
				      bp->addr, bp->size);

	if (rc != XKD_OK)
		return rc;
	if (xkd_rsp_is_ok(r))
		return XKD_OK;
	if (!r->reply.len) {
		r->no_z |= 1u << bp->kind;
		return xkd_err_addr(err, XKD_UNSUPPORTED, bp->addr, "%s does not know %s",
				    r->link.peer, kinds[bp->kind].what);
	}
	/* Software ones fail for want of memory there, the others for want of a free register. */
	return xkd_err_addr(err, bp->kind == XKD_BP_SW ? XKD_NOTMAPPED : XKD_UNSUPPORTED, bp->addr,
			    "%s refuses to %s %s at %s (%s)", r->link.peer,
			    letter == 'Z' ? "set" : "remove", kinds[bp->kind].what,
			    XKD_ADDR(bp->addr), XKD_RSP_SAID(r));
}

/* Told before it goes in and after it came out: what the keeper knows is never too little. */
static void note(struct xkd_rsp *r, bool in, const struct xkd_rsp_bp *bp)
{
	char spec[40];

	snprintf(spec, sizeof(spec), "%c,%" PRIx64 ",%x", kinds[bp->kind].z, bp->addr, bp->size);
	xkd_keeper_note(&r->keeper, in, spec);
}

enum xkd_rc xkd_rsp_bp_add(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			   unsigned size, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	struct xkd_rsp_bp bp = { kind, addr, size };
	enum xkd_rc rc;

	if (find(r, kind, addr, size) < r->bps.n)
		return XKD_OK;
	note(r, true, &bp);
	rc = request(r, 'Z', &bp, err);
	/* An answer that never came may hide one that is in. */
	if (rc == XKD_OK || rc == XKD_TIMEOUT || rc == XKD_CANCELED)
		*xkd_vec_push(&r->bps) = bp;
	else
		note(r, false, &bp);
	return rc;
}

enum xkd_rc xkd_rsp_bp_del(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			   unsigned size, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	struct xkd_rsp_bp bp = { kind, addr, size };
	size_t i = find(r, kind, addr, size);
	enum xkd_rc rc;

	if (i == r->bps.n)
		return xkd_err_addr(err, XKD_NOTFOUND, addr, "%s has not %s at %s", r->link.peer,
				    kinds[kind].what, XKD_ADDR(addr));
	rc = request(r, 'z', &bp, err);
	if (rc == XKD_OK) {
		r->bps_gone |= kind == XKD_BP_SW;
		note(r, false, &bp);
		xkd_vec_remove(&r->bps, i);
	}
	return rc;
}

enum xkd_rc xkd_rsp_bp_stale(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			     unsigned size, struct xkd_err *err)
{
	struct xkd_rsp_bp bp = { kind, addr, size };

	return request(xkd_rsp(be), 'z', &bp, err);
}

enum xkd_rc xkd_rsp_bp_clear(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc first = XKD_OK;

	for (size_t i = 0; i < r->bps.n; i++) {
		struct xkd_err e = XKD_ERR_INIT;
		enum xkd_rc rc = request(r, 'z', &r->bps.p[i], &e);

		r->bps_gone |= r->bps.p[i].kind == XKD_BP_SW;
		if (rc != XKD_OK && first == XKD_OK)
			first = xkd_err_addr(err, rc, r->bps.p[i].addr, "%s", e.msg);
		if (r->lost || rc == XKD_TIMEOUT)
			break;
	}
	xkd_vec_reset(&r->bps);
	return first;
}
