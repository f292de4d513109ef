/* Prints the checksum of what it reads. */
#include <stdio.h>
#include <zlib.h>

int
main (void)
{
  unsigned char buffer[4096];
  size_t length;
  uLong sum = crc32 (0, Z_NULL, 0);
  while ((length = fread (buffer, 1, sizeof buffer, stdin)) > 0)
    sum = crc32 (sum, buffer, length);
  printf ("%08lx\n", sum);
  return ferror (stdin) ? 1 : 0;
}
