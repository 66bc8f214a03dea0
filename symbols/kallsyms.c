/* kallsyms: finds the tables in a kernel's memory by their structure, and decodes them.
 *
 * Of all tables only the 256 tokens with their index have a shape of their own (the index's 256
 * rising offsets end each token at a NUL). The number of symbols and the names lie before them in
 * every layout; they are proved by the markers, which give the offset of each 256th name and lie
 * right behind. That also tells one-byte lengths from two-byte ones wherever a long name exists.
 * Where the addresses lie and how they are coded is tried in every known way; the way that puts
 * _text (or _stext) where the text is known to be, and the banner where there is one, is kept.
 *
 * Invariants: mem is hostile; every read is inside it, and the search has a budget of steps, so
 * that no bytes can make it take long. */
#include "symbols/kallsyms.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

#define TOKENS 256
#define INDEX_LEN (2 * TOKENS)
#define TOKEN_MAX 512 /* bytes of one token, a bound */
#define PER_MARKER 256
#define SYMS_MAX (4u << 20)
#define NAME_MAX_LEN 1023 /* KSYM_NAME_LEN is 128, and 512 since 6.1 */
#define NAMES_MAX (256u << 20)
#define BUDGET (256u << 20)

struct mem {
	const uint8_t *p;
	size_t n;
	uint64_t base;
};

/* Offsets within mem. */
struct tables {
	size_t token_table, token_index;
	size_t num; /* kallsyms_num_syms; the names are one alignment behind */
	size_t align; /* of each table: 8, and 4 since 7.0 */
	uint32_t n;
	bool big; /* two-byte lengths */
};

static size_t up(size_t v, size_t align)
{
	return (v + align - 1) & ~(align - 1);
}

/* --- tokens --- */

static bool fits_at(const uint8_t *p, size_t table, const uint8_t *index, size_t end)
{
	unsigned plain = 0;

	for (unsigned i = 1; i < TOKENS; i++) {
		size_t at = xkd_get_le(index + 2 * (size_t)i, 2),
		       from = xkd_get_le(index + 2 * i - 2, 2);

		if (p[table + at - 1] || memchr(p + table + from, 0, at - from - 1))
			return false;
	}
	if (!memchr(p + table + xkd_get_le(index + INDEX_LEN - 2, 2), 0,
		    end - table - xkd_get_le(index + INDEX_LEN - 2, 2)))
		return false;
	/* letters and digits that occur in names stand for themselves */
	for (unsigned c = 'a'; c <= 'z'; c++)
		plain += p[table + xkd_get_le(index + 2 * c, 2)] == c &&
			 !p[table + xkd_get_le(index + 2 * c, 2) + 1];
	return plain >= 8;
}

static bool index_like(const uint8_t *index)
{
	unsigned last = 0;

	if (index[0] || index[1] || !(index[2] | index[3]))
		return false;
	for (unsigned i = 1; i < TOKENS; i++) {
		unsigned v = (unsigned)xkd_get_le(index + 2 * (size_t)i, 2);

		if (v <= last || v - last > TOKEN_MAX)
			return false;
		last = v;
	}
	return true;
}

bool xkd_kallsyms_tokens(const uint8_t *mem, size_t size, size_t from, size_t *table, size_t *index)
{
	for (size_t i = (from + 1) & ~(size_t)1; size >= INDEX_LEN && i <= size - INDEX_LEN;
	     i += 2) {
		size_t last, lo;

		if (mem[i] || mem[i + 1] || mem[i + 3] > 2 || !index_like(mem + i))
			continue;
		last = xkd_get_le(mem + i + INDEX_LEN - 2, 2);
		lo = i > last + TOKEN_MAX ? i - last - TOKEN_MAX : 0;
		for (size_t s = i > last ? i - last - 1 : 0; s && s >= lo; s--)
			if (fits_at(mem, s, mem + i, i)) {
				*table = s;
				*index = i;
				return true;
			}
	}
	return false;
}

/* --- names, proved by the markers --- */

/* Length of the name record at *pos; moves *pos to its tokens. */
static bool record(const struct mem *m, size_t end, bool big, size_t *pos, size_t *len)
{
	if (*pos >= end)
		return false;
	*len = m->p[(*pos)++];
	if (big && *len & 0x80) {
		if (*pos >= end)
			return false;
		*len = (*len & 0x7f) | (size_t)m->p[(*pos)++] << 7;
	}
	return *len && *len <= end - *pos;
}

static bool markers_agree(const struct mem *m, size_t at, unsigned width, const uint32_t *mark,
			  size_t nmark, size_t end)
{
	if (at > end || nmark > (end - at) / width)
		return false;
	for (size_t i = 0; i < nmark; i++)
		if (xkd_get_le(m->p + at + width * i, width) != mark[i])
			return false;
	return true;
}

