/* A log full of addresses, line by line, made readable. */
#ifndef XKD_ENGINE_CMD_SYMBOLIZE_H
#define XKD_ENGINE_CMD_SYMBOLIZE_H
#include "engine/cmd/session.h"

struct xkd_symbolizer;
struct xkd_symbolizer *xkd_symbolizer_new(struct xkd_session *s, const struct xkd_symbolize *y);
/* Says what did not fit, in the log. */
void xkd_symbolizer_free(struct xkd_symbolizer *z);
/* One line without its newline. A line whose address cannot be named before the kernel's offset is
 * known is held back, with all that follows it, up to 1 MiB. */
void xkd_symbolizer_line(struct xkd_symbolizer *z, const char *line, size_t len, bool newline);
bool xkd_symbolizer_holds(const struct xkd_symbolizer *z);
void xkd_symbolizer_flush(struct xkd_symbolizer *z); /* lets go what is held back */
#endif
