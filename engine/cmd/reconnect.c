/* A session that outlives its connection. The target is closed and opened again; breakpoints stay in
 * their list meanwhile and are resolved anew: names follow the kernel to its new place, bare addresses
 * hold only in the boot they were typed in. */
#include "base/str.h"
#include "engine/cmd/cmd.h"
#include "engine/cmd/workspace.h"
#include "engine/os/os.h"
#include "engine/run/journal.h"
#include <stdlib.h>
#include <string.h>

static void say_breakpoints(struct xkd_session *s, bool same)
{
	size_t in = 0, waiting = 0, off = 0;

	for (size_t i = 0; i < s->bkpts.list.n; i++) {
		const struct xkd_bkpt *b = s->bkpts.list.p[i];

		if (b->event)
			continue;
		in += b->enabled && !b->deferred;
		waiting += b->enabled && b->deferred;
		off += !b->enabled;
	}
	xkd_out(&s->out, "Reconnected to %s boot", same ? "the same" : "another");
	if (in + waiting + off)
		xkd_out(&s->out, "; breakpoints: %zu in", in);
	if (waiting)
		xkd_out(&s->out, ", %zu waiting", waiting);
	if (off)
		xkd_out(&s->out, ", %zu disabled", off);
	xkd_out_end(&s->out);
}

/* Into the target that was just attached to. */
static void bring_back(struct xkd_session *s, const struct xkd_boot *before)
{
	bool same = before->known && xkd_boot_now(xkd_session_runner(s)) &&
		    !memcmp(before->id, s->bkpts.boot.id, sizeof(before->id));

	if (!same)
		xkd_run_unbind(xkd_session_runner(s));
	xkd_bkpt_refresh(xkd_session_runner(s));
	say_breakpoints(s, same);
}

enum xkd_rc xkd_session_reconnect(struct xkd_session *s, const char *uri, struct xkd_err *err)
{
	struct xkd_err why = XKD_ERR_INIT;
	enum xkd_rc rc;

	if (!s->uri)
		return xkd_err_set(err, XKD_UNSUPPORTED, "there was no target; -k names one");
	if (s->t && !s->t->cpus.n)
		return xkd_err_set(err, XKD_UNSUPPORTED, "here are files alone, no connection");
	if (s->t) {
		if (xkd_session_let_go(s, &why) && !s->lost) { /* told, and gone on */
			xkd_out_st(&s->out, XKD_ST_ERR, "letting go: %s", why.msg);
			xkd_out_end(&s->out);
		}
	}
	xkd_bkpts_lost(&s->bkpts);
	rc = xkd_session_attach(s, s->backends, uri && *uri ? uri : s->uri, err);
	if (rc) {
		s->lost = true;
		return rc;
	}
	return XKD_OK;
}

#define ORDER_MS 1500 /* an answer that does not come by then is not waited for when leaving */

void xkd_session_put_in_order(struct xkd_session *s)
{
	const struct xkd_backend_ops *ops = NULL;
	struct xkd_be_open o = { .cancel = &s->cancel, .log = &s->log, .leave_halted = s->leave_halted,
				 .timeout_ms = ORDER_MS };
	struct xkd_buf path = XKD_BUF_INIT, found = XKD_BUF_INIT;
	struct xkd_err why = XKD_ERR_INIT;

	s->stranded = false;
	for (size_t i = 0; s->backends[i] && !ops; i++)
		if (xkd_has_prefix(s->uri, s->backends[i]->name))
			ops = s->backends[i];
	if (!ops)
		return;
	o.uri = s->uri + strlen(ops->name) + 1;
	if (xkd_target_open(ops, &o, &s->t, &why)) {
		s->t = NULL;
		return; /* nobody is there: nothing to leave in order */
	}
	s->t->found = s->found;
	xkd_sympath_show(&s->sympath, &path);
	xkd_sympath_set(&s->t->sympath, path.s);
	(void)!xkd_os_attach(s->t, &found, &why);
	xkd_bkpts_lost(&s->bkpts);
	xkd_journal_recover(xkd_session_runner(s), s->read_only);
	if (!xkd_target_close(s->t, s->leave_halted, &why))
		xkd_out(&s->out, "The target was reached once more and left as it was found");
	else
		xkd_out_st(&s->out, XKD_ST_ERR, "The target was reached once more: %s", why.msg);
	xkd_out_end(&s->out);
	xkd_out_flush(&s->out);
	s->t = NULL;
	xkd_buf_fini(&path);
	xkd_buf_fini(&found);
}

static enum xkd_rc reconnect_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_boot before = s->bkpts.boot;
	enum xkd_rc rc;

	rc = xkd_session_reconnect(s, xkd_arg_rest(s, a), err);
	if (!rc)
		bring_back(s, &before);
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ ".reconnect", "[gdb:...]", XKD_FX_NONE,
	  "attach again: after a lost connection, a restarted machine, or to another place",
	  reconnect_cmd,
	  "The kernel is looked for anew. Breakpoints keep their numbers and counts; those with names go to\n"
	  "where these are now, bare addresses hold only in the same boot.\n"
	  "Example: .reconnect gdb:127.0.0.1:1235", NULL },
	{ ".workspace", "[restore|save|show|drop]", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "what was set up for this kernel in an earlier session: breakpoints with names, the symbol path",
	  xkd_cmd_workspace,
	  "A session on a terminal that set breakpoints keeps them at its end; the next one is told of them and\n"
	  "has them back by .workspace. Scripts keep and restore only what they say. Kept by the kernel's\n"
	  "build-id; bare addresses and those of a task are not.\n"
	  "Example: .workspace show", NULL },
};
const struct xkd_cmd_family xkd_family_lasting = { "What outlives a session", rows, XKD_COUNT(rows) };
