/* Images: opens and maps an ELF file, gives its sections their addresses, counts references.
 * Invariants: opening touches headers and notes only; after open nothing of the image changes but
 * what is made at first use (section copies, symbol tables, parts), and that never moves. */
#include "symbols/image.h"
#include "base/str.h"
#include "symbols/image_elf.h"
#include "symbols/image_priv.h"
#include "symbols/index.h"
#include "symbols/unpack.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KO_PAGE 4096ULL
#define KO_ALIGN_MAX (2ULL << 20)
#define KO_SPAN_MAX (1ULL << 40) /* more than any module can be */

bool xkd_buildid_eq(const struct xkd_buildid *a, const struct xkd_buildid *b)
{
	return a->n && a->n == b->n && a->n <= sizeof(a->b) && !memcmp(a->b, b->b, a->n);
}

const char *xkd_buildid_hex(const struct xkd_buildid *id, char *buf)
{
	xkd_hex_encode(buf, id->b, id->n <= sizeof(id->b) ? id->n : 0);
	return buf;
}

enum xkd_rc xkd_buildid_from_notes(const uint8_t *notes, size_t n, struct xkd_buildid *id)
{
	size_t off = 0;

	id->n = 0;
	while (n - off >= 12) {
		uint64_t namesz = xkd_get_le(notes + off, 4);
		uint64_t descsz = xkd_get_le(notes + off + 4, 4);
		uint64_t type = xkd_get_le(notes + off + 8, 4);
		uint64_t name = off + 12;
		uint64_t desc = name + ((namesz + 3) & ~3ULL);

		if (desc > n || descsz > n - desc)
			break;
		if (type == NT_GNU_BUILD_ID && namesz == 4 && !memcmp(notes + name, "GNU", 4) &&
		    descsz && descsz <= sizeof(id->b)) {
			memcpy(id->b, notes + desc, descsz);
			id->n = descsz;
			return XKD_OK;
		}
		off = desc + ((descsz + 3) & ~3ULL);
		if (off > n)
			break;
	}
	return XKD_NOTFOUND;
}

static enum xkd_rc map_file(struct xkd_image *img, const char *path, struct xkd_err *err)
{
	/* O_NONBLOCK: a FIFO must not hang us */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *p;

	if (fd < 0)
		return xkd_err_set(err, errno == ENOENT || errno == ENOTDIR ? XKD_NOTFOUND : XKD_IO,
				   "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return xkd_err_set(err, XKD_BADDATA, "%s is no regular file", path);
	}
	if (!st.st_size) {
		close(fd);
		return xkd_err_set(err, XKD_BADDATA, "%s is an empty file", path);
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return xkd_err_set(err, XKD_IO, "%s: cannot be mapped: %s", path, strerror(errno));
	img->map = p;
	img->size = (size_t)st.st_size;
	return XKD_OK;
}

/* A compressed file is worked on as what it holds. */
static enum xkd_rc unpack_map(struct xkd_image *img, struct xkd_err *err)
{
	void *plain;
	size_t size;
	enum xkd_rc rc = xkd_unpack_file(img->map, img->size, img->path, &plain, &size, err);

	if (rc || !plain)
		return rc;
	munmap((void *)(uintptr_t)img->map, img->size);
	img->map = plain;
	img->size = size;
	return XKD_OK;
}

/* Notes how a section is compressed and shows it by its plain name and size. */
static void see_packing(struct xkd_image *img, struct xkd_section *s, struct xkd_secpriv *p)
{
	const uint8_t *d = s->data;

	if (!d)
		return;
	if (s->flags & SHF_COMPRESSED) {
		p->pack = XKD_PACK_CHDR;
		s->flags &= ~(uint64_t)SHF_COMPRESSED;
		s->size = p->raw_size >= sizeof(Elf64_Chdr) ? xkd_get_le(d + 8, 8) : 0;
	} else if (xkd_has_prefix(s->name, ".zdebug_") && p->raw_size >= 12 &&
		   !memcmp(d, "ZLIB", 4)) {
		p->pack = XKD_PACK_ZDEBUG;
		s->name = xkd_arena_printf(&img->arena, ".%s", s->name + 2);
		s->size = 0;
		for (int i = 4; i < 12; i++)
			s->size = s->size << 8 | d[i];
	}
	if (p->pack)
		s->data = NULL;
}

static void take_sections(struct xkd_image *img, const struct xkd_elf *elf)
{
	img->nsec = elf->nsec;
	img->sec = XKD_NEWN(&img->arena, struct xkd_section, elf->nsec);
	img->priv = XKD_NEWN(&img->arena, struct xkd_secpriv, elf->nsec);
	for (size_t i = 0; i < elf->nsec; i++) {
		const struct xkd_elf_sec *e = &elf->sec[i];
		bool bytes = e->type != SHT_NOBITS && e->type != SHT_NULL;
		bool placed = (e->flags & SHF_ALLOC) && e->type != SHT_NULL;

		img->sec[i] = (struct xkd_section){ .name = e->name,
						    .addr = placed ? e->addr : 0,
						    .size = e->size,
						    .off = e->off,
						    .type = e->type,
						    .flags = e->flags,
						    .index = (unsigned)i,
						    .data = bytes ? img->map + e->off : NULL };
		img->priv[i] = (struct xkd_secpriv){ .raw_size = bytes ? e->size : 0,
						     .align = e->align,
						     .link = e->link,
						     .info = e->info };
		see_packing(img, &img->sec[i], &img->priv[i]);
	}
}

/* A place for every loaded section of a .ko. At least one unused byte lies between two sections, so
 * that an end label (__stop_...) is never the start of the next one. */
static enum xkd_rc lay_out(struct xkd_image *img, struct xkd_err *err)
{
	uint64_t at = XKD_KO_BASE;

