/*
 * Load for the test guest: processes that each keep one part of the kernel busy, with pauses, so
 * that an emulated machine still has air. usage: load [PAUSE_US] (1000).
 *
 * A part that this kernel lacks (no block device, say) ends with a line that says so; the others go
 * on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long pause_us = 1000;
static volatile sig_atomic_t signals;

static void rest(void)
{
	if (pause_us > 0)
		usleep(pause_us);
}

/* What is tried may fail: it is the kernel's way there that counts. */
static void tried(long result)
{
	(void)result;
}

static void count(int sig)
{
	(void)sig;
	signals++;
}

static void forks(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			execl("/load", "load", "nothing", NULL);
			_exit(1);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		rest();
	}
}

static void faults(void)
{
	size_t size = 64 * 4096;

	for (;;) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);
		pid_t pid;

		if (p == MAP_FAILED)
			err(1, "load: mmap");
		for (size_t i = 0; i < size; i += 4096)
			p[i] = 1;
		/* A copy on write, on both sides. */
		pid = fork();
		for (size_t i = 0; i < size / 4; i += 4096)
			p[i]++;
		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		tried(mprotect(p, size / 2, PROT_READ));
		tried(madvise(p + size / 2, size / 2, MADV_DONTNEED));
		munmap(p, size);
		rest();
	}
}

static void walk(const char *path)
{
	DIR *d = opendir(path);

	while (d && readdir(d))
		;
	if (d)
		closedir(d);
}

static void files(void)
{
	char buf[8192], *p;
	struct stat st;

	memset(buf, 'x', sizeof(buf));
	for (;;) {
		int fd = open("/tmp/load.a", O_RDWR | O_CREAT | O_TRUNC, 0600);

		if (fd < 0)
			err(1, "load: /tmp/load.a");
		tried(write(fd, buf, sizeof(buf)));
		tried(pread(fd, buf, sizeof(buf), 0));
		p = mmap(NULL, sizeof(buf), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			p[4096] = 'y';
			munmap(p, sizeof(buf));
		}
		tried(fsync(fd));
		tried(ftruncate(fd, 100));
		close(fd);
		tried(rename("/tmp/load.a", "/tmp/load.b"));
		tried(stat("/tmp/load.b", &st));
		unlink("/tmp/load.b");
		walk("/tmp");
		walk("/proc/self/fd");
		rest();
	}
}

static void proc(void)
{
	static const char *const paths[] = { "/proc/self/maps", "/proc/self/stat", "/proc/meminfo",
					     "/proc/loadavg", "/sys/kernel/notes" };
	char buf[4096];

	for (unsigned int i = 0;; i = (i + 1) % (sizeof(paths) / sizeof(*paths))) {
		int fd = open(paths[i], O_RDONLY);

		while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
			;
		if (fd >= 0)
			close(fd);
		rest();
	}
}

/* Direct I/O reaches the device each time, the other kind the page cache and its writer. */
static void blocks(void)
{
	int direct = open("/dev/nvme0n1", O_RDWR | O_DIRECT), cached = open("/dev/nvme0n1", O_RDWR);
	char *buf = NULL;

	if (direct < 0 || cached < 0 || posix_memalign((void **)&buf, 4096, 16384))
		errx(0, "load: no block device");
	for (unsigned int i = 0;; i++) {
		off_t at = i * 16384L % (16 << 20);

		tried(pwrite(direct, buf, 16384, at));
		tried(pread(direct, buf, 16384, at));
		tried(pwrite(cached, buf, 4096, at + (16 << 20)));
		if (i % 8 == 0)
			tried(fsync(cached));
		if (i % 32 == 0)
			tried(posix_fadvise(cached, 0, 0, POSIX_FADV_DONTNEED));
		tried(pread(cached, buf, 4096, at + (32 << 20)));
		rest();
	}
}

static void timers(void)
{
	struct itimerval it = { .it_interval = { .tv_usec = 5000 },
				.it_value = { .tv_usec = 5000 } };
	struct itimerspec ts = { .it_interval = { .tv_nsec = 3000000 },
				 .it_value = { .tv_nsec = 3000000 } };
	struct sigaction sa = { .sa_handler = count };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0), ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	timer_t timer;
	uint64_t n;

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	struct sigevent se = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	if (timer_create(CLOCK_MONOTONIC, &se, &timer) == 0)
		timer_settime(timer, 0, &ts, NULL);
	timerfd_settime(fd, 0, &ts, NULL);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	for (;;) {
		if (epoll_wait(ep, &ev, 1, 20) > 0)
			tried(read(fd, &n, sizeof(n)));
		rest();
	}
}

static void echo(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1)
		tried(write(out, &c, 1));
}

static void pipes(void)
{
	int to[2], from[2], pair[2];
	char c = 'x';

	if (pipe(to) || pipe(from) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(1, "load: pipe");
	if (fork() == 0)
		echo(to[0], from[1]);
	if (fork() == 0)
		echo(pair[1], pair[1]);
	for (;;) {
		struct pollfd p = { .fd = from[0], .events = POLLIN };

		tried(write(to[1], &c, 1));
		poll(&p, 1, 100);
		tried(read(from[0], &c, 1));
		tried(write(pair[0], &c, 1));
		tried(read(pair[0], &c, 1));
		rest();
	}
}

static void kills(void)
{
	struct sigaction sa = { .sa_handler = count };
	pid_t pid;

	sigaction(SIGUSR1, &sa, NULL);
	for (;;) {
		pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		for (int i = 0; i < 8; i++) {
			kill(pid, SIGUSR1);
			raise(SIGUSR1);
			rest();
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void calls(void)
{
	struct utsname u;
	struct rusage ru;
	struct rlimit rl;
	struct tms tms;
	int fd = eventfd(1, EFD_NONBLOCK);
	uint64_t n = 1;
	cpu_set_t set;

	for (;;) {
		uname(&u);
		times(&tms);
		getrusage(RUSAGE_SELF, &ru);
		getrlimit(RLIMIT_NOFILE, &rl);
		sched_getaffinity(0, sizeof(set), &set);
		sched_yield();
		tried(write(fd, &n, sizeof(n)));
		tried(read(fd, &n, sizeof(n)));
		tried(dup2(fd, 77));
		close(77);
		tried(access("/load", X_OK));
		rest();
	}
}

int main(int argc, char **argv)
{
	static void (*const parts[])(void) = { forks,  faults, files, proc, blocks,
					       timers, pipes,  kills, calls };

	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	if (argc > 1)
		pause_us = atol(argv[1]);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (fork() == 0) {
			parts[i]();
			return 0;
		}
	/* Also of what the parts leave behind. */
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return 0;
}
