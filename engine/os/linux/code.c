/* Code that the kernel makes while it runs: BPF programs and their trampolines (bpf_kallsyms), the
 * copies of ftrace's entry code (ftrace_ops), and what kprobes run out of line. Listed once a stop;
 * what cannot be read is left out, for such lists may be caught half changed. */
#include "engine/os/linux/linux.h"
#include <stdio.h>
#include <string.h>

#define CODES_MAX 65536
#define SLOT_BYTES 16	  /* MAX_INSN_SIZE, a boosted instruction's jump included */
#define PROBE_BUCKETS 64 /* KPROBE_TABLE_SIZE */
#define PAGE 4096u

static struct xkd_code *add(struct xkd_linux *lx, uint64_t start, uint64_t size,
			    enum xkd_code_kind kind, const char *space)
{
	struct xkd_code *c;

	if (!start || !size || size > 1u << 30 || lx->codes.n >= CODES_MAX)
		return NULL;
	c = xkd_vec_push(&lx->codes);
	*c = (struct xkd_code){ .start = start, .size = size, .kind = kind, .space = space };
	return c;
}

/* Calls fn with each element of a list_head, whose links lie at off in them. */
static void each(struct xkd_target *t, uint64_t head, uint64_t off,
		 void (*fn)(struct xkd_target *t, uint64_t elem))
{
	uint64_t p, seen = 0; /* an element met at the last power of two: again, it is a circle */
	struct xkd_err ignored;

	if (xkd_kread_u(t, head, 8, &p, &ignored))
		return;
	for (size_t i = 1; p && p != head && p != seen && i < CODES_MAX; i++) {
		if (xkd_cancel_check(t->cancel, &ignored))
			return;
		fn(t, p - off);
		if (!(i & (i - 1)))
			seen = p;
		if (xkd_kread_u(t, p, 8, &p, &ignored))
			return;
	}
}

static void one_bpf(struct xkd_target *t, uint64_t ksym)
{
	uint64_t start, end, off;
	struct xkd_err ignored;
	struct xkd_code *c;

	if (linux_member(t, "bpf_ksym", "start", ksym, &start, &ignored) ||
	    linux_member(t, "bpf_ksym", "end", ksym, &end, &ignored) ||
	    xkd_offsetof(t, "bpf_ksym", "name", &off, NULL, &ignored))
		return;
	c = add(linux_of(t), start, end - start, XKD_CODE_FRAMED, "bpf");
	if (c && xkd_kread_str(t, ksym + off, c->name, sizeof(c->name), &ignored))
		c->name[sizeof(c->name) - 1] = 0;
}

static void bpf(struct xkd_target *t)
{
	struct xkd_err ignored;
	uint64_t head, off;

	if (linux_symbol(t, "bpf_kallsyms", &head, NULL) &&
	    !xkd_offsetof(t, "bpf_ksym", "lnode", &off, NULL, &ignored))
		each(t, head, off, one_bpf);
}

/* Which entry code it is a copy of, its first instructions tell. */
static uint64_t original(struct xkd_target *t, uint64_t tramp)
{
	static const char *const from[] = { "ftrace_regs_caller", "ftrace_caller" };
	struct xkd_err ignored;
	uint8_t is[8], was[8];

	for (size_t i = 0; i < XKD_COUNT(from); i++) {
		uint64_t addr;

		if (linux_symbol(t, from[i], &addr, NULL) && !xkd_kread(t, addr, was, 8, &ignored) &&
		    !xkd_kread(t, tramp, is, 8, &ignored) && !memcmp(is, was, 8))
			return addr;
	}
	return 0;
}

static void ftrace(struct xkd_target *t)
{
	struct xkd_linux *lx = linux_of(t);
	struct xkd_err ignored;
	uint64_t head, end, ops, start, size;

	if (!linux_symbol(t, "ftrace_ops_list", &head, NULL) ||
	    !linux_symbol(t, "ftrace_list_end", &end, NULL) ||
	    xkd_kread_u(t, head, 8, &ops, &ignored))
		return;
	for (size_t i = 0; ops && ops != end && i < 4096; i++) {
		struct xkd_code *c;

		if (linux_member(t, "ftrace_ops", "trampoline", ops, &start, &ignored) ||
		    linux_member(t, "ftrace_ops", "trampoline_size", ops, &size, &ignored))
			return;
		/* ops without one of their own may name the kernel's */
		c = xkd_target_mod_at(t, start) ? NULL :
						  add(lx, start, size, XKD_CODE_COPY, "ftrace");
		if (c) {
			snprintf(c->name, sizeof(c->name), "trampoline");
			c->like = original(t, start);
			c->kind = c->like ? XKD_CODE_COPY : XKD_CODE_OTHER;
		}
		if (linux_member(t, "ftrace_ops", "next", ops, &ops, &ignored))
			return;
	}
}

