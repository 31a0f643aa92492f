/* Tests of nn/trainer.c: every op forward against plain loops and backward against
 * differences, batch norm's statistics, slices, threads. */
#include "../sanitized.h"
#include "plain.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* All that one step takes and gives. */
typedef struct trial {
    net *g;
    trainer *t;
    memory_batch b;
    size_t n_weights, n_buffers;
    float *weights, *buffers, *gradient;
    double loss;
} trial;

static void trial_new(trial *r, const example *e, size_t n, size_t per_x, pool *p)
{
    memset(r, 0, sizeof *r);
    cr_assert_eq(example_net(e, &r->g), 0, "%s: %s", e->name, error_message());
    r->n_weights = net_n_weights(r->g);
    r->n_buffers = net_n_buffers(r->g);
    r->weights = calloc(r->n_weights + 1, sizeof(float));
    r->buffers = calloc(r->n_buffers + 1, sizeof(float));
    r->gradient = malloc((r->n_weights + 1) * sizeof(float));
    for (size_t i = 0; i < r->n_weights; i++)
        r->gradient[i] = NAN;
    net_init(r->g, rng_purpose(3, "init"), r->weights, r->buffers);
    /* Norms away from 1 and 0, so that a lost factor shows. */
    float *noise = malloc(r->n_weights * sizeof(float));
    normals(9, r->n_weights, noise);
    for (size_t i = 0; i < r->n_weights; i++)
        r->weights[i] += 0.2f * noise[i];
    free(noise);
    memory_batch_new(&r->b, r->g, n, per_x, 21);
    cr_assert_eq(trainer_new(r->g, n, per_x, false, p, &r->t), 0, "%s", error_message());
}

static void trial_step(trial *r)
{
    trainer_job job = memory_job(&r->b);
    int status = trainer_step(r->t, &job, r->weights, r->buffers, r->gradient, &r->loss);
    cr_assert_eq(status, 0, "%s", error_message());
}

static void trial_free(trial *r)
{
    trainer_free(r->t);
    net_free(r->g);
    memory_batch_free(&r->b);
    free(r->weights);
    free(r->buffers);
    free(r->gradient);
}

