/* Sessions: one user, one target. Life (new, attach, detach, free), the current context, errors and
 * flags; running lines is in script.c.
 * Invariants: ctx and base are of the current stop when ctx_valid; s->t is NULL or open, lost or
 * not. */
#include "engine/cmd/session.h"
#include "base/str.h"
#include "config.h"
#include "engine/cmd/logfile.h"
#include "engine/cmd/workspace.h"
#include "engine/os/os.h"
#include "engine/run/journal.h"
#include "symbols/image_made.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *xkd_version(void)
{
	return PACKAGE_VERSION;
}

void xkd_session_init(struct xkd_session *s)
{
	memset(s, 0, sizeof(*s));
	xkd_out_init(&s->out);
	xkd_log_init(&s->log);
	s->cancel.wake_fd = -1;
	xkd_arena_init(&s->cmd_arena);
	xkd_buf_init(&s->hinted);
	xkd_buf_init(&s->src_name);
	xkd_buf_init(&s->src_dir);
	s->env = (struct xkd_env){
		.radix = 16, .t = s->tregs, .pseudo = xkd_session_pseudo, .arg = s
	};
	s->born_ms = xkd_now_ms();
}

void xkd_session_fini(struct xkd_session *s)
{
	if (s->t || s->stranded)
		(void)!xkd_session_detach(s, NULL);
	free(s->uri);
	xkd_session_logclose(s);
	free(s->onbreak);
	xkd_bkpts_fini(&s->bkpts);
	xkd_sympath_fini(&s->sympath);
	xkd_sympath_fini(&s->srcpath);
	for (size_t i = 0; i < s->srcmap.n; i++) {
		free(s->srcmap.p[i].from);
		free(s->srcmap.p[i].to);
	}
	xkd_vec_fini(&s->srcmap);
	xkd_buf_fini(&s->src_name);
	xkd_buf_fini(&s->src_dir);
	xkd_arena_fini(&s->cmd_arena);
	xkd_buf_fini(&s->hinted);
	xkd_out_fini(&s->out);
}

struct xkd_session *xkd_session_new(void)
{
	struct xkd_session *s = xkd_calloc(1, sizeof(*s));

	xkd_session_init(s);
	return s;
}

void xkd_session_free(struct xkd_session *s)
{
	if (!s)
		return;
	xkd_session_fini(s);
	free(s);
}

bool xkd_session_add_sink(struct xkd_session *s, struct xkd_sink *sink)
{
	return xkd_out_add_sink(&s->out, sink);
}

void xkd_session_del_sink(struct xkd_session *s, struct xkd_sink *sink)
{
	xkd_out_del_sink(&s->out, sink);
}

struct xkd_cancel *xkd_session_cancel(struct xkd_session *s)
{
	return &s->cancel;
}

struct xkd_log *xkd_session_log(struct xkd_session *s)
{
	return &s->log;
}

void xkd_session_set_clear(struct xkd_session *s, void (*clear)(void *arg), void *arg)
{
	s->clear = clear;
	s->clear_arg = arg;
}

void xkd_session_set_page(struct xkd_session *s, void (*page)(void *arg, bool on), void *arg)
{
	s->page = page;
	s->page_arg = arg;
}

void xkd_session_set_flag(struct xkd_session *s, enum xkd_flag flag, bool on)
{
	switch (flag) {
	case XKD_FLAG_LEAVE_HALTED:
		s->leave_halted = on;
		break;
	case XKD_FLAG_READ_ONLY:
		s->read_only = on;
		break;
	case XKD_FLAG_ECHO:
		s->echo = on;
		break;
	case XKD_FLAG_BATCH:
		s->batch = on;
		break;
	}
}

void xkd_session_set_record(struct xkd_session *s, const struct xkd_backend_ops *recorder,
			    const char *path)
{
	s->recorder = path ? recorder : NULL;
	s->record = path;
}

void xkd_session_add_sympath(struct xkd_session *s, const char *list)
{
	xkd_sympath_add(&s->sympath, list);
}

enum xkd_rc xkd_session_logopen(struct xkd_session *s, const char *path, bool append,
				struct xkd_err *err)
{
	struct xkd_logfile *l;
	enum xkd_rc rc = xkd_logfile_open(path, append, &l, err);

	if (rc)
		return rc;
	xkd_session_logclose(s);
	if (!xkd_out_add_sink(&s->out, xkd_logfile_sink(l))) {
		xkd_logfile_close(l);
		return xkd_err_set(err, XKD_UNSUPPORTED, "too many outputs are open");
	}
	s->logfile = l;
	return XKD_OK;
}

