/* Hits of trace points written into a file for other programs (hitfile.c), and what a run cost. */
#ifndef XKD_ENGINE_HITFILE_H
#define XKD_ENGINE_HITFILE_H
#include "engine/cmd/session.h"
#include "engine/run/tracedb.h"

/* As CSV or JSON (docs/traces.md); the file is written anew. Says how many there were. */
enum xkd_rc xkd_hits_export(struct xkd_session *s, struct xkd_tracedb *db,
			    const struct xkd_tracequery *q, const char *path, bool json,
			    struct xkd_err *err) XKD_MUST;
/* After a run: one line when trace points were hit in it (c_tp.c). */
void xkd_tp_say_run(struct xkd_session *s);
#endif
