// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz: libFuzzer, with programs of calls as inputs. It makes them up and
 * keeps those that reach something new; fuzz_replay, which it starts, runs
 * them and tells what they have reached. Takes the options of libFuzzer, as
 * "fuzz -max_total_time=600 CORPUS".
 *
 * With FUZZ_ANNOUNCE in the environment each program is printed before it is
 * run, between lines "@input" and "@run", as it may be the machine's last.
 * What is found is printed, too, and then it ends, or with FUZZ_GO_ON in the
 * environment does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "mutate.h"
#include "shared.h"

/*
 * libFuzzer takes it for counters of its own. It is not static, as what
 * nobody seems to read would not be written.
 */
__section("__libfuzzer_extra_counters") uint8_t counters[NR_FEATURES];

/* As when libFuzzer finds something. */
#define EX_FOUND 77

static struct shared *shared;
static int runner;
static bool announces, goes_on;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
				 const uint8_t *data2, size_t size2,
				 uint8_t *out, size_t max_size,
				 unsigned int seed);

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void share_memory(void)
{
	int fd = memfd_create("shared", 0);

	if (fd < 0 || ftruncate(fd, sizeof(*shared)) ||
	    dup2(fd, SHARED_FD) < 0)
		die("fuzz: memory to share");
	close(fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED, SHARED_FD, 0);
	if (shared == MAP_FAILED)
		die("fuzz: memory to share");
}

/* fuzz_replay lies beside us. */
static void exec_runner(const char *self, int socket)
{
	char path[4096], number[16], copy[4096];

	snprintf(copy, sizeof(copy), "%s", self);
	snprintf(path, sizeof(path), "%s/fuzz_replay", dirname(copy));
	snprintf(number, sizeof(number), "%d", socket);
	execl(path, path, "-s", number, NULL);
	die(path);
}

static void start_runner(const char *self)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		die("fuzz: socketpair");
	pid = fork();
	if (pid < 0)
		die("fuzz: fork");
	if (!pid) {
		fcntl(fds[1], F_SETFD, 0);
		exec_runner(self, fds[1]);
	}
	close(fds[1]);
	runner = fds[0];
}

/* Let the runner write down what was reached. */
static void stop_runner(void)
{
	char byte;

	shutdown(runner, SHUT_WR);
	if (read(runner, &byte, 1) < 0)
		perror("fuzz: the end of fuzz_replay");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	announces = getenv("FUZZ_ANNOUNCE");
	goes_on = getenv("FUZZ_GO_ON");
	share_memory();
	start_runner((*argv)[0]);
	atexit(stop_runner);
	return 0;
}

/* The port holds back nothing when this returns. */
static void announce(const char *text, size_t size)
{
	if (!announces)
		return;
	printf("@input\n%.*s@run\n", (int)size, text);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

/* The program is the one that was run last, which may be an earlier one. */
static void accuse(void)
{
	char text[MAX_TEXT];
	size_t size = prog_print(&shared->prog, text, sizeof(text));

	printf("@finding\n%s@program\n%.*s@over\n", shared->message, (int)size,
	       text);
	fflush(stdout);
	if (goes_on)
		return;
	stop_runner();
	_exit(EX_FOUND);
}

/* The clock of libFuzzer may interrupt us. */
static bool ask_runner(const char *text, size_t size, char *good)
{
	ssize_t ret;

	do {
		ret = send(runner, text, size, 0);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return false;
	do {
		ret = recv(runner, good, 1, 0);
	} while (ret < 0 && errno == EINTR);
	return ret == 1;
}

static void run(const char *text, size_t size)
{
	char good = 0;

	announce(text, size);
	if (!ask_runner(text, size, &good)) {
		strcpy(shared->message, "fuzz_replay has ended\n");
		good = 0;
		goes_on = false;
	}
	if (!good)
		accuse();
	memcpy(counters, shared->features, sizeof(counters));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[MAX_TEXT];
	struct prog prog;

	prog_parse(&prog, (const char *)data, size, false);
	if (prog.count)
		run(text, prog_print(&prog, text, sizeof(text)));
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
			       unsigned int seed)
{
	struct prog prog;

	prog_parse(&prog, (const char *)data, size, false);
	mutate(&prog, seed);
	return prog_print(&prog, (char *)data, max_size);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
				 const uint8_t *data2, size_t size2,
				 uint8_t *out, size_t max_size,
				 unsigned int seed)
{
	struct prog prog, other;

	prog_parse(&prog, (const char *)data1, size1, false);
	prog_parse(&other, (const char *)data2, size2, false);
	cross(&prog, &other, seed);
	return prog_print(&prog, (char *)out, max_size);
}
