/* ?, ??, dx and .formats: expressions in both syntaxes. */
#include "engine/cmd/cmd.h"
#include "engine/cmd/dx.h"
#include "base/str.h"
#include "engine/lang/print.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* The session's context; without a target a context that knows no names, for plain arithmetic. */
static enum xkd_rc eval_ctx(struct xkd_session *s, struct xkd_ctx *ctx, struct xkd_err *err)
{
	const struct xkd_ctx *cur;
	enum xkd_rc rc;

	*ctx = (struct xkd_ctx){ .cpu = -1 };
	if (!s->t)
		return XKD_OK;
	rc = xkd_session_ctx(s, &cur, err);
	if (!rc)
		*ctx = *cur;
	return rc;
}

static enum xkd_rc eval_rest(struct xkd_session *s, struct xkd_args *a, enum xkd_syntax syntax,
			     struct xkd_ctx *ctx, struct xkd_value *v, struct xkd_err *err)
{
	struct xkd_env env = s->env;
	const char *start;
	uint32_t writes;
	enum xkd_rc rc;

	if (xkd_arg_end(a))
		return xkd_err_syntax(err, (int)(a->p - a->line), "an expression is missing here");
	start = a->p;
	rc = eval_ctx(s, ctx, err);
	if (rc)
		return rc;
	env.no_side_effects |= s->read_only;
	writes = s->t ? s->t->gen.write : 0;
	rc = xkd_eval(ctx, &env, syntax, xkd_arg_rest(s, a), NULL, &s->cmd_arena, v, err);
	if (rc == XKD_SYNTAX && err && err->pos >= 0)
		err->pos += (int)(start - a->line);
	if (s->t && s->t->gen.write != writes) {
		ctx->gen = s->t->gen;
		if (!ctx->frame) /* a register may be another one now */
			s->ctx_valid = false;
	}
	return rc;
}

static enum xkd_rc as_number(struct xkd_session *s, struct xkd_args *a, uint64_t *num,
			     struct xkd_err *err)
{
	struct xkd_ctx ctx;
	struct xkd_value v;
	enum xkd_rc rc = eval_rest(s, a, XKD_MASM, &ctx, &v, err);

	return rc ? rc : xkd_value_u64(&ctx, &v, num, err);
}

static enum xkd_rc cmd_masm(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	uint64_t num;
	enum xkd_rc rc = as_number(s, a, &num, err);

	if (rc)
		return rc;
	xkd_out(&s->out, "Evaluate expression: ");
	xkd_out_key(&s->out, XKD_ST_NUM, "decimal", "%" PRId64, (int64_t)num);
	xkd_out(&s->out, " = ");
	xkd_out_key(&s->out, XKD_ST_ADDR, "value", "%s", XKD_ADDR(num));
	xkd_out_end(&s->out);
	return XKD_OK;
}

static enum xkd_rc cmd_cxx(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_print_opts o = { 0 };
	struct xkd_ctx ctx;
	struct xkd_value v;
	enum xkd_rc rc = eval_rest(s, a, XKD_CXX, &ctx, &v, err);

	if (rc)
		return rc;
	xkd_print_percpu(&s->out, &v);
	return xkd_print_value(&ctx, &s->out, &v, &o, err);
}

static enum xkd_rc cmd_dx(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_ctx ctx;
	struct xkd_value v;
	unsigned depth;
	const char *expr;
	enum xkd_rc rc = xkd_dx_depth(a, &depth, err);

	if (rc)
		return rc;
	expr = xkd_skip_space(a->p);
	expr = xkd_arena_strdup(&s->cmd_arena, expr);
	rc = eval_rest(s, a, XKD_CXX, &ctx, &v, err);
	return rc ? rc : xkd_dx_show(s, &ctx, expr, &v, depth, err);
}

static void bits_row(struct xkd_session *s, uint64_t num)
{
	struct xkd_buf b = XKD_BUF_INIT;

	for (int i = 63; i >= 0; i--) {
		xkd_buf_ch(&b, num >> i & 1 ? '1' : '0');
		if (i && i % 8 == 0)
			xkd_buf_ch(&b, ' ');
	}
	xkd_out(&s->out, "  Binary:  ");
	xkd_out_key(&s->out, XKD_ST_NUM, "binary", "%s", b.s);
	xkd_out_end(&s->out);
	xkd_buf_fini(&b);
}