static double *doubles(size_t n, const float *x)
{
    double *d = malloc((n + 1) * sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = x[i];
    return d;
}

static plain_batch plain_of(const example *e, const trial *r, const double *weights)
{
    return (plain_batch){e, r->b.n, r->b.per_x, r->b.x, r->b.theta, weights, NULL};
}

static double loss_of(const plain_batch *b, double *logit)
{
    double sum = 0;
    plain_logits(b, logit, NULL);
    for (size_t i = 0; i < b->n * b->per_x; i++)
        sum += plain_loss(i, logit[i], NULL);
    return sum;
}

/* The reference is in double with h = 1e-5: its error is about 1e-10.  A float gradient
 * sums some 1e3 rounded terms, a relative error of about 1e-5 of the largest gradient. */
static void check_gradient(const example *e)
{
    trial r;
    trial_new(&r, e, 37, 3, NULL);
    trial_step(&r);
    double *w = doubles(r.n_weights, r.weights), most = 0, worst = 0;
    double *logit = malloc(r.b.n * r.b.per_x * sizeof *logit);
    plain_batch b = plain_of(e, &r, w);
    double loss = loss_of(&b, logit);
    cr_assert_float_eq(r.loss, loss, 1e-5 * (1 + fabs(loss)), "%s: loss %g, plain %g",
                       e->name, r.loss, loss);
    for (size_t i = 0; i < r.b.n * r.b.per_x; i++)
        cr_assert_float_eq(r.b.logit[i], logit[i], 2e-5, "%s: logit %zu", e->name, i);
    for (size_t i = 0; i < r.n_weights; i += SANITIZED ? 17 : 1) {
        const double keep = w[i], h = 1e-5;
        w[i] = keep + h;
        double up = loss_of(&b, logit);
        w[i] = keep - h;
        double slope = (up - loss_of(&b, logit)) / (2 * h);
        w[i] = keep;
        most = fmax(most, fabs(slope));
        worst = fmax(worst, fabs(slope - r.gradient[i]));
        if (!(fabs(slope - r.gradient[i]) <= 1e-4 * (1 + fabs(slope))))
            cr_log_error("%s: weight %zu: %g, differences %g", e->name, i, r.gradient[i],
                         slope);
    }
    cr_assert(worst <= 3e-5 * most, "%s: off by %g of %g", e->name, worst, most);
    free(w);
    free(logit);
    trial_free(&r);
}

Test(trainer, gradients_are_those_of_plain_loops)
{
    for (size_t i = 0; i < N_EXAMPLES; i++)
        check_gradient(&EXAMPLES[i]);
}

/* statistics of batch norm */

static const example *example_named(const char *name)
{
    for (size_t i = 0; i < N_EXAMPLES; i++)
        if (strcmp(EXAMPLES[i].name, name) == 0)
            return &EXAMPLES[i];
    cr_assert_fail("no example '%s'", name);
    return NULL;
}

static void check_statistics(const char *name)
{
    const example *e = example_named(name);
    trial r;
    trial_new(&r, e, 300, 2, NULL);
    double *w = doubles(r.n_weights, r.weights);
    double *moments = calloc(r.n_buffers, sizeof *moments);
    double *logit = calloc(600, sizeof *logit);
    plain_batch b = plain_of(e, &r, w);
    plain_logits(&b, logit, moments);
    trial_step(&r);
    size_t n;
    const net_tensor *t = net_buffers(r.g, &n);
    cr_assert_gt(n, 0);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < t[i].n; k++) {
            /* Mean and variance alternate; they start as 0 and 1. */
            double start = i % 2 ? 1 : 0, m = moments[t[i].at + k];
            cr_assert_float_eq(r.buffers[t[i].at + k], 0.9 * start + 0.1 * m,
                               1e-6 * (1 + fabs(m)), "%s: %s %zu", name, t[i].name, k);
        }
    free(w);
    free(moments);
    free(logit);
    trial_free(&r);
}

Test(trainer, running_statistics_are_those_of_the_batch)
{
    check_statistics("batch_norm");
    check_statistics("matrix");
    check_statistics("set");
    check_statistics("norm_blocks");
}

Test(trainer, batch_norm_refuses_a_single_row)
{
    const example *e = example_named("batch_norm");
    trial r;
    trial_new(&r, e, 1, 1, NULL);
    trainer_job job = memory_job(&r.b);
    int status = trainer_step(r.t, &job, r.weights, r.buffers, r.gradient, &r.loss);
    cr_assert_eq(status, NRE_EINVAL);
    cr_assert_not_null(strstr(error_message(), "two rows"), "%s", error_message());
    trial_free(&r);
}

/* slices and threads */

static nre_node build_dropout(const void *self, nre_graph *g)
{
    (void)self;
    nre_node z = g->dropout(g, g->activate(g, g->linear(g, g->x, 12, 1), NRE_SELU), 0.3);
    nre_node a = g->linear(g, g->concat(g, g->theta, z), 8, 1);
    a = g->dropout(g, g->activate(g, a, NRE_TANH), 0.5);
    return g->linear(g, a, 1, 1);
}

static const example DROPOUT = {"dropout", build_dropout, 2, 1, {{"x", {1, {5}}, 0}}};

