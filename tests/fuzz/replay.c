/* Feeds files to a fuzz target without a fuzzer: the arguments, or all seeds of the target. Linked
 * with one fuzz_NAME.c as replay_NAME, it is a test of make check: a crash, an abort or a
 * sanitizer's word fails it. */
#include "tests/unit/tap.h"
#include <glob.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = NULL;
	long n = -1;

	if (f && !fseek(f, 0, SEEK_END) && (n = ftell(f)) >= 0 && !fseek(f, 0, SEEK_SET)) {
		buf = malloc(n ? (size_t)n : 1); /* no slack behind it: overreads are seen */
		if (buf && fread(buf, 1, (size_t)n, f) != (size_t)n)
			n = -1;
	}
	if (f)
		fclose(f);
	if (buf && n >= 0)
		LLVMFuzzerTestOneInput(buf, (size_t)n);
	ok(buf && n >= 0, "%s, %ld bytes", path, n);
	free(buf);
}

int main(int argc, char **argv)
{
	const char *src = getenv("srcdir"), *name = strrchr(argv[0], '/');
	char pattern[1024];
	glob_t g = { 0 };

	name = name ? name + 1 : argv[0];
	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			replay(argv[i]);
		return done_testing();
	}
	if (!strncmp(name, "replay_", 7))
		name += 7;
	snprintf(pattern, sizeof(pattern), "%s/tests/fuzz/seeds/%s/*", src ? src : ".", name);
	if (!glob(pattern, 0, NULL, &g))
		for (size_t i = 0; i < g.gl_pathc; i++)
			replay(g.gl_pathv[i]);
	ok(g.gl_pathc > 0, "there are seeds: %s", pattern);
	globfree(&g);
	return done_testing();
}
