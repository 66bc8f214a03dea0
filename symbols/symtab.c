/* The symbols of an image: by address and by name. Nothing is read until the first question; then
 * one pass makes the table of that kind. Invariants: the raw table in the mapping is the only copy
 * of a symbol, the tables hold indices into it; names are offsets below the last NUL of the string
 * table. */
#include "symbols/image_priv.h"
#include "symbols/image_elf.h"
#include "base/str.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct by_addr {
	uint64_t addr;
	uint64_t max_end; /* of this entry and those before it in its section */
	uint32_t sec;
	uint32_t idx;
};

struct xkd_symtab {
	const uint8_t *syms;
	size_t n;
	const char *str;
	size_t nstr;
	const uint8_t *xindex;
	size_t nxindex;
	struct by_addr *addrs; /* by section, address, place in the table */
	size_t naddrs;
	bool have_addrs;
	uint32_t *bucket, *next; /* names: 0 ends a chain, chains are in table order */
	size_t mask;
	uint32_t *files; /* indices of the STT_FILE symbols, ascending */
	size_t nfiles;
	bool have_files;
};

static void raw_at(const struct xkd_symtab *t, size_t i, Elf64_Sym *s)
{
	memcpy(s, t->syms + i * sizeof(*s), sizeof(*s));
}

/* SHN_ABS for all reserved ones that have a value; SHN_UNDEF for all that have none. */
static uint32_t section_of(const struct xkd_image *img, const struct xkd_symtab *t, size_t i,
			   const Elf64_Sym *s)
{
	uint32_t x = s->st_shndx;

	if (x == SHN_XINDEX)
		x = i < t->nxindex ? (uint32_t)xkd_get_le(t->xindex + i * 4, 4) : SHN_UNDEF;
	else if (x >= SHN_LORESERVE)
		return x == SHN_ABS ? UINT32_MAX : SHN_UNDEF;
	return x < img->nsec ? x : SHN_UNDEF;
}

/* Decodes symbol i; *sec: its section, UINT32_MAX for absolute ones. False for what is never an
 * answer: undefined, nameless, section, file and mapping symbols. */
static bool decode(const struct xkd_image *img, const struct xkd_symtab *t, size_t i,
		   struct xkd_sym *out, uint32_t *sec)
{
	Elf64_Sym s;
	const char *name;

	raw_at(t, i, &s);
	out->type = ELF64_ST_TYPE(s.st_info);
	if (out->type == STT_FILE || out->type == STT_SECTION || s.st_name >= t->nstr)
		return false;
	name = t->str + s.st_name;
	if (!*name || *name == '$')
		return false;
	*sec = section_of(img, t, i, &s);
	if (*sec == SHN_UNDEF)
		return false;
	out->name = name;
	out->size = s.st_size;
	out->bind = ELF64_ST_BIND(s.st_info);
	out->shndx = *sec == UINT32_MAX	     ? SHN_ABS
		     : *sec >= SHN_LORESERVE ? SHN_XINDEX
					     : (uint16_t)*sec;
	out->addr = s.st_value;
	if (img->is_ko && *sec != UINT32_MAX)
		out->addr += img->sec[*sec].addr;
	return true;
}

/* A stripped file's symbols are those of its debug file, whose sections lie alike. */
static struct xkd_image *with_symtab(struct xkd_image *img)
{
	size_t i;

	if (!img->debug)
		return img;
	i = xkd_image_symtab_section(img);
	return i && img->sec[i].type == SHT_SYMTAB ? img : img->debug;
}

static struct xkd_symtab *symtab(struct xkd_image *img)
{
	struct xkd_symtab *t = img->symtab;
	size_t i, str, x, size;
	const uint8_t *d;

	if (t)
		return t;
	img->symtab = t = xkd_calloc(1, sizeof(*t));
	i = xkd_image_symtab_section(img);
	str = i ? img->priv[i].link : 0;
	if (!i || str >= img->nsec || img->sec[str].type != SHT_STRTAB ||
	    xkd_image_plain(img, str, &d, &size, NULL))
		return t;
	t->str = (const char *)d;
	t->nstr = xkd_elf_strtab_len(d, size);
	if (xkd_image_plain(img, i, &d, &size, NULL))
		return t;
	t->syms = d;
	t->n = size / sizeof(Elf64_Sym);
	if (t->n > UINT32_MAX)
		t->n = UINT32_MAX;
	x = xkd_image_xindex_section(img, i);
	if (x && xkd_image_plain(img, x, &d, &size, NULL) == XKD_OK) {
		t->xindex = d;
		t->nxindex = size / 4;
	}
	return t;
}

