#include "dmcnn/swap_axes.hpp"

#include <vector>

#include "check.hpp"

int main() {
    for (const int threads : {1, 3})
        for (const std::int64_t rows : {1, 3, 16, 600})
            for (const std::int64_t columns : {1, 5, 33}) {
                std::vector<float> in(static_cast<std::size_t>(2 * rows * columns)), out(in.size());
                for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
                dmcnn::swap_axes(in.data(), 2, rows, columns, threads, out.data());
                bool same = true;
                for (std::int64_t t = 0; t < 2; ++t)
                    for (std::int64_t r = 0; r < rows; ++r)
                        for (std::int64_t c = 0; c < columns; ++c)
                            same = same && out[static_cast<std::size_t>((t * columns + c) * rows + r)] ==
                                               in[static_cast<std::size_t>((t * rows + r) * columns + c)];
                CHECK(same);
            }
    return failures != 0;
}
