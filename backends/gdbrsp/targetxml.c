/* Target descriptions (target.xml): a small reader that takes the tags it knows and passes over
 * all others.
 *
 * Invariants: documents include each other at most DEPTH deep and DOCS in all; at most
 * XKD_TDESC_REGS registers are taken; a register number is used once, the first time. What is not
 * well-formed ends the reading of that document with BADDATA, never a read beyond it. */
#include "backends/gdbrsp/targetxml.h"
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 4
#define DOCS 32
#define ATTRS 16
#define BITS_MAX 4096
#define REGNUM_MAX 65535

struct piece {
	const char *s;
	size_t n;
};

struct tag {
	struct piece name;
	bool close;
	size_t nattr;
	struct {
		struct piece name, val;
	} attr[ATTRS];
};

struct xml {
	const char *s;
	size_t n, at;
};

struct reader {
	struct xkd_tdesc *td;
	xkd_tdesc_fetch *fetch;
	void *arg;
	unsigned docs;
	unsigned next_regnum;
	struct xkd_err *err;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return c && !is_space(c) && !strchr("=<>/\"'", c);
}

static bool piece_is(struct piece p, const char *s)
{
	return p.n == strlen(s) && !memcmp(p.s, s, p.n);
}

static void skip_space(struct xml *x)
{
	while (x->at < x->n && is_space(x->s[x->at]))
		x->at++;
}

static struct piece take_name(struct xml *x)
{
	struct piece p = { x->s + x->at, 0 };

	while (x->at < x->n && is_name(x->s[x->at])) {
		x->at++;
		p.n++;
	}
	return p;
}

/* Moves past the next occurrence of end; false when there is none. */
static bool skip_past(struct xml *x, const char *end)
{
	const char *p = memmem(x->s + x->at, x->n - x->at, end, strlen(end));

	if (!p)
		return false;
	x->at = (size_t)(p - x->s) + strlen(end);
	return true;
}

/* At "<!" or "<?": comments, CDATA, declarations and a DOCTYPE with its inner part. */
static bool skip_special(struct xml *x)
{
	static const struct {
		const char *begin, *end;
	} kinds[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };
	size_t depth = 0;

	for (size_t i = 0; i < XKD_COUNT(kinds); i++) {
		size_t len = strlen(kinds[i].begin);

		if (x->n - x->at < len || memcmp(x->s + x->at, kinds[i].begin, len))
			continue;
		x->at += len;
		return skip_past(x, kinds[i].end);
	}
	for (; x->at < x->n; x->at++) {
		if (x->s[x->at] == '<' || x->s[x->at] == '[')
			depth++;
		else if ((x->s[x->at] == '>' || x->s[x->at] == ']') && !--depth) {
			x->at++;
			return true;
		}
	}
	return false;
}

static bool take_attr(struct xml *x, struct tag *t)
{
	struct piece name = take_name(x), val;
	char quote;

	skip_space(x);
	if (!name.n || x->at >= x->n || x->s[x->at] != '=')
		return false;
	x->at++;
	skip_space(x);
	if (x->at >= x->n || (x->s[x->at] != '"' && x->s[x->at] != '\''))
		return false;
	quote = x->s[x->at++];
	val.s = x->s + x->at;
	while (x->at < x->n && x->s[x->at] != quote)
		x->at++;
	if (x->at >= x->n)
		return false;
	val.n = (size_t)(x->s + x->at - val.s);
	x->at++;
	if (t->nattr < ATTRS) {
		t->attr[t->nattr].name = name;
		t->attr[t->nattr++].val = val;
	}
	return true;
}

/* The next tag. OK, NOTFOUND at the end, BADDATA. */
static enum xkd_rc next_tag(struct xml *x, struct tag *t)
{
	*t = (struct tag){ .nattr = 0 };
	for (;;) {
		const char *lt = memchr(x->s + x->at, '<', x->n - x->at);

		if (!lt)
			return XKD_NOTFOUND;
		x->at = (size_t)(lt - x->s);
		if (x->at + 1 >= x->n)
			return XKD_BADDATA;
		if (lt[1] != '!' && lt[1] != '?')
			break;
		if (!skip_special(x))
			return XKD_BADDATA;
	}
	x->at++;
	if (x->s[x->at] == '/') {
		t->close = true;
		x->at++;
	}
	t->name = take_name(x);
	if (!t->name.n)
		return XKD_BADDATA;
	for (;;) {
		skip_space(x);
		if (x->at >= x->n)
			return XKD_BADDATA;
		if (x->s[x->at] == '>') {
			x->at++;
			return XKD_OK;
		}
		if (x->s[x->at] == '/')
			x->at++;
		else if (!take_attr(x, t))
			return XKD_BADDATA;
	}
}

/* An attribute's text, cut to size; false when there is none. */
static bool attr(const struct tag *t, const char *name, char *dst, size_t size)
{
	for (size_t i = 0; i < t->nattr; i++) {
		size_t n = t->attr[i].val.n < size - 1 ? t->attr[i].val.n : size - 1;

		if (!piece_is(t->attr[i].name, name))
			continue;
		memcpy(dst, t->attr[i].val.s, n);
		dst[n] = '\0';
		return true;
	}
	return false;
}

/* Names go to terminals and into expressions: word characters only, lower case. */
static bool clean_name(char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + ('a' - 'A'));
		if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	}
	return true;
}

