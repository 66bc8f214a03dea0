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
