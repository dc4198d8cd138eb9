#include "dmcnn/parallel.hpp"

#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using dmcnn::parallel_for;

namespace {

/// Whether every i below n is worked on once.
bool works(std::size_t n, int threads) {
    std::vector<int> calls(n);
    parallel_for(n, threads, [&](std::size_t i) { ++calls[i]; });
    return calls == std::vector<int>(n, 1);
}

void does_everything_once() {
    for (const int threads : {-1, 0, 1, 2, 7, 40})
        for (const std::size_t n : {0U, 1U, 2U, 3U, 1000U}) CHECK(works(n, threads));
}

void throws_the_error_of_the_lowest() {
    for (int round = 0; round < 200; ++round)
        CHECK(refused("3", [] {
            parallel_for(100, 4, [](std::size_t i) {
                if (i == 3 || i > 50) throw std::invalid_argument(std::to_string(i));
            });
        }));
    CHECK(works(100, 4));
}

void works_within_work() {
    std::vector<std::vector<int>> calls(20, std::vector<int>(50));
    parallel_for(20, 3, [&](std::size_t i) { parallel_for(50, 3, [&](std::size_t j) { ++calls[i][j]; }); });
    CHECK((calls == std::vector<std::vector<int>>(20, std::vector<int>(50, 1))));
}

void works_for_several_at_once() {
    std::vector<int> good(6);
    std::vector<std::thread> callers;
    for (std::size_t c = 0; c < good.size(); ++c)
        callers.emplace_back([&, c] {
            bool all = true;
            for (int round = 0; round < 200; ++round) all = works(37, 3) && all;
            good[c] = all;
        });
    for (std::thread& caller : callers) caller.join();
    CHECK((good == std::vector<int>(6, 1)));
}

void works_after_a_fork() {
#if defined(__unix__) || defined(__APPLE__)
    CHECK(works(100, 3));
    const pid_t child = fork();
    if (child == 0) _exit(works(100, 3) && works(100, 5) ? 0 : 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

}  // namespace

int main() {
    does_everything_once();
    throws_the_error_of_the_lowest();
    works_within_work();
    works_for_several_at_once();
    works_after_a_fork();
    return failures != 0;
}
