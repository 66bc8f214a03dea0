/* The kernel's log: printk's ring of descriptors (5.10 and later), or the records in log_buf before
 * it (3.5 to 5.9), as shapes.c has them. The rings are read as they are, also in the middle of a
 * write: a record that is not complete is left out. Sizes are bounded; a position outside its ring
 * ends or skips a record. */
#include "engine/os/linux/linux.h"
#include <stdlib.h>
#include <string.h>

#define LOG_MAX (64u << 20) /* bytes of text; the kernel's own limit is 2 GiB, usual is 128 KiB */
#define DESC_MAX (1u << 22)
#define ID_MASK (UINT64_MAX >> 2)
#define PIECE 4096u

/* Of a record that is whole in memory of ours. */
static uint64_t get(const uint8_t *rec, const struct linux_fit *fit, unsigned part)
{
	return xkd_get_le(rec + fit->at[part].off, (unsigned)fit->at[part].size);
}

/* The parts lie in a record of so many bytes, and each is a number. */
static enum xkd_rc check(const struct linux_fit *fit, const unsigned *part, size_t n, uint64_t record,
			 struct xkd_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct linux_place *p = &fit->at[part[i]];

		if (p->size > 8 || p->off >= record || p->size > record - p->off)
			return xkd_err_set(err, XKD_BADDATA, "%s makes no sense",
					   fit->alt->part[part[i]]);
	}
	return XKD_OK;
}

/* The level is a bit-field behind five bits of flags, in the byte behind facility. */
static unsigned level_of(const uint8_t *rec, const struct linux_fit *fit)
{
	return rec[fit->at[LOG_FACILITY].off + 1] >> 5;
}

static enum xkd_rc read_all(struct xkd_target *t, const char *what, uint64_t addr, uint64_t size,
			    uint8_t **buf, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK;

	*buf = xkd_malloc(size ? (size_t)size : 1);
	for (uint64_t at = 0; !rc && at < size; at += PIECE) {
		uint64_t n = size - at < PIECE ? size - at : PIECE;

		xkd_progress(t->log, "reading the kernel's log", at, size);
		rc = xkd_cancel_check(t->cancel, err);
		if (!rc)
			rc = xkd_kread(t, addr + at, *buf + at, (size_t)n, err);
	}
	xkd_progress(t->log, NULL, 0, 0);
	return rc ? xkd_err_prepend(err, rc, "reading %s", what) : XKD_OK;
}

/* ---- 5.10 and later ---- */

struct ring {
	struct linux_fit fit;
	uint64_t desc_size, info_size;
	uint64_t count, tail, head;
	uint64_t data_size, data_addr;
	uint8_t *descs, *infos, *data;
};

static enum xkd_rc ring_check(struct ring *r, struct xkd_err *err)
{
	static const unsigned desc[] = { RB_STATE, RB_BEGIN, RB_NEXT };
	static const unsigned info[] = { RB_SEQ, LOG_NS, LOG_TEXT_LEN, LOG_FACILITY };
	enum xkd_rc rc;

	r->desc_size = r->fit.at[RB_DESC].size;
	r->info_size = r->fit.at[RB_INFO].size;
	if (r->desc_size > 256 || r->info_size > 4096)
		return xkd_err_set(err, XKD_BADDATA, "printk's records are too large");
	rc = check(&r->fit, desc, XKD_COUNT(desc), r->desc_size, err);
	/* the level lies behind the facility */
	return rc ? rc : check(&r->fit, info, XKD_COUNT(info), r->info_size - 1, err);
}

static enum xkd_rc ring_read(struct xkd_target *t, uint64_t rb, struct ring *r, struct xkd_err *err)
{
	uint64_t bits = 0, size_bits = 0, descs = 0, infos = 0;
	const struct {
		unsigned part;
		uint64_t *val;
	} want[] = { { RB_COUNT_BITS, &bits }, { RB_DESCS, &descs },
		     { RB_INFOS, &infos },     { RB_TAIL, &r->tail },
		     { RB_HEAD, &r->head },    { RB_SIZE_BITS, &size_bits },
		     { RB_DATA, &r->data_addr } };
	enum xkd_rc rc = XKD_OK;

