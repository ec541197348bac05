/* flags: -lside */
/* Calls into libside.so. */
#include <stdlib.h>
#include <unistd.h>

int side_double(int n);
int side_half(int n);

int main(void)
{
	int result = side_double(4) - 2 * side_half(8);
	const char *scale = getenv("TIME_SCALE");
	usleep(400000 * (scale ? atoi(scale) : 1)); /* a tracer can still look up the symbols */
	return result;
}
