/* Splits typed text into commands and their parts. Reads a NUL-terminated string, never writes.
 * Quotes: "..." with \ escapes; '...' only when it closes on the same line (an apostrophe in a
 * comment or a message is no quote). Braces nest; separators inside them do not count. */
#include "engine/cmd/line.h"
#include <ctype.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Behind a double-quoted string that begins at p, or at the end of its line when it does not end.
 */
static const char *skip_double(const char *p)
{
	for (p++; *p && *p != '\n' && *p != '"'; p++)
		if (*p == '\\' && p[1] && p[1] != '\n')
			p++;
	return *p == '"' ? p + 1 : p;
}

static const char *skip_single(const char *p)
{
	size_t n = strcspn(p + 1, "'\n");

	return p[1 + n] == '\'' ? p + n + 2 : p + 1;
}

/* Comments: '*' opens one to the end of the line, '$$' to the next separator ("$$<", "$$>" are
 * commands). Returns where it ends, p itself when there is none. */
static const char *skip_comment(const char *p)
{
	if (*p == '*')
		return p + strcspn(p, "\n");
	if (p[0] == '$' && p[1] == '$' && p[2] != '<' && p[2] != '>')
		return p + strcspn(p, ";\n");
	return p;
}

/* The end of the command at p; counts the newlines inside it. */
static const char *command_end(const char *p, unsigned *newlines)
{
	unsigned braces = 0;

	while (*p) {
		if (*p == '"') {
			p = skip_double(p);
			continue;
		}
		if (*p == '\'') {
			p = skip_single(p);
			continue;
		}
		if (*p == '{')
			braces++;
		else if (*p == '}' && braces)
			braces--;
		else if (!braces && (*p == ';' || *p == '\n'))
			break;
		*newlines += *p == '\n';
		p++;
	}
	return p;
}

bool xkd_line_next(const char **cursor, unsigned *lineno, struct xkd_piece *piece)
{
	const char *p = *cursor;

	for (;;) {
		const char *end;
		unsigned inside = 0;

		while (is_blank(*p) || *p == ';' || *p == '\n')
			*lineno += *p++ == '\n';
		if (!*p)
			break;
		end = skip_comment(p);
		if (end != p) {
			p = end;
			continue;
		}
		end = command_end(p, &inside);
		*piece = (struct xkd_piece){ p, (size_t)(end - p), *lineno };
		while (piece->len && is_blank(p[piece->len - 1]))
			piece->len--;
		*lineno += inside;
		*cursor = end;
		return true;
	}
	*cursor = p;
	return false;
}

static const char *skip_blanks(const char *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

/* Decimal, as CPUs and breakpoint ids are. At most seven digits: no overflow. */
static bool number(const char **p, unsigned *val)
{
	const char *q = *p;

	*val = 0;
	while (isdigit((unsigned char)*q) && q - *p < 8)
		*val = *val * 10 + (unsigned)(*q++ - '0');
	if (q == *p || q - *p == 8)
		return false;
	*p = q;
	return true;
}

enum xkd_rc xkd_line_prefix(const char *text, struct xkd_prefix *pre, struct xkd_err *err)
{
	const char *p = text;

	*pre = (struct xkd_prefix){ XKD_PREFIX_NONE, 0, text };
	if (isdigit((unsigned char)*p)) {
		if (!number(&p, &pre->cpu) || !isalpha((unsigned char)*p))
			return XKD_OK; /* no prefix; somebody else complains of the word */
		pre->kind = XKD_PREFIX_CPU;
		pre->rest = p;
		return XKD_OK;
	}
	if (*p != '~')
		return XKD_OK;
	p = skip_blanks(p + 1);
	if (*p == '*') {
		pre->kind = XKD_PREFIX_ALL;
		p++;
	} else if (*p == '.') {
		p++;
	} else if (isdigit((unsigned char)*p)) {
		if (!number(&p, &pre->cpu))
			return xkd_err_syntax(err, (int)(p - text), "CPU number too large");
		pre->kind = XKD_PREFIX_CPU;
	} else if (*p) {
		return xkd_err_syntax(err, (int)(p - text),
				      "a CPU number, '*' or '.' comes after '~'");
	}
	pre->rest = skip_blanks(p);
	return XKD_OK;
}

/* Does a name of length len end at a word's end, digits aside? *digits: how many follow it. */
static bool ends_word(const char *text, size_t len, size_t *digits)
{
	*digits = 0;
	if (!is_word(text[len - 1]))
		return true;
	while (isdigit((unsigned char)text[len + *digits]))
		(*digits)++;
	return !is_word(text[len + *digits]);
}

size_t xkd_line_name(const char *text,
		     struct xkd_name_known (*known)(void *arg, const char *name, size_t len),
		     void *arg, int *glued, const char **args)
{
	size_t max = strcspn(text, " \t\r\n"), digits;

	for (size_t len = max < XKD_NAME_MAX ? max : XKD_NAME_MAX; len; len--) {
		struct xkd_name_known k;
		const char *p = text + len;
		unsigned num;

		if (!ends_word(text, len, &digits))
			continue;
		k = known(arg, text, len);
		if (!k.found || (digits && !k.glued_ok))
			continue;
		*glued = -1;
		if (digits && !number(&p, &num))
			continue;
		if (digits)
			*glued = (int)num;
		*args = p;
		return len;
	}
	return 0;
}

size_t xkd_line_word(const char *text)
{
	size_t n = 0;

	if (text[0] == '$')
		return strcspn(text, " \t");
	while (text[n] == '.' || text[n] == '!' || text[n] == '?' || text[n] == '|')
		n++;
	while (is_word(text[n]))
		n++;
	return n || !text[0] ? n : 1; /* not beyond the end */
}