	for (size_t i = 0; !rc && i < XKD_COUNT(want); i++)
		rc = linux_part(t, &r->fit, want[i].part, rb, want[i].val, err);
	if (rc)
		return rc;
	r->tail &= ID_MASK;
	r->head &= ID_MASK;
	if (bits > 30 || (1u << bits) > DESC_MAX || size_bits < 4 || size_bits > 40 ||
	    (1ULL << size_bits) > LOG_MAX)
		return xkd_err_set(err, XKD_BADDATA,
				   "printk's ring says it has 2^%llu records and 2^%llu bytes",
				   (unsigned long long)bits, (unsigned long long)size_bits);
	r->count = 1ULL << bits;
	r->data_size = 1ULL << size_bits;
	rc = read_all(t, "printk's descriptors", descs, r->count * r->desc_size, &r->descs, err);
	if (!rc)
		rc = read_all(t, "printk's records", infos, r->count * r->info_size, &r->infos, err);
	if (!rc)
		rc = read_all(t, "printk's text", r->data_addr, r->data_size, &r->data, err);
	return rc;
}

/* The text of a descriptor: a block that begins with the descriptor's number. A block that does not
 * fit before the end of the data lies at its start. */
static bool ring_text(const struct ring *r, uint64_t id, uint64_t begin, uint64_t next,
		      const char **text, size_t *len)
{
	uint64_t mask = r->data_size - 1, wraps = ~mask, at, size;

	*text = "";
	*len = 0;
	if (begin & 1)
		return next & 1; /* no block: an empty line (or one for which there was no room) */
	if ((begin & wraps) == ((next - 1) & wraps) && begin < next) {
		at = begin & mask;
		size = next - begin;
	} else if (((begin + r->data_size) & wraps) == (next & wraps)) {
		at = 0;
		size = next & mask;
	} else {
		return false;
	}
	if (size < 8 || at + size > r->data_size || (xkd_get_le(r->data + at, 8) & ID_MASK) != id)
		return false;
	*text = (const char *)r->data + at + 8;
	*len = (size_t)size - 8;
	return true;
}

static void ring_walk(struct xkd_target *t, const struct ring *r,
		      bool (*fn)(void *arg, const struct xkd_logline *line), void *arg)
{
	uint64_t n = ((r->head - r->tail) & ID_MASK) + 1;

	if (n > r->count)
		n = r->count;
	for (uint64_t i = 0; i < n && !xkd_canceled(t->cancel); i++) {
		uint64_t id = (r->tail + i) & ID_MASK, slot = id & (r->count - 1);
		const uint8_t *d = r->descs + slot * r->desc_size;
		const uint8_t *info = r->infos + slot * r->info_size;
		uint64_t state = get(d, &r->fit, RB_STATE), kind = state >> 62;
		struct xkd_logline l = { .seq = get(info, &r->fit, RB_SEQ),
					 .ns = get(info, &r->fit, LOG_NS) };

		/* 1 committed, 2 finalized; 0 and 3 are being written or made ready for reuse */
		if ((kind != 1 && kind != 2) || (state & ID_MASK) != id ||
		    !ring_text(r, id, get(d, &r->fit, RB_BEGIN), get(d, &r->fit, RB_NEXT), &l.text,
			       &l.len))
			continue;
		if (l.len > get(info, &r->fit, LOG_TEXT_LEN))
			l.len = (size_t)get(info, &r->fit, LOG_TEXT_LEN);
		l.level = level_of(info, &r->fit);
		if (!fn(arg, &l))
			break;
	}
}

static enum xkd_rc ring_dmesg(struct xkd_target *t, const struct linux_fit *fit,
			      bool (*fn)(void *arg, const struct xkd_logline *line), void *arg,
			      struct xkd_err *err)
{
	struct ring r = { .fit = *fit };
	uint64_t rb;
	enum xkd_rc rc = linux_part(t, fit, RB_VAR, 0, &rb, err);

