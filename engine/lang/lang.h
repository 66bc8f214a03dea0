/* Shared by the files of engine/lang only. */
#ifndef XKD_ENGINE_LANG_H
#define XKD_ENGINE_LANG_H
#include "engine/core/names.h"
#include "engine/lang/value.h"

/* Typedefs and qualifiers off and a declaration replaced by its definition where there is one. */
const struct xkd_type *xkd_lang_strip(const struct xkd_ctx *ctx, struct xkd_module *mod,
				      const struct xkd_type *type);
/* Bytes of an object of this type; 0: not known (void, functions, declarations). */
uint64_t xkd_lang_size(const struct xkd_ctx *ctx, struct xkd_module *mod,
		       const struct xkd_type *type);
/* The element or pointee, completed, never NULL; what is refused is named by the caller. */
enum xkd_rc xkd_lang_target(const struct xkd_ctx *ctx, struct xkd_module *mod,
			    const struct xkd_type *type, const struct xkd_type **target,
			    struct xkd_err *err) XKD_MUST;
/* num cut to the scalar's width and sign- or zero-extended again. */
uint64_t xkd_lang_fit(const struct xkd_type *stripped, uint64_t num);
static inline uint64_t xkd_lang_mask(unsigned bits)
{
	return bits >= 64 ? ~0ULL : (1ULL << bits) - 1;
}
/* UNAVAIL with a reason. */
void xkd_value_unavail(struct xkd_value *v, const char *fmt, ...) XKD_PRINTF(2, 3);
/* The raw bits of a scalar, not extended, and how many. */
enum xkd_rc xkd_value_raw(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t *num,
			  unsigned *bits, struct xkd_err *err) XKD_MUST;
/* A member found already. */
enum xkd_rc xkd_value_member_of(const struct xkd_ctx *ctx, const struct xkd_value *v,
				const struct xkd_member *m, struct xkd_value *out,
				struct xkd_err *err) XKD_MUST;
/* The first hole in some bits of a value; NULL: all are known. */
const struct xkd_hole *xkd_value_hole(const struct xkd_value *v, uint64_t bit, uint64_t bits);
/* A part just taken of a value in several places: UNAVAIL when it is a scalar with a hole, or nothing
 * of it is known. */
void xkd_value_part(const struct xkd_ctx *ctx, struct xkd_value *v);
/* What a pointer to an object without an address points to (xkd_value.to), in the frame it was found
 * in. type: the pointer's target. */
enum xkd_rc xkd_location_pointee(const struct xkd_ctx *ctx, const struct xkd_implicit *to,
				 const struct xkd_type *type, struct xkd_value *v,
				 struct xkd_err *err) XKD_MUST;
/* The module the context's code is in; NULL: none. */
struct xkd_module *xkd_scope_module(const struct xkd_ctx *ctx);

/* --- enumeration constants by name (enums.c) --- */
enum xkd_rc xkd_enum_const(const struct xkd_ctx *ctx, struct xkd_module *mod, const char *name,
			   struct xkd_value *v, struct xkd_err *err) XKD_MUST;

/* --- a C type name before its names are looked up (type_parse.c) --- */
#define XKD_TN_OPS 16
struct xkd_typename {
	char mod[64]; /* "" none */
	enum xkd_tag tag;
	char name[256];
	bool basic; /* only words of C ("unsigned long") */
	int pos;    /* of the name in the text */
	struct {
		bool array, flexible;
		uint64_t n;
	} ops[XKD_TN_OPS]; /* in the order they apply */
	int nops;
};
/* Purely by the text. end: first byte not used. */
enum xkd_rc xkd_typename_parse(const char *text, int pos, int *end, struct xkd_typename *tn,
			       struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_typename_resolve(const struct xkd_ctx *ctx, const struct xkd_typename *tn,
				 const struct xkd_type **type, struct xkd_module **mod,
				 struct xkd_err *err) XKD_MUST;
/* Is the word at text one that only a type can begin with (struct, unsigned, const ...)? */
bool xkd_typename_keyword(const char *word, size_t len);
#endif
