/* Structs with bit-fields, a flexible array, an enumeration, and a list whose second element ends it with addresses that
 * nobody has mapped. */
struct item {
	int a;
	short b;
};
struct bits {
	unsigned a : 3;
	int b : 5;
	unsigned long c : 40;
	_Bool d : 1;
};
struct list {
	int n;
	char name[12];
	struct item items[];
};
enum color { RED = 3, GREEN };
struct node {
	struct node *next;
	int v;
	const char *text;
};

static struct {
	struct list head;
	struct item items[3];
} list = {{3, "listed"}, {{1, 2}, {3, 4}, {5, 6}}};

__attribute__((noinline)) int takes(struct bits *b, struct list *l, enum color c, struct node *next)
{
	return b->a + l->n + (int)c + next->v;
}

int main(void)
{
	struct bits bits = {5, 3, 0x123456789aUL, 1};
	struct node second = {(struct node *)16, 20, "second"}, first = {&second, 10, (const char *)32};
	return takes(&bits, &list.head, GREEN, &first) == -1;
}
