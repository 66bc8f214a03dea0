/* Inputs of several parts, such as the sections of one file: for each part a u16 length (little-
 * endian), then the parts' bytes; a length that reaches beyond the end is cut. The fuzzer changes
 * one part at a time and exchanges parts between inputs, so that a byte more in one does not move
 * all the others. A target says how many parts it takes. */
#ifndef XKD_TESTS_FUZZ_PARTS_H
#define XKD_TESTS_FUZZ_PARTS_H
#include <stddef.h>
#include <stdint.h>

#define PARTS_MAX 20
struct parts {
	const uint8_t *p[PARTS_MAX];
	size_t n[PARTS_MAX];
};
extern const size_t parts_count; /* the target's */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each part ends right before a page that cannot be read, so that not even a library that no
 * sanitizer saw reads beyond it unnoticed; valid until the next call. */
void parts_split(const uint8_t *data, size_t size, struct parts *out);

/* An image of these sections alone (parts first to first + n - 1), and of PARTS_TEXT_SIZE bytes of
 * code at PARTS_TEXT. Empty parts are no sections. */
#define PARTS_TEXT 0x10000ULL
#define PARTS_TEXT_SIZE 0x400000ULL
struct xkd_image;
struct xkd_log;
struct xkd_image *parts_image(const char *const *names, const struct parts *parts, size_t first,
			      size_t n, struct xkd_log *log);
#endif
