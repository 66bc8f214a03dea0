/* Sessions that end at any packet: killed, cut off, cut off and resumed. After each the machine must run
 * within 2 s, with the code of its file in memory and no breakpoint in its stub.
 *
 * usage: t_faults [POINTS [SEED [WORKERS]]]
 *        t_faults serve: a machine for another test; its target is told, and it ends with the input
 * A point is a session (SESSIONS), a stub (enum stub_kind, with and without acks), a fault (enum fault) and
 * the packet at which it strikes, drawn anew each time. What is looked at is the machine's own memory, which
 * it shares with this program. */
#include "tests/faults/machine.h"
#include "base/str.h"
#include "tests/unit/tap.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINTS 300
#define WITHIN_MS 2000
#define SESSION_MS 30000
#define WORKERS_MAX 32
#define SHOWN 10 /* failures told in full */

static const char *const sessions[] = {
	"bp work; g; g; bl; bc *; q",
	"bp lk!work; bp leaf; g; g; p; t; t; gu; bd 1; g; bc 0; be 1; g; q",
	"bp /w \"counter % 5 == 0\" work; g; g; bp other; g; q",
	"bp work 7; bp leaf \"r rax; g\"; bp other; g; bc 1; g; q",
	"ba e1 leaf; ba w8 others; bp work; g; g; g; g; bc *; q",
	"bp work; bp leaf; bp other; g; bc 0; g; bc 1; g; k; u; db work; pc; q",
};
/* Lost, they come back; the first breakpoint is set twice, as one of the two may fail. */
static const char *const resumed[] = {
	"bp0 work; .reconnect; bp0 work; .reconnect; g; .reconnect; g; .reconnect; bl; bp other; .reconnect; g; .reconnect; g; q",
	"bp0 /w \"counter % 3 == 0\" leaf; .reconnect; bp0 /w \"counter % 3 == 0\" leaf; "
	".reconnect; g; .reconnect; t; .reconnect; g; .reconnect; bc *; q",
};
static const char *const fault_names[FAULTS] = {
	"none", "killed before a packet", "killed behind a packet", "killed behind an answer",
	"closed before a packet", "closed behind a packet", "closed in an answer", "reset",
	"killed and closed",
};

/* What all workers count together. */
struct tally {
	unsigned points[FAULTS], resumed, bad, early, no_fault, shown;
	unsigned worst_ms, over_ms[3]; /* 100, 500, 1000 */
};

struct worker {
	struct machine *m;
	pid_t machine;
	char dir[64], uri[128];
	unsigned seed;
	unsigned packets[2][16][STUB_KINDS][2]; /* of each session without a fault */
};

static const char *xkd, *kernel;

static unsigned draw(struct worker *w, unsigned n)
{
	return (unsigned)(((uint64_t)rand_r(&w->seed) * n) / ((uint64_t)RAND_MAX + 1));
}

/* --- the machine's file --- */

static bool load(struct machine *m)
{
	int fd = open(kernel, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const uint8_t *f;
	const Elf64_Ehdr *eh;
	const Elf64_Shdr *sh;

	if (fd < 0 || fstat(fd, &st))
		return false;
	f = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (f == MAP_FAILED)
		return false;
	eh = (const void *)f;
	sh = (const void *)(f + eh->e_shoff);
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		if (sh[i].sh_flags & SHF_ALLOC && sh[i].sh_addr - MACHINE_BASE + sh[i].sh_size <= MACHINE_MEM)
			memcpy(m->file + (sh[i].sh_addr - MACHINE_BASE), f + sh[i].sh_offset, sh[i].sh_size);
		if (sh[i].sh_addr == MACHINE_BASE)
			m->text = sh[i].sh_size;
		if (sh[i].sh_type != SHT_SYMTAB)
			continue;
		for (size_t k = 0; k < sh[i].sh_size / sizeof(Elf64_Sym); k++) {
			const Elf64_Sym *s = (const Elf64_Sym *)(f + sh[i].sh_offset) + k;
			const char *name = (const char *)f + sh[sh[i].sh_link].sh_offset + s->st_name;

			if (!strcmp(name, "x86_64_start_kernel"))
				m->entry = s->st_value;
			if (!strcmp(name, "stack"))
				m->sp = s->st_value + s->st_size;
			if (!strcmp(name, "init_task")) /* state, stack, stack_canary */
				m->canary_off = s->st_value - MACHINE_BASE + 16;
		}
	}
	munmap((void *)f, (size_t)st.st_size);
	return m->text && m->entry && m->sp && m->canary_off;
}

