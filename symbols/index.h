/* The index of an image's debug info by name: functions (inlined copies and static ones too),
 * variables, types, source files. One file a build-id in ${XDG_CACHE_HOME:-~/.cache}/xkd/index,
 * made at the first need by a child process, complete, renamed into place, and read by every later
 * session. Where no file can be kept it lives in memory for this session. All addresses are image
 * addresses; offsets are of .debug_info and, as foreign numbers, to be checked by who follows them.
 */
#ifndef XKD_SYMBOLS_INDEX_H
#define XKD_SYMBOLS_INDEX_H
#include "base/cancel.h"
#include "symbols/image.h"
#include "symbols/type.h"

enum xkd_ixstate {
	XKD_IX_NODWARF,	 /* the image has no debug info: never */
	XKD_IX_NONE,	 /* not made yet */
	XKD_IX_BUILDING, /* a child is at it */
	XKD_IX_READY,
	XKD_IX_FAILED, /* not tried again in this session unless told to; the error says why */
};
struct xkd_index; /* hung on an image: its lifetime; made at the first call */
struct xkd_index *xkd_image_index(struct xkd_image *img);

/* How it stands; never waits. FAILED fills err. */
enum xkd_ixstate xkd_index_state(struct xkd_index *ix, struct xkd_err *err);
/* Starts the builder unless it runs or is done; does not wait. NOTFOUND: no debug info. */
enum xkd_rc xkd_index_start(struct xkd_index *ix, struct xkd_err *err) XKD_MUST;
/* Starts it and waits, with progress. CANCELED: the builder goes on by itself, ask again later. */
enum xkd_rc xkd_index_wait(struct xkd_index *ix, struct xkd_cancel *cancel,
			   struct xkd_err *err) XKD_MUST;
/* Forgets it (also a failure) and removes its file. */
enum xkd_rc xkd_index_drop(struct xkd_index *ix, struct xkd_err *err) XKD_MUST;

struct xkd_ixinfo {
	const char *path; /* its file; NULL: in memory */
	uint64_t bytes;
	uint64_t build_ms, peak_kib; /* of the process that made it */
	uint64_t funcs, inlined, vars, types, files, units;
};
enum xkd_rc xkd_index_info(struct xkd_index *ix, struct xkd_ixinfo *info,
			   struct xkd_err *err) XKD_MUST;

/* --- questions: READY or NEEDINDEX. Strings live during the call of fn; fn returns false to stop.
 * An exact name or, when glob, a pattern as xkd_glob's. --- */
struct xkd_ixfunc {
	const char *name; /* with the compiler's suffix where the symbol has one: "f.part.0" */
	const char *base; /* the name in the source */
	uint64_t addr, size, die;
	bool inlined, external;
	const char *host;   /* inlined: the real function around it */
	uint64_t host_addr; /* its entry */
};
/* Real ones first, by name, then address. An exact name finds "f.part.0" by "f", too. */
enum xkd_rc xkd_index_funcs(struct xkd_index *ix, const char *name, bool glob, bool fold,
			    bool (*fn)(void *arg, const struct xkd_ixfunc *f), void *arg,
			    struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
struct xkd_ixvar {
	const char *name;
	uint64_t die;
	uint64_t type; /* DIE offset, 0: none told */
	uint64_t unit; /* offset of its unit's header */
	uint64_t addr; /* when has_addr */
	bool has_addr, external, decl;
	bool local; /* static inside a function */
};
enum xkd_rc xkd_index_vars(struct xkd_index *ix, const char *name, bool glob, bool fold,
			   bool (*fn)(void *arg, const struct xkd_ixvar *v), void *arg,
			   struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
struct xkd_ixtype {
	const char *name;
	enum xkd_tag tag;
	uint64_t size; /* bytes, 0: not told */
	uint64_t die, unit;
	bool decl; /* no complete one of this tag and name is there */
};
/* name NULL: all of them, in the order of .debug_info. One row for each different size. */
enum xkd_rc xkd_index_types(struct xkd_index *ix, const char *name,
			    bool (*fn)(void *arg, const struct xkd_ixtype *t), void *arg,
			    struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
struct xkd_ixfile {
	const char *path;      /* as in struct xkd_line */
	const uint64_t *units; /* offsets of the units whose line program names it */
	size_t n;
};
/* Files that path names by whole trailing components. */
enum xkd_rc xkd_index_files(struct xkd_index *ix, const char *path,
			    bool (*fn)(void *arg, const struct xkd_ixfile *f), void *arg,
			    struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;

/* Called by image.c only; NULL is fine. */
void xkd_index_free(struct xkd_index *ix);
#endif
