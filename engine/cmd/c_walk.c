/* !list !hlist !rbtree !xarray !maple: what the kernel's containers hold. The personality walks
 * (engine/os/os.h); here is what is walked, which object a node lies in, and what is shown of it.
 * Invariant: commands of -x run after the walk, since they may write to the target or resume it. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/core/names.h"
#include "engine/lang/print.h"
#include "engine/os/os.h"
#include <ctype.h>
#include <string.h>

struct walk {
	struct xkd_session *s;
	struct xkd_ctx ctx;
	enum xkd_walk_kind kind;
	/* what a node lies in */
	const struct xkd_type *type;
	struct xkd_module *mod;
	bool member_given;
	uint64_t offset;
	struct xkd_print_opts o;
	/* what is walked */
	uint64_t head, heads, stride;
	bool head_is_object; /* -h: an object in the ring, shown too */
	/* how it is shown */
	bool plain, count_only, reverse;
	const char *commands; /* -x */
	const char *args;     /* -a */
	uint64_t max, seen;
	XKD_VEC(uint64_t) found; /* for -x */
	enum xkd_rc rc;
	struct xkd_err *err;
};

static const struct {
	const char *cmd, *node;
	const char *types[5]; /* what its containers are called */
} kinds[] = {
	[XKD_WALK_LIST] = { "!list", "list_head", { "list_head" } },
	[XKD_WALK_HLIST] = { "!hlist",
			     "hlist_head",
			     { "hlist_head", "hlist_nulls_head", "hlist_bl_head", "llist_head" } },
	[XKD_WALK_RBTREE] = { "!rbtree", "rb_root", { "rb_root", "rb_root_cached" } },
	[XKD_WALK_XARRAY] = { "!xarray", "xarray", { "xarray", "radix_tree_root", "idr", "ida" } },
	[XKD_WALK_MAPLE] = { "!maple", "maple_tree", { "maple_tree" } },
};

static bool has_indices(const struct walk *w)
{
	return w->kind == XKD_WALK_XARRAY || w->kind == XKD_WALK_MAPLE;
}

/* ---- what is walked ---- */

/* Which walk fits a struct of this name; false: no container. */
static bool kind_of(const char *name, enum xkd_walk_kind *kind)
{
	for (size_t i = 0; name && i < XKD_COUNT(kinds); i++)
		for (size_t k = 0; k < XKD_COUNT(kinds[i].types) && kinds[i].types[k]; k++)
			if (!strcmp(kinds[i].types[k], name)) {
				*kind = (enum xkd_walk_kind)i;
				return true;
			}
	return false;
}

/* "task_struct.tasks", "mod!type", "type.a.b": sets type and, with a member, the offset. */
static enum xkd_rc object_type(struct walk *w, const char *word, int pos, struct xkd_err *err)
{
	char *name = xkd_arena_strdup(&w->s->cmd_arena, word), *dot = strchr(name, '.');
	const char *p;
	struct xkd_value v, m;
	enum xkd_rc rc;

	if (dot)
		*dot++ = 0;
	rc = xkd_parse_type(&w->ctx, name, NULL, &w->type, &w->mod, err);
	if (rc == XKD_SYNTAX)
		return xkd_err_syntax(err, pos, "a type is wanted here: task_struct.tasks");
	v = xkd_value_mem(w->type, 0, w->mod);
	for (p = dot; !rc && p && *p;) {
		size_t n = strcspn(p, ".");

		rc = xkd_value_member(&w->ctx, &v, xkd_arena_strndup(&w->s->cmd_arena, p, n), &m,
				      err);
		v = m;
		p += n + (p[n] == '.');
	}
	if (rc || !dot)
		return rc;
	w->member_given = true;
	w->offset = v.addr;
	return XKD_OK;
}

/* A value as what is walked: a container, several in an array, an object of -t's type, a pointer.
 */
static enum xkd_rc head_value(struct walk *w, const struct xkd_value *v, struct xkd_err *err)
{
	const struct xkd_type *s = xkd_type_strip(v->type), *e = NULL;
	enum xkd_walk_kind kind;

