/* What the call-frame files share. For symbols/cfi*.c only. */
#ifndef XKD_SYMBOLS_CFI_INT_H
#define XKD_SYMBOLS_CFI_INT_H
#include "symbols/cfi.h"

struct xkd_cfi {
	const uint8_t *data;
	size_t size;
	uint64_t addr;
	bool eh;
	struct cfi_fde *fdes; /* by low address */
	size_t n;
};

/* Where the FDE's record lies is enough to decode it again. */
struct cfi_fde {
	uint64_t low, high;
	uint64_t off;
};

struct cfi_cie {
	uint64_t code_align;
	int64_t data_align;
	unsigned ra_reg;
	uint8_t enc;  /* DW_EH_PE_ of FDE addresses */
	bool aug_len; /* FDEs carry augmentation data */
	bool signal;
	const uint8_t *insns;
	size_t insns_len;
};

/* A cursor over bytes; bad stays set once a read left them, and reads give 0 from then on. */
struct cfi_cur {
	const uint8_t *p, *end;
	bool bad;
};
uint64_t cfi_uint(struct cfi_cur *c, unsigned n);
uint64_t cfi_uleb(struct cfi_cur *c);
int64_t cfi_sleb(struct cfi_cur *c);
const uint8_t *cfi_bytes(struct cfi_cur *c, uint64_t n); /* NULL and bad when they are not there */

/* One CIE or FDE: the bytes after its id field. */
struct cfi_rec {
	uint64_t off, next; /* section offsets: of the record, of the one after it */
	uint64_t id_off;    /* of the id field */
	uint64_t id;
	bool is_cie;
	struct cfi_cur body;
};
/* NOTFOUND at a terminator of .eh_frame. */
enum xkd_rc cfi_rec_at(const struct xkd_cfi *c, uint64_t off, struct cfi_rec *r,
		       struct xkd_err *err) XKD_MUST;
enum xkd_rc cfi_cie_of(const struct xkd_cfi *c, const struct cfi_rec *fde, struct cfi_cie *cie,
		       struct xkd_err *err) XKD_MUST;
/* Address range of an FDE; its body is then at the instructions. */
enum xkd_rc cfi_fde_range(const struct xkd_cfi *c, const struct cfi_cie *cie, struct cfi_rec *fde,
			  uint64_t *low, uint64_t *high, struct xkd_err *err) XKD_MUST;
uint64_t cfi_encoded(const struct xkd_cfi *c, struct cfi_cur *cur, uint8_t enc);
#endif