void xkd_session_logclose(struct xkd_session *s)
{
	if (!s->logfile)
		return;
	xkd_out_del_sink(&s->out, xkd_logfile_sink(s->logfile));
	xkd_logfile_close(s->logfile);
	s->logfile = NULL;
}

bool xkd_session_quit(const struct xkd_session *s)
{
	return s->quit || s->cancel.quit;
}

int xkd_session_failed(const struct xkd_session *s)
{
	return s->failed;
}

bool xkd_session_lost(const struct xkd_session *s)
{
	return s->lost || (s->t && s->t->lost);
}

bool xkd_session_attached(const struct xkd_session *s)
{
	return s->t != NULL;
}

/* --- the target --- */

static enum xkd_rc find_backend(const struct xkd_backend_ops *const *backends, const char *uri,
				const struct xkd_backend_ops **ops, struct xkd_err *err)
{
	size_t n = strcspn(uri, ":");
	char ways[256] = "";

	for (size_t i = 0; backends[i]; i++) {
		size_t have = strlen(ways);

		if (uri[n] == ':' && strlen(backends[i]->name) == n &&
		    !strncmp(backends[i]->name, uri, n)) {
			*ops = backends[i];
			return XKD_OK;
		}
		snprintf(ways + have, sizeof(ways) - have, "%s%s", have ? "; " : "",
			 backends[i]->syntax);
	}
	return xkd_err_set(err, XKD_UNSUPPORTED, "'%.200s' names no way to a target; there are: %s",
			   uri, ways);
}

static size_t cpus_online(const struct xkd_target *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->cpus.n; i++)
		n += t->cpus.p[i].state != XKD_CPU_OFFLINE;
	return n;
}

static void banner(struct xkd_session *s, const struct xkd_buf *found)
{
	static const char *const was[] = {
		[XKD_FOUND_UNKNOWN] = "",
		[XKD_FOUND_RUNNING] = ", was running",
		[XKD_FOUND_HALTED] = ", was stopped",
		[XKD_FOUND_PRELAUNCH] = ", not started yet",
	};
	struct xkd_target *t = s->t;

	if (t->cpus.n)
		xkd_out_st(&s->out, XKD_ST_HEAD, "xkd %s: %s, %s, %zu CPU%s%s", xkd_version(),
			   t->uri, t->arch->name, cpus_online(t), cpus_online(t) == 1 ? "" : "s",
			   was[t->found]);
	else
		xkd_out_st(&s->out, XKD_ST_HEAD, "xkd %s: files without a machine, %s",
			   xkd_version(), t->arch->name);
	xkd_out_end(&s->out);
	if (found->len) {
		xkd_out(&s->out, "%s", found->s);
		if (s->out.text.len)
			xkd_out_end(&s->out);
	}
}

#define BANNER_MODULES 300 /* more are not opened for a line of the banner */
#define BANNER_NAMES 4

/* Looks for it and puts it back: no module is loaded for the banner, nothing read from the target. */
static bool has_file(struct xkd_target *t, const struct xkd_module *m)
{
	struct xkd_want want = { .name = m->name, .release = t->release[0] ? t->release : NULL,
				 .id = m->id, .local = true };
	struct xkd_image *img = m->img;
	struct xkd_err ignored;

	if (img)
		return !xkd_image_is_made(img);
	if (xkd_find_image(&t->sympath, t->find, &want, t->log, &img, NULL, &ignored))
		return false;
	xkd_image_unref(img);
	return true;
}

/* How many modules there are, and what to do about those that no file was found for. A kernel whose
 * names came from memory has no files: that was said. */
static void banner_modules(struct xkd_session *s)
{
	const struct xkd_module *k = xkd_target_kernel(s->t), *m;
	size_t n = s->t->mods.n, missing = 0;
	struct xkd_buf names = XKD_BUF_INIT;

	if (!k || !k->img || xkd_image_is_made(k->img) || n < 2)
		return;
	for (size_t i = 1; i < n && n <= BANNER_MODULES; i++) {
		m = s->t->mods.p[i];
		if (has_file(s->t, m))
			continue;
		if (missing++ < BANNER_NAMES)
			xkd_buf_printf(&names, "%s%s", missing > 1 ? ", " : "", m->name);
	}
	xkd_out_st(&s->out, XKD_ST_DIM, "%zu module%s", n - 1, n == 2 ? "" : "s");
	if (!missing && n <= BANNER_MODULES)
		xkd_out_st(&s->out, XKD_ST_DIM, n == 2 ? ", its file found" : ", all their files found");
	if (missing) {
		xkd_out_st(&s->out, XKD_ST_DIM, ", %zu without a file (", missing);
		xkd_out_foreign(&s->out, XKD_ST_DIM, names.s, names.len);
		xkd_out_st(&s->out, XKD_ST_DIM,
			   "%s): give the folder of %s .ko with -y or .sympath+; lm tells more",
			   missing > BANNER_NAMES ? ", ..." : "", missing > 1 ? "their" : "its");
	}
	xkd_out_end(&s->out);
	xkd_buf_fini(&names);
}

