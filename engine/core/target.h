/* A target: a backend, married to an architecture and a personality, with the state that every
 * reader shares. Wrappers here say in words what a backend cannot do. */
#ifndef XKD_ENGINE_TARGET_H
#define XKD_ENGINE_TARGET_H
#include "base/map.h"
#include "engine/core/arch.h"
#include "engine/core/module.h"
#include "symbols/find.h"

/* What a thing read from the target depends on. */
struct xkd_gen {
	uint32_t boot;	  /* another kernel or slide */
	uint32_t modules; /* the module list */
	uint32_t stop;	  /* each resume */
	uint32_t write;	  /* each write by us */
};

/* An address space. PT: walk from root over physical memory. KERNEL: the kernel's own tables, by
 * arithmetic where that is known. CPU: as that CPU translates (the stub's own translation). */
enum xkd_space_kind { XKD_SP_CPU, XKD_SP_KERNEL, XKD_SP_PT, XKD_SP_PHYS };
struct xkd_space {
	enum xkd_space_kind kind;
	int cpu;	       /* CPU: index */
	struct xkd_paging pg;  /* PT */
};

/* What the page tables that a CPU uses show at this stop. */
enum xkd_kview {
	XKD_KVIEW_UNTRIED, /* or no kernel is known */
	XKD_KVIEW_OK,	   /* our kernel, whole */
	XKD_KVIEW_HALF,	   /* our kernel's user half: entry code and little else (page-table isolation) */
	XKD_KVIEW_OTHER,   /* a guest's, or another address space: nothing here is our kernel's */
};
struct xkd_cpu {
	uint64_t id; /* the backend's */
	char label[64];
	int os_cpu;  /* the kernel's number, -1 unknown */
	enum xkd_cpu_state state;
	/* of this stop */
	bool regs_read;
	unsigned groups; /* xkd_reg_group bits read */
	struct xkd_regs regs;
	enum xkd_kview kview;
};

struct xkd_patch {
	uint64_t addr; /* kernel virtual */
	uint8_t orig;
};
struct xkd_os;
struct xkd_cache;
#define XKD_CPUS_MAX 1024
struct xkd_target {
	struct xkd_backend *be;
	unsigned caps;
	const struct xkd_arch *arch;
	const struct xkd_os *os; /* never NULL after open: generic at least */
	void *os_state;		 /* the personality's, freed by os->fini */
	struct xkd_gen gen;
	bool running;
	bool lost; /* transport gone */
	bool stranded; /* ... while it was stopped: it may stand yet */
	bool awaits_kernel; /* none was there yet at the last look: look again at each stop */
	enum xkd_found found;
	char uri[256];
	struct xkd_cancel *cancel;
	struct xkd_log *log;

	XKD_VEC(struct xkd_cpu) cpus;
	int stop_cpu; /* index of the CPU that reported the last stop */
	struct xkd_event last_stop;

	XKD_VEC(struct xkd_module *) mods; /* [0] is the kernel when known; then by address */
	/* Bytes that our own breakpoints may have written over: reads show what was there. */
	XKD_VEC(struct xkd_patch) patches;
	bool kernel_forced; /* .reload /i lk: a vmlinux of another build is taken */
	bool search_all;    /* .reload: the kernel is looked for however long that takes */
	char release[128]; /* "6.1.0-48-cloud-amd64"; "" unknown */
	struct xkd_sympath sympath;
	struct xkd_find_cache *find;
	struct xkd_cache *cache;
	struct xkd_arena stop_arena; /* emptied at each resume */
	struct xkd_arena boot_arena; /* emptied when the kernel changes */
	XKD_VEC(struct xkd_be_range) ram; /* physical RAM; empty: not known */
};

/* Opens through ops; stopped afterwards. */
enum xkd_rc xkd_target_open(const struct xkd_backend_ops *ops, const struct xkd_be_open *o,
			    struct xkd_target **t, struct xkd_err *err) XKD_MUST;
/* leave_halted: do not resume. Otherwise the target is left as it was found. Frees t. */
enum xkd_rc xkd_target_close(struct xkd_target *t, bool leave_halted, struct xkd_err *err);

/* Tells a backend that keeps a record; others do not hear it. */
void xkd_target_note(struct xkd_target *t, const char *key, const char *val);

