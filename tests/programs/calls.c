/* Functions with arguments and results of many kinds, called in a fixed order; `calls N` repeats the round N times,
 * and `calls N MS` then stays for MS milliseconds, so that a tracer can still look up its symbols. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct point {
	int x;
	long y;
	char name[12];
	uint8_t bytes[4];
	struct point *next;
	struct {
		short low, high;
	} range;
};

int plus(int a, int b) { return a + b; }
long times(long a, long b) { return a * b; }
int minus_one(void) { return -1; }
uint8_t small(uint8_t v) { return v + 1; }
const char *greet(const char *who, int n) { return n ? who : "nobody"; }
int take(struct point *p) { return p->x; }
int six(int a, int b, int c, int d, int e, int f) { return a + b + c + d + e + f; }
int inner(int depth) { return depth; }
int outer(int depth) { return inner(depth + 1) + 1; }
long fill(char *buf, unsigned long len) { return buf[0] + (long)len; }

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;
	struct point second = {7, -8, "second", {5, 6, 7, 8}, 0, {-1, 1}};
	struct point first = {3, -4, "first", {1, 2, 3, 4}, &second, {-2, 2}};
	char bytes[8] = {1, 2, 'A', 'B', 0, -1, 9, 8};
	const char *world = "world";
	volatile long sink = world[0]; /* a page that nobody has touched cannot be read from a probe */
	for (int i = 0; i < rounds; i++) {
		sink += plus(i, 10);
		sink += times(1000000007L, 3);
		sink += minus_one();
		sink += small(255);
		sink += *greet(world, 1);
		sink += take(&first);
		sink += six(1, 2, 3, 4, 5, 6);
		sink += outer(1);
		sink += fill(bytes, sizeof(bytes));
	}
	if (argc > 2)
		usleep(atoi(argv[2]) * 1000);
	return 0;
}
