/* Any bytes as what a stub sends, in two splits, which must give the same packets; then all that
 * reads a packet's text. Once as they come, once with all checksums made right (a fuzzer does not
 * guess them), once as the body of one packet. */
#include "backends/gdbrsp/rsp.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void texts(const char *s, size_t n)
{
	static uint8_t bytes[256];
	uint64_t id;
	size_t used;

	if (xkd_rsp_thread_parse(s, n, &id, &used) && used > n)
		abort();
	if (xkd_rsp_unhex(s, n, bytes, sizeof(bytes), &used) && used > sizeof(bytes))
		abort();
	if (xkd_rsp_is_output(s, n) && (xkd_rsp_is_stop(s, n) || xkd_rsp_is_error(s, n)))
		abort();
}

/* Feeds in pieces; a sum over all events and bodies. */
static uint64_t feed(const uint8_t *data, size_t size, size_t piece)
{
	struct xkd_pkt p;
	uint64_t sum = 0;

	xkd_pkt_init(&p);
	for (size_t at = 0; at < size;) {
		size_t n = size - at < piece ? size - at : piece, used;
		enum xkd_pkt_ev ev;

		used = xkd_pkt_feed(&p, data + at, n, &ev);
		if (used > n || (!used && n) || (ev == XKD_PKT_MORE && used != n))
			abort();
		at += used;
		if (p.body.len > XKD_PKT_LIMIT + 128)
			abort();
		if (ev == XKD_PKT_MORE)
			continue;
		sum = sum * 31 + ev;
		if (ev != XKD_PKT_BODY)
			continue;
		texts(p.body.s, p.body.len);
		for (size_t i = 0; i < p.body.len; i++)
			sum = sum * 31 + (uint8_t)p.body.s[i];
	}
	sum = sum * 31 + p.junk;
	xkd_pkt_fini(&p);
	return sum;
}

/* A copy whose packets have right checksums. */
static uint8_t *mended(const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *p = malloc(size + 1), sum = 0;

	memcpy(p, data, size);
	for (size_t i = 0; i < size; i++) {
		if (p[i] == '$' || p[i] == '%') {
			sum = 0;
		} else if (p[i] == '#' && size - i > 2) {
			p[++i] = (uint8_t)digits[sum >> 4];
			p[++i] = (uint8_t)digits[sum & 15];
		} else {
			sum = (uint8_t)(sum + p[i]);
		}
	}
	return p;
}

static void monitor_texts(const uint8_t *data, size_t size)
{
	static struct xkd_regblob blob;
	static struct xkd_be_range r[64];
	struct xkd_regdesc descs[] = { { .name = "idt_base", .off = 0, .bytes = 8 },
				       { .name = "tr_base", .off = 8, .bytes = 8 } };
	struct xkd_reglayout layout = { descs, 2, 16 };
	char *s = malloc(size + 1);
	size_t n;

	memcpy(s, data, size);
	s[size] = '\0';
	xkd_rsp_parse_info_registers(&layout, s, &blob);
	n = xkd_rsp_parse_mtree(s, r, 64);
	for (size_t i = 1; i < n; i++)
		if (r[i].start <= r[i - 1].start + r[i - 1].size)
			abort();
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *good = mended(data, size);
	struct xkd_buf b;

	if (feed(data, size, 1) != feed(data, size, size ? size : 1))
		abort();
	feed(good, size, 7);
	free(good);
	xkd_buf_init(&b);
	xkd_pkt_encode(&b, (const char *)data, size);
	feed((const uint8_t *)b.s, b.len, b.len);
	xkd_buf_fini(&b);
	monitor_texts(data, size);
	return 0;
}
