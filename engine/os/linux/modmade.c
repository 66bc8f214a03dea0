/* A module's image from memory: symbols from module->kallsyms, types from the btf_modules list, ORC
 * from module->arch. Members are found by the kernel's own types, so a kernel
 * without BTF gives none. Invariants: counts and lengths from the target are bounded before they
 * are used; only the symbols are needed for success. */
#include "engine/os/linux/linux.h"
#include "symbols/image_made.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define SYMS_MAX (1u << 20)
#define STR_MAX (64u << 20)
#define NAME_MAX_LEN 1024
#define BTF_MAX (64u << 20)
#define ORCS_MAX (4u << 20)
#define MODULES_MAX 4096
#define CHAR_TYPE 0x40 /* st_info from here on is nm's letter (before 5.0), not ELF's */

/* module->kallsyms, read. */
struct table {
	Elf64_Sym *sym;
	size_t n;
	char *str;
	size_t nstr;
	uint8_t *type; /* since 5.2; NULL before */
};

static void table_fini(struct table *k)
{
	free(k->sym);
	free(k->str);
	free(k->type);
}

static enum xkd_rc read_table(struct xkd_target *t, uint64_t mod, struct table *k,
			      struct xkd_err *err)
{
	uint64_t at = 0, sym = 0, n = 0, str = 0, type = 0, last = 0;
	struct xkd_space sp = xkd_space_kernel();
	size_t done = 0;
	struct linux_fit fit;
	enum xkd_rc rc = linux_shape(t, SHAPE_MODSYMS, &fit, err);

	if (!rc)
		rc = linux_part(t, &fit, KS_TABLE, mod, &at, err);
	if (!rc)
		rc = linux_part(t, &fit, KS_SYMTAB, at, &sym, err);
	if (!rc)
		rc = linux_part(t, &fit, KS_COUNT, at, &n, err);
	if (!rc)
		rc = linux_part(t, &fit, KS_STRTAB, at, &str, err);
	if (rc)
		return rc;
	if (n < 2 || n > SYMS_MAX)
		return xkd_err_set(err, XKD_BADDATA, "a symbol table of %llu entries",
				   (unsigned long long)n);
	k->n = (size_t)n;
	k->sym = xkd_calloc(k->n, sizeof(*k->sym));
	rc = xkd_kread(t, sym, k->sym, k->n * sizeof(*k->sym), err);
	if (rc)
		return rc;
	for (size_t i = 0; i < k->n; i++)
		if (k->sym[i].st_name > last)
			last = k->sym[i].st_name;
	if (last > STR_MAX)
		return xkd_err_set(err, XKD_BADDATA, "a name at offset 0x%llx",
				   (unsigned long long)last);
	/* how long the last name is nobody says: what lies behind may be unreadable */
	k->nstr = (size_t)last + NAME_MAX_LEN;
	k->str = xkd_calloc(1, k->nstr + 1);
	rc = xkd_mem_read(t, &sp, str, k->str, k->nstr, &done, err);
	if (rc && done <= last)
		return rc;
	if (fit.at[KS_TYPES].there && !(rc = linux_part(t, &fit, KS_TYPES, at, &type, err))) {
		k->type = xkd_calloc(1, k->n);
		rc = xkd_kread(t, type, k->type, k->n, err);
	}
	return rc;
}

/* By nm's letter where there is one, else by what ELF says. */
static bool made_symbol(const struct table *k, size_t i, struct xkd_made_sym *s)
{
	const Elf64_Sym *e = &k->sym[i];
	char c = k->type ? (char)k->type[i] : e->st_info >= CHAR_TYPE ? (char)e->st_info : 0;

	*s = (struct xkd_made_sym){ .name = k->str + e->st_name, .addr = e->st_value };
	if (!e->st_name || !*s->name || e->st_shndx == SHN_UNDEF)
		return false;
	/* without letters in a table of their own a size may be one (5.0, 5.1) */
	if (k->type && e->st_size < STR_MAX)
		s->size = e->st_size;
	if (c) {
		s->bind = c == 'w' || c == 'W' || c == 'v' || c == 'V' ? STB_WEAK
			  : c >= 'A' && c <= 'Z'		       ? STB_GLOBAL
								       : STB_LOCAL;
		s->type = c == 't' || c == 'T' || c == 'w' || c == 'W'	 ? STT_FUNC
			  : c == 'a' || c == 'A' || c == 'n' || c == 'N' ? STT_NOTYPE
									 : STT_OBJECT;
	} else {
		s->bind = ELF64_ST_BIND(e->st_info);
		s->type = ELF64_ST_TYPE(e->st_info);
	}
	if (k->type && ELF64_ST_TYPE(e->st_info) <= STT_FUNC && e->st_info < CHAR_TYPE)
		s->type = ELF64_ST_TYPE(e->st_info);
	return true;
}

