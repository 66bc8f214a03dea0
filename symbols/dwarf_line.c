/* Line tables: a unit's rows, decoded by libdwarf and kept as one array sorted by address; from an
 * address to its row, and from file and line to addresses.
 * Invariants: rows are sorted by address, the end of a sequence before a row that begins there, else
 * in the order of the line program; a sequence has no row at or after its end. libdwarf's own table
 * is given back as soon as the array stands. */
#include "symbols/dwarf_int.h"

static int cmp_row(const void *a, const void *b)
{
	const struct xkd_dw_row *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->end != y->end)
		return x->end ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool read_row(Dwarf_Line line, struct xkd_dw_row *r, Dwarf_Error *e)
{
	Dwarf_Addr addr;
	Dwarf_Unsigned no, file, col;
	Dwarf_Bool stmt, end;

	if (dwarf_lineaddr(line, &addr, e) != DW_DLV_OK ||
	    dwarf_lineno(line, &no, e) != DW_DLV_OK ||
	    dwarf_line_srcfileno(line, &file, e) != DW_DLV_OK ||
	    dwarf_lineoff_b(line, &col, e) != DW_DLV_OK ||
	    dwarf_linebeginstatement(line, &stmt, e) != DW_DLV_OK ||
	    dwarf_lineendsequence(line, &end, e) != DW_DLV_OK)
		return false;
	r->addr = addr;
	r->line = no <= UINT32_MAX ? (uint32_t)no : 0;
	r->file = file <= UINT32_MAX ? (uint32_t)file : UINT32_MAX;
	r->column = col <= UINT16_MAX ? (uint16_t)col : 0;
	r->stmt = stmt;
	r->end = end;
	return true;
}

/* Copies libdwarf's rows; gives how many, or -1. */
static Dwarf_Signed copy_rows(Dwarf_Line *lines, Dwarf_Signed n, struct xkd_dw_row *rows,
			      Dwarf_Error *e)
{
	Dwarf_Signed k = 0, first = 0;

	for (Dwarf_Signed i = 0; i < n; i++) {
		if (!read_row(lines[i], &rows[k], e))
			return -1;
		rows[k].order = (uint32_t)i;
		if (rows[k].end) {
			struct xkd_dw_row end = rows[k];

			while (k > first && rows[k - 1].addr >= end.addr)
				k--;
			if (k == first)
				continue;
			rows[k] = end;
			first = k + 1;
		}
		k++;
	}
	return k;
}

static bool take_error(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Error e)
{
	xkd_dw_bad(d, u->off, "line program at .debug_line 0x%llx: %s",
		   (unsigned long long)u->stmt_list, e ? dwarf_errmsg(e) : "unreadable");
	if (e)
		dwarf_dealloc_error(d->dbg, e);
	return false;
}

static bool decode_rows(struct xkd_dwarf *d, struct xkd_dw_unit *u, Dwarf_Die root)
{
	Dwarf_Unsigned version;
	Dwarf_Small tables;
	Dwarf_Line_Context ctx = NULL;
	Dwarf_Line *lines = NULL;
	Dwarf_Signed n = 0;
	Dwarf_Error e = NULL;
	bool good = true;
	int rc = dwarf_srclines_b(root, &version, &tables, &ctx, &e);

	if (rc == DW_DLV_NO_ENTRY)
		return true;
	if (rc != DW_DLV_OK)
		return take_error(d, u, e);
	rc = dwarf_srclines_from_linecontext(ctx, &lines, &n, &e);
	if (rc == DW_DLV_OK && n > 0 && n <= UINT32_MAX) {
		u->rows = xkd_calloc((size_t)n, sizeof(*u->rows));
		n = copy_rows(lines, n, u->rows, &e);
		good = n >= 0;
		u->nrows = good ? (size_t)n : 0;
		if (u->nrows)
			qsort(u->rows, u->nrows, sizeof(*u->rows), cmp_row);
	}
	if (rc == DW_DLV_ERROR || !good)
		good = take_error(d, u, e);
	dwarf_srclines_dealloc_b(ctx);
	return good;
}

