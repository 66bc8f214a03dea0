/* Any bytes as a recording, then a short session over what was taken: every answer must be in its
 * bounds. */
#include "backends/record/recording.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct xkd_backend *be, const struct xkd_rec *c)
{
	static struct xkd_regblob blob;
	struct xkd_err err = XKD_ERR_INIT;
	uint8_t buf[64];
	struct xkd_iov v = { .addr = c->addr - 8, .buf = buf, .len = sizeof(buf) };
	struct xkd_buf reply = XKD_BUF_INIT;
	uint64_t val;

	if (be->ops->readv(be, c->ms, c->cpu, &v, 1, &err) || v.done > v.len ||
	    (v.done == v.len) != (v.rc == XKD_OK))
		abort();
	(void)!be->ops->regs_get(be, c->cpu, 1u << c->num % 5, &blob, &err);
	(void)!be->ops->msr_get(be, c->cpu, (uint32_t)c->num, &val, &err);
	if (c->kind == XKD_REC_RAW)
		(void)!be->ops->raw(be, c->text, &reply, &err);
	if (c->kind == XKD_REC_HINT)
		(void)!be->ops->hint(be, c->text, &reply, &err);
	if (c->kind == XKD_REC_WRITE) {
		struct xkd_iov w = { .addr = c->addr, .buf = (uint8_t *)c->data, .len = c->len };

		(void)!be->ops->writev(be, c->ms, c->cpu, &w, 1, &err);
		if (w.done > w.len)
			abort();
	}
	if (c->kind == XKD_REC_SET)
		(void)!be->ops->reg_set(be, c->cpu, c->num, c->data, &err);
	if (c->kind == XKD_REC_RESUME)
		(void)!be->ops->resume(be, c->resume, &err);
	xkd_buf_fini(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_recording *rec;
	struct xkd_be_range ram[8];
	struct xkd_be_cpu cpus[8];
	struct xkd_backend *be;
	struct xkd_event ev;
	size_t n;

	if (xkd_recording_parse((const char *)data, size, &rec, &err)) {
		if (!err.msg[0])
			abort();
		return 0;
	}
	be = xkd_replay_new(rec);
	(void)!be->ops->cpus(be, cpus, 8, &n, &err);
	(void)!be->ops->memmap(be, ram, 8, &n, &err);
	for (size_t i = 0; i < rec->recs.n && i < 2000; i++) {
		ask(be, &rec->recs.p[i]);
		(void)!be->ops->next_event(be, &ev, &err);
	}
	(void)!be->ops->close(be, true, &err);
	return 0;
}
