/* A user program to look into through a user-mode debugger's stub: ten times a second the same round,
 * and a line that tells how far it got. usage: program */
#include <stdio.h>
#include <unistd.h>

struct tally {
	int step;
	long sum;
};
struct tally tally = { 7, 0 };

__attribute__((noinline)) long one_round(struct tally *t, int n)
{
	long sum = 0;

	for (int i = 0; i < n; i++)
		sum += (long)i * t->step;
	t->sum += sum;
	return sum;
}

int main(void)
{
	for (;;) {
		one_round(&tally, 10);
		printf("%ld\n", tally.sum);
		fflush(stdout);
		usleep(100000);
	}
}
