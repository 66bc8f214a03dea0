// SPDX-License-Identifier: GPL-2.0
/*
 * The arbiter: a kernel module whose functions say for themselves what their parameters and locals
 * are and by whom they were called. A debugger that stops in arbiter_stop() has to see the same.
 *
 * Written to /sys/module/xkd_arbiter/parameters/run: the number of a case. Said, in the kernel's log:
 *   arb CASE stop              a stop is near
 *   arb CASE v FUNCTION NAME VALUE   a value (decimal, of the type's own sign) as it is at the stop
 *   arb CASE at FUNCTION       the kernel's own stack at the stop (stack_trace_save)
 *   arb CASE end
 * What is said is said before the stop: a debugger that has the value nevertheless must have this one.
 * Values of the "kept" cases are used again after the stop, so that they are somewhere while it lasts.
 */
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/hw_breakpoint.h>
#include <linux/interrupt.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/smp.h>
#include <linux/stacktrace.h>
#include <linux/static_call.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <linux/workqueue.h>

enum arb_mode { ARB_IDLE, ARB_BUSY = 4, ARB_LOST = 9 };
struct arb_pair { u32 low; s16 high; u8 kind : 3; u8 last : 5; };
struct arb_wide { u64 a, b, c, d; };

static int now;                 /* the case that runs */
static volatile u64 sink;       /* what must not be optimized away goes here */

#define V(name) pr_info("arb %d v %s %s %lld\n", now, __func__, #name, (long long)(name))
#define KEEP(name) (sink += (u64)(name))

/* Here a debugger stops. */
static noinline void arbiter_stop(int id)
{
	sink += id;
	barrier();
}

static noinline void say_stack(void)
{
	unsigned long at[64];
	unsigned int i, n = stack_trace_save(at, ARRAY_SIZE(at), 1);

	for (i = 0; i < n; i++)
		pr_info("arb %d at %ps\n", now, (void *)at[i]);
}

static __always_inline void stop_here(void)
{
	pr_info("arb %d stop\n", now);
	say_stack();
	arbiter_stop(now);
	pr_info("arb %d end\n", now);
}

/* ---- 1: parameters in registers, kept */
static noinline u64 six(s8 a, u16 b, s32 c, u64 d, bool e, enum arb_mode f)
{
	V(a); V(b); V(c); V(d); V(e); V(f);
	stop_here();
	KEEP(a); KEEP(b); KEEP(c); KEEP(d); KEEP(e); KEEP(f);
	return d + c;
}

/* ---- 2, 17: parameters in registers, not needed after the stop: only their callers know them */
static noinline u64 lost(long a, int b, void *c)
{
	V(a); V(b); V(c);
	stop_here();
	return sink;
}

static noinline u64 loses(long seed)
{
	long twice = seed * 2;
	u64 r;

	V(seed); V(twice);
	r = lost(seed, 77, (void *)&sink);
	KEEP(twice);
	return r;
}

static noinline u64 loses_more(long seed)
{
	V(seed);
	return lost(seed * 2 + 1, -5, NULL) + 1;
}

/* ---- 3: more than six, on the stack; structures by value, in registers and in memory */
static noinline u64 many(int a, int b, int c, int d, int e, int f, long g, s16 h, struct arb_pair p, struct arb_wide w)
{
	V(a); V(f); V(g); V(h); V(p.low); V(p.high); V(p.kind); V(p.last); V(w.a); V(w.d);
	stop_here();
	KEEP(a); KEEP(b); KEEP(c); KEEP(d); KEEP(e); KEEP(f); KEEP(g); KEEP(h); KEEP(p.low); KEEP(w.d);
	return p.kind;
}

/* ---- 4: inlined into one another, with constants and what is computed */
static __always_inline u64 inner(u64 x, int by)
{
	u64 y = x * by;

	V(x); V(by); V(y);
	stop_here();
	KEEP(y);
	return y ^ x;
}

static __always_inline u64 middle(u64 x)
{
	u64 more = x + 1000;

	V(x); V(more);
	return inner(more, 3) + more;
}

static noinline u64 outer(u64 x, const char *name)
{
	u64 r = middle(x ^ 5);

	KEEP(x);
	KEEP(name);
	return r;
}

/* ---- 5: a tail call, whose caller's frame is no more */
static noinline u64 tail_end(u64 a, u64 b)
{
	V(a); V(b);
	stop_here();
	return sink;
}

static noinline u64 tail(u64 a, u64 b)
{
	sink += a;
	return tail_end(b + 1, a);
}

/* ---- 6: a loop's variables, arrays and what is in a register only in the loop */
static noinline u64 loop(int n)
{
	u64 sum = 0, rows[4] = { 11, 22, 33, 44 };
	int i;

	for (i = 0; i < n; i++) {
		sum += rows[i & 3] * i;
		if (i == 5) {
			V(n); V(i); V(sum); V(rows[2]);
			stop_here();
			KEEP(rows[sum & 3]);
		}
	}
	return sum;
}

/* ---- 7: recursion */
static noinline u64 deeper(u64 depth, u64 carry)
{
	u64 r;

	if (!depth) {
		V(carry);
		stop_here();
		return carry;
	}
	r = deeper(depth - 1, carry * 3 + depth);
	KEEP(carry);
	return r + depth;
}

/* ---- 8: a call by pointer, 9: by a static call */
static noinline u64 pointed(u64 a)
{
	V(a);
	stop_here();
	KEEP(a);
	return a;
}

static u64 (*volatile pointer)(u64) = pointed;
DEFINE_STATIC_CALL(arb_call, pointed);