	if (s->kind == XKD_T_PTR) {
		enum xkd_rc rc = xkd_value_u64(&w->ctx, v, &w->head, err);

		if (rc || xkd_type_target(s, &e, NULL) || !e)
			return rc;
		s = xkd_type_strip(e);
	} else if (v->kind != XKD_V_MEM) {
		return xkd_value_u64(&w->ctx, v, &w->head, err);
	} else {
		w->head = v->addr;
	}
	if (s->kind == XKD_T_ARRAY && !xkd_type_target(s, &e, NULL) && e &&
	    kind_of(xkd_type_strip(e)->name, &kind)) {
		w->heads = w->heads > 1 ? w->heads : s->nelem;
		w->stride = xkd_type_strip(e)->size;
		s = xkd_type_strip(e);
	}
	if (kind_of(s->name, &kind)) {
		if (kind != w->kind)
			return xkd_err_set(err, XKD_MISMATCH, "that is a struct %s: %s walks it",
					   s->name, kinds[kind].cmd);
		w->stride = s->size;
	} else if (w->kind == XKD_WALK_LIST && w->member_given && xkd_type_is_aggregate(s) &&
		   xkd_type_same(s, w->type)) {
		w->head_is_object = true;
	}
	return XKD_OK;
}

static bool looks_typed(const char *word)
{
	const char *p = word + strspn(word, "&*(");

	if (!isalpha((unsigned char)*p) && *p != '_')
		return false;
	return word[strspn(word, "0123456789abcdefABCDEF`")] != 0;
}

/* Names and C expressions carry a type, numbers and registers do not. */
static enum xkd_rc head_word(struct walk *w, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_args rest = *a;
	struct xkd_err cxx = XKD_ERR_INIT;
	struct xkd_value v;
	char word[512];
	enum xkd_rc rc = XKD_NOTFOUND, masm;

	if (xkd_arg_cxx(&rest, word, sizeof(word)) && looks_typed(word)) {
		struct xkd_env env = w->s->env;

		env.no_side_effects = true;
		rc = xkd_eval(&w->ctx, &env, XKD_CXX, word, NULL, &w->s->cmd_arena, &v, &cxx);
		if (!rc) {
			a->p = rest.p;
			return head_value(w, &v, err);
		}
		if (rc == XKD_CANCELED || rc == XKD_TRANSPORT || strchr(word, '.') ||
		    strstr(word, "->")) {
			if (cxx.code == XKD_SYNTAX && cxx.pos >= 0)
				cxx.pos += (int)(rest.p - a->line) - (int)strlen(word);
			if (err)
				*err = cxx;
			return rc;
		}
	}
	masm = xkd_arg_expr(w->s, a, &w->head, err);
	return masm;
}

/* ---- switches ---- */

static enum xkd_rc wants(struct xkd_args *a, const char *what, struct xkd_err *err)
{
	return xkd_err_syntax(err, (int)(a->p - a->line), "%s is wanted here", what);
}

/* crash's -s: the type and, after the dot, members with commas between. */
static enum xkd_rc shown_type(struct walk *w, char *word, int pos, struct xkd_err *err)
{
	char *dot = strchr(word, '.'), *field;
	bool had = w->member_given;
	uint64_t offset = w->offset;
	enum xkd_rc rc;

	if (dot)
		*dot++ = 0;
	rc = object_type(w, word, pos, err);
	w->member_given = had;
	w->offset = offset;
	for (; !rc && dot && *dot; dot = field) {
		field = dot + strcspn(dot, ",");
		if (*field)
			*field++ = 0;
		if (w->o.nfields == (int)XKD_COUNT(w->o.fields))
			return xkd_err_syntax(err, pos, "too many members");
		w->o.fields[w->o.nfields++] = xkd_arena_strdup(&w->s->cmd_arena, dot);
	}
	return rc;
}

static enum xkd_rc offset_arg(struct walk *w, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_args rest = *a;
	char word[256];

	if (xkd_arg_word(&rest, word, sizeof(word)) && looks_typed(word) && strchr(word, '.')) {
		*a = rest;
		return object_type(w, word, (int)(a->p - a->line), err);
	}
	w->member_given = true;
	return xkd_arg_expr(w->s, a, &w->offset, err);
}

static enum xkd_rc one_switch(struct walk *w, struct xkd_args *a, char sw, struct xkd_err *err)
{
	char word[512];
	int pos = (int)(xkd_skip_space(a->p) - a->line);

