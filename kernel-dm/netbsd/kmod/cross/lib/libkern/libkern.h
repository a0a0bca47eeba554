/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_LIB_LIBKERN_LIBKERN_H
#define DM_CROSS_LIB_LIBKERN_LIBKERN_H
#include <sys/types.h>

void	*memcpy(void *, const void *, size_t);
void	*memset(void *, int, size_t);
int	memcmp(const void *, const void *, size_t);
void	*explicit_memset(void *, int, size_t);
size_t	strlcpy(char *, const char *, size_t);
size_t	strlen(const char *);
size_t	strnlen(const char *, size_t);
int	strcmp(const char *, const char *);
int	strncmp(const char *, const char *, size_t);
int	snprintf(char *, size_t, const char *, ...) __printflike(3, 4);

#define	KASSERT(e)		((void)0)
#define	KASSERTMSG(e, ...)	((void)0)
#define	CTASSERT(e)		_Static_assert(e, #e)
#endif
