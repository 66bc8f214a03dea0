/* A fork of ourselves that does work which may crash, hang or take long: what it finds it tells
 * through a pipe. Also whole reads and writes of descriptors. */
#ifndef XKD_BASE_WORKER_H
#define XKD_BASE_WORKER_H
#include "base/err.h"
#include <sys/types.h>

struct xkd_worker {
	pid_t pid;  /* 0: none, or it ended */
	int fd;	    /* what it tells; reads do not block; -1: none */
	int signal; /* that ended it, 0: none */
};
#define XKD_WORKER_NONE ((struct xkd_worker){ .fd = -1 })
/* Forks; the child runs work(arg, fd) and ends. It has none of our descriptors but fd and those of
 * /dev/null, hears no terminal, ends silently after cpu_seconds and knows ps by name. */
enum xkd_rc xkd_worker_start(struct xkd_worker *w, const char *name, unsigned cpu_seconds,
			     void (*work)(void *arg, int fd), void *arg, struct xkd_err *err) XKD_MUST;
/* Bytes read, waiting at most ms for the first; 0: none came; -1: it ended (w->signal). What the
 * child writes at once, up to PIPE_BUF bytes, comes at once if there is room for it. */
ssize_t xkd_worker_read(struct xkd_worker *w, void *p, size_t n, int ms);
/* Lets go of it; end: the child is ended, else it goes on by itself. */
void xkd_worker_leave(struct xkd_worker *w, bool end);

/* All n bytes of a descriptor that blocks; false: an error (errno) or an early end. */
bool xkd_fd_read(int fd, void *p, size_t n);
bool xkd_fd_write(int fd, const void *p, size_t n);
#endif
