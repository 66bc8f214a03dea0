/* Finds the files that belong to a kernel: the symbol path, /usr/lib/debug (by path and .build-id),
 * /lib/modules. A file is taken only when its build-id is the wanted one (or none is known). */
#ifndef XKD_SYMBOLS_FIND_H
#define XKD_SYMBOLS_FIND_H
#include "base/buf.h"
#include "base/cancel.h"
#include "symbols/image.h"

struct xkd_sympath {
	char **dirs; /* malloc'ed strings: folders or files, in order */
	size_t n;
};
/* "a:b" or "a;b"; "srv*..." entries are kept as they are (debuginfod). Replaces / appends. */
void xkd_sympath_set(struct xkd_sympath *sp, const char *list);
void xkd_sympath_add(struct xkd_sympath *sp, const char *list);
void xkd_sympath_fini(struct xkd_sympath *sp);
void xkd_sympath_show(const struct xkd_sympath *sp, struct xkd_buf *out); /* ':'-joined */

struct xkd_want {
	const char *name;    /* "vmlinux", "kvm_amd" (module names match with - and _ alike) */
	const char *release; /* "6.1.0-48-cloud-amd64" or NULL */
	struct xkd_buildid id; /* n 0: unknown */
	bool force;	     /* take a file of another build-id (.reload /i) */
	bool local;	     /* ask no server */
	struct xkd_cancel *cancel; /* of waiting for servers; may be NULL */
};
/* Tried, in order: each -y entry (a file; a folder: for a kernel ./vmlinux-REL, ./vmlinux[.debug],
 * .build-id/xx/yyyy.debug, boot/, usr/lib/debug/{boot,lib/modules/REL}/..., lib/modules/REL/[build/],
 * then, when the build-id is known, any vmlinux below it; for a module .build-id, then NAME.ko[.debug]
 * below [usr/lib/debug/]lib/modules/REL, then anywhere below it), then the same places of the system.
 * A walk goes 12 levels deep at most, sees 200,000 entries at most, enters no symlinked folder, and is
 * done once per cache (below). Files with DWARF win over files without; one with .symtab over one
 * without. Without a wanted build-id a module's own name and vermagic must fit.
 * MISMATCH: err names the first file of that name and both ids; BADDATA: a file of that name is broken;
 * else NOTFOUND. tried (may be NULL): what was looked at, "PATH: what came of it" a line.
 * Compressed modules (.ko.xz, .zst, .gz) count like others. When all this gave no DWARF, the servers are
 * asked by build-id (symbols/server.h; CANCELED while they are); debug info of theirs without code is
 * hung on the file that was found, or on theirs. */
struct xkd_find_cache; /* holds listings of folders; session lifetime */
struct xkd_find_cache *xkd_find_cache_new(void);
void xkd_find_cache_free(struct xkd_find_cache *c);
enum xkd_rc xkd_find_image(const struct xkd_sympath *sp, struct xkd_find_cache *cache,
			   const struct xkd_want *want, struct xkd_log *log, struct xkd_image **img,
			   struct xkd_buf *tried, struct xkd_err *err) XKD_MUST;
/* Debug info for an image in hand that has none: a separate file (debuglink.h), else from a server.
 * Looked for once. */
enum xkd_rc xkd_find_debug(const struct xkd_sympath *sp, struct xkd_find_cache *cache,
			   struct xkd_image *img, struct xkd_log *log, struct xkd_cancel *cancel,
			   struct xkd_err *err) XKD_MUST;
/* What the session remembers of its servers; cache lifetime. */
struct xkd_servers *xkd_find_servers(struct xkd_find_cache *c);
/* Every candidate vmlinux of the path (for a target whose release is not known yet). fn gets an
 * image it must ref to keep; false stops. */
void xkd_find_kernels(const struct xkd_sympath *sp, struct xkd_find_cache *cache,
		      struct xkd_log *log, bool (*fn)(void *arg, struct xkd_image *img), void *arg);
#endif
