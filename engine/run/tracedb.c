/* Trace points' database. Invariant: hits are written in whole transactions, so that whatever ends xkd,
 * the file holds all that was committed and nothing by halves. */
#include "engine/run/tracedb.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define APP_ID 0x786b6474 /* "xkdt" */
#define BUSY_MS 1000

struct xkd_tracedb {
	sqlite3 *db;
	char *path;
	int64_t session;
	sqlite3_stmt *hit, *value;
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS session(id INTEGER PRIMARY KEY, started_ns INTEGER NOT NULL,"
	" target TEXT NOT NULL, release TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS point(id INTEGER PRIMARY KEY, session INTEGER NOT NULL,"
	" number INTEGER NOT NULL, place TEXT NOT NULL, condition TEXT, set_ns INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS expression(point INTEGER NOT NULL, pos INTEGER NOT NULL,"
	" text TEXT NOT NULL, PRIMARY KEY(point, pos)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS hit(id INTEGER PRIMARY KEY, point INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL, mono_ns INTEGER NOT NULL, cpu INTEGER, task INTEGER, pid INTEGER,"
	" comm TEXT, pc INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS value(hit INTEGER NOT NULL, pos INTEGER NOT NULL, num INTEGER,"
	" text TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY(hit, pos)) WITHOUT ROWID;";

static enum xkd_rc failed(struct xkd_tracedb *t, struct xkd_err *err)
{
	int sys = t->db ? sqlite3_system_errno(t->db) : 0;
	int code = t->db ? sqlite3_extended_errcode(t->db) & 0xff : SQLITE_NOMEM;
	const char *what = t->db ? sqlite3_errmsg(t->db) : "out of memory";
	bool io = code == SQLITE_IOERR || code == SQLITE_CANTOPEN;

	return xkd_err_set(err, XKD_IO, "trace database %s: %s%s%s", t->path, what,
			   io && sys ? ": " : "", io && sys ? strerror(sys) : "");
}

static enum xkd_rc exec(struct xkd_tracedb *t, const char *sql, struct xkd_err *err)
{
	return sqlite3_exec(t->db, sql, NULL, NULL, NULL) ? failed(t, err) : XKD_OK;
}

static enum xkd_rc prepare(struct xkd_tracedb *t, const char *sql, sqlite3_stmt **st,
			   struct xkd_err *err)
{
	return sqlite3_prepare_v2(t->db, sql, -1, st, NULL) ? failed(t, err) : XKD_OK;
}

static enum xkd_rc once(struct xkd_tracedb *t, sqlite3_stmt *st, struct xkd_err *err)
{
	int rc = sqlite3_step(st);
	enum xkd_rc got = rc == SQLITE_DONE || rc == SQLITE_ROW ? XKD_OK : failed(t, err);

	sqlite3_reset(st);
	return got;
}

static void text(sqlite3_stmt *st, int at, const char *s)
{
	if (s)
		sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, at);
}

static int64_t wall_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t pragma(struct xkd_tracedb *t, const char *sql)
{
	sqlite3_stmt *st;
	int64_t v = 0;

	if (sqlite3_prepare_v2(t->db, sql, -1, &st, NULL))
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	else
		v = -1;
	sqlite3_finalize(st);
	return v;
}

/* Is it a new file or one of ours? */
static enum xkd_rc check_file(struct xkd_tracedb *t, struct xkd_err *err)
{
	int64_t id = pragma(t, "PRAGMA application_id");
	int64_t tables = pragma(t, "SELECT count(*) FROM sqlite_schema");

	if (id < 0 || tables < 0)
		return failed(t, err);
	if (id == APP_ID || (!id && !tables))
		return XKD_OK;
	return xkd_err_set(err, XKD_MISMATCH, "%s is a database of something else", t->path);
}

static enum xkd_rc set_up(struct xkd_tracedb *t, const char *uri, const char *release,
			  struct xkd_err *err)
{
	sqlite3_stmt *st = NULL;
	enum xkd_rc rc = check_file(t, err);

