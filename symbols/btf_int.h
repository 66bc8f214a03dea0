/* What the BTF files share. For symbols/btf*.c only. */
#ifndef XKD_SYMBOLS_BTF_INT_H
#define XKD_SYMBOLS_BTF_INT_H
#include "symbols/btf.h"

enum btf_kind {
	BTF_VOID,
	BTF_INT,
	BTF_PTR,
	BTF_ARRAY,
	BTF_STRUCT,
	BTF_UNION,
	BTF_ENUM,
	BTF_FWD,
	BTF_TYPEDEF,
	BTF_VOLATILE,
	BTF_CONST,
	BTF_RESTRICT,
	BTF_FUNC,
	BTF_FUNC_PROTO,
	BTF_VAR,
	BTF_DATASEC,
	BTF_FLOAT,
	BTF_DECL_TAG,
	BTF_TYPE_TAG,
	BTF_ENUM64,
	BTF_NKINDS
};

/* What a name is looked up as; classes have separate name spaces. */
enum btf_class {
	BTF_C_NONE,
	BTF_C_STRUCT,
	BTF_C_UNION,
	BTF_C_ENUM,
	BTF_C_TYPEDEF,
	BTF_C_BASE,
	BTF_C_FUNC,
	BTF_C_VAR,
};

/* One record, decoded. p: the kind's own data; it has all vlen elements (checked when the table of
 * offsets was made). */
struct btf_rec {
	uint32_t id;
	enum btf_kind kind;
	bool kflag;
	uint32_t vlen;
	uint32_t size_or_type;
	const char *name; /* "" when it has none */
	const uint8_t *p;
};

struct xkd_btf {
	struct xkd_types types; /* first: a provider is its BTF */
	struct xkd_arena arena;
	struct xkd_btf *base;
	const uint8_t *recs, *strs;
	uint32_t recs_len, strs_len;
	uint32_t strs_first; /* string offset of strs[0]: the base's length */

	/* Made at the first question; state says how that went. */
	bool loaded;
	enum xkd_rc load_rc;
	struct xkd_err load_err;
	uint32_t first;		/* id of the first own record */
	uint32_t n;		/* own records; ids first .. first + n - 1 */
	uint32_t *off;		/* their offsets within recs */
	struct xkd_type **made; /* by id - first, NULL: not asked yet */

	uint32_t *hash; /* ids, 0: free; a power of two of slots */
	uint32_t nhash;
};

enum xkd_rc btf_load(struct xkd_btf *b, struct xkd_err *err) XKD_MUST;
/* id must not be 0. */
enum xkd_rc btf_rec(struct xkd_btf *b, uint32_t id, struct btf_rec *r,
		    struct xkd_err *err) XKD_MUST;
/* NULL when off is outside the strings. */
const char *btf_str(const struct xkd_btf *b, uint32_t off);
/* The type of an id (NULL for 0, void); ids of the base give the base's types. */
enum xkd_rc btf_type(struct xkd_btf *b, uint32_t id, const struct xkd_type **t,
		     struct xkd_err *err) XKD_MUST;
enum btf_class btf_class_of(const struct btf_rec *r);
bool btf_is_decl(const struct btf_rec *r);

/* btf_find.c */
enum xkd_rc btf_lookup(struct xkd_btf *b, enum btf_class c, const char *name, uint32_t *id,
		       struct xkd_err *err) XKD_MUST;
enum xkd_rc btf_find(struct xkd_types *p, enum xkd_tag tag, const char *name,
		     const struct xkd_type **t, struct xkd_err *err);
enum xkd_rc btf_each(struct xkd_types *p, bool (*fn)(void *arg, const struct xkd_type *t),
		     void *arg, struct xkd_err *err);
/* btf_part.c: the loaders of a type's lazy parts */
enum xkd_rc btf_load_target(struct xkd_types *p, const struct xkd_type *t,
			    const struct xkd_type **target, struct xkd_err *err);
enum xkd_rc btf_load_members(struct xkd_types *p, const struct xkd_type *t, struct xkd_member **m,
			     size_t *n, struct xkd_err *err);
enum xkd_rc btf_load_enums(struct xkd_types *p, const struct xkd_type *t, struct xkd_enumerator **e,
			   size_t *n, struct xkd_err *err);
enum xkd_rc btf_load_params(struct xkd_types *p, const struct xkd_type *t, struct xkd_param **pa,
			    size_t *n, struct xkd_err *err);
/* Follows type tags, typedefs and qualifiers (only tags when tags_only); 0 at void or trouble. */
uint32_t btf_skip(struct xkd_btf *b, uint32_t id, bool tags_only);
#endif
