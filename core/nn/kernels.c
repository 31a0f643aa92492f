/* nn/kernels.c - loops over arrays, compiled once for each instruction set.
 *
 * The bits do not depend on the width of the vectors: elementwise loops have one rounding
 * per operation (no contraction), sums over rows go in their order, and sums within a row
 * have 16 explicit lanes. */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

#ifndef KERNELS
#define KERNELS kernels_baseline
#define KERNELS_NAME "baseline"
#endif

/* Arrays are the same or apart, so that a vector may be read before it is written. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* builds that do not vectorise */
#define PARALLEL _Pragma("clang loop vectorize(assume_safety)")
#else
#define PARALLEL _Pragma("GCC ivdep")
#endif

enum { LANES = 16 };

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e^x = s (1 + p) with s = 2^k, |x - k ln 2| <= ln 2 / 2.  The polynomial interpolates
 * (e^r - 1 - r) / r^2 at Chebyshev nodes, relative error 1.7e-9.  A NaN stays one. */
static inline float exp_parts(float x, float *s)
{
    const float magic = 0x1.8p23f; /* adding it rounds to an integer */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 0x1.715476p+0f + magic;
    float k = shifted - magic;
    float r = (x - k * 0x1.63p-1f) - k * -0x1.bd0106p-13f;
    float q = 0x1.a124f2p-13f;
    q = q * r + 0x1.6d4324p-10f;
    q = q * r + 0x1.1110e0p-7f;
    q = q * r + 0x1.5554eap-5f;
    q = q * r + 0x1.555556p-3f;
    q = q * r + 0.5f;
    *s = float_of((bits_of(shifted) + 127u) << 23);
    return r + r * r * q;
}

static inline float exp_of(float x)
{
    float s;
    float p = exp_parts(x, &s);
    return s * p + s;
}

static inline float expm1_of(float x)
{
    float s;
    float p = exp_parts(x, &s);
    return s * p + (s - 1.0f);
}

static inline float tanh_of(float x)
{
    float e = expm1_of(-2.0f * fabsf(x));
    float t = -e / (2.0f + e);
    return x < 0.0f ? -t : t;
}

/* The normal distribution function, and e^(-x^2 / 2).  Upper tail Q(a) = e^(-a^2 / 2) t
 * P(t), t = 1 / (1 + 0.3 a): P interpolates at Chebyshev nodes, relative error 1e-8 up to
 * a = 9. */
static inline float normal_cdf(float x, float *bell)
{
    float a = fabsf(x);
    float t = 1.0f / (1.0f + 0.3f * a);
    float e = exp_of(-0.5f * x * x);
    float p = -0.0190719999f;
    p = p * t + 0.103580616f;
    p = p * t - 0.206210271f;
    p = p * t + 0.160583645f;
    p = p * t - 0.0516365059f;
    p = p * t + 0.080060102f;
    p = p * t + 0.0844475478f;
    p = p * t + 0.108808741f;
    p = p * t + 0.119762436f;
    p = p * t + 0.119675688f;
    float tail = e * t * p;
    *bell = e;
    return x < 0.0f ? tail : 1.0f - tail;
}

/* Klambauer et al. 2017, equation 2. */
#define SELU_SCALE 1.0507009873554805f
#define SELU_FLOOR 1.7580993408473766f /* scale times alpha */
#define LEAK 0.01f

static inline float relu_of(float x)
{
    return x < 0.0f ? 0.0f : x;
}

static inline float leaky_relu_of(float x)
{
    return x < 0.0f ? LEAK * x : x;
}

static inline float elu_of(float x)
{
    float e = expm1_of(x > 0.0f ? 0.0f : x);
    return x > 0.0f ? x : e;
}

static inline float selu_of(float x)
{
    float e = SELU_FLOOR * expm1_of(x > 0.0f ? 0.0f : x);
    return x > 0.0f ? SELU_SCALE * x : e;
}

static inline float gelu_of(float x)
{
    float bell;
    return x * normal_cdf(x, &bell);
}

/* Derivatives: of gelu from x, of the others from y. */
static inline float relu_slope(float y)
{
    return y > 0.0f ? 1.0f : 0.0f;
}

static inline float leaky_relu_slope(float y)
{
    return y > 0.0f ? 1.0f : LEAK;
}

static inline float elu_slope(float y)
{
    return y > 0.0f ? 1.0f : y + 1.0f;
}