void xkd_symtab_free(struct xkd_symtab *t)
{
	if (!t)
		return;
	free(t->addrs);
	free(t->bucket);
	free(t->next);
	free(t->files);
	free(t);
}

/* Of several at one address the lowest is the best answer. */
static unsigned fitness(const struct xkd_sym *s)
{
	unsigned f = 0;

	if (s->type != STT_FUNC && s->type != STT_OBJECT && s->type != STT_GNU_IFUNC &&
	    s->type != STT_TLS)
		f |= 4;
	/* What the loader calls, beside the function's own name, which is local (include/linux/module.h). */
	if (!strcmp(s->name, "init_module") || !strcmp(s->name, "cleanup_module"))
		f |= 8;
	if (s->bind == STB_LOCAL)
		f |= 2;
	else if (s->bind == STB_WEAK)
		f |= 1;
	return f;
}

static unsigned underscores(const char *s)
{
	return (unsigned)strspn(s, "_");
}

static bool better(const struct xkd_sym *a, const struct xkd_sym *b)
{
	unsigned fa = fitness(a), fb = fitness(b);

	return fa != fb ? fa < fb : underscores(a->name) < underscores(b->name);
}

/* Stable sort by section, then address: least significant byte first, bytes that are the same
 * everywhere cost one look. The input is in table order, which therefore breaks ties. */
static uint8_t key_byte(const struct by_addr *a, unsigned byte)
{
	return byte < 8 ? (uint8_t)(a->addr >> (8 * byte)) : (uint8_t)(a->sec >> (8 * (byte - 8)));
}

static void sort_addrs(struct xkd_symtab *t)
{
	struct by_addr *spare = xkd_malloc((t->naddrs ? t->naddrs : 1) * sizeof(*spare));

	for (unsigned byte = 0; byte < 12 && t->naddrs; byte++) {
		size_t at[256] = { 0 }, sum = 0;
		struct by_addr *swap = t->addrs;

		for (size_t i = 0; i < t->naddrs; i++)
			at[key_byte(&t->addrs[i], byte)]++;
		if (at[key_byte(&t->addrs[0], byte)] == t->naddrs)
			continue;
		for (size_t k = 0; k < 256; k++) {
			size_t n = at[k];

			at[k] = sum;
			sum += n;
		}
		for (size_t i = 0; i < t->naddrs; i++)
			spare[at[key_byte(&t->addrs[i], byte)]++] = t->addrs[i];
		t->addrs = spare;
		spare = swap;
	}
	free(spare);
}

/* The section whose symbols an address is looked up among: the symbol's own, the end included, else
 * (labels of a linker script can stand anywhere) the one that the address is in. */
static uint32_t home_section(const struct xkd_image *img, uint32_t sec, uint64_t addr)
{
	const struct xkd_section *s = &img->sec[sec];

	if (addr - s->addr <= s->size)
		return sec;
	s = xkd_image_section_at(img, addr);
	return s ? s->index : sec;
}

static void make_addrs(struct xkd_image *img, struct xkd_symtab *t)
{
	uint64_t max_end = 0;

	t->have_addrs = true;
	t->addrs = xkd_malloc((t->n ? t->n : 1) * sizeof(*t->addrs));
	for (size_t i = 1; i < t->n; i++) {
		struct xkd_sym s;
		uint32_t sec;

		/* assembler labels (.L) and constants are names, not places */
		if (!decode(img, t, i, &s, &sec) || sec == UINT32_MAX || s.type == STT_TLS ||
		    !(img->sec[sec].flags & SHF_ALLOC) || xkd_has_prefix(s.name, ".L"))
			continue;
		t->addrs[t->naddrs++] =
			(struct by_addr){ .addr = s.addr,
					  .max_end = s.addr + s.size < s.addr ? UINT64_MAX
									      : s.addr + s.size,
					  .sec = home_section(img, sec, s.addr),
					  .idx = (uint32_t)i };
	}
	sort_addrs(t);
	for (size_t i = 0; i < t->naddrs; i++) {
		if (i && t->addrs[i].sec != t->addrs[i - 1].sec)
			max_end = 0;
		if (t->addrs[i].max_end > max_end)
			max_end = t->addrs[i].max_end;
		t->addrs[i].max_end = max_end;
	}
}

