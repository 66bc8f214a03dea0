/* The recorder: stands before any other backend, hands every call on, and writes what was asked and
 * answered as a line of a file, which replay.c answers from.
 *
 * Invariants: the answer given is the other backend's own, whatever comes of the file: when that
 * cannot be written it is said once, and the session goes on. A line is whole or (killed in
 * mid-write) the last one. Memory read again and found the same is named ("="), not copied. */
#include "backends/record/text.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "config.h"
#include "xkd/backend.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MAX (64u << 20) /* bytes kept to know what is the same */

/* Bytes as last written to the file. */
struct seen {
	struct seen *next; /* of the same hash */
	enum xkd_mspace ms;
	uint64_t cpu, addr;
	size_t len;
	unsigned epoch;
	uint8_t bytes[];
};

struct recorder {
	struct xkd_backend be; /* first */
	struct xkd_backend_ops ops; /* slots that the other one does not have are NULL here too */
	struct xkd_backend *in;
	struct xkd_log *log;
	FILE *f;
	char *path;
	struct xkd_buf line;
	struct xkd_map seen;
	XKD_VEC(struct seen *) all; /* what the map holds, for freeing */
	size_t kept;
	unsigned epoch; /* counts what may change memory */
};

static struct recorder *rec_of(struct xkd_backend *be)
{
	return (struct recorder *)be;
}

static void give_up(struct recorder *r)
{
	xkd_log(r->log, XKD_LOG_WARN, "the recording ends here: cannot write %s: %s", r->path,
		strerror(errno));
	fclose(r->f);
	r->f = NULL;
}

static struct xkd_buf *begin(struct recorder *r, const char *word)
{
	xkd_buf_reset(&r->line);
	xkd_buf_str(&r->line, word);
	return &r->line;
}

static void end(struct recorder *r)
{
	xkd_buf_ch(&r->line, '\n');
	if (r->f && fwrite(r->line.s, 1, r->line.len, r->f) != r->line.len)
		give_up(r);
}

/* What a call leaves behind is in the file when the next one hangs or crashes. */
static void flush(struct recorder *r)
{
	if (r->f && fflush(r->f))
		give_up(r);
}

/* " RC" and, when it is none, " "message"". */
static void put_result(struct xkd_buf *b, enum xkd_rc rc, const struct xkd_err *e)
{
	xkd_rec_put_rc(b, rc);
	if (rc)
		xkd_rec_put_str(b, e->msg, strlen(e->msg));
}

/* Ends a record that may have changed the machine. */
static enum xkd_rc acted(struct recorder *r, enum xkd_rc rc, const struct xkd_err *e,
			 struct xkd_err *err)
{
	put_result(&r->line, rc, e);
	end(r);
	flush(r);
	r->epoch++;
	if (rc && err)
		*err = *e;
	return rc;
}

/* --- memory --- */

static void forget_seen(struct recorder *r)
{
	for (size_t i = 0; i < r->all.n; i++)
		free(r->all.p[i]);
	xkd_vec_reset(&r->all);
	xkd_map_clear(&r->seen);
	r->kept = 0;
}

static uint64_t seen_key(enum xkd_mspace ms, uint64_t cpu, uint64_t addr, size_t len)
{
	return (addr * 0x9e3779b97f4a7c15ULL) ^ (cpu * 0xc2b2ae3d27d4eb4fULL) ^
	       ((uint64_t)len << 2 | ms);
}

enum sight { SIGHT_NEW, SIGHT_SAME, SIGHT_AGAIN };

/* NEW: write the bytes. SAME: as they were in the file's last record of this place. AGAIN: and
 * nothing happened since: not worth a line. */
static enum sight look(struct recorder *r, enum xkd_mspace ms, uint64_t cpu, uint64_t addr,
		       const uint8_t *p, size_t len)
{
	uint64_t key = seen_key(ms, cpu, addr, len);
	struct seen *s, *head = xkd_map_get(&r->seen, key);
	enum sight sight;

	for (s = head; s; s = s->next)
		if (s->ms == ms && s->cpu == cpu && s->addr == addr && s->len == len)
			break;
	if (s) {
		sight = memcmp(s->bytes, p, len) ? SIGHT_NEW :
			s->epoch == r->epoch	 ? SIGHT_AGAIN :
						   SIGHT_SAME;
	} else {
		if (r->kept + len > KEEP_MAX) {
			forget_seen(r);
			head = NULL;
		}
		s = xkd_calloc(1, sizeof(*s) + len);
		*s = (struct seen){ .next = head, .ms = ms, .cpu = cpu, .addr = addr, .len = len };
		xkd_map_put(&r->seen, key, s);
		*xkd_vec_push(&r->all) = s;
		r->kept += len;
		sight = SIGHT_NEW;
	}
	memcpy(s->bytes, p, len);
	s->epoch = r->epoch;
	return sight;
}

