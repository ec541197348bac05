/* /init of the initramfs that tests/kernels/initramfs writes: load the modules, make the host's directory the root, and
 * become the init that the kernel's command line names (host_init=PATH). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static void load(const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "/modules/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		perror(path);
	close(fd);
}

int main(void)
{
	struct dirent **names;
	static char line[65536];
	int count = scandir("/modules", &names, NULL, alphasort);
	for (int i = 0; i < count; i++)
		if (names[i]->d_name[0] != '.')
			load(names[i]->d_name);
	mount("proc", "/proc", "proc", 0, NULL);
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t size = read(fd, line, sizeof(line) - 1);
	close(fd);
	char *init = size > 0 ? strstr(line, "host_init=") : NULL;
	if (!init || mount("host", "/root", "virtiofs", 0, NULL)) {
		perror("cannot mount the host's directory");
		reboot(RB_POWER_OFF);
	}
	init += strlen("host_init=");
	init[strcspn(init, " \n")] = 0;
	umount("/proc");
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
		perror("cannot change the root directory");
	execl(init, init, (char *)NULL);
	perror(init);
	reboot(RB_POWER_OFF);
	return 1;
}
