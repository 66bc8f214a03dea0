/* Reads lines of oopses and other logs: symbol+offset/size [module], [<address>], bare addresses,
 * the kernel's offset and release. Invariants: pure; nothing is read beyond len; a line is looked at
 * once from left to right. */
#include "engine/cmd/symtext.h"
#include "base/str.h"
#include <ctype.h>
#include <string.h>

#define ADDR_DIGITS 16

struct scan {
	const char *s;
	size_t n;
};

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

static char at(const struct scan *t, size_t i)
{
	return i < t->n ? t->s[i] : 0;
}

static bool has(const struct scan *t, size_t i, const char *word)
{
	size_t n = strlen(word);

	return i <= t->n && t->n - i >= n && !memcmp(t->s + i, word, n);
}

static const char *find(const struct scan *t, const char *word)
{
	return t->n ? memmem(t->s, t->n, word, strlen(word)) : NULL;
}

/* Hex digits from i on; how many, at most 16 (0: none or too many). */
static size_t hex(const struct scan *t, size_t i, uint64_t *v)
{
	size_t n = 0;

	*v = 0;
	for (; xkd_hex_digit((unsigned char)at(t, i + n)) >= 0; n++) {
		if (n == ADDR_DIGITS)
			return 0;
		*v = *v << 4 | (unsigned)xkd_hex_digit((unsigned char)t->s[i + n]);
	}
	return n;
}

/* " [kvm_amd]", " [kvm_amd 0123abcd...]", perhaps with taint letters "(OE)". */
static size_t take_module(const struct scan *t, size_t i, struct xkd_textsite *y)
{
	size_t p = i + 2, start = p, id;

	if (!has(t, i, " ["))
		return i;
	while (is_name(at(t, p)) || at(t, p) == '-')
		p++;
	y->mod = start;
	y->mod_len = p - start;
	if (at(t, p) == '(')
		while (p < t->n && t->s[p] != ']' && t->s[p] != ' ')
			p++;
	if (at(t, p) == ' ') {
		for (id = p + 1; xkd_hex_digit((unsigned char)at(t, id)) >= 0 &&
				 xkd_hex_digit((unsigned char)at(t, id + 1)) >= 0 &&
				 y->id.n < sizeof(y->id.b);
		     id += 2)
			y->id.b[y->id.n++] =
				(uint8_t)(xkd_hex_digit((unsigned char)t->s[id]) << 4 |
					  xkd_hex_digit((unsigned char)t->s[id + 1]));
		p = id;
	}
	if (at(t, p) == ']' && y->mod_len)
		return p + 1;
	y->mod_len = y->id.n = 0;
	return i;
}

/* name+0x12/0x34 [mod] at i; 0: not this. */
static size_t take_symbol(const struct scan *t, size_t i, struct xkd_textsite *y)
{
	size_t p = i, k;

	if (!is_name(at(t, p)) || isdigit((unsigned char)t->s[p]) || (i && is_name(t->s[i - 1])))
		return 0;
	while (is_name(at(t, p)))
		p++;
	y->name = i;
	y->name_len = p - i;
	if (!has(t, p, "+0x"))
		return 0;
	p += 3;
	k = hex(t, p, &y->off);
	p += k;
	if (!k || !has(t, p, "/0x"))
		return 0;
	p += 3;
	k = hex(t, p, &y->size);
	p += k;
	if (!k || is_name(at(t, p)))
		return 0;
	y->end = take_module(t, p, y);
	return y->end;
}

/* A register's value: "RAX: ffff...", "R13: ", "CR2: ". */
static bool behind_register(const struct scan *t, size_t i)
{
	size_t n = 0;

	if (i < 4 || t->s[i - 1] != ' ' || t->s[i - 2] != ':')
		return false;
	for (i -= 2; i && (isupper((unsigned char)t->s[i - 1]) ||
			   isdigit((unsigned char)t->s[i - 1]));
	     i--)
		n++;
	return n >= 2;
}

/* An address of the upper half: 16 digits, 0x before them or none. */
static size_t take_address(const struct scan *t, size_t i, struct xkd_textsite *y)
{
	size_t p = i + (has(t, i, "0x") ? 2 : 0), k;

	if ((i && is_name(t->s[i - 1])) || behind_register(t, i))
		return 0;
	k = hex(t, p, &y->addr);
	if (k != ADDR_DIGITS || !(y->addr >> 63) || is_name(at(t, p + k)))
		return 0;
	y->has_addr = true;
	return p + k;
}

