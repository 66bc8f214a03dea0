/* Values of which parts are not known: a struct of which a member was optimized away, or lies in a
 * register that is gone. Invariant: no bit of a hole is ever shown or calculated with. */
#include "engine/lang/lang.h"

const struct xkd_hole *xkd_value_hole(const struct xkd_value *v, uint64_t bit, uint64_t bits)
{
	const struct xkd_parts *p = v->kind == XKD_V_BYTES ? v->parts : NULL;

	if (!p)
		return NULL;
	bit += (uint64_t)(v->bytes - p->bytes) * 8;
	for (size_t i = 0; i < p->n; i++)
		if (p->holes[i].bit < bit + bits && bit < p->holes[i].bit + p->holes[i].bits)
			return &p->holes[i];
	return NULL;
}

void xkd_value_part(const struct xkd_ctx *ctx, struct xkd_value *v)
{
	const struct xkd_type *s = xkd_lang_strip(ctx, v->mod, v->type);
	uint64_t bits = v->bit_size ? v->bit_size : xkd_lang_size(ctx, v->mod, v->type) * 8;
	uint64_t bit = (uint64_t)(v->parts ? v->bytes - v->parts->bytes : 0) * 8 + v->bit_off;
	const struct xkd_hole *h = xkd_value_hole(v, v->bit_off, bits);

	if (!h || (!xkd_type_is_scalar(s) && (h->bit > bit || h->bit + h->bits < bit + bits)))
		return;
	xkd_value_unavail(v, "%s", h->why);
	v->to = h->to;
	v->parts = NULL;
}
