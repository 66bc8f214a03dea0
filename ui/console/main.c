/* xkd's console program: options, the backends there are, exit codes. */
#include "ui/console/console.h"
#include "base/str.h"
#include "base/vec.h"
#include "xkd/backend.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct xkd_backend_ops *const backends[] = { &xkd_gdbrsp_ops, &xkd_replay_ops,
							 &xkd_file_ops, NULL };

enum { EXIT_FINE = 0, EXIT_COMMAND = 1, EXIT_USAGE = 2, EXIT_TARGET = 3 };

struct action {
	bool script;
	const char *text;
};
struct options {
	const char *uri, *log, *record;
	XKD_VEC(struct action) actions;
	XKD_VEC(const char *) sympath;
	XKD_VEC(const char *) files; /* each may be a list */
	bool batch, echo, leave_halted, read_only;
	unsigned trace;
};

static const char help_text[] =
	"usage: xkd -k TARGET [options] [SCRIPT...]\n"
	"       xkd [-z] FILE... [options]\n"
	"       xkd symbolize [-y PATH] [-z VMLINUX] [--slide HEX] [FILE|-]\n"
	"\n"
	"A symbol-aware debugger for Linux kernels and the virtual machines they run, with the\n"
	"commands of WinDbg's kd.\n"
	"\n"
	"  -k TARGET       the machine to look into (ways to reach one: below)\n"
	"  -z FILE[,...]   look into these files alone (vmlinux, .ko, any program); FILE=ADDR puts one\n"
	"                  at an address; may be repeated; with -k they go on the symbol path\n"
	"  -y PATH         where symbols are: folders or files, joined by ':'; may be repeated\n"
	"  -c COMMANDS     run these commands (';' between them); may be repeated\n"
	"  -f FILE         run a script; may be repeated; -c and -f run in the order given\n"
	"  -b, --batch     end after -c and -f, also on a terminal\n"
	"  -e, --echo      show each command of -c and -f before its output\n"
	"  -o FILE         write all output to FILE as well\n"
	"  --record FILE   write all that is asked of the target and answered to FILE, for -k "
	"replay:FILE\n"
	"  --leave-halted  do not let the target go on when leaving\n"
	"  --read-only     refuse commands that write to the target or let it run\n"
	"  --trace=WHAT    tell on stderr what goes on: packet, sym, find (joined by ',')\n"
	"  --version       tell the version and end\n"
	"  -h, --help      this text\n"
	"\n"
	"Ctrl-C stops a running target or a command. q leaves: breakpoints are taken out and the\n"
	"target goes on as it was found. .help lists the commands.\n"
	"\n"
	"Exit status: 0 fine; 1 a command failed (with -c, -f or input that is no terminal); 2 "
	"wrong\n"
	"usage; 3 the target could not be reached or was lost; 128 + N ended by signal N.\n";

static void print_ways(FILE *f)
{
	fputs("\nWays to reach a target:\n", f);
	for (size_t i = 0; backends[i]; i++)
		fprintf(f, "  %s\n", backends[i]->syntax);
}

static int usage_error(const char *what, const char *arg)
{
	struct xkd_buf shown = XKD_BUF_INIT;

	xkd_buf_escaped(&shown, arg ? arg : "", arg ? strlen(arg) : 0);
	fprintf(stderr, "xkd: %s%s%s\nTry 'xkd --help'.\n", what, arg ? ": " : "", shown.s);
	xkd_buf_fini(&shown);
	return EXIT_USAGE;
}

/* getopt_long has met an option it does not know; word: the last word it finished. */
static int unknown_option(const char *word)
{
	char letter[] = { '-', (char)optopt, 0 };

	/* a letter may stand among others, in a word not finished yet */
	return usage_error("unknown option",
			   optopt > ' ' && optopt < 0x7f && !xkd_has_prefix(word, "--") ? letter
											: word);
}

static bool parse_trace(const char *list, unsigned *on)
{
	static const struct {
		const char *word;
		enum xkd_log_chan chan;
	} chans[] = { { "packet", XKD_LOG_PACKET },
		      { "sym", XKD_LOG_SYM },
		      { "find", XKD_LOG_FIND } };

	while (*list) {
		size_t n = strcspn(list, ","), i;

		for (i = 0; i < XKD_COUNT(chans); i++)
			if (strlen(chans[i].word) == n && !strncmp(chans[i].word, list, n))
				break;
		if (i == XKD_COUNT(chans))
			return false;
		*on |= 1u << chans[i].chan;
		list += n + (list[n] == ',');
	}
	return true;
}

