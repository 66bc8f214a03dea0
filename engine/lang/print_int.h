/* Shared by the printing files of engine/lang only. */
#ifndef XKD_ENGINE_PRINT_INT_H
#define XKD_ENGINE_PRINT_INT_H
#include "engine/lang/lang.h"
#include "engine/lang/print.h"

/* A number in kd's hex: "0x71", "0xffff8e72`dd084960"; 0 is "0". */
void xkd_text_hex(struct xkd_buf *out, uint64_t v);
/* kd's words for a type: "Uint4B", "Ptr64 kvm_io_device", "[0] kvm_io_range"; verbose as dt -v. */
void xkd_text_type(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *type,
		   bool verbose, struct xkd_buf *out);
/* "struct kvm_io_bus, 4 elements, 0x10 bytes" */
void xkd_text_elements(const struct xkd_ctx *ctx, struct xkd_module *mod,
		       const struct xkd_type *type, struct xkd_buf *out);
/* C's spelling, or "?" where there is none. */
void xkd_text_spell(const struct xkd_type *type, struct xkd_buf *out);
/* `  "text"` when v is an array of char: true. */
bool xkd_text_chars(const struct xkd_ctx *ctx, const struct xkd_value *v, struct xkd_buf *out);
/* A struct that stands for one number (atomic_t, refcount_t): its name and the number inside. */
const char *xkd_counter_name(const struct xkd_ctx *ctx, struct xkd_module *mod,
			     const struct xkd_type *type);
/* How many elements a flexible array of this struct has, by a counter beside it; false: not known. */
bool xkd_flexible_count(const struct xkd_ctx *ctx, const struct xkd_value *parent,
			const char *member, uint64_t *n);
/* Foreign text made safe, into a cell. */
void xkd_out_text(struct xkd_out *out, enum xkd_style st, const char *key, const char *text);
#endif
