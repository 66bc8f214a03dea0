/* Stubs whose stops and memory need a second look: what the profile's quirks mean at the wire.
 *
 * kgdb: every task is a thread; a CPU is one with a negative id (-2 is CPU 0). A stop names the task
 * that the CPU runs, so the CPU is the one whose registers are those of the thread chosen at the stop.
 * Bochs: after some stops it tells rip + 1. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a register of eight bytes. */
static bool index_of(const struct xkd_rsp *r, const char *name, size_t *index)
{
	int i = xkd_rsp_reg_named(r, name);

	*index = i < 0 ? 0 : (size_t)i;
	return i >= 0 && r->descs[i].bytes == 8;
}

/* A register's value in the answer to g just had. */
static bool in_reply(const struct xkd_rsp *r, const char *name, uint64_t *v)
{
	uint8_t b[8];
	size_t i, n;

	if (!index_of(r, name, &i) || r->reply.len < 2 * (size_t)r->regs[i].off + 16 ||
	    !xkd_rsp_unhex(r->reply.s + 2 * (size_t)r->regs[i].off, 16, b, 8, &n))
		return false;
	*v = xkd_get_le(b, 8);
	return true;
}

/* rip of whatever thread is chosen, as the stub tells it. False: it does not. */
static enum xkd_rc told_rip(struct xkd_rsp *r, uint64_t *rip, bool *there, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, "g", 1, err);

	*there = rc == XKD_OK && in_reply(r, "rip", rip);
	return rc;
}

static enum xkd_rc put_rip(struct xkd_rsp *r, uint64_t rip, struct xkd_err *err)
{
	char hex[17];
	uint8_t b[8];
	size_t i;

	if (!index_of(r, "rip", &i))
		return XKD_OK;
	xkd_put_le(b, rip, 8);
	xkd_hex_encode(hex, b, 8);
	return xkd_rsp_askf(r, err, "P%x=%s", r->regs[i].regnum, hex);
}

/* The CPU whose registers are those of the thread that the stub chose at the stop. */
static enum xkd_rc find_cpu(struct xkd_rsp *r, uint64_t *id, bool *known, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, "g", 1, err);
	char *mine;

	*known = false;
	if (rc == XKD_OK)
		mine = xkd_strdup(r->reply.s ? r->reply.s : "");
	else
		return rc;
	rc = xkd_rsp_threads(r, err);
	for (size_t i = 0; rc == XKD_OK && !*known && i < r->nthreads; i++) {
		rc = xkd_rsp_select(r, r->threads[i].id, err);
		if (rc == XKD_OK)
			rc = xkd_rsp_ask(r, "g", 1, err);
		*known = rc == XKD_OK && r->reply.len && !strcmp(r->reply.s, mine);
		if (*known)
			*id = r->threads[i].id;
	}
	free(mine);
	return rc;
}

static bool has_bp(const struct xkd_rsp *r, uint64_t addr)
{
	for (size_t i = 0; i < r->bps.n; i++)
		if ((r->bps.p[i].kind == XKD_BP_SW || r->bps.p[i].kind == XKD_BP_HW) &&
		    r->bps.p[i].addr == addr)
			return true;
	return false;
}

/* rip behind an int3 of ours: back to it, as if it had not been executed. */
static enum xkd_rc step_back(struct xkd_rsp *r, struct xkd_event *ev, struct xkd_err *err)
{
	struct xkd_err ignored;
	uint64_t rip;
	bool there;
	enum xkd_rc rc = XKD_OK;

	if (ev->has_cpu && xkd_rsp_thread(r, ev->cpu_id))
		rc = xkd_rsp_select(r, ev->cpu_id, err);
	if (rc == XKD_OK)
		rc = told_rip(r, &rip, &there, err);
	if (rc != XKD_OK || !there || has_bp(r, rip) || !has_bp(r, rip - 1))
		return rc;
	for (size_t i = 0; i < r->bps.n; i++)
		if (r->bps.p[i].kind == XKD_BP_SW && r->bps.p[i].addr == rip - 1) {
			ev->reason = XKD_STOP_BP;
			rc = put_rip(r, rip - 1, &ignored);
			return rc == XKD_OK ? rc : xkd_err_set(err, rc, "%s", ignored.msg);
		}
	return XKD_OK;
}

/* Does it tell rip + 1? It then does so of a rip just written, too. */
static enum xkd_rc measure(struct xkd_rsp *r, struct xkd_err *err)
{
	uint64_t rip, again, rsp;
	bool there, twice = false;
	enum xkd_rc rc = told_rip(r, &rip, &there, err);

	r->rip_over = 0;
	r->high = false;
	if (rc == XKD_OK && there)
		rc = put_rip(r, rip, err);
	if (rc == XKD_OK && there)
		rc = told_rip(r, &again, &twice, err);
	if (rc != XKD_OK || !twice)
		return rc;
	r->high = rip >> 32 || (in_reply(r, "rsp", &rsp) && rsp >> 32);
	r->rip_over = again == rip + 1;
	r->rip = rip - r->rip_over;
	return put_rip(r, rip - r->rip_over, err);
}

enum xkd_rc xkd_rsp_settle(struct xkd_rsp *r, struct xkd_event *ev, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	if (ev->kind != XKD_EV_STOPPED)
		return XKD_OK;
	if (r->profile->shadow_cpus)
		rc = find_cpu(r, &ev->cpu_id, &ev->has_cpu, err);
	if (rc == XKD_OK && r->profile->rip_over)
		rc = measure(r, err);
	if (rc == XKD_OK && r->profile->int3_behind && ev->reason != XKD_STOP_STEP && r->bps.n)
		rc = step_back(r, ev, err);
	return rc;
}

void xkd_rsp_mend_g(const struct xkd_rsp *r, struct xkd_regblob *blob)
{
	size_t i;

	if (!r->rip_over || !index_of(r, "rip", &i) || !blob->avail[i])
		return;
	xkd_put_le(blob->bytes + r->descs[i].off,
		   xkd_get_le(blob->bytes + r->descs[i].off, 8) - r->rip_over, 8);
}
