/* What the files index*.c share: the rows that a builder collects, and the store that holds them.
 */
#ifndef XKD_SYMBOLS_INDEX_INT_H
#define XKD_SYMBOLS_INDEX_INT_H
#include "base/map.h"
#include "base/vec.h"
#include "base/worker.h"
#include "symbols/index.h"

#define XKD_IX_FORMAT 1 /* of the file; another one is rebuilt */
#define XKD_IX_NIL UINT32_MAX

struct xkd_ixrow_name {
	const char *text; /* in a section of the image, or the rows' arena */
	uint32_t base;	  /* the name without the compiler's suffix, NIL: it has none */
	uint32_t type;	  /* first row in types, NIL */
	uint8_t seen_var; /* a declaration (1), a definition (2) was met */
};
struct xkd_ixrow_func {
	uint64_t addr, size, die;
	uint32_t name, unit;
	bool external;
};
struct xkd_ixrow_inl {
	uint64_t addr, size, die;
	uint32_t name;	    /* NIL until its origin is found */
	uint32_t host;	    /* row in funcs; once sorted for the store, row in names */
	uint64_t host_addr; /* set then */
};
struct xkd_ixrow_var {
	uint64_t addr, die, type;
	uint32_t name, unit;
	bool has_addr, external, decl, local;
};
struct xkd_ixrow_type {
	uint64_t size, die;
	uint32_t name, unit;
	uint32_t next; /* same name, NIL */
	uint8_t tag;
	bool decl;
};
struct xkd_ixrow_file {
	const char *path;
	XKD_VEC(uint32_t) units;
};
struct xkd_ixrow_unit {
	uint64_t off;
	const char *name;
};
struct xkd_ixrows {
	struct xkd_arena arena;
	XKD_VEC(struct xkd_ixrow_name) names;
	XKD_VEC(struct xkd_ixrow_func) funcs;
	XKD_VEC(struct xkd_ixrow_inl) inls;
	XKD_VEC(struct xkd_ixrow_var) vars;
	XKD_VEC(struct xkd_ixrow_type) types;
	XKD_VEC(struct xkd_ixrow_file) files;
	XKD_VEC(struct xkd_ixrow_unit) units;
};

/* --- index_build.c: the rows of an image. Runs in the builder; progress goes to its log. --- */
enum xkd_rc xkd_ixrows_build(struct xkd_image *img, struct xkd_ixrows *r, struct xkd_log *log,
			     struct xkd_err *err) XKD_MUST;
void xkd_ixrows_fini(struct xkd_ixrows *r);
/* --- index_names.c: names interned in rows --- */
struct xkd_ixnames {
	struct xkd_ixrows *rows;
	struct xkd_map map; /* text -> row + 1 */
	uint32_t *by_strp;  /* row + 1 by offset in .debug_str */
	size_t nstrp;
};
void xkd_ixnames_init(struct xkd_ixnames *n, struct xkd_ixrows *rows, size_t nstrp);
void xkd_ixnames_fini(struct xkd_ixnames *n);
/* text must live as long as the rows. */
uint32_t xkd_ixnames_add(struct xkd_ixnames *n, const char *text);
/* The length of a symbol's name without ".part.0", ".cold" and the like; the whole when it has
 * none. */
size_t xkd_ixname_base(const char *name);
/* Gives functions the names of the symbols at their addresses where these have a suffix, and adds
 * rows for the parts that the debug info knows as further ranges only. */
struct xkd_ixpart {
	uint64_t low, high;
	uint32_t func;
};
void xkd_ixnames_suffixes(struct xkd_ixnames *n, struct xkd_image *img,
			  const struct xkd_ixpart *parts, size_t nparts);

/* --- index_store.c: the file --- */
struct xkd_ixkey {	    /* which debug info an index belongs to, besides the build-id */
	uint64_t layout;    /* a hash of the loaded sections */
	uint64_t info_size; /* of .debug_info */
};
struct xkd_ixmeta {
	struct xkd_ixkey key;
	char id[XKD_BUILDID_HEX];
	uint64_t start_ms;	     /* when the making began */
	uint64_t build_ms, peak_kib; /* put in by xkd_ixstore_make */
	uint64_t funcs, inlined, vars, types, files, units;
};
/* The rows as bytes of a file; malloc'ed by the library behind: xkd_ixstore_bytes_free. */
enum xkd_rc xkd_ixstore_make(struct xkd_ixrows *r, const struct xkd_ixmeta *meta,
			     struct xkd_log *log, uint8_t **bytes, size_t *n,
			     struct xkd_err *err) XKD_MUST;
void xkd_ixstore_bytes_free(uint8_t *bytes);

struct xkd_ixstore;
/* Read-only. NOTFOUND: no such file. MISMATCH: of another format, key or build-id. */
enum xkd_rc xkd_ixstore_open(const char *path, const struct xkd_ixkey *key, const char *id,
			     struct xkd_ixstore **s, struct xkd_err *err) XKD_MUST;
/* The same over mapped bytes, which must outlive it. */
enum xkd_rc xkd_ixstore_map(const uint8_t *bytes, size_t n, const struct xkd_ixkey *key,
			    const char *id, struct xkd_ixstore **s, struct xkd_err *err) XKD_MUST;
void xkd_ixstore_close(struct xkd_ixstore *s);
const struct xkd_ixmeta *xkd_ixstore_meta(const struct xkd_ixstore *s);
enum xkd_rc xkd_ixstore_funcs(struct xkd_ixstore *s, const char *name, bool glob, bool fold,
			      bool (*fn)(void *arg, const struct xkd_ixfunc *f), void *arg,
			      struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_ixstore_vars(struct xkd_ixstore *s, const char *name, bool glob, bool fold,
			     bool (*fn)(void *arg, const struct xkd_ixvar *v), void *arg,
			     struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_ixstore_types(struct xkd_ixstore *s, const char *name,
			      bool (*fn)(void *arg, const struct xkd_ixtype *t), void *arg,
			      struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_ixstore_files(struct xkd_ixstore *s, const char *path,
			      bool (*fn)(void *arg, const struct xkd_ixfile *f), void *arg,
			      struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;

/* --- index_job.c: the child process --- */
struct xkd_ixjob {
	struct xkd_worker worker;
	struct xkd_log *log; /* what the child warns of */
	uint64_t done, total;
	bool told, in_file; /* it said how it ended; the file is in place */
	int signal;	    /* that ended it before it said anything, 0: none */
	enum xkd_rc rc;
	char msg[400]; /* the reason for rc, or for not being in a file */
	/* the index when it is in no file; mapped, page-aligned; whoever takes it sets bytes NULL */
	uint8_t *bytes;
	size_t size, have;
};
/* path NULL: in memory only. The image stays open until the job is left. */
enum xkd_rc xkd_ixjob_start(struct xkd_ixjob *j, struct xkd_image *img, const char *path,
			    const struct xkd_ixmeta *meta, struct xkd_err *err) XKD_MUST;
/* Reads what came, waiting at most ms for something; true: it ended, and rc, msg are set. */
bool xkd_ixjob_poll(struct xkd_ixjob *j, int ms);
/* Lets go of it; end: the child is ended, else it goes on by itself. */
void xkd_ixjob_leave(struct xkd_ixjob *j, bool end);
#endif
