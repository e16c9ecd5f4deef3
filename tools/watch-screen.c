// SPDX-License-Identifier: GPL-2.0-only
/*
 * rsmctl watch on the whole screen of a terminal.
 */
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch.h"

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = signal;
}

bool watch_has_screen(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb");
}

/* No id of a segment reads like the heading above it. */
static bool is_heading(const char *line)
{
	const char *title = watch_columns[0].title;

	return !strncmp(line, title, strlen(title));
}

/* Where the heading of a column begins, or -1 */
static int find_heading(const char *line, const struct column *column)
{
	size_t length = strlen(column->title);
	const char *at = line;

	while ((at = strstr(at, column->title))) {
		if ((at == line || at[-1] == ' ') &&
		    (at[length] == ' ' || !at[length]))
			return at - line;
		at++;
	}
	return -1;
}

static void draw_heading(const struct watch *watch, int row, const char *line)
{
	int at = find_heading(line, watch->sort);

	attron(A_BOLD);
	mvaddnstr(row, 0, line, COLS);
	attroff(A_BOLD);
	if (at >= 0 && at < COLS)
		mvchgat(row, at, strlen(watch->sort->title), A_REVERSE, 0,
			NULL);
}

static void draw_lines(const struct watch *watch, char *text)
{
	char *line, *next = text;
	int row;

	erase();
	for (row = 0; row < LINES && (line = strsep(&next, "\n")); row++) {
		if (is_heading(line))
			draw_heading(watch, row, line);
		else
			mvaddnstr(row, 0, line, COLS);
	}
	refresh();
}

static void draw(const struct watch *watch)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	watch_print(to, watch);
	fclose(to);
	draw_lines(watch, text);
	free(text);
}

static const struct column *last_column(void)
{
	const struct column *column = watch_columns;

	while (column[1].title)
		column++;
	return column;
}

static void sort_by(struct watch *watch, int step)
{
	if (step < 0)
		watch->sort = watch->sort == watch_columns ? last_column() :
							     watch->sort - 1;
	else
		watch->sort = watch->sort[1].title ? watch->sort + 1 :
						     watch_columns;
	columns_sort(&watch->objects, watch->sort, watch->reverse);
}

/* What a key does. False: nothing until it is time to look again. */
static bool take_key(struct watch *watch, int key)
{
	switch (key) {
	case 'q':
		stopped = true;
		return true;
	case ' ':
		return true;
	case KEY_LEFT:
	case KEY_RIGHT:
		sort_by(watch, key == KEY_LEFT ? -1 : 1);
		break;
	case 'r':
		watch->reverse = !watch->reverse;
		columns_sort(&watch->objects, watch->sort, watch->reverse);
		break;
	case ERR:
		return true;
	}
	/* Also when the window has another size. */
	draw(watch);
	return false;
}

/* Until it is time to look again; a key starts the delay anew. */
static void wait_for_keys(struct watch *watch)
{
	timeout(watch->delay * 1000);
	while (!stopped && !take_key(watch, getch()))
		;
}

static void open_screen(void)
{
	struct sigaction action = { .sa_handler = stop };

	initscr();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	/* ncurses would end the program from within the handler. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

int watch_screen(struct watch *watch)
{
	unsigned long i;
	bool seen = true;

	open_screen();
	for (i = 0; !stopped && (!watch->count || i < watch->count); i++) {
		seen = watch_look(watch);
		if (!seen)
			break;
		draw(watch);
		wait_for_keys(watch);
	}
	endwin();
	return seen ? 0 : objects_failed(WATCH_WORD);
}
