# Sources of engine/lang/.
libxkd_a_SOURCES += engine/lang/unwind.c engine/lang/unwind_step.c engine/lang/unwind_step.h