static bool rows(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	Dwarf_Die root;
	bool good;

	if (u->rows_known)
		return true;
	if (!xkd_dw_unit_root(d, u))
		return false;
	if (!u->has_stmt_list) {
		u->rows_known = true;
		return true;
	}
	root = xkd_dw_die(d, u->die_off);
	good = root && decode_rows(d, u, root);
	xkd_dw_free(root);
	u->rows_known = good;
	return good;
}

static void rows_drop(struct xkd_dw_unit *u)
{
	free(u->rows);
	u->rows = NULL;
	u->nrows = 0;
	u->rows_known = false;
}

/* Index of the row that holds at iaddr; nrows if none. */
static size_t row_at(const struct xkd_dw_unit *u, uint64_t iaddr)
{
	size_t lo = 0, hi = u->nrows;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (u->rows[mid].addr <= iaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || u->rows[lo - 1].end)
		return u->nrows;
	return lo - 1;
}

enum xkd_rc xkd_dwarf_line_at(struct xkd_dwarf *d, uint64_t iaddr, struct xkd_line *line,
			      struct xkd_err *err)
{
	struct xkd_dw_unit *u;
	enum xkd_rc rc;
	size_t i;

	memset(line, 0, sizeof(*line));
	xkd_dw_begin(d);
	rc = xkd_dw_unit_at(d, iaddr, &u, err);
	if (rc || !rows(d, u))
		return xkd_dw_end(d, rc, err);
	i = row_at(u, iaddr);
	if (i == u->nrows)
		return xkd_err_addr(err, XKD_NOTFOUND, iaddr, "no line-table row covers this address");
	line->file = xkd_dw_path(d, u, u->rows[i].file);
	line->line = u->rows[i].line;
	line->column = u->rows[i].column;
	line->start = u->rows[i].addr;
	line->end = i + 1 < u->nrows ? u->rows[i + 1].addr : line->start + 1;
	return xkd_dw_end(d, XKD_OK, err);
}

