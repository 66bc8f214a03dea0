# Sources of backends/file/.
libxkd_a_SOURCES += backends/file/file.c
