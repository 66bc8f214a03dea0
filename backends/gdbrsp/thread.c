/* Threads of the stub, which are CPUs to us (kgdb: also tasks). Ids are numbers for the engine and
 * go back to the stub spelled as it spelled them. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Hex digits, at most 16, with an optional sign; returns how many characters, 0: none. */
static size_t parse_hex(const char *s, size_t n, uint64_t *v)
{
	size_t i = 0, first;
	bool minus = n && s[0] == '-';

	i = first = minus;
	*v = 0;
	for (; i < n && xkd_hex_digit(s[i]) >= 0; i++) {
		if (*v >> 60)
			return 0;
		*v = *v << 4 | (unsigned)xkd_hex_digit(s[i]);
	}
	if (minus)
		*v = -*v;
	return i > first ? i : 0;
}

bool xkd_rsp_thread_parse(const char *s, size_t n, uint64_t *id, size_t *used)
{
	uint64_t pid = 0, tid;
	size_t at = 0, len;

	if (n && s[0] == 'p') {
		len = parse_hex(s + 1, n - 1, &pid);
		if (!len || 1 + len >= n || s[1 + len] != '.')
			return false;
		at = len + 2;
	}
	len = parse_hex(s + at, n - at, &tid);
	if (!len)
		return false;
	*used = at + len;
	/* QEMU makes a process of each CPU cluster; the first one is the usual case. */
	*id = pid > 1 ? pid << 32 | (tid & 0xffffffff) : tid;
	return true;
}

static bool add_thread(struct xkd_rsp *r, const char *s, size_t n, uint64_t id)
{
	struct xkd_rsp_thread *t;

	for (size_t i = 0; i < r->nthreads; i++)
		if (r->threads[i].id == id)
			return true;
	if (r->nthreads >= XKD_RSP_THREADS)
		return false;
	if (!(r->nthreads & (r->nthreads - 1)))
		r->threads =
			xkd_realloc(r->threads, (r->nthreads ? 2 * r->nthreads : 1) * sizeof(*t));
	t = &r->threads[r->nthreads++];
	*t = (struct xkd_rsp_thread){ .id = id };
	snprintf(t->text, sizeof(t->text), "%.*s", (int)(n < 39 ? n : 39), s);
	return true;
}

/* One "m01,02" answer. False when it makes no sense or there are enough. */
static bool add_list(struct xkd_rsp *r, const char *s, size_t n)
{
	while (n) {
		uint64_t id;
		size_t used;

		if (!xkd_rsp_thread_parse(s, n, &id, &used))
			return false;
		/* kgdb: a task, which the engine finds by itself */
		if (r->profile->shadow_cpus && id < 0xffff0000)
			return false;
		if (!add_thread(r, s, used, id))
			return false;
		s += used;
		n -= used;
		if (n && *s != ',')
			return false;
		s += n != 0;
		n -= n != 0;
	}
	return true;
}

static enum xkd_rc list_threads(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, "qfThreadInfo", 12, err);

	for (size_t i = 0; rc == XKD_OK && i < XKD_RSP_THREADS; i++) {
		if (r->reply.len < 2 || r->reply.s[0] != 'm' ||
		    !add_list(r, r->reply.s + 1, r->reply.len - 1))
			break;
		rc = xkd_rsp_ask(r, "qsThreadInfo", 12, err);
	}
	if (rc != XKD_OK || r->nthreads)
		return rc;
	rc = xkd_rsp_ask(r, "qC", 2, err);
	if (rc == XKD_OK && r->reply.len > 2 && !memcmp(r->reply.s, "QC", 2))
		(void)add_list(r, r->reply.s + 2, r->reply.len - 2);
	return rc;
}

/* What the stub calls it; a stub that knows no names is asked once. */
static enum xkd_rc label_threads(struct xkd_rsp *r, struct xkd_err *err)
{
	for (size_t i = 0; i < r->nthreads; i++) {
		struct xkd_rsp_thread *t = &r->threads[i];
		size_t n = 0;
		enum xkd_rc rc = xkd_rsp_askf(r, err, "qThreadExtraInfo,%s", t->text);

		if (rc != XKD_OK)
			return rc;
		if (!r->reply.len)
			break;
		if (!xkd_rsp_is_error(r->reply.s, r->reply.len) &&
		    xkd_rsp_unhex(r->reply.s, r->reply.len < 126 ? r->reply.len : 126,
				  (uint8_t *)t->label, sizeof(t->label) - 1, &n))
			t->label[n] = '\0';
		for (char *p = t->label; *p; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
	}
	return XKD_OK;
}

enum xkd_rc xkd_rsp_threads(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (r->threads_fresh)
		return XKD_OK;
	r->nthreads = 0;
	rc = list_threads(r, err);
	if (rc == XKD_OK)
		rc = label_threads(r, err);
	if (rc != XKD_OK)
		return xkd_err_prepend(err, rc, "listing the CPUs");
	if (!r->nthreads)
		add_thread(r, "", 0, 1);
	r->threads_fresh = true;
	return XKD_OK;
}

const struct xkd_rsp_thread *xkd_rsp_thread(const struct xkd_rsp *r, uint64_t id)
{
	for (size_t i = 0; i < r->nthreads; i++)
		if (r->threads[i].id == id)
			return &r->threads[i];
	return NULL;
}

enum xkd_rc xkd_rsp_select(struct xkd_rsp *r, uint64_t id, struct xkd_err *err)
{
	const struct xkd_rsp_thread *t = xkd_rsp_thread(r, id);
	enum xkd_rc rc;

	if (r->running)
		return xkd_err_set(err, XKD_RUNNING, "%s runs; halt it first", r->link.peer);
	if (!t)
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no CPU with id %llu", r->link.peer,
				   (unsigned long long)id);
	if ((r->has_hg && r->hg == id) || !t->text[0])
		return XKD_OK;
	r->has_hg = false;
	rc = xkd_rsp_askf(r, err, "Hg%s", t->text);
	if (rc != XKD_OK)
		return rc;
	if (xkd_rsp_is_error(r->reply.s, r->reply.len))
		return xkd_err_set(err, XKD_NOTFOUND, "%s refuses CPU %s (%s)", r->link.peer,
				   t->text, XKD_RSP_SAID(r));
	/* An empty answer: it cannot choose, which is fine while there is but one. */
	if (!r->reply.len && r->nthreads > 1)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot choose among CPUs",
				   r->link.peer);
	r->has_hg = true;
	r->hg = id;
	return XKD_OK;
}

enum xkd_rc xkd_rsp_cpus(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			 struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);

	if (!r->running) {
		enum xkd_rc rc = xkd_rsp_threads(r, err);

		if (rc != XKD_OK)
			return rc;
	}
	*n = r->nthreads;
	for (size_t i = 0; i < r->nthreads && i < max; i++) {
		cpus[i] = (struct xkd_be_cpu){ .id = r->threads[i].id };
		snprintf(cpus[i].label, sizeof(cpus[i].label), "%s", r->threads[i].label);
		cpus[i].state = r->running ? XKD_CPU_RUNNING : XKD_CPU_HALTED;
	}
	return XKD_OK;
}
