/* Training learns, is the same for any number of threads and interruptions, and fails
 * well. */
#include "problem.h"

#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static train_result run(problem *p, int expected)
{
    train_result r;
    int status = train_run(&p->job, &r);
    cr_assert_eq(status, expected, "%d: %s", status, error_message());
    return r;
}

Test(loop, approaches_the_exact_ratio)
{
    problem p;
    double exact;
    problem_open(&p, 8192, 4096, 2);
    p.settings.epochs = 15;
    p.settings.batch_size = 128;
    p.settings.loss_options.marginals = 4;
    cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &exact), 0);
    train_result r = run(&p, 0);
    cr_assert_eq(r.epochs, 15);
    cr_assert(!r.resumed);
    cr_assert(r.best_loss <= r.last_loss);
    cr_assert_gt(r.best_loss, exact); /* on 4096 x 8 pairs nothing beats the truth */
    cr_assert_lt(r.best_loss - exact, 0.012, "excess %g",
                 r.best_loss - exact); /* 0.34 at r = 1 */
    cr_assert_gt(r.pairs_per_second, 0);
    problem_close(&p);
}

Test(loop, excess_falls_with_more_simulations)
{
    const uint64_t n[3] = {256, 1024, 8192};
    double excess[3];
    for (int i = 0; i < 3; i++) {
        problem p;
        double exact;
        problem_open(&p, n[i], 4096, 1);
        p.settings.batch_size = 128;
        p.settings.epochs = 10;
        cr_assert_eq(validation_loss_of(&p.job, problem_log_ratio, NULL, &exact), 0);
        excess[i] = run(&p, 0).best_loss - exact;
        problem_close(&p);
    }
    cr_assert(excess[0] > excess[1] && excess[1] > excess[2], "%g %g %g", excess[0],
              excess[1], excess[2]);
}

Test(loop, threads_change_no_bit)
{
    static const char *const files[] = {"weights.h5", "checkpoint.h5", "loss.csv"};
    problem one, two;
    problem_open(&one, 2048, 1500, 1);
    problem_open(&two, 2048, 1500, 2);
    one.settings.batch_size = two.settings.batch_size = 512;
    one.settings.clip = two.settings.clip = 0.05;
    train_result a = run(&one, 0), b = run(&two, 0);
    cr_assert_eq(a.best_loss, b.best_loss);
    for (int i = 0; i < 3; i++)
        cr_assert(problem_same_file(one.folder, two.folder, files[i]), "%s", files[i]);
    problem_close(&one);
    problem_close(&two);
}

Test(loop, replicates_and_members_differ)
{
    problem p;
    double best[3];
    for (int i = 0; i < 3; i++) {
        problem_open(&p, 512, 256, 1);
        p.settings.epochs = 1;
        p.settings.member = i == 1;
        p.settings.replicate = i == 2;
        best[i] = run(&p, 0).best_loss;
        problem_close(&p);
    }
    cr_assert(best[0] != best[1] && best[0] != best[2] && best[1] != best[2]);
}

/* interrupted */

typedef struct interruption {
    uint64_t after; /* this epoch */
    uint64_t seen;
} interruption;

static void stop_after(void *context, const json_t *line)
{
    interruption *i = context;
    i->seen = (uint64_t)json_integer_value(json_object_get(line, "epoch"));
    if (i->seen == i->after)
        stop_request(SIGINT);
}

static void expect_same(const problem *a, const problem *b)
{
    cr_assert(problem_same_file(a->folder, b->folder, "weights.h5"));
    cr_assert(problem_same_file(a->folder, b->folder, "checkpoint.h5"));
    cr_assert(problem_same_file(a->folder, b->folder, "loss.csv"));
}

