/* BTF: the container (header, strings, table of records) and the making of types.
 *
 * Invariants: the header is checked at open, all records and their lengths when the table is made,
 * before anything is looked up; record data is then read without further checks of its length,
 * while every id and string offset inside it is checked at use. Ids below first are the base's, to
 * any depth. A type is made once and stays. */
#include "symbols/btf_int.h"
#include "base/str.h"
#include <stdlib.h>
#include <string.h>

#define BTF_MAGIC 0xeb9f
#define HDR_MIN 24 /* magic, version, flags, hdr_len, four section words */
#define REC_LEN 12
#define STEPS 64

static enum xkd_rc check_sections(struct xkd_btf *b, const uint8_t *data, size_t size,
				  struct xkd_err *err)
{
	uint32_t hdr_len = (uint32_t)xkd_get_le(data + 4, 4);
	uint64_t type_off = xkd_get_le(data + 8, 4), type_len = xkd_get_le(data + 12, 4);
	uint64_t str_off = xkd_get_le(data + 16, 4), str_len = xkd_get_le(data + 20, 4);

	if (hdr_len < HDR_MIN || hdr_len > size)
		return xkd_err_set(err, XKD_BADDATA, "btf: header length %u of %zu bytes", hdr_len,
				   size);
	if (type_off + type_len > size - hdr_len)
		return xkd_err_set(err, XKD_BADDATA,
				   "btf: types at %llu + %llu leave the section of %zu bytes",
				   (unsigned long long)type_off, (unsigned long long)type_len,
				   size);
	if (str_off + str_len > size - hdr_len)
		return xkd_err_set(err, XKD_BADDATA,
				   "btf: strings at %llu + %llu leave the section of %zu bytes",
				   (unsigned long long)str_off, (unsigned long long)str_len, size);
	b->recs = data + hdr_len + type_off;
	b->recs_len = (uint32_t)type_len;
	b->strs = data + hdr_len + str_off;
	b->strs_len = (uint32_t)str_len;
	if (!str_len && b->base)
		return XKD_OK;
	if (!str_len || b->strs[str_len - 1] || (!b->base && b->strs[0]))
		return xkd_err_set(err, XKD_BADDATA, "btf: the string table does not %s with NUL",
				   !str_len || b->strs[str_len - 1] ? "end" : "begin");
	return XKD_OK;
}

enum xkd_rc xkd_btf_open(const uint8_t *data, size_t size, struct xkd_btf *base,
			 struct xkd_btf **bp, struct xkd_err *err)
{
	struct xkd_btf hdr = { .base = base };
	enum xkd_rc rc;

	*bp = NULL;
	if (size < HDR_MIN)
		return xkd_err_set(err, XKD_BADDATA, "btf: %zu bytes are no header", size);
	if (xkd_get_le(data, 2) == 0x9feb)
		return xkd_err_set(err, XKD_UNSUPPORTED, "btf: big-endian");
	if (xkd_get_le(data, 2) != BTF_MAGIC)
		return xkd_err_set(err, XKD_BADDATA, "btf: wrong magic 0x%04x",
				   (unsigned)xkd_get_le(data, 2));
	if (data[2] != 1)
		return xkd_err_set(err, XKD_UNSUPPORTED, "btf: version %u", data[2]);
	rc = check_sections(&hdr, data, size, err);
	if (rc)
		return rc;
	if (base && __builtin_add_overflow(base->strs_first, base->strs_len, &hdr.strs_first))
		return xkd_err_set(err, XKD_BADDATA, "btf: string table of the base too long");

	struct xkd_btf *b = xkd_malloc(sizeof(*b));

	*b = hdr;
	xkd_arena_init(&b->arena);
	b->types.origin = "BTF";
	b->types.arena = &b->arena;
	xkd_map_init_u64(&b->types.made);
	b->types.load_target = btf_load_target;
	b->types.load_members = btf_load_members;
	b->types.load_enums = btf_load_enums;
	b->types.load_params = btf_load_params;
	b->types.find = btf_find;
	b->types.each = btf_each;
	*bp = b;
	return XKD_OK;
}

void xkd_btf_close(struct xkd_btf *b)
{
	if (!b)
		return;
	xkd_types_fini(&b->types);
	xkd_arena_fini(&b->arena);
	free(b->off);
	free(b->made);
	free(b->hash);
	free(b);
}

struct xkd_types *xkd_btf_types(struct xkd_btf *b)
{
	return &b->types;
}

const char *btf_str(const struct xkd_btf *b, uint32_t off)
{
	while (b->base && off < b->strs_first)
		b = b->base;
	off -= b->strs_first;
	return off < b->strs_len ? (const char *)b->strs + off : NULL;
}

