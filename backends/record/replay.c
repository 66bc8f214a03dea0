/* Answers from a recording: "replay:FILE". What was read at a stop is one pool: any bytes of it, any
 * registers of it are answered, however they were asked for then. What acts (resume, write,
 * breakpoints) must have been done at that stop too, with the same arguments, and then gives what it
 * gave. All else is refused in words.
 *
 * Invariants: pos is behind the last act that was done over; it never goes back. A segment is what
 * lies between two resumes; memory and registers are answered from the current one alone. Bytes read
 * before a write are as they were before it: a later record counts only where no write lies between.
 */
#include "backends/record/recording.h"
#include "base/map.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* A record that says something of a page. */
struct extent {
	size_t rec;
	size_t next; /* of the same hash, by rec; index + 1, 0: none */
};

struct replay {
	struct xkd_backend be; /* first */
	struct xkd_recording *rec;
	size_t pos;
	size_t seg, seg_end; /* records of this segment */
	XKD_VEC(size_t) calls; /* of this segment, all but memory */
	struct xkd_map pages;  /* hash of (space, CPU, page) -> extent + 1 */
	XKD_VEC(struct extent) extents;
	bool *done; /* by record: an act that was done over */
	bool running;
};

static struct replay *rp_of(struct xkd_backend *be)
{
	return (struct replay *)be;
}

static const struct xkd_rec *rec_at(const struct replay *r, size_t i)
{
	return &r->rec->recs.p[i];
}

/* --- segments --- */

static bool ends_segment(const struct xkd_rec *r)
{
	return (r->kind == XKD_REC_RESUME || r->kind == XKD_REC_RESET) && !r->rc;
}

static uint64_t page_key(enum xkd_mspace ms, uint64_t cpu, uint64_t page)
{
	return (page * 0x9e3779b97f4a7c15ULL) ^ (cpu * 0xc2b2ae3d27d4eb4fULL) ^ ms;
}

static void add_extent(struct replay *r, size_t i, uint64_t page)
{
	const struct xkd_rec *c = rec_at(r, i);
	uint64_t key = page_key(c->ms, c->cpu, page);
	size_t next = (size_t)(uintptr_t)xkd_map_get(&r->pages, key);

	*xkd_vec_push(&r->extents) = (struct extent){ .rec = i, .next = next };
	xkd_map_put(&r->pages, key, (void *)(uintptr_t)r->extents.n);
}

/* The segment that begins at a record. From its end backwards, so that lists are in order. */
static void enter(struct replay *r, size_t at)
{
	r->seg = r->pos = at;
	for (r->seg_end = at; r->seg_end < r->rec->recs.n; r->seg_end++)
		if (ends_segment(rec_at(r, r->seg_end))) {
			r->seg_end++;
			break;
		}
	xkd_vec_reset(&r->calls);
	xkd_vec_reset(&r->extents);
	xkd_map_clear(&r->pages);
	for (size_t i = at; i < r->seg_end; i++)
		if (rec_at(r, i)->kind > XKD_REC_WRITE)
			*xkd_vec_push(&r->calls) = i;
	for (size_t i = r->seg_end; i-- > at;) {
		const struct xkd_rec *c = rec_at(r, i);

		if (c->kind > XKD_REC_WRITE)
			continue;
		if (c->kind == XKD_REC_FAIL) { /* nothing is known but of its first page */
			add_extent(r, i, c->addr / PAGE);
			continue;
		}
		for (uint64_t p = c->addr / PAGE; p <= (c->addr + (c->len - 1)) / PAGE; p++)
			add_extent(r, i, p);
	}
}

/* --- memory --- */

enum known { UNKNOWN, KNOWN, FAILED, WRITTEN_LATER };

