/* An index as an SQLite database: making one. The whole of it is made in memory and given back as
 * bytes, so that writing a file is plain writing, with the system's own words when it fails.
 * Invariants: names are numbered in the order of their text and every table is filled in the order
 * of its key, which is what makes it fast; addresses are stored as signed numbers (SQLite has no
 * other), which also makes a kernel's short. */
#include "base/str.h"
#include "symbols/index_int.h"
#include "symbols/index_sql.h"
#include <string.h>
#include <sys/resource.h>

static const char schema[] =
	"PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE unit(id INTEGER PRIMARY KEY, off INTEGER, name TEXT);"
	"CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT, base INTEGER);"
	"CREATE TABLE func(name INTEGER, addr INTEGER, die INTEGER, size INTEGER, unit INTEGER,"
	" external INTEGER, PRIMARY KEY(name, addr, die)) WITHOUT ROWID;"
	"CREATE TABLE inl(name INTEGER, addr INTEGER, die INTEGER, size INTEGER, host INTEGER,"
	" host_addr INTEGER, PRIMARY KEY(name, addr, die)) WITHOUT ROWID;"
	"CREATE TABLE var(name INTEGER, die INTEGER, unit INTEGER, addr INTEGER, type INTEGER,"
	" flags INTEGER, PRIMARY KEY(name, die)) WITHOUT ROWID;"
	"CREATE TABLE type(name INTEGER, tag INTEGER, die INTEGER, unit INTEGER, size INTEGER,"
	" decl INTEGER, PRIMARY KEY(name, tag, die)) WITHOUT ROWID;"
	/* units: the unit numbers, each as the distance from the one before, as LEB128 */
	"CREATE TABLE file(path TEXT PRIMARY KEY, base TEXT, units BLOB) WITHOUT ROWID;";
static const char indices[] = "CREATE UNIQUE INDEX name_text ON name(text);"
			      "CREATE INDEX name_base ON name(base) WHERE base IS NOT NULL;"
			      "CREATE INDEX file_base ON file(base);";

struct maker {
	sqlite3 *db;
	struct xkd_ixrows *r;
	uint32_t *rank;	 /* name row -> number in the file */
	uint32_t *order; /* number -> name row */
	struct xkd_log *log;
	uint64_t done, total; /* rows */
	struct xkd_err *err;
};

static enum xkd_rc sql_err(struct maker *m, int rc)
{
	return xkd_err_set(m->err, (rc & 0xff) == SQLITE_NOMEM ? XKD_NOMEM : XKD_IO,
			   "making the index: %s", sqlite3_errmsg(m->db));
}

static enum xkd_rc exec(struct maker *m, const char *sql)
{
	int rc = sqlite3_exec(m->db, sql, NULL, NULL, NULL);

	return rc ? sql_err(m, rc) : XKD_OK;
}

/* Fills a table: bind() sets the statement's values for row i, or says that it is left out. */
static enum xkd_rc fill(struct maker *m, const char *sql, size_t n,
			bool (*bind)(struct maker *m, sqlite3_stmt *st, size_t i))
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(m->db, sql, -1, &st, NULL);

	if (rc)
		return sql_err(m, rc);
	for (size_t i = 0; i < n && (!rc || rc == SQLITE_DONE); i++) {
		if (!bind(m, st, i))
			continue;
		rc = sqlite3_step(st);
		sqlite3_reset(st);
		if (!(++m->done & 0x3fff)) /* the walk was the first half */
			xkd_progress(m->log, "indexing", m->total + m->done, 2 * m->total);
	}
	sqlite3_finalize(st);
	return rc && rc != SQLITE_DONE ? sql_err(m, rc) : XKD_OK;
}

