/* The keeper process. It speaks a protocol of lines with xkd ("+SPEC", "-SPEC", "q" and
 * the letters of xkd_keeper_news) and, only when
 * the line ends without "q", the GDB remote protocol with the stub: stop, a question to know that
 * answers fit, z for each that was noted, D. It allocates a table and nothing else, shares no
 * state with xkd but the connection, and never outlives its work by more than the time-outs below. */
#include "backends/gdbrsp/keeper.h"
#include "base/str.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTES 4096
#define SPEC 40
#define ANSWER_MS 1500
#define STOP_MS 500 /* a Ctrl-C's answer */
#define KEPT_MS 300 /* a kept one's, once it runs */
#define QUIET_MS 30
#define TRIES 3
#define PACKETS 256 /* a program's output may come in many */
#define SIG_INT 2 /* GDB's number */

struct keep {
	int line, stub;
	bool noack, qemu, kgdb, run_on;
	volatile int *runs; /* xkd's word; NULL: not known */
	char (*specs)[SPEC];
	size_t n;
};

/* One byte from the stub, -1 when none came in time or it is gone. */
static int next_byte(struct keep *k, int ms)
{
	struct pollfd p = { .fd = k->stub, .events = POLLIN };
	unsigned char c;

	if (poll(&p, 1, ms) <= 0 || read(k->stub, &c, 1) != 1)
		return -1;
	return c;
}

static bool put(struct keep *k, const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(k->stub, s, n);

		if (w <= 0)
			return false;
		s += w;
		n -= (size_t)w;
	}
	return true;
}

/* The body of the next packet, at most max - 1 bytes of it. 0 nothing came, -1 a NAK, 1 a packet. */
static int answer(struct keep *k, char *body, size_t max, int ms)
{
	size_t n = 0;
	int c;

	do {
		c = next_byte(k, ms);
		if (c == '-')
			return -1;
	} while (c >= 0 && c != '$');
	while ((c = c < 0 ? c : next_byte(k, ANSWER_MS)) >= 0 && c != '#')
		if (n + 1 < max)
			body[n++] = (char)c;
	body[n] = 0;
	if (c < 0 || next_byte(k, ANSWER_MS) < 0 || next_byte(k, ANSWER_MS) < 0)
		return 0;
	if (!k->noack)
		(void)put(k, "+", 1);
	return 1;
}

/* Sends and waits for an answer; what xkd had half sent when it died makes the first try a NAK. */
static bool ask(struct keep *k, const char *body, char *reply, size_t max)
{
	char pkt[128];
	unsigned sum = 0;
	int n;

	for (const char *p = body; *p; p++)
		sum += (unsigned char)*p;
	n = snprintf(pkt, sizeof(pkt), "$%s#%02x", body, sum & 0xff);
	for (int i = 0; i < TRIES; i++) {
		if (!put(k, pkt, (size_t)n))
			return false;
		if (answer(k, reply, max, ANSWER_MS) > 0)
			return true;
	}
	return false;
}

static bool is_stop(const char *reply)
{
	return reply[0] == 'T' || reply[0] == 'S';
}

/* Waits so long for a stop, and then for silence. The signal of the last one that was told, -1: none. */
static int last_stop(struct keep *k, int ms)
{
	char body[16];
	int got, sig = -1;

	for (int i = 0; i < PACKETS && (got = answer(k, body, sizeof(body), sig < 0 ? ms : QUIET_MS)); i++)
		if (got > 0 && is_stop(body))
			sig = xkd_hex_digit(body[1]) << 4 | xkd_hex_digit(body[2]);
	return sig;
}

/* Stops what runs. True: our Ctrl-C may have come to a target that stood already. GDB's own server
 * hands it over later all the same, as a SIGINT that ends the program if nobody takes it. */
static bool stop(struct keep *k)
{
	if (k->runs && !*k->runs) {
		while (next_byte(k, 100) >= 0) /* the rest of an earlier answer */
			;
		return false;
	}
	if (last_stop(k, 20) >= 0) /* it has stopped by itself since */
		return false;
	(void)put(k, "\003", 1);
	return last_stop(k, STOP_MS) != SIG_INT && !k->qemu;
}

/* The breakpoints are out: it runs until that Ctrl-C arrives, or until a second one does. */
static void take_ctrl_c(struct keep *k)
{
	char reply[256];

	(void)ask(k, "Hc-1", reply, sizeof(reply));
	if (!put(k, "$c#63", 5) || last_stop(k, KEPT_MS) >= 0)
		return;
	(void)put(k, "\003", 1);
	(void)last_stop(k, STOP_MS);
}

/* What runs cannot be stopped; the breakpoints of what stands are taken out one by one: `?` and D would
 * forget them. */
static void rescue_kgdb(struct keep *k)
{
	char body[SPEC + 8], reply[256];

	if (k->runs && *k->runs)
		return;
	while (next_byte(k, 100) >= 0)
		;
	(void)put(k, "+", 1);
	for (size_t i = 0; i < k->n; i++) {
		snprintf(body, sizeof(body), "z%.*s", SPEC - 1, k->specs[i]);
		(void)ask(k, body, reply, sizeof(reply));
	}
	if (k->run_on && ask(k, "Hc0", reply, sizeof(reply)))
		(void)put(k, "$c#63", 5);
}

