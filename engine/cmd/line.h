/* How typed text falls apart: commands, comments, CPU prefixes, names. Knows no command itself. */
#ifndef XKD_ENGINE_LINE_H
#define XKD_ENGINE_LINE_H
#include "base/err.h"

/* One command of a text, blanks trimmed. */
struct xkd_piece {
	const char *p;
	size_t len;
	unsigned line; /* lines before it: 0 for the first */
};
/* Next command from *cursor, which moves on; *lineno counts newlines (start with 0). Separators are
 * ';' and newline outside quotes and braces. Comments ('*' to the end of the line, '$$' to the next
 * separator) and empty commands are skipped. False at the end. */
bool xkd_line_next(const char **cursor, unsigned *lineno, struct xkd_piece *piece);

enum xkd_prefix_kind { XKD_PREFIX_NONE, XKD_PREFIX_CPU, XKD_PREFIX_ALL };
struct xkd_prefix {
	enum xkd_prefix_kind kind;
	unsigned cpu;
	const char *rest; /* the command behind it, blanks skipped */
};
/* "~1k", "~*k", "~ 1 k", "~.k" (NONE), "1k" (a number glued to a letter). SYNTAX for "~x". */
enum xkd_rc xkd_line_prefix(const char *text, struct xkd_prefix *pre, struct xkd_err *err) XKD_MUST;

/* Finds the command name text begins with: the longest spelling that known() knows and that ends at
 * a word's end. "bp3" is bp with the number 3 (glued) when known("bp") says digits may follow.
 * Returns the name's length, 0 if there is none. *args is what comes behind name and number. */
struct xkd_name_known {
	bool found, glued_ok;
};
#define XKD_NAME_MAX 24
size_t xkd_line_name(const char *text,
		     struct xkd_name_known (*known)(void *arg, const char *name, size_t len),
		     void *arg, int *glued, const char **args);
/* Length of the word a user would call the command's name, for "no such command". */
size_t xkd_line_word(const char *text);
#endif
