/* Reads a recording. Invariants: a record that stands in the list is whole and fits the layout and
 * the limits; what it unfolds to is bounded whatever the file says; the only forgiven fault is a last
 * line without its end, as a killed recorder leaves. */
#include "backends/record/recording.h"
#include "backends/record/text.h"
#include "base/map.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPUS_MAX 4096
#define RAM_MAX 4096

struct parser {
	struct xkd_recording *r;
	struct xkd_rec_scan s;
	struct xkd_rec rec; /* being read */
	struct xkd_buf str;
	struct xkd_map last; /* hash of a place -> its last MEM record's number + 1 */
	XKD_VEC(size_t) older; /* for each record: the one before it of the same hash, + 1 */
	size_t unfolded;
	bool started; /* the target line was read */
	const char *why; /* what is wrong with a record that reads well */
};

static const uint8_t *get_bytes(struct parser *p, size_t n)
{
	uint8_t *d;

	/* a byte of text can unfold to thousands: count before it is done */
	p->unfolded += n;
	if (p->unfolded > XKD_REC_DATA_MAX) {
		p->why = "the recording unfolds to over 1 GiB";
		p->s.bad = true;
	}
	if (p->s.bad)
		return NULL;
	d = xkd_arena_alloc(&p->r->arena, n ? n : 1);
	xkd_rec_bytes(&p->s, d, n);
	return d;
}

static const char *get_str(struct parser *p, size_t *len)
{
	p->str.len = 0;
	xkd_rec_str(&p->s, &p->str);
	if (len)
		*len = p->s.bad ? 0 : p->str.len;
	return p->s.bad ? "" : xkd_arena_dup(&p->r->arena, p->str.s, p->str.len + 1);
}

static void copy_str(struct parser *p, char *dst, size_t max)
{
	size_t n;
	const char *s = get_str(p, &n);

	if (n >= max)
		n = max - 1;
	memcpy(dst, s, n);
	dst[n] = 0;
}

static void get_result(struct parser *p)
{
	p->rec.rc = xkd_rec_rc(&p->s);
	p->rec.msg = p->rec.rc && !p->s.bad ? get_str(p, NULL) : "";
}

/* --- memory --- */

static uint64_t place_key(const struct xkd_rec *r)
{
	return (r->addr * 0x9e3779b97f4a7c15ULL) ^ (r->cpu * 0xc2b2ae3d27d4eb4fULL) ^
	       ((uint64_t)r->len << 2 | r->ms);
}

static void get_place(struct parser *p)
{
	struct xkd_rec *r = &p->rec;

	r->ms = xkd_rec_enum(&p->s, XKD_MS_IO + 1);
	r->cpu = xkd_rec_num(&p->s);
	r->addr = xkd_rec_num(&p->s);
	r->len = xkd_rec_enum(&p->s, XKD_REC_BYTES + 1);
	if (!r->len || r->addr + (r->len - 1) < r->addr)
		p->s.bad = true;
}

/* "m" and "=" become alike; the list finds the bytes that a "=" speaks of. */
static void remember(struct parser *p)
{
	uint64_t key = place_key(&p->rec);
	size_t *older;

	while (p->older.n < p->r->recs.n)
		*xkd_vec_push(&p->older) = 0;
	older = xkd_vec_push(&p->older);
	*older = (size_t)(uintptr_t)xkd_map_get(&p->last, key);
	xkd_map_put(&p->last, key, (void *)(uintptr_t)(p->r->recs.n + 1));
}

static void get_mem(struct parser *p)
{
	get_place(p);
	p->rec.data = get_bytes(p, p->rec.len);
	if (!p->s.bad)
		remember(p);
}

static void get_same(struct parser *p)
{
	struct xkd_rec *r = &p->rec;
	size_t at, tries = 0;

	get_place(p);
	if (p->s.bad)
		return;
	at = (size_t)(uintptr_t)xkd_map_get(&p->last, place_key(r));
	for (; at && tries < 64; at = p->older.p[at - 1], tries++) {
		const struct xkd_rec *o = &p->r->recs.p[at - 1];

		if (o->ms == r->ms && o->cpu == r->cpu && o->addr == r->addr && o->len == r->len) {
			r->data = o->data;
			return;
		}
	}
	p->why = "no earlier record has these bytes";
	p->s.bad = true;
}

