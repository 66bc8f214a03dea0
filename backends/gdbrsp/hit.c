/* A breakpoint hit that nobody is to see: registers and a little memory in one exchange, a few
 * registers written and everything let go in another. Invariants: only stubs that queue packets are
 * asked so; P is preceded by g at the same stop, since under KVM QEMU fetches a CPU's state only
 * then; nothing runs when a register was refused. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MAX 8	   /* elements */
#define LOOK_BYTES 128 /* of an element */
#define PASS_MAX 8

struct look {
	struct xkd_rsp *r;
	struct xkd_regblob *blob;
	struct xkd_iov *iov;
	size_t first_iov; /* the request that is the first element's */
	bool hg, g;	  /* what was asked was answered */
};

static void look_got(void *arg, size_t i, const char *body, size_t len)
{
	struct look *l = arg;
	size_t n;

	if (i + 2 == l->first_iov) { /* Hg */
		l->hg = body && len == 2 && !memcmp(body, "OK", 2);
	} else if (i + 1 == l->first_iov) {
		l->g = body && len && !xkd_rsp_is_error(body, len);
		if (l->g)
			xkd_rsp_take_g(l->r, body, len, l->blob);
	} else {
		struct xkd_iov *v = &l->iov[i - l->first_iov];

		v->rc = XKD_NOTMAPPED;
		if (!body || !len || !xkd_rsp_unhex(body, len, v->buf, v->len, &n))
			return;
		v->done = n;
		if (n == v->len)
			v->rc = XKD_OK;
	}
}

/* One thing after the other. */
static enum xkd_rc look_slowly(struct xkd_backend *be, uint64_t cpu_id, struct xkd_regblob *blob,
			       struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_regs_get(be, cpu_id, XKD_RG_INT | XKD_RG_SYS, blob, err);

	return rc || !n ? rc : xkd_rsp_readv(be, XKD_MS_VIRT, cpu_id, iov, n, err);
}

enum xkd_rc xkd_rsp_look(struct xkd_backend *be, uint64_t cpu_id, struct xkd_regblob *blob,
			 struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	const struct xkd_rsp_thread *t = xkd_rsp_thread(r, cpu_id);
	struct look l = { .r = r, .blob = blob, .iov = iov };
	struct xkd_rsp_req reqs[LOOK_MAX + 2];
	char hg[64], m[LOOK_MAX][40];
	size_t k = 0;
	enum xkd_rc rc;

	memset(blob, 0, sizeof(*blob));
	if (!t || !t->text[0] || xkd_rsp_window(r) < LOOK_MAX + 2 || n > LOOK_MAX || r->running)
		return look_slowly(be, cpu_id, blob, iov, n, err);
	for (size_t i = 0; i < n; i++)
		if (iov[i].len > LOOK_BYTES)
			return look_slowly(be, cpu_id, blob, iov, n, err);
	if (!r->has_hg || r->hg != cpu_id) {
		snprintf(hg, sizeof(hg), "Hg%s", t->text);
		reqs[k++] = (struct xkd_rsp_req){ hg, strlen(hg) };
	} else {
		l.hg = true;
	}
	reqs[k++] = (struct xkd_rsp_req){ "g", 1 };
	l.first_iov = k;
	for (size_t i = 0; i < n; i++) {
		iov[i].done = 0;
		snprintf(m[i], sizeof(m[i]), "m%" PRIx64 ",%zx", iov[i].addr, iov[i].len);
		reqs[k++] = (struct xkd_rsp_req){ m[i], strlen(m[i]) };
	}
	r->has_hg = false;
	rc = xkd_rsp_batch(r, reqs, k, look_got, &l, err);
	if (rc != XKD_OK)
		return rc;
	if (!l.hg || !l.g) /* damaged or refused: the slow way says what is the matter */
		return look_slowly(be, cpu_id, blob, iov, n, err);
	r->has_hg = true;
	r->hg = cpu_id;
	return XKD_OK;
}

struct pass {
	size_t ok;
};

static void pass_got(void *arg, size_t i, const char *body, size_t len)
{
	struct pass *p = arg;

	(void)i;
	p->ok += body && len == 2 && !memcmp(body, "OK", 2);
}

enum xkd_rc xkd_rsp_pass(struct xkd_backend *be, uint64_t cpu_id, const size_t *index,
			 const uint64_t *val, size_t n, struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);
	struct xkd_rsp_req reqs[PASS_MAX];
	char text[PASS_MAX][32];
	struct pass p = { 0 };
	enum xkd_rc rc;

	if (!r->has_hg || r->hg != cpu_id || r->has_p == 0 || !r->vcont || n > PASS_MAX ||
	    xkd_rsp_window(r) < PASS_MAX)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s takes no register by itself",
				   r->link.peer);
	for (size_t i = 0; i < n; i++) {
		const struct xkd_regdesc *d;
		uint8_t bytes[8];
		int at;

		if (index[i] >= r->layout.n || r->regs[index[i]].from != XKD_RSP_REG_G ||
		    r->descs[index[i]].bytes > 8)
			return xkd_err_set(err, XKD_UNSUPPORTED, "no register number %zu", index[i]);
		d = &r->descs[index[i]];
		xkd_put_le(bytes, val[i], d->bytes);
		at = snprintf(text[i], sizeof(text[i]), "P%x=", r->regs[index[i]].regnum);
		xkd_hex_encode(text[i] + at, bytes, d->bytes);
		reqs[i] = (struct xkd_rsp_req){ text[i], strlen(text[i]) };
	}
	rc = n ? xkd_rsp_batch(r, reqs, n, pass_got, &p, err) : XKD_OK;
	if (rc != XKD_OK)
		return rc;
	if (p.ok != n) {
		return xkd_err_set(err, XKD_BADDATA, "%s refuses to set a register", r->link.peer);
	}
	rc = xkd_rsp_start(r, "vCont;c", 7, err);
	if (rc == XKD_OK) {
		r->stepping = false;
		xkd_vec_reset(&r->moved);
	}
	return rc;
}
