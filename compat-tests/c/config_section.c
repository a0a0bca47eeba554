/* dm_config_parse_only_section, which old releases do not have: config_section.out is what 1.02.205 printed. */
#define WITH_ONLY_SECTION
#include "config.c"
