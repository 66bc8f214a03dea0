/* What the files of the breakpoint commands share. */
#ifndef XKD_ENGINE_CMD_BKPT_H
#define XKD_ENGINE_CMD_BKPT_H
#include "engine/cmd/cmd.h"

#define XKD_BKPT_IDS 1000000 /* ids that a person may give are below */

/* Switches that every kind takes: /1 /p task /cpu n /c depth /w "expr" /change. Command lifetime. */
enum xkd_rc xkd_bkpt_switches(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *b,
			      struct xkd_err *err) XKD_MUST;
/* The place as typed: up to a blank outside parentheses and backquotes; "" none. Command lifetime. */
const char *xkd_bkpt_spec(struct xkd_session *s, struct xkd_args *a);
/* How many places it has, or what it waits for. */
void xkd_bkpt_say(struct xkd_session *s, const struct xkd_bkpt *b);
/* watch.c: ba's kind and size (0: none is given) into proto; then its place and what is watched into v
 * (kind NONE: its type is not known). */
enum xkd_rc xkd_ba_kind(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *proto,
			struct xkd_err *err) XKD_MUST;
enum xkd_rc xkd_ba_place(struct xkd_session *s, struct xkd_args *a, struct xkd_bkpt *proto,
			 struct xkd_value *v, struct xkd_err *err) XKD_MUST;
/* What a person should know of a watch that was set. */
void xkd_ba_say(struct xkd_session *s, const struct xkd_bkpt *b, const struct xkd_value *v);
#endif
