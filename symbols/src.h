/* A source of bytes: what parsers read. A mapped section and a range of target memory are both one. */
#ifndef XKD_SYMBOLS_SRC_H
#define XKD_SYMBOLS_SRC_H
#include "base/err.h"

struct xkd_src {
	uint64_t size;
	const uint8_t *map; /* when not NULL all size bytes are here and read() is not used */
	enum xkd_rc (*read)(struct xkd_src *src, uint64_t off, void *buf, size_t len,
			    struct xkd_err *err);
	void *priv;
};
/* Copies len bytes from off; BADDATA when the range leaves the source. */
enum xkd_rc xkd_src_read(struct xkd_src *src, uint64_t off, void *buf, size_t len,
			 struct xkd_err *err) XKD_MUST;
static inline struct xkd_src xkd_src_mem(const void *p, size_t n)
{
	return (struct xkd_src){ .size = n, .map = (const uint8_t *)p };
}
#endif
