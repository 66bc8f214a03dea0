/* The built-in C types of x86-64 Linux, and their many spellings.
 *
 * They live as long as the process; what is derived from them (pointers, arrays) is kept in one
 * arena of the same lifetime. That cache is the only thing here that changes, and it holds no state
 * of any session. */
#include "symbols/type_int.h"
#include <string.h>

struct basic {
	const char *name;
	enum xkd_tkind kind;
	uint8_t size;
	bool is_signed, is_char;
};

static const struct basic basics[XKD_BI_N] = {
	[XKD_BI_VOID] = { "void", XKD_T_VOID, 0, false, false },
	[XKD_BI_BOOL] = { "bool", XKD_T_BOOL, 1, false, false },
	[XKD_BI_CHAR] = { "char", XKD_T_INT, 1, true, true },
	[XKD_BI_SCHAR] = { "signed char", XKD_T_INT, 1, true, true },
	[XKD_BI_UCHAR] = { "unsigned char", XKD_T_INT, 1, false, true },
	[XKD_BI_SHORT] = { "short", XKD_T_INT, 2, true, false },
	[XKD_BI_USHORT] = { "unsigned short", XKD_T_INT, 2, false, false },
	[XKD_BI_INT] = { "int", XKD_T_INT, 4, true, false },
	[XKD_BI_UINT] = { "unsigned int", XKD_T_INT, 4, false, false },
	[XKD_BI_LONG] = { "long", XKD_T_INT, 8, true, false },
	[XKD_BI_ULONG] = { "unsigned long", XKD_T_INT, 8, false, false },
	[XKD_BI_LLONG] = { "long long", XKD_T_INT, 8, true, false },
	[XKD_BI_ULLONG] = { "unsigned long long", XKD_T_INT, 8, false, false },
};

static const struct {
	const char *name;
	enum xkd_builtin b;
} aliases[] = {
	{ "u8", XKD_BI_UCHAR },	       { "u16", XKD_BI_USHORT },    { "u32", XKD_BI_UINT },
	{ "u64", XKD_BI_ULLONG },      { "s8", XKD_BI_SCHAR },	    { "s16", XKD_BI_SHORT },
	{ "s32", XKD_BI_INT },	       { "s64", XKD_BI_LLONG },	    { "uint8_t", XKD_BI_UCHAR },
	{ "uint16_t", XKD_BI_USHORT }, { "uint32_t", XKD_BI_UINT }, { "uint64_t", XKD_BI_ULLONG },
	{ "int8_t", XKD_BI_SCHAR },    { "int16_t", XKD_BI_SHORT }, { "int32_t", XKD_BI_INT },
	{ "int64_t", XKD_BI_LLONG },   { "size_t", XKD_BI_ULONG },  { "ssize_t", XKD_BI_LONG },
	{ "uintptr_t", XKD_BI_ULONG }, { "intptr_t", XKD_BI_LONG }, { "uchar", XKD_BI_UCHAR },
	{ "ushort", XKD_BI_USHORT },   { "uint", XKD_BI_UINT },	    { "ulong", XKD_BI_ULONG },
};

static enum xkd_rc builtin_find(struct xkd_types *p XKD_UNUSED, enum xkd_tag tag, const char *name,
				const struct xkd_type **t, struct xkd_err *err)
{
	*t = tag == XKD_TAG_ANY || tag == XKD_TAG_BASE ? xkd_type_builtin_named(name) : NULL;
	return *t ? XKD_OK : xkd_err_set(err, XKD_NOTFOUND, "no built-in type %s", name);
}

static enum xkd_rc builtin_each(struct xkd_types *p XKD_UNUSED,
				bool (*fn)(void *arg, const struct xkd_type *t), void *arg,
				struct xkd_err *err XKD_UNUSED)
{
	for (int b = 0; b < XKD_BI_N; b++)
		if (!fn(arg, xkd_type_builtin((enum xkd_builtin)b)))
			break;
	return XKD_OK;
}

