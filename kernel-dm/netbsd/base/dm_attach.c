/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4) as "pseudo-device dm" of a kernel: config(1) wants this function. The driver starts as all modules do, those built
 * in before the first process.
 */
#include <sys/param.h>
#include <sys/systm.h>

void	dmattach(int);

void
dmattach(int count)
{
}
