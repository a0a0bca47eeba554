/*- SPDX-License-Identifier: BSD-2-Clause
 * A header of the kernel that is not installed: only what dm(4) needs of it, for the cross build (../README.md). */
#ifndef DM_CROSS_CRYPTO_AES_AES_H
#define DM_CROSS_CRYPTO_AES_AES_H
#include <sys/types.h>

/* Round keys of 14 rounds. */
struct aesenc { uint32_t e_keys[60]; } __aligned(16);
struct aesdec { uint32_t d_keys[60]; } __aligned(16);

uint32_t aes_setenckey128(struct aesenc *, const uint8_t *);
uint32_t aes_setenckey192(struct aesenc *, const uint8_t *);
uint32_t aes_setenckey256(struct aesenc *, const uint8_t *);
uint32_t aes_setdeckey128(struct aesdec *, const uint8_t *);
uint32_t aes_setdeckey192(struct aesdec *, const uint8_t *);
uint32_t aes_setdeckey256(struct aesdec *, const uint8_t *);
void	aes_enc(const struct aesenc *, const uint8_t *, uint8_t *, uint32_t);
void	aes_dec(const struct aesdec *, const uint8_t *, uint8_t *, uint32_t);
void	aes_cbc_enc(struct aesenc *, const uint8_t *, uint8_t *, size_t, uint8_t *, uint32_t);
void	aes_cbc_dec(struct aesdec *, const uint8_t *, uint8_t *, size_t, uint8_t *, uint32_t);
void	aes_xts_enc(struct aesenc *, const uint8_t *, uint8_t *, size_t, uint8_t *, uint32_t);
void	aes_xts_dec(struct aesdec *, const uint8_t *, uint8_t *, size_t, uint8_t *, uint32_t);
#endif
