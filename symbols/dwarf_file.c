/* File tables: the header of a unit's line program (DWARF 2 to 5) and the paths made of it.
 * Invariants: names and folders stay where they are in the mapped sections; a path is made once per
 * file and interned, so equal paths are one pointer. A path reads from the compilation folder down
 * ("arch/x86/kvm/x86.c"): joined, normalised, the compilation folder cut off where it leads. */
#include "symbols/dwarf_int.h"

#define FORMATS_MAX 64

struct format {
	uint64_t type, form;
};

bool xkd_dw_line_header(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_lhead *h)
{
	struct xkd_cur *c = &h->tables;
	uint64_t len;

	memset(h, 0, sizeof(*h));
	*c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_LINE), u->stmt_list);
	h->off_size = 4;
	len = xkd_cur_get(c, 4);
	if (len == 0xffffffff) {
		h->off_size = 8;
		len = xkd_cur_get(c, 8);
	}
	if (!xkd_cur_need(c, len))
		return false;
	c->end = c->p + len;
	h->version = (unsigned)xkd_cur_get(c, 2);
	if (h->version < 2 || h->version > 5)
		return false;
	if (h->version == 5)
		xkd_cur_skip(c, 2); /* address and segment selector size */
	len = xkd_cur_get(c, h->off_size);
	if (!xkd_cur_need(c, len))
		return false;
	h->program = (struct xkd_cur){ .p = c->p + len, .end = c->end };
	c->end = h->program.p;
	h->min_inst = (uint8_t)xkd_cur_get(c, 1);
	if (h->version >= 4)
		xkd_cur_skip(c, 1); /* operations in an instruction: 1 but on VLIW machines */
	h->default_stmt = xkd_cur_get(c, 1);
	h->line_base = (int8_t)xkd_cur_get(c, 1);
	h->line_range = (uint8_t)xkd_cur_get(c, 1);
	h->opcode_base = (uint8_t)xkd_cur_get(c, 1);
	h->oplen = c->p - 1; /* by opcode, from 1 */
	xkd_cur_skip(c, h->opcode_base ? h->opcode_base - 1 : 0);
	return !c->bad && h->line_range && h->opcode_base;
}

/* The value of a table cell: a string or a number. False for a form that cannot be skipped. */
static bool read_cell(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_lhead *h,
		      uint64_t form, const char **s, uint64_t *v)
{
	struct xkd_cur *c = &h->tables;
	struct xkd_cur x;
	unsigned n = 0;

	*s = NULL;
	*v = 0;
	switch (form) {
	case DW_FORM_string:
		*s = xkd_cur_cstr(c);
		return !c->bad;
	case DW_FORM_line_strp:
	case DW_FORM_strp:
		*v = xkd_cur_get(c, h->off_size);
		if (u->more)
			(void)xkd_dw_more_value(u, (uint16_t)form, v);
		*s = xkd_dw_section_str(d, form == DW_FORM_strp ? XKD_DW_STR : XKD_DW_LINE_STR, *v);
		return !c->bad;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		*v = form == DW_FORM_strx ? xkd_cur_uleb(c)
					  : xkd_cur_get(c, (unsigned)(form - DW_FORM_strx1 + 1));
		if (*v <= UINT32_MAX) {
			x = xkd_dw_cur(xkd_dw_section(d, XKD_DW_STR_OFFSETS),
				       u->str_offsets_base + *v * u->off_size);
			*v = xkd_cur_get(&x, u->off_size);
			*s = x.bad ? NULL : xkd_dw_section_str(d, XKD_DW_STR, *v);
		}
		return !c->bad;
	case DW_FORM_udata:
		*v = xkd_cur_uleb(c);
		return !c->bad;
	case DW_FORM_block:
		xkd_cur_skip(c, xkd_cur_uleb(c));
		return !c->bad;
	case DW_FORM_data1:
		n = 1;
		break;
	case DW_FORM_data2:
		n = 2;
		break;
	case DW_FORM_data4:
		n = 4;
		break;
	case DW_FORM_data8:
		n = 8;
		break;
	case DW_FORM_data16:
		xkd_cur_skip(c, 16);
		return !c->bad;
	default:
		return false;
	}
	*v = xkd_cur_get(c, n);
	return !c->bad;
}

