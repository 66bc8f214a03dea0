/* What the files dwarf_*.c share: the reader's state, its units, and thin calls over libdwarf.
 * Errors of libdwarf in the middle of a question are kept in d->bad by the thin calls (which then
 * answer "no such thing"); the question ends with xkd_dw_end, which turns them into BADDATA. */
#ifndef XKD_SYMBOLS_DWARF_INT_H
#define XKD_SYMBOLS_DWARF_INT_H
#include "base/cur.h"
#include "base/map.h"
#include "base/vec.h"
#include "symbols/dwarf.h"
#include <dwarf.h>
#include <libdwarf.h>

#define XKD_DW_DEPTH 64		  /* nesting of inlined functions, arrays, typedef chains */
#define XKD_DW_BLOCKS 256	  /* nesting of lexical blocks */
#define XKD_DW_LIST_MAX (1 << 20) /* entries of one range or location list */

enum xkd_dw_sec {
	XKD_DW_INFO,
	XKD_DW_ABBREV,
	XKD_DW_STR,
	XKD_DW_STR_OFFSETS,
	XKD_DW_LINE,
	XKD_DW_LINE_STR,
	XKD_DW_ARANGES,
	XKD_DW_RANGES,
	XKD_DW_RNGLISTS,
	XKD_DW_LOC,
	XKD_DW_LOCLISTS,
	XKD_DW_ADDR,
	XKD_DW_NSECS
};
struct xkd_dw_bytes {
	const uint8_t *p; /* NULL: absent or unreadable */
	size_t n;
	bool tried;
};

struct xkd_dw_range {
	uint64_t low, high;
};

struct xkd_dw_row {
	uint64_t addr;
	uint32_t line;
	uint32_t file; /* as the line program counts */
	uint16_t column;
	bool stmt, end;
	uint32_t order; /* in the program, to keep the sort stable */
};
struct xkd_dw_file {
	const char *name; /* as in the table, in a mapped section */
	uint32_t dir;
	const char *path; /* made at the first question, arena */
};
struct xkd_dw_files {
	struct xkd_dw_file *files;
	size_t nfiles;
	const char **dirs;
	size_t ndirs;
	unsigned version; /* of the line program */
};
/* The header of a line program. */
struct xkd_dw_lhead {
	struct xkd_cur tables, program;
	unsigned version, off_size;
	uint8_t min_inst, line_range, opcode_base;
	int8_t line_base;
	bool default_stmt;
	const uint8_t *oplen; /* operands of a standard opcode, by opcode */
};
/* The code of one real function: one range of it. */
struct xkd_dw_func {
	uint64_t low, high;
	uint64_t max_high; /* of this and all earlier ones */
	uint64_t die;
};
/* Another file's sections behind ours (dwarf_alt.c). */
struct xkd_dw_more {
	struct xkd_image *img;	     /* counted */
	uint64_t base[XKD_DW_NSECS]; /* where its part begins, once the section was asked for */
	uint8_t *own[XKD_DW_NSECS];  /* both parts; malloc'ed */
};
struct xkd_dw_unit {
	uint64_t off;	  /* of the header in .debug_info */
	uint64_t die_off; /* of the root entry */
	uint64_t end;	  /* one past the unit */
	uint64_t abbrev_off;
	uint8_t version, addr_size, off_size, type;
	bool in_more; /* lies in the alternate file's part */
	bool root_known, in_aranges;
	bool files_known, rows_known, funcs_known;

	uint64_t sig, type_die; /* of a unit of one type; type_die 0: it is none */
	const struct xkd_dw_more *more; /* NULL: there is no alternate file */

	/* after xkd_dw_unit_root */
	const char *name, *comp_dir;
	const char *path; /* joined and stripped, made when asked */
	uint64_t low_pc;
	bool has_low, has_high, has_stmt_list;
	uint64_t stmt_list;
	uint64_t str_offsets_base, addr_base, rnglists_base, loclists_base;

	struct xkd_dw_files files;
	struct xkd_dw_row *rows; /* malloc'ed, sorted by address */
	size_t nrows;
	struct xkd_dw_func *funcs; /* malloc'ed, sorted by address */
	size_t nfuncs;
};
/* A piece of the address space and its unit. */
struct xkd_dw_arange {
	uint64_t low, high;
	uint64_t max_high; /* of this and all earlier ones */
	uint32_t unit;
};

struct xkd_dw_obj; /* dwarf_open.c: what libdwarf's callbacks see */

struct xkd_dwarf {
	struct xkd_image *img; /* not counted: the image owns us */
	struct xkd_arena arena;
	struct xkd_dw_obj *obj;
	Dwarf_Debug dbg;
	struct xkd_cancel *cancel;
	struct xkd_dw_bytes sec[XKD_DW_NSECS];
	struct xkd_err bad; /* first trouble inside the question that runs */

	struct xkd_dw_more *more; /* NULL: all of it lies in the image */
	bool sigs_known;
	struct xkd_map sigs; /* signature -> unit of a type */

