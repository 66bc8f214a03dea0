/* The only upward call: every loop over a target or a file asks whether the user gave up. */
#ifndef XKD_BASE_CANCEL_H
#define XKD_BASE_CANCEL_H
#include "base/err.h"
#include <signal.h>

struct xkd_cancel {
	volatile sig_atomic_t count;	/* Ctrl-C presses since the last clear */
	volatile sig_atomic_t quit;	/* SIGTERM or SIGHUP number; stays set */
	int held;			/* > 0: what must not be cut short is under way */
	int wake_fd;			/* read end of a pipe that signals write to; -1: none */
	void (*breathe)(void *arg);	/* lets a UI repaint; NULL: none */
	void *arg;
};
bool xkd_canceled(struct xkd_cancel *c); /* c may be NULL: never */
/* CANCELED with a message when canceled, else OK. */
enum xkd_rc xkd_cancel_check(struct xkd_cancel *c, struct xkd_err *err) XKD_MUST;
/* Around what must be finished whatever was pressed: leaving a target, stopping it. c may be NULL. */
void xkd_cancel_hold(struct xkd_cancel *c, bool on);
void xkd_cancel_clear(struct xkd_cancel *c); /* at the start of a command; c may be NULL */
#endif
