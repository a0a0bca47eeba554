/* SPDX-License-Identifier: BSD-2-Clause */
/* Byte swapping under glibc's names. */
#ifndef DMCOMPAT_BYTESWAP_H
#define DMCOMPAT_BYTESWAP_H

#include <sys/types.h>
#include <machine/bswap.h>

#define bswap_16(x) bswap16(x)
#define bswap_32(x) bswap32(x)
#define bswap_64(x) bswap64(x)

#endif
