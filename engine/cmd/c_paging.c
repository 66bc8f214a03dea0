/* !pte and !vtop: how an address is translated, level by level.
 * Entries stand with their physical addresses; the walk is the architecture's, the tables are those
 * of the current context, or of the kernel for its own addresses. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <inttypes.h>
#include <string.h>

#define COLUMN 29 /* "PML5E at " and an address, and two blanks */

static struct xkd_space space_for(const struct xkd_ctx *ctx, uint64_t va)
{
	const struct xkd_os *os = ctx->t->os;

	if (os->is_kernel_addr && os->is_kernel_addr(ctx->t, va))
		return xkd_space_kernel();
	return ctx->space;
}

/* ---- !pte ---- */

/* One of the three rows: 0 where the entry is, 1 what it holds, 2 what that means. */
static void level_row(struct xkd_out *o, const struct xkd_xlat *x, int row)
{
	for (int i = 0; i < x->nlevels; i++) {
		const struct xkd_ptlevel *l = &x->level[i];

		xkd_out_pad(o, (size_t)i * COLUMN);
		switch (row) {
		case 0:
			xkd_out(o, "%s at ", l->name);
			xkd_out_key(o, XKD_ST_ADDR, "entry_pa", "%s", XKD_ADDR(l->entry_pa));
			break;
		case 1:
			xkd_out(o, "contains ");
			xkd_out_key(o, XKD_ST_NUM, "entry", "%s", XKD_ADDR(l->entry));
			break;
		default:
			if (!l->present) {
				xkd_out_key(o, XKD_ST_DIM, "flags", "not valid");
				break;
			}
			xkd_out(o, "pfn ");
			xkd_out_key(o, XKD_ST_NUM, "pfn", "%-10" PRIx64, l->pfn);
			xkd_out_key(o, XKD_ST_PLAIN, "flags", "%s", l->flags);
		}
	}
	xkd_out_end(o);
}

static const char *page_name(uint64_t size)
{
	return size == 1ULL << 12   ? "4 KiB"
	       : size == 1ULL << 21 ? "2 MiB"
	       : size == 1ULL << 22 ? "4 MiB"
	       : size == 1ULL << 30 ? "1 GiB"
				    : "";
}

static void page_row(struct xkd_out *o, const struct xkd_xlat *x)
{
	xkd_out(o, "pa ");
	xkd_out_key(o, XKD_ST_ADDR, "pa", "%s", XKD_ADDR(x->pa));
	xkd_out_st(o, XKD_ST_DIM, "   %s page, %s, %s, %s", page_name(x->page_size),
		   x->writable ? "writable" : "read-only", x->user ? "user" : "kernel",
		   x->nx ? "no execute" : "executable");
	xkd_out_end(o);
}

static enum xkd_rc cmd_pte(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_space sp;
	struct xkd_xlat x = { .nlevels = 0 };
	uint64_t va;
	enum xkd_rc rc = xkd_arg_expr(s, a, &va, err);

	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc)
		rc = xkd_session_ctx(s, &ctx, err);
	if (rc)
		return rc;
	sp = space_for(ctx, va);
	rc = xkd_mem_xlat(s->t, &sp, va, &x, err);
	if (rc && !x.nlevels)
		return rc;
	xkd_out(&s->out, "VA ");
	xkd_out_key(&s->out, XKD_ST_ADDR, "va", "%s", XKD_ADDR(va));
	xkd_out_end(&s->out);
	for (int row = 0; row < 3 && x.nlevels; row++)
		level_row(&s->out, &x, row);
	if (x.ok)
		page_row(&s->out, &x);
	return rc;
}

/* ---- !vtop ---- */

struct phys {
	struct xkd_target *t;
};

static enum xkd_rc phys_read(void *arg, uint64_t pa, void *buf, size_t len, struct xkd_err *err)
{
	struct xkd_space sp = xkd_space_phys();

	return xkd_mem_read(((struct phys *)arg)->t, &sp, pa, buf, len, NULL, err);
}

