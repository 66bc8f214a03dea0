/* Any bytes as a target description; each included document is the rest of the input behind the
 * next NUL, so that inclusion can nest and loop. */
#include "backends/gdbrsp/targetxml.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct docs {
	const uint8_t *data;
	size_t size, at;
};

static enum xkd_rc fetch(void *arg, const char *annex, struct xkd_buf *out, struct xkd_err *err)
{
	struct docs *d = arg;
	const uint8_t *end = memchr(d->data + d->at, 0, d->size - d->at);
	size_t n = end ? (size_t)(end - d->data) - d->at : d->size - d->at;

	(void)err;
	if (strlen(annex) > 63)
		abort();
	xkd_buf_add(out, d->data + d->at, n);
	d->at += n + (end != NULL);
	if (d->at == d->size)
		d->at = 0;
	return XKD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xkd_tdesc *td = malloc(sizeof(*td));
	struct docs d = { data, size, 0 };
	struct xkd_err err = XKD_ERR_INIT;

	if (size && xkd_tdesc_read(td, fetch, &d, &err) == XKD_OK) {
		if (td->n > XKD_TDESC_REGS)
			abort();
		for (size_t i = 0; i < td->n; i++) {
			if (i && td->regs[i].regnum <= td->regs[i - 1].regnum)
				abort();
			if (!td->regs[i].bits || td->regs[i].bits % 8 || !td->regs[i].name[0] ||
			    strlen(td->regs[i].name) >= sizeof(td->regs[i].name))
				abort();
		}
	}
	free(td);
	return 0;
}
