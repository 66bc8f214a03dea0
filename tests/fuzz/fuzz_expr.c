/* Any text as an expression of both syntaxes and as a type name: the parsers alone, then evaluation
 * without a target. Input: one byte of flags (radix), then text. */
#include "engine/lang/expr_int.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_letter(void *arg, const char *name)
{
	(void)arg;
	return name[0] == 'v';
}

static void parse(const char *text, enum xkd_syntax syntax, unsigned radix)
{
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_parser p = { .text = text,
				.syntax = syntax,
				.radix = radix,
				.arena = &arena,
				.err = &err,
				.is_var = has_letter };
	struct xkd_node *n;
	const char *end;

	xkd_arena_init(&arena);
	if (!xkd_expr_parse(&p, &n, &end)) {
		if (end < text || end > text + strlen(text) || n->depth > XKD_EXPR_DEPTH)
			abort();
	} else if (err.code != XKD_SYNTAX || err.pos < 0 || (size_t)err.pos > strlen(text)) {
		abort();
	}
	xkd_arena_fini(&arena);
}

static void eval(const char *text, enum xkd_syntax syntax, unsigned radix)
{
	struct xkd_ctx ctx = { .cpu = -1 };
	uint64_t t[20] = { 0 }, num;
	struct xkd_env env = { .radix = radix, .t = t };
	struct xkd_arena arena;
	struct xkd_err err = XKD_ERR_INIT;

	xkd_arena_init(&arena);
	if (xkd_eval_u64(&ctx, &env, syntax, text, NULL, &arena, &num, &err) &&
	    (!err.msg[0] || err.pos > (int)strlen(text)))
		abort();
	xkd_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned radixes[] = { 16, 10, 8, 16 };
	struct xkd_typename tn;
	struct xkd_err err = XKD_ERR_INIT;
	unsigned radix;
	char *text;
	int end;

	if (size < 1 || size > 65536)
		return 0;
	radix = radixes[data[0] & 3];
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	for (int syntax = XKD_MASM; syntax <= XKD_CXX; syntax++) {
		parse(text, (enum xkd_syntax)syntax, radix);
		eval(text, (enum xkd_syntax)syntax, radix);
	}
	if (!xkd_typename_parse(text, 0, &end, &tn, &err) &&
	    (end < 0 || (size_t)end > strlen(text)))
		abort();
	free(text);
	return 0;
}
