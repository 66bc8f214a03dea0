/* Typed growable arrays: XKD_VEC(T) v = {0}; *xkd_vec_push(&v) = x; v.p[i], v.n; xkd_vec_fini(&v). */
#ifndef XKD_BASE_VEC_H
#define XKD_BASE_VEC_H
#include "base/arena.h"
#include <stdlib.h>

#define XKD_VEC(T)                                                                                 \
	struct {                                                                                   \
		T *p;                                                                              \
		size_t n, cap;                                                                     \
	}
/* A zeroed new last element's address. */
#define xkd_vec_push(v)                                                                            \
	(xkd_vec_grow_((void **)&(v)->p, &(v)->n, &(v)->cap, sizeof(*(v)->p)), &(v)->p[(v)->n - 1])
#define xkd_vec_fini(v) (free((v)->p), (v)->p = NULL, (v)->n = (v)->cap = 0)
#define xkd_vec_reset(v) ((v)->n = 0)
#define xkd_vec_remove(v, i) (xkd_vec_remove_((v)->p, &(v)->n, sizeof(*(v)->p), (i)))
#define xkd_vec_sort(v, cmp) ((v)->n ? qsort((v)->p, (v)->n, sizeof(*(v)->p), (cmp)) : (void)0)
void xkd_vec_grow_(void **p, size_t *n, size_t *cap, size_t size);
void xkd_vec_remove_(void *p, size_t *n, size_t size, size_t i);
#endif
