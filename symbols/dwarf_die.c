/* Thin calls over libdwarf's entries: one line each for the files that ask questions.
 * Invariants: nothing that libdwarf allocates outlives a call except the Dwarf_Die handles, which
 * the caller frees with xkd_dw_free; strings and blocks returned point into mapped sections. The
 * first error since xkd_dw_begin stays in d->bad. Sibling and child offsets only grow, references
 * are followed XKD_DW_DEPTH times at most: no walk is endless. */
#include "symbols/dwarf_int.h"
#include <stdio.h>

void xkd_dw_begin(struct xkd_dwarf *d)
{
	xkd_err_clear(&d->bad);
}

enum xkd_rc xkd_dw_end(struct xkd_dwarf *d, enum xkd_rc rc, struct xkd_err *err)
{
	if (d->bad.code == XKD_OK || rc == XKD_CANCELED)
		return rc;
	if (err)
		*err = d->bad;
	return d->bad.code;
}

void xkd_dw_bad(struct xkd_dwarf *d, uint64_t off, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (d->bad.code)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	xkd_err_set(&d->bad, XKD_BADDATA, "%s: .debug_info at 0x%llx: %s", xkd_image_path(d->img),
		    (unsigned long long)off, what);
}

/* Takes libdwarf's error over into d->bad. */
static void bad_error(struct xkd_dwarf *d, uint64_t off, Dwarf_Error e)
{
	xkd_dw_bad(d, off, "%s", e ? dwarf_errmsg(e) : "libdwarf gives no reason");
	if (e)
		dwarf_dealloc_error(d->dbg, e);
}

uint64_t xkd_dw_off(Dwarf_Die die)
{
	Dwarf_Off off = 0;
	Dwarf_Error e = NULL;

	if (dwarf_dieoffset(die, &off, &e) == DW_DLV_OK)
		return off;
	return 0;
}

unsigned xkd_dw_tag(Dwarf_Die die)
{
	Dwarf_Half tag = 0;
	Dwarf_Error e = NULL;

	return dwarf_tag(die, &tag, &e) == DW_DLV_OK ? tag : 0;
}

void xkd_dw_free(Dwarf_Die die)
{
	if (die)
		dwarf_dealloc_die(die);
}

Dwarf_Die xkd_dw_die(struct xkd_dwarf *d, uint64_t off)
{
	Dwarf_Die die = NULL;
	Dwarf_Error e = NULL;
	struct xkd_dw_unit *u = xkd_dw_unit_of(d, off);
	int rc;

	if (!u || off < u->die_off) {
		xkd_dw_bad(d, off, "a reference to no entry of a unit");
		return NULL;
	}
	rc = dwarf_offdie_b(d->dbg, off, 1, &die, &e);
	if (rc == DW_DLV_OK)
		return die;
	if (rc == DW_DLV_ERROR)
		bad_error(d, off, e);
	else
		xkd_dw_bad(d, off, "no entry here");
	return NULL;
}

Dwarf_Die xkd_dw_child(struct xkd_dwarf *d, Dwarf_Die die)
{
	Dwarf_Die kid = NULL;
	Dwarf_Error e = NULL;
	int rc = dwarf_child(die, &kid, &e);

	if (rc == DW_DLV_ERROR)
		bad_error(d, xkd_dw_off(die), e);
	if (rc != DW_DLV_OK)
		return NULL;
	if (xkd_dw_off(kid) > xkd_dw_off(die))
		return kid;
	xkd_dw_bad(d, xkd_dw_off(die), "a child entry before its parent");
	xkd_dw_free(kid);
	return NULL;
}

Dwarf_Die xkd_dw_next(struct xkd_dwarf *d, Dwarf_Die die)
{
	Dwarf_Die sib = NULL;
	Dwarf_Error e = NULL;
	uint64_t off = xkd_dw_off(die);
	int rc = dwarf_siblingof_b(d->dbg, die, 1, &sib, &e);

	xkd_dw_free(die);
	if (rc == DW_DLV_ERROR)
		bad_error(d, off, e);
	if (rc != DW_DLV_OK)
		return NULL;
	if (xkd_dw_off(sib) > off)
		return sib;
	xkd_dw_bad(d, off, "a sibling entry that lies before");
	xkd_dw_free(sib);
	return NULL;
}

/* The attribute, NULL when the entry has none; free with dwarf_dealloc_attribute. */
static Dwarf_Attribute get_attr(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, Dwarf_Half *form)
{
	Dwarf_Attribute a = NULL;
	Dwarf_Error e = NULL;
	int rc = dwarf_attr(die, (Dwarf_Half)at, &a, &e);

	*form = 0;
	if (rc == DW_DLV_OK)
		rc = dwarf_whatform(a, form, &e);
	if (rc == DW_DLV_OK)
		return a;
	if (rc == DW_DLV_ERROR)
		bad_error(d, xkd_dw_off(die), e);
	if (a)
		dwarf_dealloc_attribute(a);
	return NULL;
}