/* One of version 5's two tables: folders or files. */
static bool read_table5(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_lhead *h,
			struct xkd_dw_file **out, size_t *nout)
{
	struct format f[FORMATS_MAX];
	uint64_t n, nf = xkd_cur_get(&h->tables, 1);
	struct xkd_dw_file *t;

	if (nf > FORMATS_MAX)
		return false;
	for (uint64_t i = 0; i < nf; i++) {
		f[i].type = xkd_cur_uleb(&h->tables);
		f[i].form = xkd_cur_uleb(&h->tables);
	}
	n = xkd_cur_uleb(&h->tables);
	/* Every entry takes a byte at least. */
	if (h->tables.bad || (n && !nf) || n > (uint64_t)(h->tables.end - h->tables.p))
		return false;
	*out = t = xkd_calloc(n ? n : 1, sizeof(*t));
	*nout = n;
	for (uint64_t i = 0; i < n; i++)
		for (uint64_t k = 0; k < nf; k++) {
			const char *s;
			uint64_t v;

			if (!read_cell(d, u, h, f[k].form, &s, &v))
				return false;
			if (f[k].type == DW_LNCT_path)
				t[i].name = s;
			else if (f[k].type == DW_LNCT_directory_index)
				t[i].dir = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
		}
	return true;
}

static bool read_tables5(struct xkd_dwarf *d, struct xkd_dw_unit *u, struct xkd_dw_lhead *h,
			 struct xkd_dw_files *f)
{
	struct xkd_dw_file *dirs = NULL;
	size_t n = 0;
	bool good = read_table5(d, u, h, &dirs, &n);

	if (good) {
		f->dirs = xkd_calloc(n ? n : 1, sizeof(*f->dirs));
		f->ndirs = n;
		for (size_t i = 0; i < n; i++)
			f->dirs[i] = dirs[i].name;
		good = read_table5(d, u, h, &f->files, &f->nfiles);
	}
	free(dirs);
	return good;
}

/* Versions 2 to 4: two lists of strings, each ended by an empty one. */
static bool read_tables4(struct xkd_dw_lhead *h, struct xkd_dw_files *f)
{
	XKD_VEC(const char *) dirs = { 0 };
	XKD_VEC(struct xkd_dw_file) files = { 0 };
	const char *s;

	while ((s = xkd_cur_cstr(&h->tables)) && *s)
		*xkd_vec_push(&dirs) = s;
	while ((s = xkd_cur_cstr(&h->tables)) && *s) {
		struct xkd_dw_file *file = xkd_vec_push(&files);
		uint64_t dir = xkd_cur_uleb(&h->tables);

		file->name = s;
		file->dir = dir < UINT32_MAX ? (uint32_t)dir : UINT32_MAX;
		xkd_cur_uleb(&h->tables); /* time */
		xkd_cur_uleb(&h->tables); /* length */
	}
	f->dirs = dirs.p;
	f->ndirs = dirs.n;
	f->files = files.p;
	f->nfiles = files.n;
	return !h->tables.bad;
}

bool xkd_dw_files(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	struct xkd_dw_lhead h;
	bool good;

	if (u->files_known)
		return true;
	if (!xkd_dw_unit_root(d, u))
		return false;
	u->files_known = true;
	if (!u->has_stmt_list)
		return true;
	if (!xkd_dw_line_header(d, u, &h)) {
		xkd_dw_bad(d, u->off, "no line program at .debug_line 0x%llx",
			   (unsigned long long)u->stmt_list);
		return false;
	}
	u->files.version = h.version;
	good = h.version == 5 ? read_tables5(d, u, &h, &u->files) : read_tables4(&h, &u->files);
	if (!good)
		xkd_dw_bad(d, u->off, "broken file table at .debug_line 0x%llx",
			   (unsigned long long)u->stmt_list);
	return good;
}

void xkd_dw_files_drop(struct xkd_dw_unit *u)
{
	free(u->files.files);
	free(u->files.dirs);
	memset(&u->files, 0, sizeof(u->files));
	u->files_known = false;
}

const char *xkd_dw_intern(struct xkd_dwarf *d, const char *s)
{
	char *have = xkd_map_get_str(&d->paths, s);

	if (!have) {
		have = xkd_arena_strdup(&d->arena, s);
		xkd_map_put_str(&d->paths, have, have);
	}
	return have;
}