	if (!rc)
		rc = ring_check(&r, err);
	if (!rc)
		rc = ring_read(t, rb, &r, err);
	if (!rc) {
		ring_walk(t, &r, fn, arg);
		rc = xkd_cancel_check(t->cancel, err);
	}
	free(r.descs);
	free(r.infos);
	free(r.data);
	return rc;
}

/* ---- before 5.10 ---- */

struct oldlog {
	struct linux_fit fit;
	uint64_t head; /* size of a record's head */
	uint64_t addr, size, first, next;
	uint8_t *buf;
};

static void old_walk(struct xkd_target *t, const struct oldlog *o,
		     bool (*fn)(void *arg, const struct xkd_logline *line), void *arg)
{
	uint64_t at = o->first, walked = 0, seq = 0;

	while (at != o->next && walked <= o->size && !xkd_canceled(t->cancel)) {
		struct xkd_logline l = { .seq = seq++ };
		uint64_t len = at + o->head <= o->size ? get(o->buf + at, &o->fit, LOG_REC_LEN) : 0;

		if (!len) { /* the rest is at the start */
			if (!at)
				break;
			at = 0;
			continue;
		}
		if (len < o->head || len > o->size - at)
			break;
		l.ns = get(o->buf + at, &o->fit, LOG_NS);
		l.text = (const char *)o->buf + at + o->head;
		l.len = (size_t)get(o->buf + at, &o->fit, LOG_TEXT_LEN);
		l.level = level_of(o->buf + at, &o->fit);
		if (l.len > len - o->head)
			l.len = (size_t)(len - o->head);
		if (!fn(arg, &l))
			break;
		at += len;
		walked += len;
	}
}

static enum xkd_rc old_dmesg(struct xkd_target *t, const struct linux_fit *fit,
			     bool (*fn)(void *arg, const struct xkd_logline *line), void *arg,
			     struct xkd_err *err)
{
	static const unsigned parts[] = { LOG_REC_LEN, LOG_NS, LOG_TEXT_LEN, LOG_FACILITY };
	struct oldlog o = { .fit = *fit, .head = fit->at[LOG_REC].size };
	const struct {
		unsigned part, size;
		uint64_t *val;
	} want[] = { { LOG_BUF, 8, &o.addr }, { LOG_LEN, 4, &o.size },
		     { LOG_FIRST, 4, &o.first }, { LOG_NEXT, 4, &o.next } };
	enum xkd_rc rc = XKD_OK;

	for (size_t i = 0; !rc && i < XKD_COUNT(want); i++)
		rc = xkd_kread_u(t, fit->at[want[i].part].off, want[i].size, want[i].val, err);
	if (!rc && o.head)
		rc = check(fit, parts, XKD_COUNT(parts), o.head - 1, err);
	if (!rc && (o.size > LOG_MAX || o.first > o.size || o.head < 8 || o.head > 256))
		rc = xkd_err_set(err, XKD_BADDATA, "log_buf says it has %llu bytes",
				 (unsigned long long)o.size);
	if (!rc)
		rc = read_all(t, "log_buf", o.addr, o.size, &o.buf, err);
	if (!rc) {
		old_walk(t, &o, fn, arg);
		rc = xkd_cancel_check(t->cancel, err);
	}
	free(o.buf);
	return rc;
}

enum xkd_rc linux_dmesg(struct xkd_target *t, bool (*fn)(void *arg, const struct xkd_logline *line),
			void *arg, struct xkd_err *err)
{
	struct linux_fit fit;
	enum xkd_rc rc = linux_shape(t, SHAPE_LOG, &fit, err);

	if (rc)
		return rc;
	return fit.at[RB_VAR].there ? ring_dmesg(t, &fit, fn, arg, err) :
				      old_dmesg(t, &fit, fn, arg, err);
}
