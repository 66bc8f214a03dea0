/* The type model: one shape for what DWARF, BTF and the expression evaluator call a type.
 * A type belongs to a provider and lives as long as it (an image, or the process for built-ins).
 * Pointers are stable; two types are the same type only if xkd_type_same says so. */
#ifndef XKD_SYMBOLS_TYPE_H
#define XKD_SYMBOLS_TYPE_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

enum xkd_tkind {
	XKD_T_VOID,
	XKD_T_INT,   /* also char kinds: is_char; enc below */
	XKD_T_BOOL,
	XKD_T_FLOAT,
	XKD_T_PTR,   /* target: pointee */
	XKD_T_ARRAY, /* target: element (an array again for more dimensions) */
	XKD_T_STRUCT,
	XKD_T_UNION,
	XKD_T_ENUM,	/* target: underlying type or NULL */
	XKD_T_FUNC,	/* target: return type */
	XKD_T_TYPEDEF,	/* target */
	XKD_T_CONST,	/* target */
	XKD_T_VOLATILE, /* target */
	XKD_T_RESTRICT, /* target */
	XKD_T_ATOMIC,	/* target */
	XKD_T_OTHER,	/* unspecified; name says what */
};

struct xkd_types; /* a provider, below */

struct xkd_member {
	const char *name; /* NULL or "": anonymous struct or union */
	const struct xkd_type *type;
	uint64_t bit_off; /* from the start of the containing struct; little-endian bit numbering */
	uint32_t bit_size; /* 0: not a bit-field */
};
struct xkd_enumerator {
	const char *name;
	uint64_t val; /* sign-extended when the enum is signed */
};
struct xkd_param {
	const char *name; /* NULL: not known */
	const struct xkd_type *type;
};

struct xkd_type {
	struct xkd_types *owner;
	uint64_t id; /* provider's own: DIE offset, BTF id */
	enum xkd_tkind kind;
	bool is_signed;	 /* INT, ENUM */
	bool is_char;	 /* INT that prints as a character */
	bool is_decl;	 /* STRUCT/UNION/ENUM: a declaration only; complete it through a scope */
	bool flexible;	 /* ARRAY without a bound: [] or [0] */
	bool variadic;	 /* FUNC */
	const char *name; /* without "struct"; NULL when anonymous */
	uint64_t size;	 /* bytes; arrays: whole; 0 for void, func, decl */
	uint64_t nelem;	 /* ARRAY */

	/* Lazy parts: use the accessors. */
	struct xkd_type_lazy *lazy;
};

/* Accessors. Errors are BADDATA (hostile debug info) or NOTFOUND where the kind has no such part.
 * Results live as long as the type. A NULL target means void. */
enum xkd_rc xkd_type_target(const struct xkd_type *t, const struct xkd_type **target,
			    struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_type_members(const struct xkd_type *t, const struct xkd_member **m, size_t *n,
			     struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_type_enums(const struct xkd_type *t, const struct xkd_enumerator **e, size_t *n,
			   struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_type_params(const struct xkd_type *t, const struct xkd_param **p, size_t *n,
			    struct xkd_err *err) XKD_MUST;

/* Typedefs and qualifiers off; at most 64 steps (a cycle ends as VOID). Never NULL: void for NULL. */
const struct xkd_type *xkd_type_strip(const struct xkd_type *t);
/* Only qualifiers off. */
const struct xkd_type *xkd_type_unqual(const struct xkd_type *t);
/* C spelling: "struct kvm_io_device *", "const char * const", "int (*)(struct kvm_vcpu *, gpa_t)",
 * with decl != NULL as a declarator: "struct kvm_io_range range[]". */
void xkd_type_spell(const struct xkd_type *t, const char *decl, struct xkd_buf *out);
bool xkd_type_is_aggregate(const struct xkd_type *t); /* after strip: struct or union */
bool xkd_type_is_scalar(const struct xkd_type *t);    /* int bool float ptr enum */
/* Same C type by structure of names (providers may differ). */
bool xkd_type_same(const struct xkd_type *a, const struct xkd_type *b);
/* A member by name, also inside anonymous members: *bit_off is from t's start. */
enum xkd_rc xkd_type_find_member(const struct xkd_type *t, const char *name,
				 struct xkd_member *m, struct xkd_err *err) XKD_MUST;

/* Made types, kept by t's owner: the same call gives the same pointer. */
const struct xkd_type *xkd_type_ptr_to(const struct xkd_type *t);
const struct xkd_type *xkd_type_array_of(const struct xkd_type *t, uint64_t n);

/* Built-ins, process lifetime: what the evaluator needs when no debug info is there. */
enum xkd_builtin {
	XKD_BI_VOID, XKD_BI_BOOL, XKD_BI_CHAR, XKD_BI_SCHAR, XKD_BI_UCHAR, XKD_BI_SHORT,
	XKD_BI_USHORT, XKD_BI_INT, XKD_BI_UINT, XKD_BI_LONG, XKD_BI_ULONG, XKD_BI_LLONG,
	XKD_BI_ULLONG, XKD_BI_N
};
const struct xkd_type *xkd_type_builtin(enum xkd_builtin b);
/* "unsigned long", "long unsigned int", "u64" spelled any C way; NULL if not a basic type. */
const struct xkd_type *xkd_type_builtin_named(const char *name);

/* A provider of types. */
enum xkd_tag { XKD_TAG_ANY, XKD_TAG_STRUCT, XKD_TAG_UNION, XKD_TAG_ENUM, XKD_TAG_TYPEDEF, XKD_TAG_BASE };
struct xkd_types {
	const char *origin; /* "DWARF", "BTF", "built-in" */
	/* Fills t->lazy's parts; called once per type and part by the accessors. Allocates in arena. */
	enum xkd_rc (*load_target)(struct xkd_types *p, const struct xkd_type *t,
				   const struct xkd_type **target, struct xkd_err *err);
	enum xkd_rc (*load_members)(struct xkd_types *p, const struct xkd_type *t,
				    struct xkd_member **m, size_t *n, struct xkd_err *err);
	enum xkd_rc (*load_enums)(struct xkd_types *p, const struct xkd_type *t,
				  struct xkd_enumerator **e, size_t *n, struct xkd_err *err);
	enum xkd_rc (*load_params)(struct xkd_types *p, const struct xkd_type *t,
				   struct xkd_param **pa, size_t *n, struct xkd_err *err);
	/* A complete type by name before a declaration. NOTFOUND is ordinary. May be slow (progress). */
	enum xkd_rc (*find)(struct xkd_types *p, enum xkd_tag tag, const char *name,
			    const struct xkd_type **t, struct xkd_err *err);
	/* Every named type once, complete ones. fn returns false to stop. */
	enum xkd_rc (*each)(struct xkd_types *p,
			    bool (*fn)(void *arg, const struct xkd_type *t), void *arg,
			    struct xkd_err *err);
	struct xkd_arena *arena;
	struct xkd_map made; /* for ptr_to and array_of; owned by type.c */
};
/* For providers: a zeroed type in p's arena with its lazy record. */
struct xkd_type *xkd_type_new(struct xkd_types *p, uint64_t id, enum xkd_tkind kind);
void xkd_types_fini(struct xkd_types *p);
#endif