/* Lays one record over [addr, addr + n) of a page. */
static void lay(const struct replay *r, size_t i, uint64_t addr, size_t n, uint8_t *buf,
		uint8_t *known, enum xkd_rc *why)
{
	const struct xkd_rec *c = rec_at(r, i);
	uint64_t len = c->kind == XKD_REC_FAIL	? PAGE - c->addr % PAGE :
		       c->kind == XKD_REC_WRITE ? c->done :
						  c->len;
	bool past = i < r->pos;

	for (size_t k = 0; k < n; k++) {
		uint64_t off = addr + k - c->addr;

		if (off >= len || (!past && known[k] != UNKNOWN))
			continue;
		if (c->kind == XKD_REC_FAIL) {
			known[k] = FAILED;
			*why = c->item_rc;
		} else if (c->kind == XKD_REC_WRITE && !past) {
			known[k] = WRITTEN_LATER;
		} else {
			buf[k] = c->data[off];
			known[k] = KNOWN;
		}
	}
}

/* A piece of one page; how many of its bytes are known, and why not the next one. */
static size_t read_piece(const struct replay *r, enum xkd_mspace ms, uint64_t cpu, uint64_t addr,
			 size_t n, uint8_t *buf, enum xkd_rc *rc)
{
	uint8_t known[PAGE] = { 0 }, bytes[PAGE];
	enum xkd_rc why = XKD_NOTMAPPED;
	size_t e = (size_t)(uintptr_t)xkd_map_get(&r->pages, page_key(ms, cpu, addr / PAGE)), k;

	for (; e; e = r->extents.p[e - 1].next) {
		size_t i = r->extents.p[e - 1].rec;

		if (rec_at(r, i)->ms == ms && rec_at(r, i)->cpu == cpu)
			lay(r, i, addr, n, bytes, known, &why);
	}
	for (k = 0; k < n && known[k] == KNOWN; k++)
		buf[k] = bytes[k];
	*rc = k == n ? XKD_OK : known[k] == FAILED ? why : XKD_NOTINDUMP;
	return k;
}

static enum xkd_rc rp_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			    struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	struct replay *r = rp_of(be);

	(void)err;
	if (ms == XKD_MS_PHYS)
		cpu = 0;
	for (size_t i = 0; i < n; i++) {
		iov[i].done = 0;
		iov[i].rc = XKD_OK;
		while (!iov[i].rc && iov[i].done < iov[i].len) {
			uint64_t at = iov[i].addr + iov[i].done;
			size_t want = PAGE - at % PAGE, left = iov[i].len - iov[i].done;

			iov[i].done += read_piece(r, ms, cpu, at, want < left ? want : left,
						  iov[i].buf + iov[i].done, &iov[i].rc);
		}
	}
	return XKD_OK;
}

/* --- acts: what changes the machine --- */

/* A record's own failure, or OK. */
static enum xkd_rc result(const struct xkd_rec *c, struct xkd_err *err)
{
	return c->rc ? xkd_err_set(err, c->rc, "%s", c->msg) : XKD_OK;
}

/* Takes record i as done over. */
static void took(struct replay *r, size_t i)
{
	r->done[i] = true;
	if (ends_segment(rec_at(r, i)))
		enter(r, i + 1);
	else if (i >= r->pos)
		r->pos = i + 1;
}

/* The first record of this segment, not done yet, that same() says is this act; NULL: none. */
static const struct xkd_rec *act(struct replay *r, enum xkd_rec_kind kind,
				 bool (*same)(const struct xkd_rec *c, const void *arg),
				 const void *arg)
{
	size_t from = kind == XKD_REC_WRITE ? r->seg : 0;
	size_t end = kind == XKD_REC_WRITE ? r->seg_end : r->calls.n;

	for (size_t k = from; k < end; k++) {
		size_t i = kind == XKD_REC_WRITE ? k : r->calls.p[k];
		const struct xkd_rec *c = rec_at(r, i);

		if (c->kind != kind || r->done[i] || !same(c, arg))
			continue;
		took(r, i);
		return c;
	}
	return NULL;
}

struct write_args {
	enum xkd_mspace ms;
	uint64_t cpu;
	const struct xkd_iov *iov;
};

