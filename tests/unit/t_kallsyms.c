/* kallsyms: tables of every layout, written by an encoder of our own from a list of symbols, lie
 * among noise in a piece of memory and must come out again; damaged ones must not. With a kernel
 * given (XKD_KERNEL, a folder), its tables against nm. */
#include "base/str.h"
#include "symbols/image.h"
#include "symbols/kallsyms.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

#define BASE 0xffffffff9c200000ULL
#define TEXT 0xffffffff9b000000ULL
#define NSYM 900
#define LONG 300 /* the number of a symbol with a long name */
#define MEM (1u << 18)

static const char banner[] = "Linux version 6.1.0-test (gcc) #1 SMP\n";

enum where { BEFORE, BEHIND };
enum code { ABS, REL, PERCPU, PCREL };
struct layout {
	const char *name;
	enum where where;
	enum code code;
	unsigned marker; /* width */
	unsigned seqs;	 /* 3-byte numbers: 0 none, 1 before the tokens, 2 at the end */
	unsigned tokens; /* of the long name */
	bool big;	 /* two-byte lengths */
	unsigned unit;	 /* tables begin at its multiples */
};

static const struct layout layouts[] = {
	{ "4.18", BEFORE, PERCPU, 8, 0, 20, false, 8 },
	{ "4.18 with absolute addresses", BEFORE, ABS, 8, 0, 20, false, 8 },
	{ "4.20", BEFORE, PERCPU, 4, 0, 20, false, 8 },
	{ "4.20, a length of 0x80 and more in one byte", BEFORE, PERCPU, 4, 0, 200, false, 8 },
	{ "4.20 without per-CPU", BEFORE, REL, 4, 0, 20, false, 8 },
	{ "6.1", BEFORE, PERCPU, 4, 0, 300, true, 8 },
	{ "6.2", BEFORE, PERCPU, 4, 1, 300, true, 8 },
	{ "6.4", BEHIND, PERCPU, 4, 2, 300, true, 8 },
	{ "6.4 with absolute addresses", BEHIND, ABS, 4, 2, 300, true, 8 },
	{ "6.15", BEHIND, REL, 4, 2, 300, true, 8 },
	{ "7.0", BEHIND, PCREL, 4, 2, 300, true, 4 },
	{ "7.0 in words of eight bytes", BEHIND, PCREL, 4, 2, 300, true, 8 },
};

struct made {
	uint8_t *mem;
	size_t n;
	char type[NSYM];
	char name[NSYM][512];
	uint64_t addr[NSYM];
	size_t markers, tables, index, names, offsets, end;
	char tok[256][8];
	unsigned unit; /* as in the layout */
};

static uint32_t noise(uint32_t *s)
{
	*s = *s * 1664525u + 1013904223u;
	return *s >> 8;
}

static void list(struct made *m, const struct layout *l)
{
	for (unsigned i = 0; i < NSYM; i++) {
		m->type[i] = "tTdDbB"[i % 6];
		m->addr[i] = TEXT + 0x40 * (uint64_t)i + i % 3;
		snprintf(m->name[i], sizeof(m->name[i]), "kvm_io_%x.part_%u", i * 2654435761u, i);
		if (i < 9 && l->code != REL && l->code != PCREL) { /* per-CPU offsets */
			m->type[i] = 'A';
			m->addr[i] = 0x1000 * (uint64_t)i;
		}
	}
	strcpy(m->name[20], "_text");
	m->addr[20] = TEXT;
	strcpy(m->name[21], "_stext");
	m->addr[21] = TEXT;
	strcpy(m->name[700], "linux_banner");
	memset(m->name[LONG], 'q', l->tokens - 1); /* the type is a token too */
	m->name[LONG][l->tokens - 1] = 0;
}

static void tokens(struct made *m)
{
	static const char used[] = "abcdefghijklmnopqrstuvwxyzABDT0123456789_.";

	for (unsigned i = 0; i < 256; i++)
		if (i && strchr(used, (int)i))
			sprintf(m->tok[i], "%c", (char)i);
		else
			sprintf(m->tok[i], "z%02xz", i);
	strcpy(m->tok[1], "kvm_");
	strcpy(m->tok[2], "io_");
	strcpy(m->tok[200], ".part_");
}