	switch (sw) {
	case 't':
	case 's':
	case 'S':
		if (!xkd_arg_word(a, word, sizeof(word)))
			return wants(a, "a type", err);
		return sw == 't' ? object_type(w, word, pos, err) : shown_type(w, word, pos, err);
	case 'o':
		return offset_arg(w, a, err);
	case 'x':
		w->commands = xkd_arg_string(w->s, a);
		return w->commands ? XKD_OK : wants(a, "a command in quotes", err);
	case 'a':
		w->args = xkd_arg_string(w->s, a);
		return w->args ? XKD_OK : wants(a, "arguments in quotes", err);
	case 'm':
		return xkd_arg_expr(w->s, a, &w->max, err);
	case 'n':
		return xkd_arg_expr(w->s, a, &w->heads, err);
	case 'h':
		w->head_is_object = true;
		return XKD_OK;
	case 'H':
		return XKD_OK; /* the head is no element: so it is without */
	case 'p':
		w->plain = true;
		return XKD_OK;
	case 'c':
		w->count_only = true;
		return XKD_OK;
	case 'r':
		w->reverse = true;
		return XKD_OK;
	default:
		return xkd_err_syntax(err, pos, "no switch -%c: -t -o -s -x -a -m -n -h -p -c -r",
				      sw);
	}
}

static enum xkd_rc switches(struct walk *w, struct xkd_args *a, struct xkd_err *err)
{
	char sw[32];
	enum xkd_rc rc = XKD_OK;

	while (!rc && xkd_arg_switch(a, '-', sw, sizeof(sw)))
		for (size_t i = 0; !rc && sw[i]; i++)
			rc = one_switch(w, a, sw[i], err);
	return rc;
}

/* crash: "list task_struct.tasks -h ADDR", the type before the head. */
static enum xkd_rc leading_type(struct walk *w, struct xkd_args *a, struct xkd_err *err)
{
	struct xkd_args rest = *a;
	const struct xkd_type *type;
	struct xkd_module *mod;
	char word[256], *dot;

	if (w->member_given || !xkd_arg_word(&rest, word, sizeof(word)) || xkd_arg_end(&rest))
		return XKD_OK;
	dot = strchr(word, '.');
	if (!dot || !looks_typed(word))
		return XKD_OK;
	*dot = 0;
	if (xkd_parse_type(&w->ctx, word, NULL, &type, &mod, NULL))
		return XKD_OK;
	*dot = '.';
	a->p = rest.p;
	return object_type(w, word, (int)(a->p - a->line), err);
}

static enum xkd_rc parse(struct walk *w, struct xkd_args *a, struct xkd_err *err)
{
	char word[256];
	enum xkd_rc rc = switches(w, a, err);

	if (!rc)
		rc = leading_type(w, a, err);
	if (!rc)
		rc = switches(w, a, err);
	if (!rc && xkd_arg_end(a))
		rc = xkd_err_syntax(err, (int)(a->p - a->line),
				    "what is to be walked is missing here: "
				    "the address or name of a %s",
				    kinds[w->kind].node);
	if (!rc)
		rc = head_word(w, a, err);
	if (!rc)
		rc = switches(w, a, err);
	while (!rc && !xkd_arg_end(a)) {
		int pos = (int)(a->p - a->line);

		if (!w->type)
			return xkd_err_syntax(err, pos,
					      "members come with their type: -t type.member");
		if (!xkd_arg_word(a, word, sizeof(word)) ||
		    w->o.nfields == (int)XKD_COUNT(w->o.fields))
			return xkd_err_syntax(err, pos, "too many members");
		if (!xkd_print_has_field(&w->ctx, w->mod, w->type, word))
			return xkd_err_syntax(err, pos, "the type has no member %s", word);
		w->o.fields[w->o.nfields++] = xkd_arena_strdup(&w->s->cmd_arena, word);
		rc = switches(w, a, err);
	}
	if (!rc && w->head_is_object && (w->kind != XKD_WALK_LIST || !w->member_given))
		rc = xkd_err_set(err, XKD_SYNTAX, "-h is for !list with -t type.member or -o");
	return rc;
}

/* ---- showing ---- */

static void put_index(struct walk *w, const struct xkd_walk_item *it)
{
	struct xkd_out *out = &w->s->out;

	if (w->kind == XKD_WALK_MAPLE || it->first != it->last) {
		xkd_out_key(out, XKD_ST_NUM, "first", "%s", XKD_ADDR(it->first));
		xkd_out(out, "-");
		xkd_out_key(out, XKD_ST_NUM, "last", "%s", XKD_ADDR(it->last));
	} else {
		xkd_out_key(out, XKD_ST_NUM, "index", "%8llx", (unsigned long long)it->first);
	}
	xkd_out(out, "  ");
}

