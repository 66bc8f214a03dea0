# Sources of engine/arch/x86/.
libxkd_a_SOURCES += \
	engine/arch/x86/x86.h engine/arch/x86/arch.c engine/arch/x86/callsite.c engine/arch/x86/regs.c \
	engine/arch/x86/regs_print.c engine/arch/x86/mode.c engine/arch/x86/paging.c \
	engine/arch/x86/masm.c engine/arch/x86/extra.c engine/arch/x86/disasm.c \
	engine/arch/x86/carry.c
