// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl bench: draws what was measured, with gnuplot. A panel for each
 * benchmark that was run with several parameters, and one in which all others
 * are bars: how many times as long ours takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define PANEL_WIDTH 640
#define PANEL_HEIGHT 420
#define COLUMNS 2

extern char **environ;

/* How many results of the same benchmark there are from the first on */
static unsigned int run_length(const struct bench_result *results,
			       unsigned int count)
{
	unsigned int length = 1;

	while (length < count && results[length].def == results[0].def)
		length++;
	return length;
}

static bool has_panel(const struct bench_result *results, unsigned int count)
{
	return run_length(results, count) > 1;
}

/* As gnuplot wants it: it knows milliseconds if it is told seconds. */
static double scaled(const struct bench_options *options, double value)
{
	return options->instructions ? value : value / 1e9;
}

/* Lines of: number, "parameter", ours, each of theirs */
static void data_of_panel(FILE *to, const struct bench_options *options,
			  const struct bench_result *results,
			  unsigned int length)
{
	unsigned int i, side, peers = bench_nr_peers(results[0].def);
	struct bench_row row;
	char param[64];

	fputs("$data << END\n", to);
	for (i = 0; i < length; i++) {
		if (!results[i].reps)
			continue;
		bench_param_text(&results[i].param, param, sizeof(param));
		fprintf(to, "%u \"%s\" %g", i, param,
			scaled(options, bench_median(&results[i], 0)));
		for (side = 1; side <= peers; side++)
			if (bench_row(options, &results[i], side, &row))
				fprintf(to, " %g",
					scaled(options, row.theirs.median));
			else
				fputs(" NaN", to);
		fputc('\n', to);
	}
	fputs("END\n", to);
}

static void plot_panel(FILE *to, const struct bench_options *options,
		       const struct bench_result *results, unsigned int length)
{
	const struct bench_def *def = results[0].def;
	unsigned int side;

	data_of_panel(to, options, results, length);
	fprintf(to, "set title \"%s: %s\"\n", def->name, def->what);
	fputs("plot $data using 1:3:xtic(2) with linespoints lw 2 title \"rsm\"",
	      to);
	for (side = 1; side <= bench_nr_peers(def); side++)
		fprintf(to, ", $data using 1:%u with linespoints title \"%s\"",
			side + 3, def->peers[side - 1].name);
	fputc('\n', to);
}

/* Lines of: number, "what", ratio, goal, from the last one up */
static unsigned int data_of_ratios(FILE *to,
				   const struct bench_options *options,
				   const struct bench_result *results,
				   unsigned int count)
{
	unsigned int i, side, length, bars = 0;
	const struct bench_def *def;
	struct bench_row row;

	fputs("$data << END\n", to);
	for (i = 0; i < count; i += length) {
		def = results[i].def;
		length = run_length(&results[i], count - i);
		for (side = 1; length == 1 && side <= bench_nr_peers(def); side++) {
			if (!bench_row(options, &results[i], side, &row))
				continue;
			fprintf(to, "-%u \"%s / %s\" %g %g\n", bars++,
				def->name, def->peers[side - 1].name,
				row.ratio.median,
				row.verdict != BENCH_NO_GOAL &&
				def->peers[side - 1].ratio ?
					def->peers[side - 1].ratio : NAN);
		}
	}
	fputs("END\n", to);
	return bars;
}

static void plot_ratios(FILE *to, const struct bench_options *options,
			const struct bench_result *results, unsigned int count)
{
	unsigned int bars = data_of_ratios(to, options, results, count);

	if (!bars)
		return;
	fprintf(to,
		"set title \"ours / theirs\"\n"
		"unset logscale y\n"
		"set logscale x\n"
		"set format x \"%%g\"\n"
		"unset format y\n"
		"unset ylabel\n"
		"unset offsets\n"
		"set ytics font \",9\"\n"
		"set yrange [-%u:1]\n"
		"set style fill solid 0.5\n"
		"plot $data using 3:1:(1):3:($1-0.35):($1+0.35):ytic(2) with boxxyerror notitle, \\\n"
		"     $data using 4:1 with points pt 9 ps 0.7 lc \"black\" title \"goal: at most\"\n",
		bars);
}