Test(loop, stopped_and_resumed_gives_the_same_bits)
{
    problem whole, parts;
    interruption i = {.after = 3};
    problem_open(&whole, 1024, 512, 1);
    problem_open(&parts, 1024, 512, 1);
    train_result all = run(&whole, 0);
    parts.job.metrics = stop_after;
    parts.job.metrics_context = &i;
    train_result first = run(&parts, NRE_ECANCELLED);
    cr_assert_eq(first.epochs, 3);
    cr_assert_not_null(strstr(error_message(), "after epoch 3"), "%s", error_message());
    stop_request(0);
    i.after = 6; /* twice */
    run(&parts, NRE_ECANCELLED);
    stop_request(0);
    i.after = 0;
    train_result last = run(&parts, 0);
    cr_assert(last.resumed);
    cr_assert_eq(last.best_loss, all.best_loss);
    cr_assert_eq(last.best_epoch, all.best_epoch);
    expect_same(&whole, &parts);
    problem_close(&whole);
    problem_close(&parts);
}

typedef struct in_the_middle {
    progress api;
    unsigned left; /* reports until the wish to stop */
} in_the_middle;

static void count_down(progress *self, const char *what, uint64_t done, uint64_t total,
                       const char *unit, const char *detail)
{
    in_the_middle *m = (in_the_middle *)self;
    (void)what;
    (void)done;
    (void)total;
    (void)unit;
    (void)detail;
    if (m->left && --m->left == 0)
        stop_request(SIGTERM);
}

Test(loop, stopped_within_an_epoch_repeats_it)
{
    problem whole, parts;
    in_the_middle watch = {.api.report = count_down, .left = 4 * 3 + 2}; /* of epoch 4 */
    problem_open(&whole, 1024, 512, 1);
    problem_open(&parts, 1024, 512, 1);
    run(&whole, 0);
    parts.job.watch = &watch.api;
    cr_assert_eq(run(&parts, NRE_ECANCELLED).epochs, 3);
    stop_request(0);
    cr_assert(run(&parts, 0).resumed);
    expect_same(&whole, &parts);
    problem_close(&whole);
    problem_close(&parts);
}

Test(loop, stopped_in_the_first_epoch_starts_again)
{
    problem p;
    in_the_middle watch = {.api.report = count_down, .left = 1};
    problem_open(&p, 1024, 512, 1);
    p.job.watch = &watch.api;
    cr_assert_eq(run(&p, NRE_ECANCELLED).epochs, 0);
    stop_request(0);
    cr_assert(!run(&p, 0).resumed);
    problem_close(&p);
}

Test(loop, finished_training_is_not_repeated)
{
    problem p;
    problem_open(&p, 512, 256, 1);
    train_result first = run(&p, 0), again = run(&p, 0);
    cr_assert(again.resumed);
    cr_assert_eq(again.best_loss, first.best_loss);
    cr_assert_eq(again.pairs_per_second, 0);
    problem_close(&p);
}

Test(loop, damaged_checkpoint_is_trained_again)
{
    problem whole, broken;
    interruption i = {.after = 4};
    size_t n;
    char path[256];
    problem_open(&whole, 512, 256, 1);
    problem_open(&broken, 512, 256, 1);
    run(&whole, 0);
    broken.job.metrics = stop_after;
    broken.job.metrics_context = &i;
    run(&broken, NRE_ECANCELLED);
    stop_request(0);
    snprintf(path, sizeof path, "%s/checkpoint.h5", broken.folder);
    char *text = problem_file(broken.folder, "checkpoint.h5", &n);
    cr_assert_eq(file_write(path, text, n * 2 / 3), 0);
    i.after = 0;
    cr_assert(!run(&broken, 0).resumed);
    expect_same(&whole, &broken);
    free(text);
    problem_close(&whole);
    problem_close(&broken);
}

/* a loader that draws its rows while training */

typedef struct drawing {
    loader base;
    const loader *rows;
    uint64_t begun[32];
    size_t n;
} drawing;

static int begin_drawing(const loader *base, uint64_t epoch)
{
    drawing *d = (drawing *)(uintptr_t)base;
    d->begun[d->n++] = epoch;
    return NRE_OK;
}

