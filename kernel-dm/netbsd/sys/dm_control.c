/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dm(4): the control node. Each open of it is a file of its own, which knows the events that its client has seen, so that
 * poll(2) tells the next one. Requests of both protocols: copy in, ask the engine, copy out.
 */
#include <sys/param.h>
#include <sys/types.h>
#include <sys/errno.h>
#include <sys/fcntl.h>
#include <sys/file.h>
#include <sys/filedesc.h>
#include <sys/ioccom.h>
#include <sys/kauth.h>
#include <sys/kmem.h>
#include <sys/poll.h>
#include <sys/proc.h>
#include <sys/select.h>
#include <sys/selinfo.h>
#include <sys/stat.h>
#include <sys/systm.h>

#include <prop/proplib.h>

#include "dm_glue.h"
#include "dm_ioctl.h"

/* An open control node. */
struct dm_client {
	LIST_ENTRY(dm_client) c_link;	/* dm_events_lock, as what follows */
	struct selinfo c_sel;
	uint64_t c_seen;		/* events that do not count any more */
};

static kmutex_t dm_events_lock;
static uint64_t dm_events;
static LIST_HEAD(, dm_client) dm_clients = LIST_HEAD_INITIALIZER(dm_clients);

/* The longest property list, as the stock driver has it. */
#define	DM_MAX_PLIST	(128 * 1024)
/* The longest buffer of the other protocol. */
#define	DM_MAX_BUFFER	(16 * 1024 * 1024)
/* Where struct dm_ioctl has its size, and how long it is. */
#define	DM_DATA_SIZE_AT	12
#define	DM_HEADER	312

static int
dm_privileged(void)
{
	return kauth_authorize_system(kauth_cred_get(), KAUTH_SYSTEM_DEVMAPPER, 0, NULL, NULL, NULL) == 0;
}

static int
dm_control_buffer(struct dm_netbsd_ioctl *request, uint64_t *armed)
{
	void *user = (void *)(uintptr_t)request->buffer;
	uint8_t head[DM_DATA_SIZE_AT + 4];
	uint32_t wanted;
	size_t length, used;
	uint8_t *buffer;
	int answer, error;

	if (request->length < sizeof(head))
		return EFAULT;
	error = copyin(user, head, sizeof(head));
	if (error != 0)
		return error;
	memcpy(&wanted, head + DM_DATA_SIZE_AT, sizeof(wanted));
	length = (size_t)MIN(request->length, MAX(wanted, DM_HEADER));
	if (length > DM_MAX_BUFFER)
		return ENOMEM;
	buffer = kmem_alloc(length, KM_SLEEP);
	error = copyin(user, buffer, length);
	if (error == 0) {
		answer = dmrs_ioctl(request->nr, buffer, length, dm_privileged(), armed, &used);
		error = used != 0 ? copyout(buffer, user, used) : 0;
		if (answer != 0)
			error = answer;
	}
	/* Requests may carry keys. */
	explicit_memset(buffer, 0, length);
	kmem_free(buffer, length);
	return error;
}

static int
dm_control_plist(struct plistref *ref, u_long cmd, uint64_t *armed)
{
	prop_dictionary_t dict;
	size_t length = ref->pref_len, reply_length;
	uint8_t *xml;
	void *reply;
	char *text;
	int error;

	if (length == 0 || length > DM_MAX_PLIST)
		return EINVAL;
	xml = kmem_alloc(length, KM_SLEEP);
	error = copyin(ref->pref_plist, xml, length);
	if (error == 0) {
		/* With or without its NUL. */
		error = dmrs_plist(xml, strnlen((const char *)xml, length), dm_privileged(), armed, &reply,
		    &reply_length);
	}
	explicit_memset(xml, 0, length);
	kmem_free(xml, length);
	if (error != 0)
		return error;

	text = kmem_alloc(reply_length + 1, KM_SLEEP);
	memcpy(text, reply, reply_length);
	text[reply_length] = '\0';
	dmrs_free(reply, reply_length);
	dict = prop_dictionary_internalize(text);
	explicit_memset(text, 0, reply_length);
	kmem_free(text, reply_length + 1);
	if (dict == NULL)
		return EIO;
	/* Makes a mapping in the caller, which unmaps it. */
	error = prop_dictionary_copyout_ioctl(ref, cmd, dict);
	prop_object_release(dict);
	return error;
}

