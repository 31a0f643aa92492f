/* bench/products.c - the limit: sgemm calls of a piece of work, and the best the library can.
 *
 * The programs are linked with --wrap=cblas_sgemm, so every call of the core passes here. */
#include "bench.h"

#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>

enum { PEAK_M = 1024, PEAK_N = 512, PEAK_K = 512, PEAK_CALLS = 16 };

typedef struct product {
    CBLAS_TRANSPOSE a, b;
    int m, n, k, lda, ldb, ldc;
    float alpha, beta;
} product;

static struct {
    pthread_mutex_t lock;
    bool on, failed;
    size_t n, room;
    product *item;
} calls = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The symbols that the linker puts in the place of cblas_sgemm, and for the library's own. */
void sgemm_passing(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                   blasint n, blasint k, float alpha, const float *a, blasint lda,
                   const float *b, blasint ldb, float beta, float *c,
                   blasint ldc) __asm__("__wrap_cblas_sgemm");
void sgemm_bare(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                blasint n, blasint k, float alpha, const float *a, blasint lda,
                const float *b, blasint ldb, float beta, float *c,
                blasint ldc) __asm__("__real_cblas_sgemm");

static void record(const product *q)
{
    pthread_mutex_lock(&calls.lock);
    if (calls.n == calls.room) {
        size_t room = calls.room ? 2 * calls.room : 4096;
        product *item = realloc(calls.item, room * sizeof *item);
        calls.failed |= !item;
        calls.room = item ? room : calls.room;
        calls.item = item ? item : calls.item;
    }
    if (calls.n < calls.room)
        calls.item[calls.n++] = *q;
    pthread_mutex_unlock(&calls.lock);
}

void sgemm_passing(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m,
                   blasint n, blasint k, float alpha, const float *a, blasint lda,
                   const float *b, blasint ldb, float beta, float *c, blasint ldc)
{
    if (calls.on)
        record(&(product){ta, tb, m, n, k, lda, ldb, ldc, alpha, beta});
    sgemm_bare(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

/* No other thread works at either time. */
void products_start(void)
{
    calls.n = 0;
    calls.on = true;
}

void products_stop(void)
{
    calls.on = false;
}

double products_flops(void)
{
    double sum = 0;
    for (size_t i = 0; i < calls.n; i++) {
        const product *q = &calls.item[i];
        sum += 2.0 * q->m * q->n * q->k;
    }
    return sum;
}

/* Matrices of each thread. */
typedef struct matrices {
    size_t floats; /* of one of three */
    unsigned threads;
    float **at; /* [threads]: a, b, c */
} matrices;

static size_t extent(int rows, int cols, int stride)
{
    return (size_t)(rows - 1) * (size_t)stride + (size_t)cols;
}

static size_t largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t most_floats(size_t n, const product *item)
{
    size_t most = 0;
    for (const product *q = item; q < item + n; q++) {
        bool ta = q->a == CblasTrans, tb = q->b == CblasTrans;
        most = largest(most, extent(ta ? q->k : q->m, ta ? q->m : q->k, q->lda));
        most = largest(most, extent(tb ? q->n : q->k, tb ? q->k : q->n, q->ldb));
        most = largest(most, extent(q->m, q->n, q->ldc));
    }
    return (most + 15) / 16 * 16;
}

static void matrices_free(matrices *m)
{
    for (unsigned i = 0; m->at && i < m->threads; i++)
        free(m->at[i]);
    free(m->at);
}

static int matrices_new(matrices *m, size_t floats, unsigned threads)
{
    *m = (matrices){floats, threads, calloc(threads, sizeof(float *))};
    for (unsigned i = 0; m->at && i < threads; i++) {
        m->at[i] = memory_new(3 * floats, sizeof(float));
        for (size_t k = 0; m->at[i] && k < 3 * floats; k++)
            m->at[i][k] = 0.01f * (float)(k % 17) - 0.08f;
        if (!m->at[i])
            return fail(NRE_ENOMEM, "no memory for matrices of %zu floats", floats);
    }
    return m->at ? NRE_OK : fail(NRE_ENOMEM, "no memory for the matrices");
}

static void product_run(const matrices *m, const product *q, unsigned worker)
{
    float *a = m->at[worker], *b = a + m->floats, *c = b + m->floats;
    sgemm_bare(CblasRowMajor, q->a, q->b, q->m, q->n, q->k, q->alpha, a, q->lda, b,
               q->ldb, q->beta, c, q->ldc);
}

static int recorded_run(void *context, size_t i, unsigned worker)
{
    product_run(context, &calls.item[i], worker);
    return NRE_OK;
}

int products_time(pool *p, double *seconds)
{
    matrices m;
    if (calls.failed)
        return fail(NRE_ENOMEM, "no memory for a list of sgemm calls");
    int status = matrices_new(&m, most_floats(calls.n, calls.item), pool_threads(p));
    double start = now();
    if (!status)
        status = pool_run(p, calls.n, recorded_run, &m);
    *seconds = now() - start;
    matrices_free(&m);
    return status;
}

static const product PEAK = {CblasNoTrans, CblasTrans, PEAK_M, PEAK_N, PEAK_K,
                             PEAK_K,       PEAK_K,     PEAK_N, 1.0f,   0.0f};

static int peak_run(void *context, size_t i, unsigned worker)
{
    (void)i;
    product_run(context, &PEAK, worker);
    return NRE_OK;
}

int peak_rate(pool *p, double *rate)
{
    matrices m;
    size_t n = PEAK_CALLS * pool_threads(p);
    int status = matrices_new(&m, most_floats(1, &PEAK), pool_threads(p));
    double start = now();
    if (!status)
        status = pool_run(p, n, peak_run, &m);
    *rate = 2.0 * PEAK_M * PEAK_N * PEAK_K * (double)n / (now() - start);
    matrices_free(&m);
    return status;
}
