#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "dmcnn/sparse.hpp"

namespace dmcnn {

inline std::uint32_t load_big_u16(const unsigned char* at) { return std::uint32_t{at[0]} << 8 | at[1]; }

inline std::uint32_t load_big_u32(const unsigned char* at) { return load_big_u16(at) << 16 | load_big_u16(at + 2); }

inline std::uint64_t load_big_u64(const unsigned char* at) {
    return std::uint64_t{load_big_u32(at)} << 32 | load_big_u32(at + 4);
}

inline float load_big(const unsigned char* at) {
    const std::uint32_t bits = load_big_u32(at);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

/// float32 pixels as ROOT stores them, see Native.
struct BigEndian {
    static std::uint32_t bits(const unsigned char* at) { return load_big_u32(at); }
    static unsigned char top(const unsigned char* at) { return at[0]; }
};

/// Header of a member-wise streamed vector of ROOT.
struct MemberWise {
    std::uint32_t checksum;   ///< checksum of the class whose members follow
    std::int64_t left_after;  ///< bytes of the entry after the vector
};

/// Entry of a ROOT branch (big-endian bytes), read from front to back and never beyond its end. For anything that
/// does not fit, std::invalid_argument names the entry, the value found and the value expected.
class Entry {
  public:
    /// Entry `number` is data[entries[number]:entries[number+1]], within nbytes.
    Entry(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t number);

    /// Returns the number of bytes not yet read.
    std::int64_t left() const { return end_ - at_; }

    /// Reads the next n bytes; the error names them `what` if the entry is shorter.
    const unsigned char* take(std::int64_t n, const char* what);

    /// Reads an i32 number of objects of at least `size` bytes each, which must fit into the remaining bytes.
    std::int64_t count(std::int64_t size, const char* what);

    /// Reads u32 byte count, which must be that of the entry, and u16 version with bit 14 clear.
    void object_header();

    /// Reads u32 byte count, u16 version with bit 14 set, u16 class version 0, u32 checksum.
    MemberWise member_wise_header();

    /// Throws unless a vector ends where its byte count states.
    void expect_left(std::int64_t stated, std::int64_t actual) const;

    [[noreturn]] void fail(const char* what, const std::string& found, const std::string& expected) const;

  private:
    const unsigned char* at_ = nullptr;
    const unsigned char* end_ = nullptr;
    std::int64_t number_;
};

}  // namespace dmcnn
