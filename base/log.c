/* Diagnostics: formats only when somebody listens. */
#include "base/log.h"
#include <stdio.h>

void xkd_log_init(struct xkd_log *log)
{
	*log = (struct xkd_log){ .on = 1u << XKD_LOG_WARN };
}

void xkd_log(struct xkd_log *log, enum xkd_log_chan chan, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!log || !log->sink || !(log->on >> chan & 1))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log->sink(log->arg, chan, line);
}

void xkd_progress(struct xkd_log *log, const char *what, uint64_t done, uint64_t total)
{
	if (log && log->progress)
		log->progress(log->arg, what, done, total);
}
