/* The GDB remote backend: reaches QEMU and every other stub that speaks the protocol. This file is
 * its row of operations, its beginning and its end.
 *
 * What leaving must see to: no breakpoint of ours stays in, PhyMemMode is off and the step mask is
 * as it was; then D where the target is to run, or a closed socket where it is to stand. Never k,
 * which ends QEMU and other people's virtual machines. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

static void destroy(struct xkd_rsp *r)
{
	xkd_keeper_end(&r->keeper);
	xkd_link_close(&r->link);
	xkd_pkt_fini(&r->in);
	xkd_buf_fini(&r->out);
	xkd_buf_fini(&r->reply);
	xkd_vec_fini(&r->moved);
	xkd_vec_fini(&r->bps);
	free(r->uri);
	free(r->last_run);
	free(r->threads);
	free(r->ram);
	free(r);
}

/* What a client before us left in. Under TCG QEMU's `?` drops the breakpoints of the CPU that Hc has
 * chosen and no other's (tcg_remove_all_breakpoints; 7.2), and z of one that is not on all of them takes
 * out none. */
static enum xkd_rc drop_left(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	if (!r->profile->qemu || r->kvm || r->nthreads < 2)
		return XKD_OK;
	/* the first one last: that is the choice which QEMU begins with */
	for (size_t i = r->nthreads; i-- > 0 && rc == XKD_OK;) {
		rc = xkd_rsp_askf(r, err, "Hc%s", r->threads[i].text);
		if (rc == XKD_OK)
			rc = xkd_rsp_ask(r, "?", 1, err);
	}
	return rc;
}

static enum xkd_rc introduce(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_handshake(r, err);

	if (rc == XKD_OK)
		rc = xkd_rsp_layout_init(r, err);
	if (rc == XKD_OK && r->arch[0] && !xkd_has_prefix(r->arch, "i386"))
		rc = xkd_err_set(err, XKD_UNSUPPORTED,
				 "%s is a target of architecture '%s'; this build knows x86-64",
				 r->link.peer, r->arch);
	if (rc == XKD_OK)
		rc = xkd_rsp_threads(r, err);
	if (rc == XKD_OK)
		rc = drop_left(r, err);
	if (rc == XKD_OK) {
		struct xkd_event ev = { .kind = XKD_EV_STOPPED, .exc = -1 };

		rc = xkd_rsp_settle(r, &ev, err);
		r->stop_known = ev.has_cpu;
		r->stop_id = ev.cpu_id;
	}
	return rc;
}

#define AGAIN_MS 1500

/* *out is set in any case. */
static enum xkd_rc connect_to(const struct xkd_be_open *o, struct xkd_rsp **out, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_calloc(1, sizeof(*r));
	enum xkd_rc rc;

	r->be.ops = &xkd_gdbrsp_ops;
	r->uri = xkd_strdup(o->uri);
	r->log = o->log;
	r->cancel = o->cancel;
	r->timeout_ms = o->timeout_ms ? o->timeout_ms : XKD_RSP_TIMEOUT_MS;
	r->keeper = (struct xkd_keeper){ .fd = -1, .pid = -1 };
	r->has_binary_write = r->has_p = -1;
	r->packet_size = XKD_RSP_SMALL_PACKET;
	r->profile = xkd_rsp_profile_find(false, "x", "", "");
	xkd_pkt_init(&r->in);
	xkd_buf_init(&r->out);
	xkd_buf_init(&r->reply);
	*out = r;
	rc = xkd_link_open(&r->link, o->uri, r->timeout_ms, o->cancel, err);
	if (rc == XKD_OK)
		xkd_keeper_start(&r->keeper, r->link.fd, !o->leave_halted);
	return rc;
}

/* A connection that broke while the two got to know each other, or instead of D's answer, may leave a
 * target that we stopped. It is reached once more, to be let go. */
static void let_go_again(const struct xkd_rsp *old)
{
	struct xkd_be_open o = { .uri = old->uri, .log = old->log, .timeout_ms = AGAIN_MS };
	struct xkd_err e = XKD_ERR_INIT;
	struct xkd_rsp *r;

	if (connect_to(&o, &r, &e) == XKD_OK && xkd_rsp_handshake(r, &e) == XKD_OK &&
	    r->found != XKD_FOUND_PRELAUNCH)
		(void)!xkd_rsp_detach(r, &e);
	destroy(r);
}

