#include "corpus.h"
static long same __attribute__((used));
static __attribute__((noinline)) int helper(int x) { return x - deep(sink); }
long exported __attribute__((section("__ksymtab"), used)) = 1;
const char linux_banner[] = "Linux version 9.9.9-test (me) #1";
long second(const struct ops *o, int (*cmp)(const void *, const void *), char **v)
{
	if (cmp(o, v))
		return helper(1);
	return o->open((struct anon *)v, 2) + deeper(helper(2));
}
int setup(int);
void _start(void)
{
	static struct node n;

	first(&n, PLUS, 3);
	second((const struct ops *)&n, 0, 0);
	setup(2);
}
