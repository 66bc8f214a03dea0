/* .help: everything it says comes from the rows of the command table. */
#include "engine/cmd/help.h"
#include "base/str.h"
#include "engine/cmd/line.h"
#include "engine/cmd/words.h"
#include <string.h>

static void help_row(struct xkd_session *s, const struct xkd_cmd *cmd)
{
	struct xkd_out *o = &s->out;

	xkd_out(o, "  ");
	xkd_out_key(o, XKD_ST_SYM, "command", "%s", cmd->name);
	if (cmd->args[0])
		xkd_out_key(o, XKD_ST_DIM, "usage", " %s", cmd->args);
	if (o->text.len > 46)
		xkd_out_end(o);
	xkd_out_pad(o, 48);
	xkd_out_key(o, XKD_ST_PLAIN, "help", "%s", cmd->help);
	xkd_out_end(o);
}

void xkd_help_all(struct xkd_session *s)
{
	for (size_t f = 0; f < xkd_cmd_nfamilies; f++) {
		xkd_out_st(&s->out, XKD_ST_HEAD, "%s", xkd_cmd_families[f]->title);
		xkd_out_end(&s->out);
		for (size_t r = 0; r < xkd_cmd_families[f]->n; r++)
			help_row(s, &xkd_cmd_families[f]->rows[r]);
	}
	xkd_out_st(&s->out, XKD_ST_DIM,
		   ".help COMMAND tells more. ~Ns chooses a CPU, ~N CMD and ~* CMD "
		   "run CMD there; ';' joins commands.");
	xkd_out_end(&s->out);
}

static void help_long(struct xkd_session *s, const struct xkd_cmd *cmd)
{
	struct xkd_out *o = &s->out;
	const unsigned fx = cmd->effect;

	xkd_out_key(o, XKD_ST_SYM, "command", "%s", cmd->name);
	xkd_out_key(o, XKD_ST_DIM, "usage", " %s", cmd->args);
	xkd_out_end(o);
	xkd_out(o, "  %s\n", cmd->help);
	for (const char *p = cmd->more; p && *p;) {
		size_t n = strcspn(p, "\n");

		xkd_out(o, "%s%.*s\n", *p == ' ' ? "" : "  ", (int)n, p);
		p += n + (p[n] == '\n');
	}
	if (fx & (XKD_FX_WRITE | XKD_FX_RESUME)) {
		xkd_out_st(o, XKD_ST_DIM, "  %s%s%s; refused with --read-only",
			   fx & XKD_FX_WRITE ? "writes to the target" : "",
			   (fx & XKD_FX_WRITE) && (fx & XKD_FX_RESUME) ? " and " : "",
			   fx & XKD_FX_RESUME ? "lets the target run" : "");
		xkd_out_end(o);
	}
	if (cmd->foreign) {
		xkd_out_st(o, XKD_ST_DIM, "  also understood: %s", cmd->foreign);
		xkd_out_end(o);
	}
}

static bool mentions(const struct xkd_cmd *cmd, const char *word)
{
	return strcasestr(cmd->name, word) || strcasestr(cmd->help, word) ||
	       (cmd->more && strcasestr(cmd->more, word)) ||
	       (cmd->foreign && strcasestr(cmd->foreign, word));
}

enum xkd_rc xkd_help_about(struct xkd_session *s, const char *what, struct xkd_err *err)
{
	const struct xkd_cmd *cmd = xkd_cmd_find(what, strlen(what));
	size_t shown = 0;

	if (cmd) {
		help_long(s, cmd);
		return XKD_OK;
	}
	for (size_t f = 0; f < xkd_cmd_nfamilies; f++)
		for (size_t r = 0; r < xkd_cmd_families[f]->n; r++)
			if (mentions(&xkd_cmd_families[f]->rows[r], what)) {
				help_row(s, &xkd_cmd_families[f]->rows[r]);
				shown++;
			}
	if (shown)
		return XKD_OK;
	xkd_words_unknown(what, err);
	err->pos = -1;
	return XKD_NOTFOUND;
}
