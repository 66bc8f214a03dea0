/* The console's parts: what main.c puts together. */
#ifndef XKD_UI_CONSOLE_H
#define XKD_UI_CONSOLE_H
#include "base/child.h"
#include "xkd/xkd.h"
#include <stdio.h>

/* --- sink_text.c: rows as text, coloured when wanted --- */
struct xkd_progress_bar {
	FILE *f;	/* NULL: never shown (not a terminal) */
	uint64_t since; /* ms, when the work began; 0: none under way */
	uint64_t drawn; /* ms, last time it was drawn; 0: nothing is on the screen */
};
/* --- pager.c: what a command says, held back until it is known to be longer than the screen --- */
struct xkd_pager {
	FILE *f;	    /* the terminal */
	const char *program; /* NULL: none, nothing is ever held */
	struct xkd_progress_bar *bar;
	FILE *bar_file;
	struct xkd_cancel *cancel;
	struct xkd_child child;
	struct xkd_buf held;
	uint64_t since; /* ms, of the first row held */
	unsigned rows;	/* said so far, as lines of the screen */
	bool on;	/* a command that may be paged is under way */
	bool gone;	/* the user left the pager: the rest is dropped */
};
void xkd_pager_init(struct xkd_pager *p, FILE *f, struct xkd_progress_bar *bar,
		    struct xkd_cancel *cancel);
void xkd_pager_fini(struct xkd_pager *p);
void xkd_pager_switch(void *pager, bool on); /* for xkd_session_set_page */
/* text ends with a newline; width: characters of it that are seen. */
void xkd_pager_row(struct xkd_pager *p, const char *text, size_t len, size_t width);
void xkd_pager_breathe(void *pager); /* shows what was held too long */

struct xkd_textsink {
	struct xkd_sink sink; /* first */
	FILE *f;
	bool colour;
	struct xkd_pager *pager; /* NULL: none */
	struct xkd_progress_bar *bar; /* taken off the screen before a row; may be NULL */
	struct xkd_cancel *cancel;    /* told to quit when nobody reads any more */
	int error;		      /* errno of the first write that failed */
};
void xkd_textsink_init(struct xkd_textsink *t, FILE *f, struct xkd_progress_bar *bar,
		       struct xkd_cancel *cancel);
void xkd_bar_init(struct xkd_progress_bar *b, FILE *f);
void xkd_bar_show(struct xkd_progress_bar *b, const char *what, uint64_t done, uint64_t total);
void xkd_bar_clear(struct xkd_progress_bar *b);

/* --- signal.c --- */
/* SIGINT counts and wakes, SIGTERM and SIGHUP ask to quit, SIGPIPE is ignored. One session only. */
enum xkd_rc xkd_signals_init(struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;
void xkd_signals_drain(const struct xkd_cancel *cancel); /* old wake-ups */
bool xkd_signals_continued(void);			 /* SIGCONT came since the last call */

/* --- symbolize.c: "xkd symbolize ..."; argv[0] is that word; the exit code --- */
int xkd_symbolize_main(int argc, char **argv, const struct xkd_backend_ops *file_ops);

/* --- the two ways to be given lines; both return when the input ends or the session is over --- */
/* IO, BADDATA: the input could not be read to its end. */
enum xkd_rc xkd_plain_run(struct xkd_session *s, int fd, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_console_run(struct xkd_session *s, struct xkd_err *err) XKD_MUST;
#endif
