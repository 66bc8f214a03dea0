/* An ELF file: mapped, counted, immutable. Addresses in everything that comes from an image are
 * "image addresses" (iaddr): link-time addresses of a linked file; for a relocatable file (.ko) every
 * SHF_ALLOC section is given its own place, one after another from XKD_KO_BASE, and the file's
 * relocations are applied for that layout in a private mapping. Where a section really lies in a
 * target is the business of a module (engine/core/module.h), so one image serves many loads. */
#ifndef XKD_SYMBOLS_IMAGE_H
#define XKD_SYMBOLS_IMAGE_H
#include "base/arena.h"
#include "base/log.h"
#include "symbols/src.h"

#define XKD_KO_BASE 0x100000000ULL /* first section of a .ko; sections are page-aligned apart */

struct xkd_buildid {
	uint8_t b[64];
	size_t n; /* 0: none */
};
bool xkd_buildid_eq(const struct xkd_buildid *a, const struct xkd_buildid *b);
#define XKD_BUILDID_HEX 129
const char *xkd_buildid_hex(const struct xkd_buildid *id, char *buf); /* buf of XKD_BUILDID_HEX */
/* Finds the GNU build-id in a run of ELF notes (name "GNU", type 3); NOTFOUND if none. */
enum xkd_rc xkd_buildid_from_notes(const uint8_t *notes, size_t n, struct xkd_buildid *id);

struct xkd_section {
	const char *name;
	uint64_t addr;	/* image address; 0 for sections that are not loaded */
	uint64_t size;	/* decompressed; .zdebug_NAME is shown as .debug_NAME */
	uint64_t off;	/* file offset */
	uint32_t type;	/* SHT_ */
	uint64_t flags; /* SHF_ */
	unsigned index;
	const uint8_t *data; /* raw mapped bytes; NULL for NOBITS and compressed ones. Use
			      * xkd_image_section_data. */
};

struct xkd_sym {
	const char *name; /* image arena */
	uint64_t addr;	  /* image address; for absolute symbols and a linked kernel's per-CPU ones the
			   * raw value; a .ko's per-CPU ones lie in its .data..percpu section */
	uint64_t size;	  /* 0: not given */
	uint8_t type;	  /* STT_ */
	uint8_t bind;	  /* STB_ */
	uint16_t shndx;	  /* SHN_ABS for absolute */
};

struct xkd_image;
/* Opens and maps; reads headers and nothing more. The reference is the caller's.
 * BADDATA with the file's name for what is not sound ELF64 little-endian x86-64. */
enum xkd_rc xkd_image_open(const char *path, struct xkd_log *log, struct xkd_image **img,
			   struct xkd_err *err) XKD_MUST;
struct xkd_image *xkd_image_ref(struct xkd_image *img);
void xkd_image_unref(struct xkd_image *img);

const char *xkd_image_path(const struct xkd_image *img);
const struct xkd_buildid *xkd_image_buildid(const struct xkd_image *img);
bool xkd_image_is_ko(const struct xkd_image *img);    /* ET_REL */
bool xkd_image_has_dwarf(const struct xkd_image *img); /* .debug_info present */
uint64_t xkd_image_entry(const struct xkd_image *img);
struct xkd_arena *xkd_image_arena(struct xkd_image *img);
struct xkd_log *xkd_image_log(struct xkd_image *img);

size_t xkd_image_nsections(const struct xkd_image *img);
const struct xkd_section *xkd_image_section(const struct xkd_image *img, size_t i);
const struct xkd_section *xkd_image_section_named(const struct xkd_image *img, const char *name);
/* The SHF_ALLOC section that holds iaddr, or NULL. */
const struct xkd_section *xkd_image_section_at(const struct xkd_image *img, uint64_t iaddr);
/* A section's bytes, decompressed and, in a .ko, relocated for image addresses (done once, at the
 * first call; the symbol and relocation tables of the file are foreign: bad entries are skipped and
 * counted in a log line). Image lifetime. NOTFOUND for NOBITS. */
enum xkd_rc xkd_image_section_data(struct xkd_image *img, const struct xkd_section *s,
				   const uint8_t **data, size_t *size, struct xkd_err *err) XKD_MUST;
/* Bytes as the file has them at image addresses (text as linked or relocated); partial counts. */
size_t xkd_image_read(struct xkd_image *img, uint64_t iaddr, void *buf, size_t len);

/* --- .symtab (symtab.c); the sorted tables are made at the first call of each kind --- */
/* Nearest symbol at or below iaddr in the same section: functions and objects before notype, global
 * before local, sized ones that cover iaddr first; but in code a nearer label wins over the function
 * around it, as in the kernel's own traces. next (may be NULL): lowest symbol above in the
 * section, NULL name if none. An address in no section is found only where a label stands exactly there.
 * NOTFOUND when there is none. Mapping symbols, section and file symbols are never answers. */
enum xkd_rc xkd_image_sym_at(struct xkd_image *img, uint64_t iaddr, struct xkd_sym *sym,
			     struct xkd_sym *next);
/* First symbol with exactly this name (global before local); *count how many there are. */
enum xkd_rc xkd_image_sym_named(struct xkd_image *img, const char *name, struct xkd_sym *sym,
				size_t *count);
/* Every symbol (exact name, all of them), then by pattern. fn returns false to stop. */
void xkd_image_sym_all_named(struct xkd_image *img, const char *name,
			     bool (*fn)(void *arg, const struct xkd_sym *sym), void *arg);
void xkd_image_sym_glob(struct xkd_image *img, const char *pattern, bool fold,
			bool (*fn)(void *arg, const struct xkd_sym *sym), void *arg);
/* The source file (STT_FILE) under which a local symbol of this name and address stands, or NULL. */
const char *xkd_image_sym_file(struct xkd_image *img, const struct xkd_sym *sym);

/* --- pieces hung on an image by other files of symbols/, made at first use --- */
struct xkd_dwarf;
struct xkd_btf;
struct xkd_orc;
struct xkd_cfi;
/* Each: NOTFOUND when the image has no such section; errors are remembered and given again. */
enum xkd_rc xkd_image_dwarf(struct xkd_image *img, struct xkd_dwarf **d, struct xkd_err *err);
/* base: the kernel's BTF for split BTF of a module; NULL for the kernel's own. */
enum xkd_rc xkd_image_btf(struct xkd_image *img, struct xkd_btf *base, struct xkd_btf **b,
			  struct xkd_err *err);
enum xkd_rc xkd_image_orc(struct xkd_image *img, struct xkd_orc **o, struct xkd_err *err);
enum xkd_rc xkd_image_cfi(struct xkd_image *img, struct xkd_cfi **c, struct xkd_err *err);
#endif
