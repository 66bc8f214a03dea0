/* Breakpoints: bp bu bm ba, bl bc bd be. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XKD_DEPTH_FRAMES 1000

/* Switches that every kind takes: /1 /p task /cpu n /c depth /w "expr". */
static enum xkd_rc switches(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *b,
			    struct xkd_err *err)
{
	char sw[16];
	enum xkd_rc rc = XKD_OK;
	uint64_t v;

	while (!rc && xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		if (!strcmp(sw, "1")) {
			b->once = true;
		} else if (!strcmp(sw, "p")) {
			rc = xkd_arg_expr(s, a, &b->only_task, err);
		} else if (!strcmp(sw, "cpu")) {
			rc = xkd_arg_expr(s, a, &v, err);
			b->only_cpu = (int)v;
		} else if (!strcmp(sw, "c")) {
			rc = xkd_arg_expr(s, a, &v, err);
			b->max_depth = v < XKD_DEPTH_FRAMES ? (unsigned)v : XKD_DEPTH_FRAMES;
		} else if (!strcmp(sw, "w")) {
			b->cond = (char *)xkd_arg_string(s, a);
			if (!b->cond)
				rc = xkd_err_syntax(err, (int)(a->p - a->line),
						    "/w wants a quoted C++ expression");
		} else {
			rc = xkd_err_syntax(err, (int)(a->p - a->line),
					    "no switch /%s here; there are /1 /p task /cpu n /c depth "
					    "/w \"expr\"",
					    sw);
		}
	}
	return rc;
}

/* The place as typed: up to a blank outside parentheses and backquotes. */
static const char *spec_word(struct xkd_session *s, struct xkd_args *a)
{
	const char *start = a->p = xkd_skip_space(a->p);
	int depth = 0;
	bool quoted = false;

	while (*a->p && *a->p != '"' && (depth > 0 || quoted || !isspace((unsigned char)*a->p))) {
		depth += *a->p == '(' || *a->p == '[';
		depth -= *a->p == ')' || *a->p == ']';
		quoted ^= *a->p == '`' && (a->p == start || quoted);
		a->p++;
	}
	return xkd_arena_strndup(&s->cmd_arena, start, (size_t)(a->p - start));
}

static void say_set(struct xkd_session *s, const struct xkd_bkpt *b)
{
	if (b->deferred)
		xkd_out(&s->out, "Breakpoint %u waits for %s: %s", b->id,
			xkd_target_kernel(s->t) ? "its module" : "the kernel", b->spec);
	else if (b->locs.n > 1)
		xkd_out(&s->out, "Breakpoint %u: %zu places", b->id, b->locs.n);
	if (b->awaits_index)
		xkd_out(&s->out, "%s inlined copies are added when the index is there (.index shows it)",
			s->out.text.len ? ";" : "Breakpoint is set;");
	if (s->out.text.len)
		xkd_out_end(&s->out);
}

static enum xkd_rc add_exec(struct xkd_session *s, struct xkd_args *a, bool pattern,
			    struct xkd_err *err)
{
	struct xkd_bkpt proto = { .kind = XKD_BP_SW, .size = 1, .only_cpu = -1, .pattern = pattern };
	struct xkd_bkpt *b;
	uint64_t passes;
	int at;
	enum xkd_rc rc = switches(s, a, &proto, err);

	if (rc)
		return rc;
	if (!(s->t->caps & XKD_CAP_BP_SW))
		proto.kind = XKD_BP_HW;
	a->p = xkd_skip_space(a->p);
	at = (int)(a->p - a->line);
	proto.spec = (char *)spec_word(s, a);
	if (!proto.spec[0])
		proto.spec = (char *)"@$ip";
	if (!xkd_arg_end(a) && *xkd_skip_space(a->p) != '"') {
		rc = xkd_arg_expr(s, a, &passes, err);
		if (rc)
			return rc;
		proto.passes = (uint32_t)passes;
	}
	proto.cmds = (char *)xkd_arg_string(s, a);
	rc = xkd_arg_done(a, err);
	if (!rc)
		rc = xkd_bkpt_add(xkd_session_runner(s), a->prefix, &proto, &b, err);
	if (rc == XKD_SYNTAX && err && err->pos >= 0 && !strncmp(a->line + at, proto.spec, strlen(proto.spec)))
		err->pos += at;
	if (!rc)
		say_set(s, b);
	return rc;
}