static void get_fail(struct parser *p)
{
	struct xkd_rec *r = &p->rec;

	r->ms = xkd_rec_enum(&p->s, XKD_MS_IO + 1);
	r->cpu = xkd_rec_num(&p->s);
	r->addr = xkd_rec_num(&p->s);
	r->len = (uint32_t)xkd_rec_num(&p->s);
	r->item_rc = xkd_rec_rc(&p->s);
	if (!r->item_rc)
		p->s.bad = true;
}

static void get_write(struct parser *p)
{
	struct xkd_rec *r = &p->rec;

	get_place(p);
	r->done = xkd_rec_enum(&p->s, r->len + 1);
	r->item_rc = xkd_rec_rc(&p->s);
	r->data = get_bytes(p, r->len);
	get_result(p);
}

/* --- CPUs and registers --- */

static void get_regs(struct parser *p)
{
	struct xkd_rec *r = &p->rec;
	const struct xkd_reglayout *l = &p->r->layout;

	r->cpu = xkd_rec_num(&p->s);
	r->groups = (unsigned)xkd_rec_num(&p->s);
	get_result(p);
	if (r->rc || p->s.bad)
		return;
	r->data = get_bytes(p, l->blob);
	r->value = (const char *)get_bytes(p, l->n);
}

static void get_set(struct parser *p)
{
	struct xkd_rec *r = &p->rec;

	r->cpu = xkd_rec_num(&p->s);
	r->num = xkd_rec_enum(&p->s, (unsigned)p->r->layout.n);
	if (p->s.bad)
		return;
	r->len = p->r->layout.regs[r->num].bytes;
	r->data = get_bytes(p, r->len);
	get_result(p);
}

static void get_msr(struct parser *p)
{
	p->rec.cpu = xkd_rec_num(&p->s);
	p->rec.num = xkd_rec_num(&p->s);
	p->rec.val = xkd_rec_num(&p->s);
	get_result(p);
}

static void get_cpus(struct parser *p)
{
	struct xkd_be_cpu *c;

	get_result(p);
	if (p->rec.rc || p->s.bad)
		return;
	p->rec.num = xkd_rec_enum(&p->s, CPUS_MAX + 1);
	c = xkd_arena_alloc(&p->r->arena, (p->rec.num + 1) * sizeof(*c));
	p->unfolded += p->rec.num * sizeof(*c);
	for (size_t i = 0; i < p->rec.num && !p->s.bad; i++) {
		c[i].id = xkd_rec_num(&p->s);
		c[i].state = xkd_rec_enum(&p->s, XKD_CPU_UNKNOWN + 1);
		copy_str(p, c[i].label, sizeof(c[i].label));
	}
	p->rec.cpus = c;
}

static void get_ram(struct parser *p)
{
	struct xkd_be_range *a;

	get_result(p);
	if (p->rec.rc || p->s.bad)
		return;
	p->rec.num = xkd_rec_enum(&p->s, RAM_MAX + 1);
	a = xkd_arena_alloc(&p->r->arena, (p->rec.num + 1) * sizeof(*a));
	p->unfolded += p->rec.num * sizeof(*a);
	for (size_t i = 0; i < p->rec.num && !p->s.bad; i++) {
		a[i].start = xkd_rec_num(&p->s);
		a[i].size = xkd_rec_num(&p->s);
		if (a[i].size && a[i].start + (a[i].size - 1) < a[i].start)
			p->s.bad = true;
	}
	p->rec.ram = a;
}

/* --- running --- */

static void get_resume(struct parser *p)
{
	struct xkd_resume *r = xkd_arena_alloc(&p->r->arena, sizeof(*r));

	r->others = xkd_rec_enum(&p->s, XKD_ACT_STEP + 1);
	r->has_cpu = xkd_rec_enum(&p->s, 2);
	r->cpu_id = xkd_rec_num(&p->s);
	r->cpu_act = xkd_rec_enum(&p->s, XKD_ACT_STEP + 1);
	r->mask_irqs = xkd_rec_enum(&p->s, 2);
	get_result(p);
	p->rec.resume = r;
}

static void get_event(struct parser *p)
{
	struct xkd_event *e = xkd_arena_alloc(&p->r->arena, sizeof(*e));

	e->kind = xkd_rec_enum(&p->s, XKD_EV_OUTPUT + 1);
	e->reason = xkd_rec_enum(&p->s, XKD_STOP_SHUTDOWN + 1);
	e->has_cpu = xkd_rec_enum(&p->s, 2);
	e->cpu_id = xkd_rec_num(&p->s);
	e->watch_addr = xkd_rec_num(&p->s);
	e->exc = (int32_t)(uint32_t)xkd_rec_num(&p->s);
	e->code = (int32_t)(uint32_t)xkd_rec_num(&p->s);
	copy_str(p, e->text, sizeof(e->text));
	get_result(p);
	if (e->kind == XKD_EV_NONE && !p->rec.rc)
		p->s.bad = true;
	p->rec.event = e;
}

