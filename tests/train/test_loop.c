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
