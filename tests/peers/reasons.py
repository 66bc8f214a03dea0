"""Known slips of peers: what the peer does, and how each single case is proved. A difference is
accepted under such a reason only when its second witness agrees with xkd."""

ADDR2LINE_FILE = ("addr2line (BFD 2.40) takes the file's number of a DWARF 5 line table's row for "
                  "another file, or the unit's; gdb's line table has xkd's file and line")
ADDR2LINE_ROW = ("several rows of the line table have the address; gdb's is xkd's file, and the line "
                 "is gdb's or addr2line's")
ADDR2LINE_KEPT = ("addr2line has no line either when it is asked of this address alone: among many it "
                  "takes an earlier answer's unit for the padding before a function")
GDB_ROW = ("several rows of the line table have the address and gdb takes another one of them; "
           "addr2line has xkd's")
GDB_ENDS = ("gdb's stack ends at an entry from assembly, which has no CFI; as far as it goes it is xkd's, "
            "whose goes on by ORC")
GDB_NO_CFI = ("gdb's .debug_frame has nothing for the address it leaves a frame of assembly at (no FDE "
              "covers it), so what it shows beyond is a guess; as far as it has tables its stack is xkd's")
GDB_CLOBBERED = ("gdb shows a variable of a caller's frame from a register that a called function need not "
                 "keep (rax, rcx, rdx, rsi, rdi, r8 to r11), with the innermost frame's value; xkd says that it is not known")
GDB_SWITCH = ("gdb's stack ends where a function called another one on another stack (the instruction that "
              "the call returns to is pop rsp, by objdump): the tables' CFA is of the stack it left; xkd goes on by ORC")
GDB_CALLED = ("gdb takes the line before an instruction at which an interrupt or exception came, as if that were "
              "a call's return address; addr2line has xkd's line at the instruction")
GDB_BLOCK = ("gdb takes the function from a block that reaches over others; by the symbol table the address is in xkd's "
             "function and not in gdb's")
OWN_WALK_ENDS = ("the kernel's own walk ends at kretprobe_trampoline before 5.15 (it does not look up the real return "
                 "address there); as far as it goes it is xkd's")
TWO_NAMES = "the address has two names in the symbol table and the peer takes the other one"
DRGN_FIRST = ("drgn takes the line before the first instruction of ret_from_fork, at which a new task begins, as if that "
              "were a call's return address; addr2line has xkd's line at it")
DRGN_SLIDE = ("drgn 0.0.22 takes an address in a location expression (DW_OP_addr) without the slide; "
              "the values differ by just the slide and xkd's lies in the kernel's image by /proc/kallsyms")
GDB_INLINE_ENTRY = ("gdb calculates a value at entry (DW_OP_entry_value) of an inlined function's frame with "
                    "the stack pointer of its own activation; in the frame of the function around it "
                    "gdb gives xkd's value for the same register at entry")
GDB_TEXT_OFFSET = ("gdb moves an address in a module's location expression (DW_OP_addr) by as much as .text was moved, "
                   "though it is of another section; xkd's is the address in that section, by /sys/module")
GDB_PUSHED = ("the place is popf, behind a push of inline assembly that .debug_frame knows nothing of (by objdump): gdb "
              "takes what lies on the stack 8 bytes beside; xkd goes by ORC")
GDB_STATIC = ("gdb lists a static of a block that the place is not in. In 5.10's vmlinux _rs of __common_interrupt is in "
              "a DW_TAG_lexical_block of 0xffffffff818ae386 to 0xffffffff818ae3c7, below a block without an abstract "
              "origin; gdb has it at 0xffffffff818ae306, too, and at all of the function")
GDB_DISCARDED = ("gdb reads a variable of section .discard.addressable, which is in no kernel, at address 0; "
                 "xkd does not list it")

# What a peer says where it has no answer, and what that means.
SILENT = {
    "can't convert negative int to unsigned":
        "drgn 0.0.22 ends with an error of its own at a task's stack (can't convert negative int to unsigned)",
    "unwinding is not supported for i386":
        "QEMU writes a dump as i386 while CPU 0 runs 32-bit code of the inner VM, and drgn does not unwind those",
    "program counter is not known":
        "drgn 0.0.22 does not find where a task goes on (program counter is not known)",
    "unknown ORC entry type":
        "drgn 0.0.22 does not know the ORC entries of Linux 6.4 and later, where it needs them",
    "unknown ORC BP base register":
        "drgn 0.0.22 does not know the ORC entries of Linux 7.1 and later, where it needs them",
}


def silent(text):
    """Why a peer that said this has no answer; None where its words are not known."""
    return next((why for words, why in SILENT.items() if words in text), None)
