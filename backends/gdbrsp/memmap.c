/* The physical memory map, from QEMU's `info mtree -f`: RAM and ROM as the system address space
 * shows them now. Regions whose reads may have effects (i/o, RAM of passed-through devices, flash
 * in command mode) are left out. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 4096

/* "  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM" */
static bool parse_range(const char *line, size_t n, struct xkd_be_range *out)
{
	uint64_t at[2] = { 0, 0 };
	const char *p = line, *end = line + n;
	const char *kind;

	while (p < end && *p == ' ')
		p++;
	for (int k = 0; k < 2; k++) {
		int digits = 0;

		for (; p < end && xkd_hex_digit(*p) >= 0 && digits < 16; p++, digits++)
			at[k] = at[k] << 4 | (unsigned)xkd_hex_digit(*p);
		if (!digits || p >= end || *p != "- "[k])
			return false;
		p++;
	}
	kind = memmem(p, (size_t)(end - p), ", ", 2);
	if (!kind || at[1] < at[0] || at[1] - at[0] == UINT64_MAX)
		return false;
	kind += 2;
	if (end - kind > 3 && !memcmp(kind, "nv-", 3))
		kind += 3;
	if (end - kind < 4 || (memcmp(kind, "ram)", 4) && memcmp(kind, "rom)", 4)))
		return false;
	*out = (struct xkd_be_range){ at[0], at[1] - at[0] + 1 };
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct xkd_be_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static size_t merge(struct xkd_be_range *r, size_t n)
{
	size_t k = 0;

	if (!n)
		return 0;
	qsort(r, n, sizeof(*r), by_start);
	for (size_t i = 1; i < n; i++) {
		uint64_t end = r[k].start + r[k].size;

		if (end && r[i].start <= end) {
			uint64_t iend = r[i].start + r[i].size;

			if (iend - 1 > end - 1)
				r[k].size = iend - r[k].start;
		} else if (end) {
			r[++k] = r[i];
		}
	}
	return k + 1;
}

static bool line_has(const char *line, size_t n, const char *what)
{
	return memmem(line, n, what, strlen(what)) != NULL;
}

size_t xkd_rsp_parse_mtree(const char *text, struct xkd_be_range *out, size_t max)
{
	bool ours = false;
	size_t n = 0;

	/* Several views follow each other; ours is the one that the system's address space uses. */
	while (*text && n < max) {
		size_t len = strcspn(text, "\r\n");

		if (line_has(text, len, "FlatView #"))
			ours = false;
		else if (line_has(text, len, "AS \"memory\","))
			ours = true;
		else if (ours && parse_range(text, len, &out[n]))
			n++;
		text += len;
		text += strspn(text, "\r\n");
	}
	return merge(out, n);
}

static enum xkd_rc refresh(struct xkd_rsp *r, struct xkd_err *err)
{
	struct xkd_be_range *ranges;
	struct xkd_buf out;
	enum xkd_rc rc;

	xkd_buf_init(&out);
	rc = xkd_rsp_monitor(r, "info mtree -f", &out, err);
	if (rc == XKD_OK) {
		ranges = xkd_calloc(RANGES_MAX, sizeof(*ranges));
		r->nram = xkd_rsp_parse_mtree(out.s, ranges, RANGES_MAX);
		free(r->ram);
		r->ram = xkd_realloc(ranges, (r->nram + 1) * sizeof(*ranges));
		r->ram_fresh = true;
	}
	xkd_buf_fini(&out);
	return rc;
}

enum xkd_rc xkd_rsp_memmap(struct xkd_backend *be, struct xkd_be_range *out, size_t max, size_t *n,
			   struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);

	*n = 0;
	if (!r->profile->qemu || !r->has_monitor)
		return XKD_OK;
	if (!r->running && !r->ram_fresh) {
		enum xkd_rc rc = refresh(r, err);

		if (rc == XKD_UNSUPPORTED)
			return XKD_OK;
		if (rc != XKD_OK)
			return rc;
	}
	*n = r->nram;
	for (size_t i = 0; i < r->nram && i < max; i++)
		out[i] = r->ram[i];
	return XKD_OK;
}
