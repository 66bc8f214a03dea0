# Sources of engine/cmd/.
libxkd_a_SOURCES += engine/cmd/c_bkpt.c engine/cmd/c_run.c engine/cmd/c_stack.c
libxkd_a_SOURCES += engine/cmd/c_code.c engine/cmd/c_paging.c engine/cmd/c_regs.c engine/cmd/code.c engine/cmd/code.h
