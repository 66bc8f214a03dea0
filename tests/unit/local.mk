# Sources of tests/unit/.
check_PROGRAMS += tests/unit/t_type
tests_unit_t_type_SOURCES = tests/unit/t_type.c
tests_unit_t_type_LDADD = $(XKD_TEST_LIBS)
check_PROGRAMS += tests/unit/t_btf
tests_unit_t_btf_SOURCES = tests/unit/t_btf.c tests/unit/elfsec.h
tests_unit_t_btf_LDADD = $(XKD_TEST_LIBS)
check_PROGRAMS += tests/unit/t_orc
tests_unit_t_orc_SOURCES = tests/unit/t_orc.c tests/unit/elfsec.h
tests_unit_t_orc_LDADD = $(XKD_TEST_LIBS)
check_PROGRAMS += tests/unit/t_cfi
tests_unit_t_cfi_SOURCES = tests/unit/t_cfi.c tests/unit/elfsec.h
tests_unit_t_cfi_LDADD = $(XKD_TEST_LIBS)
check_PROGRAMS += tests/unit/t_image tests/unit/t_symtab
tests_unit_t_image_SOURCES = tests/unit/t_image.c tests/unit/scratch.h tests/unit/tap.h
tests_unit_t_image_LDADD = $(XKD_TEST_LIBS)
tests_unit_t_symtab_SOURCES = tests/unit/t_symtab.c tests/unit/scratch.h tests/unit/tap.h
tests_unit_t_symtab_LDADD = $(XKD_TEST_LIBS)
check_PROGRAMS += tests/unit/t_find
tests_unit_t_find_SOURCES = tests/unit/t_find.c tests/unit/scratch.h tests/unit/tap.h
tests_unit_t_find_LDADD = $(XKD_TEST_LIBS)
include $(srcdir)/tests/fuzz/local.mk
