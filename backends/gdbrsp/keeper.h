/* The keeper: a small process that holds the connection too. When xkd dies without having left in
 * order (kill -9, a crash), it takes the breakpoints out and lets the target go on as it was found. */
#ifndef XKD_GDBRSP_KEEPER_H
#define XKD_GDBRSP_KEEPER_H
#include "base/err.h"

struct xkd_keeper {
	int fd;	 /* our end of its line; -1: there is none */
	int pid;
	volatile int *runs; /* shared with it; NULL: there is none */
};
/* Before the first byte: connecting stops many a target. link_fd: the connection. run_on: the target is to
 * run when we are gone. Without a keeper (no process to be had) the session goes on; k->fd is -1 then. */
void xkd_keeper_start(struct xkd_keeper *k, int link_fd, bool run_on);
/* What has become known: acknowledgements are off, it is QEMU, it is kgdb (which hears nothing while it
 * runs and is let go by c: see leave() in gdbrsp.c), it is to stand as it was found. */
enum xkd_keeper_news {
	XKD_KEEPER_NOACK = 'a',
	XKD_KEEPER_QEMU = 'u',
	XKD_KEEPER_KGDB = 'k',
	XKD_KEEPER_STAYS = 'h',
};
void xkd_keeper_tell(struct xkd_keeper *k, enum xkd_keeper_news news);
/* What is in the target: spec as in a Z packet, "0,ffffffff81000000,1". */
void xkd_keeper_note(struct xkd_keeper *k, bool in, const char *spec);
/* Does the target run? Only one that runs is sent a Ctrl-C: to others it may come later, as a signal
 * that ends a program. */
void xkd_keeper_runs(struct xkd_keeper *k, bool runs);
/* In order: the keeper does nothing and ends. */
void xkd_keeper_end(struct xkd_keeper *k);
#endif