static struct xkd_buf *begin_place(struct recorder *r, const char *word, enum xkd_mspace ms,
				   uint64_t cpu, uint64_t addr, size_t len)
{
	struct xkd_buf *b = begin(r, word);

	xkd_rec_put_num(b, ms);
	xkd_rec_put_num(b, cpu);
	xkd_rec_put_num(b, addr);
	xkd_rec_put_num(b, len);
	return b;
}

static void note_bytes(struct recorder *r, enum xkd_mspace ms, uint64_t cpu, uint64_t addr,
		       const uint8_t *p, size_t len)
{
	enum sight sight = look(r, ms, cpu, addr, p, len);
	struct xkd_buf *b;

	if (sight == SIGHT_AGAIN)
		return;
	b = begin_place(r, sight == SIGHT_SAME ? "=" : "m", ms, cpu, addr, len);
	if (sight == SIGHT_NEW)
		xkd_rec_put_bytes(b, p, len);
	end(r);
}

static enum xkd_rc rec_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			     struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->readv(r->in, ms, cpu, iov, n, &e);

	if (rc) {
		begin(r, "lost");
		put_result(&r->line, rc, &e);
		end(r);
		if (err)
			*err = e;
	}
	/* physical memory is the same for all */
	if (ms == XKD_MS_PHYS)
		cpu = 0;
	for (size_t i = 0; !rc && i < n; i++) {
		for (size_t at = 0, k; at < iov[i].done; at += k) {
			k = iov[i].done - at < XKD_REC_BYTES ? iov[i].done - at : XKD_REC_BYTES;
			note_bytes(r, ms, cpu, iov[i].addr + at, iov[i].buf + at, k);
		}
		if (iov[i].done < iov[i].len) {
			begin_place(r, "f", ms, cpu, iov[i].addr + iov[i].done,
				    iov[i].len - iov[i].done);
			xkd_rec_put_rc(&r->line, iov[i].rc ? iov[i].rc : XKD_NOTMAPPED);
			end(r);
		}
	}
	flush(r);
	return rc;
}

static enum xkd_rc rec_writev(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			      struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	enum xkd_rc rc = XKD_OK;

	/* one by one: a record is of one place, and writes are few */
	for (size_t i = 0; !rc && i < n; i++) {
		struct xkd_err e = XKD_ERR_INIT;
		size_t len = iov[i].len < XKD_REC_BYTES ? iov[i].len : XKD_REC_BYTES;

		rc = r->in->ops->writev(r->in, ms, cpu, &iov[i], 1, &e);
		begin_place(r, "w", ms, ms == XKD_MS_PHYS ? 0 : cpu, iov[i].addr, len);
		xkd_rec_put_num(&r->line, iov[i].done < len ? iov[i].done : len);
		xkd_rec_put_rc(&r->line, iov[i].rc);
		xkd_rec_put_bytes(&r->line, iov[i].buf, len);
		rc = acted(r, rc, &e, err);
	}
	return rc;
}

static enum xkd_rc rec_memmap(struct xkd_backend *be, struct xkd_be_range *ranges, size_t max,
			      size_t *n, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->memmap(r->in, ranges, max, n, &e);

	put_result(begin(r, "ram"), rc, &e);
	if (!rc) {
		size_t k = *n < max ? *n : max;

		xkd_rec_put_num(&r->line, k);
		for (size_t i = 0; i < k; i++) {
			xkd_rec_put_num(&r->line, ranges[i].start);
			xkd_rec_put_num(&r->line, ranges[i].size);
		}
	} else if (err) {
		*err = e;
	}
	end(r);
	return rc;
}

/* --- CPUs and registers --- */

