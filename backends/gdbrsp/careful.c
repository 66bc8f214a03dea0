/* Memory of a stub that must be asked with care (Bochs): a read that fails is answered with what the
 * last good one brought, one that crosses a page reads the wrong one, a single byte written is taken
 * for a breakpoint set or removed; and where paging is off, a high address ends it.
 *
 * Invariant: r->stale is the start of what a failed read would be answered with. An answer that
 * begins as it is believed only when it does not follow two other reads, of the code at rip and of
 * that one byte further, which differ. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096u
#define PIECE 96u

static enum xkd_rc read_once(struct xkd_rsp *r, uint64_t addr, size_t len, uint8_t *buf, bool *there,
			     struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_askf(r, err, "m%" PRIx64 ",%zx", addr, len);
	size_t n = 0;

	*there = rc == XKD_OK && !xkd_rsp_is_error(r->reply.s, r->reply.len) &&
		 xkd_rsp_unhex(r->reply.s ? r->reply.s : "", r->reply.len, buf, len, &n) && n == len;
	return rc;
}

static void remember(struct xkd_rsp *r, const uint8_t *buf, size_t len)
{
	size_t n = len < sizeof(r->stale) ? len : sizeof(r->stale);

	memcpy(r->stale, buf, n);
	if (n > r->nstale)
		r->nstale = n;
}

static bool as_stale(const struct xkd_rsp *r, const uint8_t *buf, size_t len)
{
	size_t n = len < r->nstale ? len : r->nstale;

	return !memcmp(r->stale, buf, n);
}

/* Makes a failed read's answer the code at rip + off, then reads again. */
static enum xkd_rc again(struct xkd_rsp *r, unsigned off, uint64_t addr, size_t len, uint8_t *buf,
			 bool *there, struct xkd_err *err)
{
	uint8_t code[sizeof(r->stale)];
	enum xkd_rc rc = read_once(r, r->rip + off, sizeof(code), code, there, err);

	if (rc == XKD_OK && *there) {
		remember(r, code, sizeof(code));
		rc = read_once(r, addr, len, buf, there, err);
	}
	return rc;
}

static enum xkd_rc read_piece(struct xkd_rsp *r, uint64_t addr, size_t len, uint8_t *buf, bool *there,
			      struct xkd_err *err)
{
	enum xkd_rc rc = read_once(r, addr, len, buf, there, err);

	for (unsigned off = 0; off < 2 && rc == XKD_OK && *there; off++) {
		if (r->nstale && !as_stale(r, buf, len))
			break;
		rc = again(r, off, addr, len, buf, there, err);
		if (rc == XKD_OK && *there && off && as_stale(r, buf, len))
			*there = false;
	}
	if (rc == XKD_OK && *there)
		remember(r, buf, len);
	return rc;
}

static enum xkd_rc write_piece(struct xkd_rsp *r, uint64_t addr, size_t len, const uint8_t *buf,
			       bool *there, struct xkd_err *err)
{
	char req[2 * PIECE + 64];
	uint8_t two[2];
	enum xkd_rc rc = XKD_OK;
	bool last = addr % PAGE == PAGE - 1;
	int n;

	*there = true;
	if (len == 1) { /* with its neighbour: not taken for a breakpoint */
		rc = read_piece(r, last ? addr - 1 : addr + 1, 1, &two[!last], there, err);
		two[last] = buf[0];
		addr -= last;
		buf = two;
		len = 2;
	}
	if (rc != XKD_OK || !*there)
		return rc;
	n = snprintf(req, sizeof(req), "M%" PRIx64 ",%zx:", addr, len);
	xkd_hex_encode(req + n, buf, len);
	rc = xkd_rsp_ask(r, req, (size_t)n + 2 * len, err);
	*there = rc == XKD_OK && xkd_rsp_is_ok(r);
	return rc;
}

enum xkd_rc xkd_rsp_careful(struct xkd_rsp *r, struct xkd_iov *iov, size_t n, bool write,
			    struct xkd_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct xkd_iov *v = &iov[i];

		while (v->done < v->len) {
			uint64_t addr = v->addr + v->done;
			size_t len = v->len - v->done, page = PAGE - addr % PAGE;
			uint8_t *buf = (uint8_t *)v->buf + v->done;
			bool there;
			enum xkd_rc rc = xkd_cancel_check(r->cancel, err);

			len = len < PIECE ? len : PIECE;
			len = len < page ? len : page;
			/* Without page tables Bochs takes it for a physical one, and dies. */
			if (addr >> 32 && !r->high) {
				v->rc = XKD_NOTMAPPED;
				break;
			}
			if (rc == XKD_OK)
				rc = write ? write_piece(r, addr, len, buf, &there, err)
					   : read_piece(r, addr, len, buf, &there, err);
			if (rc != XKD_OK)
				return rc;
			if (!there) {
				v->rc = XKD_NOTMAPPED;
				break;
			}
			v->done += len;
		}
	}
	return XKD_OK;
}
