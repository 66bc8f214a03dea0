/* Return addresses that probes replaced, and code made at run time, in structures that the compiler laid
 * out: this program is the kernel. With OLD as kernels had them about 5.10: instances of return probes in
 * a hash, the function graph tracer's records in an array. Then steps without tables: frame pointers and
 * the search of a stack. */
#include "engine/lang/unwind_step.h"
#include "engine/os/linux/linux.h"
#include "tests/unit/mock.h"
#include "tests/unit/tap.h"
#include <stdio.h>
#include <string.h>

#define TEXT 0xffffffff81000000ULL
typedef unsigned long ulong_t;

struct hlist_node {
	struct hlist_node *next, **pprev;
};
struct hlist_head {
	struct hlist_node *first;
};
struct list_head {
	struct list_head *next, *prev;
};
struct ftrace_ret_stack {
	ulong_t ret, func;
	unsigned long long calltime;
	ulong_t *retp;
};
#ifdef OLD
struct kretprobe_instance {
	struct hlist_node hlist;
	void *rp, *ret_addr;
	struct task_struct *task;
	void *fp;
};
struct task_struct {
	long first;
	int curr_ret_stack;
	struct ftrace_ret_stack *ret_stack;
};
struct hlist_head kretprobe_inst_table[64];
static struct kretprobe_instance probe[3];
static struct ftrace_ret_stack records[8];
#else
struct llist_node {
	struct llist_node *next;
};
struct llist_head {
	struct llist_node *first;
};
struct rethook_node {
	long rcu[2];
	struct llist_node llist;
	void *rethook;
	ulong_t ret_addr, frame;
};
struct task_struct {
	long first;
	int curr_ret_stack;
	ulong_t *ret_stack;
	struct llist_head rethooks;
};
static struct rethook_node probe[3];
static ulong_t records[64];
#endif
struct bpf_ksym {
	ulong_t start, end;
	char name[128];
	struct list_head lnode;
};
struct list_head bpf_kallsyms;
static struct bpf_ksym programs[2];
static struct task_struct task, other;

/* Like the kernel's: straight code around a call. */
#ifdef OLD
#define PROBE "kretprobe_trampoline"
#else
#define PROBE "arch_rethook_trampoline"
#endif
__asm__(".text\n"
	".globl " PROBE ", return_to_handler\n"
	".type " PROBE ", @function\n" PROBE ":\n"
	"push $0x1234\n push $0x18\n push %rsp\n pushf\n sub $0x18,%rsp\n push %rdi\n push %rsi\n"
	"mov %rsp,%rdi\n"
	"call abort\n"
	"nop\n"
	".size " PROBE ", .-" PROBE "\n"
	".type return_to_handler, @function\nreturn_to_handler:\n"
	"sub $0x10,%rsp\n mov %rax,(%rsp)\n mov %rdx,8(%rsp)\n"
	"call abort\n"
	"add $0x10,%rsp\n call 1f\n int3\n1: nop\n"
	".size return_to_handler, .-return_to_handler\n");
extern char return_to_handler[];
#ifdef OLD
extern char kretprobe_trampoline[];
#define probe_code kretprobe_trampoline
#else
extern char arch_rethook_trampoline[];
#define probe_code arch_rethook_trampoline
#endif
#define PROBE_CALL 23 /* its address behind the call, from its start */
#define PROBE_DEPTH (8 * 4 + 0x18 + 16)

static uint64_t swapped(struct xkd_target *t, uint64_t pc, bool returning, uint64_t *slot,
			enum xkd_rc *rc, struct xkd_err *err)
{
	const char *what = "";
	uint64_t ret = 0;

	xkd_target_dirty(t);
	*err = XKD_ERR_INIT;
	*rc = linux_swapped_ret(t, (uintptr_t)&task, pc, returning, slot, &ret, &what, err);
	return ret;
}