static void put_row(struct walk *w, const struct xkd_walk_item *it, uint64_t obj)
{
	struct xkd_out *out = &w->s->out;
	struct xkd_value v;

	if (w->plain) {
		xkd_out_key(out, XKD_ST_ADDR, "address", "%s", XKD_ADDR(obj));
		xkd_out_end(out);
		return;
	}
	if (has_indices(w))
		put_index(w, it);
	if (has_indices(w) && it->addr & 1) {
		xkd_out_key(out, XKD_ST_NUM, "value", "value 0x%llx",
			    (unsigned long long)(it->addr >> 1));
		xkd_out_end(out);
		return;
	}
	xkd_out_key(out, XKD_ST_ADDR, "address", "%s", XKD_ADDR(obj));
	if (!w->o.nfields) {
		xkd_out_end(out);
		return;
	}
	xkd_out(out, "  ");
	v = xkd_value_mem(w->type, obj, w->mod);
	w->rc = xkd_print_struct_at(&w->ctx, out, &v, &w->o, w->err);
}

static bool one(void *arg, const struct xkd_walk_item *it)
{
	struct walk *w = arg;
	bool value = has_indices(w) && it->addr & 1;
	uint64_t obj = has_indices(w) ? it->addr & ~3ULL : it->addr - w->offset;

	if (w->seen == w->max)
		return false;
	w->seen++;
	if (w->commands && !value)
		*xkd_vec_push(&w->found) = obj;
	else if (!w->commands && !w->count_only && !(value && w->plain))
		put_row(w, it, obj);
	return !w->rc;
}

/* The command for one object: its address stands where $extret does, else behind the command. */
static enum xkd_rc run_for(struct walk *w, uint64_t obj)
{
	static const char *const marks[] = { "@$extret", "$extret" };
	const char *p = w->commands, *at;
	struct xkd_buf b = XKD_BUF_INIT;
	bool placed = false;
	char *text;

	for (size_t i = 0; i < XKD_COUNT(marks) && !placed; i++)
		for (; (at = strstr(p, marks[i])); p = at + strlen(marks[i])) {
			xkd_buf_add(&b, p, (size_t)(at - p));
			xkd_buf_printf(&b, "0x%llx", (unsigned long long)obj);
			placed = true;
		}
	xkd_buf_str(&b, p);
	if (!placed)
		xkd_buf_printf(&b, " 0x%llx", (unsigned long long)obj);
	if (w->args)
		xkd_buf_printf(&b, " %s", w->args);
	text = xkd_arena_strdup(&w->s->cmd_arena, b.s);
	xkd_buf_fini(&b);
	return xkd_session_run(w->s, text, NULL);
}

static enum xkd_rc run_commands(struct walk *w)
{
	enum xkd_rc rc = XKD_OK, last = XKD_OK;

	for (size_t i = 0; i < w->found.n && rc != XKD_CANCELED; i++) {
		if (w->s->quit || w->s->lost || w->s->resume_wanted || w->s->cancel.count)
			break;
		rc = run_for(w, w->found.p[i]);
		if (rc)
			last = rc; /* told by the command itself */
	}
	return rc == XKD_CANCELED ? rc : last;
}

static enum xkd_rc walk_heads(struct walk *w)
{
	struct xkd_target *t = w->ctx.t;
	uint64_t head = w->head + (w->head_is_object ? w->offset : 0);
	enum xkd_rc rc = XKD_OK;

	if (w->head_is_object)
		one(w, &(struct xkd_walk_item){ .addr = head });
	for (uint64_t i = 0; !rc && !w->rc && i < w->heads && w->seen < w->max; i++)
		rc = t->os->walk(t, w->kind, head + i * w->stride, w->reverse, one, w, w->err);
	return w->rc ? w->rc : rc;
}

static void put_count(struct walk *w)
{
	struct xkd_out *out = &w->s->out;

	if (w->plain && !w->count_only)
		return;
	xkd_out_key(out, XKD_ST_DIM, "count", "%llu", (unsigned long long)w->seen);
	xkd_out_st(out, XKD_ST_DIM, " entr%s%s", w->seen == 1 ? "y" : "ies",
		   w->seen == w->max ? " (as many as -m lets through)" : "");
	xkd_out_end(out);
}

