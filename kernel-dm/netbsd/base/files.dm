# files.dm: device-mapper for config(1). sys/conf/files includes it in place of dev/dm/files.dm; see INSTALL.
#
# engine.o is compiled outside of the kernel's build: NetBSD's tree has no Rust compiler.

defpseudo dm:	disk, aes
file	external/bsd/dm/sys/dm.c		dm
file	external/bsd/dm/sys/dm_attach.c		dm
file	external/bsd/dm/sys/dm_control.c	dm
file	external/bsd/dm/sys/dm_crypt.c		dm
file	external/bsd/dm/sys/dm_io.c		dm
file	external/bsd/dm/sys/dm_ioctl.c		dm
file	external/bsd/dm/sys/dm_own.c		dm
file	external/bsd/dm/sys/dm_part.c		dm
object	external/bsd/dm/engine/engine.o		dm