static bool start_machine(struct worker *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	snprintf(w->dir, sizeof(w->dir), "/tmp/xkd-faults.XXXXXX");
	if (!mkdtemp(w->dir))
		return false;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/gdb", w->dir);
	snprintf(w->uri, sizeof(w->uri), "gdb:%s", un.sun_path);
	w->m = mmap(NULL, sizeof(*w->m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->m == MAP_FAILED || !load(w->m) || fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) ||
	    listen(fd, 4))
		return false;
	w->machine = fork();
	if (!w->machine)
		machine_run(w->m, fd);
	close(fd);
	return w->machine > 0;
}

static void end_machine(struct worker *w)
{
	char cmd[128];

	kill(w->machine, SIGKILL);
	waitpid(w->machine, NULL, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", w->dir);
	(void)!system(cmd);
}

/* --- sessions --- */

static pid_t start_xkd(struct worker *w, const char *commands)
{
	char out[96];
	pid_t pid;
	int fd;

	snprintf(out, sizeof(out), "%s/out", w->dir);
	pid = fork();
	if (pid)
		return pid;
	fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	close(0);
	open("/dev/null", O_RDONLY);
	setenv("XDG_STATE_HOME", w->dir, 1);
	setenv("XDG_CACHE_HOME", w->dir, 1);
	execl(xkd, xkd, "-k", w->uri, "-y", kernel, "-e", "-c", commands, (char *)NULL);
	_exit(127);
}

/* The exit status as waitpid gives it; -1: it hung and was killed. */
static int wait_xkd(pid_t pid)
{
	int status;

	for (unsigned i = 0; i < SESSION_MS; i++) {
		if (waitpid(pid, &status, WNOHANG))
			return status;
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static void fresh(struct worker *w)
{
	w->m->fault_at = 0;
	while (w->m->connected) /* what is left of an earlier session's keeper */
		usleep(1000);
	w->m->reset = true;
	while (w->m->reset)
		usleep(200);
	w->m->packets = w->m->faulted = 0;
}

/* How long until it is as it should be, in ms; UINT_MAX: it never was. Waits are counted, not timed: on
 * a busy host all that is waited for is late as well. */
static unsigned until_well(struct worker *w)
{
	uint64_t start = xkd_now_ms();
	uint64_t insns = w->m->insns;

	for (unsigned i = 0; i < 2 * WITHIN_MS; i++) {
		if (w->m->running && w->m->insns > insns + 1000 && !machine_left(w->m) && w->m->running)
			return (unsigned)(xkd_now_ms() - start);
		if (!w->m->running)
			insns = w->m->insns;
		usleep(500);
	}
	return UINT_MAX;
}

static void show_output(struct worker *w)
{
	char path[96], line[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/out", w->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		printf("#   %s", line);
	if (f)
		fclose(f);
}

struct point {
	bool comes_back;
	unsigned session, packet;
	enum stub_kind kind;
	bool acks;
	enum fault fault;
};

static void bad(struct worker *w, struct tally *t, const struct point *p, const char *what)
{
	unsigned n = __atomic_add_fetch(&t->shown, 1, __ATOMIC_RELAXED);

	__atomic_add_fetch(&t->bad, 1, __ATOMIC_RELAXED);
	if (n > SHOWN)
		return;
	printf("# %s: %s at packet %u of %s%u, stub %u%s; running %d, left %u\n", what,
	       fault_names[p->fault], p->packet, p->comes_back ? "resumed " : "", p->session, p->kind,
	       p->acks ? " with acks" : "", w->m->running, machine_left(w->m));
	show_output(w);
	fflush(stdout);
}

static unsigned *packets_of(struct worker *w, const struct point *p)
{
	return &w->packets[p->comes_back][p->session][p->kind][p->acks];
}

static const char *text_of(const struct point *p)
{
	return p->comes_back ? resumed[p->session] : sessions[p->session];
}

static int one_session(struct worker *w, const struct point *p)
{
	fresh(w);
	w->m->kind = p->kind;
	w->m->acks = p->acks;
	w->m->fault = p->fault;
	w->m->fault_at = p->packet;
	w->m->xkd = start_xkd(w, text_of(p));
	return wait_xkd(w->m->xkd);
}

static bool measure(struct worker *w, struct tally *t, struct point p)
{
	int status = -1;

	p.fault = FAULT_NONE;
	p.packet = 0;
	/* an answer may be too late on a busy host */
	for (unsigned i = 0; i < 3 && status; i++)
		status = one_session(w, &p);
	*packets_of(w, &p) = w->m->packets;
	if (status == 0 && w->m->packets && until_well(w) != UINT_MAX)
		return true;
	bad(w, t, &p, "without any fault");
	return false;
}

static void count_time(struct tally *t, unsigned ms)
{
	static const unsigned steps[] = { 100, 500, 1000 };

	for (unsigned i = 0; i < XKD_COUNT(steps); i++)
		if (ms > steps[i])
			__atomic_add_fetch(&t->over_ms[i], 1, __ATOMIC_RELAXED);
	if (ms > t->worst_ms)
		t->worst_ms = ms;
}

/* One point; false: it was none (the session was over before). */
static bool try_point(struct worker *w, struct tally *t)
{
	struct point p = { .comes_back = draw(w, 6) == 0, .kind = (enum stub_kind)draw(w, STUB_KINDS),
			   .acks = draw(w, 2) };
	unsigned ms;
	int status;

	p.session = draw(w, p.comes_back ? XKD_COUNT(resumed) : XKD_COUNT(sessions));
	/* a session that comes back has to live */
	p.fault = p.comes_back ? FAULT_CLOSE_BEFORE + draw(w, FAULT_RST + 1 - FAULT_CLOSE_BEFORE) :
				 1 + draw(w, FAULTS - 1);
	if (!*packets_of(w, &p) && !measure(w, t, p))
		return true;
	p.packet = 1 + draw(w, *packets_of(w, &p));
	status = one_session(w, &p);
	if (!w->m->faulted) {
		__atomic_add_fetch(&t->early, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_add_fetch(&t->points[p.fault], 1, __ATOMIC_RELAXED);
	if (p.comes_back)
		__atomic_add_fetch(&t->resumed, 1, __ATOMIC_RELAXED);
	if (status == -1)
		bad(w, t, &p, "the session hung");
	else if (WIFSIGNALED(status) && (WTERMSIG(status) != SIGKILL || p.fault >= FAULT_CLOSE_BEFORE) &&
		 p.fault != FAULT_KILL_BOTH)
		bad(w, t, &p, "the session crashed");
	if (p.fault == FAULT_KILL_BOTH) {
		/* nobody is left who could help: the next session does */
		w->m->xkd = start_xkd(w, "q");
		if (wait_xkd(w->m->xkd))
			bad(w, t, &p, "the next session failed");
	}
	ms = until_well(w);
	if (ms == UINT_MAX)
		bad(w, t, &p, "the machine is not well");
	else
		count_time(t, ms);
	return true;
}

static void work(struct tally *t, unsigned points, unsigned seed)
{
	struct worker w = { .seed = seed };

	if (!start_machine(&w)) {
		printf("# no machine: %s\n", strerror(errno));
		__atomic_add_fetch(&t->bad, 1, __ATOMIC_RELAXED);
		return;
	}
	while (points)
		points -= try_point(&w, t);
	end_machine(&w);
}

static const char *path_of(const char *env, const char *normally)
{
	const char *p = getenv(env);

	return p && *p ? p : normally;
}

static int serve(void)
{
	struct worker w = { .seed = 1 };
	char c;

	if (!start_machine(&w))
		return 1;
	printf("%s\n", w.uri);
	fflush(stdout);
	while (read(0, &c, 1) == 1)
		;
	end_machine(&w);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned points = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : POINTS;
	unsigned seed = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 1;
	unsigned workers = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : 6, all = 0;
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t start = xkd_now_ms();

	setvbuf(stdout, NULL, _IOLBF, 0);
	xkd = path_of("XKD", "./xkd");
	kernel = path_of("XKD_MINIKERNEL", "tests/faults/minikernel");
	if (access(kernel, R_OK)) {
		printf("1..0 # SKIP no %s (made on x86-64 alone)\n", kernel);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "serve"))
		return serve();
	workers = workers < 1 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers;
	for (unsigned i = 0; i < workers; i++)
		if (!fork()) {
			work(t, points / workers + (i < points % workers), seed * 1000 + i);
			fflush(stdout);
			_exit(0);
		}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	for (unsigned f = 1; f < FAULTS; f++) {
		all += t->points[f];
		printf("# %-24s %u\n", fault_names[f], t->points[f]);
	}
	printf("# %u points, %u of them of sessions that came back by .reconnect; seed %u; %llu s\n", all,
	       t->resumed, seed, (unsigned long long)(xkd_now_ms() - start) / 1000);
	printf("# %u sessions were over before their packet; well again after at most %u ms (over 100 ms: "
	       "%u, over 500 ms: %u, over 1 s: %u)\n", t->early, t->worst_ms, t->over_ms[0], t->over_ms[1],
	       t->over_ms[2]);
	ok(all == points, "%u points were tried", points);
	ok(!t->bad, "after each the machine runs within %u ms, with nothing left in it (%u failed)", WITHIN_MS,
	   t->bad);
	return done_testing();
}
