/* The page cache: a hash of (tag, page) over pages kept in one list. Pages never move, so a pointer
 * holds until the next drop. */
#include "engine/core/cache.h"
#include "base/map.h"
#include "base/vec.h"

#define MAX_PAGES 16384

struct xkd_cache {
	struct xkd_map map;
	XKD_VEC(struct xkd_cpage *) pages;
};

/* Page numbers of canonical and physical addresses fit 52 bits; the tag takes the rest. */
static uint64_t key_of(unsigned tag, uint64_t page)
{
	return (uint64_t)tag << 52 ^ page;
}

struct xkd_cache *xkd_cache_new(void)
{
	struct xkd_cache *c = xkd_calloc(1, sizeof(*c));

	xkd_map_init_u64(&c->map);
	return c;
}

void xkd_cache_drop(struct xkd_cache *c)
{
	for (size_t i = 0; i < c->pages.n; i++)
		free(c->pages.p[i]);
	xkd_vec_reset(&c->pages);
	xkd_map_clear(&c->map);
}

void xkd_cache_free(struct xkd_cache *c)
{
	if (!c)
		return;
	xkd_cache_drop(c);
	xkd_vec_fini(&c->pages);
	xkd_map_fini(&c->map);
	free(c);
}

struct xkd_cpage *xkd_cache_get(struct xkd_cache *c, unsigned tag, uint64_t page)
{
	return xkd_map_get(&c->map, key_of(tag, page));
}

size_t xkd_cache_room(const struct xkd_cache *c)
{
	return MAX_PAGES - c->pages.n;
}

struct xkd_cpage *xkd_cache_add(struct xkd_cache *c, unsigned tag, uint64_t page)
{
	struct xkd_cpage *p;

	if (c->pages.n >= MAX_PAGES)
		xkd_cache_drop(c);
	p = xkd_malloc(sizeof(*p));
	*xkd_vec_push(&c->pages) = p;
	xkd_map_put(&c->map, key_of(tag, page), p);
	return p;
}
