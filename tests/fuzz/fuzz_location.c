/* Any bytes as location expressions, for values of several types, at a frame whose registers are
 * known in part and whose caller the same debug info describes. Input: eighteen parts (parts.h): memory at the stack pointer, the frame base's
 * expression, .debug_info, .debug_abbrev, .debug_str, .debug_addr, twelve expressions. */
#include "engine/lang/scope.h"
#include "engine/lang/print.h"
#include "symbols/dwarf_int.h"
#include "tests/fuzz/parts.h"
#include "tests/unit/mock.h"
#include <stdlib.h>
#include <string.h>

#define STACK 0x8000
#define EXPRS 12
const size_t parts_count = 6 + EXPRS;
static const char *const sections[] = { ".debug_info", ".debug_abbrev", ".debug_str",
					".debug_addr" };

/* The same target for all inputs: nothing of an input stays in it. */
static struct xkd_ctx frame(const struct parts *ps)
{
	static struct xkd_target *target;
	static uint8_t memory[256];
	struct xkd_ctx ctx;

	if (!target) {
		target = mock_open();
		mock_seg(target, STACK, memory, sizeof(memory));
		mock_reg(target, "rsp", STACK);
		mock_reg(target, "rbp", STACK + 64);
		mock_reg(target, "rip", PARTS_TEXT + 0x110);
		mock_reg(target, "rdi", 0x1234);
	}
	memset(memory, 0x5a, sizeof(memory));
	if (ps->n[0])
		memcpy(memory, ps->p[0], ps->n[0] < sizeof(memory) ? ps->n[0] : sizeof(memory));
	xkd_arena_fini(&target->stop_arena);
	ctx = mock_ctx(target);
	ctx.regs.known &= ~(1ULL << target->arch->reg_from_dwarf(3));
	ctx.cfa = STACK + 128;
	return ctx;
}

static void look(const struct xkd_ctx *ctx, const struct xkd_value *v)
{
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_buf b = XKD_BUF_INIT;
	uint8_t bytes[64];
	uint64_t num;
	size_t n, sum = 0;

	if (strnlen(v->why, sizeof(v->why)) == sizeof(v->why) ||
	    strnlen(v->where, sizeof(v->where)) == sizeof(v->where))
		abort();
	switch (v->kind) {
	case XKD_V_UNAVAIL:
		if (!v->why[0])
			abort();
		break;
	case XKD_V_REG:
		if (v->reg < 0 || v->reg >= 64 || !(ctx->regs.known >> v->reg & 1))
			abort();
		break;
	case XKD_V_BYTES:
		for (size_t i = 0; i < v->nbytes; i++)
			sum += v->bytes[i];
		break;
	case XKD_V_NONE:
		abort();
	default:
		break;
	}
	*(volatile size_t *)&sum = sum;
	if (xkd_value_u64(ctx, v, &num, &err) && !err.msg[0])
		abort();
	if (!xkd_value_bytes(ctx, v, bytes, sizeof(bytes), &n, &err) && n > sizeof(bytes))
		abort();
	xkd_value_brief(ctx, v, true, &b);
	if (strlen(b.s) != b.len)
		abort();
	xkd_buf_fini(&b);
}

/* The kernel, so that code at an address has debug info. */
static struct xkd_module *module(struct xkd_target *t, struct xkd_image *img)
{
	struct xkd_module *m = xkd_calloc(1, sizeof(*m));

	strcpy(m->name, "lk");
	m->is_kernel = true;
	m->state = XKD_SYMS_DWARF;
	m->img = img;
	*xkd_vec_push(&m->ranges) = (struct xkd_modrange){ PARTS_TEXT, PARTS_TEXT_SIZE };
	*xkd_vec_push(&t->mods) = m;
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct xkd_type *types[] = { xkd_type_builtin(XKD_BI_ULONG),
					   xkd_type_builtin(XKD_BI_CHAR),
					   xkd_type_builtin(XKD_BI_VOID), NULL };
	struct xkd_locenv env = { .mod = NULL };
	struct xkd_err err = XKD_ERR_INIT;
	struct parts ps;
	struct xkd_ctx ctx;
	struct xkd_image *img;
	struct xkd_log log;

	types[3] = xkd_type_array_of(types[0], 3);
	parts_split(data, size, &ps);
	ctx = frame(&ps);
	xkd_log_init(&log);
	img = parts_image(sections, &ps, 2, XKD_COUNT(sections), &log);
	env.mod = module(ctx.t, img);
	env.ctx = &ctx;
	env.caller = xkd_caller_new(&ctx.t->stop_arena);
	env.fb = ps.p[1];
	env.fb_len = ps.n[1];
	if (!xkd_image_dwarf(img, &env.dwarf, &err) && !xkd_dw_units(env.dwarf, &err))
		env.cu = env.dwarf->units.p[0].off;
	for (size_t i = 6; i < 6 + EXPRS; i++)
		for (size_t k = 0; k < XKD_COUNT(types); k++) {
			struct xkd_value v = { .type = types[k] };

			if (!ps.n[i])
				continue;
			xkd_location_eval(&env, ps.p[i], ps.n[i], &v);
			look(&ctx, &v);
		}
	ctx.t->mods.n = 0;
	xkd_module_free(env.mod);
	return 0;
}
