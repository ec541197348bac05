/* flags: -O1 -fomit-frame-pointer -fno-optimize-sibling-calls */
/* A library for dlopen, without frame pointers. */
static volatile int calls;

void late_call(void (*function)(void))
{
	function();
	calls++;
}
