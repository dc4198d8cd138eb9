#include "dmcnn/changes.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "dmcnn/parallel.hpp"
#include "dmcnn/sparse.hpp"

namespace dmcnn {

namespace {

using std::size_t;

void check(const Changes& changes) {
    if (changes.m < 0 || changes.rows < 0) throw std::invalid_argument("a negative number of variants or rows");
    if (changes.start[0] != 0) refuse("variant", 0, "start", std::to_string(changes.start[0]), "0");
    for (std::int64_t v = 0; v < changes.m; ++v)
        if (changes.start[v + 1] < changes.start[v])
            refuse("variant", v, "end", std::to_string(changes.start[v + 1]),
                   "at least " + std::to_string(changes.start[v]));
    for (std::int64_t v = 0; v < changes.m; ++v) {
        const std::int64_t first = changes.start[v], last = changes.start[v + 1];
        for (std::int64_t i = first; i < last; ++i) {
            const std::int64_t low = i == first ? 0 : std::int64_t{changes.row[i - 1]} + 1;
            if (changes.row[i] < low || changes.row[i] >= changes.rows)
                refuse("variant", v, "row", std::to_string(changes.row[i]),
                       std::to_string(low) + " to " + std::to_string(changes.rows - 1));
        }
    }
    if (changes.rows + changes.start[changes.m] > std::numeric_limits<std::int32_t>::max())
        throw std::invalid_argument("more than 2147483647 rows");
}

}  // namespace

ListedChanges list_changes(const Changes& before, const Users& users, std::int64_t n, int threads) {
    check(before);
    if (users.n != before.rows) refuse("users", 0, "rows", std::to_string(users.n), std::to_string(before.rows));
    std::vector<std::vector<std::int32_t>> rows(static_cast<size_t>(before.m));
    parallel_for(rows.size(), threads, [&](size_t variant) {
        std::vector<std::int32_t>& mine = rows[variant];
        std::vector<bool> listed(static_cast<size_t>(n));
        for (std::int64_t i = before.start[variant]; i < before.start[variant + 1]; ++i) {
            const std::int64_t at = before.row[i] * users.length;
            const std::int32_t first = users.start[at], last = users.start[at + users.length];
            if (first < 0 || last < first || last > users.users)
                refuse("row", before.row[i], "users", std::to_string(first) + " to " + std::to_string(last),
                       "increasing positions up to " + std::to_string(users.users));
            for (const std::int32_t* user = users.user + first; user != users.user + last; ++user) {
                if (*user < 0 || *user >= n)
                    refuse("row", before.row[i], "user", std::to_string(*user), "0 to " + std::to_string(n - 1));
                if (!listed[static_cast<size_t>(*user)]) {
                    listed[static_cast<size_t>(*user)] = true;
                    mine.push_back(*user);
                }
            }
        }
        std::sort(mine.begin(), mine.end());
    });
    ListedChanges after{{0}, {}};
    for (const std::vector<std::int32_t>& mine : rows) {
        after.row.insert(after.row.end(), mine.begin(), mine.end());
        after.start.push_back(static_cast<std::int64_t>(after.row.size()));
    }
    return after;
}

void link_changes(const Changes& before, const Index& index, const Changes& after, int threads, std::int32_t* out) {
    check(before), check(after);
    if (after.m != before.m) refuse("after", 0, "variants", std::to_string(after.m), std::to_string(before.m));
    if (after.rows != index.n) refuse("after", 0, "rows", std::to_string(after.rows), std::to_string(index.n));
    parallel_for(static_cast<size_t>(before.m), threads, [&](size_t variant) {
        std::vector<std::int32_t> position(
            static_cast<size_t>(before.rows));  // in the table, of changed rows; else 0
        for (std::int64_t i = before.start[variant]; i < before.start[variant + 1]; ++i)
            position[static_cast<size_t>(before.row[i])] = static_cast<std::int32_t>(before.rows + i);
        std::int32_t* to = out + after.start[variant] * index.length;
        for (std::int64_t j = after.start[variant]; j < after.start[variant + 1]; ++j) {
            const std::int32_t* number = index.number + after.row[j] * index.length;
            for (std::int64_t k = 0; k < index.length; ++k, ++to) {
                if (number[k] >= before.rows)
                    refuse("row", after.row[j], "neighbour", std::to_string(number[k]),
                           "at most " + std::to_string(before.rows - 1));
                const std::int32_t changed = number[k] < 0 ? 0 : position[static_cast<size_t>(number[k])];
                *to = changed > 0 ? changed : number[k];
            }
        }
    });
}

}  // namespace dmcnn