static hash bits_of_steps(const example *e, size_t n, unsigned threads)
{
    pool *p = NULL;
    if (threads > 0)
        cr_assert_eq(pool_new(threads, &p), 0);
    trial r;
    trial_new(&r, e, n, 2, p);
    float *m = calloc(2 * r.n_weights, sizeof *m);
    const adamw o = {1e-3, 0.9, 0.999, 1e-8, 0.01};
    double total = 0;
    for (uint64_t step = 1; step <= 3; step++) {
        trial_step(&r);
        adamw_step(&o, step, 1.0 / (double)n, p, r.n_weights, r.gradient, r.weights, m,
                   m + r.n_weights);
        total += r.loss;
    }
    float *all = calloc(3 * r.n_weights + r.n_buffers + 2, sizeof *all);
    memcpy(all, r.weights, r.n_weights * sizeof *all);
    memcpy(all + r.n_weights, m, 2 * r.n_weights * sizeof *all);
    memcpy(all + 3 * r.n_weights, r.buffers, r.n_buffers * sizeof *all);
    memcpy(all + 3 * r.n_weights + r.n_buffers, &total, sizeof total);
    hash h = hash_bytes(all, (3 * r.n_weights + r.n_buffers + 2) * sizeof *all);
    free(all);
    free(m);
    trial_free(&r);
    pool_free(p);
    return h;
}

Test(trainer, bits_do_not_depend_on_threads)
{
    const example *examples[] = {example_named("selu"), example_named("batch_norm"),
                                 example_named("set"), example_named("norm_blocks"),
                                 &DROPOUT};
    /* One slice, two, an odd number, sixteen with a short last one. */
    const size_t sizes[] = {100, 129, 700, 2050};
    for (size_t e = 0; e < 5; e++)
        for (size_t s = 0; s < 4; s++) {
            hash alone = bits_of_steps(examples[e], sizes[s], 0);
            for (unsigned threads = 1; threads <= 3; threads++)
                cr_assert(
                    hash_equal(alone, bits_of_steps(examples[e], sizes[s], threads)),
                    "%s, %zu rows, %u threads", examples[e]->name, sizes[s], threads);
        }
}

/* Slices of a batch against the plain reference, which knows none. */
Test(trainer, slices_add_up)
{
    const char *names[] = {"gelu", "batch_norm"};
    const size_t sizes[] = {127, 128, 129, 2049};
    for (size_t e = 0; e < 2; e++)
        for (size_t s = 0; s < 4; s++) {
            const example *x = example_named(names[e]);
            trial r;
            trial_new(&r, x, sizes[s], 2, NULL);
            trial_step(&r);
            double *w = doubles(r.n_weights, r.weights);
            double *logit = calloc(2 * sizes[s], sizeof *logit);
            plain_batch b = plain_of(x, &r, w);
            double loss = loss_of(&b, logit), scale = 0;
            for (size_t i = 0; i < 2 * sizes[s]; i++) {
                cr_assert_float_eq(r.b.logit[i], logit[i], 2e-5);
                scale += fabs(plain_loss(i, logit[i], NULL));
            }
            cr_assert_float_eq(r.loss, loss, 1e-5 * scale);
            free(w);
            free(logit);
            trial_free(&r);
        }
}

/* A trainer made for a large batch computes a small one with the same bits. */
Test(trainer, a_short_batch_is_a_batch)
{
    const example *e = example_named("batch_norm");
    trial small, large;
    trial_new(&small, e, 150, 2, NULL);
    trial_new(&large, e, 150, 2, NULL);
    trainer_free(large.t);
    cr_assert_eq(trainer_new(large.g, 5000, 4, false, NULL, &large.t), 0);
    trial_step(&small);
    trial_step(&large);
    cr_assert_arr_eq(small.gradient, large.gradient, small.n_weights * sizeof(float));
    cr_assert_arr_eq(small.buffers, large.buffers, small.n_buffers * sizeof(float));
    trial_free(&small);
    trial_free(&large);
}