/* For a recording: which kernel it is of. */
static void note_kernel(struct xkd_target *t)
{
	const struct xkd_module *k = xkd_target_kernel(t);
	char hex[XKD_BUILDID_HEX];

	if (!k)
		return;
	xkd_target_note(t, "release", t->release);
	if (k->id.n)
		xkd_target_note(t, "build-id", xkd_buildid_hex(&k->id, hex));
}

/* For the next time; uri may be the one that is kept. */
static void keep_way(struct xkd_session *s, const struct xkd_backend_ops *const *backends,
		     const char *uri)
{
	char *old = s->uri;

	s->backends = backends;
	s->uri = xkd_strdup(uri);
	s->attaches++;
	free(old);
}

enum xkd_rc xkd_session_attach(struct xkd_session *s, const struct xkd_backend_ops *const *backends,
			       const char *uri, struct xkd_err *err)
{
	struct xkd_buf path = XKD_BUF_INIT, found = XKD_BUF_INIT;
	const struct xkd_backend_ops *ops = NULL;
	struct xkd_be_open o = { .cancel = &s->cancel, .log = &s->log,
				 .leave_halted = s->leave_halted };
	struct xkd_err why = XKD_ERR_INIT;
	struct xkd_stop stop = { .kind = XKD_STOPPED_OTHER };
	enum xkd_rc rc;

	if (s->t)
		return xkd_err_set(err, XKD_UNSUPPORTED, "%s is attached already", s->t->uri);
	rc = find_backend(backends, uri, &ops, err);
	if (rc)
		return rc;
	keep_way(s, backends, uri);
	uri = s->uri;
	o.uri = uri + strlen(ops->name) + 1;
	if (s->recorder) {
		o.inner = ops;
		o.record = s->record;
		ops = s->recorder;
	}
	rc = xkd_target_open(ops, &o, &s->t, err);
	if (rc) {
		s->t = NULL;
		return rc;
	}
	s->lost = s->stranded = false;
	xkd_sympath_show(&s->sympath, &path);
	xkd_sympath_set(&s->t->sympath, path.s);
	xkd_buf_fini(&path);
	rc = xkd_os_attach(s->t, &found, &why);
	note_kernel(s->t);
	if (!rc || s->t->cpus.n)
		banner(s, &found);
	if (!rc && s->t->cpus.n)
		banner_modules(s);
	xkd_buf_fini(&found);
	if (s->t->lost) {
		if (err)
			*err = why;
		(void)!xkd_session_let_go(s, NULL);
		return XKD_TRANSPORT;
	}
	if (rc && !s->t->cpus.n) { /* files are all there is */
		if (err)
			*err = why;
		(void)!xkd_session_let_go(s, NULL);
		return rc;
	}
	if (rc) { /* not knowing the kernel is no reason to refuse memory and registers */
		xkd_out_st(&s->out, XKD_ST_DIM, "note: %s", why.msg);
		xkd_out_end(&s->out);
	}
	xkd_journal_recover(xkd_session_runner(s), s->read_only);
	xkd_workspace_offer(s);
	xkd_session_stopped(s, s->t->stop_cpu);
	stop.cpu = s->cpu;
	if (s->t->cpus.n)
		xkd_session_show_stop(s, &stop);
	xkd_out_flush(&s->out);
	return XKD_OK;
}

static void drop_breakpoints(struct xkd_session *s)
{
	while (s->bkpts.list.n) {
		size_t n = s->bkpts.list.n;

		(void)!xkd_bkpt_del(xkd_session_runner(s), s->bkpts.list.p[0]->id, NULL);
		if (s->bkpts.list.n >= n)
			break; /* never turn in a circle over one that does not go */
	}
}

/* The target's path may have grown by .sympath+; the next target gets the session's. */
static void keep_sympath(struct xkd_session *s)
{
	struct xkd_buf path = XKD_BUF_INIT;

	xkd_sympath_show(&s->t->sympath, &path);
	xkd_sympath_set(&s->sympath, path.s);
	xkd_buf_fini(&path);
}