static inline float selu_slope(float y)
{
    return y > 0.0f ? SELU_SCALE : y + SELU_FLOOR;
}

static inline float gelu_slope(float x)
{
    float bell;
    float cdf = normal_cdf(x, &bell);
    return cdf + x * bell * 0.39894228f;
}

static inline float tanh_slope(float y)
{
    return 1.0f - y * y;
}

static void exp_loop(size_t n, const float *x, float *y)
{
    PARALLEL
    for (size_t i = 0; i < n; i++)
        y[i] = exp_of(x[i]);
}

#define ACTIVATION(NAME)                                                                 \
    static void NAME##_loop(size_t n, const float *x, float *y)                          \
    {                                                                                    \
        PARALLEL                                                                         \
        for (size_t i = 0; i < n; i++)                                                   \
            y[i] = NAME##_of(x[i]);                                                      \
    }                                                                                    \
    static void NAME##_back(size_t n, const float *saved, const float *dy, float *dx,    \
                            bool add)                                                    \
    {                                                                                    \
        if (add) {                                                                       \
            PARALLEL                                                                     \
            for (size_t i = 0; i < n; i++)                                               \
                dx[i] += dy[i] * NAME##_slope(saved[i]);                                 \
        } else {                                                                         \
            PARALLEL                                                                     \
            for (size_t i = 0; i < n; i++)                                               \
                dx[i] = dy[i] * NAME##_slope(saved[i]);                                  \
        }                                                                                \
    }
ACTIVATION(relu)
ACTIVATION(leaky_relu)
ACTIVATION(elu)
ACTIVATION(selu)
ACTIVATION(gelu)
ACTIVATION(tanh)

static void activate(nre_activation f, size_t n, const float *x, float *y)
{
    switch (f) {
    case NRE_RELU:
        relu_loop(n, x, y);
        break;
    case NRE_LEAKY_RELU:
        leaky_relu_loop(n, x, y);
        break;
    case NRE_ELU:
        elu_loop(n, x, y);
        break;
    case NRE_SELU:
        selu_loop(n, x, y);
        break;
    case NRE_GELU:
        gelu_loop(n, x, y);
        break;
    case NRE_TANH:
        tanh_loop(n, x, y);
        break;
    }
}

static void activate_back(nre_activation f, size_t n, const float *saved, const float *dy,
                          float *dx, bool add)
{
    switch (f) {
    case NRE_RELU:
        relu_back(n, saved, dy, dx, add);
        break;
    case NRE_LEAKY_RELU:
        leaky_relu_back(n, saved, dy, dx, add);
        break;
    case NRE_ELU:
        elu_back(n, saved, dy, dx, add);
        break;
    case NRE_SELU:
        selu_back(n, saved, dy, dx, add);
        break;
    case NRE_GELU:
        gelu_back(n, saved, dy, dx, add);
        break;
    case NRE_TANH:
        tanh_back(n, saved, dy, dx, add);
        break;
    }
}

static void add(size_t n, const float *a, float *y)
{
    PARALLEL
    for (size_t i = 0; i < n; i++)
        y[i] += a[i];
}

static void sum(size_t n, const float *a, const float *b, float *y)
{
    PARALLEL
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void multiply(size_t n, const float *a, const float *b, float *y, bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] += a[i] * b[i];
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] = a[i] * b[i];
    }
}

static void scale(size_t n, float a, const float *x, float *y, bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] += a * x[i];
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] = a * x[i];
    }
}

static void mask(size_t n, const uint8_t *keep, float a, const float *x, float *y,
                 bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] += keep[i] ? a * x[i] : 0.0f;
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] = keep[i] ? a * x[i] : 0.0f;
    }
}

static void column_sum(size_t rows, size_t cols, const float *x, float *out)
{
    memset(out, 0, cols * sizeof *out);
    for (size_t r = 0; r < rows; r++)
        add(cols, x + r * cols, out);
}

static float lanes_sum(float lane[LANES])
{
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static float dot(size_t n, const float *a, const float *b)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += a[i + l] * b[i + l];
    for (size_t l = 0; i + l < n; l++)
        lane[l] += a[i + l] * b[i + l];
    return lanes_sum(lane);
}

static void rows_dot(size_t rows, size_t cols, size_t stride, const float *x,
                     const float *w, float *y)
{
    for (size_t r = 0; r < rows; r++)
        y[r] += dot(cols, x + r * stride, w);
}

