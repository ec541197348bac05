/* flags: -O2 */
/* getppid_loop N: N system calls that do next to nothing, as fast as one core can; for tests/bench. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (long n = argc > 1 ? atol(argv[1]) : 1000000; n > 0; n--)
		syscall(SYS_getppid);
	return 0;
}
