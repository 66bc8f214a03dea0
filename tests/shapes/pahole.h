/* The truth about layouts: what the program pahole prints of a file's BTF. */
#ifndef XKD_TESTS_PAHOLE_H
#define XKD_TESTS_PAHOLE_H
#include <stdbool.h>
#include <stdint.h>

struct pahole;
bool pahole_there(void);
/* Nothing is asked yet. */
struct pahole *pahole_open(const char *file);
void pahole_close(struct pahole *p);
/* A struct's name for the next question; asked twice it counts once. */
void pahole_want(struct pahole *p, const char *type);
/* Offset and size of a member path; an empty path: 0 and the struct's size. Structs on the way that were
 * not asked for yet are noted: then *more is set, and an answer may come after the next pahole_ask. */
bool pahole_member(struct pahole *p, const char *type, const char *path, uint64_t *off, uint64_t *size,
		   bool *more);
/* Runs the program for what was wanted since the last time. */
bool pahole_ask(struct pahole *p);
#endif
