/* The cancel check: reads flags that signal handlers set. */
#include "base/cancel.h"

bool xkd_canceled(struct xkd_cancel *c)
{
	if (!c)
		return false;
	if (c->breathe)
		c->breathe(c->arg);
	return !c->held && (c->count > 0 || c->quit);
}

enum xkd_rc xkd_cancel_check(struct xkd_cancel *c, struct xkd_err *err)
{
	if (!xkd_canceled(c))
		return XKD_OK;
	if (c->quit)
		return xkd_err_set(err, XKD_CANCELED, "told to end by signal %d", (int)c->quit);
	return xkd_err_set(err, XKD_CANCELED, "interrupted");
}

void xkd_cancel_clear(struct xkd_cancel *c)
{
	if (c)
		c->count = 0;
}

void xkd_cancel_hold(struct xkd_cancel *c, bool on)
{
	if (c)
		c->held += on ? 1 : -1;
}
