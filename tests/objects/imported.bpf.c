/* Functions that scripts of the tests import: calls inside and outside of a section, data of every kind, maps, callbacks,
 * and a structure whose layout is not the kernel's until the loader has looked. */
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, unsigned long long flags) = (void *)2;
static long (*read_kernel)(void *to, unsigned size, const void *from) = (void *)113;
static long (*loop)(unsigned count, void *body, void *context, unsigned long long flags) = (void *)181;

enum color { RED, GREEN };
struct point { int x; long y; };
struct task_struct { int tgid; } __attribute__((preserve_access_index));

struct {
	__uint(type, 1); /* a hash */
	__uint(max_entries, 64);
	__type(key, unsigned);
	__type(value, unsigned long long);
} counts SEC(".maps");

unsigned long long calls = 40;
unsigned long long zeros[4];
const int table[4] = {10, 20, 30, 40};

static __attribute__((noinline)) int helper(int a, int b) { return a * b + 3; }
static int step(unsigned i, unsigned long long *sum) { *sum += i; return 0; }

int add_one(int value) { return value + 1; }
unsigned char narrow(unsigned char value) { return value + 1; }
_Bool is_big(long value) { return value > 100; }
enum color other(enum color c) { return c == RED ? GREEN : RED; }
void nothing(int value) { zeros[1] += value; }
unsigned long long noted(void) { return zeros[1]; }
unsigned long long bump(unsigned long long by) { calls += by; return calls; }
int look(int at) { return at < 0 || at > 3 ? -1 : table[at]; }
int both(int a, int b) { return helper(a, b) + helper(b, a + 1); }
long added(struct point *p) { return p ? p->x + p->y : -1; }
const char *word(void) { return "constant"; }
int five(int a, int b, int c, int d, int e) { return a + 10 * (b + 10 * (c + 10 * (d + 10 * e))); }
unsigned long long total(unsigned count) { unsigned long long sum = 0; loop(count, step, &sum, 0); return sum; }

unsigned long long seen(unsigned key)
{
	unsigned long long one = 1, *known = map_lookup(&counts, &key);
	if (known)
		return ++*known;
	map_update(&counts, &key, &one, 0);
	return one;
}

int tgid_of(struct task_struct *task)
{
	int tgid = 0;
	read_kernel(&tgid, sizeof(tgid), &task->tgid);
	return tgid;
}

int bad(unsigned at) { return ((volatile int *)table)[at]; } /* no verifier takes this */
