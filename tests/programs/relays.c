/* flags: -no-pie */
/* lingers, but for the name of its function: both have theirs at the same address. */
#define NAME "halved"
#include "lingers.c"
