/* A folder of its own for a test, and the tools of the machine run in it. */
#ifndef XKD_TESTS_SCRATCH_H
#define XKD_TESTS_SCRATCH_H
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[256];

static void scratch_rm(void)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", scratch);
	if (*scratch && system(cmd))
		fprintf(stderr, "# cannot remove %s\n", scratch);
}

/* A path in the folder; four results live at a time. */
__attribute__((format(printf, 1, 2))) static inline const char *in_scratch(const char *fmt, ...)
{
	static char path[4][1024];
	static int turn;
	char *p = path[turn++ % 4];
	int n = snprintf(p, sizeof(path[0]), "%s/", scratch);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p + n, sizeof(path[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

static void scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(scratch, sizeof(scratch), "%s/xkd-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(scratch)) {
		perror(scratch);
		exit(99);
	}
	atexit(scratch_rm);
	setenv("XDG_CACHE_HOME", in_scratch(".cache"), 1);
}

/* Writes a file in the folder. */
static inline void put_file(const char *name, const void *text, size_t n)
{
	FILE *f = fopen(in_scratch("%s", name), "w");

	if (!f || fwrite(text, 1, n, f) != n || fclose(f)) {
		perror(name);
		exit(99);
	}
}

/* The whole of a file, malloc'ed, NUL-terminated. */
static inline char *get_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *p = NULL;
	size_t cap = 0;

	*n = 0;
	while (f) {
		if (cap - *n < 65537)
			p = realloc(p, cap = cap * 2 + 131072);
		size_t got = fread(p + *n, 1, 65536, f);
		if (!got)
			break;
		*n += got;
	}
	if (f)
		fclose(f);
	if (p)
		p[*n] = 0;
	return p;
}

/* Runs a shell command in the folder; true when it succeeds. */
__attribute__((format(printf, 1, 2))) static inline bool sh(const char *fmt, ...)
{
	char cmd[8192];
	int n = snprintf(cmd, sizeof(cmd), "cd '%s' && ", scratch);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(cmd) == 0;
}

/* Whether inputs can be made at all. */
static inline bool have_tools(void)
{
	return sh("command -v gcc ld objcopy readelf nm >/dev/null");
}

/* As sh; its output, to be read and pclosed. */
__attribute__((format(printf, 1, 2))) static inline FILE *sh_read(const char *fmt, ...)
{
	char cmd[8192];
	int n = snprintf(cmd, sizeof(cmd), "cd '%s' && ", scratch);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - (size_t)n, fmt, ap);
	va_end(ap);
	return popen(cmd, "r");
}
#endif
