/* Running, stepping, halting, and what the stub says when it stops.
 *
 * Invariants: running is true exactly between a resume packet and the stop reply read for it, and
 * nothing but Ctrl-C goes out in between. Stops found while something else was awaited queue up and
 * come out of next_event first. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIG_INT 2 /* numbers of GDB, not of the host */
#define SIG_QUIT 3
#define SIG_TRAP 5
#define CTRL_C_MS 300 /* within which a kept Ctrl-C arrives once it runs */

void xkd_rsp_event_push(struct xkd_rsp *r, const struct xkd_event *ev)
{
	/* Full of output that nobody fetches: the oldest goes. */
	if (r->ev_n == XKD_RSP_EVENTS) {
		r->ev_head = (r->ev_head + 1) % XKD_RSP_EVENTS;
		r->ev_n--;
	}
	r->events[(r->ev_head + r->ev_n++) % XKD_RSP_EVENTS] = *ev;
}

void xkd_rsp_event_output(struct xkd_rsp *r, const char *body, size_t len)
{
	struct xkd_event ev = { .kind = XKD_EV_OUTPUT, .exc = -1 };
	size_t n = 0;

	for (size_t i = 1; i + 1 < len; i += 2) {
		ev.text[n++] = (char)(xkd_hex_digit(body[i]) << 4 | xkd_hex_digit(body[i + 1]));
		if (n < sizeof(ev.text) - 1 && i + 3 < len)
			continue;
		ev.text[n] = '\0';
		xkd_rsp_event_push(r, &ev);
		n = 0;
	}
}

/* One key:value of a T packet. */
static void stop_pair(struct xkd_event *ev, const char *key, size_t klen, const char *val,
		      size_t vlen)
{
	static const char *const watches[] = { "watch", "rwatch", "awatch" };
	size_t used;

	if (klen == 6 && !memcmp(key, "thread", 6)) {
		ev->has_cpu = xkd_rsp_thread_parse(val, vlen, &ev->cpu_id, &used);
	} else if (klen == 7 && (!memcmp(key, "swbreak", 7) || !memcmp(key, "hwbreak", 7))) {
		ev->reason = XKD_STOP_BP;
	} else {
		for (size_t i = 0; i < XKD_COUNT(watches); i++) {
			if (strlen(watches[i]) != klen || memcmp(key, watches[i], klen))
				continue;
			ev->reason = XKD_STOP_WATCH;
			ev->watch_addr = 0;
			for (size_t k = 0; k < vlen && xkd_hex_digit(val[k]) >= 0; k++)
				ev->watch_addr =
					ev->watch_addr << 4 | (unsigned)xkd_hex_digit(val[k]);
		}
	}
}

/* What the signal alone tells. */
static enum xkd_stop_reason by_signal(const struct xkd_rsp *r, const struct xkd_event *ev)
{
	switch (ev->exc) {
	case SIG_INT:
		return XKD_STOP_USER;
	case SIG_QUIT:
		return r->profile->qemu ? XKD_STOP_SHUTDOWN : XKD_STOP_EXC;
	case SIG_TRAP:
		if (r->stepping && (!ev->has_cpu || ev->cpu_id == r->step_id))
			return XKD_STOP_STEP;
		if (r->bps.n)
			return XKD_STOP_BP;
		return r->halt_sent ? XKD_STOP_USER : XKD_STOP_UNKNOWN;
	case 0:
		return r->halt_sent ? XKD_STOP_USER : XKD_STOP_UNKNOWN;
	default:
		return XKD_STOP_EXC;
	}
}

static void parse_stop(struct xkd_rsp *r, const char *s, size_t n, struct xkd_event *ev)
{
	*ev = (struct xkd_event){ .kind = XKD_EV_STOPPED, .exc = -1 };
	ev->exc = xkd_hex_digit(s[1]) << 4 | xkd_hex_digit(s[2]);
	for (size_t at = 3; s[0] == 'T' && at < n;) {
		const char *semi = memchr(s + at, ';', n - at);
		size_t end = semi ? (size_t)(semi - s) : n;
		const char *colon = memchr(s + at, ':', end - at);

		if (colon)
			stop_pair(ev, s + at, (size_t)(colon - s) - at, colon + 1,
				  end - (size_t)(colon - s) - 1);
		at = end + 1;
	}
	if (r->profile->shadow_cpus)
		ev->has_cpu = false; /* a task's number; settled later */
	if (ev->reason == XKD_STOP_UNKNOWN)
		ev->reason = by_signal(r, ev);
	/* No thread named: with one CPU there is no doubt. */
	if (!ev->has_cpu && r->nthreads == 1) {
		ev->has_cpu = true;
		ev->cpu_id = r->threads[0].id;
	}
}