	bool units_known;
	XKD_VEC(struct xkd_dw_unit) units; /* by offset */
	bool aranges_known, aranges_full;
	XKD_VEC(struct xkd_dw_arange) aranges;

	struct xkd_map paths; /* interned strings of the arena */
	struct xkd_map types; /* DIE offset -> struct xkd_type */
	struct xkd_map elems; /* id of an array -> its element type */
	unsigned type_depth;  /* of xkd_dw_type calls in one another */
	struct xkd_types provider;
};

/* --- dwarf_open.c --- */
/* The section's bytes, or {NULL, 0}. */
struct xkd_dw_bytes xkd_dw_section(struct xkd_dwarf *d, enum xkd_dw_sec s);
/* A NUL-terminated string inside a section, or NULL. */
const char *xkd_dw_section_str(struct xkd_dwarf *d, enum xkd_dw_sec s, uint64_t off);

/* --- dwarf_die.c: thin calls over libdwarf's entries --- */
void xkd_dw_begin(struct xkd_dwarf *d);
/* rc as it is, unless libdwarf complained since begin: then BADDATA with its words. */
enum xkd_rc xkd_dw_end(struct xkd_dwarf *d, enum xkd_rc rc, struct xkd_err *err);
void xkd_dw_bad(struct xkd_dwarf *d, uint64_t off, const char *fmt, ...) XKD_PRINTF(3, 4);
/* The entry at a .debug_info offset; NULL: trouble is in d->bad. Free with xkd_dw_free. */
Dwarf_Die xkd_dw_die(struct xkd_dwarf *d, uint64_t off);
void xkd_dw_free(Dwarf_Die die);
uint64_t xkd_dw_off(Dwarf_Die die);
unsigned xkd_dw_tag(Dwarf_Die die);
/* First child; NULL at none. next frees die and gives its sibling; NULL at the end. */
Dwarf_Die xkd_dw_child(struct xkd_dwarf *d, Dwarf_Die die);
Dwarf_Die xkd_dw_next(struct xkd_dwarf *d, Dwarf_Die die);
bool xkd_dw_has(struct xkd_dwarf *d, Dwarf_Die die, unsigned at);
bool xkd_dw_flag(struct xkd_dwarf *d, Dwarf_Die die, unsigned at);
/* Constants; data1 to data8 are zero-extended, sdata is sign-extended (*sdata says which). */
bool xkd_dw_const(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v, bool *sdata);
bool xkd_dw_u64(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v);
bool xkd_dw_addr(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v);
/* A section offset (line program, list, base). */
bool xkd_dw_secoff(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v);
/* The index of a rnglistx or loclistx. */
bool xkd_dw_listx(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *index);
const char *xkd_dw_str(struct xkd_dwarf *d, Dwarf_Die die, unsigned at);
/* A reference as .debug_info offset. */
bool xkd_dw_ref(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *off);
/* The bytes of a block or expression; false when the form is another. */
bool xkd_dw_block(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, const uint8_t **p, size_t *n);
/* The form of an attribute, 0: absent. */
unsigned xkd_dw_form(struct xkd_dwarf *d, Dwarf_Die die, unsigned at);
/* An attribute looked for in the entry and then along abstract_origin and specification: the entry
 * that has it (to be freed; may be a fresh handle), NULL if none. */
Dwarf_Die xkd_dw_origin_with(struct xkd_dwarf *d, Dwarf_Die die, unsigned at);
/* The last entry along abstract_origin (not specification). */
uint64_t xkd_dw_origin(struct xkd_dwarf *d, Dwarf_Die die);
const char *xkd_dw_name(struct xkd_dwarf *d, Dwarf_Die die); /* through origins */

/* --- dwarf_unit.c --- */
/* One header, base being the section's start; the cursor is set behind its unit. False at the end of
 * what can be read. */
bool xkd_dw_unit_header(struct xkd_cur *c, const uint8_t *base, struct xkd_dw_unit *u);
enum xkd_rc xkd_dw_units(struct xkd_dwarf *d, struct xkd_err *err);
struct xkd_dw_unit *xkd_dw_unit_of(struct xkd_dwarf *d, uint64_t die_off); /* NULL: none */
enum xkd_rc xkd_dw_unit_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dw_unit **u,
			   struct xkd_err *err);
/* Reads the root entry's attributes once. */
bool xkd_dw_unit_root(struct xkd_dwarf *d, struct xkd_dw_unit *u);
/* Where a unit's tables begin when no attribute says so. */
void xkd_dw_unit_bases(struct xkd_dw_unit *u);

/* --- dwarf_alt.c --- */
/* Looks for the alternate debug file where there is a link to one; says when it is missing. */
void xkd_dw_more_open(struct xkd_dwarf *d);
void xkd_dw_more_close(struct xkd_dwarf *d);
/* Says what of the debug info is of a kind that is not read. */
void xkd_dw_tell_unread(struct xkd_dwarf *d);
/* Puts the other file's section behind ours; b: ours, from then on both. */
void xkd_dw_more_section(struct xkd_dwarf *d, enum xkd_dw_sec s, const char *name,
			 struct xkd_dw_bytes *b);