static void take_reg(struct reader *rd, const struct tag *t)
{
	struct xkd_tdesc *td = rd->td;
	struct xkd_tdesc_reg reg = { .regnum = rd->next_regnum };
	char num[16];
	uint64_t v;

	if (attr(t, "regnum", num, sizeof(num)) && xkd_parse_u64(num, 0, &v) && v <= REGNUM_MAX)
		reg.regnum = (unsigned)v;
	rd->next_regnum = reg.regnum < REGNUM_MAX ? reg.regnum + 1 : reg.regnum;
	if (!attr(t, "bitsize", num, sizeof(num)) || !xkd_parse_u64(num, 0, &v) || !v || v % 8 ||
	    v > BITS_MAX)
		return;
	reg.bits = (unsigned)v;
	if (!attr(t, "name", reg.name, sizeof(reg.name)) || !clean_name(reg.name))
		snprintf(reg.name, sizeof(reg.name), "reg%u", reg.regnum);
	(void)attr(t, "group", reg.group, sizeof(reg.group));
	if (td->n >= XKD_TDESC_REGS)
		return;
	for (size_t i = 0; i < td->n; i++)
		if (td->regs[i].regnum == reg.regnum)
			return;
	td->regs[td->n++] = reg;
}

static void take_arch(struct reader *rd, const struct xml *x)
{
	struct piece p = { x->s + x->at, 0 };

	while (x->at + p.n < x->n && p.s[p.n] != '<')
		p.n++;
	while (p.n && is_space(p.s[0])) {
		p.s++;
		p.n--;
	}
	while (p.n && is_space(p.s[p.n - 1]))
		p.n--;
	if (!rd->td->arch[0])
		snprintf(rd->td->arch, sizeof(rd->td->arch), "%.*s", (int)(p.n < 63 ? p.n : 63),
			 p.s);
}

static enum xkd_rc read_doc(struct reader *rd, const char *annex, unsigned depth);

static enum xkd_rc take_include(struct reader *rd, const struct tag *t, unsigned depth)
{
	char annex[64];

	if (!attr(t, "href", annex, sizeof(annex)))
		return XKD_OK;
	for (const char *p = annex; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+/",
			    *p))
			return xkd_err_set(
				rd->err, XKD_BADDATA,
				"the target description includes an oddly named document");
	return read_doc(rd, annex, depth + 1);
}

static enum xkd_rc read_tags(struct reader *rd, struct xml *x, const char *annex, unsigned depth)
{
	for (;;) {
		struct tag t;
		enum xkd_rc rc = next_tag(x, &t);

		if (rc == XKD_NOTFOUND)
			return XKD_OK;
		if (rc != XKD_OK)
			return xkd_err_set(rd->err, rc, "%s is not well-formed at offset %zu",
					   annex, x->at);
		if (t.close)
			continue;
		if (piece_is(t.name, "reg"))
			take_reg(rd, &t);
		else if (piece_is(t.name, "architecture"))
			take_arch(rd, x);
		else if (piece_is(t.name, "xi:include"))
			rc = take_include(rd, &t, depth);
		if (rc != XKD_OK)
			return rc;
	}
}

static enum xkd_rc read_doc(struct reader *rd, const char *annex, unsigned depth)
{
	struct xkd_buf doc;
	struct xml x;
	enum xkd_rc rc;

	if (depth > DEPTH || ++rd->docs > DOCS)
		return xkd_err_set(rd->err, XKD_BADDATA,
				   "the target description includes too many documents, at %s",
				   annex);
	xkd_buf_init(&doc);
	rc = rd->fetch(rd->arg, annex, &doc, rd->err);
	if (rc == XKD_OK) {
		x = (struct xml){ .s = doc.s, .n = doc.len };
		rc = read_tags(rd, &x, annex, depth);
	}
	xkd_buf_fini(&doc);
	return rc;
}

static int by_regnum(const void *a, const void *b)
{
	const struct xkd_tdesc_reg *x = a, *y = b;

	return (x->regnum > y->regnum) - (x->regnum < y->regnum);
}

enum xkd_rc xkd_tdesc_read(struct xkd_tdesc *td, xkd_tdesc_fetch *fetch, void *arg,
			   struct xkd_err *err)
{
	struct reader rd = { .td = td, .fetch = fetch, .arg = arg, .err = err };
	enum xkd_rc rc;

	td->n = 0;
	td->arch[0] = '\0';
	rc = read_doc(&rd, "target.xml", 0);
	if (td->n)
		qsort(td->regs, td->n, sizeof(td->regs[0]), by_regnum);
	return rc;
}

static void add_run(struct xkd_tdesc *td, const char *names, unsigned bits)
{
	while (*names) {
		size_t n = strcspn(names, " ");
		struct xkd_tdesc_reg *reg = &td->regs[td->n];

		*reg = (struct xkd_tdesc_reg){ .bits = bits, .regnum = (unsigned)td->n };
		memcpy(reg->name, names, n);
		td->n++;
		names += n + (names[n] == ' ');
	}
}

void xkd_tdesc_amd64(struct xkd_tdesc *td)
{
	td->n = 0;
	add_run(td, "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip", 64);
	add_run(td, "eflags cs ss ds es fs gs", 32);
	add_run(td, "st0 st1 st2 st3 st4 st5 st6 st7", 80);
	add_run(td, "fctrl fstat ftag fiseg fioff foseg fooff fop", 32);
	add_run(td, "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7", 128);
	add_run(td, "xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 xmm15", 128);
	add_run(td, "mxcsr", 32);
	add_run(td, "fs_base gs_base", 64);
}
