/* flags: -O2 -fno-omit-frame-pointer */
/* inlined [N]: around(n) calls first(n), which has inner() inlined through middle(); second(n) has inner() twice by
 * itself.  Neither inner nor middle has a symbol.  partly() is inlined into main and also called through a pointer. */
#include <stdlib.h>

volatile int sink;

static inline __attribute__((always_inline)) int inner(int a, int b)
{
	sink += a * b;
	return a + b;
}

static inline __attribute__((always_inline)) int middle(int a) { return inner(a, 3) + 1; }

__attribute__((noinline)) int first(int a)
{
	int result = middle(a);
	__asm__ volatile("" ::: "memory");
	return result;
}

__attribute__((noinline)) int around(int a)
{
	int result = first(a);
	__asm__ volatile("" ::: "memory");
	return result;
}

__attribute__((noinline)) int second(int a)
{
	int result = inner(a, 1);
	__asm__ volatile("" ::: "memory");
	result += inner(a, 2);
	__asm__ volatile("" ::: "memory");
	return result;
}

__attribute__((always_inline)) inline int partly(int a)
{
	sink += a;
	return a + 1;
}
extern int partly(int a);

int main(int argc, char **argv)
{
	int (*volatile indirect)(int) = partly;
	int rounds = argc > 1 ? atoi(argv[1]) : 1, result = 0;
	for (int n = 0; n < rounds; n++)
		result += around(n) + second(n) + partly(n) + indirect(n);
	return result == -1;
}
