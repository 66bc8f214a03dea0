/* BTF (Documentation/bpf/btf.rst): a provider of types, base or split. */
#ifndef XKD_SYMBOLS_BTF_H
#define XKD_SYMBOLS_BTF_H
#include "symbols/image.h"
#include "symbols/type.h"

/* data must stay as long as the result. base: the kernel's for split BTF (its type ids and string
 * offsets continue), else NULL; it must outlive the result. Only the header is checked here; the
 * table of type offsets is built at the first question. */
enum xkd_rc xkd_btf_open(const uint8_t *data, size_t size, struct xkd_btf *base, struct xkd_btf **b,
			 struct xkd_err *err) XKD_MUST;
void xkd_btf_close(struct xkd_btf *b);
/* find() does not look into base. */
struct xkd_types *xkd_btf_types(struct xkd_btf *b);
/* A variable (BTF_KIND_VAR: per-CPU ones only, in kernels). */
enum xkd_rc xkd_btf_var(struct xkd_btf *b, const char *name, const struct xkd_type **t,
			struct xkd_err *err) XKD_MUST;
/* A function's prototype by name. */
enum xkd_rc xkd_btf_func(struct xkd_btf *b, const char *name, const struct xkd_type **t,
			 struct xkd_err *err) XKD_MUST;
/* An enumeration constant by name, of unnamed enumerations too (one pass over all records). */
enum xkd_rc xkd_btf_enumerator(struct xkd_btf *b, const char *name, const struct xkd_type **t,
			       uint64_t *val, struct xkd_err *err) XKD_MUST;
/* The BTF whose provider this is: the reverse of xkd_btf_types. */
struct xkd_btf *xkd_btf_of(struct xkd_types *p);
uint32_t xkd_btf_ntypes(struct xkd_btf *b); /* including the base's and void */
#endif
