/* Events: sx sxe sxn sxd sxi sxr. */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include "engine/os/os.h"
#include <stdio.h>
#include <string.h>

static enum xkd_rc list(struct xkd_session *s, struct xkd_err *err)
{
	const struct xkd_os_event *e = s->t->os->events ? s->t->os->events() : NULL;
	struct xkd_out *o = &s->out;

	if (!e)
		return xkd_err_set(err, XKD_UNSUPPORTED, "no kernel whose events are known is here");
	for (; e->code; e++) {
		const struct xkd_bkpt *b = xkd_event_find(&s->bkpts, e->code);

		xkd_out_key(o, XKD_ST_SYM, "event", "%6s", e->code);
		xkd_out(o, " - ");
		xkd_out_key(o, XKD_ST_PLAIN, "state", "%-7s", !b ? "ignored" : b->notify ? "told" : "stops");
		xkd_out_st(o, XKD_ST_DIM, "  %s", e->what);
		if (b && b->filter)
			xkd_out(o, " (only %s)", b->filter);
		if (b && b->hits)
			xkd_out(o, " (%llu times)", (unsigned long long)b->hits);
		if (b && b->cmds)
			xkd_out(o, " \"%s\"", b->cmds);
		xkd_out_end(o);
	}
	return XKD_OK;
}

/* sxe ld, sxe ld:kvm*, sxe ld kvm, sxe -c "commands" ld */
static enum xkd_rc sx_cmd(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	const char *cmds = NULL;
	char word[64], filter[64] = "", sw[8], *colon;
	char kind = a->name[2];
	struct xkd_run *r = xkd_session_runner(s);
	enum xkd_rc rc;

	if (!kind) {
		rc = xkd_arg_done(a, err);
		return rc ? rc : list(s, err);
	}
	if (kind == 'r') {
		const struct xkd_os_event *e = s->t->os->events ? s->t->os->events() : NULL;

		rc = xkd_arg_done(a, err);
		for (; !rc && e && e->code; e++)
			rc = xkd_event_clear(r, e->code, err);
		return rc;
	}
	if (xkd_arg_switch(a, '-', sw, sizeof(sw)) && !strcmp(sw, "c"))
		cmds = xkd_arg_string(s, a);
	if (!xkd_arg_word(a, word, sizeof(word)))
		return xkd_err_set(err, XKD_SYNTAX, "%s wants an event; sx lists them", a->name);
	colon = strchr(word, ':');
	if (colon) {
		*colon = 0;
		snprintf(filter, sizeof(filter), "%s", colon + 1);
	} else if (!xkd_arg_end(a) && *xkd_skip_space(a->p) != '"') {
		(void)xkd_arg_word(a, filter, sizeof(filter));
	}
	if (!cmds)
		cmds = xkd_arg_string(s, a);
	rc = xkd_arg_done(a, err);
	if (rc)
		return rc;
	if (kind == 'd' || kind == 'i')
		return xkd_event_named(s->t, word) ? xkd_event_clear(r, word, err) :
						     xkd_err_set(err, XKD_NOTFOUND,
								 "no event '%s'; sx lists them", word);
	return xkd_event_set(r, word, filter[0] ? filter : NULL, kind == 'n', cmds, err);
}

static const struct xkd_cmd rows[] = {
	{ "sx", "", XKD_FX_TARGET | XKD_FX_STOPPED, "lists the events and what happens at each", sx_cmd, NULL,
	  NULL },
	{ "sxe sxn", "[-c \"commands\"] event[:filter] [filter] [\"commands\"]",
	  XKD_FX_TARGET | XKD_FX_STOPPED | XKD_FX_WRITE,
	  "stops at an event (sxe) or tells it and goes on (sxn): ld ud et oops panic warn", sx_cmd,
	  "The filter is a pattern: a module's name (ld, ud) or a task's (et). An event's symbols are\n"
	  "known when it stops. Commands run as a breakpoint's do.", "catch" },
	{ "sxd sxi", "event", XKD_FX_TARGET | XKD_FX_STOPPED, "ignores an event", sx_cmd, NULL, NULL },
	{ "sxr", "", XKD_FX_TARGET | XKD_FX_STOPPED, "ignores all events, as at the start", sx_cmd, NULL, NULL },
};
const struct xkd_cmd_family xkd_family_event = { "Events", rows, XKD_COUNT(rows) };
