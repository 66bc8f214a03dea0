/* Makes many sleeping tasks in the test guest: usage: many N. Each sleeps in one of a few ways,
 * so that their stacks fall into groups; prints "many N" when all sleep. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fds[2];

static void *sleeper(void *arg)
{
	char c;

	switch ((long)arg % 4) {
	case 0:
		for (;;)
			pause();
	case 1:
		for (;;)
			sleep(100000);
	case 2:
		if (read(fds[0], &c, 1) < 0)
			perror("many");
		break;
	default:
		for (;;)
			poll(NULL, 0, -1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 100, made = 0;
	pthread_attr_t attr;

	if (pipe(fds))
		return 1;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	for (long i = 0; i < n; i++) {
		pthread_t t;

		made += !pthread_create(&t, &attr, sleeper, (void *)i);
	}
	sleep(1);
	printf("many %ld\n", made);
	fflush(stdout);
	for (;;)
		pause();
}
