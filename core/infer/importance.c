/* infer/importance.c - adaptive mixture importance sampling of a posterior. */
#include "infer/infer.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    N_PRIOR = 500,
    N_ROUND = 300,
    MAX_ROUNDS = 14,
    ADAPT_ROUNDS =
        12, /* at least, and half of all: what has not served by then will hardly */
    FIT_POINTS = 200, /* at least, and as many as a round draws, up to */
    MOST_FIT_POINTS = 600,
    TEMPER_STEPS = 12,
    LEAP = 200,    /* exp() of so much more than before calls for another scale */
    FARTHEST = 600 /* exp() of it is finite */
};
static const double ENOUGH = 200;
static const double DEFENSIVE = 0.1; /* of the cloud's draws come from the prior */
static const double SERVES = 0.15; /* effective draws a draw of a mixture that is good */
static const double NEAR = 1.25;   /* the goal of tempering is met up to this factor */

typedef struct sampling {
    const posterior *posterior;
    ratio_worker *worker;
    const observed *observed;
    size_t row, n_rows;
    rng *rng;
    cloud_plan plan;
    cloud *out;
    size_t fit_points;
    size_t n, first;     /* draws so far; those from FIRST on are the cloud */
    size_t rounds, used; /* mixtures so far; rounds of draws */
    mixture *mixture;    /* [max_rounds + 1] */
    double *mixture_at;  /* [max_rounds + 1][mixture_size] */
    double *z;           /* [most][dim] */
    double *log_prior;   /* [most] of the prior in z */
    double *log_valid;   /* [most] */
    double *likely;      /* [most] r P(valid) / exp(top) */
    double *prior_at;    /* [most] the prior in z / exp(unit) */
    double *spread;      /* [most] density that the draw could come from / exp(unit) */
    double *log_weight;  /* [most] where a fit is tempered */
    double *tempered;    /* [most] */
    double *fit_z;       /* [fit_points][dim] */
    double *fit_scratch;
    double *scale;    /* [max_rounds + 1] exp(a mixture's own unit - unit) */
    double top, unit; /* UNIT is that of the first mixture */
    double total;     /* what the cloud's weights were divided by */
} sampling;

static int take_memory(sampling *s)
{
    size_t d = s->out->dim, rounds = s->plan.max_rounds, points = s->fit_points;
    size_t most = s->plan.n_prior + rounds * s->plan.n_round + 1; /* the truth, too */
    size_t fit = mixture_fit_size(s->out->dim, s->fit_points),
           one = mixture_size(s->out->dim);
    size_t doubles = most * (d + 7) + points * d + fit + (rounds + 1) * (one + 1);
    char *at = room_take(&s->worker->scratch[SCRATCH_CLOUD], 1,
                         doubles * sizeof(double) + (rounds + 1) * sizeof(mixture));
    double *kept = room_take(&s->out->memory, most, (d + 3) * sizeof *kept);
    if (!at || !kept)
        return fail(NRE_ENOMEM, "no memory for %zu importance samples", most);
    s->z = (double *)(void *)at;
    s->log_prior = s->z + most * d;
    s->log_valid = s->log_prior + most;
    s->likely = s->log_valid + most;
    s->prior_at = s->likely + most;
    s->spread = s->prior_at + most;
    s->log_weight = s->spread + most;
    s->tempered = s->log_weight + most;
    s->fit_z = s->tempered + most;
    s->fit_scratch = s->fit_z + points * d;
    s->scale = s->fit_scratch + fit;
    s->mixture_at = s->scale + rounds + 1;
    s->mixture = (mixture *)(void *)(s->mixture_at + (rounds + 1) * one);
    s->out->theta = kept;
    s->out->log_ratio = kept + most * d;
    s->out->log_density = s->out->log_ratio + most;
    s->out->weight = s->out->log_density + most;
    return NRE_OK;
}

static double largest(size_t n, const double *value)
{
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = value[i] > most ? value[i] : most;
    return most;
}

/* Of draws FROM on, whose logarithms are there. */
static void likelihoods(sampling *s, size_t from)
{
    const double *log_ratio = s->out->log_ratio;
    double most = -INFINITY;
    for (size_t i = from; i < s->n; i++)
        if (s->log_prior[i] > -INFINITY)
            most = fmax(most, log_ratio[i] + s->log_valid[i]);
    if (most > s->top + LEAP) {
        s->top = most;
        from = 0;
    }
    for (size_t i = from; i < s->n; i++) {
        double below = log_ratio[i] + s->log_valid[i] - s->top;
        s->likely[i] = s->log_prior[i] > -INFINITY && below > -FARTHEST ? exp(below) : 0;
    }
}

