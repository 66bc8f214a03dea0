/* Runs a BPF program in the test guest, for stacks that go through one: a socket filter that calls a
 * helper, fed by ourselves. usage: bpf (ends when it is killed) */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF 50
#endif

int main(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 4096 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	int prog, s[2];
	char b[16] = "";

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = sizeof(code) / sizeof(code[0]);
	attr.license = (uintptr_t)"GPL";
	strcpy(attr.prog_name, "xkd_filter");
	prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (prog < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, s) ||
	    setsockopt(s[1], SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog))) {
		perror("bpf");
		return 1;
	}
	for (;;) {
		if (write(s[0], b, sizeof(b)) < 0 || read(s[1], b, sizeof(b)) < 0)
			perror("bpf");
		usleep(2000);
	}
}
