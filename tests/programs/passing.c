/* Functions whose parameters are not simply one to a register: structs by value in one register, in two, and on the
 * stack, fractions in between, and a result that takes the first register. */
struct small {
	int a;
	short b;
};
struct pair {
	long x, y;
};
struct mixed {
	double d;
	int n;
};
struct large {
	long v[4];
	int w;
};

__attribute__((noinline)) int by_value(struct small s, int after) { return s.a + after; }
__attribute__((noinline)) long by_pair(struct pair p, int after) { return p.x + after; }
__attribute__((noinline)) int by_mixed(struct mixed m, int after) { return m.n + after; }
__attribute__((noinline)) long by_memory(struct large b, int after, struct pair p) { return b.w + after + p.x; }
__attribute__((noinline)) int fractions(double x, int y, float z, signed char w) { return y + w; }
__attribute__((noinline)) struct large returned(int n, short m)
{
	struct large result = {{n, m}, 3};
	return result;
}
__attribute__((noinline)) long too_many(struct pair p, struct pair q, struct pair r, struct pair s, int t)
{
	return p.x + q.x + r.x + s.x + t;
}

int main(void)
{
	struct small s = {5, -6};
	struct pair p = {8, 9}, q = {10, 11}, r = {12, 13}, t = {14, 15};
	struct mixed m = {1.5, 21};
	struct large l = {{1, 2, 3, 4}, 12};
	long sum = by_value(s, 7) + by_pair(p, 10) + by_mixed(m, 22) + by_memory(l, 13, p) + fractions(1.0, 3, 2.0f, -4);
	return sum + returned(31, -32).w + too_many(p, q, r, t, 16) == -1;
}
