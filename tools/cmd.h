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
 * @run: gets the arguments from the name on; returns the exit status
 */
struct cmd {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct cmd cmd_bench;

#endif /* CMD_H */
