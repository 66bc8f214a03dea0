/* The last resort of a walk: words of the stack that can be return addresses. Accepted is only one that
 * stands behind a call, and behind one that can have led here: a direct call of this very function, or
 * of one that jumps to it, or an indirect call, which may lead anywhere. What is found is a guess and is
 * shown as one. */
#include "engine/lang/unwind_step.h"
#include "engine/os/os.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

#define SCAN_MAX 0x4000u /* bytes of stack */
#define TAIL_MAX 0x2000u /* bytes of a function looked through for jumps out of it */
#define CALL_BYTES 8

bool xkd_unwind_is_code(struct xkd_target *t, uint64_t addr)
{
	struct xkd_code code;
	struct xkd_symref sym;

	if (xkd_target_mod_at(t, addr))
		return !xkd_sym_at(t, addr, &sym, NULL) && sym.type != 1 /* STT_OBJECT */;
	return t->os->code_at && t->os->code_at(t, addr, &code);
}

static bool call_in(struct xkd_target *t, const uint8_t *b, uint64_t ret, uint64_t *target)
{
	uint64_t to;

	if (!t->arch->call_before)
		return false;
	if (t->arch->call_before(b, CALL_BYTES, ret, true, &to) && xkd_unwind_is_code(t, to)) {
		if (target)
			*target = to;
		return true;
	}
	if (target)
		*target = 0;
	return t->arch->call_before(b, CALL_BYTES, ret, false, &to);
}

bool xkd_unwind_after_call(struct xkd_target *t, uint64_t ret, uint64_t *target)
{
	struct xkd_module *m = xkd_target_mod_at(t, ret - 1);
	uint8_t b[CALL_BYTES];
	struct xkd_err ignored;
	uint64_t iaddr;

	if (!xkd_kread(t, ret - CALL_BYTES, b, sizeof(b), &ignored) && call_in(t, b, ret, target))
		return true;
	/* code that served at boot is gone from memory, but not from the stack of the idle task */
	return m && xkd_target_mod_image(t, m) && xkd_module_to_image(m, ret - CALL_BYTES, &iaddr) &&
	       xkd_image_read(m->img, iaddr, b, sizeof(b)) == sizeof(b) && call_in(t, b, ret, target);
}

/* Places through which calls lead to wherever a register or a patched jump says. */
static bool leads_anywhere(const char *name)
{
	return xkd_has_prefix(name, "__x86_indirect_thunk") || xkd_has_prefix(name, "__SCT__") ||
	       xkd_has_prefix(name, "__fentry__") || xkd_has_prefix(name, "ftrace_");
}

/* The function that "f.cold" and "f.part.0" were cut from begins like them. */
static bool same_function(const struct xkd_symref *a, const struct xkd_symref *b)
{
	size_t n = strcspn(a->name, "."), m = strcspn(b->name, ".");

	return a->addr == b->addr || (a->mod == b->mod && n == m && !strncmp(a->name, b->name, n));
}

/* Does the function jump out of itself to the other one? */
static bool jumps_to(struct xkd_target *t, const struct xkd_symref *from, const struct xkd_symref *to)
{
	size_t n = from->size < TAIL_MAX ? (size_t)from->size : TAIL_MAX;
	struct xkd_err ignored;
	uint8_t code[256 + 16];
	struct xkd_insn in;

	for (size_t at = 0; at < n;) {
		size_t got = n - at < sizeof(code) ? n - at : sizeof(code), i = 0;

		if (xkd_kread(t, from->addr + at, code, got, &ignored))
			return false;
		while (i < got && (got - i >= 16 || at + got == n)) {
			struct xkd_symref sym;

			if (t->arch->disasm(XKD_MODE_64, from->addr + at + i, code + i, got - i, &in,
					    &ignored) || !in.len)
				return false;
			i += in.len;
			if (!in.is_jump || in.target - from->addr < from->size)
				continue;
			if (!in.has_target)
				return true; /* it may */
			if (!xkd_sym_at(t, in.target, &sym, NULL) &&
			    (same_function(&sym, to) || leads_anywhere(sym.name)))
				return true;
		}
		if (!i)
			return false;
		at += i;
	}
	return false;
}

/* Can a call of target have led into here? */
static bool can_lead(struct xkd_target *t, uint64_t target, const struct xkd_symref *here)
{
	struct xkd_symref sym;

	if (!target) /* indirect */
		return true;
	if (xkd_sym_at(t, target, &sym, NULL))
		return false;
	if (leads_anywhere(sym.name))
		return true;
	return here->name && sym.addr == target && (same_function(&sym, here) || jumps_to(t, &sym, here));
}

enum xkd_rc xkd_unwind_guess(const struct xkd_ctx *ctx, const struct xkd_regs *regs, uint64_t lookup,
			     struct xkd_step *step, struct xkd_err *err)
{
	const struct xkd_arch *arch = ctx->t->arch;
	struct xkd_symref here = { .name = NULL };
	struct xkd_target *t = ctx->t;
	uint64_t at, end, target;
	struct xkd_stack st;

	*step = (struct xkd_step){ .kind = XKD_STEP_CALL, .how = "guess", .loose = true };
	if (!xkd_reg_known(regs, arch->sp))
		return xkd_err_set(err, XKD_NOTFOUND, "the stack pointer is not known");
	at = (regs->v[arch->sp] + 7) & ~7ULL;
	end = at + SCAN_MAX;
	if (t->os->stack_at && t->os->stack_at(t, ctx->cpu, ctx->task, at, &st))
		end = st.high;
	if (xkd_sym_at(t, lookup, &here, NULL))
		here.name = NULL;
	for (; at < end; at += 8) {
		struct xkd_err ignored;
		uint64_t v;
		enum xkd_rc rc = xkd_cancel_check(t->cancel, err);

		if (rc)
			return rc;
		if (xkd_ctx_read_u(ctx, at, 8, &v, &ignored))
			break;
		if (!xkd_unwind_is_code(t, v) || !xkd_unwind_after_call(t, v, &target) ||
		    (lookup && !can_lead(t, target, &here)))
			continue;
		step->cfa = at + 8;
		xkd_reg_put(&step->regs, arch->pc, v);
		xkd_reg_put(&step->regs, arch->sp, step->cfa);
		return XKD_OK;
	}
	return xkd_err_set(err, XKD_NOTFOUND, "nothing above on the stack can have called it");
}