/* Do the markers end right before the tokens, or before 3-byte numbers (6.2, 6.3) that do? */
static bool ends_right(size_t end, uint32_t n, size_t table)
{
	size_t seqs = up(end, 8) + 3 * (size_t)n;

	return (table >= end && table - end < 8) || (table >= seqs && table - seqs < 8);
}

static bool names_at(const struct mem *m, struct tables *t, size_t num, size_t align, uint32_t n,
		     bool big, uint32_t *mark, size_t *budget)
{
	size_t pos = num + align, first = pos, nmark = 0, at;

	for (uint32_t i = 0; i < n; i++) {
		size_t len;

		if (i % PER_MARKER == 0)
			mark[nmark++] = (uint32_t)(pos - first);
		if (!*budget || !record(m, t->token_table, big, &pos, &len))
			return false;
		--*budget;
		pos += len;
	}
	at = up(pos, align);
	for (unsigned width = 4; width <= 8; width += 4)
		if (markers_agree(m, at, width, mark, nmark, t->token_table) &&
		    ends_right(at + width * nmark, n, t->token_table)) {
			t->num = num;
			t->align = align;
			t->n = n;
			t->big = big;
			return true;
		}
	return false;
}

static bool find_names(const struct mem *m, struct tables *t, size_t *budget)
{
	uint32_t *mark = xkd_malloc((SYMS_MAX / PER_MARKER + 1) * sizeof(*mark));
	bool found = false;

	for (size_t num = t->token_table & ~(size_t)3; !found && num >= 8 && *budget;) {
		size_t room;
		uint32_t n;

		num -= 4;
		--*budget;
		n = (uint32_t)xkd_get_le(m->p + num, 4);
		if (!n || n > SYMS_MAX)
			continue;
		room = t->token_table - num;
		if (n > room / 2 || room / (NAME_MAX_LEN + 16) > n)
			continue;
		/* behind the number there is padding (zeros, no length of a name), or there are the names */
		for (size_t align = 4; align <= 8 && !found; align += 4)
			/* a length of 0x80 and more decides; without one both are the same */
			found = !(num % align) &&
				(names_at(m, t, num, align, n, true, mark, budget) ||
				 names_at(m, t, num, align, n, false, mark, budget));
	}
	free(mark);
	return found;
}

/* Expands record tokens into out of NAME_MAX_LEN + 1 bytes; 0 when they make no name. */
static size_t expand(const struct mem *m, const struct tables *t, size_t pos, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		size_t off = xkd_get_le(m->p + t->token_index + 2 * (size_t)m->p[pos + i], 2);
		const char *s = (const char *)m->p + t->token_table + off;
		size_t l = strnlen(s, t->token_index - t->token_table - off);

		if (l > NAME_MAX_LEN - n)
			return 0;
		memcpy(out + n, s, l);
		n += l;
	}
	out[n] = 0;
	return n;
}

static enum xkd_rc decode_names(const struct mem *m, const struct tables *t, struct xkd_arena *a,
				struct xkd_kallsyms *k, struct xkd_err *err)
{
	size_t pos = t->num + t->align, len, total = 0;
	char buf[NAME_MAX_LEN + 1];

	k->n = t->n;
	k->sym = XKD_NEWN(a, struct xkd_kallsym, t->n);
	for (uint32_t i = 0; i < t->n; i++) {
		size_t n;

		if (!record(m, t->token_table, t->big, &pos, &len))
			return xkd_err_set(err, XKD_BADDATA, "kallsyms: name %u is cut off", i);
		n = expand(m, t, pos, len, buf);
		total += n;
		if (n < 2 || total > NAMES_MAX)
			return xkd_err_set(err, XKD_BADDATA, "kallsyms: name %u makes no sense", i);
		k->sym[i].type = buf[0];
		k->sym[i].name = xkd_arena_strndup(a, buf + 1, n - 1);
		pos += len;
	}
	return XKD_OK;
}

/* --- addresses --- */

enum coding { ABSOLUTE, RELATIVE, RELATIVE_PERCPU, PCREL };
struct scheme {
	enum coding coding;
	bool before; /* the table lies before num_syms (up to 6.3), not behind the token index */
	const char *words;
};

/* In order of age; what agrees decides, so the order only matters for a made-up table. */
static const struct scheme schemes[] = {
	{ RELATIVE_PERCPU, true, "offsets before the names, per-CPU absolute (4.6)" },
	{ RELATIVE, true, "offsets before the names" },
	{ ABSOLUTE, true, "addresses before the names" },
	{ RELATIVE_PERCPU, false, "offsets behind the tokens, per-CPU absolute (6.4)" },
	{ RELATIVE, false, "offsets behind the tokens (6.15)" },
	{ ABSOLUTE, false, "addresses behind the tokens (6.4)" },
	{ PCREL, false, "offsets from their own places (7.0)" },
	{ PCREL, true, "offsets from their own places, before the names" },
};

struct place {
	size_t at;	   /* of the table */
	uint64_t relative; /* relative_base */
	enum coding coding;
};

