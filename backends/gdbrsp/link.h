/* The byte stream to a stub: a TCP or unix socket, a serial line, a command's input and output. */
#ifndef XKD_GDBRSP_LINK_H
#define XKD_GDBRSP_LINK_H
#include "base/cancel.h"
#include "base/err.h"
#include <sys/types.h>

struct xkd_link {
	int fd;		/* -1: closed */
	char peer[160]; /* "127.0.0.1:1234" or the path, for messages */
	struct xkd_cancel *cancel;
	bool no_socket; /* a serial line */
	pid_t child;	/* of a command; 0: none */
};
/* where: HOST:PORT, [V6]:PORT, PORT, :PORT, tcp:HOST:PORT, /path or unix:/path of a socket, /dev/X or
 * /dev/X,BAUD of a serial line, |COMMAND for the shell.
 * SYNTAX, TRANSPORT, TIMEOUT, CANCELED. */
enum xkd_rc xkd_link_open(struct xkd_link *l, const char *where, unsigned timeout_ms,
			  struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
void xkd_link_close(struct xkd_link *l);
/* Sends all of it. TIMEOUT, TRANSPORT, CANCELED. */
enum xkd_rc xkd_link_send(struct xkd_link *l, const void *p, size_t n, unsigned timeout_ms,
			  struct xkd_err *err) XKD_MUST;
/* At least one byte within wait_ms (0: what is there now), else TIMEOUT with err untouched.
 * *got = 0 and OK: the peer closed. */
enum xkd_rc xkd_link_recv(struct xkd_link *l, void *p, size_t n, unsigned wait_ms, size_t *got,
			  struct xkd_err *err) XKD_MUST;

/* --- link_ways.c: ways that are no sockets of ours --- */
/* A terminal device made raw, 8N1; deadlines as in link_open. */
enum xkd_rc xkd_link_serial(struct xkd_link *l, const char *where, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_link_command(struct xkd_link *l, const char *command,
			     struct xkd_err *err) XKD_MUST;
/* Waits for the child to end, with a push after a while. */
void xkd_link_reap(struct xkd_link *l);
#endif