const struct xkd_type *xkd_type_builtin(enum xkd_builtin b)
{
	static struct xkd_arena arena;
	static struct xkd_types types = {
		.origin = "built-in", .find = builtin_find, .each = builtin_each, .arena = &arena
	};
	static const struct xkd_type *table[XKD_BI_N];

	if (!table[0]) {
		xkd_arena_init(&arena);
		xkd_map_init_u64(&types.made);
		for (unsigned i = 0; i < XKD_BI_N; i++) {
			struct xkd_type *t = xkd_type_new(&types, i, basics[i].kind);

			t->name = basics[i].name;
			t->size = basics[i].size;
			t->is_signed = basics[i].is_signed;
			t->is_char = basics[i].is_char;
			table[i] = t;
		}
	}
	return table[(unsigned)b < XKD_BI_N ? b : XKD_BI_VOID];
}

enum word { W_LONG, W_SHORT, W_INT, W_CHAR, W_SIGNED, W_UNSIGNED, W_BOOL, W_VOID, W_N };

static int word_of(const char *s, size_t n)
{
	static const struct {
		const char *s;
		enum word w;
	} words[] = {
		{ "long", W_LONG },	    { "short", W_SHORT },   { "int", W_INT },
		{ "char", W_CHAR },	    { "signed", W_SIGNED }, { "__signed__", W_SIGNED },
		{ "unsigned", W_UNSIGNED }, { "bool", W_BOOL },	    { "_Bool", W_BOOL },
		{ "void", W_VOID },
	};

	for (size_t i = 0; i < XKD_COUNT(words); i++)
		if (strlen(words[i].s) == n && !memcmp(words[i].s, s, n))
			return words[i].w;
	return -1;
}

/* The type that a multiset of C's words names, or -1. */
static int from_words(const unsigned c[W_N])
{
	unsigned sign = c[W_SIGNED] + c[W_UNSIGNED], u = c[W_UNSIGNED];
	unsigned others = c[W_LONG] + c[W_SHORT] + c[W_INT] + c[W_CHAR];

	if (sign > 1 || c[W_INT] > 1 || c[W_BOOL] + c[W_VOID] > 1)
		return -1;
	if (c[W_BOOL] || c[W_VOID]) {
		if (sign || others)
			return -1;
		return c[W_BOOL] ? XKD_BI_BOOL : XKD_BI_VOID;
	}
	if (c[W_CHAR]) {
		if (others > 1)
			return -1;
		return u ? XKD_BI_UCHAR : c[W_SIGNED] ? XKD_BI_SCHAR : XKD_BI_CHAR;
	}
	if (c[W_SHORT])
		return c[W_SHORT] > 1 || c[W_LONG] ? -1 : u ? XKD_BI_USHORT : XKD_BI_SHORT;
	switch (c[W_LONG]) {
	case 0:
		return !others && !sign ? -1 : u ? XKD_BI_UINT : XKD_BI_INT;
	case 1:
		return u ? XKD_BI_ULONG : XKD_BI_LONG;
	case 2:
		return u ? XKD_BI_ULLONG : XKD_BI_LLONG;
	default:
		return -1;
	}
}

const struct xkd_type *xkd_type_builtin_named(const char *name)
{
	unsigned count[W_N] = { 0 };
	const char *s = name + strspn(name, " \t");
	const char *alias = !strncmp(s, "__", 2) ? s + 2 : s;
	bool any = false;

	for (size_t i = 0; i < XKD_COUNT(aliases); i++) {
		size_t n = strlen(aliases[i].name);

		if (!strncmp(alias, aliases[i].name, n) && !alias[n + strspn(alias + n, " \t")])
			return xkd_type_builtin(aliases[i].b);
	}
	while (*s) {
		size_t n = strcspn(s, " \t");
		int w = word_of(s, n);

		if (w < 0)
			return NULL;
		count[w]++;
		any = true;
		s += n;
		s += strspn(s, " \t");
	}
	int b = any ? from_words(count) : -1;

	return b < 0 ? NULL : xkd_type_builtin((enum xkd_builtin)b);
}
