/* Memory by m, x, M and X: elements are cut into requests the stub can take, many under way at
 * once where it queues them.
 *
 * Invariants: done of an element only ever counts bytes from its start without a gap; an element
 * is finished when done == len or rc != XKD_OK. A request that fails and spans pages is halved
 * down to page ends, so that what can be had is had. Elements are written front to back, one
 * request of each at a time, so that after a failure nothing behind done was touched.
 *
 * Physical memory exists with QEMU only: PhyMemMode is switched on and off again within the same
 * batch. In that mode QEMU swallows errors and reads nothing as zeros; the engine keeps to the
 * memory map. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define HEADER 40  /* more than "$M", two numbers, their signs and the checksum take */
#define REQ_MAX 64 /* a read request's text */

struct chunk {
	size_t elem;
	size_t off, len;
};

struct xfer {
	struct xkd_rsp *r;
	struct xkd_iov *iov;
	size_t n;
	bool write, phys, binary;
	size_t max;   /* bytes of memory in a request */
	size_t *caps; /* by element: pages a request may touch, 0: any number, until one fails */
	size_t first; /* elements before it are finished */
	struct chunk chunks[XKD_RSP_WINDOW];
	size_t nchunks;
	struct xkd_rsp_req reqs[XKD_RSP_WINDOW + 2];
	struct xkd_buf text; /* of the requests */
	bool on_ok, off_ok;  /* PhyMemMode's answers in this batch */
	bool progress;
	bool unknown; /* the stub does not know this request */
};

static bool finished(const struct xkd_iov *v)
{
	return v->rc != XKD_OK || v->done >= v->len;
}

/* The next request of an element from off: up to the cap, not beyond the address space, ending at
 * a page's end where it would cross one. 0: no address left. */
static size_t chunk_len(const struct xfer *x, size_t elem, size_t off)
{
	const struct xkd_iov *v = &x->iov[elem];
	uint64_t addr = v->addr + off, to_top = -addr;
	size_t len = v->len - off, in_page = addr & (PAGE - 1);

	if (off && addr < v->addr)
		return 0;
	if (len > x->max)
		len = x->max;
	if (x->caps[elem] && len > x->caps[elem] * PAGE - in_page)
		len = x->caps[elem] * PAGE - in_page;
	if (to_top && len > to_top)
		len = to_top;
	if (in_page + len > PAGE)
		len = (in_page + len) / PAGE * PAGE - in_page;
	return len;
}

static void plan(struct xfer *x, size_t window)
{
	x->nchunks = 0;
	while (x->first < x->n && finished(&x->iov[x->first]))
		x->first++;
	for (size_t e = x->first; e < x->n && x->nchunks < window; e++) {
		struct xkd_iov *v = &x->iov[e];
		bool one = x->write || x->caps[e];

		if (finished(v))
			continue;
		for (size_t off = v->done; off < v->len && x->nchunks < window;) {
			size_t len = chunk_len(x, e, off);

			if (!len) {
				if (off == v->done)
					v->rc = XKD_NOTMAPPED;
				break;
			}
			x->chunks[x->nchunks++] = (struct chunk){ e, off, len };
			off += len;
			if (one)
				break;
		}
	}
}

static void add_request(struct xfer *x, size_t i, size_t *starts)
{
	const struct chunk *c = &x->chunks[i];
	const struct xkd_iov *v = &x->iov[c->elem];
	const uint8_t *src = v->buf + c->off;

	starts[i] = x->text.len;
	xkd_buf_printf(&x->text, "%c%" PRIx64 ",%zx",
		       x->write ? (x->binary ? 'X' : 'M') : (x->binary ? 'x' : 'm'),
		       v->addr + c->off, c->len);
	if (!x->write)
		return;
	xkd_buf_ch(&x->text, ':');
	if (x->binary) {
		xkd_buf_add(&x->text, src, c->len);
		return;
	}
	xkd_buf_reserve(&x->text, 2 * c->len);
	xkd_hex_encode(x->text.s + x->text.len, src, c->len);
	x->text.len += 2 * c->len;
}