static size_t put(struct made *m, size_t at, uint64_t v, unsigned n)
{
	xkd_put_le(m->mem + at, v, n);
	return at + n;
}

/* Zeroes up to the next multiple, as the assembler pads. */
static size_t align(struct made *m, size_t at)
{
	while (at % m->unit)
		m->mem[at++] = 0;
	return at;
}

static size_t put_name(struct made *m, size_t at, unsigned i, bool big)
{
	char full[520];
	uint8_t out[520];
	size_t n = 0;

	snprintf(full, sizeof(full), "%c%s", m->type[i], m->name[i]);
	for (const char *p = full; *p;) {
		unsigned best = (uint8_t)*p;

		for (unsigned t = 0; t < 256; t++)
			if (strlen(m->tok[t]) > strlen(m->tok[best]) &&
			    !strncmp(p, m->tok[t], strlen(m->tok[t])))
				best = t;
		out[n++] = (uint8_t)best;
		p += strlen(m->tok[best]);
	}
	if (big && n >= 0x80) {
		m->mem[at++] = (uint8_t)(n | 0x80);
		m->mem[at++] = (uint8_t)(n >> 7);
	} else {
		m->mem[at++] = (uint8_t)n;
	}
	memcpy(m->mem + at, out, n);
	return at + n;
}

static size_t put_addresses(struct made *m, const struct layout *l, size_t at)
{
	uint64_t base = TEXT;

	m->offsets = at = align(m, at);
	for (unsigned i = 0; i < NSYM; i++) {
		uint64_t a = m->addr[i], v = a;

		if (l->code == REL)
			v = a - base;
		else if (l->code == PERCPU)
			v = a < BASE / 2 ? a : base - 1 - a;
		else if (l->code == PCREL)
			v = a - (BASE + at);
		at = put(m, at, v, l->code == ABS ? 8 : 4);
	}
	if (l->code == REL || l->code == PERCPU)
		at = put(m, align(m, at), base, 8);
	return align(m, at);
}

static size_t put_seqs(struct made *m, size_t at)
{
	for (unsigned i = 0; i < NSYM; i++)
		at = put(m, at, i, 3);
	return align(m, at);
}

static struct made *make(const struct layout *l)
{
	struct made *m = calloc(1, sizeof(*m));
	uint32_t seed = 7;
	size_t at = 0x5008, start, mark[NSYM / 256 + 1], first;

	m->mem = malloc(MEM);
	m->n = MEM;
	m->unit = l->unit;
	for (size_t i = 0; i < MEM; i++)
		m->mem[i] = (uint8_t)noise(&seed);
	list(m, l);
	tokens(m);
	memcpy(m->mem + 0x1000, banner, sizeof(banner));
	m->addr[700] = BASE + 0x1000;
	if (l->where == BEFORE)
		at = put_addresses(m, l, at);
	start = l->unit == 4 ? at + 4 : at; /* where only the smaller unit is met */
	at = put(m, start, NSYM, m->unit);
	m->names = first = at;
	for (unsigned i = 0; i < NSYM; i++) {
		if (i % 256 == 0)
			mark[i / 256] = at - first;
		at = put_name(m, at, i, l->big);
	}
	m->markers = at = align(m, at);
	for (unsigned i = 0; i < XKD_COUNT(mark); i++)
		at = put(m, at, mark[i], l->marker);
	at = align(m, at);
	if (l->seqs == 1)
		at = put_seqs(m, at);
	m->tables = first = at;
	for (unsigned i = 0; i < 256; i++) {
		strcpy((char *)m->mem + at, m->tok[i]);
		at += strlen(m->tok[i]) + 1;
	}
	m->index = at = align(m, at);
	for (unsigned i = 0, off = 0; i < 256; i++) {
		at = put(m, at, off, 2);
		off += (unsigned)strlen(m->tok[i]) + 1;
	}
	if (l->where == BEHIND)
		at = put_addresses(m, l, at);
	m->end = at;
	if (l->seqs == 2)
		put_seqs(m, at);
	return m;
}

