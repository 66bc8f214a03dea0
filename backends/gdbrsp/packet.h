/* Framing of the GDB remote protocol: bytes to packets and back. No I/O. */
#ifndef XKD_GDBRSP_PACKET_H
#define XKD_GDBRSP_PACKET_H
#include "base/buf.h"

enum xkd_pkt_ev {
	XKD_PKT_MORE, /* all bytes taken, nothing complete */
	XKD_PKT_ACK,
	XKD_PKT_NAK,
	XKD_PKT_BODY, /* body holds a packet, decoded */
	XKD_PKT_NOTE, /* a notification (%...), decoded */
	XKD_PKT_BAD,  /* a packet with a wrong checksum, escape or run-length */
	XKD_PKT_HUGE, /* longer than the limit; the rest of it is skipped */
};

#define XKD_PKT_LIMIT (1u << 20) /* of a decoded body */
#define XKD_PKT_JUNK 48		 /* bytes kept of what is no packet */

enum xkd_pkt_state {
	XKD_PKT_IDLE,
	XKD_PKT_IN,
	XKD_PKT_ESC,
	XKD_PKT_RUN,
	XKD_PKT_SUM1,
	XKD_PKT_SUM2,
};

/* A resumable parser. body is valid from XKD_PKT_BODY or _NOTE to the next feed. */
struct xkd_pkt {
	enum xkd_pkt_state state;
	uint8_t sum, want;
	bool note, bad;
	struct xkd_buf body;
	size_t junk; /* bytes outside packets since the last good packet */
	char junk_text[XKD_PKT_JUNK];
};
void xkd_pkt_init(struct xkd_pkt *p);
void xkd_pkt_fini(struct xkd_pkt *p);
/* Takes bytes up to the first event; returns how many were taken (all of them with MORE). */
size_t xkd_pkt_feed(struct xkd_pkt *p, const uint8_t *s, size_t n, enum xkd_pkt_ev *ev);
/* True between the start of a packet and its checksum. */
bool xkd_pkt_inside(const struct xkd_pkt *p);
/* Appends $payload#cs, escaped. */
void xkd_pkt_encode(struct xkd_buf *out, const char *payload, size_t n);
#endif
