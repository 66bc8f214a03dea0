/* debuginfod servers. libdebuginfod is opened when it is first needed, in a worker: a library that
 * speaks to the network has no business in a process that holds a stopped guest, and its settings are
 * environment variables. Invariants: what a server gives is judged by its build-id like any file; a
 * question that was answered with "no" and a server that failed are not asked again in a session
 * (.sympath and .reload forget that). */
#include "symbols/server.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "base/worker.h"
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define LIBRARY "libdebuginfod.so.1"
#define CPU_SECONDS 600
#define QUIET_MS 500 /* before progress is shown */
#define SILENCE_S 90 /* libdebuginfod's own default */
#define PATH_MAX_TOLD 3800

struct xkd_servers {
	struct xkd_arena arena;
	struct xkd_map no;   /* "SERVER KIND ID SOURCE": asked, and not there */
	struct xkd_map down; /* SERVER: failed */
};

/* One server, or the list of them in the environment. */
struct server {
	char *urls, *cache; /* malloc'ed; cache NULL: libdebuginfod's own */
};

enum note_kind { NOTE_PROGRESS, NOTE_DONE };
struct note {
	uint8_t kind;
	bool no_library;
	int error; /* DONE: errno's, 0: path is it */
	uint64_t done, total;
	char path[PATH_MAX_TOLD];
};
_Static_assert(sizeof(struct note) <= PIPE_BUF, "a note is written at once");

struct xkd_servers *xkd_servers_new(void)
{
	struct xkd_servers *s = xkd_calloc(1, sizeof(*s));

	xkd_arena_init(&s->arena);
	xkd_map_init_str(&s->no);
	xkd_map_init_str(&s->down);
	return s;
}

void xkd_servers_free(struct xkd_servers *s)
{
	if (!s)
		return;
	xkd_map_fini(&s->no);
	xkd_map_fini(&s->down);
	xkd_arena_fini(&s->arena);
	free(s);
}

/* --- the child --- */

/* libdebuginfod's interface, as far as used; the same since elfutils 0.180. */
struct library {
	void *(*begin)(void);
	void (*end)(void *client);
	void (*set_progress)(void *client, int (*fn)(void *client, long a, long b));
	void (*set_data)(void *client, void *data);
	void *(*get_data)(void *client);
	int (*find_debuginfo)(void *client, const unsigned char *id, int len, char **path);
	int (*find_executable)(void *client, const unsigned char *id, int len, char **path);
	int (*find_source)(void *client, const unsigned char *id, int len, const char *file,
			   char **path);
};
struct child {
	const struct server *server;
	const struct xkd_server_want *want;
	struct library lib;
	int fd;
};

static bool load(struct library *l)
{
	void *h = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	const struct {
		const char *name;
		void *fn;
	} fns[] = {
		{ "debuginfod_begin", &l->begin },
		{ "debuginfod_end", &l->end },
		{ "debuginfod_set_progressfn", &l->set_progress },
		{ "debuginfod_set_user_data", &l->set_data },
		{ "debuginfod_get_user_data", &l->get_data },
		{ "debuginfod_find_debuginfo", &l->find_debuginfo },
		{ "debuginfod_find_executable", &l->find_executable },
		{ "debuginfod_find_source", &l->find_source },
	};

	for (size_t i = 0; h && i < XKD_COUNT(fns); i++) {
		void *p = dlsym(h, fns[i].name);

		if (!p)
			return false;
		memcpy(fns[i].fn, &p, sizeof(p));
	}
	return h;
}

/* Told the client and nothing else. */
static int child_progress(void *client, long a, long b)
{
	struct note n = { .kind = NOTE_PROGRESS };
	struct library l;
	const struct child *c;

	if (!load(&l)) /* it is there: this only finds it again */
		return 1;
	c = l.get_data(client);
	n.done = a > 0 ? (uint64_t)a : 0;
	n.total = b > 0 ? (uint64_t)b : 0;
	return !xkd_fd_write(c->fd, &n, sizeof(n)); /* nobody listens: give up */
}

static int ask(const struct child *c, void *client, char **path)
{
	const struct xkd_buildid *id = c->want->id;

	switch (c->want->kind) {
	case XKD_SERVER_DEBUG:
		return c->lib.find_debuginfo(client, id->b, (int)id->n, path);
	case XKD_SERVER_EXEC:
		return c->lib.find_executable(client, id->b, (int)id->n, path);
	case XKD_SERVER_SOURCE:
		return c->lib.find_source(client, id->b, (int)id->n, c->want->source, path);
	}
	return -EINVAL;
}

