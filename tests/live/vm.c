/*
 * The VM inside the live test guest: one vCPU in real mode that does nothing
 * but leave its VM, so that KVM's I/O paths are always busy.
 *
 * A round of the inner guest is, in this order:
 *   out 0x43, in 0x40    the in-kernel PIT answers: kvm_io_bus_write/read, KVM_PIO_BUS
 *   mov [0xd0000], al    an ioeventfd takes it: kvm_io_bus_write, KVM_MMIO_BUS
 *   mov [0xd0100], al    nobody takes it: kvm_io_bus_write, then KVM_EXIT_MMIO
 *   mov al, [0xd0100]    the same for kvm_io_bus_read
 *   out 0x80, al         nobody takes it: KVM_EXIT_IO, the end of the round
 *
 * Prints "xkd-tick N" to stdout five times a second, N counting rounds: the
 * line comes only while the inner VM runs, so a test that sees it knows that
 * the kernel, its scheduler and KVM go on.
 *
 * usage: vm [PAUSE_US]    microseconds to sleep after each round (default 5000,
 *                         which leaves the machine around it some air; 0 = none)
 *        vm spin32        a guest in protected mode that never leaves by itself
 *        vm spin64        the same in long mode, at a kernel's addresses
 *        vm ioctls        no guest at all: ioctl in a loop, a round each, as fast as it goes; the
 *                         count is also in a page that who sees the machine's memory can find
 *                         (tests/live/rate)
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MEM_SIZE 0x10000
#define ENTRY    0x1000
#define MMIO     0xd0000

static const uint8_t guest_code[] = {
	0xb8, 0x00, 0xd0,       /* 1000: mov ax, 0xd000         */
	0x8e, 0xd8,             /*       mov ds, ax             */
	0x30, 0xc0,             /* loop: xor al, al (latch PIT) */
	0xe6, 0x43,             /*       out 0x43, al           */
	0xe4, 0x40,             /*       in al, 0x40            */
	0xa2, 0x00, 0x00,       /*       mov [0x0000], al       */
	0xa2, 0x00, 0x01,       /*       mov [0x0100], al       */
	0xa0, 0x00, 0x01,       /*       mov al, [0x0100]       */
	0xe6, 0x80,             /*       out 0x80, al           */
	0xeb, 0xed,             /*       jmp loop               */
};

/* again: inc eax; jmp again. The same bytes do in both modes: in long mode the first two are inc eax. */
static const uint8_t spin_code[] = { 0xff, 0xc0, 0xeb, 0xfc };
#define SPIN64_AT 0xffffffff81001000ULL

static int vm_ioctl(int fd, unsigned long req, const char *name, void *arg)
{
	int r = ioctl(fd, req, arg);

	if (r < 0)
		err(1, "%s", name);
	return r;
}
#define VM_IOCTL(fd, req, arg) vm_ioctl(fd, req, #req, (void *)(uintptr_t)(arg))

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void flat(struct kvm_segment *s, int selector, int type, int is64)
{
	*s = (struct kvm_segment){.limit = 0xffffffff, .selector = selector, .type = type,
				  .present = 1, .s = 1, .g = 1, .db = !is64, .l = is64};
}

/* Protected mode without paging, or long mode with 2 MiB at 0xffffffff81000000 and at 0. */
static void spin_state(uint8_t *mem, struct kvm_sregs *sregs, struct kvm_regs *regs, int is64)
{
	uint64_t *pml4 = (uint64_t *)(mem + 0x2000), *pdpt = (uint64_t *)(mem + 0x3000);
	uint64_t *pd = (uint64_t *)(mem + 0x4000);

	memcpy(mem + ENTRY, spin_code, sizeof(spin_code));
	flat(&sregs->cs, 8, 11, is64);
	flat(&sregs->ds, 16, 3, 0);
	sregs->es = sregs->ss = sregs->ds;
	sregs->cr0 |= 1;
	regs->rip = ENTRY;
	if (!is64)
		return;
	pml4[0] = pml4[511] = 0x3003;
	pdpt[0] = pdpt[510] = 0x4003;
	pd[0] = pd[8] = 0x83;
	sregs->cr3 = 0x2000;
	sregs->cr4 |= 0x20;
	sregs->cr0 |= 0x80000000;
	sregs->efer |= 0x500;
	regs->rip = SPIN64_AT;
}

