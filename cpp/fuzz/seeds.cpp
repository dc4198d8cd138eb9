// Writes a seed corpus of tiny valid inputs: seeds FOLDER makes FOLDER/decode_image2d and so on.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "../tests/bytes.hpp"

namespace {

constexpr std::uint32_t kVoxel = 0x7a384fda, kShortIds = 0x6779a85c, kLongIds = 0x123c507a;
using Pixels = std::vector<float>;

Bytes images(const std::vector<Pixels>& stored) {
    Bytes body;
    body.put_u16(9);
    for (const Pixels& pixels : stored) {
        body.put_u32(pixels.size());
        for (const float pixel : pixels) body.put_float(pixel);
    }
    return Bytes().put_u32(0x40000000U | body.size()).append(body);
}

Bytes sets() { return Bytes(voxel_set({{3, 1.5F}, {9, 20.0F}})).append(voxel_set({})); }

Bytes clusters(int size, std::uint32_t checksum) {
    Bytes body;
    body.put_u32(0).put_u32(2).put(5, size).put(6, size).append(sets().member_wise(kVoxel));
    return body.member_wise(checksum);
}

/// Every pair of entries; their images are of rows x cols pixels.
void write(const std::filesystem::path& folder, const std::vector<Bytes>& entries, std::uint8_t rows = 2,
           std::uint8_t cols = 3) {
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const Bytes& first : entries)
        for (const Bytes& second : entries)
            for (const bool mend : {false, true}) {
                Bytes input{std::uint8_t{mend}, static_cast<std::uint8_t>(second.size()), 0, rows, cols, 4, 4, 0};
                input.append(first).append(second);
                const std::string name = std::to_string(rows * cols) + "_" + std::to_string(number++);
                std::ofstream file(folder / name, std::ios::binary);
                file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
            }
}

}  // namespace

int main(int n_words, char** words) {
    if (n_words != 2) {
        std::cerr << "usage: seeds FOLDER\n";
        return 2;
    }
    const std::filesystem::path folder = words[1];
    const Pixels pixels{1, 20, 0, 600, -4, 11};
    write(folder / "decode_image2d", {images({}), images({pixels, {}}), images({pixels, pixels, {0, 7}})});
    Pixels large(9 * 15);  // more than a block of the kernel: first zeros, then noise, then charge
    for (std::size_t k = 50; k < large.size(); ++k) large[k] = k < 130 ? -3.0F : 20.0F;
    write(folder / "decode_image2d", {images({large}), images({})}, 9, 15);
    write(folder / "decode_voxels", {Bytes().member_wise(kVoxel), sets().member_wise(kVoxel)});
    write(folder / "decode_clusters",
          {Bytes().member_wise(kShortIds), clusters(2, kShortIds), clusters(8, kLongIds)});
}