/* A file named without an option: what it is says what is wanted. -1: go on; else the exit code. */
static int take_file(const char *arg, struct options *o)
{
	struct xkd_err err = XKD_ERR_INIT, ignored;
	enum xkd_file_kind kind;
	enum xkd_rc rc = xkd_file_kind(arg, &kind, &err);
	const char *eq = strrchr(arg, '=');
	char *path;

	if (rc == XKD_NOTFOUND && eq && eq > arg && (path = strndup(arg, (size_t)(eq - arg)))) {
		if (!xkd_file_kind(path, &kind, &ignored) && kind == XKD_FILE_IMAGE)
			rc = XKD_OK; /* FILE=ADDR */
		free(path);
	}
	if (rc) {
		fprintf(stderr, "xkd: %s\n", err.msg);
		return EXIT_USAGE;
	}
	if (kind == XKD_FILE_DUMP) {
		fprintf(stderr,
			"xkd: %s is a dump of memory; this version reads none yet (crash and drgn "
			"do)\n",
			arg);
		return EXIT_USAGE;
	}
	if (kind == XKD_FILE_IMAGE)
		*xkd_vec_push(&o->files) = arg;
	else
		*xkd_vec_push(&o->actions) = (struct action){ true, arg };
	return -1;
}

/* -1: go on; else the exit code. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "leave-halted", no_argument, NULL, 'L' },
		{ "read-only", no_argument, NULL, 'R' },
		{ "record", required_argument, NULL, 'w' },
		{ "batch", no_argument, NULL, 'b' },
		{ "trace", required_argument, NULL, 'T' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":k:z:c:f:y:o:beh", longs, NULL)) != -1) {
		switch (c) {
		case 'k':
			if (o->uri)
				return usage_error("only one target can be given", optarg);
			o->uri = optarg;
			break;
		case 'z':
			*xkd_vec_push(&o->files) = optarg;
			break;
		case 'c':
		case 'f':
			*xkd_vec_push(&o->actions) = (struct action){ c == 'f', optarg };
			break;
		case 'y':
			*xkd_vec_push(&o->sympath) = optarg;
			break;
		case 'o':
			o->log = optarg;
			break;
		case 'b':
			o->batch = true;
			break;
		case 'e':
			o->echo = true;
			break;
		case 'L':
			o->leave_halted = true;
			break;
		case 'w':
			o->record = optarg;
			break;
		case 'R':
			o->read_only = true;
			break;
		case 'T':
			if (!parse_trace(optarg, &o->trace))
				return usage_error("--trace knows packet, sym and find", optarg);
			break;
		case 'V':
			printf("xkd %s\n", xkd_version());
			return EXIT_FINE;
		case 'h':
			fputs(help_text, stdout);
			print_ways(stdout);
			return EXIT_FINE;
		case ':':
			return usage_error("an argument is missing", argv[optind - 1]);
		default:
			return unknown_option(argv[optind - 1]);
		}
	}
	for (int i = optind; i < argc; i++) {
		c = take_file(argv[i], o);
		if (c >= 0)
			return c;
	}
	return -1;
}

static bool known_scheme(const char *uri)
{
	size_t n = strcspn(uri, ":");

	for (size_t i = 0; backends[i]; i++)
		if (uri[n] == ':' && strlen(backends[i]->name) == n &&
		    !strncmp(backends[i]->name, uri, n))
			return true;
	return false;
}

static int check_options(const struct options *o)
{
	int rc;

	if (!o->uri && o->files.n)
		return -1;
	if (!o->uri)
		return usage_error("which target? give it with -k, or files with -z", NULL);
	if (known_scheme(o->uri))
		return -1;
	rc = usage_error("no way to a target is named like this", o->uri);
	print_ways(stderr);
	return rc;
}

static void log_line(void *arg, enum xkd_log_chan chan, const char *line)
{
	static const char *const words[] = { "", "sym: ", "packet: ", "find: " };

	xkd_bar_clear(arg);
	fprintf(stderr, "xkd: %s%s\n", words[chan], line);
}

static void progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	xkd_bar_show(arg, what, done, total);
}

static void clear_screen(void *arg)
{
	struct xkd_textsink *t = arg;

	if (isatty(fileno(t->f))) {
		fputs("\033[H\033[2J", t->f);
		fflush(t->f);
	}
}

static void complain(const struct xkd_err *err)
{
	struct xkd_buf shown = XKD_BUF_INIT;

	xkd_buf_escaped(&shown, err->msg, strlen(err->msg));
	fprintf(stderr, "xkd: %s\n", shown.s);
	xkd_buf_fini(&shown);
}

/* A closed standard descriptor would become the target's socket, and be written to. Those that are
 * closed are opened the wrong way round, so that their use still fails. */
static void keep_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(EXIT_USAGE);
}

/* All of stdout must have got where it was meant to; a reader that had enough is no failure. */
static int close_stdout(int code, int error)
{
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && !error)
		error = errno ? errno : EIO;
	if (!error || error == EPIPE)
		return code;
	fprintf(stderr, "xkd: standard output: %s\n", strerror(error));
	return code == EXIT_FINE ? EXIT_COMMAND : code;
}