/* --- registers of a CPU at this stop (index) --- */
enum xkd_rc xkd_target_regs(struct xkd_target *t, int cpu, unsigned groups,
			    const struct xkd_regs **regs, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_target_reg_set(struct xkd_target *t, int cpu, int reg, uint64_t val,
			       struct xkd_err *err) XKD_MUST;

/* Whose tables a CPU uses; UNTRIED when no kernel is known. Cheap after the first call of a stop. */
enum xkd_kview xkd_target_kview(struct xkd_target *t, int cpu);
/* The kernel is gone (another boot): drops all that came from it. gen.boot counts. */
void xkd_target_forget_kernel(struct xkd_target *t);

/* --- memory. done (may be NULL): bytes that came; a short read is an error with done > 0. --- */
enum xkd_rc xkd_mem_read(struct xkd_target *t, const struct xkd_space *sp, uint64_t addr, void *buf,
			 size_t len, size_t *done, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_mem_write(struct xkd_target *t, const struct xkd_space *sp, uint64_t addr,
			  const void *buf, size_t len, size_t *done, struct xkd_err *err) XKD_MUST;
/* Translation in a space with all the levels (for !pte). */
enum xkd_rc xkd_mem_xlat(struct xkd_target *t, const struct xkd_space *sp, uint64_t va,
			 struct xkd_xlat *x, struct xkd_err *err) XKD_MUST;
/* Are these physical addresses known to be RAM, where reading has no effects? */
bool xkd_target_in_ram(const struct xkd_target *t, uint64_t pa, size_t len);
/* The kernel's own view, the right one whatever the CPUs are doing. */
struct xkd_space xkd_space_kernel(void);
struct xkd_space xkd_space_phys(void);
struct xkd_space xkd_space_cpu(int cpu);
enum xkd_rc xkd_kread(struct xkd_target *t, uint64_t addr, void *buf, size_t len,
		      struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_kread_u(struct xkd_target *t, uint64_t addr, unsigned size, uint64_t *val,
			struct xkd_err *err) XKD_MUST;
/* Brings the pages of n kernel addresses into the cache in few transfers; what fails, the read that
 * needs it will find. */
void xkd_kread_ahead(struct xkd_target *t, const uint64_t *addr, size_t n);
/* At most max - 1 bytes up to a NUL; always terminated. */
enum xkd_rc xkd_kread_str(struct xkd_target *t, uint64_t addr, char *buf, size_t max,
			  struct xkd_err *err) XKD_MUST;
/* Puts the target's own bytes where our breakpoints show. */
void xkd_mem_hide_patches(const struct xkd_target *t, uint64_t addr, uint8_t *buf, size_t len);
void xkd_target_dirty(struct xkd_target *t); /* after a write by other ways: drop caches */

/* --- run state (engine/run uses these; commands use engine/run) --- */
/* Can it be asked now? TRANSPORT when the connection is lost, RUNNING when it runs. */
enum xkd_rc xkd_target_stopped(const struct xkd_target *t, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_target_resume(struct xkd_target *t, const struct xkd_resume *r,
			      struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_target_halt(struct xkd_target *t, struct xkd_err *err) XKD_MUST;
/* Waits for the next event up to timeout_ms (-1: until cancel). CANCELED leaves it running. */
enum xkd_rc xkd_target_wait(struct xkd_target *t, int timeout_ms, struct xkd_event *ev,
			    struct xkd_err *err) XKD_MUST;
/* Remembers a broken transport, whoever noticed it; returns rc. */
enum xkd_rc xkd_target_noted(struct xkd_target *t, enum xkd_rc rc);
int xkd_target_cpu_by_id(const struct xkd_target *t, uint64_t id); /* index or -1 */

/* --- hits that nobody is to see (hit.c) --- */
/* Registers (INT, SYS) of a CPU and memory as it sees it, our breakpoints hidden, in one exchange where
 * the transport can. Elements fail one by one (done tells how many bytes came). */
enum xkd_rc xkd_target_look(struct xkd_target *t, int cpu, struct xkd_iov *iov, size_t n,
			    const struct xkd_regs **regs, struct xkd_err *err) XKD_MUST;
/* Exactly these bytes as the CPU sees them, our breakpoints hidden, past the cache. */
bool xkd_target_peek(struct xkd_target *t, int cpu, uint64_t addr, void *buf, size_t len);
/* Gives a CPU the effect of an instruction carried out for it. go: and lets everything run, in the
 * same exchange where the transport can. After an error the CPU is as it was and nothing runs. */
enum xkd_rc xkd_target_carry(struct xkd_target *t, int cpu, const struct xkd_carry *c, bool go,
			     struct xkd_err *err) XKD_MUST;

/* --- modules (filled by the personality) --- */
struct xkd_module *xkd_target_kernel(struct xkd_target *t); /* NULL: no kernel known */
struct xkd_module *xkd_target_mod_at(struct xkd_target *t, uint64_t addr);
/* "lk" and "vmlinux" are the kernel; '-' and '_' are alike. */
struct xkd_module *xkd_target_mod_named(struct xkd_target *t, const char *name);
/* Loads the module's image if nobody did yet. NULL: no image; m->why says why. */
struct xkd_image *xkd_target_mod_image(struct xkd_target *t, struct xkd_module *m);
#endif
