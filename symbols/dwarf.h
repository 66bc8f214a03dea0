/* DWARF 2 to 5 over mapped sections: nothing is read that was not asked for. Entries come from
 * libdwarf through its object-access interface; line programs, lists, address tables and the scan by
 * name have readers of our own. An address leads by .debug_aranges to one unit (the units' own ranges
 * where .debug_aranges lacks it); that unit's line table and functions are decoded on demand and kept.
 * All addresses are image addresses. Strings live as long as the image. */
#ifndef XKD_SYMBOLS_DWARF_H
#define XKD_SYMBOLS_DWARF_H
#include "base/cancel.h"
#include "symbols/image.h"
#include "symbols/type.h"

struct xkd_line {
	const char *file; /* path as in the debug info, comp_dir prefixed off when it is below it:
			     "arch/x86/kvm/x86.c", "./include/linux/list.h" -> "include/linux/list.h" */
	unsigned line;	  /* 0: none */
	unsigned column;
	uint64_t start, end; /* the line-table row's range */
};
enum xkd_rc xkd_dwarf_line_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_line *line,
			      struct xkd_err *err) XKD_MUST;
/* Addresses of statement starts for file:line: one, the lowest, for each function and each inlined
 * copy of one that has the line. file matches by whole trailing components
 * ("x86.c", "kvm/x86.c"). A line without code moves on to the next that has some (told in
 * *line_used). fn is called for each location. NOTFOUND if none. */
enum xkd_rc xkd_dwarf_line_addrs(struct xkd_dwarf *d, const char *file, unsigned line,
				 unsigned *line_used, bool (*fn)(void *arg, uint64_t iaddr),
				 void *arg, struct xkd_cancel *cancel, struct xkd_err *err) XKD_MUST;

/* The functions that an address is in: [0] is the innermost inlined one, the last the real one. */
struct xkd_dfunc {
	const char *name;
	uint64_t die;	     /* DIE offset (of the inlined_subroutine or the subprogram) */
	bool inlined;
	uint64_t low, high;  /* lowest range; of the real function: its first range */
	uint64_t entry;	     /* of the real function: entry pc (0: not known) */
	const char *call_file; /* inlined: where the outer function calls it */
	unsigned call_line;
	const char *decl_file;
	unsigned decl_line;
};
#define XKD_INLINE_MAX 64
enum xkd_rc xkd_dwarf_funcs_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dfunc *f, size_t max,
			       size_t *n, struct xkd_err *err) XKD_MUST;

/* Where a variable is at an address. Raw expression bytes; evaluation is engine/lang's. */
struct xkd_dvar {
	const char *name;
	const struct xkd_type *type; /* NULL: void or unreadable */
	bool is_param;
	bool artificial;
	uint64_t die;
	uint64_t scope_low, scope_high; /* of the block it lives in; 0,0: whole function */
	/* location at the asked address: expr NULL and const_value false mean optimised out */
	const uint8_t *expr;
	size_t expr_len;
	bool has_const; /* const_value, or, when const_len is not 0, the bytes */
	uint64_t const_value;
	const uint8_t *const_bytes;
	size_t const_len;
	const char *why_none; /* when there is no location: "no location at this address" etc. */
	unsigned addr_size;
	uint64_t cu; /* CU offset, for the evaluation of addrx and typed operations */
};
/* Parameters and locals of functions f[index] as found by xkd_dwarf_funcs_at, in scope at iaddr,
 * parameters first in order, then locals from the outermost block inwards. arena: for the array. */
enum xkd_rc xkd_dwarf_vars(struct xkd_dwarf *d, const struct xkd_dfunc *f, uint64_t iaddr,
			   struct xkd_arena *arena, struct xkd_dvar **vars, size_t *n,
			   struct xkd_err *err) XKD_MUST;
/* The address that operand index of DW_OP_addrx means in a unit (xkd_dvar.cu). */
enum xkd_rc xkd_dwarf_addrx(struct xkd_dwarf *d, uint64_t cu, uint64_t index, uint64_t *iaddr,
			    struct xkd_err *err) XKD_MUST;
/* The DWARF version of a unit and how wide its references into other units are. */
enum xkd_rc xkd_dwarf_unit_shape(struct xkd_dwarf *d, uint64_t cu, unsigned *version,
				 unsigned *off_size, struct xkd_err *err) XKD_MUST;
/* The type entry at an offset of .debug_info; never NULL when OK. */
enum xkd_rc xkd_dwarf_type_at(struct xkd_dwarf *d, uint64_t die, const struct xkd_type **type,
			      struct xkd_err *err) XKD_MUST;