/* Appends a path's components to b, resolving "." and "..": ".." above the start stays. */
void xkd_dw_add_path(struct xkd_buf *b, const char *s)
{
	if (*s == '/') {
		xkd_buf_reset(b);
		xkd_buf_ch(b, '/');
	}
	while (*s) {
		size_t n = strcspn(s, "/");
		const char *last = strrchr(b->s, '/');

		last = last ? last + 1 : b->s;
		if (n == 2 && !memcmp(s, "..", 2) && *last && strcmp(last, "..")) {
			b->len = (size_t)(last - b->s);
			if (b->len > 1)
				b->len--; /* the slash too */
			b->s[b->len] = 0;
		} else if (n == 2 && !memcmp(s, "..", 2) && !strcmp(b->s, "/")) {
			; /* above the root is the root */
		} else if (n && !(n == 1 && *s == '.')) {
			if (b->len && b->s[b->len - 1] != '/')
				xkd_buf_ch(b, '/');
			xkd_buf_add(b, s, n);
		}
		s += n;
		s += strspn(s, "/");
	}
}

/* Where s goes on below the folder that it shares with comp: comp itself, or the source tree of a
 * build folder inside it (kernels are built in debian/build/FLAVOUR and the like). At least two
 * components must be shared: "/usr" alone says nothing. */
static const char *below_shared(const char *s, const char *comp)
{
	size_t n = 0, shared = 0;
	unsigned parts = 0;

	if (*s != '/' || *comp != '/')
		return s;
	for (; s[n] && s[n] == comp[n]; n++)
		if (n && s[n] == '/') {
			shared = n;
			parts++;
		}
	return parts >= 2 ? s + shared + 1 : s;
}

/* dir (may be NULL) and name, seen from comp_dir (may be NULL). */
static const char *make_path(struct xkd_dwarf *d, const char *comp_dir, const char *dir,
			     const char *name)
{
	struct xkd_buf path = XKD_BUF_INIT, comp = XKD_BUF_INIT;
	const char *s;

	if (dir)
		xkd_dw_add_path(&path, dir);
	xkd_dw_add_path(&path, name);
	if (comp_dir) {
		xkd_dw_add_path(&comp, comp_dir);
		if (xkd_has_prefix(path.s, "../")) {
			/* Climbs out of comp_dir: only from there does it mean something. */
			struct xkd_buf whole = XKD_BUF_INIT;

			xkd_dw_add_path(&whole, comp_dir);
			xkd_dw_add_path(&whole, path.s);
			xkd_buf_fini(&path);
			path = whole;
		}
	}
	s = path.s;
	if (comp.len && comp.len < path.len && !memcmp(s, comp.s, comp.len) && s[comp.len] == '/')
		s += comp.len + 1;
	else
		s = below_shared(s, comp.s);
	s = xkd_dw_intern(d, s);
	xkd_buf_fini(&path);
	xkd_buf_fini(&comp);
	return s;
}

const char *xkd_dw_path(struct xkd_dwarf *d, struct xkd_dw_unit *u, uint64_t file)
{
	struct xkd_dw_files *fs = &u->files;
	struct xkd_dw_file *f;
	const char *dir = NULL;
	uint64_t k;

	if (!xkd_dw_files(d, u) || (fs->version < 5 && !file))
		return NULL;
	k = fs->version < 5 ? file - 1 : file;
	if (k >= fs->nfiles || !fs->files[k].name)
		return NULL;
	f = &fs->files[k];
	if (f->path)
		return f->path;
	/* Folder 0 is the compilation folder; version 5 writes it down, the others count from 1. */
	if (f->dir && fs->version < 5)
		dir = f->dir - 1 < fs->ndirs ? fs->dirs[f->dir - 1] : NULL;
	else if (f->dir)
		dir = f->dir < fs->ndirs ? fs->dirs[f->dir] : NULL;
	else if (fs->version >= 5 && fs->ndirs && !u->comp_dir)
		dir = fs->dirs[0];
	f->path = make_path(d, u->comp_dir, dir, f->name);
	return f->path;
}

const char *xkd_dw_unit_path(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	if (!u->path && xkd_dw_unit_root(d, u) && u->name)
		u->path = make_path(d, u->comp_dir, NULL, u->name);
	return u->path;
}