static void drop(struct made *m)
{
	free(m->mem);
	free(m);
}

static bool same(const struct made *m, const struct xkd_kallsyms *k)
{
	if (k->n != NSYM)
		return false;
	for (unsigned i = 0; i < NSYM; i++)
		if (strcmp(k->sym[i].name, m->name[i]) || k->sym[i].type != m->type[i] ||
		    k->sym[i].addr != m->addr[i]) {
			printf("# %u: got %c %s %llx\n# want %c %s %llx\n", i, k->sym[i].type,
			       k->sym[i].name, (unsigned long long)k->sym[i].addr, m->type[i],
			       m->name[i], (unsigned long long)m->addr[i]);
			return false;
		}
	return true;
}

/* On an exact copy of the first n bytes, so that a sanitizer sees a step too far. */
static enum xkd_rc parse(const struct made *m, size_t n, uint64_t text, struct xkd_arena *a,
			 struct xkd_kallsyms *k, bool *more)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum xkd_rc rc;

	memcpy(copy, m->mem, n);
	rc = xkd_kallsyms_parse(copy, n, BASE, text, a, k, more, NULL);
	free(copy);
	return rc;
}

static void one_layout(const struct layout *l)
{
	struct made *m = make(l);
	struct xkd_kallsyms k;
	struct xkd_arena a;
	unsigned wrong = 0;
	bool more;

	xkd_arena_init(&a);
	ok(!parse(m, m->n, TEXT, &a, &k, &more) && same(m, &k) && !more, "%s: all names", l->name);
	ok(!parse(m, m->n, 0, &a, &k, &more) && same(m, &k), "%s: by the banner alone", l->name);
	is_u64(parse(m, m->n, TEXT + 0x1000, &a, &k, &more), XKD_BADDATA,
	       "text is elsewhere: refused");
	ok(!k.n && !k.sym, "... and nothing is given");
	for (size_t cut = m->end; cut-- > m->tables - 64; cut -= cut > m->index + 600 ? 97 : 6)
		if (parse(m, cut, TEXT, &a, &k, &more) != (cut >= m->end ? XKD_OK : XKD_NOTFOUND) ||
		    more != (l->where == BEHIND && cut >= m->index + 512))
			wrong += l->where == BEHIND || cut < m->index + 512;
	is_u64(wrong, 0, "what ends too early is not found, and said to want more");
	m->mem[m->markers + l->marker]++;
	is_u64(parse(m, m->n, TEXT, &a, &k, &more), XKD_NOTFOUND,
	       "a marker that is wrong: no table");
	m->mem[m->markers + l->marker]--;
	m->mem[0x1000] = 'l';
	is_u64(parse(m, m->n, TEXT, &a, &k, &more), XKD_BADDATA, "a banner that is none: refused");
	m->mem[0x1000] = 'L';
	m->mem[m->tables + 1] ^= 1; /* "z00z": changes a token that is not used */
	ok(!parse(m, m->n, TEXT, &a, &k, &more) && same(m, &k),
	   "a token that is not used may be any");
	m->mem[m->tables + 4] = 'x'; /* its NUL */
	is_u64(parse(m, m->n, TEXT, &a, &k, &more), XKD_NOTFOUND,
	       "a token without its end: no table");
	xkd_arena_fini(&a);
	drop(m);
}

/* Whatever single byte is wrong, it ends, within the bytes, with an answer of sound form. */
static void damage(const struct layout *l)
{
	struct made *m = make(l);
	struct xkd_kallsyms k;
	struct xkd_arena a;
	uint32_t seed = 3;
	unsigned bad = 0;
	bool more;

	xkd_arena_init(&a);
	for (unsigned i = 0; i < 100; i++) {
		size_t at = m->names - 8 + noise(&seed) % (m->end - m->names + 8);
		uint8_t was = m->mem[at];

		m->mem[at] = (uint8_t)noise(&seed);
		if (!parse(m, m->n, TEXT, &a, &k, &more))
			for (size_t j = 0; j < k.n; j++)
				bad += !k.sym[j].name[0] || strlen(k.sym[j].name) > 1023;
		m->mem[at] = was;
		xkd_arena_fini(&a);
	}
	is_u64(bad, 0, "damaged bytes: every name given is a name");
	drop(m);
}