static void add_probe(unsigned i, struct task_struct *owner, uint64_t slot, uint64_t ret)
{
#ifdef OLD
	probe[i] = (struct kretprobe_instance){ .hlist = { kretprobe_inst_table[i & 1].first, NULL },
						.task = owner, .fp = (void *)slot,
						.ret_addr = (void *)ret };
	kretprobe_inst_table[i & 1].first = &probe[i].hlist;
#else
	probe[i] = (struct rethook_node){ .llist = { owner->rethooks.first }, .frame = slot,
					  .ret_addr = ret };
	owner->rethooks.first = &probe[i].llist;
#endif
}

static void probes(struct xkd_target *t)
{
	uint64_t slot = 0x1008, sp;
	struct xkd_err err;
	enum xkd_rc rc;

	add_probe(0, &task, 0x1008, TEXT + 1);
	add_probe(1, &other, 0x1010, TEXT + 2);
	is_u64(swapped(t, (uintptr_t)probe_code, true, &slot, &rc, &err), TEXT + 1,
	       "a return probe's record by its place on the stack");
	slot = 0x1010;
	ok(swapped(t, (uintptr_t)probe_code, true, &slot, &rc, &err) == 0 && rc == XKD_BADDATA &&
	   strstr(err.msg, "keeps no record"), "another task's is none: %s", err.msg);
	add_probe(2, &task, 0x1008, (uintptr_t)probe_code);
	slot = 0x1008;
	is_u64(swapped(t, (uintptr_t)probe_code, true, &slot, &rc, &err), TEXT + 1,
	       "of two probes on one function the outer one's");
	sp = 0x1008 + 8 - PROBE_DEPTH;
	is_u64(swapped(t, (uintptr_t)probe_code + PROBE_CALL, false, &sp, &rc, &err), TEXT + 1,
	       "inside the trampoline, by what it has pushed");
	is_u64(sp, 0x1008, "and the place that it stands in for");
	sp = 0x1010;
	is_u64(swapped(t, (uintptr_t)probe_code, false, &sp, &rc, &err), TEXT + 1,
	       "at its first instruction the place is below the stack pointer");
	swapped(t, TEXT, true, &sp, &rc, &err);
	ok(rc == XKD_NOTFOUND, "elsewhere there is none");
#ifdef OLD
	probe[0].hlist.next = &probe[0].hlist;
#else
	probe[0].llist.next = &probe[0].llist;
#endif
	slot = 0x7777;
	swapped(t, (uintptr_t)probe_code, true, &slot, &rc, &err);
	ok(rc == XKD_BADDATA, "records in a circle: %s", err.msg);
}

static void add_record(uint64_t slot, uint64_t ret)
{
#ifdef OLD
	records[++task.curr_ret_stack] = (struct ftrace_ret_stack){ .ret = ret, .retp = (ulong_t *)slot };
#else
	struct ftrace_ret_stack r = { .ret = ret, .retp = (ulong_t *)slot };

	memcpy(&records[task.curr_ret_stack], &r, sizeof(r));
	task.curr_ret_stack += 5; /* and a word that leads back */
	records[task.curr_ret_stack - 1] = 4;
#endif
}

static void graph(struct xkd_target *t)
{
	uint64_t slot = 0x2000;
	struct xkd_err err;
	enum xkd_rc rc;

	task.ret_stack = records;
#ifdef OLD
	task.curr_ret_stack = -1;
#endif
	ok(swapped(t, (uintptr_t)return_to_handler, true, &slot, &rc, &err) == 0 && rc == XKD_BADDATA,
	   "no function is traced: %s", err.msg);
	add_record(0x2100, TEXT + 8);
	add_record(0x2000, TEXT + 9);
	is_u64(swapped(t, (uintptr_t)return_to_handler, true, &slot, &rc, &err), TEXT + 9,
	       "the function graph tracer's record");
	slot = 0x2100;
	is_u64(swapped(t, (uintptr_t)return_to_handler, true, &slot, &rc, &err), TEXT + 8,
	       "an outer one");
	slot = 0x2000 + 8 - 16;
	is_u64(swapped(t, (uintptr_t)return_to_handler + 18, false, &slot, &rc, &err), TEXT + 9,
	       "inside its handler");
#ifdef OLD
	task.curr_ret_stack--;
#else
	task.curr_ret_stack -= 5;
#endif
	slot = 0x2000;
	is_u64(swapped(t, (uintptr_t)return_to_handler + 28, false, &slot, &rc, &err), TEXT + 9,
	       "and when the record has been taken off");
	task.curr_ret_stack = 0x7fffffff;
	swapped(t, (uintptr_t)return_to_handler, true, &slot, &rc, &err);
	ok(rc == XKD_BADDATA, "a number of records that cannot be: %s", err.msg);
}

