#include "corpus.h"
int sink;
struct node list = { .flag = 1 };
struct tight tight;
static struct bits same __attribute__((used));
static __attribute__((noinline)) int helper(int x) { static int calls; return ++calls + x + sink; }
__attribute__((section(".init.text"), noinline)) int setup(int n) { return deep(n) + helper(n); }
int first(struct node *n, enum sign s, gfp_like_t g)
{
	for (int i = 0; i < 3; i++) {
		if (n->grid[i][0][0] == (int)g)
			fails(i);
		sink += deep(n->grid[i][1][2]);
	}
	return helper(s) + n->bits.c;
}
void fails(int n)
{
	sink = n;
	deepest(n);
}
