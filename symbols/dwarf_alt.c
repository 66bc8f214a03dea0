/* Debug info in two files: what several files share, dwz moves into one more, named by
 * .gnu_debugaltlink or (DWARF 5) .debug_sup. Its sections are put behind ours, so that one offset means
 * one entry whichever file it is from; only files that have such a link pay for the copy.
 * Also units of types, which others refer to by signature.
 * Invariants: the other file is taken only when its build-id (or, of .debug_sup, its checksum) is the one
 * that the link names; units of
 * it lie at and above base[XKD_DW_INFO], and all their offsets are counted from base. */
#include "symbols/dwarf_skip.h"
#include <elf.h>
#include <stdio.h>

static const enum xkd_dw_sec shared[] = { XKD_DW_INFO, XKD_DW_ABBREV, XKD_DW_STR, XKD_DW_LINE,
					  XKD_DW_LINE_STR };

struct altlink {
	const char *name; /* in the section; "" in the shared file itself */
	struct xkd_buildid id;
	bool sup; /* .debug_sup: the id is in the other's .debug_sup, no build-id */
};

static bool set_id(struct altlink *l, const uint8_t *p, uint64_t n)
{
	if (!n || n > sizeof(l->id.b))
		return false;
	memcpy(l->id.b, p, (size_t)n);
	l->id.n = (size_t)n;
	return true;
}

/* A name and what remains, the build-id; .debug_sup has a version, a flag and the id's length.
 * shared_file: the .debug_sup of the shared file is read. */
static bool read_link(struct xkd_image *img, struct altlink *l, bool shared_file)
{
	const struct xkd_section *gnu =
		shared_file ? NULL : xkd_image_section_named(img, ".gnu_debugaltlink");
	const struct xkd_section *sup = gnu ? NULL : xkd_image_section_named(img, ".debug_sup");
	struct xkd_dw_bytes b = { .p = NULL };
	struct xkd_cur c;
	uint64_t n;

	if ((!gnu && !sup) || xkd_image_section_data(img, gnu ? gnu : sup, &b.p, &b.n, NULL))
		return false;
	c = xkd_dw_cur(b, 0);
	l->sup = sup;
	if (sup && (xkd_cur_get(&c, 2) != 5 || xkd_cur_get(&c, 1) != shared_file))
		return false;
	l->name = xkd_cur_cstr(&c);
	n = sup ? xkd_cur_uleb(&c) : c.bad ? 0 : (uint64_t)(c.end - c.p);
	if (!l->name || !*l->name == !shared_file || !xkd_cur_need(&c, n) || !set_id(l, c.p, n)) {
		xkd_log(xkd_image_log(img), XKD_LOG_WARN,
			"%s: its link to an alternate debug file makes no sense",
			xkd_image_path(img));
		return false;
	}
	return true;
}

static bool is_it(struct xkd_image *alt, const struct altlink *l)
{
	struct altlink its = { .name = NULL };

	if (!xkd_image_has_dwarf(alt))
		return false;
	if (!l->sup)
		return xkd_buildid_eq(xkd_image_buildid(alt), &l->id);
	return read_link(alt, &its, true) && xkd_buildid_eq(&its.id, &l->id);
}

static struct xkd_image *try_file(struct xkd_image *img, const struct altlink *l, const char *path)
{
	struct xkd_err why = XKD_ERR_INIT;
	struct xkd_image *alt;

	if (xkd_image_open(path, xkd_image_log(img), &alt, &why)) {
		if (why.code != XKD_NOTFOUND)
			xkd_log(xkd_image_log(img), XKD_LOG_WARN, "%s", why.msg);
		return NULL;
	}
	if (is_it(alt, l))
		return alt;
	xkd_log(xkd_image_log(img), XKD_LOG_FIND, "%s: is not what %s links to", path,
		xkd_image_path(img));
	xkd_image_unref(alt);
	return NULL;
}

static struct xkd_image *try_printf(struct xkd_image *img, const struct altlink *l, const char *fmt,
				    ...) XKD_PRINTF(3, 4);