/* The variable, parameter or DWARF procedure at an offset of .debug_info, as of iaddr. Its scope is
 * not looked for. BADDATA: there is none. */
enum xkd_rc xkd_dwarf_var_at(struct xkd_dwarf *d, uint64_t die, uint64_t iaddr,
			     struct xkd_dvar *v, struct xkd_err *err) XKD_MUST;

/* A call, by the address it returns to. */
struct xkd_dcall {
	uint64_t ret;
	uint64_t die, cu;
	uint64_t origin; /* entry of the function called; 0: not told (through a pointer) */
	bool tail;
	const uint8_t *target; /* expression of the address called; NULL: none */
	size_t target_len;
};
/* NOTFOUND: no call site is known there. */
enum xkd_rc xkd_dwarf_call_at(struct xkd_dwarf *d, uint64_t ret, struct xkd_dcall *call,
			      struct xkd_err *err) XKD_MUST;
/* The expression, for the caller's frame, of what a parameter was at the call: of the one passed in
 * DWARF register reg, or (reg -1) of the callee's parameter at .debug_info offset entry. pointee: of
 * what it points to instead. NOTFOUND: not told. */
enum xkd_rc xkd_dwarf_call_value(struct xkd_dwarf *d, const struct xkd_dcall *call, int reg,
				 uint64_t entry, bool pointee, const uint8_t **expr, size_t *len,
				 struct xkd_err *err) XKD_MUST;

/* The functions that a function ends with a jump to. */
struct xkd_dtail {
	uint64_t die, origin; /* as referred to; the last one along abstract_origin */
	uint64_t site;	      /* the entry of the call */
	const char *name;
	bool external;
};
struct xkd_dtails {
	uint64_t cu;
	struct xkd_dtail self; /* no site */
	struct xkd_dtail to[32];
	size_t n;
	bool complete; /* the debug info claims to list every such call */
	bool unknown;  /* one goes through a pointer */
	bool more;     /* than fit */
};
enum xkd_rc xkd_dwarf_tail_calls(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dtails *tails,
				 struct xkd_err *err) XKD_MUST;
/* Where the code of a function begins, by its entry or that of its original: several when there are
 * clones, none when it is only declared here. */
enum xkd_rc xkd_dwarf_func_entries(struct xkd_dwarf *d, uint64_t die, uint64_t *iaddr, size_t max,
				   size_t *n, struct xkd_err *err) XKD_MUST;
/* Frame base expression of the real function that contains iaddr. */
enum xkd_rc xkd_dwarf_frame_base(struct xkd_dwarf *d, uint64_t iaddr, const uint8_t **expr,
				 size_t *len, struct xkd_err *err) XKD_MUST;

/* A function's type (return, parameters) by its entry address. */
enum xkd_rc xkd_dwarf_func_type(struct xkd_dwarf *d, uint64_t iaddr, const struct xkd_type **t,
				struct xkd_err *err) XKD_MUST;

/* A global or file-static variable's type and address by name. Asks the index
 * (symbols/index.h) and makes it when there is none (progress, cancel). addr 0, has_addr false when
 * the entry has none. The definition wins over declarations; near (may be 0) prefers the variable at
 * that address, then the unit that contains it. NOTFOUND is ordinary. */
struct xkd_dglobal {
	const char *name;
	const struct xkd_type *type;
	bool has_addr;
	uint64_t addr;
	const char *file;
};
enum xkd_rc xkd_dwarf_global(struct xkd_dwarf *d, const char *name, uint64_t near,
			     struct xkd_dglobal *g, struct xkd_cancel *cancel,
			     struct xkd_err *err) XKD_MUST;

/* The type provider of this DWARF. find()/each() scan as above at the first call. */
struct xkd_types *xkd_dwarf_types(struct xkd_dwarf *d);
/* The file that holds what several share (.gnu_debugaltlink), or NULL; lives as long as d. */
struct xkd_image *xkd_dwarf_alternate(const struct xkd_dwarf *d);
/* The unit that covers iaddr. */
struct xkd_dunit {
	const char *name; /* with its source folder ("arch/x86/kvm/x86.c"); NULL: it has none */
	const char *dir;  /* it was compiled in, absolute as a rule; NULL: it does not say */
};
enum xkd_rc xkd_dwarf_unit(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dunit *unit,
			   struct xkd_err *err) XKD_MUST;
void xkd_dwarf_set_cancel(struct xkd_dwarf *d, struct xkd_cancel *cancel);

/* Called by image.c only. */
enum xkd_rc xkd_dwarf_open(struct xkd_image *img, struct xkd_dwarf **d, struct xkd_err *err);
void xkd_dwarf_close(struct xkd_dwarf *d);
#endif
