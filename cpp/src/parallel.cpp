#include "dmcnn/parallel.hpp"

#include <condition_variable>
#include <list>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace dmcnn {

namespace {

/// Work that helpers may join.
struct Job {
    const std::function<void()>& work;
    std::size_t wanted;       ///< helpers that may still join
    std::size_t running = 0;  ///< helpers at work
    std::condition_variable done;
};

/// Threads that wait for jobs. They end with the process.
class Crew {
  public:
    void run(std::size_t helpers, const std::function<void()>& work) {
        Job job{work, helpers, 0, {}};
        {
            const std::lock_guard<std::mutex> lock(guard_);
            recruit(helpers);
            jobs_.push_back(&job);
        }
        wake_.notify_all();
        work();
        std::unique_lock<std::mutex> lock(guard_);
        jobs_.remove(&job);
        job.done.wait(lock, [&] { return job.running == 0; });
    }

  private:
    /// Starts threads until there are so many, or the system gives no more: the existing ones do the work.
    void recruit(std::size_t helpers) {
        try {
            for (; size_ < helpers; ++size_) std::thread([this] { serve(); }).detach();
        } catch (const std::system_error&) {
        }
    }

    [[noreturn]] void serve() {
        std::unique_lock<std::mutex> lock(guard_);
        for (;;) {
            wake_.wait(lock, [&] { return !jobs_.empty(); });
            Job& job = *jobs_.front();
            if (--job.wanted == 0) jobs_.pop_front();
            ++job.running;
            lock.unlock();
            job.work();
            lock.lock();
            if (--job.running == 0) job.done.notify_all();
        }
    }

    std::mutex guard_;
    std::condition_variable wake_;
    std::list<Job*> jobs_;
    std::size_t size_ = 0;
};

std::atomic<Crew*> current{nullptr};

Crew& crew() {
#if defined(__unix__) || defined(__APPLE__)
    // a forked process has the memory of the crew, but none of its threads
    static const int known = pthread_atfork(nullptr, nullptr, [] { current = nullptr; });
    static_cast<void>(known);
#endif
    Crew* found = current.load();
    if (!found) {
        auto* made = new Crew;  // never deleted: its threads may outlive every static object
        if (current.compare_exchange_strong(found, made))
            found = made;
        else
            delete made;
    }
    return *found;
}

}  // namespace

void work_together(std::size_t helpers, const std::function<void()>& work) { crew().run(helpers, work); }

}  // namespace dmcnn
