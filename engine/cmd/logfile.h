/* A sink that writes plain rows to a file: .logopen and -o. */
#ifndef XKD_ENGINE_LOGFILE_H
#define XKD_ENGINE_LOGFILE_H
#include "base/out.h"

struct xkd_logfile;
enum xkd_rc xkd_logfile_open(const char *path, bool append, struct xkd_logfile **l,
			     struct xkd_err *err) XKD_MUST;
void xkd_logfile_close(struct xkd_logfile *l); /* NULL is fine */
struct xkd_sink *xkd_logfile_sink(struct xkd_logfile *l);
const char *xkd_logfile_path(const struct xkd_logfile *l);
/* Whether a write failed: true once, with the reason. l may be NULL. */
bool xkd_logfile_trouble(struct xkd_logfile *l, struct xkd_err *err);
/* A line that was typed, behind its prompt: for the file alone. */
void xkd_logfile_typed(struct xkd_logfile *l, const char *prompt, const char *line);
#endif
