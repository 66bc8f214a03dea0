/* Expressions compiled once for one place in the code, to be run at every hit there: a small program
 * over registers and memory with C's arithmetic. Names, types and members are settled when it is
 * made; running it looks nothing up. */
#ifndef XKD_ENGINE_PROG_H
#define XKD_ENGINE_PROG_H
#include "engine/lang/expr.h"

struct xkd_prog;
enum xkd_prog_what {
	XKD_PROG_PERCPU, /* where the CPU's own copies of per-CPU variables begin, less their addresses */
	XKD_PROG_CPU,	 /* the kernel's number of it */
	XKD_PROG_TASK,	 /* its task_struct */
	XKD_PROG_PID,	 /* of that thread */
	XKD_PROG_TGID,
};
/* What a program runs over. */
struct xkd_prog_env {
	const struct xkd_regs *regs;
	/* memory as the CPU at hand sees it; false: cannot be read */
	bool (*read)(void *arg, uint64_t addr, void *buf, size_t len);
	/* what the CPU and its task are; false: not known. NULL: never known */
	bool (*ask)(void *arg, enum xkd_prog_what what, uint64_t *v);
	void *arg;
};
/* Compiles a C++ expression as it means at ctx (frame 0 of a CPU at the place). UNSUPPORTED: it is
 * one whose parts must be looked up anew each time (pseudo-registers other than $ip $csp $cpu $thread
 * $tid $tpid, assignments, locals that lie on the stack). Valid while the modules stay as they are. */
enum xkd_rc xkd_prog_new(const struct xkd_ctx *ctx, const struct xkd_env *env, const char *text,
			 struct xkd_prog **prog, struct xkd_err *err) XKD_MUST;
void xkd_prog_free(struct xkd_prog *p);
/* v: the result's scalar; type: of it. */
enum xkd_rc xkd_prog_run(const struct xkd_prog *p, const struct xkd_prog_env *env, uint64_t *v,
			 struct xkd_err *err) XKD_MUST;
/* The result's type, for printing. */
const struct xkd_type *xkd_prog_type(const struct xkd_prog *p, struct xkd_module **mod);
/* Is it an array or a bit-field, which is not printed by its number alone? */
bool xkd_prog_is_place(const struct xkd_prog *p);
#endif
