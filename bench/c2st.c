/* c2st.c - the classifier two-sample test of two .npy files, [n][dim] each.
 *
 *   c2st REFERENCE.npy SAMPLE.npy [SEED [THREADS]]
 *
 * One object on stdout: accuracy, its error for two samples of one law, folds, seconds. */
#include "diagnose/diagnose.h"

#include <stdlib.h>

static int read_sample(const char *path, npy *out)
{
    int status = npy_read(path, out);
    if (status)
        return status;
    return out->rank == 2 && out->type == 'f' && out->width == 8
               ? NRE_OK
               : fail(NRE_EDATA, "%s: expected float64 [n][dim]", path);
}

static int compare(const npy *a, const npy *b, int64_t seed, int64_t threads)
{
    pool *p = NULL;
    c2st_result c;
    if (a->dim[0] != b->dim[0] || a->dim[1] != b->dim[1])
        return fail(NRE_EDATA, "the samples differ in shape");
    int status = blas_start();
    if (!status)
        status = pool_new((unsigned)threads, &p);
    if (!status)
        status = c2st_of((size_t)a->dim[0], (uint32_t)a->dim[1], a->data, b->data,
                         (uint64_t)seed, p, &c);
    pool_free(p);
    json_t *result = status ? NULL : c2st_json(&c);
    if (result) {
        json_object_set_new(result, "seconds", json_number(c.seconds));
        json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        printf("\n");
    }
    json_decref(result);
    return status;
}

int main(int argc, char **argv)
{
    npy a = {0}, b = {0};
    int64_t seed = 1, threads = 2;
    int status = NRE_OK;
    if (argc < 3 || (argc > 3 && !text_to_int(argv[3], &seed)) ||
        (argc > 4 && (!text_to_int(argv[4], &threads) || threads < 1)))
        status = fail(NRE_EUSAGE, "c2st REFERENCE.npy SAMPLE.npy [SEED [THREADS]]");
    if (!status)
        status = read_sample(argv[1], &a);
    if (!status)
        status = read_sample(argv[2], &b);
    if (!status)
        status = compare(&a, &b, seed, threads);
    npy_free(&a);
    npy_free(&b);
    if (status)
        fprintf(stderr, "c2st: %s\n", error_message());
    return status ? exit_code_of(status) : 0;
}
