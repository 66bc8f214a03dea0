# Sources of tests/matrix/.
check_SCRIPTS += tests/matrix/t_matrix.py
EXTRA_DIST += tests/matrix/t_matrix.py tests/matrix/corpus.h tests/matrix/one.c tests/matrix/two.c