/* Index of the first entry of section sec above addr. */
static size_t first_above(const struct xkd_symtab *t, uint32_t sec, uint64_t addr)
{
	size_t lo = 0, hi = t->naddrs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct by_addr *a = &t->addrs[mid];

		if (a->sec < sec || (a->sec == sec && a->addr <= addr))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The best symbol of the entries [.., last] that share last's address; with covers only among those
 * that are sized and hold iaddr. Moves *first to the lowest entry of that address. */
static bool best_at(const struct xkd_image *img, const struct xkd_symtab *t, size_t last,
		    uint64_t iaddr, bool covers, struct xkd_sym *best, size_t *first)
{
	const struct by_addr *a = &t->addrs[last];
	bool found = false;
	size_t i = last;

	for (;; i--) {
		struct xkd_sym s;
		uint32_t sec;

		/* backwards: on a tie the first of the table stays the answer */
		if (decode(img, t, t->addrs[i].idx, &s, &sec) &&
		    (!covers || iaddr - s.addr < s.size) && (!found || !better(best, &s))) {
			*best = s;
			found = true;
		}
		if (!i || t->addrs[i - 1].sec != a->sec || t->addrs[i - 1].addr != a->addr)
			break;
	}
	*first = i;
	return found;
}

static bool covering(const struct xkd_image *img, const struct xkd_symtab *t, size_t last,
		     uint64_t iaddr, struct xkd_sym *sym)
{
	uint32_t sec = t->addrs[last].sec;
	size_t first;

	for (;;) {
		if (t->addrs[last].sec != sec || t->addrs[last].max_end <= iaddr)
			return false;
		if (best_at(img, t, last, iaddr, true, sym, &first))
			return true;
		if (!first)
			return false;
		last = first - 1;
	}
}

static void next_symbol(const struct xkd_image *img, const struct xkd_symtab *t, size_t above,
			uint32_t sec, struct xkd_sym *next)
{
	size_t last = above, first;

	*next = (struct xkd_sym){ 0 };
	if (above >= t->naddrs || t->addrs[above].sec != sec)
		return;
	while (last + 1 < t->naddrs && t->addrs[last + 1].sec == sec &&
	       t->addrs[last + 1].addr == t->addrs[above].addr)
		last++;
	if (!best_at(img, t, last, 0, false, next, &first))
		*next = (struct xkd_sym){ 0 };
}

/* An address in no section, or below the first symbol of its own, can still have a label: the end
 * of the section before, or a linker script's word for a place between two. */
static enum xkd_rc label_outside(const struct xkd_image *img, const struct xkd_symtab *t,
				 uint64_t iaddr, struct xkd_sym *sym)
{
	for (size_t i = 1; i < img->nsec; i++) {
		size_t above, first;

		if (!(img->sec[i].flags & SHF_ALLOC))
			continue;
		above = first_above(t, (uint32_t)i, iaddr);
		if (above && t->addrs[above - 1].sec == i && t->addrs[above - 1].addr == iaddr &&
		    best_at(img, t, above - 1, iaddr, false, sym, &first))
			return XKD_OK;
	}
	return XKD_NOTFOUND;
}

enum xkd_rc xkd_image_sym_at(struct xkd_image *img, uint64_t iaddr, struct xkd_sym *sym,
			     struct xkd_sym *next)
{
	const struct xkd_section *s = xkd_image_section_at(img = with_symtab(img), iaddr);
	struct xkd_symtab *t = symtab(img);
	size_t above, first;

	*sym = (struct xkd_sym){ 0 };
	if (next)
		*next = (struct xkd_sym){ 0 };
	if (!t->have_addrs)
		make_addrs(img, t);
	if (!s)
		return label_outside(img, t, iaddr, sym);
	above = first_above(t, s->index, iaddr);
	if (next)
		next_symbol(img, t, above, s->index, next);
	/* Assembly labels inside a function name what is behind them, as in the kernel's own traces:
	 * entry_SYSCALL_64_after_hwframe. */
	if (above && s->flags & SHF_EXECINSTR && t->addrs[above - 1].sec == s->index &&
	    best_at(img, t, above - 1, iaddr, false, sym, &first) && sym->type == STT_NOTYPE)
		return XKD_OK;
	if (above && t->addrs[above - 1].sec == s->index &&
	    (covering(img, t, above - 1, iaddr, sym) ||
	     best_at(img, t, above - 1, iaddr, false, sym, &first)))
		return XKD_OK;
	return label_outside(img, t, iaddr, sym);
}

static uint32_t hash_name(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h ^ h >> 15;
}

static void make_names(struct xkd_image *img, struct xkd_symtab *t)
{
	size_t cap = 64;

	while (cap < t->n * 2)
		cap *= 2;
	t->mask = cap - 1;
	t->bucket = xkd_calloc(cap, sizeof(*t->bucket));
	t->next = xkd_calloc(t->n ? t->n : 1, sizeof(*t->next));
	for (size_t i = t->n; i-- > 1;) {
		struct xkd_sym s;
		uint32_t sec, *b;

		if (!decode(img, t, i, &s, &sec))
			continue;
		b = &t->bucket[hash_name(s.name) & t->mask];
		t->next[i] = *b;
		*b = (uint32_t)i;
	}
}

/* The next symbol of this name after chain position *i (0: from the start). */
static bool next_named(struct xkd_image *img, struct xkd_symtab *t, const char *name, uint32_t *i,
		       struct xkd_sym *s)
{
	uint32_t sec;

	if (!t->bucket)
		make_names(img, t);
	for (*i = *i ? t->next[*i] : t->bucket[hash_name(name) & t->mask]; *i; *i = t->next[*i])
		if (decode(img, t, *i, s, &sec) && !strcmp(s->name, name))
			return true;
	return false;
}

/* Absolute ones last: assemblers leave constants such as "i" in the table. */
static unsigned name_rank(const struct xkd_sym *s)
{
	return (s->shndx == SHN_ABS ? 4 : 0) + (s->bind == STB_LOCAL  ? 2
						: s->bind == STB_WEAK ? 1
								      : 0);
}

enum xkd_rc xkd_image_sym_named(struct xkd_image *img, const char *name, struct xkd_sym *sym,
				size_t *count)
{
	struct xkd_symtab *t = symtab(img = with_symtab(img));
	struct xkd_sym s;
	uint32_t i = 0;
	size_t n = 0;

	*sym = (struct xkd_sym){ 0 };
	while (next_named(img, t, name, &i, &s))
		if (!n++ || name_rank(&s) < name_rank(sym))
			*sym = s;
	if (count)
		*count = n;
	return n ? XKD_OK : XKD_NOTFOUND;
}

void xkd_image_sym_all_named(struct xkd_image *img, const char *name,
			     bool (*fn)(void *arg, const struct xkd_sym *sym), void *arg)
{
	struct xkd_symtab *t = symtab(img = with_symtab(img));
	struct xkd_sym s;
	uint32_t i = 0;

	while (next_named(img, t, name, &i, &s))
		if (!fn(arg, &s))
			return;
}

void xkd_image_sym_glob(struct xkd_image *img, const char *pattern, bool fold,
			bool (*fn)(void *arg, const struct xkd_sym *sym), void *arg)
{
	struct xkd_symtab *t = symtab(img = with_symtab(img));

	for (size_t i = 1; i < t->n; i++) {
		struct xkd_sym s;
		uint32_t sec;

		if (decode(img, t, i, &s, &sec) && xkd_glob(pattern, s.name, fold) && !fn(arg, &s))
			return;
	}
}

static void make_files(struct xkd_symtab *t)
{
	size_t cap = 0;
	Elf64_Sym s;

	t->have_files = true;
	for (size_t i = 1; i < t->n; i++) {
		raw_at(t, i, &s);
		if (ELF64_ST_TYPE(s.st_info) != STT_FILE)
			continue;
		if (t->nfiles == cap) {
			cap = cap ? cap * 2 : 256;
			t->files = xkd_realloc(t->files, cap * sizeof(*t->files));
		}
		t->files[t->nfiles++] = (uint32_t)i;
	}
}

const char *xkd_image_sym_file(struct xkd_image *img, const struct xkd_sym *sym)
{
	struct xkd_symtab *t = symtab(img = with_symtab(img));
	struct xkd_sym s;
	uint32_t i = 0;
	size_t lo = 0, hi;
	Elf64_Sym f;

	if (!sym->name || sym->bind != STB_LOCAL)
		return NULL;
	do {
		if (!next_named(img, t, sym->name, &i, &s))
			return NULL;
	} while (s.addr != sym->addr || s.bind != sym->bind);
	if (!t->have_files)
		make_files(t);
	for (hi = t->nfiles; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->files[mid] < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	raw_at(t, t->files[lo - 1], &f);
	/* a nameless one ends the last file's symbols */
	return f.st_name < t->nstr && t->str[f.st_name] ? t->str + f.st_name : NULL;
}
