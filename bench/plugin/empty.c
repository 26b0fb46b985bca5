/* The floor of every whole-process figure: a program that does nothing, linked statically. */
int main(void) { return 0; }