static enum xkd_rc rsp_open(const struct xkd_be_open *o, struct xkd_backend **be,
			    struct xkd_err *err)
{
	struct xkd_rsp *r;
	enum xkd_rc rc = connect_to(o, &r, err);

	*be = NULL;
	if (rc == XKD_OK)
		rc = introduce(r, err);
	if (rc == XKD_OK) {
		*be = &r->be;
		return XKD_OK;
	}
	if (r->lost && !r->ended && (r->spoke || !r->in.junk)) {
		if (!o->leave_halted)
			let_go_again(r);
	} else if (r->link.fd >= 0 && r->found == XKD_FOUND_RUNNING && !r->lost) {
		/* Connecting stopped it; a stub we cannot use is let go. */
		struct xkd_err e = XKD_ERR_INIT;

		r->link.cancel = NULL;
		(void)!xkd_rsp_detach(r, &e);
	}
	destroy(r);
	return rc;
}

/* Out with all that is ours, on a target that stands. */
static enum xkd_rc tidy(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_bp_clear(r, err);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc2 = XKD_OK;

	if (!r->lost && r->sstep_bits && r->sstep != r->sstep_found)
		rc2 = xkd_rsp_askf(r, &e, "Qqemu.sstep=%x", r->sstep_found);
	if (!r->lost && rc2 == XKD_OK && r->phys_unsure)
		rc2 = xkd_rsp_askf(r, &e, "Qqemu.PhyMemMode:0");
	return rc != XKD_OK ? rc : rc2 != XKD_OK ? xkd_err_set(err, rc2, "%s", e.msg) : XKD_OK;
}

static enum xkd_rc leave(struct xkd_rsp *r, bool leave_running, struct xkd_err *err)
{
	bool clean = !r->bps.n && r->sstep == r->sstep_found && !r->phys_unsure;
	enum xkd_rc rc, rc2;

	if (r->ended)
		return XKD_OK;
	if (r->lost)
		return xkd_err_set(err, XKD_TRANSPORT, "%s", r->lost_err.msg);
	/* QEMU goes on when a client goes away: nothing to stop it for. */
	if (r->running && leave_running && clean && r->profile->qemu)
		return XKD_OK;
	rc = xkd_rsp_halt_wait(r, err);
	if (rc != XKD_OK)
		return rc;
	rc = tidy(r, err);
	if (!leave_running || r->lost)
		return rc;
	if (r->stray_stop && !r->profile->shadow_cpus && rc == XKD_OK)
		rc = xkd_rsp_take_ctrl_c(r, err);
	if (r->ended || r->lost)
		return rc;
	/* kgdb at D forgets a breakpoint that another CPU may have hit too: that CPU would then come
	 * to the debugger, and nobody is there. */
	if (r->profile->shadow_cpus && r->bps_gone)
		rc2 = xkd_rsp_let_run(r, rc == XKD_OK ? err : NULL);
	else
		rc2 = xkd_rsp_detach(r, rc == XKD_OK ? err : NULL);
	if (r->lost) /* hanging up may be its answer, or it never heard the question */
		let_go_again(r);
	return rc == XKD_OK ? rc2 : rc;
}

static enum xkd_rc rsp_close(struct xkd_backend *be, bool leave_running, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	enum xkd_rc rc;

	/* Whoever pressed Ctrl-C did not mean that breakpoints stay behind. */
	r->link.cancel = r->cancel = NULL;
	rc = leave(r, leave_running, err);
	if (!leave_running && !r->lost && !r->ended && rc == XKD_OK)
		rc = xkd_rsp_flush(r, err);
	if (rc != XKD_OK)
		rc = xkd_err_prepend(err, rc, "leaving");
	destroy(r);
	return rc;
}

