/* Packets of the GDB remote protocol: checksum, escapes, run-length decoding.
 *
 * The parser is fed bytes as they come, in any split, and keeps its place. Invariants: the
 * checksum covers the bytes as sent, body the bytes as meant; body never grows beyond
 * XKD_PKT_LIMIT, whatever the peer's run-lengths say; a '$' always starts a packet afresh,
 * because no stub sends one inside. */
#include "backends/gdbrsp/packet.h"
#include "base/str.h"

void xkd_pkt_init(struct xkd_pkt *p)
{
	*p = (struct xkd_pkt){ .state = XKD_PKT_IDLE };
	xkd_buf_init(&p->body);
}

void xkd_pkt_fini(struct xkd_pkt *p)
{
	xkd_buf_fini(&p->body);
}

bool xkd_pkt_inside(const struct xkd_pkt *p)
{
	return p->state != XKD_PKT_IDLE;
}

static void begin(struct xkd_pkt *p, bool note)
{
	p->state = XKD_PKT_IN;
	p->note = note;
	p->bad = false;
	p->sum = 0;
	xkd_buf_reset(&p->body);
}

static void junk(struct xkd_pkt *p, uint8_t c)
{
	if (p->junk < sizeof(p->junk_text))
		p->junk_text[p->junk] = (char)c;
	p->junk++;
}

static enum xkd_pkt_ev idle(struct xkd_pkt *p, uint8_t c)
{
	/* After other bytes they are more of the same ("SSH-2.0"). */
	if (p->junk && (c == '+' || c == '-')) {
		junk(p, c);
		return XKD_PKT_MORE;
	}
	switch (c) {
	case '$':
	case '%':
		begin(p, c == '%');
		return XKD_PKT_MORE;
	case '+':
		return XKD_PKT_ACK;
	case '-':
		return XKD_PKT_NAK;
	default:
		junk(p, c);
		return XKD_PKT_MORE;
	}
}

/* The character after '*': repeat the one before it c - 29 more times. */
static void run(struct xkd_pkt *p, uint8_t c)
{
	char last;

	if (c < ' ' || c > '~' || !p->body.len) {
		p->bad = true;
		return;
	}
	last = p->body.s[p->body.len - 1];
	for (unsigned n = c - 29u; n; n--)
		xkd_buf_ch(&p->body, last);
}

static enum xkd_pkt_ev inside(struct xkd_pkt *p, uint8_t c)
{
	enum xkd_pkt_state was = p->state;

	if (c == '$') {
		begin(p, false);
		return XKD_PKT_MORE;
	}
	if (c == '#') {
		if (was != XKD_PKT_IN)
			p->bad = true; /* an escape or a run cut short */
		p->state = XKD_PKT_SUM1;
		return XKD_PKT_MORE;
	}
	p->sum = (uint8_t)(p->sum + c);
	p->state = XKD_PKT_IN;
	if (was == XKD_PKT_ESC)
		xkd_buf_ch(&p->body, (char)(c ^ 0x20));
	else if (was == XKD_PKT_RUN)
		run(p, c);
	else if (c == '}')
		p->state = XKD_PKT_ESC;
	else if (c == '*')
		p->state = XKD_PKT_RUN;
	else
		xkd_buf_ch(&p->body, (char)c);
	if (p->body.len <= XKD_PKT_LIMIT)
		return XKD_PKT_MORE;
	p->state = XKD_PKT_IDLE;
	xkd_buf_reset(&p->body);
	return XKD_PKT_HUGE;
}

static enum xkd_pkt_ev checksum(struct xkd_pkt *p, uint8_t c)
{
	int digit = xkd_hex_digit(c);

	if (digit < 0) {
		p->bad = true;
		digit = 0;
	}
	if (p->state == XKD_PKT_SUM1) {
		p->want = (uint8_t)(digit << 4);
		p->state = XKD_PKT_SUM2;
		return XKD_PKT_MORE;
	}
	p->want |= (uint8_t)digit;
	p->state = XKD_PKT_IDLE;
	/* Notifications are not acknowledged, so a damaged one is just passed over. */
	if (p->bad || p->want != p->sum)
		return p->note ? XKD_PKT_MORE : XKD_PKT_BAD;
	p->junk = 0;
	return p->note ? XKD_PKT_NOTE : XKD_PKT_BODY;
}

size_t xkd_pkt_feed(struct xkd_pkt *p, const uint8_t *s, size_t n, enum xkd_pkt_ev *ev)
{
	*ev = XKD_PKT_MORE;
	for (size_t i = 0; i < n; i++) {
		if (p->state == XKD_PKT_IDLE)
			*ev = idle(p, s[i]);
		else if (p->state == XKD_PKT_SUM1 || p->state == XKD_PKT_SUM2)
			*ev = checksum(p, s[i]);
		else
			*ev = inside(p, s[i]);
		if (*ev != XKD_PKT_MORE)
			return i + 1;
	}
	return n;
}

void xkd_pkt_encode(struct xkd_buf *out, const char *payload, size_t n)
{
	uint8_t sum = 0;

	xkd_buf_reserve(out, n + 4);
	xkd_buf_ch(out, '$');
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)payload[i];

		if (c == '#' || c == '$' || c == '}' || c == '*') {
			xkd_buf_ch(out, '}');
			sum = (uint8_t)(sum + '}');
			c ^= 0x20;
		}
		xkd_buf_ch(out, (char)c);
		sum = (uint8_t)(sum + c);
	}
	xkd_buf_printf(out, "#%02x", sum);
}