static void child_main(void *arg, int fd)
{
	struct child *c = arg;
	struct note n = { .kind = NOTE_DONE };
	char *path = NULL;
	void *client;
	int got;

	c->fd = fd;
	setenv("DEBUGINFOD_URLS", c->server->urls, 1);
	if (c->server->cache)
		setenv("DEBUGINFOD_CACHE_PATH", c->server->cache, 1);
	unsetenv("DEBUGINFOD_PROGRESS");
	unsetenv("DEBUGINFOD_VERBOSE");
	n.no_library = !load(&c->lib);
	client = n.no_library ? NULL : c->lib.begin();
	if (client) {
		c->lib.set_data(client, c);
		c->lib.set_progress(client, child_progress);
		got = ask(c, client, &path);
		n.error = got < 0 ? -got : 0;
		if (!n.error && (!path || strlen(path) >= sizeof(n.path)))
			n.error = ENAMETOOLONG;
		else if (!n.error)
			strcpy(n.path, path);
		c->lib.end(client);
	} else {
		n.error = ENOMEM;
	}
	(void)!xkd_fd_write(fd, &n, sizeof(n));
}

/* --- the parent --- */

/* How long a server may say nothing. */
static uint64_t silence_ms(void)
{
	const char *e = getenv("DEBUGINFOD_TIMEOUT");
	unsigned long v = e ? strtoul(e, NULL, 10) : 0;

	return 1000 * (uint64_t)(v && v < 86400 ? v : SILENCE_S);
}

/* What to say of a failure that is not simply "no such file". */
static enum xkd_rc explain(const struct server *sv, const struct note *n, int signal,
			   struct xkd_err *err)
{
	if (signal)
		return xkd_err_set(err, XKD_TRANSPORT, "debuginfod: the client crashed (signal %d)",
				   signal);
	if (n->no_library)
		return xkd_err_set(err, XKD_UNSUPPORTED,
				   "debuginfod: " LIBRARY " is not installed (on Debian: package "
				   "libdebuginfod1); %.200s is not asked",
				   sv->urls);
	if (n->error == ETIME || n->error == ETIMEDOUT)
		return xkd_err_set(err, XKD_TIMEOUT, "debuginfod: %.200s does not answer", sv->urls);
	return xkd_err_set(err, XKD_TRANSPORT, "debuginfod: %.200s: %s", sv->urls,
			   strerror(n->error));
}

/* Hears the worker out; n is its last note. */
static enum xkd_rc hear(struct xkd_worker *w, const struct server *sv,
			const struct xkd_server_want *want, struct xkd_log *log, struct note *n,
			struct xkd_err *err)
{
	uint64_t start = xkd_now_ms(), last = start, done = 0, patience = silence_ms();
	struct note got = { .kind = NOTE_PROGRESS };
	enum xkd_rc rc = XKD_OK;
	bool told = false;
	char what[120];
	ssize_t k;

	snprintf(what, sizeof(what), "debuginfod: %.90s", want->name);
	while ((k = xkd_worker_read(w, &got, sizeof(got), 50)) >= 0 && !rc) {
		uint64_t now = xkd_now_ms();

		if (k == (ssize_t)sizeof(got) && (got.kind == NOTE_DONE || got.done != done)) {
			done = got.done;
			last = now;
			*n = got;
		}
		if (xkd_canceled(want->cancel)) {
			rc = xkd_cancel_check(want->cancel, err);
		} else if (now - last > patience) {
			rc = xkd_err_set(err, XKD_TIMEOUT,
					 "debuginfod: %.200s told nothing for %llu seconds",
					 sv->urls, (unsigned long long)(patience / 1000));
		} else if (now - start > QUIET_MS) {
			told = true;
			xkd_progress(log, what, n->done, n->total);
		}
	}
	if (told)
		xkd_progress(log, NULL, 0, 0);
	return rc;
}

static enum xkd_rc ask_server(const struct server *sv, const struct xkd_server_want *want,
			      struct xkd_log *log, char **path, struct xkd_err *err)
{
	struct child c = { .server = sv, .want = want };
	struct note n = { .kind = NOTE_PROGRESS };
	struct xkd_worker w;
	enum xkd_rc rc = xkd_worker_start(&w, "xkd-debuginfod", CPU_SECONDS, child_main, &c, err);

	if (rc)
		return xkd_err_prepend(err, rc, "asking a debuginfod server");
	rc = hear(&w, sv, want, log, &n, err);
	/* left alone it ends by itself at the next progress, and takes its half a file along */
	if (!rc && n.kind == NOTE_DONE && !n.error)
		*path = strndup(n.path, sizeof(n.path) - 1);
	else if (!rc && n.kind == NOTE_DONE && (n.error == ENOENT || n.error == ENOSYS))
		rc = xkd_err_set(err, XKD_NOTFOUND, "%.200s has no such file", sv->urls);
	else if (!rc)
		rc = explain(sv, &n, w.signal, err);
	xkd_worker_leave(&w, false);
	return rc;
}

/* --- the path --- */