static unsigned rsp_caps(struct xkd_backend *be)
{
	static const unsigned bits[] = {
		[XKD_BP_SW] = XKD_CAP_BP_SW,	   [XKD_BP_HW] = XKD_CAP_BP_HW,
		[XKD_BP_WRITE] = XKD_CAP_WATCH_W,  [XKD_BP_READ] = XKD_CAP_WATCH_R,
		[XKD_BP_ACCESS] = XKD_CAP_WATCH_A,
	};
	struct xkd_rsp *r = xkd_rsp(be);
	unsigned caps = XKD_CAP_WRITE_MEM | XKD_CAP_READ_VIRT | XKD_CAP_RUN | XKD_CAP_STEP |
			XKD_CAP_WRITE_REGS;

	if (r->has_phys)
		caps |= XKD_CAP_READ_PHYS | XKD_CAP_WRITE_PHYS;
	if (r->profile->holds || r->nthreads == 1)
		caps |= XKD_CAP_STEP_HOLD;
	if (r->sstep_bits & XKD_RSP_SSTEP_NOIRQ)
		caps |= XKD_CAP_STEP_MASK;
	if (r->has_monitor)
		caps |= XKD_CAP_RAW;
	if (r->has_monitor && r->profile->qemu)
		caps |= XKD_CAP_RESET;
	/* TCG keeps them beside memory; all others write int3. */
	if (!r->profile->qemu || r->kvm)
		caps |= XKD_CAP_BP_IN_MEMORY;
	for (size_t i = 0; i < XKD_COUNT(bits); i++)
		if (!(r->no_z >> i & 1) && !(i == XKD_BP_READ && r->kvm))
			caps |= bits[i];
	return caps;
}

static enum xkd_found rsp_found(struct xkd_backend *be)
{
	return xkd_rsp(be)->found;
}

static enum xkd_rc rsp_reset(struct xkd_backend *be, struct xkd_err *err)
{
	struct xkd_buf out;
	enum xkd_rc rc;

	xkd_buf_init(&out);
	rc = xkd_rsp_raw(be, "system_reset", &out, err);
	xkd_buf_fini(&out);
	return rc;
}

static enum xkd_rc rsp_hint(struct xkd_backend *be, const char *key, struct xkd_buf *val,
			    struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);

	if (!strcmp(key, "stub"))
		xkd_buf_str(val, r->profile->name);
	else if (!strcmp(key, "accel") && r->profile->qemu)
		xkd_buf_str(val, r->kvm ? "kvm" : "tcg");
	else if (!strcmp(key, "arch") && r->arch[0])
		xkd_buf_str(val, r->arch);
	else if (!strcmp(key, "peer"))
		xkd_buf_str(val, r->link.peer);
	else if (!strcmp(key, "stop-cpu") && r->stop_known)
		xkd_buf_printf(val, "%llu", (unsigned long long)r->stop_id);
	else if (!strcmp(key, "program"))
		return xkd_rsp_program(r, val, err);
	else
		return xkd_err_set(err, XKD_NOTFOUND, "the stub does not tell '%.40s'", key);
	return XKD_OK;
}

const struct xkd_backend_ops xkd_gdbrsp_ops = {
	.name = "gdb",
	.syntax = "gdb:HOST:PORT, gdb:PORT, gdb:[IPV6]:PORT, gdb:/unix/socket, "
		  "gdb:/dev/TTY,BAUD or 'gdb:|COMMAND'",
	.open = rsp_open,
	.close = rsp_close,
	.caps = rsp_caps,
	.found = rsp_found,
	.cpus = xkd_rsp_cpus,
	.readv = xkd_rsp_readv,
	.writev = xkd_rsp_writev,
	.reglayout = xkd_rsp_reglayout,
	.regs_get = xkd_rsp_regs_get,
	.reg_set = xkd_rsp_reg_set,
	.look = xkd_rsp_look,
	.pass = xkd_rsp_pass,
	.memmap = xkd_rsp_memmap,
	.resume = xkd_rsp_resume,
	.halt = xkd_rsp_halt,
	.reset = rsp_reset,
	.fd = xkd_rsp_fd,
	.next_event = xkd_rsp_next_event,
	.bp_add = xkd_rsp_bp_add,
	.bp_del = xkd_rsp_bp_del,
	.bp_stale = xkd_rsp_bp_stale,
	.hint = rsp_hint,
	.raw = xkd_rsp_raw,
};
