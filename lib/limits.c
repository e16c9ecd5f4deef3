// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What there was not enough of. The kernel does not tell, so the limits are
 * looked at when it is over: one that is below what was asked for is a cause,
 * others may be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "internal.h"

#define MODULE "/sys/module/rsmctl/"
#define PARAMETERS MODULE "parameters/"

/* Inode of the user namespace that all others are within */
#define INIT_USER_NS 0xeffffffd

/* A number that the module tells; 0: it cannot be read */
static uint64_t read_number(const char *path)
{
	char text[32] = "";
	int state;
	int fd;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	pthread_setcancelstate(state, NULL);
	return strtoull(text, NULL, 10);
}

static uint64_t get_limit(int resource)
{
	struct rlimit limit;

	return getrlimit(resource, &limit) ? UINT64_MAX : limit.rlim_cur;
}

/* CAP_IPC_LOCK exempts, but not in a user namespace of its own. */
static bool exempt_from_memlock(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct stat ns;

	if (syscall(SYS_capget, &header, data) ||
	    !(data[0].effective & CAP_TO_MASK(CAP_IPC_LOCK)))
		return false;
	return stat("/proc/self/ns/user", &ns) || ns.st_ino == INIT_USER_NS;
}

static uint64_t memlock_limit(void)
{
	return exempt_from_memlock() ? UINT64_MAX : get_limit(RLIMIT_MEMLOCK);
}

/* In bytes; the parameter is in percent of the memory. */
static uint64_t exported_memory_limit(void)
{
	uint64_t percent = read_number(PARAMETERS "max_exported_memory");
	struct sysinfo info;

	if (!percent || sysinfo(&info))
		return UINT64_MAX;
	return info.totalram * info.mem_unit / 100 * percent;
}

/*
 * There was not enough memory for @what: the user needs @total bytes for it,
 * @more of which had yet to be exported.
 */
int rsm_fail_memory(const char *what, uint64_t total, uint64_t more)
{
	uint64_t used = read_number(MODULE "stats/pinned_pages") *
			rsm_page_size();
	uint64_t memlock = memlock_limit();
	uint64_t max = exported_memory_limit();

	if (total > memlock)
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"RLIMIT_MEMLOCK is %ju bytes and this %s needs %ju: raise it (ulimit -l, /etc/security/limits.conf, LimitMEMLOCK=)",
				memlock, what, total);
	if (more > max || used > max - more)
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"max_exported_memory allows %ju bytes, %ju are in use and this %s needs %ju more: raise it (/sys/module/rsmctl/parameters)",
				max, used, what, more);
	if (memlock != UINT64_MAX)
		return rsm_fail(RSMERR_INSUFFICIENT_MEM,
				"this %s needs %ju bytes: more than the user's other locked memory leaves of RLIMIT_MEMLOCK (%ju bytes), or the system has",
				what, total, memlock);
	return rsm_fail(RSMERR_INSUFFICIENT_MEM,
			"this %s needs %ju bytes: more than the system, or the control group, has",
			what, more);
}

/* There was not enough of something else; @error is the errno. */
int rsm_fail_resources(int ret, int error)
{
	uint64_t max;

	if (error == EMFILE)
		return rsm_fail(ret, "the process has all descriptors open that RLIMIT_NOFILE allows, %ju: raise it (ulimit -n, LimitNOFILE=)",
				get_limit(RLIMIT_NOFILE));
	if (error == ENFILE)
		return rsm_fail(ret, "the system has all files open that it may: raise fs.file-max (sysctl)");
	max = read_number(PARAMETERS "max_segments");
	if (!max)
		return rsm_fail(ret, "too many exports, imports and tickets: end some, or raise max_segments and max_user_segments (/sys/module/rsmctl/parameters)");
	return rsm_fail(ret, "too many exports, imports and tickets: max_segments is %ju, max_user_segments %ju (0: a quarter of that): end some, or raise these (/sys/module/rsmctl/parameters)",
			max,
			read_number(PARAMETERS "max_user_segments"));
}
