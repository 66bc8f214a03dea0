/* The kernel's log: printk's ring of descriptors (5.10 and later), or the records in log_buf before
 * it (3.5 to 5.9), by their members' names. The rings are read as they are, also in the middle of a
 * write: a record that is not complete is left out. Sizes are bounded; a position outside its ring
 * ends or skips a record. */
#include "engine/os/linux/linux.h"
#include <stdlib.h>
#include <string.h>

#define LOG_MAX (64u << 20) /* bytes of text; the kernel's own limit is 2 GiB, usual is 128 KiB */
#define DESC_MAX (1u << 22)
#define ID_MASK (UINT64_MAX >> 2)
#define PIECE 4096u

struct field {
	uint64_t off, size;
};

static enum xkd_rc field(struct xkd_target *t, const char *type, const char *path, struct field *f,
			 struct xkd_err *err)
{
	enum xkd_rc rc = xkd_offsetof(t, type, path, &f->off, &f->size, err);

	if (!rc && f->size > 8)
		rc = xkd_err_set(err, XKD_BADDATA, "%s.%s has %llu bytes", type, path,
				 (unsigned long long)f->size);
	return rc;
}

static uint64_t get(const uint8_t *p, const struct field *f)
{
	return xkd_get_le(p + f->off, (unsigned)f->size);
}

/* The level is a bit-field behind five bits of flags, in the byte behind facility. */
static unsigned level_of(const uint8_t *rec, const struct field *facility)
{
	return rec[facility->off + 1] >> 5;
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
	struct field state, begin, next;		  /* of prb_desc */
	struct field seq, ns, text_len, facility;	  /* of printk_info */
	uint64_t desc_size, info_size;
	uint64_t count, tail, head;
	uint64_t data_size, data_addr;
	uint8_t *descs, *infos, *data;
};

static enum xkd_rc ring_member(struct xkd_target *t, uint64_t rb, const char *path, uint64_t *val,
			       struct xkd_err *err)
{
	return linux_member(t, "printk_ringbuffer", path, rb, val, err);
}

static enum xkd_rc ring_fields(struct xkd_target *t, struct ring *r, struct xkd_err *err)
{
	uint64_t zero;
	enum xkd_rc rc = field(t, "prb_desc", "state_var", &r->state, err);

	if (!rc)
		rc = field(t, "prb_desc", "text_blk_lpos.begin", &r->begin, err);
	if (!rc)
		rc = field(t, "prb_desc", "text_blk_lpos.next", &r->next, err);
	if (!rc)
		rc = field(t, "printk_info", "seq", &r->seq, err);
	if (!rc)
		rc = field(t, "printk_info", "ts_nsec", &r->ns, err);
	if (!rc)
		rc = field(t, "printk_info", "text_len", &r->text_len, err);
	if (!rc)
		rc = field(t, "printk_info", "facility", &r->facility, err);
	if (!rc)
		rc = xkd_offsetof(t, "prb_desc", "", &zero, &r->desc_size, err);
	if (!rc)
		rc = xkd_offsetof(t, "printk_info", "", &zero, &r->info_size, err);
	if (!rc && (r->desc_size > 256 || r->info_size > 4096))
		rc = xkd_err_set(err, XKD_BADDATA, "printk's records are too large");
	return rc;
}

static enum xkd_rc ring_read(struct xkd_target *t, uint64_t rb, struct ring *r, struct xkd_err *err)
{
	uint64_t bits = 0, size_bits = 0, descs = 0, infos = 0;
	enum xkd_rc rc = ring_member(t, rb, "desc_ring.count_bits", &bits, err);

	if (!rc)
		rc = ring_member(t, rb, "desc_ring.descs", &descs, err);
	if (!rc)
		rc = ring_member(t, rb, "desc_ring.infos", &infos, err);
	if (!rc)
		rc = ring_member(t, rb, "desc_ring.tail_id", &r->tail, err);
	if (!rc)
		rc = ring_member(t, rb, "desc_ring.head_id", &r->head, err);
	if (!rc)
		rc = ring_member(t, rb, "text_data_ring.size_bits", &size_bits, err);
	if (!rc)
		rc = ring_member(t, rb, "text_data_ring.data", &r->data_addr, err);
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
		uint64_t state = get(d, &r->state), kind = state >> 62;
		struct xkd_logline l = { .seq = get(info, &r->seq), .ns = get(info, &r->ns) };

