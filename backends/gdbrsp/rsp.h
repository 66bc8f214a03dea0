/* The GDB remote backend's own state and what its files give each other. */
#ifndef XKD_GDBRSP_RSP_H
#define XKD_GDBRSP_RSP_H
#include "backends/gdbrsp/keeper.h"
#include "backends/gdbrsp/link.h"
#include "backends/gdbrsp/packet.h"
#include "backends/gdbrsp/targetxml.h"
#include "base/vec.h"
#include "xkd/backend.h"

#define XKD_RSP_TIMEOUT_MS 5000
#define XKD_RSP_WINDOW 32    /* requests under way at once, where the stub can */
#define XKD_RSP_TRIES 3	     /* for a packet that arrives damaged */
#define XKD_RSP_THREADS 4096 /* kgdb lists every task */
#define XKD_RSP_EVENTS 16
#define XKD_RSP_SSTEP_NOIRQ 2 /* of QEMU's step bits */
#define XKD_RSP_SMALL_PACKET 250 /* for a stub that names no PacketSize: Bochs' input buffer */

/* How kinds of stub differ beyond what they say themselves; see profile.c. */
struct xkd_rsp_profile {
	const char *name;
	bool qemu;	    /* speaks Qqemu.* and HMP */
	bool holds;	    /* vCont;s:N alone leaves the other CPUs stopped */
	bool stray_pauses;  /* any byte while it runs stops it and is swallowed */
	bool pipelines;	    /* answers queued packets in order and waits for no ack */
	bool needs_other_c; /* every vCont must end in a default action */
	bool shadow_cpus;   /* tasks are threads; CPUs are those with negative ids */
	bool int3_behind;   /* stops at a software breakpoint with rip behind it */
	bool rip_over;	    /* may tell rip + 1 */
	bool careful;	    /* memory as in careful.c */
	size_t packet_size; /* where it tells none; 0: XKD_RSP_SMALL_PACKET */
};

struct xkd_rsp_thread {
	uint64_t id;
	char text[40]; /* as the stub spells it; "" for a stub without threads */
	char label[64];
};

struct xkd_rsp_bp {
	enum xkd_bp_kind kind;
	uint64_t addr;
	unsigned size;
};

struct xkd_rsp_moved {
	uint64_t id, pc;
};

/* A register of the layout: where the stub keeps it. */
enum xkd_rsp_reg_from { XKD_RSP_REG_G, XKD_RSP_REG_MONITOR };
struct xkd_rsp_reg {
	enum xkd_rsp_reg_from from;
	unsigned regnum; /* for p and P */
	unsigned off;	 /* bytes into a g reply */
};

struct xkd_rsp {
	struct xkd_backend be; /* first */
	struct xkd_link link;
	char *uri;
	struct xkd_keeper keeper;
	struct xkd_log *log;
	struct xkd_cancel *cancel;
	unsigned timeout_ms;

	/* the wire */
	struct xkd_pkt in;
	uint8_t rx[32768];
	size_t rx_off, rx_len;
	unsigned acks;	      /* owed by us, sent before the next wait */
	struct xkd_buf out;   /* encoded requests */
	struct xkd_buf reply; /* the last answer to an ask */
	bool noack;
	bool spoke; /* a good packet has come */
	bool lost;
	unsigned idle; /* acks and naks since the last packet */
	struct xkd_err lost_err;
	unsigned owed; /* answers to requests given up, still to come */

	/* the stub */
	const struct xkd_rsp_profile *profile;
	size_t packet_size;
	bool has_xfer_features, has_binary_read, has_phys, has_monitor;
	bool has_exec_file, has_auxv, has_libraries; /* of a user program */
	bool vcont_step, vcont;
	int has_binary_write; /* -1: not probed */
	int has_p;	      /* -1: not tried */
	unsigned no_z;	      /* bit per Z type refused as unknown */
	bool kvm;
	unsigned sstep_bits, sstep, sstep_found;
	enum xkd_found found;
	char arch[64];

	/* threads */
	struct xkd_rsp_thread *threads;
	size_t nthreads;
	bool stop_known; /* found at the connect: the CPU that stopped */
	uint64_t stop_id;
	bool threads_fresh;
	uint64_t hg; /* the thread chosen by Hg */
	bool has_hg;
	bool has_hc; /* a thread was chosen for c and s */