static void write_head(FILE *to, const struct bench_options *options,
		       unsigned int rows)
{
	struct utsname name;

	uname(&name);
	fprintf(to, "set terminal svg size %d,%u noenhanced background \"white\"\n",
		COLUMNS * PANEL_WIDTH, rows * PANEL_HEIGHT + 40);
	fprintf(to, "set multiplot layout %u,%d ", rows, COLUMNS);
	fprintf(to, "title \"rsmctl bench, Linux %s, %u repetitions, medians\"\n",
		name.release, options->reps);
	fprintf(to, "set format y \"%%.0s %%c%s\"\nset ylabel \"%s\"\n",
		options->instructions ? "" : "s",
		options->instructions ? "instructions" : "time");
	fputs("set logscale y\n"
	      "set xtics rotate by -20\n"
	      "set offsets 0.2, 0.2, 0, 0\n"
	      "set grid\n"
	      "set key below\n", to);
}

static void write_script(FILE *to, const struct bench_options *options,
			 const struct bench_result *results, unsigned int count)
{
	unsigned int i, length, panels = 1;

	for (i = 0; i < count; i += run_length(&results[i], count - i))
		panels += has_panel(&results[i], count - i);
	write_head(to, options, (panels + COLUMNS - 1) / COLUMNS);
	for (i = 0; i < count; i += length) {
		length = run_length(&results[i], count - i);
		if (length > 1)
			plot_panel(to, options, &results[i], length);
	}
	plot_ratios(to, options, results, count);
	fputs("unset multiplot\n", to);
}

static bool is_script(const char *path)
{
	size_t len = strlen(path);

	return len > 3 && !strcmp(path + len - 3, ".gp");
}

/* Returns its id, or 0 if there is no gnuplot. */
static pid_t start_gnuplot(const char *const *argv, int in, int out)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	error = posix_spawnp(&pid, "gnuplot", &actions, NULL,
			     (char **)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error ? 0 : pid;
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && !status;
}

/* To be known before all is measured */
bool bench_plot_possible(const char *path)
{
	static const char *const argv[] = { "gnuplot", "--version", NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	FILE *out = fopen(path, "w");
	pid_t pid;

	if (!out) {
		fprintf(stderr, "rsmctl bench: %s: %s\n", path,
			strerror(errno));
		return false;
	}
	fclose(out);
	if (is_script(path))
		return true;
	pid = start_gnuplot(argv, null, null);
	if (pid && ended_well(pid))
		return true;
	fputs("rsmctl bench: gnuplot is not installed; with --plot FILE.gp it can draw later\n",
	      stderr);
	return false;
}

static bool draw(const struct bench_options *options, int out,
		 const struct bench_result *results, unsigned int count)
{
	static const char *const argv[] = { "gnuplot", NULL };
	int script[2];
	FILE *to;
	pid_t pid;

	if (pipe2(script, O_CLOEXEC))
		return false;
	signal(SIGPIPE, SIG_IGN);
	pid = start_gnuplot(argv, script[0], out);
	close(script[0]);
	to = fdopen(script[1], "w");
	if (!pid || !to)
		return false;
	write_script(to, options, results, count);
	fclose(to);
	return ended_well(pid);
}

/* Returns false if that failed. */
bool bench_plot(const struct bench_options *options, const char *path,
		const struct bench_result *results, unsigned int count)
{
	FILE *out = fopen(path, "we");
	bool good;

	if (!out)
		return false;
	if (is_script(path)) {
		write_script(out, options, results, count);
		return !fclose(out);
	}
	good = draw(options, fileno(out), results, count);
	fclose(out);
	if (!good)
		fputs("rsmctl bench: gnuplot failed\n", stderr);
	return good;
}
