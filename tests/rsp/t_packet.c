/* Framing: every packet in every split; damage of each kind; bounds. */
#include "backends/gdbrsp/packet.h"
#include "tests/unit/tap.h"

/* Feeds all, piece bytes at a time; the events as letters, the last body in body. */
static const char *feed(struct xkd_pkt *p, const char *s, size_t n, size_t piece,
			struct xkd_buf *body)
{
	static const char letters[] = ".+-BNXH";
	static char seen[64];
	size_t at = 0, k = 0;

	while (at < n) {
		size_t len = n - at < piece ? n - at : piece, used;
		enum xkd_pkt_ev ev;

		used = xkd_pkt_feed(p, (const uint8_t *)s + at, len, &ev);
		at += used;
		if (ev == XKD_PKT_MORE) {
			if (used != len)
				return "left bytes over";
			continue;
		}
		if (ev == XKD_PKT_BODY || ev == XKD_PKT_NOTE) {
			xkd_buf_reset(body);
			xkd_buf_add(body, p->body.s, p->body.len);
		}
		if (k < sizeof(seen) - 1)
			seen[k++] = letters[ev];
	}
	seen[k] = '\0';
	return seen;
}

static const struct {
	const char *name, *wire, *events, *body;
} cases[] = {
	{ "a plain packet", "$OK#9a", "B", "OK" },
	{ "an upper-case checksum", "$OK#9A", "B", "OK" },
	{ "an empty packet", "$#00", "B", "" },
	{ "acks around it", "++$OK#9a-", "++B-", "OK" },
	{ "an escape", "$a}\x03z#5b", "B", "a#z" },
	{ "a run", "$0* #7a", "B", "0000" },
	{ "a run after an escape", "$}\x03* #ca", "B", "####" },
	{ "two runs", "$0*\"1* #f7", "B", "0000001111" },
	{ "a wrong checksum", "$OK#9b", "X", NULL },
	{ "a checksum that is no number", "$OK#zz", "X", NULL },
	{ "a run of nothing", "$* #4a", "X", NULL },
	{ "a run of a control character", "$0*\x1f#79", "X", NULL },
	{ "a run cut short", "$0*#5a", "X", NULL },
	{ "an escape cut short", "$a}#de", "X", NULL },
	{ "a good one after a bad one", "$OK#00$E01#a6", "XB", "E01" },
	{ "a packet inside another", "$qSup$OK#9a", "B", "OK" },
	{ "a notification", "%Stop:T05#99", "N", "Stop:T05" },
	{ "garbage before a packet", "SSH-2.0\r\n$OK#9a", "B", "OK" },
	{ "a damaged notification", "%Stop:T05#98$OK#9a", "B", "OK" },
	{ "half a packet", "$T05thre", "", NULL },
	{ "a packet without its sum", "$OK#9", "", NULL },
};

static void check_cases(void)
{
	struct xkd_buf body;

	xkd_buf_init(&body);
	for (size_t i = 0; i < XKD_COUNT(cases); i++) {
		bool good = true;

		for (size_t piece = 1; piece < 40 && good; piece++) {
			struct xkd_pkt p;
			const char *ev;

			xkd_pkt_init(&p);
			xkd_buf_reset(&body);
			ev = feed(&p, cases[i].wire, strlen(cases[i].wire), piece, &body);
			good = !strcmp(ev, cases[i].events) &&
			       (!cases[i].body || !strcmp(body.s, cases[i].body));
			if (!good)
				printf("# in pieces of %zu: events '%s', body '%s'\n", piece, ev,
				       body.s);
			xkd_pkt_fini(&p);
		}
		ok(good, "%s", cases[i].name);
	}
	xkd_buf_fini(&body);
}

static void check_state(void)
{
	struct xkd_pkt p;
	struct xkd_buf b;

	xkd_buf_init(&b);
	xkd_pkt_init(&p);
	feed(&p, "hello", 5, 5, &b);
	ok(p.junk == 5 && !memcmp(p.junk_text, "hello", 5), "garbage is counted and shown");
	feed(&p, "$T05", 4, 4, &b);
	ok(xkd_pkt_inside(&p), "inside a packet");
	feed(&p, "#b9", 3, 3, &b);
	ok(!xkd_pkt_inside(&p) && !p.junk, "and out of it, garbage forgotten");
	xkd_pkt_fini(&p);
	xkd_buf_fini(&b);
}

/* Runs upon runs must not make a small packet a large one. */
static void check_limit(void)
{
	struct xkd_pkt p;
	struct xkd_buf wire, body;
	const char *ev;

	xkd_buf_init(&wire);
	xkd_buf_init(&body);
	xkd_pkt_init(&p);
	xkd_buf_str(&wire, "$0");
	for (unsigned i = 0; i < XKD_PKT_LIMIT / 90; i++)
		xkd_buf_str(&wire, "*~");
	ev = feed(&p, wire.s, wire.len, 4096, &body);
	ok(strchr(ev, 'H') != NULL, "an endless run ends at the limit");
	ok(p.body.len <= XKD_PKT_LIMIT && p.body.cap <= 4 * XKD_PKT_LIMIT, "and in its memory");
	ok(!strcmp(feed(&p, "$OK#9a", 6, 6, &body), "B"), "a packet after it is taken");
	xkd_pkt_fini(&p);
	xkd_buf_fini(&wire);
	xkd_buf_fini(&body);
}

static void check_encode(void)
{
	struct xkd_buf b, body;
	struct xkd_pkt p;
	char all[256];

	xkd_buf_init(&b);
	xkd_buf_init(&body);
	xkd_pkt_encode(&b, "qSupported", 10);
	is_str(b.s, "$qSupported#37", "encoded as gdb does");
	xkd_buf_reset(&b);
	xkd_pkt_encode(&b, "X0,4:#$}*", 9);
	is_str(b.s, "$X0,4:}\x03}\x04}]}\x0a#84", "escapes");
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	xkd_buf_reset(&b);
	xkd_pkt_encode(&b, all, 256);
	xkd_pkt_init(&p);
	ok(!strcmp(feed(&p, b.s, b.len, 7, &body), "B") && body.len == 256 &&
		   !memcmp(body.s, all, 256),
	   "all bytes go round");
	xkd_pkt_fini(&p);
	xkd_buf_fini(&b);
	xkd_buf_fini(&body);
}

int main(void)
{
	check_cases();
	check_state();
	check_limit();
	check_encode();
	return done_testing();
}
