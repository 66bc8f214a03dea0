/* What a backend is: one way to reach a target. It moves bytes, registers and run state and knows
 * no symbol. A NULL slot together with a clear capability bit means "cannot"; the engine's wrappers
 * (engine/core/target.h) say so in words, so a backend never has to.
 * In the spirit of EXDI's groups: target info, run control, breakpoints, memory, context, MSRs. */
#ifndef XKD_BACKEND_H
#define XKD_BACKEND_H
#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/log.h"

struct xkd_backend; /* a backend's own state; first member: const struct xkd_backend_ops *ops */

enum xkd_cap {
	XKD_CAP_WRITE_MEM = 1 << 0,
	XKD_CAP_READ_PHYS = 1 << 1,
	XKD_CAP_WRITE_PHYS = 1 << 2,
	XKD_CAP_READ_VIRT = 1 << 3, /* translates by a CPU's own page tables */
	XKD_CAP_RUN = 1 << 4,	    /* resume, halt */
	XKD_CAP_STEP = 1 << 5,
	XKD_CAP_STEP_HOLD = 1 << 6, /* can step one CPU while the others stay stopped */
	XKD_CAP_BP_SW = 1 << 7,
	XKD_CAP_BP_HW = 1 << 8,
	XKD_CAP_WATCH_W = 1 << 9,
	XKD_CAP_WATCH_R = 1 << 10,
	XKD_CAP_WATCH_A = 1 << 11,
	XKD_CAP_BP_IN_MEMORY = 1 << 12, /* software breakpoints alter target memory */
	XKD_CAP_MSR = 1 << 13,
	XKD_CAP_RAW = 1 << 14,	  /* raw() (QEMU's monitor) */
	XKD_CAP_WRITE_REGS = 1 << 15,
	XKD_CAP_RESET = 1 << 16,
	XKD_CAP_LIVE_READ = 1 << 17, /* memory can be read while it runs */
	XKD_CAP_STEP_MASK = 1 << 18, /* a step takes no interrupt when asked so (mask_irqs) */
};

enum xkd_mspace {
	XKD_MS_VIRT, /* as the given CPU translates now */
	XKD_MS_PHYS,
	XKD_MS_IO,
};

/* One element of a vectored transfer. done and rc are filled for each element; a partial transfer
 * has rc != XKD_OK and done < len. */
struct xkd_iov {
	uint64_t addr;
	uint8_t *buf;
	size_t len;
	size_t done;
	enum xkd_rc rc;
};

enum xkd_cpu_state { XKD_CPU_HALTED, XKD_CPU_RUNNING, XKD_CPU_OFFLINE, XKD_CPU_UNKNOWN };
struct xkd_be_cpu {
	uint64_t id;	    /* opaque to the engine; a thread id of the stub */
	char label[64];	    /* what the stub calls it; "" if nothing */
	enum xkd_cpu_state state;
};

/* Register groups, as bits for regs_get. */
enum xkd_reg_group {
	XKD_RG_INT = 1 << 0,  /* general registers, pc, flags, selectors */
	XKD_RG_SYS = 1 << 1,  /* segment bases, control registers, EFER */
	XKD_RG_DESC = 1 << 2, /* IDTR, GDTR, TR, LDTR; may cost a monitor command */
	XKD_RG_FP = 1 << 3,
	XKD_RG_DEBUG = 1 << 4,
};
/* The discovered layout. Names are the lower-case ones of GDB's target descriptions (rax, rip,
 * eflags, cs, fs_base, k_gs_base, cr3, efer, xmm0) plus idt_base idt_limit gdt_base gdt_limit
 * tr_base tr ldt. Offsets are into the blob that regs_get fills, little-endian values. */
struct xkd_regdesc {
	char name[24];
	uint16_t off;	/* bytes into the blob */
	uint16_t bytes;
	uint32_t group; /* one xkd_reg_group bit */
};
struct xkd_reglayout {
	const struct xkd_regdesc *regs;
	size_t n;
	size_t blob; /* size in bytes of the blob; at most XKD_REGBLOB_MAX */
};
#define XKD_REGBLOB_MAX 8192
#define XKD_REGS_MAX 512
struct xkd_regblob {
	uint8_t bytes[XKD_REGBLOB_MAX];
	uint8_t avail[XKD_REGS_MAX]; /* by index into layout.regs: 1 known, 0 unavailable */
};

