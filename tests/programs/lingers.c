/* flags: -no-pie */
/* lingers [PROGRAM …]: calls a function that a C++ compiler would call math::twice(int), stays for 0.4 s, times TIME_SCALE,
 * so that a tracer can look up its symbols, and becomes PROGRAM, whose function may lie at the same address. */
#include <stdlib.h>
#include <unistd.h>

#ifndef NAME
#define NAME "_ZN4math5twiceEi"
#endif

int function(int n) __asm__(NAME);
int function(int n) { return 2 * n; }

int main(int argc, char **argv)
{
	int result = function(argc);
	const char *scale = getenv("TIME_SCALE");
	usleep(400000 * (scale ? atoi(scale) : 1));
	if (argc > 1)
		execv(argv[1], argv + 1);
	return result == -1;
}
