/* Calls step(n) every 20 ms for N rounds (default 400, eight seconds): something to find with -p. */
#include <stdlib.h>
#include <time.h>

int step(int n) { return n + 1; }

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 400;
	struct timespec t = {0, 20000000};
	for (int n = 0; n < rounds; n++) {
		step(n);
		nanosleep(&t, NULL);
	}
	return 0;
}
