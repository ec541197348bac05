/* flags: -fno-pie -no-pie */
/* jitted [MS]: generates code, says so in /tmp/perf-PID.map as just-in-time compilers do, and runs it for MS milliseconds
 * (default 300), calling back into `probed` on the way.  The map is removed at the end unless KEEP is set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline)) void probed(void) { __asm__ volatile(""); }

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};

int main(int argc, char **argv)
{
	long ms = argc > 1 ? atol(argv[1]) : 300;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec pause = {0, 10000000};
	char path[64];
	FILE *map;

	if (page == MAP_FAILED)
		return 1;
	memcpy((char *)page + 64, code, sizeof(code));
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	map = fopen(path, "w");
	if (!map)
		return 1;
	fprintf(map, "%lx %zx LazyCompile:~twice script.js:1\n", (unsigned long)page + 64, sizeof(code));
	fclose(map);
	for (long at = 0; at < ms; at += 10) {
		((void (*)(void (*)(void)))((char *)page + 64))(probed);
		nanosleep(&pause, NULL);
	}
	if (!getenv("KEEP"))
		unlink(path);
	return 0;
}
