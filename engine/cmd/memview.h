/* Memory as the commands d, e and s see it: the current context's or physical, holes marked. */
#ifndef XKD_ENGINE_MEMVIEW_H
#define XKD_ENGINE_MEMVIEW_H
#include "engine/cmd/cmd.h"

struct xkd_memview {
	struct xkd_session *s;
	const struct xkd_ctx *ctx;
	bool phys;
	struct xkd_err why; /* of the last hole; code OK: none yet */
};
enum xkd_rc xkd_memview_open(struct xkd_session *s, bool phys, struct xkd_memview *v,
			     struct xkd_err *err) XKD_MUST;
/* Fills buf and, byte by byte, ok (1: read). Holes are no error; a lost target and Ctrl-C are.
 * Bytes past the end of the address space are holes. */
enum xkd_rc xkd_memview_read(struct xkd_memview *v, uint64_t addr, uint8_t *buf, uint8_t *ok,
			     size_t len, struct xkd_err *err) XKD_MUST;
/* All or an error that says how far it came. */
enum xkd_rc xkd_memview_write(struct xkd_memview *v, uint64_t addr, const uint8_t *buf, size_t len,
			      struct xkd_err *err) XKD_MUST;

/* One row "address  elements  ascii" as d shows it: kind 'b' 'w' 'd' 'q' 'c'; n bytes at addr. */
void xkd_memrow(struct xkd_session *s, char kind, uint64_t addr, const uint8_t *buf,
		const uint8_t *ok, size_t n, unsigned columns);

/* The rows of other files of this family. */
enum xkd_rc xkd_cmd_enter(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
enum xkd_rc xkd_cmd_search(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
#endif
