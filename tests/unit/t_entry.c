/* Entry frames of Linux: struct pt_regs as registers, the whole and only what the processor pushes. */
#include "engine/os/linux/linux.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"

#define AT 0xffff888000001000ULL
#define WORDS 21

static uint64_t value(struct xkd_target *t, const struct xkd_regs *regs, const char *name)
{
	struct xkd_regname rn;

	return t->arch->reg_find(name, &rn) && xkd_reg_known(regs, rn.reg) ? regs->v[rn.reg] : 0;
}

int main(void)
{
	static uint64_t words[WORDS], frame[5];
	struct xkd_target *t = mock_open();
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_regs regs;

	for (size_t i = 0; i < WORDS; i++)
		words[i] = 0x1000 + i;
	memcpy(frame, words + 16, sizeof(frame));
	mock_seg(t, AT, words, sizeof(words));
	/* Nothing is readable before this one. */
	mock_seg(t, AT + 0x100000, frame, sizeof(frame));

	ok(!linux_trap_regs(t, AT, false, &regs, &err), "a whole one");
	is_u64(value(t, &regs, "r15"), 0x1000, "its first word is r15");
	is_u64(value(t, &regs, "rip"), 0x1010, "rip");
	is_u64(value(t, &regs, "rsp"), 0x1013, "rsp");
	ok(!linux_trap_regs(t, AT + 0x100000 - 16 * 8, true, &regs, &err), "the hardware's part alone");
	is_u64(value(t, &regs, "rip"), 0x1010, "its first word is rip");
	is_u64(value(t, &regs, "rsp"), 0x1013, "rsp");
	is_u64(value(t, &regs, "r15"), 0, "r15 is not known");
	mock_close(t);
	return done_testing();
}