	/* Where the file system has no shared memory, SQLite stays with its other journal. What is
	 * committed outlives this process either way; only the machine's end may take the last of it. */
	if (!rc)
		rc = exec(t, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
			     "PRAGMA application_id=2020303988;", err);
	if (!rc)
		rc = exec(t, schema, err);
	if (!rc)
		rc = prepare(t, "INSERT INTO session(started_ns, target, release) VALUES(?, ?, ?)", &st,
			     err);
	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, wall_now());
	text(st, 2, uri);
	text(st, 3, release);
	rc = once(t, st, err);
	sqlite3_finalize(st);
	t->session = sqlite3_last_insert_rowid(t->db);
	if (!rc)
		rc = prepare(t, "INSERT INTO hit(point, wall_ns, mono_ns, cpu, task, pid, comm, pc)"
				" VALUES(?, ?, ?, ?, ?, ?, ?, ?)", &t->hit, err);
	if (!rc)
		rc = prepare(t, "INSERT INTO value VALUES(?, ?, ?, ?, ?)", &t->value, err);
	return rc;
}

_Static_assert(APP_ID == 2020303988, "the number in set_up");

enum xkd_rc xkd_tracedb_open(const char *path, const char *uri, const char *release,
			     struct xkd_tracedb **db, struct xkd_err *err)
{
	struct xkd_tracedb *t = xkd_calloc(1, sizeof(*t));
	enum xkd_rc rc;

	t->path = xkd_strdup(path);
	rc = sqlite3_open_v2(path, &t->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) ?
		     failed(t, err) :
		     XKD_OK;
	if (!rc) {
		sqlite3_busy_timeout(t->db, BUSY_MS);
		rc = set_up(t, uri, release, err);
	}
	if (rc) {
		xkd_tracedb_close(t);
		return rc;
	}
	*db = t;
	return XKD_OK;
}

void xkd_tracedb_close(struct xkd_tracedb *t)
{
	if (!t)
		return;
	sqlite3_finalize(t->hit);
	sqlite3_finalize(t->value);
	sqlite3_close(t->db);
	free(t->path);
	free(t);
}

const char *xkd_tracedb_path(const struct xkd_tracedb *t)
{
	return t->path;
}

static enum xkd_rc add_exprs(struct xkd_tracedb *t, int64_t point, char *const *exprs, size_t n,
			     struct xkd_err *err)
{
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(t, "INSERT INTO expression VALUES(?, ?, ?)", &st, err);

	for (size_t i = 0; i < n && !rc; i++) {
		sqlite3_bind_int64(st, 1, point);
		sqlite3_bind_int64(st, 2, (sqlite3_int64)i);
		text(st, 3, exprs[i]);
		rc = once(t, st, err);
	}
	sqlite3_finalize(st);
	return rc;
}

enum xkd_rc xkd_tracedb_point(struct xkd_tracedb *t, unsigned number, const char *place,
			      const char *cond, char *const *exprs, size_t n, int64_t *id,
			      struct xkd_err *err)
{
	sqlite3_stmt *st = NULL;
	enum xkd_rc rc = exec(t, "BEGIN", err);

	if (rc)
		return rc;
	rc = prepare(t, "INSERT INTO point(session, number, place, condition, set_ns)"
			" VALUES(?, ?, ?, ?, ?)", &st, err);
	if (!rc) {
		sqlite3_bind_int64(st, 1, t->session);
		sqlite3_bind_int64(st, 2, number);
		text(st, 3, place);
		text(st, 4, cond);
		sqlite3_bind_int64(st, 5, wall_now());
		rc = once(t, st, err);
		*id = sqlite3_last_insert_rowid(t->db);
	}
	sqlite3_finalize(st);
	if (!rc)
		rc = add_exprs(t, *id, exprs, n, err);
	if (!rc)
		rc = exec(t, "COMMIT", err);
	if (rc)
		sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static enum xkd_rc write_hit(struct xkd_tracedb *t, const struct xkd_hit *h, struct xkd_err *err)
{
	enum xkd_rc rc;
	int64_t id;

	sqlite3_clear_bindings(t->hit);
	sqlite3_bind_int64(t->hit, 1, h->point);
	sqlite3_bind_int64(t->hit, 2, (sqlite3_int64)h->wall_ns);
	sqlite3_bind_int64(t->hit, 3, (sqlite3_int64)h->mono_ns);
	if (h->cpu >= 0)
		sqlite3_bind_int(t->hit, 4, h->cpu);
	if (h->task) {
		sqlite3_bind_int64(t->hit, 5, (sqlite3_int64)h->task);
		sqlite3_bind_int64(t->hit, 6, h->pid);
		text(t->hit, 7, h->comm);
	}
	sqlite3_bind_int64(t->hit, 8, (sqlite3_int64)h->pc);
	rc = once(t, t->hit, err);
	id = sqlite3_last_insert_rowid(t->db);
	for (size_t i = 0; i < h->n && !rc; i++) {
		const struct xkd_tracevalue *v = &h->values[i];

		sqlite3_bind_int64(t->value, 1, id);
		sqlite3_bind_int64(t->value, 2, (sqlite3_int64)i);
		if (v->has_num)
			sqlite3_bind_int64(t->value, 3, (sqlite3_int64)v->num);
		else
			sqlite3_bind_null(t->value, 3);
		text(t->value, 4, v->text);
		text(t->value, 5, v->type);
		rc = once(t, t->value, err);
	}
	return rc;
}

enum xkd_rc xkd_tracedb_write(struct xkd_tracedb *t, const struct xkd_hit *hits, size_t n,
			      struct xkd_err *err)
{
	enum xkd_rc rc = exec(t, "BEGIN", err);