static bool same_write(const struct xkd_rec *c, const void *arg)
{
	const struct write_args *w = arg;

	return c->ms == w->ms && c->cpu == w->cpu && c->addr == w->iov->addr &&
	       c->len == w->iov->len && !memcmp(c->data, w->iov->buf, c->len);
}

static enum xkd_rc rp_writev(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu,
			     struct xkd_iov *iov, size_t n, struct xkd_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct write_args w = { ms, ms == XKD_MS_PHYS ? 0 : cpu, &iov[i] };
		const struct xkd_rec *c = act(rp_of(be), XKD_REC_WRITE, same_write, &w);

		iov[i].done = 0;
		if (!c)
			return xkd_err_addr(err, XKD_UNSUPPORTED, iov[i].addr,
					    "the recording does not write this to %s at this stop",
					    XKD_ADDR(iov[i].addr));
		iov[i].done = c->done;
		iov[i].rc = c->item_rc;
		if (c->rc)
			return result(c, err);
	}
	return XKD_OK;
}

struct num_args {
	uint64_t cpu, num, val;
	const uint8_t *bytes;
};

static bool same_set(const struct xkd_rec *c, const void *arg)
{
	const struct num_args *a = arg;

	return c->cpu == a->cpu && c->num == a->num && !memcmp(c->data, a->bytes, c->len);
}

static bool same_wrmsr(const struct xkd_rec *c, const void *arg)
{
	const struct num_args *a = arg;

	return c->cpu == a->cpu && c->num == a->num && c->val == a->val;
}

static bool same_bp(const struct xkd_rec *c, const void *arg)
{
	const struct num_args *a = arg;

	return c->num == a->num && c->addr == a->cpu && c->val == a->val;
}

static bool same_resume(const struct xkd_rec *c, const void *arg)
{
	const struct xkd_resume *a = c->resume, *b = arg;

	return a->others == b->others && a->has_cpu == b->has_cpu &&
	       a->mask_irqs == b->mask_irqs &&
	       (!a->has_cpu || (a->cpu_id == b->cpu_id && a->cpu_act == b->cpu_act));
}

static bool same_always(const struct xkd_rec *c, const void *arg)
{
	(void)c;
	(void)arg;
	return true;
}

static enum xkd_rc rp_reg_set(struct xkd_backend *be, uint64_t cpu, size_t index,
			      const uint8_t *val, struct xkd_err *err)
{
	struct replay *r = rp_of(be);
	struct num_args a = { .cpu = cpu, .num = index, .bytes = val };
	const struct xkd_rec *c = act(r, XKD_REC_SET, same_set, &a);

	return c ? result(c, err) :
		   xkd_err_set(err, XKD_UNSUPPORTED,
			       "the recording does not write this to %s at this stop",
			       index < r->rec->layout.n ? r->rec->layout.regs[index].name : "it");
}

static enum xkd_rc rp_msr_set(struct xkd_backend *be, uint64_t cpu, uint32_t msr, uint64_t val,
			      struct xkd_err *err)
{
	struct num_args a = { .cpu = cpu, .num = msr, .val = val };
	const struct xkd_rec *c = act(rp_of(be), XKD_REC_WRMSR, same_wrmsr, &a);

	return c ? result(c, err) :
		   xkd_err_set(err, XKD_UNSUPPORTED,
			       "the recording does not write this to MSR 0x%x at this stop", msr);
}

static enum xkd_rc rp_bp_add(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			     unsigned size, struct xkd_err *err)
{
	struct num_args a = { .num = kind, .cpu = addr, .val = size };
	const struct xkd_rec *c = act(rp_of(be), XKD_REC_BP_ADD, same_bp, &a);

	return c ? result(c, err) :
		   xkd_err_addr(err, XKD_UNSUPPORTED, addr,
				"the recording sets no such breakpoint at %s at this stop",
				XKD_ADDR(addr));
}