static int drawn_rows(const loader *base, unsigned worker, uint64_t epoch, size_t n,
                      const uint64_t *index, double *theta, float *x)
{
    const drawing *d = (const drawing *)base;
    cr_assert(d->n > 0 && epoch == d->begun[d->n - 1]);
    return d->rows->rows(d->rows, worker, epoch, n, index, theta, x);
}

Test(loop, every_epoch_begins_with_its_rows)
{
    problem p;
    interruption i = {.after = 3};
    static const uint64_t expected[] = {1, 2, 3, 4, 4, 5, 6, 7, 8};
    problem_open(&p, 512, 256, 2);
    drawing d = {.base = *p.rows[0], .rows = p.rows[0]};
    d.base.begin = begin_drawing;
    d.base.rows = drawn_rows;
    p.job.train = &d.base;
    p.job.metrics = stop_after;
    p.job.metrics_context = &i;
    run(&p, NRE_ECANCELLED);
    stop_request(0);
    size_t stopped = d.n; /* the wish may be seen before epoch 4 begins, or after */
    cr_assert(stopped == 3 || stopped == 4);
    i.after = 0;
    cr_assert(run(&p, 0).resumed);
    cr_assert_arr_eq(d.begun + stopped, expected + 4, 5 * sizeof *expected);
    cr_assert_eq(d.n, stopped + 5);
    problem_close(&p);
}

/* patience, batches */

Test(loop, patience_ends_training)
{
    problem p;
    problem_open(&p, 64, 2000, 1);
    p.settings.epochs = 400;
    p.settings.patience = 5;
    p.settings.batch_size = 64;
    p.settings.schedule.name = TRAIN_CONSTANT;
    p.settings.schedule.lr = 1e-2;
    train_result r = run(&p, 0);
    cr_assert_lt(r.epochs, 400);
    cr_assert_eq(r.epochs, r.best_epoch + 5);
    problem_close(&p);
}

Test(loop, a_set_smaller_than_a_batch_is_one_batch)
{
    problem p;
    problem_open(&p, 20, 20, 1);
    cr_assert_eq(run(&p, 0).epochs, 8);
    problem_close(&p);
}

Test(loop, settings_that_make_no_pairs_are_refused)
{
    problem p;
    problem_open(&p, 20, 20, 1);
    p.settings.loss_options.marginals = 20;
    run(&p, NRE_EINVAL);
    p.settings.loss_options.marginals = 0;
    run(&p, NRE_EINVAL);
    p.settings.loss_options.marginals = 1;
    p.settings.batch_size = 1;
    run(&p, NRE_EINVAL);
    problem_close(&p);
}

/* numbers that make no sense */

Test(loop, x_that_is_not_finite_is_named)
{
    problem p;
    problem_open(&p, 512, 256, 1);
    p.x[0][77 * PROBLEM_D] = NAN;
    run(&p, NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "row 77"), "%s", error_message());
    problem_close(&p);
}

Test(loop, divergence_advises_and_keeps_the_checkpoint)
{
    problem p;
    interruption i = {.after = 2};
    size_t n, m;
    problem_open(&p, 512, 256, 1);
    p.job.metrics = stop_after;
    p.job.metrics_context = &i;
    run(&p, NRE_ECANCELLED);
    stop_request(0);
    char *before = problem_file(p.folder, "checkpoint.h5", &n);
    p.settings.schedule.lr = 1e30;
    run(&p, NRE_ENUMERIC);
    cr_assert_not_null(strstr(error_message(), "train.optimizer.lr"), "%s",
                       error_message());
    char *after = problem_file(p.folder, "checkpoint.h5", &m);
    cr_assert(n == m && memcmp(before, after, n) == 0);
    free(before);
    free(after);
    problem_close(&p);
}

