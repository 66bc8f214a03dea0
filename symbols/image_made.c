/* Made images: symbols and sections that come from no file are put into the form of one, an ELF
 * file in memory of our own, so that whatever asks an image (names, types, unwinding) meets what it
 * knows. Invariants: what is handed in has been checked by nobody, so counts and sizes are bounded
 * here; the finished bytes go through the same checks as a file's. */
#include "symbols/image_made.h"
#include "base/buf.h"
#include "base/str.h"
#include "symbols/image_priv.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SECS_MAX 4096
#define SYMS_MAX (8u << 20)
#define BYTES_MAX (1ULL << 30)

struct order {
	uint64_t addr;
	uint32_t i;
};

static int by_addr(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->i < y->i ? -1 : x->i > y->i;
}

struct making {
	const struct xkd_made *m;
	struct order *secs; /* the loaded, non-empty ones by address */
	size_t nsecs;
	struct xkd_buf out, str, shstr;
	Elf64_Shdr *sh; /* 0, m->nsec of ours, .symtab, .strtab, .shstrtab */
	size_t nsh;
};

static uint32_t add_name(struct xkd_buf *b, const char *s)
{
	uint32_t at = (uint32_t)b->len;

	xkd_buf_add(b, s, strlen(s) + 1);
	return at;
}

static enum xkd_rc check(struct making *k, struct xkd_err *err)
{
	const struct xkd_made *m = k->m;
	uint64_t bytes = 0;

	if (m->nsec > SECS_MAX || m->nsym > SYMS_MAX)
		return xkd_err_set(err, XKD_BADDATA, "%zu sections and %zu symbols %s", m->nsec,
				   m->nsym, m->origin);
	k->secs = xkd_calloc(m->nsec + 1, sizeof(*k->secs));
	for (size_t i = 0; i < m->nsec; i++) {
		const struct xkd_made_sec *s = &m->sec[i];

		bytes += s->data ? s->size : 0;
		if (bytes > BYTES_MAX || s->addr + s->size < s->addr)
			return xkd_err_set(err, XKD_BADDATA, "section %.40s %s: 0x%llx bytes",
					   s->name, m->origin, (unsigned long long)s->size);
		if (s->loaded && s->size)
			k->secs[k->nsecs++] = (struct order){ s->addr, (uint32_t)i };
	}
	qsort(k->secs, k->nsecs, sizeof(*k->secs), by_addr);
	for (size_t i = 1; i < k->nsecs; i++) {
		const struct xkd_made_sec *a = &m->sec[k->secs[i - 1].i],
					  *b = &m->sec[k->secs[i].i];

		if (b->addr - a->addr < a->size)
			return xkd_err_set(err, XKD_BADDATA, "sections %.40s and %.40s %s overlap",
					   a->name, b->name, m->origin);
	}
	return XKD_OK;
}

