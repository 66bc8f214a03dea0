/* Arenas: memory that lives and dies together (image, stop, command). Allocation aborts the
 * process only when malloc itself fails; sizes from foreign bytes are bounded by the callers. */
#ifndef XKD_BASE_ARENA_H
#define XKD_BASE_ARENA_H
#include "base/err.h"

struct xkd_arena_chunk;
struct xkd_arena {
	struct xkd_arena_chunk *head;
	size_t used; /* bytes handed out, for statistics */
};
void xkd_arena_init(struct xkd_arena *a);
void xkd_arena_fini(struct xkd_arena *a);  /* frees all; usable again as after init */
void *xkd_arena_alloc(struct xkd_arena *a, size_t n); /* zeroed, 16-aligned, never NULL */
void *xkd_arena_dup(struct xkd_arena *a, const void *p, size_t n);
char *xkd_arena_strdup(struct xkd_arena *a, const char *s);
char *xkd_arena_strndup(struct xkd_arena *a, const char *s, size_t n); /* at most n bytes, up to a NUL */
char *xkd_arena_printf(struct xkd_arena *a, const char *fmt, ...) XKD_PRINTF(2, 3);
#define XKD_NEW(a, T) ((T *)xkd_arena_alloc((a), sizeof(T)))
#define XKD_NEWN(a, T, n) ((T *)xkd_arena_alloc((a), sizeof(T) * (size_t)(n)))

/* malloc family that never returns NULL. */
void *xkd_malloc(size_t n);
void *xkd_calloc(size_t n, size_t size);
void *xkd_realloc(void *p, size_t n);
char *xkd_strdup(const char *s);
#endif