static unsigned rec_caps(struct xkd_backend *be)
{
	return rec_of(be)->in->ops->caps(rec_of(be)->in);
}

static enum xkd_found rec_found(struct xkd_backend *be)
{
	return rec_of(be)->in->ops->found(rec_of(be)->in);
}

static const struct xkd_reglayout *rec_reglayout(struct xkd_backend *be)
{
	return rec_of(be)->in->ops->reglayout(rec_of(be)->in);
}

static enum xkd_rc rec_cpus(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			    struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->cpus(r->in, cpus, max, n, &e);

	put_result(begin(r, "cpus"), rc, &e);
	if (!rc) {
		size_t k = *n < max ? *n : max;

		xkd_rec_put_num(&r->line, k);
		for (size_t i = 0; i < k; i++) {
			xkd_rec_put_num(&r->line, cpus[i].id);
			xkd_rec_put_num(&r->line, cpus[i].state);
			xkd_rec_put_str(&r->line, cpus[i].label,
					strnlen(cpus[i].label, sizeof(cpus[i].label)));
		}
	} else if (err) {
		*err = e;
	}
	end(r);
	flush(r);
	return rc;
}

static enum xkd_rc rec_regs_get(struct xkd_backend *be, uint64_t cpu, unsigned groups,
				struct xkd_regblob *blob, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	const struct xkd_reglayout *l = rec_reglayout(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->regs_get(r->in, cpu, groups, blob, &e);
	struct xkd_buf *b = begin(r, "regs");

	xkd_rec_put_num(b, cpu);
	xkd_rec_put_num(b, groups);
	put_result(b, rc, &e);
	if (!rc) {
		xkd_rec_put_bytes(b, blob->bytes, l->blob);
		xkd_rec_put_bytes(b, blob->avail, l->n);
	} else if (err) {
		*err = e;
	}
	end(r);
	flush(r);
	return rc;
}

static enum xkd_rc rec_reg_set(struct xkd_backend *be, uint64_t cpu, size_t index,
			       const uint8_t *val, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->reg_set(r->in, cpu, index, val, &e);
	struct xkd_buf *b = begin(r, "set");

	xkd_rec_put_num(b, cpu);
	xkd_rec_put_num(b, index);
	xkd_rec_put_bytes(b, val, rec_reglayout(be)->regs[index].bytes);
	return acted(r, rc, &e, err);
}

static enum xkd_rc rec_msr_get(struct xkd_backend *be, uint64_t cpu, uint32_t msr, uint64_t *val,
			       struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->msr_get(r->in, cpu, msr, val, &e);
	struct xkd_buf *b = begin(r, "rdmsr");

	xkd_rec_put_num(b, cpu);
	xkd_rec_put_num(b, msr);
	xkd_rec_put_num(b, rc ? 0 : *val);
	put_result(b, rc, &e);
	end(r);
	flush(r);
	if (rc && err)
		*err = e;
	return rc;
}

static enum xkd_rc rec_msr_set(struct xkd_backend *be, uint64_t cpu, uint32_t msr, uint64_t val,
			       struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->msr_set(r->in, cpu, msr, val, &e);
	struct xkd_buf *b = begin(r, "wrmsr");

	xkd_rec_put_num(b, cpu);
	xkd_rec_put_num(b, msr);
	xkd_rec_put_num(b, val);
	return acted(r, rc, &e, err);
}

/* --- running --- */

static enum xkd_rc rec_resume(struct xkd_backend *be, const struct xkd_resume *res,
			      struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->resume(r->in, res, &e);
	struct xkd_buf *b = begin(r, "resume");

	xkd_rec_put_num(b, res->others);
	xkd_rec_put_num(b, res->has_cpu);
	xkd_rec_put_num(b, res->has_cpu ? res->cpu_id : 0);
	xkd_rec_put_num(b, res->has_cpu ? res->cpu_act : 0);
	xkd_rec_put_num(b, res->mask_irqs);
	return acted(r, rc, &e, err);
}

static enum xkd_rc rec_halt(struct xkd_backend *be, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->halt(r->in, &e);

	begin(r, "halt");
	return acted(r, rc, &e, err);
}

static enum xkd_rc rec_reset(struct xkd_backend *be, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->reset(r->in, &e);

	begin(r, "reset");
	return acted(r, rc, &e, err);
}

static int rec_fd(struct xkd_backend *be)
{
	return rec_of(be)->in->ops->fd(rec_of(be)->in);
}

static enum xkd_rc rec_next_event(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->next_event(r->in, ev, &e);
	struct xkd_buf *b;

	if (!rc && ev->kind == XKD_EV_NONE)
		return rc;
	b = begin(r, "event");
	xkd_rec_put_num(b, rc ? XKD_EV_NONE : ev->kind);
	xkd_rec_put_num(b, ev->reason);
	xkd_rec_put_num(b, ev->has_cpu);
	xkd_rec_put_num(b, ev->has_cpu ? ev->cpu_id : 0);
	xkd_rec_put_num(b, ev->watch_addr);
	xkd_rec_put_num(b, (uint32_t)ev->exc);
	xkd_rec_put_num(b, (uint32_t)ev->code);
	xkd_rec_put_str(b, ev->text, strnlen(ev->text, sizeof(ev->text)));
	return acted(r, rc, &e, err);
}

static enum xkd_rc bp(struct xkd_backend *be, bool add, enum xkd_bp_kind kind, uint64_t addr,
		      unsigned size, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = add ? r->in->ops->bp_add(r->in, kind, addr, size, &e) :
			       r->in->ops->bp_del(r->in, kind, addr, size, &e);
	struct xkd_buf *b = begin(r, add ? "bp+" : "bp-");

	xkd_rec_put_num(b, kind);
	xkd_rec_put_num(b, addr);
	xkd_rec_put_num(b, size);
	return acted(r, rc, &e, err);
}

static enum xkd_rc rec_bp_add(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			      unsigned size, struct xkd_err *err)
{
	return bp(be, true, kind, addr, size, err);
}

/* No record: what was left before is none of the session's, and a replay has nothing of it. */
static enum xkd_rc rec_bp_stale(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
				unsigned size, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);

	r->epoch++;
	return r->in->ops->bp_stale(r->in, kind, addr, size, err);
}