/* The tables that a root names, with the mode of the CPU's registers, or else the kernel's. */
static enum xkd_rc rooted(const struct xkd_ctx *ctx, uint64_t root, struct xkd_paging *pg,
			  struct xkd_err *err)
{
	const struct xkd_arch *arch = ctx->t->arch;
	struct xkd_regs regs = ctx->regs;
	struct xkd_paging kernel;
	bool known = ctx->t->os->kernel_paging && ctx->t->os->kernel_paging(ctx->t, &kernel);
	enum xkd_rc rc;

	xkd_reg_put(&regs, arch->ptroot, root);
	rc = arch->paging(&regs, pg, err);
	if (rc && known) {
		*pg = kernel;
		pg->root = root & ~(uint64_t)0xfff & ~kernel.enc_mask;
		return XKD_OK;
	}
	if (!rc && known)
		pg->enc_mask = kernel.enc_mask;
	return rc;
}

static void vtop_rows(struct xkd_out *o, uint64_t va, const struct xkd_xlat *x)
{
	for (int i = 0; i < x->nlevels; i++) {
		const struct xkd_ptlevel *l = &x->level[i];

		xkd_out(o, "%-5s ", l->name);
		xkd_out_key(o, XKD_ST_ADDR, "entry_pa", "%s", XKD_ADDR(l->entry_pa));
		xkd_out(o, " contains ");
		xkd_out_key(o, XKD_ST_NUM, "entry", "%s", XKD_ADDR(l->entry));
		if (l->large)
			xkd_out(o, " (large page)");
		else if (!l->present)
			xkd_out(o, " (not present)");
		xkd_out_end(o);
	}
	if (!x->ok)
		return;
	xkd_out(o, "Virtual address ");
	xkd_out_key(o, XKD_ST_ADDR, "va", "%s", XKD_ADDR(va));
	xkd_out(o, " translates to physical address ");
	xkd_out_key(o, XKD_ST_ADDR, "pa", "%s", XKD_ADDR(x->pa));
	xkd_out(o, ".");
	xkd_out_end(o);
}

static enum xkd_rc cmd_vtop(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const struct xkd_ctx *ctx;
	struct xkd_paging pg = { .on = false };
	struct xkd_xlat x = { .nlevels = 0 };
	struct phys ph = { .t = s->t };
	struct xkd_physread pr = { phys_read, &ph };
	uint64_t root = 0, va;
	enum xkd_rc rc = xkd_arg_expr(s, a, &va, err);

	if (!rc && !xkd_arg_end(a)) {
		root = va;
		rc = xkd_arg_expr(s, a, &va, err);
	}
	if (!rc)
		rc = xkd_arg_done(a, err);
	if (!rc)
		rc = xkd_session_ctx(s, &ctx, err);
	if (rc)
		return rc;
	if (root) {
		rc = rooted(ctx, root, &pg, err);
		if (!rc)
			rc = s->t->arch->walk(&pg, &pr, va, &x, err);
	} else { /* 0 is the current one, as in kd */
		struct xkd_space sp = space_for(ctx, va);

		rc = xkd_mem_xlat(s->t, &sp, va, &x, err);
	}
	vtop_rows(&s->out, va, &x);
	return rc;
}

static const struct xkd_cmd rows[] = {
	{ "!pte", "addr", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "shows the page-table entries of a virtual address", cmd_pte,
	  "Entries stand with their physical addresses. Flags: G global, L large page, D dirty,\n"
	  "A accessed, N cache disabled, T write-through, U or K user or kernel, W or R writable "
	  "or\n"
	  "read-only, E executable, V valid.",
	  NULL },
	{ "!vtop", "[root] addr", XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_MACHINE,
	  "translates a virtual address, through other page tables if a root is given", cmd_vtop,
	  "root is the value of the page-table root register (cr3); 0 is the current one.",
	  "vtop" },
};
const struct xkd_cmd_family xkd_family_paging = { "Page tables", rows, XKD_COUNT(rows) };