static void rescue(struct keep *k)
{
	char body[SPEC + 8], reply[256];
	bool owed;

	if (k->kgdb) {
		rescue_kgdb(k);
		return;
	}
	owed = stop(k);
	if (!k->noack)
		(void)put(k, "+", 1);
	/* A late stop reply may come before the answer to a question: ask until answers fit. QEMU's `?`
	 * would drop the breakpoints of one CPU, after which z takes out none on the others. */
	for (int i = 0; i < TRIES; i++)
		if (ask(k, k->qemu ? "qC" : "?", reply, sizeof(reply)) &&
		    (k->qemu ? !strncmp(reply, "QC", 2) : is_stop(reply)))
			break;
	while (next_byte(k, 50) >= 0)
		;
	for (size_t i = 0; i < k->n; i++) {
		snprintf(body, sizeof(body), "z%.*s", SPEC - 1, k->specs[i]);
		(void)ask(k, body, reply, sizeof(reply));
	}
	(void)ask(k, "Qqemu.PhyMemMode:0", reply, sizeof(reply));
	if (!k->run_on)
		return;
	if (owed)
		take_ctrl_c(k);
	if (ask(k, "D", reply, sizeof(reply)) && reply[0] == 'E')
		(void)ask(k, "D;1", reply, sizeof(reply));
}

static void take_note(struct keep *k, const char *line)
{
	size_t i = 0;

	while (i < k->n && strcmp(k->specs[i], line + 1))
		i++;
	if (line[0] == '+' && i == k->n && k->n < NOTES)
		snprintf(k->specs[k->n++], SPEC, "%.*s", SPEC - 1, line + 1);
	else if (line[0] == '-' && i < k->n)
		memmove(k->specs[i], k->specs[i + 1], (--k->n - i) * SPEC);
}

/* Until xkd says that it left, or is gone. True: it left in order. */
static bool watch(struct keep *k)
{
	char line[SPEC + 2];
	size_t n = 0;
	char c;

	while (read(k->line, &c, 1) == 1) {
		if (c != '\n') {
			if (n + 1 < sizeof(line))
				line[n++] = c;
			continue;
		}
		line[n] = 0;
		n = 0;
		if (line[0] == 'q')
			return true;
		k->noack |= line[0] == XKD_KEEPER_NOACK;
		k->qemu |= line[0] == XKD_KEEPER_QEMU;
		k->kgdb |= line[0] == XKD_KEEPER_KGDB;
		k->run_on &= line[0] != XKD_KEEPER_STAYS;
		take_note(k, line);
	}
	return false;
}

/* Only the connection and the line stay open: nobody's pipe must wait for us. */
static void drop_files(struct keep *k)
{
	int null = open("/dev/null", O_RDWR);
	int stub = fcntl(k->stub, F_DUPFD, 10), line = fcntl(k->line, F_DUPFD, 10);
	int max = (int)sysconf(_SC_OPEN_MAX);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	dup2(stub, 3);
	dup2(line, 4);
	if (close_range(5, ~0U, 0))
		for (int fd = 5; fd < max && fd < 65536; fd++)
			close(fd);
	k->stub = 3;
	k->line = 4;
}

static void child(struct keep *k)
{
	static const int deaf[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE, SIGTSTP };
	sigset_t none;
	int flags;

	/* Out of reach of what is sent to xkd's group. No session of its own: on a busy Linux with autogroups
	 * a new one was seen to get no processor for seconds. */
	setpgid(0, 0);
	for (size_t i = 0; i < sizeof(deaf) / sizeof(deaf[0]); i++)
		signal(deaf[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "xkd-keeper");
	drop_files(k);
	k->specs = calloc(NOTES, SPEC);
	if (k->specs && !watch(k)) {
		/* the file is shared with nobody any more; waits are ours to do by poll */
		flags = fcntl(k->stub, F_GETFL);
		if (flags >= 0)
			fcntl(k->stub, F_SETFL, flags & ~O_NONBLOCK);
		rescue(k);
	}
	_exit(0);
}

void xkd_keeper_start(struct xkd_keeper *k, int link_fd, bool run_on)
{
	struct keep keep = { .stub = link_fd, .run_on = run_on };
	int pair[2];

	*k = (struct xkd_keeper){ .fd = -1, .pid = -1 };
	keep.runs = mmap(NULL, sizeof(*keep.runs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	if (keep.runs == MAP_FAILED)
		keep.runs = NULL;
	k->runs = keep.runs;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return;
	k->pid = fork();
	if (k->pid == 0) {
		close(pair[0]);
		keep.line = pair[1];
		child(&keep);
	}
	close(pair[1]);
	if (k->pid < 0) {
		close(pair[0]);
		return;
	}
	setpgid(k->pid, k->pid); /* whoever of us comes first */
	k->fd = pair[0];
}

static void tell(struct xkd_keeper *k, const char *line)
{
	ssize_t n = (ssize_t)strlen(line);

	if (k->fd >= 0 && send(k->fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
		close(k->fd);
		k->fd = -1;
	}
}

void xkd_keeper_runs(struct xkd_keeper *k, bool runs)
{
	if (k->runs)
		*k->runs = runs;
}

void xkd_keeper_tell(struct xkd_keeper *k, enum xkd_keeper_news news)
{
	tell(k, (char[]){ (char)news, '\n', 0 });
}

void xkd_keeper_note(struct xkd_keeper *k, bool in, const char *spec)
{
	char line[SPEC + 4];

	snprintf(line, sizeof(line), "%c%.*s\n", in ? '+' : '-', SPEC - 1, spec);
	tell(k, line);
}

void xkd_keeper_end(struct xkd_keeper *k)
{
	if (k->fd >= 0) {
		(void)!send(k->fd, "q\n", 2, MSG_NOSIGNAL);
		close(k->fd);
	}
	if (k->pid > 0)
		waitpid(k->pid, NULL, 0);
	if (k->runs)
		munmap((void *)(uintptr_t)k->runs, sizeof(*k->runs));
	*k = (struct xkd_keeper){ .fd = -1, .pid = -1 };
}
