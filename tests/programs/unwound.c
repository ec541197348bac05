/* flags: -O1 -fomit-frame-pointer -fno-optimize-sibling-calls -fno-inline -fno-ipa-cp -ldl */
/* Calls whose frames only call frame information leads through: `unwound WAY [N [MS]]`, where WAY says how `leaf` is
 * reached: plainly, N calls deep, again and again (N times), from a callback of libc, from a signal's handler, through
 * a frame that is aligned, from a thread, or from a library that is loaded N milliseconds before; `spin` stays in
 * `leaf` for N milliseconds.  At the end it stays for MS milliseconds. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile long sink;
static long busy;

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((noipa)) void leaf(void)
{
	long end = busy ? now() + busy : 0;
	do
		for (int i = 0; i < 100000 && busy; i++)
			sink += i;
	while (busy && now() < end);
	sink++;
}

__attribute__((noipa)) void deep(int depth)
{
	if (depth)
		deep(depth - 1);
	else
		leaf();
	sink++;
}

__attribute__((noipa)) void middle(void) { leaf(); sink++; }
__attribute__((noipa)) void plain(void) { middle(); sink++; }
__attribute__((noipa)) int compare(const void *a, const void *b) { leaf(); return *(const int *)a - *(const int *)b; }
__attribute__((noipa)) void handler(int number) { leaf(); sink += number; }

__attribute__((noipa)) void aligned(int n)
{
	char room[n] __attribute__((aligned(64))), fixed[64] __attribute__((aligned(64)));
	memset(room, n, sizeof room);
	memset(fixed, n, sizeof fixed);
	leaf();
	sink += room[n / 2] + fixed[n % 64];
}

__attribute__((noipa)) void *thread(void *unused) { leaf(); sink++; return unused; }

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "plain";
	int few[] = {2, 1};
	long n = argc > 2 ? atol(argv[2]) : 0;
	if (!strcmp(way, "plain"))
		plain();
	else if (!strcmp(way, "deep"))
		deep((int)n);
	else if (!strcmp(way, "again"))
		for (long i = 0; i < n; i++)
			deep(9);
	else if (!strcmp(way, "sort"))
		qsort(few, 2, sizeof few[0], compare);
	else if (!strcmp(way, "signal")) {
		signal(SIGUSR1, handler);
		raise(SIGUSR1);
	} else if (!strcmp(way, "aligned"))
		aligned(100 + argc);
	else if (!strcmp(way, "thread")) {
		pthread_t started;
		pthread_create(&started, 0, thread, 0);
		pthread_join(started, 0);
	} else if (!strcmp(way, "late")) {
		void *library = dlopen("liblate.so", RTLD_NOW);
		void (*call)(void (*)(void)) = library ? (void (*)(void (*)(void)))dlsym(library, "late_call") : 0;
		usleep((useconds_t)n * 1000);
		if (call)
			call(leaf);
	} else {
		busy = n;
		plain();
	}
	usleep(argc > 3 ? (useconds_t)atol(argv[3]) * 1000 : 0);
	return 0;
}
