/* Requests to the stub and the answers that belong to them.
 *
 * Invariants: answers come in the order of the requests; every answer is acknowledged exactly once,
 * no later than with the next request (a stray byte stops a running QEMU); a request given up
 * (time, Ctrl-C) leaves an answer owed, and nothing is asked before that has been put in order, so
 * that no answer is ever taken for another's. A connection once lost stays lost and says why. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JUNK_MAX 65536 /* bytes that are no packet before we stop believing */
#define IDLE_MAX 65536 /* acks and naks on end: each is heard without waiting for the clock */
#define DRAIN_MS 250   /* how long a cancelled request's answers are waited for */
#define LOG_MAX 200    /* characters of a packet in the log */
#define OUTPUT_MAX (8u << 20)

static void log_packet(struct xkd_rsp *r, const char *way, const char *s, size_t n)
{
	struct xkd_buf b;
	bool cut;

	if (!r->log || !(r->log->on & (1u << XKD_LOG_PACKET)))
		return;
	xkd_buf_init(&b);
	xkd_buf_escaped(&b, s, n < LOG_MAX ? n : LOG_MAX);
	cut = n > LOG_MAX || b.len > LOG_MAX;
	xkd_log(r->log, XKD_LOG_PACKET, "%s %.*s%s", way, LOG_MAX, b.s, cut ? "..." : "");
	xkd_buf_fini(&b);
}

const char *xkd_rsp_name(char *buf, const char *req, size_t n)
{
	const char *ends = n && req[0] == 'v' ? "" : n && strchr("qQ", req[0]) ? ":;,=" : ":=";
	size_t i = 0;

	for (; i < n && i < XKD_RSP_NAME - 1; i++) {
		if (i && strchr(ends, req[i]))
			break;
		buf[i] = req[i] >= ' ' && req[i] <= '~' ? req[i] : '?';
	}
	buf[i] = '\0';
	return buf;
}
#define NAME(req, n) xkd_rsp_name((char[XKD_RSP_NAME]){ 0 }, (req), (n))

enum xkd_rc xkd_rsp_lost(struct xkd_rsp *r, struct xkd_err *err, const char *fmt, ...)
{
	va_list ap;
	char msg[400];

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (!r->lost)
		xkd_err_set(&r->lost_err, XKD_TRANSPORT, "%s", msg);
	r->lost = true;
	return xkd_err_set(err, XKD_TRANSPORT, "%s", msg);
}

/* A link error other than time and cancel is the end. */
static enum xkd_rc link_failed(struct xkd_rsp *r, enum xkd_rc rc, const struct xkd_err *e,
			       struct xkd_err *err)
{
	if (rc == XKD_TRANSPORT)
		return xkd_rsp_lost(r, err, "%s", e->msg);
	return xkd_err_set(err, rc, "%s", e->msg);
}

static enum xkd_rc send_bytes(struct xkd_rsp *r, const void *p, size_t n, struct xkd_err *err)
{
	struct xkd_err e = XKD_ERR_INIT;
	struct xkd_cancel *cancel = r->link.cancel;
	enum xkd_rc rc;

	/* Half a packet sent would be worse than a wait that is bounded anyway. */
	r->link.cancel = NULL;
	rc = xkd_link_send(&r->link, p, n, r->timeout_ms, &e);
	r->link.cancel = cancel;
	if (rc != XKD_OK)
		return xkd_rsp_lost(r, err, "%s", e.msg);
	return XKD_OK;
}

/* Our acks go out at once, or with the next request where the stub does not wait for them: each
 * write of its own costs it a wake-up. */
static enum xkd_rc flush_acks(struct xkd_rsp *r, struct xkd_err *err)
{
	return r->profile->pipelines ? XKD_OK : xkd_rsp_flush(r, err);
}

enum xkd_rc xkd_rsp_flush(struct xkd_rsp *r, struct xkd_err *err)
{
	char plus[64];
	enum xkd_rc rc = XKD_OK;

