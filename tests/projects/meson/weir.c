/* Says whether the library that runs is the one it was built with. */
#include <string.h>
#include <zlib.h>

int main(void) { return strcmp(zlibVersion(), ZLIB_VERSION) != 0; }
