#pragma once

#include "dmcnn/sparse.hpp"

namespace dmcnn {

/// Decodes n entries of a LArCV `_image_v._img` branch straight to sparse images.
///
/// data      nbytes decompressed bytes; entry e is data[entries[e]:entries[e+1]], big-endian:
///               u32   0x40000000 | (bytes of the entry - 4)
///               u16   version; bit 0x4000 (member-wise streaming) must be clear
///               then, for each image: i32 count, count x float32 pixels, column-major
/// entries   (n + 1) positions in data
/// position  (n, channels): position in the entry of the image of channel c; -1 leaves the channel empty
/// rows,cols (n, channels): size of that image by its meta; ignored where position is -1
/// flip_rows row r is stored as row rows - 1 - r (LArCV1)
///
/// A NaN or infinite pixel is dropped and counted in `bad`; one below bounds.lo or equal to zero is dropped; one
/// above bounds.hi becomes bounds.hi. Images are centred into the shape (see Collector::add); an active pixel
/// that falls outside is dropped and counted in `cut`.
///
/// For any bytes, nothing outside data is read. std::invalid_argument names the entry, the value found and the value
/// expected.
Sparse decode_image2d(const std::uint8_t* data, std::int64_t nbytes, const std::int64_t* entries, std::int64_t n,
                      const std::int64_t* position, const std::int64_t* rows, const std::int64_t* cols,
                      const Shape& shape, const Bounds& bounds, bool flip_rows);

}  // namespace dmcnn