Test(trainer, refuses_more_than_it_was_made_for)
{
    trial r;
    trial_new(&r, example_named("relu"), 10, 2, NULL);
    trainer_job job = memory_job(&r.b);
    job.n = 11;
    cr_assert_eq(trainer_step(r.t, &job, r.weights, r.buffers, r.gradient, &r.loss),
                 NRE_EINVAL);
    job.n = 10;
    job.per_x = 3;
    cr_assert_eq(trainer_step(r.t, &job, r.weights, r.buffers, r.gradient, &r.loss),
                 NRE_EINVAL);
    cr_assert_eq(trainer_new(r.g, 0, 1, false, NULL, &(trainer *){NULL}), NRE_EINVAL);
    trial_free(&r);
}

static int broken_fill(void *context, unsigned worker, size_t first, size_t n, float *x,
                       float *theta)
{
    (void)context, (void)worker, (void)n, (void)x, (void)theta;
    return first == 256 ? fail(NRE_EIO, "row %zu is not to be read", first) : 0;
}

Test(trainer, a_failure_of_the_caller_is_passed_on_and_changes_nothing)
{
    trial r;
    trial_new(&r, example_named("batch_norm"), 600, 1, NULL);
    float *before = calloc(r.n_buffers, sizeof *before);
    memcpy(before, r.buffers, r.n_buffers * sizeof *before);
    trainer_job job = memory_job(&r.b);
    job.fill = broken_fill;
    cr_assert_eq(trainer_step(r.t, &job, r.weights, r.buffers, r.gradient, &r.loss),
                 NRE_EIO);
    cr_assert_str_eq(error_message(), "row 256 is not to be read");
    cr_assert_arr_eq(before, r.buffers, r.n_buffers * sizeof *before);
    /* And the next step is right. */
    trial_step(&r);
    trial fresh;
    trial_new(&fresh, example_named("batch_norm"), 600, 1, NULL);
    trial_step(&fresh);
    cr_assert_arr_eq(r.gradient, fresh.gradient, r.n_weights * sizeof(float));
    free(before);
    trial_free(&r);
    trial_free(&fresh);
}

/* a loss of the whole batch */

/* With S the sum of all logits: (S - 3)^2 / 2, of which each slice tells an equal part. */
static double sum_of(void *context, size_t first, size_t n, const float *logit)
{
    const memory_batch *m = context;
    double sum = 0;
    (void)first;
    for (size_t i = 0; i < n * m->per_x; i++)
        sum += (double)logit[i];
    return sum;
}

static double batch_loss(void *context, size_t first, size_t n, const float *logit,
                         double measured, float *gradient)
{
    const memory_batch *m = context;
    (void)first, (void)logit;
    for (size_t i = 0; i < n * m->per_x; i++)
        gradient[i] = (float)(measured - 3);
    return (measured - 3) * (measured - 3) / 2 * (double)n / (double)m->n;
}

static void batch_step(trial *r, const example *e, pool *p)
{
    trial_new(r, e, 300, 2, NULL);
    trainer_free(r->t);
    cr_assert_eq(trainer_new(r->g, 300, 2, true, p, &r->t), 0);
    trainer_job job = memory_job(&r->b);
    job.loss = batch_loss;
    job.measure = sum_of;
    cr_assert_eq(trainer_step(r->t, &job, r->weights, r->buffers, r->gradient, &r->loss),
                 0, "%s", error_message());
}

static double plain_batch_loss(const plain_batch *b, double *logit)
{
    double sum = 0;
    plain_logits(b, logit, NULL);
    for (size_t i = 0; i < b->n * b->per_x; i++)
        sum += logit[i];
    return (sum - 3) * (sum - 3) / 2;
}