static void other_rows(struct xkd_session *s, uint64_t num)
{
	char chars[9], when[64] = "out of range";
	time_t t = (time_t)num;
	struct tm tm;
	float low, high;
	uint32_t half[2] = { (uint32_t)num, (uint32_t)(num >> 32) };
	double d;

	for (int i = 0; i < 8; i++) {
		char c = (char)(num >> (56 - 8 * i));

		chars[i] = c >= 0x20 && c < 0x7f ? c : '.';
	}
	chars[8] = 0;
	xkd_out(&s->out, "  Chars:   %s", chars);
	xkd_out_end(&s->out);
	if (num < 1ULL << 40 && gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y UTC", &tm);
	xkd_out(&s->out, "  Time:    %s", when);
	xkd_out_end(&s->out);
	memcpy(&low, &half[0], 4);
	memcpy(&high, &half[1], 4);
	memcpy(&d, &num, 8);
	xkd_out(&s->out, "  Float:   low %g high %g", (double)low, (double)high);
	xkd_out_end(&s->out);
	xkd_out(&s->out, "  Double:  %g", d);
	xkd_out_end(&s->out);
}

static enum xkd_rc cmd_formats(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	uint64_t num;
	enum xkd_rc rc = as_number(s, a, &num, err);

	if (rc)
		return rc;
	xkd_out(&s->out, "Evaluate expression:");
	xkd_out_end(&s->out);
	xkd_out(&s->out, "  Hex:     ");
	xkd_out_key(&s->out, XKD_ST_ADDR, "value", "%s", XKD_ADDR(num));
	xkd_out_end(&s->out);
	xkd_out(&s->out, "  Decimal: ");
	xkd_out_key(&s->out, XKD_ST_NUM, "decimal", "%" PRId64, (int64_t)num);
	xkd_out_end(&s->out);
	if ((int64_t)num < 0) {
		xkd_out(&s->out, "  Decimal (unsigned): %" PRIu64, num);
		xkd_out_end(&s->out);
	}
	xkd_out(&s->out, "  Octal:   %022" PRIo64, num);
	xkd_out_end(&s->out);
	bits_row(s, num);
	other_rows(s, num);
	return XKD_OK;
}

static const struct xkd_cmd rows[] = {
	{ .name = "?",
	  .args = "expression",
	  .effect = XKD_FX_NONE,
	  .fn = cmd_masm,
	  .help = "evaluate a MASM expression",
	  .more = "Numbers are hexadecimal unless marked 0n (decimal), 0t (octal) or 0y (binary).\n"
		  "Symbols are their addresses: ? kvm!kvm_vcpu_ioctl + 10. Registers: @rax, @$ip, "
		  "@$t0.\n"
		  "Operators: + - * / mod << >> >>> & ^ | = != < > <= >= not hi low by wo dwo qwo "
		  "poi\n"
		  "$vvalid(addr, len) $scmp(\"a\", \"b\") $sicmp $spat(\"text\", \"pattern\") "
		  "`file.c:123`\n"
		  "@@c++(...) evaluates C." },
	{ .name = "??",
	  .args = "expression",
	  .effect = XKD_FX_TARGET | XKD_FX_STOPPED,
	  .fn = cmd_cxx,
	  .help = "evaluate a C expression, typed; assignments write",
	  .more = "Locals of the current frame, globals, casts, -> . [] & * sizeof, ?: and "
		  "assignment:\n"
		  "?? ((struct kvm_vcpu *)@rdi)->kvm->buses[0], ?? vcpu->vcpu_id, ?? @rax = 5.\n"
		  "Also container_of(ptr, type, member), offsetof, enumeration constants, mod!name,\n"
		  "@@masm(...). Numbers are decimal unless 0x. A per-CPU variable is the current\n"
		  "CPU's copy; another's: ?? per_cpu(runqueues, 1).nr_running, per_cpu_ptr(p, 1),\n"
		  "this_cpu_ptr(p).",
	  .foreign = "print inspect output" },
	{ .name = "dx",
	  .args = "[-r[n]] expression",
	  .effect = XKD_FX_TARGET | XKD_FX_STOPPED,
	  .fn = cmd_dx,
	  .help = "show what a C expression gives, with what is inside",
	  .more = "Members, elements and what pointers lead to are shown one level deep, or n with\n"
		  "-rn: dx -r2 *vcpu->kvm->buses[1]." },
	{ .name = ".formats",
	  .args = "expression",
	  .effect = XKD_FX_NONE,
	  .fn = cmd_formats,
	  .help = "show a number in all formats" },
};
const struct xkd_cmd_family xkd_family_eval = { .title = "Expressions",
						.rows = rows,
						.n = XKD_COUNT(rows) };
