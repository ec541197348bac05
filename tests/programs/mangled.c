/* Functions with the names that a C++ compiler gives, so that none is needed:
 * math::add(int, int), math::add(long, long), math::negate(int), Stack<int>::push(int), plain. */
int add_ints(int a, int b) __asm__("_ZN4math3addEii");
long add_longs(long a, long b) __asm__("_ZN4math3addEll");
int negate(int a) __asm__("_ZN4math6negateEi");
int push(void *self, int value) __asm__("_ZN5StackIiE4pushEi");

int add_ints(int a, int b) { return a + b; }
long add_longs(long a, long b) { return a + b; }
int negate(int a) { return -a; }
int push(void *self, int value) { return self != 0 && value; }
int plain(int a) { return a; }

int main(void)
{
	int sum = add_ints(3, 4) + (int)add_longs(30, 40) + negate(5) + push(&sum, 6) + plain(7);
	return sum == 80 ? 0 : 1;
}
