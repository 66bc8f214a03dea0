/* Any bytes as types, of BTF or of debug info, printed alone and as values over any bytes of memory
 * whose pointers lead back into it. Input: six parts (parts.h): .BTF, .debug_info, .debug_abbrev,
 * .debug_str, .debug_line_str, memory; its first bytes are options, too. */
#include "base/out.h"
#include "engine/lang/print.h"
#include "symbols/btf.h"
#include "symbols/dwarf_int.h"
#include "tests/fuzz/parts.h"
#include "tests/unit/mock.h"
#include <stdlib.h>

#define MEMORY 0x8000
#define TYPES 24
#define MAX_TEXT (8 << 20)
const size_t parts_count = 6;
static const char *const btf_sections[] = { ".BTF" };
static const char *const dwarf_sections[] = { ".debug_info", ".debug_abbrev", ".debug_str",
					      ".debug_line_str" };

struct count {
	struct xkd_sink sink;
	size_t text;
};

static void see_row(struct xkd_sink *s, const struct xkd_row *row)
{
	struct count *c = (struct count *)s;

	if (memchr(row->text, 0, row->len) || memchr(row->text, '\033', row->len))
		abort(); /* foreign text must be escaped */
	for (size_t i = 0; i < row->ncells; i++)
		if (row->cells[i].off > row->len || row->cells[i].len > row->len - row->cells[i].off)
			abort();
	c->text += row->len + 1;
	if (c->text > MAX_TEXT)
		abort();
}

static void no_flush(struct xkd_sink *s)
{
	(void)s;
}

/* The same target for all inputs: nothing of an input stays in it. */
static struct xkd_ctx memory(const struct parts *ps)
{
	static struct xkd_target *target;
	static uint8_t bytes[0x1000];

	if (!target) {
		target = mock_open();
		mock_seg(target, MEMORY, bytes, sizeof(bytes));
	}
	for (size_t i = 0; i < sizeof(bytes); i++) /* pointers all over, 8 bytes each */
		bytes[i] = ps->n[5] ? ps->p[5][i % ps->n[5]] : (uint8_t)(i % 8 == 1 ? 0x80 : i / 64);
	xkd_arena_fini(&target->stop_arena);
	return mock_ctx(target);
}

static void value_ops(const struct xkd_ctx *ctx, const struct xkd_value *v)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_value a, b;
	uint64_t num;

	if (!xkd_value_u64(ctx, v, &num, &err) && !xkd_value_cast(ctx, v, v->type, &a, &err))
		(void)!xkd_value_u64(ctx, &a, &num, &err);
	if (!xkd_value_addrof(ctx, v, &a, &err) && !xkd_value_deref(ctx, &a, &b, &err) &&
	    b.kind == XKD_V_MEM && v->kind == XKD_V_MEM && b.addr != v->addr)
		abort();
	if (!xkd_value_index(ctx, v, 3, &a, &err))
		(void)!xkd_value_u64(ctx, &a, &num, &err);
	if (!xkd_value_member(ctx, v, "next", &a, &err))
		(void)!xkd_value_member(ctx, &a, "prev", &b, &err);
}

static void print(const struct xkd_ctx *ctx, struct xkd_module *mod, const struct xkd_type *t,
		  const struct parts *ps)
{
	struct count sink = { .sink = { see_row, no_flush } };
	uint8_t how = ps->n[5] > 0 ? ps->p[5][0] : 0, at = ps->n[5] > 1 ? ps->p[5][1] : 0;
	static const int depths[] = { 0, 1, 3, 40 };
	struct xkd_print_opts o = { .depth = depths[how & 3],
				    .verbose = how & 4,
				    .block = how & 8,
				    .no_offsets = how & 16,
				    .compact = how & 32,
				    .array_max = how & 64 ? 20 : 0 };
	struct xkd_value v = xkd_value_mem(t, MEMORY + at, mod);
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_out out;

	if (how & 128) {
		o.fields[o.nfields++] = "ops.";
		o.fields[o.nfields++] = "*e*";
	}
	xkd_out_init(&out);
	xkd_out_add_sink(&out, &sink.sink);
	if (xkd_print_type(ctx, &out, mod, t, &o, &err) && !err.msg[0])
		abort();
	if (xkd_print_value(ctx, &out, &v, &o, &err) && !err.msg[0])
		abort();
	(void)!xkd_print_struct_at(ctx, &out, &v, &o, &err);
	xkd_out_flush(&out);
	xkd_out_fini(&out);
	xkd_print_has_field(ctx, mod, t, "next");
	xkd_value_brief(ctx, &v, how & 1, &b);
	if (strlen(b.s) != b.len) /* its names are escaped by who shows it */
		abort();
	xkd_buf_fini(&b);
	value_ops(ctx, &v);
}

struct visit {
	const struct xkd_ctx *ctx;
	struct xkd_module *mod;
	const struct parts *ps;
	unsigned left;
};

static bool visit(void *arg, const struct xkd_type *t)
{
	struct visit *v = arg;

	print(v->ctx, v->mod, t, v->ps);
	print(v->ctx, v->mod, xkd_type_ptr_to(t), v->ps);
	if (v->left == TYPES)
		print(v->ctx, v->mod, xkd_type_array_of(t, 5), v->ps);
	return --v->left > 0;
}

/* The module of the kernel, so that declarations are looked for in it. */
static void print_btf(const struct xkd_ctx *ctx, const struct parts *ps, struct xkd_log *log)
{
	struct xkd_image *img = parts_image(btf_sections, ps, 0, 1, log);
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));
	struct visit v = { ctx, m, ps, TYPES };
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_types *p;
	struct xkd_btf *btf;

	strcpy(m->name, "lk");
	m->is_kernel = true;
	m->state = XKD_SYMS_BTF;
	m->img = img;
	*xkd_vec_push(&ctx->t->mods) = m;
	if (!xkd_image_btf(img, NULL, &btf, &err)) {
		p = xkd_btf_types(btf);
		(void)!p->each(p, visit, &v, &err);
	}
	ctx->t->mods.n = 0;
	xkd_module_free(m);
}

static void print_dwarf(const struct xkd_ctx *ctx, const struct parts *ps, struct xkd_log *log)
{
	struct xkd_image *img = parts_image(dwarf_sections, ps, 1, 4, log);
	struct visit v = { ctx, NULL, ps, TYPES };
	struct xkd_err err = XKD_ERR_INIT;
	const struct xkd_type *t;
	struct xkd_dwarf *d;

	if (!xkd_image_dwarf(img, &d, &err) && !xkd_dw_units(d, &err)) {
		struct xkd_dw_unit *u = &d->units.p[0];
		Dwarf_Die die = xkd_dw_die(d, u->die_off);

		die = die ? xkd_dw_child(d, die) : NULL;
		for (int i = 0; die && i < 64; i++) {
			uint64_t off = xkd_dw_off(die);

			xkd_dw_begin(d);
			t = xkd_dw_type(d, off);
			if (t && !visit(&v, t))
				break;
			xkd_dw_begin(d);
			die = xkd_dw_next(d, die);
		}
		xkd_dw_free(die);
	}
	xkd_image_unref(img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct parts ps;
	struct xkd_ctx ctx;
	struct xkd_log log;

	parts_split(data, size, &ps);
	ctx = memory(&ps);
	xkd_log_init(&log);
	if (ps.n[0])
		print_btf(&ctx, &ps, &log);
	if (ps.n[1])
		print_dwarf(&ctx, &ps, &log);
	return 0;
}
