# Sources of tests/shapes/.
check_PROGRAMS += tests/shapes/t_shapes
tests_shapes_t_shapes_SOURCES = tests/shapes/t_shapes.c tests/shapes/pahole.c tests/shapes/pahole.h \
	tests/unit/mock.c tests/unit/mock.h
tests_shapes_t_shapes_LDADD = $(XKD_TEST_LIBS)
