/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_SYS_KAUTH_H
#define DM_CROSS_SYS_KAUTH_H
#include <sys/types.h>

typedef struct kauth_cred *kauth_cred_t;
typedef uint32_t kauth_action_t;

/* Its place among the actions of the scope "system". */
enum kauth_system_action {
	KAUTH_SYSTEM_DEVMAPPER = 22
};
enum kauth_system_req {
	KAUTH_REQ_SYSTEM_NONE
};

kauth_cred_t kauth_cred_get(void);
int	kauth_authorize_system(kauth_cred_t, kauth_action_t, enum kauth_system_req, void *, void *, void *);
#endif
