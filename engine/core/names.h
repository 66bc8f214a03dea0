/* Addresses to names and back, over all modules of a target. */
#ifndef XKD_ENGINE_NAMES_H
#define XKD_ENGINE_NAMES_H
#include "engine/core/target.h"
#include "symbols/btf.h"
#include "symbols/dwarf.h"

struct xkd_symref {
	struct xkd_module *mod;
	const char *name; /* image lifetime */
	uint64_t addr;	  /* in the target */
	uint64_t size;
	uint8_t type, bind; /* STT_, STB_ */
};
/* Is it a per-CPU variable? A CPU's copy lies at addr plus that CPU's offset (xkd_os.percpu). */
bool xkd_sym_percpu(struct xkd_target *t, const struct xkd_symref *sym);
/* The per-CPU variable of the kernel that has addr among its symbols' addresses. */
bool xkd_sym_percpu_at(struct xkd_target *t, uint64_t addr, struct xkd_symref *sym);
/* Nearest symbol at or below; next (may be NULL) as in xkd_image_sym_at. */
enum xkd_rc xkd_sym_at(struct xkd_target *t, uint64_t addr, struct xkd_symref *sym,
		       struct xkd_symref *next);
/* "mod!name" or a plain name: exact. AMBIGUOUS when several modules or several symbols of one module
 * have it at different addresses (the message lists up to eight, sym is the first: the kernel's
 * before modules', global before local). NOTFOUND offers near names in the message. */
enum xkd_rc xkd_sym_named(struct xkd_target *t, const char *name, struct xkd_symref *sym,
			  struct xkd_err *err) XKD_MUST;
/* All that match "modpat!pat" or "pat" (all modules). A module that is not loaded may be built in. */
void xkd_sym_glob(struct xkd_target *t, const char *pattern,
		  bool (*fn)(void *arg, const struct xkd_symref *sym), void *arg);
/* --- builtin.c --- */
/* The kernel, when no module of this name is loaded: what is built in may have it. */
struct xkd_module *xkd_builtin_in(struct xkd_target *t, const char *mod);
/* Is what stands at iaddr of the kernel from a source folder or file that is called mod? */
bool xkd_builtin_has(struct xkd_target *t, struct xkd_module *k, const char *mod, const char *name,
		     uint64_t iaddr, bool code);

/* Is addr in a thunk through which calls and jumps lead to where a register says (gcc's
 * -mindirect-branch, __x86_indirect_thunk_rax)? Its own call and return are parts of that one branch. */
bool xkd_sym_in_thunk(struct xkd_target *t, uint64_t addr);
/* "kvm!kvm_io_bus_write+0x12"; the bare address when nothing is near (64 KiB). Appends. */
void xkd_sym_format(struct xkd_target *t, uint64_t addr, struct xkd_buf *out);
/* For call sites: pc - 1 is looked up, pc's offset is shown. */
void xkd_sym_format_ret(struct xkd_target *t, uint64_t addr, struct xkd_buf *out);

enum xkd_rc xkd_line_at(struct xkd_target *t, uint64_t addr, struct xkd_line *line,
			struct xkd_err *err) XKD_MUST;
/* Functions at an address (inlines); addresses in f are target addresses. */
enum xkd_rc xkd_funcs_at(struct xkd_target *t, uint64_t addr, struct xkd_dfunc *f, size_t max,
			 size_t *n, struct xkd_err *err) XKD_MUST;

/* Functions that only the debug info knows by this name, from the modules' indexes (symbols/index.h):
 * inlined copies, and parts such as "f.cold" that are asked for as "f". */
struct xkd_inlref {
	struct xkd_module *mod;
	const char *name; /* strings live during the call of fn */
	uint64_t addr, size; /* in the target */
	bool inlined;
	const char *host;   /* inlined: the real function around it */
	uint64_t host_addr;
};
enum xkd_ixneed {
	XKD_IX_IF_READY, /* only what is indexed already */
	XKD_IX_START,	 /* the rest is started, not waited for */
	XKD_IX_WAIT,	 /* progress; CANCELED: the making goes on in the background */
};
/* "mod!name" or "name", exact or a pattern. *missing: modules with debug info that had no index (yet,
 * or for good). fn returns false to stop. */
enum xkd_rc xkd_inline_glob(struct xkd_target *t, const char *pattern, enum xkd_ixneed need,
			    bool (*fn)(void *arg, const struct xkd_inlref *r), void *arg,
			    unsigned *missing, struct xkd_err *err) XKD_MUST;
/* Has the module an index that answers at once? */
bool xkd_mod_indexed(struct xkd_target *t, struct xkd_module *m);

/* Types by name in a module, BTF before the index of DWARF; mod NULL: the kernel, then every
 * module. Completes declarations. */
enum xkd_rc xkd_type_named(struct xkd_target *t, struct xkd_module *mod, enum xkd_tag tag,
			   const char *name, const struct xkd_type **type, struct xkd_err *err) XKD_MUST;
/* A declaration's definition, wherever it is; t itself when it is complete. */
const struct xkd_type *xkd_type_complete(struct xkd_target *t, struct xkd_module *from,
					 const struct xkd_type *type);
/* A global variable: address and type (type NULL when no debug info has it). */
enum xkd_rc xkd_global_named(struct xkd_target *t, struct xkd_module *mod, const char *name,
			     uint64_t *addr, const struct xkd_type **type,
			     struct xkd_err *err) XKD_MUST;
/* Offset and size of "a.b.c" in a struct, by BTF or DWARF: what personality code uses. */
enum xkd_rc xkd_offsetof(struct xkd_target *t, const char *type, const char *path, uint64_t *off,
			 uint64_t *size, struct xkd_err *err) XKD_MUST;
/* A module's type providers in order (DWARF's only when with_dwarf; both may be NULL). */
void xkd_mod_providers(struct xkd_target *t, struct xkd_module *m, struct xkd_types **btf,
		       struct xkd_dwarf **dwarf);
#endif
