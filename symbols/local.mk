# Sources of symbols/.
libxkd_a_SOURCES += \
	symbols/type.c symbols/type.h symbols/type_int.h symbols/type_builtin.c symbols/type_spell.c
