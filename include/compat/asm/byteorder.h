/* SPDX-License-Identifier: BSD-2-Clause */
/* The byte order, as __LITTLE_ENDIAN or __BIG_ENDIAN and by conversion macros. */
#ifndef DMCOMPAT_ASM_BYTEORDER_H
#define DMCOMPAT_ASM_BYTEORDER_H

#include <sys/endian.h>

#if _BYTE_ORDER == _LITTLE_ENDIAN
#undef __BIG_ENDIAN
#ifndef __LITTLE_ENDIAN
#define __LITTLE_ENDIAN 1234
#endif
#else
#undef __LITTLE_ENDIAN
#ifndef __BIG_ENDIAN
#define __BIG_ENDIAN 4321
#endif
#endif

#define __cpu_to_le16(x) htole16(x)
#define __cpu_to_le32(x) htole32(x)
#define __cpu_to_le64(x) htole64(x)
#define __le16_to_cpu(x) le16toh(x)
#define __le32_to_cpu(x) le32toh(x)
#define __le64_to_cpu(x) le64toh(x)
#define __cpu_to_be16(x) htobe16(x)
#define __cpu_to_be32(x) htobe32(x)
#define __cpu_to_be64(x) htobe64(x)
#define __be16_to_cpu(x) be16toh(x)
#define __be32_to_cpu(x) be32toh(x)
#define __be64_to_cpu(x) be64toh(x)

#endif
