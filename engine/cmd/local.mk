# Sources of engine/cmd/.
libxkd_a_SOURCES += engine/cmd/c_bkpt.c engine/cmd/c_run.c engine/cmd/c_stack.c