	memset(plus, '+', sizeof(plus));
	while (r->acks && rc == XKD_OK) {
		unsigned n = r->acks < sizeof(plus) ? r->acks : (unsigned)sizeof(plus);

		r->acks -= n;
		rc = send_bytes(r, plus, n, err);
	}
	return rc;
}

/* An empty r->out but for the acks owed. */
static void begin_out(struct xkd_rsp *r)
{
	xkd_buf_reset(&r->out);
	for (; r->acks; r->acks--)
		xkd_buf_ch(&r->out, '+');
}

static enum xkd_rc not_gdb(struct xkd_rsp *r, const char *how, struct xkd_err *err)
{
	struct xkd_buf b;
	size_t n = r->in.junk < XKD_PKT_JUNK ? r->in.junk : XKD_PKT_JUNK;
	enum xkd_rc rc;

	xkd_buf_init(&b);
	xkd_buf_escaped(&b, r->in.junk_text, n);
	rc = xkd_rsp_lost(r, err, "%s does not speak the GDB remote protocol: %s '%.150s'",
			  r->link.peer, how, b.s);
	xkd_buf_fini(&b);
	return rc;
}

static enum xkd_rc peer_closed(struct xkd_rsp *r, struct xkd_err *err)
{
	struct xkd_buf b;
	enum xkd_rc rc;

	if (!r->spoke && r->in.junk)
		return not_gdb(r, "it sent and closed:", err);
	if (!xkd_pkt_inside(&r->in))
		return xkd_rsp_lost(r, err, "%s closed the connection", r->link.peer);
	xkd_buf_init(&b);
	xkd_buf_escaped(&b, r->in.body.s, r->in.body.len < 32 ? r->in.body.len : 32);
	rc = xkd_rsp_lost(r, err, "%s closed the connection in mid-packet, after '%.100s'",
			  r->link.peer, b.s);
	xkd_buf_fini(&b);
	return rc;
}

/* The next thing said, within wait_ms; bytes of a packet under way stretch the time, up to ten
 * times (serial lines are slow). TIMEOUT with err untouched. */
static enum xkd_rc next(struct xkd_rsp *r, unsigned wait_ms, enum xkd_pkt_ev *ev,
			struct xkd_err *err)
{
	uint64_t start = xkd_now_ms(), hard = start + 10ull * wait_ms, soft = start + wait_ms;

	for (;;) {
		struct xkd_err e = XKD_ERR_INIT;
		enum xkd_rc rc;
		uint64_t now;
		size_t got;

		while (r->rx_off < r->rx_len) {
			r->rx_off +=
				xkd_pkt_feed(&r->in, r->rx + r->rx_off, r->rx_len - r->rx_off, ev);
			if (*ev == XKD_PKT_HUGE)
				return xkd_rsp_lost(r, err, "%s sent a packet of over %u bytes",
						    r->link.peer, XKD_PKT_LIMIT);
			r->idle = *ev == XKD_PKT_ACK || *ev == XKD_PKT_NAK ? r->idle + 1 : 0;
			if (r->idle > IDLE_MAX)
				return xkd_rsp_lost(r, err, "%s sends acknowledgements without end",
						    r->link.peer);
			if (*ev != XKD_PKT_MORE)
				return XKD_OK;
		}
		if (r->in.junk > JUNK_MAX)
			return not_gdb(r, "it sent", err);
		rc = flush_acks(r, err);
		if (rc != XKD_OK)
			return rc;
		now = xkd_now_ms();
		rc = xkd_link_recv(&r->link, r->rx, sizeof(r->rx),
				   now < soft ? (unsigned)(soft - now) : 0, &got, &e);
		if (rc == XKD_TIMEOUT)
			return rc;
		if (rc != XKD_OK)
			return link_failed(r, rc, &e, err);
		if (!got)
			return peer_closed(r, err);
		r->rx_off = 0;
		r->rx_len = got;
		now = xkd_now_ms();
		if (wait_ms && xkd_pkt_inside(&r->in))
			soft = now + wait_ms < hard ? now + wait_ms : hard;
	}
}