/* The commands and scripts of the command line; false when one ended the session. */
static void run_actions(struct xkd_session *s, const struct options *o, bool *unreadable)
{
	for (size_t i = 0; i < o->actions.n; i++) {
		const struct action *a = &o->actions.p[i];
		struct xkd_err err = XKD_ERR_INIT;
		enum xkd_rc rc;

		if (xkd_session_quit(s) || xkd_session_lost(s))
			return;
		xkd_signals_drain(xkd_session_cancel(s));
		if (!a->script) {
			rc = xkd_session_line(s, a->text);
		} else {
			rc = xkd_session_script(s, a->text, &err);
			if (rc && err.msg[0]) {
				complain(&err);
				*unreadable = true;
			}
		}
		if (rc == XKD_CANCELED)
			return;
	}
}

static int leave(struct xkd_session *s, int code)
{
	struct xkd_err err = XKD_ERR_INIT;
	bool lost = xkd_session_lost(s);
	int quit = (int)xkd_session_cancel(s)->quit;
	enum xkd_rc rc = xkd_session_detach(s, &err);

	if (rc || lost) {
		complain(&err);
		return EXIT_TARGET;
	}
	return quit && quit != SIGPIPE ? 128 + quit : code;
}

/* The target, or else the files: "file:A,B". */
static enum xkd_rc attach(struct xkd_session *s, const struct options *o, struct xkd_err *err)
{
	struct xkd_buf uri = XKD_BUF_INIT;
	enum xkd_rc rc;

	if (o->uri) {
		for (size_t i = 0; i < o->files.n; i++)
			xkd_session_add_sympath(s, o->files.p[i]);
		return xkd_session_attach(s, backends, o->uri, err);
	}
	xkd_buf_str(&uri, "file:");
	for (size_t i = 0; i < o->files.n; i++)
		xkd_buf_printf(&uri, "%s%s", i ? "," : "", o->files.p[i]);
	rc = xkd_session_attach(s, backends, uri.s, err);
	xkd_buf_fini(&uri);
	return rc;
}

static int session(struct xkd_session *s, const struct options *o)
{
	struct xkd_err err = XKD_ERR_INIT;
	bool terminal = isatty(STDIN_FILENO);
	bool interactive = terminal && !o->batch, unreadable = false;
	enum xkd_rc rc;

	xkd_session_set_flag(s, XKD_FLAG_LEAVE_HALTED, o->leave_halted);
	xkd_session_set_flag(s, XKD_FLAG_READ_ONLY, o->read_only);
	xkd_session_set_flag(s, XKD_FLAG_ECHO, o->echo);
	xkd_session_set_flag(s, XKD_FLAG_BATCH, !interactive);
	for (size_t i = 0; i < o->sympath.n; i++)
		xkd_session_add_sympath(s, o->sympath.p[i]);
	if (o->record)
		xkd_session_set_record(s, &xkd_record_ops, o->record);
	rc = xkd_signals_init(xkd_session_cancel(s), &err);
	if (!rc && o->log)
		rc = xkd_session_logopen(s, o->log, false, &err);
	if (rc) {
		complain(&err);
		return EXIT_USAGE;
	}
	rc = attach(s, o, &err);
	if (rc) {
		complain(&err);
		return EXIT_TARGET;
	}
	run_actions(s, o, &unreadable);
	if (!xkd_session_quit(s) && interactive) {
		rc = xkd_console_run(s, &err);
		if (rc)
			complain(&err);
	} else if (!xkd_session_quit(s) && !o->actions.n && !o->batch) {
		rc = xkd_plain_run(s, STDIN_FILENO, &err);
		if (rc)
			complain(&err);
	}
	return leave(s, unreadable || rc || (!interactive && xkd_session_failed(s)) ? EXIT_COMMAND
										    : EXIT_FINE);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct xkd_progress_bar bar;
	struct xkd_textsink text = { 0 };
	struct xkd_pager pager;
	struct xkd_session *s;
	struct xkd_log *log;
	int code;

	keep_standard_fds();
	setlocale(LC_CTYPE, "");
	if (argc > 1 && !strcmp(argv[1], "symbolize"))
		return xkd_symbolize_main(argc - 1, argv + 1, &xkd_file_ops);
	code = parse_options(argc, argv, &o);
	if (code < 0)
		code = check_options(&o);
	if (code < 0) {
		s = xkd_session_new();
		log = xkd_session_log(s);
		xkd_bar_init(&bar, stderr);
		xkd_textsink_init(&text, stdout, &bar, xkd_session_cancel(s));
		xkd_pager_init(&pager, stdout, &bar, xkd_session_cancel(s));
		if (pager.program) {
			text.pager = &pager;
			xkd_session_set_page(s, xkd_pager_switch, &pager);
			xkd_session_cancel(s)->breathe = xkd_pager_breathe;
			xkd_session_cancel(s)->arg = &pager;
		}
		xkd_session_add_sink(s, &text.sink);
		xkd_session_set_clear(s, clear_screen, &text);
		log->on |= o.trace;
		log->sink = log_line;
		log->progress = progress;
		log->arg = &bar;
		code = session(s, &o);
		xkd_session_free(s);
		xkd_pager_fini(&pager);
	}
	xkd_vec_fini(&o.actions);
	xkd_vec_fini(&o.sympath);
	xkd_vec_fini(&o.files);
	return close_stdout(code, text.error);
}