/* ---- 10 and on: where interrupts, probes and traps are between */
static noinline void reached(unsigned long where)
{
	V(where);
	stop_here();
	KEEP(where);
}

static void by_ipi(void *p) { reached((unsigned long)p); }
static void by_work(struct work_struct *w) { reached(12); }
static DECLARE_WORK(work, by_work);
static void by_timer(struct timer_list *t) { reached(13); }
static DEFINE_TIMER(timer, by_timer);
static void by_tasklet(unsigned long d) { reached(d); }
static DECLARE_TASKLET_OLD(tasklet, by_tasklet);
static struct hrtimer hr;

static enum hrtimer_restart by_hrtimer(struct hrtimer *t)
{
	reached(11);
	return HRTIMER_NORESTART;
}

static __attribute__((noipa)) u64 probed(u64 a, u64 b)
{
	sink += a;
	return a * b;
}

static int __kprobes by_kprobe(struct kprobe *p, struct pt_regs *regs)
{
	reached(15);
	return 0;
}

static int __kprobes by_int3(struct kprobe *p, struct pt_regs *regs)
{
	reached(19);
	return 0;
}

static int by_kretprobe(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	reached(16);
	return 0;
}

/* A debug exception: on its own stack. */
static u64 watched;

static void by_watch(struct perf_event *e, struct perf_sample_data *d, struct pt_regs *regs)
{
	reached(18);
}

static void watch(void)
{
	struct perf_event * __percpu *events;
	struct perf_event_attr attr;

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)&watched;
	attr.bp_len = HW_BREAKPOINT_LEN_8;
	attr.bp_type = HW_BREAKPOINT_W;
	events = register_wide_hw_breakpoint(&attr, by_watch, NULL);
	if (IS_ERR((void __force *)events)) {
		pr_info("arb %d cannot\n", now);
		return;
	}
	WRITE_ONCE(watched, 1);
	unregister_wide_hw_breakpoint(events);
}

/* A probe inside a function, by a breakpoint exception: the handler after it keeps it from being a jump. */
static void after_kprobe(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
	sink += flags;
}

static void probe_inside(void)
{
	struct kprobe kp = { .symbol_name = "probed", .offset = 0, .pre_handler = by_int3,
			     .post_handler = after_kprobe };
	int err = -EINVAL;

	/* the first boundary behind the call of ftrace, whatever the compiler made */
	for (kp.offset = 5; err && kp.offset < 24; kp.offset++) {
		kp.addr = NULL;
		kp.flags = 0;
		err = register_kprobe(&kp);
		if (!err)
			break;
	}
	if (err) {
		pr_info("arb %d cannot %d\n", now, err);
		return;
	}
	sink += probed(7, 8);
	unregister_kprobe(&kp);
}

static void probe(bool ret)
{
	struct kprobe kp = { .symbol_name = "probed", .pre_handler = by_kprobe };
	static struct kretprobe krp = { .kp.symbol_name = "probed", .handler = by_kretprobe, .maxactive = 4 };
	int err = ret ? register_kretprobe(&krp) : register_kprobe(&kp);

	if (err) {
		pr_info("arb %d cannot %d\n", now, err);
		return;
	}
	sink += probed(5, 6);
	if (ret) {
		unregister_kretprobe(&krp);
		krp.kp.addr = NULL;
	} else {
		unregister_kprobe(&kp);
	}
}

static int run_case(const char *text, const struct kernel_param *kp)
{
	int id, err = kstrtoint(text, 0, &id);

	if (err)
		return err;
	now = id;
	switch (id) {
	case 1: sink += six(-3, 65000, -123456, 0xfedcba9876543210, true, ARB_BUSY); break;
	case 2: sink += loses(sink % 7 + 400); break;
	case 3: sink += many(1, 2, 3, 4, 5, 6, -7, -8, (struct arb_pair){ 5, -6, 7, 17 },
			     (struct arb_wide){ 1, 2, 3, 1ull << 63 }); break;
	case 4: sink += outer(sink % 5 + 40, "a name"); break;
	case 5: sink += tail(sink % 3 + 900, 31); break;
	case 6: sink += loop(9); break;
	case 7: sink += deeper(12, 1); break;
	case 8: sink += pointer(808); break;
	case 9: sink += static_call(arb_call)(909); break;
	case 10: smp_call_function_single(raw_smp_processor_id() ? 0 : num_online_cpus() - 1, by_ipi, (void *)10, 1); break;
	case 11: hrtimer_start(&hr, ms_to_ktime(20), HRTIMER_MODE_REL); break;
	case 12: schedule_work(&work); flush_work(&work); break;
	case 13: mod_timer(&timer, jiffies + 2); break;
	case 14: tasklet_schedule(&tasklet); break;
	case 15: probe(false); break;
	case 16: probe(true); break;
	case 18: watch(); break;
	case 19: probe_inside(); break;
	case 17: sink += loses_more(sink % 7 + 50); break;
	default: return -EINVAL;
	}
	return 0;
}

static const struct kernel_param_ops run_ops = { .set = run_case };
module_param_cb(run, &run_ops, NULL, 0200);

static int __init arbiter_init(void)
{
	tasklet.data = 14;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&hr, by_hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#else
	hrtimer_init(&hr, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hr.function = by_hrtimer;
#endif
	return 0;
}

static void __exit arbiter_exit(void)
{
	hrtimer_cancel(&hr);
	flush_work(&work);
	tasklet_kill(&tasklet);
	del_timer_sync(&timer);
}

module_init(arbiter_init);
module_exit(arbiter_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("says what a debugger should see");