/* The rate rises until weights grow without bound. */
Test(loop, divergence_keeps_the_best_weights)
{
    problem p;
    train_state s;
    bool found;
    problem_open(&p, 512, 256, 1);
    p.settings.checkpoint_every = 1000;
    p.settings.epochs = 200;
    p.settings.optimiser.weight_decay = 1;
    p.settings.schedule = (schedule){.name = TRAIN_CONSTANT, .lr = 10, .warmup = 100};
    train_result r = run(&p, NRE_ENUMERIC);
    cr_assert(r.epochs > 2 && isfinite(r.best_loss));
    cr_assert_eq(state_new(p.net, 200, false, &s), 0);
    cr_assert(!checkpoint_load(&p.job, &s, &found) && found);
    cr_assert_eq(s.epoch, r.epochs);
    cr_assert_eq(s.best_loss, r.best_loss);
    for (size_t i = 0; i < s.n_weights; i++)
        cr_assert(isfinite(s.best_weights[i]) && isfinite(s.weights[i]));
    state_free(&s);
    problem_close(&p);
}

/* parts of a batch */

/* Distance of the networks that two trainings left, relative to the length of the first. */
static double distance(const problem *a, const problem *b)
{
    train_state s, t;
    double sum = 0, square = 0;
    bool found;
    bool averaged = a->settings.average > 0;
    cr_assert_eq(state_new(a->net, a->settings.epochs, averaged, &s), 0);
    cr_assert_eq(state_new(b->net, b->settings.epochs, averaged, &t), 0);
    cr_assert(!checkpoint_load(&a->job, &s, &found) && found);
    cr_assert(!checkpoint_load(&b->job, &t, &found) && found);
    for (size_t i = 0; i < s.n_weights; i++) {
        double off = (double)s.weights[i] - (double)t.weights[i];
        sum += off * off;
        square += (double)s.weights[i] * (double)s.weights[i];
    }
    state_free(&s);
    state_free(&t);
    return sqrt(sum / square);
}

/* 256 rows in 3 parts: 86, 86 and 84. */
Test(loop, parts_of_a_batch_are_the_batch_up_to_rounding)
{
    problem whole, parts, less;
    problem_open(&whole, 1024, 512, 1);
    problem_open(&parts, 1024, 512, 2);
    problem_open(&less, 1024, 512, 1);
    whole.settings.epochs = parts.settings.epochs = less.settings.epochs = 2;
    parts.settings.accumulate = 3;
    less.settings.batch_size = 86;
    train_result a = run(&whole, 0), b = run(&parts, 0);
    run(&less, 0);
    cr_assert_lt(fabs(a.best_loss - b.best_loss), 1e-5);
    cr_assert_lt(distance(&whole, &parts), 1e-4, "%g", distance(&whole, &parts));
    cr_assert_gt(distance(&whole, &less), 1e-2, "%g", distance(&whole, &less));
    problem_close(&whole);
    problem_close(&parts);
    problem_close(&less);
}

Test(loop, parts_are_the_same_for_any_threads)
{
    problem one, two;
    problem_open(&one, 1024, 512, 1);
    problem_open(&two, 1024, 512, 2);
    one.settings.accumulate = two.settings.accumulate = 2;
    one.settings.batch_size = two.settings.batch_size = 512;
    run(&one, 0);
    run(&two, 0);
    expect_same(&one, &two);
    problem_close(&one);
    problem_close(&two);
}

Test(loop, more_parts_than_rows_are_single_rows)
{
    problem p;
    problem_open(&p, 40, 40, 1);
    p.settings.batch_size = 20;
    p.settings.accumulate = 64;
    p.settings.epochs = 1;
    run(&p, 0);
    problem_close(&p);
}

static double no_penalty(const loss_options *o, double mean, double *slope)
{
    (void)o;
    *slope = 0;
    return 0 * mean;
}

static double no_statistic(const loss_options *o, const float *logit, float *gradient)
{
    for (size_t j = 0; gradient && j <= o->marginals; j++)
        gradient[j] = 0 * logit[j];
    return 0;
}

