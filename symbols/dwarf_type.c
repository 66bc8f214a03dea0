/* The provider of types: entries of .debug_info as struct xkd_type, parts loaded when asked.
 * Invariants: one type per entry offset, kept in d->types; the further dimensions of an array are
 * types of their own under the offsets of their subrange entries. A type goes into the map only
 * when its entry could be read. Sizes follow at most XKD_DW_DEPTH entries; a circle is BADDATA. */
#include "symbols/dwarf_int.h"

#define PARTS_MAX (1 << 20) /* members, enumerators, parameters of one type */
#define DIMS_MAX 32

static struct xkd_dwarf *of(struct xkd_types *p)
{
	return (struct xkd_dwarf *)((char *)p - offsetof(struct xkd_dwarf, provider));
}

static enum xkd_tkind kind_of(unsigned tag)
{
	switch (tag) {
	case DW_TAG_base_type:
		return XKD_T_INT; /* until its encoding is read */
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		return XKD_T_PTR;
	case DW_TAG_array_type:
		return XKD_T_ARRAY;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_interface_type:
		return XKD_T_STRUCT;
	case DW_TAG_union_type:
		return XKD_T_UNION;
	case DW_TAG_enumeration_type:
		return XKD_T_ENUM;
	case DW_TAG_subroutine_type:
	case DW_TAG_subprogram:
		return XKD_T_FUNC;
	case DW_TAG_typedef:
	case DW_TAG_subrange_type:
	case DW_TAG_template_alias:
		return XKD_T_TYPEDEF;
	case DW_TAG_const_type:
	case DW_TAG_immutable_type:
		return XKD_T_CONST;
	case DW_TAG_volatile_type:
		return XKD_T_VOLATILE;
	case DW_TAG_restrict_type:
		return XKD_T_RESTRICT;
	case DW_TAG_atomic_type:
		return XKD_T_ATOMIC;
	default:
		return XKD_T_OTHER;
	}
}

/* --- sizes --- */
/* One dimension: elements, 0 when it has no bound. count[] is made 1 for an empty dimension. */
static uint64_t dim_count(struct xkd_dwarf *d, Dwarf_Die sub)
{
	uint64_t n, low = 0;
	bool sdata;

	if (xkd_dw_u64(d, sub, DW_AT_count, &n))
		return n;
	if (!xkd_dw_const(d, sub, DW_AT_upper_bound, &n, &sdata))
		return 0;
	xkd_dw_u64(d, sub, DW_AT_lower_bound, &low);
	/* -1 written short or long: GCC's way to say [0] */
	if ((int64_t)n < 0 || (low == 0 && n == UINT32_MAX))
		return 0;
	return n + 1 > low ? n + 1 - low : 0;
}

static size_t read_dims(struct xkd_dwarf *d, Dwarf_Die die, uint64_t *count, uint64_t *id)
{
	Dwarf_Die kid = xkd_dw_child(d, die);
	size_t n = 0;

	for (; kid; kid = xkd_dw_next(d, kid)) {
		unsigned tag = xkd_dw_tag(kid);

		if (tag != DW_TAG_subrange_type && tag != DW_TAG_enumeration_type)
			continue;
		if (n == DIMS_MAX) {
			xkd_dw_bad(d, xkd_dw_off(die), "an array of too many dimensions");
			xkd_dw_free(kid);
			return 0;
		}
		count[n] = dim_count(d, kid);
		id[n++] = xkd_dw_off(kid);
	}
	return n;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t v;

	return __builtin_mul_overflow(a, b, &v) ? 0 : v;
}

