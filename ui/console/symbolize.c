/* "xkd symbolize": a log or oops as a filter, from a file or standard input to standard output. */
#include "ui/console/console.h"
#include "base/str.h"
#include "base/vec.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_COMMAND = 1, EXIT_USAGE = 2, EXIT_TARGET = 3 };

static const char help_text[] =
	"usage: xkd symbolize [-y PATH]... [-z VMLINUX[,MODULE...]] [--slide HEX] [FILE|-]\n"
	"\n"
	"Copies a kernel log and puts behind name+off/size [module], [<address>] and addresses of\n"
	"code their source lines, and before them the functions that were inlined there.\n"
	"\n"
	"  -z FILES      the kernel the log is of (and modules); else it is found on the symbol path\n"
	"                by the release that the log names\n"
	"  -y PATH       where symbols are: folders or files, joined by ':'; may be repeated\n"
	"  --slide HEX   how far the kernel was moved (KASLR), for bare addresses in a log without\n"
	"                'Kernel Offset:'\n"
	"  -h, --help    this text\n"
	"\n"
	"Without FILE, or for -, standard input is read.\n";

struct request {
	struct xkd_symbolize y;
	XKD_VEC(const char *) sympath;
	XKD_VEC(const char *) files;
	const char *text;
};

static int wrong(const char *what, const char *arg)
{
	fprintf(stderr, "xkd: symbolize: %s%s%s\nTry 'xkd symbolize --help'.\n", what,
		arg ? ": " : "", arg ? arg : "");
	return EXIT_USAGE;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct request *r)
{
	static const struct option longs[] = {
		{ "slide", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":y:z:h", longs, NULL)) != -1) {
		switch (c) {
		case 'y':
			*xkd_vec_push(&r->sympath) = optarg;
			break;
		case 'z':
			*xkd_vec_push(&r->files) = optarg;
			break;
		case 'S':
			if (!xkd_parse_u64(xkd_has_prefix(optarg, "0x") ? optarg + 2 : optarg, 16,
					   &r->y.slide))
				return wrong("--slide wants a hex number", optarg);
			r->y.has_slide = true;
			break;
		case 'h':
			fputs(help_text, stdout);
			return EXIT_FINE;
		case ':':
			return wrong("an argument is missing", argv[optind - 1]);
		default:
			return wrong("unknown option", argv[optind - 1]);
		}
	}
	if (optind + 1 < argc)
		return wrong("one text at a time", argv[optind + 1]);
	r->text = optind < argc ? argv[optind] : "-";
	return -1;
}

static void put(void *arg, const char *line, size_t len, bool newline)
{
	fwrite(line, 1, len, arg);
	if (newline)
		fputc('\n', arg);
}

static void warn(void *arg, enum xkd_log_chan chan, const char *line)
{
	(void)arg;
	(void)chan;
	fprintf(stderr, "xkd: %s\n", line);
}

static enum xkd_rc attach(struct xkd_session *s, const struct request *r,
			  const struct xkd_backend_ops *file_ops, struct xkd_err *err)
{
	const struct xkd_backend_ops *const ways[] = { file_ops, NULL };
	struct xkd_buf uri = XKD_BUF_INIT;
	enum xkd_rc rc;

	if (!r->files.n)
		return XKD_OK;
	xkd_buf_str(&uri, "file:");
	for (size_t i = 0; i < r->files.n; i++)
		xkd_buf_printf(&uri, "%s%s", i ? "," : "", r->files.p[i]);
	rc = xkd_session_attach(s, ways, uri.s, err);
	xkd_buf_fini(&uri);
	return rc;
}

static int run(struct request *r, const struct xkd_backend_ops *file_ops)
{
	struct xkd_session *s = xkd_session_new();
	struct xkd_err err = XKD_ERR_INIT;
	struct stat st;
	enum xkd_rc rc;
	int code;

	xkd_session_log(s)->sink = warn;
	for (size_t i = 0; i < r->sympath.n; i++)
		xkd_session_add_sympath(s, r->sympath.p[i]);
	rc = attach(s, r, file_ops, &err);
	code = rc ? EXIT_TARGET : EXIT_FINE;
	if (!rc && strcmp(r->text, "-")) {
		r->y.fd = open(r->text, O_RDONLY | O_CLOEXEC);
		if (r->y.fd < 0)
			rc = xkd_err_set(&err, XKD_IO, "%s: %s", r->text, strerror(errno));
	}
	if (!rc && (fstat(r->y.fd, &st) || !S_ISREG(st.st_mode)))
		setlinebuf(stdout); /* a live log goes on line by line */
	if (!rc)
		rc = xkd_session_symbolize(s, &r->y, &err);
	if (rc)
		fprintf(stderr, "xkd: %s\n", err.msg);
	if (rc && !code)
		code = EXIT_COMMAND;
	if (r->y.fd > 0)
		close(r->y.fd);
	xkd_session_free(s);
	return code;
}

int xkd_symbolize_main(int argc, char **argv, const struct xkd_backend_ops *file_ops)
{
	struct request r = { .y = { .put = put, .arg = stdout } };
	int code = parse(argc, argv, &r);

	if (code < 0)
		code = run(&r, file_ops);
	xkd_vec_fini(&r.sympath);
	xkd_vec_fini(&r.files);
	if ((fflush(stdout) || ferror(stdout)) && code == EXIT_FINE) {
		fprintf(stderr, "xkd: standard output: %s\n", strerror(errno));
		code = EXIT_COMMAND;
	}
	return code;
}