/* Requests of all chunks, with the mode switches around physical ones; returns how many. */
static size_t encode(struct xfer *x)
{
	size_t starts[XKD_RSP_WINDOW + 1], n = 0;

	xkd_buf_reset(&x->text);
	for (size_t i = 0; i < x->nchunks; i++)
		add_request(x, i, starts);
	starts[x->nchunks] = x->text.len;
	if (x->phys)
		x->reqs[n++] = (struct xkd_rsp_req){ "Qqemu.PhyMemMode:1", 18 };
	for (size_t i = 0; i < x->nchunks; i++)
		x->reqs[n++] =
			(struct xkd_rsp_req){ x->text.s + starts[i], starts[i + 1] - starts[i] };
	if (x->phys)
		x->reqs[n++] = (struct xkd_rsp_req){ "Qqemu.PhyMemMode:0", 18 };
	return n;
}

/* A request failed: halve what spans pages, give up what does not. */
static void chunk_failed(struct xfer *x, const struct chunk *c)
{
	struct xkd_iov *v = &x->iov[c->elem];
	uint64_t addr = v->addr + c->off, last = addr + c->len - 1;
	uint64_t pages = (last / PAGE) - (addr / PAGE) + 1;

	x->progress = true;
	if (pages == 1) {
		v->rc = XKD_NOTMAPPED;
		return;
	}
	x->caps[c->elem] = (size_t)(pages / 2);
}

static void chunk_read(struct xfer *x, const struct chunk *c, const char *body, size_t len)
{
	struct xkd_iov *v = &x->iov[c->elem];
	size_t n = 0;

	if (x->binary) {
		if (body[0] != 'b' || len - 1 > c->len) {
			v->rc = XKD_BADDATA;
			return;
		}
		n = len - 1;
		memcpy(v->buf + c->off, body + 1, n);
	} else if (!xkd_rsp_unhex(body, len, v->buf + c->off, c->len, &n)) {
		v->rc = XKD_BADDATA;
		return;
	}
	/* Fewer bytes than asked for are a partial answer; none at all is a failure. */
	if (!n) {
		chunk_failed(x, c);
		return;
	}
	v->done += n;
	x->progress = true;
}

static void chunk_answer(struct xfer *x, const struct chunk *c, const char *body, size_t len)
{
	struct xkd_iov *v = &x->iov[c->elem];

	/* Behind a failed or short one: it will be asked for again. */
	if (finished(v) || c->off != v->done)
		return;
	if (!len)
		x->unknown = true;
	else if (xkd_rsp_is_error(body, len))
		chunk_failed(x, c);
	else if (!x->write)
		chunk_read(x, c, body, len);
	else if (len == 2 && !memcmp(body, "OK", 2)) {
		v->done += c->len;
		x->progress = true;
	} else {
		v->rc = XKD_BADDATA;
	}
}

static void got(void *arg, size_t i, const char *body, size_t len)
{
	struct xfer *x = arg;
	bool fine = body && len == 2 && !memcmp(body, "OK", 2);

	if (x->phys && !i) {
		x->on_ok = fine;
		return;
	}
	i -= x->phys;
	if (x->phys && i == x->nchunks)
		x->off_ok = fine;
	else if (body && (!x->phys || x->on_ok))
		chunk_answer(x, &x->chunks[i], body, len);
}

static void fail_rest(struct xfer *x, enum xkd_rc rc)
{
	for (size_t i = 0; i < x->n; i++)
		if (!finished(&x->iov[i]))
			x->iov[i].rc = rc;
}

static enum xkd_rc transfer(struct xfer *x, struct xkd_err *err)
{
	struct xkd_rsp *r = x->r;
	unsigned stuck = 0;

