/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): the border between the engine (Rust, dmrs_*) and the kernel (C, dmk_*), and what the C files share.
 * The other declaration of the border is src/hooks.rs, control.rs and data.rs. Errors are errno values of this kernel;
 * sectors have 512 bytes.
 */
#ifndef DM_GLUE_H
#define DM_GLUE_H

#include <sys/param.h>
#include <sys/types.h>
#include <sys/buf.h>
#include <sys/condvar.h>
#include <sys/conf.h>
#include <sys/disk.h>
#include <sys/mutex.h>
#include <sys/pool.h>
#include <sys/queue.h>

#define	DM_SECTOR		512
/* As in the table of device numbers that every NetBSD has. */
#define	DM_BMAJOR		169
#define	DM_CMAJOR		194
/* The control node; no device has this minor number. */
#define	DM_CONTROL_MINOR	0

/* Since NetBSD 10 the kernel has AES (aes(9)), with the processor's instructions if it has them. */
#ifndef DM_HAVE_AES
#define	DM_HAVE_AES	(__NetBSD_Version__ >= 1000000000)
#endif

/* ---- the border ---- */

#define	DMRS_READ	0
#define	DMRS_WRITE	1
#define	DMRS_FLUSH	2
#define	DMRS_DISCARD	3

/* How AES is used; dm_core::cipher::Mode. */
#define	DMRS_XTS	0
#define	DMRS_CBC	1
#define	DMRS_ECB	2

/* The request was not to arm the control node. */
#define	DMRS_NOT_ARMED	UINT64_MAX

#define	DMK_ANY_MINOR	UINT32_MAX
#define	DMK_NO_BYTE	UINT64_MAX

struct dmrs_bio {
	uint32_t op;
	uint32_t fua;
	uint64_t sector;
	uint64_t sectors;
};

struct dm_dev;
struct dm_io;
struct dm_part;
struct dm_piece;

struct dmrs_piece {
	uint64_t offset;		/* sectors from the request's first */
	uint64_t sectors;
	uint64_t sector;		/* first one on the component */
	uint32_t component;
	uint32_t delay_ms;
	uint64_t corrupt_byte;		/* index in the request's data that gets a value, or DMK_NO_BYTE */
	uint32_t corrupt_value;
	uint32_t minor;			/* of the mapped device below, when there is no part */
	struct dm_part *part;
};

struct dmk_part_info {
	uint64_t sectors;
	uint32_t sector_size;
	uint8_t writable;
	uint8_t discard;
	uint8_t pad[2];
};

/* A piece that a machine of the engine holds. */
struct dmk_held {
	struct dm_io *io;
	const void *table;		/* what the request entered */
	uint64_t offset;
	uint64_t sectors;
	uint32_t op;
	uint32_t pad;
};

void	dmrs_init(void);
int	dmrs_fini(void);
int	dmrs_ioctl(uint32_t, uint8_t *, size_t, int, uint64_t *, size_t *);
int	dmrs_plist(const uint8_t *, size_t, int, uint64_t *, void **, size_t *);
void	dmrs_free(void *, size_t);
void	dmrs_closed(uint64_t);
void	dmrs_event(uint64_t);
int	dmrs_start(struct dm_dev *, void *, struct dm_io *, const struct dmrs_bio *, const void **);
void	dmrs_delay_over(const void *, const struct dmrs_bio *, const struct dmrs_piece *);
int	dmrs_piece_failed(const void *, const struct dmrs_bio *, const struct dmrs_piece *);
int	dmrs_transform(const void *, const struct dmrs_bio *, const struct dmrs_piece *, void *);
void	dmrs_exit(struct dm_dev *, void *, const void *);
void	dmrs_ask(struct dm_piece *, const void *, const struct dmrs_bio *, uint64_t, uint64_t);
void	dmrs_own_done(void *, int);
int	dmrs_sync(struct dm_dev *, void *, const struct dmrs_bio *);
int	dmrs_dump(void *, uint64_t, uint64_t, void *);

void	*dmk_alloc(size_t);
void	dmk_free(void *, size_t);
void	dmk_panic(const char *, size_t) __dead;
void	dmk_log(const char *, size_t);
uint64_t dmk_now_ms(void);
void	dmk_sleep_ms(uint32_t);
void	dmk_control_lock(void);
void	dmk_control_unlock(void);
uint64_t dmk_changes(void);
void	dmk_changed(void);
void	dmk_events(uint64_t);
int	dmk_wait_changed(uint64_t);
uint32_t dmk_major(void);
int	dmk_dev_create(uint64_t, uint32_t *, void *, struct dm_dev **);
int	dmk_dev_remove(struct dm_dev *);
uint32_t dmk_dev_opens(struct dm_dev *);
void	dmk_dev_watch(struct dm_dev *, int);
void	dmk_dev_named(struct dm_dev *, const char *, size_t);
void	dmk_dev_configure(struct dm_dev *, uint64_t, uint32_t, int, int);
void	dmk_dev_lock(struct dm_dev *);
void	dmk_dev_unlock(struct dm_dev *);
void	dmk_dev_hold(struct dm_dev *, struct dm_io *);
void	dmk_dev_opened(struct dm_dev *);
void	dmk_dev_closed(struct dm_dev *);
void	dmk_dev_drained(struct dm_dev *);
int	dmk_dev_sleep(struct dm_dev *);
struct dm_dev *dmk_dev_find(uint32_t, void **);
void	dmk_dev_event(struct dm_dev *);
int	dmk_path(const char *, uint32_t *, uint32_t *);
int	dmk_part_open(uint32_t, uint32_t, struct dm_part **, struct dmk_part_info *);
void	dmk_part_close(struct dm_part *);
int	dmk_part_flush(struct dm_part *);
int	dmk_part_discard(struct dm_part *, uint64_t, uint64_t);
int	dmk_part_dump(struct dm_part *, uint64_t, void *, size_t);
int	dmk_io_piece(struct dm_io *, const struct dmrs_piece *, void *);
void	dmk_io_transform(struct dm_io *, const struct dmrs_piece *);
void	dmk_io_ask(struct dm_io *, uint64_t, uint64_t);
void	dmk_io_again(struct dm_io *);
void	dmk_held_info(const struct dm_piece *, struct dmk_held *);
const void *dmk_held_data(const struct dm_piece *);
void	dmk_held_send(struct dm_piece *, const struct dmrs_piece *, void *);
void	dmk_held_put(struct dm_piece *);
void	dmk_own_io(void *, uint32_t, const struct dmrs_piece *, void *);
void	dmk_own_wait(void *, uint32_t);
int	dmk_sync_io(struct dm_dev *, uint32_t, uint64_t, uint64_t);
void	dmk_event(uint64_t);
void	*dmk_lock_new(void);
void	dmk_lock_free(void *);
void	dmk_lock_enter(void *);
void	dmk_lock_exit(void *);
void	dmk_io_zero(struct dm_io *, uint64_t, uint64_t);
void	dmk_io_fail(struct dm_io *, int);
int	dmk_aes(void);
void	*dmk_aes_new(uint32_t, const uint8_t *, size_t);
void	dmk_aes_free(void *);
void	dmk_aes_run(const void *, int, uint8_t *, size_t, uint8_t *, size_t);

