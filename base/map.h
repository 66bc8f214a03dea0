/* Hash maps: u64 -> pointer and string -> pointer. Keys of string maps are not copied. */
#ifndef XKD_BASE_MAP_H
#define XKD_BASE_MAP_H
#include "base/err.h"

struct xkd_map_slot;
struct xkd_map {
	struct xkd_map_slot *slots;
	size_t n, cap;
	bool strings;
};
void xkd_map_init_u64(struct xkd_map *m);
void xkd_map_init_str(struct xkd_map *m);
void xkd_map_fini(struct xkd_map *m);
void xkd_map_clear(struct xkd_map *m);
void *xkd_map_get(const struct xkd_map *m, uint64_t key);
void xkd_map_put(struct xkd_map *m, uint64_t key, void *val);	   /* replaces; val not NULL */
void *xkd_map_get_str(const struct xkd_map *m, const char *key);
void xkd_map_put_str(struct xkd_map *m, const char *key, void *val);
/* Iteration: start with *it = 0; false at the end. Order unspecified; no puts meanwhile. */
bool xkd_map_next(const struct xkd_map *m, size_t *it, uint64_t *key, const char **skey, void **val);
#endif