static void rows_outer(size_t rows, size_t cols, size_t stride, const float *dy,
                       const float *w, float *x, bool add_to)
{
    for (size_t r = 0; r < rows; r++)
        scale(cols, dy[r], w, x + r * stride, add_to);
}

static void rows_weighted(size_t rows, size_t cols, size_t stride, const float *dy,
                          const float *x, float *out)
{
    memset(out, 0, cols * sizeof *out);
    for (size_t r = 0; r < rows; r++)
        scale(cols, dy[r], x + r * stride, out, true);
}

static void moments_of_row(size_t channels, const float *a, const float *b, double *total,
                           double *product)
{
    PARALLEL
    for (size_t c = 0; c < channels; c++) {
        total[c] += (double)a[c];
        product[c] += (double)a[c] * (double)b[c];
    }
}

/* Sums over one channel of one row, in lanes. */
static void moments_of_channel(size_t inner, const float *a, const float *b,
                               double *total, double *product)
{
    double s[LANES] = {0}, q[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= inner; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            s[l] += (double)a[i + l];
            q[l] += (double)a[i + l] * (double)b[i + l];
        }
    for (size_t l = 0; i + l < inner; l++) {
        s[l] += (double)a[i + l];
        q[l] += (double)a[i + l] * (double)b[i + l];
    }
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++) {
            s[l] += s[l + half];
            q[l] += q[l + half];
        }
    *total += s[0];
    *product += q[0];
}

static void moments(size_t rows, size_t channels, size_t inner, const float *a,
                    const float *b, double *total, double *product)
{
    memset(total, 0, channels * sizeof *total);
    memset(product, 0, channels * sizeof *product);
    for (size_t r = 0; r < rows; r++)
        if (inner == 1)
            moments_of_row(channels, a + r * channels, b + r * channels, total, product);
        else
            for (size_t c = 0; c < channels; c++)
                moments_of_channel(inner, a + (r * channels + c) * inner,
                                   b + (r * channels + c) * inner, total + c,
                                   product + c);
}

static void affine_row(size_t n, const float *a, const float *c, const float *x, float *y,
                       bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] += a[i] * x[i] + c[i];
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] = a[i] * x[i] + c[i];
    }
}

static void affine_channel(size_t n, float a, float c, const float *x, float *y,
                           bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] += a * x[i] + c;
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            y[i] = a * x[i] + c;
    }
}

static void affine(size_t rows, size_t channels, size_t inner, const float *a,
                   const float *c, const float *x, float *y, bool add_to)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * channels * inner;
        if (inner == 1)
            affine_row(channels, a, c, x + at, y + at, add_to);
        else
            for (size_t k = 0; k < channels; k++, at += inner)
                affine_channel(inner, a[k], c[k], x + at, y + at, add_to);
    }
}

static void affine_back_row(size_t n, const float *a, const float *b, const float *c,
                            const float *dy, const float *x, float *dx, bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            dx[i] += (a[i] * dy[i] + b[i] * x[i]) + c[i];
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            dx[i] = (a[i] * dy[i] + b[i] * x[i]) + c[i];
    }
}

static void affine_back_channel(size_t n, float a, float b, float c, const float *dy,
                                const float *x, float *dx, bool add_to)
{
    if (add_to) {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            dx[i] += (a * dy[i] + b * x[i]) + c;
    } else {
        PARALLEL
        for (size_t i = 0; i < n; i++)
            dx[i] = (a * dy[i] + b * x[i]) + c;
    }
}

static void affine_back(size_t rows, size_t channels, size_t inner, const float *a,
                        const float *b, const float *c, const float *dy, const float *x,
                        float *dx, bool add_to)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * channels * inner;
        if (inner == 1)
            affine_back_row(channels, a, b, c, dy + at, x + at, dx + at, add_to);
        else
            for (size_t k = 0; k < channels; k++, at += inner)
                affine_back_channel(inner, a[k], b[k], c[k], dy + at, x + at, dx + at,
                                    add_to);
    }
}

static float row_sum(size_t n, const float *x)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += x[i + l];
    for (size_t l = 0; i + l < n; l++)
        lane[l] += x[i + l];
    return lanes_sum(lane);
}

/* Sum of squares about the mean. */
static float row_spread(size_t n, const float *x, float mean)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += (x[i + l] - mean) * (x[i + l] - mean);
    for (size_t l = 0; i + l < n; l++)
        lane[l] += (x[i + l] - mean) * (x[i + l] - mean);
    return lanes_sum(lane);
}