static enum xkd_rc rec_bp_del(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			      unsigned size, struct xkd_err *err)
{
	return bp(be, false, kind, addr, size, err);
}

/* --- the rest --- */

static enum xkd_rc rec_hint(struct xkd_backend *be, const char *key, struct xkd_buf *val,
			    struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	size_t old = val->len;
	enum xkd_rc rc = r->in->ops->hint(r->in, key, val, &e);
	struct xkd_buf *b = begin(r, "hint");

	xkd_rec_put_str(b, key, strlen(key));
	xkd_rec_put_str(b, val->s + old, rc ? 0 : val->len - old);
	put_result(b, rc, &e);
	end(r);
	if (rc && err)
		*err = e;
	return rc;
}

static enum xkd_rc rec_raw(struct xkd_backend *be, const char *cmd, struct xkd_buf *reply,
			   struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	size_t old = reply->len, n;
	enum xkd_rc rc = r->in->ops->raw(r->in, cmd, reply, &e);
	struct xkd_buf *b = begin(r, "raw");

	n = reply->len - old;
	xkd_rec_put_str(b, cmd, strlen(cmd));
	xkd_rec_put_str(b, reply->s + old, n < XKD_REC_STRING ? n : XKD_REC_STRING);
	return acted(r, rc, &e, err);
}

static void rec_note(struct xkd_backend *be, const char *key, const char *val)
{
	struct recorder *r = rec_of(be);
	struct xkd_buf *b = begin(r, "note");

	xkd_rec_put_str(b, key, strlen(key));
	xkd_rec_put_str(b, val, strlen(val));
	end(r);
	flush(r);
	if (r->in->ops->note)
		r->in->ops->note(r->in, key, val);
}

/* --- life --- */

static void destroy(struct recorder *r)
{
	if (r->f && fclose(r->f)) {
		r->f = NULL;
		xkd_log(r->log, XKD_LOG_WARN, "the recording %s is not whole: %s", r->path,
			strerror(errno));
	}
	forget_seen(r);
	xkd_vec_fini(&r->all);
	xkd_map_fini(&r->seen);
	xkd_buf_fini(&r->line);
	free(r->path);
	free(r);
}