	/* registers */
	struct xkd_regdesc descs[XKD_REGS_MAX];
	struct xkd_rsp_reg regs[XKD_REGS_MAX];
	struct xkd_reglayout layout;
	size_t g_bytes; /* of the blob that come from g */
	unsigned rip_over; /* by how much the stub's rip is too high at this stop */

	/* memory */
	uint8_t stale[16]; /* careful.c */
	size_t nstale;
	bool high; /* the CPU works with addresses above 4 GiB, by its rip and rsp */
	uint64_t rip; /* of the CPU at this stop, where rip_over is looked at */
	bool phys_unsure; /* PhyMemMode may have been left on */
	struct xkd_be_range *ram;
	size_t nram;
	bool ram_fresh;

	/* running */
	bool running, halt_sent;
	bool ended; /* the stub said that the target is gone: it may hang up at any moment */
	bool stray_stop; /* a Ctrl-C crossed a stop: one more stop reply may come */
	bool stepping;
	uint64_t step_id;
	char *last_run; /* the resume packet, should it come back as damaged; NULL: none yet */
	struct xkd_event events[XKD_RSP_EVENTS];
	size_t ev_head, ev_n;

	/* CPUs whose rip was written and that have not run since, where that matters: kvmstep.c */
	XKD_VEC(struct xkd_rsp_moved) moved;

	XKD_VEC(struct xkd_rsp_bp) bps;
	bool bps_gone; /* a software one was taken out since the target last ran */
};

static inline struct xkd_rsp *xkd_rsp(struct xkd_backend *be)
{
	return (struct xkd_rsp *)be;
}

