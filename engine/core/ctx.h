/* A context: what every reader is given. Immutable; commands derive new ones by value. */
#ifndef XKD_ENGINE_CTX_H
#define XKD_ENGINE_CTX_H
#include "engine/core/target.h"

struct xkd_ctx {
	struct xkd_target *t;
	struct xkd_gen gen; /* as of its making */
	int cpu;	    /* index; -1: none (a sleeping task) */
	uint64_t task;	    /* task_struct; 0: not known */
	struct xkd_regs regs; /* of the frame */
	struct xkd_space space;
	bool foreign; /* a CPU inside a guest or another address space: its registers and code are none
		       * of our kernel's, and nothing at them is named by our symbols */
	unsigned frame;	    /* number; 0 the innermost */
	unsigned inline_depth; /* which of the functions at pc: 0 the innermost inlined one */
	uint64_t pc_lookup; /* pc to look scopes and lines up by: pc, or pc - 1 above a call */
	uint64_t cfa;	    /* 0: not known */
	const struct xkd_ctx *caller; /* for entry values; NULL: not known. Stop lifetime. */
};
/* The context of a CPU as it stopped: its registers, its current task, its space. */
enum xkd_rc xkd_ctx_cpu(struct xkd_target *t, int cpu, struct xkd_ctx *ctx,
			struct xkd_err *err) XKD_MUST;
/* The context of a task that no CPU runs: the registers it sleeps with, its own user memory. */
enum xkd_rc xkd_ctx_task(struct xkd_target *t, uint64_t task, struct xkd_ctx *ctx,
			 struct xkd_err *err) XKD_MUST;
/* The same for its kernel stack alone: cheaper, for many tasks. */
enum xkd_rc xkd_ctx_sleeper(struct xkd_target *t, uint64_t task, struct xkd_ctx *ctx,
			    struct xkd_err *err) XKD_MUST;
/* No CPU, no registers: kernel memory only. */
void xkd_ctx_bare(struct xkd_target *t, struct xkd_ctx *ctx);
/* The linear address of the instruction at pc; false when it is not known or cannot be read
 * truly (a foreign context: a stub's translation may lack the nested tables). */
bool xkd_ctx_code(const struct xkd_ctx *ctx, uint64_t *addr);
/* STALE when the target went on since. */
enum xkd_rc xkd_ctx_check(const struct xkd_ctx *ctx, struct xkd_err *err) XKD_MUST;

/* Reads in ctx->space; kernel addresses always through the kernel's own tables. */
enum xkd_rc xkd_ctx_read(const struct xkd_ctx *ctx, uint64_t addr, void *buf, size_t len,
			 size_t *done, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_ctx_write(const struct xkd_ctx *ctx, uint64_t addr, const void *buf, size_t len,
			  size_t *done, struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_ctx_read_u(const struct xkd_ctx *ctx, uint64_t addr, unsigned size, uint64_t *val,
			   struct xkd_err *err) XKD_MUST;
#endif
