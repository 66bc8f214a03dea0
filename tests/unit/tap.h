/* The smallest TAP producer; one test program a module. */
#ifndef XKD_TESTS_TAP_H
#define XKD_TESTS_TAP_H
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int tap_n, tap_failed;

__attribute__((format(printf, 2, 3))) static inline bool ok(bool cond, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", cond ? "" : "not ", ++tap_n);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!cond)
		tap_failed++;
	fflush(stdout);
	return cond;
}

static inline bool is_str(const char *got, const char *want, const char *name)
{
	bool same = got && want && !strcmp(got, want);

	ok(same, "%s", name);
	if (!same)
		printf("# got:  %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
	return same;
}

static inline bool is_u64(uint64_t got, uint64_t want, const char *name)
{
	ok(got == want, "%s", name);
	if (got != want)
		printf("# got:  0x%" PRIx64 "\n# want: 0x%" PRIx64 "\n", got, want);
	return got == want;
}

static inline void skip(const char *name, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_n, name, why);
}

static inline int done_testing(void)
{
	printf("1..%d\n", tap_n);
	return tap_failed != 0;
}
#endif
