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
/* A struct of the kernel in a few words ("cpumask 0-3", "list_head [ a - b ] (2 entries)"); false: it
 * is none that known.c knows. */
bool xkd_text_known(const struct xkd_ctx *ctx, const struct xkd_value *v, struct xkd_buf *out);
/* Does a row of it say all there is, so that -r and -b need not go in? */
bool xkd_known_whole(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *type);
/* ` "init"`: what an object is called, where its type has a name that says so. */
void xkd_text_title(const struct xkd_ctx *ctx, const struct xkd_value *obj, struct xkd_buf *out);
/* What a number means by its typedef: " (8:1)" of a dev_t. */
void xkd_text_typedef(const struct xkd_type *type, uint64_t num, struct xkd_buf *out);
/* ` "text"` at addr; false: not readable. */
bool xkd_text_string(const struct xkd_ctx *ctx, uint64_t addr, struct xkd_buf *out);
/* Foreign text made safe, into a cell. */
void xkd_out_text(struct xkd_out *out, enum xkd_style st, const char *key, const char *text);
#endif