/* Bytes of the type that die names; typedefs, qualifiers and arrays are followed. */
static uint64_t size_of(struct xkd_dwarf *d, Dwarf_Die first)
{
	uint64_t size = 0, factor = 1, off = 0, count[DIMS_MAX], id[DIMS_MAX];
	Dwarf_Die die = first;

	for (int i = 0; die && i < XKD_DW_DEPTH; i++) {
		enum xkd_tkind kind = kind_of(xkd_dw_tag(die));
		bool more = false;

		if (xkd_dw_u64(d, die, DW_AT_byte_size, &size)) {
			;
		} else if (kind == XKD_T_PTR) {
			size = 8;
		} else if (kind == XKD_T_ARRAY || kind == XKD_T_TYPEDEF || kind >= XKD_T_CONST) {
			size_t n = kind == XKD_T_ARRAY ? read_dims(d, die, count, id) : 0;

			if (kind == XKD_T_ARRAY && !n)
				factor = 0;
			while (n)
				factor = times(factor, count[--n]);
			more = kind != XKD_T_OTHER && xkd_dw_ref(d, die, DW_AT_type, &off);
		}
		if (die != first)
			xkd_dw_free(die);
		if (!more)
			return times(size, factor);
		die = xkd_dw_die(d, off);
	}
	if (die && die != first)
		xkd_dw_free(die);
	xkd_dw_bad(d, xkd_dw_off(first), "types go in a circle");
	return 0;
}

/* --- making types --- */
static void set_base(struct xkd_dwarf *d, Dwarf_Die die, struct xkd_type *t)
{
	uint64_t enc = 0;

	xkd_dw_u64(d, die, DW_AT_encoding, &enc);
	switch (enc) {
	case DW_ATE_boolean:
		t->kind = XKD_T_BOOL;
		break;
	case DW_ATE_float:
		t->kind = XKD_T_FLOAT;
		t->is_signed = true;
		break;
	case DW_ATE_signed:
		t->is_signed = true;
		break;
	case DW_ATE_signed_char:
		t->is_signed = true;
		t->is_char = true;
		break;
	case DW_ATE_unsigned_char:
	case DW_ATE_UTF:
		t->is_char = true;
		break;
	case DW_ATE_unsigned:
	case DW_ATE_address:
		break;
	default:
		t->kind = XKD_T_OTHER;
	}
	if (t->kind == XKD_T_INT && t->size > 16)
		t->kind = XKD_T_OTHER;
}

static bool signed_encoding(uint64_t enc)
{
	return enc == DW_ATE_signed || enc == DW_ATE_signed_char;
}

/* Is the basic type behind DW_AT_type signed. */
static bool base_is_signed(struct xkd_dwarf *d, Dwarf_Die first)
{
	Dwarf_Die die = first;
	uint64_t off, enc = 0;

	for (int i = 0; die && i < XKD_DW_DEPTH; i++) {
		bool more = xkd_dw_ref(d, die, DW_AT_type, &off);

		if (!more)
			xkd_dw_u64(d, die, DW_AT_encoding, &enc);
		if (die != first)
			xkd_dw_free(die);
		if (!more)
			return signed_encoding(enc);
		die = xkd_dw_die(d, off);
	}
	if (die != first)
		xkd_dw_free(die);
	return false;
}

/* By its own encoding, its underlying type's, else by a negative value. */
static bool enum_is_signed(struct xkd_dwarf *d, Dwarf_Die die)
{
	uint64_t v;
	bool sdata, neg = false;
	Dwarf_Die kid;

	if (xkd_dw_u64(d, die, DW_AT_encoding, &v))
		return signed_encoding(v);
	if (xkd_dw_has(d, die, DW_AT_type))
		return base_is_signed(d, die);
	for (kid = xkd_dw_child(d, die); kid && !neg; kid = xkd_dw_next(d, kid))
		neg = xkd_dw_tag(kid) == DW_TAG_enumerator &&
		      xkd_dw_const(d, kid, DW_AT_const_value, &v, &sdata) && sdata &&
		      (int64_t)v < 0;
	xkd_dw_free(kid);
	return neg;
}