static enum xkd_rc bp_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return add_exec(s, a, false, err);
}

static enum xkd_rc bm_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return add_exec(s, a, true, err);
}

static enum xkd_rc ba_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_bkpt proto = { .only_cpu = -1 };
	const struct xkd_ctx *ctx;
	struct xkd_bkpt *b;
	char word[16];
	uint64_t size = 1, addr;
	enum xkd_rc rc = switches(s, a, &proto, err);

	if (rc)
		return rc;
	if (!xkd_arg_word(a, word, sizeof(word)) || !strchr("erwi", word[0]))
		return xkd_err_syntax(err, (int)(a->p - a->line),
				      "ba wants e, r, w or i, a size and an address: ba w4 addr");
	if (word[0] == 'i')
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s cannot break on port accesses", s->t->uri);
	if (word[1] && !xkd_parse_u64(word + 1, 16, &size))
		return xkd_err_syntax(err, (int)(a->p - a->line), "'%s' is no size", word + 1);
	if (!word[1])
		rc = xkd_arg_expr(s, a, &size, err);
	if (rc)
		return rc;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return xkd_err_set(err, XKD_SYNTAX, "a size of 1, 2, 4 or 8 is wanted");
	proto.kind = word[0] == 'e' ? XKD_BP_HW : word[0] == 'w' ? XKD_BP_WRITE : XKD_BP_ACCESS;
	proto.size = word[0] == 'e' ? 1 : (unsigned)size;
	proto.spec = (char *)spec_word(s, a);
	proto.cmds = (char *)xkd_arg_string(s, a);
	rc = xkd_arg_done(a, err);
	if (!rc)
		rc = xkd_session_ctx(s, &ctx, err);
	if (!rc)
		rc = xkd_eval_u64(ctx, &s->env, XKD_MASM, proto.spec, NULL, &s->cmd_arena, &addr,
				  err);
	if (rc)
		return rc;
	if (addr & (proto.size - 1))
		return xkd_err_addr(err, XKD_SYNTAX, addr, "%s is not aligned to %u bytes",
				    XKD_ADDR(addr), proto.size);
	rc = xkd_bkpt_add(xkd_session_runner(s), a->prefix, &proto, &b, err);
	if (!rc)
		say_set(s, b);
	return rc;
}

static void bl_row(struct xkd_session *s, const struct xkd_bkpt *b, uint64_t addr, bool first)
{
	struct xkd_out *o = &s->out;
	struct xkd_buf sym = XKD_BUF_INIT;

	if (!first) {
		xkd_out(o, "         ");
	} else {
		xkd_out_key(o, XKD_ST_NUM, "id", "%6u ", b->id);
		xkd_out(o, "%c%c", b->enabled ? 'e' : 'd', b->deferred ? 'u' : ' ');
	}
	if (b->deferred)
		xkd_out_st(o, XKD_ST_DIM, "%-17s", "(not loaded)");
	else
		xkd_out_key(o, XKD_ST_ADDR, "addr", "%s", XKD_ADDR(addr));
	if (first) {
		static const char *const kinds[] = { "", "e 1", "w", "r", "r" };

		if (b->kind == XKD_BP_SW)
			xkd_out(o, "     ");
		else if (b->kind == XKD_BP_HW)
			xkd_out(o, " %-3s ", kinds[b->kind]);
		else
			xkd_out(o, " %s %u ", kinds[b->kind], b->size);
		xkd_out(o, "%04x (%04x) ", b->left ? b->left : 1, b->passes ? b->passes : 1);
	} else {
		xkd_out(o, "                 ");
	}
	if (b->deferred)
		xkd_buf_printf(&sym, "%s", b->spec);
	else
		xkd_sym_format(s->t, addr, &sym);
	xkd_out_key(o, XKD_ST_SYM, "symbol", "%s", sym.s);
	xkd_buf_fini(&sym);
	if (first) {
		if (b->hits)
			xkd_out_st(o, XKD_ST_DIM, "  (%llu hits)", (unsigned long long)b->hits);
		if (b->once)
			xkd_out(o, " /1");
		if (b->only_task)
			xkd_out(o, " /p %s", XKD_ADDR(b->only_task));
		if (b->only_cpu >= 0)
			xkd_out(o, " /cpu %d", b->only_cpu);
		if (b->max_depth)
			xkd_out(o, " /c %x", b->max_depth);
		if (b->cond)
			xkd_out(o, " /w \"%s\"", b->cond);
		if (b->cmds)
			xkd_out(o, " \"%s\"", b->cmds);
	}
	xkd_out_end(o);
}

