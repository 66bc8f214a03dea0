/* What kernel code does to debug info. */
typedef unsigned int u32;
typedef u32 flags_t;
typedef flags_t gfp_like_t;
enum sign { MINUS = -3, ZERO, PLUS = 7 };
enum unsign { LOW, HIGH = 0xfffffff0u };
enum wide { SMALL = 1, WIDE = 0x123456789abcLL };
struct bits {
	unsigned a : 3, b : 5;
	int c : 7;
	unsigned long d : 40;
	_Bool e : 1;
	unsigned char f : 2;
	enum sign g : 8;
};
struct anon {
	int kind;
	union {
		struct {
			short lo, hi;
		};
		int both;
		void *ptr;
	};
	struct {
		char x;
		long y;
	};
};
struct ops {
	int (*open)(struct anon *, unsigned long);
	void (*release)(struct ops *);
	const char *(*name)(void);
};
struct node {
	struct node *next, **pprev;
	struct bits bits;
	struct anon an;
	int grid[3][4][5];
	const struct ops *ops;
	gfp_like_t gfp;
	__int128 big;
	_Bool flag;
	_Atomic int count;
	volatile long v;
	enum wide w;
	enum unsign us;
	char tail[];
} __attribute__((aligned(32)));
struct __attribute__((packed)) tight {
	char c;
	long l;
	short s;
};
extern int sink;
int first(struct node *n, enum sign s, gfp_like_t g);
long second(const struct ops *o, int (*cmp)(const void *, const void *), char **v);
void fails(int n) __attribute__((cold, noinline));
static inline __attribute__((always_inline)) int deepest(int x) { sink += x; return x * 3; }
static inline __attribute__((always_inline)) int deeper(int x)
{
	if (x > 4)
		sink--;
	return deepest(x + 1);
}
static inline __attribute__((always_inline)) int deep(int x)
{
	return deeper(x) + deeper(x + 2);
}