	for (;;) {
		enum xkd_rc rc = xkd_cancel_check(r->cancel, err);

		if (rc != XKD_OK)
			return rc;
		plan(x, xkd_rsp_window(r));
		if (!x->nchunks && x->first >= x->n)
			return XKD_OK;
		if (!x->nchunks)
			continue;
		x->progress = x->on_ok = x->off_ok = x->unknown = false;
		rc = xkd_rsp_batch(r, x->reqs, encode(x), got, x, err);
		r->phys_unsure |= x->phys && !x->off_ok;
		if (rc != XKD_OK)
			return rc;
		if (x->unknown)
			return XKD_OK;
		stuck = x->progress ? 0 : stuck + 1;
		if (stuck >= XKD_RSP_TRIES)
			return xkd_err_set(err, XKD_TRANSPORT,
					   "%s does not answer memory requests undamaged",
					   r->link.peer);
	}
}

/* X is known only by trying; a request of no bytes does nothing. */
static enum xkd_rc probe_binary_write(struct xkd_rsp *r, uint64_t addr, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (r->has_binary_write >= 0)
		return XKD_OK;
	rc = xkd_rsp_askf(r, err, "X%" PRIx64 ",0:", addr);
	if (rc == XKD_OK)
		r->has_binary_write = xkd_rsp_is_ok(r);
	return rc;
}

static void size_requests(struct xfer *x)
{
	struct xkd_rsp *r = x->r;

	x->binary = x->write ? r->has_binary_write > 0 : r->has_binary_read;
	/* Binary may double by escapes, hex always does. QEMU does not count an answer's frame,
	 * which makes two requests of a page, not three. */
	x->max = r->packet_size - (x->write ? HEADER : r->profile->qemu ? 0 : 8);
	x->max /= 2;
	if (x->max > 120 && r->packet_size <= XKD_RSP_SMALL_PACKET)
		x->max = 120;
	if (x->max > 16)
		x->max &= ~(size_t)15;
	if (x->max >= PAGE)
		x->max &= ~(size_t)(PAGE - 1);
}

static enum xkd_rc run(struct xfer *x, struct xkd_err *err)
{
	struct xkd_rsp *r = x->r;
	enum xkd_rc rc = XKD_OK;

	if (x->write)
		rc = probe_binary_write(r, x->iov[0].addr, err);
	if (rc != XKD_OK)
		return rc;
	size_requests(x);
	rc = transfer(x, err);
	if (rc == XKD_OK && x->unknown && x->binary && !x->write) {
		/* It offered x and does not know it. */
		r->has_binary_read = x->unknown = false;
		x->first = 0;
		size_requests(x);
		rc = transfer(x, err);
	}
	if (rc == XKD_OK && x->unknown)
		fail_rest(x, XKD_UNSUPPORTED);
	return rc;
}

static enum xkd_rc move(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			struct xkd_iov *iov, size_t n, bool write, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	struct xfer x = { .r = r, .iov = iov, .n = n, .write = write, .phys = ms == XKD_MS_PHYS };
	enum xkd_rc rc;

	for (size_t i = 0; i < n; i++) {
		iov[i].done = 0;
		iov[i].rc = XKD_OK;
	}
	if (!n)
		return XKD_OK;
	if (ms == XKD_MS_IO || (x.phys && !r->has_phys)) {
		fail_rest(&x, XKD_UNSUPPORTED);
		return XKD_OK;
	}
	/* Physical memory is everybody's, but the stub still wants a CPU that exists. */
	if (x.phys && !xkd_rsp_thread(r, cpu_id))
		cpu_id = r->threads[0].id;
	rc = xkd_rsp_select(r, cpu_id, err);
	if (rc == XKD_OK && r->profile->careful) {
		rc = xkd_rsp_careful(r, iov, n, write, err);
	} else if (rc == XKD_OK) {
		x.caps = xkd_calloc(n, sizeof(*x.caps));
		xkd_buf_init(&x.text);
		rc = run(&x, err);
		xkd_buf_fini(&x.text);
		free(x.caps);
	}
	if (rc != XKD_OK)
		fail_rest(&x, rc);
	return rc == XKD_OK ? rc
			    : xkd_err_prepend(err, rc, write ? "writing memory" : "reading memory");
}

enum xkd_rc xkd_rsp_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			  struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	return move(be, ms, cpu_id, iov, n, false, err);
}

enum xkd_rc xkd_rsp_writev(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			   struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	return move(be, ms, cpu_id, iov, n, true, err);
}