static void one_optprobe_page(struct xkd_target *t, uint64_t page)
{
	struct xkd_err ignored;
	struct xkd_code *c;
	uint64_t insns;

	if (linux_member(t, "kprobe_insn_page", "insns", page, &insns, &ignored))
		return;
	c = add(linux_of(t), insns, PAGE, XKD_CODE_OTHER, "kprobe");
	if (c)
		snprintf(c->name, sizeof(c->name), "optimized");
}

/* The detour of an optimized probe. Not every probe has one, and of those that do not the bytes behind
 * are anything: what counts must lie in a page for detours. */
static void detour(struct xkd_target *t, uint64_t probe, uint64_t addr)
{
	struct xkd_linux *lx = linux_of(t);
	uint64_t at, size = 0, slots;
	struct xkd_err ignored;

	if (linux_member(t, "optimized_kprobe", "optinsn.insn", probe, &at, &ignored) ||
	    !linux_symbol(t, "kprobe_optinsn_slots", &slots, NULL) ||
	    linux_member(t, "kprobe_insn_cache", "insn_size", slots, &size, &ignored) || size > PAGE)
		return;
	for (size_t i = 0; i < lx->codes.n; i++) {
		struct xkd_code *page = &lx->codes.p[i], *c;

		if (page->kind != XKD_CODE_OTHER || page->size != PAGE || at - page->start >= PAGE)
			continue;
		c = add(lx, at, size, XKD_CODE_REGS, "kprobe");
		if (c) {
			c->like = addr;
			snprintf(c->name, sizeof(c->name), "optimized");
		}
		return;
	}
}

/* Each probe's copy of the instruction that it stands on, and its detour. */
static void probes(struct xkd_target *t)
{
	uint64_t table, heads[PROBE_BUCKETS], addr, slot, off;
	size_t left = CODES_MAX;
	struct xkd_err ignored;

	if (!linux_symbol(t, "kprobe_table", &table, NULL) ||
	    xkd_offsetof(t, "kprobe", "hlist", &off, NULL, &ignored) ||
	    xkd_kread(t, table, heads, sizeof(heads), &ignored))
		return;
	for (size_t i = 0; i < PROBE_BUCKETS; i++)
		for (uint64_t p = heads[i]; p && left--;) {
			struct xkd_code *c;

			if (linux_member(t, "kprobe", "addr", p - off, &addr, &ignored) ||
			    linux_member(t, "kprobe", "ainsn.insn", p - off, &slot, &ignored))
				break;
			c = add(linux_of(t), slot, SLOT_BYTES, XKD_CODE_COPY, "kprobe");
			if (c) {
				c->like = addr;
				snprintf(c->name, sizeof(c->name), "slot");
			}
			detour(t, p - off, addr);
			if (xkd_kread_u(t, p, 8, &p, &ignored))
				break;
		}
}

static void kprobes(struct xkd_target *t)
{
	uint64_t slots, pages, off;
	struct xkd_err ignored;

	if (linux_symbol(t, "kprobe_optinsn_slots", &slots, NULL) &&
	    !xkd_offsetof(t, "kprobe_insn_cache", "pages", &pages, NULL, &ignored) &&
	    !xkd_offsetof(t, "kprobe_insn_page", "list", &off, NULL, &ignored))
		each(t, slots + pages, off, one_optprobe_page);
	probes(t);
}

/* The detour saves registers on the stack that it was entered with, but neither pc nor, at first, a
 * stack pointer that is right. */
enum xkd_rc linux_code_regs(struct xkd_target *t, const struct xkd_code *code, uint64_t pc,
			    uint64_t sp, struct xkd_regs *regs, struct xkd_err *err)
{
	struct xkd_regname cs;
	uint64_t depth;
	enum xkd_rc rc = linux_trap_regs(t, sp, false, regs, err);

	if (rc)
		return rc;
	if (!linux_depth(t, code->start, pc, &depth))
		return xkd_err_set(err, XKD_BADDATA, "the code of a probe cannot be followed");
	if (t->arch->reg_find("cs", &cs)) /* not saved either */
		xkd_reg_put(regs, cs.reg, 0x10); /* __KERNEL_CS */
	xkd_reg_put(regs, t->arch->pc, code->like);
	xkd_reg_put(regs, t->arch->sp, sp + depth);
	return XKD_OK;
}

bool linux_code_at(struct xkd_target *t, uint64_t addr, struct xkd_code *code)
{
	struct xkd_linux *lx = linux_of(t);

	if (!(addr >> 63))
		return false;
	if (!lx->codes_known || lx->codes_gen.stop != t->gen.stop ||
	    lx->codes_gen.write != t->gen.write) {
		xkd_vec_reset(&lx->codes);
		lx->codes_known = true; /* first: what it reads may ask for names */
		lx->codes_gen = t->gen;
		bpf(t);
		ftrace(t);
		kprobes(t);
	}
	for (size_t i = lx->codes.n; i--;) /* what lies in a page comes after it */
		if (addr - lx->codes.p[i].start < lx->codes.p[i].size) {
			*code = lx->codes.p[i];
			return true;
		}
	return false;
}
