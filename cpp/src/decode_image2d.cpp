#include "dmcnn/decode_image2d.hpp"

#include "dmcnn/collect.hpp"

namespace dmcnn {

namespace {

constexpr std::int64_t kHeader = 6;
constexpr std::int64_t kByteCount = 0x40000000;
constexpr unsigned kMemberWise = 0x4000;
constexpr const char* kEntry = "entry";

struct Image {
    const unsigned char* pixels;
    std::int64_t count;
};

using std::to_string;

void check_header(const unsigned char* entry, std::int64_t size, std::int64_t e) {
    if (size < kHeader) refuse(kEntry, e, "length", to_string(size), "at least 6 bytes");
    const std::int64_t count = load_big_u32(entry);
    if (count != kByteCount + size - 4)
        refuse(kEntry, e, "byte count", to_string(count), to_string(kByteCount + size - 4) + " (2^30 + length - 4)");
    const unsigned version = unsigned{entry[4]} << 8 | entry[5];
    if (version & kMemberWise)
        refuse(kEntry, e, "version", to_string(version), "bit 14 clear (not streamed member-wise)");
}

/// Fills `images` with what one entry holds; the images must end where the entry ends.
void find_images(const unsigned char* entry, std::int64_t size, std::int64_t e, std::vector<Image>& images) {
    check_header(entry, size, e);
    images.clear();
    for (std::int64_t at = kHeader; at < size;) {
        const auto number = [&] { return " of image " + to_string(images.size()); };
        if (size - at < 4) refuse(kEntry, e, "bytes left", to_string(size - at), "the 4 of the count" + number());
        const auto count = static_cast<std::int64_t>(static_cast<std::int32_t>(load_big_u32(entry + at)));
        at += 4;
        if (count < 0 || count > (size - at) / 4)
            refuse(kEntry, e, "count", to_string(count) + number(), "0 to " + to_string((size - at) / 4));
        images.push_back({entry + at, count});
        at += 4 * count;
    }
}

}  // namespace

Sparse decode_image2d(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n,
                      const std::int64_t* position, const std::int64_t* rows, const std::int64_t* cols,
                      const Shape& shape, const Bounds& bounds, bool flip_rows) {
    Collector collector(n, shape, bounds);
    std::vector<Image> images;
    for (std::int64_t e = 0; e < n; ++e) {
        const std::int64_t start = entries[e], stop = entries[e + 1];
        if (start < 0 || stop < start || stop > nbytes)
            refuse(kEntry, e, "bytes", to_string(start) + " to " + to_string(stop),
                   "increasing positions in " + to_string(nbytes) + " bytes");
        find_images(data + start, stop - start, e, images);
        for (std::int64_t c = 0; c < shape.channels; ++c) {
            const std::int64_t cell = e * shape.channels + c, which = position[cell];
            if (which == -1) continue;
            if (which < 0 || which >= static_cast<std::int64_t>(images.size()))
                refuse(kEntry, e, "image number", to_string(which),
                       "-1 or less than its " + to_string(images.size()) + " images");
            const Image& image = images[static_cast<std::size_t>(which)];
            const Layout layout{rows[cell], cols[cell], false, flip_rows};
            const std::int64_t expected = count_pixels(kEntry, e, layout.rows, layout.cols);
            if (image.count != expected)
                refuse(kEntry, e, "count", to_string(image.count) + " of image " + to_string(which),
                       to_string(layout.rows) + " rows x " + to_string(layout.cols) + " cols");
            collector.add<load_big>(c, image.pixels, layout);
        }
        collector.end_image();
    }
    return collector.take();
}

}  // namespace dmcnn