Test(loop, parts_are_refused_where_a_batch_must_be_whole)
{
    problem p;
    loss balanced = loss_nre_a;
    balanced.penalty = no_penalty;
    balanced.statistic = no_statistic;
    problem_open(&p, 512, 256, 1);
    p.settings.accumulate = 2;
    p.settings.loss = &balanced;
    run(&p, NRE_EINVAL);
    cr_assert_not_null(strstr(error_message(), "train.accumulate = 2"), "%s",
                       error_message());
    cr_assert_not_null(strstr(error_message(), "penalty"), "%s", error_message());
    problem_close(&p);
    problem_open_normed(&p, 512, 256, 1);
    p.settings.accumulate = 2;
    run(&p, NRE_EINVAL);
    cr_assert_not_null(strstr(error_message(), "batch norm"), "%s", error_message());
    problem_close(&p);
}

/* the average of the weights */

/* In double, from the definition, over the weights that each epoch of one step left. */
typedef struct trail {
    const problem *p;
    double *sum;
    double decay;
    float *last;
    size_t n;
    bool read;
} trail;

static void follow(void *context, const json_t *line)
{
    trail *t = context;
    train_state s;
    bool found;
    (void)line;
    cr_assert_eq(state_new(t->p->net, t->p->settings.epochs, true, &s), 0);
    cr_assert(!checkpoint_load(&t->p->job, &s, &found) && found);
    for (size_t i = 0; i < t->n; i++)
        t->sum[i] = t->decay * t->sum[i] + (1 - t->decay) * (double)s.weights[i];
    memcpy(t->last, s.average, t->n * sizeof *t->last);
    state_free(&s);
}

Test(loop, average_is_the_corrected_one_of_all_steps)
{
    problem p;
    problem_open(&p, 256, 128, 1);
    p.settings.epochs = 6;
    p.settings.average = 0.7;
    p.settings.checkpoint_every = 1;
    trail t = {.p = &p, .decay = 0.7, .n = net_n_weights(p.net)};
    t.sum = memory_new(t.n, sizeof *t.sum);
    t.last = memory_new(t.n, sizeof *t.last);
    p.job.metrics = follow;
    p.job.metrics_context = &t;
    run(&p, 0);
    for (size_t i = 0; i < t.n; i++)
        cr_assert_float_eq((double)t.last[i], t.sum[i] / (1 - pow(0.7, 6)), 1e-6,
                           "%zu: %g", i, (double)t.last[i]);
    free(t.sum);
    free(t.last);
    problem_close(&p);
}

typedef struct saved_ratio {
    const model *model;
    const scaling *scaling;
    const target *target;
    model_worker *worker;
} saved_ratio;

static int saved_log_ratio(void *context, size_t n, const double *theta, const float *x,
                           double *log_ratio)
{
    saved_ratio *r = context;
    for (size_t i = 0; i < n; i++) {
        float z[PROBLEM_D], t[PROBLEM_D], head[256], logit;
        cr_assert(model_head_size(r->model) <= 256);
        scaling_apply(r->scaling, 1, x + i * PROBLEM_D, z, NULL);
        target_standardise(r->target, 1, theta + i * PROBLEM_D, t, NULL);
        cr_assert_eq(model_head(r->model, r->worker, 1, z, head), 0);
        cr_assert_eq(model_trunk(r->model, r->worker, 1, 1, head, t, &logit, NULL), 0);
        log_ratio[i] = (double)logit;
    }
    return NRE_OK;
}

/* The saved network has the loss that was reported for it. */
static void check_saved(problem *p)
{
    model *m = NULL;
    scaling *c = NULL;
    double found;
    cr_assert_eq(trained_open(p->folder, p->net, &m, &c), 0, "%s", error_message());
    saved_ratio r = {.model = m, .scaling = c, .target = &p->target};
    cr_assert_eq(model_worker_new(m, &r.worker), 0);
    cr_assert_eq(validation_loss_of(&p->job, saved_log_ratio, &r, &found), 0);
    train_result again = run(p, 0);
    cr_assert_float_eq(found, again.best_loss, 1e-5, "%g, not %g", found,
                       again.best_loss);
    model_worker_free(r.worker);
    model_free(m);
    scaling_free(c);
}

