/* ORC unwind tables of x86-64 kernels: one lookup by address, four layouts.
 *
 * Invariants: the raw tables are used as they are; when they are not in order of address, order[]
 * gives it. Of entries at one address the last in order holds, and those without unwinding (ends of
 * compilation units) come first, as the kernel sorts them. Registers and types that the version
 * does not know read as NONE: no unwinding from here. */
#include "symbols/orc.h"
#include "base/arena.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

#define ENTRY_LEN 6

struct xkd_orc {
	const uint8_t *ips, *entries;
	uint32_t n;
	uint64_t ip_addr;
	uint32_t *order; /* NULL: in order as it stands */
	enum xkd_orc_version version;
};

static uint64_t ip_of(const struct xkd_orc *o, uint32_t i)
{
	int32_t rel = (int32_t)xkd_get_le(o->ips + 4 * (size_t)i, 4);

	return o->ip_addr + 4 * (uint64_t)i + (uint64_t)(int64_t)rel;
}

static unsigned flags_of(const uint8_t *entry)
{
	return entry[4] | (unsigned)entry[5] << 8;
}

static enum xkd_orc_reg reg_of(enum xkd_orc_version v, unsigned nr, bool *known)
{
	static const enum xkd_orc_reg old[] = {
		XKD_ORC_UNDEF,	     XKD_ORC_PREV_SP,	  XKD_ORC_DX,  XKD_ORC_DI,
		XKD_ORC_BP,	     XKD_ORC_SP,	  XKD_ORC_R10, XKD_ORC_R13,
		XKD_ORC_BP_INDIRECT, XKD_ORC_SP_INDIRECT,
	};
	static const enum xkd_orc_reg v4[] = {
		XKD_ORC_UNDEF,	 XKD_ORC_AX,	      XKD_ORC_DX,	   XKD_ORC_SP,
		XKD_ORC_BP,	 XKD_ORC_DI,	      XKD_ORC_R10,	   XKD_ORC_R13,
		XKD_ORC_PREV_SP, XKD_ORC_SP_INDIRECT, XKD_ORC_BP_INDIRECT,
	};
	size_t n = v == XKD_ORC_V4 ? XKD_COUNT(v4) : XKD_COUNT(old);

	if (nr >= n) {
		*known = false;
		return XKD_ORC_UNDEF;
	}
	return v == XKD_ORC_V4 ? v4[nr] : old[nr];
}

/* Versions 1 and 2: two bits of type, and "undefined" is a stack pointer without a register. */
static void type_old(enum xkd_orc_version v, unsigned flags, struct xkd_orc_entry *e)
{
	static const enum xkd_orc_type types[] = { XKD_ORC_CALL, XKD_ORC_REGS, XKD_ORC_REGS_PARTIAL,
						   XKD_ORC_NONE };
	bool end = flags >> (v == XKD_ORC_V1 ? 10 : 11) & 1;

	e->type = types[flags >> 8 & 3];
	if (e->sp_reg == XKD_ORC_UNDEF)
		e->type = end ? XKD_ORC_END : XKD_ORC_NONE;
	/* Version 1 has no signal bit; what was interrupted stands in saved registers. */
	e->signal = v == XKD_ORC_V1 ? e->type == XKD_ORC_REGS || e->type == XKD_ORC_REGS_PARTIAL
				    : flags >> 10 & 1;
}

static void type_new(unsigned flags, struct xkd_orc_entry *e)
{
	static const enum xkd_orc_type types[] = { XKD_ORC_NONE, XKD_ORC_END,	       XKD_ORC_CALL,
						   XKD_ORC_REGS, XKD_ORC_REGS_PARTIAL, XKD_ORC_NONE,
						   XKD_ORC_NONE, XKD_ORC_NONE };

	e->type = types[flags >> 8 & 7];
	e->signal = flags >> 11 & 1;
}

static void decode(const struct xkd_orc *o, uint32_t i, struct xkd_orc_entry *e)
{
	const uint8_t *p = o->entries + ENTRY_LEN * (size_t)i;
	unsigned flags = flags_of(p);
	bool known = true;

	e->ip = ip_of(o, i);
	e->sp_off = (int16_t)xkd_get_le(p, 2);
	e->bp_off = (int16_t)xkd_get_le(p + 2, 2);
	e->sp_reg = reg_of(o->version, flags & 15, &known);
	e->bp_reg = reg_of(o->version, flags >> 4 & 15, &known);
	if (o->version <= XKD_ORC_V2)
		type_old(o->version, flags, e);
	else
		type_new(flags, e);
	if (!known)
		e->type = XKD_ORC_NONE;
}

/* --- which version --- */

/* The hash of the structure's definition that the kernel's build puts into .orc_header. */
static enum xkd_orc_version from_header(const uint8_t *h)
{
	static const struct {
		enum xkd_orc_version v;
		uint8_t hash[20];
	} known[] = {
		{ XKD_ORC_V2, { 0xdb, 0x84, 0xae, 0xd4, 0x10, 0x3b, 0x31, 0xdd, 0x51, 0xe0,
				0x17, 0xf8, 0xf7, 0x97, 0x83, 0xca, 0x98, 0x5c, 0x2c, 0x51 } },
		{ XKD_ORC_V3, { 0xfe, 0x5d, 0x32, 0xbf, 0x58, 0x1b, 0xd6, 0x3b, 0x2c, 0xa9,
				0xa5, 0xc6, 0x5b, 0xa5, 0xa6, 0x25, 0xea, 0xb3, 0xfe, 0x24 } },
		{ XKD_ORC_V4, { 0x13, 0x7c, 0x36, 0xad, 0x76, 0x27, 0xc4, 0xdd, 0x55, 0x93,
				0x21, 0x76, 0xbb, 0x0e, 0xcd, 0xbd, 0x50, 0x41, 0xfc, 0x82 } },
	};

