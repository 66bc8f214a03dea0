/* An index as an SQLite database: asking one.
 * Invariants: opened read-only and as immutable (a file is replaced by renaming, never changed), so
 * several processes share one without locks. What it says is foreign: names are checked to be
 * there, numbers are left to be checked by who follows them; a file that SQLite finds broken is
 * BADDATA. */
#include "base/str.h"
#include "symbols/index_int.h"
#include "symbols/index_sql.h"
#include <string.h>
#include <unistd.h>

#define UNITS_MAX (1u << 22)

struct xkd_ixstore {
	sqlite3 *db;
	char *path; /* for errors */
	struct xkd_ixmeta meta;
	uint64_t *units; /* offsets by number */
	size_t nunits;
	struct xkd_cancel *cancel; /* of the question that runs */
};

static enum xkd_rc sql_err(struct xkd_ixstore *s, int rc, struct xkd_err *err)
{
	if (rc == SQLITE_INTERRUPT)
		return xkd_err_set(err, XKD_CANCELED, "interrupted");
	return xkd_err_set(err, (rc & 0xff) == SQLITE_NOMEM ? XKD_NOMEM : XKD_BADDATA,
			   "the index %s: %s", s->path, sqlite3_errmsg(s->db));
}

static int ask_cancel(void *arg)
{
	struct xkd_ixstore *s = arg;

	return xkd_canceled(s->cancel);
}

static enum xkd_rc prepare(struct xkd_ixstore *s, const char *sql, sqlite3_stmt **st,
			   struct xkd_err *err)
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, st, NULL);

	return rc ? sql_err(s, rc, err) : XKD_OK;
}

static uint64_t col(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

static const char *col_text(sqlite3_stmt *st, int at)
{
	const char *s = (const char *)sqlite3_column_text(st, at);

	return s ? s : "";
}

/* --- opening --- */

static bool pragma_is(struct xkd_ixstore *s, const char *sql, int want)
{
	sqlite3_stmt *st = NULL;
	bool is = !sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) &&
		  sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) == want;

	sqlite3_finalize(st);
	return is;
}

static bool read_meta(struct xkd_ixstore *s)
{
	struct xkd_ixmeta *m = &s->meta;
	const struct {
		const char *key;
		uint64_t *v;
	} nums[] = {
		{ "layout", &m->key.layout }, { "info_size", &m->key.info_size },
		{ "build_ms", &m->build_ms }, { "peak_kib", &m->peak_kib },
		{ "funcs", &m->funcs },	      { "inlined", &m->inlined },
		{ "vars", &m->vars },	      { "types", &m->types },
		{ "files", &m->files },	      { "units", &m->units },
	};
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, "SELECT key, value FROM meta", -1, &st, NULL);

	while (!rc && sqlite3_step(st) == SQLITE_ROW) {
		const char *key = col_text(st, 0);

		if (!strcmp(key, "id"))
			snprintf(m->id, sizeof(m->id), "%s", col_text(st, 1));
		for (size_t i = 0; i < XKD_COUNT(nums); i++)
			if (!strcmp(key, nums[i].key))
				*nums[i].v = col(st, 1);
	}
	sqlite3_finalize(st);
	return !rc;
}

static enum xkd_rc read_units(struct xkd_ixstore *s, struct xkd_err *err)
{
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(s, "SELECT off FROM unit ORDER BY id", &st, err);
	XKD_VEC(uint64_t) v = { 0 };
	int step = SQLITE_DONE;

	if (rc)
		return rc;
	while (v.n < UNITS_MAX && (step = sqlite3_step(st)) == SQLITE_ROW)
		*xkd_vec_push(&v) = col(st, 0);
	if (step != SQLITE_DONE && step != SQLITE_ROW)
		rc = sql_err(s, step, err);
	sqlite3_finalize(st);
	s->units = v.p;
	s->nunits = v.n;
	return rc;
}

/* Is it ours, of this format and of this debug info. */
static enum xkd_rc check(struct xkd_ixstore *s, const struct xkd_ixkey *key, const char *id,
			 struct xkd_err *err)
{
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_progress_handler(s->db, 1000, ask_cancel, s);
	if (!pragma_is(s, "PRAGMA application_id", XKD_IX_APPLICATION))
		return xkd_err_set(err, XKD_MISMATCH, "%s is not an index", s->path);
	if (!pragma_is(s, "PRAGMA user_version", XKD_IX_FORMAT))
		return xkd_err_set(err, XKD_MISMATCH, "%s has another format", s->path);
	if (!read_meta(s) || s->meta.key.layout != key->layout ||
	    s->meta.key.info_size != key->info_size || strcmp(s->meta.id, id))
		return xkd_err_set(err, XKD_MISMATCH, "%s is of other debug info", s->path);
	return read_units(s, err);
}

