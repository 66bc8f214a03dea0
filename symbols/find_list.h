/* Listings of folders: which kernels and modules lie below. For find.c. */
#ifndef XKD_SYMBOLS_FIND_LIST_H
#define XKD_SYMBOLS_FIND_LIST_H
#include "symbols/find.h"

#define XKD_FIND_DEPTH 12
#define XKD_FIND_ENTRIES 200000
#define XKD_FIND_KEY 128

/* One file found; the next one has the same key. */
struct xkd_listed {
	const char *path;
	struct xkd_listed *next;
};
/* The key that a file of this name (no folders) is listed under: "vmlinux" for every kernel, a
 * module's name with '_' for "kvm-amd.ko", "kvm_amd.ko.debug", "kvm-amd.ko.xz". False: neither. */
bool xkd_find_key(const char *file, char key[XKD_FIND_KEY]);
/* A module's name with '_' for '-'; false when it does not fit. */
bool xkd_find_norm(const char *name, char key[XKD_FIND_KEY]);
/* The files of this key at or below dir, nearest first, by name. The folder is walked once per
 * cache; cache lifetime. NULL: none. */
const struct xkd_listed *xkd_find_listed(struct xkd_find_cache *c, const char *dir, const char *key,
					 struct xkd_log *log);
/* True at the first call: what is wrong with the path's files is told once, not at every search. */
bool xkd_find_tell_once(struct xkd_find_cache *c);
#endif
