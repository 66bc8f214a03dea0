/* A typed value: where it is or what it is. Values own their bytes. */
#ifndef XKD_ENGINE_VALUE_H
#define XKD_ENGINE_VALUE_H
#include "engine/core/ctx.h"
#include "symbols/type.h"

enum xkd_vkind {
	XKD_V_NONE,
	XKD_V_RVALUE, /* bits in num (scalars up to 8 bytes) */
	XKD_V_MEM,    /* an lvalue at addr; read on demand */
	XKD_V_REG,    /* an lvalue in register reg */
	XKD_V_BYTES,  /* an aggregate or wide value whose bytes are at bytes (arena) */
	XKD_V_UNAVAIL, /* why says why: "<optimized out>" ... */
};
struct xkd_implicit; /* engine/lang/location_int.h */
/* Bits of a value in several places that are not known; bit counts from parts->bytes. */
struct xkd_hole {
	uint64_t bit, bits;
	const struct xkd_implicit *to; /* a pointer to an object without an address; NULL: none */
	char why[100];
};
struct xkd_parts {
	const uint8_t *bytes; /* of the whole object */
	const struct xkd_hole *holes;
	size_t n;
};
struct xkd_value {
	const struct xkd_type *type; /* never NULL after a successful call */
	struct xkd_module *mod;	     /* scope its type came from; NULL: the kernel */
	enum xkd_vkind kind;
	uint64_t num;
	uint64_t addr;
	int reg;
	uint8_t reg_shift, reg_bits; /* sub-register */
	unsigned bit_off, bit_size;  /* bit-field at addr (bit_size 0: none); bit_off < 8 * size */
	const uint8_t *bytes;
	size_t nbytes;
	const struct xkd_parts *parts;	/* BYTES: what is missing of them; NULL: nothing */
	const struct xkd_implicit *to;	/* UNAVAIL pointer to an object that has no address; or NULL */
	int percpu; /* MEM named without a CPU: 1 + the number of the CPU whose copy it is; 0: none */
	char why[128];
	char where[64]; /* "@ r14", "@ [rsp+0x20]": for dv and dt of a local */
};

/* The integer of a scalar, sign- or zero-extended to 64 bits; reads memory if needed. */
enum xkd_rc xkd_value_u64(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t *num,
			  struct xkd_err *err) XKD_MUST;
/* Raw bytes (at most max); *n is how many. */
enum xkd_rc xkd_value_bytes(const struct xkd_ctx *ctx, const struct xkd_value *v, uint8_t *buf,
			    size_t max, size_t *n, struct xkd_err *err) XKD_MUST;
/* Store to memory or a register. */
enum xkd_rc xkd_value_assign(const struct xkd_ctx *ctx, const struct xkd_value *v, uint64_t num,
			     struct xkd_err *err) XKD_MUST;
/* v.member; v->member (a pointer is followed); v[i]; *v; (type)v; &v */
enum xkd_rc xkd_value_member(const struct xkd_ctx *ctx, const struct xkd_value *v, const char *name,
			     struct xkd_value *out, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_value_index(const struct xkd_ctx *ctx, const struct xkd_value *v, int64_t i,
			    struct xkd_value *out, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_value_deref(const struct xkd_ctx *ctx, const struct xkd_value *v,
			    struct xkd_value *out, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_value_cast(const struct xkd_ctx *ctx, const struct xkd_value *v,
			   const struct xkd_type *type, struct xkd_value *out,
			   struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_value_addrof(const struct xkd_ctx *ctx, const struct xkd_value *v,
			     struct xkd_value *out, struct xkd_err *err) XKD_MUST;
struct xkd_value xkd_value_num(const struct xkd_type *type, uint64_t num);
struct xkd_value xkd_value_mem(const struct xkd_type *type, uint64_t addr, struct xkd_module *mod);
#endif
