/* Commands are rows of one table; a fact about a command is written once, here and nowhere else.
 * Each family of commands is one file c_*.c that exports its rows. */
#ifndef XKD_ENGINE_CMD_H
#define XKD_ENGINE_CMD_H
#include "engine/cmd/session.h"

enum xkd_effect {
	XKD_FX_NONE = 0,
	XKD_FX_TARGET = 1,  /* needs a target */
	XKD_FX_STOPPED = 2, /* ... that is stopped */
	XKD_FX_WRITE = 4,   /* writes target memory or registers */
	XKD_FX_RESUME = 8,  /* lets it run */
	XKD_FX_MACHINE = 32, /* needs CPUs with registers and a stack: not for files alone */
	XKD_FX_LIVE = 64,    /* time passes in it: what was said is to be seen before */
	XKD_FX_LETTERS = 128, /* what its spellings add to the first one may go together: kn kf, knf */
	XKD_FX_GLUED = 16,  /* a number may be glued to the name: bp3, k5 (args.prefix) */
};

/* The rest of a command's text, with a cursor. */
struct xkd_args {
	const char *line; /* the whole command, for carets */
	const char *p;	  /* next byte to be read */
	const char *name; /* the row's name as typed ("kn", "dq") */
	int prefix;	  /* a number glued to the name (bp3), -1 none. With ~N before the command
			     that CPU is the current one while it runs. */
};
struct xkd_cmd {
	const char *name;    /* several spellings: "k kn kb kp kP kv kf kc" share a row */
	const char *args;    /* usage: "[addr] [passes] [\"commands\"]" */
	unsigned effect;
	const char *help;    /* one line */
	enum xkd_rc (*fn)(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err);
	const char *more;    /* long help; NULL: none */
	const char *foreign; /* words of gdb and crash that mean this: "bt where" */
};
struct xkd_cmd_family {
	const char *title;
	const struct xkd_cmd *rows;
	size_t n;
};
/* All families, for dispatch, help and completion. */
extern const struct xkd_cmd_family *const xkd_cmd_families[];
extern const size_t xkd_cmd_nfamilies;
const struct xkd_cmd *xkd_cmd_find(const char *name, size_t len);
/* Runs one command (no ';' separation any more); err says why it failed. */
enum xkd_rc xkd_cmd_run(struct xkd_session *s, const char *text, struct xkd_err *err) XKD_MUST;
/* Calls fn with every spelling of every row until it returns false. */
void xkd_cmd_each(bool (*fn)(void *arg, const struct xkd_cmd *cmd, const char *name, size_t len),
		  void *arg);

/* --- argument helpers (args.c) --- */
bool xkd_arg_end(struct xkd_args *a); /* nothing left but blanks */
/* The next blank-separated word into buf; false if none or too long. */
bool xkd_arg_word(struct xkd_args *a, char *buf, size_t max);
/* The same where parentheses and brackets keep blanks together: "((struct x *)1)->y". */
bool xkd_arg_cxx(struct xkd_args *a, char *buf, size_t max);
/* "/x" or "-x" switch: returns its letter(s) in buf and moves on; false if none is next. */
bool xkd_arg_switch(struct xkd_args *a, char lead, char *buf, size_t max);
/* A quoted string (\" and \\ inside) into the command arena; NULL if none is next. */
const char *xkd_arg_string(struct xkd_session *s, struct xkd_args *a);
/* The rest, blanks trimmed, in the command arena. */
const char *xkd_arg_rest(struct xkd_session *s, struct xkd_args *a);
/* A MASM expression up to a blank outside parentheses. SYNTAX with position in a->line. */
enum xkd_rc xkd_arg_expr(struct xkd_session *s, struct xkd_args *a, uint64_t *val,
			 struct xkd_err *err) XKD_MUST;
/* "addr", "addr L n", "addr L?n", "addr end": [*start, *start + *len). unit: bytes a count counts.
 * *has_len false when only addr was given. */
enum xkd_rc xkd_arg_range(struct xkd_session *s, struct xkd_args *a, unsigned unit, uint64_t *start,
			  uint64_t *len, bool *has_len, struct xkd_err *err) XKD_MUST;
/* SYNTAX "extra characters" when something is left. */
enum xkd_rc xkd_arg_done(struct xkd_args *a, struct xkd_err *err) XKD_MUST;

/* The families. */
extern const struct xkd_cmd_family xkd_family_memory, xkd_family_symbols, xkd_family_types,
	xkd_family_stack, xkd_family_run, xkd_family_step, xkd_family_event, xkd_family_bkpt, xkd_family_code, xkd_family_regs,
	xkd_family_eval, xkd_family_paging, xkd_family_files, xkd_family_meta,
	xkd_family_source, xkd_family_symbolize, xkd_family_index;
extern const struct xkd_cmd_family xkd_family_trace, xkd_family_task, xkd_family_log, xkd_family_shell;
extern const struct xkd_cmd_family xkd_family_walk, xkd_family_stacks, xkd_family_points, xkd_family_lasting;
extern const struct xkd_cmd_family xkd_family_foreach;
#endif
