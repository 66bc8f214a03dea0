/* Values that lie in several places (DW_OP_piece, DW_OP_bit_piece): put together into bytes, with a
 * list of the bits that could not be had and why. Invariants: the size is bounded and comes from
 * the type; a bit that no place gives is a hole, never 0; holes are sorted and do not overlap. */
#include "base/str.h"
#include "engine/lang/location_int.h"
#include <stdio.h>
#include <string.h>

#define SIZE_MAX_BYTES 65536
#define HOLES_MAX 256

struct whole {
	struct xkd_loc *l;
	uint8_t *bytes;
	uint64_t bits, done; /* of the object; put together so far */
	struct xkd_hole *holes;
	size_t nholes;
	char where[64];
};

static void set_bit(uint8_t *p, uint64_t at, bool on)
{
	if (on)
		p[at / 8] |= (uint8_t)(1u << at % 8);
}

static void copy_bits(uint8_t *dst, uint64_t to, const uint8_t *src, uint64_t from, uint64_t n)
{
	if (to % 8 == 0 && from % 8 == 0) {
		memcpy(dst + to / 8, src + from / 8, n / 8);
		to += n & ~7ULL;
		from += n & ~7ULL;
		n &= 7;
	}
	for (; n; n--, to++, from++)
		set_bit(dst, to, src[from / 8] >> from % 8 & 1);
}

static void hole(struct whole *w, uint64_t bit, uint64_t n, const char *why,
		 const struct xkd_implicit *to)
{
	struct xkd_hole *h;

	if (!n)
		return;
	if (w->nholes == HOLES_MAX) { /* the last one takes the rest in */
		h = &w->holes[HOLES_MAX - 1];
		h->bits = bit + n - h->bit;
		return;
	}
	h = &w->holes[w->nholes++];
	h->bit = bit;
	h->bits = n;
	h->to = to;
	snprintf(h->why, sizeof(h->why), "%s", why);
}

/* What there is of a piece in bytes of ours; the rest of it is a hole. */
static void from_bytes(struct whole *w, const uint8_t *src, uint64_t have, uint64_t off, uint64_t n,
		       const char *why)
{
	uint64_t got = off >= have ? 0 : have - off < n ? have - off : n;

	copy_bits(w->bytes, w->done, src, off, got);
	hole(w, w->done + got, n - got, why, NULL);
}

static void from_memory(struct whole *w, uint64_t addr, uint64_t off, uint64_t n)
{
	uint64_t first = off / 8, len = (off + n + 7) / 8 - first;
	uint8_t *buf = xkd_malloc(len);
	char why[64];
	size_t done = 0;

	if (xkd_ctx_read(w->l->env->ctx, addr + first, buf, len, &done, NULL)) {
		snprintf(why, sizeof(why), "memory not readable at %s",
			 XKD_ADDR(addr + first + done));
		from_bytes(w, buf, done * 8, off % 8, n, why);
	} else {
		from_bytes(w, buf, len * 8, off % 8, n, "");
	}
	free(buf);
}

static void piece(struct whole *w, const struct xkd_locat *at, uint64_t off, uint64_t n)
{
	struct xkd_loc *l = w->l;
	struct xkd_value p = { .type = xkd_type_builtin(XKD_BI_VOID) };
	uint8_t word[16];

	if (l->failed) {
		hole(w, w->done, n, l->why, NULL);
		return;
	}
	switch (at->kind) {
	case XKD_LOC_MEM:
		from_memory(w, at->addr, off, n);
		break;
	case XKD_LOC_REG:
		xkd_put_le(word, l->env->ctx->regs.v[at->reg], 8);
		from_bytes(w, word, 64, off, n, "beyond its register");
		break;
	case XKD_LOC_VALUE:
		xkd_put_le(word, (uint64_t)at->val.v, 8);
		xkd_put_le(word + 8, (uint64_t)(at->val.v >> 64), 8);
		from_bytes(w, word, at->val.size == 16 ? 128 : 64, off, n,
			   "beyond what is calculated");
		break;
	case XKD_LOC_BYTES:
		from_bytes(w, at->bytes, (uint64_t)at->nbytes * 8, off, n, "beyond the constant");
		break;
	case XKD_LOC_POINTER:
		xkd_loc_pointer(l, at, &p);
		hole(w, w->done, n, l->why, p.to);
		break;
	default:
		hole(w, w->done, n, "<optimized out>", NULL);
		break;
	}
}

