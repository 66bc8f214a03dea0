/* Values and types in kd's layouts (facts: dt, dv, ??, kp). */
#ifndef XKD_ENGINE_PRINT_H
#define XKD_ENGINE_PRINT_H
#include "base/out.h"
#include "engine/lang/value.h"

struct xkd_print_opts {
	int depth;	   /* -r[n]: nested aggregates and pointers to them; 0 none */
	bool verbose;	   /* -v: "struct T, N elements, 0xSIZE bytes", element counts */
	bool block;	   /* -b: nested structs in line, pointers not followed */
	bool no_offsets;   /* -o */
	bool compact;	   /* -c */
	uint64_t array_max; /* -a[n]; 0: first element only, as kd does, flexible ones by a counter */
	/* only these: a name, its beginning where no member has it in full, or a wildcard; "a.b" goes
	 * down, "a." shows all of a */
	const char *fields[16];
	int nfields;
};
/* dt TYPE: the layout alone. */
enum xkd_rc xkd_print_type(const struct xkd_ctx *ctx, struct xkd_out *out, struct xkd_module *mod,
			   const struct xkd_type *type, const struct xkd_print_opts *o,
			   struct xkd_err *err) XKD_MUST;
/* dt TYPE ADDR, ?? : with values. A scalar is one row. */
enum xkd_rc xkd_print_value(const struct xkd_ctx *ctx, struct xkd_out *out,
			    const struct xkd_value *v, const struct xkd_print_opts *o,
			    struct xkd_err *err) XKD_MUST;
/* v.addr is a per-CPU variable's symbol, or in it: makes it the place that the context's CPU has. */
bool xkd_percpu_here(const struct xkd_ctx *ctx, struct xkd_value *v);
/* The row that says which CPU's copy a per-CPU variable named without a CPU is; none for others. */
void xkd_print_percpu(struct xkd_out *out, const struct xkd_value *v);
/* The rows of a struct or union alone, without the row that names it. */
enum xkd_rc xkd_print_struct_at(const struct xkd_ctx *ctx, struct xkd_out *out,
				const struct xkd_value *v, const struct xkd_print_opts *o,
				struct xkd_err *err) XKD_MUST;
/* Has the struct or union (or what the pointer type points to) a member that this word of
 * xkd_print_opts.fields means? */
bool xkd_print_has_field(const struct xkd_ctx *ctx, struct xkd_module *mod,
			 const struct xkd_type *type, const char *field);
/* A value on one line without newline: "0xffff8e73`25740000", "KVM_PIO_BUS (0n1)" (style_dv) or
 * "0n1 ( KVM_PIO_BUS )", `"text"`; unreadable: "??". Names in it are the debug info's, as they are:
 * to be escaped by who shows it. Never fails. */
void xkd_value_brief(const struct xkd_ctx *ctx, const struct xkd_value *v, bool style_dv,
		     struct xkd_buf *out);
/* "(struct kvm_vcpu * vcpu = 0xffff8e73`25740000, int len = 0n1)" of the context's function, with the
 * parentheses; multi_line: one parameter a line, tabs before. Appends nothing when no debug info
 * covers the place. Never fails; what is not known says why in angle brackets. */
void xkd_print_params(const struct xkd_ctx *ctx, struct xkd_buf *out, bool multi_line);
#endif