static bool is_url(const char *s)
{
	return strstr(s, "://") != NULL;
}

bool xkd_server_entry(const char *e)
{
	return !strncasecmp(e, "srv*", 4) || !strncasecmp(e, "symsrv*", 7) ||
	       !strncasecmp(e, "cache*", 6) || is_url(e);
}

/* "srv*", "srv*CACHE", "srv*URL", "srv*CACHE*URL", a URL alone; cache: of a "cache*" before it, or NULL.
 * False: it means the environment's servers and there are none. */
static bool parse(const char *e, const char *cache, struct server *sv)
{
	const char *env = getenv("DEBUGINFOD_URLS"), *star = strchr(e, '*'), *url = NULL;
	const char *last = strrchr(e, '*');

	*sv = (struct server){ .urls = NULL };
	if (is_url(e))
		url = last ? last + 1 : e;
	else if (env && *env)
		url = env;
	if (!url || !*url)
		return false;
	sv->urls = xkd_strdup(url);
	if (star && !is_url(e))
		last = e + strlen(e);
	if (star && last > star + 1)
		sv->cache = strndup(star + 1, (size_t)(last - star - 1));
	else if (cache)
		sv->cache = xkd_strdup(cache);
	return true;
}

static void server_fini(struct server *sv)
{
	free(sv->urls);
	free(sv->cache);
}

/* Every server in order; fn returns false to stop. */
static void each(const struct xkd_sympath *sp, bool (*fn)(void *arg, const struct server *sv),
		 void *arg)
{
	const char *cache = NULL;
	bool bare = false, more = true;
	struct server sv;

	for (size_t i = 0; sp && more && i < sp->n; i++) {
		const char *e = sp->dirs[i];

		if (!xkd_server_entry(e))
			continue;
		if (!strncasecmp(e, "cache*", 6)) {
			cache = e[6] ? e + 6 : NULL;
			continue;
		}
		bare |= !is_url(e);
		if (parse(e, cache, &sv)) {
			more = fn(arg, &sv);
			server_fini(&sv);
		}
	}
	if (more && !bare && parse("srv*", cache, &sv)) {
		(void)fn(arg, &sv);
		server_fini(&sv);
	}
}

static bool count_one(void *arg, const struct server *sv XKD_UNUSED)
{
	*(bool *)arg = true;
	return false;
}

bool xkd_servers_any(const struct xkd_sympath *sp)
{
	bool any = false;

	each(sp, count_one, &any);
	return any;
}

struct fetch {
	struct xkd_servers *s;
	const struct xkd_server_want *want;
	struct xkd_log *log;
	char **path;
	struct xkd_err *err;
	enum xkd_rc rc;
};

static const char *key_of(struct fetch *f, const struct server *sv)
{
	char hex[XKD_BUILDID_HEX];

	return xkd_arena_printf(&f->s->arena, "%s %d %s %s", sv->urls, (int)f->want->kind,
				xkd_buildid_hex(f->want->id, hex),
				f->want->source ? f->want->source : "");
}

static bool fetch_from(void *arg, const struct server *sv)
{
	static const char *const kinds[] = { "debug info of ", "file of ", "source " };
	struct fetch *f = arg;
	const char *key = key_of(f, sv);

	if (xkd_map_get_str(&f->s->down, sv->urls) || xkd_map_get_str(&f->s->no, key))
		return true;
	f->rc = ask_server(sv, f->want, f->log, f->path, f->err);
	xkd_log(f->log, XKD_LOG_FIND, "%s asked for %s%s: %s", sv->urls, kinds[f->want->kind],
		f->want->name, f->rc ? f->err->msg : *f->path);
	if (f->rc == XKD_NOTFOUND) {
		xkd_map_put_str(&f->s->no, key, f->s);
	} else if (f->rc && f->rc != XKD_CANCELED) {
		xkd_map_put_str(&f->s->down, xkd_arena_strdup(&f->s->arena, sv->urls), f->s);
		xkd_log(f->log, XKD_LOG_WARN, "%s (not asked again until .reload)", f->err->msg);
	}
	return f->rc != XKD_OK && f->rc != XKD_CANCELED;
}

enum xkd_rc xkd_server_fetch(const struct xkd_sympath *sp, struct xkd_servers *s,
			     const struct xkd_server_want *want, struct xkd_log *log, char **path,
			     struct xkd_err *err)
{
	struct fetch f = { s, want, log, path, err, XKD_NOTFOUND };

	*path = NULL;
	xkd_err_set(err, XKD_NOTFOUND, "no server was asked");
	if (!want->id->n || want->id->n > sizeof(want->id->b) ||
	    (want->kind == XKD_SERVER_SOURCE && (!want->source || *want->source != '/')))
		return XKD_NOTFOUND;
	each(sp, fetch_from, &f);
	return f.rc;
}