static int by_addr(const void *a, const void *b)
{
	const struct xkd_modsec *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* A section reaches to the next one or to the end of its range: lengths are told nowhere. */
static size_t made_sections(struct xkd_module *m, struct xkd_made_sec *out)
{
	size_t n = 0;

	if (!m->secs.n) /* no sysfs in this kernel */
		for (size_t i = 0; i < m->ranges.n; i++) {
			struct xkd_modsec *s = xkd_vec_push(&m->secs);

			strcpy(s->name, i ? ".data" : ".text");
			s->addr = m->ranges.p[i].start;
		}
	xkd_vec_sort(&m->secs, by_addr);
	for (size_t i = 0; i < m->secs.n; i++) {
		const struct xkd_modsec *s = &m->secs.p[i];
		uint64_t end = 0;

		for (size_t r = 0; r < m->ranges.n; r++)
			if (s->addr - m->ranges.p[r].start < m->ranges.p[r].size)
				end = m->ranges.p[r].start + m->ranges.p[r].size;
		if (i + 1 < m->secs.n && m->secs.p[i + 1].addr < end)
			end = m->secs.p[i + 1].addr;
		if (end > s->addr)
			out[n++] = (struct xkd_made_sec){ .name = s->name,
							  .addr = s->addr,
							  .size = end - s->addr,
							  .loaded = true,
							  .exec = strstr(s->name, "text") != NULL };
	}
	return n;
}

static uint8_t *bytes_at(struct xkd_target *t, uint64_t addr, uint64_t n, uint64_t max)
{
	struct xkd_err ignored;
	uint8_t *p;

	if (!addr || !n || n > max)
		return NULL;
	p = xkd_malloc((size_t)n);
	if (!xkd_kread(t, addr, p, (size_t)n, &ignored))
		return p;
	free(p);
	return NULL;
}

/* The bytes of the module's BTF (since 5.11); NULL: none. */
static uint8_t *module_btf(struct xkd_target *t, uint64_t mod, size_t *size)
{
	struct xkd_err ignored;
	struct linux_fit fit;
	uint64_t p, owner, btf, data, n;

	if (linux_shape(t, SHAPE_MODBTF, &fit, &ignored) ||
	    linux_part(t, &fit, MB_HEAD, 0, &p, &ignored))
		return NULL;
	for (size_t i = 0; p && p != fit.at[MB_HEAD].off && i < MODULES_MAX; i++) {
		uint64_t e = p - fit.at[MB_LIST].off;

		if (linux_part(t, &fit, MB_MODULE, e, &owner, &ignored))
			return NULL;
		if (owner == mod) {
			if (linux_part(t, &fit, MB_BTF, e, &btf, &ignored) ||
			    linux_part(t, &fit, MB_DATA, btf, &data, &ignored) ||
			    linux_part(t, &fit, MB_SIZE, btf, &n, &ignored))
				return NULL;
			*size = (size_t)n;
			return bytes_at(t, data, n, BTF_MAX);
		}
		if (xkd_kread_u(t, p, 8, &p, &ignored))
			return NULL;
	}
	return NULL;
}

/* Gives the two ORC sections their bytes. own: two pointers to free. */
static void module_orc(struct xkd_target *t, uint64_t mod, struct xkd_made_sec *sec, size_t n,
		       uint8_t *own[2])
{
	static const unsigned part[2] = { MO_IPS, MO_ENTRIES };
	static const char *const name[2] = { ".orc_unwind_ip", ".orc_unwind" };
	static const unsigned entry[2] = { 4, 6 };
	struct xkd_err ignored;
	struct linux_fit fit;
	uint64_t num, at;

	if (linux_shape(t, SHAPE_MODORC, &fit, &ignored) ||
	    linux_part(t, &fit, MO_COUNT, mod, &num, &ignored) || num > ORCS_MAX)
		return;
	for (int k = 0; k < 2; k++) {
		if (linux_part(t, &fit, part[k], mod, &at, &ignored))
			return;
		for (size_t i = 0; i < n; i++)
			if (sec[i].addr == at && !strcmp(sec[i].name, name[k]) &&
			    num * entry[k] <= sec[i].size &&
			    (own[k] = bytes_at(t, at, num * entry[k], ORCS_MAX * 6ULL))) {
				sec[i].data = own[k];
				sec[i].size = num * entry[k];
				break;
			}
	}
}

enum xkd_rc linux_module_from_memory(struct xkd_target *t, struct xkd_module *m,
				     struct xkd_image **img, struct xkd_err *err)
{
	struct xkd_made made = { .origin = "from memory" };
	uint8_t *btf, *orc[2] = { NULL, NULL };
	struct table k = { 0 };
	struct xkd_made_sec *sec;
	struct xkd_made_sym *sym;
	size_t btf_size = 0;
	enum xkd_rc rc;

	*img = NULL;
	if (!m->struct_addr)
		return xkd_err_set(err, XKD_NOTFOUND, "%s was placed by hand", m->name);
	rc = read_table(t, m->struct_addr, &k, err);
	if (rc) {
		table_fini(&k);
		return xkd_err_prepend(err, rc, "the symbols of %s in memory", m->name);
	}
	sym = xkd_calloc(k.n, sizeof(*sym));
	for (size_t i = 1; i < k.n; i++)
		made.nsym += made_symbol(&k, i, &sym[made.nsym]);
	sec = xkd_calloc(m->secs.n + m->ranges.n + 1, sizeof(*sec));
	made.nsec = made_sections(m, sec);
	module_orc(t, m->struct_addr, sec, made.nsec, orc);
	btf = module_btf(t, m->struct_addr, &btf_size);
	if (btf)
		sec[made.nsec++] =
			(struct xkd_made_sec){ .name = ".BTF", .size = btf_size, .data = btf };
	made.sec = sec;
	made.sym = sym;
	rc = xkd_image_make(&made, t->log, img, err);
	free(btf);
	free(orc[0]);
	free(orc[1]);
	free(sec);
	free(sym);
	table_fini(&k);
	return rc;
}
