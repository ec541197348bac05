/* flags: -no-pie -Wl,--section-start=.watched=0x10000000 -Wl,--section-start=.executed=0x11000000 */
/* A variable at 0x10000000 that is written three times and read once more, and a function at 0x11000000. */
__attribute__((section(".watched"))) volatile long watched = 1;

__attribute__((section(".executed"), noinline)) long executed(long n)
{
	return n + 1;
}

int main(void)
{
	watched = 2;
	watched = executed(watched);
	watched = 4;
	return watched == 4 ? 0 : 1;
}