/* For measuring what a breakpoint that is let pass costs. A page's first words mark it; they are made
 * here, so that no other place in memory holds them. */
static _Noreturn void ioctls(void)
{
	volatile uint64_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long long rounds = 0;

	if (page == MAP_FAILED)
		err(1, "mmap");
	for (uint64_t i = 0, x = 0x786b642d72617465; i < 4; i++, x = x * 6364136223846793005 + 1)
		page[i] = x;

	for (int64_t next = 0;;) {
		for (int i = 0; i < 16; i++, page[4] = ++rounds)
			(void)ioctl(-1, 0);
		if (now_ms() < next)
			continue;
		printf("xkd-tick %llu\n", rounds);
		fflush(stdout);
		next = now_ms() + 200;
	}
}

/* 7.x takes no CR4.PAE from a vCPU that knows no processor. */
static void give_cpuid(int kvm, int vcpu)
{
	static struct {
		struct kvm_cpuid2 c;
		struct kvm_cpuid_entry2 e[256];
	} all = {.c.nent = 256};

	VM_IOCTL(kvm, KVM_GET_SUPPORTED_CPUID, &all);
	VM_IOCTL(vcpu, KVM_SET_CPUID2, &all);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "ioctls"))
		ioctls();
	int spin = argc > 1 && !strncmp(argv[1], "spin", 4);
	long pause_us = argc > 1 && !spin ? strtol(argv[1], NULL, 0) : 5000;
	uint64_t rounds = 0;
	int64_t next = 0;

	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	int vm = VM_IOCTL(kvm, KVM_CREATE_VM, 0);
	/* Intel wants these two pages even for a guest this small. */
	uint64_t ident = 0xfffbc000;
	VM_IOCTL(vm, KVM_SET_IDENTITY_MAP_ADDR, &ident);
	VM_IOCTL(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	VM_IOCTL(vm, KVM_CREATE_IRQCHIP, 0);
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	VM_IOCTL(vm, KVM_CREATE_PIT2, &pit);

	uint8_t *mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		err(1, "mmap");
	memcpy(mem + ENTRY, guest_code, sizeof(guest_code));
	struct kvm_userspace_memory_region slot = {
		.memory_size = MEM_SIZE,
		.userspace_addr = (uintptr_t)mem,
	};
	VM_IOCTL(vm, KVM_SET_USER_MEMORY_REGION, &slot);

	/* Nobody reads the eventfd; writes only have to be absorbed in the kernel. */
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct kvm_ioeventfd ioev = {.addr = MMIO, .len = 1, .fd = efd};
	VM_IOCTL(vm, KVM_IOEVENTFD, &ioev);

	int vcpu = VM_IOCTL(vm, KVM_CREATE_VCPU, 0);
	int run_size = VM_IOCTL(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap vcpu");

	struct kvm_sregs sregs;
	VM_IOCTL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	struct kvm_regs regs = {.rip = ENTRY, .rsp = 0x8000, .rflags = 2};
	if (spin) {
		give_cpuid(kvm, vcpu);
		spin_state(mem, &sregs, &regs, !strcmp(argv[1], "spin64"));
	}
	VM_IOCTL(vcpu, KVM_SET_SREGS, &sregs);
	VM_IOCTL(vcpu, KVM_SET_REGS, &regs);

	for (;;) {
		VM_IOCTL(vcpu, KVM_RUN, 0);
		switch (run->exit_reason) {
		case KVM_EXIT_MMIO:
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
			break;
		case KVM_EXIT_IO:
			rounds++;
			if (now_ms() >= next) {
				char line[40];
				int n = snprintf(line, sizeof(line), "xkd-tick %llu\n",
						 (unsigned long long)rounds);
				/* One write, so that a line of the kernel does not split it. */
				if (write(1, line, n) != n)
					return 1;
				next = now_ms() + 200;
			}
			if (pause_us > 0)
				usleep(pause_us);
			break;
		default:
			errx(1, "exit reason %u", run->exit_reason);
		}
	}
}
