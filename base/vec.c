/* The untyped half of typed growable arrays. */
#include "base/vec.h"
#include <string.h>

void xkd_vec_grow_(void **p, size_t *n, size_t *cap, size_t size)
{
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		*p = xkd_realloc(*p, *cap * size);
	}
	memset((char *)*p + *n * size, 0, size);
	(*n)++;
}

void xkd_vec_remove_(void *p, size_t *n, size_t size, size_t i)
{
	if (i >= *n)
		return;
	memmove((char *)p + i * size, (char *)p + (i + 1) * size, (*n - i - 1) * size);
	(*n)--;
}
