/* Shared by the files location*.c: the machine of DWARF expressions, and what one simple location
 * description comes out as. */
#ifndef XKD_ENGINE_LOCATION_INT_H
#define XKD_ENGINE_LOCATION_INT_H
#include "engine/lang/lang.h"
#include "engine/lang/scope.h"

__extension__ typedef unsigned __int128 xkd_u128;
__extension__ typedef __int128 xkd_s128;

/* clang-format off */
enum xkd_dw_op {
	OP_addr = 0x03, OP_deref = 0x06, OP_const1u = 0x08, OP_const1s, OP_const2u, OP_const2s,
	OP_const4u, OP_const4s, OP_const8u, OP_const8s, OP_constu, OP_consts, OP_dup, OP_drop,
	OP_over, OP_pick, OP_swap, OP_rot, OP_xderef, OP_abs, OP_and, OP_div, OP_minus, OP_mod,
	OP_mul, OP_neg, OP_not, OP_or, OP_plus, OP_plus_uconst, OP_shl, OP_shr, OP_shra, OP_xor,
	OP_bra, OP_eq, OP_ge, OP_gt, OP_le, OP_lt, OP_ne, OP_skip, OP_lit0, OP_lit31 = 0x4f,
	OP_reg0 = 0x50, OP_reg31 = 0x6f, OP_breg0 = 0x70, OP_breg31 = 0x8f, OP_regx = 0x90,
	OP_fbreg, OP_bregx, OP_piece, OP_deref_size, OP_xderef_size, OP_nop, OP_push_object_address,
	OP_call2, OP_call4, OP_call_ref, OP_form_tls_address, OP_call_frame_cfa, OP_bit_piece,
	OP_implicit_value, OP_stack_value, OP_implicit_pointer, OP_addrx, OP_constx, OP_entry_value,
	OP_const_type, OP_regval_type, OP_deref_type, OP_xderef_type, OP_convert, OP_reinterpret,
	OP_GNU_push_tls_address = 0xe0, OP_GNU_uninit = 0xf0, OP_GNU_encoded_addr,
	OP_GNU_implicit_pointer, OP_GNU_entry_value, OP_GNU_const_type, OP_GNU_regval_type,
	OP_GNU_deref_type, OP_GNU_convert, OP_GNU_reinterpret = 0xf9, OP_GNU_parameter_ref,
	OP_GNU_addr_index, OP_GNU_const_index, OP_GNU_variable_value,
};
/* clang-format on */

/* A value on the stack. size 0: DWARF's generic type, 64 bits whose sign is up to the operation;
 * else a base type of that many bytes. Bits above the size are 0. */
struct xkd_lval {
	xkd_u128 v;
	uint8_t size;
	bool is_signed;
};

#define XKD_LOC_STACK 64
#define XKD_LOC_DEPTH 16 /* expressions evaluated within one another, callers included */

struct xkd_loc {
	const struct xkd_locenv *env;
	const uint8_t *start, *p, *end;
	struct xkd_lval stack[XKD_LOC_STACK];
	int n;
	/* failed: something it stands on is not known; it is still run through, so that the pieces
	 * behind it are found. broken: it makes no sense, and ends. */
	bool failed, broken;
	char why[128];
	bool as_value; /* a register stands for its value */
	bool at_entry; /* registers are those at the function's entry, memory is not known */
	bool in_fb;    /* the frame base's own expression */
	int steps;
	int ops;       /* done, outside the frame base */
	int where_reg; /* of the last breg, for the words of the place */
	int64_t where_off;
	char entry[32]; /* the last entry value: "entry rdi" */
};

struct xkd_implicit {
	struct xkd_locenv env; /* without its context */
	uint64_t die;
	int64_t off;
};

/* One simple location description. */
struct xkd_locat {
	enum {
		XKD_LOC_NONE, /* empty: no place */
		XKD_LOC_MEM,
		XKD_LOC_REG,
		XKD_LOC_VALUE,
		XKD_LOC_BYTES,
		XKD_LOC_POINTER, /* to an object without an address */
	} kind;
	uint64_t addr;
	int reg; /* ours */
	struct xkd_lval val;
	const uint8_t *bytes;
	size_t nbytes;
	uint64_t die; /* POINTER: .debug_info offset of the object, and where in it */
	int64_t off;
};

/* --- location_expr.c --- */
/* The first reason stays. */
void xkd_loc_fail(struct xkd_loc *l, const char *fmt, ...) XKD_PRINTF(2, 3);
void xkd_loc_broken(struct xkd_loc *l, const char *fmt, ...) XKD_PRINTF(2, 3);
void xkd_loc_begin(struct xkd_loc *l, const struct xkd_locenv *env, const uint8_t *expr,
		   size_t len);
/* Runs up to the end or to a piece operation, which is left to be read. */
void xkd_loc_run(struct xkd_loc *l, struct xkd_locat *at);
/* An expression that computes a number rather than a place (a call's values and targets). */
bool xkd_loc_number(const struct xkd_locenv *env, const uint8_t *expr, size_t len, bool at_entry,
		    struct xkd_lval *val, char why[128]);
uint64_t xkd_loc_fixed(struct xkd_loc *l, unsigned n, bool sign);
uint64_t xkd_loc_leb(struct xkd_loc *l, bool sign);
void xkd_loc_push(struct xkd_loc *l, struct xkd_lval v);
struct xkd_lval xkd_loc_pop(struct xkd_loc *l);
static inline struct xkd_lval xkd_loc_generic(uint64_t v)
{
	return (struct xkd_lval){ .v = v };
}
/* Our number of a DWARF register that is known in this frame, or -1 after a failure. */
int xkd_loc_known_reg(struct xkd_loc *l, uint64_t dwarf_reg);
/* Size bytes at addr as a little-endian number. */
xkd_u128 xkd_loc_read(struct xkd_loc *l, uint64_t addr, unsigned size);

/* --- location.c --- */
/* A pointer whose object has a value and no address: fails, and gives v what it points to. */
void xkd_loc_pointer(struct xkd_loc *l, const struct xkd_locat *at, struct xkd_value *v);
/* "rdi", "[rsp+0x10]", "entry rdi" */
void xkd_loc_words(const struct xkd_loc *l, const struct xkd_locat *at, char *text, size_t size);

/* --- location_typed.c --- */
/* One operation of arithmetic, comparison or type; false: op is none of them. */
bool xkd_loc_arith(struct xkd_loc *l, uint8_t op);
bool xkd_loc_typed(struct xkd_loc *l, uint8_t op);

/* --- location_pieces.c --- */
/* The whole of a location with pieces; at is what stands before the first. */
void xkd_loc_pieces(struct xkd_loc *l, struct xkd_locat *at, struct xkd_value *v);
/* --- location_entry.c --- */
/* The value of a DWARF register at the entry of the function that runs in the frame. */
bool xkd_loc_entry_reg(struct xkd_loc *l, uint64_t dwarf_reg, uint64_t *val);
/* DW_OP_entry_value's operand: pushes a value, known or not. */
void xkd_loc_entry_value(struct xkd_loc *l, const uint8_t *expr, size_t len);
/* DW_OP_GNU_parameter_ref's operand, an offset of .debug_info. */
void xkd_loc_parameter(struct xkd_loc *l, uint64_t die);
#endif
