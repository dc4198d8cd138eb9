// Work on images in parallel, with a result that does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>

namespace dmcnn {

// Call work() on this thread, and on up to `helpers` threads that are kept for later calls.
//
// Helpers that have not begun when this thread is done are not waited for: the cores may be busy with others, such as
// threads of torch that wait for their next work. work must not throw, and must end at once where nothing is left.
void work_together(std::size_t helpers, const std::function<void()>& work);

// Call body(i) for every i in 0..n-1 on at most `threads` threads (1 = this one alone), in any order.
//
// body must touch only what belongs to i. If calls throw, the error of the lowest such i is rethrown here once all
// threads have ended, so that the message does not depend on the schedule; calls above it may be skipped.
template <class Body>
void parallel_for(std::size_t n, int threads, const Body& body) {
    const std::size_t workers = std::min(n, static_cast<std::size_t>(std::max(threads, 1)));
    if (workers <= 1) {
        for (std::size_t i = 0; i < n; ++i) body(i);
        return;
    }
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> first_bad{n};
    std::exception_ptr error;
    std::mutex guard;
    work_together(workers - 1, [&] {
        for (std::size_t i = next++; i < n && i < first_bad.load(); i = next++) {
            try {
                body(i);
            } catch (...) {
                const std::lock_guard<std::mutex> lock(guard);
                if (i < first_bad.load()) {
                    first_bad = i;
                    error = std::current_exception();
                }
            }
        }
    });
    if (error) std::rethrow_exception(error);
}

}  // namespace dmcnn
