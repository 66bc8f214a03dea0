/* Errors: what every call that can fail returns, and the caller-owned record that says why. */
#ifndef XKD_BASE_ERR_H
#define XKD_BASE_ERR_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XKD_MUST __attribute__((warn_unused_result))
#define XKD_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define XKD_UNUSED __attribute__((unused))
#define XKD_COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum xkd_rc {
	XKD_OK = 0,
	XKD_NOTFOUND,	 /* no such thing; ordinary, often tried on */
	XKD_NOTMAPPED,	 /* a page-table level says not present (named in the message) */
	XKD_NOTINDUMP,	 /* the dump left this page out */
	XKD_SWAPPED,
	XKD_ENCRYPTED,
	XKD_UNSUPPORTED, /* this backend, file or build cannot do it */
	XKD_RUNNING,	 /* the target runs; halt it first */
	XKD_STALE,	 /* depends on an older generation of the target */
	XKD_BADDATA,	 /* bytes from a file, target or peer make no sense */
	XKD_MISMATCH,	 /* build-ids differ */
	XKD_AMBIGUOUS,
	XKD_NEEDINDEX,
	XKD_TRANSPORT,	 /* the connection is lost or never came up */
	XKD_TIMEOUT,
	XKD_CANCELED,	 /* Ctrl-C */
	XKD_NOMEM,
	XKD_SYNTAX,	 /* a user's line; pos says where */
	XKD_IO,		 /* errno trouble with a file of ours */
};

/* Caller-owned, fixed size: setting one never allocates. err may be NULL in every call. */
struct xkd_err {
	enum xkd_rc code;
	bool has_addr;
	uint64_t addr; /* the target address concerned, when has_addr */
	int pos;       /* SYNTAX: byte offset of the caret in the line given; else -1 */
	char msg[512]; /* one clause, no newline, no final stop */
};
#define XKD_ERR_INIT ((struct xkd_err){ .pos = -1 })

/* Each returns the code, so that `return xkd_err_set(...)` is the idiom. */
enum xkd_rc xkd_err_set(struct xkd_err *err, enum xkd_rc rc, const char *fmt, ...) XKD_PRINTF(3, 4);
enum xkd_rc xkd_err_addr(struct xkd_err *err, enum xkd_rc rc, uint64_t addr, const char *fmt, ...)
	XKD_PRINTF(4, 5);
enum xkd_rc xkd_err_syntax(struct xkd_err *err, int pos, const char *fmt, ...) XKD_PRINTF(3, 4);
/* "context: old message"; keeps code, addr, pos; returns rc unchanged. */
enum xkd_rc xkd_err_prepend(struct xkd_err *err, enum xkd_rc rc, const char *fmt, ...)
	XKD_PRINTF(3, 4);
void xkd_err_clear(struct xkd_err *err);
/* "NOTMAPPED" etc.; static storage. */
const char *xkd_rc_name(enum xkd_rc rc);
#endif