	for (size_t i = 1; i < img->nsec; i++) {
		struct xkd_section *s = &img->sec[i];
		uint64_t align = img->priv[i].align;

		if (!(s->flags & SHF_ALLOC) || s->type == SHT_NULL)
			continue;
		if (align < KO_PAGE || align > KO_ALIGN_MAX || (align & (align - 1)))
			align = KO_PAGE;
		at = (at + align - 1) & ~(align - 1);
		if (s->size > KO_SPAN_MAX || at + s->size > XKD_KO_BASE + KO_SPAN_MAX)
			return xkd_err_set(err, XKD_BADDATA,
					   "%s: section %zu (%.40s) claims 0x%" PRIx64 " bytes",
					   img->path, i, s->name, s->size);
		s->addr = at;
		at += s->size + 1;
	}
	return XKD_OK;
}

static int cmp_sec(const void *a, const void *b, void *arg)
{
	const struct xkd_section *sec = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (sec[x].addr != sec[y].addr)
		return sec[x].addr < sec[y].addr ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void sort_sections(struct xkd_image *img)
{
	img->by_addr = XKD_NEWN(&img->arena, uint32_t, img->nsec);
	for (size_t i = 1; i < img->nsec; i++) {
		const struct xkd_section *s = &img->sec[i];

		/* .tbss takes no address space */
		if ((s->flags & SHF_ALLOC) && s->type != SHT_NULL && s->size &&
		    !((s->flags & SHF_TLS) && s->type == SHT_NOBITS))
			img->by_addr[img->nby_addr++] = (uint32_t)i;
	}
	qsort_r(img->by_addr, img->nby_addr, sizeof(*img->by_addr), cmp_sec, img->sec);
}

static void find_buildid(struct xkd_image *img)
{
	for (size_t i = 1; i < img->nsec; i++) {
		const struct xkd_section *s = &img->sec[i];

		if (s->type == SHT_NOTE && s->data &&
		    xkd_buildid_from_notes(s->data, s->size, &img->id) == XKD_OK)
			return;
	}
}

/* What is the same for a file's bytes and for made ones. Drops img on failure. */
static enum xkd_rc set_up(struct xkd_image *img, struct xkd_image **out, struct xkd_err *err)
{
	struct xkd_elf elf;
	enum xkd_rc rc = xkd_elf_read(img->map, img->size, img->path, &img->arena, &elf, err);

	if (!rc) {
		img->is_ko = elf.type == ET_REL;
		img->entry = elf.entry;
		take_sections(img, &elf);
		if (img->is_ko)
			rc = lay_out(img, err);
	}
	if (rc) {
		xkd_image_unref(img);
		return rc;
	}
	sort_sections(img);
	find_buildid(img);
	*out = img;
	return XKD_OK;
}

static struct xkd_image *new_image(const char *path, struct xkd_log *log)
{
	struct xkd_image *img = xkd_calloc(1, sizeof(*img));

	img->refs = 1;
	img->log = log;
	xkd_arena_init(&img->arena);
	img->path = xkd_arena_strdup(&img->arena, path);
	return img;
}

enum xkd_rc xkd_image_open(const char *path, struct xkd_log *log, struct xkd_image **out,
			   struct xkd_err *err)
{
	struct xkd_image *img = new_image(path, log);
	enum xkd_rc rc;

	*out = NULL;
	rc = map_file(img, path, err);
	if (!rc)
		rc = unpack_map(img, err);
	if (rc) {
		xkd_image_unref(img);
		return rc;
	}
	return set_up(img, out, err);
}

enum xkd_rc xkd_image_take(const char *path, void *map, size_t size, struct xkd_log *log,
			   struct xkd_image **out, struct xkd_err *err)
{
	struct xkd_image *img = new_image(path, log);

	*out = NULL;
	img->map = map;
	img->size = size;
	return set_up(img, out, err);
}

struct xkd_image *xkd_image_ref(struct xkd_image *img)
{
	img->refs++;
	return img;
}

void xkd_image_unref(struct xkd_image *img)
{
	if (!img || --img->refs)
		return;
	for (int i = 0; i < XKD_PART_N; i++)
		if (img->part[i].p)
			img->part[i].close(img->part[i].p);
	xkd_index_free(img->index);
	xkd_symtab_free(img->symtab);
	xkd_image_unref(img->debug);
	xkd_image_data_fini(img);
	if (img->map)
		munmap((void *)(uintptr_t)img->map, img->size);
	xkd_arena_fini(&img->arena);
	free(img);
}

const char *xkd_image_path(const struct xkd_image *img)
{
	return img->path;
}

const struct xkd_buildid *xkd_image_buildid(const struct xkd_image *img)
{
	return &img->id;
}

bool xkd_image_is_ko(const struct xkd_image *img)
{
	return img->is_ko;
}

bool xkd_image_has_dwarf(const struct xkd_image *img)
{
	const struct xkd_section *s = xkd_image_section_named(img, ".debug_info");

	return s && s->type != SHT_NOBITS && s->size;
}

uint64_t xkd_image_entry(const struct xkd_image *img)
{
	return img->entry;
}

struct xkd_arena *xkd_image_arena(struct xkd_image *img)
{
	return &img->arena;
}

struct xkd_log *xkd_image_log(struct xkd_image *img)
{
	return img->log;
}

size_t xkd_image_nsections(const struct xkd_image *img)
{
	return img->nsec;
}

const struct xkd_section *xkd_image_section(const struct xkd_image *img, size_t i)
{
	return i < img->nsec ? &img->sec[i] : NULL;
}

const struct xkd_section *xkd_image_section_named(const struct xkd_image *img, const char *name)
{
	for (size_t i = 1; i < img->nsec; i++)
		if (img->sec[i].type != SHT_NULL && !strcmp(img->sec[i].name, name))
			return &img->sec[i];
	return NULL;
}

const struct xkd_section *xkd_image_section_at(const struct xkd_image *img, uint64_t iaddr)
{
	size_t lo = 0, hi = img->nby_addr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (img->sec[img->by_addr[mid]].addr <= iaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo) {
		const struct xkd_section *s = &img->sec[img->by_addr[lo - 1]];

		if (iaddr - s->addr < s->size)
			return s;
	}
	return NULL;
}

/* Padding between two sections of a linked file, which it holds like them. */
static size_t read_gap(struct xkd_image *img, uint64_t iaddr, uint8_t *buf, size_t len)
{
	for (size_t i = 0; !img->is_ko && !img->made && i + 1 < img->nby_addr; i++) {
		const struct xkd_section *a = &img->sec[img->by_addr[i]];
		const struct xkd_section *b = &img->sec[img->by_addr[i + 1]];
		uint64_t off = iaddr - a->addr + a->off;

		if (iaddr < a->addr || iaddr >= b->addr)
			continue;
		if (!a->data || !b->data || a->addr - a->off != b->addr - b->off ||
		    b->off > img->size || off >= b->off || off < a->off)
			return 0;
		if (len > b->off - off)
			len = (size_t)(b->off - off);
		memcpy(buf, img->map + off, len);
		return len;
	}
	return 0;
}

size_t xkd_image_read(struct xkd_image *img, uint64_t iaddr, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const struct xkd_section *s = xkd_image_section_at(img, iaddr + done);
		const uint8_t *data;
		size_t size, n;
		uint64_t off;

		if (!s && (n = read_gap(img, iaddr + done, (uint8_t *)buf + done, len - done))) {
			done += n;
			continue;
		}
		if (!s || xkd_image_section_data(img, s, &data, &size, NULL))
			break;
		off = iaddr + done - s->addr;
		n = size - off < len - done ? size - off : len - done;
		memcpy((uint8_t *)buf + done, data + off, n);
		done += n;
	}
	return done;
}
