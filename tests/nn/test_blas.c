/* Tests of nn/blas.c. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <string.h>

Test(blas, starts_and_tells_its_name)
{
    cr_assert_eq(blas_start(), 0, "%s", error_message());
    cr_assert_gt(strlen(blas_kernel()), 0);
    cr_assert_not_null(strstr(blas_version(), "OpenBLAS"), "%s", blas_version());
}

Test(blas, advises_where_a_choice_is_slow)
{
    cr_assert_null(blas_advice_for(NULL, "Haswell", "avx512"));
    cr_assert_null(blas_advice_for("", "Haswell", "avx512"));
    cr_assert_null(blas_advice_for("SkylakeX", "SkylakeX", "avx512"));
    cr_assert_null(blas_advice_for("Haswell", "Haswell", "avx2"));
    cr_assert_null(blas_advice_for("Zen", "Zen", "avx2"));
    cr_assert_null(blas_advice_for("Prescott", "Prescott", "baseline"));
    const char *advice = blas_advice_for("Haswell", "Haswell", "avx512");
    cr_assert(advice && strstr(advice, "AVX-512") && strstr(advice, "OPENBLAS_CORETYPE"));
    advice = blas_advice_for("Nehalem", "Nehalem", "avx2");
    cr_assert(advice && strstr(advice, "AVX2"));
}
