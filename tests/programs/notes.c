/* USDT probes of a provider `demo`, with their notes written out, so that no header of systemtap is needed.
 * notes N: N rounds, 20 ms apart, of demo:step, of demo:guarded (only while somebody has raised its semaphore), and of
 * demo:twice, which has two places. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define BASE                                                                                                           \
	".ifndef _.stapsdt.base\n\t.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"              \
	"\t.weak _.stapsdt.base\n\t.hidden _.stapsdt.base\n_.stapsdt.base: .space 1\n"                                 \
	"\t.size _.stapsdt.base, 1\n\t.popsection\n\t.endif\n"
#define NOTE(name, semaphore, arguments)                                                                               \
	"990:\tnop\n\t.pushsection .note.stapsdt,\"\",\"note\"\n\t.balign 4\n"                                         \
	"\t.4byte 992f-991f, 994f-993f, 3\n991:\t.asciz \"stapsdt\"\n992:\t.balign 4\n"                                \
	"993:\t.8byte 990b, _.stapsdt.base, " semaphore "\n\t.asciz \"demo\"\n\t.asciz \"" name "\"\n"                 \
	"\t.asciz \"" arguments "\"\n994:\t.balign 4\n\t.popsection\n" BASE

__attribute__((section(".probes"), used)) volatile unsigned short demo_guarded_semaphore;

struct table {
	int32_t cells[4];
};

static int guarded_rounds;

static void once(int32_t round, const char *text, uint8_t small, struct table *table, volatile int16_t *near)
{
	/* a register, a register, a constant, memory with a displacement, a byte, memory with an index, two signs */
	(void)*(volatile const char *)text; /* a probe reads only what is in memory */
	__asm__ volatile(NOTE("step", "0", "-4@%k[round] 8@%[text] -4@$-7 -4@8(%[table]) 1@%b[small] -4@4(%[table],%[two],4) -2@%[near]")
			 :
			 : [round] "r"(round), [text] "r"(text), [table] "r"(table), [small] "r"(small), [two] "r"(2L),
			   [near] "m"(*near));
	if (demo_guarded_semaphore) {
		guarded_rounds++;
		__asm__ volatile(NOTE("guarded", "demo_guarded_semaphore", "-4@%k[round]") : : [round] "r"(guarded_rounds));
	}
	__asm__ volatile(NOTE("twice", "0", "-4@$1"));
	__asm__ volatile(NOTE("twice", "0", "-4@$2"));
}

int main(int argc, char **argv)
{
	struct table table = {{10, 20, 30, 40}};
	struct timespec pause = {0, 20000000};
	volatile int16_t near = -300;
	for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++) {
		once(i, "text", 200, &table, &near);
		nanosleep(&pause, NULL);
	}
	return guarded_rounds ? 7 : 0; /* whether the semaphore was seen */
}