static void get_bp(struct parser *p)
{
	p->rec.num = xkd_rec_enum(&p->s, XKD_BP_ACCESS + 1);
	p->rec.addr = xkd_rec_num(&p->s);
	p->rec.val = xkd_rec_num(&p->s);
	get_result(p);
}

static void get_plain(struct parser *p)
{
	get_result(p);
}

static void get_texts(struct parser *p)
{
	p->rec.text = get_str(p, NULL);
	p->rec.value = get_str(p, &p->rec.value_len);
}

static void get_texts_result(struct parser *p)
{
	get_texts(p);
	get_result(p);
}

static const struct {
	const char *word;
	enum xkd_rec_kind kind;
	void (*get)(struct parser *p);
} words[] = {
	{ "m", XKD_REC_MEM, get_mem },		{ "=", XKD_REC_MEM, get_same },
	{ "f", XKD_REC_FAIL, get_fail },	{ "w", XKD_REC_WRITE, get_write },
	{ "regs", XKD_REC_REGS, get_regs },	{ "set", XKD_REC_SET, get_set },
	{ "rdmsr", XKD_REC_RDMSR, get_msr },	{ "wrmsr", XKD_REC_WRMSR, get_msr },
	{ "cpus", XKD_REC_CPUS, get_cpus },	{ "ram", XKD_REC_RAM, get_ram },
	{ "resume", XKD_REC_RESUME, get_resume }, { "halt", XKD_REC_HALT, get_plain },
	{ "reset", XKD_REC_RESET, get_plain },	{ "event", XKD_REC_EVENT, get_event },
	{ "bp+", XKD_REC_BP_ADD, get_bp },	{ "bp-", XKD_REC_BP_DEL, get_bp },
	{ "hint", XKD_REC_HINT, get_texts_result }, { "raw", XKD_REC_RAW, get_texts_result },
	{ "note", XKD_REC_NOTE, get_texts },	{ "end", XKD_REC_END, get_plain },
	{ "lost", XKD_REC_END, get_plain },
};

/* --- the header --- */

static void get_target(struct parser *p)
{
	struct xkd_recording *r = p->r;

	copy_str(p, r->target, sizeof(r->target));
	r->caps = (unsigned)xkd_rec_num(&p->s);
	r->found = xkd_rec_enum(&p->s, XKD_FOUND_PRELAUNCH + 1);
	r->layout.blob = xkd_rec_enum(&p->s, XKD_REGBLOB_MAX + 1);
	p->started = !p->s.bad;
}

static void get_reg(struct parser *p)
{
	struct xkd_recording *r = p->r;
	struct xkd_regdesc d = { .name = "" };

	copy_str(p, d.name, sizeof(d.name));
	d.off = (uint16_t)xkd_rec_enum(&p->s, XKD_REGBLOB_MAX);
	d.bytes = (uint16_t)xkd_rec_enum(&p->s, XKD_REGBLOB_MAX + 1);
	d.group = (uint32_t)xkd_rec_num(&p->s);
	if (r->layout.n == XKD_REGS_MAX || d.off + d.bytes > r->layout.blob || !d.bytes) {
		p->why = "a register lies outside the block";
		p->s.bad = true;
	}
	/* a record of registers that was read by a shorter layout would not fit a longer one */
	if (r->recs.n) {
		p->why = "a register is named after the first call";
		p->s.bad = true;
	}
	if (!p->s.bad)
		r->descs[r->layout.n++] = d;
}

static enum xkd_rc get_magic(struct parser *p, struct xkd_err *err)
{
	char word[24];
	uint64_t version;

	xkd_rec_word(&p->s, word, sizeof(word));
	if (strcmp(word, XKD_REC_MAGIC))
		return xkd_err_set(err, XKD_BADDATA, "it is no recording of xkd");
	version = xkd_rec_num(&p->s);
	copy_str(p, p->r->version, sizeof(p->r->version));
	if (!xkd_rec_done(&p->s))
		return xkd_err_set(err, XKD_BADDATA, "it is no recording of xkd");
	if (version != XKD_REC_VERSION)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "the recording is of version %llu, this xkd knows %d",
				   (unsigned long long)version, XKD_REC_VERSION);
	return XKD_OK;
}