/* ---- what the C files share ---- */

/* A mapped device. */
struct dm_dev {
	LIST_ENTRY(dm_dev) d_hash;		/* dm_devs_lock */
	uint64_t d_id;
	uint32_t d_minor;
	void *d_volume;				/* the engine's, under d_lock */
	kmutex_t d_lock;			/* IPL_BIO */
	kcondvar_t d_cv;
	TAILQ_HEAD(, dm_io) d_held;		/* d_lock: requests that wait for the gate */
	bool d_bopen, d_copen;			/* dm_devs_lock */
	bool d_watch;				/* dm_devs_lock: the engine wants to know the last close */
	bool d_hurry;				/* dm_work_lock: the gate is closed, nothing is delayed */
	bool d_queued;				/* dm_work_lock: an event is on its way */
	TAILQ_ENTRY(dm_dev) d_event;		/* dm_work_lock */
	uint64_t d_sectors;			/* d_lock, as the two below */
	uint32_t d_secsize;
	bool d_readonly;
	struct disk d_disk;			/* d_lock for its counters */
	char d_xname[16];
};

/* A component; see dm_part.c. */
struct dm_part {
	struct vnode *p_vp;
	dev_t p_dev;
	int p_mode;
};

/* A request under way. */
struct dm_io {
	TAILQ_ENTRY(dm_io) io_held;
	struct buf *io_bp;
	struct dm_dev *io_dev;
	const void *io_table;		/* what the engine let it enter */
	struct dmrs_bio io_bio;
	volatile unsigned int io_pending;
	volatile unsigned int io_error;
	volatile unsigned int io_again;	/* it goes back to the gate when its pieces are done */
	unsigned int io_depth;
};

/* A piece of one, or I/O of a machine of the engine. */
struct dm_piece {
	TAILQ_ENTRY(dm_piece) pc_link;	/* dm_work_lock */
	struct dmrs_piece pc;
	struct dm_io *pc_io;		/* NULL for a machine's own */
	bool pc_counted;		/* the request is not complete before this is */
	bool pc_crypt;			/* its data are still to be changed */
	uint32_t pc_op;
	struct buf *pc_buf;		/* NULL while a machine is to be asked, holds it, or waits for a time */
	void *pc_copy;			/* changed copy of what is written */
	void *pc_own;			/* the engine's: a machine wants to know of the end */
	int pc_error;
	uint64_t pc_due;		/* milliseconds */
};

extern kmutex_t dm_devs_lock;
extern devmajor_t dm_cmajor;
extern const struct bdevsw dm_bdevsw;
extern const struct cdevsw dm_cdevsw;

void	dm_io_init(void);
int	dm_io_start_worker(void);
void	dm_io_fini(void);
void	dm_io_forget(struct dm_dev *);
void	dm_io_put(struct dm_io *);
void	dm_start(struct dm_dev *, struct buf *, uint32_t, uint64_t, uint64_t, unsigned int);
struct dm_piece *dm_piece_new(struct dm_io *, const struct dmrs_piece *, uint32_t, void *, bool);
struct dm_piece *dm_piece_bare(struct dm_io *);
void	dm_piece_start(struct dm_piece *, unsigned int);
void	dm_piece_go(struct dm_piece *);
void	dm_piece_finish(struct dm_piece *, int);
void	dm_piece_free(struct dm_piece *);
void	dm_own_init(void);
int	dm_own_start_workers(void);
void	dm_own_fini(void);
void	dm_machine_later(struct dm_piece *);
void	dm_sync_later(struct dm_piece *);
void	dm_crypt_later(struct dm_piece *);
void	dm_crypt_do(struct dm_piece *);
void	dm_strategy(struct buf *);
struct dm_dev *dm_lookup(dev_t);
int	dm_disk_ioctl(struct dm_dev *, dev_t, u_long, void *, int, struct lwp *);
int	dm_sync(struct dm_dev *, uint32_t, uint64_t, uint64_t);
int	dm_client_open(int);
void	dm_control_leave(void);
void	dm_control_init(void);
void	dm_control_fini(void);

#endif /* DM_GLUE_H */