static void add_words(struct whole *w, const struct xkd_locat *at)
{
	size_t len = strlen(w->where);
	char words[40] = "-";

	if (!w->l->failed && at->kind != XKD_LOC_NONE)
		xkd_loc_words(w->l, at, words, sizeof(words));
	if (len + strlen(words) + 8 < sizeof(w->where))
		snprintf(w->where + len, sizeof(w->where) - len, "%s%s", len ? ", " : "", words);
	else if (len > 2 && w->where[len - 1] != '.')
		snprintf(w->where + len, sizeof(w->where) - len, "...");
}

/* The operands of a piece operation, in bits; false: it is none. */
static bool operands(struct xkd_loc *l, uint64_t *off, uint64_t *n)
{
	uint8_t op = (uint8_t)xkd_loc_fixed(l, 1, false);

	*off = 0;
	*n = xkd_loc_leb(l, false);
	if (op == OP_bit_piece)
		*off = xkd_loc_leb(l, false);
	else
		*n = *n > SIZE_MAX_BYTES ? UINT64_MAX : *n * 8;
	if (!l->broken && (*n > SIZE_MAX_BYTES * 8 || *off > SIZE_MAX_BYTES * 8))
		xkd_loc_broken(l, "its location has a piece larger than anything");
	return !l->broken;
}

static void all_pieces(struct whole *w, struct xkd_locat *at)
{
	struct xkd_loc *l = w->l;

	for (;;) {
		uint64_t off, n;

		if (l->broken || !operands(l, &off, &n))
			return;
		if (n > w->bits - w->done) /* padding behind the object */
			n = w->bits - w->done;
		add_words(w, at);
		piece(w, at, off, n);
		w->done += n;
		l->failed = false;
		l->n = 0;
		l->ops = 0;
		l->where_reg = -1;
		if (l->p == l->end)
			break;
		xkd_loc_run(l, at);
		if (!l->broken && l->p == l->end) {
			xkd_loc_broken(l, "its location has a last part without a size");
			return;
		}
	}
	hole(w, w->done, w->bits - w->done, "<optimized out>", NULL);
}

/* A scalar that lacks a part is no number; an object of which all is missing is not there. */
static void judge(struct whole *w, struct xkd_value *v)
{
	const struct xkd_type *s = xkd_lang_strip(w->l->env->ctx, v->mod, v->type);
	const struct xkd_hole *h = w->holes;

	if (!w->nholes)
		return;
	if (h->bits == w->bits) {
		xkd_loc_fail(w->l, "%s", h->why);
		v->to = h->to;
	} else if (xkd_type_is_scalar(s)) {
		xkd_loc_fail(w->l, h->why[0] == '<' ? "<partly%s%s" : "in part %s%s",
			     h->why[0] == '<' ? " " : "", h->why + (h->why[0] == '<'));
	}
}

void xkd_loc_pieces(struct xkd_loc *l, struct xkd_locat *at, struct xkd_value *v)
{
	struct xkd_arena *arena = &l->env->ctx->t->stop_arena;
	uint64_t size = xkd_lang_size(l->env->ctx, l->env->mod, v->type);
	struct whole w = { .l = l, .bits = size * 8, .where = "@ " };
	struct xkd_parts *parts;

	if (!size || size > SIZE_MAX_BYTES) {
		xkd_loc_broken(l, "split over several places, of a size that is not known");
		return;
	}
	w.bytes = xkd_arena_alloc(arena, size);
	w.holes = xkd_malloc(HOLES_MAX * sizeof(*w.holes));
	w.where[0] = 0;
	all_pieces(&w, at);
	if (!l->broken) {
		judge(&w, v);
		v->kind = XKD_V_BYTES;
		v->bytes = w.bytes;
		v->nbytes = size;
		snprintf(v->where, sizeof(v->where), "@ {%.59s}", w.where);
	}
	if (!l->failed && w.nholes) {
		parts = XKD_NEW(arena, struct xkd_parts);
		parts->bytes = w.bytes;
		parts->holes = xkd_arena_dup(arena, w.holes, w.nholes * sizeof(*w.holes));
		parts->n = w.nholes;
		v->parts = parts;
	}
	free(w.holes);
}