/* Ends a getter: frees the attribute, takes an error over. */
static bool done(struct xkd_dwarf *d, Dwarf_Die die, Dwarf_Attribute a, int rc, Dwarf_Error e)
{
	dwarf_dealloc_attribute(a);
	if (rc == DW_DLV_ERROR)
		bad_error(d, xkd_dw_off(die), e);
	return rc == DW_DLV_OK;
}

bool xkd_dw_has(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	Dwarf_Bool has = 0;
	Dwarf_Error e = NULL;

	if (dwarf_hasattr(die, (Dwarf_Half)at, &has, &e) == DW_DLV_ERROR)
		bad_error(d, xkd_dw_off(die), e);
	return has;
}

unsigned xkd_dw_form(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	Dwarf_Half form;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (a)
		dwarf_dealloc_attribute(a);
	return form;
}

bool xkd_dw_flag(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Bool v = 0;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	return done(d, die, a, dwarf_formflag(a, &v, &e), e) && v;
}

bool xkd_dw_const(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v, bool *sdata)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Unsigned u = 0;
	Dwarf_Signed s = 0;
	int rc;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	*sdata = form == DW_FORM_sdata || form == DW_FORM_implicit_const;
	switch (form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_udata:
		rc = dwarf_formudata(a, &u, &e);
		break;
	case DW_FORM_sdata:
	case DW_FORM_implicit_const:
		rc = dwarf_formsdata(a, &s, &e);
		u = (Dwarf_Unsigned)s;
		break;
	default:
		rc = DW_DLV_NO_ENTRY;
	}
	*v = u;
	return done(d, die, a, rc, e);
}

bool xkd_dw_u64(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v)
{
	bool sdata;

	return xkd_dw_const(d, die, at, v, &sdata);
}

bool xkd_dw_addr(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Addr addr = 0;
	int rc = DW_DLV_NO_ENTRY;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	switch (form) {
	case DW_FORM_addr:
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
		rc = dwarf_formaddr(a, &addr, &e);
		break;
	}
	*v = addr;
	return done(d, die, a, rc, e);
}

bool xkd_dw_secoff(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *v)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Off off = 0;
	Dwarf_Unsigned u = 0;
	int rc = DW_DLV_NO_ENTRY;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	switch (form) {
	case DW_FORM_sec_offset:
		rc = dwarf_global_formref(a, &off, &e);
		break;
	case DW_FORM_data4: /* DWARF 2 and 3 */
	case DW_FORM_data8:
		rc = dwarf_formudata(a, &u, &e);
		off = u;
		break;
	}
	*v = off;
	return done(d, die, a, rc, e);
}

bool xkd_dw_listx(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *index)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Unsigned u = 0;
	int rc;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	rc = dwarf_formudata(a, &u, &e);
	*index = u;
	return done(d, die, a, rc, e);
}

/* The number behind an attribute as it stands in .debug_info, and its unit; NULL: unreadable. What
 * leads into another file, or counts from its start, libdwarf does not know. */
static const struct xkd_dw_unit *raw_value(struct xkd_dwarf *d, Dwarf_Die die, Dwarf_Attribute a,
					   unsigned form, uint64_t *v)
{
	const struct xkd_dw_unit *u = xkd_dw_unit_of(d, xkd_dw_off(die));
	Dwarf_Error e = NULL;
	struct xkd_cur c;
	Dwarf_Off at = 0;
	int rc = dwarf_attr_offset(die, a, &at, &e);

	if (rc == DW_DLV_ERROR)
		bad_error(d, xkd_dw_off(die), e);
	if (rc != DW_DLV_OK || !u)
		return NULL;
	c = xkd_dw_cur(xkd_dw_section(d, XKD_DW_INFO), at);
	*v = xkd_cur_get(&c, form == DW_FORM_ref_sig8 || form == DW_FORM_ref_sup8 ? 8 :
			    form == DW_FORM_ref_sup4				 ? 4 :
										   u->off_size);
	return c.bad ? NULL : u;
}

/* A string of two files in one. */
static const char *more_str(struct xkd_dwarf *d, Dwarf_Die die, Dwarf_Attribute a, unsigned form)
{
	uint64_t v;
	const struct xkd_dw_unit *u = raw_value(d, die, a, form, &v);

	if (!u || !u->more)
		return NULL;
	form = xkd_dw_more_value(u, (uint16_t)form, &v);
	return xkd_dw_section_str(d, form == DW_FORM_strp ? XKD_DW_STR : XKD_DW_LINE_STR, v);
}

/* A reference that leaves its section, or its file. */
static bool far_ref(struct xkd_dwarf *d, Dwarf_Die die, Dwarf_Attribute a, unsigned form,
		    uint64_t *off)
{
	const struct xkd_dw_unit *u = raw_value(d, die, a, form, off);

	if (u && form == DW_FORM_ref_sig8) {
		if (xkd_dw_signed_type(d, *off, off))
			return true;
		xkd_dw_bad(d, xkd_dw_off(die), "no unit has the type of signature 0x%llx",
			   (unsigned long long)*off);
		return false;
	}
	if (u && u->more) {
		(void)xkd_dw_more_value(u, (uint16_t)form, off);
		return true;
	}
	xkd_dw_bad(d, xkd_dw_off(die), "what it refers to lies in an alternate file that is not there");
	return false;
}

