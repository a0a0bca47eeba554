#!@RCD_SCRIPTS_SHELL@
#
# $NetBSD$
#
# Activates all logical volumes before file systems are checked, and deactivates them at the end.
#
# PROVIDE: lvm
# REQUIRE: root
# BEFORE: DISKS
# KEYWORD: shutdown
#
# lvm=YES in rc.conf. lvm_vgs may name volume groups, otherwise all are activated.

. /etc/rc.subr

name="lvm"
rcvar=$name
start_cmd="lvm_start"
stop_cmd="lvm_stop"
status_cmd="lvm_status"
extra_commands="status"
lvm_command="@PREFIX@/sbin/lvm"

lvm_check()
{
	if [ ! -x "$lvm_command" ]; then
		warn "$lvm_command is not there (yet)"
		return 1
	fi
	if ! @PREFIX@/sbin/dmsetup version >/dev/null 2>&1; then
		warn "the kernel has no device-mapper"
		return 1
	fi
}

lvm_start()
{
	lvm_check || return 1
	echo "Activating logical volumes."
	# /var may not be there or not be writable yet: --sysinit does without locks, polling and dmeventd.
	"$lvm_command" vgchange --sysinit -a y ${lvm_vgs}
}

lvm_stop()
{
	lvm_check || return 1
	echo "Deactivating logical volumes."
	# What is mounted or in use stays active.
	"$lvm_command" vgchange --sysinit -a n ${lvm_vgs} || return 0
}

lvm_status()
{
	"$lvm_command" lvs -o vg_name,lv_name,lv_attr,lv_size
}

load_rc_config $name
: ${lvm_vgs:=}
run_rc_command "$1"