/* An array: the types of its inner dimensions first, the element kept aside for load_target. */
static void set_array(struct xkd_dwarf *d, Dwarf_Die die, struct xkd_type *t)
{
	uint64_t count[DIMS_MAX], id[DIMS_MAX], elem_size, off;
	const struct xkd_type *elem = xkd_dw_type_of(d, die);
	size_t n = read_dims(d, die, count, id);

	if (!elem || d->bad.code) {
		xkd_dw_bad(d, xkd_dw_off(die), "an array without an element type");
		return;
	}
	elem_size = elem->size;
	if (xkd_dw_u64(d, die, DW_AT_byte_stride, &off))
		elem_size = off;
	for (size_t i = n; i > 1; i--) {
		struct xkd_type *in = xkd_type_new(&d->provider, id[i - 1], XKD_T_ARRAY);

		in->nelem = count[i - 1];
		in->flexible = !in->nelem;
		in->size = elem_size = times(elem_size, in->nelem);
		xkd_map_put(&d->types, in->id, in);
		xkd_map_put(&d->elems, in->id, (void *)elem);
		elem = in;
	}
	t->nelem = n ? count[0] : 0;
	t->flexible = !t->nelem;
	t->size = times(elem_size, t->nelem);
	xkd_map_put(&d->elems, t->id, (void *)elem);
}

static void set_func(struct xkd_dwarf *d, Dwarf_Die die, struct xkd_type *t)
{
	Dwarf_Die kid = xkd_dw_child(d, die);

	for (; kid; kid = xkd_dw_next(d, kid))
		if (xkd_dw_tag(kid) == DW_TAG_unspecified_parameters)
			t->variadic = true;
	t->size = 0;
	if (xkd_dw_tag(die) == DW_TAG_subprogram)
		t->name = xkd_dw_name(d, die);
}

static struct xkd_type *make_type(struct xkd_dwarf *d, Dwarf_Die die, uint64_t off)
{
	struct xkd_type *t = xkd_type_new(&d->provider, off, kind_of(xkd_dw_tag(die)));

	t->name = xkd_dw_str(d, die, DW_AT_name);
	if (t->name && !*t->name)
		t->name = NULL;
	switch (t->kind) {
	case XKD_T_STRUCT:
	case XKD_T_UNION:
	case XKD_T_ENUM:
		t->is_decl = xkd_dw_flag(d, die, DW_AT_declaration);
		t->size = t->is_decl ? 0 : size_of(d, die);
		if (t->kind == XKD_T_ENUM && !t->is_decl)
			t->is_signed = enum_is_signed(d, die);
		break;
	case XKD_T_INT:
		t->size = size_of(d, die);
		set_base(d, die, t);
		break;
	case XKD_T_ARRAY:
		set_array(d, die, t);
		break;
	case XKD_T_FUNC:
		set_func(d, die, t);
		break;
	default:
		t->size = size_of(d, die);
	}
	return t;
}

static bool is_type_tag(unsigned tag)
{
	return kind_of(tag) != XKD_T_OTHER || tag == DW_TAG_unspecified_type ||
	       tag == DW_TAG_ptr_to_member_type || tag == DW_TAG_string_type ||
	       tag == DW_TAG_set_type || tag == DW_TAG_file_type || tag == DW_TAG_packed_type ||
	       tag == DW_TAG_shared_type || tag == DW_TAG_dynamic_type ||
	       tag == DW_TAG_coarray_type;
}

/* GCC qualifies an array and its elements: const (array of const char). In C that is one qualifier,
 * the elements'; then the array itself is the type, else NULL. */
