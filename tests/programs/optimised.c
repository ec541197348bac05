/* flags: -O2 -fno-omit-frame-pointer */
/* optimised: parameters that are not where a call puts them.  copied() is made again for calls with fixed == 5, and
 * gets no such parameter; spent() has lost `first` behind its call; apart() is inlined with a struct that is never in
 * memory, of which one member is not kept. */
volatile int sink;

struct pair {
	int x;
	int y;
};

__attribute__((noinline)) static int copied(int n, int fixed, struct pair *p)
{
	sink += n;
	__asm__ volatile("" ::: "memory");
	return p->x * n + fixed;
}

__attribute__((noinline, noipa)) int passed(int n) { return n + 1; }

__attribute__((noinline)) int spent(int first, int second)
{
	int result = passed(first);
	sink += second;
	__asm__ volatile("" ::: "memory");
	return result + sink;
}

static inline __attribute__((always_inline)) int apart(struct pair *pointed, struct pair given, int n)
{
	sink += given.x;
	__asm__ volatile("" ::: "memory");
	return pointed->x + n;
}

__attribute__((noinline)) int around(int n)
{
	struct pair own = {n, sink};
	return apart(&own, own, 7);
}

int main(int argc, char **argv)
{
	struct pair p = {4, 5};
	int result = copied(argc, 5, &p) + copied(argc + 1, 5, &p);
	result += spent(21, 22) + around(31);
	return result == -1;
}
