/* SPDX-License-Identifier: BSD-2-Clause */
/* PATH_MAX, NAME_MAX and the like. */
#include <limits.h>
