#include "dmcnn/entry.hpp"

namespace dmcnn {

namespace {

constexpr std::int64_t kByteCount = 0x40000000;
constexpr std::uint32_t kMemberWise = 0x4000;
using std::to_string;

}  // namespace

Entry::Entry(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t number)
    : number_(number) {
    const std::int64_t start = entries[number], stop = entries[number + 1];
    if (start < 0 || stop < start || stop > nbytes)
        fail("bytes", to_string(start) + " to " + to_string(stop),
             "increasing positions in " + to_string(nbytes) + " bytes");
    at_ = data + start;
    end_ = data + stop;
}

void Entry::fail(const char* what, const std::string& found, const std::string& expected) const {
    refuse("entry", number_, what, found, expected);
}

const unsigned char* Entry::take(std::int64_t n, const char* what) {
    if (left() < n) fail("bytes left", to_string(left()), "the " + to_string(n) + " of " + what);
    const unsigned char* taken = at_;
    at_ += n;
    return taken;
}

std::int64_t Entry::count(std::int64_t size, const char* what) {
    const auto n = static_cast<std::int64_t>(static_cast<std::int32_t>(load_big_u32(take(4, what))));
    if (n < 0 || n > left() / size) fail(what, to_string(n), "0 to " + to_string(left() / size));
    return n;
}

void Entry::object_header() {
    const std::int64_t size = left();
    if (size < 6) fail("length", to_string(size), "at least 6 bytes");
    const std::int64_t bytes = load_big_u32(take(4, "byte count"));
    if (bytes != kByteCount + size - 4)
        fail("byte count", to_string(bytes), to_string(kByteCount + size - 4) + " (2^30 + length - 4)");
    const std::uint32_t version = load_big_u16(take(2, "version"));
    if (version & kMemberWise) fail("version", to_string(version), "bit 14 clear (not streamed member-wise)");
}

MemberWise Entry::member_wise_header() {
    const unsigned char* header = take(12, "a member-wise header");
    const std::int64_t bytes = std::int64_t{load_big_u32(header)} - kByteCount;
    if (bytes < 8 || bytes - 8 > left())
        fail("byte count", to_string(bytes + kByteCount), "2^30 + 8 to 2^30 + " + to_string(left() + 8));
    const std::uint32_t version = load_big_u16(header + 4), class_version = load_big_u16(header + 6);
    if (!(version & kMemberWise)) fail("version", to_string(version), "bit 14 set (streamed member-wise)");
    if (class_version != 0) fail("class version", to_string(class_version), "0 (a checksum follows)");
    return {load_big_u32(header + 8), left() - (bytes - 8)};
}

void Entry::expect_left(std::int64_t stated, std::int64_t actual) const {
    if (stated != actual)
        fail("byte count", "that leaves " + to_string(stated) + " bytes", to_string(actual) + " to be left");
}

}  // namespace dmcnn
