/* Arenas: chunks in a list, the newest first; big requests get a chunk of their own. */
#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (32 * 1024)

struct xkd_arena_chunk {
	struct xkd_arena_chunk *next;
	size_t size, used;
	_Alignas(16) unsigned char mem[];
};

static void out_of_memory(size_t n)
{
	fprintf(stderr, "xkd: out of memory (%zu bytes)\n", n);
	abort();
}

void *xkd_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *xkd_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory(n * size);
	return p;
}

void *xkd_realloc(void *old, size_t n)
{
	void *p = realloc(old, n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

char *xkd_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xkd_malloc(n), s, n);
}

void xkd_arena_init(struct xkd_arena *a)
{
	*a = (struct xkd_arena){ 0 };
}

void xkd_arena_fini(struct xkd_arena *a)
{
	struct xkd_arena_chunk *c, *next;

	for (c = a->head; c; c = next) {
		next = c->next;
		free(c);
	}
	xkd_arena_init(a);
}

static struct xkd_arena_chunk *new_chunk(size_t size)
{
	struct xkd_arena_chunk *c = xkd_calloc(1, sizeof(*c) + size);

	c->size = size;
	return c;
}

void *xkd_arena_alloc(struct xkd_arena *a, size_t n)
{
	struct xkd_arena_chunk *c = a->head;
	void *p;

	if (n > SIZE_MAX / 2)
		out_of_memory(n);
	n = (n + 15) & ~(size_t)15;
	if (!c || c->size - c->used < n) {
		struct xkd_arena_chunk *fresh = new_chunk(n > CHUNK / 4 ? n : CHUNK);

		if (c && n > CHUNK / 4) { /* keep filling the current one */
			fresh->next = c->next;
			c->next = fresh;
		} else {
			fresh->next = c;
			a->head = fresh;
		}
		c = fresh;
	}
	p = c->mem + c->used;
	c->used += n;
	a->used += n;
	return p;
}

void *xkd_arena_dup(struct xkd_arena *a, const void *p, size_t n)
{
	void *d = xkd_arena_alloc(a, n);

	if (n)
		memcpy(d, p, n);
	return d;
}

char *xkd_arena_strndup(struct xkd_arena *a, const char *s, size_t n)
{
	char *d;

	n = strnlen(s, n);
	d = xkd_arena_alloc(a, n + 1);
	memcpy(d, s, n);
	return d;
}

char *xkd_arena_strdup(struct xkd_arena *a, const char *s)
{
	return xkd_arena_strndup(a, s, strlen(s));
}

char *xkd_arena_printf(struct xkd_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	s = xkd_arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
