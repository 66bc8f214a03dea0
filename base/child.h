/* A shell command as a child process: run and waited for, or fed by a pipe. */
#ifndef XKD_BASE_CHILD_H
#define XKD_BASE_CHILD_H
#include "base/cancel.h"
#include <sys/types.h>

struct xkd_child {
	pid_t pid; /* 0: none */
	int fd;	   /* its standard input, -1 ours */
};
/* Starts "sh -c command" with our standard output and errors. fed: its standard input is a pipe. */
enum xkd_rc xkd_child_start(const char *command, bool fed, struct xkd_child *c,
			    struct xkd_err *err) XKD_MUST;
/* All of it; false when the child reads no more or the user gave up (cancel may be NULL). */
bool xkd_child_write(struct xkd_child *c, const void *p, size_t n, struct xkd_cancel *cancel);
/* Closes the pipe and waits: the exit status, 128 + N for signal N. A request to quit ends the
 * child. */
int xkd_child_wait(struct xkd_child *c, struct xkd_cancel *cancel);
#endif
