/* Line programs (DWARF 2 to 5) decoded into rows, one sorted array a unit. Our own decoder:
 * libdwarf 20210528 starts version 5 programs at file 0, where the standard (6.2.2) and its
 * producers say 1. Invariants: rows are sorted by address, the end of a sequence before a row that
 * begins there, else in the order of the program; a sequence has no row at or after its end, and
 * one that does not end is left out. There are fewer rows than bytes of program. */
#include "symbols/dwarf_int.h"

struct machine {
	const struct xkd_dw_lhead *h;
	struct xkd_cur c;
	struct xkd_dw_row r; /* the registers */
	XKD_VEC(struct xkd_dw_row) rows;
	size_t first; /* row of the sequence that runs */
};

static void start_sequence(struct machine *m)
{
	memset(&m->r, 0, sizeof(m->r));
	m->r.file = 1;
	m->r.line = 1;
	m->r.stmt = m->h->default_stmt;
	m->first = m->rows.n;
}

static void emit(struct machine *m)
{
	struct xkd_dw_row *r = xkd_vec_push(&m->rows);

	*r = m->r;
	r->order = (uint32_t)(m->rows.n - 1);
}

static void end_sequence(struct machine *m)
{
	size_t n = m->first;

	/* not only the last ones: a broken program goes back and forth */
	for (size_t i = m->first; i < m->rows.n; i++)
		if (m->rows.p[i].addr < m->r.addr)
			m->rows.p[n++] = m->rows.p[i];
	m->rows.n = n;
	if (m->rows.n > m->first) {
		m->r.end = true;
		emit(m);
	}
	start_sequence(m);
}

static uint32_t clip(uint64_t v, uint32_t max)
{
	return v <= max ? (uint32_t)v : max;
}

static void extended(struct machine *m)
{
	uint64_t len = xkd_cur_uleb(&m->c);
	struct xkd_cur op;

	if (!xkd_cur_need(&m->c, len))
		return;
	op = (struct xkd_cur){ .p = m->c.p, .end = m->c.p + len };
	m->c.p += len;
	switch (xkd_cur_get(&op, 1)) {
	case DW_LNE_end_sequence:
		end_sequence(m);
		break;
	case DW_LNE_set_address:
		m->r.addr = xkd_cur_get(&op, len == 9 ? 8 : 4);
		break;
	}
}

static void standard(struct machine *m, unsigned op)
{
	const struct xkd_dw_lhead *h = m->h;

	switch (op) {
	case DW_LNS_copy:
		emit(m);
		break;
	case DW_LNS_advance_pc:
		m->r.addr += xkd_cur_uleb(&m->c) * h->min_inst;
		break;
	case DW_LNS_advance_line:
		m->r.line += (uint32_t)xkd_cur_sleb(&m->c);
		break;
	case DW_LNS_set_file:
		m->r.file = clip(xkd_cur_uleb(&m->c), UINT32_MAX);
		break;
	case DW_LNS_set_column:
		m->r.column = (uint16_t)clip(xkd_cur_uleb(&m->c), UINT16_MAX);
		break;
	case DW_LNS_negate_stmt:
		m->r.stmt = !m->r.stmt;
		break;
	case DW_LNS_const_add_pc:
		m->r.addr += (uint64_t)((255 - h->opcode_base) / h->line_range) * h->min_inst;
		break;
	case DW_LNS_fixed_advance_pc:
		m->r.addr += xkd_cur_get(&m->c, 2);
		break;
	default: /* nothing for us, or unknown: the header says how many operands */
		for (unsigned i = 0; i < h->oplen[op]; i++)
			xkd_cur_uleb(&m->c);
	}
}

static void step(struct machine *m)
{
	const struct xkd_dw_lhead *h = m->h;
	unsigned op = (unsigned)xkd_cur_get(&m->c, 1);

	if (op >= h->opcode_base) {
		op -= h->opcode_base;
		m->r.addr += (uint64_t)(op / h->line_range) * h->min_inst;
		m->r.line += (uint32_t)(h->line_base + (int)(op % h->line_range));
		emit(m);
	} else if (op) {
		standard(m, op);
	} else {
		extended(m);
	}
}

static int cmp_row(const void *a, const void *b)
{
	const struct xkd_dw_row *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->end != y->end)
		return x->end ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

bool xkd_dw_rows(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	struct xkd_dw_lhead h;
	struct machine m = { .h = &h };

	if (u->rows_known)
		return true;
	if (!xkd_dw_unit_root(d, u))
		return false;
	if (u->has_stmt_list) {
		if (!xkd_dw_line_header(d, u, &h)) {
			xkd_dw_bad(d, u->off, "no line program at .debug_line 0x%llx",
				   (unsigned long long)u->stmt_list);
			return false;
		}
		m.c = h.program;
		start_sequence(&m);
		while (!m.c.bad && m.c.p < m.c.end && m.rows.n < UINT32_MAX)
			step(&m);
		m.rows.n = m.first;
		if (m.c.bad)
			xkd_log(xkd_image_log(d->img), XKD_LOG_WARN,
				"%s: line program at .debug_line 0x%llx breaks off",
				xkd_image_path(d->img), (unsigned long long)u->stmt_list);
	}
	xkd_vec_sort(&m.rows, cmp_row);
	u->rows = m.rows.p;
	u->nrows = m.rows.n;
	u->rows_known = true;
	return true;
}

void xkd_dw_rows_drop(struct xkd_dw_unit *u)
{
	free(u->rows);
	u->rows = NULL;
	u->nrows = 0;
	u->rows_known = false;
}
