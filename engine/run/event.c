/* Events (sx): hidden breakpoints at the places that a kernel passes when something happens. Invariant:
 * an event is a breakpoint of the list whose id no person types, so that placing, boots and leaving
 * treat it as any other. */
#include "base/str.h"
#include "engine/os/os.h"
#include "engine/run/run_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ID 1000000

struct xkd_bkpt *xkd_event_find(struct xkd_bkpts *all, const char *code)
{
	for (size_t i = 0; i < all->list.n; i++)
		if (all->list.p[i]->event && !strcmp(all->list.p[i]->event->code, code))
			return all->list.p[i];
	return NULL;
}

const struct xkd_os_event *xkd_event_named(struct xkd_target *t, const char *code)
{
	for (const struct xkd_os_event *e = t->os->events ? t->os->events() : NULL; e && e->code; e++)
		if (!strcmp(e->code, code))
			return e;
	return NULL;
}

enum xkd_rc xkd_event_set(struct xkd_run *r, const char *code, const char *filter, bool notify,
			  const char *cmds, struct xkd_err *err)
{
	const struct xkd_os_event *e = xkd_event_named(r->t, code);
	struct xkd_bkpt proto = { .kind = XKD_BP_SW, .size = 1, .only_cpu = -1, .cmds = (char *)cmds };
	struct xkd_symref sym;
	struct xkd_bkpt *b;
	char spec[80];
	enum xkd_rc rc = XKD_NOTFOUND;

	if (!e)
		return xkd_err_set(err, XKD_NOTFOUND, "no event '%s'; sx lists them", code);
	if (!(r->t->caps & XKD_CAP_BP_SW))
		proto.kind = XKD_BP_HW;
	for (size_t i = 0; rc && i < XKD_COUNT(e->places) && e->places[i]; i++) {
		snprintf(spec, sizeof(spec), "lk!%s", e->places[i]);
		rc = xkd_sym_named(r->t, spec, &sym, err);
	}
	if (rc && rc != XKD_AMBIGUOUS)
		return xkd_err_set(err, rc, "this kernel has no function %s to stop at for '%s'",
				   e->places[0], code);
	rc = xkd_event_clear(r, code, err);
	proto.spec = spec;
	if (!rc)
		rc = xkd_bkpt_add(r, FIRST_ID + (int)(e - r->t->os->events()), &proto, &b, err);
	if (rc)
		return rc;
	b->event = e;
	b->notify = notify;
	b->filter = filter ? xkd_strdup(filter) : NULL;
	return XKD_OK;
}

enum xkd_rc xkd_event_clear(struct xkd_run *r, const char *code, struct xkd_err *err)
{
	struct xkd_bkpt *b = xkd_event_find(r->bkpts, code);

	return b ? xkd_bkpt_del(r, b->id, err) : XKD_OK;
}

bool xkd_event_stops(struct xkd_run *r, struct xkd_bkpt *b, int cpu, char *text, size_t max)
{
	char about[64] = "";

	if (r->t->os->event_about)
		r->t->os->event_about(r->t, cpu, b->event->code, about, sizeof(about));
	if (b->filter && !xkd_glob(b->filter, about, true))
		return false;
	snprintf(text, max, "Event %s: %s%s%s", b->event->code, b->event->what, about[0] ? ": " : "",
		 about);
	b->hits++;
	if (!b->notify)
		return true;
	xkd_out_st(r->out, XKD_ST_HEAD, "%s", text);
	xkd_out_end(r->out);
	xkd_out_flush(r->out);
	return false;
}
