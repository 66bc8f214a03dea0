/* A boot sector for a machine that runs no more than this: long mode, the first 2 MiB mapped where they
 * are, a function called for ever, and a dot to port 0xe9 every 65,536 times. */
	.code16
	.globl _start, forever, one_round, counter
_start:	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7000, %sp
	cld
	movw	$0x1000, %di
	movl	$0xc00, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	$0x2003, 0x1000
	movl	$0x3003, 0x2000
	movl	$0x83, 0x3000
	movl	$0x1000, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	movl	%eax, %cr0
	lgdt	gdtr
	ljmp	$8, $long_mode
	.code64
long_mode:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movl	$0x7000, %esp
forever:
	call	one_round
	jmp	forever
one_round:
	pushq	%rbp
	movq	%rsp, %rbp
	incq	counter
	cmpw	$0, counter
	jne	1f
	movb	$'.', %al
	outb	%al, $0xe9
1:	popq	%rbp
	ret
	.balign	8
gdt:	.quad	0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdtr:	.word	. - gdt - 1
	.long	gdt
	.balign	8
counter:
	.quad	0
	.org	510
	.word	0xaa55