static enum xkd_rc settle(struct xkd_ixstore *s, enum xkd_rc rc, struct xkd_ixstore **out)
{
	if (rc) {
		xkd_ixstore_close(s);
		s = NULL;
	}
	*out = s;
	return rc;
}

/* A path as SQLite's URI: what means something there is escaped. */
static void uri_of(const char *path, struct xkd_buf *b)
{
	xkd_buf_str(b, "file:");
	for (; *path; path++)
		if (strchr("%?#", *path))
			xkd_buf_printf(b, "%%%02x", (unsigned char)*path);
		else
			xkd_buf_ch(b, *path);
	xkd_buf_str(b, "?mode=ro&immutable=1");
}

enum xkd_rc xkd_ixstore_open(const char *path, const struct xkd_ixkey *key, const char *id,
			     struct xkd_ixstore **out, struct xkd_err *err)
{
	struct xkd_ixstore *s;
	struct xkd_buf uri = XKD_BUF_INIT;
	enum xkd_rc rc;
	int e;

	*out = NULL;
	if (access(path, R_OK))
		return xkd_err_set(err, XKD_NOTFOUND, "%s: %m", path);
	s = xkd_calloc(1, sizeof(*s));
	s->path = xkd_strdup(path);
	uri_of(path, &uri);
	e = sqlite3_open_v2(uri.s, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	xkd_buf_fini(&uri);
	rc = e ? sql_err(s, e, err) : check(s, key, id, err);
	return settle(s, rc, out);
}

enum xkd_rc xkd_ixstore_map(const uint8_t *bytes, size_t n, const struct xkd_ixkey *key,
			    const char *id, struct xkd_ixstore **out, struct xkd_err *err)
{
	struct xkd_ixstore *s = xkd_calloc(1, sizeof(*s));
	enum xkd_rc rc;
	int e;

	s->path = xkd_strdup("in memory");
	e = sqlite3_open_v2(":memory:", &s->db, SQLITE_OPEN_READWRITE, NULL);
	if (!e) /* read-only: the bytes are not written to */
		e = sqlite3_deserialize(s->db, "main", (unsigned char *)bytes, (sqlite3_int64)n,
					(sqlite3_int64)n, SQLITE_DESERIALIZE_READONLY);
	rc = e ? sql_err(s, e, err) : check(s, key, id, err);
	return settle(s, rc, out);
}

void xkd_ixstore_close(struct xkd_ixstore *s)
{
	if (!s)
		return;
	sqlite3_close(s->db);
	free(s->units);
	free(s->path);
	free(s);
}

const struct xkd_ixmeta *xkd_ixstore_meta(const struct xkd_ixstore *s)
{
	return &s->meta;
}

/* --- names --- */

struct name {
	uint64_t id;
	char *text;
	const char *base; /* in an arena as text */
};
struct names {
	struct xkd_arena arena;
	XKD_VEC(struct name) v;
};

static void add_name(struct names *n, sqlite3_stmt *st)
{
	struct name *x = xkd_vec_push(&n->v);

	x->id = col(st, 0);
	x->text = xkd_arena_strdup(&n->arena, col_text(st, 1));
	x->base = sqlite3_column_type(st, 2) == SQLITE_NULL
			  ? x->text
			  : xkd_arena_strdup(&n->arena, col_text(st, 2));
}

static void names_fini(struct names *n)
{
	xkd_vec_fini(&n->v);
	xkd_arena_fini(&n->arena);
}

/* The names that are asked for; with_base: those with a suffix by their base, too. */
static enum xkd_rc find_names(struct xkd_ixstore *s, const char *name, bool glob, bool fold,
			      bool with_base, struct names *n, struct xkd_err *err)
{
	static const char all[] = "SELECT n.id, n.text, b.text FROM name n LEFT JOIN name b"
				  " ON b.id = n.base",
			  one[] = "SELECT n.id, n.text, b.text FROM name n LEFT JOIN name b"
				  " ON b.id = n.base WHERE n.text = ?1",
			  both[] = "SELECT n.id, n.text, b.text FROM name n LEFT JOIN name b"
				   " ON b.id = n.base WHERE n.text = ?1 OR n.base ="
				   " (SELECT id FROM name WHERE text = ?1)";
	bool walk = glob || fold;
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(s, walk ? all : with_base ? both : one, &st, err);
	int step;

	xkd_arena_init(&n->arena);
	memset(&n->v, 0, sizeof(n->v));
	if (rc)
		return rc;
	if (!walk)
		sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *text = col_text(st, 1);

		if (walk && !(glob ? xkd_glob(name, text, fold) : !strcasecmp(name, text)))
			continue;
		add_name(n, st);
	}
	if (step != SQLITE_DONE)
		rc = sql_err(s, step, err);
	sqlite3_finalize(st);
	return rc;
}