/* A packet's body came and is complete: note it, owe the ack. */
static void took(struct xkd_rsp *r)
{
	r->spoke = true;
	if (!r->noack)
		r->acks++;
	log_packet(r, "<-", r->in.body.s, r->in.body.len);
}

static enum xkd_rc no_answer(struct xkd_rsp *r, const char *req, size_t n, unsigned wait_ms,
			     struct xkd_err *err)
{
	if (!r->spoke && r->in.junk)
		return not_gdb(r, "it sent", err);
	return xkd_err_set(err, XKD_TIMEOUT, "no answer to '%s' from %s within %.1f s%s",
			   NAME(req, n), r->link.peer, wait_ms / 1000.0,
			   r->spoke ? "" : " (is another debugger attached to it?)");
}

/* Adds the request's name to "closed the connection". */
static enum xkd_rc while_waiting(struct xkd_rsp *r, enum xkd_rc rc, const char *req, size_t n,
				 struct xkd_err *err)
{
	return r->lost ? xkd_err_prepend(err, rc, "waiting for the answer to '%s'", NAME(req, n))
		       : rc;
}

const char *xkd_rsp_said(const struct xkd_rsp *r, char *buf)
{
	size_t n = r->reply.len < XKD_RSP_NAME - 1 ? r->reply.len : XKD_RSP_NAME - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = r->reply.s[i] >= ' ' && r->reply.s[i] <= '~' ? r->reply.s[i] : '?';
	buf[n] = '\0';
	return n ? buf : strcpy(buf, "an empty answer");
}

bool xkd_rsp_is_ok(const struct xkd_rsp *r)
{
	return r->reply.len == 2 && !memcmp(r->reply.s, "OK", 2);
}

bool xkd_rsp_is_error(const char *body, size_t len)
{
	if (len >= 2 && body[0] == 'E' && body[1] == '.')
		return true;
	return len == 3 && body[0] == 'E' && xkd_hex_digit(body[1]) >= 0 &&
	       xkd_hex_digit(body[2]) >= 0;
}

bool xkd_rsp_is_stop(const char *body, size_t len)
{
	if (len < 3 || xkd_hex_digit(body[1]) < 0 || xkd_hex_digit(body[2]) < 0)
		return false;
	return body[0] == 'T' || (body[0] == 'S' && len == 3);
}

bool xkd_rsp_is_output(const char *body, size_t len)
{
	if (!len || body[0] != 'O' || len % 2 == 0)
		return false;
	for (size_t i = 1; i < len; i++)
		if (xkd_hex_digit(body[i]) < 0)
			return false;
	return true;
}