/* --- file:line -> addresses --- */
struct place {
	uint64_t addr;
	struct xkd_dw_unit *u;
};
struct search {
	struct xkd_dwarf *d;
	const char *file; /* normalised */
	const char *base; /* its last component */
	unsigned line, best;
	XKD_VEC(struct place) places; /* of line best */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool path_matches(const char *path, const char *file)
{
	size_t n = strlen(path), m = strlen(file);

	return n >= m && !strcmp(path + n - m, file) && (n == m || path[n - m - 1] == '/');
}

/* Which files of the unit match, as a bit per file number; NULL: none. */
static bool *matching_files(struct search *s, struct xkd_dw_unit *u, size_t *count)
{
	struct xkd_dw_files *f = &u->files;
	size_t shift = f->version < 5; /* numbers from 1 */
	bool *match = NULL;

	*count = f->nfiles + shift;
	for (size_t i = 0; i < f->nfiles; i++) {
		const char *name = f->files[i].name, *path;

		if (!name || strcmp(base_name(name), s->base))
			continue;
		path = xkd_dw_path(s->d, u, i + shift);
		if (!path || !path_matches(path, s->file))
			continue;
		if (!match)
			match = xkd_calloc(*count, sizeof(*match));
		match[i + shift] = true;
	}
	return match;
}

static void search_rows(struct search *s, struct xkd_dw_unit *u, const bool *match, size_t count)
{
	for (size_t i = 0; i < u->nrows; i++) {
		const struct xkd_dw_row *r = &u->rows[i], *before = i ? r - 1 : NULL;
		struct place *p;

		if (r->end || !r->stmt || r->line < s->line || r->line > s->best ||
		    r->file >= count || !match[r->file])
			continue;
		if (r->line < s->best)
			xkd_vec_reset(&s->places);
		else if (before && !before->end && before->line == r->line &&
			 before->file == r->file)
			continue; /* the statement goes on */
		s->best = r->line;
		p = xkd_vec_push(&s->places);
		p->addr = r->addr;
		p->u = u;
	}
}

/* A unit that is unreadable is told in the log and left out. */
static void search_unit(struct search *s, struct xkd_dw_unit *u)
{
	bool had_files = u->files_known, had_rows = u->rows_known, *match = NULL;
	size_t count;

	if (xkd_dw_files(s->d, u)) {
		match = matching_files(s, u, &count);
		if (match && rows(s->d, u)) {
			search_rows(s, u, match, count);
			if (!had_rows)
				rows_drop(u);
		}
		if (!match && !had_files)
			xkd_dw_files_drop(u);
	}
	free(match);
	if (s->d->bad.code) {
		xkd_log(xkd_image_log(s->d->img), XKD_LOG_SYM, "%s", s->d->bad.msg);
		xkd_dw_begin(s->d);
	}
}

static int cmp_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* One location for each function or inlined copy: its lowest. A statement that the compiler cut in
 * pieces would otherwise stop several times on the way through. */
static bool report(struct search *s, bool (*fn)(void *arg, uint64_t iaddr), void *arg,
		   struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_map seen;
	uint64_t dies[XKD_INLINE_MAX], last = 0;
	size_t n;

	xkd_map_init_u64(&seen);
	xkd_vec_sort(&s->places, cmp_place);
	for (size_t i = 0; i < s->places.n; i++) {
		struct place *p = &s->places.p[i];

		if (xkd_cancel_check(cancel, err)) {
			xkd_map_fini(&seen);
			return false;
		}
		if (i && p->addr == last)
			continue;
		last = p->addr;
		if (!xkd_dw_chain(s->d, p->u, p->addr, dies, XKD_INLINE_MAX, &n, NULL)) {
			if (xkd_map_get(&seen, dies[n - 1]))
				continue;
			xkd_map_put(&seen, dies[n - 1], p);
		}
		xkd_dw_begin(s->d); /* without a function it is a place all the same */
		if (!fn(arg, p->addr))
			break;
	}
	xkd_map_fini(&seen);
	return true;
}

static enum xkd_rc search_units(struct search *s, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_dwarf *d = s->d;
	struct xkd_log *log = xkd_image_log(d->img);
	uint64_t start = xkd_now_ms();
	enum xkd_rc rc = xkd_dw_units(d, err);
	bool told = false;

	for (size_t i = 0; !rc && i < d->units.n; i++) {
		rc = xkd_cancel_check(cancel, err);
		if (rc)
			break;
		search_unit(s, &d->units.p[i]);
		if (xkd_now_ms() - start > 500) {
			told = true;
			xkd_progress(log, "searching line tables", i, d->units.n);
		}
	}
	if (told)
		xkd_progress(log, NULL, 0, 0);
	return rc;
}

enum xkd_rc xkd_dwarf_line_addrs(struct xkd_dwarf *d, const char *file, unsigned line,
				 unsigned *line_used, bool (*fn)(void *arg, uint64_t iaddr),
				 void *arg, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct search s = { .d = d, .line = line ? line : 1, .best = UINT32_MAX };
	struct xkd_buf name = XKD_BUF_INIT;
	enum xkd_rc rc;

	*line_used = 0;
	xkd_dw_begin(d);
	xkd_dw_add_path(&name, file);
	s.file = name.s;
	s.base = base_name(name.s);
	rc = search_units(&s, cancel, err);
	if (!rc && !s.places.n)
		rc = xkd_err_set(err, XKD_NOTFOUND, "no code for %s:%u", file, line);
	if (!rc) {
		*line_used = s.best;
		if (!report(&s, fn, arg, cancel, err))
			rc = XKD_CANCELED;
	}
	xkd_vec_fini(&s.places);
	xkd_buf_fini(&name);
	return rc;
}
