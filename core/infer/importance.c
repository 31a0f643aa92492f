/* infer/importance.c - adaptive mixture importance sampling of a posterior. */
#include "infer/infer.h"

#include <math.h>
#include <string.h>

enum {
    N_PRIOR = 500,
    N_ROUND = 300,
    MAX_ROUNDS = 10,
    FIT_POINTS = 200,
    TEMPER_STEPS = 12
};
static const double ENOUGH = 200;

typedef struct sampling {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows;
    rng *rng;
    cloud_plan plan;
    cloud *out;
    size_t rounds;      /* mixtures so far */
    mixture *mixture;   /* [max_rounds] */
    double *mixture_at; /* [max_rounds][mixture_size] */
    double *z;          /* [most][dim] */
    double *log_prior;  /* [most] of the prior in z */
    double *log_valid;  /* [most] */
    double *spread;     /* [most] sum over rounds of n q / prior, at each draw */
    double *log_weight; /* [most] */
    double *tempered;   /* [most] */
    double *fit_z;      /* [FIT_POINTS][dim] */
    double *fit_scratch;
} sampling;

static int take_memory(sampling *s)
{
    size_t d = s->out->dim, rounds = s->plan.max_rounds;
    size_t most = s->plan.n_prior + rounds * s->plan.n_round;
    size_t fit = mixture_fit_size(s->out->dim, FIT_POINTS),
           one = mixture_size(s->out->dim);
    size_t doubles = most * (d + 5) + FIT_POINTS * d + fit + rounds * one;
    char *at = room_take(&s->worker->scratch[SCRATCH_CLOUD], 1,
                         doubles * sizeof(double) + rounds * sizeof(mixture));
    double *kept = room_take(&s->out->memory, most, (d + 3) * sizeof *kept);
    if (!at || !kept)
        return fail(NRE_ENOMEM, "no memory for %zu importance samples", most);
    s->mixture = (mixture *)(void *)at;
    s->mixture_at = (double *)(void *)(s->mixture + rounds);
    s->z = s->mixture_at + rounds * one;
    s->log_prior = s->z + most * d;
    s->log_valid = s->log_prior + most;
    s->spread = s->log_valid + most;
    s->log_weight = s->spread + most;
    s->tempered = s->log_weight + most;
    s->fit_z = s->tempered + most;
    s->fit_scratch = s->fit_z + FIT_POINTS * d;
    s->out->theta = kept;
    s->out->log_ratio = kept + most * d;
    s->out->log_density = s->out->log_ratio + most;
    s->out->weight = s->out->log_density + most;
    return NRE_OK;
}

/* Density of mixture Q at draw I against the prior's; bounded, so that products stay
 * finite. */
static double against_prior(const sampling *s, const mixture *q, size_t i)
{
    double log_q = mixture_log_density(q, s->z + i * s->out->dim);
    return exp(fmin(log_q - s->log_prior[i], 600));
}

/* Ratio, prior and P(valid) of draws FROM .. N - 1, whose z is there. */
static int evaluate_draws(sampling *s, size_t from)
{
    cloud *c = s->out;
    size_t n = c->n - from, d = c->dim;
    const target *t = s->posterior->ratio->target;
    double *theta = c->theta + from * d, *log_prior = s->log_prior + from;
    double *log_jacobian = s->log_weight + from;

    unbounded_back(t, n, s->z + from * d, theta, log_jacobian, NULL, NULL);
    int status = prior_log_density(t->prior, d, t->which, n, theta, log_prior, NULL);
    if (status == NRE_OK)
        status = ratio_joint(s->posterior->ratio, s->worker, s->observed, s->row,
                             s->n_rows, n, theta, c->log_ratio + from, NULL);
    if (status != NRE_OK)
        return status;
    validity_log(s->posterior->validity, n, theta, s->log_valid + from, NULL);
    for (size_t i = from; i < c->n; i++) {
        c->log_density[i] = s->log_prior[i];
        if (s->posterior->validity)
            c->log_density[i] += s->log_valid[i];
        c->log_density[i] += c->log_ratio[i];
        s->log_prior[i] += s->log_weight[i];
    }
    return NRE_OK;
}

/* Deterministic-mixture weights: each draw against the mixture of all rounds' densities.
 */
static void add_spread(sampling *s, size_t from)
{
    double n_prior = (double)s->plan.n_prior, n_round = (double)s->plan.n_round;
    for (size_t i = from; i < s->out->n; i++) {
        s->spread[i] = n_prior;
        for (size_t k = 0; k + 1 < s->rounds; k++)
            s->spread[i] += n_round * against_prior(s, &s->mixture[k], i);
    }
    for (size_t i = 0; s->rounds > 0 && i < s->out->n; i++)
        s->spread[i] += n_round * against_prior(s, &s->mixture[s->rounds - 1], i);
}

static double largest(size_t n, const double *value)
{
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = value[i] > most ? value[i] : most;
    return most;
}

/* exp(POWER * (value - most)) into OUT; 1 / sum of their squares once normalised. */
static double raise(size_t n, const double *value, double most, double power, double *out,
                    double *total)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double below = power * (value[i] - most);
        out[i] = below > -100 ? exp(below) : 0;
        sum += out[i];
        squares += out[i] * out[i];
    }
    *total = sum;
    return sum * sum / squares;
}

