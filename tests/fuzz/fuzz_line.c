/* Any text as a typed line: its commands, their CPU prefixes and names. Input: text. */
#include "engine/cmd/line.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xkd_name_known known(void *arg, const char *name, size_t len)
{
	(void)arg;
	if (!len || len > XKD_NAME_MAX)
		abort();
	return (struct xkd_name_known){ .found = name[0] < 'x', .glued_ok = name[0] == 'b' };
}

static void command(const struct xkd_piece *piece)
{
	struct xkd_err err = XKD_ERR_INIT;
	char *text = strndup(piece->p, piece->len);
	struct xkd_prefix pre;
	const char *args;
	size_t len, n;
	int glued;

	if (!text)
		return;
	len = strlen(text);
	if (!xkd_line_prefix(text, &pre, &err)) {
		if (pre.rest < text || pre.rest > text + len)
			abort();
		n = xkd_line_name(pre.rest, known, NULL, &glued, &args);
		if (n > strlen(pre.rest) || (n && (args < pre.rest || args > text + len)))
			abort();
		if (xkd_line_word(pre.rest) > strlen(pre.rest))
			abort();
	} else if (!err.msg[0]) {
		abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *cursor, *before;
	struct xkd_piece piece;
	unsigned line = 0;
	char *text;

	if (size > 65536)
		return 0;
	text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = 0;
	cursor = before = text;
	while (xkd_line_next(&cursor, &line, &piece)) {
		if (cursor <= before || piece.p < before || !piece.len ||
		    piece.p + piece.len > text + strlen(text))
			abort();
		before = cursor;
		command(&piece);
	}
	free(text);
	return 0;
}
