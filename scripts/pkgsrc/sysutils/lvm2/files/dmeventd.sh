#!@RCD_SCRIPTS_SHELL@
#
# $NetBSD$
#
# The daemon that watches volumes whose targets report events, such as snapshots that fill up.
#
# PROVIDE: dmeventd
# REQUIRE: lvm mountcritlocal syslogd
# KEYWORD: shutdown
#
# dmeventd=YES in rc.conf.

. /etc/rc.subr

name="dmeventd"
rcvar=$name
command="@PREFIX@/sbin/dmeventd"
pidfile="@VARBASE@/run/dmeventd.pid"
lvm_command="@PREFIX@/sbin/lvm"
start_postcmd="dmeventd_monitor y"
stop_precmd="dmeventd_monitor n"

dmeventd_monitor()
{
	# Volumes say to dmeventd themselves what is to be watched.
	"$lvm_command" vgchange --config 'activation{monitoring=1}' --monitor $1
}

load_rc_config $name
run_rc_command "$1"
