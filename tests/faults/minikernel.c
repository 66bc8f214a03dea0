/* The kernel of the machine of tests/faults: enough for xkd to find it, name its places and know its
 * boot, and a loop made of the instructions that machine.c carries out. Never run by a processor. */
struct task_struct {
	long state;
	void *stack;
	unsigned long stack_canary;
	int pid, tgid;
	char comm[16];
};
struct task_struct init_task = { .comm = "swapper" };
unsigned long page_offset_base = 0xffff888000000000;
unsigned long jiffies_64;
int system_state = 2;
const char linux_banner[] = "Linux version 6.1.0-mini (of the tests) #1\n";
unsigned long counter, others;
unsigned long stack[512];

__asm__(".text\n"
	".macro FUNC name\n"
	".globl \\name\n.type \\name,@function\n\\name:\n"
	".endm\n"
	".macro END name\n.size \\name, . - \\name\n.endm\n"
	"FUNC asm_exc_divide_error\nnop\nret\nEND asm_exc_divide_error\n"
	"FUNC x86_64_start_kernel\n"
	"1: incq jiffies_64(%rip)\n call work\n call other\n jmp 1b\n"
	"END x86_64_start_kernel\n"
	"FUNC work\n"
	".byte 0x0f,0x1f,0x44,0,0\n push %rbp\n mov %rsp,%rbp\n incq counter(%rip)\n inc %rax\n"
	" call leaf\n add $3,%rax\n pop %rbp\n ret\n"
	"END work\n"
	"FUNC leaf\n"
	" inc %rcx\n push %rbx\n inc %rbx\n nop\n pop %rbx\n ret\n"
	"END leaf\n"
	"FUNC other\n"
	".byte 0x0f,0x1f,0x44,0,0\n incq others(%rip)\n call leaf\n ret\n"
	"END other\n");
