/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second word of subcommands that do several things: "list", "add".
 */
#ifndef VERB_H
#define VERB_H

/* Room for the letters of options that were given */
#define VERB_GIVEN_MAX 32

struct option;

/**
 * struct verb - something that a subcommand does
 * @name: what the user types; a list of verbs ends with NULL, and the first is
 *	meant where none is typed
 * @options: letters of the options that it takes
 * @argument: what comes after it, for messages; NULL: nothing
 * @optional: that may be left out
 * @run: @argument is what came, or NULL. Returns the exit status.
 */
struct verb {
	const char *name;
	const char *options;
	const char *argument;
	bool optional;
	int (*run)(void *data, const char *argument);
};

/* Keep in mind that the option of this letter was given. */
void verb_give(char given[VERB_GIVEN_MAX], char letter);

/**
 * verb_run() - do what the arguments ask for
 * @word: the subcommand
 * @verbs: what it does
 * @args: what came besides options
 * @options: of the subcommand, as for getopt_long()
 * @given: letters of those that came
 * @data: for run() of the verb
 *
 * Return: the exit status.
 */
int verb_run(const char *word, const struct verb *verbs, char **args,
	     const struct option *options, const char *given, void *data);

#endif /* VERB_H */