static struct xkd_image *try_printf(struct xkd_image *img, const struct altlink *l, const char *fmt,
				    ...)
{
	struct xkd_image *alt;
	char path[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	alt = n > 0 && (size_t)n < sizeof(path) ? try_file(img, l, path) : NULL;
	return alt;
}

/* Where the link says, seen from the file; the same below the root that the file was unpacked to;
 * by build-id there and in the system's place. */
static struct xkd_image *find_file(struct xkd_image *img, const struct altlink *l)
{
	char *real = realpath(xkd_image_path(img), NULL);
	const char *path = real ? real : xkd_image_path(img), *slash = strrchr(path, '/');
	const char *place = strstr(path, "/usr/lib/debug/");
	int dir = slash ? (int)(slash - path) : 0, root = place ? (int)(place - path) : 0;
	char hex[XKD_BUILDID_HEX];
	struct xkd_image *alt = NULL;

	xkd_buildid_hex(&l->id, hex);
	if (*l->name != '/')
		alt = try_printf(img, l, "%.*s/%s", dir, path, l->name);
	else
		alt = try_file(img, l, l->name);
	if (!alt && *l->name == '/' && root)
		alt = try_printf(img, l, "%.*s%s", root, path, l->name);
	if (!alt && root)
		alt = try_printf(img, l, "%.*s/usr/lib/debug/.build-id/%.2s/%s.debug", root, path,
				 hex, hex + 2);
	if (!alt)
		alt = try_printf(img, l, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
	free(real);
	return alt;
}

void xkd_dw_more_open(struct xkd_dwarf *d)
{
	struct altlink l = { .name = NULL };
	struct xkd_buf name = XKD_BUF_INIT;
	char hex[XKD_BUILDID_HEX];
	struct xkd_image *alt;

	if (!read_link(d->img, &l, false))
		return;
	alt = find_file(d->img, &l);
	if (alt) {
		d->more = XKD_NEW(&d->arena, struct xkd_dw_more);
		d->more->img = alt;
		return;
	}
	xkd_buf_escaped(&name, l.name, strnlen(l.name, 200));
	xkd_log(xkd_image_log(d->img), XKD_LOG_WARN,
		"%s: a part of its debug info lies in %s, id %s, which is not there: names and "
		"types will be missing",
		xkd_image_path(d->img), name.s, xkd_buildid_hex(&l.id, hex));
	xkd_buf_fini(&name);
}

void xkd_dw_more_close(struct xkd_dwarf *d)
{
	if (!d->more)
		return;
	for (size_t i = 0; i < XKD_COUNT(d->more->own); i++)
		free(d->more->own[i]);
	xkd_image_unref(d->more->img);
}

/* Unit headers name their abbreviations by an offset. */
static void move_abbrevs(uint8_t *p, size_t n, uint64_t by)
{
	struct xkd_cur c = { .p = p, .end = p + n };

	while (!c.bad && c.p < c.end) {
		unsigned off_size = 4, version;
		uint64_t len = xkd_cur_get(&c, 4), v;
		const uint8_t *next;
		uint8_t *at;

		if (len == 0xffffffff) {
			off_size = 8;
			len = xkd_cur_get(&c, 8);
		}
		if (!xkd_cur_need(&c, len))
			return;
		next = c.p + len;
		version = (unsigned)xkd_cur_get(&c, 2);
		if (version >= 5)
			xkd_cur_skip(&c, 2);
		at = p + (c.p - p);
		v = xkd_cur_get(&c, off_size) + by;
		for (unsigned i = 0; !c.bad && i < off_size; i++)
			at[i] = (uint8_t)(v >> 8 * i);
		c.p = next;
	}
}

void xkd_dw_more_section(struct xkd_dwarf *d, enum xkd_dw_sec s, const char *name,
			 struct xkd_dw_bytes *b)
{
	const struct xkd_section *sec = xkd_image_section_named(d->more->img, name);
	struct xkd_err why = XKD_ERR_INIT;
	const uint8_t *p = NULL;
	size_t n = 0;
	uint8_t *both;
	bool wanted = false;

	d->more->base[s] = b->n;
	for (size_t i = 0; i < XKD_COUNT(shared); i++)
		wanted |= shared[i] == s;
	if (!wanted || !sec || sec->type == SHT_NOBITS)
		return;
	if (xkd_image_section_data(d->more->img, sec, &p, &n, &why)) {
		xkd_log(xkd_image_log(d->img), XKD_LOG_WARN, "%s: %s: %s",
			xkd_image_path(d->more->img), name, why.msg);
		return;
	}
	both = xkd_malloc(b->n + n + 1);
	if (b->n)
		memcpy(both, b->p, b->n);
	memcpy(both + b->n, p, n);
	if (s == XKD_DW_INFO) {
		xkd_dw_section(d, XKD_DW_ABBREV);
		move_abbrevs(both + b->n, n, d->more->base[XKD_DW_ABBREV]);
	}
	d->more->own[s] = both;
	b->p = both;
	b->n += n;
}

void xkd_dw_more_unit(struct xkd_dwarf *d, struct xkd_dw_unit *u)
{
	if (!d->more)
		return;
	for (size_t i = 0; i < XKD_COUNT(shared); i++)
		xkd_dw_section(d, shared[i]);
	u->more = d->more;
	u->in_more = u->off >= d->more->base[XKD_DW_INFO];
}

uint16_t xkd_dw_more_value(const struct xkd_dw_unit *u, uint16_t form, uint64_t *v)
{
	switch (form) {
	case DW_FORM_GNU_strp_alt:
	case DW_FORM_strp_sup:
		*v += u->more->base[XKD_DW_STR];
		return DW_FORM_strp;
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
		*v += u->more->base[XKD_DW_INFO];
		return DW_FORM_ref_addr;
	case DW_FORM_strp:
		*v += u->in_more ? u->more->base[XKD_DW_STR] : 0;
		return form;
	case DW_FORM_line_strp:
		*v += u->in_more ? u->more->base[XKD_DW_LINE_STR] : 0;
		return form;
	case DW_FORM_ref_addr:
		*v += u->in_more ? u->more->base[XKD_DW_INFO] : 0;
		return form;
	default:
		return form;
	}
}

bool xkd_dw_signed_type(struct xkd_dwarf *d, uint64_t sig, uint64_t *off)
{
	struct xkd_err ignored;
	const struct xkd_dw_unit *u;

	if (!d->sigs_known && !xkd_dw_units(d, &ignored)) {
		d->sigs_known = true;
		for (size_t i = 0; i < d->units.n; i++) /* their number does not change any more */
			if (d->units.p[i].type_die)
				xkd_map_put(&d->sigs, d->units.p[i].sig, &d->units.p[i]);
	}
	u = xkd_map_get(&d->sigs, sig);
	if (u)
		*off = u->type_die;
	return u;
}

struct xkd_image *xkd_dwarf_alternate(const struct xkd_dwarf *d)
{
	return d->more ? d->more->img : NULL;
}

/* The file in which the first unit's entries are, when it is a mere skeleton; the others are alike. */
static const char *split_file(struct xkd_dwarf *d)
{
	struct xkd_dw_bytes b = xkd_dw_section(d, XKD_DW_INFO);
	struct xkd_cur c = xkd_dw_cur(b, 0);
	struct xkd_dw_abbrevs abbrevs = { .good = false };
	const struct xkd_dw_abbrev *ab;
	const char *name = NULL;
	struct xkd_dw_unit u;
	uint64_t strp;

	if (!xkd_dw_unit_header(&c, b.p, &u) || !xkd_dw_abbrevs(d, &u, &abbrevs))
		goto out;
	c = xkd_dw_cur(b, u.die_off);
	ab = xkd_dw_abbrev(&abbrevs, xkd_cur_uleb(&c));
	for (uint32_t i = 0; ab && i < ab->n; i++) {
		const struct xkd_dw_abattr *at = &abbrevs.attrs.p[ab->first + i];
		struct xkd_dw_val x;

		if (!xkd_dw_val(&u, &c, at, &x))
			break;
		if (at->at == DW_AT_GNU_dwo_name || at->at == DW_AT_dwo_name) {
			name = x.form == DW_FORM_strp || x.form == DW_FORM_string ?
				       xkd_dw_val_str(d, &u, &x, &strp) : "";
			break;
		}
	}
out:
	xkd_dw_abbrevs_fini(&abbrevs);
	return name;
}

void xkd_dw_tell_unread(struct xkd_dwarf *d)
{
	const struct xkd_section *types = xkd_image_section_named(d->img, ".debug_types");
	const char *dwo = split_file(d);
	struct xkd_buf name = XKD_BUF_INIT;

	if (types && types->size)
		xkd_log(xkd_image_log(d->img), XKD_LOG_WARN,
			"%s: types in .debug_types (DWARF 4's type units) are not read: they will be "
			"missing; DWARF 5's are read",
			xkd_image_path(d->img));
	if (!dwo)
		return;
	xkd_buf_escaped(&name, dwo, strnlen(dwo, 200));
	xkd_log(xkd_image_log(d->img), XKD_LOG_WARN,
		"%s: its debug info is split: lines are here, but types, variables and inlined "
		"functions lie in .dwo files%s%s%s, which are not read (build without -gsplit-dwarf)",
		xkd_image_path(d->img), *dwo ? " (" : "", name.s ? name.s : "", *dwo ? " ...)" : "");
	xkd_buf_fini(&name);
}