enum xkd_rc xkd_session_let_go(struct xkd_session *s, struct xkd_err *err)
{
	enum xkd_rc rc = XKD_OK, rc2;
	struct xkd_err sub = XKD_ERR_INIT;

	keep_sympath(s);
	s->found = s->t->found;
	s->lost = s->t->lost;
	if (s->lost)
		(void)!xkd_err_set(err, XKD_TRANSPORT, "the connection to %s was lost", s->t->uri);
	else
		rc = xkd_run_remove_all(xkd_session_runner(s), err);
	/* it may break on the way out, too */
	s->stranded = s->t->lost && (s->t->stranded || xkd_journal_any(&s->bkpts));
	rc2 = xkd_target_close(s->t, s->leave_halted, &sub);
	s->stranded |= !s->lost && rc2 == XKD_TRANSPORT;
	xkd_journal_close(&s->bkpts, !rc && !rc2 && !s->lost);
	s->t = NULL;
	s->task = 0;
	s->ctx_valid = false;
	s->next_d = s->next_u = 0;
	if (rc2 && !rc && !s->lost) {
		if (err)
			*err = sub;
		rc = rc2;
	}
	return rc;
}

enum xkd_rc xkd_session_detach(struct xkd_session *s, struct xkd_err *err)
{
	sig_atomic_t quit = s->cancel.quit;
	enum xkd_rc rc;

	/* Leaving must not be broken off by the signal that asks for it. */
	s->cancel.quit = s->t || s->stranded ? 0 : quit;
	if (!s->t && s->lost) /* and .reconnect did not get it back */
		(void)!xkd_err_set(err, XKD_TRANSPORT, "the connection to %s was lost", s->uri);
	if (!s->t && !s->stranded)
		return XKD_OK;
	xkd_cancel_clear(&s->cancel);
	xkd_workspace_keep(s);
	rc = s->t ? xkd_session_let_go(s, err) : XKD_OK;
	if (s->stranded)
		xkd_session_put_in_order(s);
	drop_breakpoints(s);
	if (!s->cancel.quit)
		s->cancel.quit = quit;
	return rc;
}

/* --- the current context --- */

static enum xkd_rc need_target(const struct xkd_session *s, struct xkd_err *err)
{
	if (!s->t)
		return xkd_err_set(err, XKD_UNSUPPORTED, "there is no target");
	return xkd_target_stopped(s->t, err);
}

enum xkd_rc xkd_session_ctx(struct xkd_session *s, const struct xkd_ctx **ctx, struct xkd_err *err)
{
	enum xkd_rc rc = need_target(s, err);
	struct xkd_err ignored;

	if (rc)
		return rc;
	if (s->ctx_valid && xkd_ctx_check(&s->base, &ignored))
		xkd_session_stopped(s, s->cpu);
	if (!s->ctx_valid) {
		rc = s->task ? xkd_ctx_task(s->t, s->task, &s->base, err) :
			       xkd_ctx_cpu(s->t, s->cpu, &s->base, err);
		if (rc)
			return rc;
		s->ctx = s->base;
		s->frame = 0;
		s->ctx_valid = true;
	}
	*ctx = &s->ctx;
	return XKD_OK;
}

enum xkd_rc xkd_session_set_cpu(struct xkd_session *s, int cpu, struct xkd_err *err)
{
	struct xkd_ctx base;
	enum xkd_rc rc = need_target(s, err);

	if (!rc && (cpu < 0 || (size_t)cpu >= s->t->cpus.n))
		rc = xkd_err_set(err, XKD_NOTFOUND, "there is no CPU %d", cpu);
	if (!rc)
		rc = xkd_ctx_cpu(s->t, cpu, &base, err);
	if (rc)
		return rc;
	s->cpu = cpu;
	s->task = 0;
	s->base = s->ctx = base;
	s->frame = 0;
	s->ctx_valid = true;
	s->next_u = 0;
	return XKD_OK;
}

enum xkd_rc xkd_session_set_task(struct xkd_session *s, uint64_t task, struct xkd_err *err)
{
	struct xkd_ctx base;
	enum xkd_rc rc = need_target(s, err);

	if (!rc)
		rc = xkd_ctx_task(s->t, task, &base, err);
	if (rc)
		return rc;
	s->task = task;
	s->base = s->ctx = base;
	s->frame = 0;
	s->ctx_valid = true;
	s->next_u = 0;
	return XKD_OK;
}