static void nothing(void)
{
	struct xkd_kallsyms k;
	struct xkd_arena a;
	struct xkd_err err = XKD_ERR_INIT;
	uint8_t *zero = calloc(1, MEM);
	bool more = true;

	xkd_arena_init(&a);
	is_u64(xkd_kallsyms_parse(zero, MEM, BASE, TEXT, &a, &k, &more, &err), XKD_NOTFOUND,
	       "zeros");
	ok(!more && strstr(err.msg, "ffffffff`9c200000"), "the message says where: %s", err.msg);
	is_u64(xkd_kallsyms_parse(zero, 0, BASE, TEXT, &a, &k, &more, &err), XKD_NOTFOUND,
	       "no bytes");
	for (size_t i = 0; i < MEM; i++)
		zero[i] = (uint8_t)i;
	is_u64(xkd_kallsyms_parse(zero, MEM, BASE, TEXT, &a, &k, &more, &err), XKD_NOTFOUND,
	       "a ramp");
	xkd_arena_fini(&a);
	free(zero);
}

/* --- a real kernel: nm is the truth --- */

struct row {
	uint64_t addr;
	char name[520];
};

static int row_cmp(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void against_nm(const char *path)
{
	char cmd[1200], line[1100];
	size_t n = 0, cap = 1 << 19, missing = 0, size;
	struct row *rows = calloc(cap, sizeof(*rows)), key;
	const struct xkd_section *s;
	struct xkd_image *img = NULL;
	struct xkd_kallsyms k = { 0 };
	struct xkd_arena a;
	const uint8_t *d;
	uint64_t text = 0;
	bool more;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "nm '%s' 2>/dev/null", path);
	f = popen(cmd, "r");
	while (f && n < cap && fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 " %*c %519s", &rows[n].addr, rows[n].name) == 2) {
			if (!strcmp(rows[n].name, "_text"))
				text = rows[n].addr;
			n++;
		}
	if (f)
		pclose(f);
	qsort(rows, n, sizeof(*rows), row_cmp);
	xkd_arena_init(&a);
	if (!ok(n > 1000 && text && !xkd_image_open(path, NULL, &img, NULL) &&
			(s = xkd_image_section_named(img, ".rodata")) &&
			!xkd_image_section_data(img, s, &d, &size, NULL) &&
			!xkd_kallsyms_parse(d, size, s->addr, text, &a, &k, &more, NULL),
		"%s: tables in its .rodata", path))
		goto out;
	for (size_t i = 0; i < k.n; i++) {
		key.addr = k.sym[i].addr;
		snprintf(key.name, sizeof(key.name), "%s", k.sym[i].name);
		if (!bsearch(&key, rows, n, sizeof(key), row_cmp) && ++missing < 8)
			printf("# %llx %s\n", (unsigned long long)key.addr, key.name);
	}
	ok(k.n > 10000 && !missing, "%zu names (%s) are nm's", k.n, k.layout);
out:
	xkd_image_unref(img);
	xkd_arena_fini(&a);
	free(rows);
}

int main(void)
{
	const char *kernel = getenv("XKD_KERNEL");
	char cmd[1100], path[1024] = "";
	FILE *f = NULL;

	for (size_t i = 0; i < XKD_COUNT(layouts); i++) {
		one_layout(&layouts[i]);
		damage(&layouts[i]);
	}
	nothing();
	if (kernel && strlen(kernel) < 900 && !strchr(kernel, '\'')) {
		snprintf(cmd, sizeof(cmd), "find '%s' -name 'vmlinux*' -type f | head -1", kernel);
		f = popen(cmd, "r");
	}
	if (f && fgets(path, sizeof(path), f))
		path[strcspn(path, "\n")] = 0;
	if (f)
		pclose(f);
	if (path[0])
		against_nm(path);
	else
		skip("a kernel's tables are nm's names", "no kernel given");
	return done_testing();
}
