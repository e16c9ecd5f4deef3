/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making up programs.
 */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "prog.h"

void mutate(struct prog *prog, uint32_t seed);
void cross(struct prog *prog, const struct prog *other, uint32_t seed);

#endif /* FUZZ_MUTATE_H */