static const struct xkd_type *qualified_array(struct xkd_dwarf *d, Dwarf_Die die)
{
	enum xkd_tkind kind = kind_of(xkd_dw_tag(die));
	const struct xkd_type *array, *t;
	Dwarf_Die target;
	uint64_t off;
	bool is_array;

	if ((kind != XKD_T_CONST && kind != XKD_T_VOLATILE) ||
	    !xkd_dw_ref(d, die, DW_AT_type, &off) || !(target = xkd_dw_die(d, off)))
		return NULL;
	is_array = xkd_dw_tag(target) == DW_TAG_array_type;
	xkd_dw_free(target);
	t = array = is_array ? xkd_dw_type(d, off) : NULL;
	while (t && t->kind == XKD_T_ARRAY)
		t = xkd_map_get(&d->elems, t->id);
	for (int i = 0; t && t->kind != kind && i < XKD_DW_DEPTH; i++) {
		if (t->kind != XKD_T_CONST && t->kind != XKD_T_VOLATILE)
			return NULL;
		target = xkd_dw_die(d, t->id);
		t = target ? xkd_dw_type_of(d, target) : NULL;
		xkd_dw_free(target);
	}
	return t && t->kind == kind ? array : NULL;
}

const struct xkd_type *xkd_dw_type(struct xkd_dwarf *d, uint64_t off)
{
	const struct xkd_type *t = xkd_map_get(&d->types, off);
	uint64_t own;
	Dwarf_Die die;

	if (t)
		return t;
	/* Arrays ask for their elements at once: hostile ones could go down without end. */
	if (d->type_depth >= XKD_DW_DEPTH) {
		xkd_dw_bad(d, off, "types nest too deeply");
		return NULL;
	}
	die = xkd_dw_die(d, off);
	if (!die)
		return NULL;
	d->type_depth++;
	/* a stand-in for a type that has a unit of its own */
	if (xkd_dw_has(d, die, DW_AT_signature) && xkd_dw_ref(d, die, DW_AT_signature, &own) &&
	    own != off)
		t = xkd_dw_type(d, own);
	else if (is_type_tag(xkd_dw_tag(die)))
		t = qualified_array(d, die);
	else
		xkd_dw_bad(d, off, "tag 0x%x where a type is wanted", xkd_dw_tag(die));
	if (!t && !d->bad.code)
		t = make_type(d, die, off);
	d->type_depth--;
	xkd_dw_free(die);
	if (d->bad.code)
		return NULL;
	xkd_map_put(&d->types, off, (void *)t);
	return t;
}

const struct xkd_type *xkd_dw_type_of(struct xkd_dwarf *d, Dwarf_Die die)
{
	uint64_t off;

	return xkd_dw_ref(d, die, DW_AT_type, &off) ? xkd_dw_type(d, off) : NULL;
}

/* --- parts --- */
static enum xkd_rc load_target(struct xkd_types *p, const struct xkd_type *t,
			       const struct xkd_type **target, struct xkd_err *err)
{
	struct xkd_dwarf *d = of(p);
	Dwarf_Die die;

	*target = NULL;
	if (t->kind == XKD_T_ARRAY) {
		*target = xkd_map_get(&d->elems, t->id);
		return *target ? XKD_OK
			       : xkd_err_set(err, XKD_BADDATA, "an array without an element type");
	}
	xkd_dw_begin(d);
	die = xkd_dw_die(d, t->id);
	if (die)
		*target = xkd_dw_type_of(d, die);
	xkd_dw_free(die);
	return xkd_dw_end(d, XKD_OK, err);
}

/* DW_AT_data_member_location: a constant, or an expression that adds one. */
static uint64_t member_offset(struct xkd_dwarf *d, Dwarf_Die die)
{
	struct xkd_cur c = { .bad = false };
	const uint8_t *p;
	uint64_t v = 0;
	size_t n;

	if (!xkd_dw_has(d, die, DW_AT_data_member_location) ||
	    xkd_dw_u64(d, die, DW_AT_data_member_location, &v))
		return v;
	if (xkd_dw_block(d, die, DW_AT_data_member_location, &p, &n) && n &&
	    (p[0] == DW_OP_plus_uconst || p[0] == DW_OP_constu)) {
		c.p = p + 1;
		c.end = p + n;
		v = xkd_cur_uleb(&c);
		if (!c.bad)
			return v;
	}
	xkd_dw_bad(d, xkd_dw_off(die), "a member whose place is computed");
	return 0;
}