static enum xkd_rc rec_close(struct xkd_backend *be, bool leave_running, struct xkd_err *err)
{
	struct recorder *r = rec_of(be);
	struct xkd_err e = XKD_ERR_INIT;
	enum xkd_rc rc = r->in->ops->close(r->in, leave_running, &e);

	begin(r, "end");
	rc = acted(r, rc, &e, err);
	destroy(r);
	return rc;
}

static void put_header(struct recorder *r, const struct xkd_be_open *o)
{
	const struct xkd_reglayout *l = rec_reglayout(&r->be);
	struct xkd_buf uri = XKD_BUF_INIT;
	struct xkd_buf *b = begin(r, XKD_REC_MAGIC);

	xkd_rec_put_num(b, XKD_REC_VERSION);
	xkd_rec_put_str(b, PACKAGE_VERSION, strlen(PACKAGE_VERSION));
	end(r);
	b = begin(r, "target");
	xkd_buf_printf(&uri, "%s:%s", o->inner->name, o->uri);
	xkd_rec_put_str(b, uri.s, uri.len < 1000 ? uri.len : 1000);
	xkd_rec_put_num(b, rec_caps(&r->be));
	xkd_rec_put_num(b, rec_found(&r->be));
	xkd_rec_put_num(b, l->blob);
	end(r);
	xkd_buf_fini(&uri);
	for (size_t i = 0; i < l->n; i++) {
		b = begin(r, "reg");
		xkd_rec_put_str(b, l->regs[i].name, strlen(l->regs[i].name));
		xkd_rec_put_num(b, l->regs[i].off);
		xkd_rec_put_num(b, l->regs[i].bytes);
		xkd_rec_put_num(b, l->regs[i].group);
		end(r);
	}
}

/* What the other backend cannot do, we cannot. */
static void take_slots(struct xkd_backend_ops *ops, const struct xkd_backend_ops *in)
{
	*ops = xkd_record_ops;
#define TAKE(slot) (ops->slot = in->slot ? ops->slot : NULL)
	TAKE(writev);
	TAKE(reg_set);
	TAKE(msr_get);
	TAKE(msr_set);
	TAKE(memmap);
	TAKE(resume);
	TAKE(reset);
	TAKE(bp_add);
	TAKE(bp_del);
	TAKE(bp_stale);
	TAKE(hint);
	TAKE(raw);
#undef TAKE
}

static enum xkd_rc rec_open(const struct xkd_be_open *o, struct xkd_backend **be,
			    struct xkd_err *err)
{
	struct recorder *r;
	enum xkd_rc rc;
	FILE *f;

	if (!o->inner || !o->record)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "a recording is made with --record FILE beside -k TARGET");
	/* before a machine is stopped for it */
	f = fopen(o->record, "we");
	if (!f)
		return xkd_err_set(err, XKD_IO, "cannot record to %.300s: %s", o->record,
				   strerror(errno));
	r = xkd_calloc(1, sizeof(*r));
	r->f = f;
	r->log = o->log;
	r->path = xkd_strdup(o->record);
	xkd_buf_init(&r->line);
	xkd_map_init_u64(&r->seen);
	take_slots(&r->ops, o->inner);
	r->be.ops = &r->ops;
	rc = o->inner->open(o, &r->in, err);
	if (rc) {
		destroy(r);
		return rc;
	}
	put_header(r, o);
	flush(r);
	*be = &r->be;
	return XKD_OK;
}

const struct xkd_backend_ops xkd_record_ops = {
	.name = "record",
	.syntax = NULL, /* no way of its own: it stands before another */
	.open = rec_open,
	.close = rec_close,
	.caps = rec_caps,
	.found = rec_found,
	.cpus = rec_cpus,
	.readv = rec_readv,
	.writev = rec_writev,
	.reglayout = rec_reglayout,
	.regs_get = rec_regs_get,
	.reg_set = rec_reg_set,
	.msr_get = rec_msr_get,
	.msr_set = rec_msr_set,
	.memmap = rec_memmap,
	.resume = rec_resume,
	.halt = rec_halt,
	.reset = rec_reset,
	.fd = rec_fd,
	.next_event = rec_next_event,
	.bp_add = rec_bp_add,
	.bp_del = rec_bp_del,
	.bp_stale = rec_bp_stale,
	.hint = rec_hint,
	.raw = rec_raw,
	.note = rec_note,
};
