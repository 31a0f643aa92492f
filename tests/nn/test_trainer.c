/* Tests of nn/trainer.c: every op forward against plain loops and backward against
 * differences, batch norm's statistics, slices, threads. */
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
    cr_assert_eq(trainer_new(r->g, n, per_x, p, &r->t), 0, "%s", error_message());
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
    for (size_t i = 0; i < r.n_weights; i++) {
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
