/* The stub's own commands (qRcmd): QEMU's monitor, kdb, a debugger console. Output comes as O
 * packets before the final OK, or as hex in the final answer. */
#include "backends/gdbrsp/rsp.h"
#include "base/str.h"
#include <string.h>

#define SLOW 4 /* commands may take this many times a packet's time */

/* The final answer's own text, where a stub puts it there. */
static enum xkd_rc final_text(struct xkd_rsp *r, const char *cmd, struct xkd_buf *out,
			      struct xkd_err *err)
{
	size_t n = r->reply.len / 2, got;

	xkd_buf_reserve(out, n);
	if (!xkd_rsp_unhex(r->reply.s, r->reply.len, (uint8_t *)out->s + out->len, n, &got))
		return xkd_err_set(err, XKD_BADDATA, "%s answers 'monitor %.64s' with garbage",
				   r->link.peer, cmd);
	out->len += got;
	out->s[out->len] = '\0';
	return XKD_OK;
}

enum xkd_rc xkd_rsp_monitor(struct xkd_rsp *r, const char *cmd, struct xkd_buf *out,
			    struct xkd_err *err)
{
	static const char verb[] = "qRcmd,";
	struct xkd_buf req;
	enum xkd_rc rc;

	xkd_buf_init(&req);
	xkd_buf_str(&req, verb);
	for (const char *p = cmd; *p; p++)
		xkd_buf_printf(&req, "%02x", (uint8_t)*p);
	if (req.len + 8 > r->packet_size)
		rc = xkd_err_set(err, XKD_UNSUPPORTED, "%s takes no command of %zu characters",
				 r->link.peer, strlen(cmd));
	else
		rc = xkd_rsp_ask_output(r, req.s, req.len, SLOW * r->timeout_ms, out, err);
	xkd_buf_fini(&req);
	if (rc != XKD_OK)
		return xkd_err_prepend(err, rc, "monitor '%.64s'", cmd);
	if (xkd_rsp_is_ok(r))
		return XKD_OK;
	if (!r->reply.len)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s has no monitor", r->link.peer);
	if (xkd_rsp_is_error(r->reply.s, r->reply.len))
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s refuses 'monitor %.64s' (%s)",
				   r->link.peer, cmd, XKD_RSP_SAID(r));
	return final_text(r, cmd, out, err);
}

enum xkd_rc xkd_rsp_raw(struct xkd_backend *be, const char *cmd, struct xkd_buf *reply,
			struct xkd_err *err)
{
	struct xkd_rsp *r = xkd_rsp(be);

	/* Whatever it did, nothing learned before is sure. */
	r->threads_fresh = r->ram_fresh = r->has_hg = false;
	return xkd_rsp_monitor(r, cmd, reply, err);
}