/* Asks sql for every name; row() returns false to stop. */
struct ask {
	struct xkd_ixstore *s;
	const char *sql;
	bool (*row)(struct ask *a, const struct name *n, sqlite3_stmt *st);
	void *fn_arg;
	union {
		bool (*func)(void *arg, const struct xkd_ixfunc *f);
		bool (*var)(void *arg, const struct xkd_ixvar *v);
		bool (*type)(void *arg, const struct xkd_ixtype *t);
	} fn;
	bool stop;
};
static enum xkd_rc ask_names(struct ask *a, const struct names *n, struct xkd_err *err)
{
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(a->s, a->sql, &st, err);
	int step;

	if (rc)
		return rc;
	for (size_t i = 0; i < n->v.n && !rc && !a->stop; i++) {
		sqlite3_bind_int64(st, 1, (sqlite3_int64)n->v.p[i].id);
		while (!a->stop && (step = sqlite3_step(st)) != SQLITE_DONE) {
			if (step != SQLITE_ROW) {
				rc = sql_err(a->s, step, err);
				break;
			}
			a->stop = !a->row(a, &n->v.p[i], st);
		}
		sqlite3_reset(st);
		if (!rc)
			rc = xkd_cancel_check(a->s->cancel, err);
	}
	sqlite3_finalize(st);
	return rc;
}

static uint64_t unit_off(const struct xkd_ixstore *s, uint64_t no)
{
	return no < s->nunits ? s->units[no] : 0;
}

/* --- the questions --- */

static bool func_row(struct ask *a, const struct name *n, sqlite3_stmt *st)
{
	struct xkd_ixfunc f = { .name = n->text,
				.base = n->base,
				.addr = col(st, 0),
				.die = col(st, 1),
				.size = col(st, 2),
				.external = col(st, 3) != 0 };

	return a->fn.func(a->fn_arg, &f);
}

static bool inl_row(struct ask *a, const struct name *n, sqlite3_stmt *st)
{
	struct xkd_ixfunc f = { .name = n->text,
				.base = n->base,
				.addr = col(st, 0),
				.die = col(st, 1),
				.size = col(st, 2),
				.inlined = true,
				.host_addr = col(st, 3),
				.host = col_text(st, 4) };

	return a->fn.func(a->fn_arg, &f);
}

enum xkd_rc xkd_ixstore_funcs(struct xkd_ixstore *s, const char *name, bool glob, bool fold,
			      bool (*fn)(void *arg, const struct xkd_ixfunc *f), void *arg,
			      struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct ask a = { .s = s, .fn_arg = arg, .fn.func = fn };
	struct names n;
	enum xkd_rc rc;

	s->cancel = cancel;
	rc = find_names(s, name, glob, fold, true, &n, err);
	a.sql = "SELECT addr, die, size, external FROM func WHERE name = ?";
	a.row = func_row;
	if (!rc)
		rc = ask_names(&a, &n, err);
	a.sql = "SELECT i.addr, i.die, i.size, i.host_addr, h.text FROM inl i"
		" LEFT JOIN name h ON h.id = i.host WHERE i.name = ?";
	a.row = inl_row;
	if (!rc && !a.stop)
		rc = ask_names(&a, &n, err);
	names_fini(&n);
	s->cancel = NULL;
	return rc;
}

static bool var_row(struct ask *a, const struct name *n, sqlite3_stmt *st)
{
	uint64_t flags = col(st, 4);
	struct xkd_ixvar v = { .name = n->text,
			       .die = col(st, 0),
			       .unit = unit_off(a->s, col(st, 1)),
			       .addr = col(st, 2),
			       .has_addr = sqlite3_column_type(st, 2) != SQLITE_NULL,
			       .type = col(st, 3),
			       .external = flags & XKD_IXV_EXTERNAL,
			       .decl = flags & XKD_IXV_DECL,
			       .local = flags & XKD_IXV_LOCAL };

	return a->fn.var(a->fn_arg, &v);
}

enum xkd_rc xkd_ixstore_vars(struct xkd_ixstore *s, const char *name, bool glob, bool fold,
			     bool (*fn)(void *arg, const struct xkd_ixvar *v), void *arg,
			     struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct ask a = { .s = s, .fn_arg = arg, .fn.var = fn, .row = var_row };
	struct names n;
	enum xkd_rc rc;

	s->cancel = cancel;
	rc = find_names(s, name, glob, fold, false, &n, err);
	a.sql = "SELECT die, unit, addr, type, flags FROM var WHERE name = ?";
	if (!rc)
		rc = ask_names(&a, &n, err);
	names_fini(&n);
	s->cancel = NULL;
	return rc;
}

