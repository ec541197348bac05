/* flags: -pthread -O1 */
/* System calls of which a tracer must show each, for the tool strace:
 *   syscalls tour FOLDER     one of many kinds, in a thread, in a child, interrupted, failing, with texts of all kinds
 *   syscalls absent FOLDER   opens FOLDER/name, the name in memory that no page is there for yet
 *   syscalls wait            reads standard input to its end
 *   syscalls loop N FILE     N calls that do next to nothing; the nanoseconds that they took go to FILE
 *   syscalls time FILE WORD… runs a command; the nanoseconds that it took go to FILE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[200], path[300];

static const char *in(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void noted(int number)
{
	(void)number;
}

static void *thread(void *unused)
{
	for (int i = 0; i < 20; i++)
		syscall(SYS_gettid);
	mkdir(in("made"), 0750);
	rmdir(path);
	return unused;
}

static void files(void)
{
	char data[100];
	struct stat found;
	struct iovec parts[2] = {{"one", 3}, {"two and more than fits into thirty-two", 38}};
	int fd = open(in("file"), O_RDWR | O_CREAT | O_TRUNC, 0640);

	write(fd, "plain", 5);
	write(fd, "tab\t quote\" back\\ nul\0 1\0011 high\377\n", 33);
	writev(fd, parts, 2);
	lseek(fd, 0, SEEK_SET);
	read(fd, data, sizeof data);
	read(fd, data, sizeof data);
	fstat(fd, &found);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_GETFD);
	fcntl(fd, F_GETFL);
	ftruncate(fd, 3);
	close(dup(fd));
	close(fd);
	stat("/dev/null", &found);
	symlink("a target of some length, in full: 12345678901234567890", in("link"));
	readlink(path, data, sizeof data);
	unlink(path);
	open(in("missing"), O_RDONLY | O_CLOEXEC);
	open((char *)16, O_WRONLY);
	access("/", R_OK | W_OK);
	umask(umask(027));
	munmap(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192);
}

static void sockets(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int pair[2], on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval second = {.tv_sec = 1};
	char left[4] = "abc", right[60] = "and what follows it, which is not shown in full";
	struct iovec parts[2] = {{left, sizeof left}, {right, sizeof right}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	fd_set set;
	struct pollfd asked[2] = {{.fd = -1}, {.events = POLLIN | POLLOUT}};

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bind(fd, (struct sockaddr *)&address, sizeof address);
	getsockname(fd, (struct sockaddr *)&address, &length);
	close(fd);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	send(pair[0], "hello", 5, MSG_NOSIGNAL);
	asked[1].fd = pair[1];
	poll(asked, 2, 1000);
	FD_ZERO(&set);
	FD_SET(pair[1], &set);
	select(pair[1] + 1, &set, NULL, NULL, &second);
	recv(pair[1], path, sizeof path, 0);
	poll(asked, 1, 1);
	sendmsg(pair[0], &message, 0);
	recvmsg(pair[1], &message, 0);
	close(pair[0]);
	close(pair[1]);
	pipe(pair);
	close(pair[0]);
	close(pair[1]);
}

static void processes(void)
{
	char *words[] = {"true", "with \"blank\"", NULL}, *none[] = {"A=1", "B=2", NULL};
	int status;
	pid_t child = fork();

	if (!child) {
		getppid();
		_exit(7);
	}
	waitpid(child, &status, 0);
	child = fork();
	if (!child) {
		execve("/no/such/program", words, none);
		execve("/bin/true", words, none);
	}
	waitpid(child, &status, 0);
	waitpid(-1, &status, 0);
}

static void interrupted(void)
{
	struct itimerval soon = {.it_value.tv_usec = 1000};
	struct sigaction action = {.sa_handler = noted};
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(SIG_SETMASK, &all, NULL); /* however late we are, the signal comes in sigsuspend */
	setitimer(ITIMER_REAL, &soon, NULL);
	sigsuspend(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigaction(SIGUSR1, &action, NULL);
	kill(getpid(), SIGUSR1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void note(long long began, const char *file)
{
	long long took = now() - began;
	FILE *out = fopen(file, "w");

	fprintf(out, "%lld\n", took);
	fclose(out);
}

static void loop(long count, const char *file)
{
	long long began = now();

	for (long n = 0; n < count; n++)
		syscall(SYS_getppid);
	note(began, file);
}

static void timed(const char *file, char **words)
{
	long long began = now();
	pid_t child = fork();

	if (!child) {
		execv(words[0], words);
		_exit(127);
	}
	waitpid(child, NULL, 0);
	note(began, file);
}

static void absent(void)
{
	int fd = open(in("names"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *memory;

	in("name");
	ftruncate(fd, 1 << 21);
	pwrite(fd, path, strlen(path) + 1, (1 << 20) + 100);
	memory = mmap(NULL, 1 << 21, PROT_READ, MAP_PRIVATE, fd, 0);
	madvise(memory, 1 << 21, MADV_RANDOM);
	open(memory + (1 << 20) + 100, O_RDONLY);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	pthread_t other;

	snprintf(folder, sizeof folder, "%s", argc > 2 ? argv[2] : ".");
	if (!strcmp(what, "tour")) {
		files();
		sockets();
		pthread_create(&other, NULL, thread, NULL);
		pthread_join(other, NULL);
		processes();
		interrupted();
	} else if (!strcmp(what, "absent")) {
		absent();
	} else if (!strcmp(what, "wait")) {
		while (read(0, path, sizeof path) > 0)
			;
	} else if (!strcmp(what, "loop") && argc > 3) {
		loop(atol(argv[2]), argv[3]);
	} else if (!strcmp(what, "time") && argc > 3) {
		timed(argv[2], argv + 3);
	} else {
		return 2;
	}
	return 0;
}
