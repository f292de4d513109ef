#pragma once
#include <string>

// How many bytes a text takes when it is compressed.
unsigned long gauge(const std::string &text);