static enum xkd_rc rp_bp_del(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			     unsigned size, struct xkd_err *err)
{
	struct num_args a = { .num = kind, .cpu = addr, .val = size };
	const struct xkd_rec *c = act(rp_of(be), XKD_REC_BP_DEL, same_bp, &a);

	/* leaving earlier than the recording did must not fail */
	return c ? result(c, err) : XKD_OK;
}

/* --- running --- */

/* What the recording does next, for the message about what it does not do. */
static const char *next_resume(const struct replay *r, char *buf, size_t max)
{
	const struct xkd_rec *c = r->seg_end > r->seg ? rec_at(r, r->seg_end - 1) : NULL;

	if (c && c->kind == XKD_REC_RESET && !c->rc)
		return "next it resets the machine";
	if (!c || c->kind != XKD_REC_RESUME || c->rc)
		return "it ends at this stop";
	if (!c->resume->has_cpu)
		return "next it lets all CPUs run";
	snprintf(buf, max, "next it %s CPU %" PRIx64 " with the others %s",
		 c->resume->cpu_act == XKD_ACT_STEP ? "steps" : "runs", c->resume->cpu_id,
		 c->resume->others == XKD_ACT_HOLD ? "held" : "running");
	return buf;
}

static enum xkd_rc rp_resume(struct xkd_backend *be, const struct xkd_resume *res,
			     struct xkd_err *err)
{
	struct replay *r = rp_of(be);
	const struct xkd_rec *c;
	char next[80];

	if (r->running)
		return xkd_err_set(err, XKD_RUNNING, "the target runs already");
	c = act(r, XKD_REC_RESUME, same_resume, res);
	if (!c)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the recording does not go on like this from here: %s",
				   next_resume(r, next, sizeof(next)));
	r->running = !c->rc;
	return result(c, err);
}

static enum xkd_rc rp_halt(struct xkd_backend *be, struct xkd_err *err)
{
	(void)be; /* the stop comes as it did, whoever asked for it then */
	(void)err;
	return XKD_OK;
}

static enum xkd_rc rp_reset(struct xkd_backend *be, struct xkd_err *err)
{
	const struct xkd_rec *c = act(rp_of(be), XKD_REC_RESET, same_always, NULL);

	return c ? result(c, err) :
		   xkd_err_set(err, XKD_UNSUPPORTED,
			       "the recording does not reset the machine at this stop");
}

static int rp_fd(struct xkd_backend *be)
{
	(void)be;
	return -1;
}

static enum xkd_rc rp_next_event(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err)
{
	struct replay *r = rp_of(be);

	*ev = (struct xkd_event){ .kind = XKD_EV_NONE };
	for (size_t k = 0; k < r->calls.n; k++) {
		size_t i = r->calls.p[k];
		const struct xkd_rec *c = rec_at(r, i);

		if (c->kind != XKD_REC_EVENT || r->done[i])
			continue;
		if (!r->running && c->event->kind == XKD_EV_STOPPED)
			break;
		took(r, i);
		*ev = *c->event;
		if (ev->kind == XKD_EV_STOPPED)
			r->running = false;
		return result(c, err);
	}
	if (r->running)
		return xkd_err_set(err, XKD_TRANSPORT,
				   "the recording ends here: the target still ran%s",
				   r->rec->cut ? " (its last line is cut off)" : "");
	return XKD_OK;
}

/* --- CPUs and registers --- */

static unsigned rp_caps(struct xkd_backend *be)
{
	return rp_of(be)->rec->caps;
}

static enum xkd_found rp_found(struct xkd_backend *be)
{
	return rp_of(be)->rec->found;
}

static const struct xkd_reglayout *rp_reglayout(struct xkd_backend *be)
{
	return &rp_of(be)->rec->layout;
}

/* The list as this segment asks for it next, or else as it was asked for last. */
static enum xkd_rc rp_cpus(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			   struct xkd_err *err)
{
	struct replay *r = rp_of(be);
	const struct xkd_rec *c = NULL;