static void programs_of(struct xkd_target *t)
{
	struct xkd_buf b = XKD_BUF_INIT;
	struct xkd_code c;

	programs[0] = (struct bpf_ksym){ TEXT + 0x1000, TEXT + 0x1100, "bpf_prog_0123_one", { 0 } };
	programs[1] = (struct bpf_ksym){ TEXT + 0x2000, TEXT + 0x2010, "bpf_prog_4567_\x1btwo", { 0 } };
	bpf_kallsyms.next = &programs[0].lnode;
	programs[0].lnode.next = &programs[1].lnode;
	programs[1].lnode.next = &bpf_kallsyms;
	xkd_target_dirty(t);
	linux_of(t)->codes_known = false;
	ok(linux_code_at(t, TEXT + 0x10ff, &c) && !strcmp(c.name, "bpf_prog_0123_one") &&
	   c.kind == XKD_CODE_FRAMED, "a BPF program");
	ok(!linux_code_at(t, TEXT + 0x1100, &c), "ends where it ends");
	xkd_sym_format(t, TEXT + 0x2008, &b);
	ok(!strcmp(b.s, "bpf!bpf_prog_4567_\\x1btwo+0x8"), "its name is shown: %s", b.s);
	programs[1].lnode.next = &programs[0].lnode;
	xkd_target_dirty(t);
	linux_of(t)->codes_known = false;
	ok(linux_code_at(t, TEXT + 0x2000, &c), "a list in a circle ends");
	xkd_buf_fini(&b);
}

/* ---- without tables ---- */

static uint64_t returned_to, calls;
__attribute__((noinline)) static void callee(void)
{
	returned_to = (uintptr_t)__builtin_return_address(0);
}
__attribute__((noinline)) static void unrelated(void)
{
	returned_to = (uintptr_t)__builtin_return_address(0) + 0 * ++calls;
}
static void (*volatile callee_ptr)(void) = callee;

static void guesses(struct xkd_target *t)
{
	static uint64_t stack[16];
	struct xkd_ctx ctx = mock_ctx(t);
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_step step;
	uint64_t wrong, direct, indirect;
	int sp = t->arch->sp, pc = t->arch->pc;

	unrelated();
	wrong = returned_to;
	callee();
	direct = returned_to;
	callee_ptr();
	indirect = returned_to;
	ctx.regs.known = 0;
	xkd_reg_put(&ctx.regs, sp, (uintptr_t)stack);
	stack[1] = (uintptr_t)callee + 1; /* code, behind no call */
	stack[2] = wrong;
	stack[3] = TEXT;
	stack[4] = direct;
	stack[5] = indirect;
	ok(!xkd_unwind_guess(&ctx, &ctx.regs, (uintptr_t)callee + 2, &step, &err), "a guess: %s",
	   err.msg);
	is_u64(step.regs.v[pc], direct, "behind a call of this function, not of another");
	is_u64(step.cfa, (uintptr_t)&stack[5], "and the stack pointer after its return");
	stack[4] = 0;
	xkd_target_dirty(t);
	ok(!xkd_unwind_guess(&ctx, &ctx.regs, (uintptr_t)callee + 2, &step, &err) &&
	   step.regs.v[pc] == indirect, "an indirect call may lead here");
	ctx.regs.v[sp] = (uintptr_t)&stack[6];
	stack[8] = wrong;
	xkd_target_dirty(t);
	ok(xkd_unwind_guess(&ctx, &ctx.regs, (uintptr_t)callee + 2, &step, &err) == XKD_NOTFOUND ||
	   step.cfa > (uintptr_t)(stack + 16), "none: %s", err.msg);
}

