// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_replay: runs programs of the fuzzer, as a test.
 *
 * fuzz_corpus is the same with the corpus built in. Neither needs a kernel
 * with KCOV. For fuzz it runs the programs that are made up.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "replay.h"

static bool verbose;

static void print_help(void)
{
	puts("usage: fuzz_replay [-v] [-r TIMES] [-m OUT] [FILE]...\n"
	     "\n"
	     "Runs programs of the fuzzer, each of them TIMES times, and prints KTAP.\n"
	     "Without FILE: those that are built in.\n"
	     "\n"
	     "    -v        tell what each call has returned\n"
	     "    -r TIMES  how often (default 1)\n"
	     "    -m OUT    of one FILE that fails: leave out what is not needed to\n"
	     "              fail, and write the rest to OUT\n"
	     "    -c OUT    write what was reached of the module to OUT");
}

/* What happened */

static void print_log(unsigned int i)
{
	const struct log *log = &sh->logs[i];
	char text[512];

	step_print(&sh->prog.steps[i], text, sizeof(text));
	if (log->state == LOG_NONE)
		printf("# %2u %s: not made\n", i, text);
	else if (log->state == LOG_RUNS)
		printf("# %2u %s: [%u..] not ended\n", i, text, log->start);
	else if (log->ret < 0)
		printf("# %2u %s: [%u..%u] %s (%u)\n", i, text, log->start,
		       log->end, strerror(-log->ret), log->error);
	else
		printf("# %2u %s: [%u..%u] %d\n", i, text, log->start,
		       log->end, log->ret);
}

static void print_logs(void)
{
	unsigned int i;

	for (i = 0; i < sh->prog.count; i++)
		print_log(i);
}

/* The verdict, as comments. */
static void print_message(void)
{
	const char *line = sh->message;
	size_t length;

	for (; *line; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		printf("# %.*s\n", (int)length, line);
	}
}

/* Also with what users are charged for, which takes longer to find out. */
static bool run_fully(const struct prog *prog)
{
	return run_prog(prog) && charges_check();
}

static bool run_times(const struct prog *prog, unsigned int times)
{
	while (times--) {
		if (!run_fully(prog)) {
			print_logs();
			print_message();
			return false;
		}
		if (verbose)
			print_logs();
	}
	return true;
}

/* Files */

static bool read_prog(struct prog *prog, const char *path, bool strict)
{
	FILE *file = fopen(path, "re");
	char text[MAX_TEXT];
	size_t size;

	if (!file)
		return false;
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	return prog_parse(prog, text, size, strict) || !strict;
}

static bool write_prog(const struct prog *prog, const char *path)
{
	char text[MAX_TEXT];
	size_t size = prog_print(prog, text, sizeof(text));
	FILE *file = fopen(path, "we");
	bool good;

	if (!file)
		return false;
	good = fwrite(text, 1, size, file) == size;
	return !fclose(file) && good;
}

