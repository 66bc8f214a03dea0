/* What a data breakpoint watches. Invariants: the value is that of the last stop, since only a target that
 * runs changes it unseen; a type is used in the boot that it was found in and no other. */
#include "engine/run/watch.h"
#include "base/str.h"
#include "engine/lang/print.h"
#include "symbols/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_MAX 8 /* bytes of the longest */

struct xkd_watch {
	const struct xkd_type *type; /* NULL: bytes */
	char mod[64];		     /* whose scope it is of; "" the kernel */
	struct xkd_image *img[2];    /* counted; NULL: none */
	uint64_t addr;		     /* of the object: a bit-field's may lie before what is watched */
	unsigned bit_off, bit_size;
	uint32_t boot;
	bool known; /* old is what was there */
	uint8_t old[WATCH_MAX];
};

struct xkd_watch *xkd_watch_new(struct xkd_target *t, const struct xkd_value *v)
{
	struct xkd_watch *w = xkd_calloc(1, sizeof(*w));
	struct xkd_module *k = xkd_target_kernel(t);

	w->boot = t->gen.boot;
	if (!v)
		return w;
	w->type = v->type;
	w->addr = v->addr;
	w->bit_off = v->bit_off;
	w->bit_size = v->bit_size;
	if (v->mod && !v->mod->is_kernel)
		snprintf(w->mod, sizeof(w->mod), "%s", v->mod->name);
	if (v->mod && v->mod->img)
		w->img[0] = xkd_image_ref(v->mod->img);
	if (k && k->img)
		w->img[1] = xkd_image_ref(k->img);
	return w;
}

void xkd_watch_free(struct xkd_watch *w)
{
	for (size_t i = 0; w && i < XKD_COUNT(w->img); i++)
		if (w->img[i])
			xkd_image_unref(w->img[i]);
	free(w);
}

static bool read_now(struct xkd_run *r, const struct xkd_bkpt *b, uint8_t *buf)
{
	struct xkd_err ignored;

	return b->locs.n && b->size <= WATCH_MAX &&
	       !xkd_kread(r->t, b->locs.p[0], buf, b->size, &ignored);
}

void xkd_watch_note(struct xkd_run *r)
{
	for (size_t i = 0; i < r->bkpts->list.n; i++) {
		struct xkd_bkpt *b = r->bkpts->list.p[i];

		if (b->watch && b->enabled)
			b->watch->known = read_now(r, b, b->watch->old);
	}
}

/* What is watched as its type shows it; plain hex where there is none, or where it is more than a number. */
static void spell(struct xkd_run *r, const struct xkd_bkpt *b, int cpu, const uint8_t *bytes,
		  struct xkd_buf *out)
{
	const struct xkd_watch *w = b->watch;
	uint64_t num = xkd_get_le(bytes, b->size);
	struct xkd_err ignored;
	struct xkd_ctx ctx;
	struct xkd_value v;

	if (!w->type || w->boot != r->t->gen.boot || (w->mod[0] && !xkd_target_mod_named(r->t, w->mod)) ||
	    !xkd_type_is_scalar(xkd_type_strip(w->type)) || xkd_ctx_cpu(r->t, cpu, &ctx, &ignored)) {
		xkd_buf_printf(out, "0x%0*llx", (int)(2 * b->size), (unsigned long long)num);
		return;
	}
	if (w->bit_size)
		num >>= ((w->addr - b->locs.p[0]) * 8 + w->bit_off) & 63;
	v = xkd_value_num(w->type, num);
	v.mod = w->mod[0] ? xkd_target_mod_named(r->t, w->mod) : NULL;
	v.bit_size = w->bit_size;
	xkd_value_brief(&ctx, &v, true, out);
}

bool xkd_watch_seen(struct xkd_run *r, struct xkd_bkpt *b, int cpu, char *text, size_t max)
{
	struct xkd_watch *w = b->watch;
	struct xkd_buf was = XKD_BUF_INIT, is = XKD_BUF_INIT;
	uint8_t now[WATCH_MAX];
	bool changed, had = w->known;

	text[0] = 0;
	w->known = read_now(r, b, now);
	if (!w->known)
		return true;
	spell(r, b, cpu, now, &is);
	if (had)
		spell(r, b, cpu, w->old, &was);
	/* a bit-field's neighbours are not what was asked for */
	changed = !had || (w->bit_size ? strcmp(was.s, is.s) : memcmp(now, w->old, b->size)) != 0;
	if (!had)
		snprintf(text, max, "%s: now %s", b->spec, is.s);
	else if (changed)
		snprintf(text, max, "%s: %s -> %s", b->spec, was.s, is.s);
	else
		snprintf(text, max, "%s: %s, as it was", b->spec, is.s);
	memcpy(w->old, now, b->size);
	xkd_buf_fini(&was);
	xkd_buf_fini(&is);
	return changed;
}
