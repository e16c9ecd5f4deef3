/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all C programs of fuzz2c have in common: the text of frame.c, up to
 * where the steps go and from there on.
 */
#ifndef FUZZ_FUZZ2C_H
#define FUZZ_FUZZ2C_H

extern const char before_steps[], after_steps[];

#endif /* FUZZ_FUZZ2C_H */