enum xkd_act { XKD_ACT_HOLD, XKD_ACT_CONT, XKD_ACT_STEP };
struct xkd_resume {
	enum xkd_act others; /* CPUs not named below */
	bool has_cpu;
	uint64_t cpu_id;
	enum xkd_act cpu_act;
	bool mask_irqs; /* for a step: no interrupt may be taken, where the stub can do so */
};

enum xkd_bp_kind { XKD_BP_SW, XKD_BP_HW, XKD_BP_WRITE, XKD_BP_READ, XKD_BP_ACCESS };

enum xkd_ev_kind {
	XKD_EV_NONE,	/* nothing yet */
	XKD_EV_STOPPED, /* the whole target stopped; cpu_id says which CPU reports */
	XKD_EV_EXITED,	/* the target is gone for good (code) */
	XKD_EV_LOST,	/* the transport broke; err says how */
	XKD_EV_OUTPUT,	/* text from the target (monitor output while running) */
};
enum xkd_stop_reason {
	XKD_STOP_UNKNOWN,
	XKD_STOP_USER, /* our halt, or a pause from another place */
	XKD_STOP_BP,   /* a software or execute breakpoint; pc is at it */
	XKD_STOP_WATCH,
	XKD_STOP_STEP,
	XKD_STOP_EXC, /* vector in exc */
	XKD_STOP_SHUTDOWN,
};
struct xkd_event {
	enum xkd_ev_kind kind;
	enum xkd_stop_reason reason;
	uint64_t cpu_id;
	bool has_cpu;
	uint64_t watch_addr;
	int exc;	 /* vector or signal number, -1 unknown */
	int code;	 /* exit code */
	char text[256];
};

struct xkd_be_range {
	uint64_t start, size; /* physical */
};

/* State before we came, so that leaving can restore it. */
enum xkd_found { XKD_FOUND_UNKNOWN, XKD_FOUND_RUNNING, XKD_FOUND_HALTED, XKD_FOUND_PRELAUNCH };

struct xkd_be_open {
	const char *uri; /* what follows "gdb:" etc. */
	struct xkd_cancel *cancel;
	struct xkd_log *log;
	bool leave_halted;   /* should this process die: do not let the target run on */
	unsigned timeout_ms; /* per packet; 0: the backend's default */
	/* For a backend that stands before another (the recorder): that one, opened with the same, and
	 * the file it writes. NULL: none. */
	const struct xkd_backend_ops *inner;
	const char *record;
};

