/* Stacks: frames from a context outwards. Where ORC and .debug_frame agree on the CFA the latter's
 * register rules hold; where they differ, or in assembly and at stack switches, ORC is right. */
#ifndef XKD_ENGINE_UNWIND_H
#define XKD_ENGINE_UNWIND_H
#include "engine/core/ctx.h"
#include "engine/core/names.h"

enum xkd_frame_kind {
	XKD_FR_NORMAL,
	XKD_FR_INLINE, /* shares registers with the frame outside it */
	XKD_FR_USER,   /* user space: the last one */
};
struct xkd_frame {
	unsigned no;
	enum xkd_frame_kind kind;
	uint64_t pc;	 /* 0: not known */
	uint64_t lookup; /* pc or pc - 1: what names and lines are looked up by */
	uint64_t cfa;	 /* 0 unknown */
	uint64_t sp;	 /* stack pointer in this frame: kd's Child-SP */
	uint64_t ret;	 /* return address (kd's RetAddr); 0: none */
	bool exact_pc;	 /* first frame or interrupted: pc is not a return address */
	struct xkd_regs regs;
	struct xkd_module *mod;
	const char *space;  /* code of no module: "bpf", "ftrace", "kprobe"; else NULL */
	const char *func;   /* function or inline function; NULL: no symbol */
	uint64_t func_addr; /* start of the real function (symbol); 0: none */
	struct xkd_line line; /* line.file NULL: none. For frames outside inlines: the call's line */
	unsigned inline_depth; /* as in ctx */
	const char *how;    /* how the caller was found: "orc", "cfi", "fp", "regs", "trampoline",
			     * "guess"; "" none */
	char note[96];	    /* "system call read (0)", "exception #PF", "guess": shown in brackets */
};
/* Names of places, kept over many walks of one stop: see xkd_unwind_plain. */
struct xkd_unwind_memo {
	struct xkd_map map;
	struct xkd_arena arena;
};
void xkd_unwind_memo_init(struct xkd_unwind_memo *m);
void xkd_unwind_memo_fini(struct xkd_unwind_memo *m);
/* At most max frames into arena. why: one clause when the walk ended before user space, idle or the
 * end of the stack, else "". Loops and wild pointers end the walk with a reason. */
enum xkd_rc xkd_unwind(const struct xkd_ctx *ctx, size_t max, struct xkd_arena *arena,
		       struct xkd_frame **frames, size_t *n, char why[160],
		       struct xkd_err *err) XKD_MUST;
/* The same without lines, inline frames and what else takes debug info: for many stacks at once. Frames
 * borrow names from memo. */
enum xkd_rc xkd_unwind_plain(const struct xkd_ctx *ctx, struct xkd_unwind_memo *memo, size_t max,
			     struct xkd_arena *arena, struct xkd_frame **frames, size_t *n,
			     char why[160], struct xkd_err *err) XKD_MUST;
/* Of a context only the stack pointer is known, or made up: pc becomes the first return address at or
 * above it, sp what it was after that return. NOTFOUND: there is none. */
enum xkd_rc xkd_unwind_first(struct xkd_ctx *ctx, struct xkd_err *err) XKD_MUST;
/* The context of one of the frames (for .frame, gu). */
void xkd_frame_ctx(const struct xkd_ctx *ctx, const struct xkd_frame *f, struct xkd_ctx *out);
#endif