static void stopped(struct xkd_rsp *r, const struct xkd_event *ev)
{
	/* Our Ctrl-C may have crossed another stop on its way; a stub may yet answer it. */
	r->stray_stop = r->halt_sent && ev->reason != XKD_STOP_USER && !r->profile->qemu;
	xkd_keeper_runs(&r->keeper, false);
	r->running = r->halt_sent = r->stepping = false;
	r->threads_fresh = r->ram_fresh = r->has_hg = false;
}

static void parse_exit(struct xkd_rsp *r, const char *s, size_t n, struct xkd_event *ev)
{
	*ev = (struct xkd_event){ .kind = XKD_EV_EXITED, .exc = -1 };
	for (size_t i = 1; i < n && i < 9 && xkd_hex_digit(s[i]) >= 0; i++)
		ev->code = (int)((unsigned)ev->code << 4 | (unsigned)xkd_hex_digit(s[i]));
	snprintf(ev->text, sizeof(ev->text), "the target ended (%s %d)",
		 s[0] == 'W' ? "code" : "signal", ev->code);
	r->running = false;
	r->ended = true;
}

/* An answer to a resume that is no stop: it was refused, the target stands. */
static void parse_refusal(struct xkd_rsp *r, const char *s, size_t n, struct xkd_event *ev)
{
	*ev = (struct xkd_event){ .kind = XKD_EV_STOPPED, .reason = XKD_STOP_UNKNOWN, .exc = -1 };
	xkd_buf_reset(&r->reply);
	xkd_buf_add(&r->reply, s, n);
	snprintf(ev->text, sizeof(ev->text), "%s refuses '%s' (%s)", r->link.peer,
		 xkd_rsp_name((char[XKD_RSP_NAME]){ 0 }, r->last_run, strlen(r->last_run)),
		 XKD_RSP_SAID(r));
}

/* A packet that came while the target ran. False: nothing to tell. */
static bool parse_event(struct xkd_rsp *r, struct xkd_event *ev)
{
	const char *s = r->in.body.s;
	size_t n = r->in.body.len;

	if (xkd_rsp_is_stop(s, n)) {
		parse_stop(r, s, n, ev);
		stopped(r, ev);
		return true;
	}
	if (n >= 2 && (s[0] == 'W' || s[0] == 'X') && xkd_hex_digit(s[1]) >= 0) {
		parse_exit(r, s, n, ev);
		return true;
	}
	if (!n || xkd_rsp_is_error(s, n)) {
		parse_refusal(r, s, n, ev);
		stopped(r, ev);
		return true;
	}
	if (xkd_rsp_is_output(s, n))
		xkd_rsp_event_output(r, s, n);
	return false;
}

static bool pop_event(struct xkd_rsp *r, struct xkd_event *ev)
{
	if (!r->ev_n)
		return false;
	*ev = r->events[r->ev_head];
	r->ev_head = (r->ev_head + 1) % XKD_RSP_EVENTS;
	r->ev_n--;
	return true;
}

static void lost(struct xkd_rsp *r, const struct xkd_err *e, enum xkd_rc rc, struct xkd_event *ev,
		 struct xkd_err *err)
{
	*ev = (struct xkd_event){ .kind = XKD_EV_LOST, .exc = -1 };
	snprintf(ev->text, sizeof(ev->text), "%.255s", e->msg);
	(void)xkd_err_set(err, rc, "%s", e->msg);
	r->running = false;
}