struct xkd_backend_ops {
	const char *name;   /* "gdb" */
	const char *syntax; /* "gdb:HOST:PORT or gdb:/unix/socket" */
	/* A started target is left stopped by open. */
	enum xkd_rc (*open)(const struct xkd_be_open *o, struct xkd_backend **be, struct xkd_err *err);
	/* leave_running: resume the target on the way out. All breakpoints are out afterwards.
	 * Frees be in every case. */
	enum xkd_rc (*close)(struct xkd_backend *be, bool leave_running, struct xkd_err *err);
	unsigned (*caps)(struct xkd_backend *be); /* enum xkd_cap bits */
	enum xkd_found (*found)(struct xkd_backend *be);
	/* At most max; *n is the number there are. Ids are stable while the target is stopped. */
	enum xkd_rc (*cpus)(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			    struct xkd_err *err);
	/* Elements fail one by one (see xkd_iov); the return value is for transport trouble only. */
	enum xkd_rc (*readv)(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			     struct xkd_iov *iov, size_t n, struct xkd_err *err);
	enum xkd_rc (*writev)(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			      struct xkd_iov *iov, size_t n, struct xkd_err *err);
	const struct xkd_reglayout *(*reglayout)(struct xkd_backend *be);
	/* groups: xkd_reg_group bits wanted. Registers of other groups may be filled too. */
	enum xkd_rc (*regs_get)(struct xkd_backend *be, uint64_t cpu_id, unsigned groups,
				struct xkd_regblob *blob, struct xkd_err *err);
	/* index into reglayout()->regs; val of .bytes bytes */
	enum xkd_rc (*reg_set)(struct xkd_backend *be, uint64_t cpu_id, size_t index,
			       const uint8_t *val, struct xkd_err *err);
	/* What a hit needs, in one exchange where the transport can: the registers of INT and SYS, and
	 * memory as that CPU translates (elements as in readv). NULL: regs_get and readv serve. */
	enum xkd_rc (*look)(struct xkd_backend *be, uint64_t cpu_id, struct xkd_regblob *blob,
			    struct xkd_iov *iov, size_t n, struct xkd_err *err);
	/* Sets registers (by index into reglayout()->regs) of a CPU that look was asked about at this
	 * stop and lets all CPUs run, with as few exchanges as can be. After an error nothing runs, but
	 * some of the registers may have been set. NULL: reg_set and resume serve. */
	enum xkd_rc (*pass)(struct xkd_backend *be, uint64_t cpu_id, const size_t *index,
			    const uint64_t *val, size_t n, struct xkd_err *err);
	enum xkd_rc (*msr_get)(struct xkd_backend *be, uint64_t cpu_id, uint32_t msr, uint64_t *val,
			       struct xkd_err *err);
	enum xkd_rc (*msr_set)(struct xkd_backend *be, uint64_t cpu_id, uint32_t msr, uint64_t val,
			       struct xkd_err *err);
	/* Physical RAM ranges, where known; *n = 0 and XKD_OK when not. */
	enum xkd_rc (*memmap)(struct xkd_backend *be, struct xkd_be_range *r, size_t max, size_t *n,
			      struct xkd_err *err);
	/* Returns at once; the stop arrives as an event. */
	enum xkd_rc (*resume)(struct xkd_backend *be, const struct xkd_resume *r, struct xkd_err *err);
	/* Asks for a stop; the stop arrives as an event (reason USER). No-op when stopped. */
	enum xkd_rc (*halt)(struct xkd_backend *be, struct xkd_err *err);
	enum xkd_rc (*reset)(struct xkd_backend *be, struct xkd_err *err);
	/* The descriptor to poll for POLLIN; -1: call next_event every 50 ms. */
	int (*fd)(struct xkd_backend *be);
	/* Never blocks; kind NONE when nothing is there. */
	enum xkd_rc (*next_event)(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err);
	/* size: bytes of the instruction patch (1 on x86) or of the watched object (1 2 4 8).
	 * A refusal by the stub is an error here, never silence. */
	enum xkd_rc (*bp_add)(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			      unsigned size, struct xkd_err *err);
	enum xkd_rc (*bp_del)(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			      unsigned size, struct xkd_err *err);
	/* Takes one out that a client before us may have left; it is none of ours, and whether there was
	 * one is not always told. NULL: nobody was here before (a recording). */
	enum xkd_rc (*bp_stale)(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
				unsigned size, struct xkd_err *err);
	/* What the backend knows beforehand: "vmcoreinfo", "build-id". NOTFOUND is ordinary. "stop-cpu":
	 * the id of the CPU that stopped, of a target found so. "program": a
	 * user program's files, a line each: "entry HEX PATH" (where its entry point lies), "slide HEX
	 * PATH" (how far from where it was linked). */
	enum xkd_rc (*hint)(struct xkd_backend *be, const char *key, struct xkd_buf *val,
			    struct xkd_err *err);
	enum xkd_rc (*raw)(struct xkd_backend *be, const char *cmd, struct xkd_buf *reply,
			   struct xkd_err *err);
	/* What the engine found out or was told to do ("build-id", "release", "command"), for a
	 * backend that keeps a record; others leave it NULL. */
	void (*note)(struct xkd_backend *be, const char *key, const char *val);
};

/* Each backend's row, named in ui/console/main.c only. */
extern const struct xkd_backend_ops xkd_gdbrsp_ops;
extern const struct xkd_backend_ops xkd_replay_ops; /* answers from a recording */
extern const struct xkd_backend_ops xkd_record_ops; /* no way of its own: stands before another */
extern const struct xkd_backend_ops xkd_file_ops; /* no CPUs, no memory: a list of files */

struct xkd_backend {
	const struct xkd_backend_ops *ops;
};
#endif
