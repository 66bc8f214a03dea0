/* A session: one user, one target, one thread. Owns everything that outlives a command. */
#ifndef XKD_ENGINE_SESSION_H
#define XKD_ENGINE_SESSION_H
#include "base/cancel.h"
#include "base/log.h"
#include "base/out.h"
#include "engine/core/ctx.h"
#include "engine/lang/expr.h"
#include "engine/lang/unwind.h"
#include "engine/run/run.h"

struct xkd_session {
	struct xkd_target *t; /* NULL: none */
	struct xkd_out out;   /* what commands print */
	struct xkd_log log;
	struct xkd_cancel cancel;
	struct xkd_sympath sympath; /* before a target exists; copied into it */
	struct xkd_arena cmd_arena; /* emptied after each typed line */
	struct xkd_bkpts bkpts;
	struct xkd_env env;
	uint64_t tregs[20];
	bool leave_halted;
	bool read_only;
	bool batch;
	bool quit;	     /* q was given */
	int failed;	     /* commands that failed so far */
	int depth;	     /* nesting of scripts and command strings */

	/* the current context: CPU chosen by ~Ns, frame by .frame; rebuilt after a stop */
	int cpu;	     /* index */
	bool ctx_valid;
	struct xkd_ctx base; /* of frame 0 */
	struct xkd_ctx ctx;  /* of the chosen frame */
	unsigned frame;

	/* where d, u, x continue */
	uint64_t next_d, next_u;
	char last_d[4]; /* format letter of the last d */
	char last_line[4096]; /* an empty line repeats it where that makes sense */
};
void xkd_session_init(struct xkd_session *s);
void xkd_session_fini(struct xkd_session *s);
/* Opens "gdb:..." through the backends given; prints the banner. */
enum xkd_rc xkd_session_attach(struct xkd_session *s, const struct xkd_backend_ops *const *backends,
			       const char *uri, struct xkd_err *err) XKD_MUST;
/* Breakpoints out, target left as found; always frees the target. */
enum xkd_rc xkd_session_detach(struct xkd_session *s, struct xkd_err *err);
/* The current context, made when there is none for this stop. */
enum xkd_rc xkd_session_ctx(struct xkd_session *s, const struct xkd_ctx **ctx,
			    struct xkd_err *err) XKD_MUST;
/* Another frame or CPU. */
enum xkd_rc xkd_session_set_cpu(struct xkd_session *s, int cpu, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_session_set_frame(struct xkd_session *s, unsigned no, struct xkd_err *err) XKD_MUST;
void xkd_session_stopped(struct xkd_session *s, int cpu); /* after a stop: forget the old context */
/* Prompt text: "0: kd> ". */
void xkd_session_prompt(struct xkd_session *s, struct xkd_buf *out);

/* Runs one typed line (commands split at ';' outside quotes and braces). Errors are printed to out
 * as rows; the return code is that of the last command that failed, or OK. A failure does not stop
 * the rest of the line; q, a lost target and Ctrl-C do. */
enum xkd_rc xkd_session_line(struct xkd_session *s, const char *line);
/* A script file, line by line ($$>< semantics of one line at a time); the error names file:line. */
enum xkd_rc xkd_session_script(struct xkd_session *s, const char *path, struct xkd_err *err) XKD_MUST;
/* "No such symbol: ..." and, for SYNTAX, a caret row under the place. */
void xkd_session_error(struct xkd_session *s, const char *line, const struct xkd_err *err);
/* The stop banner: reason, task line, symbol and instruction. */
void xkd_session_show_stop(struct xkd_session *s, const struct xkd_stop *stop);
#endif
