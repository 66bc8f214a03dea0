/* What an embedder or a UI calls: a session is opaque, takes lines and emits rows (base/out.h).
 * One session, one thread; only the cancel record may be touched from a signal handler. */
#ifndef XKD_XKD_H
#define XKD_XKD_H
#include "base/cancel.h"
#include "base/log.h"
#include "base/out.h"

const char *xkd_version(void); /* "0.1.0"; static */

struct xkd_session;
struct xkd_backend_ops;

struct xkd_session *xkd_session_new(void);
/* Detaches first when there still is a target. NULL is fine. */
void xkd_session_free(struct xkd_session *s);

/* Opens "gdb:..." through the backends given; prints the banner. TRANSPORT, TIMEOUT: not reached. */
enum xkd_rc xkd_session_attach(struct xkd_session *s, const struct xkd_backend_ops *const *backends,
			       const char *uri, struct xkd_err *err) XKD_MUST;
/* From the next attach on, all that is asked of a target goes through the recorder into this file.
 * path is borrowed; NULL: no more. */
void xkd_session_set_record(struct xkd_session *s, const struct xkd_backend_ops *recorder,
			    const char *path);
/* Breakpoints out, target left as found; always frees the target. OK when there is none; and
 * when it was lost before, which err then says. */
enum xkd_rc xkd_session_detach(struct xkd_session *s, struct xkd_err *err);

/* Runs one typed line (commands split at ';' outside quotes and braces). Errors are printed to out
 * as rows; the return code is that of the last command that failed, or OK. A failure does not stop
 * the rest of the line; q, a lost target and Ctrl-C do. */
enum xkd_rc xkd_session_line(struct xkd_session *s, const char *line);
/* A script file; commands may span lines inside braces. Errors of commands are printed with
 * file:line and the last one is returned with err cleared; err is set when the file cannot be read. */
enum xkd_rc xkd_session_script(struct xkd_session *s, const char *path, struct xkd_err *err) XKD_MUST;
/* Prompt text: "0: kd> ". Appends. */
void xkd_session_prompt(struct xkd_session *s, struct xkd_buf *out);

/* Sinks are borrowed; false when there are too many. */
bool xkd_session_add_sink(struct xkd_session *s, struct xkd_sink *sink);
void xkd_session_del_sink(struct xkd_session *s, struct xkd_sink *sink);
struct xkd_cancel *xkd_session_cancel(struct xkd_session *s); /* session lifetime */
struct xkd_log *xkd_session_log(struct xkd_session *s);	      /* session lifetime */
/* What .cls does; NULL: nothing. */
void xkd_session_set_clear(struct xkd_session *s, void (*clear)(void *arg), void *arg);

/* page(true) before a typed command whose output may be paged, page(false) when it is over or what it
 * says is to be seen at once. NULL: never. */
void xkd_session_set_page(struct xkd_session *s, void (*page)(void *arg, bool on), void *arg);

/* What a file named on the command line is. Any other: BADDATA with what it is instead. */
enum xkd_file_kind {
	XKD_FILE_IMAGE,	 /* an ELF file with sections: kernel, module, program; or a compressed one */
	XKD_FILE_DUMP,	 /* an ELF core or a kdump */
	XKD_FILE_SCRIPT, /* text */
};
enum xkd_rc xkd_file_kind(const char *path, enum xkd_file_kind *kind, struct xkd_err *err) XKD_MUST;

/* Turns the addresses of an oops or any log into names and source lines. */
struct xkd_symbolize {
	int fd;		/* the text; read to its end */
	bool has_slide; /* else as the text says, or 0 */
	uint64_t slide;
	/* One line of output at a time, without its newline; newline false: none stands there (the
	 * text's end, or a piece of a very long line). */
	void (*put)(void *arg, const char *line, size_t len, bool newline);
	void *arg;
};
/* The kernel is that of the session's target; without one, of the release the text names, from the
 * symbol path. CANCELED, IO; what cannot be named passes as it is. */
enum xkd_rc xkd_session_symbolize(struct xkd_session *s, const struct xkd_symbolize *y,
				  struct xkd_err *err) XKD_MUST;

enum xkd_flag {
	XKD_FLAG_LEAVE_HALTED, /* leaving does not resume the target */
	XKD_FLAG_READ_ONLY,    /* refuse commands that write or resume */
	XKD_FLAG_ECHO, /* commands of scripts and of the command line are shown before their output */
	XKD_FLAG_BATCH,	       /* nobody types: an empty line repeats nothing */
};
void xkd_session_set_flag(struct xkd_session *s, enum xkd_flag flag, bool on);
void xkd_session_add_sympath(struct xkd_session *s, const char *list); /* "a:b" or "a;b" */
/* Output (and the lines typed) also to a file. */
enum xkd_rc xkd_session_logopen(struct xkd_session *s, const char *path, bool append,
				struct xkd_err *err) XKD_MUST;
void xkd_session_logclose(struct xkd_session *s);

bool xkd_session_quit(const struct xkd_session *s);   /* q was given */
int xkd_session_failed(const struct xkd_session *s);  /* commands that failed so far */
bool xkd_session_lost(const struct xkd_session *s);   /* the target went away by itself */
bool xkd_session_attached(const struct xkd_session *s);

/* Candidates for the word before the cursor (bytes), sorted, at most XKD_COMPLETE_MAX. start: where
 * in the line that word begins. Strings are malloc'ed: free with xkd_complete_fini. */
#define XKD_COMPLETE_MAX 200
struct xkd_complete {
	char **v;
	size_t n;
	size_t start;
	bool more; /* there were more than fit */
	bool open; /* what follows stands close to the word: no blank behind it */
};
void xkd_session_complete(struct xkd_session *s, const char *line, size_t cursor,
			  struct xkd_complete *c);
void xkd_complete_fini(struct xkd_complete *c);
#endif
