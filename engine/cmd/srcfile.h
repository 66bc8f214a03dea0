/* Source files: found along a path, changed by a map. */
#ifndef XKD_ENGINE_CMD_SRCFILE_H
#define XKD_ENGINE_CMD_SRCFILE_H
#include "engine/cmd/session.h"

/* A file's text; lines count from 1. */
struct xkd_source {
	char *path; /* malloc'ed */
	char *text;
	size_t size;
	size_t *start; /* of each line; [nlines] is size */
	unsigned nlines;
};
/* name: as debug info has it, perhaps relative to comp_dir (may be NULL). Tried: what the map makes of
 * it, the folders of the source path with all of name and with ever fewer of its leading folders,
 * then where it was compiled, the map before the folder itself, then the servers of the symbol path. NOTFOUND names it and says what to do. */
enum xkd_rc xkd_source_open(const struct xkd_session *s, const char *name, const char *comp_dir,
			    struct xkd_source *src, struct xkd_err *err) XKD_MUST;
void xkd_source_close(struct xkd_source *src);
/* A line without its end; *len bytes of it. NULL when there is none. */
const char *xkd_source_line(const struct xkd_source *src, unsigned no, size_t *len);
#endif