static void check_batch_loss(const char *name)
{
    const example *e = example_named(name);
    trial r, two;
    pool *p;
    double logit[600], most = 0;
    cr_assert_eq(pool_new(2, &p), 0);
    batch_step(&r, e, NULL);
    batch_step(&two, e, p);
    cr_assert_arr_eq(r.gradient, two.gradient, r.n_weights * sizeof(float));
    cr_assert_eq(r.loss, two.loss);
    double *w = doubles(r.n_weights, r.weights);
    plain_batch b = plain_of(e, &r, w);
    double loss = plain_batch_loss(&b, logit);
    cr_assert_float_eq(r.loss, loss, 1e-4 * loss, "%g instead of %g", r.loss, loss);
    for (size_t i = 0; i < r.n_weights; i++)
        most = fmax(most, fabs((double)r.gradient[i]));
    for (size_t i = 0; i < r.n_weights; i += 7) {
        const double keep = w[i], h = 1e-5;
        w[i] = keep + h;
        double up = plain_batch_loss(&b, logit);
        w[i] = keep - h;
        double slope = (up - plain_batch_loss(&b, logit)) / (2 * h);
        w[i] = keep;
        cr_assert_float_eq(r.gradient[i], slope, 1e-4 * most, "%s: weight %zu: %g, %g",
                           name, i, r.gradient[i], slope);
    }
    free(w);
    trial_free(&r);
    trial_free(&two);
    pool_free(p);
}

Test(trainer, a_loss_may_wait_for_the_whole_batch)
{
    check_batch_loss("elu");
    check_batch_loss("batch_norm");
}

/* a parameter on no way to the logit */

static nre_node build_dead_end(const void *self, nre_graph *g)
{
    (void)self;
    g->linear(g, g->x, 3, 1);
    return g->linear(g, g->theta, 1, 1);
}

Test(trainer, unused_parameters_have_gradient_zero)
{
    const example e = {"dead_end", build_dead_end, 2, 1, {{"x", {1, {5}}, 0}}};
    trial r;
    trial_new(&r, &e, 40, 2, NULL);
    trial_step(&r);
    for (size_t i = 0; i < 18; i++)
        cr_assert_eq(r.gradient[i], 0.0f);
    cr_assert_eq(r.n_weights, 21);
    for (size_t i = 18; i < 21; i++)
        cr_assert(isfinite(r.gradient[i]) && r.gradient[i] != 0);
    trial_free(&r);
}

/* dropout */

static nre_node build_pure_dropout(const void *self, nre_graph *g)
{
    (void)self;
    return g->linear(g, g->dropout(g, g->theta, 0.25), 1, 0);
}

/* Theta is 1 and the weights 1, so a logit is the mean of 4/3 or 0 times 64. */
Test(trainer, dropout_keeps_the_mean)
{
    const example e = {"pure", build_pure_dropout, 64, 1, {{"x", {1, {1}}, 0}}};
    trial r;
    trial_new(&r, &e, 2000, 2, NULL);
    for (size_t i = 0; i < r.n_weights; i++)
        r.weights[i] = 1;
    for (size_t i = 0; i < 4000 * 64; i++)
        r.b.theta[i] = 1;
    trial_step(&r);
    double sum = 0, kept = 0;
    for (size_t i = 0; i < 4000; i++) {
        sum += r.b.logit[i];
        double ones = r.b.logit[i] * 0.75;
        cr_assert_float_eq(ones, round(ones), 1e-4);
        kept += ones;
    }
    /* Binomial: deviation of the mean of 256,000 draws, each 4/3 with probability 3/4. */
    double n = 4000 * 64, z = (kept / n - 0.75) / sqrt(0.75 * 0.25 / n);
    cr_assert_lt(fabs(z), 4.5, "kept %g, z = %g", kept / n, z);
    cr_assert_float_eq(sum / n, 1.0, 4.5 * sqrt(1.0 / 3 / n));
    trial_free(&r);
}

