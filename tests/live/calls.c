/*
 * One system call, exactly so often on every CPU: what a breakpoint's count of hits is judged by.
 *
 * usage: calls N [CPUS]   on each of CPUS processors (all) a thread makes N calls of
 *                         sched_get_priority_max(1), which nothing else in the guest makes
 * Prints "calls TOTAL" when all are done.
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long count;

static void *work(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)(intptr_t)arg, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", (int)(intptr_t)arg);
	for (long i = 0; i < count; i++)
		if (syscall(SYS_sched_get_priority_max, SCHED_FIFO) < 0)
			err(1, "sched_get_priority_max");
	return NULL;
}

int main(int argc, char **argv)
{
	long cpus = argc > 2 ? atol(argv[2]) : sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t t[64];

	count = argc > 1 ? atol(argv[1]) : 1000;
	if (cpus < 1 || cpus > 64)
		errx(1, "%ld CPUs", cpus);
	for (long i = 0; i < cpus; i++)
		if (pthread_create(&t[i], NULL, work, (void *)(intptr_t)i))
			errx(1, "no thread");
	for (long i = 0; i < cpus; i++)
		pthread_join(t[i], NULL);
	printf("calls %ld\n", cpus * count);
	return 0;
}
