/* Questions to line tables: from an address to its row, from file and line to addresses.
 * Invariants: a search keeps the tables of the first units that match (someone who sets one
 * breakpoint sets more there) and drops the others as it goes; answers lie in executable sections
 * only (line programs of discarded code stay in linked files, moved to address 0). */
#include "symbols/dwarf_int.h"
#include <elf.h>

#define NEAR_ROWS 16
#define KEEP_UNITS 64 /* whose rows a search leaves decoded */

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
	if (rc || !xkd_dw_rows(d, u))
		return xkd_dw_end(d, rc, err);
	i = row_at(u, iaddr);
	if (i == u->nrows)
		return xkd_err_addr(err, XKD_NOTFOUND, iaddr,
				    "no line-table row covers this address");
	line->file = xkd_dw_path(d, u, u->rows[i].file);
	if (!line->file)
		line->file = "??"; /* a number that the file table has not */
	line->line = u->rows[i].line;
	line->column = u->rows[i].column;
	line->start = u->rows[i].addr;
	line->end = i + 1 < u->nrows ? u->rows[i + 1].addr : line->start + 1;
	return xkd_dw_end(d, XKD_OK, err);
}

/* --- file:line -> addresses --- */
struct place {
	uint64_t addr;
	uint64_t goes_on; /* where code of the same line follows soon, 0: not */
	struct xkd_dw_unit *u;
	uint32_t file;
	uint64_t home; /* entry of the function the line stands in */
};
struct search {
	struct xkd_dwarf *d;
	const char *file; /* normalised */
	const char *base; /* its last component */
	unsigned line, best;
	unsigned kept;		      /* units whose rows were decoded for us */
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

static bool is_code(struct search *s, uint64_t addr)
{
	const struct xkd_section *sec = xkd_image_section_at(s->d->img, addr);

	return sec && sec->flags & SHF_EXECINSTR;
}

/* A later row of the same line close by, 0: none. */
static uint64_t goes_on(const struct xkd_dw_unit *u, size_t i)
{
	const struct xkd_dw_row *r = &u->rows[i];

	for (size_t k = i + 1; k < u->nrows && k < i + NEAR_ROWS && !u->rows[k].end; k++)
		if (u->rows[k].addr > r->addr && u->rows[k].line == r->line &&
		    u->rows[k].file == r->file)
			return u->rows[k].addr;
	return 0;
}

static void search_rows(struct search *s, struct xkd_dw_unit *u, const bool *match, size_t count)
{
	for (size_t i = 0; i < u->nrows; i++) {
		const struct xkd_dw_row *r = &u->rows[i], *before = i ? r - 1 : NULL;
		struct place *p;

		if (r->end || !r->stmt || r->line < s->line || r->line > s->best ||
		    r->file >= count || !match[r->file])
			continue;
		if (r->line == s->best && before && !before->end && before->line == r->line &&
		    before->file == r->file)
			continue; /* the statement goes on */
		if (!is_code(s, r->addr))
			continue;
		if (r->line < s->best)
			xkd_vec_reset(&s->places);
		s->best = r->line;
		p = xkd_vec_push(&s->places);
		p->addr = r->addr;
		p->u = u;
		p->file = r->file;
		p->goes_on = goes_on(u, i);
	}
}

/* A unit that is unreadable is told in the log and left out. */
static void search_unit(struct search *s, struct xkd_dw_unit *u)
{
	bool had_files = u->files_known, had_rows = u->rows_known, *match = NULL;
	size_t count;

	if (xkd_dw_files(s->d, u)) {
		match = matching_files(s, u, &count);
		if (match && xkd_dw_rows(s->d, u)) {
			search_rows(s, u, match, count);
			if (!had_rows && ++s->kept > KEEP_UNITS)
				xkd_dw_rows_drop(u);
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

/* The copy of the function that the line stands in, 0: none here. A statement may begin where a
 * function inlined into it begins, too: of those at the address it is in the one that starts last
 * before the line. */
static uint64_t home_of(struct search *s, const struct place *p, uint64_t addr)
{
	const char *path = xkd_dw_path(s->d, p->u, p->file), *file;
	uint64_t dies[XKD_INLINE_MAX], home = 0;
	unsigned line, last = 0;
	size_t n;

	if (xkd_dw_chain(s->d, p->u, addr, dies, XKD_INLINE_MAX, &n, NULL))
		return 0;
	for (size_t i = 0; i < n; i++) {
		xkd_dw_decl(s->d, dies[i], &file, &line);
		if (file == path && line <= s->best && line >= last) {
			last = line;
			home = dies[i];
		}
	}
	return home;
}

/* Finds every place its home. Where the instruction at the mark is another statement's, moved there
 * out of another function, the place is where the line's own code follows. A place without a home
 * is what is left of a statement at the end of an inlined function and counts only when all are so.
 */
static enum xkd_rc find_homes(struct search *s, struct xkd_cancel *cancel, struct xkd_err *err)
{
	struct xkd_log *log = xkd_image_log(s->d->img);
	uint64_t start = xkd_now_ms();
	bool any = false, told = false;
	enum xkd_rc rc = XKD_OK;
	size_t k = 0;

	for (size_t i = 0; i < s->places.n; i++) {
		struct place *p = &s->places.p[i];

		rc = xkd_cancel_check(cancel, err);
		if (rc)
			break;
		if (xkd_now_ms() - start > 500) {
			told = true;
			xkd_progress(log, "reading functions", i, s->places.n);
		}
		p->home = home_of(s, p, p->addr);
		if (!p->home && p->goes_on) {
			p->home = home_of(s, p, p->goes_on);
			if (p->home)
				p->addr = p->goes_on;
		}
		any |= p->home != 0;
		xkd_dw_begin(s->d); /* trouble here takes no place away */
	}
	if (told)
		xkd_progress(log, NULL, 0, 0);
	if (rc)
		return rc;
	for (size_t i = 0; i < s->places.n; i++)
		if (s->places.p[i].home || !any)
			s->places.p[k++] = s->places.p[i];
	s->places.n = k;
	xkd_vec_sort(&s->places, cmp_place);
	return XKD_OK;
}

/* One location for each function or inlined copy: its lowest. A statement that the compiler cut in
 * pieces would otherwise stop several times on the way through. */
static void report(struct search *s, bool (*fn)(void *arg, uint64_t iaddr), void *arg)
{
	struct xkd_map seen;

	xkd_map_init_u64(&seen);
	for (size_t i = 0; i < s->places.n; i++) {
		struct place *p = &s->places.p[i];

		if (p->home && xkd_map_get(&seen, p->home))
			continue;
		if (p->home)
			xkd_map_put(&seen, p->home, p);
		else if (i && p->addr == p[-1].addr)
			continue;
		if (!fn(arg, p->addr))
			break;
	}
	xkd_map_fini(&seen);
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
	if (!rc)
		rc = find_homes(&s, cancel, err);
	if (!rc) {
		*line_used = s.best;
		report(&s, fn, arg);
	}
	xkd_vec_fini(&s.places);
	xkd_buf_fini(&name);
	return rc;
}
