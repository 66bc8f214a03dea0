/* u ub uf: code as instructions, with symbols and source lines.
 * A heading names the symbol and the file where either changes (uf: also where an inlined function
 * begins or ends); the line number stands before each row that has one. */
#include "engine/cmd/cmd.h"
#include "engine/cmd/code.h"
#include "base/str.h"
#include "engine/core/names.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define DEFAULT_COUNT 8
#define MAX_COUNT 0x100000 /* instructions of one u */
#define UF_MAX 0x100000	   /* bytes of one function */
#define UB_SYMBOLS 16	   /* functions that ub goes back through */
#define UB_MAX 256	   /* instructions of one ub */
#define INSN_MAX 15

/* What the last row belonged to, so that a heading comes only with a change. */
struct listing {
	struct xkd_session *s;
	const struct xkd_ctx *ctx;
	bool inlines;
	bool any;	  /* a row was shown */
	bool numbered;	  /* a row had a line number */
	uint64_t sym;	  /* address of the symbol the rows are in; 0 none */
	const char *file; /* image lifetime; NULL none */
	struct xkd_line line;
	const char *inner; /* innermost inlined function; NULL none */
};

static void find_line(struct listing *l, uint64_t addr, bool *moved)
{
	struct xkd_err ignored;

	*moved = false;
	if (l->s->no_lines || (l->line.file && addr >= l->line.start && addr < l->line.end))
		return;
	*moved = true;
	if (xkd_line_at(l->s->t, addr, &l->line, &ignored))
		memset(&l->line, 0, sizeof(l->line));
}

/* The innermost inlined function at addr, or NULL. */
static const char *find_inner(struct listing *l, uint64_t addr)
{
	struct xkd_dfunc f[XKD_INLINE_MAX];
	struct xkd_err ignored;
	size_t n = 0;

	if (xkd_funcs_at(l->s->t, addr, f, XKD_COUNT(f), &n, &ignored) || !n || !f[0].inlined)
		return NULL;
	return f[0].name;
}

static bool differs(const char *a, const char *b)
{
	return (!a != !b) || (a && b && strcmp(a, b));
}

/* "kvm!kvm_io_bus_write+0x12 [virt/kvm/kvm_main.c @ 5402]:" */
static void heading(struct listing *l, uint64_t addr)
{
	struct xkd_out *o = &l->s->out;
	struct xkd_buf sym = XKD_BUF_INIT;

	xkd_sym_format(l->s->t, addr, &sym);
	if (l->any && l->inlines)
		xkd_out_end(o);
	if (l->sym || l->file) {
		xkd_out_foreign(o, XKD_ST_SYM, sym.s, sym.len);
		if (l->inner) {
			xkd_out(o, " (inline ");
			xkd_out_foreign(o, XKD_ST_SYM, l->inner, strlen(l->inner));
			xkd_out(o, ")");
		}
		if (l->file) {
			xkd_out(o, " [");
			xkd_out_foreign(o, XKD_ST_SRC, l->file, strlen(l->file));
			xkd_out_st(o, XKD_ST_SRC, " @ %u", l->line.line);
			xkd_out(o, "]");
		}
		xkd_out(o, ":");
		xkd_out_end(o);
	}
	xkd_buf_fini(&sym);
}

static void place(struct listing *l, uint64_t addr)
{
	struct xkd_symref sym;
	uint64_t start = xkd_sym_at(l->s->t, addr, &sym, NULL) ? 0 : sym.addr;
	const char *file, *inner = l->inner;
	bool moved;

	find_line(l, addr, &moved);
	file = l->line.line ? l->line.file : NULL;
	if (l->inlines && moved)
		inner = find_inner(l, addr);
	if (!l->any || start != l->sym || (file && differs(file, l->file)) ||
	    differs(inner, l->inner)) {
		l->sym = start;
		l->file = file;
		l->inner = inner;
		heading(l, addr);
	}
	if (file) {
		xkd_out_key(&l->s->out, XKD_ST_SRC, "line", "%5u", l->line.line);
		xkd_out(&l->s->out, " ");
		l->numbered = true;
	} else if (l->numbered) {
		xkd_out(&l->s->out, "      ");
	}
	l->any = true;
}

static void show(struct listing *l, const struct xkd_insn *in)
{
	place(l, in->addr);
	xkd_code_row(l->s, l->ctx, in, false);
}

/* From start while fewer than count rows are out and the row begins at or below last. */
static enum xkd_rc list(struct listing *l, uint64_t start, uint64_t count, uint64_t last,
			struct xkd_err *err)
{
	uint64_t addr = start;

