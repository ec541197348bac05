/* Functions that are inlined wherever they are used, with parameters of many kinds; printed by what calls them. */
#include <stdlib.h>
#include <string.h>

volatile long sink;

struct pair {
	int x;
	short y;
	long z;
};

struct big {
	int v[8];
};

static inline __attribute__((always_inline)) long
one(int a, long b, struct pair *q, struct pair v, struct big w, signed char c, _Bool f, unsigned short us)
{
	sink += a * b;
	sink += q->y + v.x + w.v[3] + c + f + us;
	__asm__ volatile("" ::: "memory");
	sink += a;
	return a + b;
}

static inline __attribute__((always_inline)) int two(int n, const int *t)
{
	int r = 0;
	for (int i = 0; i < n; i++) {
		r += t[i & 3];
		sink += r;
	}
	return r;
}

static int table[4] = {3, 5, 7, 9};

__attribute__((noinline)) long first(int n, long m)
{
	struct pair l = {n, 2, 3};
	struct big w = {{1, 2, 3, 4}};
	w.v[3] = n;
	__asm__ volatile("" : "+m"(w), "+m"(l));
	return one(n, m, &l, l, w, -3, n & 1, 65000);
}

__attribute__((noinline)) long second(struct pair *p, int k)
{
	struct big w;
	memset(&w, 0, sizeof w);
	w.v[3] = k;
	long r = one(p->x * 2, k - 7, p, *p, w, k, 1, k);
	__asm__ volatile("" ::: "memory");
	return r + two(k, table);
}

__attribute__((noinline)) int called(int a, int b, long c)
{
	sink += a;
	__asm__ volatile("" ::: "memory");
	sink += b;
	__asm__ volatile("" ::: "memory");
	return a + c;
}

int main(void)
{
	struct pair p = {4, 5, 6};
	long r = first(21, 34) + second(&p, 9) + called(11, 12, 13);
	return r == 99;
}
