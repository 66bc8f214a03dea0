/*
 * Does a thing a known number of times: ioctl(-1, 0x7a6b0000 + i, i * 7 - 3) for i from 0 to N - 1, from
 * as many threads as asked for, in turns of their own. Says its pid and how many it did.
 *
 * usage: count N [THREADS]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static long n, threads = 1;

static void *part(void *arg)
{
	for (long i = (long)arg; i < n; i += threads)
		(void)ioctl(-1, 0x7a6b0000UL + (unsigned long)i, i * 7 - 3);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[64];

	n = argc > 1 ? atol(argv[1]) : 1;
	threads = argc > 2 ? atol(argv[2]) : 1;
	if (threads < 1 || threads > 64)
		return 2;
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, part, (void *)i))
			return 1;
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("%ld did %ld\n", (long)getpid(), n);
	return 0;
}
