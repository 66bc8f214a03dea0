/* Trace points: breakpoints that record time, CPU, task and values of expressions into a database
 * (tracedb.h) and go on. What was recorded is written in transactions, a quarter of a second apart at
 * most, and at each stop. */
#ifndef XKD_ENGINE_TRACE_H
#define XKD_ENGINE_TRACE_H
#include "engine/run/run.h"
#include "engine/run/tracedb.h"

struct xkd_trace; /* of one breakpoint */
/* "expr, expr": C++ expressions between commas outside parentheses and quotes; "" is none. SYNTAX when
 * one is empty or there are too many. */
enum xkd_rc xkd_trace_new(const char *text, struct xkd_trace **trace, struct xkd_err *err) XKD_MUST;
void xkd_trace_free(struct xkd_trace *trace);
size_t xkd_trace_count(const struct xkd_trace *trace); /* NULL: 0 */
const char *xkd_trace_expr(const struct xkd_trace *trace, size_t i);
const char *xkd_trace_text(const struct xkd_trace *trace); /* as typed */
/* Could each expression mean something at b's first place? Only what certainly is wrong there (a word
 * that is not C++, a name that nothing has) is an error. */
enum xkd_rc xkd_trace_check(struct xkd_run *r, const struct xkd_bkpt *b, struct xkd_err *err) XKD_MUST;
/* Opens the database if need be and notes the point in it. */
enum xkd_rc xkd_trace_begin(struct xkd_run *r, struct xkd_bkpt *b, struct xkd_err *err) XKD_MUST;

/* Where hits are recorded from now on. Points that are set are noted there anew. */
enum xkd_rc xkd_traces_file(struct xkd_run *r, const char *path, struct xkd_err *err) XKD_MUST;
struct xkd_tracedb *xkd_traces_db(const struct xkd_bkpts *all); /* NULL: none is open */
/* Writes what is not written yet. An error says why; what is not written is kept for the next time. */
enum xkd_rc xkd_traces_flush(struct xkd_bkpts *all, struct xkd_err *err) XKD_MUST;
void xkd_traces_free(struct xkd_traces *traces); /* writes it, too; NULL is fine */

struct xkd_tracestats {
	uint64_t hits, run_ns, stood_ns; /* stood: from a trace point's stop to the order to go on */
	uint64_t unwritten, lost;	 /* that could not be written; and for which there was no room */
};
/* last: of the last run alone. */
void xkd_traces_stats(const struct xkd_bkpts *all, bool last, struct xkd_tracestats *st);
#endif