void xkd_dw_more_unit(struct xkd_dwarf *d, struct xkd_dw_unit *u);
/* What a value of this form means with both parts in one: its form and *v then. u->more is set. */
uint16_t xkd_dw_more_value(const struct xkd_dw_unit *u, uint16_t form, uint64_t *v);
/* The entry of the type of a signature. */
bool xkd_dw_signed_type(struct xkd_dwarf *d, uint64_t sig, uint64_t *off);

/* --- dwarf_range.c --- */
/* The ranges of an entry (ranges or low/high pc): calls fn for each non-empty one until it returns
 * false. Gives whether the entry had any such attribute. */
bool xkd_dw_ranges(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die,
		   bool (*fn)(void *arg, uint64_t low, uint64_t high), void *arg);
/* The same for a list by its offset or index (form), of a unit whose root is known; false: broken. */
bool xkd_dw_ranges_at(struct xkd_dwarf *d, struct xkd_dw_unit *u, unsigned form, uint64_t off,
		      bool (*fn)(void *arg, uint64_t low, uint64_t high), void *arg);
/* The expression of a location list that holds at iaddr. attr is loclist-formed. */
bool xkd_dw_loclist(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, unsigned at,
		    uint64_t iaddr, const uint8_t **expr, size_t *len);
bool xkd_dw_addrx(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t index, uint64_t *addr);

/* --- dwarf_file.c --- */
bool xkd_dw_line_header(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_lhead *h);
/* The file table of a unit's line program; an empty one when it has none. */
bool xkd_dw_files(struct xkd_dwarf *d, struct xkd_dw_unit *u);
/* The path of a file by the number that line programs and decl_file use; NULL if there is none. */
const char *xkd_dw_path(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t file);
const char *xkd_dw_unit_path(struct xkd_dwarf *d, struct xkd_dw_unit *u);
void xkd_dw_files_drop(struct xkd_dw_unit *u); /* paths made stay */
/* Appends a path's components to b, resolving "." and ".."; a ".." above the start stays. */
void xkd_dw_add_path(struct xkd_buf *b, const char *path);
const char *xkd_dw_intern(struct xkd_dwarf *d, const char *s);

/* --- dwarf_row.c --- */
/* Decodes the unit's line program into u->rows. */
bool xkd_dw_rows(struct xkd_dwarf *d, struct xkd_dw_unit *u);
void xkd_dw_rows_drop(struct xkd_dw_unit *u);

/* --- dwarf_func.c --- */
/* The functions of a unit sorted by address. */
bool xkd_dw_funcs(struct xkd_dwarf *d, struct xkd_dw_unit *u);
uint64_t xkd_dw_func_die(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t iaddr); /* 0: none */
/* The entry of the real function that covers iaddr, to be freed, and its unit; NOTFOUND: none does. */
enum xkd_rc xkd_dw_func_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_dw_unit **u, Dwarf_Die *die,
			   struct xkd_err *err) XKD_MUST;
/* The subprogram and the inlined ones at an address, outermost first, by DIE offset. */
enum xkd_rc xkd_dw_chain(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t iaddr, uint64_t *dies,
			 size_t max, size_t *n, struct xkd_err *err);
/* Where a function's source begins; NULL, 0: not told. */
void xkd_dw_decl(struct xkd_dwarf *d, uint64_t off, const char **file, unsigned *line);
/* Does an entry's code hold iaddr; its lowest range. */
bool xkd_dw_extent(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, uint64_t iaddr,
		   struct xkd_dw_range *lowest);

/* --- dwarf_var.c --- */
/* Name, type and place of one variable's entry; its scope is the caller's to tell. */
void xkd_dw_var(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die die, uint64_t iaddr,
		struct xkd_dvar *v);

/* --- dwarf_type.c --- */
void xkd_dw_types_init(struct xkd_dwarf *d);
/* The type at an offset; NULL with d->bad set when it makes no sense. */
const struct xkd_type *xkd_dw_type(struct xkd_dwarf *d, uint64_t off);
/* The type an entry's DW_AT_type names; NULL: void (or trouble). */
const struct xkd_type *xkd_dw_type_of(struct xkd_dwarf *d, Dwarf_Die die);

/* --- dwarf_named.c: through the index, which is made at the first need --- */
enum xkd_rc xkd_dw_named_type(struct xkd_dwarf *d, enum xkd_tag tag, const char *name,
			      uint64_t *off, struct xkd_err *err);
enum xkd_rc xkd_dw_named_each(struct xkd_dwarf *d, bool (*fn)(void *arg, uint64_t off), void *arg,
			      struct xkd_err *err);

/* A section's bytes from an offset on. */
static inline struct xkd_cur xkd_dw_cur(struct xkd_dw_bytes b, uint64_t off)
{
	struct xkd_cur c = { .bad = !b.p || off > b.n };

	if (b.p) { /* nothing may be added to NULL, not even 0 */
		c.p = b.p + (off < b.n ? off : b.n);
		c.end = b.p + b.n;
	}
	return c;
}
#endif
