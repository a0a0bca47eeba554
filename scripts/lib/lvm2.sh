# Sourced by build-lvm2 and compat-tests/lvm2-unit-tests.

# lvm2_vars LIBRARY: sets the array vars, the make variables with which an LVM2 tree links LIBRARY instead of its own libdm.
lvm2_vars() {
  vars=(LIB_VERSION_DM=1.02.1 "INTERNAL_LIBS=\$(top_builddir)/libdaemon/client/libdaemonclient.a $1 \$(top_builddir)/base/libbase.a")
}
