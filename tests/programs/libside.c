/* A shared library with two functions of its own. */
int side_double(int n) { return 2 * n; }
int side_half(int n) { return n / 2; }
