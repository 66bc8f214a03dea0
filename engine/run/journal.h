/* The journal: which breakpoints are in a target, in a file, so that the next session can take out
 * what one left that lost its connection. A file a boot, ${XDG_STATE_HOME}/xkd/journal/ID. */
#ifndef XKD_ENGINE_JOURNAL_H
#define XKD_ENGINE_JOURNAL_H
#include "engine/run/run.h"

/* Before a place is put in and after it is out: the file never lists too little. No file, no journal:
 * the session goes on. */
void xkd_journal_note(struct xkd_run *r, bool in, uint64_t addr, enum xkd_bp_kind kind, unsigned size);
/* Learns which boot it is; false: the kernel (or its types) is not known. */
bool xkd_boot_now(struct xkd_run *r);
/* Right after attaching: learns which boot it is (r->bkpts->boot) and takes out what the journal of
 * this boot lists, with a line that says so. read_only: only says what there is. */
void xkd_journal_recover(struct xkd_run *r, bool read_only);
bool xkd_journal_any(const struct xkd_bkpts *all); /* is anything listed as in? */
/* clean: nothing of ours is in that target any more, or the boot is over; the file goes. */
void xkd_journal_close(struct xkd_bkpts *all, bool clean);
#endif
