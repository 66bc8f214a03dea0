# Bad input, row by row: t_bad.py runs table.py's rows.
check_SCRIPTS += tests/bad/t_bad.py
EXTRA_DIST += tests/bad/t_bad.py tests/bad/table.py tests/bad/files.py tests/bad/stub.py
