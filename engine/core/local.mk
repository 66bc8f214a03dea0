# Sources of engine/core/.
libxkd_a_SOURCES += \
	engine/core/builtin.c engine/core/cache.c engine/core/cache.h engine/core/ctx.c engine/core/mem.c \
	engine/core/module.c engine/core/names.c engine/core/names_index.c engine/core/names_sym.c engine/core/target.c \
	engine/core/hit.c engine/core/target_int.h