/* With a constant rate, small batches leave noise in the weights that the average takes out. */
Test(loop, average_beats_the_last_weights)
{
    double best[2];
    for (int i = 0; i < 2; i++) {
        problem p;
        problem_open(&p, 4096, 4096, 1);
        p.settings.schedule.name = TRAIN_CONSTANT;
        p.settings.schedule.lr = 1e-2;
        p.settings.batch_size = 64;
        p.settings.epochs = 6;
        p.settings.average = i ? 0.99 : 0;
        best[i] = run(&p, 0).last_loss;
        check_saved(&p);
        problem_close(&p);
    }
    cr_assert_lt(best[1], best[0], "%g with, %g without", best[1], best[0]);
}

Test(loop, average_has_statistics_of_its_own)
{
    problem p;
    problem_open_normed(&p, 2048, 2048, 2);
    p.settings.schedule.lr = 1e-2;
    p.settings.average = 0.9;
    p.settings.epochs = 4;
    train_result r = run(&p, 0);
    cr_assert_lt(r.best_loss, 2 * log(2) - 0.1, "%g", r.best_loss); /* 2 log 2 at r = 1 */
    check_saved(&p);
    problem_close(&p);
}

/* The running mean of the first batch norm is what its linear layer makes of the mean input:
 * of all rows, since four batches are the epoch, each theta as often as every other. */
Test(loop, statistics_are_of_the_averaged_weights)
{
    problem p;
    train_state s;
    bool found;
    size_t k;
    double mean[2 * PROBLEM_D] = {0};
    problem_open_normed(&p, 256, 256, 1);
    p.settings.batch_size = 64;
    p.settings.average = 0.9;
    p.settings.epochs = 2;
    run(&p, 0);
    cr_assert_eq(state_new(p.net, 2, true, &s), 0);
    cr_assert(!checkpoint_load(&p.job, &s, &found) && found);
    for (size_t i = 0; i < 256; i++) {
        float z[2 * PROBLEM_D];
        target_standardise(&p.target, 1, p.theta[0] + i * PROBLEM_D, z, NULL);
        scaling_apply(&p.scaling, 1, p.x[0] + i * PROBLEM_D, z + PROBLEM_D, NULL);
        for (size_t j = 0; j < 2 * PROBLEM_D; j++)
            mean[j] += (double)z[j] / 256;
    }
    const net_tensor *w = net_weights(p.net, &k), *b = net_buffers(p.net, &k);
    const float *weight = s.best_weights + w[0].at, *bias = s.best_weights + w[1].at;
    cr_assert_not_null(strstr(w[0].name, ".weight"), "%s", w[0].name);
    cr_assert_not_null(strstr(w[1].name, ".bias"), "%s", w[1].name);
    cr_assert_not_null(strstr(b[0].name, "running_mean"), "%s", b[0].name);
    for (size_t i = 0; i < 32; i++) {
        double expected = (double)bias[i];
        for (size_t j = 0; j < 2 * PROBLEM_D; j++)
            expected += (double)weight[i * 2 * PROBLEM_D + j] * mean[j];
        cr_assert_float_eq((double)s.best_buffers[b[0].at + i], expected, 1e-5,
                           "%zu: %g, not %g", i, (double)s.best_buffers[b[0].at + i],
                           expected);
    }
    state_free(&s);
    problem_close(&p);
}

Test(loop, average_survives_interruptions_and_threads)
{
    problem whole, parts;
    interruption i = {.after = 3};
    problem_open_normed(&whole, 1024, 512, 1);
    problem_open_normed(&parts, 1024, 512, 2);
    whole.settings.average = parts.settings.average = 0.95;
    run(&whole, 0);
    parts.job.metrics = stop_after;
    parts.job.metrics_context = &i;
    run(&parts, NRE_ECANCELLED);
    stop_request(0);
    i.after = 0;
    cr_assert(run(&parts, 0).resumed);
    expect_same(&whole, &parts);
    problem_close(&whole);
    problem_close(&parts);
}