static int report(unsigned int number, const char *name, bool good)
{
	printf("%s %u %s\n", good ? "ok" : "not ok", number, name);
	fflush(stdout);
	/* The next one may take the machine down. */
	tcdrain(STDOUT_FILENO);
	return !good;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int replay_file(unsigned int number, const char *path,
		       unsigned int times)
{
	struct prog prog;

	if (read_prog(&prog, path, true))
		return report(number, base_name(path), run_times(&prog, times));
	printf("# cannot read %s, or a line of it is no call\n", path);
	return report(number, base_name(path), false);
}

static int replay_files(char **paths, unsigned int count, unsigned int times)
{
	unsigned int i;
	int ret = 0;

	printf("TAP version 13\n1..%u\n", count);
	for (i = 0; i < count; i++)
		ret |= replay_file(i + 1, paths[i], times);
	return ret;
}

static int replay_seed(unsigned int number, const struct seed *seed,
		       unsigned int times)
{
	struct prog prog;
	bool good = prog_parse(&prog, seed->text, strlen(seed->text), true) &&
		    run_times(&prog, times);

	return report(number, seed->name, good);
}

static int replay_seeds(unsigned int times)
{
	unsigned int i, count = 0;
	int ret = 0;

	while (seeds[count].name)
		count++;
	printf("TAP version 13\n1..%u\n", count);
	for (i = 0; i < count; i++)
		ret |= replay_seed(i + 1, &seeds[i], times);
	return ret;
}

/* Leaving out */

/* What the verdict says first is what a smaller program has to say, too. */
static void first_line(char *line, size_t size)
{
	const char *text = sh->message;

	/* Not which step it is, as that changes. */
	if (!strncmp(text, "step ", 5) && strstr(text, "': "))
		text = strstr(text, "': ");
	snprintf(line, size, "%.*s", (int)strcspn(text, "\n0123456789"), text);
}

#define TRIES 3

static bool fails_like(const struct prog *prog, const char *line)
{
	char now[256];
	int i;

	for (i = 0; i < TRIES; i++) {
		if (run_fully(prog))
			continue;
		charges_accept();
		first_line(now, sizeof(now));
		if (!strcmp(now, line))
			return true;
	}
	return false;
}

static void leave_out(struct prog *prog, unsigned int first,
		      unsigned int count)
{
	memmove(&prog->steps[first], &prog->steps[first + count],
		(prog->count - first - count) * sizeof(prog->steps[0]));
	prog->count -= count;
}

static void minimise(struct prog *prog, const char *line)
{
	unsigned int count, first;
	struct prog less;

	for (count = prog->count / 2; count; count /= 2) {
		for (first = 0; first + count <= prog->count;) {
			less = *prog;
			leave_out(&less, first, count);
			if (fails_like(&less, line))
				*prog = less;
			else
				first += count;
		}
	}
}

static int minimise_file(const char *path, const char *out)
{
	struct prog prog;
	char line[256];

	if (!read_prog(&prog, path, false))
		return 2;
	if (run_fully(&prog)) {
		printf("%s does not fail\n", path);
		return 2;
	}
	first_line(line, sizeof(line));
	charges_accept();
	minimise(&prog, line);
	return !write_prog(&prog, out);
}

/*
 * For fuzz. What users are charged for is looked at once for a batch of
 * programs. If it is not right, they are run once more, to see which it was.
 */

#define BATCH 8

static struct prog batch[BATCH];
static unsigned int batched;

static bool find_in_batch(void)
{
	unsigned int i;

	charges_accept();
	for (i = 0; i < batched; i++)
		if (!run_fully(&batch[i]))
			return false;
	complain("left behind something that users are charged for, once\n");
	return false;
}

static bool batch_check(void)
{
	bool good = charges_check() || find_in_batch();

	batched = 0;
	return good;
}

static bool run_in_batch(const struct prog *prog)
{
	if (!run_prog(prog))
		return false;
	batch[batched++] = *prog;
	return batched < BATCH || batch_check();
}

/*
 * Programs come through a socket, and a byte is the answer. Children that end
 * late may interrupt us.
 */
static int serve(int socket)
{
	char text[MAX_TEXT];
	struct prog prog;
	ssize_t size;
	char good;

	while ((size = TEMP_FAILURE_RETRY(recv(socket, text, sizeof(text),
					       0))) > 0) {
		prog_parse(&prog, text, size, false);
		good = run_in_batch(&prog);
		if (send(socket, &good, 1, 0) != 1)
			break;
	}
	kcov_report("reached");
	return 0;
}

struct options {
	unsigned int times;
	const char *minimised;
	const char *reached;
	int socket;
};

static bool parse_options(int argc, char **argv, struct options *options)
{
	int opt;

	while ((opt = getopt(argc, argv, "hvr:m:c:s:")) > 0) {
		switch (opt) {
		case 'v':
			verbose = true;
			break;
		case 'r':
			options->times = strtoul(optarg, NULL, 10);
			break;
		case 'm':
			options->minimised = optarg;
			break;
		case 'c':
			options->reached = optarg;
			break;
		case 's':
			options->socket = strtol(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options options = { .times = 1, .socket = -1 };
	int ret;

	run_resume(argc, argv);
	if (!parse_options(argc, argv, &options)) {
		print_help();
		return 2;
	}
	if (!run_init()) {
		fprintf(stderr, "fuzz_replay: no /dev/rsmctl, or not root\n");
		return 2;
	}
	if (options.socket >= 0)
		return serve(options.socket);
	if (options.minimised)
		return minimise_file(argv[optind], options.minimised);
	if (optind < argc)
		ret = replay_files(argv + optind, argc - optind, options.times);
	else
		ret = replay_seeds(options.times);
	if (options.reached)
		kcov_report(options.reached);
	return ret;
}
