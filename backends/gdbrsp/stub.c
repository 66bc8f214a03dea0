/* The handshake: what the stub offers, which kind it is, and what was going on before we came.
 * Every question here may be answered with nothing, which means no. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_SIZE_MAX (256u << 10)
#define SUPPORTED_MAX 8192
/* multiprocess+ is left out: QEMU would then make each CPU cluster a process of its own. */
#define OFFER "qSupported:xmlRegisters=i386;swbreak+;hwbreak+;vContSupported+;binary-upload+"

static bool has_feature(const char *supported, const char *feature)
{
	size_t n = strlen(feature);

	for (const char *p = supported; (p = strstr(p, feature)); p += n)
		if ((p == supported || p[-1] == ';') && (!p[n] || p[n] == ';'))
			return true;
	return false;
}

static void read_packet_size(struct xkd_rsp *r, const char *supported)
{
	const char *p = strstr(supported, "PacketSize=");
	char num[20];
	size_t n;
	uint64_t v;

	r->packet_size = XKD_RSP_SMALL_PACKET;
	if (!p)
		return;
	p += strlen("PacketSize=");
	n = strcspn(p, ";");
	if (!n || n >= sizeof(num))
		return;
	memcpy(num, p, n);
	num[n] = '\0';
	if (xkd_parse_u64(num, 16, &v) && v >= 64)
		r->packet_size = v < PACKET_SIZE_MAX ? v : PACKET_SIZE_MAX;
}

/* Answers of the form NAME=number in hex or "0x7"; 0 when there is none. */
static unsigned number_after(const char *s, const char *key)
{
	const char *p = strstr(s, key);

	return p ? (unsigned)strtoul(p + strlen(key), NULL, 0) : 0;
}

static enum xkd_rc ask_supported(struct xkd_rsp *r, char *supported, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, OFFER, strlen(OFFER), err);
	size_t n;

	if (rc != XKD_OK)
		return rc;
	n = r->reply.len < SUPPORTED_MAX - 1 ? r->reply.len : SUPPORTED_MAX - 1;
	memcpy(supported, r->reply.s, n);
	supported[n] = '\0';
	if (xkd_rsp_is_error(supported, n))
		supported[0] = '\0';
	read_packet_size(r, supported);
	r->has_xfer_features = has_feature(supported, "qXfer:features:read+");
	r->has_exec_file = has_feature(supported, "qXfer:exec-file:read+");
	r->has_auxv = has_feature(supported, "qXfer:auxv:read+");
	r->has_libraries = has_feature(supported, "qXfer:libraries-svr4:read+");
	r->has_binary_read = has_feature(supported, "binary-upload+");
	if (!has_feature(supported, "QStartNoAckMode+"))
		return XKD_OK;
	rc = xkd_rsp_ask(r, "QStartNoAckMode", 15, err);
	if (rc == XKD_OK && xkd_rsp_is_ok(r)) {
		r->noack = true;
		xkd_keeper_tell(&r->keeper, XKD_KEEPER_NOACK);
	}
	return rc;
}

static enum xkd_rc ask_vcont(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, "vCont?", 6, err);

	if (rc != XKD_OK || !xkd_has_prefix(r->reply.s, "vCont"))
		return rc;
	r->vcont = strstr(r->reply.s, ";c") != NULL;
	r->vcont_step = strstr(r->reply.s, ";s") != NULL;
	return XKD_OK;
}

/* QEMU's own questions. */
static enum xkd_rc ask_qemu(struct xkd_rsp *r, bool *qemu, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, "qqemu.sstepbits", 15, err);

	*qemu = rc == XKD_OK && xkd_has_prefix(r->reply.s, "ENABLE=");
	if (rc != XKD_OK || !*qemu)
		return rc;
	r->sstep_bits = number_after(r->reply.s, "ENABLE=") | number_after(r->reply.s, "NOIRQ=") |
			number_after(r->reply.s, "NOTIMER=");
	rc = xkd_rsp_ask(r, "qqemu.sstep", 11, err);
	if (rc != XKD_OK)
		return rc;
	r->sstep = r->sstep_found = (unsigned)strtoul(r->reply.s, NULL, 16);
	rc = xkd_rsp_ask(r, "qqemu.PhyMemMode", 16, err);
	if (rc != XKD_OK)
		return rc;
	r->has_phys = r->reply.len && !xkd_rsp_is_error(r->reply.s, r->reply.len);
	/* A client that died may have left it on; it outlives the connection. */
	r->phys_unsure = r->has_phys && strcmp(r->reply.s, "0") != 0;
	return XKD_OK;
}

/* Stubs without features are known by how they answer what all are asked. */
static enum xkd_rc choose_profile(struct xkd_rsp *r, bool qemu, const char *supported,
				  struct xkd_err *err)
{
	char qc[64] = "", threads[64] = "";
	enum xkd_rc rc = XKD_OK;

