/* Return addresses that the kernel has replaced by those of its own trampolines, so that functions
 * return through a probe: kretprobes (a hash of instances, then a list in the task, then rethooks) and
 * the function graph tracer (a shadow stack in the task). Each record has the place on the stack that
 * was changed: by that, and by nothing else, is the real address found. */
#include "engine/os/linux/linux.h"
#include <stdio.h>
#include <string.h>

#define RECORDS_MAX 4096
#define GRAPH_BYTES_MAX 65536 /* a task's shadow stack: a page, or 50 entries */
#define KRETPROBE_BUCKETS 64  /* KPROBE_TABLE_SIZE */

static const struct {
	const char *symbol;
	enum linux_tramp kind;
} names[LINUX_TRAMPS] = {
	{ "arch_rethook_trampoline", LINUX_TRAMP_PROBE },   /* 5.18 */
	{ "__kretprobe_trampoline", LINUX_TRAMP_PROBE },    /* 5.15 */
	{ "kretprobe_trampoline", LINUX_TRAMP_PROBE },
	{ "return_to_handler", LINUX_TRAMP_GRAPH },
};

struct wanted {
	uint64_t slot;
	uint64_t own; /* the trampoline: records that lead back to it are of nested probes */
	bool found;
	uint64_t ret;
};

/* Records come newest first: of several of one slot the first that leads out counts. */
static void offer(struct wanted *w, uint64_t slot, uint64_t ret)
{
	if (w->found || slot != w->slot || ret == w->own || !(ret >> 63))
		return;
	w->found = true;
	w->ret = ret;
}

/* Instances in a list that begins in the task. */
static enum xkd_rc task_list(struct xkd_target *t, uint64_t task, const char *head, const char *type,
			     const char *frame, struct wanted *w, struct xkd_err *err)
{
	uint64_t link, ret, fp, p, v[2];
	struct xkd_err ignored;
	enum xkd_rc rc;

	if (xkd_offsetof(t, type, "llist", &link, NULL, &ignored) ||
	    xkd_offsetof(t, type, "ret_addr", &ret, NULL, &ignored) ||
	    xkd_offsetof(t, type, frame, &fp, NULL, &ignored) ||
	    linux_member(t, "task_struct", head, task, &p, &ignored))
		return XKD_OK; /* not this kernel's way */
	for (size_t i = 0; p; i++) {
		if (i == RECORDS_MAX)
			return xkd_err_set(err, XKD_BADDATA, "the task's probe records do not end");
		rc = xkd_kread_u(t, p - link + ret, 8, &v[0], err);
		if (!rc)
			rc = xkd_kread_u(t, p - link + fp, 8, &v[1], err);
		if (!rc)
			rc = xkd_kread_u(t, p, 8, &p, err);
		if (rc)
			return xkd_err_prepend(err, rc, "the task's probe records");
		offer(w, v[1], v[0]);
	}
	return XKD_OK;
}

/* Before 5.11: one hash table of all tasks' instances. */
static enum xkd_rc hash_lists(struct xkd_target *t, uint64_t task, struct wanted *w,
			      struct xkd_err *err)
{
	uint64_t heads[KRETPROBE_BUCKETS], ret, fp, owner, table, size, v[3];
	struct xkd_err ignored;
	size_t left = RECORDS_MAX;
	enum xkd_rc rc;

	if (!linux_symbol(t, "kretprobe_inst_table", &table, &size) ||
	    xkd_offsetof(t, "kretprobe_instance", "ret_addr", &ret, NULL, &ignored) ||
	    xkd_offsetof(t, "kretprobe_instance", "fp", &fp, NULL, &ignored) ||
	    xkd_offsetof(t, "kretprobe_instance", "task", &owner, NULL, &ignored))
		return XKD_OK;
	if (!size || size > sizeof(heads))
		size = sizeof(heads);
	rc = xkd_kread(t, table, heads, (size_t)size, err);
	for (size_t i = 0; !rc && i < size / 8; i++)
		for (uint64_t p = heads[i]; !rc && p;) {
			if (!left--)
				return xkd_err_set(err, XKD_BADDATA, "the probe records do not end");
			rc = xkd_kread_u(t, p + ret, 8, &v[0], err);
			if (!rc)
				rc = xkd_kread_u(t, p + fp, 8, &v[1], err);
			if (!rc)
				rc = xkd_kread_u(t, p + owner, 8, &v[2], err);
			if (!rc && v[2] == task)
				offer(w, v[1], v[0]);
			if (!rc)
				rc = xkd_kread_u(t, p, 8, &p, err);
		}
	return rc;
}

