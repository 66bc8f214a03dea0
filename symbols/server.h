/* Files and sources from debuginfod servers, by build-id, through libdebuginfod where that is
 * installed. Nothing is asked unless the symbol path names a server or $DEBUGINFOD_URLS is set. */
#ifndef XKD_SYMBOLS_SERVER_H
#define XKD_SYMBOLS_SERVER_H
#include "base/cancel.h"
#include "symbols/find.h"

enum xkd_server_kind { XKD_SERVER_DEBUG, XKD_SERVER_EXEC, XKD_SERVER_SOURCE };
/* What is asked for. */
struct xkd_server_want {
	enum xkd_server_kind kind;
	const struct xkd_buildid *id;
	const char *source;	   /* SOURCE: the absolute path as debug info has it */
	const char *name;	   /* for people: "vmlinux", "kvm.ko" */
	struct xkd_cancel *cancel; /* may be NULL */
};
/* What a session remembers: answers that were "no", servers that did not answer. */
struct xkd_servers;
struct xkd_servers *xkd_servers_new(void);
void xkd_servers_free(struct xkd_servers *s);

/* Is this entry of a path a server, or about one? "srv*URL", "srv*CACHE*URL", "srv*", "cache*DIR",
 * "http://...". */
bool xkd_server_entry(const char *entry);
/* Is there any server to ask? */
bool xkd_servers_any(const struct xkd_sympath *sp);
/* Asks the servers in the path's order, "srv*" alone meaning $DEBUGINFOD_URLS, which comes last when
 * the path does not say where; *path: the file in libdebuginfod's cache (or in CACHE), to be freed.
 * Shows progress; gives up when a server tells nothing for $DEBUGINFOD_TIMEOUT (90) seconds. NOTFOUND: no server
 * has it, or none is left to ask; UNSUPPORTED: libdebuginfod is not there; TIMEOUT; TRANSPORT;
 * CANCELED. What went wrong with a server is told once by log, too, and the server left alone. */
enum xkd_rc xkd_server_fetch(const struct xkd_sympath *sp, struct xkd_servers *s,
			     const struct xkd_server_want *want, struct xkd_log *log, char **path,
			     struct xkd_err *err) XKD_MUST;
#endif
