/* The inside of an image, for the files that make it up: image.c, image_data.c, image_parts.c,
 * symtab.c. Nobody else includes this. */
#ifndef XKD_SYMBOLS_IMAGE_PRIV_H
#define XKD_SYMBOLS_IMAGE_PRIV_H
#include "symbols/image.h"

struct xkd_symtab;

enum xkd_pack { XKD_PACK_NONE, XKD_PACK_CHDR, XKD_PACK_ZDEBUG };
/* What a section has beside its public face. */
struct xkd_secpriv {
	uint64_t raw_size; /* bytes in the file; the public size is the unpacked one */
	uint64_t align;
	uint32_t link, info;
	enum xkd_pack pack;
	/* made by image_data.c, once each; own: to be freed */
	const uint8_t *plain; /* unpacked */
	uint8_t *plain_own;
	const uint8_t *ready; /* unpacked and relocated */
	uint8_t *ready_own;
	struct xkd_err *failed; /* arena: why there are no bytes */
};

/* A piece hung on the image by image_parts.c. */
struct xkd_part {
	bool tried;
	enum xkd_rc rc;
	struct xkd_err err;
	void *p;
	void (*close)(void *p);
};
enum xkd_part_kind { XKD_PART_DWARF, XKD_PART_BTF, XKD_PART_ORC, XKD_PART_CFI, XKD_PART_N };

struct xkd_image {
	unsigned refs;
	char *path; /* arena */
	struct xkd_arena arena;
	struct xkd_log *log;
	const uint8_t *map;
	size_t size;
	bool is_ko;
	bool made; /* from no file (image_made.c) */
	uint64_t entry;
	struct xkd_section *sec;
	struct xkd_secpriv *priv;
	size_t nsec;
	uint32_t *by_addr; /* indices of the loaded, non-empty sections by address */
	size_t nby_addr;
	struct xkd_buildid id;
	struct xkd_image *debug; /* debuglink.c: the separate debug file; counted */
	bool debug_tried;
	struct xkd_symtab *symtab; /* symtab.c; NULL until asked for */
	struct xkd_part part[XKD_PART_N];
	struct xkd_index *index; /* index.c; NULL until asked for */
};

/* image.c: an image of bytes that are mapped already; map is the image's from here on, also on failure. */
enum xkd_rc xkd_image_take(const char *path, void *map, size_t size, struct xkd_log *log,
			   struct xkd_image **img, struct xkd_err *err) XKD_MUST;
/* image_data.c: a section's bytes, decompressed but as the file has them. */
enum xkd_rc xkd_image_plain(struct xkd_image *img, size_t i, const uint8_t **data, size_t *size,
			    struct xkd_err *err) XKD_MUST;
void xkd_image_data_fini(struct xkd_image *img);
/* Index of the (first) symbol table, 0 if none. */
size_t xkd_image_symtab_section(const struct xkd_image *img);
/* Index of the SHT_SYMTAB_SHNDX section of symbol table i, 0 if none. */
size_t xkd_image_xindex_section(const struct xkd_image *img, size_t i);
/* symtab.c */
void xkd_symtab_free(struct xkd_symtab *t);
#endif
