# Sources of engine/cmd/.
libxkd_a_SOURCES += engine/cmd/bkpt.h engine/cmd/c_bkpt.c engine/cmd/watch.c engine/cmd/c_run.c engine/cmd/c_stack.c
libxkd_a_SOURCES += engine/cmd/c_code.c engine/cmd/c_paging.c engine/cmd/c_regs.c engine/cmd/code.c engine/cmd/code.h
libxkd_a_SOURCES += \
	engine/cmd/args.c engine/cmd/c_enter.c engine/cmd/c_files.c engine/cmd/c_memory.c \
	engine/cmd/c_meta.c engine/cmd/c_modules.c engine/cmd/c_search.c engine/cmd/c_symbols.c \
	engine/cmd/c_target.c engine/cmd/cmd.c engine/cmd/complete.c engine/cmd/families.c \
	engine/cmd/help.c engine/cmd/help.h engine/cmd/line.c engine/cmd/line.h \
	engine/cmd/logfile.c engine/cmd/logfile.h engine/cmd/memview.c engine/cmd/memview.h \
	engine/cmd/modules.h engine/cmd/pseudo.c engine/cmd/script.c engine/cmd/script.h \
	engine/cmd/session.c engine/cmd/stop.c engine/cmd/words.c engine/cmd/words.h
libxkd_a_SOURCES += engine/cmd/c_eval.c engine/cmd/c_locals.c engine/cmd/c_types.c engine/cmd/locals.h
libxkd_a_SOURCES += engine/cmd/c_index.c engine/cmd/c_trace.c
libxkd_a_SOURCES += engine/cmd/c_source.c engine/cmd/c_symbolize.c engine/cmd/filekind.c \
	engine/cmd/srcfile.c engine/cmd/srcfile.h engine/cmd/symbolize.c engine/cmd/symbolize.h \
	engine/cmd/symtext.c engine/cmd/symtext.h
libxkd_a_SOURCES += engine/cmd/c_dmesg.c engine/cmd/c_task.c engine/cmd/complete.h \
	engine/cmd/complete_type.c engine/cmd/shell.c engine/cmd/shell.h engine/cmd/task.h
libxkd_a_SOURCES += engine/cmd/c_foreach.c engine/cmd/c_walk.c
libxkd_a_SOURCES += engine/cmd/c_stacks.c
libxkd_a_SOURCES += engine/cmd/c_step.c engine/cmd/resume.h
libxkd_a_SOURCES += engine/cmd/c_event.c engine/cmd/reconnect.c engine/cmd/workspace.c engine/cmd/workspace.h
libxkd_a_SOURCES += engine/cmd/dx.c engine/cmd/dx.h
libxkd_a_SOURCES += engine/cmd/bkpt.h engine/cmd/c_tp.c engine/cmd/hitfile.c engine/cmd/hitfile.h
