/* What the call-frame files share. For symbols/cfi*.c only. */
#ifndef XKD_SYMBOLS_CFI_INT_H
#define XKD_SYMBOLS_CFI_INT_H
#include "base/cur.h"
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

/* One CIE or FDE: the bytes after its id field. */
struct cfi_rec {
	uint64_t off, next; /* section offsets: of the record, of the one after it */
	uint64_t id_off;    /* of the id field */
	uint64_t id;
	bool is_cie;
	struct xkd_cur body;
};
/* NOTFOUND at a terminator of .eh_frame. */
enum xkd_rc cfi_rec_at(const struct xkd_cfi *c, uint64_t off, struct cfi_rec *r,
		       struct xkd_err *err) XKD_MUST;
enum xkd_rc cfi_cie_of(const struct xkd_cfi *c, const struct cfi_rec *fde, struct cfi_cie *cie,
		       struct xkd_err *err) XKD_MUST;
/* Address range of an FDE; its body is then at the instructions. */
enum xkd_rc cfi_fde_range(const struct xkd_cfi *c, const struct cfi_cie *cie, struct cfi_rec *fde,
			  uint64_t *low, uint64_t *high, struct xkd_err *err) XKD_MUST;
uint64_t cfi_encoded(const struct xkd_cfi *c, struct xkd_cur *cur, uint8_t enc);
#endif
