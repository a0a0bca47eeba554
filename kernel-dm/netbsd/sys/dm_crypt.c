/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): data that a target changes on their way (crypt), and AES for it.
 *
 * That takes too long for strategy and for the end of an I/O, so threads of their own do it (dm_own.c): what was read is
 * decrypted where it lies, what is written is encrypted in a copy. None of them waits for a gate or for I/O.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/atomic.h>
#include <sys/buf.h>
#include <sys/errno.h>
#include <sys/kmem.h>
#include <sys/systm.h>

#include "dm_glue.h"

#if DM_HAVE_AES
#include <crypto/aes/aes.h>
#endif

/* Starts a piece whose data the engine changes. When there is no memory, the request fails. */
void
dmk_io_transform(struct dm_io *io, const struct dmrs_piece *piece)
{
	struct dm_piece *pc;

	if (io->io_bio.op >= DMRS_FLUSH) {
		dmk_io_fail(io, EIO);
		return;
	}
	pc = dm_piece_new(io, piece, io->io_bio.op, (char *)io->io_bp->b_data + piece->offset * DM_SECTOR, false);
	if (pc == NULL) {
		dmk_io_fail(io, ENOMEM);
		return;
	}
	pc->pc_counted = pc->pc_crypt = true;
	atomic_inc_uint(&io->io_pending);
	if (pc->pc_op == DMRS_WRITE)
		dm_crypt_later(pc);
	else
		dm_piece_go(pc);
}

/* In a thread: encrypts and sends, or decrypts what has come. */
void
dm_crypt_do(struct dm_piece *pc)
{
	struct dm_io *io = pc->pc_io;
	void *data = pc->pc_buf->b_data;
	size_t length = (size_t)pc->pc.sectors * DM_SECTOR;
	int error;

	pc->pc_crypt = false;
	if (pc->pc_op == DMRS_WRITE) {
		pc->pc_copy = kmem_intr_alloc(length, KM_NOSLEEP);
		if (pc->pc_copy == NULL) {
			dm_piece_finish(pc, ENOMEM);
			return;
		}
		memcpy(pc->pc_copy, data, length);
		pc->pc_buf->b_data = data = pc->pc_copy;
	}
	error = dmrs_transform(io->io_table, &io->io_bio, &pc->pc, data);
	if (error == 0 && pc->pc_op == DMRS_WRITE)
		dm_piece_start(pc, 0);
	else
		dm_piece_finish(pc, error);
}

/* ---- AES ---- */

int
dmk_aes(void)
{
	return DM_HAVE_AES;
}

#if DM_HAVE_AES

/* A key, with all that is made of it. */
struct dm_aes {
	struct aesenc a_enc;
	struct aesdec a_dec;
	struct aesenc a_tweak;		/* of DMRS_XTS */
	uint32_t a_mode;
	uint32_t a_rounds;
};

static uint32_t
dm_aes_enckey(struct aesenc *enc, const uint8_t *key, size_t length)
{
	switch (length) {
	case 16:
		return aes_setenckey128(enc, key);
	case 24:
		return aes_setenckey192(enc, key);
	default:
		return aes_setenckey256(enc, key);
	}
}

static void
dm_aes_deckey(struct aesdec *dec, const uint8_t *key, size_t length)
{
	switch (length) {
	case 16:
		(void)aes_setdeckey128(dec, key);
		break;
	case 24:
		(void)aes_setdeckey192(dec, key);
		break;
	default:
		(void)aes_setdeckey256(dec, key);
		break;
	}
}

/* NULL for a key of a length that AES does not have. */
void *
dmk_aes_new(uint32_t mode, const uint8_t *key, size_t length)
{
	struct dm_aes *aes;

	if (mode == DMRS_XTS) {
		if (length % 2 != 0)
			return NULL;
		length /= 2;
	}
	if (length != 16 && length != 24 && length != 32)
		return NULL;
	aes = kmem_zalloc(sizeof(*aes), KM_SLEEP);
	aes->a_mode = mode;
	aes->a_rounds = dm_aes_enckey(&aes->a_enc, key, length);
	dm_aes_deckey(&aes->a_dec, key, length);
	if (mode == DMRS_XTS)
		(void)dm_aes_enckey(&aes->a_tweak, key + length, length);
	return aes;
}

void
dmk_aes_free(void *arg)
{
	explicit_memset(arg, 0, sizeof(struct dm_aes));
	kmem_free(arg, sizeof(struct dm_aes));
}

/* Encrypts or decrypts sectors in place: as many as the IVs, which are used up; DMRS_ECB has none. */
void
dmk_aes_run(const void *arg, int encrypt, uint8_t *ivs, size_t count, uint8_t *data, size_t length)
{
	const struct dm_aes *aes = arg;
	size_t size = aes->a_mode == DMRS_ECB ? 16 : length / MAX(count, 1);
	uint8_t *end = data + length;

	for (; size != 0 && (size_t)(end - data) >= size; data += size, ivs += 16) {
		switch (aes->a_mode) {
		case DMRS_XTS:
			aes_enc(&aes->a_tweak, ivs, ivs, aes->a_rounds);
			if (encrypt)
				aes_xts_enc(__UNCONST(&aes->a_enc), data, data, size, ivs, aes->a_rounds);
			else
				aes_xts_dec(__UNCONST(&aes->a_dec), data, data, size, ivs, aes->a_rounds);
			break;
		case DMRS_CBC:
			if (encrypt)
				aes_cbc_enc(__UNCONST(&aes->a_enc), data, data, size, ivs, aes->a_rounds);
			else
				aes_cbc_dec(__UNCONST(&aes->a_dec), data, data, size, ivs, aes->a_rounds);
			break;
		default:
			if (encrypt)
				aes_enc(&aes->a_enc, data, data, aes->a_rounds);
			else
				aes_dec(&aes->a_dec, data, data, aes->a_rounds);
			break;
		}
	}
}

#else

/* The engine asks dmk_aes first. */
void *
dmk_aes_new(uint32_t mode, const uint8_t *key, size_t length)
{
	return NULL;
}

void
dmk_aes_free(void *arg)
{
	panic("dm: no aes");
}

void
dmk_aes_run(const void *arg, int encrypt, uint8_t *ivs, size_t count, uint8_t *data, size_t length)
{
	panic("dm: no aes");
}

#endif