static void fill_type(const struct xkd_ixstore *s, const char *name, sqlite3_stmt *st,
		      struct xkd_ixtype *t)
{
	uint64_t tag = col(st, 0);

	*t = (struct xkd_ixtype){ .name = name,
				  .die = col(st, 1),
				  .unit = unit_off(s, col(st, 2)),
				  .size = col(st, 3),
				  .decl = col(st, 4) != 0 };
	t->tag = tag <= XKD_TAG_BASE ? (enum xkd_tag)tag : XKD_TAG_ANY;
}

static bool type_row(struct ask *a, const struct name *n, sqlite3_stmt *st)
{
	struct xkd_ixtype t;

	fill_type(a->s, n->text, st, &t);
	return a->fn.type(a->fn_arg, &t);
}

static enum xkd_rc all_types(struct ask *a, struct xkd_err *err)
{
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(a->s,
				 "SELECT t.tag, t.die, t.unit, t.size, t.decl, n.text FROM type t"
				 " JOIN name n ON n.id = t.name ORDER BY t.die",
				 &st, err);
	struct xkd_ixtype t;
	int step;

	if (rc)
		return rc;
	while (!rc && !a->stop && (step = sqlite3_step(st)) != SQLITE_DONE) {
		if (step != SQLITE_ROW) {
			rc = sql_err(a->s, step, err);
			break;
		}
		fill_type(a->s, col_text(st, 5), st, &t);
		a->stop = !a->fn.type(a->fn_arg, &t);
	}
	sqlite3_finalize(st);
	return rc;
}

enum xkd_rc xkd_ixstore_types(struct xkd_ixstore *s, const char *name,
			      bool (*fn)(void *arg, const struct xkd_ixtype *t), void *arg,
			      struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct ask a = { .s = s, .fn_arg = arg, .fn.type = fn, .row = type_row };
	struct names n;
	enum xkd_rc rc;

	s->cancel = cancel;
	if (!name) {
		rc = all_types(&a, err);
		s->cancel = NULL;
		return rc;
	}
	rc = find_names(s, name, false, false, false, &n, err);
	a.sql = "SELECT tag, die, unit, size, decl FROM type WHERE name = ? ORDER BY die";
	if (!rc)
		rc = ask_names(&a, &n, err);
	names_fini(&n);
	s->cancel = NULL;
	return rc;
}

/* path ends in want, whole components only. */
static bool path_ends(const char *path, const char *want)
{
	size_t n = strlen(path), k = strlen(want);

	return k <= n && !strcmp(path + n - k, want) && (k == n || path[n - k - 1] == '/');
}

/* The unit numbers of a blob as offsets; malloc'ed. */
static uint64_t *read_blob(const struct xkd_ixstore *s, const uint8_t *p, size_t len, size_t *n)
{
	uint64_t *v = xkd_calloc(len + 1, sizeof(*v)), no = 0, d = 0;
	unsigned shift = 0;

	*n = 0;
	for (size_t i = 0; i < len; i++) {
		if (shift < 32)
			d |= (uint64_t)(p[i] & 0x7f) << shift;
		shift += 7;
		if (p[i] & 0x80)
			continue;
		no += d;
		if (no < s->nunits)
			v[(*n)++] = s->units[no];
		d = 0;
		shift = 0;
	}
	return v;
}

enum xkd_rc xkd_ixstore_files(struct xkd_ixstore *s, const char *path,
			      bool (*fn)(void *arg, const struct xkd_ixfile *f), void *arg,
			      struct xkd_cancel *cancel, struct xkd_err *err)
{
	const char *slash = strrchr(path, '/');
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(s, "SELECT path, units FROM file WHERE base = ?", &st, err);
	bool stop = false;
	int step;

	if (rc)
		return rc;
	s->cancel = cancel;
	sqlite3_bind_text(st, 1, slash ? slash + 1 : path, -1, SQLITE_STATIC);
	while (!stop && (step = sqlite3_step(st)) != SQLITE_DONE) {
		struct xkd_ixfile f = { .path = col_text(st, 0) };
		uint64_t *units;

		if (step != SQLITE_ROW) {
			rc = sql_err(s, step, err);
			break;
		}
		if (!path_ends(f.path, path))
			continue;
		units = read_blob(s, sqlite3_column_blob(st, 1),
				  (size_t)sqlite3_column_bytes(st, 1), &f.n);
		f.units = units;
		stop = !fn(arg, &f);
		free(units);
	}
	sqlite3_finalize(st);
	s->cancel = NULL;
	return rc;
}
