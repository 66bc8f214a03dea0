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

/* One example a command, for those whose long help has none. */
static const struct {
	const char *name, *example;
} examples[] = {
	{ "k", "kn; .frame 3; dv" },
	{ ".frame", ".frame 2; dv" },
	{ "g", "g kvm!kvm_vcpu_ioctl" },
	{ "gc", "bp schedule \"k 4; gc\"" },
	{ "gu", "bp do_sys_openat2; g; gu; ?? (int)@rax" },
	{ "p", "p 4" },
	{ "t", "t 0n10; t \"r rip\"" },
	{ "gh", "gh" },
	{ "sx", "sx" },
	{ "sxe", "sxe ld:kvm*; g; k" },
	{ "sxd", "sxd ld" },
	{ "sxr", "sxr" },
	{ "pa", "pa @$ra" },
	{ "pc", "pc; u . L1" },
	{ "pt", "pt; r rax" },
	{ "ph", "ph 4" },
	{ "l+t", "l+t; p; p; l-t" },
	{ "!cpus", "!cpus; ~1s; k" },
	{ "bp", "bp kvm!kvm_vcpu_ioctl \"k; g\"" },
	{ "bm", "bm kvm!kvm_io_bus_*" },
	{ "ba", "ba w8 jiffies; ba w &vcpu->requests; ba r /change 4 @rsp" },
	{ "bl", "bl" },
	{ "br", "br 0 10" },
	{ ".onbreak", ".onbreak {!cpus; k 6}" },
	{ ".step", ".step run; t; .step hold" },
	{ "tp", "tp /w \"len > 1\" kvm!kvm_io_bus_write \"addr, len, @$tpid\"; g; !hits" },
	{ "!hits", "!hits /g comm; !hits /csv hits.csv" },
	{ "bc", "bd 0-2; bc *" },
	{ "u", "u @$ip L5; u schedule" },
	{ "ub", "ub @$ip L4" },
	{ "uf", "uf do_nanosleep" },
	{ "r", "r; r rax; r rax=0" },
	{ "r.", "r." },
	{ "rdmsr", "rdmsr c0000080" },
	{ "wrmsr", "wrmsr c0000080 d01" },
	{ "?", "? poi(@rsp) - 10; ? 0n1033" },
	{ "??", "?? ((struct task_struct *)@$thread)->mm" },
	{ "dx", "dx -r2 vcpu->kvm" },
	{ ".formats", ".formats 0n1700000000" },
	{ "dt", "dt task_struct pid comm @$thread" },
	{ "dv", "dv /t /v" },
	{ "d", "db @rsp; dq init_task L8; dps @rsp; da 0xffffffff82000000" },
	{ "eb", "ed @rsp+8 1 2; eza @rdi \"text\"" },
	{ "s", "s -d init_task L1000 dead4ead; s -a lk!_text L?100000 \"Linux version\"" },
	{ "x", "x kvm!*io_bus*; x /t /d lk!jiffies*" },
	{ "ln", "ln @$ip" },
	{ "lm", "lm; lmvm kvm; lm a @$ip" },
	{ "!pte", "!pte @rsp" },
	{ "!vtop", "!vtop @rsp; !vtop @cr3 400000" },
	{ ".sympath", ".sympath + /usr/lib/debug" },
	{ ".reload", ".reload /f kvm" },
	{ "q", "q" },
	{ ".detach", ".detach" },
	{ ".help", ".help dt; .help breakpoint" },
	{ ".echo", ".echo \"here we are\"" },
	{ "$$><", "$$>< ~/look.xkd; $$>a< look.xkd schedule 5" },
	{ ".monitor", ".monitor info registers" },
	{ ".vmkill", ".vmkill; .vmkill" },
	{ ".chain", ".chain" },
	{ "vertarget", "vertarget" },
	{ ".time", ".time" },
	{ ".sleep", ".sleep 0n500" },
	{ ".lines", ".lines -d" },
	{ ".logopen", ".logopen /tmp/session.log" },
	{ ".logclose", ".logclose" },
	{ ".cls", ".cls" },
	{ ".noshell", ".noshell; $$>< script-of-a-stranger" },
	{ ".index", ".index" },
	{ "ls", "ls schedule; ls; ls ." },
	{ "lsa", "lsa @$ip" },
	{ ".srcpath", ".srcpath + /usr/src/linux-6.1" },
	{ ".srcmap", ".srcmap /build/linux=/home/me/linux" },
	{ ".packets", ".packets on; r; .packets off" },
	{ "!sym", "!sym noisy; .reload /f kvm" },
	{ ".symbolize", ".symbolize oops.txt" },
};

static const char *example_of(const struct xkd_cmd *cmd)
{
	size_t n = strcspn(cmd->name, " ");

	for (size_t i = 0; i < XKD_COUNT(examples); i++)
		if (strlen(examples[i].name) == n && !strncmp(examples[i].name, cmd->name, n))
			return examples[i].example;
	return NULL;
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
	if (example_of(cmd) && !(cmd->more && strstr(cmd->more, "Example:")))
		xkd_out(o, "  Example: %s\n", example_of(cmd));
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
