/* Expressions: MASM and C++ syntax on one AST. MASM: symbols are addresses, radix 16, by wo dwo qwo
 * poi, hi low, not, $vvalid $scmp..., `file.c:123`, @reg, @@c++(). C++: typed C, @reg, @@masm(),
 * sizeof, casts, ->, container_of, per_cpu(), assignment. */
#ifndef XKD_ENGINE_EXPR_H
#define XKD_ENGINE_EXPR_H
#include "engine/lang/value.h"

enum xkd_syntax { XKD_MASM, XKD_CXX };

/* What an evaluation may see besides the context. NULL members: not there. */
struct xkd_env {
	unsigned radix; /* 16 by default, 10 or 8 */
	/* pseudo-registers: t0-t19 live here; others (ip ra csp proc thread ...) by fn */
	uint64_t *t; /* 20 of them */
	bool (*pseudo)(void *arg, const struct xkd_ctx *ctx, const char *name, uint64_t *val);
	void *arg;
	bool no_side_effects; /* refuse assignments */
};

/* Parses as much as is an expression. end: where it stopped (first byte not used); NULL: the whole
 * text must be one. arena: command lifetime. On SYNTAX err->pos is the offset in text. Symbols in
 * MASM resolve by xkd_sym_named; a local variable of the frame comes before a global in C++. */
enum xkd_rc xkd_eval(const struct xkd_ctx *ctx, const struct xkd_env *env, enum xkd_syntax syntax,
		     const char *text, const char **end, struct xkd_arena *arena,
		     struct xkd_value *v, struct xkd_err *err) XKD_MUST;
/* The same as a number; the address of an aggregate or array. */
enum xkd_rc xkd_eval_u64(const struct xkd_ctx *ctx, const struct xkd_env *env,
			 enum xkd_syntax syntax, const char *text, const char **end,
			 struct xkd_arena *arena, uint64_t *num, struct xkd_err *err) XKD_MUST;
/* All places of "file.c:123" or "mod!file.c:123": one for each function and inlined copy that has the
 * line, in every module that knows the file. NOTFOUND when there is none; fn returns false to stop. */
enum xkd_rc xkd_source_places(struct xkd_target *t, const char *spec,
			      bool (*fn)(void *arg, uint64_t addr), void *arg,
			      struct xkd_err *err) XKD_MUST;
/* A C type name: "struct kvm_io_bus", "kvm_io_bus", "kvm!kvm_io_bus *", "unsigned long [4]". */
enum xkd_rc xkd_parse_type(const struct xkd_ctx *ctx, const char *text, const char **end,
			   const struct xkd_type **type, struct xkd_module **mod,
			   struct xkd_err *err) XKD_MUST;
#endif