static void layer_norm(size_t rows, size_t cols, const float *gamma, const float *beta,
                       const float *x, float *y, float *notes)
{
    for (size_t r = 0; r < rows; r++, x += cols, y += cols, notes += 2) {
        float mean = row_sum(cols, x) / (float)cols;
        float variance = row_spread(cols, x, mean) / (float)cols;
        float inverse = 1.0f / sqrtf(variance + 1e-5f);
        PARALLEL
        for (size_t c = 0; c < cols; c++)
            y[c] = (x[c] - mean) * inverse * gamma[c] + beta[c];
        notes[0] = mean;
        notes[1] = inverse;
    }
}

/* With u = (x - mean) / deviation and h = gamma dy:
 * dx = (h - mean(h) - u mean(h u)) / deviation. */
static void layer_norm_back(size_t rows, size_t cols, const float *gamma,
                            const float *notes, const float *x, const float *dy,
                            float *dx, bool add_to)
{
    for (size_t r = 0; r < rows; r++, x += cols, dy += cols, dx += cols, notes += 2) {
        const float mean = notes[0], inverse = notes[1];
        float h[LANES] = {0}, hu[LANES] = {0};
        for (size_t i = 0; i < cols; i += LANES)
            for (size_t l = 0; l < LANES && i + l < cols; l++) {
                h[l] += gamma[i + l] * dy[i + l];
                hu[l] += gamma[i + l] * dy[i + l] * ((x[i + l] - mean) * inverse);
            }
        float mean_h = lanes_sum(h) / (float)cols, mean_hu = lanes_sum(hu) / (float)cols;
        PARALLEL
        for (size_t c = 0; c < cols; c++) {
            float u = (x[c] - mean) * inverse;
            float d = ((gamma[c] * dy[c] - mean_h) - u * mean_hu) * inverse;
            dx[c] = add_to ? dx[c] + d : d;
        }
    }
}

static void layer_norm_weights(size_t rows, size_t cols, const float *notes,
                               const float *x, const float *dy, float *dgamma,
                               float *dbeta)
{
    memset(dgamma, 0, cols * sizeof *dgamma);
    memset(dbeta, 0, cols * sizeof *dbeta);
    for (size_t r = 0; r < rows; r++, x += cols, dy += cols, notes += 2) {
        const float mean = notes[0], inverse = notes[1];
        PARALLEL
        for (size_t c = 0; c < cols; c++) {
            dgamma[c] += dy[c] * ((x[c] - mean) * inverse);
            dbeta[c] += dy[c];
        }
    }
}

/* A NaN passes. */
static void raise(size_t n, const float *x, uint16_t tap, float *y, uint16_t *at)
{
    PARALLEL
    for (size_t i = 0; i < n; i++) {
        bool higher = !(x[i] <= y[i]);
        y[i] = higher ? x[i] : y[i];
        at[i] = higher ? tap : at[i];
    }
}

static void route(size_t n, const float *dy, uint16_t tap, const uint16_t *at, float *dx)
{
    PARALLEL
    for (size_t i = 0; i < n; i++)
        dx[i] += at[i] == tap ? dy[i] : 0.0f;
}

static void adamw_loop(size_t n, const adamw_terms *t, const float *gradient, float *w,
                       float *m, float *v)
{
    const adamw_terms k = *t;
    PARALLEL
    for (size_t i = 0; i < n; i++) {
        float g = gradient[i] * k.scale;
        float first = k.beta1 * m[i] + k.rest1 * g;
        float second = k.beta2 * v[i] + k.rest2 * (g * g);
        m[i] = first;
        v[i] = second;
        w[i] = w[i] * k.keep - k.step * (first / (sqrtf(second) * k.root + k.eps));
    }
}

const kernels KERNELS = {
    .name = KERNELS_NAME,
    .exp = exp_loop,
    .activate = activate,
    .activate_back = activate_back,
    .add = add,
    .sum = sum,
    .multiply = multiply,
    .scale = scale,
    .mask = mask,
    .column_sum = column_sum,
    .rows_dot = rows_dot,
    .rows_outer = rows_outer,
    .rows_weighted = rows_weighted,
    .moments = moments,
    .affine = affine,
    .affine_back = affine_back,
    .layer_norm = layer_norm,
    .layer_norm_back = layer_norm_back,
    .layer_norm_weights = layer_norm_weights,
    .raise = raise,
    .route = route,
    .adamw = adamw_loop,
};