	if (rc)
		return rc;
	for (size_t i = 0; i < n && !rc; i++)
		rc = write_hit(t, &hits[i], err);
	if (!rc)
		rc = exec(t, "COMMIT", err);
	if (rc) /* some errors have rolled it back by themselves */
		sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* --- questions --- */

/* " AND p.number IN (...)" */
static void points(const struct xkd_tracequery *q, struct xkd_buf *sql)
{
	for (size_t i = 0; i < q->npoints; i++)
		xkd_buf_printf(sql, "%s%u", i ? "," : " AND p.number IN (", q->points[i]);
	if (q->npoints)
		xkd_buf_ch(sql, ')');
}

static const char *column(sqlite3_stmt *st, int at)
{
	const char *s = (const char *)sqlite3_column_text(st, at);

	return s ? s : "";
}

static enum xkd_rc read_values(struct xkd_tracedb *t, sqlite3_stmt *st, struct xkd_hit *h,
			       struct xkd_arena *a, struct xkd_err *err)
{
	XKD_VEC(struct xkd_tracevalue) v = { 0 };
	int rc;

	sqlite3_bind_int64(st, 1, h->id);
	sqlite3_bind_int64(st, 2, h->point);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct xkd_tracevalue *one = xkd_vec_push(&v);

		one->expr = xkd_arena_strdup(a, column(st, 0));
		one->text = xkd_arena_strdup(a, column(st, 1));
		one->type = xkd_arena_strdup(a, column(st, 2));
		one->has_num = sqlite3_column_type(st, 3) != SQLITE_NULL;
		one->num = (uint64_t)sqlite3_column_int64(st, 3);
	}
	sqlite3_reset(st);
	h->n = v.n;
	h->values = v.n ? xkd_arena_dup(a, v.p, v.n * sizeof(*v.p)) : NULL;
	xkd_vec_fini(&v);
	return rc == SQLITE_DONE ? XKD_OK : failed(t, err);
}

static void read_hit(sqlite3_stmt *st, struct xkd_hit *h)
{
	*h = (struct xkd_hit){ .id = sqlite3_column_int64(st, 0),
			       .point = sqlite3_column_int64(st, 1),
			       .number = (unsigned)sqlite3_column_int(st, 2),
			       .wall_ns = (uint64_t)sqlite3_column_int64(st, 3),
			       .mono_ns = (uint64_t)sqlite3_column_int64(st, 4),
			       .cpu = sqlite3_column_type(st, 5) == SQLITE_NULL ?
					      -1 :
					      sqlite3_column_int(st, 5),
			       .task = (uint64_t)sqlite3_column_int64(st, 6),
			       .pid = sqlite3_column_int64(st, 7),
			       .comm = column(st, 8),
			       .pc = (uint64_t)sqlite3_column_int64(st, 9) };
}

enum xkd_rc xkd_tracedb_each(struct xkd_tracedb *t, const struct xkd_tracequery *q,
			     bool (*fn)(void *arg, const struct xkd_hit *hit), void *arg,
			     struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_buf sql = XKD_BUF_INIT;
	sqlite3_stmt *hits = NULL, *values = NULL;
	struct xkd_arena arena;
	bool more = true;
	enum xkd_rc rc;

	xkd_buf_printf(&sql, "SELECT * FROM (SELECT h.id, h.point, p.number, h.wall_ns, h.mono_ns, h.cpu,"
			     " h.task, h.pid, h.comm, h.pc FROM hit h JOIN point p ON p.id = h.point"
			     " WHERE p.session = %lld", (long long)t->session);
	points(q, &sql);
	xkd_buf_str(&sql, " ORDER BY h.id DESC");
	if (q->last)
		xkd_buf_printf(&sql, " LIMIT %llu", (unsigned long long)(q->last & INT64_MAX));
	xkd_buf_str(&sql, ") ORDER BY 1");
	rc = prepare(t, sql.s, &hits, err);
	xkd_buf_fini(&sql);
	if (!rc)
		rc = prepare(t, "SELECT e.text, v.text, v.type, v.num FROM value v JOIN expression e"
				" ON e.pos = v.pos WHERE v.hit = ? AND e.point = ? ORDER BY v.pos",
			     &values, err);
	xkd_arena_init(&arena);
	while (!rc && more) {
		struct xkd_hit h;
		int step = sqlite3_step(hits);

		if (step == SQLITE_DONE)
			break;
		rc = step == SQLITE_ROW ? xkd_cancel_check(cancel, err) : failed(t, err);
		if (rc)
			break;
		read_hit(hits, &h);
		rc = read_values(t, values, &h, &arena, err);
		more = !rc && fn(arg, &h);
		xkd_arena_fini(&arena);
	}
	xkd_arena_fini(&arena);
	sqlite3_finalize(hits);
	sqlite3_finalize(values);
	return rc;
}

/* The column that a word means; NULL: it is an expression. */
static const char *known_column(const char *what)
{
	static const char *const known[][2] = { { "point", "p.number" }, { "cpu", "h.cpu" },
						{ "task", "h.task" },	 { "pid", "h.pid" },
						{ "comm", "h.comm" },	 { "pc", "h.pc" } };

	for (size_t i = 0; i < XKD_COUNT(known); i++)
		if (!strcmp(what, known[i][0]))
			return known[i][1];
	return NULL;
}

static enum xkd_rc has_expression(struct xkd_tracedb *t, const char *what, struct xkd_err *err)
{
	sqlite3_stmt *st;
	enum xkd_rc rc = prepare(t, "SELECT 1 FROM expression e JOIN point p ON p.id = e.point"
				    " WHERE p.session = ? AND e.text = ?", &st, err);

	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, t->session);
	text(st, 2, what);
	if (sqlite3_step(st) != SQLITE_ROW)
		rc = xkd_err_set(err, XKD_NOTFOUND,
				 "no trace point has the expression '%s'; hits are grouped by point, cpu, "
				 "task, pid, comm, pc or an expression as it was typed", what);
	sqlite3_finalize(st);
	return rc;
}

