/* flags: -lside */
/* Calls into libside.so. */
int side_double(int n);
int side_half(int n);

int main(void) { return side_double(4) - 2 * side_half(8); }