static bool rel(enum coding c)
{
	return c == RELATIVE || c == RELATIVE_PERCPU;
}

/* Where scheme s would have its tables; *more: only the end of mem is in the way. */
static bool locate(const struct mem *m, const struct tables *t, const struct scheme *s,
		   struct place *p, bool *more)
{
	size_t len = (size_t)t->n * (s->coding == ABSOLUTE ? 8 : 4), base = 0, end;

	*p = (struct place){ .coding = s->coding };
	if (s->before) {
		base = t->num - (rel(s->coding) ? 8 : 0);
		if (t->num < 8 || up(len, t->align) > base)
			return false;
		p->at = base - up(len, t->align);
	} else {
		p->at = up(t->token_index + INDEX_LEN, t->align);
		base = p->at + up(len, t->align);
		end = base + (rel(s->coding) ? 8 : 0);
		if (end > m->n) {
			*more = true;
			return false;
		}
	}
	if (rel(s->coding))
		p->relative = xkd_get_le(m->p + base, 8);
	return true;
}

static uint64_t address(const struct mem *m, const struct place *p, size_t i)
{
	const uint8_t *at = m->p + p->at + i * (p->coding == ABSOLUTE ? 8 : 4);
	uint64_t v = xkd_get_le(at, p->coding == ABSOLUTE ? 8 : 4);
	int64_t s = (int32_t)(uint32_t)v;

	switch (p->coding) {
	case ABSOLUTE:
		return v;
	case RELATIVE:
		return p->relative + v;
	case RELATIVE_PERCPU:
		return s >= 0 ? v : p->relative - 1 - (uint64_t)s;
	case PCREL:
		break;
	}
	return m->base + (uint64_t)(at - m->p) + (uint64_t)s;
}

static size_t index_of(const struct xkd_kallsyms *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->sym[i].name, name))
			return i;
	return SIZE_MAX;
}

/* Known symbols, by number; SIZE_MAX where the kernel has none of that name. */
struct known {
	size_t text, stext, banner;
};

static bool agrees(const struct mem *m, const struct place *p, const struct known *w, uint64_t text)
{
	static const char word[] = "Linux version ";
	unsigned good = 0;

	if (text) {
		if ((w->text == SIZE_MAX || address(m, p, w->text) != text) &&
		    (w->stext == SIZE_MAX || address(m, p, w->stext) != text))
			return false;
		good++;
	}
	if (w->banner != SIZE_MAX) {
		uint64_t at = address(m, p, w->banner) - m->base;

		if (at < m->n && m->n - at >= sizeof(word) - 1) {
			if (memcmp(m->p + at, word, sizeof(word) - 1))
				return false;
			good++;
		}
	}
	return good > 0;
}

static enum xkd_rc decode_addresses(const struct mem *m, const struct tables *t, uint64_t text,
				    struct xkd_kallsyms *k, bool *more, struct xkd_err *err)
{
	struct known w = { index_of(k, "_text"), index_of(k, "_stext"),
			   index_of(k, "linux_banner") };

	for (size_t i = 0; i < XKD_COUNT(schemes); i++) {
		struct place p;

		if (!locate(m, t, &schemes[i], &p, more) || !agrees(m, &p, &w, text))
			continue;
		for (size_t j = 0; j < k->n; j++)
			k->sym[j].addr = address(m, &p, j);
		k->layout = schemes[i].words;
		*more = false;
		return XKD_OK;
	}
	return xkd_err_set(
		err, XKD_BADDATA,
		"kallsyms: %u names, but no known coding of their addresses puts %s at %s", t->n,
		text ? "_text" : "linux_banner", text ? XKD_ADDR(text) : "the kernel's banner");
}

enum xkd_rc xkd_kallsyms_parse(const uint8_t *mem, size_t size, uint64_t base, uint64_t text,
			       struct xkd_arena *a, struct xkd_kallsyms *k, bool *more,
			       struct xkd_err *err)
{
	struct mem m = { mem, size, base };
	struct tables t = { 0 };
	size_t from = 0, budget = BUDGET;
	enum xkd_rc rc = XKD_NOTFOUND;

	*k = (struct xkd_kallsyms){ 0 };
	*more = false;
	while (rc && xkd_kallsyms_tokens(mem, size, from, &t.token_table, &t.token_index)) {
		from = t.token_index + 2;
		if (!find_names(&m, &t, &budget))
			continue;
		rc = decode_names(&m, &t, a, k, err);
		if (!rc)
			rc = decode_addresses(&m, &t, text, k, more, err);
		if (rc && *more)
			break;
	}
	if (rc)
		*k = (struct xkd_kallsyms){ 0 };
	return rc == XKD_NOTFOUND || *more
		       ? xkd_err_set(err, XKD_NOTFOUND,
				     "no kallsyms tables in the 0x%zx bytes at %s", size,
				     XKD_ADDR(base))
		       : rc;
}