static void num(sqlite3_stmt *st, int at, uint64_t v)
{
	sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

static void num_or_null(sqlite3_stmt *st, int at, bool has, uint64_t v)
{
	if (has)
		num(st, at, v);
	else
		sqlite3_bind_null(st, at);
}

static void text(sqlite3_stmt *st, int at, const char *s)
{
	sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
}

static bool bind_unit(struct maker *m, sqlite3_stmt *st, size_t i)
{
	num(st, 1, i);
	num(st, 2, m->r->units.p[i].off);
	text(st, 3, m->r->units.p[i].name);
	return true;
}

static bool bind_name(struct maker *m, sqlite3_stmt *st, size_t i)
{
	const struct xkd_ixrow_name *n = &m->r->names.p[m->order[i]];

	num(st, 1, i);
	text(st, 2, n->text);
	num_or_null(st, 3, n->base != XKD_IX_NIL, n->base != XKD_IX_NIL ? m->rank[n->base] : 0);
	return true;
}

static bool bind_func(struct maker *m, sqlite3_stmt *st, size_t i)
{
	const struct xkd_ixrow_func *f = &m->r->funcs.p[i];

	if (f->name == XKD_IX_NIL)
		return false;
	num(st, 1, m->rank[f->name]);
	num(st, 2, f->addr);
	num(st, 3, f->die);
	num(st, 4, f->size);
	num_or_null(st, 5, f->unit != XKD_IX_NIL, f->unit);
	num(st, 6, f->external);
	return true;
}

static bool bind_inl(struct maker *m, sqlite3_stmt *st, size_t i)
{
	const struct xkd_ixrow_inl *x = &m->r->inls.p[i];

	if (x->name == XKD_IX_NIL)
		return false;
	num(st, 1, m->rank[x->name]);
	num(st, 2, x->addr);
	num(st, 3, x->die);
	num(st, 4, x->size);
	/* host has become its name; see resolve_hosts */
	num_or_null(st, 5, x->host != XKD_IX_NIL, x->host != XKD_IX_NIL ? m->rank[x->host] : 0);
	num(st, 6, x->host_addr);
	return true;
}

static bool bind_var(struct maker *m, sqlite3_stmt *st, size_t i)
{
	const struct xkd_ixrow_var *v = &m->r->vars.p[i];

	num(st, 1, m->rank[v->name]);
	num(st, 2, v->die);
	num(st, 3, v->unit);
	num_or_null(st, 4, v->has_addr, v->addr);
	num_or_null(st, 5, v->type != 0, v->type);
	num(st, 6,
	    (v->external ? XKD_IXV_EXTERNAL : 0) | (v->decl ? XKD_IXV_DECL : 0) |
		    (v->local ? XKD_IXV_LOCAL : 0));
	return true;
}

static bool bind_type(struct maker *m, sqlite3_stmt *st, size_t i)
{
	const struct xkd_ixrow_type *t = &m->r->types.p[i];

	num(st, 1, m->rank[t->name]);
	num(st, 2, t->tag);
	num(st, 3, t->die);
	num(st, 4, t->unit);
	num(st, 5, t->size);
	num(st, 6, t->decl);
	return true;
}

static bool bind_file(struct maker *m, sqlite3_stmt *st, size_t i)
{
	const struct xkd_ixrow_file *f = &m->r->files.p[i];
	const char *slash = strrchr(f->path, '/');
	uint8_t *blob = xkd_malloc(f->units.n * 5 + 1);
	uint32_t last = 0;
	size_t n = 0;

	for (size_t k = 0; k < f->units.n; k++) {
		uint32_t v = f->units.p[k] - last;

		last = f->units.p[k];
		for (; v > 0x7f; v >>= 7)
			blob[n++] = (uint8_t)(v | 0x80);
		blob[n++] = (uint8_t)v;
	}
	text(st, 1, f->path);
	text(st, 2, slash ? slash + 1 : f->path);
	sqlite3_bind_blob(st, 3, blob, (int)n, free);
	return true;
}

static int cmp_text(const void *a, const void *b, void *arg)
{
	const struct maker *m = arg;
	const uint32_t *x = a, *y = b;

	return strcmp(m->r->names.p[*x].text, m->r->names.p[*y].text);
}

/* By name's number, then the two other parts of the key. */
static int cmp3(uint32_t a, uint32_t b, uint64_t a2, uint64_t b2, uint64_t a3, uint64_t b3)
{
	if (a != b)
		return a < b ? -1 : 1;
	if (a2 != b2)
		return (int64_t)a2 < (int64_t)b2 ? -1 : 1;
	return a3 < b3 ? -1 : a3 > b3;
}
static uint32_t rank_of(const struct maker *m, uint32_t name)
{
	return name == XKD_IX_NIL ? XKD_IX_NIL : m->rank[name];
}
static int cmp_func(const void *a, const void *b, void *arg)
{
	const struct xkd_ixrow_func *x = a, *y = b;

	return cmp3(rank_of(arg, x->name), rank_of(arg, y->name), x->addr, y->addr, x->die, y->die);
}
static int cmp_inl(const void *a, const void *b, void *arg)
{
	const struct xkd_ixrow_inl *x = a, *y = b;

	return cmp3(rank_of(arg, x->name), rank_of(arg, y->name), x->addr, y->addr, x->die, y->die);
}
static int cmp_var(const void *a, const void *b, void *arg)
{
	const struct xkd_ixrow_var *x = a, *y = b;

	return cmp3(rank_of(arg, x->name), rank_of(arg, y->name), x->die, y->die, 0, 0);
}
static int cmp_type(const void *a, const void *b, void *arg)
{
	const struct xkd_ixrow_type *x = a, *y = b;

	return cmp3(rank_of(arg, x->name), rank_of(arg, y->name), x->tag, y->tag, x->die, y->die);
}
static int cmp_file(const void *a, const void *b, void *arg XKD_UNUSED)
{
	const struct xkd_ixrow_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* An inlined copy's host, a row of funcs, becomes that function's name: sorting moves the rows. */
static void resolve_hosts(struct xkd_ixrows *r)
{
	for (size_t i = 0; i < r->inls.n; i++) {
		struct xkd_ixrow_inl *x = &r->inls.p[i];

		x->host_addr = r->funcs.p[x->host].addr;
		x->host = r->funcs.p[x->host].name;
	}
}

#define SORT(v, cmp, arg) \
	((v)->n ? qsort_r((v)->p, (v)->n, sizeof(*(v)->p), (cmp), (arg)) : (void)0)

static void sort_rows(struct maker *m)
{
	struct xkd_ixrows *r = m->r;
	size_t n = r->names.n;

	m->order = xkd_calloc(n + 1, sizeof(*m->order));
	m->rank = xkd_calloc(n + 1, sizeof(*m->rank));
	for (size_t i = 0; i < n; i++)
		m->order[i] = (uint32_t)i;
	qsort_r(m->order, n, sizeof(*m->order), cmp_text, m);
	for (size_t i = 0; i < n; i++)
		m->rank[m->order[i]] = (uint32_t)i;
	resolve_hosts(r);
	SORT(&r->funcs, cmp_func, m);
	SORT(&r->inls, cmp_inl, m);
	SORT(&r->vars, cmp_var, m);
	SORT(&r->types, cmp_type, m);
	SORT(&r->files, cmp_file, NULL);
}

static enum xkd_rc put_meta(struct maker *m, const struct xkd_ixmeta *meta)
{
	struct rusage used = { .ru_maxrss = 0 };
	uint64_t ms = xkd_now_ms() - meta->start_ms;
	int got = getrusage(RUSAGE_SELF, &used);
	const struct {
		const char *key;
		uint64_t v;
	} nums[] = {
		{ "layout", meta->key.layout },
		{ "info_size", meta->key.info_size },
		{ "build_ms", ms },
		{ "peak_kib", got ? 0 : (uint64_t)used.ru_maxrss },
		{ "funcs", m->r->funcs.n },
		{ "inlined", m->r->inls.n },
		{ "vars", m->r->vars.n },
		{ "types", m->r->types.n },
		{ "files", m->r->files.n },
		{ "units", m->r->units.n },
	};
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(m->db, "INSERT INTO meta VALUES(?, ?)", -1, &st, NULL);

	if (rc)
		return sql_err(m, rc);
	text(st, 1, "id");
	text(st, 2, meta->id);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	for (size_t i = 0; i < XKD_COUNT(nums) && rc == SQLITE_DONE; i++) {
		text(st, 1, nums[i].key);
		num(st, 2, nums[i].v);
		rc = sqlite3_step(st);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? XKD_OK : sql_err(m, rc);
}

static enum xkd_rc make_tables(struct maker *m, const struct xkd_ixmeta *meta)
{
	struct xkd_ixrows *r = m->r;
	char version[96];
	enum xkd_rc rc = exec(m, schema);

	snprintf(version, sizeof(version), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
		 XKD_IX_APPLICATION, XKD_IX_FORMAT);
	if (!rc)
		rc = exec(m, version);
	if (!rc)
		rc = exec(m, "BEGIN");
	if (!rc)
		rc = fill(m, "INSERT INTO unit VALUES(?,?,?)", r->units.n, bind_unit);
	if (!rc)
		rc = fill(m, "INSERT INTO name VALUES(?,?,?)", r->names.n, bind_name);
	if (!rc)
		rc = fill(m, "INSERT OR IGNORE INTO func VALUES(?,?,?,?,?,?)", r->funcs.n,
			  bind_func);
	if (!rc)
		rc = fill(m, "INSERT OR IGNORE INTO inl VALUES(?,?,?,?,?,?)", r->inls.n, bind_inl);
	if (!rc)
		rc = fill(m, "INSERT OR IGNORE INTO var VALUES(?,?,?,?,?,?)", r->vars.n, bind_var);
	if (!rc)
		rc = fill(m, "INSERT OR IGNORE INTO type VALUES(?,?,?,?,?,?)", r->types.n,
			  bind_type);
	if (!rc)
		rc = fill(m, "INSERT OR IGNORE INTO file VALUES(?,?,?)", r->files.n, bind_file);
	if (!rc)
		rc = exec(m, indices);
	if (!rc)
		rc = put_meta(m, meta);
	return rc ? rc : exec(m, "COMMIT");
}

enum xkd_rc xkd_ixstore_make(struct xkd_ixrows *r, const struct xkd_ixmeta *meta,
			     struct xkd_log *log, uint8_t **bytes, size_t *n, struct xkd_err *err)
{
	struct maker m = { .r = r, .log = log, .err = err };
	sqlite3_int64 size = 0;
	enum xkd_rc rc;

	*bytes = NULL;
	*n = 0;
	m.total = r->units.n + r->names.n + r->funcs.n + r->inls.n + r->vars.n + r->types.n +
		  r->files.n;
	if (sqlite3_open_v2(":memory:", &m.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)) {
		rc = sql_err(&m, SQLITE_ERROR);
	} else {
		sort_rows(&m);
		rc = make_tables(&m, meta);
	}
	if (!rc) {
		*bytes = sqlite3_serialize(m.db, "main", &size, 0);
		*n = (size_t)size;
		if (!*bytes)
			rc = xkd_err_set(err, XKD_NOMEM, "making the index: out of memory");
	}
	sqlite3_close(m.db);
	free(m.order);
	free(m.rank);
	return rc;
}

void xkd_ixstore_bytes_free(uint8_t *bytes)
{
	sqlite3_free(bytes);
}
