// Rows that differ between variants of an image, layer by layer.
#pragma once

#include <cstdint>
#include <vector>

#include "dmcnn/rows.hpp"

namespace dmcnn {

/// Rows that differ in each of m variants from those of the image itself, whose maps have `rows` rows.
struct Changes {
    const std::int64_t* start;  ///< (m + 1)
    std::int64_t m;
    const std::int32_t* row;  ///< (start[m]) numbers, increasing within a variant
    std::int64_t rows;
};

/// The same, made by a kernel.
struct ListedChanges {
    std::vector<std::int64_t> start;
    std::vector<std::int32_t> row;
};

/// Lists for each variant those of the n rows after a layer that are made of a changed row.
ListedChanges list_changes(const Changes& before, const Users& users, std::int64_t n, int threads);

/// Links of changed rows to a table of all rows of the image followed by the changed ones of all variants.
///
/// Row j of `after` (in the order of its list) is made of index[after.row[j]], each neighbour in the state that it has
/// in the variant. Written to `out` (after.start[m], index.length).
void link_changes(const Changes& before, const Index& index, const Changes& after, int threads, std::int32_t* out);

}  // namespace dmcnn