		/* 1 committed, 2 finalized; 0 and 3 are being written or made ready for reuse */
		if ((kind != 1 && kind != 2) || (state & ID_MASK) != id ||
		    !ring_text(r, id, get(d, &r->begin), get(d, &r->next), &l.text, &l.len))
			continue;
		if (l.len > get(info, &r->text_len))
			l.len = (size_t)get(info, &r->text_len);
		l.level = level_of(info, &r->facility);
		if (!fn(arg, &l))
			break;
	}
}

static enum xkd_rc ring_dmesg(struct xkd_target *t, uint64_t prb,
			      bool (*fn)(void *arg, const struct xkd_logline *line), void *arg,
			      struct xkd_err *err)
{
	struct ring r = { .descs = NULL };
	uint64_t rb;
	enum xkd_rc rc = xkd_kread_u(t, prb, 8, &rb, err);

	if (!rc)
		rc = ring_fields(t, &r, err);
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
	struct field ns, len, text_len, facility;
	uint64_t head; /* size of a record's head */
	uint64_t size, first, next;
	uint8_t *buf;
};

static enum xkd_rc global(struct xkd_target *t, const char *name, unsigned size, uint64_t *val,
			  struct xkd_err *err)
{
	struct xkd_symref sym;
	enum xkd_rc rc = xkd_sym_named(t, name, &sym, err);

	return rc ? rc : xkd_kread_u(t, sym.addr, size, val, err);
}

static enum xkd_rc old_fields(struct xkd_target *t, struct oldlog *o, struct xkd_err *err)
{
	const char *type = "printk_log"; /* 3.11; struct log before */
	uint64_t zero;
	enum xkd_rc rc = field(t, type, "ts_nsec", &o->ns, err);

	if (rc) {
		type = "log";
		rc = field(t, type, "ts_nsec", &o->ns, err);
	}
	if (!rc)
		rc = field(t, type, "len", &o->len, err);
	if (!rc)
		rc = field(t, type, "text_len", &o->text_len, err);
	if (!rc)
		rc = field(t, type, "facility", &o->facility, err);
	return rc ? rc : xkd_offsetof(t, type, "", &zero, &o->head, err);
}

static void old_walk(struct xkd_target *t, const struct oldlog *o,
		     bool (*fn)(void *arg, const struct xkd_logline *line), void *arg)
{
	uint64_t at = o->first, walked = 0, seq = 0;

	while (at != o->next && walked <= o->size && !xkd_canceled(t->cancel)) {
		struct xkd_logline l = { .seq = seq++ };
		uint64_t len = at + o->head <= o->size ? get(o->buf + at, &o->len) : 0;

		if (!len) { /* the rest is at the start */
			if (!at)
				break;
			at = 0;
			continue;
		}
		if (len < o->head || len > o->size - at)
			break;
		l.ns = get(o->buf + at, &o->ns);
		l.text = (const char *)o->buf + at + o->head;
		l.len = (size_t)get(o->buf + at, &o->text_len);
		l.level = level_of(o->buf + at, &o->facility);
		if (l.len > len - o->head)
			l.len = (size_t)(len - o->head);
		if (!fn(arg, &l))
			break;
		at += len;
		walked += len;
	}
}

static enum xkd_rc old_dmesg(struct xkd_target *t,
			     bool (*fn)(void *arg, const struct xkd_logline *line), void *arg,
			     struct xkd_err *err)
{
	struct oldlog o = { .buf = NULL };
	uint64_t addr = 0;
	enum xkd_rc rc = global(t, "lk!log_buf", 8, &addr, err);

	if (!rc)
		rc = global(t, "lk!log_buf_len", 4, &o.size, err);
	if (!rc)
		rc = global(t, "lk!log_first_idx", 4, &o.first, err);
	if (!rc)
		rc = global(t, "lk!log_next_idx", 4, &o.next, err);
	if (!rc)
		rc = old_fields(t, &o, err);
	if (!rc && (o.size > LOG_MAX || o.first > o.size || o.head < 8 || o.head > 256))
		rc = xkd_err_set(err, XKD_BADDATA, "log_buf says it has %llu bytes",
				 (unsigned long long)o.size);
	if (!rc)
		rc = read_all(t, "log_buf", addr, o.size, &o.buf, err);
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
	struct xkd_symref prb;
	enum xkd_rc rc = xkd_sym_named(t, "lk!prb", &prb, err);

	if (rc == XKD_NOTFOUND) {
		xkd_err_clear(err);
		return old_dmesg(t, fn, arg, err);
	}
	return rc ? rc : ring_dmesg(t, prb.addr, fn, arg, err);
}