/* How much of task->ret_stack is in use: an array of records and the index of the last, or (6.11)
 * words and their number. */
static enum xkd_rc graph_bytes(struct xkd_target *t, uint64_t task, uint64_t rec, uint64_t *bytes,
			       struct xkd_err *err)
{
	const struct xkd_type *type, *to = NULL;
	struct xkd_member m;
	uint64_t top;
	enum xkd_rc rc = xkd_type_named(t, xkd_target_kernel(t), XKD_TAG_STRUCT, "task_struct",
					&type, err);

	if (!rc)
		rc = xkd_type_find_member(type, "ret_stack", &m, err);
	if (!rc)
		rc = xkd_type_target(xkd_type_strip(m.type), &to, err);
	if (!rc)
		rc = linux_member(t, "task_struct", "curr_ret_stack", task, &top, err);
	if (rc)
		return rc;
	*bytes = xkd_type_is_scalar(xkd_type_strip(to)) ?
			 (uint64_t)(int64_t)(int32_t)top * 8 :
			 ((uint64_t)(int64_t)(int32_t)top + 1) * rec;
	if (*bytes > GRAPH_BYTES_MAX)
		return xkd_err_set(err, XKD_BADDATA, "the task's stack of traced functions has %llx bytes",
				   (unsigned long long)*bytes);
	return XKD_OK;
}

/* Records may lie at any word: what makes one is the slot that it names. Those in use come first,
 * then the one that has just been taken off. */
static enum xkd_rc graph(struct xkd_target *t, uint64_t task, struct wanted *w, struct xkd_err *err)
{
	uint64_t retp, ret, rec, base = 0, used = 0, *v, at;
	enum xkd_rc rc = xkd_offsetof(t, "ftrace_ret_stack", "retp", &retp, NULL, err);

	if (!rc)
		rc = xkd_offsetof(t, "ftrace_ret_stack", "ret", &ret, NULL, err);
	if (!rc)
		rc = xkd_offsetof(t, "ftrace_ret_stack", "", &base, &rec, err);
	if (!rc)
		rc = graph_bytes(t, task, rec, &used, err);
	if (!rc)
		rc = linux_member(t, "task_struct", "ret_stack", task, &base, err);
	if (rc || !base || rec > 256 || retp + 8 > rec || ret + 8 > rec)
		return rc;
	v = xkd_malloc((size_t)(used + rec));
	rc = xkd_kread(t, base, v, (size_t)(used + rec), err);
	for (at = used >= rec ? (used - rec) / 8 + 1 : 0; !rc && at--;)
		offer(w, v[at + retp / 8], v[at + ret / 8]);
	for (at = used >= rec ? (used - rec) / 8 + 1 : 0; !rc && at <= used / 8; at++)
		offer(w, v[at + retp / 8], v[at + ret / 8]);
	free(v);
	return rc;
}

