/* Errors: fills caller-owned records. Nothing here allocates, so an error can always be told. */
#include "base/err.h"
#include <stdio.h>
#include <string.h>

static enum xkd_rc fill(struct xkd_err *err, enum xkd_rc rc, const char *fmt, va_list ap)
{
	if (err) {
		err->code = rc;
		err->has_addr = false;
		err->addr = 0;
		err->pos = -1;
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	}
	return rc;
}

enum xkd_rc xkd_err_set(struct xkd_err *err, enum xkd_rc rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, rc, fmt, ap);
	va_end(ap);
	return rc;
}

enum xkd_rc xkd_err_addr(struct xkd_err *err, enum xkd_rc rc, uint64_t addr, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, rc, fmt, ap);
	va_end(ap);
	if (err) {
		err->has_addr = true;
		err->addr = addr;
	}
	return rc;
}

enum xkd_rc xkd_err_syntax(struct xkd_err *err, int pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, XKD_SYNTAX, fmt, ap);
	va_end(ap);
	if (err)
		err->pos = pos;
	return XKD_SYNTAX;
}

enum xkd_rc xkd_err_prepend(struct xkd_err *err, enum xkd_rc rc, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	int n;

	if (!err)
		return rc;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 3 < sizeof(err->msg)) {
		size_t room = sizeof(err->msg) - (size_t)n - 3, len = strnlen(old, room);

		memcpy(err->msg + n, ": ", 2);
		memcpy(err->msg + n + 2, old, len);
		err->msg[(size_t)n + 2 + len] = 0;
	}
	return rc;
}

void xkd_err_clear(struct xkd_err *err)
{
	if (err)
		*err = XKD_ERR_INIT;
}

const char *xkd_rc_name(enum xkd_rc rc)
{
	static const char *const names[] = {
		[XKD_OK] = "OK",
		[XKD_NOTFOUND] = "NOTFOUND",
		[XKD_NOTMAPPED] = "NOTMAPPED",
		[XKD_NOTINDUMP] = "NOTINDUMP",
		[XKD_SWAPPED] = "SWAPPED",
		[XKD_ENCRYPTED] = "ENCRYPTED",
		[XKD_UNSUPPORTED] = "UNSUPPORTED",
		[XKD_RUNNING] = "RUNNING",
		[XKD_STALE] = "STALE",
		[XKD_BADDATA] = "BADDATA",
		[XKD_MISMATCH] = "MISMATCH",
		[XKD_AMBIGUOUS] = "AMBIGUOUS",
		[XKD_NEEDINDEX] = "NEEDINDEX",
		[XKD_TRANSPORT] = "TRANSPORT",
		[XKD_TIMEOUT] = "TIMEOUT",
		[XKD_CANCELED] = "CANCELED",
		[XKD_NOMEM] = "NOMEM",
		[XKD_SYNTAX] = "SYNTAX",
		[XKD_IO] = "IO",
	};

	return (size_t)rc < XKD_COUNT(names) && names[rc] ? names[rc] : "?";
}
