// Functions with parameters of every shape that debug information describes; read by tests/live/test_debuginfo.py.
#include <cstdint>

#ifdef __clang__
#define KEEP __attribute__((noinline))
#else
#define KEEP __attribute__((noipa)) // no copies of a function that take fewer parameters
#endif

namespace shapes {
struct Small { int a; short b; };
struct Pair { long x; long y; };
struct Large { long v[4]; int w; };
struct Bits { unsigned a : 3; int b : 5; unsigned long c : 40; bool d : 1; };
struct Base { int base_field; virtual ~Base() {} };
union Either { int i; float f; char c[8]; };
struct Anonymous {
	int k;
	union { int ia; unsigned short sa[2]; };
	struct { char p, q; } named;
	struct { int deep; };
};
enum Color { RED = 3, GREEN };
enum class Wide : uint8_t { A = 7 };
struct Derived : Base {
	int own;
	const char *name;
	Small nested, list[3];
	Color color;
	Wide wide;
	bool flag;
	double fraction;
};
template <typename T> struct Box {
	T value;
	KEEP T get(T plus) const { return value + plus; }
};
class Worker {
public:
	int member;
	static int common;
	int method(int x, const char *text);
};
int Worker::common = 4;

KEEP int Worker::method(int x, const char *text) { asm volatile(""); return x + member + (text ? 1 : 0); }
KEEP int by_value(Small s, int after) { asm volatile(""); return s.a + after; }
KEEP long by_pair(Pair p, int after) { asm volatile(""); return p.x + after; }
KEEP long by_memory(Large l, int after) { asm volatile(""); return l.w + after; }
KEEP int by_copy(Derived d, int after) { asm volatile(""); return d.own + after; }
KEEP int by_pointer(Derived *d, const Anonymous *n, Bits *b, Either &e, Color c, Wide w) { asm volatile(""); return d->own; }
}

int main()
{
	using namespace shapes;
	Derived d;
	d.base_field = 11, d.own = 22, d.name = "name", d.nested = {33, 44}, d.list[1] = {55, 66};
	d.color = GREEN, d.wide = Wide::A, d.flag = true, d.fraction = 1.5;
	Anonymous n;
	n.k = 1, n.ia = 0x20003, n.named.p = 'p', n.named.q = 'q', n.deep = 99;
	Bits b;
	b.a = 5, b.b = 3, b.c = 0x123456789aUL, b.d = true;
	Either e;
	e.i = 77;
	Worker worker;
	worker.member = 8;
	Box<int> box{40};
	long sum = worker.method(2, "text") + by_value({5, 6}, 7) + by_pair({8, 9}, 10) + by_memory({{1, 2, 3, 4}, 12}, 13);
	return sum + by_copy(d, 14) + by_pointer(&d, &n, &b, e, RED, Wide::A) + box.get(2) == -1;
}
