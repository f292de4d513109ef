#include "gauge.h"

int main() { return gauge(std::string(1000, 'a')) < 100 ? 0 : 1; }
