/* Breakpoints: bp bu bm ba, bl bc bd be. */
#include "engine/cmd/bkpt.h"
#include "base/str.h"
#include "engine/cmd/task.h"
#include "engine/os/os.h"
#include "engine/run/trace.h"
#include "engine/run/watch.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XKD_DEPTH_FRAMES 1000

enum xkd_rc xkd_bkpt_switches(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *b,
			      struct xkd_err *err)
{
	struct xkd_task task;
	char sw[16];
	enum xkd_rc rc = XKD_OK;
	uint64_t v;

	if (s->on_cpu)
		b->only_cpu = s->t->os->cpu_number ? s->t->os->cpu_number(s->t, s->cpu) : s->cpu;

	while (!rc && xkd_arg_switch(a, '/', sw, sizeof(sw))) {
		if (!strcmp(sw, "1")) {
			b->once = true;
		} else if (!strcmp(sw, "p")) {
			rc = xkd_task_named(s, a, &task, err);
			b->only_task = task.addr;
		} else if (!strcmp(sw, "cpu")) {
			rc = xkd_arg_expr(s, a, &v, err);
			if (!rc && v >= s->t->cpus.n)
				rc = xkd_err_set(err, XKD_NOTFOUND, "there is no CPU %llu", (unsigned long long)v);
			b->only_cpu = (int)v;
		} else if (!strcmp(sw, "c")) {
			rc = xkd_arg_expr(s, a, &v, err);
			b->max_depth = v < XKD_DEPTH_FRAMES ? (unsigned)v : XKD_DEPTH_FRAMES;
		} else if (!strcmp(sw, "change")) {
			b->change = true;
		} else if (!strcmp(sw, "w")) {
			b->cond = (char *)xkd_arg_string(s, a);
			if (!b->cond)
				rc = xkd_err_syntax(err, (int)(a->p - a->line),
						    "/w wants a quoted C++ expression");
		} else {
			rc = xkd_err_syntax(err, (int)(a->p - a->line),
					    "no switch /%s here; there are /1 /p task /cpu n /c depth "
					    "/w \"expr\", and /change for ba",
					    sw);
		}
	}
	return rc;
}

const char *xkd_bkpt_spec(struct xkd_session *s, struct xkd_args *a)
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

void xkd_bkpt_say(struct xkd_session *s, const struct xkd_bkpt *b)
{
	const char *what = b->trace ? "Trace point" : "Breakpoint";

	s->bkpts.ever = true;
	if (b->deferred)
		xkd_out(&s->out, "%s %u waits for %s: %s", what, b->id,
			b->code_gone ? "its module to be loaded again (this code is not in memory now)" :
			xkd_target_kernel(s->t) ? "its module" : "the kernel", b->spec);
	else if (b->locs.n > 1)
		xkd_out(&s->out, "%s %u: %zu places", what, b->id, b->locs.n);
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
	enum xkd_rc rc = xkd_bkpt_switches(s, a, &proto, err);

	if (rc)
		return rc;
	if (proto.change)
		return xkd_err_set(err, XKD_SYNTAX, "/change is for ba w and ba r");
	if (!(s->t->caps & XKD_CAP_BP_SW))
		proto.kind = XKD_BP_HW;
	a->p = xkd_skip_space(a->p);
	at = (int)(a->p - a->line);
	proto.spec = (char *)xkd_bkpt_spec(s, a);
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
		xkd_bkpt_say(s, b);
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
	struct xkd_bkpt proto = { .only_cpu = -1, .size = 1 };
	struct xkd_value v = { .kind = XKD_V_NONE };
	struct xkd_bkpt *b;
	uint64_t passes;
	enum xkd_rc rc = xkd_bkpt_switches(s, a, &proto, err);

	if (!rc)
		rc = xkd_ba_kind(s, a, &proto, err);
	if (!rc)
		rc = xkd_bkpt_switches(s, a, &proto, err);
	if (!rc)
		rc = xkd_ba_place(s, a, &proto, &v, err);
	if (!rc && !xkd_arg_end(a) && *a->p != '"') {
		rc = xkd_arg_expr(s, a, &passes, err);
		proto.passes = (uint32_t)passes;
	}
	if (rc)
		return rc;
	if (proto.change && proto.kind <= XKD_BP_HW)
		return xkd_err_set(err, XKD_SYNTAX, "/change is for ba w and ba r");
	proto.cmds = (char *)xkd_arg_string(s, a);
	rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	if (proto.kind > XKD_BP_HW)
		proto.watch = xkd_watch_new(s->t, v.kind == XKD_V_MEM ? &v : NULL);
	rc = xkd_bkpt_add(xkd_session_runner(s), a->prefix, &proto, &b, err);
	if (rc)
		return rc;
	xkd_bkpt_say(s, b);
	if (b->kind > XKD_BP_HW)
		xkd_ba_say(s, b, &v);
	return XKD_OK;
}

