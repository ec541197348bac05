/* mapped FILE OFFSET N: map the code that lies at OFFSET of FILE, as a loader does that reads libraries out of archives,
 * and call it as a function of one int with 1 to N; prints the sum of the results. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	long offset = argc > 3 ? atol(argv[2]) : 0, page = offset & ~4095L, sum = 0;
	int fd = argc > 3 ? open(argv[1], O_RDONLY) : -1;
	char *code = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, page);
	if (code == MAP_FAILED)
		return 1;
	int (*function)(int) = (int (*)(int))(code + (offset - page));
	for (int i = 1; i <= atoi(argv[3]); i++)
		sum += function(i);
	printf("sum %ld\n", sum);
	return 0;
}
