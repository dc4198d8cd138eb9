// Loops compiled for several kinds of processors, of which this one's best is taken.
#pragma once

#if defined(__GNUC__)
#define DMCNN_INLINE_BODY __attribute__((always_inline))
#else
#define DMCNN_INLINE_BODY
#endif

namespace dmcnn {

#if defined(__GNUC__) && defined(__x86_64__)

template <class Body>
__attribute__((target("avx2"))) void with_avx2(const Body& body) {
    body();
}

template <class Body>
__attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"))) void with_avx512(
    const Body& body) {
    body();
}

/// Calls body(), a lambda marked DMCNN_INLINE_BODY, so that its loops use the widest registers that this processor has.
/// Sums keep their order, and no product is fused with a sum: every processor gives the same numbers.
template <class Body>
void on_this_cpu(const Body& body) {
    static const int kind =
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
            ? 2
        : __builtin_cpu_supports("avx2") ? 1
                                         : 0;
    kind == 2 ? with_avx512(body) : kind == 1 ? with_avx2(body) : body();
}

#else

template <class Body>
void on_this_cpu(const Body& body) {
    body();
}

#endif

}  // namespace dmcnn
