/* Does what its arguments say, word by word, and ends: the system calls and load that a test wants to see.
 *   getppid N   open PATH N   write N   sleep MS   busy MS   exec PROGRAM   fault N   read N
 *   nodelay V (of a TCP socket)   cookie N (send N packets to oneself, then say the socket's cookie) */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void nap(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

static void busy(long ms)
{
	struct timespec a, b;
	volatile unsigned long sink = 0;
	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		for (int i = 0; i < 10000; i++)
			sink += i;
		clock_gettime(CLOCK_MONOTONIC, &b);
	} while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
}

static void fault(long pages)
{
	char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long i = 0; i < pages; i++)
		p[i * 4096] = 1;
	munmap(p, pages * 4096);
}

static void nodelay(int value)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
	close(s);
}

static void cookie(long packets)
{
	struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned long number = 0;
	socklen_t size = sizeof(number);
	for (; packets > 0; packets--)
		sendto(s, "hello", 5, 0, (struct sockaddr *)&self, sizeof(self));
	getsockopt(s, SOL_SOCKET, SO_COOKIE, &number, &size);
	printf("asked %lu\n", number);
	close(s);
}

int main(int argc, char **argv)
{
	char buf[64] = {0};
	for (int i = 1; i < argc; i++) {
		const char *what = argv[i];
		const char *arg = i + 1 < argc ? argv[++i] : "1";
		if (!strcmp(what, "getppid")) {
			for (long n = atol(arg); n > 0; n--)
				syscall(SYS_getppid);
		} else if (!strcmp(what, "open")) {
			int fd = open(arg, O_RDONLY);
			if (fd >= 0)
				close(fd);
		} else if (!strcmp(what, "read")) {
			int fd = open("/dev/zero", O_RDONLY);
			long got = read(fd, buf, atol(arg));
			close(fd);
			if (got < 0)
				return 3;
		} else if (!strcmp(what, "write")) {
			int fd = open("/dev/null", O_WRONLY);
			long put = write(fd, buf, atol(arg));
			close(fd);
			if (put < 0)
				return 3;
		} else if (!strcmp(what, "sleep")) {
			nap(atol(arg));
		} else if (!strcmp(what, "busy")) {
			busy(atol(arg));
		} else if (!strcmp(what, "fault")) {
			fault(atol(arg));
		} else if (!strcmp(what, "exec")) {
			execl(arg, arg, "one", "two three", (char *)NULL);
			return 4;
		} else if (!strcmp(what, "nodelay")) {
			nodelay(atoi(arg));
		} else if (!strcmp(what, "cookie")) {
			cookie(atol(arg));
		} else if (!strcmp(what, "status")) {
			return atoi(arg);
		} else {
			return 2;
		}
	}
	return 0;
}