static int weigh(sampling *s)
{
    cloud *c = s->out;
    double total, prior_total = 0;
    for (size_t i = 0; i < c->n; i++) {
        bool inside = s->log_prior[i] > -INFINITY;
        s->log_weight[i] =
            inside ? c->log_ratio[i] + s->log_valid[i] - log(s->spread[i]) : -INFINITY;
        prior_total += inside ? exp(s->log_valid[i]) / s->spread[i] : 0;
    }
    double most = largest(c->n, s->log_weight);
    if (!(most > -INFINITY))
        return fail(NRE_ENUMERIC,
                    "the posterior of row %zu is zero at all %zu importance samples",
                    s->row, c->n);
    c->effective = raise(c->n, s->log_weight, most, 1, c->weight, &total);
    c->log_area = most + log(total);
    if (s->posterior->validity)
        c->log_area -= log(prior_total);
    for (size_t i = 0; i < c->n; i++)
        c->weight[i] /= total;
    return NRE_OK;
}

/* Weights w^beta with the largest beta <= 1 that leaves enough of them to fit a
 * covariance to. */
static double temper(const sampling *s, double *total)
{
    size_t n = s->out->n;
    double goal = fmin(30 + 5 * (double)s->out->dim, 0.25 * (double)n);
    double low = 0, high = 1, most = largest(n, s->log_weight);
    double effective = raise(n, s->log_weight, most, 1, s->tempered, total);
    if (effective >= goal)
        return effective;
    for (int i = 0; i < TEMPER_STEPS; i++) {
        double middle = i < 4 ? 0.3 * high : 0.5 * (low + high);
        effective = raise(n, s->log_weight, most, middle, s->tempered, total);
        if (effective >= goal)
            low = middle;
        else
            high = middle;
        if (low > 0 && i < 4)
            i = 3;
    }
    return raise(n, s->log_weight, most, low, s->tempered, total);
}

/* Systematic resampling to FIT_POINTS equal points, a mixture fitted to them. */
static void fit_mixture(sampling *s)
{
    size_t d = s->out->dim, from = 0;
    double total, effective = temper(s, &total);
    double step = total / FIT_POINTS, at = step * rng_uniform(s->rng),
           sum = s->tempered[0];
    for (size_t i = 0; i < FIT_POINTS; i++, at += step) {
        while (sum < at && from + 1 < s->out->n)
            sum += s->tempered[++from];
        memcpy(s->fit_z + i * d, s->z + from * d, d * sizeof *s->z);
    }
    mixture_fit(&s->mixture[s->rounds], s->out->dim, FIT_POINTS, s->fit_z,
                fmin(effective, FIT_POINTS), s->rng,
                s->mixture_at + s->rounds * mixture_size(s->out->dim), s->fit_scratch);
    s->rounds++;
}

static int draw_round(sampling *s)
{
    cloud *c = s->out;
    size_t from = c->n;
    fit_mixture(s);
    c->n += s->plan.n_round;
    for (size_t i = from; i < c->n; i++)
        mixture_sample(&s->mixture[s->rounds - 1], s->rng, s->z + i * c->dim);
    int status = evaluate_draws(s, from);
    if (status != NRE_OK)
        return status;
    add_spread(s, from);
    return weigh(s);
}

static int draw_prior(sampling *s)
{
    cloud *c = s->out;
    const target *t = s->posterior->ratio->target;
    c->n = s->plan.n_prior;
    int status = target_sample(t, s->rng, c->n, c->theta);
    if (status != NRE_OK)
        return status;
    unbounded_of(t, c->n, c->theta, s->z);
    status = evaluate_draws(s, 0);
    if (status != NRE_OK)
        return status;
    add_spread(s, 0);
    return weigh(s);
}

static cloud_plan with_defaults(const cloud_plan *asked)
{
    cloud_plan p = asked ? *asked : (cloud_plan){0};
    p.n_prior = p.n_prior > 0 ? p.n_prior : N_PRIOR;
    p.n_round = p.n_round > 0 ? p.n_round : N_ROUND;
    p.max_rounds = p.max_rounds > 0 ? p.max_rounds : MAX_ROUNDS;
    p.enough = p.enough > 0 ? p.enough : ENOUGH;
    return p;
}

int cloud_of(const posterior *p, ratio_worker *w, const observed *o, size_t row,
             size_t n_rows, const cloud_plan *asked, rng *r, cloud *out)
{
    sampling s = {.posterior = p,
                  .worker = w,
                  .observed = o,
                  .row = row,
                  .n_rows = n_rows,
                  .rng = r,
                  .plan = with_defaults(asked),
                  .out = out};
    out->dim = p->ratio->target->n;
    int status = take_memory(&s);
    if (status == NRE_OK)
        status = draw_prior(&s);
    while (status == NRE_OK && out->effective < s.plan.enough &&
           s.rounds < s.plan.max_rounds)
        status = draw_round(&s);
    out->v = rng_uniform(r);
    return status;
}

void cloud_release(cloud *c)
{
    room_release(&c->memory);
    *c = (cloud){0};
}

double cloud_rank(const cloud *c, double log_density)
{
    double denser = 0, equal = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->log_density[i] > log_density)
            denser += c->weight[i];
        else if (c->log_density[i] == log_density)
            equal += c->weight[i];
    }
    return (c->effective * (denser + c->v * equal) + c->v) / (c->effective + 1);
}
