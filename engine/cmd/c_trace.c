/* .packets and !sym: the log's channels shown among the output. Invariant: a line of the log is a row
 * of its own, before the row that a command is composing; channels that were not asked for here go
 * where they went before (--trace: standard error). */
#include "engine/cmd/cmd.h"
#include "base/str.h"
#include <string.h>

#define PACKETS (1u << XKD_LOG_PACKET)
#define SYMBOLS (1u << XKD_LOG_SYM | 1u << XKD_LOG_FIND)

static void to_output(void *arg, enum xkd_log_chan chan, const char *line)
{
	struct xkd_session *s = arg;
	uint64_t ms = xkd_now_ms() - s->born_ms;
	struct xkd_out o;

	if (!(s->log_shown >> chan & 1)) {
		if (s->log_sink)
			s->log_sink(s->log_arg, chan, line);
		return;
	}
	/* the same sinks, another row */
	xkd_out_init(&o);
	memcpy(o.sinks, s->out.sinks, sizeof(o.sinks));
	o.nsinks = s->out.nsinks;
	if (chan == XKD_LOG_PACKET)
		xkd_out_st(&o, XKD_ST_NUM, "%llu.%03u ", (unsigned long long)(ms / 1000),
			   (unsigned)(ms % 1000));
	else
		xkd_out_st(&o, XKD_ST_DIM, "SYM: ");
	xkd_out_foreign(&o, XKD_ST_DIM, line, strlen(line));
	xkd_out_end(&o);
	xkd_out_fini(&o);
}

static void progress_through(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct xkd_session *s = arg;

	s->log_progress(s->log_arg, what, done, total);
}

/* Puts to_output before the log's own sink, once. */
static void divert(struct xkd_session *s)
{
	if (s->log.sink == to_output)
		return;
	s->log_sink = s->log.sink;
	s->log_arg = s->log.arg;
	s->log_progress = s->log.progress;
	s->log.sink = to_output;
	s->log.arg = s;
	if (s->log.progress)
		s->log.progress = progress_through;
}

/* Takes a word of two, or nothing; *on as it then is. */
static enum xkd_rc switch_to(struct xkd_session *s, struct xkd_args *a, unsigned chans,
			     const char *yes, const char *no, struct xkd_err *err)
{
	char word[16] = "";
	int pos = (int)(a->p - a->line);
	bool given = xkd_arg_word(a, word, sizeof(word));
	enum xkd_rc rc = xkd_arg_done(a, err);

	if (rc || !given)
		return rc;
	divert(s);
	if (!strcmp(word, yes)) {
		s->log_shown |= chans;
		s->log.on |= chans;
	} else if (!strcmp(word, no)) {
		s->log_shown &= ~chans;
		s->log.on &= ~chans;
	} else {
		return xkd_err_syntax(err, pos, "'%s' or '%s' comes here", yes, no);
	}
	return XKD_OK;
}

static enum xkd_rc cmd_packets(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = switch_to(s, a, PACKETS, "on", "off", err);

	if (!rc)
		xkd_out(&s->out, "packets are %sshown\n", s->log.on & PACKETS ? "" : "not ");
	return rc;
}

static enum xkd_rc cmd_sym(struct xkd_session *s, struct xkd_args *a, struct xkd_err *err)
{
	enum xkd_rc rc = switch_to(s, a, SYMBOLS, "noisy", "quiet", err);

	if (!rc)
		xkd_out(&s->out, "%s mode: the search for symbols is %sshown\n",
			s->log.on & SYMBOLS ? "noisy" : "quiet", s->log.on & SYMBOLS ? "" : "not ");
	return rc;
}

static const char more_packets[] =
	"Each packet to and from the stub as it goes, with the seconds since the session began:\n"
	"-> what was sent, <- what came. --trace=packet does so from the first one on, on stderr.";
static const char more_sym[] =
	"noisy: each file that is looked at for a module's symbols, and why it is refused. With\n"
	".reload /f MOD one sees where a module's symbols are looked for.";

static const struct xkd_cmd rows[] = {
	{ ".packets", "[on|off]", XKD_FX_NONE, "show what is said to the stub and by it", cmd_packets,
	  more_packets, NULL },
	{ "!sym", "[noisy|quiet]", XKD_FX_NONE, "show how symbol files are looked for", cmd_sym,
	  more_sym, NULL },
};
const struct xkd_cmd_family xkd_family_trace = { "What goes on", rows, XKD_COUNT(rows) };
