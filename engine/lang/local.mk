# Sources of engine/lang/.
libxkd_a_SOURCES += engine/lang/unwind.c engine/lang/unwind_asm.c engine/lang/unwind_fp.c engine/lang/unwind_guess.c engine/lang/unwind_step.c engine/lang/unwind_step.h
libxkd_a_SOURCES += \
	engine/lang/brief.c engine/lang/enums.c engine/lang/expr_arith.c engine/lang/expr_cxx.c \
	engine/lang/expr_eval.c engine/lang/expr_int.h engine/lang/expr_lex.c \
	engine/lang/expr_masm.c engine/lang/expr_names.c engine/lang/expr_parse.c \
	engine/lang/lang.h engine/lang/location.c engine/lang/location_entry.c \
	engine/lang/location_expr.c engine/lang/location_int.h engine/lang/location_pieces.c \
	engine/lang/location_typed.c engine/lang/value_parts.c engine/lang/params.c engine/lang/print.c \
	engine/lang/print_int.h engine/lang/print_struct.c engine/lang/print_struct.h \
	engine/lang/scope.c engine/lang/scope.h engine/lang/type_parse.c engine/lang/value.c
libxkd_a_SOURCES += engine/lang/prog.c engine/lang/prog.h
libxkd_a_SOURCES += engine/lang/known.c
libxkd_a_SOURCES += engine/lang/source.c
libxkd_a_SOURCES += engine/lang/location_tail.c engine/lang/location_tail.h