	for (uint64_t i = 0; i < count && addr <= last; i++) {
		struct xkd_insn in;
		enum xkd_rc rc = xkd_cancel_check(&l->s->cancel, err);

		if (!rc) {
			rc = xkd_code_read(l->ctx, addr, &in, err);
			if (rc && rc != XKD_CANCELED)
				xkd_code_row_unreadable(l->s, addr);
		}
		l->s->next_u = addr;
		if (rc)
			return xkd_err_prepend(err, rc, "reading code");
		show(l, &in);
		l->s->next_u = addr + in.len;
		if (l->s->next_u < addr)
			break; /* the end of the address space */
		addr = l->s->next_u;
	}
	return XKD_OK;
}

/* "L n", "Ln": a count of instructions follows. A symbol that begins with L is no count. */
static bool count_follows(struct xkd_args *a)
{
	const char *p = xkd_skip_space(a->p), *q;

	if (*p != 'l' && *p != 'L')
		return false;
	p += 1 + (p[1] == '?');
	for (q = p; isalnum((unsigned char)*q); q++)
		if (!isxdigit((unsigned char)*q) && !(q == p + 1 && strchr("xXntyNTY", *q)))
			return false;
	if (*q == '_' || *q == '!' || (q == p && !strchr(" \t(@$", *q)) || (q == p && !*q))
		return false;
	a->p = p;
	return true;
}

static enum xkd_rc parse_count(struct xkd_session *s, struct xkd_args *a, uint64_t *count,
			       struct xkd_err *err)
{
	int pos = (int)(a->p - a->line);
	enum xkd_rc rc = xkd_arg_expr(s, a, count, err);

	if (!rc && *count > MAX_COUNT)
		rc = xkd_err_syntax(err, pos, "more than %x instructions", MAX_COUNT);
	return rc;
}

static enum xkd_rc default_start(struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t *addr,
				 struct xkd_err *err)
{
	int pc = ctx->t->arch->pc;

	if (s->next_u) {
		*addr = s->next_u;
		return XKD_OK;
	}
	if (!xkd_reg_known(&ctx->regs, pc))
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "register %s is not known; name an address",
				   ctx->t->arch->reg_names[pc]);
	if (!xkd_ctx_code(ctx, addr))
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "CPU %d does not run this kernel's code: give an address", ctx->cpu);
	return XKD_OK;
}

/* "[addr] [L n | end]". last NULL: no end address is taken. */
static enum xkd_rc parse_span(struct xkd_session *s, struct xkd_args *a, const struct xkd_ctx *ctx,
			      uint64_t *start, uint64_t *count, uint64_t *last, struct xkd_err *err)
{
	bool counted = count_follows(a);
	enum xkd_rc rc;
	int pos;

	if (counted || xkd_arg_end(a))
		rc = default_start(s, ctx, start, err);
	else
		rc = xkd_arg_expr(s, a, start, err);
	if (!rc && !counted && !xkd_arg_end(a))
		counted = count_follows(a);
	if (!rc && counted)
		rc = parse_count(s, a, count, err);
	if (!rc && !counted && last && !xkd_arg_end(a)) {
		pos = (int)(a->p - a->line);
		*count = MAX_COUNT;
		rc = xkd_arg_expr(s, a, last, err);
		if (!rc && *last < *start)
			rc = xkd_err_syntax(err, pos, "the range ends before it begins");
	}
	return rc ? rc : xkd_arg_done(a, err);
}

static enum xkd_rc cmd_u(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct listing l = { .s = s };
	uint64_t start, count = DEFAULT_COUNT, last = UINT64_MAX;
	enum xkd_rc rc = xkd_session_ctx(s, &l.ctx, err);

	if (!rc)
		rc = parse_span(s, a, l.ctx, &start, &count, &last, err);
	return rc ? rc : list(&l, start, count, last, err);
}

/* ---- ub ---- */

struct back {
	uint64_t addr[UB_MAX]; /* the last ones, a ring */
	size_t n;
};

/* Instruction starts from start up to end; true when they meet end exactly. */
static bool run_up(const struct xkd_ctx *ctx, uint64_t start, uint64_t end, struct back *b)
{
	struct xkd_err ignored;
	uint64_t addr = start;

	b->n = 0;
	while (addr < end) {
		struct xkd_insn in;

		if (xkd_canceled(ctx->t->cancel) || xkd_code_read(ctx, addr, &in, &ignored))
			return false;
		b->addr[b->n++ % UB_MAX] = addr;
		addr += in.len;
	}
	return addr == end;
}