/* Both ways to place a bit-field come out as bits from the start of the struct. */
static void set_bits(struct xkd_dwarf *d, Dwarf_Die die, struct xkd_member *m)
{
	uint64_t size = 0, off, unit;
	bool sdata;

	m->bit_off = member_offset(d, die) * 8;
	if (!xkd_dw_u64(d, die, DW_AT_bit_size, &size))
		return;
	m->bit_size = size <= 128 ? (uint32_t)size : 0;
	if (xkd_dw_u64(d, die, DW_AT_data_bit_offset, &off)) {
		m->bit_off = off;
	} else if (xkd_dw_const(d, die, DW_AT_bit_offset, &off, &sdata)) {
		/* Counted from the most significant bit of a unit of storage. */
		if (!xkd_dw_u64(d, die, DW_AT_byte_size, &unit))
			unit = m->type ? m->type->size : 0;
		m->bit_off += unit * 8 - off - size;
	}
}

static bool is_member(struct xkd_dwarf *d, Dwarf_Die kid)
{
	unsigned tag = xkd_dw_tag(kid);

	if (tag == DW_TAG_inheritance)
		return true;
	return tag == DW_TAG_member && !xkd_dw_flag(d, kid, DW_AT_external) &&
	       !xkd_dw_flag(d, kid, DW_AT_declaration);
}

/* Opens a type's entry for its children, first of them in *kid; false: nothing there. */
static bool open_parts(struct xkd_dwarf *d, const struct xkd_type *t, Dwarf_Die *kid)
{
	Dwarf_Die die;

	xkd_dw_begin(d);
	die = xkd_dw_die(d, t->id);
	*kid = die ? xkd_dw_child(d, die) : NULL;
	xkd_dw_free(die);
	return *kid != NULL;
}

static bool too_many(struct xkd_dwarf *d, const struct xkd_type *t, size_t n)
{
	if (n >= PARTS_MAX)
		xkd_dw_bad(d, t->id, "a type of too many parts");
	return d->bad.code != XKD_OK;
}

static enum xkd_rc load_members(struct xkd_types *p, const struct xkd_type *t,
				struct xkd_member **m, size_t *n, struct xkd_err *err)
{
	struct xkd_dwarf *d = of(p);
	XKD_VEC(struct xkd_member) v = { 0 };
	enum xkd_rc rc;
	Dwarf_Die kid;

	for (open_parts(d, t, &kid); kid; kid = xkd_dw_next(d, kid)) {
		struct xkd_member *one;

		if (!is_member(d, kid))
			continue;
		if (too_many(d, t, v.n))
			break;
		one = xkd_vec_push(&v);
		one->name = xkd_dw_str(d, kid, DW_AT_name);
		one->type = xkd_dw_type_of(d, kid);
		if (!one->type)
			xkd_dw_bad(d, xkd_dw_off(kid), "a member without a type");
		set_bits(d, kid, one);
	}
	xkd_dw_free(kid);
	rc = xkd_dw_end(d, XKD_OK, err);
	*n = rc ? 0 : v.n;
	*m = rc ? NULL : xkd_arena_dup(&d->arena, v.p, v.n * sizeof(*v.p));
	xkd_vec_fini(&v);
	return rc;
}

/* Zero-extended short constants of a signed enum stay as they are: producers write negative ones as
 * sdata. */
static enum xkd_rc load_enums(struct xkd_types *p, const struct xkd_type *t,
			      struct xkd_enumerator **e, size_t *n, struct xkd_err *err)
{
	struct xkd_dwarf *d = of(p);
	XKD_VEC(struct xkd_enumerator) v = { 0 };
	enum xkd_rc rc;
	Dwarf_Die kid;