static void get_line(struct parser *p)
{
	char word[16];

	xkd_rec_word(&p->s, word, sizeof(word));
	p->why = "it makes no sense";
	if (p->s.bad)
		return;
	if (!p->started) {
		p->s.bad = strcmp(word, "target") != 0;
		if (!p->s.bad)
			get_target(p);
		(void)xkd_rec_done(&p->s);
		return;
	}
	if (!strcmp(word, "reg")) {
		get_reg(p);
		(void)xkd_rec_done(&p->s);
		return;
	}
	for (size_t i = 0; i < XKD_COUNT(words); i++) {
		if (strcmp(words[i].word, word))
			continue;
		p->rec = (struct xkd_rec){ .kind = words[i].kind, .msg = "" };
		words[i].get(p);
		if (p->r->recs.n == XKD_REC_MAX || p->unfolded > XKD_REC_DATA_MAX) {
			p->why = "the recording is too long";
			p->s.bad = true;
		}
		if (xkd_rec_done(&p->s))
			*xkd_vec_push(&p->r->recs) = p->rec;
		return;
	}
	p->s.bad = true;
}

static enum xkd_rc parse(struct parser *p, const char *text, size_t n, struct xkd_err *err)
{
	const char *end = text + n, *nl;
	size_t line = 1;
	enum xkd_rc rc;

	for (; text < end; text = nl + 1, line++) {
		nl = memchr(text, '\n', (size_t)(end - text));
		if (!nl) { /* killed while it wrote */
			p->r->cut = true;
			break;
		}
		p->s = (struct xkd_rec_scan){ .p = text, .end = nl };
		if (line == 1) {
			rc = get_magic(p, err);
			if (rc)
				return rc;
			continue;
		}
		if (text == nl || *text == '#')
			continue;
		get_line(p);
		if (p->s.bad)
			return xkd_err_set(err, XKD_BADDATA, "line %zu ('%.*s'): %s", line,
					   (int)strnlen(text, nl - text < 24 ? (size_t)(nl - text) : 24),
					   text, p->why);
	}
	if (line == 1)
		return xkd_err_set(err, XKD_BADDATA, "it is no recording of xkd");
	if (!p->started)
		return xkd_err_set(err, XKD_BADDATA, "the recording ends before its target is named");
	return XKD_OK;
}

enum xkd_rc xkd_recording_parse(const char *text, size_t n, struct xkd_recording **rec,
				struct xkd_err *err)
{
	struct parser p = { .r = xkd_calloc(1, sizeof(*p.r)) };
	enum xkd_rc rc;

	*rec = NULL;
	xkd_arena_init(&p.r->arena);
	p.r->descs = xkd_arena_alloc(&p.r->arena, XKD_REGS_MAX * sizeof(*p.r->descs));
	p.r->layout.regs = p.r->descs;
	xkd_buf_init(&p.str);
	xkd_map_init_u64(&p.last);
	rc = parse(&p, text, n, err);
	xkd_buf_fini(&p.str);
	xkd_map_fini(&p.last);
	xkd_vec_fini(&p.older);
	if (rc) {
		xkd_recording_free(p.r);
		return rc;
	}
	*rec = p.r;
	return XKD_OK;
}

static enum xkd_rc read_all(int fd, struct xkd_buf *b, struct xkd_err *err)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return xkd_err_set(err, XKD_IO, "%s", strerror(errno));
		if (b->len + (size_t)n > XKD_REC_FILE_MAX)
			return xkd_err_set(err, XKD_BADDATA, "it is over 256 MiB");
		xkd_buf_add(b, chunk, (size_t)n);
	}
	return XKD_OK;
}

enum xkd_rc xkd_recording_read(const char *path, struct xkd_recording **rec, struct xkd_err *err)
{
	struct xkd_buf b = XKD_BUF_INIT;
	struct stat st;
	enum xkd_rc rc;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */

	*rec = NULL;
	if (fd < 0)
		return xkd_err_set(err, errno == ENOENT ? XKD_NOTFOUND : XKD_IO, "%.300s: %s", path,
				   strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		rc = xkd_err_set(err, XKD_BADDATA, "it is no regular file");
	else
		rc = read_all(fd, &b, err);
	close(fd);
	if (!rc)
		rc = xkd_recording_parse(b.s, b.len, rec, err);
	xkd_buf_fini(&b);
	return rc ? xkd_err_prepend(err, rc, "%.300s", path) : XKD_OK;
}

void xkd_recording_free(struct xkd_recording *rec)
{
	if (!rec)
		return;
	xkd_vec_fini(&rec->recs);
	xkd_arena_fini(&rec->arena);
	free(rec);
}