	*n = 0;
	for (size_t i = 0; i < r->seg_end; i++) {
		if (rec_at(r, i)->kind != XKD_REC_CPUS)
			continue;
		c = rec_at(r, i);
		if (i >= r->pos)
			break;
	}
	if (!c)
		return xkd_err_set(err, XKD_UNSUPPORTED, "the recording lists no CPUs");
	if (c->rc)
		return result(c, err);
	*n = c->num;
	for (size_t i = 0; i < c->num && i < max; i++)
		cpus[i] = c->cpus[i];
	return XKD_OK;
}

/* Lays the registers of a record over the block; anew: also those known already. */
static void lay_regs(const struct xkd_recording *rec, const struct xkd_rec *c, bool anew,
		     struct xkd_regblob *blob)
{
	for (size_t i = 0; i < rec->layout.n; i++) {
		const struct xkd_regdesc *d = &rec->layout.regs[i];

		if (c->value[i] != 1 || (blob->avail[i] && !anew))
			continue;
		memcpy(blob->bytes + d->off, c->data + d->off, d->bytes);
		blob->avail[i] = 1;
	}
}

static void lay_set(const struct xkd_recording *rec, const struct xkd_rec *c,
		    struct xkd_regblob *blob)
{
	const struct xkd_regdesc *d = &rec->layout.regs[c->num];

	memcpy(blob->bytes + d->off, c->data, d->bytes);
	blob->avail[c->num] = 1;
}

static enum xkd_rc rp_regs_get(struct xkd_backend *be, uint64_t cpu, unsigned groups,
			       struct xkd_regblob *blob, struct xkd_err *err)
{
	struct replay *r = rp_of(be);
	const struct xkd_rec *failed = NULL;
	unsigned have = 0;

	memset(blob, 0, sizeof(*blob));
	for (size_t k = 0; k < r->calls.n; k++) {
		size_t i = r->calls.p[k];
		const struct xkd_rec *c = rec_at(r, i);
		bool past = i < r->pos;

		if (c->kind == XKD_REC_SET && c->cpu == cpu && !c->rc) {
			if (!past)
				break; /* what follows is of after it */
			lay_set(r->rec, c, blob);
		}
		if (c->kind != XKD_REC_REGS || c->cpu != cpu || (!past && !(groups & ~have)))
			continue;
		if (c->rc) {
			failed = c;
			continue;
		}
		lay_regs(r->rec, c, past, blob);
		have |= c->groups;
	}
	if (!(groups & ~have))
		return XKD_OK;
	if (failed)
		return result(failed, err);
	return xkd_err_set(err, XKD_UNSUPPORTED,
			   "the recording holds no%s registers of CPU %" PRIx64 " at this stop",
			   have ? " such" : "", cpu);
}

static enum xkd_rc rp_msr_get(struct xkd_backend *be, uint64_t cpu, uint32_t msr, uint64_t *val,
			      struct xkd_err *err)
{
	struct replay *r = rp_of(be);
	const struct xkd_rec *c = NULL;

	for (size_t k = 0; k < r->calls.n; k++) {
		const struct xkd_rec *m = rec_at(r, r->calls.p[k]);

		if (m->kind == XKD_REC_RDMSR && m->cpu == cpu && m->num == msr &&
		    (!c || r->calls.p[k] < r->pos))
			c = m;
	}
	if (!c)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the recording does not read MSR 0x%x of CPU %" PRIx64
				   " at this stop",
				   msr, cpu);
	*val = c->val;
	return result(c, err);
}

/* --- the rest --- */

static enum xkd_rc rp_memmap(struct xkd_backend *be, struct xkd_be_range *ranges, size_t max,
			     size_t *n, struct xkd_err *err)
{
	struct replay *r = rp_of(be);

	*n = 0;
	for (size_t i = 0; i < r->rec->recs.n; i++) {
		const struct xkd_rec *c = rec_at(r, i);

		if (c->kind != XKD_REC_RAM)
			continue;
		*n = c->num;
		for (size_t k = 0; k < c->num && k < max; k++)
			ranges[k] = c->ram[k];
		return result(c, err);
	}
	return XKD_OK; /* not known */
}