Test(trainer, dropout_masks_follow_seed_and_step)
{
    trial r;
    trial_new(&r, &DROPOUT, 300, 2, NULL);
    float *first = malloc(600 * sizeof *first);
    trial_step(&r);
    memcpy(first, r.b.logit, 600 * sizeof *first);
    trial_step(&r);
    cr_assert_arr_eq(first, r.b.logit, 600 * sizeof *first);
    trainer_job job = memory_job(&r.b);
    job.step = 2;
    trainer_step(r.t, &job, r.weights, r.buffers, r.gradient, &r.loss);
    cr_assert_neq(memcmp(first, r.b.logit, 600 * sizeof *first), 0);
    job.step = 1;
    job.seed++;
    trainer_step(r.t, &job, r.weights, r.buffers, r.gradient, &r.loss);
    cr_assert_neq(memcmp(first, r.b.logit, 600 * sizeof *first), 0);
    free(first);
    trial_free(&r);
}

/* With the masks held, the loss is smooth: its derivative along a direction, in float, h
 * = 1e-2: truncation h^2 and rounding 1e-7 / h of the loss leave about 1e-4 of its scale.
 */
Test(trainer, dropout_goes_back_through_its_mask)
{
    trial r;
    trial_new(&r, &DROPOUT, 60, 2, NULL);
    trial_step(&r);
    double slope = 0, up, down, norm = gradient_norm(r.n_weights, r.gradient);
    float *start = malloc(r.n_weights * sizeof *start),
          *way = malloc(r.n_weights * sizeof *way);
    memcpy(start, r.weights, r.n_weights * sizeof *start);
    for (size_t i = 0; i < r.n_weights; i++) {
        way[i] = r.gradient[i] / (float)norm;
        slope += (double)way[i] * r.gradient[i];
    }
    const float h = 1e-2f;
    for (size_t i = 0; i < r.n_weights; i++)
        r.weights[i] = start[i] + h * way[i];
    trial_step(&r);
    up = r.loss;
    for (size_t i = 0; i < r.n_weights; i++)
        r.weights[i] = start[i] - h * way[i];
    trial_step(&r);
    down = r.loss;
    cr_assert_float_eq((up - down) / (2 * (double)h), slope, 1e-3 * slope);
    free(start);
    free(way);
    trial_free(&r);
}

/* the loss alone */

Test(trainer, loss_is_that_of_evaluation)
{
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        trial r;
        pool *p = NULL;
        cr_assert_eq(pool_new(2, &p), 0);
        trial_new(&r, &EXAMPLES[i], 300, 2, p);
        for (size_t k = 0; k < r.n_buffers; k++)
            r.buffers[k] += 0.3f + 0.1f * (float)(k % 3);
        double *w = doubles(r.n_weights, r.weights), *s = doubles(r.n_buffers, r.buffers);
        double *logit = calloc(600, sizeof *logit), loss, scale = 0;
        plain_batch b = plain_of(&EXAMPLES[i], &r, w);
        b.buffers = s;
        double expected = loss_of(&b, logit);
        trainer_job job = memory_job(&r.b);
        cr_assert_eq(trainer_loss(r.t, &job, r.weights, r.buffers, &loss, &(double){0}),
                     0);
        for (size_t k = 0; k < 600; k++) {
            cr_assert_float_eq(r.b.logit[k], logit[k], 2e-5, "%s", EXAMPLES[i].name);
            scale += fabs(plain_loss(k, logit[k], NULL));
        }
        cr_assert_float_eq(loss, expected, 1e-5 * scale, "%s", EXAMPLES[i].name);
        free(w);
        free(s);
        free(logit);
        trial_free(&r);
        pool_free(p);
    }
}

/* Memory without batch norm is by thread, not by batch. */
Test(trainer, memory_is_by_slice)
{
    net *g = NULL;
    trainer *small = NULL, *large = NULL;
    cr_assert_eq(example_net(example_named("selu"), &g), 0);
    cr_assert_eq(trainer_new(g, 128, 2, false, NULL, &small), 0);
    cr_assert_eq(trainer_new(g, 2048, 2, false, NULL, &large), 0);
    cr_assert_leq(trainer_memory(large), trainer_memory(small) + 4096);
    trainer_free(small);
    trainer_free(large);
    net_free(g);
}