static void priors(sampling *s, size_t from)
{
    for (size_t i = from; i < s->n; i++)
        s->prior_at[i] = exp(fmin(s->log_prior[i] - s->unit, FARTHEST));
}

/* Of unit mass in what is left of the prior, outside of which the ratio is 0. */
static void truncate_priors(sampling *s, size_t from)
{
    double log_volume = posterior_log_volume(s->posterior);
    for (size_t i = from; s->posterior->truncation && i < s->n; i++)
        s->log_prior[i] =
            s->out->log_ratio[i] > -INFINITY ? s->log_prior[i] - log_volume : -INFINITY;
}

/* Ratio, prior and P(valid) of N draws more, whose z is there. */
static int evaluate_draws(sampling *s, size_t n)
{
    cloud *c = s->out;
    size_t d = c->dim, from = s->n;
    const target *t = posterior_target(s->posterior);
    double *theta = c->theta + from * d, *log_prior = s->log_prior + from;
    double *log_jacobian = s->log_weight;

    unbounded_back(t, n, s->z + from * d, theta, log_jacobian, NULL, NULL);
    int status = prior_log_density(t->prior, d, t->which, n, theta, log_prior, NULL);
    if (status == NRE_OK)
        status = ratio_joint(s->posterior->ratio, s->worker, s->observed, s->row,
                             s->n_rows, n, theta, c->log_ratio + from, NULL);
    if (status != NRE_OK)
        return status;
    s->n += n;
    truncate_priors(s, from);
    validity_log(s->posterior->validity, n, theta, s->log_valid + from, NULL);
    for (size_t i = from; i < s->n; i++) {
        c->log_density[i] = s->log_prior[i];
        if (s->posterior->validity)
            c->log_density[i] += s->log_valid[i];
        c->log_density[i] += c->log_ratio[i];
        s->log_prior[i] += log_jacobian[i - from];
    }
    likelihoods(s, from);
    priors(s, from);
    return NRE_OK;
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

/* Weights of draws FROM on, whose spreads are there, up to a common factor; returns their
 * effective size. */
static double weigh(sampling *s, size_t from, double *total)
{
    double sum = 0, squares = 0, *weight = s->out->weight;
    for (size_t i = from; i < s->n; i++) {
        weight[i] = s->likely[i] > 0 ? s->likely[i] * (s->prior_at[i] / s->spread[i]) : 0;
        sum += weight[i];
        squares += weight[i] * weight[i];
    }
    *total = sum;
    return sum > 0 ? sum * sum / squares : 0;
}

static void take_logarithms(sampling *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->log_weight[i] = s->log_prior[i] > -INFINITY
                               ? s->out->log_ratio[i] + s->log_valid[i] +
                                     (s->log_prior[i] - s->unit - log(s->spread[i]))
                               : -INFINITY;
}

/* Weights w^beta with the largest beta <= 1 that leaves enough of them to fit a
 * covariance to. */
static double temper(sampling *s, double *total)
{
    size_t n = s->n;
    double goal = fmin(30 + 5 * (double)s->out->dim, 0.25 * (double)n);
    double low = 0, high = 1, effective = weigh(s, 0, total);
    memcpy(s->tempered, s->out->weight, n * sizeof *s->tempered);
    if (effective >= goal)
        return effective;
    take_logarithms(s);
    double most = largest(n, s->log_weight);
    for (int i = 0; i < TEMPER_STEPS; i++) {
        double middle = low > 0 ? 0.5 * (low + high) : 0.3 * high;
        effective = raise(n, s->log_weight, most, middle, s->tempered, total);
        if (effective >= goal && effective < NEAR * goal)
            return effective;
        if (effective >= goal)
            low = middle;
        else
            high = middle;
    }
    return raise(n, s->log_weight, most, low, s->tempered, total);
}

/* Systematic resampling to equal points, a mixture fitted to them. */
static void fit_mixture(sampling *s)
{
    size_t d = s->out->dim, from = 0, points = s->fit_points;
    double total, effective = temper(s, &total);
    double step = total / (double)points, at = step * rng_uniform(s->rng),
           sum = s->tempered[0];
    for (size_t i = 0; i < points; i++, at += step) {
        while (sum < at && from + 1 < s->n)
            sum += s->tempered[++from];
        memcpy(s->fit_z + i * d, s->z + from * d, d * sizeof *s->z);
    }
    mixture *q = &s->mixture[s->rounds];
    mixture_fit(q, s->out->dim, points, s->fit_z, fmin(effective, (double)points), s->rng,
                s->mixture_at + s->rounds * mixture_size(s->out->dim), s->fit_scratch);
    if (s->rounds == 0) {
        s->unit = q->log_unit;
        priors(s, 0);
        for (size_t i = 0; i < s->n; i++)
            s->spread[i] = (double)s->plan.n_prior * s->prior_at[i];
    }
    s->scale[s->rounds++] = exp(fmin(q->log_unit - s->unit, FARTHEST));
}

/* Density of mixture K at draw I; above 0, for a quotient's sake. */
static double density_at(const sampling *s, size_t k, size_t i)
{
    double density = mixture_density(&s->mixture[k], s->z + i * s->out->dim);
    return fmax(s->scale[k] * density, DBL_MIN);
}

/* Deterministic-mixture weights: each draw against the mixture of all rounds' densities.
 */
static void spread_all(sampling *s, size_t from)
{
    double n_prior = (double)s->plan.n_prior, n_round = (double)s->plan.n_round;
    for (size_t i = from; i < s->n; i++) {
        s->spread[i] = n_prior * s->prior_at[i];
        for (size_t k = 0; k + 1 < s->rounds; k++)
            s->spread[i] += n_round * density_at(s, k, i);
    }
    for (size_t i = 0; i < s->n; i++)
        s->spread[i] += n_round * density_at(s, s->rounds - 1, i);
}

/* What is left of the prior is costly to draw from; its draws are there already, and a cloud takes some of
 * them, from a random place on. */
static bool take_draws(sampling *s, size_t n, double *theta)
{
    const posterior *p = s->posterior;
    const target *t = posterior_target(p);
    size_t most = 0;
    const double *draws = p->truncation ? truncation_draws(p->truncation, &most) : NULL;
    if (!draws || most < n || t->prior != p->ratio->target->prior)
        return false;
    size_t at = (size_t)(rng_uniform(s->rng) * (double)most) % most;
    for (size_t i = 0; i < n; i++, at = (at + 1) % most)
        target_columns(t, 1, draws + at * t->prior->n, theta + i * t->n);
    return true;
}

static int draw_from_prior(sampling *s, size_t n)
{
    const target *t = posterior_target(s->posterior);
    double *theta = s->out->theta + s->n * s->out->dim;
    int status = take_draws(s, n, theta)
                     ? NRE_OK
                     : posterior_sample(s->posterior, s->rng, n, theta);
    if (status == NRE_OK)
        unbounded_of(t, n, theta, s->z + s->n * s->out->dim);
    return status;
}

/* One round of adaptation; SERVES is about its own draws under the mixture they came
 * from. */
static int adapt(sampling *s, bool *serves)
{
    size_t from = s->n, n = s->plan.n_round;
    double total;
    fit_mixture(s);
    for (size_t i = from; i < from + n; i++)
        mixture_sample(&s->mixture[s->rounds - 1], s->rng, s->z + i * s->out->dim);
    int status = evaluate_draws(s, n);
    if (status != NRE_OK)
        return status;
    s->used++;
    for (size_t i = from; i < s->n; i++)
        s->spread[i] = density_at(s, s->rounds - 1, i);
    *serves = weigh(s, from, &total) > SERVES * (double)n;
    spread_all(s, from);
    return NRE_OK;
}

/* Of a round, how many are drawn from the prior. */
static size_t n_defensive(const sampling *s)
{
    return (size_t)ceil(DEFENSIVE * (double)s->plan.n_round);
}

/* Density that draw I of the cloud came from. */
static double cloud_density(const sampling *s, size_t i)
{
    double share = (double)n_defensive(s) / (double)s->plan.n_round;
    return share * s->prior_at[i] + (1 - share) * density_at(s, s->rounds - 1, i);
}

/* A round of the cloud itself, from the last mixture and the prior. */
static int draw_cloud(sampling *s)
{
    size_t n = s->plan.n_round, from = s->n;
    size_t n_prior = n_defensive(s);
    int status = draw_from_prior(s, n_prior);
    for (size_t i = from + n_prior; i < from + n; i++)
        mixture_sample(&s->mixture[s->rounds - 1], s->rng, s->z + i * s->out->dim);
    if (status == NRE_OK)
        status = evaluate_draws(s, n);
    s->used++;
    for (size_t i = from; status == NRE_OK && i < s->n; i++)
        s->spread[i] = cloud_density(s, i);
    return status;
}

/* Effective size and area of the draws from FIRST on, of which the cloud then consists.
 */
static int measure(sampling *s)
{
    cloud *c = s->out;
    double total = 0, valid = 0, n = (double)(s->n - s->first);
    c->effective = weigh(s, s->first, &total);
    c->log_area = -INFINITY;
    s->total = total;
    if (c->effective == 0)
        return NRE_OK;
    c->log_area = s->top + log(total / n);
    for (size_t i = s->first; i < s->n; i++) {
        c->weight[i] /= total;
        if (s->posterior->validity && s->log_prior[i] > -INFINITY)
            valid += exp(s->log_valid[i]) * (s->prior_at[i] / s->spread[i]);
    }
    if (s->posterior->validity)
        c->log_area -= log(valid / n);
    return NRE_OK;
}

static int prior_stage(sampling *s)
{
    int status = draw_from_prior(s, s->plan.n_prior);
    if (status == NRE_OK)
        status = evaluate_draws(s, s->plan.n_prior);
    for (size_t i = 0; status == NRE_OK && i < s->n; i++)
        s->prior_at[i] = s->spread[i] = 1;
    return status == NRE_OK ? measure(s) : status;
}

/* At least two rounds are left for the cloud. */
static int mixture_stage(sampling *s)
{
    int status = NRE_OK;
    bool serves = false;
    size_t half = s->plan.max_rounds / 2;
    while (status == NRE_OK && !serves &&
           s->used < (half > ADAPT_ROUNDS ? half : ADAPT_ROUNDS) &&
           s->used + 2 < s->plan.max_rounds)
        status = adapt(s, &serves);
    if (status != NRE_OK)
        return status;
    fit_mixture(s);
    s->first = s->n;
    do {
        status = draw_cloud(s);
        if (status == NRE_OK)
            status = measure(s);
    } while (status == NRE_OK && s->out->effective < s->plan.enough &&
             s->used < s->plan.max_rounds);
    return status;
}

/* The weight of THETA were it one more draw of the cloud, whose weights sum to 1. */
static int weigh_truth(sampling *s, const double *theta)
{
    cloud *c = s->out;
    size_t at = s->n, d = c->dim;
    memcpy(c->theta + at * d, theta, d * sizeof *theta);
    unbounded_of(posterior_target(s->posterior), 1, theta, s->z + at * d);
    int status = evaluate_draws(s, 1);
    s->n = at;
    if (status == NRE_OK)
        status =
            measure(s); /* on the scale of the highest likelihood, which may be new */
    if (status != NRE_OK)
        return status;
    double over = s->rounds > 0 ? s->prior_at[at] / cloud_density(s, at) : 1;
    c->weight_of_truth = s->total > 0 ? s->likely[at] * over / s->total : 1;
    return NRE_OK;
}

/* The arrays begin with the cloud; what came before it stays out of sight. */
static void present(sampling *s)
{
    cloud *c = s->out;
    c->evaluations = s->n;
    c->n = c->nowhere ? 0 : s->n - s->first;
    c->theta += s->first * c->dim;
    c->log_ratio += s->first;
    c->log_density += s->first;
    c->weight += s->first;
    c->v = rng_uniform(s->rng);
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
                  .top = -INFINITY,
                  .plan = with_defaults(asked),
                  .out = out};
    size_t points = s.plan.n_round < MOST_FIT_POINTS ? s.plan.n_round : MOST_FIT_POINTS;
    s.fit_points = points > FIT_POINTS ? points : FIT_POINTS;
    out->dim = posterior_target(p)->n;
    int status = take_memory(&s);
    if (status == NRE_OK)
        status = prior_stage(&s);
    out->nowhere = status == NRE_OK && s.top == -INFINITY;
    if (status == NRE_OK && !out->nowhere && out->effective < s.plan.enough)
        status = mixture_stage(&s);
    out->weight_of_truth = out->nowhere ? 1 : 1 / out->effective;
    if (status == NRE_OK && !out->nowhere && s.plan.truth)
        status = weigh_truth(&s, s.plan.truth);
    if (status == NRE_OK)
        present(&s);
    return status;
}

int cloud_somewhere(const cloud *c, size_t row)
{
    return c->nowhere
               ? fail(NRE_ENUMERIC,
                      "the posterior of row %zu is zero at all %zu draws from the prior",
                      row, c->evaluations)
               : NRE_OK;
}

void cloud_release(cloud *c)
{
    room_release(&c->memory);
    *c = (cloud){0};
}

double cloud_rank(const cloud *c, double log_density, double weight)
{
    double denser = 0, equal = weight;
    for (size_t i = 0; i < c->n; i++) {
        if (c->log_density[i] > log_density)
            denser += c->weight[i];
        else if (c->log_density[i] == log_density)
            equal += c->weight[i];
    }
    return (denser + c->v * equal) / (1 + weight);
}