static void frame_pointers(struct xkd_target *t)
{
	static uint64_t stack[64];
	struct xkd_ctx ctx = mock_ctx(t);
	struct xkd_err err = XKD_ERR_INIT;
	struct xkd_step step;
	int sp = t->arch->sp, fp = t->arch->fp, pc = t->arch->pc;

	ctx.regs.known = 0;
	xkd_reg_put(&ctx.regs, sp, (uintptr_t)stack);
	xkd_reg_put(&ctx.regs, fp, (uintptr_t)&stack[4]);
	stack[4] = (uintptr_t)&stack[8];
	stack[5] = TEXT + 0x10;
	ok(!xkd_unwind_fp(&ctx, &ctx.regs, TEXT, false, 0, &step, &err), "by frame pointer: %s", err.msg);
	is_u64(step.regs.v[pc], TEXT + 0x10, "the return address is above it");
	is_u64(step.regs.v[fp], (uintptr_t)&stack[8], "the caller's is below");
	is_u64(step.cfa, (uintptr_t)&stack[6], "the caller's stack pointer");
	ctx.regs.v[fp] = (uintptr_t)&stack[10] + 1;
	stack[10 + 16] = TEXT + 0x20;
	xkd_target_dirty(t);
	ok(!xkd_unwind_fp(&ctx, &ctx.regs, TEXT, false, 0, &step, &err) &&
	   step.kind == XKD_STEP_TRAP && step.regs.v[pc] == TEXT + 0x20,
	   "its lowest bit leads to saved registers: %s", err.msg);
	ctx.regs.v[fp] = (uintptr_t)stack - 8;
	ok(xkd_unwind_fp(&ctx, &ctx.regs, TEXT, false, 0, &step, &err) == XKD_NOTFOUND,
	   "one below the stack pointer is none: %s", err.msg);
}

static void calls_before(const struct xkd_arch *a)
{
	static const struct {
		uint8_t b[8];
		bool direct, indirect;
	} rows[] = {
		{ { 0x90, 0x90, 0x90, 0xe8, 1, 0, 0, 0 }, true, false },
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0 }, false, true },	/* call rax */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0x41, 0xff, 0xd3 }, false, true },	/* call r11 */
		{ { 0x90, 0x90, 0xff, 0x15, 1, 2, 3, 4 }, false, true },		/* [rip+...] */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 0x18 }, false, true },	/* [rax+18h] */
		{ { 0x90, 0xff, 0x14, 0xc5, 1, 2, 3, 4 }, false, true },		/* [rax*8+...] */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0 }, false, false },	/* jmp rax */
		{ { 0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0, 0x90 }, false, false },
	};
	uint64_t to;

	for (size_t i = 0; i < XKD_COUNT(rows); i++) {
		ok(a->call_before(rows[i].b, 8, TEXT, true, &to) == rows[i].direct, "row %zu", i);
		ok(!rows[i].direct || to == TEXT + 1, "where it leads");
		ok(a->call_before(rows[i].b, 8, TEXT, false, &to) == rows[i].indirect, "indirect");
	}
}

int main(void)
{
	struct xkd_target *t = mock_open();
	static struct xkd_linux lx;

	if (!mock_self(t)) {
		printf("1..0 # SKIP this program has no debug info\n");
		return 0;
	}
	t->os = &xkd_os_linux;
	t->os_state = &lx;
	probes(t);
	graph(t);
	programs_of(t);
	guesses(t);
	frame_pointers(t);
	calls_before(t->arch);
	xkd_vec_fini(&lx.codes);
	t->os_state = NULL;
	mock_close(t);
	return done_testing();
}