/* wire.c: packets out, answers in. */
struct xkd_rsp_req {
	const char *p;
	size_t n;
};
/* body NULL: the answer (or the request) was damaged; ask again. */
typedef void xkd_rsp_got(void *arg, size_t i, const char *body, size_t len);
/* One request, one answer, in r->reply; resends what was damaged. RUNNING when the target runs. */
enum xkd_rc xkd_rsp_ask(struct xkd_rsp *r, const char *req, size_t n, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_rsp_askf(struct xkd_rsp *r, struct xkd_err *err, const char *fmt, ...)
	XKD_PRINTF(3, 4) XKD_MUST;
/* As ask; console output (O packets) is appended to output. */
enum xkd_rc xkd_rsp_ask_output(struct xkd_rsp *r, const char *req, size_t n, unsigned timeout_ms,
			       struct xkd_buf *output, struct xkd_err *err) XKD_MUST;
/* Sends all n (up to XKD_RSP_WINDOW + 2) at once; got() for each in order. */
enum xkd_rc xkd_rsp_batch(struct xkd_rsp *r, const struct xkd_rsp_req *reqs, size_t n,
			  xkd_rsp_got *got, void *arg, struct xkd_err *err) XKD_MUST;
/* Sends one packet and waits for nothing. */
enum xkd_rc xkd_rsp_send(struct xkd_rsp *r, const char *req, size_t n,
			 struct xkd_err *err) XKD_MUST;
/* Sends a resume packet; the target runs from here on. */
enum xkd_rc xkd_rsp_start(struct xkd_rsp *r, const char *req, size_t n,
			  struct xkd_err *err) XKD_MUST;
/* Lets the target go. QEMU's answer is not acknowledged: the ack could reach it when it runs again,
 * and stop it. */
enum xkd_rc xkd_rsp_detach(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* As detach, by c: what is sent is not answered. */
enum xkd_rc xkd_rsp_let_run(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* Sends the acks owed. */
enum xkd_rc xkd_rsp_flush(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* Ctrl-C. */
enum xkd_rc xkd_rsp_interrupt(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* The next packet's body in r->in.body within wait_ms, for a target that runs; TIMEOUT (err
 * untouched) when there is none. NAK: last_run was damaged and is sent again. */
enum xkd_rc xkd_rsp_next(struct xkd_rsp *r, unsigned wait_ms, struct xkd_err *err) XKD_MUST;
/* How many requests may be queued. */
size_t xkd_rsp_window(const struct xkd_rsp *r);
/* What an answer is. */
bool xkd_rsp_is_ok(const struct xkd_rsp *r);
bool xkd_rsp_is_error(const char *body, size_t len);
bool xkd_rsp_is_stop(const char *body, size_t len);
bool xkd_rsp_is_output(const char *body, size_t len);
#define XKD_RSP_NAME 48
/* The last answer for a message: printable, cut; into buf, returns buf. */
const char *xkd_rsp_said(const struct xkd_rsp *r, char *buf);
#define XKD_RSP_SAID(r) xkd_rsp_said((r), (char[XKD_RSP_NAME]){ 0 })
/* Marks the connection dead with this reason; returns TRANSPORT. */
enum xkd_rc xkd_rsp_lost(struct xkd_rsp *r, struct xkd_err *err, const char *fmt, ...)
	XKD_PRINTF(3, 4);
/* A request's name for messages ('qSupported', 'mffff800000000000,8') into buf; returns buf. */
const char *xkd_rsp_name(char *buf, const char *req, size_t n);
/* Hex digit pairs to bytes; false when they are none, or odd, or more than max. */
bool xkd_rsp_unhex(const char *s, size_t len, uint8_t *dst, size_t max, size_t *n);

/* stub.c: who is there, what it can do. */
enum xkd_rc xkd_rsp_handshake(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* program.c: an object of the stub by qXfer, piece by piece, appended to out. */
enum xkd_rc xkd_rsp_xfer(struct xkd_rsp *r, const char *object, const char *annex, struct xkd_buf *out,
			 struct xkd_err *err) XKD_MUST;
/* The hint "program" (include/xkd/backend.h); NOTFOUND where the stub serves none. */
enum xkd_rc xkd_rsp_program(struct xkd_rsp *r, struct xkd_buf *val, struct xkd_err *err) XKD_MUST;
/* profile.c */
/* qc, threads: the answers to qC and qfThreadInfo, "" where not asked. */
const struct xkd_rsp_profile *xkd_rsp_profile_find(bool qemu, const char *supported, const char *qc,
						   const char *threads);
/* quirks.c: after a stop, what the profile says must be looked at: which CPU it was, its rip. */
enum xkd_rc xkd_rsp_settle(struct xkd_rsp *r, struct xkd_event *ev, struct xkd_err *err) XKD_MUST;
/* rip in registers just read. */
void xkd_rsp_mend_g(const struct xkd_rsp *r, struct xkd_regblob *blob);

/* thread.c */
/* 01, p01.01, -1, ffffffffffffffff; the id, where it ends. False when it is none. */
bool xkd_rsp_thread_parse(const char *s, size_t n, uint64_t *id, size_t *used);
enum xkd_rc xkd_rsp_threads(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* NULL when there is none. */
const struct xkd_rsp_thread *xkd_rsp_thread(const struct xkd_rsp *r, uint64_t id);
/* Makes g, p and m speak of this thread. */
enum xkd_rc xkd_rsp_select(struct xkd_rsp *r, uint64_t id, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_rsp_cpus(struct xkd_backend *be, struct xkd_be_cpu *cpus, size_t max, size_t *n,
			 struct xkd_err *err);

/* regs.c */
enum xkd_rc xkd_rsp_layout_init(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
const struct xkd_reglayout *xkd_rsp_reglayout(struct xkd_backend *be);
enum xkd_rc xkd_rsp_regs_get(struct xkd_backend *be, uint64_t cpu_id, unsigned groups,
			     struct xkd_regblob *blob, struct xkd_err *err);
/* Its index in the layout; -1: the answer to g has no register of that name. */
int xkd_rsp_reg_named(const struct xkd_rsp *r, const char *name);
enum xkd_rc xkd_rsp_reg_set(struct xkd_backend *be, uint64_t cpu_id, size_t index,
			    const uint8_t *val, struct xkd_err *err);
/* Fills the descriptor-table and debug registers from the text of HMP's `info registers`. */
void xkd_rsp_parse_info_registers(const struct xkd_reglayout *layout, const char *text,
				  struct xkd_regblob *blob);

/* What a g reply says of the layout's registers. */
void xkd_rsp_take_g(const struct xkd_rsp *r, const char *s, size_t len, struct xkd_regblob *blob);

/* hit.c */
enum xkd_rc xkd_rsp_look(struct xkd_backend *be, uint64_t cpu_id, struct xkd_regblob *blob,
			 struct xkd_iov *iov, size_t n, struct xkd_err *err);
enum xkd_rc xkd_rsp_pass(struct xkd_backend *be, uint64_t cpu_id, const size_t *index,
			 const uint64_t *val, size_t n, struct xkd_err *err);

/* mem.c */
enum xkd_rc xkd_rsp_readv(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			  struct xkd_iov *iov, size_t n, struct xkd_err *err);
enum xkd_rc xkd_rsp_writev(struct xkd_backend *be, enum xkd_mspace ms, uint64_t cpu_id,
			   struct xkd_iov *iov, size_t n, struct xkd_err *err);
/* careful.c: elements as readv and writev have them, virtual. */
enum xkd_rc xkd_rsp_careful(struct xkd_rsp *r, struct xkd_iov *iov, size_t n, bool write,
			    struct xkd_err *err) XKD_MUST;
/* memmap.c */
enum xkd_rc xkd_rsp_memmap(struct xkd_backend *be, struct xkd_be_range *out, size_t max, size_t *n,
			   struct xkd_err *err);
/* RAM and ROM of the system address space in HMP's `info mtree -f`; at most max, sorted. */
size_t xkd_rsp_parse_mtree(const char *text, struct xkd_be_range *out, size_t max);

/* run.c */
enum xkd_rc xkd_rsp_resume(struct xkd_backend *be, const struct xkd_resume *res,
			   struct xkd_err *err);
enum xkd_rc xkd_rsp_halt(struct xkd_backend *be, struct xkd_err *err);
int xkd_rsp_fd(struct xkd_backend *be);
enum xkd_rc xkd_rsp_next_event(struct xkd_backend *be, struct xkd_event *ev, struct xkd_err *err);
void xkd_rsp_event_push(struct xkd_rsp *r, const struct xkd_event *ev);
/* Console text as OUTPUT events. */
void xkd_rsp_event_output(struct xkd_rsp *r, const char *body, size_t len);
/* Halts and waits for the stop; for leaving. */
enum xkd_rc xkd_rsp_halt_wait(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;
/* For a target that is to be let go after a Ctrl-C that crossed another stop (stray_stop), its breakpoints
 * out: GDB's own server keeps it as a SIGINT, which would end the program after D. Lets it run until that
 * arrives, or until another Ctrl-C. */
enum xkd_rc xkd_rsp_take_ctrl_c(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;

/* kvmstep.c: steps of a CPU whose rip was written. */
void xkd_rsp_moved(struct xkd_rsp *r, uint64_t id, size_t index, const uint8_t *val);
/* Before a step of t. *ev: where the CPU stopped instead of at its rip, kind NONE: it is there. */
enum xkd_rc xkd_rsp_enter(struct xkd_rsp *r, const struct xkd_rsp_thread *t, struct xkd_event *ev,
			  struct xkd_err *err) XKD_MUST;
/* After a resume. */
void xkd_rsp_entered(struct xkd_rsp *r, const struct xkd_resume *res);
/* run.c: the event of a target that was just resumed. */
enum xkd_rc xkd_rsp_wait_stop(struct xkd_rsp *r, struct xkd_event *ev,
			      struct xkd_err *err) XKD_MUST;

/* bp.c */
enum xkd_rc xkd_rsp_bp_add(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			   unsigned size, struct xkd_err *err);
enum xkd_rc xkd_rsp_bp_del(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			   unsigned size, struct xkd_err *err);
enum xkd_rc xkd_rsp_bp_stale(struct xkd_backend *be, enum xkd_bp_kind kind, uint64_t addr,
			     unsigned size, struct xkd_err *err);
/* Takes all out; goes on after a failure and returns the first. */
enum xkd_rc xkd_rsp_bp_clear(struct xkd_rsp *r, struct xkd_err *err) XKD_MUST;

/* monitor.c */
/* The command's output appended to out. UNSUPPORTED when the stub has no monitor. */
enum xkd_rc xkd_rsp_monitor(struct xkd_rsp *r, const char *cmd, struct xkd_buf *out,
			    struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_rsp_raw(struct xkd_backend *be, const char *cmd, struct xkd_buf *reply,
			struct xkd_err *err);
#endif
