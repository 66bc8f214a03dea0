/* A session: one user, one target, one thread. Owns everything that outlives a command.
 * What a UI may call is in xkd/xkd.h; here is what commands see. */
#ifndef XKD_ENGINE_SESSION_H
#define XKD_ENGINE_SESSION_H
#include "engine/core/ctx.h"
#include "engine/lang/expr.h"
#include "engine/lang/unwind.h"
#include "engine/run/run.h"
#include "xkd/xkd.h"

/* Source paths that begin with from lie at to. */
struct xkd_srcmap {
	char *from, *to;
};
struct xkd_session {
	struct xkd_target *t; /* NULL: none */
	/* of the last attach, for the next one (reconnect.c) */
	const struct xkd_backend_ops *const *backends;
	char *uri;
	enum xkd_found found; /* how the last target was found */
	unsigned attaches; /* a context of another attach is no context */
	struct xkd_out out;   /* what commands print */
	struct xkd_log log;
	/* .packets and !sym: channels shown among the output, and what the log's sink was before */
	unsigned log_shown;
	void (*log_sink)(void *arg, enum xkd_log_chan chan, const char *line);
	void (*log_progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *log_arg;
	struct xkd_cancel cancel;
	struct xkd_sympath sympath; /* before a target exists; copied into it */
	struct xkd_arena cmd_arena; /* emptied after each typed line */
	struct xkd_bkpts bkpts;
	struct xkd_run run; /* as last filled by xkd_session_runner */
	struct xkd_env env;
	uint64_t tregs[20];
	const struct xkd_backend_ops *recorder; /* with record; NULL: none */
	const char *record;
	bool leave_halted;
	bool read_only;
	bool batch;
	bool echo;
	bool quit;	     /* q was given */
	int failed;	     /* commands that failed so far */
	int depth;	     /* nesting of scripts and command strings */
	bool lost;	     /* the target went away by itself */
	bool stranded;	     /* ... and may stand where it was, or have breakpoints of ours in it */
	bool no_lines;	     /* .lines -d: no source lines in stacks and code */
	uint64_t born_ms;    /* monotonic */
	const char *script;  /* file that is being run, for errors; NULL: none */
	unsigned script_line;
	struct xkd_buf hinted; /* foreign words whose hint was shown, each "|word|" */
	struct xkd_logfile *logfile; /* NULL: none */
	void (*page)(void *arg, bool on); /* around a typed command; NULL: output is never paged */
	void *page_arg;
	bool paged, no_pager, no_shell;
	bool vmkill_asked; /* the command before was .vmkill */
	void (*clear)(void *arg);
	void *clear_arg;

	/* the current context: CPU chosen by ~Ns, frame by .frame; rebuilt after a stop */
	int cpu;	     /* index */
	bool on_cpu;	     /* ~N stands before the command that runs */
	uint64_t task;	     /* task_struct that .task chose; 0: what the CPU runs */
	bool ctx_valid;
	struct xkd_ctx base; /* of frame 0 */
	struct xkd_ctx ctx;  /* of the chosen frame */
	unsigned frame;

	/* a breakpoint's command string is running: a resuming command ends it, and the loop that runs
	 * it resumes (run from inside it would nest a level a hit) */
	bool step_lines; /* l+t */
	bool step_others, step_irqs; /* .step */
	char *onbreak;		     /* what runs after Ctrl-C; NULL: nothing */
	bool in_onbreak;
	uint64_t onbreak_ms; /* monotonic: when it last ran */
	bool in_bp_cmds, resume_wanted;

	/* sources: where to look, and where ls goes on */
	struct xkd_sympath srcpath;
	XKD_VEC(struct xkd_srcmap) srcmap;
	struct xkd_buf src_name, src_dir; /* as debug info has them; "" none yet */
	struct xkd_buildid src_id;	   /* of the code that it is of; n 0: not known */
	unsigned src_next, src_at;	  /* lines; at: the one that is marked, 0 none */

	/* where d, u, x continue */
	uint64_t next_d, next_u;
	char last_d[4]; /* format letter of the last d */
	char last_line[4096]; /* an empty line repeats it where that makes sense */
};
void xkd_session_init(struct xkd_session *s);
void xkd_session_fini(struct xkd_session *s);
/* Lets the target go or, lost, drops what is left of it, and attaches again (uri NULL: where it was).
 * Breakpoints, with their numbers and counts, come along. When that fails there is no target, s->lost is
 * set, and it can be tried again. */
enum xkd_rc xkd_session_reconnect(struct xkd_session *s, const char *uri, struct xkd_err *err) XKD_MUST;
/* Leaving a target that was lost: reaches it once more, if that can be, takes out what is ours and lets
 * it go as it was found. */
void xkd_session_put_in_order(struct xkd_session *s);
/* The target's end of a session: breakpoints out, closed, s->t NULL. The list of breakpoints stays. */
enum xkd_rc xkd_session_let_go(struct xkd_session *s, struct xkd_err *err) XKD_MUST;
/* The current context, made when there is none for this stop. */
enum xkd_rc xkd_session_ctx(struct xkd_session *s, const struct xkd_ctx **ctx,
			    struct xkd_err *err) XKD_MUST;
/* Another frame or CPU (index). */
enum xkd_rc xkd_session_set_cpu(struct xkd_session *s, int cpu, struct xkd_err *err) XKD_MUST;
/* A task that no CPU runs: kernel registers as it sleeps, its own user memory. Until the next resume
 * or choice of a CPU. */
enum xkd_rc xkd_session_set_task(struct xkd_session *s, uint64_t task, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_session_set_frame(struct xkd_session *s, unsigned no, struct xkd_err *err) XKD_MUST;
/* The index of the CPU that users call n: the kernel's number where it is known, else the index. */
enum xkd_rc xkd_session_cpu_index(struct xkd_session *s, uint64_t n, int *cpu,
				  struct xkd_err *err) XKD_MUST;
/* What engine/run works on, made of the session as it is now. */
struct xkd_run *xkd_session_runner(struct xkd_session *s);
void xkd_session_stopped(struct xkd_session *s, int cpu); /* after a stop: forget the old context */

/* Runs commands (';' or newline between them) inside a running command: breakpoint command strings,
 * script bodies. name: file for errors, NULL when typed. As xkd_session_line otherwise. */
#define XKD_DEPTH_MAX 24
enum xkd_rc xkd_session_run(struct xkd_session *s, const char *text, const char *name);
/* "error: no such symbol ..." and, for SYNTAX, the line with a caret under the place. */
void xkd_session_error(struct xkd_session *s, const char *line, const struct xkd_err *err);
/* The stop banner: reason, task line, symbol and instruction. */
void xkd_session_show_stop(struct xkd_session *s, const struct xkd_stop *stop);

/* Pseudo-registers by name without '$' (ip ra csp retreg ea frame cpu thread proc tid tpid bpN
 * ptrsize pagesize): xkd_env.pseudo, arg is the session. */
bool xkd_session_pseudo(void *arg, const struct xkd_ctx *ctx, const char *name, uint64_t *val);
#endif