enum xkd_rc xkd_session_set_frame(struct xkd_session *s, unsigned no, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_frame *frames;
	size_t n;
	char why[160];
	enum xkd_rc rc = xkd_session_ctx(s, &ctx, err);

	if (rc)
		return rc;
	if (!no) {
		s->ctx = s->base;
		s->frame = 0;
		return XKD_OK;
	}
	/* The frames live as long as the stop: a context may point at its caller's. */
	rc = xkd_unwind(&s->base, (size_t)no + 2, &s->t->stop_arena, &frames, &n, why, err);
	if (rc)
		return rc;
	if (no >= n)
		return xkd_err_set(err, XKD_NOTFOUND,
				   "there is no frame %x: the last one is %x%s%s", no,
				   n ? (unsigned)n - 1 : 0, *why ? "; " : "", why);
	xkd_frame_ctx(&s->base, &frames[no], &s->ctx);
	s->frame = no;
	return XKD_OK;
}

enum xkd_rc xkd_session_cpu_index(struct xkd_session *s, uint64_t n, int *cpu, struct xkd_err *err)
{
	if (!s->t)
		return xkd_err_set(err, XKD_UNSUPPORTED, "there is no target");
	if (!s->t->cpus.n)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "there is no CPU: these are files, no machine");
	for (size_t i = 0; i < s->t->cpus.n; i++) {
		int os = s->t->cpus.p[i].os_cpu;

		if (os >= 0 ? (uint64_t)os == n : i == n) {
			*cpu = (int)i;
			return XKD_OK;
		}
	}
	return xkd_err_set(err, XKD_NOTFOUND, "there is no CPU %llu: the target has %zu",
			   (unsigned long long)n, s->t->cpus.n);
}

struct xkd_run *xkd_session_runner(struct xkd_session *s)
{
	const struct xkd_ctx *ctx;
	struct xkd_err ignored;
	bool has = s->t && !s->t->lost && !s->t->running && !xkd_session_ctx(s, &ctx, &ignored);

	s->run = (struct xkd_run){ .t = s->t,
				   .bkpts = &s->bkpts,
				   .env = &s->env,
				   .arena = &s->cmd_arena,
				   .out = &s->out,
				   .cpu = s->cpu,
				   .ctx = has ? &s->base : NULL,
				   .frame = s->frame,
				   .step_others = s->step_others,
				   .step_irqs = s->step_irqs };
	return &s->run;
}

void xkd_session_stopped(struct xkd_session *s, int cpu)
{
	s->ctx_valid = false;
	s->task = 0;
	s->frame = 0;
	s->next_u = 0;
	s->cpu = cpu < 0 || (s->t && (size_t)cpu >= s->t->cpus.n) ? 0 : cpu;
}

void xkd_session_prompt(struct xkd_session *s, struct xkd_buf *out)
{
	int os;

	if (xkd_session_lost(s)) {
		xkd_buf_str(out, "lost: kd> ");
		return;
	}
	if (!s->t || (size_t)s->cpu >= s->t->cpus.n) {
		xkd_buf_str(out, "kd> ");
		return;
	}
	os = s->t->cpus.p[s->cpu].os_cpu;
	xkd_buf_printf(out, "%d: kd> ", os >= 0 ? os : s->cpu);
}

/* --- errors --- */

void xkd_session_error(struct xkd_session *s, const char *line, const struct xkd_err *err)
{
	struct xkd_out *o = &s->out;
	size_t len = strcspn(line, "\n");

	if (o->text.len)
		xkd_out_end(o); /* what a command had begun stands by itself */
	if (s->script)
		xkd_out_st(o, XKD_ST_SRC, "%s:%u: ", s->script, s->script_line);
	if (err->pos >= 0 && (size_t)err->pos <= len && len < 200) {
		struct xkd_buf shown = XKD_BUF_INIT;
		size_t col;

		if (s->script)
			xkd_out_end(o);
		/* escapes widen the text: the caret's column is counted on what is shown */
		xkd_buf_escaped(&shown, line, (size_t)err->pos);
		col = shown.len;
		xkd_buf_escaped(&shown, line + err->pos, len - (size_t)err->pos);
		xkd_out(o, "    %s", shown.s);
		xkd_out_end(o);
		xkd_out_st(o, XKD_ST_ERR, "    %*s^", (int)col, "");
		xkd_out_end(o);
		xkd_buf_fini(&shown);
	}
	xkd_out_key(o, XKD_ST_ERR, "error", "error: ");
	xkd_out_foreign(o, XKD_ST_ERR, err->msg, strlen(err->msg));
	xkd_out_end(o);
}
