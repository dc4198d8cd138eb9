// Arithmetic on several numbers at once, in registers of a given size.
#pragma once

#include <cstring>

#if defined(__GNUC__)
#define DMCNN_INLINE __attribute__((always_inline)) inline
#else
#define DMCNN_INLINE inline
#endif

namespace dmcnn {

/// Conversion of sums to codes: sum / 2^shift, half to even, clipped to -most and most. shift >= 1.
struct Rounding {
    int shift = 1;
    int most = 0;

    template <class T>
    DMCNN_INLINE T operator()(T sum) const {
        const T odd = static_cast<T>(static_cast<T>(sum >> shift) & 1);
        const T up = static_cast<T>(sum + static_cast<T>((1 << (shift - 1)) - 1) + odd);
        const T code = static_cast<T>(up >> shift);
        const T low = static_cast<T>(-most), high = static_cast<T>(most);
        return code < low ? low : code > high ? high : code;
    }
};

#if defined(__GNUC__)

/// N numbers in registers of at most Bytes. A compiler keeps a plain array of them in memory.
template <class T, int N, int Bytes, bool = (N * static_cast<int>(sizeof(T)) > Bytes)>
class Lanes {
  public:
    DMCNN_INLINE void load(const T* from) { std::memcpy(&all_, from, sizeof all_); }
    DMCNN_INLINE void store(T* to) const { std::memcpy(to, &all_, sizeof all_); }
    DMCNN_INLINE void add_product(T x, const T* weight) { all_ += x * Loaded(weight).all; }
    DMCNN_INLINE void add_difference(const Lanes& a, const Lanes& b) { all_ += a.all_ - b.all_; }
    DMCNN_INLINE void unite(const T* from) { all_ |= Loaded(from).all; }
    DMCNN_INLINE void intersect(const T* from) { all_ &= Loaded(from).all; }
    DMCNN_INLINE void round(const Rounding& by) {
        const auto shift = static_cast<T>(by.shift), below = static_cast<T>((1 << (by.shift - 1)) - 1);
        all_ += below + ((all_ >> shift) & 1);
        all_ >>= shift;
        const Numbers high = Numbers{} + static_cast<T>(by.most), low = -high;
        all_ = all_ < low ? low : all_;
        all_ = all_ > high ? high : all_;
    }

  private:
    using Numbers [[gnu::vector_size(N * sizeof(T))]] = T;

    struct Loaded {  // a function that returned Numbers would need the registers to be there
        Numbers all;
        DMCNN_INLINE explicit Loaded(const T* from) { std::memcpy(&all, from, sizeof all); }
    };

    Numbers all_;
};

/// N numbers in two halves, where one register is too small.
template <class T, int N, int Bytes>
class Lanes<T, N, Bytes, true> {
  public:
    DMCNN_INLINE void load(const T* from) { a_.load(from), b_.load(from + N / 2); }
    DMCNN_INLINE void store(T* to) const { a_.store(to), b_.store(to + N / 2); }
    DMCNN_INLINE void add_product(T x, const T* weight) {
        a_.add_product(x, weight), b_.add_product(x, weight + N / 2);
    }
    DMCNN_INLINE void add_difference(const Lanes& a, const Lanes& b) {
        a_.add_difference(a.a_, b.a_), b_.add_difference(a.b_, b.b_);
    }
    DMCNN_INLINE void unite(const T* from) { a_.unite(from), b_.unite(from + N / 2); }
    DMCNN_INLINE void intersect(const T* from) { a_.intersect(from), b_.intersect(from + N / 2); }
    DMCNN_INLINE void round(const Rounding& by) { a_.round(by), b_.round(by); }

  private:
    Lanes<T, N / 2, Bytes> a_, b_;
};

#else

template <class T, int N, int Bytes>
class Lanes {
  public:
    void load(const T* from) { std::memcpy(all_, from, sizeof all_); }
    void store(T* to) const { std::memcpy(to, all_, sizeof all_); }
    void add_product(T x, const T* weight) {
        for (int i = 0; i < N; ++i) all_[i] = static_cast<T>(all_[i] + x * weight[i]);
    }
    void add_difference(const Lanes& a, const Lanes& b) {
        for (int i = 0; i < N; ++i) all_[i] = static_cast<T>(all_[i] + a.all_[i] - b.all_[i]);
    }
    void unite(const T* from) {
        for (int i = 0; i < N; ++i) all_[i] = static_cast<T>(all_[i] | from[i]);
    }
    void intersect(const T* from) {
        for (int i = 0; i < N; ++i) all_[i] = static_cast<T>(all_[i] & from[i]);
    }
    void round(const Rounding& by) {
        for (int i = 0; i < N; ++i) all_[i] = by(all_[i]);
    }

  private:
    T all_[N];
};

#endif

}  // namespace dmcnn
