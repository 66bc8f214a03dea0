/* The file that trace points record into: an SQLite database of sessions, points, hits and values
 * (docs/traces.md has its tables). One connection, one thread; other programs may read meanwhile. */
#ifndef XKD_ENGINE_TRACEDB_H
#define XKD_ENGINE_TRACEDB_H
#include "base/cancel.h"

struct xkd_tracedb;
/* One value of a hit. */
struct xkd_tracevalue {
	const char *expr; /* as typed; only when read */
	const char *text; /* as xkd prints it, or why it could not be had */
	const char *type; /* of C; "" unknown */
	bool has_num;
	uint64_t num; /* a scalar, sign-extended where its type is signed */
};
struct xkd_hit {
	int64_t id;	 /* when read: counts from 1 in the file */
	int64_t point;	 /* xkd_tracedb_point's */
	unsigned number; /* when read: what bl calls the point */
	uint64_t wall_ns, mono_ns; /* since 1970; of the host's monotonic clock */
	int cpu;	 /* the kernel's number; -1 unknown */
	uint64_t task;	 /* task_struct; 0 unknown, then neither pid nor comm is */
	int64_t pid;	 /* of the thread */
	const char *comm; /* foreign; "" unknown */
	uint64_t pc;
	size_t n;
	struct xkd_tracevalue *values;
};

/* Makes the file where there is none; one of xkd's is gone on with. uri, release: what is traced. */
enum xkd_rc xkd_tracedb_open(const char *path, const char *uri, const char *release,
			     struct xkd_tracedb **db, struct xkd_err *err) XKD_MUST;
void xkd_tracedb_close(struct xkd_tracedb *db); /* NULL is fine */
const char *xkd_tracedb_path(const struct xkd_tracedb *db);
/* Notes a trace point; cond NULL: none. */
enum xkd_rc xkd_tracedb_point(struct xkd_tracedb *db, unsigned number, const char *place,
			      const char *cond, char *const *exprs, size_t n, int64_t *id,
			      struct xkd_err *err) XKD_MUST;
/* Writes and commits n hits; all or none. */
enum xkd_rc xkd_tracedb_write(struct xkd_tracedb *db, const struct xkd_hit *hits, size_t n,
			      struct xkd_err *err) XKD_MUST;

/* Questions, of this session's hits. */
struct xkd_tracequery {
	const unsigned *points; /* what bl calls them; npoints 0: all */
	size_t npoints;
	uint64_t last; /* only so many, the newest; 0: all */
};
/* Oldest first; strings live during the call of fn, which returns false to stop. */
enum xkd_rc xkd_tracedb_each(struct xkd_tracedb *db, const struct xkd_tracequery *q,
			     bool (*fn)(void *arg, const struct xkd_hit *hit), void *arg,
			     struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
/* How many hits have the same what ("point", "cpu", "task", "pid", "comm", "pc" or an expression as it
 * was typed), most frequent first. NOTFOUND: no such expression. */
enum xkd_rc xkd_tracedb_groups(struct xkd_tracedb *db, const struct xkd_tracequery *q,
			       const char *what,
			       bool (*fn)(void *arg, const char *text, uint64_t num, uint64_t count),
			       void *arg, struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
#endif
