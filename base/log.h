/* Diagnostics for who asks why: named channels, off by default, each handed to the owner's sink. */
#ifndef XKD_BASE_LOG_H
#define XKD_BASE_LOG_H
#include "base/err.h"

enum xkd_log_chan { XKD_LOG_WARN, XKD_LOG_SYM, XKD_LOG_PACKET, XKD_LOG_FIND, XKD_LOG_N };
/* What is told once. */
enum xkd_said { XKD_SAID_NO_INDEX_FILE = 1 };
struct xkd_log {
	unsigned on; /* bit per channel; WARN is on from init */
	void (*sink)(void *arg, enum xkd_log_chan chan, const char *line);
	void *arg;
	/* progress of something over half a second: done of total (0: unknown); what NULL: over */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	unsigned said; /* enum xkd_said bits: what need not be told again */
};
void xkd_log_init(struct xkd_log *log);
void xkd_log(struct xkd_log *log, enum xkd_log_chan chan, const char *fmt, ...) XKD_PRINTF(3, 4);
void xkd_progress(struct xkd_log *log, const char *what, uint64_t done, uint64_t total);
#endif