	for (open_parts(d, t, &kid); kid; kid = xkd_dw_next(d, kid)) {
		struct xkd_enumerator *one;

		if (xkd_dw_tag(kid) != DW_TAG_enumerator)
			continue;
		if (too_many(d, t, v.n))
			break;
		one = xkd_vec_push(&v);
		one->name = xkd_dw_str(d, kid, DW_AT_name);
		if (!one->name)
			one->name = "";
		xkd_dw_u64(d, kid, DW_AT_const_value, &one->val);
	}
	xkd_dw_free(kid);
	rc = xkd_dw_end(d, XKD_OK, err);
	*n = rc ? 0 : v.n;
	*e = rc ? NULL : xkd_arena_dup(&d->arena, v.p, v.n * sizeof(*v.p));
	xkd_vec_fini(&v);
	return rc;
}

static enum xkd_rc load_params(struct xkd_types *p, const struct xkd_type *t, struct xkd_param **pa,
			       size_t *n, struct xkd_err *err)
{
	struct xkd_dwarf *d = of(p);
	XKD_VEC(struct xkd_param) v = { 0 };
	enum xkd_rc rc;
	Dwarf_Die kid;

	for (open_parts(d, t, &kid); kid; kid = xkd_dw_next(d, kid)) {
		struct xkd_param *one;
		Dwarf_Die has;

		if (xkd_dw_tag(kid) != DW_TAG_formal_parameter)
			continue;
		if (too_many(d, t, v.n))
			break;
		one = xkd_vec_push(&v);
		one->name = xkd_dw_name(d, kid);
		has = xkd_dw_origin_with(d, kid, DW_AT_type);
		one->type = has ? xkd_dw_type_of(d, has) : NULL;
		xkd_dw_free(has);
	}
	xkd_dw_free(kid);
	rc = xkd_dw_end(d, XKD_OK, err);
	*n = rc ? 0 : v.n;
	*pa = rc ? NULL : xkd_arena_dup(&d->arena, v.p, v.n * sizeof(*v.p));
	xkd_vec_fini(&v);
	return rc;
}

static enum xkd_rc find(struct xkd_types *p, enum xkd_tag tag, const char *name,
			const struct xkd_type **t, struct xkd_err *err)
{
	struct xkd_dwarf *d = of(p);
	uint64_t off;
	enum xkd_rc rc;

	*t = NULL;
	xkd_dw_begin(d);
	rc = xkd_dw_named_type(d, tag, name, &off, err);
	if (!rc)
		*t = xkd_dw_type(d, off);
	if (*t && (!(*t)->name || strcmp((*t)->name, name))) {
		*t = NULL;
		rc = xkd_err_set(err, XKD_BADDATA, "the index of %s does not fit it",
				 xkd_image_path(d->img));
	}
	return xkd_dw_end(d, rc, err);
}

struct each_arg {
	struct xkd_dwarf *d;
	bool (*fn)(void *arg, const struct xkd_type *t);
	void *arg;
};
static bool each_one(void *arg, uint64_t off)
{
	struct each_arg *a = arg;
	const struct xkd_type *t;

	xkd_dw_begin(a->d);
	t = xkd_dw_type(a->d, off);
	if (t)
		return a->fn(a->arg, t);
	xkd_log(xkd_image_log(a->d->img), XKD_LOG_SYM, "%s", a->d->bad.msg);
	return true;
}

static enum xkd_rc each(struct xkd_types *p, bool (*fn)(void *arg, const struct xkd_type *t),
			void *arg, struct xkd_err *err)
{
	struct each_arg a = { of(p), fn, arg };
	enum xkd_rc rc = xkd_dw_named_each(a.d, each_one, &a, err);

	xkd_dw_begin(a.d);
	return rc;
}

void xkd_dw_types_init(struct xkd_dwarf *d)
{
	d->provider = (struct xkd_types){
		.origin = "DWARF",
		.load_target = load_target,
		.load_members = load_members,
		.load_enums = load_enums,
		.load_params = load_params,
		.find = find,
		.each = each,
		.arena = &d->arena,
	};
	xkd_map_init_u64(&d->provider.made);
}

struct xkd_types *xkd_dwarf_types(struct xkd_dwarf *d)
{
	return &d->provider;
}
