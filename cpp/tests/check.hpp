#pragma once

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

/// Unlike assert, checks in every build type and goes on, so that one run shows every fault.
inline int failures = 0;

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            ++failures;                                                          \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                        \
    } while (false)

/// Whether call() throws std::invalid_argument with a message that contains `part`.
template <class Call>
bool refused(const char* part, Call call) {
    try {
        call();
    } catch (const std::invalid_argument& error) {
        if (std::string(error.what()).find(part) != std::string::npos) return true;
        std::fprintf(stderr, "said instead: %s\n", error.what());
    }
    return false;
}
