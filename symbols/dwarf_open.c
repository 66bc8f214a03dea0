/* Opening: libdwarf is given the image's debug sections, already decompressed and relocated,
 * through its object-access interface, so that it neither reads a file nor copies a section.
 * Invariants: libdwarf sees a list of our own making (a null section, then of the .debug_ ones that
 * exist those that entries are made of; lists and line programs have readers of ours, and what
 * libdwarf is not shown cannot lead it astray: 20210528 frees twice on a broken .debug_rnglists). A
 * section's bytes are asked for when libdwarf first wants them. The image outlives us. */
#include "symbols/dwarf_compat.h"
#include "symbols/dwarf_int.h"
#include <elf.h>

static const char *const sec_names[XKD_DW_NSECS] = {
	[XKD_DW_INFO] = ".debug_info",	       [XKD_DW_ABBREV] = ".debug_abbrev",
	[XKD_DW_STR] = ".debug_str",	       [XKD_DW_STR_OFFSETS] = ".debug_str_offsets",
	[XKD_DW_LINE] = ".debug_line",	       [XKD_DW_LINE_STR] = ".debug_line_str",
	[XKD_DW_ARANGES] = ".debug_aranges",   [XKD_DW_RANGES] = ".debug_ranges",
	[XKD_DW_RNGLISTS] = ".debug_rnglists", [XKD_DW_LOC] = ".debug_loc",
	[XKD_DW_LOCLISTS] = ".debug_loclists", [XKD_DW_ADDR] = ".debug_addr",
};

/* What libdwarf needs for entries and their strings. */
static const bool shown[XKD_DW_NSECS] = {
	[XKD_DW_INFO] = true,	     [XKD_DW_ABBREV] = true,   [XKD_DW_STR] = true,
	[XKD_DW_STR_OFFSETS] = true, [XKD_DW_LINE_STR] = true, [XKD_DW_ADDR] = true,
};

struct xkd_dw_obj {
	struct xkd_dwarf *d;
	xkd_dw_access access;
	xkd_dw_methods methods;
	enum xkd_dw_sec sec[XKD_DW_NSECS + 1]; /* by libdwarf's section number */
	uint64_t size[XKD_DW_NSECS + 1];
	unsigned n; /* with the null section */
	uint64_t total;
};

static const struct xkd_section *find_section(struct xkd_dwarf *d, enum xkd_dw_sec s)
{
	const struct xkd_section *sec = xkd_image_section_named(d->img, sec_names[s]);

	return sec && sec->type != SHT_NOBITS && sec->size ? sec : NULL;
}

struct xkd_dw_bytes xkd_dw_section(struct xkd_dwarf *d, enum xkd_dw_sec s)
{
	struct xkd_dw_bytes *b = &d->sec[s];
	const struct xkd_section *sec;
	struct xkd_err err = XKD_ERR_INIT;

	if (b->tried)
		return *b;
	b->tried = true;
	sec = find_section(d, s);
	if (sec && xkd_image_section_data(d->img, sec, &b->p, &b->n, &err)) {
		xkd_log(xkd_image_log(d->img), XKD_LOG_WARN, "%s: %s: %s", xkd_image_path(d->img),
			sec_names[s], err.msg);
		b->p = NULL;
		b->n = 0;
	}
	if (d->more)
		xkd_dw_more_section(d, s, sec_names[s], b);
	return *b;
}

const char *xkd_dw_section_str(struct xkd_dwarf *d, enum xkd_dw_sec s, uint64_t off)
{
	struct xkd_cur c = xkd_dw_cur(xkd_dw_section(d, s), off);

	return xkd_cur_cstr(&c);
}

static int obj_section_info(void *obj, xkd_dw_secno i, xkd_dw_osec *ret, int *error XKD_UNUSED)
{
	struct xkd_dw_obj *o = obj;

	if (i >= o->n)
		return DW_DLV_NO_ENTRY;
	memset(ret, 0, sizeof(*ret));
	ret->XKD_DW_OSEC(name) = i ? sec_names[o->sec[i]] : "";
	ret->XKD_DW_OSEC(type) = i ? SHT_PROGBITS : SHT_NULL;
	ret->XKD_DW_OSEC(size) = o->size[i];
	return DW_DLV_OK;
}

static int obj_load_section(void *obj, xkd_dw_secno i, Dwarf_Small **data, int *error)
{
	struct xkd_dw_obj *o = obj;
	struct xkd_dw_bytes b;

	if (!i || i >= o->n)
		return DW_DLV_NO_ENTRY;
	b = xkd_dw_section(o->d, o->sec[i]);
	if (!b.p || b.n < o->size[i]) {
		*error = DW_DLE_MDE;
		return DW_DLV_ERROR;
	}
	*data = (Dwarf_Small *)b.p; /* never written to: we report no relocations */
	return DW_DLV_OK;
}