static enum xkd_rc walk_command(struct xkd_session *s, struct xkd_args *a, enum xkd_walk_kind kind,
				struct xkd_err *err)
{
	struct walk w = { .s = s, .kind = kind, .heads = 1, .max = UINT64_MAX, .err = err };
	const struct xkd_ctx *ctx;
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	w.ctx = *ctx;
	w.o.compact = true;
	w.o.no_offsets = true;
	w.stride = kind == XKD_WALK_LIST ? 16 : 8;
	if (!s->t->os->walk)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "no kernel is known whose containers could be "
				   "walked");
	rc = parse(&w, a, err);
	if (!rc)
		rc = walk_heads(&w);
	if (!rc && w.commands) {
		rc = run_commands(&w);
		if (rc)
			xkd_err_clear(err);
	}
	if (!rc || w.seen)
		put_count(&w);
	xkd_vec_fini(&w.found);
	return rc;
}

static enum xkd_rc cmd_list(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return walk_command(s, a, XKD_WALK_LIST, err);
}

static enum xkd_rc cmd_hlist(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return walk_command(s, a, XKD_WALK_HLIST, err);
}

static enum xkd_rc cmd_rbtree(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return walk_command(s, a, XKD_WALK_RBTREE, err);
}

static enum xkd_rc cmd_xarray(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return walk_command(s, a, XKD_WALK_XARRAY, err);
}

static enum xkd_rc cmd_maple(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	return walk_command(s, a, XKD_WALK_MAPLE, err);
}

#define WALK_FX (XKD_FX_TARGET | XKD_FX_STOPPED)
#define WALK_ARGS "[-t type.member] [-x \"commands\"] [-p|-c] [-r] [-m max] "
static const struct xkd_cmd rows[] = {
	{ .name = "!list",
	  .args = WALK_ARGS "[-h] head [member ...]",
	  .effect = WALK_FX,
	  .fn = cmd_list,
	  .help = "walk a struct list_head",
	  .more = "Example: !list -t task_struct.tasks init_task.tasks comm pid\n"
		  "!list -t task_struct.tasks -x \"dt task_struct comm\" init_task.tasks\n"
		  "!list -t module.list -p lk!modules                     addresses alone\n"
		  "-t says which member of which type a node is; members behind the head are "
		  "shown.\n"
		  "-x runs commands, the object's address behind them or where $extret stands (-a "
		  "adds\n"
		  "arguments), -h the address is an object in the ring, -o offset instead of -t,\n"
		  "-c the count alone, -r backwards, -m as many at most, -n count of heads in an "
		  "array.\n"
		  "-p is for .foreach. A damaged list ends with an error, at any loop." },
	{ .name = "!hlist",
	  .args = WALK_ARGS "[-n heads] head [member ...]",
	  .effect = WALK_FX,
	  .fn = cmd_hlist,
	  .help = "walk a struct hlist_head, or an array of them",
	  .more = "Example: !hlist -t mount.mnt_hash -n 0n64 poi(lk!mount_hashtable) mnt_id\n"
		  "Also hlist_nulls_head, hlist_bl_head and llist_head. -n how many heads lie side "
		  "by\n"
		  "side; an array that has a type tells by itself. Other switches: .help !list." },
	{ .name = "!rbtree",
	  .args = WALK_ARGS "root [member ...]",
	  .effect = WALK_FX,
	  .fn = cmd_rbtree,
	  .help = "walk a red-black tree in order",
	  .more = "Example: !rbtree -t vmap_area.rb_node lk!vmap_area_root va_start va_end\n"
		  "rb_root and rb_root_cached. Switches: .help !list." },
	{ .name = "!xarray",
	  .args = "[-t type] [-x \"commands\"] [-p|-c] [-r] [-m max] array [member ...]",
	  .effect = WALK_FX,
	  .fn = cmd_xarray,
	  .help = "walk an XArray, an IDR or an older radix tree",
	  .more = "Example: !xarray -t pid init_pid_ns.idr level\n"
		  "A row begins with the index, or the range of them, that an entry stands at; "
		  "entries\n"
		  "that are numbers are shown as value. Switches: .help !list." },
	{ .name = "!maple",
	  .args = "[-t type] [-x \"commands\"] [-p|-c] [-r] [-m max] tree [member ...]",
	  .effect = WALK_FX,
	  .fn = cmd_maple,
	  .help = "walk a maple tree",
	  .more = "Example: !maple -t vm_area_struct mm->mm_mt vm_flags vm_file\n"
		  "A row begins with the first and the last index of the entry's range. Switches:\n"
		  ".help !list." },
};
const struct xkd_cmd_family xkd_family_walk = { .title = "Containers",
						.rows = rows,
						.n = XKD_COUNT(rows) };