/* "[<ffffffff81001234>] ? name+0x1/0x2": one site. */
static size_t take_bracketed(const struct scan *t, size_t i, struct xkd_textsite *y)
{
	struct xkd_textsite sym = *y;
	size_t p = i + 2, q, k;

	if (!has(t, i, "[<"))
		return 0;
	k = hex(t, p, &y->addr);
	p += k;
	if (!k || !has(t, p, ">]"))
		return 0;
	y->has_addr = true;
	p += 2;
	q = p + (at(t, p) == ' ');
	if (has(t, q, "? "))
		q += 2;
	k = take_symbol(t, q, &sym);
	if (!k)
		return p;
	sym.has_addr = true;
	sym.addr = y->addr;
	*y = sym;
	return k;
}

/* RIP is the instruction itself; so is the place of a WARNING. All else are return addresses. */
static size_t exact_from(const struct scan *t)
{
	static const char *const words[] = { "IP: ", "IP is at ", "WARNING: " };
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < XKD_COUNT(words); i++) {
		const char *p = find(t, words[i]);

		if (p && (size_t)(p - t->s) < best)
			best = (size_t)(p - t->s);
	}
	return best;
}

size_t xkd_text_sites(const char *line, size_t len, struct xkd_textsite *sites)
{
	struct scan t = { line, len };
	size_t n = 0, exact = exact_from(&t);

	for (size_t i = 0; i < len && n < XKD_TEXTSITES;) {
		struct xkd_textsite y = { .start = i, .exact = exact < i };
		size_t end = take_bracketed(&t, i, &y);

		if (!end)
			end = take_symbol(&t, i, &y);
		if (!end) {
			y = (struct xkd_textsite){ .start = i, .exact = exact < i };
			end = take_address(&t, i, &y);
		}
		if (end) {
			y.end = end;
			sites[n++] = y;
			i = end;
			continue;
		}
		/* no name begins within a name */
		if (is_name(line[i]))
			while (i < len && is_name(line[i]))
				i++;
		else
			i++;
	}
	return n;
}

static void take_release(const struct scan *t, const char *p, struct xkd_textfacts *f)
{
	size_t n = 0, max = t->n - (size_t)(p - t->s);

	while (n < max && (is_name(p[n]) || strchr("-+~", p[n])) && p[n])
		n++;
	if (!n || n >= sizeof(f->release) || !isdigit((unsigned char)*p) || !memchr(p, '.', n))
		return;
	memcpy(f->release, p, n);
	f->release[n] = 0;
}

/* "Comm: sh Tainted: G  W  OE  6.1.0-56-cloud-amd64 #1": the word before " #". */
static void release_before_number(const struct scan *t, const char *from, struct xkd_textfacts *f)
{
	struct scan rest = { from, t->n - (size_t)(from - t->s) };
	const char *end = find(&rest, " #"), *p = end;

	while (p && p > from && p[-1] != ' ')
		p--;
	if (p)
		take_release(t, p, f);
}

void xkd_text_facts(const char *line, size_t len, struct xkd_textfacts *f)
{
	struct scan t = { line, len };
	const char *p;

	*f = (struct xkd_textfacts){ 0 };
	p = find(&t, "Kernel Offset: ");
	if (p) {
		size_t i = (size_t)(p - line) + 15;

		if (has(&t, i, "disabled"))
			f->has_slide = true;
		else if (has(&t, i, "0x") && hex(&t, i + 2, &f->slide))
			f->has_slide = true;
	}
	p = find(&t, "Linux version ");
	if (p) {
		take_release(&t, p + 14, f);
		f->boots = f->release[0] != 0;
		return;
	}
	p = find(&t, "ainted");
	if (p && find(&t, "PID: "))
		release_before_number(&t, p, f);
}

size_t xkd_text_indent(const char *line, size_t len)
{
	struct scan t = { line, len };
	const char *p = find(&t, "kernel: ");
	size_t i = p ? (size_t)(p - line) + 8 : 0;

	/* "<4>", "[   12.345678]", "[  T123]": not "[<address>]" */
	if (!i && at(&t, 0) == '<' && isdigit((unsigned char)at(&t, 1)))
		while (i < len && line[i++] != '>')
			;
	while (at(&t, i) == '[' && at(&t, i + 1) != '<') {
		size_t k = i;

		while (k < len && line[k] != ']')
			k++;
		if (k == len)
			break;
		i = k + 1;
		if (at(&t, i) == ' ' && at(&t, i + 1) == '[' && at(&t, i + 2) != '<')
			i++;
	}
	while (at(&t, i) == ' ' || at(&t, i) == '\t')
		i++;
	return i;
}