enum xkd_rc xkd_rsp_next_event(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);

	*ev = (struct xkd_event){ .kind = XKD_EV_NONE, .exc = -1 };
	while (!pop_event(r, ev)) {
		struct xkd_err e = XKD_ERR_INIT;
		enum xkd_rc rc = xkd_rsp_next(r, 0, &e);
		bool was = r->running;

		if (rc == XKD_TIMEOUT)
			return XKD_OK;
		if (rc != XKD_OK) {
			lost(r, &e, rc, ev, err);
			return XKD_OK;
		}
		/* Unasked-for while it stands: only the echo of a Ctrl-C or an answer owed. */
		if (!was) {
			r->stray_stop = false;
			if (r->owed)
				r->owed--;
			continue;
		}
		if (!parse_event(r, ev))
			continue;
		rc = xkd_rsp_settle(r, ev, &e);
		if (rc == XKD_OK)
			return XKD_OK;
		lost(r, &e, rc, ev, err);
		return XKD_OK;
	}
	return XKD_OK;
}

int xkd_rsp_fd(struct xkd_backend *be)
{
	return xkd_rsp(be)->link.fd;
}

/* QEMU's step mask: whether interrupts and timers hold still during a step. With them open, TCG may
 * spend a step on polling the interrupt controller and stop where it stood. */
static enum xkd_rc mask_irqs(struct xkd_rsp *r, bool mask, struct xkd_err *err)
{
	unsigned want = (mask ? 7u : 1u) & r->sstep_bits;
	enum xkd_rc rc;

	if (!r->sstep_bits || want == r->sstep)
		return XKD_OK;
	rc = xkd_rsp_askf(r, err, "Qqemu.sstep=%x", want);
	if (rc != XKD_OK)
		return rc;
	if (!xkd_rsp_is_ok(r))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s refuses step mask %x (%s)",
				   r->link.peer, want, XKD_RSP_SAID(r));
	r->sstep = want;
	return XKD_OK;
}

static const char act_letters[] = {
	[XKD_ACT_HOLD] = 0, [XKD_ACT_CONT] = 'c', [XKD_ACT_STEP] = 's'
};

/* vCont with an action for each CPU but the named one, which stands. */
static void all_but(const struct xkd_rsp *r, const struct xkd_resume *res, struct xkd_buf *b)
{
	for (size_t i = 0; i < r->nthreads; i++)
		if (r->threads[i].id != res->cpu_id)
			xkd_buf_printf(b, ";%c:%s", act_letters[res->others], r->threads[i].text);
}

static enum xkd_rc vcont(struct xkd_rsp *r, const struct xkd_resume *res,
			 const struct xkd_rsp_thread *t, struct xkd_buf *b, struct xkd_err *err)
{
	bool alone = r->nthreads == 1 && res->has_cpu;

	xkd_buf_str(b, "vCont");
	if (!res->has_cpu) {
		xkd_buf_printf(b, ";%c", act_letters[res->others]);
	} else if (!act_letters[res->cpu_act]) {
		all_but(r, res, b);
	} else {
		xkd_buf_printf(b, ";%c", act_letters[res->cpu_act]);
		if (t->text[0])
			xkd_buf_printf(b, ":%s", t->text);
		if (act_letters[res->others])
			xkd_buf_printf(b, ";%c", act_letters[res->others]);
		else if (alone && r->profile->needs_other_c)
			xkd_buf_str(b, ";c");
		else if (!alone && !r->profile->holds)
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "%s cannot run one CPU while the others stand",
					   r->link.peer);
	}
	if (b->len + 8 > r->packet_size)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s takes no request for %zu CPUs",
				   r->link.peer, r->nthreads);
	return XKD_OK;
}

/* Without vCont: Hc chooses, then a bare letter. */
static enum xkd_rc bare(struct xkd_rsp *r, const struct xkd_resume *res,
			const struct xkd_rsp_thread *t, struct xkd_buf *b, struct xkd_err *err)
{
	enum xkd_act act = res->has_cpu ? res->cpu_act : res->others;
	enum xkd_rc rc = XKD_OK;

	if (!act_letters[act])
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot hold single CPUs",
				   r->link.peer);
	if (t && t->text[0]) {
		rc = xkd_rsp_askf(r, err, "Hc%s", t->text);
		r->has_hc = rc == XKD_OK;
	} else if (r->has_hc) {
		/* what was stepped before need not be what stopped now */
		rc = xkd_rsp_askf(r, err, "Hc0");
		r->has_hc = rc != XKD_OK;
	}
	xkd_buf_ch(b, act_letters[act]);
	return rc;
}

