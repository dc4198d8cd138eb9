// Fuzz targets of the decoders: whatever the bytes say, std::invalid_argument or a result that fits together.
//
//     CXX=clang++ cmake -S . -B build/fuzz -DDMCNN_FUZZ=ON -DDMCNN_SANITIZE=address,undefined
//     cmake --build build/fuzz
//     build/fuzz/seeds build/fuzz/corpus                # one folder of tiny valid inputs per target
//     build/fuzz/fuzz_decode_image2d -max_total_time=600 -max_len=1024 build/fuzz/corpus/decode_image2d
//
// An input is kControls bytes that choose the arguments, then the bytes of two entries. A finding becomes a case in
// cpp/tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <vector>

constexpr std::size_t kControls = 8;

/// Two entries: data[0:entries[1]] and the rest. Lies in an allocation of just its size.
struct Input {
    std::vector<std::uint8_t> controls, data;
    std::vector<std::int64_t> entries;

    /// controls[0]: bit 0 mends the byte count of both entries, without which few mutations get past the first
    /// check. controls[1]: bytes of the second entry.
    Input(const std::uint8_t* bytes, std::size_t size)
        : controls(bytes, bytes + kControls), data(bytes + kControls, bytes + size) {
        const std::size_t second = controls[1] < data.size() ? controls[1] : data.size();
        const auto end = static_cast<std::int64_t>(data.size());
        entries = {0, end - static_cast<std::int64_t>(second), end};
        if (controls[0] & 1) {
            mend(0, data.size() - second);
            mend(data.size() - second, data.size());
        }
    }

    std::int64_t size() const { return static_cast<std::int64_t>(data.size()); }

  private:
    void mend(std::size_t start, std::size_t stop) {
        if (stop - start < 4) return;
        const std::size_t count = 0x40000000U | (stop - start - 4);
        for (std::size_t i = 0; i < 4; ++i) data[start + i] = static_cast<std::uint8_t>(count >> (24 - 8 * i));
    }
};

/// Stops the fuzzer when a result breaks its contract.
inline void expect(bool kept) {
    if (!kept) std::abort();
}

template <class Size>
void expect_offsets(const std::vector<std::int64_t>& offsets, Size owned) {
    expect(!offsets.empty() && offsets.front() == 0);
    expect(offsets.back() == static_cast<std::int64_t>(owned));
    for (std::size_t i = 1; i < offsets.size(); ++i) expect(offsets[i - 1] <= offsets[i]);
}

/// Calls body(Input), which may refuse it, and only that.
template <class Body>
int attempt(const std::uint8_t* bytes, std::size_t size, const Body& body) {
    if (size < kControls) return -1;
    const Input input(bytes, size);
    try {
        body(input);
    } catch (const std::invalid_argument&) {
    }
    return 0;
}