/* Bytes after the common part, or -1 for a kind that is not known. */
static int64_t extra_len(unsigned kind, uint32_t vlen)
{
	switch (kind) {
	case BTF_PTR:
	case BTF_FWD:
	case BTF_TYPEDEF:
	case BTF_VOLATILE:
	case BTF_CONST:
	case BTF_RESTRICT:
	case BTF_FUNC: /* its vlen is the linkage */
	case BTF_FLOAT:
	case BTF_TYPE_TAG:
		return 0;
	case BTF_INT:
	case BTF_VAR:
	case BTF_DECL_TAG:
		return 4;
	case BTF_ARRAY:
		return 12;
	case BTF_STRUCT:
	case BTF_UNION:
	case BTF_DATASEC:
	case BTF_ENUM64:
		return 12 * (int64_t)vlen;
	case BTF_ENUM:
	case BTF_FUNC_PROTO:
		return 8 * (int64_t)vlen;
	default:
		return -1;
	}
}

static unsigned info_kind(uint32_t info)
{
	return info >> 24 & 0x1f;
}

/* One walk over the records; off NULL: counts and checks only. */
static enum xkd_rc walk(struct xkd_btf *b, uint32_t *off, uint32_t *n, struct xkd_err *err)
{
	uint32_t at = 0;

	*n = 0;
	while (at < b->recs_len) {
		if (b->recs_len - at < REC_LEN)
			return xkd_err_set(err, XKD_BADDATA,
					   "btf: type %u at 0x%x is cut off by the end",
					   *n + b->first, at);
		uint32_t info = (uint32_t)xkd_get_le(b->recs + at + 4, 4);
		int64_t extra = extra_len(info_kind(info), info & 0xffff);

		if (extra < 0)
			return xkd_err_set(err, XKD_UNSUPPORTED,
					   "btf: type %u at 0x%x is of kind %u", *n + b->first, at,
					   info_kind(info));
		if (extra > b->recs_len - at - REC_LEN)
			return xkd_err_set(err, XKD_BADDATA,
					   "btf: type %u at 0x%x is cut off by the end",
					   *n + b->first, at);
		if (off)
			off[*n] = at;
		++*n;
		at += REC_LEN + (uint32_t)extra;
	}
	return XKD_OK;
}

static enum xkd_rc load(struct xkd_btf *b, struct xkd_err *err)
{
	enum xkd_rc rc;

	b->first = 1;
	if (b->base) {
		rc = btf_load(b->base, err);
		if (rc)
			return xkd_err_prepend(err, rc, "base of a split btf");
		b->first = b->base->first + b->base->n;
	}
	rc = walk(b, NULL, &b->n, err);
	if (!rc && b->n > UINT32_MAX - b->first)
		rc = xkd_err_set(err, XKD_BADDATA, "btf: too many types");
	if (rc) {
		b->n = 0;
		return rc;
	}
	b->off = xkd_calloc(b->n + 1, sizeof(*b->off));
	b->made = xkd_calloc(b->n + 1, sizeof(*b->made));
	return walk(b, b->off, &b->n, err);
}

enum xkd_rc btf_load(struct xkd_btf *b, struct xkd_err *err)
{
	if (!b->loaded) {
		b->loaded = true;
		b->load_err = XKD_ERR_INIT;
		b->load_rc = load(b, &b->load_err);
	}
	if (b->load_rc && err)
		*err = b->load_err;
	return b->load_rc;
}

uint32_t xkd_btf_ntypes(struct xkd_btf *b)
{
	return btf_load(b, NULL) ? 0 : b->first + b->n;
}

enum xkd_rc btf_rec(struct xkd_btf *b, uint32_t id, struct btf_rec *r, struct xkd_err *err)
{
	while (b->base && id < b->first)
		b = b->base;
	if (id < b->first || id - b->first >= b->n)
		return xkd_err_set(err, XKD_BADDATA, "btf: no type %u (there are %u)", id,
				   b->first + b->n);
	const uint8_t *p = b->recs + b->off[id - b->first];
	uint32_t name = (uint32_t)xkd_get_le(p, 4), info = (uint32_t)xkd_get_le(p + 4, 4);

	r->id = id;
	r->kind = (enum btf_kind)info_kind(info);
	r->kflag = info >> 31;
	r->vlen = info & 0xffff;
	r->size_or_type = (uint32_t)xkd_get_le(p + 8, 4);
	r->p = p + REC_LEN;
	r->name = btf_str(b, name);
	if (!r->name)
		return xkd_err_set(err, XKD_BADDATA,
				   "btf: name of type %u at 0x%x is outside the strings", id, name);
	return XKD_OK;
}

/* A kind that only stands before another type. */
static bool is_wrapper(enum btf_kind k, bool tags_only)
{
	if (k == BTF_TYPE_TAG)
		return true;
	return !tags_only &&
	       (k == BTF_TYPEDEF || k == BTF_CONST || k == BTF_VOLATILE || k == BTF_RESTRICT);
}

uint32_t btf_skip(struct xkd_btf *b, uint32_t id, bool tags_only)
{
	struct btf_rec r;

	for (int i = 0; id && i < STEPS; i++) {
		if (btf_rec(b, id, &r, NULL))
			return 0;
		if (!is_wrapper(r.kind, tags_only))
			return id;
		id = r.size_or_type;
	}
	return 0;
}

