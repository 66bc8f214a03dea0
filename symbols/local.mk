# Sources of symbols/.
libxkd_a_SOURCES += \
	symbols/type.c symbols/type.h symbols/type_int.h symbols/type_builtin.c symbols/type_spell.c
libxkd_a_SOURCES += symbols/src.c symbols/src.h symbols/image.c symbols/image.h symbols/image_data.c \
	symbols/image_elf.c symbols/image_elf.h symbols/image_parts.c symbols/image_priv.h \
	symbols/reloc.c symbols/reloc.h symbols/symtab.c symbols/unpack.c symbols/unpack.h
libxkd_a_SOURCES += symbols/find.c symbols/find.h symbols/find_list.c symbols/find_list.h symbols/sympath.c \
	symbols/server.c symbols/server.h
libxkd_a_SOURCES += symbols/btf.c symbols/btf.h symbols/btf_int.h symbols/btf_part.c symbols/btf_find.c
libxkd_a_SOURCES += symbols/orc.c symbols/orc.h
libxkd_a_SOURCES += symbols/dwarf.h symbols/dwarf_compat.h symbols/dwarf_int.h symbols/dwarf_skip.h \
	symbols/dwarf_alt.c symbols/dwarf_die.c symbols/dwarf_file.c symbols/dwarf_func.c symbols/dwarf_line.c \
	symbols/dwarf_open.c symbols/dwarf_range.c symbols/dwarf_row.c symbols/dwarf_named.c symbols/dwarf_skip.c \
	symbols/dwarf_type.c symbols/dwarf_unit.c symbols/dwarf_var.c
libxkd_a_SOURCES += symbols/btf_enum.c
libxkd_a_SOURCES += symbols/cfi.c symbols/cfi.h symbols/cfi_int.h symbols/cfi_row.c
libxkd_a_SOURCES += symbols/dwarf_call.c symbols/dwarf_ref.c
libxkd_a_SOURCES += symbols/kallsyms.c symbols/kallsyms.h symbols/image_made.c symbols/image_made.h
libxkd_a_SOURCES += symbols/index.c symbols/index.h symbols/index_int.h symbols/index_sql.h symbols/index_ask.c \
	symbols/index_build.c symbols/index_job.c symbols/index_names.c symbols/index_store.c
libxkd_a_SOURCES += symbols/debuglink.c symbols/debuglink.h symbols/unpack_file.c