static Dwarf_Unsigned obj_section_count(void *obj)
{
	return ((struct xkd_dw_obj *)obj)->n;
}

static xkd_dw_endian obj_byte_order(void *obj XKD_UNUSED)
{
	return XKD_DW_LSB;
}

static Dwarf_Small obj_word_size(void *obj XKD_UNUSED)
{
	return 8;
}

#ifdef HAVE_DWARF_OBJ_ACCESS_INTERFACE_A
/* A bound that libdwarf holds section sizes against; decompressed ones may exceed the file. */
static Dwarf_Unsigned obj_filesize(void *obj)
{
	return ((struct xkd_dw_obj *)obj)->total;
}
#endif

/* The size as libdwarf will see it. Only a compressed section must be opened for that. */
static uint64_t section_size(struct xkd_dwarf *d, enum xkd_dw_sec s)
{
	const struct xkd_section *sec = find_section(d, s);

	if (d->more)
		return xkd_dw_section(d, s).n;
	if (!sec)
		return 0;
	return sec->flags & SHF_COMPRESSED ? xkd_dw_section(d, s).n : sec->size;
}

static void obj_init(struct xkd_dw_obj *o, struct xkd_dwarf *d)
{
	o->d = d;
	o->n = 1;
	o->total = 4096;
	for (unsigned s = 0; s < XKD_DW_NSECS; s++) {
		uint64_t size = shown[s] ? section_size(d, s) : 0;

		if (!size)
			continue;
		o->sec[o->n] = s;
		o->size[o->n++] = size;
		o->total += size;
	}
	o->methods = (xkd_dw_methods){
		.XKD_DW_METHOD(get_section_info) = obj_section_info,
		.XKD_DW_BYTE_ORDER = obj_byte_order,
		.XKD_DW_METHOD(get_length_size) = obj_word_size,
		.XKD_DW_METHOD(get_pointer_size) = obj_word_size,
		.XKD_DW_METHOD(get_section_count) = obj_section_count,
		.XKD_DW_METHOD(load_section) = obj_load_section,
#ifdef HAVE_DWARF_OBJ_ACCESS_INTERFACE_A
		.om_get_filesize = obj_filesize,
#endif
	};
	o->access.XKD_DW_IFACE(object) = o;
	o->access.XKD_DW_IFACE(methods) = &o->methods;
}

enum xkd_rc xkd_dwarf_open(struct xkd_image *img, struct xkd_dwarf **out, struct xkd_err *err)
{
	struct xkd_dwarf *d;
	Dwarf_Error e = NULL;
	int rc;

	*out = NULL;
	d = xkd_calloc(1, sizeof(*d));
	d->img = img;
	if (!find_section(d, XKD_DW_INFO) || !find_section(d, XKD_DW_ABBREV)) {
		free(d);
		return xkd_err_set(err, XKD_NOTFOUND, "%s has no DWARF", xkd_image_path(img));
	}
	xkd_arena_init(&d->arena);
	xkd_map_init_str(&d->paths);
	xkd_map_init_u64(&d->types);
	xkd_map_init_u64(&d->elems);
	xkd_map_init_u64(&d->sigs);
	xkd_dw_types_init(d);
	xkd_dw_more_open(d);
	d->obj = XKD_NEW(&d->arena, struct xkd_dw_obj);
	obj_init(d->obj, d);
	rc = dwarf_object_init_b(&d->obj->access, NULL, NULL, DW_GROUPNUMBER_ANY, &d->dbg, &e);
	if (rc == DW_DLV_OK) {
		xkd_dw_tell_unread(d);
		*out = d;
		return XKD_OK;
	}
	xkd_err_set(err, XKD_BADDATA, "%s: unreadable DWARF: %s", xkd_image_path(img),
		    rc == DW_DLV_ERROR && e ? dwarf_errmsg(e) : "no debug sections");
	if (e)
		dwarf_dealloc_error(NULL, e);
	d->dbg = NULL;
	xkd_dwarf_close(d);
	return XKD_BADDATA;
}

void xkd_dwarf_close(struct xkd_dwarf *d)
{
	if (!d)
		return;
	if (d->dbg)
		xkd_dw_object_finish(d->dbg);
	for (size_t i = 0; i < d->units.n; i++) {
		xkd_dw_files_drop(&d->units.p[i]);
		free(d->units.p[i].rows);
		free(d->units.p[i].funcs);
	}
	xkd_vec_fini(&d->units);
	xkd_vec_fini(&d->aranges);
	xkd_types_fini(&d->provider);
	xkd_dw_more_close(d);
	xkd_map_fini(&d->sigs);
	xkd_map_fini(&d->types);
	xkd_map_fini(&d->elems);
	xkd_map_fini(&d->paths);
	xkd_arena_fini(&d->arena);
	free(d);
}

void xkd_dwarf_set_cancel(struct xkd_dwarf *d, struct xkd_cancel *cancel)
{
	d->cancel = cancel;
}
