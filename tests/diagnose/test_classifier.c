/* A small network that tells rows of two kinds apart. */
#include "gauss.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { N = 2000, ROWS = 2 * N, UNITS = 16 };

static const classifier_rules RULES = {.batch = 100,
                                       .epochs = 60,
                                       .patience = 5,
                                       .tolerance = 1e-4,
                                       .purpose = "test",
                                       .seed = 3};

/* Rows of one number: N from N(0, 1), then N from N(SHIFT, 1); half are trained on, a tenth apart, the
 * rest judged. */
typedef struct samples {
    float x[ROWS];
    const float *row[ROWS];
    bool second[ROWS];
    double weight[ROWS];
    uint64_t train[ROWS];
    classifier_rows rows;
    const uint64_t *judged;
    size_t n_judged;
    float logit[ROWS];
} samples;

static samples *draw_samples(double shift)
{
    samples *s = calloc(1, sizeof *s);
    for (size_t i = 0; i < ROWS; i++) {
        rng r;
        rng_start(&r, rng_purpose(17, "rows"), i, 0);
        s->second[i] = i >= N;
        s->x[i] = (float)(rng_normal(&r) + (s->second[i] ? shift : 0));
        s->row[i] = &s->x[i];
        s->weight[i] = 1;
        s->train[i] = (i * 7919) % ROWS; /* a permutation: 7919 is a prime */
    }
    s->rows = (classifier_rows){.dim = 1,
                                .row = s->row,
                                .second = s->second,
                                .weight = s->weight,
                                .n_train = ROWS / 2,
                                .n_stop = ROWS / 10,
                                .train = s->train,
                                .stop = s->train + ROWS / 2};
    s->judged = s->train + ROWS / 2 + ROWS / 10;
    s->n_judged = ROWS - ROWS / 2 - ROWS / 10;
    return s;
}

static uint64_t learn(samples *s)
{
    net *g = NULL;
    classifier c = {0};
    cr_assert_eq(classifier_net(1, UNITS, &g), 0, "%s", error_message());
    cr_assert_eq(classifier_train(g, &RULES, &s->rows, &c), 0, "%s", error_message());
    cr_assert_eq(classifier_judge(&c, &s->rows, s->n_judged, s->judged, s->logit), 0);
    uint64_t epochs = c.epochs;
    classifier_release(&c);
    net_free(g);
    return epochs;
}

/* RMS of the logit less shift (x - shift / 2), which is log p(x | second) / p(x | first). */
static double error_of(const samples *s, double shift)
{
    double squares = 0;
    for (size_t i = 0; i < s->n_judged; i++) {
        double x = (double)s->x[s->judged[i]];
        squares += pow((double)s->logit[i] - shift * (x - shift / 2), 2);
    }
    return sqrt(squares / (double)s->n_judged);
}

Test(classifier, learns_the_ratio_of_densities)
{
    samples *s = draw_samples(1);
    uint64_t epochs = learn(s);
    double error = error_of(s, 1);
    cr_log_info("%llu epochs, error %.3f", (unsigned long long)epochs, error);
    cr_assert(epochs < RULES.epochs);
    cr_assert(error < 0.2, "%g", error);
    free(s);
}

/* The first kind weighs as much as the second has of it: nothing tells them apart. */
Test(classifier, learns_from_weights)
{
    samples *s = draw_samples(1);
    for (size_t i = 0; i < N; i++)
        s->weight[i] = exp((double)s->x[i] - 0.5);
    learn(s);
    double error = error_of(s, 0);
    cr_log_info("error %.3f", error);
    cr_assert(error < 0.2, "%g", error);
    free(s);
}

/* Labels without meaning, as many weights as a third of the rows: what is kept is from before it learned
 * them by heart. */
Test(classifier, stops_before_it_knows_noise)
{
    samples *s = draw_samples(0);
    s->rows.n_train = 50;
    uint64_t epochs = learn(s);
    double kept = error_of(s, 0);
    s->rows.n_stop = 0; /* by the training loss */
    uint64_t more = learn(s);
    double learned = error_of(s, 0);
    cr_log_info("%llu epochs %.3f, %llu epochs %.3f", (unsigned long long)epochs, kept,
                (unsigned long long)more, learned);
    cr_assert(epochs < more);
    cr_assert(kept < learned);
    free(s);
}

/* With moments origin and unit are void, and far rows are at the clamp. */
Test(classifier, standardises)
{
    samples *s = draw_samples(1), *t = draw_samples(1);
    float mean[2], inverse[2];
    for (size_t i = 0; i < ROWS; i++)
        t->x[i] = 64 * s->x[i] + 512;
    classifier_moments(N, 1, s->row, &mean[0], &inverse[0]);
    classifier_moments(N, 1, t->row, &mean[1], &inverse[1]);
    cr_assert_float_eq((double)mean[0], 0, 4.5 / sqrt(N));
    cr_assert_float_eq((double)inverse[0], 1, 4.5 / sqrt(2 * N));
    s->rows.mean = &mean[0], s->rows.inverse = &inverse[0];
    t->rows.mean = &mean[1], t->rows.inverse = &inverse[1];
    learn(s);
    learn(t);
    for (size_t i = 0; i < s->n_judged; i++)
        cr_assert_float_eq((double)s->logit[i], (double)t->logit[i], 1e-2);
    s->x[s->judged[0]] = 20;
    s->x[s->judged[1]] = 2000;
    learn(s);
    cr_assert_eq(s->logit[0], s->logit[1]);
    for (size_t i = 0; i < ROWS; i++)
        s->x[i] = 3;
    classifier_moments(N, 1, s->row, mean, inverse);
    cr_assert_eq(inverse[0], 0);
    free(s);
    free(t);
}

Test(classifier, refuses_what_is_not_finite)
{
    samples *s = draw_samples(1);
    net *g = NULL;
    classifier c = {0};
    s->x[s->train[7]] = NAN;
    cr_assert_eq(classifier_net(1, UNITS, &g), 0);
    cr_assert_eq(classifier_train(g, &RULES, &s->rows, &c), NRE_ENUMERIC);
    cr_assert_null(c.weights);
    net_free(g);
    free(s);
}

Test(classifier, scales_in_place)
{
    uint8_t scale[2] = {NRE_SCALE_LOG, NRE_SCALE_AFFINE};
    float mean[2] = {1, 2}, inverse[2] = {2, 0.5F};
    scaling c = {.n_x = 2, .scale = scale, .mean = mean, .inverse = inverse};
    float x[6] = {1, 2, 3, 4, 5, 6}, z[6];
    scaling_apply(&c, 3, x, z, NULL);
    cr_assert_eq(classifier_scale(&c, 3, x), 0);
    cr_assert_arr_eq(x, z, sizeof z);
}
