/* A machine of one CPU with a GDB stub that writes int3 into its memory, as a process. What it is doing
 * lies in memory that is shared with whoever started it, so that the truth need not be asked of it. */
#ifndef XKD_TESTS_FAULTS_MACHINE_H
#define XKD_TESTS_FAULTS_MACHINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MACHINE_MEM 0x2000
#define MACHINE_BPS 64
#define MACHINE_BASE 0xffffffff81000000ULL

/* What a stub does with breakpoints whose client is gone. */
enum stub_kind {
	STUB_KEEPS,   /* they stay, and are known: z takes them out (most stubs) */
	STUB_FORGETS, /* the int3 stay in memory, the table is gone (a stub that is started anew) */
	STUB_CLEANS,  /* the next client's ? takes them out (QEMU under KVM, kgdb) */
	STUB_KINDS,
};
enum fault {
	FAULT_NONE,
	FAULT_KILL_BEFORE, /* xkd is killed; the packet is not carried out */
	FAULT_KILL_AFTER,  /* carried out, the answer under way */
	FAULT_KILL_ANSWERED,
	FAULT_CLOSE_BEFORE, /* the connection ends, the packet is not carried out */
	FAULT_CLOSE_AFTER,  /* carried out */
	FAULT_CLOSE_MIDDLE, /* half of the answer is sent */
	FAULT_RST,
	FAULT_KILL_BOTH, /* xkd is killed and the connection ends: no keeper can help */
	FAULTS,
};

struct machine_bp {
	uint64_t addr;
	uint8_t orig;
	bool hw; /* beside memory; size bytes */
	unsigned size;
	char kind;
	bool used;
};
struct machine {
	/* set by the driver while nobody is connected */
	enum stub_kind kind;
	bool acks; /* no QStartNoAckMode */
	volatile enum fault fault;
	volatile unsigned fault_at; /* the packet; counted from 1 over all connections */
	volatile pid_t xkd;
	volatile bool reset; /* asks for a new boot: memory and registers as at the start */

	/* told */
	volatile unsigned packets, faulted;
	volatile bool running, connected;
	/* A Ctrl-C that came while it stood is kept (GDB's own server): the next run stops at once, and at D
	 * it ends what is debugged. */
	volatile bool ctrl_c_kept;
	volatile uint64_t insns, stops;
	uint8_t mem[MACHINE_MEM], file[MACHINE_MEM];
	size_t text; /* bytes of code at the start of both */
	uint64_t entry, canary_off, sp;
	struct machine_bp bps[MACHINE_BPS];
};
/* Runs the machine for ever, its stub at the unix socket listening on fd. */
void machine_run(struct machine *m, int fd) __attribute__((noreturn));
/* int3 in the code, and stub breakpoints: what a session must not leave. */
unsigned machine_left(const struct machine *m);
#endif
