/* nn/blas.c - the matrix library, and which of our kernels fit the CPU. */
#include "nn/nn.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

enum { PTHREAD_BUILD = 1 }; /* of openblas_get_parallel */

int blas_start(void)
{
    if (openblas_get_parallel() != PTHREAD_BUILD)
        return fail(NRE_ENOTSUP, "this OpenBLAS is not built with pthreads: install "
                                 "libopenblas0-pthread");
    openblas_set_num_threads(1);
    return NRE_OK;
}

const char *blas_kernel(void)
{
    return openblas_get_corename();
}

const char *blas_version(void)
{
    return openblas_get_config();
}

/* 2: kernels with AVX-512, 1: with AVX2 and FMA, 0: less. */
static int rank_of_kernel(const char *kernel)
{
    static const char *const AVX512[] = {"skylakex", "cooperlake", "sapphirerapids"};
    static const char *const AVX2[] = {"haswell", "zen", "excavator"};
    for (size_t i = 0; i < sizeof AVX512 / sizeof *AVX512; i++)
        if (strcasecmp(kernel, AVX512[i]) == 0)
            return 2;
    for (size_t i = 0; i < sizeof AVX2 / sizeof *AVX2; i++)
        if (strcasecmp(kernel, AVX2[i]) == 0)
            return 1;
    return 0;
}

static int rank_of_cpu(const char *cpu)
{
    return strcmp(cpu, "avx512") == 0 ? 2 : strcmp(cpu, "avx2") == 0 ? 1 : 0;
}

const char *blas_advice_for(const char *choice, const char *kernel, const char *cpu)
{
    if (!choice || !*choice || rank_of_kernel(kernel) >= rank_of_cpu(cpu))
        return NULL;
    return rank_of_cpu(cpu) == 2 ? "OPENBLAS_CORETYPE chooses matrix kernels without "
                                   "AVX-512, which this CPU has: "
                                   "unset it, and training runs up to twice as fast"
                                 : "OPENBLAS_CORETYPE chooses matrix kernels without "
                                   "AVX2, which this CPU has: "
                                   "unset it, and training runs several times as fast";
}

const char *blas_advice(void)
{
    return blas_advice_for(getenv("OPENBLAS_CORETYPE"), blas_kernel(), kernel_name());
}

static bool cpu_has(const char *name)
{
#ifdef NEREID_X86
    if (strcmp(name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (strcmp(name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return strcmp(name, "baseline") == 0;
}

const kernels *kernels_named(const char *name)
{
    static const kernels *const ALL[] = {
#ifdef NEREID_X86
        &kernels_avx512, &kernels_avx2,
#endif
        &kernels_baseline, NULL};
    for (const kernels *const *k = ALL; *k; k++)
        if (strcmp((*k)->name, name) == 0 && cpu_has(name))
            return *k;
    return NULL;
}

const kernels *kernels_best(void)
{
    const kernels *best = kernels_named("avx512");
    if (!best)
        best = kernels_named("avx2");
    return best ? best : &kernels_baseline;
}

const char *kernel_name(void)
{
    return kernels_best()->name;
}
