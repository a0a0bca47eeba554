/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_SYS_WORKQUEUE_H
#define DM_CROSS_SYS_WORKQUEUE_H
struct work {
	void *wk_dummy;
};
#endif