/* Index in secs of the section that addr is in, or, for a label at an end, behind; -1. */
static long home(const struct making *k, uint64_t addr)
{
	size_t lo = 0, hi = k->nsecs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->secs[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return -1;
	return addr - k->secs[lo - 1].addr <= k->m->sec[k->secs[lo - 1].i].size ? (long)lo - 1 : -1;
}

static uint64_t sec_end(const struct making *k, long h)
{
	const struct xkd_made_sec *s = &k->m->sec[k->secs[h].i];

	return s->addr + s->size;
}

static void add_sections(struct making *k)
{
	for (size_t i = 0; i < k->m->nsec; i++) {
		const struct xkd_made_sec *s = &k->m->sec[i];
		Elf64_Shdr *sh = &k->sh[i + 1];
		bool note = xkd_has_prefix(s->name, ".note");

		xkd_buf_pad(&k->out, (k->out.len + 15) & ~(size_t)15);
		*sh = (Elf64_Shdr){ .sh_name = add_name(&k->shstr, s->name),
				    .sh_type = !s->data ? SHT_NOBITS
					       : note	? SHT_NOTE
							: SHT_PROGBITS,
				    .sh_flags = (s->loaded ? SHF_ALLOC : 0) |
						(s->exec ? SHF_EXECINSTR : 0),
				    .sh_addr = s->loaded ? s->addr : 0,
				    .sh_offset = k->out.len,
				    .sh_size = s->size,
				    .sh_addralign = 1 };
		if (s->data)
			xkd_buf_add(&k->out, s->data, (size_t)s->size);
	}
}

static void add_symbols(struct making *k, Elf64_Shdr *symtab, Elf64_Shdr *strtab)
{
	size_t n = k->m->nsym;
	struct order *o = xkd_calloc(n + 1, sizeof(*o));
	Elf64_Sym *sym = xkd_calloc(n + 1, sizeof(*sym));
	uint64_t next = UINT64_MAX; /* the lowest address above the symbol at hand */

	for (size_t i = 0; i < n; i++)
		o[i] = (struct order){ k->m->sym[i].addr, (uint32_t)i };
	qsort(o, n, sizeof(*o), by_addr);
	for (size_t i = n; i--;) {
		const struct xkd_made_sym *s = &k->m->sym[o[i].i];
		long h = home(k, s->addr);
		uint64_t end = h < 0 ? s->addr : sec_end(k, h);

		if (i + 1 < n && o[i + 1].addr != o[i].addr)
			next = o[i + 1].addr;
		if (next < end)
			end = next;
		sym[o[i].i + 1] = (Elf64_Sym){
			.st_info = (unsigned char)ELF64_ST_INFO(s->bind, s->type),
			.st_shndx = h < 0 ? SHN_ABS : (uint16_t)(k->secs[h].i + 1),
			.st_value = s->addr,
			.st_size = s->size ? s->size : end - s->addr,
		};
	}
	for (size_t i = 0; i < n; i++)
		sym[i + 1].st_name = add_name(&k->str, k->m->sym[i].name);
	xkd_buf_pad(&k->out, (k->out.len + 15) & ~(size_t)15);
	*symtab = (Elf64_Shdr){ .sh_name = add_name(&k->shstr, ".symtab"),
				.sh_type = SHT_SYMTAB,
				.sh_offset = k->out.len,
				.sh_size = (n + 1) * sizeof(*sym),
				.sh_link = (uint32_t)(strtab - k->sh),
				.sh_addralign = 8,
				.sh_entsize = sizeof(*sym) };
	xkd_buf_add(&k->out, sym, (n + 1) * sizeof(*sym));
	*strtab = (Elf64_Shdr){ .sh_name = add_name(&k->shstr, ".strtab"),
				.sh_type = SHT_STRTAB,
				.sh_offset = k->out.len,
				.sh_size = k->str.len,
				.sh_addralign = 1 };
	xkd_buf_add(&k->out, k->str.s, k->str.len);
	free(sym);
	free(o);
}

static void build(struct making *k)
{
	Elf64_Ehdr eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_ehsize = sizeof(eh),
			  .e_shentsize = sizeof(Elf64_Shdr) };
	Elf64_Shdr *tail;

	k->nsh = k->m->nsec + 4;
	k->sh = xkd_calloc(k->nsh, sizeof(*k->sh));
	tail = k->sh + k->nsh - 3;
	add_name(&k->str, "");
	add_name(&k->shstr, "");
	xkd_buf_add(&k->out, &eh, sizeof(eh));
	add_sections(k);
	add_symbols(k, &tail[0], &tail[1]);
	tail[2] = (Elf64_Shdr){ .sh_name = add_name(&k->shstr, ".shstrtab"),
				.sh_type = SHT_STRTAB,
				.sh_offset = k->out.len,
				.sh_size = k->shstr.len,
				.sh_addralign = 1 };
	xkd_buf_add(&k->out, k->shstr.s, k->shstr.len);
	xkd_buf_pad(&k->out, (k->out.len + 15) & ~(size_t)15);
	eh.e_shoff = k->out.len;
	eh.e_shnum = (uint16_t)k->nsh;
	eh.e_shstrndx = (uint16_t)(k->nsh - 1);
	xkd_buf_add(&k->out, k->sh, k->nsh * sizeof(*k->sh));
	memcpy(k->out.s, &eh, sizeof(eh));
}

enum xkd_rc xkd_image_make(const struct xkd_made *m, struct xkd_log *log, struct xkd_image **img,
			   struct xkd_err *err)
{
	struct making k = { .m = m };
	enum xkd_rc rc;
	void *map;

	*img = NULL;
	xkd_buf_init(&k.out);
	xkd_buf_init(&k.str);
	xkd_buf_init(&k.shstr);
	rc = check(&k, err);
	if (!rc) {
		build(&k);
		/* a mapping like a file's, so that one way frees both */
		map = mmap(NULL, k.out.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
		if (map == MAP_FAILED) {
			rc = xkd_err_set(err, XKD_NOMEM, "no memory for the symbols %s", m->origin);
		} else {
			memcpy(map, k.out.s, k.out.len);
			rc = xkd_image_take(m->origin, map, k.out.len, log, img, err);
		}
	}
	if (!rc)
		(*img)->made = true;
	xkd_buf_fini(&k.out);
	xkd_buf_fini(&k.str);
	xkd_buf_fini(&k.shstr);
	free(k.secs);
	free(k.sh);
	return rc;
}

bool xkd_image_is_made(const struct xkd_image *img)
{
	return img->made;
}