/* Was it set by words that the symbol at its first place does not repeat: an inlined function, a line, a
 * pattern? */
static bool typed_otherwise(const struct xkd_bkpt *b, const char *sym)
{
	const char *bang = strchr(b->spec, '!');

	return (b->named || b->pattern) && !strstr(sym, bang ? bang + 1 : b->spec);
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
		xkd_out_st(o, XKD_ST_DIM, "%-17s", " (not loaded)");
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
	if (b->deferred || b->fixed)
		xkd_buf_printf(&sym, "%s", b->spec);
	else
		xkd_sym_format(s->t, addr, &sym);
	if (first && typed_otherwise(b, sym.s))
		xkd_out(o, "%s at ", b->spec);
	xkd_out_key(o, XKD_ST_SYM, "symbol", "%s", sym.s);
	xkd_buf_fini(&sym);
	if (first) {
		if (b->hits)
			xkd_out_st(o, XKD_ST_DIM, "  (%llu hit%s)", (unsigned long long)b->hits,
				   b->hits == 1 ? "" : "s");
		if (b->once)
			xkd_out(o, " /1");
		if (b->only_task)
			xkd_out(o, " /p %s", XKD_ADDR(b->only_task));
		if (b->only_cpu >= 0)
			xkd_out(o, " /cpu %d", b->only_cpu);
		if (b->max_depth)
			xkd_out(o, " /c %x", b->max_depth);
		if (b->change)
			xkd_out(o, " /change");
		if (b->cond)
			xkd_out(o, " /w \"%s\"", b->cond);
		if (b->trace)
			xkd_out(o, " tp \"%s\"", xkd_trace_text(b->trace));
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

/* br OLD NEW [OLD NEW ...]: ids, decimal as bl shows them */
static enum xkd_rc br_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	char from[16], to[16];
	uint64_t id, other;
	enum xkd_rc rc = XKD_OK;
	bool any = false;

	while (!rc && !xkd_arg_end(a)) {
		if (!xkd_arg_word(a, from, sizeof(from)) || !xkd_arg_word(a, to, sizeof(to)) ||
		    !xkd_parse_u64(from, 10, &id) || !xkd_parse_u64(to, 10, &other) || other >= XKD_BKPT_IDS)
			return xkd_err_syntax(err, (int)(a->p - a->line),
					      "br wants pairs of ids, old and new: br 2 20");
		rc = xkd_bkpt_renumber(xkd_session_runner(s), (unsigned)id, (unsigned)other, err);
		any = true;
	}
	return !rc && !any ? xkd_err_set(err, XKD_SYNTAX, "br wants an id and a new one: br 2 20") : rc;
}

static const struct xkd_cmd rows[] = {
	{ "bp bu", "[/1] [/p task] [/cpu n] [/c depth] [/w \"C++ expr\"] [addr [passes]] [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED,
	  "breakpoint at a symbol or address; on a module not loaded yet it waits", bp_cmd,
	  "bp3 gives the id. passes: stops at that hit. The commands run at each hit, up to the first\n"
	  "that resumes. A symbol in a module that is loaded but lacks it is an error.\n"
	  "/1 once, /p for a task (pid, name or address) alone, /cpu on a CPU alone (or ~2 bp), /c where\n"
	  "the stack has so many frames at most, /w where the expression is not 0.",
	  "b break tbreak" },
	{ "bm", "[switches] mod!pattern [passes] [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED, "breakpoint at every function that matches",
	  bm_cmd, NULL, "rbreak" },
	{ "ba", "e|r|w [size] [switches] addr [passes] [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE | XKD_FX_GLUED,
	  "hardware breakpoint: e on execution, w on writes, r on reads and writes", ba_cmd,
	  "size: 1 2 4 8 bytes; it may be glued: ba w4 addr. Without one addr is a C++ expression, a\n"
	  "variable, a member or a pointer, and its type has the size: ba w kvm->users_count. A hit says\n"
	  "the old and the new value; /change passes hits that leave the value as it was. The processor\n"
	  "has four of them. A per-CPU variable is that of the current CPU.",
	  "watch rwatch awatch hbreak" },
	{ "br", "old new [old new ...]", XKD_FX_TARGET | XKD_FX_STOPPED, "gives breakpoints other ids", br_cmd,
	  NULL, NULL },
	{ "bl", "", XKD_FX_TARGET, "lists breakpoints and trace points", bl_cmd, NULL, NULL },
	{ "bc bd be", "ids | *", XKD_FX_TARGET | XKD_FX_STOPPED,
	  "clears (bc), disables (bd), enables (be) breakpoints and trace points", bc_cmd, NULL, "delete" },
};
const struct xkd_cmd_family xkd_family_bkpt = { "Breakpoints", rows, XKD_COUNT(rows) };