const char *xkd_dw_str(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	char *s = NULL;
	int rc = DW_DLV_NO_ENTRY;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return NULL;
	switch (form) {
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_GNU_strp_alt:
	case DW_FORM_strp_sup:
		if (d->more || (form != DW_FORM_strp && form != DW_FORM_line_strp)) {
			const char *found = more_str(d, die, a, form);

			dwarf_dealloc_attribute(a);
			return found;
		}
		rc = dwarf_formstring(a, &s, &e);
		break;
	case DW_FORM_string:
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		rc = dwarf_formstring(a, &s, &e);
		break;
	}
	return done(d, die, a, rc, e) ? s : NULL;
}

bool xkd_dw_ref(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, uint64_t *off)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Off o = 0;
	int rc = DW_DLV_NO_ENTRY;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	switch (form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		rc = dwarf_global_formref(a, &o, &e);
		break;
	case DW_FORM_ref_addr:
		if (!d->more) {
			rc = dwarf_global_formref(a, &o, &e);
			break;
		}
		/* fallthrough */
	case DW_FORM_ref_sig8:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
		rc = far_ref(d, die, a, form, off) ? DW_DLV_OK : DW_DLV_NO_ENTRY;
		o = *off;
		break;
	default:
		xkd_dw_bad(d, xkd_dw_off(die), "a reference of form 0x%x leads out of the file",
			   form);
	}
	*off = o;
	return done(d, die, a, rc, e);
}

bool xkd_dw_block(struct xkd_dwarf *d, Dwarf_Die die, unsigned at, const uint8_t **p, size_t *n)
{
	Dwarf_Half form;
	Dwarf_Error e = NULL;
	Dwarf_Block *b = NULL;
	Dwarf_Ptr bytes = NULL;
	Dwarf_Unsigned len = 0;
	int rc = DW_DLV_NO_ENTRY;
	Dwarf_Attribute a = get_attr(d, die, at, &form);

	if (!a)
		return false;
	switch (form) {
	case DW_FORM_exprloc:
		rc = dwarf_formexprloc(a, &len, &bytes, &e);
		break;
	case DW_FORM_block:
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
		rc = dwarf_formblock(a, &b, &e);
		if (rc != DW_DLV_OK)
			break;
		bytes = b->bl_data;
		len = b->bl_len;
		dwarf_dealloc(d->dbg, b, DW_DLA_BLOCK);
		break;
	}
	*p = bytes;
	*n = (size_t)len;
	return done(d, die, a, rc, e);
}

/* One step along abstract_origin or, where allowed, specification. */
static bool origin_step(struct xkd_dwarf *d, Dwarf_Die die, bool spec, uint64_t *off)
{
	if (xkd_dw_has(d, die, DW_AT_abstract_origin))
		return xkd_dw_ref(d, die, DW_AT_abstract_origin, off);
	return spec && xkd_dw_has(d, die, DW_AT_specification) &&
	       xkd_dw_ref(d, die, DW_AT_specification, off);
}

Dwarf_Die xkd_dw_origin_with(struct xkd_dwarf *d, Dwarf_Die die, unsigned at)
{
	uint64_t off = xkd_dw_off(die);
	Dwarf_Die at_die = xkd_dw_die(d, off);

	for (int i = 0; at_die && i < XKD_DW_DEPTH; i++) {
		if (xkd_dw_has(d, at_die, at))
			return at_die;
		if (!origin_step(d, at_die, true, &off)) {
			xkd_dw_free(at_die);
			return NULL;
		}
		xkd_dw_free(at_die);
		at_die = xkd_dw_die(d, off);
	}
	if (at_die)
		xkd_dw_bad(d, off, "abstract origins go in a circle");
	xkd_dw_free(at_die);
	return NULL;
}

uint64_t xkd_dw_origin(struct xkd_dwarf *d, Dwarf_Die die)
{
	uint64_t off = xkd_dw_off(die);
	Dwarf_Die at_die = die;

	for (int i = 0; i < XKD_DW_DEPTH; i++) {
		bool more = origin_step(d, at_die, false, &off);

		if (at_die != die)
			xkd_dw_free(at_die);
		if (!more)
			return off;
		at_die = xkd_dw_die(d, off);
		if (!at_die)
			return off;
	}
	if (at_die != die)
		xkd_dw_free(at_die);
	xkd_dw_bad(d, off, "abstract origins go in a circle");
	return off;
}

const char *xkd_dw_name(struct xkd_dwarf *d, Dwarf_Die die)
{
	const char *name = NULL;
	Dwarf_Die has;

	if (xkd_dw_has(d, die, DW_AT_name))
		return xkd_dw_str(d, die, DW_AT_name);
	has = xkd_dw_origin_with(d, die, DW_AT_name);
	if (has)
		name = xkd_dw_str(d, has, DW_AT_name);
	xkd_dw_free(has);
	return name;
}
