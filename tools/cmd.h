/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A subcommand of rsmctl: each cmd-WORD.c exports one.
 */
#ifndef CMD_H
#define CMD_H

/**
 * struct cmd - a subcommand
 * @name: what the user types
 * @help: one line for "rsmctl help"
 * @run: gets the arguments; the first is "rsmctl NAME", for getopt_long() to
 *	begin its messages with. Returns the exit status.
 */
struct cmd {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

/*
 * What is wrong with the arguments, in a line on stderr, and where to learn
 * more; the other one where getopt_long() has said what is wrong. Both return
 * the exit status.
 */
int cmd_usage(const char *word, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int cmd_usage_told(const char *word);

extern const struct cmd cmd_bench;
extern const struct cmd cmd_controller;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_export;
extern const struct cmd cmd_import;
extern const struct cmd cmd_limits;
extern const struct cmd cmd_list;
extern const struct cmd cmd_load;
extern const struct cmd cmd_node;
extern const struct cmd cmd_signal;
extern const struct cmd cmd_status;
extern const struct cmd cmd_trace;
extern const struct cmd cmd_unload;
extern const struct cmd cmd_wait;
extern const struct cmd cmd_watch;
extern const struct cmd cmd_who;

#endif /* CMD_H */
