/* Words of gdb, crash and WinDbg that are no commands here: what they become, or what to say. */
#ifndef XKD_ENGINE_WORDS_H
#define XKD_ENGINE_WORDS_H
#include "engine/cmd/cmd.h"

/* text (a whole command) is a word from elsewhere: NULL if not, else the command to run instead, in
 * the command arena. With a hint to be given instead of a run, err is set and "" returned. */
const char *xkd_words_translate(struct xkd_session *s, const char *text, struct xkd_err *err);
/* A command that also is a word of gdb's, typed in gdb's way ("p vcpu->cpu", bare "n"): SYNTAX with
 * the hint, else OK. Never guesses. */
enum xkd_rc xkd_words_collide(struct xkd_session *s, const char *text,
			      struct xkd_err *err) XKD_MUST;
/* "no such command 'foo'; near: ..." */
enum xkd_rc xkd_words_unknown(const char *text, struct xkd_err *err);
#endif
