/*
 * What report.c cannot compare with Debian's 1.02.185: functions that are newer, and defects of the reference that the
 * specification says not to copy. report_newer.out was checked against the specification, and what 1.02.205 has against
 * that release.
 */
#define CASES "report_newer-cases.h"
#define GENERATED 0
#include "report.c"