	if (!qemu && !*supported) {
		rc = xkd_rsp_ask(r, "qC", 2, err);
		if (rc == XKD_OK)
			snprintf(qc, sizeof(qc), "%.40s", r->reply.s ? r->reply.s : "");
		if (rc == XKD_OK)
			rc = xkd_rsp_ask(r, "qfThreadInfo", 12, err);
		if (rc == XKD_OK)
			snprintf(threads, sizeof(threads), "%.40s", r->reply.s ? r->reply.s : "");
	}
	r->profile = xkd_rsp_profile_find(qemu, supported, qc, threads);
	if (r->profile->shadow_cpus)
		xkd_keeper_tell(&r->keeper, XKD_KEEPER_KGDB);
	if (r->profile->packet_size && !strstr(supported, "PacketSize="))
		r->packet_size = r->profile->packet_size;
	return rc;
}

/* What was going on before. QEMU pauses when a client connects and tells nobody what it did before,
 * save that it never ran; so a paused QEMU is taken for one that ran. */
static enum xkd_rc ask_status(struct xkd_rsp *r, struct xkd_err *err)
{
	struct xkd_buf out;
	enum xkd_rc rc;

	xkd_buf_init(&out);
	rc = xkd_rsp_monitor(r, "info status", &out, err);
	if (rc == XKD_OK && r->profile->qemu) {
		r->has_monitor = true;
		r->found = strstr(out.s, "prelaunch") ? XKD_FOUND_PRELAUNCH : XKD_FOUND_RUNNING;
		xkd_buf_reset(&out);
		rc = xkd_rsp_monitor(r, "info kvm", &out, err);
		r->kvm = rc == XKD_OK && strstr(out.s, "enabled");
	} else if (rc == XKD_OK) {
		r->has_monitor = true;
	}
	xkd_buf_fini(&out);
	return rc == XKD_UNSUPPORTED ? XKD_OK : rc;
}

/* Where no connect is seen (above), QEMU remembers that the last client detached: it then has no CPU
 * to speak of, and '?' would end it. */
static enum xkd_rc attach_again(struct xkd_rsp *r, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_rsp_ask(r, "qfThreadInfo", 12, err);

	if (rc != XKD_OK || r->reply.len != 1 || r->reply.s[0] != 'l')
		return rc;
	/* Elsewhere the number would be any process'. */
	rc = xkd_rsp_ask(r, "qqemu.sstepbits", 15, err);
	if (rc != XKD_OK || !xkd_has_prefix(r->reply.s, "ENABLE="))
		return rc;
	rc = xkd_rsp_send(r, "vAttach;1", 9, err);
	if (rc == XKD_OK)
		rc = xkd_rsp_next(r, r->timeout_ms, err);
	if (rc == XKD_TIMEOUT || (rc == XKD_OK && !xkd_rsp_is_stop(r->in.body.s, r->in.body.len)))
		return xkd_err_set(err, XKD_TRANSPORT,
				   "%s has let go of its CPUs and does not take them back",
				   r->link.peer);
	return rc;
}

enum xkd_rc xkd_rsp_handshake(struct xkd_rsp *r, struct xkd_err *err)
{
	char supported[SUPPORTED_MAX];
	bool qemu = false;
	enum xkd_rc rc;

	r->profile = xkd_rsp_profile_find(false, "x", "", "");
	/* A stub on a serial line has seen nobody connect: QEMU takes one byte for the ack of its
	 * last answer, and the next one stops it and is lost. A stub that waits passes over acks. */
	r->acks = 2;
	rc = ask_supported(r, supported, err);
	if (rc == XKD_OK && has_feature(supported, "multiprocess+"))
		rc = attach_again(r, err);
	/* Before all else: QEMU and kgdb answer it by taking out what a dead client left in. */
	if (rc == XKD_OK)
		rc = xkd_rsp_ask(r, "?", 1, err);
	if (rc != XKD_OK)
		return rc;
	if (r->reply.len && (r->reply.s[0] == 'W' || r->reply.s[0] == 'X'))
		return xkd_err_set(err, XKD_TRANSPORT, "the target behind %s has ended",
				   r->link.peer);
	rc = ask_qemu(r, &qemu, err);
	if (rc != XKD_OK)
		return rc;
	rc = choose_profile(r, qemu, supported, err);
	if (qemu)
		xkd_keeper_tell(&r->keeper, XKD_KEEPER_QEMU);
	if (rc == XKD_OK)
		rc = ask_status(r, err);
	if (r->found == XKD_FOUND_PRELAUNCH)
		xkd_keeper_tell(&r->keeper, XKD_KEEPER_STAYS);
	if (rc == XKD_OK)
		rc = ask_vcont(r, err);
	return rc;
}
