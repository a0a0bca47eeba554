//! Questions answered by sysfs and /proc: names, holders, mounts, majors.