static enum xkd_rc rp_hint(struct xkd_backend *be, const char *key, struct xkd_buf *val,
			   struct xkd_err *err)
{
	struct replay *r = rp_of(be);

	if (!strcmp(key, "recorded")) { /* of what, and by whom */
		xkd_buf_printf(val, "%s by xkd %s%s", r->rec->target, r->rec->version,
			       r->rec->cut ? ", its last line cut off" : "");
		return XKD_OK;
	}
	for (size_t i = 0; i < r->rec->recs.n; i++) {
		const struct xkd_rec *c = rec_at(r, i);

		if (c->kind != XKD_REC_HINT || strcmp(c->text, key))
			continue;
		if (!c->rc)
			xkd_buf_add(val, c->value, c->value_len);
		return result(c, err);
	}
	return xkd_err_set(err, XKD_NOTFOUND, "the recording does not tell '%.40s'", key);
}

static enum xkd_rc rp_raw(struct xkd_backend *be, const char *cmd, struct xkd_buf *reply,
			  struct xkd_err *err)
{
	struct replay *r = rp_of(be);
	const struct xkd_rec *c = NULL;
	size_t at = 0;

	/* the next one like it; or one that was done over already */
	for (size_t k = 0; k < r->calls.n; k++) {
		size_t i = r->calls.p[k];

		if (rec_at(r, i)->kind != XKD_REC_RAW || strcmp(rec_at(r, i)->text, cmd))
			continue;
		c = rec_at(r, i);
		at = i;
		if (!r->done[i])
			break;
	}
	if (!c)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the recording does not ask the monitor this at this stop");
	xkd_buf_add(reply, c->value, c->value_len);
	took(r, at);
	return result(c, err);
}

static enum xkd_rc rp_close(struct xkd_backend *be, bool leave_running, struct xkd_err *err)
{
	struct replay *r = rp_of(be);

	(void)leave_running;
	(void)err;
	xkd_recording_free(r->rec);
	xkd_vec_fini(&r->calls);
	xkd_vec_fini(&r->extents);
	xkd_map_fini(&r->pages);
	free(r->done);
	free(r);
	return XKD_OK;
}

struct xkd_backend *xkd_replay_new(struct xkd_recording *rec)
{
	struct replay *r = xkd_calloc(1, sizeof(*r));

	r->be.ops = &xkd_replay_ops;
	r->rec = rec;
	r->done = xkd_calloc(rec->recs.n + 1, sizeof(*r->done));
	xkd_map_init_u64(&r->pages);
	enter(r, 0);
	return &r->be;
}

static enum xkd_rc rp_open(const struct xkd_be_open *o, struct xkd_backend **be,
			   struct xkd_err *err)
{
	struct xkd_recording *rec;
	enum xkd_rc rc = xkd_recording_read(o->uri, &rec, err);

	if (rc)
		return rc;
	*be = xkd_replay_new(rec);
	return XKD_OK;
}

const struct xkd_backend_ops xkd_replay_ops = {
	.name = "replay",
	.syntax = "replay:FILE: answers from what --record FILE wrote",
	.open = rp_open,
	.close = rp_close,
	.caps = rp_caps,
	.found = rp_found,
	.cpus = rp_cpus,
	.readv = rp_readv,
	.writev = rp_writev,
	.reglayout = rp_reglayout,
	.regs_get = rp_regs_get,
	.reg_set = rp_reg_set,
	.msr_get = rp_msr_get,
	.msr_set = rp_msr_set,
	.memmap = rp_memmap,
	.resume = rp_resume,
	.halt = rp_halt,
	.reset = rp_reset,
	.fd = rp_fd,
	.next_event = rp_next_event,
	.bp_add = rp_bp_add,
	.bp_del = rp_bp_del,
	.hint = rp_hint,
	.raw = rp_raw,
};