static enum xkd_rc bl_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = xkd_arg_done(a, err);

	for (size_t i = 0; !rc && i < s->bkpts.list.n; i++) {
		const struct xkd_bkpt *b = s->bkpts.list.p[i];

		for (size_t k = 0; !b->event && k < (b->locs.n ? b->locs.n : 1); k++)
			bl_row(s, b, b->locs.n ? b->locs.p[k] : 0, !k);
	}
	return rc;
}

/* Does a list such as "0 2-4 *" name id? Decimal, as ids are. */
static bool listed(const char *list, unsigned id)
{
	while (*(list = xkd_skip_space(list))) {
		char *end;
		unsigned long lo, hi;

		if (*list == '*')
			return true;
		lo = hi = strtoul(list, &end, 10);
		if (*end == '-')
			hi = strtoul(end + 1, &end, 10);
		if (id >= lo && id <= hi)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

static bool sound_list(const char *list)
{
	return *list && list[strspn(list, "0123456789-*, \t")] == 0;
}

static enum xkd_rc bc_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *list = xkd_arg_rest(s, a);
	size_t n = 0;
	enum xkd_rc rc = XKD_OK;

	if (!sound_list(list))
		return xkd_err_set(err, XKD_SYNTAX, "%s wants ids, a range or *: %s 0 2-4", a->name,
				   a->name);
	for (size_t i = s->bkpts.list.n; !rc && i-- > 0;) {
		unsigned id = s->bkpts.list.p[i]->id;

		if (s->bkpts.list.p[i]->event || !listed(list, id))
			continue;
		n++;
		rc = !strcmp(a->name, "bc") ? xkd_bkpt_del(xkd_session_runner(s), id, err) :
					      xkd_bkpt_enable(xkd_session_runner(s), id, !strcmp(a->name, "be"), err);
	}
	if (!rc && !n && !strchr(list, '*'))
		rc = xkd_err_set(err, XKD_NOTFOUND, "no breakpoint %s", list);
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ "bp bu", "[/1] [/p task] [/cpu n] [/c depth] [/w \"C++ expr\"] [addr [passes]] [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED,
	  "breakpoint at a symbol or address; on a module not loaded yet it waits", bp_cmd,
	  "bp3 gives the id. passes: stops at that hit. The commands run at each hit, up to the first\n"
	  "that resumes. A symbol in a module that is loaded but lacks it is an error.\n"
	  "/1 once, /p for a task alone, /cpu on a CPU alone, /c where the stack has so many frames at\n"
	  "most, /w where the expression is not 0.",
	  "b break tbreak" },
	{ "bm", "[switches] mod!pattern [passes] [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED, "breakpoint at every function that matches",
	  bm_cmd, NULL, "rbreak" },
	{ "ba", "e|r|w size addr [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED,
	  "hardware breakpoint: e on execution, w on writes, r on reads and writes", ba_cmd,
	  "size: 1 2 4 8 bytes; it may be glued: ba w4 addr.", "watch hbreak" },
	{ "bl", "", XKD_FX_TARGET, "lists breakpoints", bl_cmd, NULL, NULL },
	{ "bc bd be", "ids | *", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "clears (bc), disables (bd), enables (be) breakpoints", bc_cmd, NULL, "delete" },
};
const struct xkd_cmd_family xkd_family_bkpt = { "Breakpoints", rows, XKD_COUNT(rows) };
