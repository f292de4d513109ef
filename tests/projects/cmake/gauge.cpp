#include "gauge.h"
#include <vector>
#include <zlib.h>

unsigned long gauge(const std::string &text) {
  uLongf length = compressBound(text.size());
  std::vector<Bytef> packed(length);
  compress(packed.data(), &length, reinterpret_cast<const Bytef *>(text.data()), text.size());
  return length;
}