bool linux_depth(struct xkd_target *t, uint64_t start, uint64_t pc, uint64_t *depth)
{
	uint8_t code[256];
	struct xkd_err ignored;
	size_t n = pc - start < sizeof(code) ? (size_t)(pc - start) : 0, at = 0;
	int64_t d = 0;

	*depth = 0;
	if (pc == start)
		return true;
	if (!n || xkd_kread(t, start, code, n, &ignored))
		return false;
	while (at < n) {
		struct xkd_insn in;
		unsigned long long by = 0;
		bool rsp;

		if (t->arch->disasm(XKD_MODE_64, start + at, code + at, n - at, &in, &ignored))
			return false;
		rsp = xkd_has_prefix(in.ops, "rsp,") && sscanf(in.ops, "rsp,%llxh", &by) == 1;
		at += in.len;
		if (xkd_has_prefix(in.mnem, "push"))
			d += 8;
		else if (xkd_has_prefix(in.mnem, "pop"))
			d -= 8;
		else if (rsp && !strcmp(in.mnem, "sub"))
			d += (int64_t)by;
		else if (rsp && !strcmp(in.mnem, "add"))
			d -= (int64_t)by;
		else if (in.is_call && in.has_target && in.target - (start + at) < 8)
			d += 8; /* a call to the next instructions, as return thunks do */
	}
	*depth = (uint64_t)d;
	return d >= 0;
}

static void learn(struct xkd_target *t)
{
	struct xkd_linux *lx = linux_of(t);

	if (lx->tramps_known && lx->tramps_gen == t->gen.modules)
		return;
	for (size_t i = 0; i < LINUX_TRAMPS; i++) {
		uint64_t size = 0;

		if (!linux_symbol(t, names[i].symbol, &lx->tramps[i].addr, &size))
			lx->tramps[i].addr = 0;
		lx->tramps[i].size = size && size < 4096 ? size : 128;
	}
	lx->tramps_known = true;
	lx->tramps_gen = t->gen.modules;
}

/* Which trampoline pc is at, NONE: none; *start: its first instruction. */
static enum linux_tramp tramp_at(struct xkd_target *t, uint64_t pc, bool returning, uint64_t *start)
{
	struct xkd_linux *lx = linux_of(t);

	learn(t);
	for (size_t i = 0; i < LINUX_TRAMPS; i++) {
		*start = lx->tramps[i].addr;
		if (*start && (returning ? pc == *start : pc - *start < lx->tramps[i].size))
			return names[i].kind;
	}
	return LINUX_TRAMP_NONE;
}

static enum xkd_rc search(struct xkd_target *t, uint64_t task, enum linux_tramp kind,
			  struct wanted *w, struct xkd_err *err)
{
	enum xkd_rc rc;

	if (kind == LINUX_TRAMP_GRAPH)
		return graph(t, task, w, err);
	rc = task_list(t, task, "rethooks.first", "rethook_node", "frame", w, err);
	if (!rc)
		rc = task_list(t, task, "kretprobe_instances.first", "kretprobe_instance", "fp", w,
			       err);
	return rc ? rc : hash_lists(t, task, w, err);
}

enum xkd_rc linux_swapped_ret(struct xkd_target *t, uint64_t task, uint64_t pc, bool returning,
			      uint64_t *slot, uint64_t *ret, const char **what, struct xkd_err *err)
{
	struct wanted w = { .slot = *slot };
	uint64_t depth;
	enum linux_tramp kind = tramp_at(t, pc, returning, &w.own);
	enum xkd_rc rc;

	if (kind == LINUX_TRAMP_NONE)
		return XKD_NOTFOUND;
	*what = kind == LINUX_TRAMP_GRAPH ? "the function graph tracer" :
					    "a return probe";
	if (!returning) {
		if (!linux_depth(t, w.own, pc, &depth))
			return xkd_err_set(err, XKD_BADDATA, "the code of %s cannot be followed",
					   *what);
		w.slot += depth - 8;
	}
	if (!task)
		return xkd_err_set(err, XKD_BADDATA, "the return address was replaced by %s, and "
						     "the task that knows the real one is not known",
				   *what);
	rc = search(t, task, kind, &w, err);
	if (rc)
		return rc == XKD_NOTFOUND ? XKD_BADDATA : rc;
	if (!w.found)
		return xkd_err_set(err, XKD_BADDATA,
				   "the return address was replaced by %s, which keeps no record of it",
				   *what);
	*slot = w.slot;
	*ret = w.ret;
	return XKD_OK;
}
