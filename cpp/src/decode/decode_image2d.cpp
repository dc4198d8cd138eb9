#include "dmcnn/decode_image2d.hpp"

#include "dmcnn/collect.hpp"
#include "dmcnn/entry.hpp"

namespace dmcnn {

namespace {

struct Image {
    const unsigned char* pixels;
    std::int64_t count;
};

using std::to_string;

/// Adds the images of one entry to `images`; they must end where the entry ends.
void find_images(Entry& entry, std::vector<Image>& images) {
    entry.object_header();
    images.clear();
    while (entry.left() > 0) {
        const std::int64_t count = entry.count(4, "count of pixels");
        images.push_back({entry.take(4 * count, "pixels"), count});
    }
}

}  // namespace

Sparse decode_image2d(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n,
                      const std::int64_t* position, const std::int64_t* rows, const std::int64_t* cols,
                      const Shape& shape, const Bounds& bounds, bool flip_rows) {
    Collector collector(n, shape, bounds);
    std::vector<Image> images;
    for (std::int64_t e = 0; e < n; ++e) {
        Entry entry(data, nbytes, entries, e);
        find_images(entry, images);
        for (std::int64_t c = 0; c < shape.channels; ++c) {
            const std::int64_t cell = e * shape.channels + c, which = position[cell];
            if (which == -1) continue;
            if (which < 0 || which >= static_cast<std::int64_t>(images.size()))
                entry.fail("image number", to_string(which),
                           "-1 or less than its " + to_string(images.size()) + " images");
            const Image& image = images[static_cast<std::size_t>(which)];
            const Layout layout{rows[cell], cols[cell], false, flip_rows};
            const std::int64_t expected = count_pixels("entry", e, layout.rows, layout.cols);
            if (image.count != expected)
                entry.fail("count", to_string(image.count) + " of image " + to_string(which),
                           to_string(layout.rows) + " rows x " + to_string(layout.cols) + " cols");
            collector.add<BigEndian>(c, image.pixels, layout);
        }
        collector.end_image();
    }
    return collector.take();
}

}  // namespace dmcnn