bool xkd_rsp_unhex(const char *s, size_t len, uint8_t *dst, size_t max, size_t *n)
{
	if (len % 2 || len / 2 > max)
		return false;
	for (size_t i = 0; i < len / 2; i++) {
		int hi = xkd_hex_digit(s[2 * i]), lo = xkd_hex_digit(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		dst[i] = (uint8_t)(hi << 4 | lo);
	}
	*n = len / 2;
	return true;
}

size_t xkd_rsp_window(const struct xkd_rsp *r)
{
	/* With acks on, a stub may take a queued '$' for a client that starts anew (kgdb does). */
	return r->noack || r->profile->pipelines ? XKD_RSP_WINDOW : 1;
}

/* Takes in answers owed; what does not come within DRAIN_MS each stays owed. */
static void drain(struct xkd_rsp *r)
{
	struct xkd_cancel *cancel = r->link.cancel;
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_pkt_ev ev;

	r->link.cancel = NULL; /* this is the clean-up after a cancel */
	while (r->owed && !r->lost && next(r, DRAIN_MS, &ev, &e) == XKD_OK) {
		if (ev != XKD_PKT_BODY && ev != XKD_PKT_BAD)
			continue;
		if (ev == XKD_PKT_BODY && xkd_rsp_is_output(r->in.body.s, r->in.body.len)) {
			took(r);
			continue;
		}
		if (ev == XKD_PKT_BODY)
			took(r);
		else if (!r->noack)
			r->acks++;
		r->owed--;
	}
	r->link.cancel = cancel;
}

/* Puts a connection with answers owed in order: qC's answer begins with QC as no other does. */
static enum xkd_rc resync(struct xkd_rsp *r, struct xkd_err *err)
{
	unsigned left;

	drain(r);
	if (!r->owed)
		return XKD_OK;
	left = r->owed + 1;
	if (xkd_rsp_send(r, "qC", 2, err) != XKD_OK)
		return XKD_TRANSPORT;
	while (left) {
		enum xkd_pkt_ev ev;
		enum xkd_rc rc = next(r, r->timeout_ms, &ev, err);

		if (rc == XKD_TIMEOUT) {
			r->owed = left;
			return no_answer(r, "qC", 2, r->timeout_ms, err);
		}
		if (rc != XKD_OK)
			return rc;
		if (ev == XKD_PKT_BAD) {
			left--;
			r->acks += !r->noack;
		}
		if (ev != XKD_PKT_BODY)
			continue;
		took(r);
		if (xkd_rsp_is_output(r->in.body.s, r->in.body.len))
			continue;
		if (r->in.body.len >= 2 && !memcmp(r->in.body.s, "QC", 2))
			break;
		left--;
	}
	r->owed = 0;
	return XKD_OK;
}

/* May a request go out? */
static enum xkd_rc ready(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (r->lost)
		return xkd_err_set(err, XKD_TRANSPORT, "%s", r->lost_err.msg);
	if (r->running)
		return xkd_err_set(err, XKD_RUNNING, "%s runs; halt it first", r->link.peer);
	if (r->owed) {
		rc = resync(r, err);
		if (rc != XKD_OK)
			return rc;
	}
	if (!r->phys_unsure)
		return XKD_OK;
	r->phys_unsure = false;
	rc = xkd_rsp_askf(r, err, "Qqemu.PhyMemMode:0");
	if (rc != XKD_OK)
		r->phys_unsure = true;
	return rc;
}

enum xkd_rc xkd_rsp_send(struct xkd_rsp *r, const char *req, size_t n, struct xkd_err *err)
{
	log_packet(r, "->", req, n);
	begin_out(r);
	xkd_pkt_encode(&r->out, req, n);
	return send_bytes(r, r->out.s, r->out.len, err);
}

/* A stop reply where none belongs. True: pass over it. *again: the request was not heard. */
static bool stray_stop(struct xkd_rsp *r, bool *again)
{
	struct xkd_event ev = { .kind = XKD_EV_STOPPED, .reason = XKD_STOP_USER, .exc = -1 };

	*again = false;
	if (!xkd_rsp_is_stop(r->in.body.s, r->in.body.len))
		return false;
	if (r->stray_stop) {
		r->stray_stop = false;
		return true;
	}
	if (!r->profile->stray_pauses)
		return true;
	/* Somebody resumed it from another place: our request's first byte stopped it and was
	 * swallowed, so this request will have no answer. */
	*again = true;
	r->threads_fresh = r->has_hg = r->ram_fresh = false;
	snprintf(ev.text, sizeof(ev.text), "the target had been resumed from another place");
	xkd_rsp_event_push(r, &ev);
	return true;
}

static enum xkd_rc add_output(struct xkd_rsp *r, struct xkd_buf *output, struct xkd_err *err)
{
	const struct xkd_buf *b = &r->in.body;

	if (!output) {
		xkd_rsp_event_output(r, b->s, b->len);
		return XKD_OK;
	}
	if (output->len > OUTPUT_MAX)
		return xkd_rsp_lost(r, err, "%s sent over %u bytes of output", r->link.peer,
				    OUTPUT_MAX);
	for (size_t i = 1; i + 1 < b->len; i += 2)
		xkd_buf_ch(output,
			   (char)(xkd_hex_digit(b->s[i]) << 4 | xkd_hex_digit(b->s[i + 1])));
	return XKD_OK;
}

struct asking {
	const char *req;
	size_t n;
	unsigned timeout_ms;
	struct xkd_buf *output;
	unsigned tries;
};

/* One event while an answer is awaited. NOTFOUND: go on waiting. */
static enum xkd_rc ask_event(struct xkd_rsp *r, struct asking *a, enum xkd_pkt_ev ev,
			     struct xkd_err *err)
{
	bool again = false;
	enum xkd_rc rc;

	if (ev == XKD_PKT_BAD) {
		if (r->noack || ++a->tries > XKD_RSP_TRIES) {
			r->acks += !r->noack;
			rc = flush_acks(r, err);
			return rc != XKD_OK ? rc
					    : xkd_err_set(err, XKD_TRANSPORT,
							  "the answer to '%s' from %s comes with a "
							  "wrong checksum",
							  NAME(a->req, a->n), r->link.peer);
		}
		log_packet(r, "<- (damaged)", r->in.body.s, r->in.body.len);
		rc = xkd_rsp_flush(r, err);
		if (rc == XKD_OK)
			rc = send_bytes(r, "-", 1, err);
		return rc == XKD_OK ? XKD_NOTFOUND : rc;
	}
	if (ev == XKD_PKT_BODY) {
		took(r);
		if (a->req[0] != '?' && stray_stop(r, &again) && !again)
			return XKD_NOTFOUND;
		if (xkd_rsp_is_output(r->in.body.s, r->in.body.len)) {
			rc = add_output(r, a->output, err);
			return rc == XKD_OK ? XKD_NOTFOUND : rc;
		}
	}
	if (again || (ev == XKD_PKT_NAK && !r->noack)) {
		if (++a->tries > XKD_RSP_TRIES)
			return xkd_err_set(err, XKD_TRANSPORT, "%s does not take '%s'",
					   r->link.peer, NAME(a->req, a->n));
		rc = xkd_rsp_send(r, a->req, a->n, err);
		return rc == XKD_OK ? XKD_NOTFOUND : rc;
	}
	if (ev != XKD_PKT_BODY)
		return XKD_NOTFOUND;
	xkd_buf_reset(&r->reply);
	xkd_buf_add(&r->reply, r->in.body.s, r->in.body.len);
	return XKD_OK;
}

enum xkd_rc xkd_rsp_ask_output(struct xkd_rsp *r, const char *req, size_t n, unsigned timeout_ms,
			       struct xkd_buf *output, struct xkd_err *err)
{
	struct asking a = { .req = req, .n = n, .timeout_ms = timeout_ms, .output = output };
	enum xkd_rc rc = ready(r, err);

	if (rc == XKD_OK)
		rc = xkd_rsp_send(r, req, n, err);
	while (rc == XKD_OK) {
		enum xkd_pkt_ev ev;

		rc = next(r, timeout_ms, &ev, err);
		if (rc == XKD_TIMEOUT || rc == XKD_CANCELED) {
			r->owed++;
			if (rc == XKD_CANCELED)
				drain(r);
			return rc == XKD_TIMEOUT ? no_answer(r, req, n, timeout_ms, err) : rc;
		}
		if (rc != XKD_OK)
			return while_waiting(r, rc, req, n, err);
		rc = ask_event(r, &a, ev, err);
		if (rc == XKD_OK)
			return flush_acks(r, err);
		if (rc == XKD_NOTFOUND)
			rc = XKD_OK;
	}
	return rc;
}

enum xkd_rc xkd_rsp_ask(struct xkd_rsp *r, const char *req, size_t n, struct xkd_err *err)
{
	return xkd_rsp_ask_output(r, req, n, r->timeout_ms, NULL, err);
}

enum xkd_rc xkd_rsp_askf(struct xkd_rsp *r, struct xkd_err *err, const char *fmt, ...)
{
	char req[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(req, sizeof(req), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(req))
		return xkd_err_set(err, XKD_UNSUPPORTED, "a request to %s too long to send",
				   r->link.peer);
	return xkd_rsp_ask(r, req, (size_t)n, err);
}

/* Where a batch stands. */
struct batch {
	size_t n;
	size_t at; /* the request whose answer comes next */
	xkd_rsp_got *got;
	void *arg;
};

/* The rest is to be asked again: how many answers still come is no longer sure. */
static void batch_abandon(struct xkd_rsp *r, struct batch *b)
{
	r->owed += (unsigned)(b->n - b->at);
	while (b->at < b->n)
		b->got(b->arg, b->at++, NULL, 0);
}

static void batch_event(struct xkd_rsp *r, struct batch *b, enum xkd_pkt_ev ev)
{
	bool again;

	switch (ev) {
	case XKD_PKT_NAK:
		if (!r->noack)
			batch_abandon(r, b);
		break;
	case XKD_PKT_BAD:
		/* A '-' would make the stub repeat its newest answer, not this one. */
		r->acks += !r->noack;
		b->got(b->arg, b->at++, NULL, 0);
		break;
	case XKD_PKT_BODY:
		took(r);
		if (stray_stop(r, &again)) {
			if (again)
				batch_abandon(r, b);
		} else if (xkd_rsp_is_output(r->in.body.s, r->in.body.len)) {
			xkd_rsp_event_output(r, r->in.body.s, r->in.body.len);
		} else {
			b->got(b->arg, b->at++, r->in.body.s, r->in.body.len);
		}
		break;
	default:
		break;
	}
}

enum xkd_rc xkd_rsp_batch(struct xkd_rsp *r, const struct xkd_rsp_req *reqs, size_t n,
			  xkd_rsp_got *got, void *arg, struct xkd_err *err)
{
	struct batch b = { .n = n, .got = got, .arg = arg };
	enum xkd_rc rc;

	if (n == 1) {
		rc = xkd_rsp_ask(r, reqs[0].p, reqs[0].n, err);
		if (rc == XKD_OK)
			got(arg, 0, r->reply.s, r->reply.len);
		return rc;
	}
	rc = ready(r, err);
	if (rc != XKD_OK)
		return rc;
	begin_out(r);
	for (size_t i = 0; i < n; i++) {
		log_packet(r, "->", reqs[i].p, reqs[i].n);
		xkd_pkt_encode(&r->out, reqs[i].p, reqs[i].n);
	}
	rc = send_bytes(r, r->out.s, r->out.len, err);
	while (rc == XKD_OK && b.at < n) {
		const struct xkd_rsp_req *q = &reqs[b.at];
		enum xkd_pkt_ev ev;

		rc = next(r, r->timeout_ms, &ev, err);
		if (rc == XKD_OK) {
			batch_event(r, &b, ev);
			continue;
		}
		if (r->lost)
			return while_waiting(r, rc, q->p, q->n, err);
		r->owed += (unsigned)(n - b.at);
		if (rc == XKD_TIMEOUT)
			return no_answer(r, q->p, q->n, r->timeout_ms, err);
		drain(r);
	}
	return rc == XKD_OK ? flush_acks(r, err) : rc;
}

enum xkd_rc xkd_rsp_start(struct xkd_rsp *r, const char *req, size_t n, struct xkd_err *err)
{
	enum xkd_rc rc = ready(r, err);

	if (rc != XKD_OK)
		return rc;
	free(r->last_run);
	r->last_run = xkd_strdup(req);
	r->bps_gone = false;
	xkd_keeper_runs(&r->keeper, true);
	rc = xkd_rsp_send(r, req, n, err);
	r->running = rc == XKD_OK;
	return rc;
}

/* One D packet and its answer in r->reply. */
static enum xkd_rc ask_detach(struct xkd_rsp *r, const char *req, struct xkd_err *err)
{
	enum xkd_rc rc = ready(r, err);

	if (rc == XKD_OK)
		rc = xkd_rsp_send(r, req, strlen(req), err);
	while (rc == XKD_OK) {
		enum xkd_pkt_ev ev;

		rc = next(r, r->timeout_ms, &ev, err);
		if (rc == XKD_TIMEOUT)
			return no_answer(r, "D", 1, r->timeout_ms, err);
		if (rc != XKD_OK)
			break;
		if (ev == XKD_PKT_NAK && !r->noack)
			rc = xkd_rsp_send(r, req, strlen(req), err);
		if (ev != XKD_PKT_BODY)
			continue;
		log_packet(r, "<-", r->in.body.s, r->in.body.len);
		xkd_buf_reset(&r->reply);
		xkd_buf_add(&r->reply, r->in.body.s, r->in.body.len);
		return XKD_OK;
	}
	return rc;
}

/* QEMU keeps a former client's multiprocess+ for the next one, and then wants each process named.
 * It goes on when the last of them is let go. */
static enum xkd_rc detach_processes(struct xkd_rsp *r, struct xkd_err *err)
{
	uint64_t done[16];
	size_t n = 0;

	for (size_t i = 0; i < r->nthreads && n < XKD_COUNT(done); i++) {
		const char *s = r->threads[i].text;
		size_t len = s[0] == 'p' ? strcspn(s + 1, ".") : 0, k = 0;
		uint64_t pid = strtoull(len ? s + 1 : "0", NULL, 16);
		char req[48];
		enum xkd_rc rc;

		while (k < n && done[k] != pid)
			k++;
		if (!len || k < n)
			continue;
		done[n++] = pid;
		/* It stands yet: the last answer wants its ack. */
		r->acks += !r->noack;
		snprintf(req, sizeof(req), "D;%.*s", (int)len, s + 1);
		rc = ask_detach(r, req, err);
		if (rc != XKD_OK || !xkd_rsp_is_ok(r))
			return rc;
	}
	return XKD_OK;
}

enum xkd_rc xkd_rsp_detach(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = ask_detach(r, "D", err);

	if (rc == XKD_OK && !xkd_rsp_is_ok(r))
		rc = detach_processes(r, err);
	/* Some close at once, which is an answer too. */
	if (r->lost)
		return XKD_OK;
	/* Bochs and kgdb wait for it, and run on only then. */
	if (rc == XKD_OK && !r->profile->qemu && !r->noack) {
		struct xkd_err ignored;

		(void)!send_bytes(r, "+", 1, &ignored);
		return xkd_rsp_is_ok(r) ? XKD_OK
					: xkd_err_set(err, XKD_UNSUPPORTED,
						      "%s refuses to let go (%s); it may stand",
						      r->link.peer, XKD_RSP_SAID(r));
	}
	if (rc == XKD_OK && !xkd_rsp_is_ok(r))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s refuses to let go (%s); it may stand",
				   r->link.peer, XKD_RSP_SAID(r));
	return rc;
}

enum xkd_rc xkd_rsp_let_run(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = ready(r, err);

	if (rc == XKD_OK && r->has_hc)
		rc = xkd_rsp_askf(r, err, "Hc0");
	return rc == XKD_OK ? xkd_rsp_send(r, "c", 1, err) : rc;
}

enum xkd_rc xkd_rsp_interrupt(struct xkd_rsp *r, struct xkd_err *err)
{
	log_packet(r, "->", "\003", 1);
	return send_bytes(r, "\003", 1, err);
}

enum xkd_rc xkd_rsp_next(struct xkd_rsp *r, unsigned wait_ms, struct xkd_err *err)
{
	for (;;) {
		enum xkd_pkt_ev ev;
		enum xkd_rc rc;

		if (r->lost)
			return xkd_err_set(err, XKD_TRANSPORT, "%s", r->lost_err.msg);
		rc = next(r, wait_ms, &ev, err);
		if (rc != XKD_OK)
			return rc;
		if (ev == XKD_PKT_BODY) {
			took(r);
			return flush_acks(r, err);
		}
		if (ev == XKD_PKT_NAK && r->running && !r->noack)
			rc = xkd_rsp_send(r, r->last_run, strlen(r->last_run), err);
		else if (ev == XKD_PKT_BAD && !r->noack)
			rc = send_bytes(r, "-", 1, err);
		if (rc != XKD_OK)
			return rc;
	}
}