enum xkd_rc xkd_rsp_resume(struct xkd_backend *be, const struct xkd_resume *res,
			   struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	const struct xkd_rsp_thread *t = NULL;
	bool step = res->has_cpu ? res->cpu_act == XKD_ACT_STEP : res->others == XKD_ACT_STEP;
	struct xkd_buf b;
	enum xkd_rc rc;

	if (r->running)
		return xkd_err_set(err, XKD_RUNNING, "%s runs already", r->link.peer);
	rc = xkd_rsp_threads(r, err);
	if (rc == XKD_OK && res->has_cpu && !(t = xkd_rsp_thread(r, res->cpu_id)))
		rc = xkd_err_set(err, XKD_NOTFOUND, "%s has no CPU with id %llu", r->link.peer,
				 (unsigned long long)res->cpu_id);
	if (rc == XKD_OK && (res->has_cpu ? !act_letters[res->cpu_act] : true) &&
	    !act_letters[res->others])
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "no CPU would run");
	if (rc == XKD_OK && step)
		rc = mask_irqs(r, res->mask_irqs, err);
	if (rc != XKD_OK)
		return rc;
	if (step && t && r->moved.n) {
		struct xkd_event ev;

		rc = xkd_rsp_enter(r, t, &ev, err);
		if (rc != XKD_OK)
			return rc;
		if (ev.kind != XKD_EV_NONE) {
			xkd_rsp_event_push(r, &ev);
			return XKD_OK;
		}
		t = xkd_rsp_thread(r, res->cpu_id);
	}
	xkd_buf_init(&b);
	rc = r->vcont && (r->vcont_step || !step) ? vcont(r, res, t, &b, err)
						  : bare(r, res, t, &b, err);
	if (rc == XKD_OK)
		rc = xkd_rsp_start(r, b.s, b.len, err);
	xkd_buf_fini(&b);
	if (rc == XKD_OK) {
		r->stepping = step;
		r->step_id = res->cpu_id;
		xkd_rsp_entered(r, res);
	}
	return rc;
}

enum xkd_rc xkd_rsp_halt(struct xkd_backend *be, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);

	if (!r->running)
		return XKD_OK;
	r->halt_sent = true;
	return xkd_rsp_interrupt(r, err);
}

enum xkd_rc xkd_rsp_wait_stop(struct xkd_rsp *r, struct xkd_event *ev, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	while (rc == XKD_OK && r->running) {
		rc = xkd_rsp_next(r, r->timeout_ms, err);
		if (rc == XKD_OK)
			(void)parse_event(r, ev);
	}
	return rc;
}

enum xkd_rc xkd_rsp_halt_wait(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_halt(&r->be, err);
	struct xkd_event ev;

	while (rc == XKD_OK && r->running) {
		rc = xkd_rsp_next(r, r->timeout_ms, err);
		if (rc == XKD_TIMEOUT)
			return xkd_err_set(err, rc, "%s does not stop within %.1f s", r->link.peer,
					   r->timeout_ms / 1000.0);
		if (rc == XKD_OK && parse_event(r, &ev) && ev.kind == XKD_EV_EXITED)
			return xkd_err_set(err, XKD_TRANSPORT, "%s", ev.text);
	}
	return rc;
}

enum xkd_rc xkd_rsp_take_ctrl_c(struct xkd_rsp *r, struct xkd_err *err)
{
	const char *go = r->vcont ? "vCont;c" : "c";
	struct xkd_event ev;
	enum xkd_rc rc = XKD_OK;

	r->stray_stop = false;
	if (!r->vcont && r->has_hc)
		rc = xkd_rsp_askf(r, err, "Hc0");
	if (rc == XKD_OK)
		rc = xkd_rsp_start(r, go, strlen(go), err);
	while (rc == XKD_OK && r->running) {
		rc = xkd_rsp_next(r, CTRL_C_MS, err);
		if (rc == XKD_OK)
			(void)parse_event(r, &ev);
	}
	return rc == XKD_TIMEOUT ? xkd_rsp_halt_wait(r, err) : rc;
}