/* Where to begin so that at least n instructions lie before end: the symbol before it, and those
 * before that one while they are too short. Without symbols, the first place whose instructions
 * meet end. */
static bool find_back(struct xkd_session *s, const struct xkd_ctx *ctx, uint64_t end, uint64_t n,
		      struct back *b)
{
	struct xkd_symref sym;
	uint64_t from = end, reach = n * INSN_MAX;
	bool good = false;

	for (int i = 0; i < UB_SYMBOLS && from; i++) {
		struct back t;

		if (xkd_sym_at(s->t, from - 1, &sym, NULL) || sym.addr >= from ||
		    end - sym.addr > UF_MAX || !run_up(ctx, sym.addr, end, &t))
			break;
		*b = t;
		good = true;
		if (b->n >= n)
			return true;
		from = sym.addr;
	}
	if (good)
		return true;
	for (uint64_t k = reach < end ? reach : end; k; k--)
		if (run_up(ctx, end - k, end, b) && b->n >= n)
			return true;
	return false;
}

static enum xkd_rc cmd_ub(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct listing l = { .s = s };
	struct back b = { .n = 0 };
	uint64_t end, count = DEFAULT_COUNT, first;
	enum xkd_rc rc = xkd_session_ctx(s, &l.ctx, err);

	if (!rc)
		rc = parse_span(s, a, l.ctx, &end, &count, NULL, err);
	if (rc)
		return rc;
	if (!count || count > UB_MAX)
		return xkd_err_set(err, XKD_SYNTAX, "ub goes back 1 to %x instructions", UB_MAX);
	if (!find_back(s, l.ctx, end, count, &b)) {
		rc = xkd_cancel_check(&s->cancel, err);
		return rc ? rc
			  : xkd_err_addr(err, XKD_NOTFOUND, end,
					 "%s is not the start of an instruction, or no code lies "
					 "before it",
					 XKD_ADDR(end));
	}
	if (count > b.n)
		count = b.n;
	first = b.addr[(b.n - count) % UB_MAX];
	rc = list(&l, first, count, end - 1, err);
	s->next_u = first; /* so that another ub goes on backwards */
	return rc;
}

/* ---- uf ---- */

static enum xkd_rc cmd_uf(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct listing l = { .s = s, .inlines = true };
	struct xkd_symref sym, next;
	uint64_t addr, size;
	enum xkd_rc rc = xkd_session_ctx(s, &l.ctx, err);

	if (rc)
		return rc;
	if (xkd_arg_end(a)) {
		s->next_u = 0; /* the function at the program counter, not where u came to */
		rc = default_start(s, l.ctx, &addr, err);
	} else {
		rc = xkd_arg_expr(s, a, &addr, err);
	}
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	memset(&next, 0, sizeof(next));
	if (xkd_sym_at(s->t, addr, &sym, &next))
		return xkd_err_addr(err, XKD_NOTFOUND, addr, "no symbol covers %s; use u",
				    XKD_ADDR(addr));
	size = sym.size ? sym.size : next.name && next.addr > sym.addr ? next.addr - sym.addr : 0;
	if (addr - sym.addr >= (size ? size : 1))
		return xkd_err_addr(err, XKD_NOTFOUND, addr, "%s lies behind the end of %s!%s",
				    XKD_ADDR(addr), sym.mod->name, sym.name);
	if (!size || size > UF_MAX)
		return xkd_err_set(err, XKD_UNSUPPORTED, "the size of %s!%s is not known; use u",
				   sym.mod->name, sym.name);
	return list(&l, sym.addr, size, sym.addr + size - 1, err);
}

static const struct xkd_cmd rows[] = {
	{ "u", "[addr [L n | end]]", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "shows code as instructions, 8 by default", cmd_u,
	  "Goes on where the last one ended. L n counts instructions; an end address is the last "
	  "that\n"
	  "may begin one. Lines have source numbers where debug info has them (.lines -d: none).",
	  "dis disassemble" },
	{ "ub", "[addr] [L n]", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "shows the instructions before an address", cmd_ub,
	  "Decodes from the start of the function, so that the instructions are the true ones.",
	  NULL },
	{ "uf", "[addr]", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "shows a whole function, inlined ones named", cmd_uf, NULL, NULL },
};
const struct xkd_cmd_family xkd_family_code = { "Code", rows, XKD_COUNT(rows) };