	for (size_t i = 0; i < XKD_COUNT(known); i++)
		if (!memcmp(h, known[i].hash, sizeof(known[i].hash)))
			return known[i].v;
	return 0;
}

/* Nearly all entries of a kernel are ordinary calls with the frame address from the stack pointer:
 * type 0 in versions 1 and 2, type 2 from 3 on; register 5 up to version 3, 3 in version 4. Version
 * 2 shows itself by the bit for the end (11, never set in 1) or a signal bit beside a register. */
static enum xkd_orc_version from_entries(const uint8_t *entries, uint32_t n)
{
	uint32_t call0 = 0, call2 = 0, sp5 = 0, sp3 = 0, v2 = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned flags = flags_of(entries + ENTRY_LEN * (size_t)i), sp = flags & 15;

		call0 += sp && !(flags >> 8 & 7);
		call2 += sp && (flags >> 8 & 7) == 2;
		sp5 += sp == 5;
		sp3 += sp == 3;
		v2 += (flags >> 11 & 1) || (sp && (flags >> 10 & 1));
	}
	if (call2 > call0)
		return sp3 > sp5 ? XKD_ORC_V4 : XKD_ORC_V3;
	return v2 ? XKD_ORC_V2 : XKD_ORC_V1;
}

/* --- order --- */

static bool in_order(const struct xkd_orc *o)
{
	for (uint32_t i = 1; i < o->n; i++)
		if (ip_of(o, i) < ip_of(o, i - 1))
			return false;
	return true;
}

struct place {
	uint64_t ip;
	uint32_t i;
	bool real;
};

static int place_cmp(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->ip != y->ip)
		return x->ip < y->ip ? -1 : 1;
	if (x->real != y->real)
		return x->real ? 1 : -1;
	return x->i < y->i ? -1 : x->i > y->i;
}

static void make_order(struct xkd_orc *o)
{
	struct place *pl = xkd_calloc(o->n, sizeof(*pl));
	struct xkd_orc_entry e;

	for (uint32_t i = 0; i < o->n; i++) {
		decode(o, i, &e);
		pl[i] = (struct place){ e.ip, i, e.type != XKD_ORC_NONE };
	}
	qsort(pl, o->n, sizeof(*pl), place_cmp);
	if (!o->order)
		o->order = xkd_calloc(o->n, sizeof(*o->order));
	for (uint32_t i = 0; i < o->n; i++)
		o->order[i] = pl[i].i;
	free(pl);
}

enum xkd_rc xkd_orc_open(const uint8_t *ips, const uint8_t *entries, size_t n, uint64_t ip_addr,
			 bool sorted, const uint8_t *header, enum xkd_orc_version version,
			 struct xkd_orc **op, struct xkd_err *err)
{
	*op = NULL;
	if (n >= UINT32_MAX / ENTRY_LEN)
		return xkd_err_set(err, XKD_BADDATA, "orc: %zu entries", n);
	if ((unsigned)version > XKD_ORC_V4)
		return xkd_err_set(err, XKD_UNSUPPORTED, "orc: version %u", (unsigned)version);

	struct xkd_orc *o = xkd_calloc(1, sizeof(*o));

	o->ips = ips;
	o->entries = entries;
	o->n = (uint32_t)n;
	o->ip_addr = ip_addr;
	o->version = version;
	if (!o->version && header)
		o->version = from_header(header);
	if (!o->version)
		o->version = from_entries(entries, o->n);
	/* Kernels before 5.6 sort at boot: the file's word for being sorted is looked at too. A
	 * module's table in order of address may still have an end after the real entry. */
	if (n && (!sorted || !in_order(o)))
		make_order(o);
	*op = o;
	return XKD_OK;
}

void xkd_orc_close(struct xkd_orc *o)
{
	if (o)
		free(o->order);
	free(o);
}

enum xkd_orc_version xkd_orc_version(const struct xkd_orc *o)
{
	return o->version;
}

void xkd_orc_set_version(struct xkd_orc *o, enum xkd_orc_version v)
{
	if (v < XKD_ORC_V1 || v > XKD_ORC_V4 || v == o->version)
		return;
	o->version = v;
	if (o->order) /* what is a real entry depends on the version */
		make_order(o);
}

enum xkd_rc xkd_orc_at(const struct xkd_orc *o, uint64_t iaddr, struct xkd_orc_entry *e)
{
	uint32_t lo = 0, hi = o->n; /* entries below lo begin at or below iaddr, from hi on above */

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ip_of(o, o->order ? o->order[mid] : mid) <= iaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return XKD_NOTFOUND;
	decode(o, o->order ? o->order[lo - 1] : lo - 1, e);
	return XKD_OK;
}
