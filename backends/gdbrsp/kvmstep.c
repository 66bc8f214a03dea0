/* Steps under QEMU with KVM of a CPU whose rip was written: lost, unless it is made to enter first.
 * QEMU asks KVM for the step before it hands over the registers that were written, and KVM sets the
 * trap flag only where rip is still what it was when it was asked: the CPU would run on. So it is
 * entered with a breakpoint at its rip, which it comes to with nothing carried out. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RF (1ull << 16) /* of rflags: no breakpoint register for the next instruction */

void xkd_rsp_moved(struct xkd_rsp *r, uint64_t id, size_t index, const uint8_t *val)
{
	struct xkd_rsp_moved m = { .id = id };

	if (!r->kvm || strcmp(r->descs[index].name, "rip") || r->descs[index].bytes != 8)
		return;
	m.pc = xkd_get_le(val, 8);
	for (size_t i = 0; i < r->moved.n; i++) {
		if (r->moved.p[i].id == id) {
			r->moved.p[i] = m;
			return;
		}
	}
	*xkd_vec_push(&r->moved) = m;
}

void xkd_rsp_entered(struct xkd_rsp *r, const struct xkd_resume *res)
{
	if (res->others != XKD_ACT_HOLD || !res->has_cpu) {
		xkd_vec_reset(&r->moved);
		return;
	}
	for (size_t i = 0; i < r->moved.n; i++) {
		if (r->moved.p[i].id == res->cpu_id) {
			xkd_vec_remove(&r->moved, i);
			return;
		}
	}
}

/* rip and rflags as the stub has them; 0 where it does not tell. */
static enum xkd_rc look(struct xkd_rsp *r, uint64_t id, uint64_t *rip, uint64_t *flags,
			struct xkd_err *err)
{
	struct xkd_regblob *b = xkd_calloc(1, sizeof(*b));
	enum xkd_rc rc = xkd_rsp_regs_get(&r->be, id, XKD_RG_INT, b, err);
	int pc = xkd_rsp_reg_named(r, "rip"), fl = xkd_rsp_reg_named(r, "eflags");

	*rip = !rc && pc >= 0 ? xkd_get_le(b->bytes + r->descs[pc].off, 8) : 0;
	*flags = !rc && fl >= 0 ? xkd_get_le(b->bytes + r->descs[fl].off, r->descs[fl].bytes) : 0;
	free(b);
	return rc;
}

/* A breakpoint for the CPU to come to. *added: the kind to take out again. */
static enum xkd_rc arm(struct xkd_rsp *r, uint64_t id, uint64_t pc, int *added, struct xkd_err *err)
{
	uint64_t rip, flags;
	uint8_t val[8];
	enum xkd_rc rc;
	int at = xkd_rsp_reg_named(r, "eflags");

	*added = -1;
	for (size_t i = 0; i < r->bps.n; i++)
		if (r->bps.p[i].addr == pc && r->bps.p[i].kind == XKD_BP_SW)
			return XKD_OK;
	rc = look(r, id, &rip, &flags, err);
	/* A stop at a breakpoint register leaves it set. */
	if (rc == XKD_OK && flags & RF && at >= 0) {
		xkd_put_le(val, flags & ~RF, 8);
		rc = xkd_rsp_reg_set(&r->be, id, (size_t)at, val, err);
	}
	if (rc != XKD_OK)
		return rc;
	for (size_t i = 0; i < r->bps.n; i++)
		if (r->bps.p[i].addr == pc && r->bps.p[i].kind == XKD_BP_HW)
			return XKD_OK;
	*added = XKD_BP_HW;
	rc = xkd_rsp_bp_add(&r->be, XKD_BP_HW, pc, 1, err);
	if (rc == XKD_UNSUPPORTED) { /* all four are used */
		*added = XKD_BP_SW;
		rc = xkd_rsp_bp_add(&r->be, XKD_BP_SW, pc, 1, err);
	}
	if (rc != XKD_OK)
		*added = -1;
	return rc;
}

static enum xkd_rc come_to(struct xkd_rsp *r, const struct xkd_rsp_thread *t, struct xkd_event *ev,
			   struct xkd_err *err)
{
	char req[64];
	enum xkd_rc rc;
	int n = snprintf(req, sizeof(req), "vCont;s:%s", t->text);

	rc = xkd_rsp_start(r, req, (size_t)n, err);
	if (rc != XKD_OK)
		return rc;
	r->stepping = true;
	r->step_id = t->id;
	rc = xkd_rsp_wait_stop(r, ev, err);
	if (rc == XKD_TIMEOUT) {
		rc = xkd_rsp_halt_wait(r, err);
		ev->kind = XKD_EV_STOPPED;
		ev->reason = XKD_STOP_USER;
		ev->has_cpu = true;
		ev->cpu_id = t->id;
	}
	return rc;
}

enum xkd_rc xkd_rsp_enter(struct xkd_rsp *r, const struct xkd_rsp_thread *t, struct xkd_event *ev,
			  struct xkd_err *err)
{
	struct xkd_rsp_thread who = *t; /* the list is made anew at the stop */
	struct xkd_err e = XKD_ERR_INIT;
	const struct xkd_rsp_moved *m = NULL;
	uint64_t pc, rip, flags;
	enum xkd_rc rc;
	int added;

	*ev = (struct xkd_event){ .kind = XKD_EV_NONE, .exc = -1 };
	for (size_t i = 0; i < r->moved.n; i++)
		if (r->moved.p[i].id == who.id)
			m = &r->moved.p[i];
	if (!m || !r->vcont || !r->vcont_step)
		return XKD_OK;
	pc = m->pc;
	rc = arm(r, who.id, pc, &added, err);
	if (rc != XKD_OK)
		return xkd_err_prepend(err, rc, "before a step from a written rip");
	rc = come_to(r, &who, ev, err);
	if (rc == XKD_OK && ev->kind == XKD_EV_STOPPED) {
		xkd_rsp_entered(r, &(struct xkd_resume){ .has_cpu = true, .cpu_id = who.id });
		if (added >= 0)
			rc = xkd_rsp_bp_del(&r->be, (enum xkd_bp_kind)added, pc, 1, err);
		if (rc == XKD_OK)
			rc = look(r, who.id, &rip, &flags, err);
		if (rc == XKD_OK && rip == pc)
			rc = xkd_rsp_threads(r, err);
		if (rc == XKD_OK && rip == pc)
			ev->kind = XKD_EV_NONE;
	} else if (rc != XKD_OK && added >= 0 && !r->running) {
		(void)!xkd_rsp_bp_del(&r->be, (enum xkd_bp_kind)added, pc, 1, &e);
	}
	return rc;
}