static int
dm_client_ioctl(struct file *fp, u_long cmd, void *data)
{
	struct dm_client *client = fp->f_data;
	uint64_t armed = DMRS_NOT_ARMED;
	int error;

	switch (cmd) {
	case DM_NETBSD_PLIST:
		error = dm_control_plist(data, cmd, &armed);
		break;
	case DM_NETBSD_IOCTL:
		error = dm_control_buffer(data, &armed);
		break;
	case FIONBIO:
	case FIOASYNC:
		/* For fcntl(2) with F_SETFL; nothing here blocks by that. */
		return 0;
	default:
		return ENOTTY;
	}
	if (armed != DMRS_NOT_ARMED) {
		mutex_enter(&dm_events_lock);
		client->c_seen = armed;
		mutex_exit(&dm_events_lock);
	}
	return error;
}

static int
dm_client_poll(struct file *fp, int events)
{
	struct dm_client *client = fp->f_data;
	int ready = 0;

	events &= POLLIN | POLLRDNORM;
	if (events == 0)
		return 0;
	mutex_enter(&dm_events_lock);
	if (client->c_seen != dm_events)
		ready = events;
	else
		selrecord(curlwp, &client->c_sel);
	mutex_exit(&dm_events_lock);
	return ready;
}

static int
dm_client_stat(struct file *fp, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFCHR | 0660;
	st->st_nlink = 1;
	st->st_rdev = makedev(dm_cmajor, DM_CONTROL_MINOR);
	st->st_blksize = DEV_BSIZE;
	return 0;
}

static int
dm_client_close(struct file *fp)
{
	struct dm_client *client = fp->f_data;

	mutex_enter(&dm_events_lock);
	LIST_REMOVE(client, c_link);
	mutex_exit(&dm_events_lock);
	seldestroy(&client->c_sel);
	kmem_free(client, sizeof(*client));
	fp->f_data = NULL;
	dm_control_leave();
	return 0;
}

static const struct fileops dm_client_ops = {
#if __NetBSD_Version__ >= 1000000000
	.fo_name = "dm",
#endif
	.fo_read = fbadop_read,
	.fo_write = fbadop_write,
	.fo_ioctl = dm_client_ioctl,
	.fo_fcntl = fnullop_fcntl,
	.fo_poll = dm_client_poll,
	.fo_stat = dm_client_stat,
	.fo_close = dm_client_close,
	.fo_kqfilter = fnullop_kqfilter,
	.fo_restart = fnullop_restart
};

/* Makes the file of an open; EMOVEFD, which is how the system knows that it has one. */
int
dm_client_open(int flags)
{
	struct dm_client *client;
	struct file *fp;
	int error, fd;

	error = fd_allocfile(&fp, &fd);
	if (error != 0)
		return error;
	client = kmem_zalloc(sizeof(*client), KM_SLEEP);
	selinit(&client->c_sel);
	mutex_enter(&dm_events_lock);
	client->c_seen = dm_events;
	LIST_INSERT_HEAD(&dm_clients, client, c_link);
	mutex_exit(&dm_events_lock);
	return fd_clone(fp, fd, flags, &dm_client_ops, client);
}

/* So many events have happened. */
void
dmk_events(uint64_t count)
{
	struct dm_client *client;

	mutex_enter(&dm_events_lock);
	if (count != dm_events) {
		dm_events = count;
		LIST_FOREACH(client, &dm_clients, c_link)
			selnotify(&client->c_sel, POLLIN | POLLRDNORM, 0);
	}
	mutex_exit(&dm_events_lock);
}

void
dm_control_init(void)
{
	mutex_init(&dm_events_lock, MUTEX_DEFAULT, IPL_NONE);
	dm_events = 0;
}

void
dm_control_fini(void)
{
	KASSERT(LIST_EMPTY(&dm_clients));
	mutex_destroy(&dm_events_lock);
}