enum xkd_rc xkd_tracedb_groups(struct xkd_tracedb *t, const struct xkd_tracequery *q,
			       const char *what,
			       bool (*fn)(void *arg, const char *text, uint64_t num, uint64_t count),
			       void *arg, struct xkd_cancel *cancel, struct xkd_err *err)
{
	const char *col = known_column(what);
	struct xkd_buf sql = XKD_BUF_INIT;
	sqlite3_stmt *st = NULL;
	enum xkd_rc rc = col ? XKD_OK : has_expression(t, what, err);
	int step = SQLITE_ROW;

	xkd_buf_printf(&sql, "SELECT %s, %s, count(*) FROM hit h JOIN point p ON p.id = h.point ",
		       col ? col : "v.text", col ? col : "v.num");
	if (!col)
		xkd_buf_str(&sql, "JOIN expression e ON e.point = p.id AND e.text = ?1"
				  " JOIN value v ON v.hit = h.id AND v.pos = e.pos ");
	xkd_buf_printf(&sql, "WHERE p.session = %lld", (long long)t->session);
	points(q, &sql);
	xkd_buf_str(&sql, " GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1");
	if (!rc)
		rc = prepare(t, sql.s, &st, err);
	xkd_buf_fini(&sql);
	if (!rc && !col)
		text(st, 1, what);
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		rc = xkd_cancel_check(cancel, err);
		if (!rc && !fn(arg, column(st, 0), (uint64_t)sqlite3_column_int64(st, 1),
			       (uint64_t)sqlite3_column_int64(st, 2)))
			break;
	}
	if (!rc && step != SQLITE_DONE && step != SQLITE_ROW)
		rc = failed(t, err);
	sqlite3_finalize(st);
	return rc;
}
