/* The page cache of one stop: bytes of a target by space and page, so that a command that follows
 * a hundred pointers asks the wire once a page. Emptied at every resume and write. */
#ifndef XKD_ENGINE_CACHE_H
#define XKD_ENGINE_CACHE_H
#include "base/err.h"

#define XKD_PAGE 4096u

struct xkd_cpage {
	uint8_t data[XKD_PAGE];
	enum xkd_rc rc; /* OK, or why the page cannot be read */
};
struct xkd_cache;
struct xkd_cache *xkd_cache_new(void);
void xkd_cache_free(struct xkd_cache *c);
void xkd_cache_drop(struct xkd_cache *c);
/* tag: a number of the space (see mem.c); page: address / XKD_PAGE. NULL when not there. */
struct xkd_cpage *xkd_cache_get(struct xkd_cache *c, unsigned tag, uint64_t page);
/* A new page to fill; drops the whole cache first when it is full (64 MiB). */
struct xkd_cpage *xkd_cache_add(struct xkd_cache *c, unsigned tag, uint64_t page);
/* Pages that may be added before everything is dropped. */
size_t xkd_cache_room(const struct xkd_cache *c);
#endif