/* Size in bytes of a type by its records alone; 0 for what has none and for damaged ones. */
static uint64_t size_of(struct xkd_btf *b, uint32_t id)
{
	uint64_t count = 1, size = 0;
	struct btf_rec r;

	for (int i = 0; i < STEPS; i++) {
		id = btf_skip(b, id, false);
		if (!id || btf_rec(b, id, &r, NULL))
			return 0;
		switch (r.kind) {
		case BTF_INT:
		case BTF_FLOAT:
		case BTF_STRUCT:
		case BTF_UNION:
		case BTF_ENUM:
		case BTF_ENUM64:
			size = btf_is_decl(&r) ? 0 : r.size_or_type;
			break;
		case BTF_PTR:
			size = 8;
			break;
		case BTF_ARRAY:
			id = (uint32_t)xkd_get_le(r.p, 4);
			if (__builtin_mul_overflow(count, xkd_get_le(r.p + 8, 4), &count))
				return 0;
			continue;
		default:
			break;
		}
		return __builtin_mul_overflow(count, size, &size) ? 0 : size;
	}
	return 0;
}

bool btf_is_decl(const struct btf_rec *r)
{
	return r->kind == BTF_FWD ||
	       ((r->kind == BTF_ENUM || r->kind == BTF_ENUM64) && !r->vlen && r->name[0]);
}

enum btf_class btf_class_of(const struct btf_rec *r)
{
	if (!r->name[0])
		return BTF_C_NONE;
	switch (r->kind) {
	case BTF_STRUCT:
		return BTF_C_STRUCT;
	case BTF_UNION:
		return BTF_C_UNION;
	case BTF_FWD:
		return r->kflag ? BTF_C_UNION : BTF_C_STRUCT;
	case BTF_ENUM:
	case BTF_ENUM64:
		return BTF_C_ENUM;
	case BTF_TYPEDEF:
		return BTF_C_TYPEDEF;
	case BTF_INT:
	case BTF_FLOAT:
		return BTF_C_BASE;
	case BTF_FUNC:
		return BTF_C_FUNC;
	case BTF_VAR:
		return BTF_C_VAR;
	default:
		return BTF_C_NONE;
	}
}

static enum xkd_tkind kind_of(const struct btf_rec *r)
{
	switch (r->kind) {
	case BTF_INT:
		if (r->size_or_type == 0 || r->size_or_type > 16)
			return XKD_T_OTHER;
		return r->p[3] & 4 || !strcmp(r->name, "_Bool") ? XKD_T_BOOL : XKD_T_INT;
	case BTF_PTR:
		return XKD_T_PTR;
	case BTF_ARRAY:
		return XKD_T_ARRAY;
	case BTF_STRUCT:
		return XKD_T_STRUCT;
	case BTF_UNION:
		return XKD_T_UNION;
	case BTF_FWD:
		return r->kflag ? XKD_T_UNION : XKD_T_STRUCT;
	case BTF_ENUM:
	case BTF_ENUM64:
		return XKD_T_ENUM;
	case BTF_TYPEDEF:
		return XKD_T_TYPEDEF;
	case BTF_VOLATILE:
		return XKD_T_VOLATILE;
	case BTF_CONST:
		return XKD_T_CONST;
	case BTF_RESTRICT:
		return XKD_T_RESTRICT;
	case BTF_FUNC_PROTO:
		return XKD_T_FUNC;
	case BTF_FLOAT:
		return XKD_T_FLOAT;
	default:
		return XKD_T_OTHER; /* variables, sections and tags are no types */
	}
}

static struct xkd_type *make(struct xkd_btf *b, const struct btf_rec *r)
{
	struct xkd_type *t = xkd_type_new(&b->types, r->id, kind_of(r));

	t->name = r->name[0] ? r->name : NULL;
	t->is_decl = btf_is_decl(r);
	t->size = size_of(b, r->id);
	switch (t->kind) {
	case XKD_T_INT:
		t->is_signed = r->p[3] & 1;
		t->is_char =
			r->size_or_type == 1 && (r->p[3] & 2 || xkd_has_suffix(r->name, "char"));
		break;
	case XKD_T_ENUM:
		t->is_signed = r->kflag;
		break;
	case XKD_T_ARRAY:
		t->nelem = xkd_get_le(r->p + 8, 4);
		t->flexible = !t->nelem;
		break;
	case XKD_T_FUNC:
		/* A last parameter without name and type is "...". */
		t->variadic = r->vlen && !xkd_get_le(r->p + 8 * (r->vlen - 1), 8);
		break;
	default:
		break;
	}
	return t;
}

enum xkd_rc btf_type(struct xkd_btf *b, uint32_t id, const struct xkd_type **t, struct xkd_err *err)
{
	struct btf_rec r;
	enum xkd_rc rc;

	*t = NULL;
	if (!id)
		return XKD_OK;
	rc = btf_rec(b, id, &r, err);
	if (rc)
		return rc;
	if (r.kind == BTF_TYPE_TAG) {
		id = btf_skip(b, id, true);
		if (!id)
			return XKD_OK;
		rc = btf_rec(b, id, &r, err);
		if (rc)
			return rc;
	}
	while (b->base && id < b->first)
		b = b->base;
	if (!b->made[id - b->first])
		b->made[id - b->first] = make(b, &r);
	*t = b->made[id - b->first];
	return XKD_OK;
}
